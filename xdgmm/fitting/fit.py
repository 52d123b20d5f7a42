"""Fit a mixture to observations: standardise, start, solve, map back."""

from dataclasses import dataclass, field

import numpy as np

from xdgmm.errors import DegenerateError, InputError
from xdgmm.mixture import GaussianMixture
from xdgmm.observations.validation import check_columns_seen

from . import solvers, split_merge
from .initialisation import kmeans_start
from .optimality import Point
from .result import FitResult, StoppingRule
from .standardisation import Standardisation
from .statistics import Likelihood

SUBSAMPLE = 10_000  # objects on which starts are compared
TRIAL_PASSES = 60  # passes over them for each start
TRIAL_TOLERANCE = 1e-3  # nats
SINGULAR_NOISE = 1e-12  # smallest eigenvalue of a noise covariance relative to its trace
SMALLEST_SAMPLE = 20_000  # objects
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
        Number of k-means++ starts compared where K > 1.
    start : GaussianMixture or None
        Where to start instead.
    """

    solver: str = "auto"
    stopping: StoppingRule = field(default_factory=StoppingRule)
    n_init: int = 10
    start: GaussianMixture | None = None

    def __post_init__(self):
        """Refuse what cannot be."""
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
    starts = _given(settings.start, n_components, observations, scaling) or _trials(
        observations, scaling, n_components, settings, rng
    )
    solution, likelihood = _best(starts, scaling.pack(observations), settings, observations)
    point = _in_order(solution, settings)
    return FitResult(
        mixture=scaling.original(point.mixture, observations.names, observations.units),
        log_likelihood=solution.statistics.log_likelihood + scaling.log_jacobian(observations),
        n_objects=observations.n_objects,
        total_weight=observations.total_weight,
        outcome=solution.outcome,
        predicted_gain=solution.predicted_gain,
        residual=point.residual,
        singular=point.singular.sum(axis=1),
        history=np.array(likelihood.history) + scaling.log_jacobian(observations),
        n_passes=likelihood.passes,
        n_starts=1 if settings.start is not None or n_components == 1 else settings.n_init,
    )


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
        raise InputError(f"the start has {start.n_components} components, but `n_components` is {n_components}")
    return [scaling.mixture(start.in_units(observations.units))]


def _trials(observations, scaling, n_components, settings, rng):
    """The best few of `n_init` k-means++ starts, each solved for a while on a subsample."""
    rows = np.flatnonzero(observations.counts)
    if rows.size > SUBSAMPLE:
        rows = np.sort(rng.choice(rows, SUBSAMPLE, replace=False))
    sample = scaling.observations(observations.select(rows))
    if n_components == 1:
        return [kmeans_start(sample, 1, rng)]
    blocks = sample.pack()

    def solve(start):
        likelihood = Likelihood(blocks, TRIAL_PASSES)
        try:
            trial = solvers.run(settings.solver, start, likelihood, TRIAL_TOLERANCE)
        except solvers.CollapseError as collapse:
            lost.append(collapse.component)
            return None
        return trial.statistics.log_likelihood, trial.mixture

    lost = []
    trials = [solve(kmeans_start(sample, n_components, rng)) for _ in range(settings.n_init)]
    trials = sorted((trial for trial in trials if trial is not None), key=lambda trial: -trial[0])[:POLISHED]
    if not trials:
        raise _degenerate(lost[-1], observations)
    if n_components > 2:
        counted = sample.select(blocks.rows)
        best, reached = split_merge.improved(trials[0][1], trials[0][0], counted, solve)
        if reached > trials[0][0]:
            trials = [(reached, best), *trials]
    return [mixture for _, mixture in trials[:POLISHED]]


def _best(starts, blocks, settings, observations):
    """Solve from every start, on ever larger samples of the objects and then on all; the highest likelihood wins.

    What a pass over few objects can find need not cost one over all, and starts that fall behind are given up.
    """
    near = False
    for n_objects in _levels(settings, blocks):
        sample = blocks.thinned(n_objects)
        found = _solved(starts, sample, settings, SAMPLE_TOLERANCE, observations, near=near)
        starts, near = [solution.mixture for solution, _ in found[: (len(found) + 1) // 2]], True
    return _solved(starts, blocks, settings, settings.stopping.tolerance, observations, near=near)[0]


def _levels(settings, blocks):
    """Sizes of the samples that "auto" solves first."""
    sizes = []
    if settings.solver == "auto" and settings.stopping.tolerance > 0:
        size = SMALLEST_SAMPLE
        while size * 5 <= 2 * blocks.n_objects:
            sizes.append(size)
            size *= 4
    return sizes


def _solved(starts, blocks, settings, tolerance, observations, *, near):
    """Solutions and their likelihoods from every start, best first."""
    finished = []
    for start in starts:
        likelihood = Likelihood(blocks, settings.stopping.max_passes)
        try:
            finished.append((solvers.run(settings.solver, start, likelihood, tolerance, near=near), likelihood))
        except solvers.CollapseError as collapse:
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
    return DegenerateError(
        f"component {component} collapses on values that carry no noise ({exact} of {observations.n_objects} objects "
        "have some, or a direction without), so the likelihood has no maximum; give errors for these values, or fit "
        "fewer components or columns"
    )
