"""Columns become `Observations`: numbers, units, errors and weights, each checked and remarked upon."""

import numpy as np

from xdgmm.errors import InputError
from xdgmm.observations import Observations
from xdgmm.observations.validation import check_values, check_weights, listed, plain

from .bad_errors import treated
from .columns import check_column, error_columns, value_columns
from .reading import REMARKS


def observations_from_table(table, columns=None, *, errors="auto", weights=None, on_bad="raise"):
    """Observations from the columns of an astropy Table or QTable.

    Parameters
    ----------
    table : astropy.table.Table or QTable
        One row per object; masked cells and NaN are missing values.
    columns : str, sequence of str or None
        The columns that hold the measured values; None takes every column of numbers whose error column is found.
    errors : str, sequence of str or None
        The columns of 1-sigma errors, one for each value column.  "auto" looks for ``e_v``, ``v_err`` and
        ``v_error`` for a column ``v``; None or "none" takes the values as exact.
    weights : str or None
        A column of frequency weights.
    on_bad : {"raise", "drop", "missing", "exact"}
        What to do where the error of a value that is present is zero, negative, NaN or masked: refuse, leave out
        the row, leave out the value, or take zero errors as exact (and refuse the others).

    Returns
    -------
    Observations
        One row for each row of the table, in the units of the value columns; its remarks say what was decided.

    Raises
    ------
    InputError
        If the table has no rows, a column is not found, does not hold numbers or is infinite, units clash, errors
        are bad and `on_bad` does not treat them, or a weight is negative or missing.

    Notes
    -----
    A value with an infinite error is missing.  Errors are converted to the unit of their values; errors without a
    unit are taken to be in it.  A unit that astropy does not know counts as none.

    Examples
    --------
    >>> from xdgmm import datasets
    >>> from xdgmm.tables import observations_from_table
    >>> obs = observations_from_table(datasets.load("hydrus1"), "v")
    >>> obs
    <Observations: 31 objects, v [km / s], 1-sigma errors>
    >>> obs.remarks
    ("errors of 'v' taken from 'e_v'",)
    """
    _check_table(table)
    if weights is not None:
        check_column(table, weights, "weights column")
    names = value_columns(table, columns, errors, weights)
    error_names = error_columns(table, names, errors)
    values, units, remarks = _values(table, names)
    errors, about_errors = _errors(table, names, error_names)
    values, errors, about_bad = treated(values, errors, error_names, on_bad)
    weights, about_weights = _weights(table, weights, values)
    said = (*_said(table), *about_errors, *remarks, *about_bad, *about_weights)
    if all(name is None for name in error_names):
        return Observations.exact(values, weights, names, units).remarking(*said)
    return Observations.with_standard_errors(values, errors, weights, names, units).remarking(*said)


def _check_table(table):
    from astropy.table import Table

    if not isinstance(table, Table):
        raise InputError(
            f"`table` is a {type(table).__name__}, but an astropy Table is needed; "
            "read a file with xdgmm.tables.read_table, or make one with astropy.table.Table"
        )
    if len(table) == 0:
        raise InputError("`table` has no rows; give one with at least one row")


def _said(table):
    """What `read_table` remarked."""
    said = table.meta.get(REMARKS, ())
    return tuple(said) if isinstance(said, (list, tuple)) else ()


def _values(table, names):
    """Values (N, D), their units, and remarks."""
    values = np.stack([_numbers(table, name) for name in names], axis=1)
    for name, column in zip(names, values.T, strict=True):
        check_values(column[:, None], name)
    units, about_units = zip(*(_known_unit(table[name], name) for name in names), strict=True)
    return values, units, (*sum(about_units, ()), *_missing(values, names))


def _missing(values, names):
    counts = np.isnan(values).sum(axis=0)
    return tuple(
        f"{count} of {len(values)} values of '{name}' {'is' if count == 1 else 'are'} missing"
        for name, count in zip(names, counts, strict=True)
        if count
    )


def _errors(table, names, error_names):
    """Standard errors (N, D) in the units of the values, and remarks; zero where a column is exact."""
    errors, remarks = np.zeros((len(table), len(names))), []
    for j, (name, error) in enumerate(zip(names, error_names, strict=True)):
        if error is None:
            remarks.append(f"values of '{name}' taken as exact")
            continue
        factor, about_unit = _factor(table, name, error)
        errors[:, j] = factor * _numbers(table, error)
        remarks += [f"errors of '{name}' taken from '{error}'", *about_unit]
    return errors, remarks


def _weights(table, weights, values):
    """Weights (N,) or None, and remarks; the weight of a row without any value may be missing."""
    if weights is None:
        return None, ()
    numbers = _numbers(table, weights)
    empty = np.isnan(values).all(axis=1)
    numbers = np.where(empty & np.isnan(numbers), 0.0, numbers)
    bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0)))
    if bad.size:
        raise InputError(
            f"the weights column '{weights}' is negative, infinite or missing in {listed(bad)}; "
            "use 0 to leave an object out"
        )
    if not numbers.any():
        raise InputError(f"the weights column '{weights}' is zero for every object; give some a weight")
    return check_weights(numbers, len(values)), (f"weights taken from '{weights}'",)


def _numbers(table, name):
    """A column as float64 (N,), NaN where masked, without its unit."""
    column = table[name]
    if not isinstance(column, np.ndarray):
        raise InputError(f"column '{name}' holds {type(column).__name__} objects, but numbers belong there")
    if column.ndim != 1:
        raise InputError(
            f"column '{name}' holds an array of shape {column.shape[1:]} in each row, but one number belongs there; "
            "make it several columns"
        )
    if column.dtype.kind in "SUO":
        _check_no_text(column, name)
    return plain(getattr(column, "value", column), name)[0]


def _check_no_text(column, name):
    """Text in a column of a CSV file is mostly one cell that is not a number: say which."""
    for row, cell in enumerate(column):
        if isinstance(cell, (str, bytes)) and not _is_number(cell):
            raise InputError(
                f"column '{name}' holds text (row {row}: {str(cell)!r}), but numbers belong there; "
                "correct it, or leave the cell empty where the value is missing"
            )


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _known_unit(column, name):
    """Unit of a column, None where it has none or astropy does not know it, and remarks."""
    from astropy.units import UnrecognizedUnit

    unit = getattr(column, "unit", None)
    if isinstance(unit, UnrecognizedUnit):
        return None, (f"the unit '{unit}' of '{name}' is not known to astropy and left out",)
    return unit, ()


def _factor(table, name, error):
    """What the errors are multiplied by to come into the unit of the values, and remarks."""
    unit, error_unit = (getattr(table[column], "unit", None) for column in (name, error))
    if error_unit is None:
        return 1.0, () if unit is None else (f"'{error}' has no unit and is taken to be in {unit}",)
    if unit is None:
        raise InputError(
            f"'{error}' has the unit {error_unit}, but '{name}' has none; give both units, or remove that one"
        )
    factor = _conversion(unit, error_unit)
    if factor is None:
        raise InputError(
            f"'{error}' has the unit {error_unit}, which does not convert to {unit}, the unit of '{name}'; "
            "give both in convertible units"
        )
    return factor, () if factor == 1.0 else (f"'{error}' converted from {error_unit} to {unit}",)


def _conversion(unit, error_unit):
    """Size of an error of 1 `error_unit` in `unit`, None where they do not convert.

    An error is a difference: of mag(AB) it is in mag, and a dex is 2.5 mag (not -2.5).
    """
    from astropy.units import UnitsError

    if str(unit) == str(error_unit):
        return 1.0
    unit, error_unit = (getattr(each, "function_unit", each) for each in (unit, error_unit))
    try:
        return abs(float(error_unit.to(unit)))
    except (UnitsError, ValueError, TypeError):
        return None
