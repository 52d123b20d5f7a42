"""Resolution matrices: what the instrument makes of the fluxes of all pixels, sparse, with the widths of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

ROUNDING = 1e-9  # of the square of a pixel, below which a variance is zero


def as_matrix(matrix: Any) -> Any:
    """A sparse matrix in rows (n, n), of float64, from a dense or a sparse one; elements that are NaN are zero.

    Raises
    ------
    InputError
        If it is not square, or an element is infinite.
    """
    from scipy.sparse import csr_matrix, issparse

    sparse = csr_matrix(matrix if issparse(matrix) else as_floats(matrix, "matrix")[0], dtype=float, copy=True)
    if sparse.shape[0] != sparse.shape[1]:
        raise InputError(f"`matrix` has shape {sparse.shape}, but a resolution matrix is square; see `from_diagonals`")
    sparse.data[np.isnan(sparse.data)] = 0.0  # rows of pixels without data
    if not np.isfinite(sparse.data).all():
        raise InputError("`matrix` has infinite elements; set rows of pixels without data to zero")
    sparse.eliminate_zeros()
    sparse.data.flags.writeable = False
    return sparse


def matrix_of_diagonals(data: ArrayLike, offsets: ArrayLike | None = None) -> Any:
    """The sparse matrix of diagonals (M, n) in SciPy's convention, by default from the uppermost to the lowest.

    Raises
    ------
    InputError
        If `data` is no table of diagonals, or there are not as many offsets.
    """
    from scipy.sparse import dia_matrix

    diagonals = as_floats(data, "data")[0]
    if diagonals.ndim != 2:
        raise InputError(f"`data` has shape {diagonals.shape}, but one row for each diagonal is needed")
    M, n = diagonals.shape
    if offsets is None and M % 2 == 0:
        raise InputError(f"`data` has {M} diagonals, of which none is in the middle; give their `offsets`")
    numbers = np.arange(M // 2, -(M // 2) - 1, -1) if offsets is None else np.asarray(offsets)
    if numbers.shape != (M,) or numbers.dtype.kind not in "iu":
        raise InputError(f"`offsets` must hold {M} whole numbers, one for each row of `data`")
    return dia_matrix((diagonals, numbers), shape=(n, n)).tocsr()


def row_widths(matrix: Any, wave: Floats) -> Floats:
    """Standard deviation (n,) of each row of a matrix over the positions of the pixels; NaN where it has none.

    Rows of pixels without data are zero, and noise in the elements may give a row a negative variance.
    """
    if wave.size < 2:
        return np.full(wave.size, np.nan)
    elements = matrix.tocoo()
    offsets = wave[elements.col] - wave[elements.row]
    total, first, second = (
        np.bincount(elements.row, elements.data * offsets**power, minlength=wave.size) for power in range(3)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = second / total - (first / total) ** 2
        variance = np.where(np.abs(variance) < ROUNDING * np.median(np.diff(wave)) ** 2, 0.0, variance)
        return np.where(total > 0, np.sqrt(variance), np.nan)
