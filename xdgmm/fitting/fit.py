"""Fit a mixture to observations: standardise, start, solve, map back."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from xdgmm.errors import DegenerateError, InputError
from xdgmm.mixture import GaussianMixture
from xdgmm.observations.validation import check_columns_seen

from . import solvers, split_merge, watching
from .carriers import carried
from .initialisation import STARTS
from .optimality import Point
from .result import FitResult, Outcome, StoppingRule
from .standardisation import Standardisation
from .statistics import Likelihood
from .watching import Watch

SUBSAMPLE = 10_000  # objects on which starts are compared
TRIAL_PASSES = 60  # passes over them for each start
TRIAL_TOLERANCE = 1e-3  # nats
SINGULAR_NOISE = 1e-12  # smallest eigenvalue of a noise covariance relative to its trace
SMALLEST_SAMPLE, FIRST_SAMPLED = 20_000, 50_000  # objects of the first sample, and from which on one is taken
DIRECT = 200_000  # objects up to which a start given is solved on all of them from the beginning as well
SAMPLE_TOLERANCE = 1e-4  # nats
POLISHED = 3  # how many of the best starts are carried to the end


@dataclass(frozen=True)
class Settings:
    """How to fit.

    Attributes
    ----------
    solver : str
        "auto", "em", "implicit" or "quasi-newton".
    stopping : StoppingRule
    n_init : int
        Number of random starts compared where K > 1.
    start : GaussianMixture or None
        Where to start instead.
    init : str
        How random starts are made: "kmeans++" or "random".
    progress : str
        Whether a progress bar is shown: "auto" (on a terminal), "always" or "never".
    callback : callable or None
        Told of every pass (a `Progress`); ends the fit by returning a true value.
    """

    solver: str = "auto"
    stopping: StoppingRule = field(default_factory=StoppingRule)
    n_init: int = 10
    start: GaussianMixture | None = None
    init: str = "kmeans++"
    progress: str = "never"
    callback: Callable | None = None

    def __post_init__(self):
        """Refuse what cannot be."""
        watching.check(self.progress, self.callback)
        if self.init not in STARTS:
            raise InputError(f"`init` is {self.init!r}, but it must be one of {', '.join(STARTS)}, or a start")
        if self.solver not in solvers.NAMES:
            raise InputError(f"`solver` is {self.solver!r}, but it must be one of {', '.join(solvers.NAMES)}")
        tolerance = self.stopping.tolerance
        if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float, np.number)) or not tolerance >= 0:
            raise InputError(f"`tol` is {tolerance!r}, but it must be zero or positive: a number, in total nats")
        for name, value in (("max_iter", self.stopping.max_passes), ("n_init", self.n_init)):
            if not (isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1):
                raise InputError(f"`{name}` is {value!r}, but it must be a whole number of at least 1")


def check_n_components(n_components, observations):
    """K must be a whole number from 1 to the number of objects."""
    if isinstance(n_components, bool) or not isinstance(n_components, (int, np.integer)):
        raise InputError(f"`n_components` is {n_components!r}, but it must be a whole number")
    if n_components < 1:
        raise InputError(f"`n_components` is {n_components}, but it must be at least 1")
    if n_components > observations.n_objects:
        raise InputError(
            f"`n_components` is {n_components}, but there are only {observations.n_objects} objects; ask for fewer"
        )


def fit(observations, n_components=1, settings=None, rng=None):
    """Fit a mixture of K Gaussians to noisy observations by maximum likelihood.

    Parameters
    ----------
    observations : Observations
    n_components : int
        K.
    settings : Settings, optional
    rng : numpy Generator, int or None
        Source of the random starts.

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        If K is not a whole number from 1 to the number of objects, or the start does not fit the data.
    DegenerateError
        If the likelihood has no maximum: from every start a component collapses on objects without noise.
    """
    settings = Settings() if settings is None else settings
    check_n_components(n_components, observations)
    check_columns_seen(observations.values[observations.counts], observations.names)
    rng = np.random.default_rng(rng)
    scaling = Standardisation.of(observations)
    jacobian = scaling.log_jacobian(observations)
    with watching.progress_bar(settings.progress) as bar:
        watch = Watch(settings.callback, bar, jacobian / observations.total_weight)
        solution, likelihood = _watched(observations, scaling, n_components, settings, rng, watch)
    point = _in_order(solution, settings)
    mixture = scaling.original(point.mixture, observations.names, observations.units)
    return FitResult(
        mixture=mixture,
        log_likelihood=solution.statistics.log_likelihood + jacobian,
        n_objects=observations.n_objects,
        total_weight=observations.total_weight,
        outcome=solution.outcome,
        predicted_gain=solution.predicted_gain,
        residual=point.residual,
        singular=point.singular.sum(axis=1),
        smallest_eigenvalues=np.maximum(np.linalg.eigvalsh(mixture.covariances)[:, 0], 0.0),
        **carried(point.mixture, likelihood.blocks),
        history=np.array(likelihood.history) + jacobian,
        n_passes=likelihood.passes,
        n_starts=1 if settings.start is not None or n_components == 1 else settings.n_init,
    )


def _watched(observations, scaling, n_components, settings, rng, watch):
    """The best solution; where somebody ends the fit, the best mixture so far."""
    ended = Outcome.INTERRUPTED
    try:
        starts = _given(settings.start, n_components, observations, scaling) or _trials(
            observations, scaling, n_components, settings, rng, watch
        )
        return _best(starts, scaling.pack(observations), settings, observations, watch)
    except KeyboardInterrupt:
        if not watch.best:
            raise
    except watching.Stopped:
        ended = Outcome.STOPPED
    blocks = scaling.pack(observations)
    for mixture in watch.best:
        likelihood = Likelihood(blocks, 1)
        try:
            return solvers.as_it_is(mixture, likelihood, ended), likelihood
        except solvers.CollapseError as collapse:
            lost = collapse.component
    raise _degenerate(lost, observations)


def _in_order(solution, settings):
    """Heaviest component first, unless the caller gave a start and so an order."""
    if settings.start is not None:
        return Point.at(solution.mixture, solution.statistics)
    order = np.argsort(-solution.mixture.weights, kind="stable")
    return Point.at(solution.mixture.ordered(order), solution.statistics.ordered(order))


def _given(start, n_components, observations, scaling):
    """The caller's start in standardised coordinates, as the only one; nothing where there is none."""
    if start is None:
        return []
    if start.n_dimensions != observations.n_dimensions:
        raise InputError(
            f"the start has {start.n_dimensions} coordinates, but the observations have {observations.n_dimensions}"
        )
    if start.n_components != n_components:
        raise InputError(
            f"the start (a mixture, labels, or the last fit) has {start.n_components} components, but `n_components` "
            f"is {n_components}; make them agree"
        )
    return [scaling.mixture(start.in_units(observations.units))]


def _trials(observations, scaling, n_components, settings, rng, watch):
    """The best few of `n_init` k-means++ starts, each solved for a while on a subsample."""
    rows = _in_an_order_of_their_own(observations)
    if rows.size > SUBSAMPLE:
        rows = rows[np.sort(rng.choice(rows.size, SUBSAMPLE, replace=False))]
    sample = scaling.observations(observations.select(rows))
    if n_components == 1:
        return [STARTS[settings.init](sample, 1, rng)]
    blocks = sample.pack()

    def solve(start):
        likelihood = Likelihood(blocks, TRIAL_PASSES, watch)
        try:
            trial = solvers.run(settings.solver, start, likelihood, TRIAL_TOLERANCE)
        except solvers.CollapseError as collapse:
            watch.collapsed()
            lost.append(collapse.component)
            return None
        watch.arrived()
        return trial.statistics.log_likelihood, trial.mixture

    lost = []
    trials = [solve(STARTS[settings.init](sample, n_components, rng)) for _ in range(settings.n_init)]
    trials = sorted((trial for trial in trials if trial is not None), key=lambda trial: -trial[0])[:POLISHED]
    if not trials:
        raise _degenerate(lost[-1], observations)
    if n_components > 2:
        best, reached = split_merge.improved(trials[0][1], trials[0][0], sample, solve)
        if reached > trials[0][0]:
            trials = [(reached, best), *trials]
    return [mixture for _, mixture in trials[:POLISHED]]


def _in_an_order_of_their_own(observations):
    """Rows that count, sorted by what was measured: starts must not depend on the order in which they came.

    Where samples are taken block by block the order counts anyway, and the sorting would cost more than passes.
    """
    rows = np.flatnonzero(observations.counts)
    if rows.size >= FIRST_SAMPLED:
        return rows
    D = observations.n_dimensions
    keys = [observations.variances_of(i)[rows] for i in range(D)] + [observations.values[rows, i] for i in range(D)]
    return rows[np.lexsort(keys)]


def _best(starts, blocks, settings, observations, watch):
    """Solve from every start, on ever larger samples of the objects and then on all; the highest likelihood wins.

    What a pass over few objects can find need not cost one over all, and starts that fall behind are given up.
    """
    given, near = starts, False
    for n_objects in _levels(settings, blocks):
        watch.begin("sample")
        sample = blocks.thinned(n_objects)
        found = _solved(starts, sample, settings, SAMPLE_TOLERANCE, observations, watch, near=near)
        starts, near = [solution.mixture for solution, _ in found[: (len(found) + 1) // 2]], True
    watch.begin("all objects")
    tolerance = settings.stopping.tolerance
    found = _solved(starts, blocks, settings, tolerance, observations, watch, near=near)
    if near and settings.start is not None and blocks.n_objects <= DIRECT:  # a start given deserves both ways up
        found += _solved(given, blocks, settings, tolerance, observations, watch, near=False)
    return max(found, key=lambda pair: pair[0].statistics.log_likelihood)


def _levels(settings, blocks):
    """Sizes of the samples that "auto" solves first."""
    sizes = []
    if settings.solver == "auto" and settings.stopping.tolerance > 0:
        size = SMALLEST_SAMPLE
        while size * FIRST_SAMPLED <= SMALLEST_SAMPLE * blocks.n_objects:
            sizes.append(size)
            size *= 4
    return sizes


def _solved(starts, blocks, settings, tolerance, observations, watch, *, near):
    """Solutions and their likelihoods from every start, best first."""
    finished = []
    for start in starts:
        likelihood = Likelihood(blocks, settings.stopping.max_passes, watch)
        try:
            finished.append((solvers.run(settings.solver, start, likelihood, tolerance, near=near), likelihood))
            watch.arrived()
        except solvers.CollapseError as collapse:
            watch.collapsed()
            lost = collapse.component
    if not finished:
        raise _degenerate(lost, observations)
    return sorted(finished, key=lambda pair: -pair[0].statistics.log_likelihood)


def _degenerate(component, observations):
    counted = observations.select(observations.counts)
    both = counted.present[:, :, None] & counted.present[:, None, :]
    noise = np.where(both, counted.noise_covariances, np.eye(counted.n_dimensions) * np.nanmax(counted.values**2 + 1))
    lowest = np.linalg.eigvalsh(noise)[:, 0]
    exact = int((lowest <= SINGULAR_NOISE * np.trace(noise, axis1=1, axis2=2)).sum())
    if exact == 0:
        return DegenerateError(
            f"component {component} is so much longer than it is wide, and than the smallest errors, that double "
            "precision does not resolve its width; look for outliers, or leave out a column that repeats others"
        )
    return DegenerateError(
        f"component {component} collapses on values that carry no noise ({exact} of {observations.n_objects} objects "
        "have some, or a direction without), so the likelihood has no maximum; give errors for these values, or fit "
        "fewer components or columns"
    )
