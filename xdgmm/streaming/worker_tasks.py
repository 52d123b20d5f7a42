"""What happens to partitions of a catalogue on the workers of a cluster: plain functions, each the work of one task."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import xdgmm
from xdgmm.errors import InputError
from xdgmm.kernels import Branch, PackedPart, add_blocks, in_this_thread, join_branches
from xdgmm.observations import Description, Observations, described, fingerprint, rows_below
from xdgmm.observations.checks import part_of_catalogue
from xdgmm.tables import named_columns
from xdgmm.tables.table_types import NamedColumns

from .layout import unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xdgmm.kernels import Data

    Ask = Callable[[PackedPart], Any]
    Plus = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Reading:
    """How tables become `Observations`; small, so that it can be sent to workers.

    Attributes
    ----------
    columns : str, sequence of str or None
    options : dict
        Of `Observations.from_table`.
    units : dict
        Unit of each column that has none of its own.
    """

    columns: str | Sequence[str] | None
    options: Mapping[str, Any]
    units: Mapping[str, Any]

    def __call__(self, table: Any) -> Observations | None:
        """The observations of a table; None if it has no rows.

        Raises
        ------
        InputError
            If they cannot be used.
        """
        columns = with_units(named_columns(with_units_of_arrow(table)), self.units)
        if not columns.n_rows:
            return None
        with part_of_catalogue():
            return Observations.from_table(columns, self.columns, **self.options)


def with_units_of_arrow(table: Any) -> Any:
    """A table of Arrow with the units that the metadata of its fields say; other tables as they are."""
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is None or not isinstance(table, pyarrow.Table):
        return table
    from xdgmm.tables.arrow import names_of_schema, table_of_arrow, units_of_schema

    units = {name: unit_of(text) for name, text in units_of_schema(table.schema).items()}
    return table_of_arrow(table, names_of_schema(table.schema), units)


def with_units(table: NamedColumns, units: Mapping[str, Any]) -> NamedColumns:
    """The columns of a table with these units in the place of their own.

    Raises
    ------
    InputError
        If it has no such column.
    """
    missing = [name for name in units if name not in table]
    if missing:
        raise InputError(f"the table has no column '{missing[0]}', for which `units` gives a unit")

    def column(name: str) -> Any:
        from astropy.table import MaskedColumn

        cells = table.column(name)
        return MaskedColumn(getattr(cells, "value", cells), unit=units[name]) if name in units else cells

    return NamedColumns(table.names, table.n_rows, column) if units else table


class Group(NamedTuple):
    """Packed parts that follow each other, held by one worker.

    Attributes
    ----------
    first : int
        Number of the first one among all parts with objects.
    parts : tuple of PackedPart
    """

    first: int
    parts: tuple[PackedPart, ...]


@cache
def own_version() -> str:
    """The version of xdgmm in this process, which is read from a file."""
    return xdgmm.__version__


class OtherVersionError(InputError):
    """A worker has another version of xdgmm than the process that sends it tasks."""


def check_version(expected: str) -> None:
    """Refuse to work for a process with another version of xdgmm, whose passes could differ.

    Raises
    ------
    OtherVersionError
    """
    if own_version() != expected:
        raise OtherVersionError(
            f"a worker has xdgmm {own_version()}, but this process {expected}; install the same version everywhere"
        )


def read(table: Any, reading: Reading, version: str) -> Observations | None:
    """The observations of a partition; None if it has no rows."""
    check_version(version)
    with in_this_thread():
        return reading(table)


def use(table: Any, argument: Any, function: Callable[[Any, Any], Any], version: str) -> Any:
    """What a function makes of the table of a partition, and of an argument that is its own."""
    check_version(version)
    with in_this_thread():
        return function(table, argument)


def describe(observations: Observations | None) -> tuple[Description, str] | None:
    """What is known of all rows of a partition, and their hash; None if there are none."""
    if observations is None:
        return None
    with in_this_thread():
        return described(observations), fingerprint(observations)


def candidates(observations: Observations, first: int, highest: int) -> tuple[NDArray[np.intp], Observations]:
    """The rows of a partition whose priority is so low that they may be in the sample, and which rows of all they are.

    `first` is the number of its first row.
    """
    return rows_below(observations, first, highest)


def pack(
    observations: Sequence[Observations],
    firsts: Sequence[int],
    number: int,
    packing: Callable[[Observations], Data],
    units: Sequence[Any],
) -> Group:
    """The packed parts of partitions with objects, in some units; `number` is that of the first one."""
    with in_this_thread():
        packed = (packing(each.in_units(units)) for each in observations)
        return Group(number, tuple(PackedPart(first, data) for first, data in zip(firsts, packed, strict=True)))


def ask(observations: Observations, function: Callable[[Observations], Any], units: Sequence[Any]) -> Any:
    """What a function finds of the observations of a partition in some units."""
    with in_this_thread():
        return function(observations.in_units(units))


def ask_each(group: Group, function: Ask, version: str) -> list[Any]:
    """What a function finds of each part of a group."""
    check_version(version)
    with in_this_thread():
        return [function(part) for part in group.parts]


def ask_total(group: Group, function: Ask, plus: Plus, version: str) -> list[Branch]:
    """The sum of what a function finds of the parts of a group, as branches of the tree of all parts."""
    check_version(version)
    with in_this_thread():
        return add_blocks((function(part) for part in group.parts), group.first, plus)


def join_sums(groups: Sequence[Sequence[Branch]], plus: Plus) -> list[Branch]:
    """The branches of neighbouring groups, with all added that belong together."""
    return join_branches((branch for group in groups for branch in group), plus)


def with_background(group: Group, log_densities: Sequence[NDArray[np.float64]]) -> Group:
    """The same parts with other log-densities of the background, an array (n_objects,) for each."""
    changed = zip(group.parts, log_densities, strict=True)
    parts = tuple(PackedPart(first, data.with_background(own)) for (first, data), own in changed)
    return Group(group.first, parts)
