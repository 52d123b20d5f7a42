"""Columns of Arrow tables, and the units that writers of Parquet files put into their metadata."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from .table_types import NamedColumns, UnitArray, as_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from astropy.table import Table

ASTROPY = b"table_meta_yaml"
VOTABLE = b"IVOA.VOTable-Parquet.content"
UNIT = b"unit"
MASK = ".mask"  # astropy writes the mask of a column beside it


def names_of_schema(schema: Any) -> list[str]:
    """Names of the columns, without the masks that astropy writes as columns of their own."""
    if ASTROPY not in (schema.metadata or {}):
        return list(schema.names)
    every = set(schema.names)
    return [name for name in schema.names if not (name.endswith(MASK) and name.removesuffix(MASK) in every)]


def units_of_schema(schema: Any) -> dict[str, str]:
    """Units of the columns of a Parquet file: of a field, of astropy's description of a table, or of a VOTable's."""
    metadata = schema.metadata or {}
    units: dict[str, str] = {}
    if VOTABLE in metadata:
        units |= dict(_units_of_votable(metadata[VOTABLE]))
    if ASTROPY in metadata:
        units |= dict(_units_of_astropy(metadata[ASTROPY].decode()))
    return units | {field.name: field.metadata[UNIT].decode() for field in schema if UNIT in (field.metadata or {})}


def _units_of_astropy(text: str) -> Iterator[tuple[str, str]]:
    from astropy.table.meta import get_header_from_yaml

    for column in get_header_from_yaml(text.splitlines())["datatype"]:
        if column.get("unit"):
            yield column["name"], str(column["unit"])


def _units_of_votable(content: bytes) -> Iterator[tuple[str, str]]:
    from astropy.io.votable import parse

    for field in parse(BytesIO(content)).get_first_table().fields:
        if field.unit is not None:
            yield field.name, str(field.unit)


def masks_of(schema: Any, names: Sequence[str]) -> list[str]:
    """The columns of masks that astropy wrote beside columns of these names."""
    shown = set(names_of_schema(schema))
    return [name + MASK for name in names if name + MASK in schema.names and name + MASK not in shown]


def table_of_arrow(arrow: Any, names: Sequence[str], units: Mapping[str, Any]) -> Table:
    """These columns of an Arrow table, with their units; nulls are NaN in numbers, and None or False in others."""
    return as_table(columns_of_arrow(arrow, names, units))


def columns_of_arrow(arrow: Any, names: Sequence[str], units: Mapping[str, Any]) -> NamedColumns:
    """As `table_of_arrow`, without the time that a table of astropy takes."""
    masks = set(masks_of(arrow.schema, names))
    columns = {}
    for name in names:
        cells = array_of_arrow(arrow.column(name))
        if name + MASK in masks:
            cells = np.where(arrow.column(name + MASK).to_numpy().astype(bool), np.nan, cells)
        columns[name] = UnitArray.of(cells, units.get(name))
    return NamedColumns(tuple(names), arrow.num_rows, columns.__getitem__)


def array_of_arrow(column: Any) -> Any:
    """A column of an Arrow table as an array."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if pa.types.is_null(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    elif pa.types.is_boolean(kind) and column.null_count:
        column = compute.fill_null(column, fill_value=False)
    return column.to_numpy()


def kind_of_arrow(kind: Any) -> str:
    """What a column of an Arrow type holds: numbers, text, booleans, nulls, or the name of the type."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "numbers"
    if pa.types.is_boolean(kind):
        return "booleans"
    if pa.types.is_null(kind):
        return "nulls"
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else str(kind)
