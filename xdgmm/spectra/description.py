"""The width of an instrument in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.constants import FWHM, LIGHT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .widths import Widths


def width_text(weights: NDArray[np.float64], widths: Widths | None, matrix: Any) -> str:
    """'R = 2700 (sigma 47.2 km/s)', 'sigma = 1.1 to 1.4 Angstrom', and the like."""
    if matrix is not None:
        sigma = "" if widths is None else f" (sigma {_range(np.asarray(widths.numbers)[0])}{_unit(widths)})"
        return f"resolution matrix of {matrix.shape[0]} pixels{sigma}"
    assert widths is not None
    name = "FWHM" if widths.measure == "fwhm" else widths.measure
    if callable(widths.numbers):
        return f"{name} as a function of the position"
    if weights.size > 1:
        rows = " and ".join(_range(row) for row in widths.numbers)
        fractions = " and ".join(f"{100 * weight:.3g}%" for weight in weights)
        return f"{weights.size} Gaussians of {fractions}, {name} = {rows}{_unit(widths)}"
    numbers = widths.numbers[0]
    velocity = f" (sigma {_range(LIGHT / (FWHM * numbers))} km/s)" if widths.measure == "R" else ""
    return f"{name} = {_range(numbers, 4)}{_unit(widths)}{velocity}"


def _range(numbers: NDArray[np.float64], digits: int = 3) -> str:
    low, high = f"{numbers.min():.{digits}g}", f"{numbers.max():.{digits}g}"
    return low if low == high else f"{low} to {high}"


def _unit(widths: Widths) -> str:
    if widths.in_kms:
        return " km/s"
    return "" if widths.unit is None or widths.measure == "R" else f" {widths.unit}"
