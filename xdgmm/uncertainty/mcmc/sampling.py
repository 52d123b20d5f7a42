"""From a fit to samples of its posterior."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.parameters import as_generator
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import ConvergenceWarning, InputError, XdgmmWarning
from xdgmm.fitting import FitResult
from xdgmm.observations import Observations, ObservationSource, StreamedObservations, all_in_memory

from . import label_switching
from .chain import Chain, Plan, run_chain
from .posterior import Posterior
from .priors import PosteriorPrior
from .samples import FreeParameters, PosteriorSamples
from .storage import chain_file, hash_of_posterior
from .walkers import starting_points

if TYPE_CHECKING:
    from tqdm import tqdm

    from xdgmm.observations.inputs import Catalogue

    from .storage import ChainFile

MAX_STEPS = 50_000
FEWEST = 8  # walkers, however few dimensions: the snooker move needs three others
WALKERS_PER_DIMENSION, USUAL_WALKERS = 4, 32
SAME = 1e-8  # relative difference of log-likelihoods that is rounding
SWITCHED = 0.01  # fraction of samples whose components could change places, above which there is a warning


def sample_posterior(
    result: FitResult,
    observations: Catalogue,
    *,
    n_walkers: int | None = None,
    n_steps: int | None = None,
    until: str = "converged",
    max_steps: int = MAX_STEPS,
    prior: PosteriorPrior | None = None,
    moves: Any = None,
    backend: str | PathLike[str] | None = None,
    existing: str = "refuse",
    rng: np.random.Generator | int | None = None,
    progress: str = "auto",
    relabel: str = "assignment",
) -> PosteriorSamples:
    """Sample the posterior of all free parameters of a fitted mixture with emcee.

    Parameters
    ----------
    result : FitResult
        Of these observations.  What its `model` says holds here too: covariance type, fixed parameters, background.
        The prior of a maximum-posterior fit does not: `prior` takes its place.
    observations : Observations, StreamedObservations or a source of them
    n_walkers : int, optional
        At least two more than twice the number of free parameters; by default four for each, and 32 at least.
    n_steps : int, optional
        Exactly so many steps, instead of until converged.
    until : {"converged"}
        Stop when the chain, without burn-in, is longer than 50 autocorrelation times of each free parameter and of the
        log-posterior, and these have changed by less than 5% since the check before.
    max_steps : int
        Stop here in any case: a result and a warning, not an exception.
    prior : PosteriorPrior, optional
        By default half-Cauchy scales, LKJ(1) correlations, flat weights, and means normal, 10 spreads wide.
    moves : optional
        Moves of emcee; by default differential evolution (0.8) and snooker moves (0.2).
    backend : path, optional
        HDF5 file (.h5, .hdf5) in which the chain is kept: after every check, and at least every half minute.
    existing : {"refuse", "resume", "overwrite"}
        What to do if that file exists.  Resumed, the chain is the one that it would have been uninterrupted.
    rng : numpy Generator, int or None
        Source of randomness; an int is a seed.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown.
    relabel : {"assignment", "ordering"}
        How components of a sample are matched to those of the fit: by optimal assignment (squared distances of means
        and of log-sigmas, noise included; see `label_switching.Assignment`), or by the order of the first
        coordinate of the means.

    Returns
    -------
    PosteriorSamples
        Interrupted from the keyboard, with the samples so far.

    Raises
    ------
    InputError
        If the fit is of other data, an argument is not what it must be, there is nothing to sample, the prior has zero
        density at the fit, or the backend exists, is damaged, holds something else, or is written by another process.

    Notes
    -----
    Foreman-Mackey et al. 2013, PASP 125, 306; ter Braak & Vrugt 2008, Stat. Comput. 18, 435.

    Examples
    --------
    >>> from xdgmm import XDGMM, Observations, datasets
    >>> from xdgmm.uncertainty.mcmc import sample_posterior
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> samples = sample_posterior(XDGMM().fit(stars).result_, stars, rng=1)
    >>> samples.converged, list(samples.parameters)
    (True, ['mean[0, v]', 'sigma[0, v]'])
    """
    observations = _checked_observations(result, observations)
    check_progress(progress)
    label_switching.check_relabel(relabel)
    plan = _plan(n_steps, until, max_steps)
    prior = PosteriorPrior() if prior is None else prior
    if not isinstance(prior, PosteriorPrior):
        raise InputError(f"`prior` is a {type(prior).__name__}, but it must be a PosteriorPrior, or None")
    resolved = prior.resolved(observations, result.mixture.n_components, result.model)
    posterior = Posterior(result, observations, resolved, relabel)
    _check_same_data(result, observations, posterior)
    rng = as_generator(rng)
    _check_moves(moves)
    with ExitStack() as context:
        file = None
        if backend is not None:
            posterior_hash = hash_of_posterior(result, observations, resolved)
            file = context.enter_context(chain_file(backend, existing, posterior_hash, str(resolved)))
        sampler, state = _sampler(posterior, n_walkers, moves, file, rng)
        bar = context.enter_context(progress_bar(progress, "steps"))
        save = (lambda _: None) if file is None else file.save
        chain = run_chain(sampler, state, plan, _reported(posterior), save, _Progress(bar))
    return _samples(chain, posterior, result, str(resolved))


refine = sample_posterior  # its other name


def _check_moves(moves: Any) -> None:
    single = hasattr(moves, "get_proposal") or hasattr(moves, "propose")
    if moves is not None and not single and (isinstance(moves, str) or not len(moves)):
        raise InputError(f"`moves` is {moves!r}, but it must be a move of emcee, or a list of moves or (move, weight)")


def _checked_observations(result: FitResult, observations: Catalogue) -> Observations:
    """The observations in the units of the fit, whose columns they must have."""
    if not isinstance(result, FitResult):
        raise InputError(
            f"`result` is a {type(result).__name__}, but a FitResult is needed: `result_` of a fitted XDGMM"
        )
    if isinstance(observations, (ObservationSource, StreamedObservations)):
        observations = all_in_memory(observations, "samples of the posterior need thousands of passes over all objects")
    if not isinstance(observations, Observations):
        raise InputError(f"`observations` is a {type(observations).__name__}, but Observations are needed")
    mixture = result.mixture
    if mixture.dof is not None:
        raise InputError(
            "the posterior of a mixture of Student-t components cannot be sampled; use `bootstrap` or the profile "
            "likelihood, or fit with family='gaussian'"
        )
    if mixture.flat is not None:
        raise InputError(
            "the posterior of a mixture with flat components cannot be sampled; use `bootstrap` or the profile "
            "likelihood"
        )
    if observations.names != mixture.names:
        raise InputError(
            f"the fit is of {', '.join(mixture.names)}, but the observations are of {', '.join(observations.names)}; "
            "give those that were fitted"
        )
    observations = observations.in_units(mixture.units)
    if mixture.background is not None:
        mixture.background.resolved(observations)
    return observations


def _check_same_data(result: FitResult, observations: Observations, posterior: Posterior) -> None:
    """The fit must have the same likelihood here as there."""
    here = posterior.statistics().log_likelihood + posterior.shift
    size = abs(result.log_likelihood) + result.total_weight
    if observations.n_objects != result.n_objects or not abs(here - result.log_likelihood) <= SAME * size:
        raise InputError(
            f"the fit is of other data: of {result.n_objects} objects, with a log-likelihood of "
            f"{result.log_likelihood:.6g}, but of these {observations.n_objects} objects it is {here:.6g}; give the "
            "observations that were fitted"
        )


def _plan(n_steps: int | None, until: str, max_steps: int) -> Plan:
    if until != "converged":
        raise InputError(f"`until` is {until!r}, but it must be 'converged'; give `n_steps` for a number of steps")
    for name, value in (("n_steps", n_steps), ("max_steps", max_steps)):
        if not (value is None and name == "n_steps") and not _is_whole(value):
            raise InputError(f"`{name}` is {value!r}, but it must be a whole number of at least 1")
    return Plan(max_steps) if n_steps is None else Plan(n_steps, exactly=True)


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)) and bool(value >= 1)


def _sampler(
    posterior: Posterior, n_walkers: int | None, moves: Any, file: ChainFile | None, rng: np.random.Generator
) -> tuple[Any, Any]:
    """The sampler of emcee, with what was sampled already, and the state from which it goes on."""
    from emcee import EnsembleSampler, State

    from .memory import Memory
    from .moves import default_moves

    size = posterior.coordinates.size
    if size == 0:
        raise InputError("every parameter is fixed, so there is nothing to sample; free one")
    _check_walkers(n_walkers, size)
    memory = Memory()
    resumed = file is not None and file.resuming
    if file is not None and resumed:
        file.load(memory, size, posterior)
        memory.chain = _relabelled(posterior, memory.chain)  # of version 0.1, or matched in another way
        if n_walkers not in (None, memory.shape[0]):
            raise InputError(
                f"`n_walkers` is {n_walkers}, but the chain in the backend has {memory.shape[0]}; leave it out"
            )
        n_walkers = memory.shape[0]
    n_walkers = n_walkers or max(WALKERS_PER_DIMENSION * size, USUAL_WALKERS)
    moves = default_moves() if moves is None else moves
    sampler = EnsembleSampler(n_walkers, size, posterior.matched, moves=moves, backend=memory, vectorize=True)
    if resumed:
        return sampler, memory.get_last_sample()
    first = posterior.relabelled(starting_points(posterior, n_walkers, rng))
    seeded = np.random.RandomState(rng.integers(2**32, dtype=np.uint32))  # what emcee has
    return sampler, State(first, log_prob=posterior(first), random_state=seeded.get_state())


def _check_walkers(n_walkers: int | None, size: int) -> None:
    fewest = max(2 * size + 2, FEWEST)
    if n_walkers is not None and not (_is_whole(n_walkers) and n_walkers >= fewest):
        raise InputError(
            f"`n_walkers` is {n_walkers!r}, but it must be a whole number of at least {fewest}, for {size} free "
            f"parameter{'s' if size > 1 else ''}"
        )


class _Progress:
    """Shows on a progress bar how long the chain is."""

    def __init__(self, bar: tqdm[Any] | None) -> None:
        self.bar = bar

    def __call__(self, n_steps: int, tau: float | None = None) -> None:
        if self.bar is None:
            return
        if tau is not None:
            self.bar.set_postfix({"autocorrelation time": f"{tau:.0f}"}, refresh=False)
        self.bar.update(n_steps - self.bar.n)


def _relabelled(posterior: Posterior, chain: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same steps (n, W, P) with components that match those of the fit."""
    return posterior.relabelled(chain.reshape(-1, chain.shape[2])).reshape(chain.shape)


def _reported(posterior: Posterior) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """What is reported of a chain (n, W, P): (n, W, Q)."""
    coordinates = posterior.coordinates

    def reported(chain: NDArray[np.float64]) -> NDArray[np.float64]:
        return coordinates.reported(coordinates.at(chain.reshape(-1, chain.shape[2]))).reshape(*chain.shape[:2], -1)

    return reported


def _samples(chain: Chain, posterior: Posterior, result: FitResult, prior: str) -> PosteriorSamples:
    kept = chain.kept.reshape(-1, chain.coordinates.shape[2])
    parameters = posterior.coordinates.at(kept)
    all_weights, K = parameters.all_weights, result.mixture.n_components
    switched = label_switching.ambiguity(kept, posterior.coordinates, posterior.exchangeable)
    _warn(chain, switched)
    scale, location = posterior.scaling.scale, posterior.scaling.location
    return PosteriorSamples(
        weights=all_weights[:, :K],
        background=all_weights[:, K] if all_weights.shape[1] > K else None,
        means=parameters.means * scale + location,
        covariances=parameters.covariances * scale[:, None] * scale,
        mixture=result.mixture,
        chain=chain,
        label_switching=switched,
        prior=prior,
        free=FreeParameters.of(posterior.coordinates),
    )


def _warn(chain: Chain, switched: float) -> None:
    if not chain.outcome.converged:
        warnings.warn(
            f"{chain.outcome.value} ({len(chain.coordinates)} steps, the longest autocorrelation time is about "
            f"{chain.tau.max():.0f})",
            ConvergenceWarning,
            stacklevel=4,
        )
    if switched > SWITCHED:
        warnings.warn(
            f"in {100 * switched:.0f}% of the samples two components could as well change places: results for one "
            "component depend on how they are matched to those of the fit (`relabel`), those for the whole mixture do "
            "not",
            XdgmmWarning,
            stacklevel=4,
        )
