"""Selection functions with every solver, covariance type, form of noise, and everything that a model may add.

The objective is computed a second time here: densities of the objects by the NumPy twin of the pass, and the
probability to be in the sample by SciPy's normal distribution.
"""

from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from xdgmm import Background, Fixed, GaussianMixture, Normal, Observations, Prior, SelectionFunction
from xdgmm.fitting import COVARIANCE_TYPES, Model, Outcome, Problem, Settings, StoppingRule, fit
from xdgmm.fitting.coordinates import FactorCoordinates
from xdgmm.fitting.model import with_background
from xdgmm.fitting.solvers import NAMES
from xdgmm.kernels import reference

N, D, K = 80, 2, 2
EDGE, SOFT = 1.8, 0.4


def soft_edge(values):
    return norm.cdf((EDGE - values[:, 1]) / SOFT)


SELECTIONS = {
    "box": (SelectionFunction.box(high=[None, EDGE]), 0.0),
    "function": (SelectionFunction(soft_edge, 512), SOFT),
}
NOISES = ("none", "standard errors", "covariances", "missing")
EXTRAS = {
    "nothing": {},
    "fixed": {"fixed": Fixed(weights=(0,), means=(1,))},
    "prior": {"prior": Prior(means=Normal([0.0, 0.5], [[2.0, 0.3], [0.3, 1.0]]))},
    "background": {"background": Background([-7.0, -6.0], [8.0, 7.0], 0.1)},
}

EVERYTHING = list(product(COVARIANCE_TYPES, NOISES, EXTRAS, SELECTIONS, NAMES))


def observed(noise, selection):
    """Values of two groups, with this form of noise, of which the selection leaves some."""
    rng = np.random.default_rng([5, NOISES.index(noise)])
    n = 4 * N
    v = np.where((rng.random(n) < 0.4)[:, None], [-1.5, 0.5], [2.0, 1.2]) + rng.standard_normal((n, D)) * [0.9, 0.7]
    weights = rng.uniform(0.3, 2.0, n)
    root = 0.3 * rng.standard_normal((n, D, D))
    S = root @ root.transpose(0, 2, 1) + 0.05 * np.eye(D)
    if noise == "none":
        S[:] = 0.0
    if noise in ("standard errors", "missing"):
        S = S * np.eye(D)
    w = v + np.einsum("nij,nj->ni", np.linalg.cholesky(S + 1e-30 * np.eye(D)), rng.standard_normal((n, D)))
    kept = np.flatnonzero(rng.random(n) < (soft_edge(w) if selection == "function" else w[:, 1] < EDGE))[:N]
    w, S, weights = w[kept], S[kept], weights[kept]
    if noise == "missing":
        w[rng.random(N) < 0.3, 0] = np.nan
    if noise == "none":
        return Observations.exact(w, weights)
    if noise == "covariances":
        return Observations.with_covariances(w, S, weights=weights)
    return Observations.with_standard_errors(w, np.sqrt(np.diagonal(S, axis1=1, axis2=2)), weights)


def start_of(model):
    V = np.array([[[1.2, 0.2], [0.2, 0.7]], [[0.9, -0.1], [-0.1, 1.1]]])
    V = model.type.combined(V, np.array([0.4, 0.6]))
    return with_background(GaussianMixture([0.4, 0.6], [[-1.0, 0.2], [1.5, 0.8]], V), model.background)


def objective(mixture, observations, selection):
    """Log-likelihood by the twin, less that of being in the sample by SciPy."""
    background, S = mixture.background, observations.noise_covariances
    densities = None if background is None else background.log_densities(observations.values, observations.noise_model)
    given = observations.values, S, observations.object_weights
    total = reference.accumulate(
        *given, mixture.all_weights, mixture.means, mixture.covariances, background=densities
    ).log_likelihood
    variances, soft = S[:, 1, 1], SELECTIONS[selection][1]
    Z = sum(
        w * norm.cdf((EDGE - m[1]) / np.sqrt(V[1, 1] + variances + soft**2))
        for w, m, V in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    )
    if background is not None:
        v, u = np.polynomial.legendre.leggauss(400)
        low, high = (edge[1] for edge in background.box)
        v = 0.5 * (low + high) + 0.5 * (high - low) * v
        scale = np.sqrt(np.maximum(variances + soft**2, 1e-6))[:, None]
        Z = Z + background.fraction * norm.cdf((EDGE - v) / scale) @ u / 2.0
    return total - observations.object_weights @ np.log(Z)


@pytest.mark.pairwise
@pytest.mark.parametrize(("kind", "noise", "extra", "selection", "solver"), EVERYTHING)
def test_every_solver_reaches_a_maximum_of_the_twins_objective(kind, noise, extra, selection, solver):
    observations = observed(noise, selection)
    model = Model(kind, **EXTRAS[extra], selection_function=SELECTIONS[selection][0])
    settings = Settings(solver, StoppingRule(1e-6, 300 if solver == "em" else 3000), start=start_of(model), model=model)
    result = fit(observations, K, settings, rng=0)
    assert result.converged or (solver == "em" and result.outcome is Outcome.OUT_OF_PASSES)  # it may creep
    ended = objective(result.mixture, observations, selection)
    of_rule = 0.05 if extra == "background" and noise == "none" else 1e-6  # 400 nodes do not resolve a sharp edge
    of_samples = 1.0 if selection == "function" else 0.0
    assert result.log_likelihood == pytest.approx(ended, abs=of_rule + of_samples)
    if not result.converged:
        return
    problem = Problem(observations, K, result.model)
    point = problem.at(result.mixture).iterate
    coordinates = FactorCoordinates(point.mixture, point.statistics, problem.constraints)
    likelihood = problem.objective()
    for i, size in product(range(coordinates.size), (-0.1, 0.1)):  # a unit is about a standard error
        step = size * np.eye(coordinates.size)[i]
        assert likelihood.differentiate(coordinates.at(step)).objective < point.statistics.objective + 2e-6
    if selection == "box" and extra == "nothing":
        for i, size in product(range(coordinates.size), (-0.1, 0.1)):
            moved = problem.original(coordinates.at(size * np.eye(coordinates.size)[i]))
            assert objective(moved, observations, selection) < ended + 2e-6
