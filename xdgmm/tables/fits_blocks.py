"""Binary tables of FITS files in blocks of rows, each of which is read as a small table with the same header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .file_formats import table_number
from .fits_nulls import table_of_hdu
from .text_formats import binary, first_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from astropy.table import QTable

BLOCK = 1 << 22  # bytes of rows that are read at a time


def fits_blocks(path: Path, hdu: int | str | None = None) -> Iterator[QTable] | None:
    """Blocks of rows of the only binary table in a FITS file, or of the one that `hdu` names.

    Returns
    -------
    iterator of QTable, or None
        None if this is something else than a binary table with rows, or it has arrays of variable length.
    """
    from astropy.io import fits

    if not first_bytes(path).startswith(b"SIMPLE  ="):
        return None
    with fits.open(path) as hdus:
        table = hdus[table_number(hdus, hdu, path)]
        header = table.header
        if type(table) is not fits.BinTableHDU or header["PCOUNT"] or not header["NAXIS1"] or not header["NAXIS2"]:
            return None
        return _blocks(path, header.copy(), table.fileinfo()["datLoc"])


def _blocks(path: Path, header: Any, start: int) -> Iterator[QTable]:
    from astropy.io import fits
    from astropy.table import QTable

    width, left = header["NAXIS1"], header["NAXIS2"]
    for key in ("CHECKSUM", "DATASUM"):  # of the whole table
        header.remove(key, ignore_missing=True)
    with binary(path) as stream:
        stream.seek(start)
        while left > 0:
            rows = min(left, max(BLOCK // width, 1))
            content = stream.read(rows * width)
            if len(content) < rows * width:
                raise OSError("it is truncated")
            header["NAXIS2"] = rows
            part = fits.BinTableHDU.fromstring(header.tostring().encode("ascii") + content)
            yield QTable(table_of_hdu(part), copy=False)
            left -= rows
