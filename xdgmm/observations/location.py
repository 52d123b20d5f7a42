"""Robust location and spread of observations, behind projections too."""

import numpy as np
from scipy.optimize import nnls

GAUSSIAN_MAD = 1.482602218505602  # standard deviation over median absolute deviation
ROUNDED = 1e-9  # of the largest error: values closer together than this differ by rounding
ENOUGH = 20_000  # objects from which location and scale behind projections are taken
RARE = 1000  # objects at least, where there are so many, that see each coordinate
REWEIGHTED = 8  # iterations towards least absolute deviations
SMALLEST_FRACTION = 1e-3  # of the variance that one latent coordinate must explain to get a scale of its own


def location_and_spread(observations):
    """Robust location and spread of each coordinate, noise included: (D,) each."""
    if observations.projections is not None:
        return _behind_projections(observations)
    columns = [_location_and_spread(observations, i) for i in range(observations.n_dimensions)]
    location, spread = np.array(columns).T
    return location, spread


def _location_and_spread(observations, i):
    """Of one column at a time, so that nothing of the size of the data is held."""
    counts, weights = np.isfinite(observations.values[:, i]), None
    if observations.weights is not None:
        counts &= observations.weights > 0
        weights = observations.weights[counts]
    values = observations.values[counts, i]
    location = _middle(values, weights)[1]
    return location, _spread(values - location, observations.variances_of(i)[counts], weights)


def _spread(centred, variances, weights=None):
    """Robust spread of one column; where values repeat their standard deviation, then their noise, then one.

    Values that agree to rounding, beside their noise, repeat.
    """
    least = ROUNDED * np.sqrt(variances.max())
    largest = np.abs(centred).max()
    if largest > 0:
        relative = centred / largest
        about = relative - np.average(relative, weights=weights)
        for spread in (GAUSSIAN_MAD * _middle(np.abs(relative), weights)[0], _root_mean_square(about, weights)):
            if spread * largest > least:
                return spread * largest
    noisy = variances > 0
    return np.sqrt(_middle(variances[noisy], weights if weights is None else weights[noisy])[0]) if noisy.any() else 1.0


def _middle(values, weights):
    """The median and the one of the values just below it; weights are frequencies: they do what repeated rows do."""
    if weights is None:
        return np.median(values), np.percentile(values, 50, method="lower")
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    below, above = (np.searchsorted(reached, 0.5 * reached[-1], side) for side in ("left", "right"))
    lower, upper = values[order[below]], values[order[min(above, order.size - 1)]]
    return 0.5 * (lower + upper), lower


def _root_mean_square(values, weights):
    return np.sqrt(np.average(values**2, weights=weights))


def some_rows(observations, enough=ENOUGH):
    """A random sample of rows, and some that see each coordinate: catalogues alternate, and some see little."""
    counted = np.flatnonzero(observations.counts)
    if counted.size <= enough:
        return counted
    chosen = [np.random.default_rng(0).choice(counted, enough, replace=False)]
    if observations.projections.ndim == 3:
        sees = (observations.projections[counted, :, j].any(axis=1) for j in range(observations.n_dimensions))
        chosen += [counted[np.flatnonzero(seeing)[:RARE]] for seeing in sees]
    return np.unique(np.concatenate(chosen))


def _projected_values(observations):
    """Every value of a sample that is present, with its row of R: values (n,), rows (n, D), noise variances (n,)."""
    sample = observations.select(some_rows(observations))
    seen = sample.present
    rows = np.broadcast_to(sample.projections, (*seen.shape, sample.n_dimensions))[seen]
    return sample.values[seen], rows, sample.variances[seen]


def _behind_projections(observations):
    """Location by least absolute deviations, spreads by non-negative least squares on the squared residuals."""
    values, rows, variances = _projected_values(observations)
    units = np.sqrt((rows**2).mean(axis=0))  # of the columns of R, whatever the units of the coordinates
    units = np.where(units > 0, units, 1.0)
    rows = rows / units
    weights = np.ones(values.size)
    for _ in range(REWEIGHTED):
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


def seen_weights(observations):
    """Sum of the weights of the objects that have measured each column (M,)."""
    present = observations.present
    return present.sum(axis=0).astype(float) if observations.weights is None else observations.weights @ present


def measured_spread(observations, spread):
    """What is to be expected of each measured column (M,), noise apart, where the coordinates have this spread (D,)."""
    if observations.projections is None:
        return spread
    R = np.broadcast_to(observations.projections, (*observations.values.shape, observations.n_dimensions))
    sizes = [
        np.median(np.linalg.norm((R[:, i] * spread)[observations.present[:, i]], axis=1)) for i in range(R.shape[1])
    ]
    return np.where(np.array(sizes) > 0, sizes, 1.0)
