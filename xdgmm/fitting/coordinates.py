"""Unconstrained, whitened coordinates around a mixture, in which one unit is about one standard error.

Weights by softmax, means by ``m = m0 + L a / sqrt(q)``, covariances by a plain triangular factor,
``V = L (B0 + b / sqrt(q)) (B0 + b / sqrt(q))' L'``: no logarithm, so that singular covariances are ordinary points.
L L' = (A / q)^-1 is the mean covariance including the noise, so L is regular even where V is not; L is rotated so
that B0 is diagonal, largest first, which leaves no freedom of rotation while V has any rank.

A floor below the covariances is added to ``V``; the factors are then those of the covariance above the floor.

Fixed parameters have no coordinate.  The covariance type says which elements of the factors exist, and which of them
are one parameter; for a type without correlations L is diagonal and nothing is rotated.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm import kernels
from xdgmm.basics.linalg import symmetric, triangular_factor
from xdgmm.kernels import small_matrices

from . import chain_rule
from .constraints import Constraints
from .families import DofCoordinates
from .objective import information_of, prior_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Statistics
    from xdgmm.mixture import GaussianMixture

    from .priors import PriorTerms

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

FEWEST = 1e-6  # a component counts as having at least this fraction of the objects
FEWEST_MEMBERS = 1e-250  # fewer have no information, which would be below the smallest numbers
ROUNDING = 1e-13  # fraction of the whole variance that is rounding


class FactorCoordinates:
    """Coordinates z around a mixture; z = 0 is the mixture itself.

    Parameters
    ----------
    mixture : GaussianMixture
        Of the covariance type of the constraints.
    statistics : Statistics
        At that mixture, with the information.
    constraints : Constraints, optional
        What is fixed or tied; everything is free by default.
    """

    def __init__(
        self, mixture: GaussianMixture, statistics: Statistics, constraints: Constraints | None = None
    ) -> None:
        K, D = mixture.means.shape
        self.mixture = mixture
        self.constraints = Constraints.none(mixture) if constraints is None else constraints
        fewest = FEWEST * statistics.total_weight
        self.q = np.maximum(statistics.n_members[:K], fewest)
        self.weights = _FreeWeights(mixture.all_weights, ~self.constraints.fixed_weights, statistics.weight_counts)
        information = information_per_object(mixture, statistics, self.q)
        self.L = self.constraints.metric(information, self.q)
        self.means_root = _means_root(information, self.q, prior_of(statistics))
        self.scaled_means_root = self.means_root / np.sqrt(self.q)[:, None, None]
        self.rows, self.columns = kernels.triangle(D)
        self.B = np.zeros((K, D, D))
        self._factorise(self.constraints.excess(mixture.covariances))
        self._number_parameters(np.maximum(statistics.covariance_counts, fewest))
        self.free_means = self.constraints.free_means(D).ravel()
        self.sizes = np.cumsum([self.weights.size, np.count_nonzero(self.free_means)])
        self.dof = DofCoordinates(mixture.dof, self.constraints.dof_indices, self.q, D)
        self.n_of_gaussians = int(self.sizes[1]) + self.root_counts.size
        self.size = self.n_of_gaussians + self.dof.size

    def _factorise(self, excess: Floats) -> None:
        """Set L and B: rotated to the principal axes, or with the axis of a fixed variance first."""
        smallest = 0.0 if self.constraints.regularised else ROUNDING
        axes = np.arange(excess.shape[1])
        white = small_matrices.whitened(excess, self.L)
        if self.constraints.type.rotated:
            values, vectors = small_matrices.eigen(white)
            values, rotated = values[:, ::-1], self.L @ vectors[:, :, ::-1]
        else:
            values, rotated = white[:, axes, axes], self.L
        if self.constraints.type.rotated:
            self._rotate_beside_flat(values, rotated, white)
        self.B[:, axes, axes] = np.sqrt(np.where(values > smallest, values, 0.0))
        for k in range(len(excess)) if self.constraints.fixed_variance is not None else ():
            axis = self.constraints.first_axis(k)
            if axis is not None:
                order = self._with_flat_last(k, np.r_[axis, np.delete(axes, axis)])
                root: Any = np.linalg.cholesky(symmetric(self.L[k] @ self.L[k].T)[np.ix_(order, order)])
                rotated[k][order] = root
                B = triangular_factor(small_matrices.whitened(excess[k][None, order][:, :, order], root[None])[0])
                self.B[k] = np.where((B**2).sum(axis=0) > smallest, B, 0.0)
        self.L = rotated

    def _rotate_beside_flat(self, values: Floats, rotated: Floats, white: Floats) -> None:
        """Rewrite variances (K, D) and rotated L (K, D, D) of components with flat coordinates, which come last."""
        for k in range(len(values)):
            if self.constraints.has_absent[k]:
                values[k], rotated[k] = self._factorised_beside_flat(k, white[k])

    def _factorised_beside_flat(self, k: int, white: Floats) -> tuple[Floats, Floats]:
        """Variances (D,) and rotated L (D, D) of a component with flat coordinates, which come last."""
        assert self.constraints.absent is not None
        flat = np.flatnonzero(self.constraints.absent[k])
        own = np.flatnonzero(~self.constraints.absent[k])
        block, rotated = np.ix_(own, own), np.zeros_like(self.L[k])
        values, vectors = small_matrices.eigen(white[block][None])
        rotated[own, : own.size] = self.L[k][block] @ vectors[0][:, ::-1]
        rotated[flat, own.size + np.arange(flat.size)] = self.L[k][flat, flat]
        return np.concatenate([values[0, ::-1], white[flat, flat]]), rotated

    def _with_flat_last(self, k: int, order: NDArray[np.intp]) -> NDArray[np.intp]:
        """Axes in this order, those in which component k is flat behind all others."""
        if self.constraints.absent is None:
            return order
        flat = self.constraints.absent[k][order]
        return np.concatenate([order[~flat], order[flat]])

    def _number_parameters(self, counts: Floats) -> None:
        """Number the free parameters of the factors, and find how many objects determine each."""
        indices = self.constraints.parameter_indices(self.rows, self.columns)
        used, numbered = np.unique(indices[indices >= 0], return_inverse=True)
        self.parameter_indices = np.full(indices.shape, -1)
        self.parameter_indices[indices >= 0] = numbered
        counted = self._sums_by_parameter(np.broadcast_to(counts[:, None], indices.shape), used.size)
        self.root_counts = np.sqrt(counted)
        self.axis_indices = self.parameter_indices[:, self.rows == self.columns]

    def _sums_by_parameter(self, elements: Floats, size: int) -> Floats:
        """Sums over the elements (K, n) that are each parameter (size,)."""
        free = self.parameter_indices >= 0
        return np.asarray(np.bincount(self.parameter_indices[free], elements[free], size), dtype=float)

    @property
    def eigenvalues(self) -> Floats:
        """Intrinsic variance along each principal axis as a fraction of the whole, noise included (K, D)."""
        result: Floats = np.einsum("kij,kij->kj", self.B, self.B)
        return result

    @property
    def free_axes(self) -> Mask:
        """Which axes have a variance that is free (K, D)."""
        return self.axis_indices >= 0

    def free(self, singular: Mask) -> Mask:
        """Which z are free (size,) when the factor columns marked in `singular` (K, D) are kept at zero."""
        marked = (singular & self.free_axes)[:, self.columns].astype(float)
        kept = self._sums_by_parameter(marked, self.root_counts.size) > 0
        return np.concatenate([np.ones(self.sizes[1], bool), ~kept, ~self.dof.at_bound])

    @cached_property
    def frame(self) -> chain_rule.Frame:
        """The numbers that the map from coordinates needs, as compiled code reads them."""
        free, floor = self.weights, self.constraints.floor
        arrays = self.weights.start, self.mixture.means, self.mixture.covariances
        weights, means, covariances = (np.array(each, dtype=float, order="C") for each in arrays)
        return chain_rule.Frame(
            weights,
            means,
            covariances,
            np.flatnonzero(free.free),
            float(free.rest),
            free.logits,
            np.ascontiguousarray(free.basis),
            np.ascontiguousarray(self.scaled_means_root),
            np.flatnonzero(self.free_means),
            np.ascontiguousarray(self.L),
            self.B,
            self.parameter_indices,
            1.0 / self.root_counts,
            np.zeros((0, 0, 0)) if floor is None else np.array(floor, dtype=float, order="C"),
            np.array(self.constraints.fixed_covariances),
        )

    def at(self, z: Floats) -> GaussianMixture:
        """The mixture at coordinates z (size,)."""
        dof = self.dof_at(z[None])
        weights, means, covariances = (each[0] for each in self.parameters_at(z[None]))
        return self.mixture.with_parameters(weights, means, covariances, None if dof is None else dof[0])

    def parameters_at(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights (W, S), means (W, K, D) and covariances (W, K, D, D) at many coordinates z (W, size)."""
        W, (K, D) = len(z), self.mixture.means.shape
        found = np.empty((W, self.weights.start.size)), np.empty((W, K, D)), np.empty((W, K, D, D))
        chain_rule.parameters_at(z, self.frame, *found)
        return found

    def dof_at(self, z: Floats) -> Floats | None:
        """Degrees of freedom (W, K) at many coordinates z (W, size); None where the components are Gaussian."""
        return self.dof.at(z[:, self.n_of_gaussians :])

    def gradient(self, z: Floats, mixture: GaussianMixture, statistics: Statistics) -> Floats:
        """Derivative of the objective with respect to z (size,), from the statistics at ``mixture = at(z)``."""
        arrays = mixture.all_weights, statistics.weight_counts, statistics.grad_mean, statistics.grad_covariance
        grad_dof = None if statistics.grad_dof is None else statistics.grad_dof[None]
        one, two, three, four = (np.array(each[None], order="C") for each in arrays)
        result: Floats = self.gradients(z[None], one, two, three, four, grad_dof)[0]
        return result

    def gradients(
        self,
        z: Floats,
        weights: Floats,
        weight_counts: Floats,
        grad_means: Floats,
        grad_covariances: Floats,
        grad_dof: Floats | None = None,
    ) -> Floats:
        """Derivatives with respect to z from those with respect to ln weight, mean and covariance, at many points.

        Parameters
        ----------
        z : ndarray (W, size)
        weights : ndarray (W, S)
            Those at z.
        weight_counts, grad_means, grad_covariances : ndarrays (W, S), (W, K, D), (W, K, D, D)
            As in `Statistics`.
        grad_dof : ndarray (W, K), optional
            The same with respect to ln dof; needed where there are degrees of freedom.
        """
        result = np.empty(z.shape)
        chain_rule.gradient_at(z, self.frame, weights, weight_counts, grad_means, grad_covariances, result)
        if self.dof.size:
            assert grad_dof is not None, "the derivatives with respect to the degrees of freedom are missing"
            result[:, self.n_of_gaussians :] = self.dof.gradients(z[:, self.n_of_gaussians :], grad_dof)
        return result

    def _covariances(self, B: Floats) -> Floats:
        """Covariances (K, D, D) of factors in whitened coordinates."""
        F = self.L @ B
        V: Floats = F @ F.mT
        return V if self.constraints.floor is None else V + self.constraints.floor

    def jacobian(self) -> Floats:
        """Derivatives at z = 0 of weights, means and packed covariances (S + K D + K M) with respect to z.

        With Student-t components those of the degrees of freedom (K) come last.
        """
        K, D = self.mixture.means.shape
        S, n_packed = self.mixture.all_weights.size, len(self.rows)
        weights, means = np.zeros((S, self.size)), np.zeros((K * D, self.size))
        covariances = np.zeros((K, n_packed, self.size))
        weights[:, : self.sizes[0]] = self.weights.jacobian()
        for z, index in enumerate(np.flatnonzero(self.free_means)):
            k, i = divmod(index, D)
            means[k * D : (k + 1) * D, self.sizes[0] + z] = self.means_root[k][:, i] / np.sqrt(self.q[k])
        for k, e in np.argwhere(self.parameter_indices >= 0):
            F = self.L[k] @ self.B[k]
            index = self.parameter_indices[k, e]
            change = np.outer(self.L[k][:, self.rows[e]], F[:, self.columns[e]])
            packed = (change + change.T)[self.rows, self.columns] / self.root_counts[index]
            covariances[k, :, self.sizes[1] + index] += packed
        of_dof = np.zeros((0 if self.mixture.dof is None else K, self.size))
        if self.dof.size:
            of_dof[:, self.n_of_gaussians :] = self.dof.jacobian()
        return np.concatenate([weights, means, covariances.reshape(K * n_packed, self.size), of_dof])

    @property
    def axis_counts(self) -> Floats:
        """Objects that determine the variance along each whitened axis (K, D): the mean of axes with one variance."""
        shape = self.axis_indices.shape
        return self._sums_over_axes(np.broadcast_to(self.q[:, None], shape)) / self._sums_over_axes(np.ones(shape))

    def slopes(self, statistics: Statistics) -> Floats:
        """Derivative with respect to the variance along each whitened axis, per object: diag(L' (C - A) L / q)."""
        slopes = 2.0 * np.einsum("kia,kij,kja->ka", self.L, statistics.grad_covariance, self.L)
        return self._sums_over_axes(slopes) / self._sums_over_axes(np.broadcast_to(self.q[:, None], slopes.shape))

    def _sums_over_axes(self, elements: Floats) -> Floats:
        """At each axis (K, D), the sum of the elements over the axes with the same variance; fixed axes stand alone."""
        free = self.free_axes
        sums = np.bincount(self.axis_indices[free], weights=elements[free], minlength=self.root_counts.size)
        result = elements.astype(float)
        result[free] = sums[self.axis_indices[free]]
        return result

    def with_variances(self, which: Mask, variances: Floats) -> GaussianMixture:
        """The mixture with other variances along the whitened axes marked in `which`, both (K, D)."""
        B = self.B.copy()
        for k, axis in np.argwhere(which):
            B[k, :, axis] = 0.0
            B[k, axis, axis] = np.sqrt(variances[k, axis])
        changed = np.asarray(which.any(axis=1))
        covariances = np.where(changed[:, None, None], self._covariances(B), self.mixture.covariances)
        return self.mixture.with_parameters(self.mixture.all_weights, self.mixture.means, covariances)


class _FreeWeights:
    """Softmax coordinates of the free weights, which sum to one less the fixed weights."""

    def __init__(self, weights: Floats, free: Mask, counts: Floats) -> None:
        self.start, self.free = weights, free
        self.rest = 1.0 - weights[~free].sum()
        self.fractions = weights[free] / max(weights[free].sum(), 1e-300)
        self.logits = np.log(np.maximum(self.fractions, 1e-300))
        self.basis = _softmax_basis(self.fractions, max(counts[free].sum(), 1e-300))
        self.size = self.basis.shape[1]

    def jacobian(self) -> Floats:
        """Derivatives of the weights at z = 0 (S, size)."""
        result = np.zeros((self.start.size, self.size))
        result[self.free] = self.rest * self.fractions[:, None] * (self.basis - self.fractions @ self.basis)
        return result


def information_per_object(mixture: GaussianMixture, statistics: Statistics, q: Floats) -> Floats:
    """Information per object on each component (K, D, D), including that of the prior on its covariance.

    An inverse-Wishart prior counts like objects without errors; without it, a direction that no object measures would
    have no scale.  The ridge gives a scale to directions that neither objects nor prior determine.  Of a component that
    is vanishing, which has fewer members than q, it is the information per member: else its scale would grow without
    limit, and differences would move it by many of its widths.
    """
    members = np.clip(statistics.n_members[: len(q)], FEWEST_MEMBERS, q)
    result = information_of(statistics) / members[:, None, None] + 1e-12 * np.eye(mixture.n_dimensions)
    for k, i in np.argwhere(mixture.is_flat):  # where there is no parameter: any number, of the order of the others
        result[k, i, i] = 1.0 / mixture.covariances[k, i, i]
    prior = prior_of(statistics)
    if prior is not None and prior.bounds_covariances:
        counts = prior.component_counts / q
        result = result + counts[:, None, None] * np.linalg.pinv(mixture.covariances, hermitian=True)
    return result


def _means_root(information: Floats, q: Floats, prior: PriorTerms | None) -> Floats:
    """Roots (K, D, D) of the covariance of each mean, per object, a prior on it included."""
    if prior is not None:
        information = information + prior.precision / q[:, None, None]
    return small_matrices.metric_roots(information)


def _softmax_basis(weights: Floats, total_weight: float) -> Floats:
    """Directions (K, K - 1) of the logits that change the weights, scaled to an information of about one each."""
    if weights.size < 2:
        return np.zeros((weights.size, 0))
    roots = np.sqrt(np.maximum(weights, 1e-12))
    roots /= np.linalg.norm(roots)
    complement = np.linalg.svd(roots[None, :])[2][1:].T
    return np.asarray(complement / (roots[:, None] * np.sqrt(total_weight)))
