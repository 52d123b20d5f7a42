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
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give the file of a table")
    if not path.exists():
        raise InputError(f"there is no file '{path}'; check the name")
    if path.stat().st_size == 0:
        raise InputError(f"'{path}' is empty; give the file of a table")
    table = _read(path)
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
    reason = " ".join(str(error).split())[:150]
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
    from astropy.table import QTable

    path.read_text(encoding="utf-8")  # bytes that are no text are no table in plain text
    return QTable.read(path, format="ascii")
