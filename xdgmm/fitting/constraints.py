"""Which parameters are free, and the prior on them: what the solvers ask of a `Model`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xdgmm import kernels

from .covariance_types import COVARIANCE_TYPES
from .priors import PriorTerms


@dataclass(frozen=True)
class FixedVariance:
    """One intrinsic variance held at a value: that of `component` along coordinate `axis`."""

    component: int
    axis: int
    variance: float


@dataclass(frozen=True, eq=False)
class Constraints:
    """What the solvers ask: which parameters are free, and the prior on them, if any.

    Attributes
    ----------
    type : object
        One of `COVARIANCE_TYPES`.
    fixed_weights : ndarray of bool (K,) or (K + 1,)
    fixed_means, fixed_covariances : ndarray of bool (K,)
    prior : PriorTerms or None
        In the coordinates of the solvers.
    fixed_variance : FixedVariance or None
    floor : ndarray (K, D, D) or None
        Smallest covariances: only what is above them has coordinates.
    singular : tuple of int or None
        A component, and how many of its principal axes, the narrowest ones, keep a width of zero.
    """

    type: object
    fixed_weights: np.ndarray
    fixed_means: np.ndarray
    fixed_covariances: np.ndarray
    prior: PriorTerms | None = None
    fixed_variance: FixedVariance | None = None
    floor: np.ndarray | None = None
    singular: tuple[int, int] | None = None

    @classmethod
    def none(cls, mixture):
        """All parameters of a mixture are free."""
        K = mixture.n_components
        return cls(
            COVARIANCE_TYPES["full"], np.zeros(mixture.all_weights.size, bool), np.zeros(K, bool), np.zeros(K, bool)
        )

    @property
    def keeps_order(self):
        """Does it matter which component is which?"""
        fixed = self.fixed_weights.any() or self.fixed_means.any() or self.fixed_covariances.any()
        return bool(fixed) or (self.prior is not None and not self.prior.symmetric)

    @property
    def separable(self):
        """Is each component, given the labels, maximised by itself, without a prior or anything fixed?"""
        tied = self.type is COVARIANCE_TYPES["tied"] and len(self.fixed_means) > 1
        fixed = self.fixed_means.any() or self.fixed_covariances.any()
        return not (tied or fixed or self.prior is not None)

    @property
    def unrestricted(self):
        """Is there neither a pin nor a floor nor a flat component, which the steps of EM would not respect?"""
        return self.fixed_variance is None and self.floor is None and self.singular is None

    @property
    def regular(self):
        """Does the prior keep covariances from becoming singular?"""
        return self.prior is not None and self.prior.bounds_covariances

    @property
    def movable(self):
        """Components of which nothing but the covariances' type is prescribed (K,)."""
        K = len(self.fixed_means)
        return ~(self.fixed_weights[:K] | self.fixed_means | self.fixed_covariances)

    def n_parameters(self, n_dimensions):
        """Number of free parameters: weights, but for their sum, means, and covariances."""
        owners = self.owners(*kernels.triangle(n_dimensions))
        free_means = np.count_nonzero(~self.fixed_means) * n_dimensions
        return max(np.count_nonzero(~self.fixed_weights) - 1, 0) + free_means + np.unique(owners[owners >= 0]).size

    def with_fixed_variance(self, component, axis, variance):
        """The same constraints with one variance held at a value."""
        return replace(self, fixed_variance=FixedVariance(component, axis, variance))

    def with_floor(self, floor):
        """The same constraints with covariances no smaller than these (K, D, D) in any direction."""
        return replace(self, floor=floor)

    def with_singular(self, component: int, n_axes: int = 1) -> Constraints:
        """The same constraints with a component whose narrowest principal axes keep a width of zero."""
        return replace(self, singular=(component, n_axes))

    def excess(self, covariances):
        """What covariances (K, D, D) have above the floor."""
        return covariances if self.floor is None else covariances - self.floor

    def standardised(self, scaling):
        """The same constraints on the mixture of standardised values."""
        return self if self.prior is None else replace(self, prior=self.prior.standardised(scaling))

    def tempered(self, fraction):
        """The constraints for this fraction of the objects: the prior counts only so much."""
        return self if self.prior is None else replace(self, prior=self.prior.tempered(fraction))

    def ordered(self, order):
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
        )

    def weights(self, now, counts):
        """Weights proportional to the counts, both (S,): fixed ones stay, and the others divide the rest."""
        free = ~self.fixed_weights
        rest = 1.0 - now[self.fixed_weights].sum()
        total = counts[free].sum()
        result = now.copy()
        if free.any() and total > 0:
            result[free] = rest * (counts[free] / total)
        return result

    def covariances(self, now, matrices, counts):
        """Covariances (K, D, D) of the type nearest to matrices that count so much (K,); fixed ones stay."""
        combined = self.type.combined(matrices, np.maximum(counts, 1e-300))
        return np.where(self.fixed_covariances[:, None, None], now, combined)

    def metric(self, information, counts):
        """Roots of the type (K, D, D) for information per object (K, D, D) of components that count so much (K,)."""
        return self.type.metric(self.type.combined(information, np.maximum(counts, 1e-300)))

    def owners(self, rows, columns):
        """Which factor parameter each packed element of each component belongs to (K, n); -1 where it is held."""
        owners = self.type.owners(len(self.fixed_means), rows, columns)
        owners[self.fixed_covariances] = -1
        if self.singular is not None:  # factors are rotated, so that their last columns are those of the narrowest axes
            component, n_axes = self.singular
            owners[np.isin(owners, owners[component][columns > columns.max() - n_axes])] = -1
        if self.fixed_variance is not None:
            owners[np.isin(owners, self._owners_of_fixed_variance(owners, rows, columns))] = -1
        return owners

    def _owners_of_fixed_variance(self, owners, rows, columns):
        """Parameters that would change the variance pinned; its axis comes first in factors that are turned."""
        k, axis = self.fixed_variance.component, self.fixed_variance.axis
        first = (columns == 0) & ((rows == 0) | (self.fixed_variance.variance == 0.0))
        held = owners[k][first if self.type.rotated else (rows == axis) & (columns == axis)]
        return held[held >= 0]

    def fixes_variance(self, k):
        """Is a variance of component k held, so that its factor starts with that axis?"""
        if self.fixed_variance is None or not self.type.rotated:
            return False
        return self.type is COVARIANCE_TYPES["tied"] or self.fixed_variance.component == k

    def impose_type(self, mixture):
        """The mixture with covariances of the type, counted by weight."""
        covariances = self.covariances(mixture.covariances, mixture.covariances, mixture.weights)
        return mixture.with_parameters(mixture.all_weights, mixture.means, covariances)
