"""Random points of a mixture, and of many mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.linalg import square_roots

from .quantiles import UNIFORM_WIDTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .mixture import ConditionalMixtures, GaussianMixture


def sample_mixture(
    mixture: GaussianMixture,
    n_samples: int,
    rng: np.random.Generator,
    memberships: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (n_samples, D), and the component of each; K is the background.

    Memberships (n_samples, S) of each point take the place of the weights.
    """
    weights = mixture.all_weights
    if memberships is None:
        labels = rng.choice(weights.size, n_samples, p=weights / weights.sum())
    else:
        reached = np.cumsum(memberships, axis=1)[:, :-1]
        labels = (rng.random((n_samples, 1)) * memberships.sum(axis=1, keepdims=True) >= reached).sum(axis=1)
    white = rng.standard_normal((n_samples, mixture.n_dimensions))
    roots = square_roots(mixture.covariances)
    component = np.minimum(labels, mixture.n_components - 1)
    if mixture.dof is not None:
        white /= np.sqrt(_gamma_factors(mixture.dof[component], rng))[:, None]
    points = np.empty_like(white)
    for i in range(mixture.n_dimensions):  # column by column: matrices of each point are many and small
        offsets = roots[:, i, 0][component] * white[:, 0]
        for j in range(1, mixture.n_dimensions):
            offsets += roots[:, i, j][component] * white[:, j]
        np.add(mixture.means[:, i][component], offsets, out=points[:, i])
    if mixture.flat is not None:
        flat = component >= mixture.n_components - mixture.flat.n_components
        drawn = rng.uniform(*mixture.flat.box, (flat.sum(), len(mixture.flat.columns)))
        points[np.ix_(np.flatnonzero(flat), np.array(mixture.flat.in_columns))] = drawn
    if mixture.background is not None:
        uniform = labels == mixture.n_components
        points[uniform] = rng.uniform(*mixture.background.box, (uniform.sum(), mixture.n_dimensions))
    return points, labels


def _gamma_factors(dof: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Factors u (N,) by which t distributions with these dof divide the covariance of a Gaussian; 1 for infinity."""
    finite = np.isfinite(dof)
    result = np.ones(dof.shape)
    result[finite] = rng.standard_gamma(0.5 * dof[finite]) / (0.5 * dof[finite])
    return result


def sample_each(mixtures: ConditionalMixtures, n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points of each of N mixtures (N, n_samples, D)."""
    N, K, D = mixtures.means.shape
    uniforms = rng.random((N, n_samples, 1))
    labels = (uniforms >= np.cumsum(mixtures.weights, axis=1)[:, None, :-1]).sum(axis=2)
    white = rng.standard_normal((N, n_samples, D))
    points = np.empty_like(white)
    covariances = mixtures.covariances[: None if mixtures.covariances.strides[0] else 1]  # one where all are the same
    for k in range(K):
        of_component = mixtures.means[:, k, None] + white @ square_roots(covariances[:, k])
        if k == K - 1 and mixtures.truncated is not None and mixtures.truncated.is_cut.any():
            cut = mixtures.truncated.is_cut
            of_component[cut] = mixtures.truncated[cut].draw(n_samples, rng)
        if k == K - 1 and mixtures.uniform is not None:
            of_component = np.where(mixtures.uniform[:, None], _uniform_points(mixtures, n_samples, rng), of_component)
        np.copyto(points, of_component, where=(labels == k)[:, :, None])
    return points


def _uniform_points(mixtures: ConditionalMixtures, n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draws from the uniform densities of the last component along all coordinates."""
    sigmas = np.sqrt(np.diagonal(mixtures.covariances[:, -1], axis1=1, axis2=2))
    offsets = rng.uniform(-0.5, 0.5, (len(mixtures), n_samples, len(mixtures.names)))
    return np.asarray(mixtures.means[:, -1, None] + sigmas[:, None] * UNIFORM_WIDTH * offsets)
