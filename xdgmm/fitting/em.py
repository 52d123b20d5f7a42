"""Closed-form expectation maximisation: true values and labels are latent.

Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657, eqs 16-17, written in the statistics of one pass.
"""

import numpy as np

from .matrices import positive_part


def step(mixture, statistics):
    """One maximisation step: never lowers the log-likelihood, keeps every covariance positive semi-definite.

    ``m' = m + V g/q``, ``V' = V + V (C - A) V/q - (m' - m)(m' - m)'``, ``alpha' = q / sum q``.  A component that no
    object belongs to keeps its mean and covariance.
    """
    q = np.where(statistics.q > 0, statistics.q, 1.0)
    V = mixture.covariances
    shift = np.einsum("kij,kj->ki", V, statistics.g) / q[:, None]
    change = V @ statistics.H @ V / q[:, None, None] - shift[:, :, None] * shift[:, None, :]
    alive = (statistics.q > 0)[:, None]
    return mixture.with_parameters(
        statistics.q / statistics.total_weight,
        mixture.means + np.where(alive, shift, 0.0),
        positive_part(V + np.where(alive[..., None], change, 0.0)),
    )


def advance(mixture, statistics, likelihood):
    """One iteration: the next mixture and its statistics."""
    following = step(mixture, statistics)
    return following, likelihood.expect(following)
