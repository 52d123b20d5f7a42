"""Spectra of SDSS: spec-PLATE-MJD-FIBER.fits, whose table COADD has a row for each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.spectra import LSF, Spectrum

from .columns import read_column
from .fits_nulls import table_of_hdu
from .table_types import named_columns
from .text_formats import binary

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COADD = "COADD"
COLUMNS = ("loglam", "flux", "ivar", "wdisp")
PIXELS_PER_DEX = 1e4
FLUX_UNIT = "1e-17 erg / (s cm2 AA)"
ROUNDING = 0.01  # pixels by which logarithms in single precision are off their grid, and more


def read_sdss(file: Path, name: str) -> Spectrum:
    """The spectrum of a file, named by plate, MJD and fibre, or as given.

    Raises
    ------
    InputError
        If there is no table COADD, or it lacks a column.
    """
    from astropy.io import fits

    with binary(file) as stream, fits.open(stream) as hdus:
        if COADD not in hdus:
            raise InputError(f"'{file}' has no table {COADD}, which spectra of SDSS have; read it with format='table'")
        columns = _columns(table_of_hdu(hdus[COADD]), file)
        header = hdus[0].header
        keys = [header.get(key) for key in ("PLATEID", "MJD", "FIBERID")]
    name = name if None in keys else "spec-{:04d}-{}-{:04d}".format(*keys)
    return _spectrum(columns, name)


def _columns(table: Any, file: Path) -> dict[str, Floats]:
    columns = named_columns(table)
    missing = [name for name in COLUMNS if name not in columns.ignoring_case]
    if missing:
        raise InputError(f"the table {COADD} of '{file}' has no column '{missing[0]}'; read it with format='table'")
    return {name: read_column(columns, columns.ignoring_case[name][0])[0] for name in COLUMNS}


def _spectrum(columns: dict[str, Floats], name: str) -> Spectrum:
    from astropy.units import AA, Quantity, Unit

    wave = 10.0 ** _on_grid(columns["loglam"])
    sigma = columns["wdisp"] * (np.log(10.0) / PIXELS_PER_DEX) * wave
    measured = sigma > 0
    lsf = LSF(sigma[measured], x=wave[measured], unit=AA, includes_pixel=False) if measured.any() else None
    unit = Unit(FLUX_UNIT)
    return Spectrum(
        Quantity(wave, AA),
        Quantity(columns["flux"], unit),
        ivar=Quantity(columns["ivar"], unit**-2),
        lsf=lsf,
        name=name,
        medium="vacuum",
    )


def _on_grid(loglam: Floats) -> Floats:
    """Logarithms without the rounding to single precision, where they are on the grid of the survey."""
    pixels = np.round(loglam * PIXELS_PER_DEX)
    on_grid = np.all(np.abs(loglam * PIXELS_PER_DEX - pixels) < ROUNDING)
    return pixels / PIXELS_PER_DEX if on_grid else loglam
