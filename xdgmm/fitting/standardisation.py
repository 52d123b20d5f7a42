"""Coordinates in which every column is near zero and of order one, so that no digits are lost in fitting."""

from dataclasses import dataclass

import numpy as np

GAUSSIAN_MAD = 1.482602218505602  # standard deviation over median absolute deviation


@dataclass(frozen=True, eq=False)
class Standardisation:
    """The map ``(w - location) / scale``, location and scale (D,).

    `location` is one of the values and `scale` a power of two, so that the map is exact in floating point.
    """

    location: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, observations):
        """Location and spread of each coordinate: its median and median absolute deviation, outliers or not."""
        columns = [_location_and_spread(observations, i) for i in range(observations.n_dimensions)]
        location, spread = np.array(columns).T
        return cls(location, np.exp2(np.round(np.log2(spread))))

    def observations(self, observations):
        """Standardised observations."""
        return observations.rescaled(self.location, self.scale)

    def pack(self, observations):
        """The blocks of the standardised observations, which are never held themselves."""
        return observations.pack(self.location, self.scale)

    def mixture(self, mixture):
        """A mixture of the caller's coordinates in standardised ones."""
        return mixture.rescaled(-self.location / self.scale, 1.0 / self.scale, mixture.names)

    def original(self, mixture, names, units):
        """A mixture of standardised coordinates in the caller's, which have these names and units."""
        return mixture.rescaled(self.location, self.scale, names, units)

    def log_jacobian(self, observations):
        """What is added to the standardised log-likelihood to get that of the observations."""
        seen = [_seen_weight(observations, i) for i in range(observations.n_dimensions)]
        return -float(seen @ np.log(self.scale))


def _seen_weight(observations, i):
    """Sum of the weights of the objects that have coordinate i."""
    seen = np.isfinite(observations.values[:, i])
    return np.count_nonzero(seen) if observations.weights is None else observations.weights[seen].sum()


def _location_and_spread(observations, i):
    """Of one column at a time, so that nothing of the size of the data is held."""
    counts = np.isfinite(observations.values[:, i])
    if observations.weights is not None:
        counts &= observations.weights > 0
    values = observations.values[counts, i]
    location = np.percentile(values, 50, method="lower")
    return location, _spread(values - location, observations.variances_of(i)[counts])


def _spread(centred, variances):
    """Robust spread of one column; where values repeat their standard deviation, then their noise, then one."""
    largest = np.abs(centred).max()
    if largest > 0:
        relative = centred / largest
        for spread in (GAUSSIAN_MAD * np.median(np.abs(relative)), relative.std()):
            if spread > 0:
                return spread * largest
    noisy = variances[variances > 0]
    return np.sqrt(np.median(noisy)) if noisy.size else 1.0
