"""Fit a mixture to observations: standardise, start, solve, map back."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from xdgmm.basics.parameters import as_generator
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import DegenerateError, InputError
from xdgmm.mixture import GaussianMixture
from xdgmm.observations.checks import check_columns_seen

from . import solvers, split_merge, watching
from .carriers import carried
from .identification import unmeasured_pairs
from .initialisation import STARTS, Points
from .model import Model, with_background
from .optimality import Point
from .recording import recorded
from .result import FitResult, Outcome, StoppingRule
from .standardisation import Standardisation, unseen_coordinates
from .statistics import Likelihood
from .watching import Watch

SUBSAMPLE = 10_000  # objects on which starts are compared
TRIAL_PASSES = 60  # passes over them for each start
TRIAL_TOLERANCE = 1e-3  # nats
SINGULAR_NOISE = 1e-12  # smallest eigenvalue of a noise covariance relative to its trace
SMALLEST_SAMPLE, FIRST_SAMPLED = 20_000, 50_000  # objects of the first sample, and from which on one is taken
DIRECT = 200_000  # objects up to which a start given is solved on all of them from the beginning as well
SAMPLE_TOLERANCE = 1e-4  # nats
OUTLYING = 2.0  # times the starting fraction of a background: objects from which no component starts
NOBODY = 1e-5  # objects: a background of fewer is none
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
    model : Model
        What is fitted: covariance type, what is fixed, prior, background.
    """

    solver: str = "auto"
    stopping: StoppingRule = field(default_factory=StoppingRule)
    n_init: int = 10
    start: GaussianMixture | None = None
    init: str = "kmeans++"
    progress: str = "never"
    callback: Callable | None = None
    model: Model = field(default_factory=Model)

    def __post_init__(self):
        """Refuse what cannot be."""
        check_progress(self.progress, self.callback)
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
    """Fit a mixture of K Gaussians to noisy observations by maximum likelihood, or with a prior maximum posterior.

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
        If K is not a whole number from 1 to the number of objects, the start or the model do not fit the data, or an
        object lies outside the box of the background.
    DegenerateError
        If the likelihood has no maximum: from every start a component collapses on objects without noise.
    """
    settings = Settings() if settings is None else settings
    check_n_components(n_components, observations)
    problem = _Problem(observations, n_components, settings)
    rng = as_generator(rng)
    with progress_bar(settings.progress) as bar:
        watch = Watch(settings.callback, bar, problem.jacobian / observations.total_weight)
        solution, likelihood = _watched(problem, rng, watch)
    solution = problem.without_nobody(solution, likelihood.blocks)
    point = _in_order(solution, problem)
    mixture = problem.original(point.mixture)
    log_likelihood = solution.statistics.log_likelihood + problem.jacobian
    log_priors = problem.model.log_priors(mixture)
    ended = log_likelihood + sum(log_priors.values())
    result = FitResult(
        mixture=mixture,
        log_likelihood=log_likelihood,
        log_priors=log_priors,
        model=problem.model,
        n_objects=observations.n_objects,
        total_weight=observations.total_weight,
        outcome=solution.outcome,
        predicted_gain=solution.predicted_gain,
        residual=point.residual,
        singular=point.singular.sum(axis=1),
        smallest_eigenvalues=np.maximum(np.linalg.eigvalsh(mixture.covariances)[:, 0], 0.0),
        **carried(point.mixture, likelihood.blocks),
        unmeasured=unmeasured_pairs(observations) if problem.model.type.turned else (),
        history=np.array(likelihood.history) + (ended - solution.statistics.objective),
        n_passes=likelihood.passes,
        n_starts=1 if settings.start is not None or n_components == 1 else settings.n_init,
    )
    return recorded(result, observations)


class _Problem:
    """What is fitted to what, in the coordinates of the solvers."""

    def __init__(self, observations, n_components, settings):
        self.observations, self.n_components, self.settings = observations, n_components, settings
        model = settings.model
        if model.background is not None:
            model = replace(model, background=model.background.resolved(observations))
        self.model = model
        self.caller_constraints = model.constraints(n_components, observations.n_dimensions, observations.units)
        _check_everything_seen(observations, model, self.caller_constraints)
        self.scaling = Standardisation.of(observations, isotropic=model.covariance_type == "spherical")
        self.constraints = self.caller_constraints.standardised(self.scaling)
        self.jacobian = self.scaling.log_jacobian(observations)
        self.start = None if settings.start is None else self._given(settings.start)
        self._check_fixed()

    def _check_fixed(self):
        """What is fixed needs a start, unless it is the background's fraction, which the background holds itself."""
        fixed = self.model.fixed
        own = replace(fixed, weights=tuple(k for k in fixed.weights if k < self.n_components))
        if own.anything and self.start is None:
            raise InputError(
                "`fixed` holds parameters at their starting values, so give these: `init` a GaussianMixture, or "
                "`means_init`, with `weights_init` and `covariances_init` where they matter"
            )
        prior, background = self.model.prior, self.model.background
        if background is not None and background.fraction == 0 and prior is not None and prior.weights is not None:
            raise InputError(
                "the background starts with a fraction of 0, where the prior on the weights is zero; start with more"
            )

    def _given(self, start):
        """The caller's start in standardised coordinates."""
        observations, K = self.observations, self.n_components
        if start.n_dimensions != observations.n_dimensions:
            raise InputError(
                f"the start has {start.n_dimensions} coordinates, but the observations have {observations.n_dimensions}"
            )
        if start.n_components != K:
            raise InputError(
                f"the start (a mixture, labels, or the last fit) has {start.n_components} components, but "
                f"`n_components` is {K}; make them agree"
            )
        start = self._with_background(start.in_units(observations.units), self.model.background)
        self.model.check_start(start)
        return self.constraints.conforming(self.scaling.mixture(start))

    def _with_background(self, start, background):
        if start.background is None:
            return with_background(start, background)
        if background is None:
            raise InputError(
                "the start (a mixture, or the last fit) has a background, but `background` is None; give one, or start "
                "from its `gaussians`"
            )
        background = background.with_fraction(start.background.fraction)
        return GaussianMixture(start.weights, start.means, start.covariances, start.names, start.units, background)

    def prepared(self, start):
        """A random start, standardised, as the model wants it."""
        prior = self.constraints.prior
        if prior is not None and not prior.symmetric:
            start = start.ordered(prior.assignment(start))
        background = self.model.background
        if background is not None:
            background = background.rescaled(-self.scaling.location / self.scaling.scale, 1.0 / self.scaling.scale)
        return self.constraints.conforming(with_background(start, background))

    def original(self, mixture):
        """A mixture of standardised values in the caller's coordinates; its box is the caller's to the last bit."""
        result = self.scaling.original(mixture, self.observations.names, self.observations.units)
        if result.background is None:
            return result
        return replace(result, background=self.model.background.with_fraction(result.background.fraction))

    def without_nobody(self, solution, blocks):
        """A solution whose background has next to no object, without it: its fraction is zero."""
        mixture = solution.mixture
        if mixture.background is None or self.constraints.fixed_shares[-1]:
            return solution
        if not 0 < mixture.background.fraction * self.observations.total_weight < NOBODY:
            return solution
        shares = np.append(mixture.weights / mixture.weights.sum(), 0.0)
        mixture = mixture.with_parameters(shares, mixture.means, mixture.covariances)
        return replace(solution, mixture=mixture, statistics=self.likelihood(blocks, None, 1).expect(mixture))

    def likelihood(self, blocks, watch, max_passes=None):
        """What is maximised over all objects, or over a sample, with as much of the prior."""
        fraction = blocks.total_weight / self.observations.total_weight
        constraints = self.constraints if fraction == 1.0 else self.constraints.tempered(fraction)
        return Likelihood(blocks, max_passes or self.settings.stopping.max_passes, watch, constraints)

    def pack(self):
        """The blocks of all objects."""
        return self.scaling.pack(self.observations, self.model.background)


def _check_everything_seen(observations, model, constraints):
    """Every coordinate must be measured somewhere, or nothing can be learned about it."""
    if observations.projections is None:
        check_columns_seen(observations.values[observations.counts], observations.names)
        return
    informed = model.prior is not None and model.prior.means is not None and model.prior.covariances is not None
    unseen, n_unseen = unseen_coordinates(observations)
    if n_unseen and not (informed or (constraints.fixed_means.all() and constraints.fixed_covariances.all())):
        names = ", ".join(name for name, hidden in zip(observations.names, unseen, strict=True) if hidden)
        D = observations.n_dimensions
        raise InputError(
            f"the projections see only {D - n_unseen} of the {D} directions, and nothing in "
            + (f"{names}" if unseen.sum() == n_unseen else f"some combination of {names}")
            + "; fit fewer coordinates, or give a prior on the means and the covariances"
        )


def _watched(problem, rng, watch):
    """The best solution; where somebody ends the fit, the best mixture so far."""
    ended = Outcome.INTERRUPTED
    try:
        starts = [problem.start] if problem.start is not None else _trials(problem, rng, watch)
        return _best(starts, problem, watch)
    except KeyboardInterrupt:
        if not watch.best:
            raise
    except watching.Stopped:
        ended = Outcome.STOPPED
    blocks = problem.pack()
    for mixture in watch.best:
        likelihood = problem.likelihood(blocks, None, 1)
        try:
            return solvers.as_it_is(mixture, likelihood, ended), likelihood
        except solvers.CollapseError as collapse:
            lost = collapse.component
    raise _degenerate(lost, problem.observations)


def _in_order(solution, problem):
    """Heaviest component first, unless the caller gave a start, or a prior that knows which is which."""
    mixture, statistics, constraints = solution.mixture, solution.statistics, problem.constraints
    if problem.start is None and not constraints.keeps_order:
        order = np.argsort(-mixture.weights, kind="stable")
        mixture, statistics, constraints = (each.ordered(order) for each in (mixture, statistics, constraints))
    return Point.at(mixture, statistics, constraints)


def _trials(problem, rng, watch):
    """The best few of `n_init` random starts, each solved for a while on a subsample."""
    observations, settings, n_components = problem.observations, problem.settings, problem.n_components
    rows = _in_an_order_of_their_own(observations)
    if rows.size > SUBSAMPLE:
        rows = rows[np.sort(rng.choice(rows.size, SUBSAMPLE, replace=False))]
    sample = problem.scaling.observations(observations.select(rows))
    points = Points(sample)
    if problem.model.background is not None:
        points = points.without_outliers(min(OUTLYING * problem.model.background.fraction, 0.5))

    def start():
        return problem.prepared(points.random(settings.init, n_components, rng))

    if n_components == 1:
        return [start()]
    first, lost = start(), []
    blocks = sample.pack(background=first.background and first.background.box)

    def solve(start):
        likelihood = problem.likelihood(blocks, watch, TRIAL_PASSES)
        try:
            trial = solvers.run(settings.solver, start, likelihood, TRIAL_TOLERANCE)
        except solvers.CollapseError as collapse:
            watch.collapsed()
            lost.append(collapse.component)
            return None
        watch.arrived()
        return trial.statistics.objective, trial.mixture

    trials = [solve(first), *(solve(start()) for _ in range(settings.n_init - 1))]
    trials = sorted((trial for trial in trials if trial is not None), key=lambda trial: -trial[0])[:POLISHED]
    if not trials:
        raise _degenerate(lost[-1], observations)
    best, reached = split_merge.improved(trials[0][1], trials[0][0], sample, solve, problem.constraints)
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
    columns = range(observations.values.shape[1])
    keys = [observations.variances_of(i)[rows] for i in columns] + [observations.values[rows, i] for i in columns]
    return rows[np.lexsort(keys)]


def _best(starts, problem, watch):
    """Solve from every start, on ever larger samples of the objects and then on all; the highest objective wins.

    What a pass over few objects can find need not cost one over all, and starts that fall behind are given up.
    """
    blocks, settings = problem.pack(), problem.settings
    given, near = starts, False
    for n_objects in _levels(settings, blocks):
        watch.begin("sample")
        found = _solved(starts, blocks.thinned(n_objects), problem, SAMPLE_TOLERANCE, watch, near=near)
        starts, near = [solution.mixture for solution, _ in found[: (len(found) + 1) // 2]], True
    watch.begin("all objects")
    tolerance = settings.stopping.tolerance
    found = _solved(starts, blocks, problem, tolerance, watch, near=near)
    if near and problem.start is not None and blocks.n_objects <= DIRECT:  # a start given deserves both ways up
        found += _solved(given, blocks, problem, tolerance, watch, near=False)
    return max(found, key=lambda pair: pair[0].statistics.objective)


def _levels(settings, blocks):
    """Sizes of the samples that "auto" solves first."""
    sizes = []
    if settings.solver == "auto" and settings.stopping.tolerance > 0:
        size = SMALLEST_SAMPLE
        while size * FIRST_SAMPLED <= SMALLEST_SAMPLE * blocks.n_objects:
            sizes.append(size)
            size *= 4
    return sizes


def _solved(starts, blocks, problem, tolerance, watch, *, near):
    """Solutions and their likelihoods from every start, best first."""
    finished = []
    for start in starts:
        likelihood = problem.likelihood(blocks, watch)
        try:
            finished.append((solvers.run(problem.settings.solver, start, likelihood, tolerance, near=near), likelihood))
            watch.arrived()
        except solvers.CollapseError as collapse:
            watch.collapsed()
            lost = collapse.component
    if not finished:
        raise _degenerate(lost, problem.observations)
    return sorted(finished, key=lambda pair: -pair[0].statistics.objective)


def _degenerate(component, observations):
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
