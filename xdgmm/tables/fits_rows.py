"""More columns for a binary table in a FITS file: rows are copied as bytes, so every type of column is kept.

So are masks, scalings, arrays of variable length (their heap follows the rows), the header, and the other parts of
the file.  Only some rows are in memory at a time.
"""

import numpy as np

from xdgmm.errors import OutputError

from .fits_descriptions import describe_for_astropy
from .formats import head_of, number_of_table

BLOCK = 2880  # bytes: what everything in a FITS file fills whole
MOST_COLUMNS = 999
AT_ONCE = 1 << 24  # bytes copied at once
MISSING = -1  # of whole numbers
OF_A_COLUMN = ("TTYPE", "TFORM", "TUNIT", "TCOMM", "TNULL", "TSCAL", "TZERO", "TDISP", "TDIM", "TUCD")
FORMATS = {True: ("I", ">i2"), False: ("D", ">f8")}  # of whole numbers, and of others


def is_binary_table(path, hdu=None):
    """Is this a FITS file with a binary table (that which `hdu` names), whose rows have the length that it says?"""
    from astropy.io import fits

    if not head_of(path).startswith(b"SIMPLE  ="):
        return False
    with fits.open(path) as hdus:
        table = hdus[number_of_table(hdus, hdu, path)]
        return type(table) is fits.BinTableHDU and table.columns.dtype.itemsize == table.header["NAXIS1"]


def append_to_fits(source, target, columns, blocks, hdu=None):
    """Write the FITS file `source` to `target`, with more columns in one of its tables; see `append_columns`."""
    from astropy.io import fits
    from astropy.utils.data import get_readable_fileobj

    with fits.open(source) as hdus:
        table = hdus[number_of_table(hdus, hdu, source)]
        places, header, record = table.fileinfo(), table.header.copy(), table.columns.dtype
    numbers = _numbers(header, columns)
    layout = _layout(record, columns, numbers)
    old_width, n_rows = header["NAXIS1"], header["NAXIS2"]
    _describe(header, columns, numbers, _record(layout).itemsize)
    with get_readable_fileobj(source, encoding="binary") as stream, target.open("wb") as out:
        _copy(stream, out, places["hdrLoc"])
        out.write(header.tostring().encode("ascii"))
        stream.seek(places["datLoc"])
        for values in blocks:
            _write_rows(stream, out, layout, old_width, values)
        _copy(stream, out, header["PCOUNT"])
        out.write(b"\0" * (-(n_rows * header["NAXIS1"] + header["PCOUNT"]) % BLOCK))
        stream.seek(places["datLoc"] + places["datSpan"])
        _copy(stream, out)


def _numbers(header, columns):
    """Which column of the new table each one is, from 1: that of its name, or a further one."""
    n_columns = header["TFIELDS"]
    known = {str(header.get(f"TTYPE{i}", "")).casefold(): i for i in range(1, n_columns + 1)}
    numbers = []
    for column in columns:
        numbers.append(known.get(column.name.casefold(), n_columns + 1))
        n_columns = max(n_columns, numbers[-1])
    check_number(n_columns)
    return numbers


def check_number(n_columns):
    """Refuse more columns than FITS allows."""
    if n_columns > MOST_COLUMNS:
        raise OutputError(f"{n_columns} columns are more than the {MOST_COLUMNS} that FITS allows; write .ecsv instead")


def _layout(record, columns, numbers):
    """What stands in a new row: (first, last) bytes of the old one, and (place, format) of new columns."""
    new = {number: (k, FORMATS[columns[k].whole][1]) for k, number in enumerate(numbers)}
    layout = []
    for number, (dtype, first, *_) in enumerate(record.fields.values(), 1):
        if number in new:
            layout.append(new.pop(number))
        elif layout and isinstance(layout[-1][1], int):
            layout[-1] = (layout[-1][0], first + dtype.itemsize)
        else:
            layout.append((first, first + dtype.itemsize))
    return layout + list(new.values())


def _record(layout):
    """The row of the new table, a field for each part of its layout."""
    return np.dtype([(f"f{i}", f"V{b - a}" if isinstance(b, int) else b) for i, (a, b) in enumerate(layout)])


def _describe(header, columns, numbers, width):
    """Make the header that of the new table."""
    old_size = header["NAXIS1"] * header["NAXIS2"]
    header["TFIELDS"] = max(header["TFIELDS"], *numbers)
    header["NAXIS1"] = width
    if "THEAP" in header:
        header["THEAP"] += width * header["NAXIS2"] - old_size
    for key in ("CHECKSUM", "DATASUM"):  # no longer true
        header.remove(key, ignore_missing=True)
    names = [str(header.get(f"TTYPE{number}", column.name)) for column, number in zip(columns, numbers, strict=True)]
    for name, column, number in zip(names, columns, numbers, strict=True):
        for key in OF_A_COLUMN:
            header.remove(f"{key}{number}", ignore_missing=True)
        header[f"TTYPE{number}"] = name
        header[f"TFORM{number}"] = FORMATS[column.whole][0]
        header[f"TCOMM{number}"] = column.description
        if column.whole:
            header[f"TNULL{number}"] = MISSING
        if column.unit is not None:
            header[f"TUNIT{number}"] = _unit_text(column.unit)
    describe_for_astropy(header, {name: column.description for name, column in zip(names, columns, strict=True)})


def _unit_text(unit):
    """As FITS writes it, or as astropy does where FITS does not know it."""
    try:
        return unit.to_string("fits")
    except ValueError:
        return unit.to_string()


def _write_rows(stream, out, layout, old_width, values):
    """Copy as many rows as there are values of each new column, these put in."""
    rows = np.empty(len(values[0]), _record(layout))
    old = np.frombuffer(stream.read(old_width * len(rows)), np.uint8).reshape(len(rows), old_width)
    new, start = rows.view(np.uint8).reshape(len(rows), -1), 0
    for i, (a, b) in enumerate(layout):
        if isinstance(b, int):
            new[:, start : start + b - a] = old[:, a:b]
        else:
            rows[f"f{i}"] = values[a]
        start += rows.dtype[i].itemsize
    out.write(new)


def _copy(stream, out, size=None):
    """Copy so many bytes, or all that are left."""
    while size is None or size > 0:
        part = stream.read(AT_ONCE if size is None else min(AT_ONCE, size))
        if not part:
            return
        out.write(part)
        size = None if size is None else size - len(part)
