"""Simulated samples of any mixture, each fitted twice: with a quantity free, and with the quantity held."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import DegenerateError, InputError
from xdgmm.fitting import solvers
from xdgmm.kernels import on_same_device
from xdgmm.prediction import draw_observations

from .calibration import SignedRoots
from .function_profile import FunctionProfile
from .likelihood_ratio import PASSES, LostError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .profile import WidthProfile

    Floats = NDArray[np.float64]

PILOT, BATCH, MOST = 250, 250, 20_000  # samples at each value on the way to an end, at a time near it, and at most
TOLERANCE = 1e-6  # nats of each fit
MOST_ROWS = 1_000_000  # into which rows of weights above one are taken apart


def in_single_objects(observations: Observations) -> Observations:
    """Rows of weights above one taken apart into objects of weight one, and one of what remains.

    Raises
    ------
    InputError
        If these are more than a million.
    """
    rows, weights = single_objects(observations)
    return observations if rows is None else replace(observations.select(rows), weights=weights)


def single_objects(observations: Observations) -> tuple[NDArray[np.intp] | None, Floats]:
    """Row and weight of each of the objects of `in_single_objects`; no rows where they are those of the observations.

    Raises
    ------
    InputError
        As `in_single_objects`.
    """
    weights = observations.object_weights
    if observations.weights is None or (weights <= 1).all():
        return None, weights
    whole = np.floor(weights)
    times = np.where(weights > whole, whole + 1, whole)
    if times.sum() > MOST_ROWS:
        raise InputError(
            f"the weights count as {times.sum():.3g} objects, which are too many to be simulated; use "
            "`limit='likelihood'`"
        )
    rows = np.repeat(np.arange(len(weights)), times.astype(int))
    each = np.ones(rows.size)
    last = np.cumsum(times[times > 0]).astype(int) - 1
    part = (weights - whole)[times > 0]
    each[last] = np.where(part > 0, part, 1.0)
    return rows, each


@dataclass(frozen=True, eq=False)
class OfSample(ABC):
    """The signed root of one sample of a problem, from fits that start at the mixture it was drawn from."""

    profile: Any

    def __call__(self, mixture: GaussianMixture, observations: Observations, value: float, seed: int) -> float:
        """Signed root of a sample of a mixture in the coordinates of the solvers; NaN where a fit fails."""
        problem = self.profile.problem
        rng, selection = np.random.default_rng(seed), problem.model.selection_function
        drawn = draw_observations(problem.original(mixture), observations, 1, rng, selection=selection)
        try:
            return self.root(problem.pack(drawn), mixture, value)
        except (solvers.CollapseError, LostError):
            return np.nan

    @abstractmethod
    def root(self, data: Data, mixture: GaussianMixture, value: float) -> float:
        """Signed root of data, from fits that start at a mixture."""


class WidthOfSample(OfSample):
    """Of the sigma of a `WidthProfile`."""

    def root(self, data: Data, mixture: GaussianMixture, value: float) -> float:
        """Signed root of the sigma."""
        problem, profile = self.profile.problem, self.profile
        free = problem.maximise(mixture, TOLERANCE, PASSES, data=data, near=True)
        held = problem.maximise(mixture, TOLERANCE, PASSES, data=data, constraints=profile.hold(value), near=True)
        sigma = free.mixture.sigmas[profile.component, profile.axis]
        return _signed_root(sigma - value, free.statistics.log_likelihood, held.statistics.log_likelihood)


class FunctionOfSample(OfSample):
    """Of the function of a `FunctionProfile`."""

    def root(self, data: Data, mixture: GaussianMixture, value: float) -> float:
        """Signed root of the function."""
        problem = copy(self.profile.problem)
        vars(problem).update(data=data, _evaluated=None)
        free = problem.original(problem.maximise(mixture, TOLERANCE, PASSES, near=True).mixture)
        of_sample = FunctionProfile(problem, free, self.profile.function, self.profile.limits)
        return _signed_root(of_sample.value - value, of_sample.maximum, of_sample.at(value))


def _signed_root(sign: float, free: float, held: float) -> float:
    return float((1.0 if sign >= 0 else -1.0) * np.sqrt(2.0 * max(free - held, 0.0)))


class RefittedRoots(SignedRoots):
    """Signed roots of a quantity of any mixture: every sample is fitted twice, with the quantity free and held."""

    pilot, batch, most = PILOT, BATCH, MOST

    def __init__(self, profile: WidthProfile | FunctionProfile, of_sample: OfSample, n_jobs: int) -> None:
        self.profile, self.of_sample, self.n_jobs = profile, of_sample, n_jobs
        observations = in_single_objects(profile.problem.observations)
        self.observations = observations.select(observations.counts)

    def observed(self, value: float) -> float:
        """The signed root of the observations."""
        height = self.profile.at(value)
        return _signed_root(self.profile.value - value, max(self.profile.seen), height)

    def draw(self, value: float, n_samples: int, rng: np.random.Generator) -> Floats:
        """Signed roots of samples, without those whose fits failed."""
        self.profile.at(value)
        mixture = self.profile.known[float(value)][1]
        seeds = [int(seed) for seed in rng.integers(2**63, size=n_samples)]
        found: Floats = np.array(list(_each(self.of_sample, mixture, self.observations, value, seeds, self.n_jobs)))
        found = found[~np.isnan(found)]
        if found.size < 0.5 * n_samples:
            raise DegenerateError(
                "the likelihood has no maximum in most of the simulated samples, since a component collapses there; "
                "use `limit='likelihood'`, fit fewer components, or give a prior on the covariances"
            )
        return found


def _each(
    function: Callable[..., float],
    mixture: GaussianMixture,
    observations: Observations,
    value: float,
    seeds: list[int],
    n_jobs: int,
) -> Any:
    if n_jobs == 1:
        return (function(mixture, observations, value, seed) for seed in seeds)
    from joblib import Parallel, delayed

    of_sample = delayed(on_same_device(function))
    return Parallel(n_jobs=n_jobs)(of_sample(mixture, observations, value, seed) for seed in seeds)
