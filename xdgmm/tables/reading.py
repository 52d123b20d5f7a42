"""Read a table from a file or a pipe, or say in one sentence why not."""

import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

from xdgmm.errors import InputError

from .formats import head_of, is_text, read_any

TRUNCATED = ".*truncated.*"
NAMES = 10_000_000  # bytes at the start of a text within which its names stand


def read_table(path, hdu=None):
    """Read a table.

    Parameters
    ----------
    path : str or Path
        FITS, ECSV, CSV (separated by commas, semicolons, tabs or |), VOTable, Parquet, or anything else that astropy
        reads; also gzipped, and from a pipe such as /dev/stdin.
    hdu : int or str, optional
        Number (as FITS counts them, in a VOTable from 0) or name of the table, where a file holds several.

    Returns
    -------
    QTable
        Columns with a unit are Quantity; missing entries are masked.

    Raises
    ------
    InputError
        If the file is missing, is a folder, cannot be read as a table, is cut off, has no rows, or holds several
        tables of which none is chosen (the message lists them).

    Examples
    --------
    >>> from importlib.resources import files
    >>> from xdgmm.tables import read_table
    >>> len(read_table(files("xdgmm.datasets") / "data" / "hydrus1.fits"))
    31
    """
    path = Path(path)
    _check_path(path)
    with _file(path) as file:
        if file.stat().st_size == 0:
            raise InputError(f"'{path}' is empty; give the file of a table")
        table = _read(file, path, hdu)
        _check_names(table, file, path)
    if len(table) == 0:
        raise InputError(f"the table in '{path}' has no rows, so there is nothing to fit")
    return table


def _check_path(path):
    try:
        path.stat()
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'; check the name") from None
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give the file of a table")


@contextmanager
def _file(path):
    """The file itself; a copy of what comes through a pipe, which can be read only once."""
    if path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "table"
        with path.open("rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield copy


def _read(file, path, hdu):
    try:
        with warnings.catch_warnings():
            # What astropy warns about (odd units, extra header cards) does no harm, but a file that ends early does.
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=TRUNCATED)
            return read_any(file, hdu)
    except InputError as error:
        raise InputError(str(error).replace(str(file), str(path))) from None
    except OSError as error:
        if error.strerror:
            raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
        raise InputError(_not_a_table(path, error)) from error
    except Exception as error:
        raise InputError(_not_a_table(path, error)) from error


def _not_a_table(path, error):
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:150]
    return (
        f"'{path}' cannot be read as a table ({reason}); is it complete, and does its name end as its format says "
        "(.fits, .ecsv, .csv, .vot)?"
    )


def _check_names(table, file, path):
    """Spreadsheets put a mark before the first name; astropy renames a repeated name to name_1, silently."""
    if table.colnames and table.colnames[0].startswith("\ufeff"):
        table.rename_column(table.colnames[0], table.colnames[0].removeprefix("\ufeff"))
    there = set(table.colnames)
    made_up = [name for name in table.colnames if _base(name) in there]
    if not made_up:
        return
    start = head_of(file, NAMES)
    if not is_text(start):  # a binary format, which numbers no names
        return
    text = start.decode("utf-8", errors="replace")
    for name in made_up:
        if name not in text:
            raise InputError(f"'{path}' has several columns named '{_base(name)}'; give each its own name")


def _base(name):
    """The name that astropy may have numbered: v of v_1."""
    base, _, number = name.rpartition("_")
    return base if number.isdigit() else None
