"""Read a spectrum from a file: of SDSS, of DESI, or a table with a row for each pixel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from xdgmm.errors import InputError

from .desi import WAVELENGTH, read_desi
from .reading import check_path, explained, read_table, readable_file
from .sdss import COADD, COLUMNS, read_sdss
from .spectrum_columns import spectrum_of_table
from .text_formats import binary, first_bytes

if TYPE_CHECKING:
    from xdgmm.spectra import Spectrum

FORMATS = ("sdss", "desi", "table")


@overload
def read_spectrum(
    path: str | Path,
    format: Literal["sdss", "table"],
    hdu: int | str | None = None,
    *,
    row: int | None = None,
    target: int | None = None,
) -> Spectrum: ...


@overload
def read_spectrum(
    path: str | Path,
    format: Literal["desi"],
    hdu: int | str | None = None,
    *,
    row: int | None = None,
    target: int | None = None,
) -> list[Spectrum]: ...


@overload
def read_spectrum(
    path: str | Path,
    format: None = None,
    hdu: int | str | None = None,
    *,
    row: int | None = None,
    target: int | None = None,
) -> Any: ...


def read_spectrum(
    path: str | Path,
    format: str | None = None,  # noqa: A002 - astropy's name
    hdu: int | str | None = None,
    *,
    row: int | None = None,
    target: int | None = None,
) -> Spectrum | list[Spectrum]:
    """Read a spectrum with its units, errors and, where the file has it, the line spread function of its instrument.

    Parameters
    ----------
    path : str or Path
        A file of SDSS (``spec-PLATE-MJD-FIBER.fits``), of DESI (``coadd-*.fits``, ``spectra-*.fits``), or a table that
        `read_table` reads, with one row for each pixel.
    format : {"sdss", "desi", "table"}, optional
        By default recognised by the contents.
    hdu : int or str, optional
        Number or name of the table in a file with several; the spectrum is then read as a table.
    row : int, optional
        Of a file of DESI with several targets, the row (from 0) to read.
    target : int, optional
        Instead of `row`: the TARGETID, of which all rows are read.

    Returns
    -------
    Spectrum, or list of Spectrum
        A list for DESI: the spectra of the cameras b, r, z, which `fit_lines` takes together.

    Raises
    ------
    InputError
        If the file cannot be read, its columns are not found by their names, a file of several targets is given without
        `row` or `target`, or as `Spectrum` does.

    Warns
    -----
    XdgmmWarning
        If the unit of the fluxes is not known, and left out.

    Notes
    -----
    **SDSS**: the table COADD, with vacuum wavelengths in Angstrom and fluxes in 1e-17 erg/s/cm2/Angstrom.  The
    wavelengths, of which the file has logarithms in single precision, are put on their grid of 1e-4 dex again.  Pixels
    with ``ivar = 0`` are left out, and neither and_mask nor or_mask is applied.  The line spread function is
    ``sigma = wdisp ln(10) 1e-4 wavelength``, since wdisp is the "sigma of fitted Gaussian in units of number of pixel"
    (SDSS data model, spec), and it does *not* contain the pixel: the pipeline fits the lines of arc lamps with a
    Gaussian that is averaged over each pixel (idlspec2d: `fitdispersion`, which calls `extract_image` and through it
    `ProfileGauss` of extract_row.c).  Where wdisp is 0 it was not measured, and its neighbours are interpolated.

    **DESI**: for each camera the arrays WAVELENGTH, FLUX, IVAR, MASK (pixels that are not 0 are left out) and
    RESOLUTION, with vacuum wavelengths.  The resolution matrix contains the pixel: it is the one that the extraction of
    fluxes defines (Bolton & Schlegel 2010, PASP 122, 248; Guy et al. 2023, AJ 165, 144).

    **Tables**: columns are found by their names in upper or lower case, and have the units that the file gives them.
    The documentation lists the names (Tables, Spectra).  Whether wavelengths are in air or vacuum is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from astropy.table import QTable
    >>> from xdgmm.tables import read_spectrum
    >>> table = QTable({"wave": np.arange(6500.0, 6600.0), "flux": np.ones(100), "ivar": np.full(100, 4.0)})
    >>> with TemporaryDirectory() as folder:
    ...     table.write(Path(folder) / "halpha.ecsv")
    ...     spectrum = read_spectrum(Path(folder) / "halpha.ecsv")
    >>> spectrum
    <Spectrum halpha: 100 pixels, 6500 to 6599>
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise InputError(f"`format` is {format!r}, but it must be one of {', '.join(FORMATS)}")
    if hdu is not None and format in ("sdss", "desi"):
        raise InputError(f"`hdu` chooses a table, but `format` is {format!r}; give one of them")
    check_path(path)
    with readable_file(path) as file:
        with explained(file, path):
            kind = "table" if hdu is not None else format or _recognised(file)
            if kind == "desi":
                return read_desi(file, row, target)
            if row is not None or target is not None:
                given = "row" if row is not None else "target"
                raise InputError(f"`{given}` chooses a spectrum of DESI, but '{path}' has none; leave it out")
            if kind == "sdss":
                return read_sdss(file, _stem(path))
        return spectrum_of_table(read_table(path if path.is_file() else file, hdu), _stem(path))


def _stem(path: Path) -> str:
    """The name without what says the format: halpha of halpha.fits.gz."""
    return re.sub(r"\.(gz|bz2|xz)$", "", path.name).rpartition(".")[0] or path.name


def _recognised(file: Path) -> str:
    """The format of a file, by the names of the parts of a FITS file and of its columns."""
    from astropy.io import fits

    if not first_bytes(file).startswith(b"SIMPLE  ="):
        return "table"
    with binary(file) as stream, fits.open(stream) as hdus:
        if any(WAVELENGTH.fullmatch(hdu.name) for hdu in hdus):
            return "desi"
        coadd = next((hdu for hdu in hdus if hdu.name == COADD and isinstance(hdu, fits.BinTableHDU)), None)
        names = set() if coadd is None else {name.lower() for name in coadd.columns.names}
    return "sdss" if names >= set(COLUMNS) else "table"
