"""Kinds of tables: named columns of one length, from any package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, reraise_lack_of_memory

from .conventions import names_without_words
from .fits_nulls import table_of_hdu

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

KINDS = (
    "an astropy Table, a pandas or polars frame, a structured array or a dict of columns is needed; read a file with "
    "xdgmm.tables.read_table"
)


@dataclass(frozen=True)
class NamedColumns:
    """Columns by name; to accept another kind of table, add a function that makes one of these.

    Attributes
    ----------
    names : tuple of str
        Names of the columns as text: integers as they are printed, the levels of a MultiIndex joined by underscores.
    n_rows : int
        Number of rows.
    column : callable
        The column of a name: an array, masked array or Quantity of `n_rows` entries.
    """

    names: tuple[str, ...]
    n_rows: int
    column: Callable[[str], Any]

    def __contains__(self, name: object) -> bool:
        """Whether there is a column of exactly this name."""
        return name in self._set

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def ignoring_case(self) -> dict[str, list[str]]:
        """Names in lower case, each with the list of names that differ from it only in upper and lower case."""
        result: dict[str, list[str]] = {}
        for name in self.names:
            result.setdefault(name.lower(), []).append(name)
        return result

    @cached_property
    def without_words(self) -> dict[str, list[tuple[str, str, str]]]:
        """What `names_without_words` finds for the names."""
        return names_without_words(self.names)


class UnitArray(np.ndarray[Any, Any]):
    """An array with a unit, which takes a hundredth of the time to make of a column of astropy."""

    unit: Any

    @classmethod
    def of(cls, array: NDArray[Any], unit: Any) -> UnitArray:
        """A view of the array."""
        found = array.view(cls)
        found.unit = unit
        return found

    def __array_finalize__(self, of: Any) -> None:
        """Views have the same unit."""
        self.unit = getattr(of, "unit", None)

    @property
    def value(self) -> NDArray[Any]:
        """The array without its unit."""
        return self.view(np.ndarray)


def named_columns(table: object) -> NamedColumns:
    """The columns of a table.

    Parameters
    ----------
    table : astropy Table or QTable, pandas or polars frame, pyarrow Table, structured array, FITS_rec, or dict

    Raises
    ------
    InputError
        If it is none of these, or if columns share a name or differ in length.
    """
    from astropy.io.fits import BinTableHDU, FITS_rec, TableHDU
    from astropy.table import Table

    if isinstance(table, NamedColumns):
        return table
    if isinstance(table, FITS_rec):  # astropy applies the units and null values that are in its columns
        hdu = TableHDU(table) if any(column.ascii for column in table.columns) else BinTableHDU(table)
        return _of_table(table_of_hdu(hdu))
    if isinstance(table, Table):
        return _of_table(table)
    if isinstance(table, np.ndarray) and table.dtype.names is not None:
        return NamedColumns(table.dtype.names, len(table), table.__getitem__)
    if isinstance(table, Mapping):
        return _of_mapping(table)
    return _of_frame(table)


def is_table(data: object) -> bool:
    """Is it a single table of a type that `named_columns` takes?"""
    kind = type(data)  # a delayed object of Dask itself has every attribute
    return (
        isinstance(data, (NamedColumns, Mapping))
        or (isinstance(data, np.ndarray) and data.dtype.names is not None)
        or any(hasattr(kind, name) for name in ("colnames", "column_names", "columns"))
    )


def as_table(columns: NamedColumns) -> Table:
    """A table of astropy with these columns."""
    from astropy.table import Column, Table

    found = Table()
    for name in columns.names:
        column = columns.column(name)
        if isinstance(column, UnitArray):
            column = Column(column.value, unit=column.unit, copy=False)
        found.add_column(column, name=name, copy=False)
    return found


def _of_table(table: Table) -> NamedColumns:
    return NamedColumns(tuple(table.colnames), len(table), table.__getitem__)


def _of_mapping(columns: Mapping[Any, Any]) -> NamedColumns:
    from astropy.table import QTable

    names = _text_names(columns)
    try:
        return _of_table(QTable(dict(zip(names, columns.values(), strict=True)), copy=False))
    except (ValueError, TypeError) as error:
        reraise_lack_of_memory(error)
        raise InputError(
            f"`table` is a dict whose columns make no table ({error}); give one entry for each row"
        ) from None


def _of_frame(table: Any) -> NamedColumns:
    """Columns of a data frame, without units; nulls are NaN."""
    import narwhals
    from narwhals.exceptions import DuplicateError

    try:
        frame = narwhals.from_native(table, eager_only=True)
        names = _text_names(frame.columns)
    except TypeError:
        hint = "; collect() it first" if hasattr(table, "collect") else f", but {KINDS}"
        raise InputError(f"`table` is a {type(table).__name__}{hint}") from None
    except DuplicateError:
        raise InputError("`table` has several columns of the same name; give each its own name") from None
    positions = {name: i for i, name in enumerate(names)}
    return NamedColumns(names, len(frame), lambda name: _array_of_series(frame[:, positions[name]]))


def text_name(name: object) -> object:
    """The name of a column as text: an integer as it is printed, levels of a MultiIndex joined; others unchanged."""
    if isinstance(name, tuple):
        return "_".join(str(level) for level in name if level != "")
    is_number = isinstance(name, int | np.integer) and not isinstance(name, bool)
    return str(name) if is_number else name


def _text_names(names: Any) -> tuple[str, ...]:
    """Names of all columns as text.

    Raises
    ------
    InputError
        If two are the same as text.
    """
    result = tuple(str(text_name(name)) for name in names)
    twice = [name for name, count in Counter(result).items() if count > 1]
    if twice:
        raise InputError(f"`table` has several columns of the same name, '{twice[0]}'; give each its own name")
    return result


def _array_of_series(series: Any) -> Any:
    """A column of a frame as an array: float64 with NaN for null; other types as they are, to be refused later."""
    import narwhals

    if isinstance(series.dtype, (narwhals.Categorical, narwhals.Enum)):
        series = series.cast(narwhals.String)
    if series.dtype.is_numeric():
        return series.cast(narwhals.Float64).to_numpy()
    nulls = series.is_null().to_numpy()
    return np.where(nulls, np.nan, series.to_numpy()) if series.dtype == narwhals.Object else series.to_numpy()
