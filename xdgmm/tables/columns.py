"""Find columns by name, and read one as numbers in the unit that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .table_types import NamedColumns

SHOWN = 20  # how many names a message lists


def find_column(table: NamedColumns, name: object, what: str = "column") -> str:
    """The name, if the table has such a column.

    Raises
    ------
    InputError
        If it has none; the message lists the columns and suggests the nearest name.
    """
    if not isinstance(name, str):
        article = "an" if what.startswith("error") else "a"
        listed = list_names(table.names)
        raise InputError(f"{article} {what} is given by its name, not by {name!r}; the columns are {listed}")
    if name in table:
        return name
    near = get_close_matches(name.lower(), table.ignoring_case, n=1, cutoff=0.5)
    hint = f"; did you mean '{table.ignoring_case[near[0]][0]}'?" if near else ";"
    raise InputError(f"the table has no {what} '{name}'{hint} its columns are {list_names(table.names)}")


def list_names(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ... ({len(names)} in all)"


def holds_numbers(table: NamedColumns, name: str) -> bool:
    """Whether a column has one number in each row."""
    try:
        column = table.column(name)
    except InputError:
        return False
    dtype = getattr(column, "dtype", None)
    return dtype is not None and dtype.kind in "iuf" and column.ndim == 1


def read_columns(table: NamedColumns, names: Sequence[str]) -> tuple[NDArray[np.float64], list[Any]]:
    """Several columns side by side (N, D), and their units."""
    values, units = np.empty((table.n_rows, len(names))), []
    for i, name in enumerate(names):
        values[:, i], unit = read_column(table, name)
        units.append(unit)
    return values, units


def read_column(table: NamedColumns, name: str) -> tuple[NDArray[np.float64], Any]:
    """A column as float64 (N,), NaN where masked, and its unit as the table has it."""
    column = table.column(name)
    if not hasattr(column, "dtype"):
        raise InputError(f"column '{name}' holds {type(column).__name__} values, but numbers belong there")
    if column.ndim != 1:
        raise InputError(f"column '{name}' holds arrays of shape {column.shape[1:]} in each row; one number is needed")
    if column.dtype.kind in "SUO":
        _refuse_text(column, name)
    cells = _none_as_nan(column) if column.dtype.kind == "O" else getattr(column, "value", column)
    values, _ = as_floats(cells, f"column '{name}'")
    return values, getattr(column, "unit", None)


def _none_as_nan(column: Any) -> NDArray[Any]:
    """A column of Python objects with NaN for None and for masked cells."""
    mask = np.ma.getmaskarray(column) | [cell is None for cell in np.ma.getdata(column)]
    return np.where(mask, np.nan, np.ma.getdata(column))


def _refuse_text(column: Any, name: str) -> None:
    """Name the first cell that is not a number: most columns of text have only one such cell."""
    for row, cell in enumerate(column):
        if isinstance(cell, (str, bytes)):
            try:
                float(cell)
            except ValueError:
                raise InputError(
                    f"column '{name}' holds strings (row {row}: {str(cell)!r}), but numbers belong there; correct "
                    "the cell, or leave it empty where the value is missing"
                ) from None


@dataclass(frozen=True)
class ExpectedUnit:
    """The unit that a column of errors, variances or covariances must convert to.

    Attributes
    ----------
    what : str
        What the column holds, for messages.
    described : tuple of str
        Names of the columns of values that it describes, for messages.
    units : tuple of astropy units or None
        Units of which the expected one is the product: twice the same for a variance, none for a correlation.
    power : int
        1, or -1 for inverse variances.
    """

    what: str
    described: tuple[str, ...]
    units: tuple[Any, ...]
    power: int = 1

    @property
    def phrase(self) -> str:
        """The columns that it describes, as a phrase."""
        names = " and ".join(f"'{name}'" for name in dict.fromkeys(self.described))
        return f"column{'s' if len(set(self.described)) > 1 else ''} {names}"

    def unit(self) -> Any:
        """The unit; None if it has no powers, as a unit that astropy does not know."""
        from astropy.units import dimensionless_unscaled

        # An error is a difference: that of a mag(AB) is in mag.
        units = [difference_unit(unit) for unit in self.units]
        try:
            unit = reduce(mul, units) if units else dimensionless_unscaled
            return unit if self.power == 1 else unit**self.power
        except (ValueError, TypeError):
            return None


def read_converted(table: NamedColumns, name: str, expected: ExpectedUnit) -> NDArray[np.float64]:
    """A column (N,) in the expected unit; a column without a unit is taken to be in that unit.

    Raises
    ------
    InputError
        If it has a unit that does not convert; the message names both columns.
    """
    values, own = read_column(table, name)
    if own is None or [str(own)] == [str(unit) for unit in expected.units]:
        return values
    if None in expected.units:
        none = "has none" if len(set(expected.described)) == 1 else "have no product of units"
        raise InputError(
            f"{expected.what} '{name}' has the unit {own}, but {expected.phrase} {none}; give both or neither"
        )
    wanted = expected.unit()
    factor = None if wanted is None else _factor(difference_unit(own), wanted)
    if factor is None:
        target = f"powers of {expected.units[0]}" if wanted is None else str(wanted) or "dimensionless numbers"
        of = f" of {expected.phrase}" if expected.units else " of a correlation"
        given = f"in {own}" if str(own) else "dimensionless"
        raise InputError(f"{expected.what} '{name}' is {given}, which does not convert to the {target}{of}")
    if len(expected.units) == 1:
        factor = abs(factor)  # astropy converts 1 dex to -2.5 mag, but an error has no sign
    return values if factor == 1.0 else values * factor


def _factor(own: Any, wanted: Any) -> float | None:
    from astropy.units import UnitsError

    try:
        return float(own.to(wanted))
    except (UnitsError, ValueError, TypeError):  # ValueError: a unit that astropy does not know
        return None
