"""Table columns to `Observations`: values, errors, units, what is missing, and what to do with unusable errors."""

from dataclasses import replace

import numpy as np

from xdgmm.errors import InputError
from xdgmm.observations import Observations
from xdgmm.observations.validation import listed, plain

from .columns import columns_with_errors, find, find_errors

ON_BAD = ("raise", "drop", "missing", "exact")


def observations_from_table(table, columns=None, *, errors="auto", weights=None, on_bad="raise"):
    """Take values and their 1-sigma errors from the columns of a table.

    Parameters
    ----------
    table : astropy Table or QTable
    columns : str or sequence of str, optional
        Columns to fit; every column for which an error column is found by default.
    errors : "auto", str, sequence of str, or None
        Error columns, one for each; "auto" finds e_NAME, NAME_err, NAME_error; None or "none": the values are exact.
    weights : str, optional
        Column of frequency weights.
    on_bad : {"raise", "drop", "missing", "exact"}
        What to do where a value has an error that is zero, negative or missing: refuse; leave the whole row out; take
        the value as missing; or take zero as exact (and refuse the rest).

    Returns
    -------
    Observations
        Row for row with the table, in the units of its columns; `remarks` says what was decided.

    Raises
    ------
    InputError
        If a column is not found or holds no numbers, units clash, values are infinite, or errors are unusable.

    Notes
    -----
    Masked and NaN values are missing, and so is a value with an infinite error.

    Examples
    --------
    >>> from xdgmm import datasets
    >>> from xdgmm.tables import observations_from_table
    >>> observations_from_table(datasets.load("hydrus1"), "v").remarks
    ('errors of v taken from e_v',)
    """
    if on_bad not in ON_BAD:
        raise InputError(f"`on_bad` is {on_bad!r}, but it must be one of {', '.join(ON_BAD)}")
    _check_table(table)
    if len(table) == 0:
        raise InputError("the table has no rows, so there is nothing to fit")
    names = _value_names(table, columns, errors, weights)
    if not names:
        raise InputError("`columns` is empty; name at least one column")
    values, units = zip(*(_numbers(table, name) for name in names), strict=True)
    values = np.stack(values, axis=1)
    _check_finite(values, names)
    units, remarks = _known_units(names, units)
    remarks += _missing(values, names)
    weight_values = None if weights is None else _weights(table, weights, remarks)
    error_names = _error_names(table, names, errors)
    if error_names is None:
        observations = Observations.exact(values, weight_values, names, units)
        return replace(observations, remarks=(*remarks, "values taken as exact", *observations.remarks))
    standard_errors = np.stack([_errors_of(table, *place) for place in zip(names, error_names, strict=True)], axis=1)
    remarks = [f"errors of {n} taken from {e}" for n, e in zip(names, error_names, strict=True)] + remarks
    values = _without_bad(values, standard_errors, error_names, on_bad, remarks)
    observations = Observations.with_standard_errors(values, standard_errors, weight_values, names, units)
    return replace(observations, remarks=(*remarks, *observations.remarks))


def _check_table(table):
    from astropy.table import Table

    if not isinstance(table, Table):
        raise InputError(
            f"`table` is a {type(table).__name__}, but an astropy Table is needed; read a file with "
            "xdgmm.tables.read_table, or make one with astropy.table.Table"
        )


def _value_names(table, columns, errors, weights):
    if columns is not None:
        return [find(table, name) for name in _tuple(columns)]
    if not (isinstance(errors, str) and errors == "auto"):
        raise InputError("`errors` is given, but not `columns`; name the columns to fit too")
    return columns_with_errors(table, weights)


def _tuple(names):
    return tuple(names) if isinstance(names, (list, tuple)) else (names,)


def _known_units(names, units):
    """Units, None for those that astropy does not know (they could not be stored and read back), and remarks."""
    from astropy.units import UnrecognizedUnit

    known = tuple(None if isinstance(unit, UnrecognizedUnit) else unit for unit in units)
    odd = [(name, unit) for name, unit in zip(names, units, strict=True) if isinstance(unit, UnrecognizedUnit)]
    return known, [f"the unit '{unit}' of {name} is not known to astropy and left out" for name, unit in odd]


def _missing(values, names):
    counts = np.isnan(values).sum(axis=0)
    return [
        f"{count} of {len(values)} values of {name} missing" for name, count in zip(names, counts, strict=True) if count
    ]


def _error_names(table, names, errors):
    """One error column for each column, or None for exact values."""
    if errors is None or (isinstance(errors, str) and errors == "none"):
        return None
    if isinstance(errors, str) and errors == "auto":
        return _not_values([find_errors(table, name) for name in names], names)
    errors = _tuple(errors)
    if len(errors) != len(names):
        raise InputError(
            f"{len(errors)} error column{'s' if len(errors) > 1 else ''} named ({', '.join(map(str, errors))}) for "
            f"{len(names)} column{'s' if len(names) > 1 else ''} ({', '.join(names)}); name one for each"
        )
    return _not_values([find(table, name, "error column") for name in errors], names)


def _not_values(error_names, names):
    for name, error_name in zip(names, error_names, strict=True):
        if error_name == name:
            raise InputError(f"column '{name}' cannot be its own error; name another error column")
        if error_name in names:
            raise InputError(
                f"column '{error_name}' cannot be both a column to fit and the error of '{name}'; leave it out of one"
            )
    return error_names


def _numbers(table, name):
    """A column as float64 (N,), NaN where masked, and its unit as the table has it."""
    column = table[name]
    if not hasattr(column, "dtype"):
        raise InputError(f"column '{name}' holds {type(column).__name__} values, but numbers belong there")
    if column.ndim != 1:
        raise InputError(f"column '{name}' holds arrays of shape {column.shape[1:]} in each row; one number is needed")
    if column.dtype.kind in "SUO":
        _refuse_text(column, name)
    try:
        numbers, _ = plain(getattr(column, "value", column), f"column '{name}'")
    except InputError as error:
        raise InputError(str(error).replace("`", "")) from None
    return numbers, getattr(column, "unit", None)


def _refuse_text(column, name):
    """Text in a column is mostly one cell that is no number: say which."""
    for row, cell in enumerate(column):
        if isinstance(cell, (str, bytes)):
            try:
                float(cell)
            except ValueError:
                raise InputError(
                    f"column '{name}' holds strings (row {row}: {str(cell)!r}), but numbers belong there; correct "
                    "the cell, or leave it empty where the value is missing"
                ) from None


def _check_finite(values, names):
    for values_of, name in zip(values.T, names, strict=True):
        infinite = np.flatnonzero(np.isinf(values_of))
        if infinite.size:
            raise InputError(f"column '{name}' is infinite in {listed(infinite)}; mask missing values, or use NaN")


def _weights(table, name, remarks):
    weights, _ = _numbers(table, find(table, name, "weights column"))
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise InputError(
            f"weights column '{name}' is negative or missing in {listed(bad)}; use 0 to leave an object out"
        )
    if not weights.any():
        raise InputError(f"weights column '{name}' is zero in every row, so there is nothing to fit")
    remarks.append(f"weights taken from {name}")
    return weights


def _errors_of(table, name, error_name):
    """Errors (N,) in the unit of their column."""
    unit = getattr(table[name], "unit", None)
    errors, error_unit = _numbers(table, error_name)
    if error_unit is None or str(error_unit) == str(unit):
        return errors
    if unit is None:
        raise InputError(
            f"error column '{error_name}' has the unit {error_unit}, but column '{name}' has none; give both or neither"
        )
    factor = _size(error_unit, unit)
    if factor is None:
        raise InputError(
            f"error column '{error_name}' is in {error_unit}, which does not convert to the {unit} of column '{name}'"
        )
    return errors * factor


def _size(error_unit, unit):
    """An error of 1 `error_unit` in `unit`, None where they do not convert.

    An error is a difference: that of a mag(AB) is in mag, and 1 dex is 2.5 mag, not -2.5.
    """
    from astropy.units import UnitsError

    error_unit, unit = (getattr(each, "function_unit", each) for each in (error_unit, unit))
    try:
        return abs(float(error_unit.to(unit)))
    except (UnitsError, ValueError, TypeError):  # ValueError: a unit that astropy does not know
        return None


def _without_bad(values, errors, error_names, on_bad, remarks):
    """Deal with errors that are zero, negative or missing where there is a value."""
    present = np.isfinite(values)
    zero, unusable = present & (errors == 0), present & ~(errors >= 0)
    bad = unusable if on_bad == "exact" else unusable | zero
    if on_bad == "exact" and zero.any():
        remarks.append(f"{zero.sum()} zero error{'s' if zero.sum() > 1 else ''} taken as exact")
    if not bad.any():
        return values
    if on_bad in ("raise", "exact"):
        raise InputError(_bad_sentence(errors, bad, error_names, on_bad))
    rows = bad.any(axis=1)
    plural = "s" if rows.sum() > 1 else ""
    if on_bad == "drop":
        remarks.append(f"{rows.sum()} row{plural} with a zero, negative or missing error dropped")
        return np.where(rows[:, None], np.nan, values)
    count = bad.sum()
    plural = "s" if count > 1 else ""
    remarks.append(f"{count} value{plural} with a zero, negative or missing error taken as missing")
    return np.where(bad, np.nan, values)


def _bad_sentence(errors, bad, error_names, on_bad):
    parts = []
    for errors_of, bad_of, name in zip(errors.T, bad.T, error_names, strict=True):
        rows = np.flatnonzero(bad_of)
        if rows.size:
            kinds = {
                "zero": np.sum(errors_of[rows] == 0),
                "negative": np.sum(errors_of[rows] < 0),
                "missing": np.sum(np.isnan(errors_of[rows])),
            }
            counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
            parts.append(f"error column '{name}' has unusable errors ({counted}) in {listed(rows)}")
    ways = "drop|missing" if on_bad == "exact" else "drop|missing|exact"
    return f"{'; '.join(parts)}; a value needs its error: choose --on-bad {ways} (on_bad= in Python) or mend the table"
