"""Find columns by name, and read one as numbers with a unit."""

from difflib import get_close_matches

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError

SHOWN = 20


def find(catalogue, name, what="column"):
    """The name, if the table has such a column; otherwise a sentence with the columns and the nearest name."""
    if not isinstance(name, str):
        article, columns = "an" if what.startswith("error") else "a", listed(catalogue.names)
        raise InputError(f"{article} {what} is given by its name, not by {name!r}; the columns are {columns}")
    if name in catalogue.exact:
        return name
    near = get_close_matches(name.lower(), catalogue.folded, n=1, cutoff=0.5)
    hint = f"; did you mean '{catalogue.folded[near[0]][0]}'?" if near else ";"
    raise InputError(f"the table has no {what} '{name}'{hint} its columns are {listed(catalogue.names)}")


def listed(names):
    """The first names, and how many there are."""
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ... ({len(names)} in all)"


def numbers(catalogue, name):
    """A column as float64 (N,), NaN where masked, and its unit as the table has it."""
    column = catalogue.column(name)
    if not hasattr(column, "dtype"):
        raise InputError(f"column '{name}' holds {type(column).__name__} values, but numbers belong there")
    if column.ndim != 1:
        raise InputError(f"column '{name}' holds arrays of shape {column.shape[1:]} in each row; one number is needed")
    if column.dtype.kind in "SUO":
        _refuse_text(column, name)
    cells = _without_none(column) if column.dtype.kind == "O" else getattr(column, "value", column)
    values, _ = as_floats(cells, f"column '{name}'")
    return values, getattr(column, "unit", None)


def _without_none(column):
    """Objects of which None, as Python has it, is a missing value: NaN."""
    mask = np.ma.getmaskarray(column) | [cell is None for cell in np.ma.getdata(column)]
    return np.where(mask, np.nan, np.ma.getdata(column))


def holds_numbers(catalogue, name):
    """Whether a column has one number in each row."""
    try:
        column = catalogue.column(name)
    except InputError:
        return False
    dtype = getattr(column, "dtype", None)
    return dtype is not None and dtype.kind in "iuf" and column.ndim == 1


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


def numbers_of_all(catalogue, names):
    """Several columns side by side (N, D), and their units."""
    result, units = np.empty((catalogue.n_rows, len(names))), []
    for i, name in enumerate(names):
        result[:, i], unit = numbers(catalogue, name)
        units.append(unit)
    return result, units
