"""FITS tables with their null values: what is stored as TNULL is missing, whatever TSCAL and TZERO make of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
    scales = {} if isinstance(hdu, TableHDU) else dict(_scales_of_long_integers(hdu))
    with _without(hdu, ("null",), masks), _without(hdu, ("bscale", "bzero"), scales):
        table = Table.read(hdu)
    for name, (scale, zero) in scales.items():
        scaled = MaskedColumn(zero + scale * np.ma.getdata(table[name]), unit=table[name].unit)
        table.replace_column(name, scaled)
    for name, mask in masks.items():
        if mask.any():
            table.replace_column(name, MaskedColumn(table[name], mask=mask | np.ma.getmaskarray(table[name])))
    return table


@contextmanager
def _without(hdu: Any, attributes: Sequence[str], names: Iterable[str]) -> Iterator[None]:
    """These attributes of columns are not set while astropy reads them."""
    kept = [(hdu.data.columns[name], attribute) for name in names for attribute in attributes]
    values = [getattr(column, attribute) for column, attribute in kept]
    for column, attribute in kept:
        setattr(column, attribute, None)
    try:
        yield
    finally:
        for (column, attribute), value in zip(kept, values, strict=True):
            setattr(column, attribute, value)


def _scales_of_long_integers(hdu: Any) -> Iterator[tuple[str, tuple[float, float]]]:
    """Scale and zero of integers of 64 bits, on which astropy fails, unless they stand for unsigned ones."""
    for column in hdu.columns:
        zero = 0.0 if column.bzero in UNSCALED else column.bzero
        if column.format == "K" and zero not in (0, 2**63):
            yield column.name, (1.0 if column.bscale in UNSCALED else column.bscale, zero)


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
