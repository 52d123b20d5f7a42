"""More columns for tables of Arrow, and Parquet files written one such table after the other.

Columns that were there are not touched: types, nulls, and the metadata of fields and file stay.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, OutputError

from .arrow import ASTROPY, UNIT
from .fits_append import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .report import Column

DESCRIPTION = b"description"


def with_columns(arrow: Any, columns: Sequence[Column], values: Sequence[NDArray[Any]]) -> Any:
    """The table of Arrow with more columns; one whose name it has, in upper or lower case, takes that place.

    Masked values, which are NaN or `MISSING`, are null.  Units and descriptions are in the metadata of the fields.
    """
    import pyarrow as pa

    places = {name.casefold(): place for place, name in enumerate(arrow.schema.names)}
    replaced = {}
    for column, numbers in zip(columns, values, strict=True):
        place = places.get(column.name.casefold())
        name = column.name if place is None else arrow.schema.names[place]
        mask = numbers == MISSING if column.whole else np.isnan(numbers)
        array = pa.array(numbers, pa.int16() if column.whole else pa.float64(), mask=mask)
        field = pa.field(name, array.type, metadata=_metadata(column))
        replaced[name] = column
        arrow = arrow.append_column(field, array) if place is None else arrow.set_column(place, field, array)
    return arrow.replace_schema_metadata(_described(arrow.schema, replaced))


def _metadata(column: Column) -> dict[bytes, bytes]:
    metadata = {DESCRIPTION: column.description.encode()}
    return metadata if column.unit is None else {**metadata, UNIT: str(column.unit).encode()}


def _described(schema: Any, columns: dict[str, Column]) -> Any:
    """The metadata of the file: astropy reads no column that is not in its own description of the table."""
    metadata = schema.metadata
    if ASTROPY not in (metadata or {}):
        return metadata
    from astropy.io.misc import yaml

    header = yaml.load(metadata[ASTROPY].decode())
    types = {name: "int16" if column.whole else "float64" for name, column in columns.items()}
    others = [each for each in header["datatype"] if each["name"] in schema.names and each["name"] not in columns]
    new = [
        {"name": name, "datatype": types[name], "description": column.description}
        | ({} if column.unit is None else {"unit": str(column.unit)})
        for name, column in columns.items()
    ]
    return {**metadata, ASTROPY: yaml.dump({**header, "datatype": [*others, *new]}).encode()}


class ParquetWriter:
    """Writes tables of Arrow as groups of rows of one Parquet file; all have the schema of the first."""

    def __init__(self, path: Path, where: Path) -> None:
        self.path, self.where = path, where
        self._file: Any = None

    def write(self, arrow: Any) -> None:
        """Write more rows.

        Raises
        ------
        OutputError
            If Parquet cannot hold them, or their columns differ from those of the rows before.
        """
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter as Writer

        try:
            if self._file is None:
                self._file = Writer(self.path, arrow.schema)
            self._file.write_table(arrow.cast(self._file.schema))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, ValueError) as error:
            raise OutputError(f"cannot write '{self.where}': {error}") from error

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()


@contextmanager
def parquet_writer(path: Path, where: Path) -> Iterator[ParquetWriter]:
    """A writer of the file `path`, which messages call `where`; the file ends with the block."""
    writer = ParquetWriter(path, where)
    try:
        yield writer
    finally:
        writer.close()


def chosen_names(names: Sequence[str], keep: Sequence[str] | None, where: str) -> list[str]:
    """The columns that are kept, in their order in the table; None keeps all.

    Raises
    ------
    InputError
        If one of them is not in the table.
    """
    if keep is None:
        return list(names)
    missing = [name for name in keep if name not in names]
    if missing:
        raise InputError(f"`keep` names '{missing[0]}', but {where} has no such column")
    return [name for name in names if name in keep]


def arrow_of_table(table: Any, keep: Sequence[str] | None, where: str) -> Any:
    """A table of any kind as one of Arrow, with units in the metadata of its fields.

    Raises
    ------
    InputError
        If a column that is kept is not in the table, or has no form in Arrow.
    """
    import pyarrow as pa

    if isinstance(table, (pa.Table, pa.RecordBatch)):
        found = pa.table(table) if isinstance(table, pa.RecordBatch) else table
        return found.select(chosen_names(found.schema.names, keep, where))
    if hasattr(table, "to_numpy") and hasattr(table, "iloc"):
        found = pa.Table.from_pandas(table, preserve_index=any(name is not None for name in table.index.names))
        return found.select(chosen_names(found.schema.names, keep, where))
    if not hasattr(table, "colnames") and hasattr(table, "__arrow_c_stream__"):
        found = pa.table(table)
        return found.select(chosen_names(found.schema.names, keep, where))
    if not hasattr(table, "colnames"):
        from astropy.table import Table

        table = Table(table, copy=False)
    columns = {name: _array(table[name], name, where) for name in chosen_names(table.colnames, keep, where)}
    units = {name: getattr(table[name], "unit", None) for name in columns}
    fields = [
        pa.field(name, array.type, metadata=None if units[name] is None else {UNIT: str(units[name]).encode()})
        for name, array in columns.items()
    ]
    return pa.table(list(columns.values()), pa.schema(fields))


def _array(column: Any, name: str, where: str) -> Any:
    """A column of astropy, or a Quantity, as an array of Arrow: masked values are null."""
    import pyarrow as pa

    mask = getattr(column, "mask", None)
    values = getattr(column, "unmasked", column)
    values = np.ma.getdata(getattr(values, "value", values))
    if values.ndim != 1 or values.dtype.kind not in "biufSU":
        raise InputError(
            f"column '{name}' of {where} holds no single numbers or texts, which a Parquet file needs here; leave it "
            "out with `keep`"
        )
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    return pa.array(values, mask=None if mask is None else np.broadcast_to(np.asarray(mask), values.shape))
