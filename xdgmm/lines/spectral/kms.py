"""Numbers in km/s, with or without their unit."""

from __future__ import annotations

from typing import Any

import numpy as np


def in_kms(numbers: Any, power: int = 1, *, with_unit: bool = True) -> Any:
    """Numbers as a Quantity in km/s, or its power; plain where spectra have no unit."""
    if not with_unit:
        return np.asarray(numbers)
    from astropy.units import Quantity, Unit

    return Quantity(numbers, Unit("km/s") ** power)
