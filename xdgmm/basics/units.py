"""Units of coordinates: what they convert to, and what the units of differences and covariances are."""

import numpy as np

from xdgmm.errors import InputError

from .arrays import as_floats, n_axes


def difference_unit(unit):
    """Unit of a difference: mag for mag(AB), K for deg_C, the unit itself where it has a zero that is one."""
    if str(unit) == "deg_C":
        from astropy.units import K

        return K
    return getattr(unit, "function_unit", unit)


def unit_factors(units, targets, names):
    """What values in `units` are multiplied with to be in `targets` (D,); 1 where either has none."""
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


def as_floats_in(value, name, units):
    """Float64 numbers in the units of the coordinates, from numbers, a Quantity, or (nested) lists of Quantities.

    `units` is an array of units (or None) for the last axes of the value: (D,) for points, (D, D) for matrices.
    """
    units = np.asarray(units, dtype=object)
    own = getattr(value, "unit", None)
    if own is not None:
        numbers = as_floats(value, name)[0]
        return numbers * np.vectorize(lambda unit: _unit_factor(own, unit, name), otypes=[float])(units)
    if isinstance(value, (list, tuple)) and _holds_units(value):
        below = units if n_axes(value) > units.ndim else None
        entries = (as_floats_in(v, name, units[i] if below is None else below) for i, v in enumerate(value))
        return np.stack([np.asarray(entry, dtype=float) for entry in entries])
    return as_floats(value, name)[0]


def covariance_units(units):
    """The unit of each element of a covariance (D, D) of coordinates with these units; None where one has none."""
    D = len(units)
    result = np.full((D, D), None, dtype=object)
    for i in range(D):
        for j in range(D):
            if units[i] is not None and units[j] is not None:
                result[i, j] = difference_unit(units[i]) * difference_unit(units[j])
    return result


def _unit_factor(own, unit, name):
    from astropy.units import UnitConversionError

    if unit is None:
        raise InputError(f"`{name}` has the unit {own}, but the coordinates have none; give plain numbers")
    try:
        return 1.0 if own == unit else own.to(unit)
    except (UnitConversionError, TypeError):
        raise InputError(
            f"`{name}` has the unit {own}, which does not convert to {unit}; give it in units of the coordinates"
        ) from None


def _holds_units(value):
    if isinstance(value, (list, tuple)):
        return any(_holds_units(entry) for entry in value)
    return getattr(value, "unit", None) is not None


def check_units(units, n_dimensions, what="columns"):
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
