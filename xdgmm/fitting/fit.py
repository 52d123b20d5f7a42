"""Fit a mixture to observations: standardise, start, solve, convert back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.blas import one_blas_thread
from xdgmm.basics.parameters import as_generator
from xdgmm.basics.progress import passes_watched, progress_bar
from xdgmm.errors import DegenerateError
from xdgmm.kernels import SelectedData
from xdgmm.mixture.families import HIGHEST_DOF
from xdgmm.observations import StreamedObservations

from .background_edges import fit_edges
from .model import STARTING_DOF
from .objective import effective_sizes, parameters, typical_errors
from .optimality import Iterate
from .problem import Problem
from .progress import DIAGNOSTICS, Monitor
from .record import with_record
from .result import FitResult, Outcome
from .search import search, search_from, solve_all_objects
from .settings import Settings, check_n_components
from .split_merge import duplicate
from .starts import check_fixed, given_start, start_of_memberships

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tqdm import tqdm

    from xdgmm.kernels import Data
    from xdgmm.mixture import Background, Flat, GaussianMixture
    from xdgmm.observations import Observations

    from .model import Model
    from .objective import Objective
    from .problem import AnyObservations
    from .progress import PassCounter
    from .solvers import Solution

ENDED = (Outcome.INTERRUPTED, Outcome.STOPPED)  # by the user
BESIDE_BOUND = 1e-9  # relative distance from the upper bound of dof that is rounding
INDISTINGUISHABLE = 0.5  # nats by which a Gaussian may be less likely than the t distribution that it replaces
TOLERANCE, PASSES = 1e-6, 1000  # of the fit with these Gaussians, which starts near its maximum
REFRESHED = 2  # times that importance samples are drawn anew
EMPTY = 1e-5  # objects: the fraction of a background with fewer is set to zero


@one_blas_thread()
def fit(
    observations: AnyObservations,
    n_components: int = 1,
    settings: Settings | None = None,
    rng: np.random.Generator | int | None = None,
) -> FitResult:
    """Fit a mixture of K Gaussians to noisy observations by maximum likelihood, or with a prior maximum posterior.

    Parameters
    ----------
    observations : Observations or StreamedObservations
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
        object lies outside the box of a background of measured values.
    DegenerateError
        If the likelihood has no maximum: from every start a component collapses on objects without noise.
    """
    settings = Settings() if settings is None else settings
    check_n_components(n_components, observations)
    problem = Problem(observations, n_components, settings.model)
    given = None if settings.start is None else given_start(problem, settings.start)
    check_fixed(problem, given)
    start = start_of_memberships(problem) if given is None else given
    rng = as_generator(rng)
    with progress_bar(settings.progress) as bar:
        monitor = _monitor(problem, settings, bar)
        with passes_watched(bar, lambda: monitor.phase):
            found = search(problem, start, settings, rng, monitor)
            if start is None and problem.constraints.free_dof.any() and found[0].outcome not in ENDED:
                found = _above_gaussians(problem, found, settings, rng, monitor)
            found_from = _with_refreshed_samples(problem, *found, settings, monitor)
            problem, solution, objective = _with_fitted_edges(*found_from, settings, monitor)
            keep_order = start is not None or problem.constraints.keeps_order
            n_starts = 1 if start is not None or n_components == 1 else settings.n_init
            result = _finished(problem, solution, objective, n_starts, keep_order=keep_order)
    if start is None and problem.constraints.free_dof.any() and _fits_edges(problem, solution):
        return _above_gaussians_and_edges(result, observations, settings, rng)
    return result


@one_blas_thread()
def fit_from(
    observations: AnyObservations,
    n_components: int,
    sources: Sequence[GaussianMixture],
    settings: Settings,
    rng: np.random.Generator | int | None = None,
    *,
    incumbent: FitResult | None = None,
) -> FitResult | None:
    """Fit from starts that are made of other fits of the same observations: of other numbers of components, or types.

    Of a mixture with fewer components those that are farthest from Gaussian are split, of one with more those that
    overlap most are merged.  The starts are compared on at most 10,000 objects, and the best goes on.

    Parameters
    ----------
    observations : Observations or StreamedObservations
    n_components : int
        K.
    sources : sequence of GaussianMixture
    settings : Settings
        Without a start.
    rng : numpy Generator, int or None
        Chooses the objects on which starts are compared.
    incumbent : FitResult, optional
        The best fit known, of the same model.

    Returns
    -------
    FitResult or None
        None where no start leads higher than the incumbent, or a component collapses from all.
    """
    first = _beside_its_background(settings.model, sources[0])
    problem = Problem(observations, n_components, first)
    monitor = _monitor(problem, settings)
    standard = [_standardised(problem, source) for source in sources]
    known = None if incumbent is None else _standardised(problem, incumbent.mixture)
    found = search_from(problem, standard, settings, as_generator(rng), monitor, known)
    if found is None:
        return None
    found_from = _with_refreshed_samples(problem, *found, settings, monitor)
    problem, solution, objective = _with_fitted_edges(*found_from, settings, monitor)
    result = _finished(problem, solution, objective, 1, keep_order=problem.constraints.keeps_order)
    return result if incumbent is None or result.log_posterior > incumbent.log_posterior else None


@one_blas_thread()
def fit_above(
    observations: AnyObservations, n_components: int, mixture: GaussianMixture, settings: Settings
) -> FitResult | None:
    """Fit from a mixture of the same density: one with fewer components has its heaviest one divided into equal parts.

    Without a prior the likelihood ends no lower than that of the mixture.

    Parameters
    ----------
    observations : Observations or StreamedObservations
    n_components : int
        K.
    mixture : GaussianMixture
        Of a model that is a special case of this one.
    settings : Settings
        Without a start.

    Returns
    -------
    FitResult or None
        None where a component collapses.
    """
    problem = Problem(observations, n_components, _beside_its_background(settings.model, mixture))
    monitor = _monitor(problem, settings)
    start = _standardised(problem, mixture)
    while start.n_components < n_components:
        start = duplicate(start, int(np.argmax(np.where(start.flat_components, -1.0, start.weights))))
    try:
        found = solve_all_objects(problem, problem.constraints.impose_type(start), settings, monitor)
    except DegenerateError:
        return None
    found_from = _with_refreshed_samples(problem, *found, settings, monitor)
    problem, solution, objective = _with_fitted_edges(*found_from, settings, monitor)
    return _finished(problem, solution, objective, 1, keep_order=problem.constraints.keeps_order)


def _monitor(problem: Problem, settings: Settings, bar: tqdm[Any] | None = None) -> Monitor:
    """The monitor of a fit, which has counted the reading of a catalogue in parts."""
    everything = problem.all_observations
    monitor = Monitor(settings.callback, bar, problem.log_jacobian / everything.total_weight)
    if isinstance(everything, StreamedObservations):
        monitor.counter.add_reading(everything.n_readings * everything.n_objects)
    return monitor


def _beside_its_background(model: Model, mixture: GaussianMixture) -> Model:
    """The model with the box that the mixture has, from which fitted edges start."""
    return replace(model, background=mixture.background)


def _standardised(problem: Problem, mixture: GaussianMixture) -> GaussianMixture:
    """A mixture of the user's coordinates in the solvers', with its own fraction of the problem's background."""
    background = problem.model.background
    if background is not None and mixture.background is not None:
        background = background.with_fraction(mixture.background.fraction)
    return problem.standardised(replace(mixture, background=background))


def _with_fitted_edges(
    problem: Problem, solution: Solution, objective: Objective, settings: Settings, monitor: Monitor
) -> tuple[Problem, Solution, Objective]:
    """The solution with the edges of a background fitted, where they are."""
    if not _fits_edges(problem, solution):
        return problem, solution, objective
    return fit_edges(problem, solution, objective, settings, monitor)


def _with_refreshed_samples(
    problem: Problem, solution: Solution, objective: Objective, settings: Settings, monitor: Monitor
) -> tuple[Problem, Solution, Objective]:
    """The solution with importance samples of a selection function that are drawn around it, a few times anew."""
    for _ in range(REFRESHED if problem.selector is not None and problem.selector.sampled else 0):
        if solution.outcome in ENDED:
            break
        problem = problem.with_samples_around(solution.mixture)
        solution, objective = solve_all_objects(problem, solution.mixture, settings, monitor)
    return problem, solution, objective


def _finished(
    problem: Problem, solution: Solution, objective: Objective, n_starts: int, *, keep_order: bool
) -> FitResult:
    """The result of a solution, with its record."""
    assert objective.counter is not None, "a fit has a monitor, which counts its passes"
    counter = objective.counter
    counter.phase = DIAGNOSTICS
    solution = _with_gaussians(_without_empty_background(solution, problem, counter), problem, counter)
    result = _result(problem, solution, objective, n_starts, counter, keep_order=keep_order)
    return with_record(result, problem.all_observations, counter.device)


def _fits_edges(problem: Problem, solution: Solution) -> bool:
    """Has the background edges that are fitted, and has the search not been ended by the user?"""
    background = problem.model.background
    return background is not None and background.fitted_edges and solution.outcome not in ENDED


def _above_gaussians(
    problem: Problem,
    found: tuple[Solution, Objective],
    settings: Settings,
    rng: np.random.Generator,
    monitor: Monitor,
) -> tuple[Solution, Objective]:
    """The highest of a solution with fitted dof, of one that starts from the best Gaussians, and of these themselves.

    Gaussians cost a small part of the passes, and are a special case, below which the fit must not end.
    """
    of_gaussians = Problem(problem.all_observations, problem.n_components, problem.model.of_gaussians)
    try:
        gaussians = search(of_gaussians, None, settings, rng, monitor)[0]
        if gaussians.outcome in ENDED:
            return found
        starts = [STARTING_DOF] if gaussians.mixture.n_components > 1 else []
        for dof in (*starts, np.inf):
            if np.isinf(dof) and found[0].statistics.objective >= gaussians.statistics.objective:
                break
            start = problem.constraints.with_dof(gaussians.mixture, dof)
            other = solve_all_objects(problem, start, settings, monitor)
            found = max(found, other, key=lambda pair: pair[0].statistics.objective)
    except DegenerateError:
        pass
    return found


def _above_gaussians_and_edges(
    result: FitResult, observations: AnyObservations, settings: Settings, rng: np.random.Generator
) -> FitResult:
    """The higher one of a result with fitted dof, and of a fit from Gaussians beside their own fitted edges."""
    n_components = result.mixture.n_components
    of_gaussians = replace(settings, model=settings.model.of_gaussians, progress="never")
    try:
        gaussians = fit(observations, n_components, of_gaussians, rng)
    except DegenerateError:
        return result
    if gaussians.outcome in ENDED or gaussians.log_posterior <= result.log_posterior:
        return result
    above = fit_above(observations, n_components, gaussians.mixture, replace(settings, progress="never"))
    return above if above is not None and above.log_posterior > result.log_posterior else result


def _with_gaussians(solution: Solution, problem: Problem, counter: PassCounter) -> Solution:
    """The solution; components whose degrees of freedom reach the upper bound become Gaussian.

    They do not where the likelihood would fall by more than half a nat.
    """
    dof, outcome = solution.mixture.dof, solution.outcome
    if dof is None or not outcome.converged:
        return solution
    at_bound = problem.constraints.free_dof & (dof >= HIGHEST_DOF * (1.0 - BESIDE_BOUND)) & np.isfinite(dof)
    if not at_bound.any():
        return solution
    start = problem.constraints.with_dof(solution.mixture, np.where(at_bound, np.inf, dof))
    found = problem.maximise(start, TOLERANCE, PASSES, near=True, counter=counter)
    return found if found.statistics.objective > solution.statistics.objective - INDISTINGUISHABLE else solution


def _without_empty_background(solution: Solution, problem: Problem, counter: PassCounter) -> Solution:
    """The solution; a background of fewer than 1e-5 objects gets a fraction of zero."""
    mixture = solution.mixture
    if mixture.background is None or problem.constraints.fixed_weights[-1]:
        return solution
    if not 0 < mixture.background.fraction * problem.all_observations.total_weight < EMPTY:
        return solution
    weights = np.append(mixture.weights / mixture.weights.sum(), 0.0)
    mixture = mixture.with_parameters(weights, mixture.means, mixture.covariances)
    counter.add(problem.data.n_objects)
    return replace(solution, mixture=mixture, statistics=problem.objective().expect(mixture))


def _result(
    problem: Problem,
    solution: Solution,
    objective: Objective,
    n_starts: int,
    counter: PassCounter,
    *,
    keep_order: bool,
) -> FitResult:
    """The mixture in the user's coordinates, and how it was reached."""
    observations = problem.all_observations
    iterate = _sorted(solution, problem, keep_order=keep_order)
    mixture = problem.original(iterate.mixture)
    log_likelihood = solution.statistics.log_likelihood + problem.log_jacobian
    log_priors = problem.model.log_priors(mixture)
    reached = log_likelihood + sum(log_priors.values())
    rows_beyond = [_rows_beyond(box, problem, counter) for box in (problem.model.background, problem.model.flat)]
    return FitResult(
        mixture=mixture,
        log_likelihood=log_likelihood,
        log_priors=log_priors,
        model=problem.model,
        n_objects=observations.n_objects,
        total_weight=observations.total_weight,
        outcome=solution.outcome,
        predicted_gain=solution.predicted_gain,
        residual=iterate.residual,
        singular=iterate.singular.sum(axis=1),
        smallest_eigenvalues=np.maximum(np.linalg.eigvalsh(mixture.covariances)[:, 0], 0.0),
        effective_sizes=effective_sizes(iterate.mixture, problem.data, counter),
        noise_ratio=_noise_ratio(iterate.mixture, problem.data, counter),
        unmeasured_pairs=observations.unmeasured_pairs() if problem.model.type.rotated else (),
        history=np.array(objective.history) + (reached - solution.statistics.objective),
        gain_history=np.array([*objective.gains, (objective.passes, solution.predicted_gain)]),
        n_starts=n_starts,
        rows_beyond_background=rows_beyond[0],
        rows_beyond_flat=rows_beyond[1],
        completeness=None if problem.selector is None else _completeness(problem, iterate.mixture, counter),
        passes=counter.passes(problem.data.n_objects),
    )


def _completeness(problem: Problem, mixture: GaussianMixture, counter: PassCounter) -> float:
    """Objects that were seen over all objects, whose number is estimated from the probability that each is seen."""
    data = problem.packed
    assert isinstance(data, SelectedData)
    counter.add(data.n_objects)
    log_probabilities = data.log_probabilities(*parameters(mixture))
    return float(data.total_weight / (data.object_weights @ np.exp(-log_probabilities)))


def _rows_beyond(box: Background | Flat | None, problem: Problem, counter: PassCounter) -> tuple[int, ...]:
    """Rows so far outside the box of the background, or of flat components, that it hardly gives them a density."""
    if box is None:
        return ()
    if problem.streams:
        counter.add(problem.all_observations.n_objects)
    rows: list[int] = []
    first = 0
    for n_rows, beyond in problem.all_observations.each(partial(_beyond, box)):
        rows += (first + beyond).tolist()
        first += n_rows
    return tuple(rows)


def _beyond(box: Background | Flat, part: Observations) -> tuple[int, NDArray[np.intp]]:
    """Number of rows of a part, and which of them are far outside the box."""
    return len(part), box.rows_beyond(part)


def _sorted(solution: Solution, problem: Problem, *, keep_order: bool) -> Iterate:
    """The solution with the heaviest component first, unless the order of the components is given."""
    mixture, statistics, constraints = solution.mixture, solution.statistics, problem.constraints
    if not keep_order:
        flat = mixture.flat_components  # these stay the last
        order = np.lexsort((-mixture.weights, flat))
        mixture, statistics, constraints = mixture.ordered(order), statistics.ordered(order), constraints.ordered(order)
    return Iterate.at(mixture, statistics, constraints)


def _noise_ratio(mixture: GaussianMixture, data: Data, counter: PassCounter) -> NDArray[np.float64]:
    """Typical error of the members over the intrinsic sigma (K, D): 0 for exact ones, infinite where sigma is 0."""
    errors, sigmas = typical_errors(mixture, data, counter), mixture.sigmas
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(errors == 0, 0.0, errors / sigmas)
