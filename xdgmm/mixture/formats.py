"""The files that a mixture can be written to: FITS and ECSV, in `FORMATS`.

To add a format, write two functions, ``read(path)`` and ``write(contents, path)``, and an entry of `FORMATS`.

FITS: the table of components comes first, with the cards as its header.  Numbers are 64-bit floats.  The covariance of
the parameters is a second table, with the name and the standard error of each parameter beside its row of the matrix.

ECSV: text with one line per component, and the cards above.  Numbers are written with as many digits as it takes to
read the same bits back.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.files import read_bytes

from .storage import CARDS, Contents

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU, HDUList
    from numpy.typing import NDArray

COMMENTS = {"XDGMMFMT": "version of this file format", "NDIM": "number of coordinates"}
FITS = b"SIMPLE  ="  # what a file begins with
ECSV_COVARIANCE = "PARCOV"
MOST_COLUMNS = 999  # that FITS allows
ECSV_HEADER = 1 << 20  # bytes, within which a model has its mark


def write_fits(contents: Contents, path: Path) -> None:
    """Write `Contents` to a FITS file."""
    from astropy.io import fits

    columns = [
        fits.Column(label, "D", unit, array=contents.rows[:, i])
        for i, (label, unit) in enumerate(zip(contents.labels, contents.units, strict=True))
    ]
    table = fits.BinTableHDU.from_columns(columns, name="MIXTURE")
    for key, value in contents.cards.items():
        table.header[key] = (value, COMMENTS[key]) if key in COMMENTS else value
    hdus = [fits.PrimaryHDU(), table]
    if contents.covariance is not None:
        hdus.append(_parameter_table(contents, contents.covariance))
    fits.HDUList(hdus).writeto(path, overwrite=True)


def _parameter_table(contents: Contents, covariance: NDArray[np.float64]) -> BinTableHDU:
    from astropy.io import fits

    size = len(covariance)
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    columns = [
        fits.Column("parameter", "40A", array=_parameter_names(contents, size)),
        fits.Column("error", "D", array=errors),
        fits.Column("covariance", f"{size}D", array=covariance),
    ]
    return fits.BinTableHDU.from_columns(columns, name="PARAMETER_COVARIANCE")


def _parameter_names(contents: Contents, size: int) -> list[str]:
    """A name for each row of the covariance, as column and component: 'mean_v of 0'."""
    K = len(contents.rows)
    exact = [label for label in contents.labels if label.startswith(("mean_", "cov_"))]
    names = [f"weight of {k}" for k in range(K)] + (["background"] if "BGLOW" in contents.cards else [])
    for kind in ("mean_", "cov_"):
        names += [f"{label} of {k}" for k in range(K) for label in exact if label.startswith(kind)]
    if "DOF" in contents.cards:
        names += [f"dof of {k}" for k in range(K)]
    return names if len(names) == size else [""] * size


def read_fits(path: Path) -> Contents | None:
    """`Contents` of a FITS file; None where it holds no mixture."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # astropy only warns of a file that ends too early
        if not _has_mark(path):
            return None
        content = read_bytes(path)
        with fits.open(io.BytesIO(content)) as hdus:
            for hdu in hdus:
                if "XDGMMFMT" in hdu.header:
                    return _fits_contents(hdu, hdus)
    return None


def _has_mark(path: Path) -> bool:
    """Whether a header of a FITS file says that it holds a mixture; no table is read, however large it is."""
    from astropy.io import fits

    with path.open("rb") as stream:
        if not stream.read(len(FITS)).startswith(FITS):  # gzipped: astropy takes an end that is cut off for the end
            return True
        stream.seek(0)
        with fits.open(stream) as hdus:
            return any("XDGMMFMT" in hdu.header for hdu in hdus)


def _fits_contents(hdu: BinTableHDU, hdus: HDUList) -> Contents:
    if not 0 <= hdu.header["TFIELDS"] <= MOST_COLUMNS:  # each would be made before it is read
        raise ValueError(f"TFIELDS is {hdu.header['TFIELDS']}")
    cards = {key: hdu.header[key] for key in CARDS if key in hdu.header}
    rows = np.stack([np.asarray(hdu.data.field(i), dtype=float) for i in range(len(hdu.columns))], axis=1)
    covariance = None
    if "PARAMETER_COVARIANCE" in hdus:
        covariance = np.array(hdus["PARAMETER_COVARIANCE"].data["covariance"], dtype=float)
        covariance = covariance.reshape(len(covariance), -1)
    return Contents(cards, tuple(hdu.columns.names), tuple(hdu.columns.units), rows, covariance)


def write_ecsv(contents: Contents, path: Path) -> None:
    """Write `Contents` to an ECSV file."""
    from astropy.table import Table
    from astropy.units import Unit

    table = Table(contents.rows, names=contents.labels, meta=dict(contents.cards))
    for label, unit in zip(contents.labels, contents.units, strict=True):
        table[label].unit = None if unit is None else Unit(unit, parse_strict="silent")
    if contents.covariance is not None:
        table.meta[ECSV_COVARIANCE] = json.dumps(contents.covariance.tolist())
    table.write(path, format="ascii.ecsv", overwrite=True)


def read_ecsv(path: Path) -> Contents | None:
    """`Contents` of an ECSV file; None where it holds no mixture."""
    from astropy.table import Table

    if b"XDGMMFMT" not in read_bytes(path, ECSV_HEADER):
        return None
    table = Table.read(path, format="ascii.ecsv")
    if "XDGMMFMT" not in table.meta:
        return None
    cards = {key: table.meta[key] for key in CARDS if key in table.meta}
    rows = np.stack([np.ma.getdata(column).astype(float) for column in table.itercols()], axis=1)
    text = table.meta.get(ECSV_COVARIANCE)
    covariance = None if text is None else np.array(json.loads(text), dtype=float)
    units = tuple(None if column.unit is None else str(column.unit) for column in table.itercols())
    return Contents(cards, tuple(table.colnames), units, rows, covariance)


class Format(NamedTuple):
    """A kind of file, and how it is recognised, read and written.

    Attributes
    ----------
    description : str
        What messages call it.
    signature : bytes
        What such a file begins with.
    suffixes : tuple of str
        Of names of such files.
    written : tuple of str
        Those under which files are written.
    read, write : function
    """

    description: str
    signature: bytes
    suffixes: tuple[str, ...]
    written: tuple[str, ...]
    read: Callable[[Path], Contents | None]
    write: Callable[[Contents, Path], None]


FORMATS = {
    "fits": Format("a FITS file", FITS, (".fits", ".fits.gz", ".fit"), (".fits", ".fit"), read_fits, write_fits),
    "ascii.ecsv": Format("an ECSV file", b"# %ECSV", (".ecsv", ".ecsv.gz"), (".ecsv",), read_ecsv, write_ecsv),
}
