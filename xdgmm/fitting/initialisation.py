"""Where a fit starts: k-means++ seeds with the noise taken out of their covariances, or what the caller gives."""

import numpy as np

from xdgmm.errors import InputError
from xdgmm.mixture import GaussianMixture
from xdgmm.observations.validation import difference_unit, plain

from .matrices import positive_part
from .standardisation import Standardisation

FLOOR = 0.02  # smallest starting variance, as a fraction of the scatter seen
LLOYD = 3  # k-means iterations after seeding


def kmeans_start(observations, n_components, rng):
    """A starting mixture from k-means++ (Arthur & Vassilvitskii 2007) on standardised observations.

    Each cluster gives a weight, a mean, and its covariance less the mean noise covariance of its members, kept
    positive: the scatter of noisy values is not the intrinsic one.
    """
    centres = _seeds(observations, n_components, rng)
    for _ in range(LLOYD):
        labels = nearest(observations, centres)
        centres = np.array([_mean(observations.select(labels == k), centres[k]) for k in range(n_components)])
    return from_labels(observations, nearest(observations, centres), centres)


def random_start(observations, n_components, rng):
    """A starting mixture from random objects as centres, on standardised observations."""
    whole = rng.choice(len(observations), n_components, replace=False)
    centres = _filled(observations)[whole]
    return from_labels(observations, nearest(observations, centres), centres)


def label_start(observations, labels):
    """A starting mixture from a label 0 .. K - 1 for every row; all labels must occur.

    Raises
    ------
    InputError
        If there is not one whole number for every row, or a component has none.
    """
    labels = np.asarray(labels)
    n_components = int(labels.max()) + 1 if labels.size and labels.dtype.kind in "iu" else 0
    if labels.shape != (len(observations),) or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise InputError(
            f"`init` has shape {labels.shape} and type {labels.dtype}, but labels are whole numbers from 0 on, one for "
            f"each of the {len(observations)} rows"
        )
    empty = np.setdiff1d(np.arange(n_components), labels[observations.counts])
    if empty.size:
        raise InputError(
            f"`init` has no object with label {empty[0]} that has both a value and a weight; every component needs one"
        )
    scaling = Standardisation.of(observations)
    standard = scaling.observations(observations.select(observations.counts))
    labels = labels[observations.counts]
    zero = np.zeros(observations.n_dimensions)
    centres = np.array([_mean(standard.select(labels == k), zero) for k in range(n_components)])
    return scaling.original(from_labels(standard, labels, centres), observations.names, observations.units)


def _filled(observations):
    """Values with the coordinate's median (zero when standardised) where one is missing."""
    return np.where(observations.present, observations.values, np.nanmedian(observations.values, axis=0))


def _seeds(observations, n_components, rng):
    from sklearn.cluster import kmeans_plusplus

    if n_components == 1:
        return _mean(observations, np.zeros(observations.n_dimensions))[None, :]
    seed = int(rng.integers(2**31))
    return kmeans_plusplus(
        _filled(observations), n_components, sample_weight=observations.object_weights, random_state=seed
    )[0]


def nearest(observations, centres):
    """Index of the nearest centre (N,), counting only the coordinates that are present."""
    values = np.where(observations.present, observations.values, np.nan)
    distances = [np.nansum((values - centre) ** 2, axis=1) for centre in centres]
    return np.argmin(distances, axis=0)


def _mean(observations, otherwise):
    """Weighted mean of the values present, per coordinate."""
    weights = observations.object_weights[:, None] * observations.present
    total = weights.sum(axis=0)
    sums = (weights * np.where(observations.present, observations.values, 0.0)).sum(axis=0)
    return np.where(total > 0, sums / np.where(total > 0, total, 1.0), otherwise)


def from_labels(observations, labels, centres):
    """A starting mixture from a partition of the objects."""
    n_components = len(centres)
    whole = _scatter(observations, _mean(observations, centres[0]))
    smallest = FLOOR * whole / n_components ** (2 / observations.n_dimensions)
    weights, covariances = np.empty(n_components), []
    for k in range(n_components):
        members = observations.select(labels == k)
        weights[k] = members.object_weights.sum()
        scatter = _scatter(members, centres[k])
        covariances.append(_without_noise(scatter, _mean_noise(members), smallest + FLOOR * scatter))
    weights = np.maximum(weights, 0.5 * weights.sum() / n_components / 10)
    return GaussianMixture(weights / weights.sum(), centres, np.array(covariances), observations.names)


def _scatter(observations, centre):
    """Weighted covariance about a centre (D, D), missing values left out and taken as uncorrelated."""
    d = np.where(observations.present, observations.values - centre, 0.0)
    weights = observations.object_weights
    total = np.einsum("n,ni,nj->ij", weights, 1.0 * observations.present, 1.0 * observations.present)
    return np.einsum("n,ni,nj->ij", weights, d, d) / np.where(total > 0, total, 1.0) + 1e-12 * np.eye(len(centre))


def _mean_noise(observations):
    weights = observations.object_weights
    both = observations.present[:, :, None] & observations.present[:, None, :]
    noise = np.where(both, observations.noise_covariances, 0.0)
    return np.einsum("n,nij->ij", weights, noise) / max(weights.sum(), 1e-300)


def _without_noise(scatter, noise, smallest):
    """``scatter - noise``, no smaller than `smallest` in any direction."""
    root = np.linalg.cholesky(positive_part(smallest) + (1e-14 + 1e-13 * np.trace(smallest)) * np.eye(len(smallest)))
    inverse = np.linalg.inv(root)
    excess = inverse @ (scatter - noise) @ inverse.T - np.eye(len(root))
    return positive_part(root @ (positive_part(excess) + np.eye(len(root))) @ root.T)


def start_from(observations, n_components, weights=None, means=None, covariances=None):
    """A starting mixture from some of its parameters; what is not given comes from the objects nearest each mean.

    Parameters
    ----------
    observations : Observations
    n_components : int
    weights, means, covariances : arrays (K,), (K, D), (K, D, D), optional
        In the units of the observations; `means` is needed with more than one component.

    Raises
    ------
    InputError
        If the means are missing or have the wrong shape, or what results is not a mixture.
    """
    scaling = Standardisation.of(observations)
    standard = scaling.observations(observations)
    shape = (n_components, observations.n_dimensions)
    if means is None and n_components == 1:
        centres = kmeans_start(standard, 1, None).means
    elif means is None:
        raise InputError("`means_init` is needed beside `weights_init` and `covariances_init`; give starting means")
    else:
        means = _starting_means(means, shape, observations.units)
        centres = (means - scaling.location) / scaling.scale
    guess = scaling.original(
        from_labels(standard, nearest(standard, centres), centres), observations.names, observations.units
    )
    return GaussianMixture(
        guess.weights if weights is None else weights,
        guess.means if means is None else means,
        guess.covariances if covariances is None else _starting_covariances(covariances, observations.units),
        observations.names,
        observations.units,
    )


STARTS = {"kmeans++": kmeans_start, "random": random_start}


def _starting_means(means, shape, units):
    """Means (K, D) as numbers in the units of the observations."""
    means, _ = plain(means, "means_init", units[0] if len(set(units)) == 1 else None)
    if means.shape != shape:
        raise InputError(f"`means_init` has shape {means.shape}, but {shape} is needed: one row per component")
    if not np.isfinite(means).all():
        raise InputError("`means_init` holds NaN or infinity; every starting mean must be finite")
    return means


def _starting_covariances(covariances, units):
    """Covariances (K, D, D) as numbers in the units of the observations squared."""
    unit = difference_unit(units[0]) if len(set(units)) == 1 else None
    return plain(covariances, "covariances_init", None if unit is None else unit**2)[0]
