"""Draw what might have been measured: the mixture, seen with the noise, the projections and the gaps of each object."""

from dataclasses import replace

import numpy as np

from xdgmm.mixture.mixture import square_roots


def drawn(mixture, observations, n_draws, rng):
    """Observations of n_draws other objects in the place of each one, one after the other (N n_draws rows).

    Those of the background are drawn from its box as they are measured: its density holds with the noise in.
    """
    repeated = observations.select(np.repeat(np.arange(len(observations)), n_draws))
    points, labels = mixture.sample(len(repeated), rng)
    noise = _noise(observations, n_draws, rng)
    noise[labels == mixture.n_components] = 0.0
    return replace(repeated, values=np.where(repeated.present, _measured(points, repeated.projections) + noise, np.nan))


def _measured(points, projections):
    return points if projections is None else np.einsum("...ai,...i->...a", projections, points)


def _noise(observations, n_draws, rng):
    """Draws of the noise of each object (N n_draws, M); of no consequence where a value is missing."""
    N, M = observations.values.shape
    white = rng.standard_normal((N, n_draws, M))
    noise, seen = observations.noise, observations.present
    if noise is None:
        white[:] = 0.0
    elif noise.ndim == 2:
        white *= np.where(seen, noise, 0.0)[:, None]
    else:
        white = white @ square_roots(np.where(seen[:, :, None] & seen[:, None], noise, 0.0))
    return white.reshape(-1, M)
