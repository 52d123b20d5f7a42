"""Spectra of DESI: coadd-*.fits and spectra-*.fits, with arrays of all targets for each camera."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.spectra import LSF, Spectrum

from .text_formats import binary
from .units import parsed

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WAVELENGTH = re.compile("([A-Z]+)_WAVELENGTH")
FLUX_UNIT = "1e-17 erg / (s cm2 AA)"  # of all releases; the header writes 10**-17
ANGSTROM = "AA"


def read_desi(file: Path, row: int | None, target: int | None) -> list[Spectrum]:
    """The spectra of all cameras, of one row, or of all rows of a target, in the order of their wavelengths.

    Raises
    ------
    InputError
        If there is no such row or target, or there are several and none was named; or the file has no spectra.
    """
    from astropy.io import fits

    with binary(file) as stream, fits.open(stream) as hdus:
        cameras = [found[1] for hdu in hdus if (found := WAVELENGTH.fullmatch(hdu.name))]
        if not cameras:
            raise InputError(f"'{file}' has no part named B_WAVELENGTH or the like, which spectra of DESI have")
        targets = _targets(hdus, cameras[0])
        rows = _rows(targets, row, target, file)
        spectra = [_spectrum(hdus, camera, each, f"{targets[each]} {camera}") for each in rows for camera in cameras]
    return sorted(spectra, key=lambda spectrum: float(spectrum.wave[0]))


def _targets(hdus: Any, camera: str) -> NDArray[np.int64]:
    """The TARGETID of each row; where the file does not say it, the number of the row."""
    if "FIBERMAP" in hdus and "TARGETID" in hdus["FIBERMAP"].columns.names:
        return np.asarray(hdus["FIBERMAP"].data["TARGETID"], dtype=np.int64)
    return np.arange(hdus[f"{camera}_FLUX"].shape[0])


def _rows(targets: NDArray[np.int64], row: int | None, target: int | None, file: Path) -> list[int]:
    count = len(targets)
    if row is not None and target is not None:
        raise InputError("`row` and `target` both choose the spectrum; give one of them")
    if target is not None:
        found = np.flatnonzero(targets == target)
        if not found.size:
            raise InputError(f"`target` is {target}, but '{file}' has no such TARGETID among its {count}")
        return [int(each) for each in found]
    if row is None and count > 1:
        raise InputError(f"'{file}' has {count} spectra; choose by `row` (0 to {count - 1}) or `target` (TARGETID)")
    row = 0 if row is None else row
    if not 0 <= row < count:
        raise InputError(f"`row` is {row}, but '{file}' has the rows 0 to {count - 1}")
    return [row]


def _spectrum(hdus: Any, camera: str, row: int, name: str) -> Spectrum:
    from astropy.units import Quantity, Unit

    arrays = {part: _row(hdus, f"{camera}_{part}", row) for part in ("FLUX", "IVAR", "MASK", "RESOLUTION")}
    if arrays["FLUX"] is None or arrays["IVAR"] is None:
        raise InputError(f"the camera {camera} has no arrays {camera}_FLUX and {camera}_IVAR")
    matrix = arrays["RESOLUTION"]
    unit = _unit(hdus[f"{camera}_FLUX"].header.get("BUNIT"), FLUX_UNIT)
    wave = hdus[f"{camera}_WAVELENGTH"]
    return Spectrum(
        Quantity(np.asarray(wave.data, dtype=float), _unit(wave.header.get("BUNIT"), ANGSTROM)),
        Quantity(arrays["FLUX"], unit),
        ivar=Quantity(arrays["IVAR"], Unit(unit) ** -2),
        mask=None if arrays["MASK"] is None else arrays["MASK"] != 0,
        lsf=None if matrix is None else LSF.from_diagonals(matrix, includes_pixel=True),
        name=name,
        medium="vacuum",
    )


def _row(hdus: Any, name: str, row: int) -> NDArray[np.float64] | None:
    """One row of an array, of which no more is read; None where the file has no such array."""
    return np.asarray(hdus[name].section[row], dtype=float) if name in hdus else None


def _unit(text: Any, usual: str) -> Any:
    """The unit of a header, or the usual one where none is written."""
    from astropy.units import Unit

    return Unit(usual) if not isinstance(text, str) else parsed(text)
