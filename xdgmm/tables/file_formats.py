"""File formats, recognised by their contents: FITS, VOTable, Parquet, and text in all its forms (`text_formats`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError

from .fits_nulls import table_of_hdu
from .text_formats import binary, first_bytes, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from astropy.table import QTable

LISTED = 20
MOST_COLUMNS = 999  # that FITS allows


def read_any(path: Path, hdu: int | str | None = None, readme: Path | None = None, name: str = "") -> QTable:
    """The one table of a file, or the one that `hdu` names, as a QTable; `name` is how a ReadMe calls the file."""
    start = first_bytes(path)
    if start.startswith(b"SIMPLE  ="):
        return _fits(path, hdu)
    if _is_votable(start):
        return _votable(path, hdu)
    if hdu is not None:
        raise InputError(f"`hdu` is {hdu!r}, but '{path}' is neither FITS nor VOTable, and holds one table")
    return _parquet(path) if start.startswith(b"PAR1") else read_text(path, start, readme, name or path.name)


def _is_votable(start: bytes) -> bool:
    return start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"<VOTABLE" in start.upper()


def _fits(path: Path, hdu: int | str | None) -> QTable:
    from astropy.io import fits
    from astropy.table import QTable

    with binary(path) as stream, fits.open(stream) as file:
        return QTable(table_of_hdu(file[table_number(file, hdu, path)]), copy=False)


def table_number(file: Any, hdu: int | str | None, path: Path) -> int:
    """The number of the part of an open FITS file that holds the only table, or the one that `hdu` names."""
    from astropy.io import fits

    tables = {
        number: each.name
        for number, each in enumerate(file)
        if isinstance(each, fits.BinTableHDU | fits.TableHDU) and not isinstance(each, fits.CompImageHDU)
    }
    number = _chosen(tables, hdu, path)
    n_columns = file[number].header.get("TFIELDS")
    if not isinstance(n_columns, int) or not 0 <= n_columns <= MOST_COLUMNS:  # each would be made before it is read
        raise ValueError(f"its header has TFIELDS = {n_columns!r}, but FITS allows at most {MOST_COLUMNS} columns")
    return number


def _votable(path: Path, hdu: int | str | None) -> QTable:
    from astropy.io.votable import parse
    from astropy.table import QTable

    _refuse_rows_elsewhere(path)
    found = list(parse(path).iter_tables())
    tables = {number: table.ID or table.name or "" for number, table in enumerate(found)}
    return QTable(found[_chosen(tables, hdu, path)].to_table(use_names_over_ids=True), copy=False)


def _refuse_rows_elsewhere(path: Path) -> None:
    """Refuse a VOTable whose rows lie elsewhere: the reader would fetch any address, and any file, that it names."""
    from astropy.utils.xml.iterparser import get_xml_iterator

    with get_xml_iterator(str(path)) as elements:
        for is_start, name, attributes, _ in elements:
            if is_start and name.rpartition(":")[2] == "STREAM" and "href" in attributes:
                raise InputError(
                    f"'{path}' takes its rows from '{attributes['href']}', which is not followed; save the table "
                    "with its rows in it"
                )


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
