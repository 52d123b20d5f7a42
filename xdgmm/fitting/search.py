"""Search for the highest maximum: random starts on few objects, the best of them on more objects and then on all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import DegenerateError

from . import progress, solvers, split_merge
from .initialisation import StartingPoints
from .model import with_background
from .objective import expect, information_of
from .result import Outcome
from .ties import unbounded_ties

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .objective import Objective
    from .problem import Problem
    from .settings import Settings
    from .solvers import Solution
    from .split_merge import Trial
    from .ties import Ties

    Found = tuple[Solution, Objective]

STARTED = 10_000  # objects on which starts are compared
SEVERAL_MAXIMA = 1000  # objects up to which a single Gaussian may have several
NARROW = 1e-4  # variance of the narrow start, relative to that of the usual one
TRIAL_PASSES = 60  # passes over them for each start
TRIAL_TOLERANCE = 1e-3  # nats
SINGULAR_NOISE = 1e-12  # smallest eigenvalue of a noise covariance relative to its trace
SMALLEST_SAMPLE, FIRST_SAMPLED = 20_000, 50_000  # objects of the first sample, and from which on one is taken
DIRECT = 200_000  # objects up to which a user's start is also solved on all objects directly
SAMPLE_TOLERANCE = 1e-4  # nats
OUTLYING = 2.0  # times the starting fraction of a background: objects from which no component starts
CLUSTERS = 5  # for each component beside flat ones, of which random starts take one
BEST_STARTS = 3  # how many of the starts are solved on all objects; more only if all of them collapse


def search(
    problem: Problem,
    start: GaussianMixture | None,
    settings: Settings,
    rng: np.random.Generator,
    monitor: progress.Monitor,
) -> Found:
    """The best solution with its objective; if the fit is interrupted, the best mixture so far.

    Parameters
    ----------
    problem : Problem
    start : GaussianMixture or None
        The user's start, standardised; None for random starts.
    settings : Settings
    rng : numpy Generator
    monitor : Monitor

    Raises
    ------
    DegenerateError
        If a component collapses from every start.
    """
    runs = _Runs(problem, settings, monitor)
    outcome = Outcome.INTERRUPTED
    try:
        if start is not None:
            return runs.from_given_start(start)
        solved = problem.n_components > 1 and problem.data.n_objects <= STARTED
        return max(runs.from_ranked(runs.random_starts(rng), near=solved), key=_height)
    except KeyboardInterrupt:
        if not monitor.best:
            raise
    except progress.Stopped:
        outcome = Outcome.STOPPED
    for mixture in monitor.best:
        objective = problem.objective(1)
        objective.counter = monitor.counter
        try:
            return solvers.evaluate(mixture, objective, outcome), objective
        except solvers.CollapseError as collapse:
            collapsed = collapse.component
    raise _degenerate_error(collapsed, problem)


def search_from(
    problem: Problem,
    sources: Sequence[GaussianMixture],
    settings: Settings,
    rng: np.random.Generator,
    monitor: progress.Monitor,
    incumbent: GaussianMixture | None = None,
) -> Found | None:
    """The best solution from starts that are made of the solutions of other numbers of components or types.

    Parameters
    ----------
    problem : Problem
    sources : sequence of GaussianMixture
        Standardised.  Of one with fewer components some are split, of one with more some are merged.
    settings : Settings
    rng : numpy Generator
    monitor : Monitor
    incumbent : GaussianMixture, optional
        The best solution known, standardised.

    Returns
    -------
    solution, objective
        None where no start is better than the incumbent on few objects, or all collapse.
    """
    runs = _Runs(problem, settings, monitor)
    sample = _starting_sample(problem, rng)
    solve = runs.trials_on(sample)
    starts = (
        problem.constraints.impose_type(start)
        for source in sources
        for start in split_merge.starts_from(source, problem.n_components, sample, monitor.counter)
    )
    trials = [trial for trial in map(solve, starts) if trial is not None]
    if not trials:
        return None
    height, best = max(trials, key=lambda trial: trial[0])
    known = None if incumbent is None else solve(incumbent)
    if known is not None and height <= known[0] + split_merge.SMALLEST_RISE:
        return None
    try:
        return max(runs.from_starts([best], near=problem.data.n_objects <= STARTED), key=_height)
    except DegenerateError:
        return None


def solve_all_objects(problem: Problem, start: GaussianMixture, settings: Settings, monitor: progress.Monitor) -> Found:
    """The solution from a start, standardised, on all objects at once: it ends no lower than the start.

    Raises
    ------
    DegenerateError
        If a component collapses.
    """
    runs = _Runs(problem, settings, monitor)
    return runs.solve_all([start], problem.data, settings.stopping.tolerance, near=False)[0]


class _Runs:
    """Runs of the solver from many starts."""

    def __init__(self, problem: Problem, settings: Settings, monitor: progress.Monitor) -> None:
        self.problem, self.settings, self.monitor = problem, settings, monitor
        self.collapsed = 0  # the component that collapsed last
        self.ties: Ties | None = None  # on which the last solution has no maximum

    def random_starts(self, rng: np.random.Generator) -> list[GaussianMixture]:
        """`n_init` random starts, each solved for some passes on a sample of the objects, the best first."""
        problem, settings = self.problem, self.settings
        sample = _starting_sample(problem, rng)
        points = _starting_points(sample, problem)
        starts = (
            _constrained(_random_start(points, settings.init, problem, rng), problem) for _ in range(settings.n_init)
        )
        if problem.n_components == 1:
            return _of_one_component(next(starts), problem, self.monitor.counter)
        solve = self.trials_on(sample)
        trials = [trial for trial in map(solve, starts) if trial is not None]
        ranked = sorted(trials, key=lambda trial: -trial[0])
        if not ranked:
            raise _degenerate_error(self.collapsed, problem)
        if settings.quick:
            return [ranked[0][1]]
        highest, counter = ranked[0], self.monitor.counter
        best, reached = split_merge.improve(highest[1], highest[0], sample, solve, problem.constraints, counter)
        if reached > ranked[0][0]:
            ranked = [(reached, best), *ranked]
        return [mixture for _, mixture in ranked]

    def trials_on(self, sample: Observations) -> Callable[[GaussianMixture], Trial | None]:
        """A function that solves a start for some passes on standardised objects: the objective reached, the mixture.

        It returns None where a component collapses.
        """
        problem = self.problem
        data = problem.pack_standardised(sample)

        def solve(start: GaussianMixture) -> Trial | None:
            solution = self._run(start, problem.objective(TRIAL_PASSES, self.monitor, data=data), TRIAL_TOLERANCE)
            return None if solution is None else (solution.statistics.objective, solution.mixture)

        return solve

    def from_given_start(self, start: GaussianMixture) -> Found:
        """The best solution from the user's start.

        A sample may lead to another maximum than all objects do.  Unless there are too many, all objects are therefore
        also solved directly from this start.
        """
        found = self.from_starts([start])
        data = self.problem.data
        if _sample_sizes(self.settings, data) and data.n_objects <= DIRECT:
            found += self.solve_all([start], data, self.settings.stopping.tolerance, near=False)
        return max(found, key=_height)

    def from_ranked(self, starts: list[GaussianMixture], *, near: bool) -> list[Found]:
        """Solutions from the best few starts; where a component collapses from all of these, from the next few."""
        *batches, last = (starts[first : first + BEST_STARTS] for first in range(0, len(starts), BEST_STARTS))
        for batch in batches:
            try:
                return self.from_starts(batch, near=near)
            except DegenerateError:
                continue
        return self.from_starts(last, near=near)

    def from_starts(self, starts: list[GaussianMixture], *, near: bool = False) -> list[Found]:
        """Solutions from all starts, on samples of more and more objects and then on all objects.

        Passes over few objects are cheap: after each sample only the better half of the starts is kept.  `near`: have
        the starts been solved on the same objects?
        """
        data = self.problem.data
        for n_objects in _sample_sizes(self.settings, data):
            self.monitor.begin("sample")
            found = self.solve_all(starts, data.subsample(n_objects), SAMPLE_TOLERANCE, near=near)
            starts, near = [solution.mixture for solution, _ in found[: (len(found) + 1) // 2]], True
        self.monitor.begin("all objects")
        return self.solve_all(starts, data, self.settings.stopping.tolerance, near=near)

    def solve_all(self, starts: list[GaussianMixture], data: Data, tolerance: float, *, near: bool) -> list[Found]:
        """Solutions and their objectives from every start, best first."""
        found = []
        for start in starts:
            objective = self.problem.objective(self.settings.stopping.max_passes, self.monitor, data=data)
            solution = self._run(start, objective, tolerance, near=near)
            if solution is not None and not (data is self.problem.data and self._unbounded(solution)):
                found.append((solution, objective))
        if not found:
            raise (_degenerate_error(self.collapsed, self.problem) if self.ties is None else self.ties.error())
        return sorted(found, key=lambda pair: -_height(pair))

    def _unbounded(self, solution: Solution) -> bool:
        """Does the likelihood of a solution grow without bound on equal values?"""
        ties = unbounded_ties(self.problem, solution.mixture, self.monitor.counter)
        self.ties = self.ties if ties is None else ties
        return ties is not None

    def _run(
        self, start: GaussianMixture, objective: Objective, tolerance: float, *, near: bool = False
    ) -> Solution | None:
        """The solution from one start; None where a component collapses."""
        try:
            solution = solvers.run(self.settings.solver, start, objective, tolerance, near=near)
        except solvers.CollapseError as collapse:
            self.monitor.discard_start()
            self.collapsed = collapse.component
            return None
        self.monitor.keep_start()
        return solution


def _height(found: Found) -> float:
    return found[0].statistics.objective


def _of_one_component(start: GaussianMixture, problem: Problem, counter: progress.PassCounter) -> list[GaussianMixture]:
    """Starts of a single Gaussian; of few objects also a narrow one, at the mean of those with the smallest errors.

    Where few objects are measured much better than the others, the likelihood can have a maximum for each kind.
    """
    if len(problem.observations) > SEVERAL_MAXIMA:
        return [start]
    narrow = start.with_parameters(start.all_weights, start.means, NARROW * start.covariances)
    if problem.constraints.fixed_means[0]:
        return [start, narrow]
    statistics = expect(narrow, problem.data)
    counter.add(problem.data.n_objects)
    shift = np.linalg.lstsq(information_of(statistics)[0], statistics.grad_mean[0], rcond=None)[0]
    return [start, narrow.with_parameters(narrow.all_weights, narrow.means + shift, narrow.covariances)]


def _starting_sample(problem: Problem, rng: np.random.Generator) -> Observations:
    """Standardised objects on which starts are made and compared: all, or a random sample."""
    rows = _sorted_rows(problem.observations)
    if rows.size > STARTED:
        rows = rows[np.sort(rng.choice(rows.size, STARTED, replace=False))]
    return problem.scaling.observations(problem.observations.select(rows))


def _sorted_rows(observations: Observations) -> NDArray[np.intp]:
    """Rows that count, sorted by what was measured: starts must not depend on the order of the rows.

    Where samples are taken block by block the order matters in any case, and sorting would cost more than passes.
    """
    rows = np.flatnonzero(observations.counts)
    if rows.size >= FIRST_SAMPLED:
        return rows
    columns = range(observations.values.shape[1])
    keys = [observations.variances_of(i)[rows] for i in columns] + [observations.values[rows, i] for i in columns]
    return rows[np.lexsort(keys)]


def _starting_points(sample: Observations, problem: Problem) -> StartingPoints:
    """The points from which starts are made: the sample, beside a background without its most isolated objects."""
    points, background = StartingPoints(sample), problem.model.background
    return points if background is None else points.without_outliers(min(OUTLYING * background.fraction, 0.5))


def _random_start(points: StartingPoints, kind: str, problem: Problem, rng: np.random.Generator) -> GaussianMixture:
    """A random start; beside flat components, which start from all objects, the others are some of many clusters."""
    flat, K = problem.scaling.flat(problem.model.flat), problem.n_components
    if flat is None:
        return points.random_start(kind, K, rng)
    n = K - flat.n_components
    several = points.random_start(kind, min(n * CLUSTERS, points.n_points), rng)
    volumes = 0.5 * np.linalg.slogdet(several.covariances)[1]
    densest = np.argsort(volumes - np.log(several.weights))
    chosen = densest[:n] if rng.random() < 0.5 else rng.choice(several.n_components, n, replace=False)
    return points.start_beside_flat(several, np.resize(chosen, n), flat, kind, rng)


def _constrained(start: GaussianMixture, problem: Problem) -> GaussianMixture:
    """A random start with the covariance type and background of the model, in the order that its prior prefers."""
    prior = problem.constraints.prior
    if prior is not None and not prior.symmetric and start.flat is None:
        start = start.ordered(prior.most_probable_order(start))
    background = problem.scaling.background(problem.model.background)
    return problem.constraints.impose_type(with_background(start, background))


def _sample_sizes(settings: Settings, data: Data) -> list[int]:
    """Sizes of the samples that "auto" solves first."""
    sizes = []
    if settings.solver == "auto" and settings.stopping.tolerance > 0:
        size, reached = SMALLEST_SAMPLE, 0
        while size * FIRST_SAMPLED <= SMALLEST_SAMPLE * data.n_objects:
            held = data.subsample(size).n_objects  # of a stream at most those in memory
            if held < 2 * reached:
                break
            sizes.append(size)
            size, reached = size * 4, held
    return sizes


def _degenerate_error(component: int, problem: Problem) -> DegenerateError:
    """The error for a component that collapses, with its cause and the remedy."""
    observations = problem.observations
    counted = observations.select(observations.counts)
    both = counted.present[:, :, None] & counted.present[:, None, :]
    noise = np.where(
        both, counted.noise_covariances, np.eye(counted.values.shape[1]) * np.nanmax(counted.values**2 + 1)
    )
    lowest = np.linalg.eigvalsh(noise)[:, 0]
    exact = int((lowest <= SINGULAR_NOISE * np.trace(noise, axis1=1, axis2=2)).sum())
    among = f"{observations.n_objects} objects"
    if not problem.holds_all:
        among += " in a random sample"
    if exact == 0 and not problem.holds_all:
        return DegenerateError(
            f"component {component} collapses, so the likelihood has no maximum, though none of {among} have values "
            "without noise; look for such values, for outliers, or for a column that repeats others"
        )
    if exact == 0:
        return DegenerateError(
            f"component {component} is so much longer than it is wide, and than the smallest errors, that double "
            "precision does not resolve its width; look for outliers, or leave out a column that repeats others"
        )
    return DegenerateError(
        f"component {component} collapses on values without noise ({exact} of {among} have "
        "such values, or a direction without noise), so the likelihood has no maximum; give errors for these values, "
        "fit fewer components or columns, or give a prior on the covariances "
        "(`prior=Prior(covariances=InverseWishart(w))`)"
    )
