"""`ColumnarSource`: a catalogue of which only some columns are read; all its parts have the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .layout import Layout, ReadColumns, given_units
from .source import BlockSource, named

if TYPE_CHECKING:
    from collections.abc import Mapping

FEWEST, MOST = 1000, 250_000  # rows of a block
# Bytes of a block in flight for each of a number that is read: as it is read, as a table, as observations and while
# these are checked, packed, and again packed in the queue and in the pass.
COPIES = 20


class ColumnarSource(BlockSource):
    """A catalogue whose columns are known before its rows are read.

    Parameters
    ----------
    columns, **options
        As in `BlockSource`.
    units : dict, optional
        Units of columns, by their names, in the place of those of the file.
    """

    def __init__(self, columns: Any = None, *, units: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(columns, **options)
        self.units = given_units(units)
        self._first: tuple[Layout, ReadColumns] | None = None

    def columns_in(self, layout: Layout) -> tuple[str, ...]:
        """The columns that are read of a part with this layout.

        Raises
        ------
        InputError
            If it differs from that of the first part.
        """
        layout = layout.with_units(self.units)
        with named(layout.where):
            found = layout.read_columns(self.columns, self.options)
        if self._first is None:
            self._first = layout, found
            self.value_columns = list(found.values)
        first, expected = self._first
        layout.check_like(first, expected, found)
        return expected.every

    def rows_per_block(self, row_width: float, n_columns: int, beside: float = 0.0) -> int:
        """How many rows a block has, for rows of so many bytes in the file of which so many columns are read.

        `beside` are bytes that the reader of the file needs whatever the number of rows.
        """
        room = max(self.memory / 2 - beside, 0.0)
        return int(min(max(room / (row_width + 8 * COPIES * n_columns), FEWEST), MOST))
