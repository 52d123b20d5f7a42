"""Affine maps ``v -> A v + b`` of named coordinates, the same for observations and for mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xdgmm.basics.arrays import as_dimensionless, as_floats, list_rows
from xdgmm.basics.linalg import symmetric
from xdgmm.basics.parameters import check_names
from xdgmm.basics.units import check_units, common_unit, difference_unit
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Units = tuple[UnitBase | None, ...]

ROUNDING = 1e-12  # how far from 1 the sum of a row of an average may be


class Coordinates(Protocol):
    """Something with named coordinates: observations or a mixture."""

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def units(self) -> Units: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The map ``v -> A v + b``, with names and units of its results.

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

    matrix: Floats
    offset: Floats
    names: tuple[str, ...]
    units: Units

    @classmethod
    def of(
        cls,
        coordinates: Coordinates,
        matrix: ArrayLike,
        offset: ArrayLike | None = None,
        names: str | Iterable[str] | None = None,
        units: str | UnitBase | Iterable[str | UnitBase | None] | None = None,
    ) -> AffineMap:
        """A map of the coordinates of observations or of a mixture; names and units follow from it by default.

        A row that selects one coordinate keeps its name; other results are x1, x2, ...  Where all coordinates have one
        unit, rows that sum to 1 (averages) have this unit, and other rows the unit of differences, which is different
        for magnitudes (mag) and degrees Celsius (K).  Where units differ, rows that select one coordinate keep its
        unit, and others have none.

        Raises
        ------
        InputError
            If the matrix or the offset has the wrong shape, is not finite or not plain numbers, if a row of the
            matrix is zero, or if names or units cannot be used.
        """
        A = _matrix(matrix, coordinates.names)
        selected = [_selected(row) for row in A]
        names = _default_names(selected, coordinates.names) if names is None else names
        units = _default_units(A, selected, coordinates.units) if units is None else units
        units = check_units(units, len(A), "rows of the matrix")
        return cls(A, _offset(offset, units), check_names(names, len(A), "rows of the matrix"), units)

    @property
    def along_axes(self) -> bool:
        """Is each result a multiple of one coordinate, and of a different one?"""
        used = self.matrix != 0
        return bool((used.sum(axis=1) == 1).all() and (used.sum(axis=0) <= 1).all())

    def points(self, v: Floats) -> Floats:
        """``A v + b`` of points (..., D): shape (..., D2)."""
        return v @ self.matrix.T + self.offset

    def values(self, values: Floats) -> Floats:
        """``A w + b`` of values (N, D); missing (NaN) where a missing value contributes."""
        present = np.isfinite(values)
        if present.all():
            return self.points(values)
        missing = ~present @ (self.matrix != 0).T
        return np.where(missing, np.nan, self.points(np.where(present, values, 0.0)))

    def covariances(self, V: Floats) -> Floats:
        """``A V A'`` of covariances (..., D, D): shape (..., D2, D2), exactly symmetric."""
        return symmetric(self.matrix @ V @ self.matrix.T)

    def covariances_of_factors(self, F: Floats) -> Floats:
        """``A F F' A'`` of factors (..., D, n): exactly symmetric; eigenvalues are negative by rounding at most."""
        AF = self.matrix @ F
        return symmetric(AF @ np.swapaxes(AF, -1, -2))

    def inverse(self) -> Floats:
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
        scaled = A / np.abs(A).max(axis=1)[:, None]  # so that units do not decide whether A is singular
        scaled /= np.maximum(np.abs(scaled).max(axis=0), np.finfo(float).tiny)
        if np.linalg.matrix_rank(scaled) < len(A):
            raise InputError(
                "`matrix` is singular, but observations through projections need an invertible one; make its rows "
                "linearly independent"
            )
        return np.asarray(np.linalg.inv(A))


def _matrix(matrix: ArrayLike, names: Sequence[str]) -> Floats:
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
        raise InputError(f"`matrix` is zero in {list_rows(zero)}, so the result depends on no coordinate; omit it")
    return A


def _offset(offset: ArrayLike | None, units: Units) -> Floats:
    if offset is None:
        return np.zeros(len(units))
    b, _ = as_floats(offset, "offset", common_unit(offset, "offset", units, "results"))
    if b.shape not in ((), (len(units),)):
        raise InputError(
            f"`offset` has shape {b.shape}, but `matrix` has {len(units)} rows; give one number for each, or for all"
        )
    if not np.isfinite(b).all():
        raise InputError("`offset` holds NaN or infinity; every element must be finite")
    return np.broadcast_to(b, len(units))


def _selected(row: Floats) -> int | None:
    """The coordinate that a row of the matrix selects; None where it is not a single one with factor 1."""
    used = np.flatnonzero(row)
    return int(used[0]) if used.size == 1 and row[used[0]] == 1.0 else None


def _default_names(selected: Sequence[int | None], names: Sequence[str]) -> tuple[str, ...]:
    kept = [None if i is None else names[i] for i in selected]
    kept = [None if name in kept[:row] else name for row, name in enumerate(kept)]
    result: list[str] = []
    for row, name in enumerate(kept):
        numbered = (f"x{number}" for number in count(row + 1))
        result.append(next(new for new in numbered if new not in {*kept, *result}) if name is None else name)
    return tuple(result)


def _default_units(A: Floats, selected: Sequence[int | None], units: Units) -> Units:
    if len(set(units)) > 1:
        return tuple(None if i is None else units[i] for i in selected)
    averages = np.abs(A.sum(axis=1) - 1.0) <= ROUNDING
    return tuple(units[0] if average else difference_unit(units[0]) for average in averages)
