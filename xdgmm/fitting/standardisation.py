"""Coordinates in which every column is near zero and of order one, so that no digits are lost in fitting."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

GAUSSIAN_MAD = 1.482602218505602  # standard deviation over median absolute deviation
ROUNDED = 1e-9  # of the largest error: values closer together than this differ by rounding
ENOUGH = 20_000  # objects from which location and scale behind projections are taken
RARE = 1000  # objects at least, where there are so many, that see each coordinate
UNSEEN = 1e-12  # share of a direction in what all projections see together
REWEIGHTED = 8  # iterations towards least absolute deviations
SMALLEST_SHARE = 1e-3  # of the variance that one latent coordinate must explain to get a scale of its own


@dataclass(frozen=True, eq=False)
class Standardisation:
    """The map ``(v - location) / scale``, location and scale (D,), and the divisor of measured projections.

    Without projections `location` is one of the values and `scale` a power of two, so that the map is exact in floating
    point.  `measured_scale` (M,) is one there: values are then standardised like coordinates.
    """

    location: np.ndarray
    scale: np.ndarray
    measured_scale: np.ndarray | float = 1.0

    @classmethod
    def of(cls, observations, *, isotropic=False):
        """Location and spread of each coordinate: its median and median absolute deviation, outliers or not.

        `isotropic` gives all coordinates the same scale, so that spheres stay spheres.
        """
        location, spread = location_and_spread(observations)
        if isotropic:
            spread = np.full_like(spread, np.exp(np.log(spread).mean()))
        scale = _power_of_two(spread)
        return cls(location, scale, _measured_scale(observations, scale))

    def observations(self, observations):
        """Standardised observations."""
        return observations.rescaled(self.location, self.scale, self.measured_scale)

    def pack(self, observations, background=None):
        """The blocks of the standardised observations, which are never held themselves.

        `background` is the `Background` to be packed with them, in the units of the observations.
        """
        box = None if background is None else background.box
        return observations.pack(self.location, self.scale, measured_scale=self.measured_scale, background=box)

    def mixture(self, mixture):
        """A mixture of the caller's coordinates in standardised ones."""
        return mixture.rescaled(-self.location / self.scale, 1.0 / self.scale, mixture.names)

    def original(self, mixture, names, units):
        """A mixture of standardised coordinates in the caller's, which have these names and units."""
        return mixture.rescaled(self.location, self.scale, names, units)

    def log_jacobian(self, observations):
        """What is added to the standardised log-likelihood to get that of the observations."""
        projected = observations.projections is not None
        scale = np.broadcast_to(self.measured_scale, observations.values.shape[1]) if projected else self.scale
        seen = [_seen_weight(observations, i) for i in range(observations.values.shape[1])]
        return -float(seen @ np.log(scale))


def location_and_spread(observations):
    """Robust location and spread of each coordinate, noise included: (D,) each."""
    if observations.projections is not None:
        return _behind_projections(observations)
    columns = [_location_and_spread(observations, i) for i in range(observations.n_dimensions)]
    location, spread = np.array(columns).T
    return location, spread


def _power_of_two(spread):
    return np.exp2(np.round(np.log2(spread)))


def _seen_weight(observations, i):
    """Sum of the weights of the objects that have measured column i."""
    seen = np.isfinite(observations.values[:, i])
    return np.count_nonzero(seen) if observations.weights is None else observations.weights[seen].sum()


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


def unseen_coordinates(observations):
    """Which coordinates have a part in a direction that no projection sees (D,), and how many such directions are."""
    D = observations.n_dimensions
    gram = np.zeros((D, D))
    counted = np.flatnonzero(observations.counts)
    for start in range(0, counted.size, ENOUGH):
        part = observations.select(counted[start : start + ENOUGH])
        R = np.broadcast_to(part.projections, (*part.values.shape, D))
        R = np.where(part.present[:, :, None], R, 0.0)
        gram += np.einsum("nai,naj->ij", R, R)
    size = np.sqrt(np.diag(gram))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(gram / size[:, None] / size)
    null = vectors[:, values <= UNSEEN * values.max()]
    return (null**2).sum(axis=1) > 1e-6, null.shape[1]


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
    shares = nnls(rows**2 / sizes[:, None], squares / sizes)[0]
    spread = whole * np.sqrt(np.maximum(shares, SMALLEST_SHARE * max(shares.max(), 1e-3)))
    return location / units, spread / units


def _measured_scale(observations, scale):
    """A power of two for each measured column: what its row of R makes of the scales of the coordinates."""
    if observations.projections is None:
        return 1.0
    R = np.broadcast_to(observations.projections, (*observations.values.shape, observations.n_dimensions))
    sizes = [
        np.median(np.linalg.norm((R[:, i] * scale)[observations.present[:, i]], axis=1)) for i in range(R.shape[1])
    ]
    return _power_of_two(np.where(np.array(sizes) > 0, sizes, 1.0))
