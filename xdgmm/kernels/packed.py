"""`PackedData`: `Data` in the memory of this machine, for the compiled passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import passes
from .blocks import Blocks
from .compiled import implicit_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .posteriors import Posteriors
    from .statistics import Gradients, Statistics

    Floats = NDArray[np.float64]

OF_TYPICAL_ERRORS = 20_000  # objects from which a median error is taken
SMALLEST_SQUARES = 1e-250  # sums of smaller squares have lost digits


@dataclass(frozen=True, eq=False)
class PackedData(Blocks):
    """Packed blocks of objects with the passes over them; see `Data`."""

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        return passes.accumulate(self, weights, means, covariances)

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        return passes.accumulate_with_information(self, weights, means, covariances)

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return passes.gradients(self, weights, means, covariances)

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,)."""
        return passes.log_likelihoods(self, weights, means, covariances)

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        return passes.responsibilities(self, weights, means, covariances, component)

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood under each of W mixtures (W,)."""
        return passes.total_log_likelihoods(self, weights, means, covariances)

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each Gaussian too."""
        return passes.posteriors(self, weights, means, covariances, of_each=of_each)

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,)."""
        unit = max(float(self.object_weights.max(initial=0.0)), 1e-300)  # so that no square overflows
        sums = passes.member_sums(self, weights, means, covariances, unit)[:, : len(means)]
        sizes = np.where(sums[1] > SMALLEST_SQUARES, sums[0] ** 2 / np.maximum(sums[1], SMALLEST_SQUARES), 0.0)
        for k in np.flatnonzero((sums[0] > 0) & (sizes == 0)):
            members = self._members(weights, means, covariances, int(k))
            members /= members.max()
            sizes[k] = members.sum() ** 2 / (members**2).sum()
        return np.asarray(sizes)

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each Gaussian component in each coordinate (K, D)."""
        sample = self.subsample(OF_TYPICAL_ERRORS)
        members = [sample._members(weights, means, covariances, k) for k in range(len(means))]  # noqa: SLF001
        result = np.empty(means.shape)
        for i in range(self.n_dimensions):
            errors, measured = np.sqrt(sample.coordinate_variances(i)), sample.measures(i)
            order = np.argsort(errors)
            result[:, i] = [weighted_median(errors, order, column * measured) for column in members]
        return result

    @property
    def has_sigma_profile(self) -> bool:
        """Does `sigma_profile` hold for all objects?"""
        return not self.projected

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> MemberValues | None:
        """Profile likelihood of the sigma of a component (D = 1); None if it has no members."""
        members = self._members(weights, means, covariances, component)
        used = members > 0
        return MemberValues.of(self.values(0)[used], self.variances(0)[used], members[used]) if used.any() else None

    def _members(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> Floats:
        """Weight times responsibility of each object in one component (n_objects,); 0 for impossible objects."""
        return self.object_weights * np.nan_to_num(self.responsibilities(weights, means, covariances, component)[:, 0])


@dataclass(frozen=True, eq=False)
class MemberValues:
    """Values of the members of one component (n,), with their noise variances and weights: a `SigmaProfile`."""

    values: Floats
    variances: Floats
    weights: Floats
    span: float
    lowest: float
    any_exact: bool

    @classmethod
    def of(cls, values: Floats, variances: Floats, weights: Floats) -> MemberValues:
        """Make one of values, squared 1-sigma errors, and weights above zero."""
        values, variances, weights = (np.ascontiguousarray(each) for each in (values, variances, weights))
        lowest = float(values.min())
        return cls(values, variances, weights, float(values.max()) - lowest, lowest, bool(variances.min() <= 0.0))

    def __call__(self, variance: float) -> tuple[float, float, float, float]:
        """Mean, precision, squares and log-likelihood at an intrinsic variance."""
        return implicit_profile(self.values, self.variances, self.weights, variance)


def weighted_median(values: Floats, order: NDArray[np.intp], weights: Floats) -> float:
    """The value up to which half of the weight lies; 0 where there is no weight."""
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, 0.5 * reached[-1])]) if reached[-1] > 0 else 0.0
