"""Fits of many candidates that improve each other: fresh starts first, then starts made of each other's solutions.

Fresh fits of K components end in lower maxima now and then, so that the likelihood may fall where K rises.  Each fit is
therefore tried again from its neighbours: the next smaller number with a component split, the next larger number with
two merged, and covariance types that are a special case of its own.  Whatever is then still lower than such a special
case starts from that very density, so that it ends no lower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.errors import DegenerateError
from xdgmm.fitting import COVARIANCE_TYPES, FitResult, Outcome, Settings, fit, fit_above, fit_from
from xdgmm.fitting.progress import Stopped
from xdgmm.kernels import on_same_device

if TYPE_CHECKING:
    from xdgmm.fitting.problem import AnyObservations

ROUNDS = 4  # in which fits are tried again from their neighbours
RISE = 0.1  # nats by which a neighbour must have risen to be tried again
THOROUGH_BELOW = 5_000  # objects, up to which every candidate is searched as thoroughly as a single fit
THOROUGH = 10  # starts after which a candidate counts as degenerate
ENDED = (Outcome.INTERRUPTED, Outcome.STOPPED)


class Candidate(NamedTuple):
    """A number of components and a covariance type."""

    n_components: int
    covariance_type: str


@dataclass
class Fits:
    """The fits of candidates.

    Attributes
    ----------
    results : dict
        Of each candidate that was fitted.
    degenerate : dict
        Why the likelihood of the others has no maximum.
    ended : Outcome or None
        Whether the user has ended the work before its end.
    """

    results: dict[Candidate, FitResult] = field(default_factory=dict)
    degenerate: dict[Candidate, DegenerateError] = field(default_factory=dict)
    ended: Outcome | None = None

    def status(self, candidate: Candidate) -> str:
        """How the fit of a candidate ended, in a word or two."""
        if candidate in self.degenerate:
            return "degenerate"
        if candidate not in self.results:
            return "not fitted"
        outcome = self.results[candidate].outcome
        words = {Outcome.INTERRUPTED: "interrupted", Outcome.STOPPED: "stopped"}
        return words.get(outcome, "converged" if outcome.converged else "unconverged")


def run_all(function: Callable[..., Any], jobs: Iterable[tuple[Any, ...]], n_jobs: int) -> Iterator[Any]:
    """What a function gives for each tuple of arguments, in their order, in so many processes."""
    if n_jobs == 1:
        return (function(*job) for job in jobs)
    from joblib import Parallel, delayed

    task = delayed(on_same_device(function))
    results: Iterator[Any] = Parallel(n_jobs=n_jobs, return_as="generator")(task(*job) for job in jobs)
    return results


def fit_candidates(
    observations: AnyObservations,
    candidates: Sequence[Candidate],
    settings: Settings,
    seed: int,
    n_jobs: int = 1,
    tick: Callable[[], Any] = lambda: None,
) -> Fits:
    """Fit every candidate; the results do not depend on the number of processes.

    Parameters
    ----------
    observations : Observations or StreamedObservations
    candidates : sequence of Candidate
    settings : Settings
        Of each fit; its covariance type is that of the candidate.
    seed : int
    n_jobs : int
        Processes (joblib).
    tick : callable
        Is called after every first fit of a candidate.

    Returns
    -------
    Fits
        What was found until then if the user has ended it.

    Raises
    ------
    KeyboardInterrupt
        If that was before anything was found.
    """
    work = _Work(
        observations,
        tuple(candidates),
        replace(settings, progress="never", quick=observations.n_objects > THOROUGH_BELOW),
        seed,
        n_jobs,
    )
    try:
        work.fit_freshly(tick)
        if work.fits.ended is None:
            work.improve()
            work.raise_to_special_cases()
    except KeyboardInterrupt:
        if not work.fits.results:
            raise
        work.fits.ended = Outcome.INTERRUPTED
    except Stopped:
        work.fits.ended = Outcome.STOPPED
    return work.fits


class _Work:
    """The fits of some candidates while they are made."""

    def __init__(
        self,
        observations: AnyObservations,
        candidates: tuple[Candidate, ...],
        settings: Settings,
        seed: int,
        n_jobs: int,
    ) -> None:
        self.observations, self.candidates, self.settings = observations, candidates, settings
        self.seed, self.n_jobs = seed, n_jobs
        self.fits = Fits()
        self.tried: dict[tuple[Candidate, Candidate], float] = {}  # objective of a neighbour when it was tried

    def fit_freshly(self, tick: Callable[[], Any]) -> None:
        """Fit every candidate from random starts, until the user ends it."""
        jobs = [(self.observations, each, self.settings_of(each), self.seeds(each, 0)) for each in self.candidates]
        found = run_all(_fit_freshly, jobs, self.n_jobs)
        for candidate, result in zip(self.candidates, found, strict=True):
            if isinstance(result, DegenerateError):
                self.fits.degenerate[candidate] = result
            else:
                self.fits.results[candidate] = result
                if result.outcome in ENDED:
                    self.fits.ended = result.outcome
                    break
            tick()

    def settings_of(self, candidate: Candidate) -> Settings:
        """The settings with the covariance type of a candidate."""
        return replace(self.settings, model=replace(self.settings.model, covariance_type=candidate.covariance_type))

    def seeds(self, candidate: Candidate, stage: int) -> list[int]:
        """A seed of its own for each candidate and stage of the work, whatever the other candidates are."""
        return [self.seed, candidate.n_components, list(COVARIANCE_TYPES).index(candidate.covariance_type), stage]

    def improve(self) -> None:
        """Try every fit again from its neighbours, as long as one rises."""
        for stage in range(1, ROUNDS + 1):
            jobs = [(each, sources) for each in self.fits.results if (sources := self._sources(each))]
            found = run_all(_fit_from, [self._job(each, sources, stage) for each, sources in jobs], self.n_jobs)
            better = [(each, result) for (each, _), result in zip(jobs, found, strict=True) if result is not None]
            self.fits.results.update(better)
            if not better:
                break

    def _job(self, candidate: Candidate, sources: list[Candidate], stage: int) -> tuple[Any, ...]:
        results = self.fits.results
        for source in sources:
            self.tried[candidate, source] = results[source].log_posterior
        mixtures = [results[source].mixture for source in sources]
        settings, seeds = self.settings_of(candidate), self.seeds(candidate, stage)
        return self.observations, candidate, mixtures, settings, seeds, results[candidate]

    def _sources(self, candidate: Candidate) -> list[Candidate]:
        """The neighbours from which a candidate was not tried yet, or which have risen since."""
        own = self._of_type(candidate.covariance_type)
        place = own.index(candidate)
        neighbours = [*own[max(place - 1, 0) : place], *own[place + 1 : place + 2], *self._narrower(candidate)]
        rises = {each: self.fits.results[each].log_posterior for each in neighbours}
        return [each for each, height in rises.items() if height > self.tried.get((candidate, each), -np.inf) + RISE]

    def _of_type(self, covariance_type: str) -> list[Candidate]:
        """Candidates of a type that were fitted, by their number of components."""
        return sorted(each for each in self.fits.results if each.covariance_type == covariance_type)

    def _narrower(self, candidate: Candidate) -> list[Candidate]:
        """Candidates that were fitted whose type is a special case of this one's."""
        types = COVARIANCE_TYPES[candidate.covariance_type].special_cases
        return [each for name in types if (each := candidate._replace(covariance_type=name)) in self.fits.results]

    def raise_to_special_cases(self) -> None:
        """Start every fit that is lower than a special case of its model from that, from the simplest model on."""
        types = sorted(COVARIANCE_TYPES, key=lambda name: len(COVARIANCE_TYPES[name].special_cases))
        for candidate in sorted(self.fits.results, key=lambda each: (each.n_components, types.index(each[1]))):
            own = self._of_type(candidate.covariance_type)
            fewer = own[: own.index(candidate)][-1:] if self.settings.model.prior is None else []
            for source in (*fewer, *self._narrower(candidate)):
                self._raise_to(candidate, self.fits.results[source])

    def _raise_to(self, candidate: Candidate, lower: FitResult) -> None:
        own = self.fits.results[candidate]
        if own.log_posterior >= lower.log_posterior:
            return
        found = fit_above(self.observations, candidate.n_components, lower.mixture, self.settings_of(candidate))
        if found is not None and found.log_posterior > own.log_posterior:
            self.fits.results[candidate] = found


def _fit_freshly(
    observations: AnyObservations, candidate: Candidate, settings: Settings, seeds: list[int]
) -> FitResult | DegenerateError:
    """The fit of one candidate from random starts, or why there is none."""
    try:
        return fit(observations, candidate.n_components, settings, np.random.default_rng(seeds))
    except DegenerateError:
        thorough = replace(settings, quick=False, n_init=max(settings.n_init, THOROUGH))
    try:
        return fit(observations, candidate.n_components, thorough, np.random.default_rng(seeds))
    except DegenerateError as error:
        return error


def _fit_from(
    observations: AnyObservations,
    candidate: Candidate,
    sources: list[Any],
    settings: Settings,
    seeds: list[int],
    incumbent: FitResult,
) -> FitResult | None:
    """A better fit of one candidate than the incumbent, from its neighbours; None if there is none."""
    rng = np.random.default_rng(seeds)
    return fit_from(observations, candidate.n_components, sources, settings, rng, incumbent=incumbent)
