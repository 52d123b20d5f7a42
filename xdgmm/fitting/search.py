"""Search for the highest maximum: random starts on few objects, the best of them on more, and on all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import DegenerateError

from . import progress, solvers, split_merge
from .initialisation import Points
from .result import Outcome
from .starts import random_start

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .objective import Objective
    from .problem import Problem
    from .settings import Settings
    from .solvers import Solution

    Found = list[tuple[Solution, Objective]]

STARTED = 10_000  # objects on which starts are compared
TRIAL_PASSES = 60  # passes over them for each start
TRIAL_TOLERANCE = 1e-3  # nats
SINGULAR_NOISE = 1e-12  # smallest eigenvalue of a noise covariance relative to its trace
SMALLEST_SAMPLE, FIRST_SAMPLED = 20_000, 50_000  # objects of the first sample, and from which on one is taken
DIRECT = 200_000  # objects up to which a user's start is also solved on all objects directly
SAMPLE_TOLERANCE = 1e-4  # nats
OUTLYING = 2.0  # times the starting fraction of a background: objects from which no component starts
BEST_STARTS = 3  # how many of the starts are solved on all objects


def search(
    problem: Problem,
    start: GaussianMixture | None,
    settings: Settings,
    rng: np.random.Generator,
    monitor: progress.Monitor,
) -> tuple[Solution, Objective]:
    """The best solution with its objective; if the fit is interrupted, the best mixture so far.

    Raises
    ------
    DegenerateError
        If a component collapses from every start.
    """
    outcome = Outcome.INTERRUPTED
    try:
        starts = _trials(problem, settings, rng, monitor) if start is None else [start]
        return _best(starts, problem, settings, monitor, given=start is not None)
    except KeyboardInterrupt:
        if not monitor.best:
            raise
    except progress.Stopped:
        outcome = Outcome.STOPPED
    for mixture in monitor.best:
        objective = problem.objective(1)
        try:
            return solvers.evaluate(mixture, objective, outcome), objective
        except solvers.CollapseError as collapse:
            lost = collapse.component
    raise _degenerate(lost, problem.observations)


def _trials(
    problem: Problem, settings: Settings, rng: np.random.Generator, monitor: progress.Monitor
) -> list[GaussianMixture]:
    """The best few of `n_init` random starts, each solved for a while on a sample of the objects."""
    observations, n_components = problem.observations, problem.n_components
    rows = _sorted_rows(observations)
    if rows.size > STARTED:
        rows = rows[np.sort(rng.choice(rows.size, STARTED, replace=False))]
    sample = problem.scaling.observations(observations.select(rows))
    points = Points(sample)
    if problem.model.background is not None:
        points = points.without_outliers(min(OUTLYING * problem.model.background.fraction, 0.5))

    def start() -> GaussianMixture:
        return random_start(problem, points.random(settings.init, n_components, rng))

    if n_components == 1:
        return [start()]
    first, lost = start(), []
    data = sample.pack(background=first.background and first.background.box)

    def solve(start: GaussianMixture) -> tuple[float, GaussianMixture] | None:
        objective = problem.objective(TRIAL_PASSES, monitor, data=data)
        try:
            trial = solvers.run(settings.solver, start, objective, TRIAL_TOLERANCE)
        except solvers.CollapseError as collapse:
            monitor.discard_start()
            lost.append(collapse.component)
            return None
        monitor.keep_start()
        return trial.statistics.objective, trial.mixture

    trials = [solve(first), *(solve(start()) for _ in range(settings.n_init - 1))]
    ranked = sorted((trial for trial in trials if trial is not None), key=lambda trial: -trial[0])[:BEST_STARTS]
    if not ranked:
        raise _degenerate(lost[-1], observations)
    best, reached = split_merge.improve(ranked[0][1], ranked[0][0], sample, solve, problem.constraints)
    if reached > ranked[0][0]:
        ranked = [(reached, best), *ranked]
    return [mixture for _, mixture in ranked[:BEST_STARTS]]


def _sorted_rows(observations: Observations) -> NDArray[np.intp]:
    """Rows that count, sorted by what was measured: starts must not depend on the order of the rows.

    Where samples are taken block by block the order counts anyway, and the sorting would cost more than passes.
    """
    rows = np.flatnonzero(observations.counts)
    if rows.size >= FIRST_SAMPLED:
        return rows
    columns = range(observations.values.shape[1])
    keys = [observations.variances_of(i)[rows] for i in columns] + [observations.values[rows, i] for i in columns]
    return rows[np.lexsort(keys)]


def _best(
    starts: list[GaussianMixture], problem: Problem, settings: Settings, monitor: progress.Monitor, *, given: bool
) -> tuple[Solution, Objective]:
    """Solve from every start, on ever larger samples of the objects and then on all; the highest objective wins.

    Passes over few objects are cheap, and starts that fall behind are given up.
    """
    first, near = starts, False
    tolerance = settings.stopping.tolerance
    for n_objects in _sample_sizes(settings, problem.data):
        monitor.begin("sample")
        sample = problem.data.subsample(n_objects)
        found = _solved(starts, sample, problem, settings, SAMPLE_TOLERANCE, monitor, near=near)
        starts, near = [solution.mixture for solution, _ in found[: (len(found) + 1) // 2]], True
    monitor.begin("all objects")
    found = _solved(starts, problem.data, problem, settings, tolerance, monitor, near=near)
    if near and given and problem.data.n_objects <= DIRECT:  # the sample may have led away from the user's start
        found += _solved(first, problem.data, problem, settings, tolerance, monitor, near=False)
    return max(found, key=lambda pair: pair[0].statistics.objective)


def _sample_sizes(settings: Settings, data: Data) -> list[int]:
    """Sizes of the samples that "auto" solves first."""
    sizes = []
    if settings.solver == "auto" and settings.stopping.tolerance > 0:
        size = SMALLEST_SAMPLE
        while size * FIRST_SAMPLED <= SMALLEST_SAMPLE * data.n_objects:
            sizes.append(size)
            size *= 4
    return sizes


def _solved(
    starts: list[GaussianMixture],
    data: Data,
    problem: Problem,
    settings: Settings,
    tolerance: float,
    monitor: progress.Monitor,
    *,
    near: bool,
) -> Found:
    """Solutions and their objectives from every start, best first."""
    finished: Found = []
    for start in starts:
        objective = problem.objective(settings.stopping.max_passes, monitor, data=data)
        try:
            finished.append((solvers.run(settings.solver, start, objective, tolerance, near=near), objective))
            monitor.keep_start()
        except solvers.CollapseError as collapse:
            monitor.discard_start()
            lost = collapse.component
    if not finished:
        raise _degenerate(lost, problem.observations)
    return sorted(finished, key=lambda pair: -pair[0].statistics.objective)


def _degenerate(component: int, observations: Observations) -> DegenerateError:
    counted = observations.select(observations.counts)
    both = counted.present[:, :, None] & counted.present[:, None, :]
    noise = np.where(
        both, counted.noise_covariances, np.eye(counted.values.shape[1]) * np.nanmax(counted.values**2 + 1)
    )
    lowest = np.linalg.eigvalsh(noise)[:, 0]
    exact = int((lowest <= SINGULAR_NOISE * np.trace(noise, axis1=1, axis2=2)).sum())
    if exact == 0:
        return DegenerateError(
            f"component {component} is so much longer than it is wide, and than the smallest errors, that double "
            "precision does not resolve its width; look for outliers, or leave out a column that repeats others"
        )
    return DegenerateError(
        f"component {component} collapses on values that carry no noise ({exact} of {observations.n_objects} objects "
        "have some, or a direction without), so the likelihood has no maximum; give errors for these values, fit fewer "
        "components or columns, or give a prior on the covariances (`prior=Prior(covariances=InverseWishart(w))`)"
    )
