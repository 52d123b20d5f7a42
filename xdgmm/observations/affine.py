"""Affine maps ``v -> A v + b`` of named coordinates, the same for observations and for mixtures."""

from dataclasses import dataclass
from itertools import count

import numpy as np

from xdgmm.basics.arrays import as_dimensionless, as_floats, list_rows
from xdgmm.basics.parameters import check_names
from xdgmm.basics.units import check_units, difference_unit
from xdgmm.errors import InputError

ROUNDING = 1e-12  # how far from 1 the sum of a row of an average may be


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The map ``v -> A v + b``, and what its results are called.

    Attributes
    ----------
    matrix : ndarray (D2, D)
        A.
    offset : ndarray (D2,)
        b.
    names : tuple of str
        Names of the results (D2).
    units : tuple of astropy units or None
        Their units (D2).
    """

    matrix: np.ndarray
    offset: np.ndarray
    names: tuple
    units: tuple

    @classmethod
    def of(cls, coordinates, matrix, offset=None, names=None, units=None):
        """A map of the coordinates of observations or of a mixture; names and units follow where none are given.

        A row that picks one coordinate keeps its name; other results are x1, x2, ...  Where all coordinates have
        one unit, rows that sum to 1 (averages) have it and the others that of differences, which is another one for
        magnitudes alone; where units differ, rows that pick a coordinate keep its unit, and others have none.

        Raises
        ------
        InputError
            If the matrix or the offset has the wrong shape, is not finite or not plain numbers, if a row of the
            matrix is zero, or if names or units are not what they must be.
        """
        A = _matrix(matrix, coordinates.names)
        picked = [_picked(row) for row in A]
        names = _own_names(picked, coordinates.names) if names is None else names
        units = _own_units(A, picked, coordinates.units) if units is None else units
        units = check_units(units, len(A), "rows of the matrix")
        return cls(A, _offset(offset, units), check_names(names, len(A), "rows of the matrix"), units)

    @property
    def along_axes(self):
        """Whether each result is a multiple of one coordinate, and each of another one."""
        used = self.matrix != 0
        return bool((used.sum(axis=1) == 1).all() and (used.sum(axis=0) <= 1).all())

    def points(self, v):
        """``A v + b`` of points (..., D): shape (..., D2)."""
        return v @ self.matrix.T + self.offset

    def covariances(self, V):
        """``A V A'`` of covariances (..., D, D): shape (..., D2, D2), exactly symmetric."""
        return _symmetric(self.matrix @ V @ self.matrix.T)

    def covariances_of_factors(self, F):
        """``A F F' A'`` of factors (..., D, n): exactly symmetric, and without negative eigenvalues but by rounding."""
        AF = self.matrix @ F
        return _symmetric(AF @ np.swapaxes(AF, -1, -2))

    def inverse(self):
        """``A^-1`` (D, D).

        Raises
        ------
        InputError
            If the matrix is not square or not invertible.
        """
        A = self.matrix
        if A.shape[0] != A.shape[1]:
            raise InputError(
                f"`matrix` has shape {A.shape}, but observations through projections need a square one; give one row "
                "for each coordinate"
            )
        scaled = A / np.abs(A).max(axis=1)[:, None]  # units must not decide what is singular
        scaled /= np.maximum(np.abs(scaled).max(axis=0), np.finfo(float).tiny)
        if np.linalg.matrix_rank(scaled) < len(A):
            raise InputError(
                "`matrix` is singular, but observations through projections need an invertible one; make its rows "
                "linearly independent"
            )
        return np.linalg.inv(A)


def _symmetric(matrices):
    return 0.5 * (matrices + np.swapaxes(matrices, -1, -2))


def _matrix(matrix, names):
    A = as_dimensionless(matrix, "matrix")
    if A.ndim != 2 or A.shape[0] == 0 or A.shape[1] != len(names):
        raise InputError(
            f"`matrix` has shape {A.shape}, but one row for each result and one column for each of {', '.join(names)} "
            "is needed"
        )
    if not np.isfinite(A).all():
        raise InputError("`matrix` holds NaN or infinity; every element must be finite")
    zero = np.flatnonzero(~A.any(axis=1))
    if zero.size:
        raise InputError(f"`matrix` is zero in {list_rows(zero)}, which says nothing of any coordinate; leave that out")
    return A


def _offset(offset, units):
    if offset is None:
        return np.zeros(len(units))
    b, _ = as_floats(offset, "offset", _unit_of_offset(offset, units))
    if b.shape not in ((), (len(units),)):
        raise InputError(
            f"`offset` has shape {b.shape}, but `matrix` has {len(units)} rows; give one number for each, or for all"
        )
    if not np.isfinite(b).all():
        raise InputError("`offset` holds NaN or infinity; every element must be finite")
    return np.broadcast_to(b, len(units))


def _unit_of_offset(offset, units):
    """The unit that an offset with one of its own is converted to."""
    if getattr(offset, "unit", None) is None:
        return None
    if len(set(units)) > 1 or units[0] is None:
        raise InputError(f"`offset` has the unit {offset.unit}, but the results have none in common; give numbers")
    return units[0]


def _picked(row):
    """Which coordinate a row of the matrix is; None where it is no single one."""
    used = np.flatnonzero(row)
    return used[0] if used.size == 1 and row[used[0]] == 1.0 else None


def _own_names(picked, names):
    kept = [None if i is None else names[i] for i in picked]
    kept = [None if name in kept[:row] else name for row, name in enumerate(kept)]
    result = []
    for row, name in enumerate(kept):
        made_up = (f"x{number}" for number in count(row + 1))
        result.append(next(new for new in made_up if new not in {*kept, *result}) if name is None else name)
    return tuple(result)


def _own_units(A, picked, units):
    if len(set(units)) > 1:
        return tuple(None if i is None else units[i] for i in picked)
    averages = np.abs(A.sum(axis=1) - 1.0) <= ROUNDING
    return tuple(units[0] if average else difference_unit(units[0]) for average in averages)
