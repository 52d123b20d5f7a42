"""File formats, recognised by their contents: FITS, VOTable, Parquet, text, and others that astropy recognises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError

from .fits_nulls import table_of_hdu

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from astropy.table import QTable

LISTED = 20
SEPARATORS = ";|\t"
UNIT_SEPARATOR = "\x1f"


def read_any(path: Path, hdu: int | str | None = None) -> QTable:
    """The one table of a file, or the one that `hdu` names, as a QTable."""
    start = first_bytes(path)
    if start.startswith(b"SIMPLE  ="):
        return _fits(path, hdu)
    if _is_votable(start):
        return _votable(path, hdu)
    if hdu is not None:
        raise InputError(f"`hdu` is {hdu!r}, but '{path}' is neither FITS nor VOTable, and holds one table")
    return _parquet(path) if start.startswith(b"PAR1") else _text_or_else(path, start)


def first_bytes(path: Path, size: int = 10_000) -> bytes:
    """The first bytes of a file, decompressed where it is compressed."""
    with _binary(path) as stream:
        start: bytes = stream.read(size)
        return start


def _binary(path: Path) -> Any:
    from astropy.utils.data import get_readable_fileobj

    return get_readable_fileobj(path, encoding="binary")


def is_text(start: bytes) -> bool:
    """Whether a file that starts with these bytes is text."""
    return b"\0" not in start and not start.startswith((b"SIMPLE  =", b"PAR1"))


def _is_votable(start: bytes) -> bool:
    return start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"<VOTABLE" in start.upper()


def _fits(path: Path, hdu: int | str | None) -> QTable:
    from astropy.io import fits
    from astropy.table import QTable

    with _binary(path) as stream, fits.open(stream) as file:
        return QTable(table_of_hdu(file[table_number(file, hdu, path)]), copy=False)


def table_number(file: Any, hdu: int | str | None, path: Path) -> int:
    """The number of the part of an open FITS file that holds the only table, or the one that `hdu` names."""
    from astropy.io import fits

    tables = {
        number: each.name
        for number, each in enumerate(file)
        if isinstance(each, fits.BinTableHDU | fits.TableHDU) and not isinstance(each, fits.CompImageHDU)
    }
    return _chosen(tables, hdu, path)


def _votable(path: Path, hdu: int | str | None) -> QTable:
    from astropy.io.votable import parse
    from astropy.table import QTable

    found = list(parse(path).iter_tables())
    tables = {number: table.ID or table.name or "" for number, table in enumerate(found)}
    return QTable(found[_chosen(tables, hdu, path)].to_table(use_names_over_ids=True), copy=False)


def _chosen(tables: Mapping[int, str], hdu: int | str | None, path: Path) -> int:
    """The number of the only table, or of the one that is asked for by number or name."""
    if not tables:
        raise ValueError("it holds no table")
    if hdu is None and len(tables) == 1:
        return next(iter(tables))
    if hdu is None:
        raise InputError(f"'{path}' holds several tables; choose one with `hdu`: {_listed(tables)}")
    wanted = [number for number, name in tables.items() if str(hdu) == str(number)] or [
        number for number, name in tables.items() if name and str(hdu).lower() == name.lower()
    ]
    if len(wanted) == 1:
        return wanted[0]
    what = "no table" if not wanted else "several tables"
    raise InputError(f"'{path}' holds {what} {hdu!r}; choose one with `hdu`: {_listed(tables)}")


def _listed(tables: Mapping[int, str]) -> str:
    shown = [f"{number} ({name})" if name else str(number) for number, name in list(tables.items())[:LISTED]]
    return ", ".join(shown) + (f", ... ({len(tables)} in all)" if len(tables) > LISTED else "")


def _parquet(path: Path) -> QTable:
    """A Parquet file: with units where astropy wrote it, otherwise its columns of numbers with nulls masked."""
    from astropy.table import QTable

    try:
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            f"'{path}' is a Parquet file; reading it needs pyarrow: pip install 'xdgmm[parquet]'"
        ) from None
    if b"table_meta_yaml" in (parquet.read_schema(path).metadata or {}):
        return QTable.read(path, format="parquet")
    return _masked(parquet.read_table(path))


def _masked(frame: Any) -> QTable:
    """A QTable of a data frame, with nulls masked; columns of other types than numbers stay as they are."""
    import narwhals
    from astropy.table import MaskedColumn, QTable

    frame = narwhals.from_native(frame, eager_only=True)
    result = QTable()
    for series in frame.iter_columns():
        nulls = series.is_null().to_numpy()
        filled = series.fill_null(0) if series.dtype.is_numeric() else series
        result[series.name] = MaskedColumn(filled.to_numpy(), mask=nulls) if nulls.any() else filled.to_numpy()
    return result


def _text_or_else(path: Path, start: bytes) -> QTable:
    """A text file whose first line has a separator, or a file that astropy recognises or guesses."""
    from astropy.io.registry import IORegistryError
    from astropy.table import QTable

    if start.startswith(b"# %ECSV"):
        return QTable.read(path, format="ascii.ecsv")
    options = _separated(start) if is_text(start) else None
    if options is not None:
        return _split(path, start, options)
    if start.startswith(b"#"):  # comments, which astropy's reader of .csv would take as names
        return _guessed(path, start)
    try:
        return QTable.read(path)
    except IORegistryError:
        return _guessed(path, start)


def _separated(start: bytes) -> dict[str, Any] | None:
    """Options for reading text with a separator that astropy does not guess, or None."""
    lines = [line for line in _lines(start.decode("utf-8", errors="replace")) if line.strip()]
    first = next((line for line in lines if not line.startswith("#")), "")
    found = [separator for separator in SEPARATORS if separator in first.strip(" ")]
    if len(found) != 1 or first.startswith("|") or "," in first:
        return None
    if first is not lines[0] and all(_is_number(cell) for cell in first.split(found[0])):
        return {"format": "ascii.commented_header", "delimiter": found[0], "header_start": -1}
    return {"format": "ascii.csv", "delimiter": found[0], "comment": "#"}


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _split(path: Path, start: bytes, options: dict[str, Any]) -> QTable:
    """Text with the separator of `options`; tabs are replaced first, since astropy skips them like blanks."""
    from astropy.table import QTable

    separator = options["delimiter"]
    ruler = _ruler(_lines(start.decode("utf-8", errors="replace")), separator)
    if separator != "\t" and ruler is None:
        return QTable.read(path, **options)
    with _binary(path) as stream:
        text = stream.read().decode("utf-8")
    lines = _lines(text.replace(separator, UNIT_SEPARATOR))
    options = options | {"delimiter": UNIT_SEPARATOR}
    return QTable.read(lines, **options) if ruler is None else _ruled(lines, ruler, options)


def _ruler(lines: Sequence[str], separator: str) -> int | None:
    """The number of the line of dashes that VizieR puts below the names and their units, or None."""
    uncommented = [number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    for number in uncommented[1:3]:
        if all(cell and not cell.strip("-") for cell in map(str.strip, lines[number].split(separator))):
            return number
    return None


def _ruled(lines: Sequence[str], ruler: int, options: Mapping[str, Any]) -> QTable:
    """A text file of VizieR, whose lines are names, units, dashes (line number `ruler`) and rows."""
    from astropy.table import QTable, Table

    header = next(number for number, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    table = Table.read([lines[header], *lines[ruler + 1 :]], **options)
    if ruler - header > 1:
        for name, unit in zip(table.colnames, lines[ruler - 1].split(options["delimiter"]), strict=False):
            _set_unit(table[name], unit.strip(" -"))
    return QTable(table, copy=False)


def _set_unit(column: Any, unit: str) -> None:
    """Set the unit of a column of numbers; a unit that astropy does not know is kept as an unrecognised one."""
    from astropy.units import Unit

    if unit and column.dtype.kind in "iuf":
        column.unit = Unit(unit, parse_strict="silent")


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip() or "nan")
    except ValueError:
        return False
    return True


def _guessed(path: Path, start: bytes) -> QTable:
    """Text whose separator astropy guesses; the guess is refused if no column has numbers."""
    from astropy.table import QTable

    if not is_text(start):
        raise ValueError("it is not text")
    table = QTable.read(path, format="ascii")
    if len(table) and not any(column.dtype.kind in "iuf" for column in table.itercols()):
        raise ValueError("it has no column of numbers")
    return table
