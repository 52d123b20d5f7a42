"""Unconstrained, whitened coordinates around a mixture, in which one unit is about one standard error.

Weights by softmax, means by ``m = m0 + L a / sqrt(q)``, covariances by a plain triangular factor,
``V = L (B0 + b / sqrt(q)) (B0 + b / sqrt(q))' L'``: no logarithm, so that singular covariances are ordinary points.
L L' = (A / q)^-1 is the mean covariance with the noise in, so L is regular even where V is not; L is turned so
that B0 is diagonal, largest first, which leaves no freedom of rotation while V has any rank.

A floor below the covariances is added to ``V``; what is said of V then holds for what is above it.

What is held fixed has no coordinate.  The covariance type says which elements of the factors exist, and which of them
are one parameter; where it knows no correlations L is diagonal and nothing is turned.
"""

import numpy as np

from xdgmm import kernels
from xdgmm.basics.linalg import metric_root, symmetric, triangular_factor

from .constraints import Constraints

DEAD = 1e-6  # share of the objects below which a component counts as having that many
NOTHING = 1e-13  # fraction of the whole variance that is rounding


class FactorCoordinates:
    """Coordinates z around a mixture; z = 0 is the mixture itself.

    Parameters
    ----------
    mixture : GaussianMixture
    statistics : Statistics
        At that mixture.
    constraints : Constraints, optional
        What is fixed, tied or pinned; everything is free by default.  The mixture must conform already.
    """

    def __init__(self, mixture, statistics, constraints=None):
        K, D = mixture.means.shape
        self.mixture = mixture
        self.constraints = Constraints.none(mixture) if constraints is None else constraints
        fewest = DEAD * statistics.total_weight
        self.q = np.maximum(statistics.n_members[:K], fewest)
        self.weights = _FreeWeights(mixture.all_weights, ~self.constraints.fixed_weights, statistics.weight_counts)
        known = information(mixture, statistics, self.q)
        self.L = self.constraints.metric(known, self.q)
        self.means_root = _means_root(known, self.q, statistics.prior)
        self.rows, self.columns = kernels.triangle(D)
        self.B = np.zeros((K, D, D))
        excess = self.constraints.excess(mixture.covariances)
        for k in range(K):
            self._factor(k, excess[k])
        self._own(np.maximum(statistics.covariance_counts, fewest))
        self.free_means = np.repeat(~self.constraints.fixed_means, D)
        self.sizes = np.cumsum([self.weights.size, np.count_nonzero(self.free_means)])
        self.size = self.sizes[1] + self.factor_roots.size

    def _factor(self, k, V):
        """Set L and B of one component: turned to its principal axes, or with the pinned axis first."""
        L = self.L[k]
        smallest = 0.0 if self.constraints.regular else NOTHING
        if self.constraints.fixes_variance(k):
            axis = self.constraints.fixed_variance.axis
            order = np.r_[axis, np.delete(np.arange(L.shape[0]), axis)]
            root = np.linalg.cholesky(symmetric(L @ L.T)[np.ix_(order, order)])
            self.L[k][order] = root
            B = triangular_factor(_whitened(V[np.ix_(order, order)], root))
            self.B[k] = np.where((B**2).sum(axis=0) > smallest, B, 0.0)
            return
        if self.constraints.type.rotated:
            values, vectors = np.linalg.eigh(_whitened(V, L))
            self.L[k] = L @ vectors[:, ::-1]
            values = values[::-1]
        else:
            values = np.diag(V) / np.diag(L) ** 2
        self.B[k] = np.diag(np.sqrt(np.where(values > smallest, values, 0.0)))

    def _own(self, counts):
        """Number the factor parameters that are free, and find how many objects determine each."""
        owners = self.constraints.owners(self.rows, self.columns)
        used, numbered = np.unique(owners[owners >= 0], return_inverse=True)
        self.owners = np.full(owners.shape, -1)
        self.owners[owners >= 0] = numbered
        self.factor_roots = np.sqrt(self._owned(np.broadcast_to(counts[:, None], owners.shape), used.size))
        self.axis_owners = self.owners[:, self.rows == self.columns]

    def _owned(self, elements, size=None):
        """Sums over the elements (K, n) that belong to each parameter."""
        mine = self.owners >= 0
        size = self.factor_roots.size if size is None else size
        return np.bincount(self.owners[mine], weights=elements[mine], minlength=size)

    @property
    def eigenvalues(self):
        """Intrinsic variance along each principal axis as a fraction of the whole, noise included (K, D)."""
        return np.einsum("kij,kij->kj", self.B, self.B)

    @property
    def movable(self):
        """Which axes have a variance that may change (K, D)."""
        return self.axis_owners >= 0

    def free(self, singular):
        """Which z are free (size,) when the factor columns marked in `singular` (K, D) are held at zero."""
        held = self._owned((singular & self.movable)[:, self.columns].astype(float)) > 0
        return np.concatenate([np.ones(self.sizes[1], bool), ~held])

    def at(self, z):
        """The mixture at coordinates z."""
        logits, a, b = np.split(z, self.sizes)
        covariances = self._covariances(self._factors(b))
        fixed = self.constraints.fixed_covariances
        if fixed.any():
            covariances[fixed] = self.mixture.covariances[fixed]
        return self.mixture.with_parameters(self.weights.at(logits), self.mixture.means + self._shift(a), covariances)

    def _covariances(self, B):
        """Covariances (K, D, D) of factors in whitened coordinates."""
        F = self.L @ B
        V = F @ np.swapaxes(F, -1, -2)
        return V if self.constraints.floor is None else V + self.constraints.floor

    def _shift(self, a):
        K, D = self.mixture.means.shape
        whole = np.zeros(K * D)
        whole[self.free_means] = a
        return np.einsum("kij,kj->ki", self.means_root, whole.reshape(K, D) / np.sqrt(self.q)[:, None])

    def _factors(self, b):
        B = self.B.copy()
        B[:, self.rows, self.columns] += np.append(b / self.factor_roots, 0.0)[self.owners]
        return B

    def gradient(self, z, mixture, statistics):
        """Derivative of the objective with respect to z, from the statistics at ``mixture = at(z)``."""
        root = np.sqrt(self.q)[:, None]
        means = np.einsum("kji,kj->ki", self.means_root, statistics.grad_mean) / root
        slope = (
            2.0 * np.swapaxes(self.L, -1, -2) @ statistics.grad_covariance @ self.L @ self._factors(z[self.sizes[1] :])
        )
        factors = self._owned(slope[:, self.rows, self.columns]) / self.factor_roots
        weights = self.weights.gradient(mixture.all_weights, statistics.weight_counts)
        return np.concatenate([weights, means.ravel()[self.free_means], factors])

    def jacobian(self):
        """Derivatives at z = 0 of weights, means and packed covariances (S + K D + K M) with respect to z."""
        K, D = self.mixture.means.shape
        S, n_packed = self.mixture.all_weights.size, len(self.rows)
        weights, means = np.zeros((S, self.size)), np.zeros((K * D, self.size))
        covariances = np.zeros((K, n_packed, self.size))
        weights[:, : self.sizes[0]] = self.weights.jacobian()
        for z, index in enumerate(np.flatnonzero(self.free_means)):
            k, i = divmod(index, D)
            means[k * D : (k + 1) * D, self.sizes[0] + z] = self.means_root[k][:, i] / np.sqrt(self.q[k])
        for k, e in np.argwhere(self.owners >= 0):
            F = self.L[k] @ self.B[k]
            owner = self.owners[k, e]
            change = np.outer(self.L[k][:, self.rows[e]], F[:, self.columns[e]])
            packed = (change + change.T)[self.rows, self.columns] / self.factor_roots[owner]
            covariances[k, :, self.sizes[1] + owner] += packed
        return np.concatenate([weights, means, covariances.reshape(K * n_packed, self.size)])

    @property
    def axis_counts(self):
        """Objects that determine the variance along each whitened axis (K, D), shared among axes of one variance."""
        return self._of_axes(np.broadcast_to(self.q[:, None], self.axis_owners.shape)) / self._of_axes(
            np.ones(self.axis_owners.shape)
        )

    def slopes(self, statistics):
        """Derivative with respect to the variance along each whitened axis, per object: diag(L' (C - A) L / q)."""
        slopes = 2.0 * np.einsum("kia,kij,kja->ka", self.L, statistics.grad_covariance, self.L)
        return self._of_axes(slopes) / self._of_axes(np.broadcast_to(self.q[:, None], slopes.shape))

    def _of_axes(self, elements):
        """Sums over all axes (K, D) that have one variance, at each of them; those held stay by themselves."""
        mine = self.movable
        sums = np.bincount(self.axis_owners[mine], weights=elements[mine], minlength=self.factor_roots.size)
        result = elements.astype(float)
        result[mine] = sums[self.axis_owners[mine]]
        return result

    def with_variances(self, which, variances):
        """The mixture with other variances along the whitened axes marked in `which`, both (K, D)."""
        B = self.B.copy()
        for k, axis in np.argwhere(which):
            B[k, :, axis] = 0.0
            B[k, axis, axis] = np.sqrt(variances[k, axis])
        changed = which.any(axis=1)[:, None, None]
        covariances = np.where(changed, self._covariances(B), self.mixture.covariances)
        return self.mixture.with_parameters(self.mixture.all_weights, self.mixture.means, covariances)


class _FreeWeights:
    """Softmax coordinates of the weights that are free: they divide what the fixed ones leave."""

    def __init__(self, weights, free, counts):
        self.start, self.free = weights, free
        self.rest = 1.0 - weights[~free].sum()
        self.within = weights[free] / max(weights[free].sum(), 1e-300)
        self.logits = np.log(np.maximum(self.within, 1e-300))
        self.basis = _softmax_basis(self.within, max(counts[free].sum(), 1e-300))
        self.size = self.basis.shape[1]

    def at(self, z):
        """Weights (S,) at coordinates z."""
        if self.size == 0:
            return self.start
        logits = self.logits + self.basis @ z
        within = np.exp(logits - logits.max())
        result = self.start.copy()
        result[self.free] = self.rest * (within / within.sum())
        return result

    def gradient(self, weights, counts):
        """Derivative with respect to z, from the counts (S,) at these weights."""
        if self.size == 0:
            return np.zeros(0)
        mine = counts[self.free]
        return self.basis.T @ (mine - weights[self.free] / self.rest * mine.sum())

    def jacobian(self):
        """Derivatives of the weights at z = 0 (S, size)."""
        result = np.zeros((self.start.size, self.size))
        result[self.free] = self.rest * self.within[:, None] * (self.basis - self.within @ self.basis)
        return result


def information(mixture, statistics, q):
    """Information per object on each component (K, D, D), that of the prior on its covariance included.

    An inverse-Wishart prior knows as much as so many objects without errors: without it, a direction that no object
    sees would have no scale.  The ridge gives one to what nobody knows.
    """
    result = statistics.information / q[:, None, None] + 1e-12 * np.eye(mixture.n_dimensions)
    if statistics.prior is not None and statistics.prior.bounds_covariances:
        counts = statistics.prior.component_counts / q
        result = result + counts[:, None, None] * np.linalg.pinv(mixture.covariances, hermitian=True)
    return result


def _means_root(known, q, prior):
    """Roots (K, D, D) of the covariance of each mean, per object, a prior on it included."""
    if prior is not None:
        known = known + prior.precision / q[:, None, None]
    return metric_root(known)


def _whitened(V, L):
    half = np.linalg.solve(L, V)
    return symmetric(np.linalg.solve(L, half.T))


def _softmax_basis(weights, total_weight):
    """Directions (K, K - 1) of the logits that matter, scaled so that the information on each is about one."""
    if weights.size < 2:
        return np.zeros((weights.size, 0))
    roots = np.sqrt(np.maximum(weights, 1e-12))
    roots /= np.linalg.norm(roots)
    complement = np.linalg.svd(roots[None, :])[2][1:].T
    return complement / (roots[:, None] * np.sqrt(total_weight))
