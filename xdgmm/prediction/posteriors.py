"""The posterior of the true values of each object: a mixture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xdgmm.mixture import (
    Background,
    ConditionalMixtures,
    ConditionedGaussian,
    GaussianMixture,
    TruncatedNormals,
    condition_gaussian,
)
from xdgmm.observations import Observations

from .memberships import memberships


def posteriors(mixture: GaussianMixture, observations: Observations) -> ConditionalMixtures:
    """Posterior of the true values of each object, given what was measured: `ConditionalMixtures`.

    Observations are those of `checked_observations`.  The background's component, the last, is the measurement itself
    with its noise, cut at the edges of the box (not for a background of measured values), and uniform over the box
    along coordinates that are missing.
    """
    parts = _conditioned_components(mixture, observations)
    means, covariances = [part.means for part in parts], [part.covariances for part in parts]
    background, truncated = mixture.background, None
    if background is not None:
        if background.of == "true values":
            truncated = TruncatedNormals(observations.values, observations.noise_model, *background.box)
            mean, covariance = truncated.moments
        else:
            mean, covariance = _given_measured_background(background, observations)
        means.append(mean)
        covariances.append(covariance)
    stacked = np.stack(np.broadcast_arrays(*covariances), axis=1)
    return ConditionalMixtures(
        memberships(mixture, observations),
        np.stack(means, axis=1),
        np.broadcast_to(stacked, (len(observations), *stacked.shape[1:])),
        mixture.names,
        mixture.units,
        None if background is None else ~observations.present,
        truncated,
    )


def component_distances(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Mahalanobis distance of each object from each component, its noise taken into account (N, K)."""
    return np.stack([part.distances for part in _conditioned_components(mixture, observations)], axis=1)


def _conditioned_components(mixture: GaussianMixture, observations: Observations) -> list[ConditionedGaussian]:
    """Each component given what was measured."""
    noise = _noise(observations)
    return [
        condition_gaussian(mean, covariance, observations.values, noise, observations.projections)
        for mean, covariance in zip(mixture.means, mixture.covariances, strict=True)
    ]


def _noise(observations: Observations) -> NDArray[np.float64]:
    """Noise covariances (n, M, M): one where all objects have the same."""
    common = observations.noise_model.common([slice(None)], np.ones(observations.n_measured))
    return observations.noise_covariances if common is None else common[None]


def _given_measured_background(
    background: Background, observations: Observations
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means (N, D) and covariances (N, D, D) of true values that have no Gaussian prior."""
    present = observations.present
    both = present[:, :, None] & present[:, None]
    mean = np.where(present, observations.values, background.mean)
    box = np.eye(len(background.mean)) * (background.variances * ~present)[:, :, None]
    return mean, np.where(both, _noise(observations), box)
