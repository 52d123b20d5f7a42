"""Write reports, and append columns to a user's table.

A report is written as ECSV, which keeps units, masks and metadata, or as FITS.  Appending to a binary table of a FITS
file keeps every bit of it; other tables are read and written by astropy.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, OutputError, XdgmmWarning, reraise_lack_of_memory
from xdgmm.files import atomic_write, check_output

from .fits_append import MISSING, append_to_fits, check_number, is_binary_table
from .reading import read_table
from .report import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from astropy.table import QTable, Table
    from numpy.typing import NDArray

FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits"}
SIGNS = {"±": "+-", "σ": "sigma"}  # in sentences, and how they are written in ASCII
REPORT_SUFFIXES = tuple(FORMATS)


def write_table(table: QTable, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a QTable to .ecsv, .fits or .fit; an interrupted or failed run leaves no incomplete file.

    Raises
    ------
    OutputError
        If the path cannot be written, ends otherwise, or exists and `overwrite` is false.
    """
    path = check_output(path, overwrite=overwrite, suffixes=REPORT_SUFFIXES)
    if is_fits_name(path):
        table = _with_comments(table)
    with atomic_write(path, overwrite=overwrite) as temporary, warnings.catch_warnings():
        from astropy.io.fits.verify import VerifyError

        warnings.simplefilter("ignore")  # about units and metadata that FITS stores in another way or drops
        try:
            table.write(temporary, format=FORMATS[path.suffix.lower()], overwrite=True)
        except (ValueError, TypeError, VerifyError) as error:
            reraise_lack_of_memory(error)
            raise OutputError(f"cannot write '{path}' ({error}); .ecsv holds any table") from error


def is_fits_name(path: Path) -> bool:
    """Is a file of this name written as FITS?"""
    return FORMATS.get(path.suffix.lower()) == "fits"


def _with_comments(table: QTable) -> QTable:
    """The table with its remarks, and the candidates of its fit, as comments, in which FITS keeps sentences."""
    remarks = table.meta.get("remarks")
    sentences = [*(remarks if isinstance(remarks, list) else ()), *_of_candidates(table.meta.get("selection"))]
    if not sentences:
        return table
    table = table.copy(copy_data=False)
    table.meta["comments"] = [*table.meta.get("comments", ()), *map(_in_ascii, sentences)]
    return table


def _in_ascii(sentence: str) -> str:
    """A sentence in the characters that a FITS header can hold: astropy drops others without a word."""
    for sign, word in SIGNS.items():
        sentence = sentence.replace(sign, word)
    return sentence.encode("ascii", "backslashreplace").decode()


def _of_candidates(selection: Any) -> Iterator[str]:
    """One sentence on the choice of a fit, and one on each candidate."""
    if not isinstance(selection, dict):
        return
    yield f"chosen by {selection['criterion']}: {selection['sentence']}"
    columns = selection["columns"]
    for row in zip(*columns.values(), strict=True):
        yield ", ".join(f"{name} {cell}" for name, cell in zip(columns, row, strict=True) if cell is not None)


def check_new_names(names: Iterable[str], columns: Sequence[Column], *, replace: bool = False) -> None:
    """Refuse columns that have the name of another new one, or (unless `replace`) of one of the table.

    Upper and lower case count as the same, as in FITS.
    """
    new = [column.name.casefold() for column in columns]
    twice = sorted({column.name for column in columns if new.count(column.name.casefold()) > 1})
    if twice:
        raise InputError(f"two new columns would be called '{twice[0]}'; rename the column it is named after")
    existing = [name for name in names if name.casefold() in new]
    if existing and not replace:
        raise InputError(
            f"the table has columns of these names already: {', '.join(existing[:5])}"
            f"{', ...' if len(existing) > 5 else ''}; choose another `prefix`, or replace them: `replace=True`"
        )


def check_fits_names(names: Iterable[str]) -> None:
    """Refuse names of columns that a FITS table cannot hold."""
    odd = [name for name in names if not name.isascii()]
    if odd:
        raise OutputError(f"a FITS table cannot hold the name '{odd[0]}', which is not ASCII; write .ecsv instead")


def append_columns(
    source: Path,
    path: Path,
    columns: Sequence[Column],
    blocks: Iterable[Sequence[NDArray[Any]]],
    *,
    hdu: int | str | None = None,
    readme: str | Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write the table in the file `source`, with more columns, to `path`; a failed run leaves no incomplete file.

    Parameters
    ----------
    source, path : Path
        Any table that `read_table` reads; .fits, .fit or .ecsv.
    columns : sequence of Column
        A column whose name the table has, in upper or lower case, replaces that column and keeps its spelling.
    blocks : iterable of sequence of ndarray
        Values of each column, for one block of rows after another.
    hdu : int or str, optional
        Which table, as for `read_table`.
    readme : str or Path, optional
        Description of its columns, as for `read_table`.
    overwrite : bool
        Whether a file at `path` is replaced.

    Raises
    ------
    OutputError
        If the path cannot be written, or its format cannot hold the table.
    """
    fits = is_fits_name(path)
    if not (fits and is_binary_table(source, hdu)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", XdgmmWarning)  # said when the table was read for these columns
            table = read_table(source, hdu, readme)
        try:
            table = _with_columns(table, columns, blocks, fits=fits)
        except ValueError as error:
            reraise_lack_of_memory(error)
            raise
        write_table(table, path, overwrite=overwrite)
        return
    with atomic_write(path, overwrite=overwrite) as temporary:
        append_to_fits(source, temporary, columns, blocks, hdu)


def _with_columns(
    table: QTable, columns: Sequence[Column], blocks: Iterable[Sequence[NDArray[Any]]], *, fits: bool
) -> Table:
    from astropy import table as astropy_table

    table = astropy_table.Table(table, copy=False)
    arrays = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    for column, values in zip(columns, arrays, strict=True):
        mask = values == MISSING if column.whole else np.isnan(values)
        named = {"unit": column.unit, "description": column.description}
        existing = [name for name in table.colnames if name.casefold() == column.name.casefold()]
        if fits or mask.any():
            new = astropy_table.MaskedColumn(values, mask=mask, **named)
        else:  # astropy writes it as text in a third of the time
            new = astropy_table.Column(values, **named)
        table[(existing or [column.name])[0]] = new
    if fits:
        check_number(len(table.colnames))
    return table
