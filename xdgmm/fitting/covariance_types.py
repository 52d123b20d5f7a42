"""Covariance types: which elements of the factors are free, and what they share.

To add one, write a class with the four methods of `Full` and name it in `COVARIANCE_TYPES`; the contract tests run over
that table.
"""

import numpy as np

from xdgmm.basics.linalg import metric_root
from xdgmm.errors import InputError


class Full:
    """Every component has a covariance of its own: (K, D, D)."""

    rotated = True  # factors may be turned to the principal axes

    def owners(self, n_components, rows, columns):
        """Which parameter each element (rows, columns) of each factor belongs to (K, n); -1 where it is always zero."""
        return np.arange(n_components * rows.size).reshape(n_components, rows.size) + 0 * columns

    def metric(self, information):
        """Roots L (K, D, D) of this type with ``L L' = information^-1``, as nearly as the type allows."""
        return metric_root(information)

    def combined(self, matrices, counts):
        """The covariances of this type nearest to matrices (K, D, D) that count so much (K,)."""
        del counts
        return matrices

    def compact(self, covariances):
        """Covariances (K, D, D) of this type in scikit-learn's shape."""
        return covariances

    def expanded(self, compact, n_components, n_dimensions):
        """Covariances (K, D, D) from scikit-learn's shape."""
        return _checked(compact, (n_components, n_dimensions, n_dimensions), "full")


class Tied:
    """All components share one covariance: (D, D)."""

    rotated = True

    def owners(self, n_components, rows, columns):
        """See `Full.owners`."""
        return np.tile(np.arange(rows.size) + 0 * columns, (n_components, 1))

    def metric(self, information):
        """See `Full.metric`; the caller has made all of them alike."""
        return metric_root(information)

    def combined(self, matrices, counts):
        """See `Full.combined`."""
        return np.broadcast_to(np.einsum("k,kij->ij", counts / counts.sum(), matrices), matrices.shape).copy()

    def compact(self, covariances):
        """See `Full.compact`."""
        return covariances[0]

    def expanded(self, compact, n_components, n_dimensions):
        """See `Full.expanded`."""
        return np.repeat(_checked(compact, (n_dimensions, n_dimensions), "tied")[None], n_components, axis=0)


class Diag:
    """No correlations: (K, D) variances."""

    rotated = False

    def owners(self, n_components, rows, columns):
        """See `Full.owners`."""
        on_axis = np.flatnonzero(rows == columns)
        result = np.full((n_components, rows.size), -1)
        result[:, on_axis] = np.arange(n_components * on_axis.size).reshape(n_components, -1)
        return result

    def metric(self, information):
        """See `Full.metric`."""
        return _diagonal(1.0 / np.sqrt(np.diagonal(information, axis1=1, axis2=2)))

    def combined(self, matrices, counts):
        """See `Full.combined`."""
        del counts
        return _diagonal(np.diagonal(matrices, axis1=1, axis2=2))

    def compact(self, covariances):
        """See `Full.compact`."""
        return np.diagonal(covariances, axis1=1, axis2=2)

    def expanded(self, compact, n_components, n_dimensions):
        """See `Full.expanded`."""
        return _diagonal(_checked(compact, (n_components, n_dimensions), "diag"))


class Spherical:
    """The same width in every direction: (K,) variances."""

    rotated = False

    def owners(self, n_components, rows, columns):
        """See `Full.owners`."""
        return np.where(rows == columns, np.arange(n_components)[:, None], -1)

    def metric(self, information):
        """See `Full.metric`."""
        return _diagonal(1.0 / np.sqrt(_mean_diagonal(information)))

    def combined(self, matrices, counts):
        """See `Full.combined`."""
        del counts
        return _diagonal(_mean_diagonal(matrices))

    def compact(self, covariances):
        """See `Full.compact`."""
        return covariances[:, 0, 0]

    def expanded(self, compact, n_components, n_dimensions):
        """See `Full.expanded`."""
        return _diagonal(np.tile(_checked(compact, (n_components,), "spherical")[:, None], (1, n_dimensions)))


def _diagonal(variances):
    """Diagonal matrices (K, D, D) from (K, D)."""
    return variances[:, :, None] * np.eye(variances.shape[1])


def _mean_diagonal(matrices):
    """The mean of each diagonal, once for every axis (K, D)."""
    diagonals = np.diagonal(matrices, axis1=1, axis2=2)
    return np.repeat(diagonals.mean(axis=1, keepdims=True), matrices.shape[1], axis=1)


def _checked(compact, shape, name):
    if compact.shape != shape:
        raise InputError(
            f"the covariances have shape {compact.shape}, but with covariance_type='{name}' they need {shape}, or one "
            "matrix for every component"
        )
    return compact


COVARIANCE_TYPES = {"full": Full(), "tied": Tied(), "diag": Diag(), "spherical": Spherical()}
