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
    tau : ndarray (Q,)
        Autocorrelation times, in steps, of what is reported: of each free parameter, in the order of
        `PosteriorSamples.parameters`, and of the log-posterior.
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


class Convergence:
    """Is a chain long enough for what is reported of it?

    Its autocorrelation times are those of the reported quantities: the chain is longer than 50 of the longest of them,
    burn-in left out, and none has changed by 5% since the check before.

    Parameters
    ----------
    sampler : emcee.EnsembleSampler
    reported : callable
        Quantities (n, W, Q) from coordinates (n, W, P).
    """

    def __init__(self, sampler: Any, reported: Callable[[Array], Array]) -> None:
        self._sampler, self._reported = sampler, reported
        self._times: dict[int, Array] = {}

    def times(self, n: int) -> Array:
        """Autocorrelation times (Q,) of the first n steps: of what is reported, and of the log-posterior."""
        if n not in self._times:
            first, stride = n // FIRST_PART, _stride(n - n // FIRST_PART)
            backend, kept = self._sampler.backend, slice(first, n, stride)
            quantities = [self._reported(backend.chain[kept]), backend.log_prob[kept][..., None]]
            self._times[n] = stride * autocorrelation_times(np.concatenate(quantities, axis=2))
        return self._times[n]

    def long_enough(self, n: int) -> bool:
        """Is the chain longer than 50 autocorrelation times?"""
        tau = self.times(n)
        return bool(n - _burn_in(n, tau) > ENOUGH * tau.max())

    def reached(self) -> bool:
        """Was the chain long enough at the last check, and had its autocorrelation times hardly changed before it?"""
        before, now = _last_checks(self._sampler.iteration)
        if now != self._sampler.iteration or before == 0 or not self.long_enough(now):
            return False
        tau = self.times(now)
        return bool((np.abs(self.times(before) - tau) < STABLE * tau).all())


def run_chain(
    sampler: Any,
    state: Any,
    plan: Plan,
    reported: Callable[[Array], Array],
    save: Callable[[Any], object],
    bar: Callable[..., object],
) -> Chain:
    """Sample until the plan is fulfilled; a keyboard interrupt ends it with what there is.

    What there is, is also saved where the program is ended (SystemExit).

    Parameters
    ----------
    sampler : emcee.EnsembleSampler
        With the steps made so far, if any.
    state : emcee.State
    plan : Plan
    reported : callable
        Quantities (n, W, Q) from coordinates (n, W, P), whose autocorrelation times decide.
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
    convergence = Convergence(sampler, reported)
    outcome = SamplingOutcome.TOO_SHORT if plan.exactly else SamplingOutcome.OUT_OF_STEPS
    try:
        while sampler.iteration < plan.most and (plan.exactly or not convergence.reached()):
            state = _advance(sampler, state, min(next_check(sampler.iteration), plan.most), save, bar)
            if not plan.exactly:
                bar(sampler.iteration, convergence.times(sampler.iteration).max())
    except KeyboardInterrupt:
        if sampler.iteration == 0:
            raise
        save(sampler.backend)
        outcome = SamplingOutcome.INTERRUPTED
    except SystemExit:  # the program is to end
        if sampler.iteration > 0:
            save(sampler.backend)
        raise
    return _chain(sampler, convergence, outcome)


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


def _burn_in(n: int, tau: Array) -> int:
    return int(min(np.ceil(BURN_IN * tau.max()), n // 2)) if np.isfinite(tau).all() else n // 2


def _chain(sampler: Any, convergence: Convergence, outcome: SamplingOutcome) -> Chain:
    n = sampler.iteration
    coordinates, tau = sampler.backend.chain[:n], convergence.times(n)
    if (outcome is SamplingOutcome.TOO_SHORT and convergence.long_enough(n)) or convergence.reached():
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
    stride = _stride(len(chain))
    chain = chain[::stride]
    n = len(chain)
    centred = chain - chain.mean(axis=(0, 1))
    length = 1 << (2 * n - 1).bit_length()
    spectrum = np.zeros((length // 2 + 1, chain.shape[2]))
    for walker in range(chain.shape[1]):  # one at a time: the memory of one
        spectrum += np.abs(np.fft.rfft(centred[:, walker], length, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, length, axis=0)[:n]
    return np.array([stride * _integrated(column) for column in covariance.T])


def _stride(n: int) -> int:
    """Of how many of n steps one is used."""
    return -(-n // MOST)


def _integrated(covariance: Array) -> float:
    if not covariance[0] > 0:
        return np.inf
    tau = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    beyond = np.flatnonzero(np.arange(tau.size) >= WINDOW * tau)
    return max(float(tau[beyond[0]] if beyond.size else tau[-1]), 1.0)
