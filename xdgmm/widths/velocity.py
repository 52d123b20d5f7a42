"""Widths in km/s: of proper motions at a distance, of wavelengths, frequencies and energies beside a rest value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xdgmm.basics.quantiles import normal_quantile
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from astropy.units import Quantity, UnitBase

CONVENTIONS = ("optical", "radio", "relativistic")


class ToVelocity:
    """How numbers of one column become velocities, and which error that adds.

    Parameters
    ----------
    unit : astropy unit
        Of the column.
    distance, distance_error : Quantity, optional
        Of proper motions: ``v = mu d``.  The relative error of the distance is common to all objects, so it adds to the
        error of every mean and width in quadrature.
    rest : Quantity, optional
        Rest wavelength, frequency or energy of a line.
    convention : {"optical", "radio", "relativistic"}
        Which Doppler formula: ``c (lambda - lambda0) / lambda0``, ``c (nu0 - nu) / nu0``, or the exact one.
    level : float
        Probability of the intervals that are converted.

    Raises
    ------
    InputError
        If neither or both of distance and rest value are given, or a unit does not convert.
    """

    def __init__(
        self,
        unit: UnitBase | None,
        *,
        distance: Quantity | None = None,
        distance_error: Quantity | None = None,
        rest: Quantity | None = None,
        convention: str = "optical",
        level: float = 0.6827,
    ) -> None:
        if (distance is None) == (rest is None):
            raise InputError("velocities need either a `distance` (of proper motions) or a `rest` value (of lines)")
        if unit is None:
            raise InputError("the columns have no unit, so they do not become velocities; give them one")
        self.unit, self.rest, self.convention = unit, rest, convention
        self.relative_error, self.deviations = 0.0, normal_quantile(0.5 + 0.5 * level)
        if distance is not None:
            _check_positive(distance, "distance", "a length", "kpc")
            self.factor = _proper_motion_factor(unit, distance)
            self.relative_error = _relative(distance, distance_error)
            self.sentence = f"velocities at a distance of {distance}"
        else:
            _check_rest(unit, rest)
            self.sentence = f"velocities about a rest value of {rest}, {convention} convention"

    def velocity(self, number: ArrayLike) -> NDArray[np.float64]:
        """Velocity in km/s of numbers in the unit of the column."""
        from astropy import units as u

        if self.rest is None:
            return np.asarray(number) * self.factor
        doppler = getattr(u, f"doppler_{self.convention}")(self.rest)
        return np.asarray((np.asarray(number) * u.Unit(self.unit)).to_value(u.km / u.s, doppler))

    def scale(self, mean: float) -> float:
        """How many km/s a small width of one unit is, about this mean."""
        if self.rest is None:
            return self.factor
        if not mean > 0:
            raise InputError(
                f"a mean is {mean:.6g} {self.unit}, but wavelengths, frequencies and energies are positive; give "
                "positions of lines, not offsets"
            )
        step = 1e-5 * abs(mean)
        return float(np.abs(self.velocity(mean + step) - self.velocity(mean - step)) / (2.0 * step))

    def width(self, value: float, low: float, high: float, mean: float) -> tuple[float, float, float]:
        """A width (or any difference) and the ends of its interval in km/s, the distance's error put in."""
        factor = self.scale(mean)
        value, low, high = value * factor, low * factor, high * factor
        return value, *self._widened(value, low, high)

    def mean(self, value: float, low: float, high: float) -> tuple[float, float, float]:
        """A mean and the ends of its interval in km/s."""
        value, *ends = (float(self.velocity(number)) for number in (value, low, high))
        return value, *self._widened(value, *sorted(ends))

    def _widened(self, value: float, low: float, high: float) -> tuple[float, float]:
        added = self.deviations * abs(value) * self.relative_error
        return value - np.hypot(value - low, added), value + np.hypot(high - value, added)


def _check_rest(unit: UnitBase, rest: Any) -> None:
    from astropy.units import Unit, UnitConversionError, spectral

    _check_positive(rest, "rest", "a wavelength, frequency or energy", None)
    try:
        (1.0 * Unit(unit)).to(rest.unit, spectral())
        (1.0 * rest.unit).to("AA", spectral())
    except (UnitConversionError, TypeError):
        raise InputError(
            f"the columns are in {unit} and `rest` in {rest.unit}, which are no wavelengths, frequencies or energies; "
            "give both as one of these"
        ) from None


def _check_positive(value: Any, name: str, kind: str, example: str | None) -> None:
    from astropy.units import Quantity

    fits = isinstance(value, Quantity) and value.isscalar and 0 < value.value < np.inf
    if not fits or (example is not None and not value.unit.is_equivalent(example)):
        raise InputError(f"`{name}` is {value!r}, but it must be {kind}: a positive Quantity with a unit")


def _proper_motion_factor(unit: UnitBase, distance: Quantity) -> float:
    from astropy import units as u

    if not u.Unit(unit).is_equivalent(u.mas / u.yr):
        raise InputError(f"the columns are in {unit}, but a distance turns proper motions (mas/yr) into velocities")
    return float((1.0 * u.Unit(unit) * distance).to_value(u.km / u.s, u.dimensionless_angles()))


def _relative(distance: Quantity, error: Quantity | None) -> float:
    if error is None:
        return 0.0
    from astropy.units import UnitsError

    try:
        ratio = (error / distance).to_value("")
    except (UnitsError, TypeError, AttributeError):
        raise InputError(f"`distance_error` is {error}, which has not the unit of the distance, {distance}") from None
    if np.ndim(ratio) or not 0 <= ratio < np.inf:
        raise InputError(f"`distance_error` is {error}, but it must be one positive length")
    return float(ratio)
