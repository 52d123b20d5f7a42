"""Draw what might have been measured: the mixture, seen with the noise, the projections and the gaps of each object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xdgmm.mixture import GaussianMixture
from xdgmm.mixture.sampling import sample_mixture
from xdgmm.observations import Observations


def draw_observations(
    mixture: GaussianMixture,
    observations: Observations,
    n_draws: int,
    rng: np.random.Generator,
    *,
    only_sides: bool = False,
) -> Observations:
    """Observations of n_draws other objects in the place of each one, one after the other (N n_draws rows).

    An object with known memberships keeps these: its component is drawn from them.  Those of a background of measured
    values are drawn from its box without further noise.  A limit is the threshold of its object: a draw on the same
    side of it is the same limit again.  One on the other side is a value, measured with the error of the limit; where
    this is zero, or `only_sides`, it is the opposite limit.
    """
    repeated = observations.select(np.repeat(np.arange(len(observations)), n_draws))
    points, labels = sample_mixture(mixture, len(repeated), rng, repeated.memberships)
    noise = observations.noise_model.draw(n_draws, observations.constrained, rng).reshape(len(repeated), -1)
    if mixture.background is not None and mixture.background.of == "measured values":
        noise[labels == mixture.n_components] = 0.0
    drawn = np.where(repeated.constrained, _measured(points, repeated.projections) + noise, np.nan)
    if repeated.limits is None:
        return replace(repeated, values=drawn)
    return _behind_limits(repeated, drawn, only_sides=only_sides)


def _behind_limits(observations: Observations, drawn: NDArray[np.float64], *, only_sides: bool) -> Observations:
    """Drawn values (N, M) as they would be known where the observations have limits."""
    limits = observations.limits
    assert limits is not None
    side = np.where(drawn > observations.values, 1, -1).astype(np.int8)
    is_value = (limits == 0) | ((side != limits) & (observations.variances > 0) & (not only_sides))
    values = np.where(is_value, drawn, observations.values)
    return replace(observations, values=values, limits=np.where(is_value, np.int8(0), side))


def _measured(points: NDArray[np.float64], projections: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return points if projections is None else np.einsum("...ai,...i->...a", projections, points)
