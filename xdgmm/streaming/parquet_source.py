"""`ParquetSource`: Parquet files, of which only the columns and rows that are needed are read."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError
from xdgmm.tables.arrow import columns_of_arrow, masks_of

from .arrow_source import as_arrow_table, layout_of_schema, names_with_masks, of_size, row_width
from .files import FileSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xdgmm.tables.table_types import NamedColumns

BUFFER = 1 << 16  # bytes of each column that are read at a time
PAGES = 3e6  # bytes of each column that are in memory beside: a page and a dictionary of 1 MiB, also as they are stored
RELEASED = 8  # blocks after which Arrow gives memory back that it does not use


class ParquetSource(FileSource):
    """Parquet files (with pyarrow: ``pip install 'xdgmm[parquet]'``).

    Parameters
    ----------
    files, columns, units, **options
        As in `FileSource`.  Units that are not given are those of the metadata of the fields, under "unit", or of the
        whole file, as astropy and TOPCAT write them.
    filters : list of (name, operator, value), list of such lists, or pyarrow Expression, optional
        Rows that are read: ``[("g", "<", 20), ("parallax", ">", 1)]`` for both conditions, a list of lists where one of
        several such lists is enough.  Groups of rows whose ranges of values in the file exclude them are not read.

    Raises
    ------
    InputError
        If there is no such file, `filters` have another form, or pyarrow is not installed.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.streaming import ParquetSource
    >>> datasets.load("hydrus1").write("stars.parquet", format="parquet")
    >>> source = ParquetSource("stars.parquet", "v", filters=[("e_v", "<", 1.0)])
    >>> source.observations()
    <StreamedObservations: 10 objects, v [km / s], 1-sigma errors>
    """

    suffixes = (".parquet", ".parq", ".pq")
    what = "a Parquet file"

    def __init__(
        self, files: str | Path | Sequence[str | Path], columns: Any = None, *, filters: Any = None, **options: Any
    ) -> None:
        super().__init__(files, columns, **options)
        self.filters = None if filters is None else _expression(filters)

    def rows_and_kept(self, path: Path, keep: Sequence[str] | None) -> Iterator[tuple[NamedColumns, Callable[[], Any]]]:
        """The rows of a file that the filters keep."""
        from pyarrow import default_memory_pool
        from pyarrow.parquet import ParquetFile

        with ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            schema = file.schema_arrow
            layout = layout_of_schema(schema, f"'{path}'")
            columns = self.columns_in(layout)
            read = [*columns, *masks_of(schema, columns)]
            kept = names_with_masks(schema, keep, f"'{path}'")
            names = list(dict.fromkeys([*read, *kept, *self._names_in_filters(schema)]))
            n_rows = self.rows_per_block(row_width(schema, names), len(names), PAGES * len(names))
            groups = self._groups(path)
            batches = file.iter_batches(n_rows, groups, names, use_threads=False) if groups != [] else ()
            for number, arrow in enumerate(of_size(map(partial(self._kept, path), batches), n_rows)):
                if number % RELEASED == 0:
                    default_memory_pool().release_unused()
                yield columns_of_arrow(arrow, columns, {**layout.units, **self.units}), partial(arrow.select, kept)

    def identity(self) -> dict[str, Any] | None:
        """The files as they are now, and how they are read."""
        found = super().identity()
        return None if found is None else {**found, "filters": None if self.filters is None else str(self.filters)}

    def _names_in_filters(self, schema: Any) -> list[str]:
        """Columns that the filters name, or whose names are part of such names."""
        text = "" if self.filters is None else str(self.filters)
        return [name for name in schema.names if name in text]

    def _groups(self, path: Path) -> list[int] | None:
        """Numbers of the groups of rows that the filters may keep; None for all."""
        if self.filters is None:
            return None
        from pyarrow.dataset import ParquetFileFormat
        from pyarrow.fs import LocalFileSystem

        fragment = ParquetFileFormat().make_fragment(str(path), LocalFileSystem())
        with _filtered(path):
            return [group.id for group in fragment.subset(self.filters).row_groups]

    def _kept(self, path: Path, batch: Any) -> Any:
        if self.filters is None:
            return batch
        with _filtered(path):
            return as_arrow_table(batch).filter(self.filters)

    def no_rows(self) -> str:
        """The sentence for files of which no row is read."""
        if self.filters is None:
            return super().no_rows()
        return f"`filters` keeps no row, {self.filters}; change its conditions"


@contextmanager
def _filtered(path: Path) -> Iterator[None]:
    """One sentence for filters that do not suit the columns of a file."""
    try:
        yield
    except (ValueError, TypeError, LookupError, NotImplementedError) as error:  # those of pyarrow are these too
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        missing = re.match(r"No match for FieldRef\.Name\((.*?)\)", reason)
        if missing is not None:
            raise InputError(
                f"`filters` names a column '{missing[1]}', but '{path}' has none; check the name"
            ) from None
        raise InputError(
            f"`filters` compares a column of '{path}' with something of another type ({reason}); give numbers for "
            "numbers, and text for text"
        ) from None


def _expression(filters: Any) -> Any:
    """The expression of Arrow that the user's filters mean."""
    from pyarrow.compute import Expression
    from pyarrow.parquet import filters_to_expression

    if isinstance(filters, Expression):
        return filters
    try:
        return filters_to_expression(filters)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"`filters` is {filters!r}, but it must be a list of conditions, as [('g', '<', 20)], or an expression of "
            f"pyarrow ({error})"
        ) from None
