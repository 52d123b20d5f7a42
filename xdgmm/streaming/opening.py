"""`open_source`: the source of files, chosen by what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError
from xdgmm.tables.text_formats import first_bytes

from .files import FileSource, explained, files_below, find_files
from .fits_source import FitsSource
from .parquet_source import ParquetSource
from .table_files import TableFileSource

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS: tuple[type[FileSource], ...] = (ParquetSource, FitsSource, TableFileSource)


def open_source(files: str | Path | Sequence[str | Path], columns: Any = None, **options: Any) -> FileSource:
    """A source of files of any format: `ParquetSource`, `FitsSource`, or `TableFileSource` for text and VOTables.

    Parameters
    ----------
    files : str, Path, or sequence of these
        A file, a pattern, a folder, or a list of files, all of the same format.
    columns, **options
        As in the class of the format: ``filters`` for Parquet, ``hdu`` for FITS, ``readme`` for text.

    Raises
    ------
    InputError
        If there is no such file, or an option is not one of its format.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from xdgmm.streaming import open_source
    >>> open_source(files("xdgmm.datasets") / "data" / "hydrus1.fits", "v").observations()
    <StreamedObservations: 31 objects, v [km / s], 1-sigma errors>
    """
    folder = isinstance(files, (str, Path)) and Path(files).expanduser().is_dir()
    first = _first_of_folder(Path(str(files)).expanduser()) if folder else find_files(files, ())[0]
    kind = _kind_of(first)
    given = {name: value for name, value in options.items() if value is not None or name in ("errors", "correlations")}
    for name, own in (("filters", ParquetSource), ("readme", TableFileSource)):
        if name in given and kind is not own:
            raise InputError(f"`{name}` is given, but '{first}' is {kind.what}; leave it out")
    if "hdu" in given and kind is ParquetSource:
        raise InputError(f"`hdu` is given, but '{first}' is {kind.what}, and holds one table; leave it out")
    return kind(files, columns, **given)


def _first_of_folder(folder: Path) -> Path:
    """A file of the one format of a folder."""
    by_kind = [found for kind in KINDS if (found := files_below(folder, kind.suffixes))]
    if not by_kind:
        every = ", ".join(suffix for kind in KINDS for suffix in kind.suffixes)
        raise InputError(f"the folder '{folder}' holds no files of tables (their names end in {every})")
    if len(by_kind) > 1:
        raise InputError(
            f"the folder '{folder}' holds files of several formats ('{by_kind[0][0]}', '{by_kind[1][0]}'); give a "
            "pattern of those to read"
        )
    return by_kind[0][0]


def _kind_of(path: Path) -> type[FileSource]:
    """The source of a file, by its first bytes."""
    with explained(path, "a table", 0):
        start = first_bytes(path, 8)
    if start.startswith(b"PAR1"):
        return ParquetSource
    return FitsSource if start.startswith(b"SIMPLE") else TableFileSource
