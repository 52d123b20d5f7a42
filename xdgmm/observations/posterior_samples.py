"""Posterior samples of each object as its likelihood: each sample is a row, with the reciprocal of its prior as weight.

For samples s of a posterior ``p(v | w) ∝ L(v) prior(v)`` the integral of L(v) p(v) is, up to a factor, the mean of
``p(s) / prior(s)`` over the samples (Hogg, Myers & Bovy 2010, ApJ 725, 2166, eq. 8).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats, list_rows
from xdgmm.basics.units import holds_units
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.kernels import Correlated, Exact, Noise, SampledNoise

from . import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

FEW = 50.0  # effective samples of an object


def from_posterior_samples(
    samples: Iterable[ArrayLike],
    prior_log_density: Callable[[Floats], ArrayLike] | None,
    smoothing: float | str,
    units: Any,
) -> tuple[Floats, SampledNoise, list[str], UnitBase | None]:
    """Values (N, D), which are the means of the samples, their noise, remarks, and the unit that samples have."""
    stacked, starts, unit = _stacked(samples, units)
    weights = _weights(stacked, starts, prior_log_density)
    values = np.add.reduceat(weights[:, None] * stacked, starts[:-1], axis=0)
    sizes = np.diff(starts)
    offsets = stacked - np.repeat(values, sizes, axis=0)
    effective = 1.0 / np.add.reduceat(weights**2, starts[:-1])
    remarks = _remarks(effective, sizes)
    parts: Noise = Exact(stacked.shape)
    fractions = _fractions(smoothing, effective, stacked.shape[1])
    if fractions.any():
        spread = np.add.reduceat(weights[:, None, None] * offsets[:, :, None] * offsets[:, None], starts[:-1], axis=0)
        parts = Correlated(np.repeat(fractions[:, None, None] ** 2 * spread, sizes, axis=0))
        offsets = offsets * np.repeat(np.sqrt(1.0 - fractions**2), sizes)[:, None]
        remarks.append(f"each sample smoothed by {_range(fractions)} of the scatter of the samples of its object")
    return values, SampledNoise(starts, weights, -offsets, parts), remarks, unit


def _stacked(samples: Iterable[ArrayLike], units: Any) -> tuple[Floats, Indices, UnitBase | None]:
    """All samples (R, D), where those of each object start (N + 1,), and their unit."""
    if not isinstance(samples, Iterable) or isinstance(samples, (str, bytes, dict)):
        raise InputError("`samples` must be a list with an array of samples (n, D) for each object")
    arrays, unit, with_unit = [], None, []
    for i, each in enumerate(samples):
        given = _as_quantity(each, i) if holds_units(each) else each
        target = checks.single_unit(given, units) if unit is None else unit
        numbers, own = as_floats(given, f"the array of samples of object {i}", target)
        unit = own if i == 0 else unit
        with_unit.append(getattr(given, "unit", None) is not None)
        arrays.append(_columns(numbers, i))
    if any(with_unit) and not all(with_unit):
        raise InputError(
            f"the samples of object {with_unit.index(True)} have a unit, but those of object {with_unit.index(False)} "
            "have none; give all with a unit, or none (and `units=`)"
        )
    if not arrays:
        raise InputError("`samples` is empty; give an array of samples (n, D) for each object")
    D = arrays[0].shape[1]
    others = [i for i, each in enumerate(arrays) if each.shape[1] != D]
    if others:
        raise InputError(
            f"the samples of object {others[0]} have {arrays[others[0]].shape[1]} columns, but those of object 0 have "
            f"{D}; give the same coordinates for all"
        )
    few = [i for i, each in enumerate(arrays) if len(each) < 2]
    if few:
        raise InputError(
            f"`samples` has fewer than two samples in {list_rows(few)}; give some hundreds for each object, or "
            "leave it out"
        )
    bad = [i for i, each in enumerate(arrays) if not np.isfinite(each).all()]
    if bad:
        raise InputError(f"`samples` is NaN or infinite in {list_rows(bad)}; leave such samples out")
    return np.concatenate(arrays), np.concatenate([[0], np.cumsum([len(each) for each in arrays])]), unit


def _as_quantity(samples: Any, i: int) -> Any:
    """One Quantity of a list of them, in the unit of the first."""
    if hasattr(samples, "unit"):
        return samples
    from astropy.units import Quantity

    try:
        return Quantity(samples)
    except (TypeError, ValueError) as error:
        raise InputError(f"the samples of object {i} cannot be brought to one unit: {error}") from None


def _columns(array: Floats, i: int) -> Floats:
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"the samples of object {i} have shape {array.shape}, but (n,) or (n, D) is needed")
    return array


def _weights(stacked: Floats, starts: Indices, prior_log_density: Callable[[Floats], ArrayLike] | None) -> Floats:
    """Reciprocals of the prior at the samples (R,), those of an object divided by their sum."""
    sizes = np.diff(starts)
    if prior_log_density is None:
        return np.repeat(1.0 / sizes, sizes)
    try:
        given = prior_log_density(stacked.copy())
    except Exception as error:
        raise InputError(f"`prior_log_density` raised {type(error).__name__}: {error}") from error
    log_prior, _ = as_floats(given, "the result of `prior_log_density`")
    if log_prior.shape == (len(stacked), 1):
        log_prior = log_prior[:, 0]
    if log_prior.shape != (len(stacked),):
        raise InputError(
            f"`prior_log_density` returned shape {log_prior.shape} for samples of shape {stacked.shape}, but one "
            f"number for each sample is needed: ({len(stacked)},)"
        )
    owners = np.repeat(np.arange(sizes.size), sizes)
    bad = np.unique(owners[~np.isfinite(log_prior)])
    if bad.size:
        raise InputError(
            f"`prior_log_density` is NaN or infinite at samples of {list_rows(bad)}; no sample can lie where its prior "
            "is zero, so check the function, or leave these samples out"
        )
    smallest = np.minimum.reduceat(log_prior, starts[:-1])
    weights = np.exp(smallest[owners] - log_prior)
    return np.asarray(weights / np.add.reduceat(weights, starts[:-1])[owners])


def _fractions(smoothing: float | str, effective: Floats, D: int) -> Floats:
    """Width of the Gaussian around each sample, over the scatter of the samples, of each object (N,)."""
    if isinstance(smoothing, str) and smoothing == "auto":
        return np.asarray(np.minimum(effective ** (-1.0 / (D + 4.0)), 0.99))
    if isinstance(smoothing, (str, bool)) or not 0.0 <= float(smoothing) < 1.0:
        raise InputError(f"`smoothing` is {smoothing!r}, but 'auto' or a number from 0 up to below 1 is needed")
    return np.full(effective.shape, float(smoothing))


def _range(fractions: Floats) -> str:
    low, high = f"{fractions.min():.3g}", f"{fractions.max():.3g}"
    return low if low == high else f"{low} to {high}"


def _remarks(effective: Floats, sizes: Indices) -> list[str]:
    """How many samples there are, and, with a warning, where few of them count."""
    numbers = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
    whole = f"{numbers} posterior samples of each object, of which {effective.min():.0f} to {effective.max():.0f} count"
    few = np.flatnonzero(effective < FEW)
    if not few.size:
        return [f"{whole} after division by their prior" if effective.min() < sizes.min() - 0.5 else whole]
    worst = int(np.argmin(effective))
    sentence = (
        f"fewer than {FEW:.0f} effective samples, after division by their prior, in {few.size} object"
        f"{'s' if few.size > 1 else ''} (least in row {worst}: {effective[worst]:.3g} of {sizes[worst]})"
    )
    warnings.warn(
        f"{sentence}, so that their likelihoods are noisy; draw more samples, or sample with a wider prior",
        XdgmmWarning,
        stacklevel=5,
    )
    return [whole, sentence]
