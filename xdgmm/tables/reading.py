"""A file becomes an astropy Table, or one sentence says why not."""

import re
import warnings
from pathlib import Path

from xdgmm.errors import InputError

START = 1 << 16  # bytes read to see what a file is
READABLE = "FITS, ECSV, CSV, VOTable, or another format that astropy reads"
# What astropy only warns about, and what it means that rows are gone.
CUT_SHORT = ("may have been truncated", "not multiple of", "Error validating header", "Unexpected extra padding")
REMARKS = "xdgmm"  # the key of `Table.meta` under which `read_table` leaves its remarks


def read_table(path):
    """Read a table from a file whose format is found out from its content and name.

    Parameters
    ----------
    path : str or path-like
        FITS, ECSV, CSV, VOTable, plain text columns, or anything else that astropy's unified I/O reads; compressed
        or not.

    Returns
    -------
    astropy.table.Table
        With units and masks as the file has them.  Where the file holds several tables it is the first, and
        ``meta["xdgmm"]`` says so.

    Raises
    ------
    InputError
        If there is no such file, it may not be read, it is a folder, empty, cut short or damaged, is not a table,
        names a column twice, or has no rows.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from xdgmm.tables import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "stars.csv")
    ...     _ = path.write_text("v,e_v\\n83.1,1.7\\n76.0,1.4\\n")
    ...     read_table(path).colnames
    ['v', 'e_v']
    """
    path = Path(path)
    start = _start(path)
    if start.startswith(b"SIMPLE  ="):
        table = _read_fits(path)
    elif _is_commented_text(start):
        table = _read_guessing(path, start)
    else:
        table = _read_identified(path, start)
    _check_names(table, path, start)
    if len(table) == 0:
        raise InputError(f"the table in '{path}' has no rows; give one with at least one row")
    return table


def _start(path):
    """The first bytes of the file, decompressed where it is compressed."""
    from astropy.utils.data import get_readable_fileobj

    _check_is_file(path)
    try:
        with get_readable_fileobj(path, encoding="binary") as stream:
            start = stream.read(START)
    except Exception as error:  # a damaged archive raises whatever its decompressor met
        raise _damaged(path, error) from error
    if not start.strip():
        raise InputError(f"'{path}' is empty; give a file that holds a table")
    return start


def _check_is_file(path):
    try:
        if path.is_dir():
            raise InputError(f"'{path}' is a folder; give the name of a file in it")
        if path.exists() and not path.is_file():
            raise InputError(f"'{path}' is not a regular file; save the table to a file first")
        path.open("rb").close()
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'; check the name and the folder") from None
    except PermissionError:
        raise InputError(f"'{path}' may not be read: permission denied; ask for the right to read it") from None
    except OSError as error:
        raise InputError(f"'{path}' cannot be opened ({error.strerror}); check the name and the folder") from None


def _read_fits(path):
    try:
        return _read(path, format="fits")
    except InputError:
        raise
    except Exception as error:  # a damaged header makes astropy raise anything
        if str(error) == "No table found":
            raise InputError(
                f"'{path}' is a FITS file without a table (it holds images only, or is cut short); "
                "give one with a table"
            ) from error
        raise _damaged(path, error) from error


def _read_identified(path, start):
    """By the format that astropy recognises, or else as text in columns."""
    from astropy.io.registry import IORegistryError

    try:
        return _read(path)
    except IORegistryError:
        pass
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise _no_table(path, "it is not text in UTF-8") from error
    except Exception as error:  # each of astropy's readers raises what its format's library does
        raise _unreadable(path, error) from error
    return _read_guessing(path, start)


def _is_commented_text(start):
    """Text that opens with a comment, which astropy's reader for .csv would take for the names."""
    return start.startswith(b"#") and not start.startswith(b"# %ECSV")


def _read_guessing(path, start):
    """As text in columns whose separator astropy guesses; a column of numbers must come out."""
    if b"\0" in start:
        raise _no_table(path, "it is not text")
    try:
        table = _read(path, format="ascii")
    except UnicodeDecodeError as error:
        raise _no_table(path, "it is not text in UTF-8") from error
    except Exception as error:  # each of the guessed formats has its own errors
        raise _no_table(path, "its lines do not form columns") from error
    if len(table) and not any(column.dtype.kind in "iuf" for column in table.itercols()):
        raise _no_table(path, "it has no column of numbers")
    return table


def _read(path, **options):
    """`Table.read` without its warnings: they become errors, remarks or nothing."""
    from astropy.table import Table

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = Table.read(path, **options)
    messages = [str(warning.message) for warning in caught]
    for message in messages:
        if any(phrase in message for phrase in CUT_SHORT):
            raise _damaged(path, message)
    for message in messages:
        _remark(table, message)
    if table.colnames and table.colnames[0].startswith("\ufeff"):  # the mark that spreadsheets put before UTF-8
        table.rename_column(table.colnames[0], table.colnames[0].removeprefix("\ufeff"))
    return table


def _remark(table, message):
    several = re.search(r"multiple tables are present.*\((.*)\)", message)
    if several:
        which = several[1].replace("=", " ")
        table.meta[REMARKS] = [f"the file holds several tables, of which the first ({which}) is used"]


def _check_names(table, path, start):
    """Astropy renames a repeated name to name_1; it then stands nowhere in the file."""
    for name in table.colnames:
        base, _, number = name.rpartition("_")
        if base in table.colnames and number.isdigit() and name.encode() not in start:
            raise InputError(f"'{path}' has several columns named '{base}'; give each its own name")


def _one_line(error):
    """The first line of what a library said."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _damaged(path, error):
    return InputError(f"'{path}' is cut short or damaged ({_one_line(error)}); fetch or write it again")


def _unreadable(path, error):
    if isinstance(error, ImportError) or "is required to" in str(error):
        return InputError(f"'{path}' needs a package that is not installed ({_one_line(error)}); install it")
    return InputError(f"'{path}' cannot be read as a table ({_one_line(error)}); give {READABLE}")


def _no_table(path, reason):
    return InputError(f"'{path}' cannot be read as a table: {reason}; give {READABLE}")
