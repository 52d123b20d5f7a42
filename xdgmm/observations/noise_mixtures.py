"""Noise that is not Gaussian from what users pass: mixtures, upper and lower errors, posterior samples.

Each function returns values and a noise model for `checks.complete`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_dimensionless, as_floats, list_rows
from xdgmm.basics.units import common_unit, difference_unit
from xdgmm.errors import InputError
from xdgmm.kernels import Correlated, Independent, Noise, NoiseMixture

from . import checks
from .rows_of_columns import RowsOfColumn, product
from .split_normals import split_normal_moments, three_gaussians

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Units = tuple[UnitBase | None, ...]

SUM_OF_WEIGHTS = 1e-6  # error of a sum that is taken for rounding
MOST_ASYMMETRIC = 3  # columns: 27 Gaussians
SYMMETRIC = 1e-3  # asymmetry (u - l) / (u + l) below which a Gaussian differs from a split normal by less than 1e-3
FAR_FROM_THREE = 10.0  # ratio of the errors from which three Gaussians differ from a split normal by 5%


def from_mixtures(
    values: Floats,
    weights: ArrayLike,
    shifts: ArrayLike,
    covariances: ArrayLike | None,
    standard_errors: ArrayLike | None,
    units: Units,
) -> NoiseMixture:
    """The noise of values (N, M) from the arguments of `Observations.with_noise_mixtures`."""
    if (covariances is None) == (standard_errors is None):
        raise InputError("noise mixtures need either `covariances` or `standard_errors` of their Gaussians; give one")
    N, M = values.shape
    fractions = _checked_fractions(as_dimensionless(weights, "weights"), N)
    Q = fractions.shape[1]
    unit = difference_unit(common_unit(shifts, "shifts", units, "values"))
    of_shifts = _of_rows(as_floats(shifts, "shifts", unit)[0], "shifts", (N, Q, M))
    present = np.isfinite(values)
    bad = present & ~np.isfinite(of_shifts).all(axis=1)
    if bad.any():
        raise InputError(
            f"`shifts` is NaN or infinite for a value that is present in {list_rows(np.flatnonzero(bad.any(axis=1)))}; "
            "give finite means of the noise, or NaN as its value"
        )
    of_shifts = np.where(present[:, None], of_shifts, 0.0)
    parts = _parts(values, covariances, standard_errors, Q, units)
    starts = np.arange(N + 1) * Q
    return NoiseMixture(starts, fractions.reshape(-1), of_shifts.reshape(-1, M), parts)


def _checked_fractions(weights: Floats, N: int) -> Floats:
    """Weights (N, Q) of the Gaussians of each object."""
    if weights.ndim not in (1, 2) or weights.shape[-1] == 0 or (weights.ndim == 2 and len(weights) != N):
        raise InputError(
            f"`weights` has shape {weights.shape}, but the weights of Q Gaussians are needed, (Q,) for all objects or "
            f"({N}, Q)"
        )
    rows = np.broadcast_to(weights, (N, weights.shape[-1]))
    bad = ~(rows >= 0).all(axis=1) | ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise InputError(f"`weights` is negative or not finite in {list_rows(np.flatnonzero(bad))}; give fractions")
    total = rows.sum(axis=1)
    bad = np.abs(total - 1.0) > SUM_OF_WEIGHTS
    if bad.any():
        raise InputError(
            f"`weights` sum to {total[bad][0]:.6g} in {list_rows(np.flatnonzero(bad))}, but those of the Gaussians of "
            "one object must sum to 1; divide by the sum"
        )
    return np.asarray(rows / total[:, None])


def _of_rows(array: Floats, name: str, shape: tuple[int, ...]) -> Floats:
    """An array broadcast to a shape that begins with (N, Q); with one column its last axes may be missing."""
    missing = len(shape) - 2 if shape[-1] == 1 and array.ndim <= 2 else 0
    try:
        return np.broadcast_to(array.reshape(*array.shape, *(1,) * missing), shape)
    except ValueError:
        raise InputError(f"`{name}` has shape {array.shape}, but {shape} is needed, or what broadcasts to it") from None


def _parts(
    values: Floats, covariances: ArrayLike | None, standard_errors: ArrayLike | None, Q: int, units: Units
) -> Noise:
    """The noise of all rows; what is wrong is said of rows of the observations."""
    N, M = values.shape
    if standard_errors is not None:
        unit = difference_unit(common_unit(standard_errors, "standard_errors", units, "values"))
        errors = _of_rows(as_floats(standard_errors, "standard_errors", unit)[0], "standard_errors", (N, Q, M))
        of_each = [checks.as_standard_errors(errors[:, q], values, units) for q in range(Q)]
        return Independent(_without_missing(np.stack(of_each, axis=1), values).reshape(N * Q, M))
    unit = difference_unit(common_unit(covariances, "covariances", units, "values"))
    found, _ = as_floats(covariances, "covariances", None if unit is None else unit**2)  # type: ignore[arg-type]
    matrices = _of_rows(found, "covariances", (N, Q, M, M))
    of_each = [checks.as_covariances(np.ascontiguousarray(matrices[:, q]), values, units) for q in range(Q)]
    return Correlated(_without_missing(np.stack(of_each, axis=1), values).reshape(N * Q, M, M))


def _without_missing(of_rows: Floats, values: Floats) -> Floats:
    """Errors (N, Q, M) or covariances (N, Q, M, M), with zeros for missing values."""
    present = np.isfinite(values)
    both = present if of_rows.ndim == 3 else present[:, :, None] & present[:, None]
    return np.where(both[:, None], of_rows, 0.0)


def from_asymmetric_errors(
    values: Floats, lower: ArrayLike, upper: ArrayLike, units: Units, names: tuple[str, ...]
) -> tuple[Floats, Noise, list[str]]:
    """Values, noise and remarks from the arguments of `Observations.with_asymmetric_errors`."""
    of_lower, of_upper = (
        _one_sided(given, name, values, units) for given, name in ((lower, "lower"), (upper, "upper"))
    )
    return split_normal_noise(values, of_lower, of_upper, names)


def _one_sided(given: ArrayLike, name: str, values: Floats, units: Units) -> Floats:
    unit = difference_unit(common_unit(given, name, units, "values"))
    errors, _ = as_floats(given, name, unit)
    if errors.ndim == 1 and values.shape == (errors.size, 1):
        errors = errors[:, None]
    if errors.ndim == 0:
        errors = np.full(values.shape, float(errors))
    if errors.shape != values.shape:
        raise InputError(
            f"`{name}` has shape {errors.shape}, but `values` has shape {values.shape}; they must be equal"
        )
    invalid = checks.invalid_errors(errors, np.isfinite(values))
    if invalid.any():
        signs = "; lower errors are distances: give them without a minus sign" if name == "lower" else ""
        raise InputError(
            f"`{name}` is negative or NaN for a value that is present in "
            f"{list_rows(np.flatnonzero(invalid.any(axis=1)))}; give its error, or NaN as its value{signs}"
        )
    checks.check_squares(errors, np.isfinite(values), f"`{name}`")
    return checks.too_large_as_infinite(errors)


def split_normal_noise(
    values: Floats, lower: Floats, upper: Floats, names: tuple[str, ...]
) -> tuple[Floats, Noise, list[str]]:
    """Values (N, M) and their noise, with upper and lower errors (N, M) that are checked, and remarks.

    Values with equal errors have one Gaussian; where a column has no others, it costs nothing.  Infinite errors make a
    value missing.
    """
    infinite = np.isinf(lower) | np.isinf(upper)
    present = np.isfinite(values) & ~infinite
    one_zero = present & ((lower == 0) != (upper == 0))
    if one_zero.any():
        raise InputError(
            f"one of the errors `lower` and `upper` is zero, and the other is not, in "
            f"{list_rows(np.flatnonzero(one_zero.any(axis=1)))}; give both, or zero for an exact value"
        )
    lower, upper = np.where(present, lower, 0.0), np.where(present, upper, 0.0)
    with np.errstate(invalid="ignore"):
        asymmetric = np.abs(upper - lower) > SYMMETRIC * (upper + lower)
    shift, sd = split_normal_moments(upper, lower)
    sd = np.where(infinite, np.inf, sd)
    of_columns: NDArray[np.bool_] = np.atleast_1d(asymmetric.any(axis=0))
    if of_columns.sum() > MOST_ASYMMETRIC:
        unequal = ", ".join(name for name, one in zip(names, of_columns, strict=True) if one)
        raise InputError(
            f"{of_columns.sum()} columns have unequal upper and lower errors ({unequal}), but {MOST_ASYMMETRIC} can "
            "have them, of 27 Gaussians; give the others the mean and the standard deviation of their split normals"
        )
    values = values + np.where(asymmetric, 0.0, shift)
    if not of_columns.any():
        return values, Independent(sd), []
    columns = []
    for i in range(values.shape[1]):
        some = asymmetric[:, i]
        weights, means, sigmas = three_gaussians(upper[some, i], lower[some, i])
        columns.append(RowsOfColumn.where(some, weights, -means, sigmas, otherwise=sd[:, i]))
    starts, fractions, shifts, errors = product(columns)
    return (
        values,
        NoiseMixture(starts, fractions, shifts, Independent(errors)),
        _remarks(asymmetric, lower, upper, names),
    )


def _remarks(asymmetric: Any, lower: Floats, upper: Floats, names: tuple[str, ...]) -> list[str]:
    sentences = []
    for i, name in enumerate(names):
        count = np.count_nonzero(asymmetric[:, i])
        if count:
            ratios = np.maximum(upper[:, i], lower[:, i])[asymmetric[:, i]]
            ratios = ratios / np.minimum(upper[:, i], lower[:, i])[asymmetric[:, i]]
            sentences.append(
                f"split normals of {count} value{'s' if count > 1 else ''} of {name} taken as three Gaussians each "
                f"(errors differ by a factor of {ratios.max():.3g} at most)"
            )
            if ratios.max() > FAR_FROM_THREE:
                sentences.append(
                    f"errors of {name} differ by more than a factor of {FAR_FROM_THREE:.0f} in "
                    f"{np.count_nonzero(ratios > FAR_FROM_THREE)} rows, where three Gaussians and a split normal "
                    "differ by more than 5%"
                )
    return sentences
