"""Which coordinates of a mixture are known, and their values and errors, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.basics.arrays import LARGEST, as_floats, list_rows, too_large
from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray


class KnownCoordinates(NamedTuple):
    """What is known of M coordinates for each of N objects.

    Attributes
    ----------
    places : list of int (M,)
        Which coordinates.
    values : ndarray (N, M)
        NaN where missing.
    errors : ndarray (N, M)
        Standard errors; 0 where a value is exact or missing.
    is_array : bool
        Whether some value or error was given as an array, rather than numbers for one object.
    """

    places: list[int]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    is_array: bool


def known_coordinates(
    names: Sequence[str], units: Sequence[UnitBase | None], known: Mapping[str, Any]
) -> KnownCoordinates:
    """Values and standard errors of the known coordinates.

    Parameters
    ----------
    names, units : sequence (D,)
        Of all coordinates.
    known : dict
        Name to value, or to a tuple of value and standard error.

    Raises
    ------
    InputError
        If a name is not known, all are given, or a value or error cannot be used.
    """
    if not isinstance(known, dict):
        raise InputError(f'`given` is {known!r}, but a dict of names and values is needed, as {{"redshift": 0.5}}')
    places = coordinate_places(names, known)
    if len(places) == len(names):
        raise InputError("every coordinate is given, so that none remains to be described; leave out at least one")
    pairs = [_value_and_error(name, known[name], units[i]) for i, name in zip(places, known, strict=True)]
    try:
        arrays = np.broadcast_arrays(*(array for pair in pairs for array in pair))
    except ValueError:
        sizes = [f"{name}: {value.size} and {error.size}" for name, (value, error) in zip(known, pairs, strict=True)]
        raise InputError(
            f"the given values and errors have different lengths ({', '.join(sizes)}); give one number, or one for "
            "each object"
        ) from None
    columns = np.atleast_2d(np.stack(arrays, axis=-1))
    values, errors = _checked(known, columns[:, 0::2], columns[:, 1::2])
    return KnownCoordinates(places, values, errors, arrays[0].ndim > 0)


def coordinate_places(names: Sequence[str], wanted: str | Iterable[str]) -> list[int]:
    """Where the wanted names (one, or several) stand among the names.

    Raises
    ------
    InputError
        If one is not there, is repeated, or there is none.
    """
    if not np.iterable(wanted):
        raise InputError(f"{wanted!r} is no name of a coordinate; name some of {', '.join(names)}")
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for name in wanted:
        if name not in names:
            raise InputError(f"the mixture has no coordinate {name!r}; its coordinates are {', '.join(names)}")
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError(f"name at least one coordinate, and each once, of {', '.join(names)}")
    return [names.index(name) for name in wanted]


def _value_and_error(name: str, entry: Any, unit: UnitBase | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    value, error = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, 0.0)
    return (
        _numbers(value, f"the given '{name}'", unit),
        _numbers(error, f"the error of the given '{name}'", difference_unit(unit)),
    )


def _checked(
    names: Iterable[str], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and errors (N, M); NaN and 0 where a value is missing: where it is NaN, or its error is infinite."""
    for name, value, error in zip(names, values.T, errors.T, strict=True):
        infinite = np.abs(value) > LARGEST
        if infinite.any():
            what = f"the given '{name}' is {too_large(value)} in {_rows(infinite)}"
            raise InputError(f"{what}; use NaN if it is not known")
        bad = np.isfinite(value) & ~(error >= 0)
        if bad.any():
            raise InputError(
                f"the error of the given '{name}' is negative or NaN in {_rows(bad)}; give its 1-sigma error"
            )
    missing = np.isnan(values) | (errors > LARGEST)
    return np.where(missing, np.nan, values), np.where(missing, 0.0, errors)


def _rows(bad: NDArray[np.bool_]) -> str:
    return list_rows(np.flatnonzero(bad))


def _numbers(value: ArrayLike, name: str, unit: UnitBase | None) -> NDArray[np.float64]:
    own = getattr(value, "unit", None)
    if own is not None and unit is None:
        raise InputError(f"{name} has the unit {own}, but the coordinate has none; give plain numbers")
    numbers = as_floats(value, name, unit)[0]
    if numbers.ndim > 1 or numbers.size == 0:
        raise InputError(f"{name} has shape {numbers.shape}, but one number is needed, or one for each object")
    return numbers
