"""`FitsSource`: binary tables of FITS files, of which only the columns that are needed are read."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from xdgmm.tables import FitsRows, arrow_of_table, chosen_names, fits_rows

from .files import FileSource
from .layout import Layout, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from astropy.table import Table


class FitsSource(FileSource):
    """Binary tables of FITS files, mapped into memory block by block; compressed files are read from their start.

    Parameters
    ----------
    files, columns, units, **options
        As in `FileSource`.  Units that are not given are those of the header.
    hdu : int or str, optional
        Number or name of the table, where a file holds several.

    Raises
    ------
    InputError
        If there is no such file.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from xdgmm.streaming import FitsSource
    >>> FitsSource(files("xdgmm.datasets") / "data" / "hydrus1.fits", "v").observations()
    <StreamedObservations: 31 objects, v [km / s], 1-sigma errors>
    """

    suffixes = (".fits", ".fit", ".fits.gz", ".fit.gz")
    what = "a FITS table"

    def __init__(
        self,
        files: str | Path | Sequence[str | Path],
        columns: Any = None,
        *,
        hdu: int | str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(files, columns, **options)
        self.hdu = hdu
        self._rows: dict[Path, FitsRows] = {}

    def tables(self, path: Path) -> Iterator[Table]:
        """The rows of the binary table of a file."""
        for table, _ in self.tables_and_kept(path, ()):
            yield table

    def tables_and_kept(self, path: Path, keep: Sequence[str] | None) -> Iterator[tuple[Table, Callable[[], Any]]]:
        """The same, each with the columns of the file that are kept."""
        found = self._rows_of(path)
        layout = Layout(f"'{path}'", found.kinds, {name: unit_of(text) for name, text in found.units.items()})
        columns = self.columns_in(layout)
        kept = chosen_names(list(found.kinds), keep, f"'{path}'")
        every = list(dict.fromkeys([*columns, *kept]))
        for table in found.tables(every, self.rows_per_block(found.width, len(every))):
            for name in every:
                table[name].unit = self.units.get(name, layout.units.get(name))
            yield table[list(columns)] if kept else table, partial(arrow_of_table, table, kept, f"'{path}'")

    def names(self, path: Path) -> list[str]:
        """Names of all columns of a file."""
        return list(self._rows_of(path).kinds)

    def _rows_of(self, path: Path) -> FitsRows:
        if path not in self._rows:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of astropy on units and cards of headers; tables look for the end
                self._rows[path] = fits_rows(path, self.hdu)
        return self._rows[path]
