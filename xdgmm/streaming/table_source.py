"""`TableSource`: a table in memory, or tables that a function yields, as a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError

from .source import Block, BlockSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class TableSource(BlockSource):
    """Tables one after the other, from a sequence or from a function that starts them anew.

    Parameters
    ----------
    tables : sequence of tables, or callable
        Tables, data frames or structured arrays; or a function without arguments that returns an iterator of them, the
        same ones each time.  An iterator itself can be read only once, and is refused.
    columns, **options
        As in `BlockSource`.

    Raises
    ------
    InputError
        If it is an iterator.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.streaming import TableSource
    >>> stars = datasets.load("hydrus1")
    >>> source = TableSource([stars[:20], stars[20:]], "v")
    >>> XDGMM().fit(source).means_.round(3)
    array([[80.526]])
    """

    def __init__(
        self, tables: Iterable[Any] | Callable[[], Iterable[Any]], columns: Any = None, **options: Any
    ) -> None:
        super().__init__(columns, **options)
        if not callable(tables) and iter(tables) is tables:
            raise InputError(
                "the tables are an iterator, which can be read only once, but each pass reads them again; give a list, "
                "or a function that returns a new iterator"
            )
        self._tables = tables

    def blocks(self) -> Iterator[Block]:
        """The tables."""
        tables = self._tables() if callable(self._tables) else self._tables
        for number, table in enumerate(tables):
            yield Block(f"table {number}", table)
