"""Units of coordinates: conversions, and the units of differences and covariances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from xdgmm.errors import InputError
from xdgmm.text import printable

from .arrays import as_floats, n_axes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.units import UnitBase
    from numpy.typing import NDArray


def list_columns(names: Iterable[str], units: Iterable[UnitBase | None]) -> str:
    """'v [km / s], r': names with their units, as they can be printed."""
    pairs = zip(names, units, strict=True)
    return printable(", ".join(name if unit is None else f"{name} [{unit}]" for name, unit in pairs))


@overload
def difference_unit(unit: None) -> None: ...


@overload
def difference_unit(unit: UnitBase) -> UnitBase: ...


def difference_unit(unit: UnitBase | None) -> UnitBase | None:
    """Unit of a difference: mag for mag(AB), K for deg_C, otherwise the unit itself."""
    if str(unit) == "deg_C":
        from astropy.units import K

        return K
    return getattr(unit, "function_unit", unit)


def unit_factors(
    units: Sequence[UnitBase | None], targets: Sequence[UnitBase | None], names: Sequence[str]
) -> NDArray[np.float64]:
    """Factors (D,) that convert values in `units` to `targets`; 1 where either has none."""
    from astropy.units import UnitConversionError

    factors = np.ones(len(names))
    for i, (unit, target, name) in enumerate(zip(units, targets, names, strict=True)):
        if unit is None or target is None or unit == target:
            continue
        try:
            factors[i] = unit.to(target)
        except (UnitConversionError, TypeError):
            raise InputError(
                f"'{name}' is in {unit}, which does not convert to {target}, the unit it is compared with"
            ) from None
    return factors


def common_unit(array: Any, name: str, units: Sequence[UnitBase | None], what: str) -> UnitBase | None:
    """The unit that all coordinates have, to which an array with a unit is converted; None for an array without one.

    Raises
    ------
    InputError
        If the array has a unit, but the coordinates (called `what`) have none, or several.
    """
    own = getattr(array, "unit", None)
    if own is None:
        return None
    if len(set(units)) > 1 or units[0] is None:
        raise InputError(f"`{name}` has the unit {own}, but the {what} have no unit in common; give plain numbers")
    return units[0]


def as_floats_in(value: Any, name: str, units: Sequence[Any] | NDArray[np.object_]) -> NDArray[np.float64]:
    """Float64 numbers in the units of the coordinates, from numbers, a Quantity, or (nested) lists of Quantities.

    `units` is an array of units (or None) for the last axes of the value: (D,) for points, (D, D) for matrices.
    """
    of_elements = np.asarray(units, dtype=object)
    own = getattr(value, "unit", None)
    if own is not None:
        numbers = as_floats(value, name)[0]
        factors = np.vectorize(lambda unit: _unit_factor(own, unit, name), otypes=[float])(of_elements)
        return np.asarray(numbers * factors)
    if isinstance(value, (list, tuple)) and holds_units(value):
        same = n_axes(value) > of_elements.ndim
        entries = (as_floats_in(v, name, of_elements if same else of_elements[i]) for i, v in enumerate(value))
        return np.stack([np.asarray(entry, dtype=float) for entry in entries])
    return as_floats(value, name)[0]


def covariance_units(units: Sequence[UnitBase | None]) -> NDArray[np.object_]:
    """The unit of each element of a covariance (D, D) of coordinates with these units; None where one has none."""
    D = len(units)
    result = np.full((D, D), None, dtype=object)
    for i in range(D):
        for j in range(D):
            one, other = units[i], units[j]
            if one is not None and other is not None:
                result[i, j] = difference_unit(one) * difference_unit(other)
    return result


def _unit_factor(own: UnitBase, unit: UnitBase | None, name: str) -> float:
    from astropy.units import UnitConversionError

    if unit is None:
        raise InputError(f"`{name}` has the unit {own}, but the coordinates have none; give plain numbers")
    try:
        return 1.0 if own == unit else own.to(unit)
    except (UnitConversionError, TypeError):
        raise InputError(
            f"`{name}` has the unit {own}, which does not convert to {unit}; give it in units of the coordinates"
        ) from None


def holds_units(value: Any) -> bool:
    """Is there a Quantity in (nested) lists?"""
    if isinstance(value, (list, tuple)):
        return any(holds_units(entry) for entry in value)
    return getattr(value, "unit", None) is not None


def check_units(
    units: str | UnitBase | Iterable[str | UnitBase | None] | None, n_dimensions: int, what: str = "columns"
) -> tuple[UnitBase | None, ...]:
    """A tuple of D units (astropy units, or None where there is none)."""
    if units is None:
        return (None,) * n_dimensions
    from astropy.units import Unit, UnitBase

    units = (
        (units,) * n_dimensions
        if isinstance(units, (str, UnitBase)) or hasattr(units, "function_unit")
        else tuple(units)
    )
    if len(units) != n_dimensions:
        raise InputError(f"`units` has {len(units)} entries, but there are {n_dimensions} {what}; give one for each")
    try:
        return tuple(None if unit is None else Unit(unit) for unit in units)
    except (ValueError, TypeError) as error:
        raise InputError(f"`units` holds something astropy does not know as a unit: {error}") from None
