"""Robust location and spread of observations, with and without projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .observations import Observations

    Floats = NDArray[np.float64]

GAUSSIAN_MAD = 1.482602218505602  # standard deviation over median absolute deviation
ROUNDED = 1e-9  # of the largest error: values closer together than this differ by rounding
MANY = 1_000_000  # objects from which on a tenth of this number determines location and spread
ENOUGH = 20_000  # values in this sample
SAMPLE_SIZE = 20_000  # objects from which location and spread are determined with projections
LEAST_PER_COORDINATE = 1000  # objects in the sample that measure a coordinate, if so many do
REWEIGHTINGS = 8  # iterations towards least absolute deviations
SMALLEST_FRACTION = 1e-3  # of the largest variance that a coordinate explains: smaller ones are raised to it


def location_and_spread(observations: Observations) -> tuple[Floats, Floats]:
    """Robust location and spread of each coordinate, noise included: (D,) each."""
    if observations.projections is not None:
        return _from_projections(observations)
    columns = [_location_and_spread(observations, i) for i in range(observations.n_dimensions)]
    location, spread = np.array(columns).T
    return location, spread


def _location_and_spread(observations: Observations, i: int) -> tuple[float, float]:
    """Of one column at a time, so that no array of the size of the data is made; of many objects from a sample."""
    rows = _sampled_rows(observations, i)
    weights = None if observations.weights is None else observations.weights[rows]
    values = observations.values[rows, i]
    location = _median(values, weights)[1]
    return location, _spread(values - location, observations.variances_of(i)[rows], weights)


def _sampled_rows(observations: Observations, i: int) -> NDArray[Any]:
    """Rows with a value in column i: a random sample of the objects, or all of them if they are few or seldom have one.

    Random because rows of catalogues can alternate between kinds.
    """
    N = len(observations)
    if N > MANY:
        rows = np.sort(np.random.default_rng(0).integers(N, size=MANY // 10))
        rows = rows[_have_value(observations, rows, i)]
        if rows.size >= ENOUGH:
            return rows
    return _have_value(observations, slice(None), i)


def _have_value(observations: Observations, rows: Any, i: int) -> NDArray[np.bool_]:
    has_value = np.isfinite(observations.values[rows, i])
    if observations.limits is not None:
        has_value &= observations.limits[rows, i] == 0
    return np.asarray(has_value if observations.weights is None else has_value & (observations.weights[rows] > 0))


def _spread(centred: Floats, variances: Floats, weights: Floats | None = None) -> float:
    """Robust spread of one column from its median absolute deviation.

    Where more than half of the values agree to rounding of their noise, the standard deviation is taken; where all do,
    the median error; one where all are exact.
    """
    least = ROUNDED * np.sqrt(variances.max())
    largest = np.abs(centred).max()
    if largest > 0:
        relative = centred / largest
        about_mean = relative - np.average(relative, weights=weights)
        for spread in (GAUSSIAN_MAD * _median(np.abs(relative), weights)[0], _root_mean_square(about_mean, weights)):
            if spread * largest > least:
                return float(spread * largest)
    noisy = variances > 0
    if not noisy.any():
        return 1.0
    return float(np.sqrt(_median(variances[noisy], None if weights is None else weights[noisy])[0]))


def _median(values: Floats, weights: Floats | None) -> tuple[float, float]:
    """The median, and the largest value that is not above it; weights are frequencies, equivalent to repeated rows."""
    if weights is None:
        return float(np.median(values)), float(np.percentile(values, 50, method="lower"))
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    below, above = (np.searchsorted(reached, 0.5 * reached[-1], side) for side in ("left", "right"))
    lower, upper = float(values[order[below]]), float(values[order[min(above, order.size - 1)]])
    return 0.5 * (lower + upper), lower


def _root_mean_square(values: Floats, weights: Floats | None) -> float:
    return float(np.sqrt(np.average(values**2, weights=weights)))


def sample_rows(observations: Observations, n_rows: int = SAMPLE_SIZE) -> NDArray[np.intp]:
    """A random sample of rows, and some that measure each coordinate, which may be few: observations with projections.

    It is random because rows of catalogues can alternate between kinds.
    """
    counted = np.flatnonzero(observations.counts)
    if counted.size <= n_rows:
        return counted
    chosen = [np.random.default_rng(0).choice(counted, n_rows, replace=False)]
    projections = observations.projections
    if projections is not None and projections.ndim == 3:
        for j in range(observations.n_dimensions):
            measuring = np.flatnonzero(projections[counted, :, j].any(axis=1))
            chosen.append(counted[measuring[:LEAST_PER_COORDINATE]])
    return np.unique(np.concatenate(chosen))


def _projected_values(observations: Observations) -> tuple[Floats, Floats, Floats]:
    """The values of a sample that are present (n,), with their rows of R (n, D) and noise variances (n,)."""
    sample = observations.select(sample_rows(observations))
    present = sample.present
    rows = all_projections(sample)[present]
    return sample.values[present], rows, sample.variances[present]


def all_projections(observations: Observations) -> Floats:
    """R of each object (N, M, D), of observations with projections."""
    assert observations.projections is not None
    return np.broadcast_to(observations.projections, (*observations.shape, observations.n_dimensions))


def _from_projections(observations: Observations) -> tuple[Floats, Floats]:
    """Location by least absolute deviations, spreads by non-negative least squares on the squared residuals."""
    from scipy.optimize import nnls

    values, rows, variances = _projected_values(observations)
    units = np.sqrt((rows**2).mean(axis=0))  # of the columns of R, whatever the units of the coordinates
    units = np.where(units > 0, units, 1.0)
    rows = rows / units
    weights = np.ones(values.size)
    for _ in range(REWEIGHTINGS):
        root = np.sqrt(weights)
        location = np.linalg.lstsq(rows * root[:, None], values * root, rcond=1e-10)[0]
        residuals = np.abs(values - rows @ location)
        weights = 1.0 / (residuals + 0.1 * np.median(residuals) + 1e-300)
        weights /= weights.max()
    whole = _spread(values - rows @ location, variances)
    sizes = np.maximum((rows**2).sum(axis=1), 1e-300)
    squares = np.minimum(residuals / whole, 5.0) ** 2
    fractions = nnls(rows**2 / sizes[:, None], squares / sizes)[0]
    spread = whole * np.sqrt(np.maximum(fractions, SMALLEST_FRACTION * max(fractions.max(), 1e-3)))
    return location / units, spread / units


def measured_spread(observations: Observations, spread: Floats) -> Floats:
    """Expected spread of each measured column (M,), without noise, if the coordinates have this spread (D,)."""
    if observations.projections is None:
        return spread
    R, present = all_projections(observations), observations.present
    sizes = [np.median(np.linalg.norm(R[present[:, a], a] * spread, axis=1)) for a in range(R.shape[1])]
    return np.where(np.array(sizes) > 0, sizes, 1.0)
