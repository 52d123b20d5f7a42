"""Noise mixtures of columns that are independent of each other, and their products: the mixtures of all columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RowsOfColumn:
    """The Gaussians of one column, those of an object one after the other.

    Attributes
    ----------
    sizes : ndarray of int (N,)
        Number of Gaussians of each object.
    weights, shifts, standard_errors : ndarray (R,)
        Of each Gaussian; the weights of an object sum to 1.
    """

    sizes: Indices
    weights: Floats
    shifts: Floats
    standard_errors: Floats

    @classmethod
    def gaussian(cls, standard_errors: Floats) -> RowsOfColumn:
        """One Gaussian of each object, of errors (N,)."""
        N = len(standard_errors)
        return cls(np.ones(N, int), np.ones(N), np.zeros(N), standard_errors)

    @classmethod
    def where(cls, several: NDArray[np.bool_], *arrays: Floats, otherwise: Floats) -> RowsOfColumn:
        """Q Gaussians of some objects, given by three arrays (n, Q), and one of the others, of errors (N,)."""
        n, Q = arrays[0].shape
        sizes = np.where(several, Q, 1)
        is_one = np.repeat(~several, sizes)
        filled = [np.where(is_one, each, 0.0) for each in (1.0, 0.0, np.repeat(otherwise, sizes))]
        for whole, of_several in zip(filled, arrays, strict=True):
            whole[~is_one] = of_several.reshape(n * Q)
        return cls(sizes, *filled)


def product(columns: Sequence[RowsOfColumn]) -> tuple[Indices, Floats, Floats, Floats]:
    """All combinations of the Gaussians of M independent columns.

    Returns
    -------
    starts : ndarray of int (N + 1,)
    weights : ndarray (R,)
    shifts, standard_errors : ndarray (R, M)
    """
    sizes = np.prod([column.sizes for column in columns], axis=0)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    owners = np.repeat(np.arange(sizes.size), sizes)
    rest = np.arange(starts[-1]) - starts[owners]  # place in the combinations of the columns that are left
    weights, shifts, errors = np.ones(rest.size), [], []
    for column in columns:
        own, firsts = column.sizes[owners], np.cumsum(column.sizes) - column.sizes
        place = firsts[owners] + rest % own
        rest = rest // own
        weights = weights * column.weights[place]
        shifts.append(column.shifts[place])
        errors.append(column.standard_errors[place])
    return starts, weights, np.stack(shifts, axis=1), np.stack(errors, axis=1)
