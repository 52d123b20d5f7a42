"""Closed-form expectation maximisation: true values and labels are latent.

Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657, eqs 16-17 and (priors) sec. 3.2, written in the statistics of one
pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.kernels import small_matrices

from .constraints import Constraints
from .families import next_dof
from .objective import prior_of

if TYPE_CHECKING:
    from xdgmm.kernels import Statistics
    from xdgmm.mixture import GaussianMixture

    from .objective import Objective


def step(mixture: GaussianMixture, statistics: Statistics, constraints: Constraints | None = None) -> GaussianMixture:
    """One maximisation step: never lowers the objective, keeps every covariance positive semi-definite.

    ``m' = m + V g/q``, ``V' = V + V (C - A) V/q - (m' - m)(m' - m)'``, ``alpha' = q / sum q``.  Fixed parameters keep
    their values; a component without members keeps its mean and covariance.

    With priors, P the precision of that on the means, c the objects that the one on V counts for, and the priors in g
    and in H = C - A: ``m' = m + V (q + P V)^-1 g`` and, with s = m' - m and d = V (g + P (m - mu)) / q, the value of s
    without the prior, ``(q + c) V' = (q + c) V + V H V + q (s s' - d s' - s d')``.

    Of Student-t components the scale factor u of each object is latent too: in the formulas for the mean, and beside s,
    q is ``sum omega r E[u]`` (Dempster, Laird & Rubin 1980, in *Multivariate Analysis V*, ed. Krishnaiah, 35).
    """
    constraints = Constraints.none(mixture) if constraints is None else constraints
    K, D = mixture.means.shape
    members = statistics.n_members[:K]
    has_members = members > 0
    q = np.where(has_members, members, 1.0)
    of_mean = np.where(has_members, statistics.mean_counts, 1.0)
    V, g = mixture.covariances, statistics.grad_mean
    changes, counts = has_members, q
    shift = without_prior = np.einsum("kij,kj->ki", V, g) / of_mean[:, None]
    prior = prior_of(statistics)
    if prior is not None:
        P = prior.precision
        changes, counts = has_members | (prior.counts > 0), members + prior.component_counts
        counts = np.where(counts > 0, counts, 1.0)
        pull = np.einsum("kij,kj->ki", P, mixture.means - prior.centre)
        without_prior = np.einsum("kij,kj->ki", V, g + pull) / of_mean[:, None]
        precision = of_mean[:, None, None] * np.eye(D) + P @ V
        shift = np.einsum("kij,kj->ki", V, np.linalg.solve(precision, g[..., None])[..., 0])
    shift = np.where((constraints.fixed_means | ~has_members)[:, None], 0.0, shift)
    cross = without_prior[:, :, None] * shift[:, None, :]
    about = shift[:, :, None] * shift[:, None, :] - cross - np.swapaxes(cross, 1, 2)
    change = (2.0 * V @ statistics.grad_covariance @ V + of_mean[:, None, None] * about) / counts[:, None, None]
    matrices = small_matrices.positive_parts(V + np.where(changes[:, None, None], change, 0.0))
    return mixture.with_parameters(
        constraints.weights(mixture.all_weights, statistics.weight_counts),
        mixture.means + shift,
        constraints.covariances(V, matrices, np.where(changes, counts, 0.0)),
        next_dof(mixture, statistics, constraints.dof_indices),
    )


def iterate(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective
) -> tuple[GaussianMixture, Statistics]:
    """One iteration: the next mixture and its statistics."""
    following = step(mixture, statistics, objective.constraints)
    reached = objective.expect(following)
    if mixture.dof is not None and reached.objective < statistics.objective - statistics.rounding:
        arrays = following.all_weights, following.means, following.covariances
        following = following.with_parameters(*arrays, mixture.dof)  # the step in dof alone can be too long
        reached = objective.expect(following)
    return following, reached
