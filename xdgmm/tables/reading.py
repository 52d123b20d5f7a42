"""Read a table from any file that astropy's unified I/O reads, or say in one sentence why not."""

import warnings
from pathlib import Path

from xdgmm.errors import InputError

TRUNCATED = ".*truncated.*"


def read_table(path):
    """Read a table.

    Parameters
    ----------
    path : str or Path
        FITS, ECSV, CSV, VOTable, or anything else that astropy reads; also gzipped.

    Returns
    -------
    QTable
        Columns with a unit are Quantity; missing entries are masked.

    Raises
    ------
    InputError
        If the file is missing, is a folder, cannot be read as a table, is cut off, or has no rows.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from xdgmm.tables import read_table
    >>> len(read_table(files("xdgmm.datasets") / "data" / "hydrus1.fits"))
    31
    """
    path = Path(path)
    try:
        path.stat()
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'; check the name") from None
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give the file of a table")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"'{path}' is empty; give the file of a table")
    table = _read(path)
    _check_names(table, path)
    if len(table) == 0:
        raise InputError(f"the table in '{path}' has no rows, so there is nothing to fit")
    return table


def _read(path):
    try:
        with warnings.catch_warnings():
            # What astropy warns about (odd units, extra header cards) does no harm, but a file that ends early does.
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=TRUNCATED)
            return _guessed(path)
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


def _guessed(path):
    """By what astropy recognises, else as a table in plain text."""
    from astropy.io.registry import IORegistryError
    from astropy.table import QTable

    try:
        return QTable.read(path)
    except IORegistryError:
        return _plain_text(path)


def _plain_text(path):
    """Text in columns whose separator astropy guesses; a guess without any number is no table."""
    from astropy.table import QTable

    if "\0" in _text(path):
        raise ValueError("it is not text")
    table = QTable.read(path, format="ascii")
    if len(table) and not any(column.dtype.kind in "iuf" for column in table.itercols()):
        raise ValueError("it has no column of numbers")
    return table


def _text(path):
    """The text of a file, decompressed where it is compressed."""
    from astropy.utils.data import get_readable_fileobj

    with get_readable_fileobj(path, encoding="binary") as stream:
        return stream.read().decode("utf-8")


def _check_names(table, path):
    """Spreadsheets put a mark before the first name; astropy renames a repeated name to name_1, silently."""
    if table.colnames and table.colnames[0].startswith("\ufeff"):
        table.rename_column(table.colnames[0], table.colnames[0].removeprefix("\ufeff"))
    made_up = [name for name in table.colnames if _base(name) in table.colnames]
    if not made_up:
        return
    try:
        text = _text(path)
    except UnicodeDecodeError:  # a binary format, which numbers no names
        return
    for name in made_up:
        if name not in text:
            raise InputError(f"'{path}' has several columns named '{_base(name)}'; give each its own name")


def _base(name):
    """The name that astropy may have numbered: v of v_1."""
    base, _, number = name.rpartition("_")
    return base if number.isdigit() else None
