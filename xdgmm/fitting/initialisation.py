"""Where a fit starts: k-means++ seeds with the noise taken out of their covariances, or what the caller gives."""

from copy import copy

import numpy as np

from xdgmm.basics.arrays import as_floats, n_axes
from xdgmm.basics.linalg import positive_part
from xdgmm.basics.units import as_floats_in, covariance_units
from xdgmm.errors import InputError
from xdgmm.kernels.reference import component
from xdgmm.mixture import GaussianMixture

from . import em
from .model import Model
from .objective import Objective
from .standardisation import Standardisation

FLOOR = 0.02  # smallest starting variance, as a fraction of the scatter seen
NEIGHBOURS = 10  # how far the so manyth is tells how dense it is around a point
LLOYD = 3  # k-means iterations after seeding
SINGLE_PASSES = 30  # of EM to the one Gaussian behind projections


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
    points = Points(scaling.observations(observations.select(observations.counts)))
    labels = labels[observations.counts]
    zero = np.zeros(observations.n_dimensions)
    centres = np.array([_mean(points.observations.select(labels == k), zero) for k in range(n_components)])
    return scaling.original(points.start(labels, centres), observations.names, observations.units)


class Points:
    """Observations from which starts are made: as they are, or as estimates of what stands behind projections.

    The estimates are the means of the true values given one Gaussian for all; their covariance, averaged over the
    objects, is what the scatter of the estimates lacks (`unseen`).
    """

    def __init__(self, observations):
        self.observations, self.unseen = observations, 0.0
        if observations.projections is not None:
            values, self.unseen = _behind(observations)
            self.observations = type(observations).exact(values, observations.weights, observations.names)

    def without_outliers(self, fraction):
        """The points without the fraction of them that have the fewest neighbours: no component should start there."""
        from scipy.spatial import cKDTree

        points = _filled(self.observations)
        neighbours = min(NEIGHBOURS, len(points) - 1)
        if neighbours < 1:
            return self
        distances = cKDTree(points).query(points, neighbours + 1)[0][:, -1]
        new = copy(self)
        new.observations = self.observations.select(distances <= np.quantile(distances, 1.0 - fraction))
        return new

    def random(self, kind, n_components, rng):
        """A random start of a kind of `STARTS`."""
        return self._widened(STARTS[kind](self.observations, n_components, rng))

    def start(self, labels, centres):
        """The start from a partition of the objects."""
        return self._widened(from_labels(self.observations, labels, centres))

    def nearest(self, centres):
        """Index of the nearest centre (N,)."""
        return nearest(self.observations, centres)

    def _widened(self, mixture):
        return mixture.with_parameters(mixture.all_weights, mixture.means, mixture.covariances + self.unseen)


def _behind(observations):
    """Mean (N, D) of what stands behind standardised projections, and its average covariance (D, D): one Gaussian."""
    D = observations.n_dimensions
    single = GaussianMixture([1.0], np.zeros((1, D)), np.eye(D)[None])
    objective = Objective(observations.pack(), SINGLE_PASSES + 1)
    statistics = objective.expect(single)
    for _ in range(SINGLE_PASSES):
        single, statistics = em.iterate(single, statistics, objective)
    m, V = single.means[0], single.covariances[0]
    noise = observations.noise_covariances
    _, u, P = component(observations.values, noise, m, V, observations.projections)
    weights = observations.object_weights / observations.object_weights.sum()
    return m + u @ V, V - V @ np.einsum("n,nij->ij", weights, P) @ V


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


def start_from(observations, n_components, weights=None, means=None, covariances=None, model=None):
    """A starting mixture from some of its parameters; what is not given comes from the objects nearest each mean.

    Parameters
    ----------
    observations : Observations
    n_components : int
    weights, means, covariances : arrays (K,), (K, D), (K, D, D), optional
        In the units of the observations; `means` is needed with more than one component.  `covariances` may also have
        the shape of the covariance type.  With a background weights may sum to 1 with its fraction, and must where some
        are fixed.
    model : Model, optional

    Raises
    ------
    InputError
        If the means are missing or have the wrong shape, or what results is not a mixture.
    """
    model = Model() if model is None else model
    scaling = Standardisation.of(observations)
    points = Points(scaling.observations(observations.select(observations.counts)))
    shape = (n_components, observations.n_dimensions)
    if means is None and n_components == 1:
        centres = kmeans_start(points.observations, 1, None).means
    elif means is None:
        raise InputError("`means_init` is needed beside `weights_init` and `covariances_init`; give starting means")
    else:
        means = _starting_means(means, shape, observations.units)
        centres = (means - scaling.location) / scaling.scale
    guess = scaling.original(points.start(points.nearest(centres), centres), observations.names, observations.units)
    if covariances is not None:
        covariances = _starting_covariances(covariances, observations.units, model)
        if covariances.ndim != 3 or model.covariance_type == "full":
            covariances = model.type.expanded(covariances, *shape)
    return GaussianMixture(
        guess.weights if weights is None else _starting_weights(weights, model),
        guess.means if means is None else means,
        guess.covariances if covariances is None else covariances,
        observations.names,
        observations.units,
    )


def _starting_weights(weights, model):
    """Weights (K,) that sum to 1, whether the background's fraction was left out of them or not."""
    weights, _ = as_floats(weights, "weights_init")
    if model.background is None:
        return weights
    rest = 1.0 - model.background.fraction
    if abs(weights.sum() - rest) < 1e-10 * max(weights.size, 1):
        return weights / rest
    if model.fixed.weights:
        raise InputError(
            f"`weights_init` sums to {weights.sum():g}, but with the background's fraction it must sum to 1, since "
            f"some weights are fixed: make it {rest:g}, or change the fraction of the Background"
        )
    return weights


STARTS = {"kmeans++": kmeans_start, "random": random_start}


def _starting_means(means, shape, units):
    """Means (K, D) as numbers in the units of the observations."""
    means = as_floats_in(means, "means_init", units)
    if means.shape != shape:
        raise InputError(f"`means_init` has shape {means.shape}, but {shape} is needed: one row per component")
    if not np.isfinite(means).all():
        raise InputError("`means_init` holds NaN or infinity; every starting mean must be finite")
    return means


def _starting_covariances(covariances, units, model):
    """Covariances (K, D, D), or in the shape of the type, as numbers in the units of the observations squared."""
    matrices, own_shape = covariance_units(units), {"diag": 2, "spherical": 1}
    if n_axes(covariances) == own_shape.get(model.covariance_type):
        matrices = np.diag(matrices) if model.covariance_type == "diag" else matrices[0, 0]
    return as_floats_in(covariances, "covariances_init", matrices)
