"""Draw what might have been measured: the mixture, seen with the noise, the projections and the gaps of each object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations


def draw_observations(
    mixture: GaussianMixture, observations: Observations, n_draws: int, rng: np.random.Generator
) -> Observations:
    """Observations of n_draws other objects in the place of each one, one after the other (N n_draws rows).

    Those of a background of measured values are drawn from its box without further noise.
    """
    repeated = observations.select(np.repeat(np.arange(len(observations)), n_draws))
    points, labels = mixture.sample(len(repeated), rng)
    noise = observations.noise_model.draw(n_draws, observations.present, rng).reshape(len(repeated), -1)
    if mixture.background is not None and mixture.background.of == "measured values":
        noise[labels == mixture.n_components] = 0.0
    return replace(repeated, values=np.where(repeated.present, _measured(points, repeated.projections) + noise, np.nan))


def _measured(points: NDArray[np.float64], projections: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return points if projections is None else np.einsum("...ai,...i->...a", projections, points)
