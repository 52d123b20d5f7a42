"""The width of an instrument as it was given: numbers, arrays at positions, a function, or a resolution matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_dimensionless, as_floats, read_only
from xdgmm.basics.constants import FWHM, LIGHT
from xdgmm.errors import InputError

from .axes import axis_kind, converted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from astropy.units import UnitBase
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MEASURES = {"sigma": "sigma", "fwhm": "fwhm", "R": "R", "sigma_kms": "sigma", "sigmas": "sigma"}


@dataclass(frozen=True, eq=False)
class Widths:
    """Widths of J Gaussians: the same everywhere, at positions, or from a function.

    Attributes
    ----------
    measure : str
        What the numbers are: "sigma", "fwhm" or "R".
    numbers : ndarray (J, 1) or (J, n), or callable
        The widths, or a function of positions (L,) that gives them.
    x : ndarray (n,) or None
        Positions of the widths, increasing.
    unit : astropy unit or None
        Of positions, and of widths which are no velocities; None where plain numbers are in the unit of the spectrum.
    in_kms : bool
        Are they velocities in km/s?
    """

    measure: str
    numbers: Floats | Callable[[Floats], Any]
    x: Floats | None = None
    unit: UnitBase | None = None
    in_kms: bool = False

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("numbers", "x"):
            if isinstance(getattr(self, name), np.ndarray):
                object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def is_relative(self) -> bool:
        """Are they relative to the position, so that they need no unit of the axis?"""
        return self.in_kms or self.measure == "R"

    def at(self, positions: Floats, unit: UnitBase | None) -> Floats:
        """Standard deviations (J, L) at positions (L,), in their unit."""
        in_velocity = axis_kind(unit) == "velocity"
        own = self._own(positions, unit)
        numbers = self._numbers_at(own, unit)
        sigmas = self._as_sigmas(numbers)
        if not self.is_relative:
            return np.asarray(sigmas * _width_factor(own, self.unit, positions, unit))
        fractions = sigmas / LIGHT if self.in_kms else sigmas
        if in_velocity:
            assert unit is not None
            return np.asarray(fractions * LIGHT / unit.to("km / s"))
        if not (positions > 0).all():
            raise InputError(
                f"R and widths in km/s are fractions of a wavelength, energy or frequency, but a position is "
                f"{positions.min():.6g}; give `sigma`, or the velocities of the axis a unit"
            )
        return np.asarray(fractions * positions)

    def _as_sigmas(self, numbers: Floats) -> Floats:
        """Standard deviations of these numbers: fractions of the position, velocities, or in the own unit."""
        return 1.0 / (FWHM * numbers) if self.measure == "R" else numbers / (FWHM if self.measure == "fwhm" else 1.0)

    def check_axis(self, positions: Floats, unit: UnitBase | None) -> None:
        """Refuse an axis on which these widths mean nothing, wherever on it a line is.

        Raises
        ------
        InputError
            If only one of the axis and the widths has a unit, or the units do not convert.
        """
        self._own(positions, unit)

    def _own(self, positions: Floats, unit: UnitBase | None) -> Floats:
        """Positions in the own unit, the same array where there is nothing to convert."""
        if self.unit is None or self.unit == unit or (self.is_relative and self._is_constant):
            return positions
        if unit is None:
            raise InputError(f"the LSF is in {self.unit}, but the spectrum has no unit; give both a unit, or neither")
        return converted(positions, unit, self.unit, "positions in the spectrum are")

    @property
    def _is_constant(self) -> bool:
        return self.x is None and not callable(self.numbers)

    def _numbers_at(self, own: Floats, unit: UnitBase | None) -> Floats:
        if callable(self.numbers):
            return self._called(self.numbers, own, unit if self.unit is None else self.unit)
        if self.x is None:
            return np.broadcast_to(self.numbers, (len(self.numbers), own.size))
        self._check_covered(self.x, self.numbers, own)
        return np.array([np.interp(own, self.x, row) for row in self.numbers])

    def _plain_sigmas(self, numbers: Floats, x: Floats) -> Floats:
        """Standard deviations in the own unit of numbers (J, n) at positions (n,)."""
        sigmas = self._as_sigmas(numbers)
        if not self.is_relative:
            return sigmas
        fractions = sigmas / LIGHT if self.in_kms else sigmas
        velocity = self.unit is not None and axis_kind(self.unit) == "velocity"
        return fractions * (LIGHT / self.unit.to("km / s") if velocity and self.unit is not None else np.abs(x))

    def _called(self, function: Callable[[Floats], Any], own: Floats, unit: UnitBase | None) -> Floats:
        """What a function gives, in the own unit, or in km/s."""
        from astropy.units import Unit

        found = function(own)
        target = Unit("km / s") if self.in_kms else unit
        if getattr(found, "unit", None) is not None and target is None and self.measure != "R":
            raise InputError(f"`{self.measure}` gives widths in {found.unit}, but the spectrum has no unit; give one")
        name = f"`{self.measure}` at these positions"
        numbers = as_dimensionless(found, name) if self.measure == "R" else as_floats(found, name, target)[0]
        if numbers.shape not in ((), own.shape):
            raise InputError(f"{name} has shape {numbers.shape}, but one width for each of {own.size} is needed")
        return np.broadcast_to(positive(numbers, name), own.shape)[None]

    def _check_covered(self, x: Floats, numbers: Floats, own: Floats) -> None:
        """Refuse positions outside the given ones by more than half a step, where the last pixel ends.

        A table with few positions has long steps, beyond which nothing is known: no more than the width itself.
        """
        ends = np.array([0, -1])
        steps = np.array([x[1] - x[0], x[-1] - x[-2]]) if x.size > 1 else np.zeros(2)
        before, after = np.minimum(0.5 * steps, FWHM * self._plain_sigmas(numbers[:, ends], x[ends]).max(axis=0))
        outside = ~((own >= x[0] - before) & (own <= x[-1] + after))
        if outside.any():
            name = "" if self.unit is None else f" {self.unit}"
            raise InputError(
                f"the LSF is given from {x[0]:.6g} to {x[-1]:.6g}{name}, but it is needed at "
                f"{own[outside][0]:.6g}{name}; give widths there too, or leave that part of the spectrum out"
            )


def _width_factor(own: Floats, unit: UnitBase | None, positions: Floats, target: UnitBase | None) -> Any:
    """Factor from small widths at positions in the own unit to those in another unit."""
    if own is positions or unit is None or target is None:
        return 1.0
    if axis_kind(unit) == axis_kind(target):
        return unit.to(target)
    return np.abs(positions / own)  # wavelengths, energies and frequencies: relative widths are the same


def positive(numbers: Floats, name: str) -> Floats:
    """The numbers, if they are widths; a single 0 is an instrument without a width, for widths as observed.

    Raises
    ------
    InputError
        If one is not positive and finite.
    """
    if numbers.ndim == 0 and numbers == 0 and name != "R":
        return numbers
    bad = ~((numbers > 0) & (numbers < np.inf))
    if bad.any():
        quoted = f"`{name}`" if name.isidentifier() else name
        raise InputError(f"{quoted} is {numbers[bad].flat[0]:.6g}, but a width must be positive and finite")
    return numbers


def given_widths(given: Mapping[str, Any], x: Any, unit: UnitBase | None) -> Widths:
    """The widths of the one argument that was given, without a resolution matrix.

    Raises
    ------
    InputError
        If a width is not positive, an array has no positions or not as many, or units do not match.
    """
    (name,) = [name for name, value in given.items() if value is not None]
    value = given[name]
    if callable(value):
        return _of_function(name, value, x, unit)
    numbers, own, in_kms = _numbers(name, value)
    positions, in_x = (None, unit) if x is None else _positions(x, unit)
    if not in_kms and name != "R":
        own = unit if own is None else own
        numbers, in_x = _in_unit_of_positions(name, numbers, own, in_x, has_positions=x is not None)
    numbers, positions = _sorted(name, numbers, positions)
    axis_kind(in_x, name if positions is None else "x")
    return Widths(MEASURES[name], numbers, positions, in_x, in_kms)


def _of_function(name: str, function: Any, x: Any, unit: UnitBase | None) -> Widths:
    if x is not None:
        raise InputError(f"`x` belongs to an array of widths, but `{name}` is a function; leave `x` out")
    unit = getattr(function, "position_unit", None) if unit is None else unit  # as `measure_lsf` measures it
    return Widths(MEASURES[name], function, None, unit, name == "sigma_kms")


def _numbers(name: str, value: Any) -> tuple[Floats, UnitBase | None, bool]:
    """Positive numbers, their unit if it is that of an axis, and whether they are in km/s."""
    from astropy.units import Unit

    unit = getattr(value, "unit", None)
    if name == "R":
        return positive(as_dimensionless(value, name), name), None, False
    if name == "sigma_kms" or axis_kind(unit, name) == "velocity":
        return positive(as_floats(value, name, Unit("km / s") if unit is not None else None)[0], name), None, True
    return positive(as_floats(value, name)[0], name), unit, False


def _positions(x: Any, unit: UnitBase | None) -> tuple[Floats, UnitBase | None]:
    """Positions and their unit, which is `unit` for plain numbers."""
    positions, own = as_floats(x, "x")
    return positions, unit if own is None else own


def _in_unit_of_positions(
    name: str, numbers: Floats, own: UnitBase | None, target: UnitBase | None, *, has_positions: bool
) -> tuple[Floats, UnitBase | None]:
    """Widths in the unit of the positions, or where there are no positions in `target` or their own unit."""
    from astropy.units import UnitConversionError

    if has_positions and (own is None) != (target is None):
        (has, unit), lacks = ((name, own), "x") if target is None else (("x", target), name)
        raise InputError(f"`{has}` is in {unit}, but `{lacks}` has no unit; give both a unit, or neither of them")
    if own is None or target is None:
        return numbers, own if target is None else target
    try:
        return numbers * own.to(target), target
    except UnitConversionError:
        raise InputError(f"`{name}` is in {own}, which does not convert to {target}; give both on one axis") from None


def _sorted(name: str, numbers: Floats, x: Floats | None) -> tuple[Floats, Floats | None]:
    """Widths (J, n) at increasing positions (n,), or (J, 1) without positions."""
    rows = np.atleast_2d(numbers.reshape(-1, 1) if name == "sigmas" and numbers.ndim == 1 else numbers)
    if x is None:
        if rows.shape[1] != 1 or numbers.ndim > 1:
            raise InputError(f"`{name}` has shape {numbers.shape}, so `x` is needed: the position of each width")
        return rows, None
    if x.ndim != 1 or (rows.shape[1] not in (1, x.size)) or rows.ndim != 2:
        raise InputError(f"`{name}` has shape {numbers.shape}, but `x` {x.shape}; give one width for each position")
    if not np.isfinite(x).all() or np.unique(x).size < x.size:
        raise InputError("`x` has positions that are missing or the same; give each width its own position")
    order = np.argsort(x)
    return np.broadcast_to(rows, (len(rows), x.size))[:, order], x[order]
