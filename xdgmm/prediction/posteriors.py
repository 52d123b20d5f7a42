"""The posterior of the true values of each object: a mixture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.errors import InputError
from xdgmm.fitting.objective import parameters
from xdgmm.kernels import Data, Exact, Noise, NoiseMixture, Posteriors
from xdgmm.mixture import Background, ConditionalMixtures, GaussianMixture, TruncatedNormals
from xdgmm.observations import Observations

from .flat import with_flat_coordinates
from .limits import has_limits
from .memberships import NANOSECONDS, packed_rows, run_in_blocks

Floats = NDArray[np.float64]


def posteriors(mixture: GaussianMixture, observations: Observations) -> ConditionalMixtures:
    """Posterior of the true values of each object, given what was measured: `ConditionalMixtures`.

    Observations are those of `checked_observations`.  Each Student-t component is there as its Gaussians
    (`GaussianMixture.expanded`), and where noise is a mixture, each component is there once for each of its Gaussians.
    The background's component, the last, is the measurement itself with its noise, cut at the edges of the box (not for
    a background of measured values), and uniform over the box along coordinates that are missing.  So are the flat
    coordinates of flat components, which are represented by Gaussians with that mean and covariance.

    Raises
    ------
    InputError
        If an object has a limit, given which the true values under a Gaussian are not normal.
    """
    if has_limits(observations).any():
        raise InputError(
            "the posterior of an object with a limit is no mixture of Gaussians, so that it has no such form and no "
            "quantiles; use its `means` and `covariances`, or quantiles of `sample`"
        )
    mixture = mixture.expanded()
    (N, D), background = (len(observations), mixture.n_dimensions), mixture.background
    K = mixture.n_components * _most_rows(observations)
    size = K + (background is not None)
    weights, means, covariances = np.empty((N, size)), np.empty((N, size, D)), np.empty((N, size, D, D))

    def task(rows: slice, block: Observations) -> None:
        if isinstance(block.noise_model, NoiseMixture):
            of_noise = _of_noise_mixtures(mixture, block, K // mixture.n_components)
            weights[rows], means[rows, :K], covariances[rows, :K] = of_noise
            return
        found = known_of_gaussians(mixture, block, of_each=True)
        weights[rows], means[rows, :K], covariances[rows, :K] = found.responsibilities, *found[5:]

    run_in_blocks(task, observations, NANOSECONDS * mixture.all_weights.size)
    truncated = None
    if background is not None:
        truncated = _truncated(background, observations)
        means[:, K], covariances[:, K] = _given_background(background, observations)
    return ConditionalMixtures(
        weights,
        means,
        covariances,
        mixture.names,
        mixture.units,
        None if background is None else ~observations.present,
        truncated,
    )


def _most_rows(observations: Observations) -> int:
    """Largest number of Gaussians in the noise of an object."""
    noise = observations.noise_model
    return int(np.diff(noise.starts).max(initial=1)) if isinstance(noise, NoiseMixture) else 1


def _of_noise_mixtures(
    mixture: GaussianMixture, observations: Observations, most: int
) -> tuple[Floats, Floats, Floats]:
    """Weights, means and covariances (n, K most, ...) given each Gaussian of the noise; weights of zero where fewer.

    The last weight is that of a background.
    """
    noise, K, n = observations.noise_model, mixture.n_components, len(observations)
    assert isinstance(noise, NoiseMixture)
    found = known_of_gaussians(mixture.gaussians, observations.rows, of_each=True)
    means_of_each, covariances_of_each = found[5:]
    assert means_of_each is not None
    assert covariances_of_each is not None
    shares = noise.shares(found.log_likelihoods)[1][:, None] * found.responsibilities
    owners = noise.owners
    weights = np.zeros((n, K, most))
    means = np.broadcast_to(mixture.means[:, None], (n, K, most, mixture.n_dimensions)).copy()
    covariances = np.broadcast_to(mixture.covariances[:, None], (*means.shape, mixture.n_dimensions)).copy()
    place = owners, slice(None), np.arange(owners.size) - noise.starts[owners]
    weights[place], means[place], covariances[place] = shares, means_of_each, covariances_of_each
    flat = (array.reshape(n, K * most, *array.shape[3:]) for array in (weights, means, covariances))
    weights, means, covariances = flat
    if mixture.background is not None:
        outside = known_of_gaussians(mixture, observations).responsibilities[:, -1:]
        weights = np.hstack([weights * (1.0 - outside), outside])
    return weights, means, covariances


def known(mixture: GaussianMixture, observations: Observations) -> Posteriors:
    """What is known of each object, row for row: `Posteriors`, whose moments are those of all components together.

    Observations are those of `checked_observations`, one block of them.  A row without any value has the weights, the
    mean and the covariance of the mixture.
    """
    found, background = known_of_gaussians(mixture, observations), mixture.background
    if background is None:
        return found
    b = found.responsibilities[:, -1]
    means, covariances = _given_background(background, observations)
    offsets = means - found.means
    between = (b * (1.0 - b))[:, None, None] * offsets[:, :, None] * offsets[:, None]
    within = (1.0 - b)[:, None, None] * found.covariances + b[:, None, None] * covariances
    return found._replace(means=found.means + b[:, None] * offsets, covariances=within + between)


def known_of_gaussians(mixture: GaussianMixture, observations: Observations, *, of_each: bool = False) -> Posteriors:
    """The same, with moments of the true value of an object that belongs to a Gaussian; `of_each`: to each of them."""
    rows_and_data = list(packed_rows(observations, mixture))
    each = of_each or mixture.flat is not None
    parts = [
        _unknown(mixture, observations.select(rows), of_each=each)
        if data is None
        else _found(mixture, data, of_each=each)
        for rows, data in rows_and_data
    ]
    found = parts[0] if len(parts) == 1 else _row_for_row(len(observations), rows_and_data, parts)
    return found if mixture.flat is None else with_flat_coordinates(mixture, observations, found, of_each=of_each)


def _row_for_row(n: int, rows_and_data: list[tuple[Any, Data | None]], parts: list[Posteriors]) -> Posteriors:
    """What is known of n objects, from parts of some rows."""
    whole = [None if array is None else np.empty((n, *array.shape[1:])) for array in parts[0]]
    for (rows, _), part in zip(rows_and_data, parts, strict=True):
        for array, found in zip(whole, part, strict=True):
            if array is not None:
                array[rows] = found
    return Posteriors(*whole)  # type: ignore[arg-type]


def _found(mixture: GaussianMixture, data: Data, *, of_each: bool) -> Posteriors:
    if mixture.expansion is None:
        return data.posteriors(mixture.all_weights, mixture.means, mixture.covariances, of_each=of_each)
    found = data.posteriors(*parameters(mixture))
    responsibilities = mixture.expansion.summed(found.responsibilities)
    return found._replace(
        responsibilities=responsibilities, distances=_distances_in_scales(mixture, data, responsibilities)
    )


def _distances_in_scales(
    mixture: GaussianMixture, data: Data, responsibilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mahalanobis distance from the most probable component (n,), with its scale matrix and the noise."""
    K = mixture.n_components
    most_probable, result = responsibilities[:, :K].argmax(axis=1), np.empty(data.n_objects)
    for k in range(K):
        mine = most_probable == k
        alone = np.append(1.0, np.zeros(mixture.all_weights.size - K)), mixture.means[[k]], mixture.covariances[[k]]
        result[mine] = data.posteriors(*alone).distances[mine] if mine.any() else 0.0
    return result


def _unknown(mixture: GaussianMixture, observations: Observations, *, of_each: bool) -> Posteriors:
    """What is known of objects without any value: their weights, or known memberships."""
    n, K, weights = len(observations), mixture.n_components, observations.memberships
    of_components = (mixture.means, mixture.covariances) if of_each else ()
    each = [np.broadcast_to(array, (n, *array.shape)) for array in of_components]
    if weights is None:
        alone = mixture.gaussians
        arrays = mixture.all_weights, np.zeros(()), alone.mean, alone.covariance
        return Posteriors(np.zeros(n), *(np.broadcast_to(array, (n, *array.shape)) for array in arrays), *each)
    whole = weights[:, :K].sum(axis=1, keepdims=True)
    among = np.where(whole > 0, weights[:, :K] / np.where(whole > 0, whole, 1.0), 1.0 / K)
    mean = among @ mixture.means
    offsets = mixture.means - mean[:, None]
    covariance = np.einsum("nk,nkij->nij", among, mixture.covariances + offsets[..., :, None] * offsets[..., None, :])
    return Posteriors(np.zeros(n), weights, np.zeros(n), mean, covariance, *each)


def _given_background(
    background: Background, observations: Observations
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means (N, D) and covariances (N, D, D) of the true values of objects that belong to the background."""
    truncated = _truncated(background, observations)
    moments = _given_measured_background(background, observations) if truncated is None else truncated.moments
    return moments if observations.limits is None else _given_limits(background, observations, *moments)


def _given_limits(
    background: Background, observations: Observations, means: NDArray[np.float64], covariances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The moments, with those of censored coordinates, which are independent of the others."""
    assert observations.limits is not None
    is_true = background.of == "true values"
    noise: Noise = observations.noise_model if is_true else Exact(observations.shape)
    (rows, columns), of_limits = background.limits_in_box(observations.values, noise, observations.limits)
    means, covariances = means.copy(), np.broadcast_to(covariances, (*means.shape, means.shape[1])).copy()
    means[rows, columns], covariances[rows, columns, columns] = of_limits.moments()
    if not is_true:
        covariances[rows, columns, columns] += observations.variances[rows, columns]
    return means, covariances


def _truncated(background: Background, observations: Observations) -> TruncatedNormals | None:
    if background.of == "measured values":
        return None
    measured = np.where(observations.present, observations.values, np.nan)
    return TruncatedNormals(measured, observations.noise_model, *background.box)


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
