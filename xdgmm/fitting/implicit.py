"""Implicit expectation maximisation: only the labels are latent.

With the responsibilities r held fixed, solve ``g = 0`` and ``C = A`` for each component.  In one dimension that is
the implicit sigma equation (Ivezic, Connolly, VanderPlas & Gray, *Statistics, Data Mining, and Machine Learning in
Astronomy*, sec. 4.4; w = omega r, mu the mean at that s)::

    sum w / (s^2 + e_i^2)  =  sum w (x_i - mu)^2 / (s^2 + e_i^2)^2

solved numerically for every component: all stationary points are bracketed, and the highest of them and of s = 0 is
taken.  In D dimensions one safeguarded scoring step is made from the statistics of the pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from xdgmm.kernels import small_matrices

from . import em
from .constraints import Constraints
from .coordinates import information_per_object
from .families import scored_dof
from .objective import information_of, parameters, prior_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Data, SigmaProfile, Statistics
    from xdgmm.mixture import GaussianMixture

    from .objective import Objective

    Floats = NDArray[np.float64]

GRID = 32  # points between which stationary variances are bracketed
SMALLEST = 1e-12  # lowest variance on the grid, relative to the upper end of the bracket
HALVINGS = 4


def iterate(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective
) -> tuple[GaussianMixture, Statistics]:
    """One iteration: the next mixture and its statistics."""
    if mixture.n_dimensions == 1 and objective.constraints.separable and objective.data.has_sigma_profile:
        if objective.counter is not None:
            objective.counter.add(
                objective.data.n_objects, int((statistics.n_members[: mixture.n_components] > 0).sum())
            )
        following = solve(mixture, statistics, objective.data, objective.constraints)
        return following, objective.expect(following)
    return iterate_by_scoring(mixture, statistics, objective)


def solve(mixture: GaussianMixture, statistics: Statistics, data: Data, constraints: Constraints) -> GaussianMixture:
    """Maximise over every mean and sigma (D = 1, all free, no prior) with the responsibilities held fixed."""
    means, covariances = mixture.means.copy(), mixture.covariances.copy()
    for k in np.flatnonzero(statistics.n_members[: mixture.n_components] > 0):
        profile = data.sigma_profile(*parameters(mixture), int(k))
        if profile is not None:
            means[k, 0], covariances[k, 0, 0] = implicit_sigma(profile)
    return mixture.with_parameters(constraints.weights(mixture.all_weights, statistics.n_members), means, covariances)


def implicit_sigma(profile: SigmaProfile) -> tuple[float, float]:
    """Mean and intrinsic variance that maximise the likelihood of one Gaussian under heteroscedastic noise.

    Parameters
    ----------
    profile : SigmaProfile
        Of the objects of one component.

    Returns
    -------
    mean, variance : float
        The global maximum over variance >= 0: exactly 0 where no interior stationary point is higher.

    Notes
    -----
    The derivative of the likelihood is negative above ``max (x - mu)^2``, which bounds the search; between grid
    points every change of its sign from plus to minus is a maximum, refined by Brent's method.
    """

    def derivative(variance: float) -> float:
        _, precision, squares, _ = profile(variance)
        return squares - precision

    upper, exact = profile.span**2, profile.any_exact
    if upper == 0.0:
        return profile.lowest, 0.0
    grid = np.geomspace(SMALLEST * upper, upper, GRID)
    candidates = [] if exact else [0.0]
    slopes = [derivative(s) for s in grid]
    if not exact and derivative(0.0) > 0 >= slopes[0]:
        candidates.append(brentq(derivative, 0.0, grid[0], xtol=1e-300, rtol=1e-14))
    for low, high, before, after in zip(grid[:-1], grid[1:], slopes[:-1], slopes[1:], strict=True):
        if before > 0 >= after:
            candidates.append(brentq(derivative, low, high, xtol=1e-300, rtol=1e-14))
    if not candidates:  # exact values on which the component collapses
        candidates.append(float(grid[0]))
    best = max(candidates, key=lambda variance: profile(variance)[3])
    return profile(best)[0], best


def iterate_by_scoring(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective
) -> tuple[GaussianMixture, Statistics]:
    """One scoring step, halved until the objective does not fall; a step of EM if it falls for all halvings."""
    goal = scoring_step(mixture, statistics, objective.constraints)
    lowest = statistics.objective - statistics.rounding
    fraction = 1.0
    for _ in range(HALVINGS):
        trial = _between(mixture, goal, fraction)
        reached = objective.expect(trial)
        if reached.objective >= lowest:
            return trial, reached
        fraction /= 2.0
    return em.iterate(mixture, statistics, objective)


def scoring_step(
    mixture: GaussianMixture, statistics: Statistics, constraints: Constraints | None = None
) -> GaussianMixture:
    """Fisher scoring: ``m + A^-1 g`` and ``V + q A^-1 (C - A) A^-1``, projected on V >= 0 in the metric of A.

    Exact, given the responsibilities, where all objects have the same noise.  C is taken about the new mean.  In one
    dimension the information on the variance is known exactly, ``V + (C - A) / B``.
    """
    constraints = Constraints.none(mixture) if constraints is None else constraints
    K, D = mixture.means.shape
    has_members = statistics.n_members[:K] > 0
    q = np.where(has_members, statistics.n_members[:K], 1.0)
    counts = np.where(statistics.covariance_counts > 0, statistics.covariance_counts, 1.0)
    information = information_of(statistics)
    labelled = information / q[:, None, None] + 1e-12 * np.eye(D)  # regular also for a coordinate that no object has
    shift = np.where(has_members[:, None], _mean_step(statistics, q, labelled), 0.0)
    shift[constraints.fixed_means] = 0.0
    L = constraints.metric(information_per_object(mixture, statistics, q), q)
    white = small_matrices.whitened(mixture.covariances, L)
    pulled = (L.mT @ (labelled @ shift[..., None]))[..., 0]
    slope = small_matrices.congruent(L.mT, 2.0 * statistics.grad_covariance / counts[:, None, None])
    slope = slope - pulled[:, :, None] * pulled[:, None, :]
    if statistics.squared_information is not None:
        known = np.where(statistics.squared_information > 0, statistics.squared_information, 1.0)
        of_mean = information[:, 0, 0]
        slope = slope * (of_mean / q * (of_mean / known))[:, None, None]  # products of vanishing numbers may be zero
    combined = constraints.type.combined(white + slope, counts)
    changes = statistics.covariance_counts > 0
    covariances = small_matrices.congruent(L, small_matrices.positive_parts(combined))
    covariances = np.where(changes[:, None, None], covariances, mixture.covariances)
    return mixture.with_parameters(
        constraints.weights(mixture.all_weights, statistics.weight_counts),
        mixture.means + shift,
        constraints.covariances(mixture.covariances, covariances, np.where(changes, counts, 0.0)),
        scored_dof(mixture, statistics, constraints.dof_indices),
    )


def _mean_step(statistics: Statistics, q: Floats, labelled: Floats) -> Floats:
    """``A^-1 g`` (K, D), with the precision of a prior on the means in A."""
    prior = prior_of(statistics)
    if prior is not None:
        labelled = labelled + prior.precision / q[:, None, None]
    root = small_matrices.metric_roots(labelled)
    step: Floats = (root @ (root.mT @ statistics.grad_mean[..., None]))[..., 0] / q[:, None]
    return step


def _between(mixture: GaussianMixture, goal: GaussianMixture, fraction: float) -> GaussianMixture:
    """A convex combination, parameter by parameter: positive semi-definite as both ends are."""
    names = ("all_weights", "means", "covariances")
    weights, means, covariances = (
        (1 - fraction) * getattr(mixture, name) + fraction * getattr(goal, name) for name in names
    )
    if mixture.dof is None or goal.dof is None:
        return mixture.with_parameters(weights, means, covariances)
    with np.errstate(divide="ignore"):  # infinite at both ends
        dof = 1.0 / ((1 - fraction) / mixture.dof + fraction / goal.dof)
    return mixture.with_parameters(weights, means, covariances, dof)
