"""Binary tables of FITS files in blocks of rows, each of which is read as a small table with the same header.

`fits_blocks` yields all columns, `fits_rows` only those that are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .file_formats import table_number
from .fits_nulls import table_of_hdu
from .text_formats import binary, first_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from astropy.table import QTable, Table
    from numpy.typing import NDArray

BLOCK = 1 << 22  # bytes of rows that are read at a time
KEYWORDS = ("TTYPE", "TFORM", "TNULL", "TSCAL", "TZERO", "TDIM")  # what of the header the contents depend on
KINDS = {"L": "booleans", "A": "text", **dict.fromkeys("BIJKED", "numbers")}


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


@dataclass(frozen=True)
class FitsRows:
    """The rows of a binary table in a FITS file.

    Attributes
    ----------
    path : Path
    header : Header
        Of the table.
    start : int
        Bytes before its first row, in the decompressed file.
    dtype : dtype
        Of a row.
    compressed : bool
        Is the file compressed?  Then its rows can be read only one after the other.
    kinds : dict
        What each column holds: numbers, text, booleans, or something else.
    units : dict
        Of those that have one, the unit as it is written.
    """

    path: Path
    header: Any
    start: int
    dtype: np.dtype[Any]
    compressed: bool
    kinds: dict[str, str]
    units: dict[str, str]

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.dtype.itemsize

    def tables(self, names: Sequence[str], n_rows: int) -> Iterator[Table]:
        """The rows in tables of `n_rows` of them with these columns, without units.

        Raises
        ------
        OSError
            If the file is truncated.
        """
        fields = [self.dtype.fields[name] for name in names]  # type: ignore[index]
        packed = np.dtype([(name, field[0]) for name, field in zip(names, fields, strict=True)])
        header = self._header_of(names, packed.itemsize)
        for rows in self._compressed_rows(n_rows) if self.compressed else self._mapped_rows(n_rows):
            content = np.empty(len(rows), packed)
            for name in names:
                content[name] = rows[name]
            del rows
            yield _table_of_bytes(header, content)

    def _header_of(self, names: Sequence[str], width: int) -> Any:
        """The header of a table with these columns alone."""
        from astropy.io.fits import BinTableHDU

        header = BinTableHDU().header
        header["NAXIS1"], header["TFIELDS"] = width, len(names)
        numbers = {name: number for number, name in enumerate(self.dtype.names or (), 1)}
        for new, name in enumerate(names, 1):
            for keyword in KEYWORDS:
                if f"{keyword}{numbers[name]}" in self.header:
                    header[f"{keyword}{new}"] = self.header[f"{keyword}{numbers[name]}"]
        return header

    def _mapped_rows(self, n_rows: int) -> Iterator[NDArray[Any]]:
        total = self.header["NAXIS2"]
        for first in range(0, total, n_rows):
            if self.path.stat().st_size < self.start + total * self.width:  # the end of a map cannot be read
                raise OSError("it is truncated")
            shape = (min(n_rows, total - first),)
            yield np.memmap(self.path, self.dtype, "r", self.start + first * self.width, shape)

    def _compressed_rows(self, n_rows: int) -> Iterator[NDArray[Any]]:
        left = self.header["NAXIS2"]
        with binary(self.path) as stream:
            _skip(stream, self.start)
            while left > 0:
                content = stream.read(min(left, n_rows) * self.width)
                if len(content) < min(left, n_rows) * self.width:
                    raise OSError("it is truncated")
                yield np.frombuffer(content, self.dtype)
                left -= n_rows


def _skip(stream: Any, n_bytes: int) -> None:
    while n_bytes > 0:
        n_bytes -= len(stream.read(min(n_bytes, BLOCK))) or n_bytes


def _table_of_bytes(header: Any, content: NDArray[Any]) -> Table:
    from astropy.io.fits import BinTableHDU

    header["NAXIS2"] = len(content)
    return table_of_hdu(BinTableHDU.fromstring(header.tostring().encode("ascii") + content.tobytes()))


def fits_rows(path: Path, hdu: int | str | None = None) -> FitsRows:
    """The rows of the only binary table in a FITS file, or of the one that `hdu` names.

    Raises
    ------
    InputError
        If there are several tables, and `hdu` names none.
    ValueError
        If it is no such file, or the table is no binary one.
    """
    from astropy.io import fits

    if not first_bytes(path).startswith(b"SIMPLE  ="):
        raise ValueError("it is not a FITS file")
    with path.open("rb") as stream:
        compressed = stream.read(6) != b"SIMPLE"
    with fits.open(path) as hdus:
        table = hdus[table_number(hdus, hdu, path)]
        if type(table) is not fits.BinTableHDU:
            raise ValueError("the table is no binary one; give `xdgmm.tables.read_table(path)` to a TableSource")
        header, columns = table.header.copy(), table.columns
        kinds = {column.name: _kind(column) for column in columns}
        units = {column.name: column.unit for column in columns if column.unit}
        dtype, start = columns.dtype.newbyteorder(">"), table.fileinfo()["datLoc"]
    if dtype.itemsize != header["NAXIS1"]:
        raise ValueError(f"its rows have {header['NAXIS1']} bytes, but its columns {dtype.itemsize}")
    return FitsRows(path, header, start, dtype, compressed, kinds, units)


def _kind(column: Any) -> str:
    """What a column holds: numbers, text, booleans, or something of another format."""
    form = str(column.format)
    letter = form.lstrip("0123456789")[:1]
    is_one = letter == "A" or form.rstrip(letter) in ("", "1")
    return KINDS.get(letter, f"the format {form}") if is_one else f"the format {form}"
