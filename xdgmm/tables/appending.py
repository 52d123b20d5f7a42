"""Append columns to a user's table and write it to another file, everything else of it being kept.

A binary table of a FITS file keeps every bit: its rows are copied as bytes, some at a time, and so are the other
parts of the file.  Other tables go through astropy.
"""

from dataclasses import dataclass

import numpy as np

from xdgmm.errors import InputError, OutputError
from xdgmm.files import written_whole

from .fits_rows import MISSING, append_to_fits, check_number, is_binary_table
from .reading import read_table
from .writing import write_table


@dataclass(frozen=True)
class NewColumn:
    """A column to be appended: float64, NaN where masked; or int16, negative where masked."""

    name: str
    description: str
    unit: object = None
    whole: bool = False


def check_new_names(names, columns, *, replace=False):
    """Refuse columns that have the name of another new one, or (unless `replace`) of one of the table.

    Upper and lower case count as the same, as FITS has it.
    """
    new = [column.name.casefold() for column in columns]
    twice = sorted({column.name for column in columns if new.count(column.name.casefold()) > 1})
    if twice:
        raise InputError(f"two new columns would be called '{twice[0]}'; rename the column it is named after")
    existing = [name for name in names if name.casefold() in new]
    if existing and not replace:
        raise InputError(
            f"the table has columns of these names already: {', '.join(existing[:5])}"
            f"{', ...' if len(existing) > 5 else ''}; choose another --prefix, or replace them (--overwrite-columns)"
        )


def check_fits_names(names):
    """Refuse names of columns that a FITS table cannot hold."""
    odd = [name for name in names if not name.isascii()]
    if odd:
        raise OutputError(f"a FITS table cannot hold the name '{odd[0]}', which is not ASCII; write .ecsv instead")


def append_columns(source, path, columns, blocks, *, hdu=None, overwrite=False):
    """Write the table in the file `source`, with more columns, to `path`, whole or not at all.

    Parameters
    ----------
    source, path : Path
        Any table that `read_table` reads; .fits or .ecsv.
    columns : sequence of NewColumn
        One of a name that the table has, in upper or lower case, takes its place and its spelling.
    blocks : iterable of sequence of ndarray
        Values of each column, for some rows after the other.
    hdu : int or str, optional
        Which table, as `read_table` takes it.
    overwrite : bool
        Whether a file at `path` is replaced.

    Raises
    ------
    OutputError
        If the path cannot be written, or its format cannot hold the table.
    """
    fits = path.suffix.lower() == ".fits"
    if not (fits and is_binary_table(source, hdu)):
        write_table(_with_columns(read_table(source, hdu), columns, blocks, fits=fits), path, overwrite=overwrite)
        return
    with written_whole(path, overwrite=overwrite) as temporary:
        append_to_fits(source, temporary, columns, blocks, hdu)


def _with_columns(table, columns, blocks, *, fits):
    from astropy.table import MaskedColumn, Table

    table = Table(table, copy=False)
    arrays = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    for column, values in zip(columns, arrays, strict=True):
        mask = values == MISSING if column.whole else np.isnan(values)
        named = {"unit": column.unit, "description": column.description}
        called = [name for name in table.colnames if name.casefold() == column.name.casefold()] or [column.name]
        table[called[0]] = MaskedColumn(values, mask=mask, **named)
    if fits:
        check_number(len(table.colnames))
    return table
