"""Units that text tables have in a row below the names, or in brackets behind them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from .text_cells import is_column, missing_cells, read_cells, understood
from .units import parsed

if TYPE_CHECKING:
    from astropy.table import Table

# v [km/s], v (km/s), v[km/s], v_(km/s).
IN_BRACKETS = re.compile(r"(.*[^\s_])([\s_]*)(?:\[([^][]+)\]|\(([^()]+)\))")
# log(g) is a name, and the unit of log g [cm/s2] is not that of its numbers.
FUNCTIONS = re.compile(r"log.*|(.*[\W_])?(log|lg|ln|sin|cos|tan|exp)(10)?", re.IGNORECASE)


def with_units_of_names(table: Table) -> Table:
    """The table, in place, with units for columns of numbers that have them in brackets behind their names."""
    found = {name: name_and_unit(name) for name in table.colnames if _is_number(table[name])}
    new = [found.get(name, (name, None))[0] for name in table.colnames]
    for name, (base, unit) in found.items():
        if base != name and new.count(base) == 1:
            table[name].unit = unit
            table.rename_column(name, base)
    return table


def name_and_unit(name: str) -> tuple[str, Any]:
    """The name without a unit in brackets behind it, and the unit; None where there is none."""
    found = IN_BRACKETS.fullmatch(name)
    if found is None or FUNCTIONS.fullmatch(found[1]):
        return name, None
    base, gap, square, round_ = found.groups()
    text = square or round_
    # Without a blank before it, the bracket of M(K) or Q[s] may belong to the name; that of v(km/s) does not.
    is_clear = gap.strip("_") or re.search(r"[/^*\s\d]", text) or (square and len(text) > 1)
    unit = unit_of(text) if is_clear else None
    return (name, None) if unit is None else (base, unit)


def unit_of(text: str) -> Any:
    """The unit that a text is; None if it is none."""
    text = re.sub(r"[\[(](.*)[\])]", r"\1", text.strip())
    if "," in text or understood(text):
        return None
    try:
        return parsed(text)
    except ValueError:
        return None


def set_unit(column: Any, unit: str) -> None:
    """Set the unit of a column of numbers; a unit that astropy does not know is kept as an unrecognised one."""
    from astropy.units import Unit

    if unit and column.dtype.kind in "iuf":
        column.unit = Unit(unit, parse_strict="silent")


def without_row_of_units(table: Table) -> Table:
    """The table without its first row, if that has units, or nothing, in all columns whose other cells are numbers."""
    if len(table) < 2 or not any(_begins_with_unit(column) for column in table.itercols()):
        return table
    rest = table[1:]
    first = {name: _first_cell(table[name]) for name in table.colnames if _has_numbers(rest[name])}
    units = {name: unit_of(cell) for name, cell in first.items() if not missing_cells(np.array([cell]))[0]}
    if not units or None in units.values():
        return table
    for name, unit in units.items():
        rest[name].unit = unit
    return rest


def _begins_with_unit(column: Any) -> bool:
    """Whether the first cell is a unit, and the second one is a number or missing."""
    if not is_column(column) or column.ndim != 1 or column.dtype.kind != "U":
        return False
    # A text that is no unit takes astropy some hundredths of a second.
    return understood(_first_cell(column[1:])) and unit_of(_first_cell(column)) is not None


def _first_cell(column: Any) -> str:
    return "" if np.ma.getmaskarray(column)[0].any() else str(column[0]).strip()


def _has_numbers(column: Any) -> bool:
    if _is_number(column):
        return True
    return is_column(column) and column.ndim == 1 and column.dtype.kind == "U" and read_cells(column) is not None


def _is_number(column: Any) -> bool:
    return is_column(column) and column.ndim == 1 and column.dtype.kind in "iuf"
