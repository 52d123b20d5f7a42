"""Read a table from a file or a pipe, or explain in one sentence why that is impossible."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xdgmm.errors import InputError, XdgmmWarning, reraise_lack_of_memory

from .file_formats import read_any
from .fits_blocks import fits_blocks
from .text_formats import decoded, first_bytes, is_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.table import QTable

TRUNCATED = ".*truncated.*"
HEADER_SIZE = 10_000_000  # bytes at the start of a text file that are searched for the names of its columns


def read_table(path: str | Path, hdu: int | str | None = None, readme: str | Path | None = None) -> QTable:
    """Read a table.

    Parameters
    ----------
    path : str or Path
        FITS, ECSV, CSV (separated by commas, semicolons, tabs or ``|``), VOTable, Parquet, or another format that
        astropy reads; also gzipped, and from a pipe such as /dev/stdin.  See Notes for text.
    hdu : int or str, optional
        Number (as FITS counts them, in a VOTable from 0) or name of the table, where a file holds several.
    readme : str or Path, optional
        Description of the columns of a text file in the format of the CDS.  A file ReadMe beside the table is used
        without being named, if it describes the table.

    Returns
    -------
    QTable
        Columns with a unit are Quantity; missing entries are masked.

    Raises
    ------
    InputError
        If the file is missing, is a folder, cannot be read as a table, is incomplete, has no rows, or holds several
        tables and `hdu` names none (the message lists them); or if `readme` does not describe it.

    Warns
    -----
    XdgmmWarning
        Of what was assumed of a text file: its encoding, which commas are decimal, and columns of errors or limits that
        were made of cells with both.

    Notes
    -----
    In text, the words null, NA, N/A, None, NaN, INDEF, dashes and dots, and empty cells, are missing values where all
    other cells of a column are numbers.  Exponents may be those of Fortran (1.5D+02), minus signs those of typesetting.
    Values with errors in the same cell (44.72±1.41, 44.72(41), 44.7+1.4-1.2) become columns X and e_X (and E_X), limits
    (<12) columns X and l_X.  Units in a row below the names, or in brackets behind them, are units.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from xdgmm.tables import read_table
    >>> len(read_table(files("xdgmm.datasets") / "data" / "hydrus1.fits"))
    31
    """
    path = Path(path)
    check_path(path)
    with readable_file(path) as file:
        if file.stat().st_size == 0:
            raise InputError(f"'{path}' is empty; give the file of a table")
        table = _read(file, path, hdu, None if readme is None else Path(readme))
        _check_names(table, file, path)
    if len(table) == 0:
        raise InputError(f"the table in '{path}' has no rows, so there is nothing to fit")
    return table


def check_path(path: Path) -> None:
    """Refuse what is no file that can be read.

    Raises
    ------
    InputError
        If there is no such file, it is a folder, or it cannot be reached.
    """
    try:
        path.stat()
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'; check the name") from None
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give the file of a table")


@contextmanager
def readable_file(path: Path) -> Iterator[Path]:
    """The file itself, or a copy of what comes through a pipe, which can be read only once."""
    if path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "table"
        with path.open("rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield copy


def read_blocks(path: str | Path, hdu: int | str | None = None, readme: str | Path | None = None) -> Iterator[QTable]:
    """Read a table in blocks of rows, so that a large one takes little memory; see `read_table`.

    Only binary tables of FITS files are divided, unless they have arrays of variable length; other tables come whole.
    """
    path = Path(path)
    check_path(path)
    with readable_file(path) as file:
        with explained(file, path):
            blocks = fits_blocks(file, hdu)
        if blocks is None:
            yield read_table(path if path.is_file() else file, hdu, readme)
            return
        while True:
            with explained(file, path):
                block = next(blocks, None)
            if block is None:
                return
            yield block


def _read(file: Path, path: Path, hdu: int | str | None, readme: Path | None) -> QTable:
    with explained(file, path) as caught:
        table = read_any(file, hdu, readme, path.name)
    for warning in caught:
        if issubclass(warning.category, XdgmmWarning):
            warnings.warn(f"'{path}': {warning.message}", XdgmmWarning, stacklevel=3)
    return table


@contextmanager
def explained(file: Path, path: Path) -> Iterator[list[warnings.WarningMessage]]:
    """One sentence for whatever goes wrong while a file is read, and the warnings; `path` is what the user calls it."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            # Warnings of astropy on units and extra header cards are harmless; that of an incomplete file is not.
            warnings.simplefilter("always")
            warnings.filterwarnings("error", message=TRUNCATED)
            yield caught
    except InputError as error:
        raise InputError(str(error).replace(str(file), str(path))) from None
    except OSError as error:
        if error.strerror:
            raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
        raise InputError(_not_a_table(path, error)) from error
    except Exception as error:
        reraise_lack_of_memory(error)
        raise InputError(_not_a_table(path, error)) from error


def _not_a_table(path: Path, error: Exception) -> str:
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:150]
    return (
        f"'{path}' cannot be read as a table ({reason}); is it complete, and does its name end as its format says "
        "(.fits, .ecsv, .csv, .vot)?"
    )


def _check_names(table: QTable, file: Path, path: Path) -> None:
    """Remove the byte order mark of spreadsheets; refuse repeated names, which astropy numbers (name_1) silently."""
    if table.colnames and table.colnames[0].startswith("\ufeff"):
        table.rename_column(table.colnames[0], table.colnames[0].removeprefix("\ufeff"))
    names = set(table.colnames)
    numbered = [name for name in table.colnames if _base(name) in names]
    if not numbered:
        return
    start = first_bytes(file, HEADER_SIZE)
    if not is_text(start):  # names are numbered only in text formats
        return
    text = decoded(start)
    for name in numbered:
        if name not in text:
            raise InputError(f"'{path}' has several columns named '{_base(name)}'; give each its own name")


def _base(name: str) -> str | None:
    """The name without the number that astropy may have added: v of v_1."""
    base, _, number = name.rpartition("_")
    return base if number.isdigit() else None
