"""Covariance types: which elements of the factors are free, and which of them are equal.

To add one, write a subclass of `CovarianceType` and name it in `COVARIANCE_TYPES`; the contract tests run over that
table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from xdgmm.errors import InputError
from xdgmm.kernels.small_matrices import metric_roots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


class CovarianceType(ABC):
    """What the covariances of K components in D dimensions have in common.

    Attributes
    ----------
    rotated : bool
        May factors be rotated to the principal axes?
    special_cases : tuple of str
        The types all of whose covariances are of this type too.
    """

    rotated: ClassVar[bool]
    special_cases: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def parameter_indices(self, n_components: int, rows: Indices, columns: Indices) -> Indices:
        """Which parameter each element (rows, columns) of each factor is (K, n); -1 where it is always zero."""

    @abstractmethod
    def metric(self, information: Floats) -> Floats:
        """Roots L (K, D, D) of this type with ``L L' = information^-1``, as nearly as the type allows."""

    @abstractmethod
    def combined(self, matrices: Floats, counts: Floats) -> Floats:
        """The covariances of this type nearest to matrices (K, D, D) of components with these numbers of objects (K,).

        Matrices that are of this type already are returned unchanged.
        """

    @abstractmethod
    def compact(self, covariances: Floats) -> Floats:
        """Covariances (K, D, D) of this type in scikit-learn's shape."""

    @abstractmethod
    def expanded(self, compact: Floats, n_components: int, n_dimensions: int) -> Floats:
        """Covariances (K, D, D) from scikit-learn's shape.

        Raises
        ------
        InputError
            If the shape is another one.
        """


class Full(CovarianceType):
    """Every component has a covariance of its own: (K, D, D)."""

    rotated = True
    special_cases = "tied", "diag", "spherical"

    def parameter_indices(self, n_components: int, rows: Indices, columns: Indices) -> Indices:
        """See `CovarianceType.parameter_indices`."""
        del columns
        return np.arange(n_components * rows.size).reshape(n_components, rows.size)

    def metric(self, information: Floats) -> Floats:
        """See `CovarianceType.metric`."""
        return metric_roots(information)

    def combined(self, matrices: Floats, counts: Floats) -> Floats:
        """See `CovarianceType.combined`."""
        del counts
        return matrices

    def compact(self, covariances: Floats) -> Floats:
        """See `CovarianceType.compact`."""
        return covariances

    def expanded(self, compact: Floats, n_components: int, n_dimensions: int) -> Floats:
        """See `CovarianceType.expanded`."""
        return _checked(compact, (n_components, n_dimensions, n_dimensions), "full")


class Tied(CovarianceType):
    """All components share one covariance: (D, D)."""

    rotated = True

    def parameter_indices(self, n_components: int, rows: Indices, columns: Indices) -> Indices:
        """See `CovarianceType.parameter_indices`."""
        del columns
        return np.tile(np.arange(rows.size), (n_components, 1))

    def metric(self, information: Floats) -> Floats:
        """See `CovarianceType.metric`; the information must be the same for all components."""
        return metric_roots(information)

    def combined(self, matrices: Floats, counts: Floats) -> Floats:
        """See `CovarianceType.combined`."""
        return np.broadcast_to(np.einsum("k,kij->ij", counts / counts.sum(), matrices), matrices.shape).copy()

    def compact(self, covariances: Floats) -> Floats:
        """See `CovarianceType.compact`."""
        return np.asarray(covariances[0])

    def expanded(self, compact: Floats, n_components: int, n_dimensions: int) -> Floats:
        """See `CovarianceType.expanded`."""
        return np.repeat(_checked(compact, (n_dimensions, n_dimensions), "tied")[None], n_components, axis=0)


class Diag(CovarianceType):
    """No correlations: (K, D) variances."""

    rotated = False
    special_cases = ("spherical",)

    def parameter_indices(self, n_components: int, rows: Indices, columns: Indices) -> Indices:
        """See `CovarianceType.parameter_indices`."""
        on_axis = np.flatnonzero(rows == columns)
        result = np.full((n_components, rows.size), -1)
        result[:, on_axis] = np.arange(n_components * on_axis.size).reshape(n_components, -1)
        return result

    def metric(self, information: Floats) -> Floats:
        """See `CovarianceType.metric`."""
        return _diagonal(1.0 / np.sqrt(np.diagonal(information, axis1=1, axis2=2)))

    def combined(self, matrices: Floats, counts: Floats) -> Floats:
        """See `CovarianceType.combined`."""
        del counts
        return _diagonal(np.diagonal(matrices, axis1=1, axis2=2))

    def compact(self, covariances: Floats) -> Floats:
        """See `CovarianceType.compact`."""
        return np.diagonal(covariances, axis1=1, axis2=2)

    def expanded(self, compact: Floats, n_components: int, n_dimensions: int) -> Floats:
        """See `CovarianceType.expanded`."""
        return _diagonal(_checked(compact, (n_components, n_dimensions), "diag"))


class Spherical(CovarianceType):
    """The same width in every direction: (K,) variances."""

    rotated = False

    def parameter_indices(self, n_components: int, rows: Indices, columns: Indices) -> Indices:
        """See `CovarianceType.parameter_indices`."""
        return np.where(rows == columns, np.arange(n_components)[:, None], -1)

    def metric(self, information: Floats) -> Floats:
        """See `CovarianceType.metric`."""
        return _diagonal(1.0 / np.sqrt(_mean_diagonal(information)))

    def combined(self, matrices: Floats, counts: Floats) -> Floats:
        """See `CovarianceType.combined`."""
        del counts
        return _diagonal(_mean_diagonal(matrices))

    def compact(self, covariances: Floats) -> Floats:
        """See `CovarianceType.compact`."""
        return covariances[:, 0, 0]

    def expanded(self, compact: Floats, n_components: int, n_dimensions: int) -> Floats:
        """See `CovarianceType.expanded`."""
        return _diagonal(np.tile(_checked(compact, (n_components,), "spherical")[:, None], (1, n_dimensions)))


def _diagonal(variances: Floats) -> Floats:
    """Diagonal matrices (K, D, D) from (K, D)."""
    return variances[:, :, None] * np.eye(variances.shape[1])


def _mean_diagonal(matrices: Floats) -> Floats:
    """The mean of each diagonal, once for every axis (K, D)."""
    diagonals = np.diagonal(matrices, axis1=1, axis2=2)
    return np.repeat(diagonals.mean(axis=1, keepdims=True), matrices.shape[1], axis=1)


def _checked(compact: Floats, shape: tuple[int, ...], name: str) -> Floats:
    if compact.shape != shape:
        raise InputError(
            f"the covariances have shape {compact.shape}, but with covariance_type='{name}' they need {shape}, or one "
            "matrix for every component"
        )
    return compact


COVARIANCE_TYPES: dict[str, CovarianceType] = {
    "full": Full(),
    "tied": Tied(),
    "diag": Diag(),
    "spherical": Spherical(),
}
