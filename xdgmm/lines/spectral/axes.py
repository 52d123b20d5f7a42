"""Where lines of a group are seen, and how wide a velocity is there: wavelengths, energies, frequencies, velocities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.constants import LIGHT
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from astropy.units import UnitBase

    from .groups import Group

Array = NDArray[np.float64]

AXES = "wavelength", "energy", "frequency", "velocity"
CONVENTIONS = "optical", "radio", "relativistic"
ATOMIC_MASS = 931494.10372e3  # energy of one atomic mass unit in eV (CODATA 2022)


@dataclass(frozen=True)
class Axis:
    """The axis of a spectrum: what it counts, in which unit, and how velocities shift lines along it.

    Attributes
    ----------
    kind : {"wavelength", "energy", "frequency", "velocity"}
    unit : astropy unit or None
        None for plain numbers.
    convention : {"optical", "radio", "relativistic"}
        Doppler convention of velocities relative to the redshift of a group: ``lambda = lambda_0 (1 + v/c)``,
        ``nu = nu_0 (1 - v/c)``, or special relativity.
    """

    kind: str
    unit: UnitBase | None
    convention: str

    @classmethod
    def of(cls, unit: UnitBase | None, kind: str | None, convention: str | None, plain: str = "wavelength") -> Axis:
        """From the unit of a spectrum, or what was said of plain numbers."""
        if kind is not None and kind not in AXES:
            raise InputError(f"`axis` is {kind!r}, but it must be one of {', '.join(AXES)}")
        of_unit = None if unit is None else kind_of_unit(unit)
        if kind is not None and of_unit is not None and kind != of_unit:
            raise InputError(f"`axis` is {kind!r}, but the unit {unit} is one of {of_unit}")
        kind = of_unit or kind or plain
        convention = convention or ("radio" if kind in ("energy", "frequency") else "optical")
        if convention not in CONVENTIONS:
            raise InputError(f"`convention` is {convention!r}, but it must be one of {', '.join(CONVENTIONS)}")
        return cls(kind, unit, convention)

    @property
    def is_velocity(self) -> bool:
        """Is it an axis of velocities?"""
        return self.kind == "velocity"

    def number(self, value: Any, what: str) -> float:
        """A position in the unit of the axis, from a plain number or a Quantity."""
        from astropy.units import UnitConversionError, spectral

        own = getattr(value, "unit", None)
        if own is None:
            return float(value)
        if self.unit is None:
            raise InputError(f"{what} is {value}, but the spectrum has no unit; give both or neither a unit")
        try:
            return float(value.to_value(self.unit, spectral()))
        except UnitConversionError:
            raise InputError(
                f"{what} is {value}, which does not convert to {self.unit}, the unit of the spectrum"
            ) from None

    def width(self, value: Any, at: float, what: str) -> float:
        """A width in the unit of the axis, from a plain number or a Quantity of the same kind, or in km/s."""
        from astropy.units import UnitConversionError

        own = getattr(value, "unit", None)
        if own is None:
            return float(value)
        if own.is_equivalent("km/s") and not self.is_velocity:
            return float(value.to_value("km/s")) * at / LIGHT
        if self.unit is None:
            raise InputError(f"{what} is {value}, but the spectrum has no unit; give both or neither a unit")
        try:
            return float(value.to_value(self.unit))
        except UnitConversionError:
            raise InputError(f"{what} is {value}, which is no width in {self.unit}, the unit of the spectrum") from None

    def rest_positions(self, group: Group) -> Array:
        """Rest positions of the lines of a group (L,)."""
        positions = np.array(
            [self.number(line.rest, f"the line '{line.label}' of group '{group.name}'") for line in group.lines]
        )
        if not self.is_velocity and (positions <= 0).any():
            raise InputError(f"group '{group.name}' has a line at {positions.min():g}; a rest {self.kind} is positive")
        return positions

    def positions(self, group: Group) -> Array:
        """Where lines of a group are seen at its redshift (L,)."""
        rest = self.rest_positions(group)
        if self.is_velocity:
            if group.z:
                raise InputError(f"group '{group.name}' has z = {group.z:g}, but the axis is one of velocities already")
            return rest
        return rest * self.stretch(group.z)

    def stretch(self, z: float) -> float:
        """What positions at rest are multiplied by at a redshift."""
        return 1.0 + z if self.kind == "wavelength" else 1.0 / (1.0 + z)

    def natural_half_widths(self, group: Group) -> Array:
        """Half widths at half maximum of the natural profiles (L,), as observed."""
        rest = self.rest_positions(group)
        widths = [
            self.width(line.natural_width, at, f"`natural_width` of group '{group.name}'")
            for line, at in zip(group.lines, rest, strict=True)
        ]
        return 0.5 * np.array(widths) * (1.0 if self.is_velocity else self.stretch(group.z))

    def per_kms(self, positions: Array) -> Array:
        """Widths that 1 km/s has at positions, in the unit of the axis."""
        if self.is_velocity:
            return np.full(np.shape(positions), self.kms_in_unit)
        return np.asarray(positions) / LIGHT

    @property
    def kms_in_unit(self) -> float:
        """1 km/s in the unit of an axis of velocities."""
        from astropy.units import Unit

        return 1.0 if self.unit is None else float(Unit("km/s").to(self.unit))

    def shifted(self, positions: Array, velocity: Array) -> tuple[Array, Array]:
        """Positions at velocities (km/s) relative to these, and their derivatives by the velocity."""
        if self.is_velocity:
            return positions + self.kms_in_unit * velocity, np.full(np.shape(positions), self.kms_in_unit)
        factor, slope = self._doppler(velocity / LIGHT)
        return positions * factor, positions * slope / LIGHT

    def _doppler(self, beta: Array) -> tuple[Any, Any]:
        """Wavelengths (or energies) over those at rest, and the derivative by ``beta = v/c``."""
        grows = self.kind == "wavelength"
        if self.convention == "relativistic":
            stretch = np.sqrt((1.0 + beta) / (1.0 - beta))
            slope = stretch / (1.0 - beta**2)
            return (stretch, slope) if grows else (1.0 / stretch, -slope / stretch**2)
        if (self.convention == "optical") == grows:
            sign = 1.0 if grows else -1.0
            return 1.0 + sign * beta, sign
        sign = -1.0 if grows else 1.0  # lambda = lambda_0 / (1 - v/c), or nu = nu_0 / (1 + v/c)
        factor = 1.0 / (1.0 + sign * beta)
        return factor, -sign * factor**2


def kind_of_unit(unit: UnitBase) -> str:
    """Which kind of axis a unit is of."""
    for kind, example in (("wavelength", "m"), ("energy", "eV"), ("frequency", "Hz"), ("velocity", "km/s")):
        if unit.is_equivalent(example):
            return kind
    raise InputError(f"{unit} is no unit of a wavelength, energy, frequency or velocity")


def thermal_variance(temperature: Any, group: Group) -> float:
    """Variance of thermal velocities along the line of sight, ``k T / m``, in (km/s)^2; 0 without a temperature.

    Parameters
    ----------
    temperature : None, (number, unit) or Quantity
        Of the ions: a temperature, or k T as an energy.
    """
    if temperature is None:
        return 0.0
    if group.mass is None:
        raise InputError(
            f"`thermal` needs the mass of the ion: give `element` (as 'Fe') or `mass` of group '{group.name}'"
        )
    return _electron_volts(temperature) / (group.mass * ATOMIC_MASS) * LIGHT**2


def _electron_volts(temperature: Any) -> float:
    """The energy k T in eV."""
    from astropy.units import Quantity, UnitConversionError, temperature_energy

    try:
        value = Quantity(*temperature) if isinstance(temperature, tuple) else Quantity(temperature)
        energy = float(value.to_value("eV", temperature_energy()))
    except (TypeError, ValueError, UnitConversionError):
        energy = np.nan
    if not 0 <= energy < np.inf:
        raise InputError(f"`thermal` is {temperature!r}, but it must be a temperature or k T, as (4.05e3, 'eV')")
    return energy
