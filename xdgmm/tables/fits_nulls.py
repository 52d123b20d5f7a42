"""FITS tables with their null values: what is stored as TNULL is missing, whatever TSCAL and TZERO make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.table import Table
    from numpy.typing import NDArray

UNSCALED = (None, "")


def table_of_hdu(hdu: Any) -> Table:
    """The table of a BinTableHDU or TableHDU, with a mask where the file has null values.

    Notes
    -----
    The standard (FITS 4.0, 7.2.2 and 7.3.2) compares TNULL with what is stored: with the integer before scaling, and
    with the text of an ASCII table.  `astropy.table.Table.read` compares it with the scaled number.  Blank fields of
    numbers in ASCII tables are taken as missing too.
    """
    from astropy.io.fits import TableHDU
    from astropy.table import MaskedColumn, Table

    masks = dict(_text_nulls(hdu) if isinstance(hdu, TableHDU) else _scaled_nulls(hdu))
    nulls = {column.name: column.null for column in hdu.columns if column.name in masks}
    for name in masks:
        hdu.columns[name].null = None  # not to be compared with scaled numbers
    try:
        table = Table.read(hdu)
    finally:
        for name, null in nulls.items():
            hdu.columns[name].null = null
    for name, mask in masks.items():
        if mask.any():
            table.replace_column(name, MaskedColumn(table[name], mask=mask | np.ma.getmaskarray(table[name])))
    return table


def _scaled_nulls(hdu: Any) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Where columns of scaled integers hold the null value, before scaling."""
    for column in hdu.columns:
        if column.null is None or (column.bscale in UNSCALED and column.bzero in UNSCALED):
            continue
        stored = hdu.data.view(np.ndarray)[column.name]
        if stored.dtype.kind in "iu":
            yield column.name, stored == column.null


def _text_nulls(hdu: Any) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Where columns of numbers in an ASCII table hold the text of the null value, or blanks."""
    for column in hdu.columns:
        if column.format.format == "A":
            continue
        stored = hdu.data.view(np.ndarray)[column.name]
        text = np.char.strip(stored)
        null = b"" if column.null is None else str(column.null).strip().encode("ascii", "replace")
        mask = (text == null) | (text == b"")
        if b"D" in null and stored.flags.writeable:  # astropy compares after it has made E of the D of exponents
            stored[mask] = b""
        hdu.data[column.name]  # converted to numbers while the null value is known
        yield column.name, mask
