"""What counts as a table: columns of one length with names, whatever holds them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xdgmm.errors import InputError

WAYS = (
    "an astropy Table, a pandas or polars frame, a structured array or a dict of columns is needed; read a file with "
    "xdgmm.tables.read_table"
)


@dataclass(frozen=True)
class Catalogue:
    """Columns by name; to accept another holder of columns, add a function that makes one of these.

    Attributes
    ----------
    names : tuple of str
        Names of the columns.
    n_rows : int
        Number of rows.
    column : callable
        The column of a name: an array, masked array or Quantity of `n_rows` entries.
    """

    names: tuple
    n_rows: int
    column: Callable

    @cached_property
    def exact(self):
        """The names, to ask whether there is one."""
        return frozenset(self.names)

    @cached_property
    def folded(self):
        """The names that are the same but for upper and lower case: a list for each in lower case."""
        result = {}
        for name in self.names:
            result.setdefault(name.lower(), []).append(name)
        return result


def as_catalogue(table):
    """The columns of a table.

    Parameters
    ----------
    table : astropy Table or QTable, pandas or polars frame, pyarrow Table, structured array, FITS_rec, or dict

    Raises
    ------
    InputError
        If it is none of these, or if columns share a name or differ in length.
    """
    from astropy.io.fits import BinTableHDU, FITS_rec
    from astropy.table import Table

    if isinstance(table, Catalogue):
        return table
    if isinstance(table, FITS_rec):  # its units and null values stand in its columns, and astropy applies them
        return _of_table(Table.read(BinTableHDU(table)))
    if isinstance(table, Table):
        return _of_table(table)
    if isinstance(table, np.ndarray) and table.dtype.names is not None:
        return Catalogue(table.dtype.names, len(table), table.__getitem__)
    if isinstance(table, Mapping):
        return _of_mapping(table)
    return _of_frame(table)


def _of_table(table):
    return Catalogue(tuple(table.colnames), len(table), table.__getitem__)


def _of_mapping(columns):
    from astropy.table import QTable

    try:
        return _of_table(QTable({name: columns[name] for name in _text_names(columns)}, copy=False))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"`table` is a dict whose columns make no table ({error}); give one entry for each row"
        ) from None


def _of_frame(table):
    """Columns of a data frame, without units; nulls are NaN."""
    import narwhals
    from narwhals.exceptions import DuplicateError

    try:
        frame = narwhals.from_native(table, eager_only=True)
        names = _text_names(frame.columns)
    except TypeError:
        hint = "; collect() it first" if hasattr(table, "collect") else f", but {WAYS}"
        raise InputError(f"`table` is a {type(table).__name__}{hint}") from None
    except DuplicateError:
        raise InputError("`table` has several columns of the same name; give each its own name") from None
    return Catalogue(names, len(frame), lambda name: array_of_series(frame[name]))


def _text_names(names):
    """Names that are text: columns are chosen by these alone."""
    return tuple(name for name in names if isinstance(name, str))


def array_of_series(series):
    """A column of a frame as an array: float64 with NaN for null, or whatever it holds, to be refused later."""
    import narwhals

    if isinstance(series.dtype, (narwhals.Categorical, narwhals.Enum)):
        raise InputError(f"column '{series.name}' holds categories, but numbers belong there; convert it to float")
    if series.dtype.is_numeric():
        return series.cast(narwhals.Float64).to_numpy()
    nulls = series.is_null().to_numpy()
    return np.where(nulls, np.nan, series.to_numpy()) if series.dtype == narwhals.Object else series.to_numpy()
