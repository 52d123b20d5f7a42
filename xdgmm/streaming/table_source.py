"""`TableSource`: a table in memory, or tables that a function yields, as a source."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError, KindError
from xdgmm.tables.table_types import is_table

from .source import Block, BlockSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
    KindError
        If it is a single table, or something else.

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
        if not callable(tables) and iter(_several(tables, "the tables are")) is tables:
            raise InputError(
                "the tables are an iterator, which can be read only once, but each pass reads them again; give a list, "
                "or a function that returns a new iterator"
            )
        self._tables = tables

    def blocks(self) -> Iterator[Block]:
        """The tables."""
        tables = _several(self._tables(), "the function returns") if callable(self._tables) else self._tables
        for number, table in enumerate(tables):
            yield Block(f"table {number}", table)


def _several(tables: Any, what: str) -> Iterable[Any]:
    """Tables in a list or an iterator.

    Raises
    ------
    KindError
        If it is something else, as a single table.
    """
    if isinstance(tables, (str, bytes, os.PathLike)):
        raise KindError(f"{what} {tables!r}, but a list of tables is needed; open_source reads files")
    if is_table(tables):
        raise KindError(f"{what} a single {type(tables).__name__}, but a list of tables is needed; give it in a list")
    if not isinstance(tables, Iterable):
        raise KindError(f"{what} a {type(tables).__name__}, but a list of tables is needed")
    return tables
