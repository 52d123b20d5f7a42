"""Where a fit of events begins: groups are moved along the window with a few widths, one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .events_scoring import Optimum, Problem, maximise
from .starts import BEAM, FITTED, RISE, ROUGH, ROUNDS, group_moved, joint_widths, velocity_grid

Array = NDArray[np.float64]

RACED = 4_000  # events with which starts are compared
MIXED = 3  # passes of EM for numbers of events at each start


def best_fit(problem: Problem) -> Optimum:
    """The best maximum that is reached from a few starts, of at most `RACED` events."""
    model = problem.model.with_events(problem.model.events.sample(RACED))
    race = Problem(model, problem.low, problem.high)
    n_groups, sizes = model.table.n_groups, problem.model.sizes
    raced = _best_of(race, [_in_place(race, sigmas) for sigmas in joint_widths(n_groups, sizes)])
    ends = zip(sizes.instrument, sizes.widest, strict=True)
    grids = [velocity_grid(problem.low, problem.high, group, n_groups, *both) for group, both in enumerate(ends)]
    starts, kept = raced[:1], BEAM if sizes.crowded else 1
    for _ in range(2 if n_groups > 1 else 1):
        for group, places in enumerate(grids):
            tried = [group_moved(start, group, n_groups, *place) for start in starts[:kept] for place in places]
            starts = _best_of(race, tried, max(kept, FITTED))
    different = {start.tobytes(): start for start in [*starts, *(raced if n_groups > 1 else raced[:1])]}
    best = max((maximise(race, start, ROUGH) for start in different.values()), key=lambda found: found.value)
    if n_groups > 1 and sizes.crowded:
        best = _improved(race, best, grids)
    return maximise(problem, best.theta)


def _improved(problem: Problem, best: Optimum, grids: list[list[tuple[float, float]]]) -> Optimum:
    """The same or a higher maximum: each group in turn is tried at all places, the others being where they are."""
    for _ in range(ROUNDS):
        before = best.value
        for group, places in enumerate(grids):
            starts = _best_of(problem, [group_moved(best.theta, group, len(grids), *place) for place in places])
            best = max([best, *(maximise(problem, start, ROUGH) for start in starts)], key=lambda found: found.value)
        if best.value < before + RISE:
            break
    return best


def _in_place(problem: Problem, sigmas: Array) -> Array:
    """The start at the redshifts that were given, the events being shared by lines and background."""
    model, layout = problem.model, problem.model.layout
    theta = np.zeros(layout.size)
    theta[layout.variances] = sigmas**2
    theta[layout.ratios] = 0.5 * (problem.low[layout.ratios] + problem.high[layout.ratios])
    theta[layout.amounts] = model.events.total / (layout.amounts.stop - layout.amounts.start)
    return np.clip(theta, problem.low, problem.high)


def _best_of(problem: Problem, starts: list[Array], number: int = FITTED) -> list[Array]:
    """The best starts, with the numbers of events that belong to them."""
    found = [(problem.model.likelihood(theta).value, theta) for theta in (mixed(problem, start) for start in starts)]
    return [theta for _, theta in sorted(found, key=lambda pair: -pair[0])[:number]]


def mixed(problem: Problem, theta: Array, passes: int = MIXED) -> Array:
    """A few passes of EM for the numbers of events, all else being held."""
    model, amounts = problem.model, problem.model.layout.amounts
    theta = theta.copy()
    for _ in range(passes):
        gradient = model.likelihood(theta).gradient[amounts]
        expected = model.chained(theta, model.integral(theta)[1])[amounts]
        theta[amounts] *= 1.0 + gradient / np.maximum(expected, 1e-12)
        np.clip(theta, problem.low, problem.high, out=theta)
    return theta
