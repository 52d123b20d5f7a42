"""Coordinates in which every column is near zero and of order one, so that no digits are lost in fitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.mixture import log_densities_beside, pack_beside

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.mixture import Background, Flat, GaussianMixture
    from xdgmm.observations import Observations, StreamedObservations

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Standardisation:
    """The map ``(v - location) / scale``, location and scale (D,), and the divisor of measured projections.

    Without projections `location` is one of the values and `scale` a power of two, so that the map is exact in floating
    point.  `measured_scale` (M,) is what measured values are divided by: the scale itself without projections.
    """

    location: Floats
    scale: Floats
    measured_scale: Floats

    @classmethod
    def of(cls, observations: Observations, *, isotropic: bool = False) -> Standardisation:
        """From the median and the median absolute deviation of each coordinate, which outliers hardly change.

        `isotropic` gives all coordinates the same scale, so that spheres stay spheres.
        """
        location, spread = observations.location_and_spread()
        if isotropic:
            spread = np.full_like(spread, np.exp(np.log(spread).mean()))
        scale = _power_of_two(spread)
        return cls(location, scale, _power_of_two(observations.measured_spread(scale)))

    def observations(self, observations: Observations) -> Observations:
        """Standardised observations."""
        return observations.rescaled(self.location, self.scale, self.measured_scale)

    def pack(self, observations: Observations, background: Background | None = None, flat: Flat | None = None) -> Data:
        """`Data` of the standardised observations, which are standardised while they are packed.

        `background` and `flat` are the `Background` and the `Flat` to be packed with them, in their units.
        """
        scales = {"location": self.location, "scale": self.scale, "measured_scale": self.measured_scale}
        return pack_beside(observations, background, flat, **scales)

    def log_densities(self, background: Background, observations: Observations) -> Floats:
        """Log-density of a background of the user's coordinates at each object (N,), standardised."""
        return log_densities_beside(background, observations, self.scale)

    def mixture(self, mixture: GaussianMixture) -> GaussianMixture:
        """A mixture of the user's coordinates in standardised ones."""
        return mixture.rescaled(-self.location / self.scale, 1.0 / self.scale, mixture.names)

    def original(
        self, mixture: GaussianMixture, names: tuple[str, ...], units: tuple[UnitBase | None, ...]
    ) -> GaussianMixture:
        """A mixture of standardised coordinates in the user's, which have these names and units."""
        return mixture.rescaled(self.location, self.scale, names, units)

    def background(self, background: Background | None) -> Background | None:
        """A background of the user's coordinates in standardised ones."""
        return background and background.rescaled(-self.location / self.scale, 1.0 / self.scale)

    def flat(self, flat: Flat | None) -> Flat | None:
        """Flat components of the user's coordinates in standardised ones."""
        return flat and flat.rescaled(-self.location / self.scale, 1.0 / self.scale, None)

    def log_jacobian(self, observations: Observations | StreamedObservations) -> float:
        """What is added to the standardised log-likelihood to get that of the observations."""
        return -float(observations.column_weights() @ np.log(self.measured_scale))


def _power_of_two(spread: Floats) -> Floats:
    return np.exp2(np.round(np.log2(spread)))
