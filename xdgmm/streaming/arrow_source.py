"""`ArrowSource`: record batches of Arrow, from a table in memory or from a function that starts them anew."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError, KindError
from xdgmm.tables import chosen_names
from xdgmm.tables.arrow import columns_of_arrow, kind_of_arrow, masks_of, names_of_schema, units_of_schema
from xdgmm.tables.table_types import as_table, is_table

from .columnar_source import ColumnarSource
from .layout import Layout, unit_of
from .partitions import Partition, Rows
from .source import Block, name_of_partition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xdgmm.tables.table_types import NamedColumns


class ArrowSource(ColumnarSource):
    """Record batches one after the other.

    Parameters
    ----------
    batches : callable, or an object with an Arrow table
        A function without arguments that returns record batches (a `pyarrow.RecordBatchReader`, or an iterator of
        record batches or tables), the same ones each time; or a `pyarrow.Table`, or any other object that Arrow reads
        (with the method ``__arrow_c_stream__``, as frames of polars).
    columns, units, **options
        As in `ColumnarSource`.  Units that are not given are those of the metadata of the fields, under "unit".

    Raises
    ------
    InputError
        If it is an iterator, which can be read only once.
    KindError
        If it is something else.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from xdgmm import XDGMM
    >>> from xdgmm.streaming import ArrowSource
    >>> table = pa.table({"v": [78.0, 83.0, 80.0, 91.0], "e_v": [1.0, 2.0, 1.0, 2.0]})
    >>> XDGMM().fit(ArrowSource(table, "v", units={"v": "km/s"})).mixture_.units
    (Unit("km / s"),)
    """

    def __init__(self, batches: Any, columns: Any = None, **options: Any) -> None:
        super().__init__(columns, **options)
        if not callable(batches) and hasattr(batches, "__next__"):
            raise InputError(
                "the batches are an iterator, which can be read only once, but each pass reads them again; give a "
                "function that returns a new one"
            )
        if not callable(batches) and not hasattr(batches, "__arrow_c_stream__"):
            next(iter(_several(batches)), None)
        self._batches = batches
        self.unchanging = not callable(batches)

    def blocks(self) -> Iterator[Block]:
        """The rows of the batches, in blocks of one size."""
        return (Block(name, as_table(columns)) for name, columns in self._columns_of_blocks())

    def _columns_of_blocks(self) -> Iterator[tuple[str, NamedColumns]]:
        return (block for block, _ in self._blocks_and_kept(()))

    def partitions(self, keep: Sequence[str] | None = None) -> Iterator[Partition]:
        """The blocks."""
        for number, ((name, columns), kept) in enumerate(self._blocks_and_kept(keep)):

            def rows(
                name: str = name, columns: NamedColumns = columns, kept: Callable[[], Any] = kept
            ) -> Iterator[Rows]:
                yield Rows(self._observations(name, columns), kept)

            yield Partition(number, name_of_partition(number), None, rows)

    def _blocks_and_kept(
        self, keep: Sequence[str] | None
    ) -> Iterator[tuple[tuple[str, NamedColumns], Callable[[], Any]]]:
        first, batches = 0, iter(self._started())
        start = next(batches, None)
        if start is None:
            return
        layout = layout_of_schema(start.schema, "batch 0")
        columns = self.columns_in(layout)
        kept = names_with_masks(start.schema, keep, "batch 0")
        read = list(dict.fromkeys([*columns, *masks_of(start.schema, columns), *kept]))
        width = row_width(start.schema, read)
        units = {**layout.units, **self.units}
        for arrow in of_size(self._checked(start, batches, read), self.rows_per_block(width, len(read))):
            name = f"rows {first} to {first + arrow.num_rows - 1}"
            yield (name, columns_of_arrow(arrow, columns, units)), partial(arrow.select, kept)
            first += arrow.num_rows

    def _started(self) -> Iterable[Any]:
        import pyarrow as pa

        batches = self._batches() if callable(self._batches) else self._batches
        if hasattr(batches, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(batches)  # type: ignore[no-any-return]
        return _several(batches)

    def _checked(self, start: Any, others: Iterator[Any], read: Sequence[str]) -> Iterator[Any]:
        """The columns that are read of all batches."""
        yield start.select(read)
        schema = start.schema
        for number, batch in enumerate(others, 1):
            if batch.schema is not schema and not batch.schema.equals(start.schema, check_metadata=True):
                self.columns_in(layout_of_schema(batch.schema, f"batch {number}"))
                schema = batch.schema
            yield batch.select(read)


def _several(batches: Any) -> Iterable[Any]:
    """Record batches in a list or an iterator.

    Raises
    ------
    KindError
        If it is something else.
    """
    if is_table(batches) or not isinstance(batches, Iterable):
        raise KindError(_other_kind(batches))
    return map(_batch, batches)


def _batch(batch: Any) -> Any:
    if not (hasattr(batch, "schema") and hasattr(batch, "select") and hasattr(batch, "num_rows")):
        raise KindError(_other_kind(batch))
    return batch


def _other_kind(found: Any) -> str:
    return (
        f"the batches are a {type(found).__name__}, but a table of pyarrow, or a function that returns record batches, "
        "is needed; TableSource takes other tables"
    )


def names_with_masks(schema: Any, keep: Sequence[str] | None, where: str) -> list[str]:
    """The columns that are kept, all by default, with the masks that astropy wrote beside them."""
    kept = chosen_names(schema.names, keep, where)
    return list(dict.fromkeys([*kept, *masks_of(schema, kept)]))


def layout_of_schema(schema: Any, where: str) -> Layout:
    """The columns of Arrow data."""
    kinds = {name: kind_of_arrow(schema.field(name).type) for name in names_of_schema(schema)}
    units = {name: unit_of(text) for name, text in units_of_schema(schema).items() if name in kinds}
    return Layout(where, kinds, units)


def row_width(schema: Any, names: Sequence[str]) -> float:
    """About how many bytes these columns have in each row."""
    return sum(getattr(_fixed(schema.field(name).type), "bit_width", 128) / 8 for name in names)


def _fixed(kind: Any) -> Any:
    try:
        return kind if kind.bit_width else None
    except ValueError:  # of types of variable length
        return None


def of_size(batches: Iterable[Any], n_rows: int) -> Iterator[Any]:
    """Batches, or tables, as tables of at most so many rows: several small ones are joined, large ones divided."""
    waiting: list[Any] = []
    n_waiting = 0
    for batch in batches:
        for first in range(0, batch.num_rows, n_rows):
            part = as_arrow_table(batch.slice(first, n_rows))
            other = bool(waiting) and part.schema.types != waiting[0].schema.types  # text is not joined to numbers
            if other or n_waiting + part.num_rows > n_rows:
                yield _joined(waiting)
                waiting, n_waiting = [], 0
            waiting.append(part)
            n_waiting += part.num_rows
    if n_waiting:
        yield _joined(waiting)


def as_arrow_table(batch: Any) -> Any:
    """A record batch as a table of Arrow; a table itself."""
    import pyarrow as pa

    return pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch


def _joined(tables: Sequence[Any]) -> Any:
    import pyarrow as pa

    return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
