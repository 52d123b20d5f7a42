"""Axes of spectra: wavelengths, energies, frequencies, velocities, and conversions between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.arrays import label
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import NDArray

# Wavenumbers are proportional to frequencies, so that all that is said of these holds for them.
KINDS = {"m": "wavelength", "eV": "energy", "Hz": "frequency", "1 / m": "frequency", "km / s": "velocity"}


def axis_kind(unit: UnitBase | None, name: str = "wave") -> str | None:
    """What numbers in a unit are: "wavelength", "energy", "frequency" or "velocity"; None without a unit.

    Raises
    ------
    InputError
        If the unit is none of these.
    """
    if unit is None:
        return None
    for example, kind in KINDS.items():
        if unit.is_equivalent(example):
            return kind
    raise InputError(
        f"{label(name)} is in {unit}, which is no wavelength, energy, frequency or velocity; give it in one of these, "
        "or as plain numbers"
    )


def converted(
    positions: NDArray[np.float64], unit: UnitBase, target: UnitBase, what: str = "positions are"
) -> NDArray[np.float64]:
    """Positions in another unit, from wavelengths to energies or frequencies and back too.

    Raises
    ------
    InputError
        If only one of the two is a unit of velocities, or one of them is no unit of an axis.
    """
    from astropy.units import UnitConversionError, spectral

    if unit == target:
        return positions
    try:
        return np.asarray((positions * unit).to_value(target, spectral()), dtype=float)
    except UnitConversionError:
        raise InputError(f"{what} in {unit}, which does not convert to {target}; give both on one axis") from None
