"""What can I try it on? Small published tables, each with its units, citation and licence.

Each set is one FITS binary table in ``data/``, a measured column and its standard error side by side (``v``
and ``e_v``); a blank of the published table is NaN. `names` lists the sets, `load` reads
one and `path` says where its file is.

To add a set, write ``source/<name>.ecsv`` with units, a description of every column and the entries
``title``, ``citation``, ``source``, ``licence`` and ``notes``, run ``python tools/build_datasets.py``, commit
both files, and give its number of rows in ``tests/datasets/test_datasets.py``. Nothing else names the sets.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from astropy.table import QTable

__all__ = ["load", "names", "path"]


def names() -> tuple[str, ...]:
    """Return the names of the bundled data sets, in alphabetical order.

    Returns
    -------
    tuple of str
        Each is an argument for `load`.

    Examples
    --------
    >>> from xdgmm import datasets
    >>> "hydrus1" in datasets.names()
    True
    """
    found = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".fits") for name in found if name.endswith(".fits")))


def load(name: str) -> QTable:
    """Read a bundled data set.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    astropy.table.QTable
        One row per object. Columns with a unit are quantities, every column has a description, and values
        that were not published are NaN. ``meta`` holds the ``title``, ``citation``, ``source``, ``licence``
        and ``notes`` as sentences; the NIST sets also hold their certified parameters ``b1`` to ``b8``, the
        standard deviations ``b1_sd`` to ``b8_sd`` and the residual sum of squares ``rss``.

    Raises
    ------
    InputError
        There is no data set of that name.

    Examples
    --------
    >>> from xdgmm import datasets
    >>> stars = datasets.load("hydrus1")
    >>> len(stars), str(stars["e_v"].unit)
    (31, 'km / s')
    """
    if name not in names():
        raise InputError(_no_such_set(name))
    from astropy.table import QTable

    with (_folder() / f"{name}.fits").open("rb") as stream:
        table = QTable.read(stream, format="fits", hdu=1, character_as_bytes=False, mask_invalid=False)
    return _described(table)


def path(name: str) -> Path:
    """Where the file of a bundled data set is, for functions and commands that read files.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    pathlib.Path
        Of a FITS file, which is not to be changed.

    Raises
    ------
    InputError
        There is no data set of that name, or the package does not lie in a folder of its own.

    Examples
    --------
    >>> from xdgmm import datasets
    >>> datasets.path("hydrus1").name
    'hydrus1.fits'
    """
    if name not in names():
        raise InputError(_no_such_set(name))
    found = _folder() / f"{name}.fits"
    if not isinstance(found, Path):
        raise InputError("the package is in an archive, so that its data sets have no path; use `load`")
    return found


def _folder() -> Traversable:
    return files("xdgmm.datasets") / "data"


def _no_such_set(name: object) -> str:
    nearest = get_close_matches(str(name), names(), n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"`name` is {name!r}, but the bundled data sets are {', '.join(names())}{hint}"


def _described(table: QTable) -> QTable:
    """Move each column's description from its card to the column, and use the machine's byte order."""
    for number, column in enumerate(table.colnames, start=1):
        values = table[column]
        table[column] = values.astype(values.dtype.newbyteorder("="))
        table[column].info.description = table.meta.pop(f"TCOMM{number}")
    table.meta.pop("EXTNAME")
    table.meta = {key.lower(): value for key, value in table.meta.items()}
    return table
