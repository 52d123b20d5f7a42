"""`FitsSource`: binary tables of FITS files, of which only the columns that are needed are read."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from xdgmm.tables import FitsRows, arrow_of_table, chosen_names, fits_rows
from xdgmm.tables.table_types import NamedColumns

from .files import FileSource
from .layout import Layout, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


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
        self._opened: dict[Path, FitsRows] = {}

    def rows_and_kept(self, path: Path, keep: Sequence[str] | None) -> Iterator[tuple[NamedColumns, Callable[[], Any]]]:
        """The rows of the binary table of a file."""
        found = self._rows_of(path)
        layout = Layout(f"'{path}'", found.kinds, {name: unit_of(text) for name, text in found.units.items()})
        columns = self.columns_in(layout)
        kept = chosen_names(list(found.kinds), keep, f"'{path}'")
        every = list(dict.fromkeys([*columns, *kept]))
        for table in found.tables(every, self.rows_per_block(found.width, len(every))):
            for name in every:
                table[name].unit = self.units.get(name, layout.units.get(name))
            own = NamedColumns(columns, len(table), table.__getitem__)
            yield own, partial(arrow_of_table, table, kept, f"'{path}'")

    def names(self, path: Path) -> list[str]:
        """Names of all columns of a file."""
        return list(self._rows_of(path).kinds)

    def identity(self) -> dict[str, Any] | None:
        """The files as they are now, and how they are read."""
        found = super().identity()
        return None if found is None else {**found, "hdu": self.hdu}

    def _rows_of(self, path: Path) -> FitsRows:
        if path not in self._opened:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of astropy on units and cards of headers; tables look for the end
                self._opened[path] = fits_rows(path, self.hdu)
        return self._opened[path]
