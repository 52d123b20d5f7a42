"""Random starts: centres from k-means++ or from random objects, covariances from the objects nearest to each centre.

Everything here is in standardised coordinates.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.kernels.reference import component
from xdgmm.kernels.small_matrices import congruent, positive_parts, whitened
from xdgmm.mixture import GaussianMixture

from . import clusters, em
from .clusters import Points
from .objective import Objective

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import Flat
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]
    Start = tuple[Floats, Floats, Floats]

FLOOR = 0.02  # smallest starting variance, as a fraction of the observed scatter
NEIGHBOURS = 10  # the distance to this neighbour measures the density of objects around a point
RIDGE = 1e-12  # variance of standardised values that is added to every scatter
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
        self.names = observations.names
        self.missing_covariance: Floats | float = 0.0
        if observations.projections is not None:
            values, self.missing_covariance = _estimate_true_values(observations)
            observations = type(observations).exact(values, observations.weights, observations.names)
        self.points = _points(observations)

    def without_outliers(self, fraction: float) -> StartingPoints:
        """The points without the fraction of them whose neighbours are farthest: no component should start there."""
        from scipy.spatial import cKDTree

        points = _with_medians(self.points.values)
        neighbours = min(NEIGHBOURS, len(points) - 1)
        if neighbours < 1:
            return self
        distances = cKDTree(points).query(points, neighbours + 1)[0][:, -1]
        new = copy(self)
        kept = distances <= np.quantile(distances, 1.0 - fraction)
        new.points = Points(*(each[kept] for each in self.points))
        return new

    def random_start(self, kind: str, n_components: int, rng: np.random.Generator) -> GaussianMixture:
        """A random start of a kind of `STARTS`."""
        return self._as_mixture(STARTS[kind](self.points, n_components, rng))

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.points.values)

    def start_beside_flat(
        self,
        several: GaussianMixture,
        chosen: NDArray[np.integer],
        flat: Flat,
        kind: str,
        rng: np.random.Generator,
    ) -> GaussianMixture:
        """A start of some components of another one, beside flat ones that start from all points in the other columns.

        Parameters
        ----------
        several : GaussianMixture
        chosen : ndarray of int (n,)
            Which of its components are taken.
        flat : Flat
            In the coordinates of the points.
        kind : str
            Of `STARTS`, for several flat components.
        rng : numpy Generator
        """
        D, n = several.n_dimensions, len(chosen)
        others, K = flat.others(D), n + flat.n_components
        columns = Points(
            np.ascontiguousarray(self.points.values[:, others]),
            np.ascontiguousarray(self.points.noise[:, others][:, :, others]),
            self.points.weights,
        )
        measured = np.isfinite(columns.values).any(axis=1)
        columns = Points(*(np.ascontiguousarray(each[measured]) for each in columns))
        weights, own_means, own_covariances = STARTS[kind](columns, flat.n_components, rng)
        means, covariances = np.zeros((K, D)), np.tile(np.eye(D), (K, 1, 1))
        means[:n], covariances[:n] = several.means[chosen], several.covariances[chosen]
        means[np.ix_(range(n, K), others)] = own_means
        covariances[np.ix_(range(n, K), others, others)] = own_covariances
        compact = np.minimum(several.weights[chosen], 0.5 / n)
        shares = np.concatenate([compact, (1.0 - compact.sum()) * weights])
        return GaussianMixture(shares, means, covariances, self.names, flat=flat)

    def start_from_labels(self, labels: NDArray[np.integer], centres: Floats) -> GaussianMixture:
        """The start from a partition of the objects (N,)."""
        return self._as_mixture(from_labels(self.points, labels.astype(np.intp), centres))

    def start_from_memberships(self, memberships: Floats) -> GaussianMixture:
        """The start from the probability that each object belongs to each component (N, K); a row may sum to less."""
        everywhere = np.zeros(len(self.points.values), np.intp)
        overall = self.mean()[None]
        parts = []
        for of_component in memberships.T:
            points = self.points._replace(weights=np.ascontiguousarray(self.points.weights * of_component))
            centre = clusters.means(points, everywhere, overall)
            parts.append(
                (centre[0], from_labels(points if points.weights.any() else self.points, everywhere, centre)[2][0])
            )
        means, covariances = (np.array(each) for each in zip(*parts, strict=True))
        weights = self.points.weights @ memberships
        return self._as_mixture((weights / weights.sum(), means, covariances))

    def nearest(self, centres: Floats) -> NDArray[np.intp]:
        """Index of the nearest centre (N,)."""
        return clusters.nearest(self.points, centres)

    def means_of(self, labels: NDArray[np.integer], n_components: int) -> Floats:
        """Weighted mean of the objects with each label (K, D)."""
        default = np.zeros((n_components, self.points.values.shape[1]))
        return clusters.means(self.points, labels.astype(np.intp), default)

    def mean(self) -> Floats:
        """Weighted mean of all objects (D,)."""
        return np.asarray(self.means_of(np.zeros(len(self.points.values), np.intp), 1)[0])

    def _as_mixture(self, start: Start) -> GaussianMixture:
        weights, means, covariances = start
        return GaussianMixture(weights, means, covariances + self.missing_covariance, self.names)


def kmeans_start(points: Points, n_components: int, rng: np.random.Generator) -> Start:
    """A start from k-means++ (Arthur & Vassilvitskii 2007).

    Each cluster gives a weight, a mean, and its covariance less the mean noise covariance of its members, kept
    positive definite: the scatter of noisy values is not the intrinsic one.
    """
    centres = _seeds(points, n_components, rng)
    for _ in range(LLOYD):
        centres = clusters.means(points, clusters.nearest(points, centres), centres)
    return from_labels(points, clusters.nearest(points, centres), centres)


def random_start(points: Points, n_components: int, rng: np.random.Generator) -> Start:
    """A start whose centres are random objects."""
    rows = rng.choice(len(points.values), n_components, replace=False)
    centres = _with_medians(points.values)[rows]
    return from_labels(points, clusters.nearest(points, centres), centres)


STARTS = {"kmeans++": kmeans_start, "random": random_start}


def from_labels(points: Points, labels: NDArray[np.intp], centres: Floats) -> Start:
    """A start from a partition of the objects: weights, means and covariances."""
    K, D = centres.shape
    everywhere = np.zeros(len(labels), np.intp)
    mean = clusters.means(points, everywhere, centres[:1])
    smallest = FLOOR * (clusters.scatter(points, everywhere, mean).scatters[0] + RIDGE * np.eye(D)) / K ** (2 / D)
    weights, scatters, noise = clusters.scatter(points, labels, centres)
    scatters = scatters + RIDGE * np.eye(D)
    covariances = _without_noise(scatters, noise, smallest + FLOOR * scatters)
    weights = np.maximum(weights, 0.5 * weights.sum() / K / 10)
    return weights / weights.sum(), centres, covariances


def _points(observations: Observations) -> Points:
    """Values, noise and weights as `clusters` reads them."""
    present = observations.present
    both = present[:, :, None] & present[:, None, :]
    return Points(
        np.where(present, observations.values, np.nan),
        np.where(both, observations.noise_covariances, 0.0),
        np.array(observations.object_weights, dtype=float),
    )


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


def _with_medians(values: Floats) -> Floats:
    """Values with the median of the coordinate (zero when standardised) where one is missing."""
    missing = np.isnan(values)
    return np.where(missing, np.nanmedian(values, axis=0), values) if missing.any() else values


def _seeds(points: Points, n_components: int, rng: np.random.Generator) -> Floats:
    if n_components == 1:
        D = points.values.shape[1]
        return clusters.means(points, np.zeros(len(points.values), np.intp), np.zeros((1, D)))
    draws = np.random.RandomState(int(rng.integers(2**31)))  # what scikit-learn has, so that its seeds are ours
    values = _with_medians(points.values)
    seeds: Floats = values[kmeans_plusplus(values, points.weights, n_components, draws)]
    return seeds


def kmeans_plusplus(points: Floats, weights: Floats, n_clusters: int, draws: np.random.RandomState) -> NDArray[np.intp]:
    """Rows (n_clusters,) of the points (N, D) that greedy k-means++ takes as centres.

    Each centre is drawn with a probability proportional to weight times squared distance from the centres before it;
    of a few such candidates the one is taken that leaves the smallest sum of squares (Arthur & Vassilvitskii 2007, sec.
    5; the number of candidates is that of their code).
    """
    n_candidates = 2 + int(np.log(n_clusters))
    rows = [int(draws.choice(len(points), p=weights / weights.sum()))]
    squares = clusters.squared_distances(points, points[rows[0]])
    for _ in range(1, n_clusters):
        sums = np.cumsum(weights * squares)
        drawn = np.searchsorted(sums, draws.uniform(size=n_candidates) * (weights @ squares))
        candidates = np.minimum(drawn, len(points) - 1)  # the two sums differ by rounding
        left = [np.minimum(squares, clusters.squared_distances(points, points[row])) for row in candidates]
        best = int(np.argmin([weights @ each for each in left]))
        rows.append(int(candidates[best]))
        squares = left[best]
    return np.array(rows)


def _without_noise(scatters: Floats, noise: Floats, smallest: Floats) -> Floats:
    """``scatter - noise`` of each cluster (K, D, D), no smaller than `smallest` in any direction."""
    identity = np.eye(scatters.shape[1])
    ridge = 1e-14 + 1e-13 * np.trace(smallest, axis1=1, axis2=2)
    roots = np.linalg.cholesky(positive_parts(smallest) + ridge[:, None, None] * identity)
    excess = positive_parts(whitened(scatters - noise, roots) - identity)
    return congruent(roots, excess + identity)
