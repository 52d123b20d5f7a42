"""`open_source`: files of either format as a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError

from .files import FileSource, find_files
from .fits_source import FitsSource
from .parquet_source import ParquetSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KINDS: tuple[type[FileSource], ...] = (ParquetSource, FitsSource)


def open_source(files: str | Path | Sequence[str | Path], columns: Any = None, **options: Any) -> FileSource:
    """A `ParquetSource` or a `FitsSource`, by the ends of the names of the files.

    Parameters
    ----------
    files : str, Path, or sequence of these
        A file, a pattern, a folder, or a list of files.
    columns, **options
        As in `ParquetSource` and `FitsSource`.

    Raises
    ------
    InputError
        If there is no such file, or the files are not all Parquet, or all FITS.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from xdgmm.streaming import open_source
    >>> open_source(files("xdgmm.datasets") / "data" / "hydrus1.fits", "v").observations()
    <StreamedObservations: 31 objects, v [km / s], 1-sigma errors>
    """
    paths = find_files(files, [suffix for kind in KINDS for suffix in kind.suffixes])
    for kind in KINDS:
        if all(path.name.lower().endswith(kind.suffixes) for path in paths):
            return kind(list(paths), columns, **options)
    names = f"'{paths[0]}'" if len(paths) == 1 else f"the {len(paths)} files from '{paths[0]}' on"
    raise InputError(
        f"{names} cannot be read in parts: give Parquet files (.parquet), or FITS tables (.fits), all of one kind"
    )
