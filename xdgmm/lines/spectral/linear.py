"""Small systems of linear equations with positive matrices of any scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

Array = NDArray[np.float64]

RIDGE = 1e-13  # relative to the diagonal: where columns are the same to rounding, their coefficients are shared


def solved(matrix: Array, right: Array) -> Array:
    """Solution of ``matrix @ x = right``, the matrix being positive, or nearly; rows of zeros give zeros."""
    diagonal = matrix.diagonal()
    if not diagonal.size:
        return np.zeros_like(right)
    if diagonal.min() > 0:
        scale = 1.0 / np.sqrt(diagonal)
    else:
        scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    scaled = matrix * scale * scale[:, None]
    right = right * scale if right.ndim == 1 else right * scale[:, None]
    ridge = RIDGE
    while ridge < 1.0:
        scaled.flat[:: diagonal.size + 1] = 1.0 + ridge
        _, solution, failed = dposv(scaled, right, lower=1)
        if not failed:
            return np.asarray(solution * scale if right.ndim == 1 else solution * scale[:, None])
        ridge *= 100.0
    return np.zeros_like(right)


def all_solved(matrices: Array, right: Array) -> Array:
    """The same for many of them: matrices (K, C, C) and right sides (K, C, R)."""
    diagonal = np.diagonal(matrices, axis1=1, axis2=2)
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)[:, :, None]
    scaled = matrices * scale * scale.transpose(0, 2, 1)
    places = np.arange(scaled.shape[1])
    scaled[:, places, places] = 1.0 + RIDGE
    try:
        return np.asarray(np.linalg.solve(scaled, right * scale) * scale)
    except np.linalg.LinAlgError:
        return np.array([solved(*each) for each in zip(matrices, right, strict=True)])
