"""`TableFileSource`: files of any format that `read_table` reads, each as one block."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from xdgmm.tables import arrow_of_table, chosen_names, named_columns, read_table
from xdgmm.tables.columns import read_column
from xdgmm.tables.table_types import NamedColumns, UnitArray

from .files import FileSource
from .layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from astropy.table import QTable

KINDS = {"b": "booleans", "S": "text", "U": "text", **dict.fromkeys("iuf", "numbers")}


class TableFileSource(FileSource):
    """Files of text, and of other formats that can only be read whole: each must fit into memory.

    Parameters
    ----------
    files, columns, units, **options
        As in `FileSource`.
    hdu, readme : optional
        As in `xdgmm.tables.read_table`.

    Raises
    ------
    InputError
        If there is no such file.
    """

    suffixes = (".ecsv", ".csv", ".tsv", ".vot")
    what = "a table"

    def __init__(
        self,
        files: str | Path | Sequence[str | Path],
        columns: Any = None,
        *,
        hdu: int | str | None = None,
        readme: str | Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__(files, columns, **options)
        self.hdu, self.readme = hdu, readme

    def rows_and_kept(self, path: Path, keep: Sequence[str] | None) -> Iterator[tuple[NamedColumns, Callable[[], Any]]]:
        """All rows of a file."""
        table = read_table(path, self.hdu, self.readme)
        columns = self.columns_in(_layout(table, f"'{path}'"))
        kept = chosen_names(table.colnames, keep, f"'{path}'")
        rows = NamedColumns(columns, len(table), lambda name: self._column(table, name))
        yield rows, partial(arrow_of_table, table, kept, f"'{path}'")

    def _column(self, table: QTable, name: str) -> Any:
        if name not in self.units:
            return table[name]
        numbers, _ = read_column(named_columns(table), name)
        return UnitArray.of(numbers, self.units[name])


def _layout(table: QTable, where: str) -> Layout:
    kinds = {name: _kind(table[name]) for name in table.colnames}
    units = {name: table[name].unit for name in table.colnames if getattr(table[name], "unit", None) is not None}
    return Layout(where, kinds, units)


def _kind(column: Any) -> str:
    dtype = getattr(column, "dtype", None)
    if dtype is None or column.ndim != 1:
        return type(column).__name__
    return KINDS.get(dtype.kind, f"values of type {dtype}")
