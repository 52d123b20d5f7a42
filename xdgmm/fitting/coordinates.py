"""Unconstrained, whitened coordinates around a mixture, in which one unit is about one standard error.

Weights by softmax, means by ``m = m0 + L a / sqrt(q)``, covariances by a plain triangular factor,
``V = L (B0 + b / sqrt(q)) (B0 + b / sqrt(q))' L'``: no logarithm, so that singular covariances are ordinary points.
L L' = (A / q)^-1 is the mean covariance with the noise in, so L is regular even where V is not; L is turned so
that B0 is diagonal, largest first, which leaves no freedom of rotation while V has any rank.
"""

from dataclasses import dataclass

import numpy as np

from xdgmm import kernels

from .matrices import metric_root, symmetric, triangular_factor

DEAD = 1e-6  # share of the objects below which a component counts as having that many
NOTHING = 1e-13  # fraction of the whole variance that is rounding


@dataclass(frozen=True)
class Pinned:
    """One intrinsic variance held at a value: that of `component` along coordinate `axis`."""

    component: int
    axis: int
    variance: float


class FactorCoordinates:
    """Coordinates z around a mixture; z = 0 is the mixture itself.

    Parameters
    ----------
    mixture : GaussianMixture
    statistics : Statistics
        At that mixture.
    pinned : Pinned, optional
        A variance that no z changes; the mixture must have it already.
    """

    def __init__(self, mixture, statistics, pinned=None):
        K, D = mixture.n_components, mixture.n_dimensions
        self.mixture, self.pinned = mixture, pinned
        self.q = np.maximum(statistics.q, DEAD * statistics.total_weight)
        with np.errstate(divide="ignore"):
            self.log_weights = np.log(np.maximum(mixture.weights, 1e-300))
        self.softmax_basis = _softmax_basis(mixture.weights, statistics.total_weight)
        ridge = 1e-12 * np.eye(D)  # a coordinate that no object of a component has carries no information
        self.L = metric_root(statistics.A / self.q[:, None, None] + ridge)
        self.B = np.zeros((K, D, D))
        self.order = np.tile(np.arange(D), (K, 1))
        for k in range(K):
            self._factor(k)
        self.rows, self.columns = kernels.triangle(D)
        self.sizes = np.cumsum([K - 1, K * D])
        self.size = K - 1 + K * D + K * len(self.rows)

    def _factor(self, k):
        """Set L and B of one component: turned to its principal axes, or with the pinned axis first."""
        V, L = self.mixture.covariances[k], self.L[k]
        if self.pinned is not None and self.pinned.component == k:
            order = np.r_[self.pinned.axis, np.delete(np.arange(L.shape[0]), self.pinned.axis)]
            root = np.linalg.cholesky(symmetric(L @ L.T)[np.ix_(order, order)])
            self.L[k][order] = root
            B = triangular_factor(_whitened(V[np.ix_(order, order)], root))
            self.B[k] = np.where((B**2).sum(axis=0) > NOTHING, B, 0.0)
            return
        values, vectors = np.linalg.eigh(_whitened(V, L))
        self.L[k] = L @ vectors[:, ::-1]
        self.B[k] = np.diag(np.sqrt(np.where(values[::-1] > NOTHING, values[::-1], 0.0)))

    @property
    def eigenvalues(self):
        """Intrinsic variance along each principal axis as a fraction of the whole, noise included (K, D)."""
        return np.einsum("kij,kij->kj", self.B, self.B)

    def free(self, singular):
        """Which z are free (size,) when the factor columns marked in `singular` (K, D) are held at zero."""
        factors = ~singular[:, self.columns]
        if self.pinned is not None:
            k, axis_first = self.pinned.component, self.columns == 0
            factors[k] &= ~(axis_first & ((self.rows == 0) | (self.pinned.variance == 0.0)))
        K, D = self.mixture.n_components, self.mixture.n_dimensions
        return np.concatenate([np.ones(K - 1 + K * D, bool), factors.ravel()])

    def at(self, z):
        """The mixture at coordinates z."""
        logits, a, _ = np.split(z, self.sizes)
        logits = self.log_weights + self.softmax_basis @ logits
        weights = np.exp(logits - logits.max())
        a = a.reshape(self.mixture.means.shape) / np.sqrt(self.q)[:, None]
        F = self.L @ self._factors(z)
        return self.mixture.with_parameters(
            weights / weights.sum(),
            self.mixture.means + np.einsum("kij,kj->ki", self.L, a),
            F @ np.swapaxes(F, -1, -2),
        )

    def _factors(self, z):
        b = z[self.sizes[1] :].reshape(self.mixture.n_components, -1)
        B = self.B.copy()
        B[:, self.rows, self.columns] += b / np.sqrt(self.q)[:, None]
        return B

    def gradient(self, z, mixture, statistics):
        """Derivative of the log-likelihood with respect to z, from the statistics at ``mixture = at(z)``."""
        weights = self.softmax_basis.T @ (statistics.q - mixture.weights * statistics.total_weight)
        root = np.sqrt(self.q)[:, None]
        means = np.einsum("kji,kj->ki", self.L, statistics.g) / root
        slope = np.swapaxes(self.L, -1, -2) @ statistics.H @ self.L @ self._factors(z)
        factors = slope[:, self.rows, self.columns] / root
        return np.concatenate([weights, means.ravel(), factors.ravel()])

    def jacobian(self):
        """Derivatives at z = 0 of weights, means and packed covariances (K + K D + K M) with respect to z."""
        K, D = self.mixture.means.shape
        n_packed = len(self.rows)
        result = np.zeros((K + K * D + K * n_packed, self.size))
        weights = self.mixture.weights
        result[:K, : K - 1] = weights[:, None] * (self.softmax_basis - weights @ self.softmax_basis)
        for k in range(K):
            root = np.sqrt(self.q[k])
            result[K + k * D : K + (k + 1) * D, self.sizes[0] + k * D : self.sizes[0] + (k + 1) * D] = self.L[k] / root
            F = self.L[k] @ self.B[k]
            first = K + K * D + k * n_packed
            for z, (i, j) in enumerate(zip(self.rows, self.columns, strict=True)):
                change = np.outer(self.L[k][:, i], F[:, j])
                packed = (change + change.T)[self.rows, self.columns] / root
                result[first : first + n_packed, self.sizes[1] + k * n_packed + z] = packed
        return result

    def slopes(self, statistics):
        """Derivative with respect to the variance along each whitened axis, per object: diag(L' (C - A) L / q)."""
        return np.einsum("kia,kij,kja->ka", self.L, statistics.H, self.L) / self.q[:, None]

    def with_variances(self, which, variances):
        """The mixture with other variances along the whitened axes marked in `which`, both (K, D)."""
        B = self.B.copy()
        for k, axis in np.argwhere(which):
            B[k, :, axis] = 0.0
            B[k, axis, axis] = np.sqrt(variances[k, axis])
        F = self.L @ B
        return self.mixture.with_parameters(self.mixture.weights, self.mixture.means, F @ np.swapaxes(F, -1, -2))


def _whitened(V, L):
    half = np.linalg.solve(L, V)
    return symmetric(np.linalg.solve(L, half.T))


def _softmax_basis(weights, total_weight):
    """Directions (K, K - 1) of the logits that matter, scaled so that the information on each is about one."""
    roots = np.sqrt(np.maximum(weights, 1e-12))
    roots /= np.linalg.norm(roots)
    complement = np.linalg.svd(roots[None, :])[2][1:].T
    return complement / (roots[:, None] * np.sqrt(total_weight))
