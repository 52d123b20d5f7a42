"""Which parameters are free, and the prior on them: what the solvers need to know of a `Model`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm import kernels
from xdgmm.mixture.families import HIGHEST_DOF, LOWEST_DOF

from .covariance_types import COVARIANCE_TYPES, CovarianceType
from .priors import PriorTerms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture

    from .standardisation import Standardisation

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Indices = NDArray[np.intp]


@dataclass(frozen=True)
class FixedVariance:
    """One intrinsic variance that keeps its value: that of `component` along coordinate `axis`."""

    component: int
    axis: int
    variance: float


@dataclass(frozen=True, eq=False)
class Constraints:
    """Which parameters of K components are free, and the prior on them, if any.

    Attributes
    ----------
    type : CovarianceType
        One of `COVARIANCE_TYPES`.
    fixed_weights : ndarray of bool (K,) or (K + 1,)
    fixed_means, fixed_covariances : ndarray of bool (K,)
    prior : PriorTerms or None
        In the coordinates of the solvers.
    fixed_variance : FixedVariance or None
    floor : ndarray (K, D, D) or None
        Smallest covariances: only the covariance above them has coordinates.
    singular : tuple of int or None
        A component, and how many of its principal axes, the narrowest ones, keep a width of zero.
    dof : ndarray (K,) or None
        Degrees of freedom of Student-t components: those that are fixed, and those from which a fit starts.
    dof_indices : ndarray of int (K,) or None
        Which free parameter the degrees of freedom of each component are; -1 where they are fixed.
    absent : ndarray of bool (K, D) or None
        Coordinates in which components are flat: they have no mean, variance or covariance there.
    """

    type: CovarianceType
    fixed_weights: Mask
    fixed_means: Mask
    fixed_covariances: Mask
    prior: PriorTerms | None = None
    fixed_variance: FixedVariance | None = None
    floor: Floats | None = None
    singular: tuple[int, int] | None = None
    dof: Floats | None = None
    dof_indices: Indices | None = None
    absent: Mask | None = None

    @classmethod
    def none(cls, mixture: GaussianMixture) -> Constraints:
        """All parameters of a mixture are free."""
        K = mixture.n_components
        masks = np.zeros(mixture.all_weights.size, bool), np.zeros(K, bool), np.zeros(K, bool)
        indices = None if mixture.dof is None else np.arange(K)
        absent = None if mixture.flat is None else mixture.is_flat
        return cls(COVARIANCE_TYPES["full"], *masks, dof=mixture.dof, dof_indices=indices, absent=absent)

    @property
    def keeps_order(self) -> bool:
        """Does it matter which component is which?"""
        fixed = self.fixed_weights.any() or self.fixed_means.any() or self.fixed_covariances.any()
        unequal = self.dof is not None and (self.dof != self.dof[0]).any()
        return bool(fixed or unequal) or (self.prior is not None and not self.prior.symmetric)

    @property
    def separable(self) -> bool:
        """Can each Gaussian, given the labels, be maximised by itself: is there no prior, nothing fixed or tied?"""
        tied = self.type is COVARIANCE_TYPES["tied"] and len(self.fixed_means) > 1
        fixed = self.fixed_means.any() or self.fixed_covariances.any()
        return not (tied or fixed or self.prior is not None or self.dof is not None)

    @property
    def allows_em(self) -> bool:
        """Do steps of EM keep the constraints?  They ignore a fixed variance, a floor, or a singular component."""
        return self.fixed_variance is None and self.floor is None and self.singular is None

    @property
    def regularised(self) -> bool:
        """Does the prior keep covariances from becoming singular?"""
        return self.prior is not None and self.prior.bounds_covariances

    @property
    def free_components(self) -> Mask:
        """Components without fixed parameters (K,)."""
        K = len(self.fixed_means)
        return ~(self.fixed_weights[:K] | self.fixed_means | self.fixed_covariances | self.has_absent)

    @property
    def has_absent(self) -> Mask:
        """Components that are flat in some coordinates (K,)."""
        return np.zeros(len(self.fixed_means), bool) if self.absent is None else np.asarray(self.absent.any(axis=1))

    def free_means(self, n_dimensions: int) -> Mask:
        """Which means are free (K, D)."""
        free = np.repeat(~self.fixed_means[:, None], n_dimensions, axis=1)
        return free if self.absent is None else free & ~self.absent

    def n_parameters(self, n_dimensions: int) -> int:
        """Number of free parameters: weights (one less, since they sum to one), means and covariances."""
        indices = self.parameter_indices(*kernels.triangle(n_dimensions))
        n_weights = int(np.count_nonzero(~self.fixed_weights))
        n_means = int(np.count_nonzero(self.free_means(n_dimensions)))
        n_dof = 0 if self.dof_indices is None else np.unique(self.dof_indices[self.dof_indices >= 0]).size
        return max(n_weights - 1, 0) + n_means + np.unique(indices[indices >= 0]).size + n_dof

    def with_fixed_variance(self, component: int, axis: int, variance: float) -> Constraints:
        """The same constraints with one variance that keeps its value."""
        return replace(self, fixed_variance=FixedVariance(component, axis, variance))

    def with_floor(self, floor: Floats) -> Constraints:
        """The same constraints with covariances no smaller than these (K, D, D) in any direction."""
        return replace(self, floor=floor)

    def with_singular(self, component: int, n_axes: int = 1) -> Constraints:
        """The same constraints with a component whose narrowest principal axes keep a width of zero."""
        return replace(self, singular=(component, n_axes))

    def excess(self, covariances: Floats) -> Floats:
        """Covariances (K, D, D) less the floor."""
        return covariances if self.floor is None else covariances - self.floor

    def standardised(self, scaling: Standardisation) -> Constraints:
        """The same constraints on the mixture of standardised values."""
        return self if self.prior is None else replace(self, prior=self.prior.standardised(scaling))

    def tempered(self, fraction: float) -> Constraints:
        """The constraints for this fraction of the objects: the prior to this power."""
        return self if self.prior is None else replace(self, prior=self.prior.tempered(fraction))

    def ordered(self, order: Indices) -> Constraints:
        """The constraints of components in another order (K,)."""
        K = len(order)
        weights = np.concatenate([self.fixed_weights[:K][order], self.fixed_weights[K:]])
        prior = self.prior and self.prior.ordered(order)
        return replace(
            self,
            fixed_weights=weights,
            fixed_means=self.fixed_means[order],
            fixed_covariances=self.fixed_covariances[order],
            prior=prior,
            dof=None if self.dof is None else self.dof[order],
            dof_indices=None if self.dof_indices is None else self.dof_indices[order],
            absent=None if self.absent is None else self.absent[order],
        )

    def weights(self, current: Floats, counts: Floats) -> Floats:
        """Weights proportional to the counts, both (S,): fixed ones keep their current value."""
        free = ~self.fixed_weights
        rest = 1.0 - current[self.fixed_weights].sum()
        total = counts[free].sum()
        result = current.copy()
        if free.any() and total > 0:
            result[free] = rest * (counts[free] / total)
        return result

    def covariances(self, current: Floats, matrices: Floats, counts: Floats) -> Floats:
        """Covariances of the type nearest to matrices (K, D, D) of components with these numbers of objects (K,).

        Fixed ones keep their current value.
        """
        combined = self.type.combined(matrices, np.maximum(counts, 1e-300))
        if self.absent is not None:
            combined = np.where(self.absent[:, :, None] | self.absent[:, None, :], current, combined)
        return np.where(self.fixed_covariances[:, None, None], current, combined)

    def metric(self, information: Floats, counts: Floats) -> Floats:
        """Roots of the type (K, D, D) for information per object (K, D, D) of components with these counts (K,)."""
        return self.type.metric(self.type.combined(information, np.maximum(counts, 1e-300)))

    def parameter_indices(self, rows: Indices, columns: Indices) -> Indices:
        """Which free parameter each packed element of each factor is (K, n); -1 where it is none."""
        indices = self.type.parameter_indices(len(self.fixed_means), rows, columns)
        indices[self.fixed_covariances] = -1
        if self.absent is not None:
            indices[self._absent_elements(self.absent, rows)] = -1
        if self.singular is not None:  # factors are rotated, so that their last columns are those of the narrowest axes
            component, n_axes = self.singular
            indices[np.isin(indices, indices[component][columns > columns.max() - n_axes])] = -1
        if self.fixed_variance is not None:
            of_variance = self._indices_of_fixed_variance(self.fixed_variance, indices, rows, columns)
            indices[np.isin(indices, of_variance)] = -1
        return indices

    def _absent_elements(self, absent: Mask, rows: Indices) -> Mask:
        """Elements of the factors (K, n) that belong to flat coordinates: rotated factors have these axes last."""
        if not self.type.rotated:
            return absent[:, rows]
        present = (~absent).sum(axis=1)
        return np.asarray(rows >= present[:, None])

    def _indices_of_fixed_variance(
        self, fixed: FixedVariance, indices: Indices, rows: Indices, columns: Indices
    ) -> Indices:
        """Parameters that would change the fixed variance; its axis comes first in factors that are rotated."""
        first = (columns == 0) & ((rows == 0) | (fixed.variance == 0.0))
        mine = indices[fixed.component][first if self.type.rotated else (rows == fixed.axis) & (columns == fixed.axis)]
        return np.asarray(mine[mine >= 0])

    def first_axis(self, k: int) -> int | None:
        """The axis that comes first in the rotated factor of component k, since its variance is fixed."""
        fixed = self.fixed_variance
        if fixed is None or not self.type.rotated:
            return None
        return fixed.axis if self.type is COVARIANCE_TYPES["tied"] or fixed.component == k else None

    @property
    def free_dof(self) -> Mask:
        """Components with degrees of freedom that are free (K,)."""
        return np.zeros(len(self.fixed_means), bool) if self.dof_indices is None else self.dof_indices >= 0

    def with_dof(self, mixture: GaussianMixture, dof: Floats | float) -> GaussianMixture:
        """A mixture with these degrees of freedom (K,), or this one for all, where they are free."""
        if self.dof is None:
            return mixture
        own = np.where(self.free_dof, dof, self.dof)
        return mixture.with_parameters(mixture.all_weights, mixture.means, mixture.covariances, own)

    def impose_type(self, mixture: GaussianMixture) -> GaussianMixture:
        """The mixture with covariances of the type and components of the family; weights count as numbers of objects.

        Degrees of freedom that are free keep their values, within their bounds; infinite ones become the upper bound.
        """
        covariances = self.covariances(mixture.covariances, mixture.covariances, mixture.weights)
        dof = None if self.dof is None else self._started_dof(mixture.dof, self.dof)
        return mixture.with_parameters(mixture.all_weights, mixture.means, covariances, dof)

    def _started_dof(self, given: Floats | None, own: Floats) -> Floats:
        """The degrees of freedom (K,) from which a fit starts: the given ones where they are free."""
        if given is None or self.dof_indices is None or len(given) != len(own):
            return own
        start = np.where(self.dof_indices >= 0, np.clip(given, LOWEST_DOF, HIGHEST_DOF), own)
        for shared in np.unique(self.dof_indices[self.dof_indices >= 0]):
            start[self.dof_indices == shared] = 1.0 / np.mean(1.0 / start[self.dof_indices == shared])
        return start
