"""Random starts: centres from k-means++ or from random objects, covariances from the objects nearest to each centre.

Everything here is in standardised coordinates.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.linalg import positive_part
from xdgmm.kernels.reference import component
from xdgmm.mixture import GaussianMixture

from . import em
from .objective import Objective

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

FLOOR = 0.02  # smallest starting variance, as a fraction of the observed scatter
NEIGHBOURS = 10  # the distance to this neighbour measures the density of objects around a point
LLOYD = 3  # k-means iterations after seeding
SINGLE_PASSES = 30  # of EM to the one Gaussian behind projections


class StartingPoints:
    """Observations from which starts are made; with projections, estimates of the true values.

    These estimates are the means of the true values given one Gaussian for all objects.  They scatter less than the
    true values: the covariance of each true value about its mean, averaged over the objects, is added to the
    covariances of every start (`missing_covariance`).

    Parameters
    ----------
    observations : Observations
        Standardised.
    """

    def __init__(self, observations: Observations) -> None:
        self.observations = observations
        self.missing_covariance: Floats | float = 0.0
        if observations.projections is not None:
            values, self.missing_covariance = _estimate_true_values(observations)
            self.observations = type(observations).exact(values, observations.weights, observations.names)

    def without_outliers(self, fraction: float) -> StartingPoints:
        """The points without the fraction of them whose neighbours are farthest: no component should start there."""
        from scipy.spatial import cKDTree

        points = _with_medians(self.observations)
        neighbours = min(NEIGHBOURS, len(points) - 1)
        if neighbours < 1:
            return self
        distances = cKDTree(points).query(points, neighbours + 1)[0][:, -1]
        new = copy(self)
        new.observations = self.observations.select(distances <= np.quantile(distances, 1.0 - fraction))
        return new

    def random_start(self, kind: str, n_components: int, rng: np.random.Generator) -> GaussianMixture:
        """A random start of a kind of `STARTS`."""
        return self._widened(STARTS[kind](self.observations, n_components, rng))

    def start_from_labels(self, labels: NDArray[np.integer], centres: Floats) -> GaussianMixture:
        """The start from a partition of the objects (N,)."""
        return self._widened(from_labels(self.observations, labels, centres))

    def nearest(self, centres: Floats) -> NDArray[np.intp]:
        """Index of the nearest centre (N,)."""
        return nearest(self.observations, centres)

    def mean(self) -> Floats:
        """Weighted mean of the points (D,)."""
        return weighted_mean(self.observations, np.zeros(self.observations.n_dimensions))

    def _widened(self, mixture: GaussianMixture) -> GaussianMixture:
        covariances = mixture.covariances + self.missing_covariance
        return mixture.with_parameters(mixture.all_weights, mixture.means, covariances)


def kmeans_start(observations: Observations, n_components: int, rng: np.random.Generator) -> GaussianMixture:
    """A starting mixture from k-means++ (Arthur & Vassilvitskii 2007).

    Each cluster gives a weight, a mean, and its covariance less the mean noise covariance of its members, kept
    positive definite: the scatter of noisy values is not the intrinsic one.
    """
    centres = _seeds(observations, n_components, rng)
    for _ in range(LLOYD):
        labels = nearest(observations, centres)
        centres = np.array([weighted_mean(observations.select(labels == k), centres[k]) for k in range(n_components)])
    return from_labels(observations, nearest(observations, centres), centres)


def random_start(observations: Observations, n_components: int, rng: np.random.Generator) -> GaussianMixture:
    """A starting mixture whose centres are random objects."""
    rows = rng.choice(len(observations), n_components, replace=False)
    centres = _with_medians(observations)[rows]
    return from_labels(observations, nearest(observations, centres), centres)


STARTS = {"kmeans++": kmeans_start, "random": random_start}


def nearest(observations: Observations, centres: Floats) -> NDArray[np.intp]:
    """Index of the nearest centre (N,), counting only the coordinates that are present."""
    values = np.where(observations.present, observations.values, np.nan)
    distances = [np.nansum((values - centre) ** 2, axis=1) for centre in centres]
    return np.asarray(np.argmin(distances, axis=0))


def weighted_mean(observations: Observations, default: ArrayLike) -> Floats:
    """Weighted mean of the values present in each coordinate (D,); the default where there is none."""
    weights = observations.object_weights[:, None] * observations.present
    total = weights.sum(axis=0)
    sums = (weights * np.where(observations.present, observations.values, 0.0)).sum(axis=0)
    return np.where(total > 0, sums / np.where(total > 0, total, 1.0), default)


def from_labels(observations: Observations, labels: NDArray[np.integer], centres: Floats) -> GaussianMixture:
    """A starting mixture from a partition of the objects."""
    n_components = len(centres)
    scatter_of_all = _scatter(observations, weighted_mean(observations, centres[0]))
    smallest = FLOOR * scatter_of_all / n_components ** (2 / observations.n_dimensions)
    weights, covariances = np.empty(n_components), []
    for k in range(n_components):
        members = observations.select(labels == k)
        weights[k] = members.object_weights.sum()
        scatter = _scatter(members, centres[k])
        covariances.append(_without_noise(scatter, _mean_noise(members), smallest + FLOOR * scatter))
    weights = np.maximum(weights, 0.5 * weights.sum() / n_components / 10)
    return GaussianMixture(weights / weights.sum(), centres, np.array(covariances), observations.names)


def _estimate_true_values(observations: Observations) -> tuple[Floats, Floats]:
    """Means (N, D) of the true values given one Gaussian for all, and their average covariance (D, D)."""
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


def _with_medians(observations: Observations) -> Floats:
    """Values with the median of the coordinate (zero when standardised) where one is missing."""
    return np.where(observations.present, observations.values, np.nanmedian(observations.values, axis=0))


def _seeds(observations: Observations, n_components: int, rng: np.random.Generator) -> Floats:
    if n_components == 1:
        return weighted_mean(observations, np.zeros(observations.n_dimensions))[None, :]
    draws = np.random.RandomState(int(rng.integers(2**31)))  # what scikit-learn has, so that its seeds are ours
    points = _with_medians(observations)
    seeds: Floats = points[kmeans_plusplus(points, observations.object_weights, n_components, draws)]
    return seeds


def kmeans_plusplus(points: Floats, weights: Floats, n_clusters: int, draws: np.random.RandomState) -> NDArray[np.intp]:
    """Rows (n_clusters,) of the points (N, D) that greedy k-means++ takes as centres.

    Each centre is drawn with a probability proportional to weight times squared distance from the centres before it;
    of a few such candidates the one is taken that leaves the smallest sum of squares (Arthur & Vassilvitskii 2007, sec.
    5; the number of candidates is that of their code).
    """
    n_candidates = 2 + int(np.log(n_clusters))
    rows = [int(draws.choice(len(points), p=weights / weights.sum()))]
    squares = _squared_distances(points, points[rows[0]])
    for _ in range(1, n_clusters):
        sums = np.cumsum(weights * squares)
        drawn = np.searchsorted(sums, draws.uniform(size=n_candidates) * (weights @ squares))
        candidates = np.minimum(drawn, len(points) - 1)  # the two sums differ by rounding
        left = [np.minimum(squares, _squared_distances(points, points[row])) for row in candidates]
        best = int(np.argmin([weights @ each for each in left]))
        rows.append(int(candidates[best]))
        squares = left[best]
    return np.array(rows)


def _squared_distances(points: Floats, centre: Floats) -> Floats:
    differences = points - centre
    return np.asarray(np.sum(differences**2, axis=1))


def _scatter(observations: Observations, centre: Floats) -> Floats:
    """Weighted covariance about a centre (D, D), missing values left out and taken as uncorrelated."""
    d = np.where(observations.present, observations.values - centre, 0.0)
    weights = observations.object_weights
    present = 1.0 * observations.present
    total = np.einsum("n,ni,nj->ij", weights, present, present)
    scatter: Floats = np.einsum("n,ni,nj->ij", weights, d, d) / np.where(total > 0, total, 1.0)
    return scatter + 1e-12 * np.eye(len(centre))


def _mean_noise(observations: Observations) -> Floats:
    weights = observations.object_weights
    both = observations.present[:, :, None] & observations.present[:, None, :]
    noise = np.where(both, observations.noise_covariances, 0.0)
    total: Floats = np.einsum("n,nij->ij", weights, noise)
    return np.asarray(total / max(weights.sum(), 1e-300))


def _without_noise(scatter: Floats, noise: Floats, smallest: Floats) -> Floats:
    """``scatter - noise``, no smaller than `smallest` in any direction."""
    root = np.linalg.cholesky(positive_part(smallest) + (1e-14 + 1e-13 * np.trace(smallest)) * np.eye(len(smallest)))
    inverse = np.linalg.inv(root)
    excess = inverse @ (scatter - noise) @ inverse.T - np.eye(len(root))
    return positive_part(root @ (positive_part(excess) + np.eye(len(root))) @ root.T)
