"""Small symmetric matrices: projections, roots and factors, for one matrix or a stack of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 1e-6  # correlations are often float32: eigenvalues of up to ten columns have smaller errors than this
EXACT = 1e-13  # eigenvalues of correlations in double precision have smaller errors than this


def symmetric(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average with the transpose."""
    return 0.5 * (matrix + np.swapaxes(matrix, -1, -2))


def square_roots(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric square roots of positive semi-definite matrices (..., D, D); singular ones are allowed."""
    values, vectors = np.linalg.eigh(matrices)
    roots = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
    return np.asarray(roots @ np.swapaxes(vectors, -1, -2))


def negative_eigenvalues(matrices: NDArray[np.float64], tolerance: float = 0.0) -> NDArray[np.float64]:
    """The lowest eigenvalue of each symmetric matrix (N, D, D) if it is negative, otherwise zero: (N,).

    Zero for all matrices if no eigenvalue is below minus the tolerance: a Cholesky factorisation shows this in a
    fraction of the time that the eigenvalues need.
    """
    try:
        np.linalg.cholesky(matrices + tolerance * np.eye(matrices.shape[-1]))
    except np.linalg.LinAlgError:
        return np.asarray(np.minimum(np.linalg.eigvalsh(matrices)[:, 0], 0.0))
    return np.zeros(len(matrices))


def rounded_correlations(
    correlations: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Corrections of correlations that rounding to single precision has made indefinite, and which are indefinite.

    Where the smallest eigenvalue of a matrix of correlations C (N, D, D) is -d, with d within `ROUNDING`,
    ``(C + d I) / (1 + d)`` has no negative eigenvalue and the same diagonal: the factor (N,) of its correlations is
    ``1 / (1 + d)``.  Where d is larger, the matrix is indefinite: its factor is 1, and the second array (N,) is True.
    """
    lowest = negative_eigenvalues(correlations, EXACT)
    indefinite = lowest < -ROUNDING
    rounded = (lowest < -EXACT) & ~indefinite
    return 1.0 / (1.0 - np.where(rounded, lowest, 0.0)), indefinite


def with_scaled_correlations(matrices: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrices (N, D, D) whose elements beside the diagonal are multiplied by these factors (N,)."""
    diagonal = np.eye(matrices.shape[-1], dtype=bool)
    return np.where(diagonal, matrices, matrices * factors[:, None, None])


def triangular_factor(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower triangular B with ``B B' = matrix`` for a positive semi-definite matrix, singular ones included."""
    values, vectors = np.linalg.eigh(symmetric(matrix))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    upper = np.asarray(np.linalg.qr(root.T, mode="r"))
    signs = np.where(np.diagonal(upper) < 0, -1.0, 1.0)
    return np.asarray((upper * signs[:, None]).T)
