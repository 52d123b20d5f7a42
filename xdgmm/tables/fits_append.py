"""More columns for a binary table in a FITS file: rows are copied as bytes, so every type of column is kept.

Masks, scalings, arrays of variable length (their heap follows the rows), the header, and the other parts of the file
are kept too.  Only some rows are in memory at a time.
"""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from xdgmm.errors import OutputError

from .file_formats import MOST_COLUMNS, table_number
from .text_formats import first_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .report import Column

    # A part of a new row: (first, last) bytes of the old row, or (which new column, its dtype).
    Part = tuple[int, int | str]

BLOCK = 2880  # bytes; every part of a FITS file fills a whole number of these
CHUNK = 1 << 24  # bytes copied at a time
MISSING = -1  # in columns of whole numbers
COLUMN_KEYWORDS = ("TTYPE", "TFORM", "TUNIT", "TCOMM", "TNULL", "TSCAL", "TZERO", "TDISP", "TDIM", "TUCD")
FORMATS = {True: ("I", ">i2"), False: ("D", ">f8")}  # of columns of whole numbers, and of others
BEGIN, END = "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--", "--END-ASTROPY-SERIALIZED-COLUMNS--"
META = "meta: {__serialized_columns__: {}}"  # astropy 6.1 fails without this key
COMMENT_LENGTH = 70  # a longer comment goes on in the next one, after a backslash


def is_binary_table(path: Path, hdu: int | str | None = None) -> bool:
    """Whether this is a FITS file with a binary table (the one that `hdu` names), whose rows have the stated length."""
    from astropy.io import fits

    if not first_bytes(path).startswith(b"SIMPLE  ="):
        return False
    with fits.open(path) as hdus:
        table = hdus[table_number(hdus, hdu, path)]
        return type(table) is fits.BinTableHDU and table.columns.dtype.itemsize == table.header["NAXIS1"]


def append_to_fits(
    source: Path,
    target: Path,
    columns: Sequence[Column],
    blocks: Iterable[Sequence[NDArray[Any]]],
    hdu: int | str | None = None,
) -> None:
    """Write the FITS file `source` to `target`, with more columns in one of its tables; see `append_columns`."""
    from astropy.io import fits
    from astropy.utils.data import get_readable_fileobj

    with fits.open(source) as hdus:
        table = hdus[table_number(hdus, hdu, source)]
        positions, header, row_dtype = table.fileinfo(), table.header.copy(), table.columns.dtype
    numbers = _numbers(header, columns)
    layout = _layout(row_dtype, columns, numbers)
    old_width, n_rows = header["NAXIS1"], header["NAXIS2"]
    _update_header(header, columns, numbers, _layout_dtype(layout).itemsize)
    with get_readable_fileobj(source, encoding="binary") as stream, target.open("wb") as out:
        _copy(stream, out, positions["hdrLoc"])
        out.write(header.tostring().encode("ascii"))
        stream.seek(positions["datLoc"])
        for values in blocks:
            _write_rows(stream, out, layout, old_width, values)
        _copy(stream, out, header["PCOUNT"])
        out.write(b"\0" * (-(n_rows * header["NAXIS1"] + header["PCOUNT"]) % BLOCK))
        stream.seek(positions["datLoc"] + positions["datSpan"])
        _copy(stream, out)


def _numbers(header: Any, columns: Sequence[Column]) -> list[int]:
    """The number in the new table, from 1, of each column: that of the column it replaces, or a further one."""
    n_columns = header["TFIELDS"]
    known = {str(header.get(f"TTYPE{i}", "")).casefold(): i for i in range(1, n_columns + 1)}
    numbers: list[int] = []
    for column in columns:
        numbers.append(known.get(column.name.casefold(), n_columns + 1))
        n_columns = max(n_columns, numbers[-1])
    check_number(n_columns)
    return numbers


def check_number(n_columns: int) -> None:
    """Refuse more columns than FITS allows."""
    if n_columns > MOST_COLUMNS:
        raise OutputError(f"{n_columns} columns are more than the {MOST_COLUMNS} that FITS allows; write .ecsv instead")


def _layout(row_dtype: Any, columns: Sequence[Column], numbers: Sequence[int]) -> list[Part]:
    """The parts of a new row, in order."""
    new: dict[int, Part] = {number: (k, FORMATS[columns[k].whole][1]) for k, number in enumerate(numbers)}
    layout: list[Part] = []
    for number, (dtype, first, *_) in enumerate(row_dtype.fields.values(), 1):
        if number in new:
            layout.append(new.pop(number))
        elif layout and isinstance(layout[-1][1], int):
            layout[-1] = (layout[-1][0], first + dtype.itemsize)
        else:
            layout.append((first, first + dtype.itemsize))
    return layout + list(new.values())


def _layout_dtype(layout: Sequence[Part]) -> np.dtype[np.void]:
    """The dtype of a row of the new table, a field for each part of its layout."""
    return np.dtype([(f"f{i}", f"V{b - a}" if isinstance(b, int) else b) for i, (a, b) in enumerate(layout)])


def _update_header(header: Any, columns: Sequence[Column], numbers: Sequence[int], width: int) -> None:
    """Turn the header of the old table into that of the new table."""
    old_size = header["NAXIS1"] * header["NAXIS2"]
    header["TFIELDS"] = max(header["TFIELDS"], *numbers)
    header["NAXIS1"] = width
    if "THEAP" in header:
        header["THEAP"] += width * header["NAXIS2"] - old_size
    for key in ("CHECKSUM", "DATASUM"):  # of the old table
        header.remove(key, ignore_missing=True)
    names = [str(header.get(f"TTYPE{number}", column.name)) for column, number in zip(columns, numbers, strict=True)]
    for name, column, number in zip(names, columns, numbers, strict=True):
        for key in COLUMN_KEYWORDS:
            header.remove(f"{key}{number}", ignore_missing=True)
        header[f"TTYPE{number}"] = name
        header[f"TFORM{number}"] = FORMATS[column.whole][0]
        header[f"TCOMM{number}"] = column.description
        if column.whole:
            header[f"TNULL{number}"] = MISSING
        if column.unit is not None:
            header[f"TUNIT{number}"] = _unit_text(column.unit)
    _describe_for_astropy(header, {name: column.description for name, column in zip(names, columns, strict=True)})


def _unit_text(unit: Any) -> str:
    """A unit as the FITS standard writes it, or as astropy does if the standard does not know it."""
    try:
        return str(unit.to_string("fits"))
    except ValueError:
        return str(unit.to_string())


def _describe_for_astropy(header: Any, descriptions: Mapping[str, str]) -> None:
    """Add descriptions of columns to the comments in YAML that astropy reads; most other readers use ``TCOMMn``."""
    lines = [f"- {{name: {dumps(name)}, description: {dumps(text)}}}" for name, text in descriptions.items()]
    comments = [piece for line in lines for piece in _pieces(line)]
    end = _end_of_descriptions(header)
    if end is None:
        for comment in (BEGIN, "datatype:", *comments, META, END):
            header.add_comment(comment)
        return
    for comment in reversed(comments):
        header.insert(end, ("COMMENT", comment))


def _pieces(line: str) -> list[str]:
    cut = [line[i : i + COMMENT_LENGTH] for i in range(0, len(line), COMMENT_LENGTH)]
    return [piece + "\\" for piece in cut[:-1]] + cut[-1:]


def _end_of_descriptions(header: Any) -> int | None:
    """Number of the card that ends astropy's list of columns; None where there is no such list."""
    begun = False
    for number, card in enumerate(header.cards):
        begun |= card.value == BEGIN
        if begun and str(card.value).startswith("meta:"):
            return number
    return None


def _write_rows(
    stream: BinaryIO, out: BinaryIO, layout: Sequence[Part], old_width: int, values: Sequence[NDArray[Any]]
) -> None:
    """Copy as many rows as each new column has values, with these values in them."""
    rows = np.empty(len(values[0]), _layout_dtype(layout))
    old = np.frombuffer(stream.read(old_width * len(rows)), np.uint8).reshape(len(rows), old_width)
    new, start = rows.view(np.uint8).reshape(len(rows), -1), 0
    for i, (a, b) in enumerate(layout):
        if isinstance(b, int):
            new[:, start : start + b - a] = old[:, a:b]
        else:
            rows[f"f{i}"] = values[a]
        start += rows.dtype[i].itemsize
    out.write(new.data)


def _copy(stream: BinaryIO, out: BinaryIO, size: int | None = None) -> None:
    """Copy this number of bytes, or all to the end."""
    while size is None or size > 0:
        part = stream.read(CHUNK if size is None else min(CHUNK, size))
        if not part:
            return
        out.write(part)
        size = None if size is None else size - len(part)
