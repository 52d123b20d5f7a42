"""How tables of spectra name their columns, and a spectrum made of them."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.spectra import Spectrum

from .columns import list_names, read_column
from .conventions import Match, error_matches
from .error_columns import read_errors
from .table_types import NamedColumns, named_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Names in lower case; a new convention is one more name.
WAVE = ("wave", "wavelength", "wavelengths", "lambda", "lam", "energy", "frequency", "freq", "velocity", "vel")
LOG_WAVE = ("loglam",)  # decimal logarithm of the wavelength in Angstrom (SDSS)
FLUX = ("flux", "fluxes", "flux_density", "fluxdensity", "f_lambda", "flam", "f_nu", "fnu", "intensity", "counts")
# Errors without the name of the flux in theirs: what they are.  With it, the conventions for all tables hold.
ERRORS = {
    "err": "sigma",
    "error": "sigma",
    "errors": "sigma",
    "sigma": "sigma",
    "unc": "sigma",
    "uncertainty": "sigma",
    "std": "sigma",
    "ivar": "ivar",
    "invvar": "ivar",
    "var": "var",
    "variance": "var",
}
MASK = ("mask",)
BRACKET = re.compile(r"\s*[\[(]")


def spectrum_of_table(table: Any, name: str) -> Spectrum:
    """The spectrum whose pixels are the rows of a table, or the elements of arrays in its only row.

    Columns are found by their names.

    Raises
    ------
    InputError
        If there is no column of positions or of fluxes, or there are several of them or of errors, or as `Spectrum`
        does.

    Warns
    -----
    XdgmmWarning
        If the unit of the fluxes is not known, and left out.
    """
    columns = _pixels(named_columns(table))
    wave = _one(columns, (*WAVE, *LOG_WAVE), "wavelengths, energies, frequencies or velocities", name)
    flux = _one(columns, FLUX, "fluxes", name)
    assert wave is not None
    assert flux is not None
    fluxes, unit = read_column(columns, flux)
    match = _errors(columns, flux, {wave, flux}, name)
    errors = None if match is None else _checked_errors(columns, flux, unit, match, fluxes)
    mask = _one(columns, MASK, "masks", name, is_needed=False)
    unit = _without_unknown(unit, flux)
    return Spectrum(
        _positions(columns, wave),
        _with_unit(fluxes, unit),
        None if errors is None else _with_unit(errors, unit),
        mask=None if mask is None else np.ma.filled(columns.column(mask), 1),
        name=name,
    )


def _pixels(table: NamedColumns) -> NamedColumns:
    """A table with a row for each pixel, of one with a single row of arrays, as archives write them."""
    arrays = [name for name in table.names if np.ndim(table.column(name)) == 2]
    if table.n_rows != 1 or not arrays:
        return table
    length = max(table.column(name).shape[1] for name in arrays)
    names = tuple(name for name in arrays if table.column(name).shape[1] == length)
    return NamedColumns(names, length, lambda name: table.column(name)[0])


def _one(table: NamedColumns, names: Iterable[str], what: str, file: str, *, is_needed: bool = True) -> str | None:
    """The one column that has one of these names, in upper or lower case."""
    found = _named(table, names)
    if len(found) == 1 or not (found or is_needed):
        return found[0] if found else None
    way_out = f"make it of its columns: Spectrum(table['...'], ...); the columns are {list_names(table.names)}"
    if found:
        both = " and ".join(f"'{column}'" for column in found)
        raise InputError(f"the spectrum '{file}' has several columns of {what}, {both}; {way_out}")
    raise InputError(f"the spectrum '{file}' has no column of {what} (looked for {', '.join(names)}); {way_out}")


def _named(table: NamedColumns, names: Iterable[str]) -> list[str]:
    """Columns of these names, whatever stands behind them in brackets, as a unit that is not known."""
    wanted = set(names)
    return [column for column in table.names if BRACKET.split(column)[0].lower() in wanted]


def _errors(table: NamedColumns, flux: str, used: set[str], file: str) -> Match | None:
    """The column of errors, found by the conventions for all tables, or by a name such as err or ivar alone."""
    found = [match for match in error_matches(table, flux, used) if not used & set(match.columns)]
    bare = [Match(kind, (column,)) for name, kind in ERRORS.items() for column in _named(table, [name])]
    found += [match for match in bare if match.columns not in [each.columns for each in found]]
    if len(found) > 1:
        several = " and ".join(f"'{' with '.join(match.columns)}'" for match in found)
        raise InputError(
            f"the spectrum '{file}' has several columns of errors, {several}; make it of its columns: "
            f"Spectrum(table['...'], table['{flux}'], table['...'])"
        )
    return found[0] if found else None


def _checked_errors(
    table: NamedColumns, flux: str, unit: Any, match: Match, fluxes: NDArray[np.float64]
) -> NDArray[np.float64]:
    if match.kind == "pair":
        raise InputError(
            f"'{match.columns[0]}' and '{match.columns[1]}' are upper and lower errors of '{flux}', but fluxes of "
            "a spectrum have one error each; make the spectrum of its columns"
        )
    return read_errors(table, flux, unit, match, fluxes, []).standard_errors


def _positions(table: NamedColumns, name: str) -> Any:
    """Positions with their unit, from logarithms too."""
    positions, unit = read_column(table, name)
    if BRACKET.split(name)[0].lower() not in LOG_WAVE:
        return _with_unit(positions, unit)
    from astropy.units import AA

    return _with_unit(10.0**positions, AA)


def _with_unit(numbers: NDArray[np.float64], unit: Any) -> Any:
    from astropy.units import Quantity

    return numbers if unit is None else Quantity(numbers, unit)


def _without_unknown(unit: Any, name: str) -> Any:
    """The unit, or None where astropy does not know it, so that it cannot be multiplied by others."""
    from astropy.units import UnrecognizedUnit

    if not isinstance(unit, UnrecognizedUnit):
        return unit
    warnings.warn(
        f"the unit '{unit}' of column '{name}' is not known, and is left out: fluxes are plain numbers",
        XdgmmWarning,
        stacklevel=4,
    )
    return None
