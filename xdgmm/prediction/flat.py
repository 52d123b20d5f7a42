"""The true values of objects that belong to flat components, in the coordinates in which these are flat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xdgmm.kernels import Correlated, Posteriors
from xdgmm.mixture import Flat, GaussianMixture, TruncatedNormals
from xdgmm.observations import Observations

Floats = NDArray[np.float64]


def with_flat_coordinates(
    mixture: GaussianMixture, observations: Observations, found: Posteriors, *, of_each: bool
) -> Posteriors:
    """What is known of each object, its flat coordinates under flat components among it.

    Without a correlation of errors the posterior of flat coordinates is the measurement, cut at the edges of the box.
    With ``G = S_fo T^-1`` and ``T = V + S_oo`` it is N(f - G (o - m), S_ff - G S_of) before the cut, and its covariance
    with the other coordinates is ``G V``.
    """
    flat, K = mixture.flat, mixture.n_components
    assert flat is not None
    assert found.means_of_each is not None
    assert found.covariances_of_each is not None
    means, covariances = found.means_of_each.copy(), found.covariances_of_each.copy()
    for k in range(K - flat.n_components, K):
        _fill(mixture, k, flat, observations, means[:, k], covariances[:, k])
    r = found.responsibilities[:, :K]
    total = r.sum(axis=1, keepdims=True)
    among = np.divide(r, total, out=np.full(r.shape, 1.0 / K), where=total > 0)
    mean = np.einsum("nk,nki->ni", among, means)
    offsets = means - mean[:, None]
    covariance = np.einsum("nk,nkij->nij", among, covariances + offsets[..., :, None] * offsets[..., None, :])
    each = (means, covariances) if of_each else (None, None)
    return Posteriors(found.log_likelihoods, found.responsibilities, found.distances, mean, covariance, *each)


def _fill(
    mixture: GaussianMixture, k: int, flat: Flat, observations: Observations, means: Floats, covariances: Floats
) -> None:
    """Write the flat coordinates of component k into means (n, D) and covariances (n, D, D)."""
    own, others = flat.in_columns, flat.others(mixture.n_dimensions)
    present = observations.present
    S = np.where(present[:, :, None] & present[:, None], observations.noise_covariances, 0.0)
    to_others = S[:, own][:, :, others]
    values, noise = observations.values[:, own], observations.noise_model.columns(own)
    cross = np.zeros(to_others.shape)
    if to_others.any():
        seen = present[:, others]
        V = mixture.covariances[k][np.ix_(others, others)]
        both = seen[:, :, None] & seen[:, None]
        T = np.where(both, V + S[:, others][:, :, others], np.eye(len(others)))
        G = np.swapaxes(np.linalg.solve(T, np.swapaxes(to_others, 1, 2)), 1, 2)
        d = np.where(seen, observations.values[:, others] - mixture.means[k, others], 0.0)
        values = values - np.einsum("nfo,no->nf", G, d)
        within = S[:, own][:, :, own] - G @ np.swapaxes(to_others, 1, 2)
        noise = Correlated(0.5 * (within + np.swapaxes(within, 1, 2)))
        cross = G @ V
    mean, covariance = TruncatedNormals(values, noise, *flat.box).moments
    before, after = (np.diagonal(each, axis1=1, axis2=2) for each in (noise.covariances(), covariance))
    narrower = np.sqrt(np.divide(after, before, out=np.ones(after.shape), where=(before > 0) & present[:, own]))
    means[:, own] = mean
    covariances[np.ix_(range(len(means)), own, own)] = covariance
    cross = cross * np.minimum(narrower, 1.0)[:, :, None]
    covariances[np.ix_(range(len(means)), own, others)] = cross
    covariances[np.ix_(range(len(means)), others, own)] = np.swapaxes(cross, 1, 2)
