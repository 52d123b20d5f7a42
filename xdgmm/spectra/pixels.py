"""Pixels of a spectrum as users give them: centres, edges, fluxes, errors and masks, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats, list_rows
from xdgmm.errors import InputError

from .axes import axis_kind

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

GAP = 1.5  # how many times as long as the next one a step between pixels is, where pixels are missing
LARGEST = 1e100  # sizes of fluxes and errors whose squares, and sums of them, are still numbers
NO_ERRORS = 'give 1-sigma errors, mask such pixels, or fit with `noise="estimate"`, which estimates the noise'


def as_centres(wave: Any) -> tuple[Floats, UnitBase | None]:
    """Centres of the pixels (n,) and their unit.

    Raises
    ------
    InputError
        If they are no increasing or decreasing list of numbers, not positive on an axis of wavelengths, energies or
        frequencies, or have another unit.
    """
    centres, unit = as_floats(wave, "wave")
    if centres.ndim != 1 or centres.size == 0:
        raise InputError(f"`wave` has shape {centres.shape}, but it must be one list of pixels")
    if not np.isfinite(centres).all():
        raise InputError(f"`wave` is missing or infinite in {_listed(~np.isfinite(centres))}; every pixel has a place")
    steps = np.diff(centres) * (1.0 if centres[-1] > centres[0] else -1.0)
    if not (steps > 0).all():
        raise InputError(
            f"`wave` is not sorted, or has a value twice, after {_listed(~(steps > 0))}; sort the pixels, and give "
            "spectra that overlap one by one"
        )
    if axis_kind(unit) not in (None, "velocity") and not (centres > 0).all():
        raise InputError(
            f"`wave` is {centres.min():.6g} {unit}, but it is positive on this axis; give velocities in km/s"
        )
    return centres, unit


def _listed(flags: Any) -> str:
    """'pixel 3', or 'pixels 0, 4, 7, ... (12 in all)', counting from 0."""
    return list_rows(np.flatnonzero(flags)).replace("row", "pixel")


def as_edges(edges: Any, centres: Floats, unit: UnitBase | None) -> tuple[Floats, Floats]:
    """Lower and upper edges of the pixels (n,), by default in the middle between centres, but for gaps.

    Raises
    ------
    InputError
        If there is only one pixel and no edges, or a centre is not between its edges.
    """
    if edges is None:
        return _edges_between(centres)
    given = _in_unit(edges, "edges", "wave", unit)
    if given.shape != (centres.size + 1,):
        raise InputError(f"`edges` has shape {given.shape}, but {centres.size} pixels have {centres.size + 1} edges")
    low, high = np.sort(np.stack([given[:-1], given[1:]]), axis=0)
    inside = (low < centres) & (centres < high)
    if not inside.all():
        raise InputError(f"`edges` do not enclose `wave` in {_listed(~inside)}; give them in the order of the pixels")
    return low, high


def _edges_between(centres: Floats) -> tuple[Floats, Floats]:
    """Edges in the middle between centres; pixels beside a gap, where some are missing, do not reach into it."""
    if centres.size == 1:
        raise InputError("`wave` is one pixel, whose width is not known; give its `edges`")
    steps = np.abs(np.diff(centres))
    around = np.concatenate([[np.inf], steps, [np.inf]])
    nearest = np.minimum(around[:-2], around[2:])
    steps = np.where(steps > GAP * nearest, nearest, steps)
    halves = 0.5 * np.stack([np.concatenate([steps[:1], steps]), np.concatenate([steps, steps[-1:]])])
    before, after = halves if centres[0] < centres[-1] else halves[::-1]
    return centres - before, centres + after


def _in_unit(value: Any, name: str, beside: str, unit: UnitBase | None, power: int = 1) -> Floats:
    """Numbers in a power of the unit of something else, which has a unit if they have one."""
    own = getattr(value, "unit", None)
    if (own is None) != (unit is None):
        has, lacks = (name, beside) if unit is None else (beside, name)
        raise InputError(f"`{has}` has the unit {own or unit}, but `{lacks}` has none; give both a unit, or neither")
    return as_floats(value, name, None if unit is None else unit**power)[0]


def as_fluxes(flux: Any, n_pixels: int) -> tuple[Floats, UnitBase | None]:
    """Fluxes (..., n) and their unit.

    Raises
    ------
    InputError
        If the last axis has not one flux for each pixel.
    """
    fluxes, unit = as_floats(flux, "flux")
    if fluxes.ndim == 0 or fluxes.shape[-1] != n_pixels or fluxes.size == 0:
        raise InputError(
            f"`flux` has shape {fluxes.shape}, but `wave` has {n_pixels} pixels; give one flux for each "
            "along the last axis"
        )
    return fluxes, unit


def as_errors(err: Any, ivar: Any, banded: Floats | None, fluxes: Floats, unit: UnitBase | None) -> Floats | None:
    """1-sigma errors in the shape of the fluxes, infinite where an inverse variance is 0; None where none are given.

    Those that are wrong are negative, for `good_pixels` to refuse.

    Raises
    ------
    InputError
        If two of errors, inverse variances and a covariance are given, or shapes or units do not match.
    """
    given = {"err": err, "ivar": ivar, "covariance": banded}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"`{named[0]}` and `{named[1]}` both say how large the errors are; give one of them")
    if not named:
        return None
    (name,) = named
    numbers = banded[0] if banded is not None else _in_unit(given[name], name, "flux", unit, 1 if name == "err" else -2)
    try:
        numbers = np.broadcast_to(numbers, fluxes.shape)
    except ValueError:
        shapes = f"`{name}` has shape {numbers.shape}, but `flux` has {fluxes.shape}"
        raise InputError(f"{shapes}; give one for each flux") from None
    if name == "err":
        return numbers
    with np.errstate(divide="ignore"):
        return _root(numbers) if name == "covariance" else 1.0 / _root(numbers)


def _root(numbers: Floats) -> Floats:
    """Square roots; -1 for negative numbers."""
    with np.errstate(invalid="ignore"):
        return np.where(numbers < 0, -1.0, np.sqrt(numbers))


def as_mask(mask: Any, shape: tuple[int, ...]) -> Bools:
    """Which fluxes are left out by the mask of the user.

    Raises
    ------
    InputError
        If it has another shape, or is not of booleans or whole numbers.
    """
    if mask is None:
        return np.zeros(shape, bool)
    flags = np.asarray(mask)
    if flags.dtype.kind not in "biu":
        raise InputError(f"`mask` holds values of type {flags.dtype}, but it must be True (or not 0) where masked")
    if flags.shape != shape and flags.shape != shape[-1:]:
        raise InputError(f"`mask` has shape {flags.shape}, but `flux` has {shape}; give one flag for each pixel")
    return np.broadcast_to(flags != 0, shape)


def good_pixels(fluxes: Floats, errors: Floats | None, masked: Bools) -> Bools:
    """Which fluxes are fitted: finite ones, not masked, whose error is not missing or infinite.

    Raises
    ------
    InputError
        If there are none, or the error of one is not positive.
    """
    good = np.isfinite(fluxes) & ~masked
    if errors is not None:
        good &= np.isfinite(errors)
        _refuse_errors(good & ~(errors > 0))
    if not good.any():
        raise InputError("no pixel is left: all of `flux` is NaN, masked, or without error; check mask and errors")
    _check_sizes(np.abs(fluxes[good]).max(), "`flux` is")
    if errors is not None:
        for size in errors[good].min(), errors[good].max():
            _check_sizes(size, "an error of `flux` is")
    return good


def _check_sizes(size: float, what: str) -> None:
    """Refuse numbers whose squares are out of the range of floating-point numbers."""
    if size and not 1.0 / LARGEST < size < LARGEST:
        raise InputError(f"{what} {size:.3g}, too far from 1 to be squared; give `flux` in another unit")


def _refuse_errors(bad: Bools) -> None:
    if bad.any():
        first = np.argwhere(bad)[0, :-1]  # of many spectra
        of = f" of spectrum {', '.join(map(str, first))}" if first.size else ""
        raise InputError(f"the error of `flux` is zero or negative in {_listed(bad[tuple(first)])}{of}; {NO_ERRORS}")
