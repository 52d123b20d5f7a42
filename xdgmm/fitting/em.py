"""Closed-form expectation maximisation: true values and labels are latent.

Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657, eqs 16-17 and (priors) sec. 3.2, written in the statistics of one
pass.
"""

import numpy as np

from xdgmm.basics.linalg import positive_part

from .constraints import Constraints


def step(mixture, statistics, constraints=None):
    """One maximisation step: never lowers the objective, keeps every covariance positive semi-definite.

    ``m' = m + V g/q``, ``V' = V + V (C - A) V/q - (m' - m)(m' - m)'``, ``alpha' = q / sum q``.  What is fixed stays;
    a component that no object belongs to keeps its mean and covariance.

    With priors, P the precision of that on the means, c the objects that the one on V counts for, and the priors in g
    and in H = C - A: ``m' = m + V (q + P V)^-1 g`` and, with s = m' - m and d = V (g + P (m - mu)) / q what s would be
    without the prior, ``(q + c) V' = (q + c) V + V H V + q (s s' - d s' - s d')``.
    """
    constraints = Constraints.none(mixture) if constraints is None else constraints
    K, D = mixture.means.shape
    q = np.where(statistics.n_members[:K] > 0, statistics.n_members[:K], 1.0)
    V, g = mixture.covariances, statistics.grad_mean
    alive = statistics.n_members[:K] > 0
    counts = q
    shift = unpulled = np.einsum("kij,kj->ki", V, g) / q[:, None]
    prior = statistics.prior
    if prior is not None:
        P = prior.precision
        alive, counts = alive | (prior.counts > 0), statistics.n_members[:K] + prior.component_counts
        counts = np.where(counts > 0, counts, 1.0)
        pull = np.einsum("kij,kj->ki", P, mixture.means - prior.centre)
        unpulled = np.einsum("kij,kj->ki", V, g + pull) / q[:, None]
        shift = np.einsum("kij,kj->ki", V, np.linalg.solve(q[:, None, None] * np.eye(D) + P @ V, g[..., None])[..., 0])
    shift = np.where((constraints.fixed_means | ~(statistics.n_members[:K] > 0))[:, None], 0.0, shift)
    cross = unpulled[:, :, None] * shift[:, None, :]
    about = shift[:, :, None] * shift[:, None, :] - cross - np.swapaxes(cross, 1, 2)
    change = (2.0 * V @ statistics.grad_covariance @ V + q[:, None, None] * about) / counts[:, None, None]
    matrices = positive_part(V + np.where(alive[:, None, None], change, 0.0))
    return mixture.with_parameters(
        constraints.weights(mixture.all_weights, statistics.weight_counts),
        mixture.means + shift,
        constraints.covariances(V, matrices, np.where(alive, counts, 0.0)),
    )


def iterate(mixture, statistics, objective):
    """One iteration: the next mixture and its statistics."""
    following = step(mixture, statistics, objective.constraints)
    return following, objective.expect(following)
