"""Covariances of neighbouring pixels, in the lower banded form of SciPy: row k holds those of pixels j + k and j."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


def as_covariance(covariance: Any, n_pixels: int, unit: UnitBase | None) -> Floats | None:
    """The diagonals (b + 1, n) in the unit of the fluxes squared.

    Raises
    ------
    InputError
        If it has another shape, or its unit does not match.
    """
    if covariance is None:
        return None
    own = getattr(covariance, "unit", None)
    if (own is None) != (unit is None):
        raise InputError("one of `flux` and `covariance` has a unit; give both a unit, or neither")
    banded = as_floats(covariance, "covariance", None if unit is None else unit**2)[0]
    if banded.ndim != 2 or banded.shape[1] != n_pixels or not 0 < banded.shape[0] <= n_pixels:
        raise InputError(
            f"`covariance` has shape {banded.shape}, but {n_pixels} pixels need (b + 1, {n_pixels}): row k holds the "
            "covariances of pixels j + k and j"
        )
    return banded


def without_pixels(banded: Floats, good: Bools) -> Floats:
    """With variance 1 and no correlations in pixels that are left out, so that the others do not feel them.

    Raises
    ------
    InputError
        If the rest is missing, or not positive definite.
    """
    from scipy.linalg import LinAlgError, cholesky_banded

    n_pixels = good.size
    result = np.zeros_like(banded)
    result[0] = np.where(good, banded[0], 1.0)
    for k in range(1, len(banded)):
        pair = good[k:] & good[: n_pixels - k]
        result[k, : n_pixels - k] = np.where(pair, banded[k, : n_pixels - k], 0.0)
    if not np.isfinite(result).all():
        raise InputError("`covariance` is missing or infinite between pixels with a variance; mask them, or give it")
    try:
        cholesky_banded(result, lower=True)
    except LinAlgError:
        raise InputError(
            "`covariance` is not positive definite, so it is no covariance matrix; check that row k holds the "
            "covariances of pixels j + k and j"
        ) from None
    return result


def reversed_covariance(banded: Floats) -> Floats:
    """For the pixels in the opposite order."""
    n_pixels = banded.shape[1]
    result = np.zeros_like(banded)
    for k, row in enumerate(banded):
        result[k, : n_pixels - k] = row[: n_pixels - k][::-1]
    return result
