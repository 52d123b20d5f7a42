"""Where the fit of lines begins: groups are moved along the spectrum with a few widths, one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scoring import Maximum, Problem, maximise

Array = NDArray[np.float64]

FACTOR = 3.0  # between widths that are tried
SPACING = 1.5  # between velocities that are tried, in widths
MOST_VELOCITIES = 61
FITTED = 2  # starts that are fitted
FEW_STEPS = 4  # after which starts of several groups are compared
ROUGH = 1e-4  # gain in lnL that a step promises, at which starts are compared


def best_fit(problem: Problem, n_groups: int, instrument: Array, widest: Array, tolerance: float) -> Maximum:
    """The best maximum that is reached from a few starts.

    Parameters
    ----------
    problem : Problem
        Of which the first parameters are velocities and variances of the groups.
    n_groups : int
    instrument, widest : ndarray (G,)
        Sigma of the instrument at each group, and the widest sigma that is tried, in km/s.
    tolerance : float
        Gain in lnL that a step promises, below which the fit has converged.
    """
    theta = _first(problem, n_groups, instrument)
    raced = _in_place(problem, theta, n_groups, instrument, widest)
    moved = raced[0]
    for _ in range(2 if n_groups > 1 else 1):
        for group in range(n_groups):
            places = _grid(problem, group, n_groups, instrument[group], widest[group])
            starts = _best_of(problem, [_at(moved, group, n_groups, *place) for place in places])
            moved = starts[0]
    different = {start.tobytes(): start for start in [*starts, *(raced if n_groups > 1 else raced[:1])]}
    rough = [maximise(problem, start, ROUGH) for start in different.values()]
    best = max(rough, key=lambda fit: fit.point.value)
    return maximise(problem, best.point.theta, tolerance)


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


def _in_place(problem: Problem, theta: Array, n_groups: int, instrument: Array, widest: Array) -> list[Array]:
    """The best starts at the redshifts that were given, of several widths in all groups, after a few steps."""
    variances = slice(n_groups, 2 * n_groups)
    starts = []
    for factor in _factors(float(np.max(widest / instrument))):
        start = theta.copy()
        sigmas = np.minimum(factor * instrument, widest)
        start[variances] = np.clip(sigmas**2, problem.low[variances], problem.high[variances])
        starts.append(start if n_groups == 1 else maximise(problem, start, ROUGH, FEW_STEPS).point.theta)
    return _best_of(problem, starts)


def _factors(largest: float) -> Array:
    """Widths that are tried, in those of the instrument."""
    return np.asarray(FACTOR ** np.arange(1 + int(np.ceil(np.log(max(largest, 1.0)) / np.log(FACTOR)))))


def _grid(problem: Problem, group: int, n_groups: int, instrument: float, widest: float) -> list[tuple[float, float]]:
    """Velocities and variances of a group that are tried."""
    low, high = problem.low[group], problem.high[group]
    least, most = problem.low[n_groups + group], problem.high[n_groups + group]
    middle = min(max(0.0, low), high)
    places = []
    for sigma in instrument * _factors(widest / instrument):
        variance = min(max(sigma**2, least), most)
        step = SPACING * np.hypot(np.sqrt(max(variance, 0.0)), instrument)
        number = int(np.clip(np.ceil((high - low) / step), 1, MOST_VELOCITIES - 1)) + 1
        velocities = np.append(np.linspace(low, high, number), middle) if number > 2 else [middle]
        places += [(float(velocity), variance) for velocity in velocities]
    return list(dict.fromkeys(places))


def _at(theta: Array, group: int, n_groups: int, velocity: float, variance: float) -> Array:
    """The same point with a group at another velocity, of another variance."""
    start = theta.copy()
    start[group], start[n_groups + group] = velocity, variance
    return start


def _best_of(problem: Problem, starts: list[Array]) -> list[Array]:
    """The best starts, at least one."""
    values = problem.values(np.array(starts))
    ordered = np.argsort(-values, kind="stable")[:FITTED]
    return [starts[at] for at in ordered if np.isfinite(values[at])] or starts[:1]
