"""What is still uncertain of the true values of objects: the posterior of each, a mixture."""

import numpy as np

from xdgmm.mixture import ConditionalMixtures, conditioned

from .memberships import memberships


def posteriors(mixture, observations):
    """Posterior of the true values of each object, given what was measured: `ConditionalMixtures`.

    Observations are those of `comparable`.  The background's component, the last, is the measurement itself with its
    noise, and uniform over the box along coordinates that are missing.
    """
    noise = _noise(observations)
    parts = [
        conditioned(mean, covariance, observations.values, noise, observations.projections)
        for mean, covariance in zip(mixture.means, mixture.covariances, strict=True)
    ]
    means, covariances = [part.means for part in parts], [part.covariances for part in parts]
    if mixture.background is not None:
        mean, covariance = _of_the_background(mixture.background, observations, noise)
        means.append(mean)
        covariances.append(covariance)
    covariances = np.stack(np.broadcast_arrays(*covariances), axis=1)
    return ConditionalMixtures(
        memberships(mixture, observations),
        np.stack(means, axis=1),
        np.broadcast_to(covariances, (len(observations), *covariances.shape[1:])),
        mixture.names,
        mixture.units,
        None if mixture.background is None else ~observations.present,
    )


def distances(mixture, observations):
    """Mahalanobis distance of each object from each component, its noise taken in (N, K)."""
    noise = _noise(observations)
    parts = [
        conditioned(mean, covariance, observations.values, noise, observations.projections)
        for mean, covariance in zip(mixture.means, mixture.covariances, strict=True)
    ]
    return np.stack([part.distances for part in parts], axis=1)


def _noise(observations):
    """Noise covariances (n, M, M): one where all objects have the same."""
    noise = observations.noise
    if noise is None:
        return np.zeros((1, observations.n_measured, observations.n_measured))
    noise = noise[:1] if (noise == noise[:1]).all() else noise
    if noise.ndim == 3:
        return noise
    covariances = np.zeros((*noise.shape, noise.shape[1]))
    places = np.arange(noise.shape[1])
    covariances[:, places, places] = noise**2
    return covariances


def _of_the_background(background, observations, noise):
    """Means (N, D) and covariances (N, D, D) of true values that have no Gaussian prior."""
    seen = observations.present
    both = seen[:, :, None] & seen[:, None]
    mean = np.where(seen, observations.values, background.mean)
    return mean, np.where(both, noise, np.eye(len(background.mean)) * (background.variances * ~seen)[:, :, None])
