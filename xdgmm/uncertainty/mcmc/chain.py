"""Run an ensemble of walkers until its chain is long enough, by its autocorrelation times."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WINDOW = 5.0  # autocorrelation times over which the autocorrelation is summed (Sokal)
MOST = 4000  # largest number of steps used for the autocorrelation: every second, third, ... of a longer chain
FIRST, GROWTH = 100, 1.1  # steps until the first check, and by how much the chain grows from one to the next
ENOUGH = 50.0  # autocorrelation times
STABLE = 0.05  # relative change of an autocorrelation time from one check to the next, of a chain that has converged
BURN_IN = 5.0  # autocorrelation times
FIRST_PART = 5  # of the chain, one part in so many is left out while its autocorrelation time is not known
SAVE_EVERY = 30.0  # seconds after which a chain is written even between checks


class SamplingOutcome(Enum):
    """Why the sampling ended; the value is the sentence for the user."""

    CONVERGED = "converged: the chain is longer than 50 autocorrelation times, and these are stable"
    OUT_OF_STEPS = (
        "not converged after `max_steps` steps: the chain is shorter than 50 autocorrelation times, or these are not "
        "stable; raise `max_steps`"
    )
    TOO_SHORT = "the `n_steps` steps asked for are fewer than 50 autocorrelation times; raise `n_steps`"
    INTERRUPTED = "interrupted: these are the samples so far, of a chain that is too short"

    @property
    def converged(self) -> bool:
        """Is the chain long enough?"""
        return self is SamplingOutcome.CONVERGED


@dataclass(frozen=True)
class Plan:
    """How long to sample: until converged but no longer than `most` steps, or exactly so many."""

    most: int
    exactly: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Chain:
    """What was sampled.

    Attributes
    ----------
    coordinates : ndarray (n_steps, n_walkers, P)
    log_posterior : ndarray (n_steps, n_walkers)
    acceptance : ndarray (n_walkers,)
        Fraction of its proposals that each walker accepted.
    tau : ndarray (P,)
        Autocorrelation times in steps.
    burn_in, thin : int
        Steps left out at the beginning, and of how many one is kept.
    outcome : SamplingOutcome
    """

    coordinates: Array
    log_posterior: Array
    acceptance: Array
    tau: Array
    burn_in: int
    thin: int
    outcome: SamplingOutcome

    @property
    def kept(self) -> Array:
        """The coordinates after burn-in, thinned: (n, n_walkers, P)."""
        return self.coordinates[self.burn_in :: self.thin]


def run_chain(sampler: Any, state: Any, plan: Plan, save: Callable[[Any], object], bar: Callable[..., object]) -> Chain:
    """Sample until the plan is fulfilled; a keyboard interrupt ends it with what there is.

    What there is, is also saved where the program is ended (SystemExit).

    Parameters
    ----------
    sampler : emcee.EnsembleSampler
        With the steps made so far, if any.
    state : emcee.State
    plan : Plan
    save : callable
        Writes the backend of the sampler.
    bar : callable
        Is told the number of steps, and the longest autocorrelation time when it is known.

    Returns
    -------
    Chain

    Raises
    ------
    KeyboardInterrupt
        If there is no step yet.
    """
    outcome = SamplingOutcome.TOO_SHORT if plan.exactly else SamplingOutcome.OUT_OF_STEPS
    try:
        while sampler.iteration < plan.most and not (not plan.exactly and _converged(sampler)):
            state = _advance(sampler, state, min(next_check(sampler.iteration), plan.most), save, bar)
            bar(sampler.iteration, _times(sampler, sampler.iteration).max())
    except KeyboardInterrupt:
        if sampler.iteration == 0:
            raise
        save(sampler.backend)
        outcome = SamplingOutcome.INTERRUPTED
    except SystemExit:  # the program is to end
        if sampler.iteration > 0:
            save(sampler.backend)
        raise
    return _chain(sampler, outcome)


def _advance(sampler: Any, state: Any, n_steps: int, save: Callable[[Any], object], bar: Callable[..., object]) -> Any:
    """Sample until there are so many steps, and write them."""
    saved = time.monotonic()
    todo = n_steps - sampler.iteration
    for reached in sampler.sample(state, iterations=todo, skip_initial_state_check=True):
        state = reached
        bar(sampler.iteration)
        if time.monotonic() - saved > SAVE_EVERY:
            save(sampler.backend)
            saved = time.monotonic()
    save(sampler.backend)
    return state


def next_check(n: int) -> int:
    """The first check after n steps, of a sequence that depends on nothing else: a resumed chain has the same."""
    check = FIRST
    while check <= n:
        check = _after(check)
    return check


def _after(check: int) -> int:
    return max(check + FIRST, int(GROWTH * check))


def _last_checks(n: int) -> tuple[int, int]:
    """The check at n steps or before, and the one before that; 0 where there is none."""
    before, check = 0, 0
    while (following := _after(check) if check else FIRST) <= n:
        before, check = check, following
    return before, check


def _converged(sampler: Any) -> bool:
    """Was the chain long enough at the last check, and had its autocorrelation times hardly changed before it?"""
    before, now = _last_checks(sampler.iteration)
    if now != sampler.iteration or before == 0:
        return False
    tau = _times(sampler, now)
    if not _long_enough(now, tau):
        return False
    return bool((np.abs(_times(sampler, before) - tau) < STABLE * tau).all())


def _long_enough(n_steps: int, tau: Array) -> bool:
    return bool(n_steps - _burn_in(n_steps, tau) > ENOUGH * tau.max())


def _times(sampler: Any, n: int) -> Array:
    return autocorrelation_times(sampler.backend.chain[n // FIRST_PART : n])


def _burn_in(n: int, tau: Array) -> int:
    return int(min(np.ceil(BURN_IN * tau.max()), n // 2)) if np.isfinite(tau).all() else n // 2


def _chain(sampler: Any, outcome: SamplingOutcome) -> Chain:
    n = sampler.iteration
    coordinates = sampler.backend.chain[:n]
    tau = _times(sampler, n)
    long_enough = _long_enough(n, tau)
    if (outcome is SamplingOutcome.TOO_SHORT and long_enough) or _converged(sampler):
        outcome = SamplingOutcome.CONVERGED
    burn_in = _burn_in(n, tau)
    thin = int(max(min(0.5 * tau.max(), (n - burn_in) // 2), 1)) if np.isfinite(tau).all() else 1
    acceptance = sampler.backend.accepted / n
    return Chain(coordinates, sampler.backend.log_prob[:n], acceptance, tau, burn_in, thin, outcome)


def autocorrelation_times(chain: Array) -> Array:
    """Integrated autocorrelation time, in steps, of each quantity of an ensemble.

    Parameters
    ----------
    chain : ndarray (n_steps, n_walkers, P)

    Returns
    -------
    ndarray (P,)
        At least one; infinite where a quantity never moves.

    Notes
    -----
    ``tau = 1 + 2 sum_t rho(t)``, the sum ending at the first t above 5 tau (Sokal 1989; Foreman-Mackey et al. 2013,
    PASP 125, 306).  rho is the autocovariance averaged over the walkers, about the mean of all of them: a walker that
    is stuck counts.  Gelman & Rubin's statistic is of no use here, since walkers are not independent.
    """
    n = len(chain)
    stride = -(-n // MOST)
    chain = chain[::stride]
    n = len(chain)
    centred = chain - chain.mean(axis=(0, 1))
    length = 1 << (2 * n - 1).bit_length()
    spectrum = np.zeros((length // 2 + 1, chain.shape[2]))
    for walker in range(chain.shape[1]):  # one at a time: the memory of one
        spectrum += np.abs(np.fft.rfft(centred[:, walker], length, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, length, axis=0)[:n]
    return np.array([stride * _integrated(column) for column in covariance.T])


def _integrated(covariance: Array) -> float:
    if not covariance[0] > 0:
        return np.inf
    tau = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    beyond = np.flatnonzero(np.arange(tau.size) >= WINDOW * tau)
    return max(float(tau[beyond[0]] if beyond.size else tau[-1]), 1.0)
