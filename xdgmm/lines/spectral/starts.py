"""Where the fit of lines begins: groups are moved along the spectrum with a few widths, one after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .scoring import Maximum, Problem, maximise

Array = NDArray[np.float64]

FACTOR = 3.0  # between widths that are tried
SPACING = 1.5  # between velocities that are tried, in widths
MOST_VELOCITIES = 61
FITTED = 2  # starts that are fitted
BEAM = 4  # or so many, where lines of groups can be taken for each other: places of one group for each of the others
ROUNDS, RISE = 4, 0.01  # in which crowded groups are tried elsewhere, as long as lnL rises
FEW_STEPS = 4  # after which starts of several groups are compared
ROUGH = 1e-4  # gain in lnL that a step promises, at which starts are compared


class Sizes(NamedTuple):
    """How large things are where lines are looked for.

    Attributes
    ----------
    instrument, widest : ndarray (G,)
        Sigma of the instrument at each group, and the widest sigma that is tried, in km/s.
    crowded : bool
        Can lines of different groups be taken for each other?
    """

    instrument: Array
    widest: Array
    crowded: bool


def best_fit(problem: Problem, n_groups: int, sizes: Sizes, tolerance: float) -> Maximum:
    """The best maximum that is reached from a few starts.

    Parameters
    ----------
    problem : Problem
        Of which the first parameters are velocities and variances of the groups.
    n_groups : int
    sizes : Sizes
    tolerance : float
        Gain in lnL that a step promises, below which the fit has converged.
    """
    theta = _first(problem, n_groups, sizes.instrument)
    raced = _in_place(problem, theta, n_groups, sizes)
    ends = zip(sizes.instrument, sizes.widest, strict=True)
    grids = [velocity_grid(problem.low, problem.high, group, n_groups, *both) for group, both in enumerate(ends)]
    starts, kept = raced[:1], BEAM if sizes.crowded else 1
    for _ in range(2 if n_groups > 1 else 1):
        for group, places in enumerate(grids):
            tried = [group_moved(start, group, n_groups, *place) for start in starts[:kept] for place in places]
            starts = _best_of(problem, tried, max(kept, FITTED))
    different = {start.tobytes(): start for start in [*starts, *(raced if n_groups > 1 else raced[:1])]}
    rough = [maximise(problem, start, ROUGH) for start in different.values()]
    best = max(rough, key=lambda fit: fit.point.value)
    if n_groups > 1 and sizes.crowded:
        best = _improved(problem, best, n_groups, grids)
    return maximise(problem, best.point.theta, tolerance)


def _improved(problem: Problem, best: Maximum, n_groups: int, grids: list[list[tuple[float, float]]]) -> Maximum:
    """The same or a higher maximum: each group in turn is tried at all places, the others being where they are."""
    for _ in range(ROUNDS):
        before = best.point.value
        for group, places in enumerate(grids):
            starts = _best_of(problem, [group_moved(best.point.theta, group, n_groups, *place) for place in places])
            fits = [maximise(problem, start, ROUGH) for start in starts]
            best = max([best, *fits], key=lambda fit: fit.point.value)
        if best.point.value < before + RISE:
            break
    return best


def _first(problem: Problem, n_groups: int, instrument: Array) -> Array:
    """Zero velocities, ratios in the middle of their bounds, and nonlinear continua as they fit there."""
    theta = np.clip(problem.prior_mean, problem.low, problem.high)
    bounded = np.isfinite(problem.low) & np.isfinite(problem.high)
    bounded[: 2 * n_groups] = False
    theta[bounded] = 0.5 * (problem.low[bounded] + problem.high[bounded])
    if np.isinf(problem.high[2 * n_groups :][problem.prior_precision[2 * n_groups :] == 0]).any():
        variances = slice(n_groups, 2 * n_groups)
        theta[variances] = np.clip(instrument**2, problem.low[variances], problem.high[variances])
        held = np.arange(theta.size) < 2 * n_groups
        theta = maximise(problem.holding(theta, held), theta, ROUGH).point.theta
    return theta


def _in_place(problem: Problem, theta: Array, n_groups: int, sizes: Sizes) -> list[Array]:
    """The best starts at the redshifts that were given, of several widths, after a few steps."""
    variances = slice(n_groups, 2 * n_groups)
    starts = []
    for sigmas in joint_widths(n_groups, sizes):
        start = theta.copy()
        start[variances] = np.clip(sigmas**2, problem.low[variances], problem.high[variances])
        starts.append(start if n_groups == 1 else maximise(problem, start, ROUGH, FEW_STEPS).point.theta)
    return _best_of(problem, starts)


def joint_widths(n_groups: int, sizes: Sizes) -> list[Array]:
    """Widths of the groups that are tried together: the same in all, and in crowded ones different too.

    A narrow and a broad component of one line would be the same at first if their widths were.
    """
    instrument, widest, crowded = sizes
    same = [np.minimum(factor * instrument, widest) for factor in width_factors(float(np.max(widest / instrument)))]
    if n_groups == 1 or not crowded:
        return same
    order = np.arange(n_groups)
    steps = [FACTOR**order, FACTOR ** order[::-1]]
    return same + [np.minimum(factor * instrument * step, widest) for factor in (1.0, FACTOR) for step in steps]


def width_factors(largest: float) -> Array:
    """Widths that are tried, in those of the instrument."""
    return np.asarray(FACTOR ** np.arange(1 + int(np.ceil(np.log(max(largest, 1.0)) / np.log(FACTOR)))))


def velocity_grid(
    lowest: Array, highest: Array, group: int, n_groups: int, instrument: float, widest: float
) -> list[tuple[float, float]]:
    """Velocities and variances of a group that are tried, between the bounds (P,) of all parameters."""
    low, high = lowest[group], highest[group]
    least, most = lowest[n_groups + group], highest[n_groups + group]
    middle = min(max(0.0, low), high)
    places = []
    for sigma in instrument * width_factors(widest / instrument):
        variance = min(max(sigma**2, least), most)
        step = SPACING * np.hypot(np.sqrt(max(variance, 0.0)), instrument)
        number = int(np.clip(np.ceil((high - low) / step), 1, MOST_VELOCITIES - 1)) + 1
        velocities = np.append(np.linspace(low, high, number), middle) if number > 2 else [middle]
        places += [(float(velocity), variance) for velocity in velocities]
    return list(dict.fromkeys(places))


def group_moved(theta: Array, group: int, n_groups: int, velocity: float, variance: float) -> Array:
    """The same point with a group at another velocity, of another variance."""
    start = theta.copy()
    start[group], start[n_groups + group] = velocity, variance
    return start


def _best_of(problem: Problem, starts: list[Array], number: int = FITTED) -> list[Array]:
    """The best starts, at least one."""
    starts = list({start.tobytes(): start for start in starts}.values())
    values = problem.values(np.array(starts))
    ordered = np.argsort(-values, kind="stable")[:number]
    return [starts[at] for at in ordered if np.isfinite(values[at])] or starts[:1]
