"""Find columns by name, and read them as numbers with their units."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError

from .table_types import text_name
from .text_cells import plain_numbers, read_cells
from .text_units import name_and_unit
from .units import known_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .table_types import NamedColumns

SHOWN = 20  # how many names a message lists


def find_column(table: NamedColumns, name: object, what: str = "column") -> str:
    """The name as text, if the table has such a column.

    Raises
    ------
    InputError
        If it has none; the message lists the columns and suggests the nearest name.
    """
    name = text_name(name)
    if not isinstance(name, str):
        article = "an" if what.startswith("error") else "a"
        listed = list_names(table.names)
        raise InputError(f"{article} {what} is given by its name, not by {name!r}; the columns are {listed}")
    if name in table:
        return name
    base, _ = name_and_unit(name)  # read_table takes units in brackets off the names of text files
    if base in table:
        return base
    near = [each for each in table.names if re.match(rf"{re.escape(name)}\W", each)][:1] or [
        table.ignoring_case[each][0] for each in get_close_matches(name.lower(), table.ignoring_case, n=1, cutoff=0.5)
    ]
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    raise InputError(f"the table has no {what} '{name}'{hint} its columns are {list_names(table.names)}")


def list_names(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ... ({len(names)} in all)"


def holds_numbers(table: NamedColumns, name: str) -> bool:
    """Whether a column has one number in each row, if only as text."""
    try:
        column = table.column(name)
    except InputError:
        return False
    dtype = getattr(column, "dtype", None)
    if dtype is None or column.ndim != 1:
        return False
    if dtype.kind in "SU":
        reading = read_cells(column)
        return reading is not None and reading.style == "plain"
    return dtype.kind in "iuf"


def read_columns(table: NamedColumns, names: Sequence[str]) -> tuple[NDArray[np.float64], list[Any]]:
    """Several columns side by side (N, D), and their units."""
    values, units = np.empty((table.n_rows, len(names))), []
    for i, name in enumerate(names):
        values[:, i], unit = read_column(table, name)
        units.append(unit)
    return values, units


def read_column(table: NamedColumns, name: str) -> tuple[NDArray[np.float64], Any]:
    """A column as float64 (N,), NaN where masked, and its unit."""
    column = table.column(name)
    if not hasattr(column, "dtype"):
        raise InputError(f"column '{name}' holds {type(column).__name__} values, but numbers belong there")
    if column.ndim != 1:
        raise InputError(f"column '{name}' holds arrays of shape {column.shape[1:]} in each row; one number is needed")
    cells = getattr(column, "value", column)
    if column.dtype.kind == "O":
        cells = _none_as_nan(column)
    if column.dtype.kind in "SUO":
        cells = _numbers_of_text(cells, name)
    values, _ = as_floats(cells, f"column '{name}'")
    return values, known_unit(getattr(column, "unit", None))


def _none_as_nan(column: Any) -> NDArray[Any]:
    """A column of Python objects with NaN for None and for masked cells."""
    mask = np.ma.getmaskarray(column) | [cell is None for cell in np.ma.getdata(column)]
    return np.where(mask, np.nan, np.ma.getdata(column))


def _numbers_of_text(cells: Any, name: str) -> Any:
    """The cells with numbers for those that are text; cells that are not text stay as they are."""
    data = np.ma.getdata(cells)
    is_text = np.array([isinstance(cell, str | bytes) for cell in data.tolist()], dtype=bool)
    if not is_text.any():
        return cells
    text = data if data.dtype.kind in "SU" else np.where(is_text, data, "").astype(str)
    numbers = plain_numbers(text, is_text & ~np.ma.getmaskarray(cells), name)
    return numbers if is_text.all() else np.where(is_text, numbers, data)
