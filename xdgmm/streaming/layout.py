"""`Layout`: which columns a file has, what they hold, and which of them a fit reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from xdgmm.errors import InputError, KindError
from xdgmm.tables import names_read
from xdgmm.tables.table_types import NamedColumns
from xdgmm.tables.units import known_unit

DTYPES = {"numbers": "f8", "text": "U1", "booleans": "?", "nulls": "f8"}


class ReadColumns(NamedTuple):
    """The columns of the values, and all that are read for a fit."""

    values: tuple[str, ...]
    every: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """The columns of a file.

    Attributes
    ----------
    where : str
        The file, for messages.
    kinds : dict
        Of each name what the column holds: numbers, text, booleans, nulls, or something else.
    units : dict
        The units of those that have one.
    """

    where: str
    kinds: Mapping[str, str]
    units: Mapping[str, Any]

    def with_units(self, units: Mapping[str, Any]) -> Layout:
        """The layout with these units in the place of its own.

        Raises
        ------
        InputError
            If it has no such column.
        """
        unknown = [name for name in units if name not in self.kinds]
        if unknown:
            raise InputError(f"{self.where} has no column '{unknown[0]}', for which `units` gives a unit")
        return Layout(self.where, self.kinds, {**self.units, **units})

    def read_columns(self, columns: Any, options: Mapping[str, Any]) -> ReadColumns:
        """The columns that `Observations.from_table` needs for these columns of values.

        Raises
        ------
        InputError
            If it does not find them.
        """
        named = ("errors", "correlations", "weights", "memberships")
        given = {name: options[name] for name in named}
        values, every = names_read(self._table(tuple(self.kinds)), columns, **given)
        if names_read(self._table(tuple(every)), values, **given)[1] != every:  # what is left out told names apart
            every = list(self.kinds)
        return ReadColumns(tuple(values), tuple(every))

    def _table(self, names: tuple[str, ...]) -> NamedColumns:
        return NamedColumns(names, 0, lambda name: np.empty(0, DTYPES.get(self.kinds[name], "O")))

    def check_like(self, first: Layout, columns: ReadColumns, own_columns: ReadColumns) -> None:
        """Refuse a file whose columns differ from those of the first one, of which `columns` are read.

        Raises
        ------
        InputError
            If one that is read is missing, holds something else, or has another unit, or if one that would be read of
            this file (`own_columns`) is missing in the first one.  Text may hold numbers, as in tables in memory.
        """
        for name in own_columns.every:
            if name not in first.kinds:
                raise InputError(
                    f"{self.where} has a column '{name}', which {first.where} has not; leave it out of all"
                )
        for name in columns.every:
            if name not in self.kinds:
                raise InputError(f"{self.where} has no column '{name}', which {first.where} has")
            own, expected = self.kinds[name], first.kinds[name]
            if own != expected and "nulls" not in (own, expected) and {own, expected} != {"numbers", "text"}:
                raise InputError(f"column '{name}' holds {own} in {self.where}, but {expected} in {first.where}")
            self._check_unit(first, name)

    def _check_unit(self, first: Layout, name: str) -> None:
        own, expected = self.units.get(name), first.units.get(name)
        if own != expected:
            has = f"the unit {own}" if own is not None else "no unit"
            but = "none" if expected is None else str(expected)
            raise InputError(
                f"column '{name}' has {has} in {self.where}, but {but} in {first.where}; give the "
                "unit of all in `units`, or write the files in one"
            )


def given_units(units: Any) -> dict[str, Any]:
    """Units that a user gives for columns, by their names.

    Raises
    ------
    KindError
        If they are no dictionary.
    InputError
        If astropy does not know one.
    """
    if units is None:
        return {}
    if not isinstance(units, Mapping):
        raise KindError(f"`units` is {units!r}, but a dictionary of the names of columns is needed: {{'v': 'km/s'}}")
    return {name: _given_unit(name, unit) for name, unit in units.items()}


def _given_unit(name: str, unit: Any) -> Any:
    from astropy.units import Unit

    try:
        return Unit(unit)
    except (ValueError, TypeError):
        raise InputError(
            f"`units` gives column '{name}' the unit {unit!r}, which astropy does not know; write it as in 'km/s'"
        ) from None


@cache
def unit_of(text: str) -> Any:
    """The unit that a file writes so."""
    from astropy.units import Unit

    return known_unit(Unit(text, parse_strict="silent"))
