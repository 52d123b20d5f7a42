"""Small systems of linear equations with positive matrices of any scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

Array = NDArray[np.float64]

RIDGE = 1e-13  # relative to the diagonal: where columns are the same to rounding, their coefficients are shared


def solved(matrix: Array, right: Array) -> Array:
    """Solution of ``matrix @ x = right``, the matrix being positive, or nearly; rows of zeros give zeros."""
    diagonal = matrix.diagonal()
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    scaled = matrix * scale * scale[:, None]
    right = (right.T * scale).T
    if not scaled.size:
        return np.zeros_like(right)
    ridge = RIDGE
    while ridge < 1.0:
        np.fill_diagonal(scaled, 1.0 + ridge)
        factor, failed = dpotrf(scaled, lower=1)
        if not failed:
            solution, _ = dpotrs(factor, right, lower=1)
            return np.asarray((solution.T * scale).T)
        ridge *= 100.0
    return np.zeros_like(right)
