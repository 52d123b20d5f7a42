"""Checks at the door: arrays become plain float64 here, or one sentence says why they cannot."""

import numpy as np

from xdgmm.errors import InputError, KindError

FIRST = 5  # how many offending rows a message lists
ROUNDING = 1e-8  # how far from symmetric or positive semi-definite a covariance may be, relative to its scale
CHUNK = 100_000  # rows checked at a time
LARGEST = 1e150  # so that squares and their sums are finite


def listed(rows):
    """'row 3', or 'rows 0, 4, 7, 8, 9, ... (12 in all)', counting from 0."""
    rows = np.asarray(rows)
    shown = ", ".join(str(row) for row in rows[:FIRST])
    if rows.size == 1:
        return f"row {shown}"
    return f"rows {shown}" + (f", ... ({rows.size} in all)" if rows.size > FIRST else "")


def plain(array, name, unit=None):
    """Float64 array and unit from an array, masked array or Quantity; masked becomes NaN.

    `unit` is what a Quantity is converted to; without it a Quantity keeps its own.
    """
    own_unit = getattr(array, "unit", None)
    if own_unit is not None:
        unit = own_unit if unit is None else unit
        array = _converted(array, own_unit, unit, name)
    array, mask = _unmasked(array)
    array = _as_float(array, name)
    if mask is not None and np.any(mask):
        array = np.where(mask, np.nan, array)
    return array, unit


def _unmasked(array):
    """Elements and mask (None where there is none) of numpy's masked arrays, astropy's, and others."""
    if isinstance(array, np.ma.MaskedArray):
        return array.data, array.mask
    mask = getattr(array, "mask", None)
    return getattr(array, "unmasked", array), None if callable(mask) else mask  # a data frame has a method `mask`


def _converted(array, own_unit, unit, name):
    from astropy.units import Unit, UnitConversionError

    try:
        factor = 1.0 if own_unit == unit else own_unit.to(Unit(unit))
    except UnitConversionError:
        raise InputError(
            f"`{name}` has the unit {own_unit}, which does not convert to {unit}; give both in convertible units"
        ) from None
    value = array.value
    return value if factor == 1.0 else value * factor


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


def _as_float(array, name):
    if hasattr(array, "toarray"):
        raise KindError(f"`{name}` is sparse, and sparse data are not supported; give a dense array: .toarray()")
    try:
        raw = np.asarray(array)
    except ValueError:
        raise InputError(f"`{name}` is ragged: its rows have different lengths; make them equal") from None
    if raw.dtype.kind == "O":
        _refuse_objects(raw, name)
    elif raw.dtype.kind not in "fiu":
        raise InputError(f"{_kind(raw, name)}, but numbers belong there; convert it to float")
    return np.ascontiguousarray(raw, dtype=np.float64).reshape(raw.shape)


def _refuse_objects(raw, name):
    """Python objects that are all numbers may pass."""
    others = {type(each).__name__ for each in raw.flat if not isinstance(each, (int, float, np.floating, np.integer))}
    if others:
        raise KindError(
            f"`{name}` holds values of type object ({', '.join(sorted(others))}); the argument must be numeric: "
            "without strings and other objects, a number each; convert it to float"
        )


def _kind(raw, name):
    """What is not supported, in words that scikit-learn's users know."""
    if raw.dtype.kind == "c":
        return f"Complex data not supported: `{name}` holds complex numbers"
    kinds = {"U": "strings", "S": "strings", "b": "booleans", "M": "dates"}
    return f"`{name}` holds {kinds.get(raw.dtype.kind, f'values of type {raw.dtype}')}"


def check_count(n_samples):
    """How many draws are asked for; InputError if that is no whole number, or negative."""
    if isinstance(n_samples, (bool, np.bool_)) or not isinstance(n_samples, (int, np.integer)) or n_samples < 0:
        raise InputError(f"`n_samples` is {n_samples!r}, but it must be a whole number, zero or positive")
    return n_samples


def generator(rng, name="rng"):
    """The numpy Generator of a seed, or the one given."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise InputError(
            f"`{name}` is {rng!r}, but it must be a numpy Generator, a seed (a whole number from 0), or None"
        ) from None


def read_only(array):
    """A view whose elements cannot be set."""
    if array is None:
        return None
    view = array.view()
    view.flags.writeable = False
    return view


def as_columns(values, name="values"):
    """Values as (N, D); a one-dimensional array is one column."""
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise InputError(f"`{name}` has shape {values.shape}, but one row per object is needed: (N,) or (N, D)")
    if values.shape[1] == 0 < values.shape[0]:
        raise InputError(f"`{name}` is empty: 0 feature(s) (shape={values.shape}) while a minimum of 1 is required.")
    if values.shape[0] == 0 or values.shape[1] == 0:
        raise InputError(f"`{name}` is empty (shape {values.shape}); give at least one row and one column")
    return values


def check_values(values, name="values"):
    """Infinite values, and values that cannot be squared, are refused; NaN is missing."""
    infinite = (np.abs(values) > LARGEST).any(axis=1)
    if infinite.any():
        what = f"`{name}` is {too_large(values)} in {listed(np.flatnonzero(infinite))}"
        raise InputError(f"{what}; use NaN or a mask for missing values")


def too_large(values):
    """What is wrong with values of which some are beyond LARGEST."""
    return "infinite" if np.isinf(values).any() else f"beyond {LARGEST:g}"


def check_something_seen(values):
    """There must be a value somewhere."""
    if not np.isfinite(values).any():
        raise InputError("every value is missing (NaN or masked), so there is nothing to fit; check the columns")


def check_columns_seen(values, names):
    """Every column must have a value somewhere, or nothing can be learned about it."""
    seen = np.isfinite(values).any(axis=0)
    if not seen.all():
        empty = ", ".join(name for name, any_seen in zip(names, seen, strict=True) if not any_seen)
        raise InputError(f"every value of {empty} is missing (NaN or masked); leave that column out")


def check_weights(weights, n_objects):
    """Object weights (N,): finite, not negative, not all zero."""
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.shape != (n_objects,):
        raise InputError(f"`weights` has shape {weights.shape}, but one weight per object is needed: ({n_objects},)")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        raise InputError(
            f"`weights` is negative or not finite in {listed(np.flatnonzero(bad))}; use 0 to leave an object out"
        )
    if not weights.any():
        raise InputError("`weights` is zero for every object, so there is nothing to fit; give some a weight")
    return weights


def check_standard_errors(standard_errors, values):
    """1-sigma errors (N, D) of the values; returns (errors, values) with values of infinite error missing."""
    if standard_errors.ndim == 1 and values.shape == (standard_errors.size, 1):
        standard_errors = standard_errors[:, None]
    if standard_errors.ndim == 0:
        standard_errors = np.full(values.shape, float(standard_errors))
    if standard_errors.shape != values.shape:
        raise InputError(
            f"`standard_errors` has shape {standard_errors.shape}, but `values` has shape {values.shape}; "
            "they must be equal"
        )
    present = np.isfinite(values)
    bad = present & ~(standard_errors >= 0)
    if bad.any():
        raise InputError(
            f"`standard_errors` is negative or NaN for a value that is present in "
            f"{listed(np.flatnonzero(bad.any(axis=1)))}; give its 1-sigma error, or NaN as its value"
        )
    infinite = standard_errors > LARGEST
    if infinite.any():
        standard_errors = np.where(infinite, np.inf, standard_errors)
    return _drop_infinite(standard_errors, values, infinite & present)


def check_covariances(covariances, values):
    """Noise covariances (N, D, D); returns (covariances, values) with values of infinite variance missing."""
    n_objects, n_dimensions = values.shape
    if covariances.shape != (n_objects, n_dimensions, n_dimensions):
        raise InputError(
            f"`covariances` has shape {covariances.shape}, but `values` has shape {values.shape}; "
            f"({n_objects}, {n_dimensions}, {n_dimensions}) is needed"
        )
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    covariances, values = _drop_infinite(covariances, values, np.isposinf(variances) & np.isfinite(values))
    for start in range(0, n_objects, CHUNK):
        part = slice(start, start + CHUNK)
        _check_covariance_rows(covariances[part], np.isfinite(values[part]), start)
    return covariances, values


def _drop_infinite(noise, values, infinite):
    if not infinite.any():
        return noise, values
    return noise, np.where(infinite, np.nan, values)


def _check_covariance_rows(covariances, seen, start):
    both = seen[:, :, None] & seen[:, None, :]
    C = np.where(both, covariances, np.eye(seen.shape[1]))
    _refuse(~np.isfinite(C).all(axis=(1, 2)), "NaN or infinite for a value that is present", start)
    variances = np.diagonal(C, axis1=1, axis2=2)
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))
    exact = (variances == 0)[:, :, None] & ~np.eye(C.shape[1], dtype=bool)
    _refuse((exact & (C != 0)).any(axis=(1, 2)), "not positive semi-definite", start)
    C = C / scale[:, :, None] / scale[:, None, :]
    _refuse((np.abs(C - C.transpose(0, 2, 1)) > ROUNDING).any(axis=(1, 2)), "not symmetric", start)
    try:
        np.linalg.cholesky(C + ROUNDING * np.eye(C.shape[1]))
    except np.linalg.LinAlgError:
        negative = np.linalg.eigvalsh(C)[:, 0] < -ROUNDING
        _refuse(negative, "not positive semi-definite", start)


def _refuse(bad, what, start):
    if bad.any():
        raise InputError(
            f"`covariances` is {what} in {listed(start + np.flatnonzero(bad))}; "
            "give a symmetric matrix without negative eigenvalues (variances, not 1-sigma errors, on its diagonal)"
        )


def plain_in(value, name, units):
    """Float64 numbers in the units of the coordinates, from numbers, a Quantity, or (nested) lists of Quantities.

    `units` is an array of units (or None) for the last axes of the value: (D,) for points, (D, D) for matrices.
    """
    units = np.asarray(units, dtype=object)
    own = getattr(value, "unit", None)
    if own is not None:
        numbers = plain(value, name)[0]
        return numbers * np.vectorize(lambda unit: _unit_factor(own, unit, name), otypes=[float])(units)
    if isinstance(value, (list, tuple)) and _holds_units(value):
        below = units if depth(value) > units.ndim else None
        entries = (plain_in(v, name, units[i] if below is None else below) for i, v in enumerate(value))
        return np.stack([np.asarray(entry, dtype=float) for entry in entries])
    return plain(value, name)[0]


def squared_units(units):
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


def depth(value):
    """Number of axes of an array, or of nested lists that may hold Quantities."""
    if isinstance(value, (list, tuple)):
        return 1 + max((depth(entry) for entry in value), default=0)
    return np.ndim(value)


def dimensionless(array, name):
    """Float64 array of plain numbers; a Quantity whose unit is a mere number is converted to it."""
    unit = getattr(array, "unit", None)
    if unit is None:
        return plain(array, name)[0]
    from astropy.units import dimensionless_unscaled

    if not unit.is_equivalent(dimensionless_unscaled):
        raise InputError(
            f"`{name}` has the unit {unit}, but plain numbers belong there; divide by the unit of the coordinates"
        )
    return plain(array, name, dimensionless_unscaled)[0]


def check_projection_shape(projections, shape):
    """Projections (M, D) or (N, M, D) of values of shape (N, M)."""
    axes = projections.ndim
    if axes not in (2, 3) or projections.shape[:-1] != shape[3 - axes :] or projections.shape[-1] == 0:
        raise InputError(
            f"`projections` has shape {projections.shape}, but `values` has shape {shape}; ({shape[1]}, D) for all "
            f"objects or ({shape[0]}, {shape[1]}, D) is needed"
        )


def check_projections(projections, values):
    """Projections of the values; rows of missing values that are not finite become zero.

    Raises
    ------
    InputError
        If the row of a value that is present is not finite, or all of an object's are zero (rows are listed).
    """
    flags = []
    for start in range(0, len(values), CHUNK):
        part = slice(start, start + CHUNK)
        R = projections if projections.ndim == 2 else projections[part]
        flags.append(_projection_flags(R, np.isfinite(values[part])))
    unknown, blind, unused = np.concatenate(flags, axis=1)
    if unknown.any():
        raise InputError(
            f"`projections` is NaN or infinite for a value that is present in {listed(np.flatnonzero(unknown))}; "
            "give finite numbers, or NaN as its value"
        )
    if blind.any():
        raise InputError(
            f"`projections` is zero for every value that is present in {listed(np.flatnonzero(blind))}, so nothing is "
            "seen there; leave such objects out"
        )
    return np.nan_to_num(projections, nan=0.0, posinf=0.0, neginf=0.0) if unused.any() else projections


def _projection_flags(R, seen):
    """Of each object (3, N): a seen row that is not finite; seen rows that are all zero; any row not finite."""
    finite = np.broadcast_to(np.isfinite(R).all(axis=-1), seen.shape)
    looks = seen & (R != 0).any(axis=-1)
    return np.array(
        [(seen & ~finite).any(axis=1), seen.any(axis=1) & ~looks.any(axis=1), ~finite.all(axis=1)],
    )


def check_names(names, n_dimensions, what="columns"):
    """A tuple of D different names; x1, x2, ... where none are given."""
    if names is None:
        return tuple(f"x{i + 1}" for i in range(n_dimensions))
    names = (names,) if isinstance(names, str) else tuple(str(name) for name in names)
    if len(names) != n_dimensions:
        raise InputError(f"`names` has {len(names)} entries, but there are {n_dimensions} {what}; give one for each")
    if len(set(names)) < len(names):
        raise InputError(f"`names` repeats a name: {', '.join(names)}; make them different")
    return names


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
