"""The bootstrap: the fit repeated on rows drawn with replacement (Efron 1979, Ann. Stat. 7, 1).

A row drawn c times is a row of c times its weight, since weights are frequencies.  Every refit starts from the fit,
with the same model.  Its components are matched to those of the fit by the assignment that maximises the common
members, ``sum_i omega_i min(r_ik, r'_ij)`` over all the objects, with r the responsibilities under the fit and r' those
under the refit.

Where the fit has a width of zero the bootstrap is inconsistent (Andrews 2000, Econometrica 68, 399).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from xdgmm.basics.parameters import as_generator, check_jobs
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import DegenerateError, DeprecatedAlias, InputError, XdgmmWarning
from xdgmm.fitting import FitResult, Problem, responsibilities, solvers
from xdgmm.fitting.objective import information_of
from xdgmm.fitting.optimality import Iterate
from xdgmm.kernels import on_same_device
from xdgmm.observations import all_in_memory

from .estimates import SampledMixtures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from xdgmm.kernels import Data, Statistics
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Catalogue

    Floats = NDArray[np.float64]

TOLERANCE = 1e-6  # nats: a thousandth of a standard error
PASSES = 2000
MANY = 0.05  # fraction of the resamples above which there is a warning
UNDETERMINED = 1e-10  # smallest information on a direction relative to the largest
IMPOSSIBLE = -1e300


@dataclass(frozen=True, eq=False, kw_only=True)
class BootstrapSamples(SampledMixtures):
    """The refits of a bootstrap.

    Attributes
    ----------
    n_failed : int
        Resamples left out, because their likelihood had no maximum.
    singular : ndarray of int (n, K)
        In how many directions each covariance of each refit has no width.
    """

    n_failed: int
    singular: NDArray[np.intp]

    n_lost = DeprecatedAlias("n_failed")


def bootstrap(
    result: FitResult,
    observations: Catalogue,
    *,
    n_resamples: int = 200,
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
    progress: str = "auto",
) -> BootstrapSamples:
    """Refit a model to rows drawn with replacement.

    Parameters
    ----------
    result : FitResult
        Every refit starts from its mixture, with its model.
    observations : Observations, StreamedObservations or a source of them
        Those that were fitted.  Each row that counts is equally likely to be drawn, and keeps its weight.
    n_resamples : int
    rng : numpy Generator, int or None
        Source of the draws: each resample has a seed of its own, so that the result does not depend on `n_jobs`.
    n_jobs : int
        Processes (joblib); -1 for all processors.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown.

    Returns
    -------
    BootstrapSamples

    Raises
    ------
    InputError
        If a number is not possible, the mixture has other coordinates than the observations, or these are not all in
        memory.
    DegenerateError
        If no resample has a maximum of its likelihood.

    Warns
    -----
    XdgmmWarning
        If a width is zero in the fit or in many of the refits, or if many resamples had to be left out.

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.fitting import fit
    >>> from xdgmm.uncertainty import bootstrap
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> samples = bootstrap(fit(stars), stars, n_resamples=50, rng=1)
    >>> sigma = samples.propagate(lambda mixture: mixture.sigmas[0, 0])
    >>> bool(2.0 < sigma.low < 2.73 < sigma.high < 3.5)
    True
    """
    observations = all_in_memory(observations, "the bootstrap draws rows of all objects")
    _check(result, observations, n_resamples, n_jobs, progress)
    seeds = as_generator(rng).integers(2**63, size=n_resamples)
    refits = Refits(result, observations)
    with progress_bar(progress, "resamples", n_resamples) as bar:
        found: list[Refit | None] = []
        for refit in _results(refits, seeds, n_jobs):
            found.append(refit)
            if bar is not None:
                bar.update()
    kept = [refit for refit in found if refit is not None]
    if not kept:
        raise DegenerateError(
            f"the likelihood has no maximum in any of the {n_resamples} resamples; give errors to values without, fit "
            "fewer components, or give a prior on the covariances"
        )
    samples = _collected(kept, result.mixture, n_resamples - len(kept))
    _warn(samples, result)
    return samples


def _check(result: object, observations: Observations, n_resamples: int, n_jobs: int, progress: str) -> None:
    check_progress(progress)
    if not isinstance(result, FitResult):
        raise InputError(
            f"`result` is a {type(result).__name__}, but a FitResult is needed: `result_` of a fitted XDGMM"
        )
    if not (_is_whole(n_resamples) and n_resamples >= 2):
        raise InputError(f"`n_resamples` is {n_resamples!r}, but it must be a whole number, at least 2")
    check_jobs(n_jobs)
    if result.mixture.n_dimensions != observations.n_dimensions or result.n_objects != observations.n_objects:
        raise InputError(
            f"the fit is one of {result.n_objects} objects in {result.mixture.n_dimensions} coordinates, but the "
            f"observations hold {observations.n_objects} in {observations.n_dimensions}; pass those it was fitted to"
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _results(refits: Refits, seeds: NDArray[np.int64], n_jobs: int) -> Iterable[Refit | None]:
    """The refits in the order of the seeds, one after the other."""
    if n_jobs == 1:
        return map(refits.refit, seeds)
    from joblib import Parallel, delayed

    refit = delayed(on_same_device(refits.refit))
    results: Iterable[Refit | None] = Parallel(n_jobs=n_jobs, return_as="generator")(refit(seed) for seed in seeds)
    return results


class Refit(NamedTuple):
    """One refit, in the user's units, with the components in the order of the fit.

    Attributes
    ----------
    all_weights, means, covariances : ndarray (S,), (K, D), (K, D, D)
    singular : ndarray of int (K,)
        In how many directions each covariance has no width.
    dof : ndarray (K,) or None
        Degrees of freedom of Student-t components.
    """

    all_weights: Floats
    means: Floats
    covariances: Floats
    singular: NDArray[np.intp]
    dof: Floats | None


class Refits:
    """Refits of one problem to resamples of its objects; can be sent to another process."""

    def __init__(self, result: FitResult, observations: Observations) -> None:
        counted = observations.in_units(result.mixture.units)
        counted = counted.select(counted.counts)
        model = replace(result.model, background=result.mixture.background)
        self.problem = Problem(counted, result.mixture.n_components, model)
        self.mixture = result.mixture
        self.start = self.problem.constraints.impose_type(self.problem.standardised(self.mixture))
        self.members = responsibilities(self.start, self.problem.data)

    def refit(self, seed: int | np.integer) -> Refit | None:
        """The refit to one resample; None if its likelihood has no maximum."""
        problem = self.problem
        try:
            solution = problem.maximise(
                self.start, TOLERANCE, PASSES, data=self._drawn(np.random.default_rng(seed)), near=True
            )
        except solvers.CollapseError:
            return None
        if not self._determined(solution.statistics):
            return None
        order = self.order(solution.mixture)
        singular = Iterate.at(solution.mixture, solution.statistics, problem.constraints).singular.sum(axis=1)
        found = problem.original(solution.mixture.ordered(order))
        return Refit(found.all_weights, found.means, found.covariances, singular[order], found.dof)

    def _drawn(self, rng: np.random.Generator) -> Data:
        """The data of one resample."""
        observations = self.problem.observations
        n_objects = len(observations)
        times = np.bincount(rng.integers(n_objects, size=n_objects), minlength=n_objects)
        drawn = replace(observations, weights=times * observations.object_weights).select(times > 0)
        return self.problem.pack(drawn)

    def _determined(self, statistics: Statistics) -> bool:
        """Does the resample determine every direction?"""
        if self.problem.constraints.prior is not None:
            return True
        information = np.linalg.eigvalsh(information_of(statistics).sum(axis=0))
        return bool(information[0] > UNDETERMINED * information[-1])

    def order(self, mixture: GaussianMixture) -> NDArray[np.intp]:
        """The components of the refit (K,) in the order of the fit; those with fixed parameters keep their place."""
        K = mixture.n_components
        if K == 1:
            return np.zeros(1, int)
        data, constraints = self.problem.data, self.problem.constraints
        refitted, weights = responsibilities(mixture, data), data.object_weights
        common = [[weights @ np.minimum(self.members[:, k], refitted[:, j]) for j in range(K)] for k in range(K)]
        exchangeable = constraints.free_components & (constraints.prior is None or constraints.prior.symmetric)
        allowed = (exchangeable[:, None] & exchangeable) | np.eye(K, dtype=bool)
        return np.asarray(linear_sum_assignment(np.where(allowed, common, IMPOSSIBLE), maximize=True)[1])


def _collected(refits: list[Refit], mixture: GaussianMixture, n_failed: int) -> BootstrapSamples:
    *columns, dof = zip(*refits, strict=True)
    weights, means, covariances, singular = map(np.array, columns)
    K = mixture.n_components
    background = None if mixture.background is None else weights[:, K]
    return BootstrapSamples(
        weights[:, :K],
        background,
        means,
        covariances,
        mixture,
        n_failed=n_failed,
        singular=singular,
        dof=None if mixture.dof is None else np.array(dof),
    )


def _warn(samples: BootstrapSamples, result: FitResult) -> None:
    """Warn if intervals from these samples are not reliable."""
    tried = len(samples) + samples.n_failed
    if samples.n_failed > MANY * tried:
        warnings.warn(
            f"{samples.n_failed} of {tried} resamples were left out, since a component collapses there; the intervals "
            "of the others are too narrow: fit fewer components, or give a prior on the covariances",
            XdgmmWarning,
            stacklevel=3,
        )
    at_zero = (samples.singular > 0).mean(axis=0)
    for k in np.flatnonzero((result.singular > 0) | (at_zero > MANY)):
        warnings.warn(
            f"component {k} has a direction without width in the fit or near it (in {100 * at_zero[k]:.0f}% of the "
            "resamples), where the bootstrap is inconsistent; use the upper limit of `width_limit` for such a width",
            XdgmmWarning,
            stacklevel=3,
        )
