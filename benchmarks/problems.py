"""The standard noisy-mixture problems: seeded data, a start common to all engines, and the likelihood of the truth.

Noise covariances are ``scale_i^2 W_i`` with W_i random and full; scale_i is log-uniform from 0.3 to 1 ("mild") or from
1 to 3 ("noisy") intrinsic widths, or from 0.03 to 0.1 ("precise").  The noise of a "spectrum" is mild, but
correlated like that of neighbouring pixels: ``exp(-|i - j| / 2)`` between the values i and j.
"""

from typing import NamedTuple

import numpy as np

VARIANTS = {"mild": (0.3, 1.0), "noisy": (1.0, 3.0), "precise": (0.03, 0.1), "spectrum": (0.3, 1.0)}
SEED = 20240


class Problem(NamedTuple):
    """Values (N, D), noise covariances (N, D, D), and weights, means, covariances of the start and of the truth."""

    values: np.ndarray
    noise: np.ndarray
    start: tuple
    truth: tuple


def make(n_objects, n_dimensions, n_components, variant, seed=SEED):
    """One problem; always the same for the same arguments."""
    N, D, K = n_objects, n_dimensions, n_components
    rng = np.random.default_rng([seed, N, D, K, list(VARIANTS).index(variant)])
    weights = rng.dirichlet(np.full(K, 5.0))
    box = 3.0 * max(1, (K / 3) ** (1 / D))
    means = rng.uniform(-box, box, (K, D))
    A = rng.normal(size=(K, D, D + 2))
    covariances = A @ A.transpose(0, 2, 1) / (D + 2) * np.exp(rng.normal(0, 0.5, (K, 1, 1)))
    label = rng.choice(K, N, p=weights)
    true_values = means[label] + _coloured(covariances, rng.normal(size=(N, D)), label)
    scale = np.exp(rng.uniform(*np.log(VARIANTS[variant]), N))
    W = rng.normal(size=(N, D, D + 2))
    W = W @ W.transpose(0, 2, 1) / (D + 2)
    noise = scale[:, None, None] ** 2 * (0.2 * np.eye(D) + 0.8 * (_pixels(W) if variant == "spectrum" else W))
    values = true_values + _coloured(noise, rng.normal(size=(N, D)))
    start_rng = np.random.default_rng([seed + 1, N, D, K])
    start_means = values[start_rng.choice(N, K, replace=False)].copy()
    start_covariances = np.tile(np.atleast_2d(np.cov(values.T)) / K ** (2 / D if D > 1 else 1), (K, 1, 1))
    start = np.full(K, 1 / K), start_means, start_covariances
    return Problem(values, noise, start, (weights, means, covariances))


def _pixels(matrices):
    """Covariances with the variances of these, and correlations that decrease with distance."""
    i, sigmas = np.arange(matrices.shape[1]), np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
    return np.exp(-0.5 * np.abs(i[:, None] - i)) * sigmas[:, :, None] * sigmas[:, None, :]


def _coloured(covariances, white, label=slice(None)):
    return np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[label], white)
