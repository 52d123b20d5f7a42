"""Label switching: the posterior is the same with components exchanged, so that only one order of them is sampled.

The posterior of K exchangeable components consists of K! equal parts.  One of them, in which the components match those
of the fit in their order, is sampled: a point outside it has probability zero.  Nothing is lost, since every other part
holds the same mixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import linear_sum_assignment

from xdgmm import kernels
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from xdgmm.fitting import Statistics
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.mixture import GaussianMixture

    from .coordinates import Coordinates
    from .priors import ResolvedPrior

Array = NDArray[np.float64]
Order = NDArray[np.int64]

RELABEL = ("assignment", "ordering")
FORBIDDEN = 1e9  # cost of matching two components that cannot be exchanged


def check_relabel(relabel: str) -> None:
    """Refuse an unknown way of matching."""
    if relabel not in RELABEL:
        raise InputError(f"`relabel` is {relabel!r}, but it must be one of {', '.join(RELABEL)}")


def exchangeable_components(constraints: Constraints, prior: ResolvedPrior) -> NDArray[np.bool_]:
    """Which components can be exchanged without a change of the posterior: boolean (K, K)."""
    K = len(constraints.fixed_means)
    same = np.array([[prior.exchangeable(k, j) for j in range(K)] for k in range(K)])
    free = constraints.free_components
    return np.eye(K, dtype=bool) | (same & free & free[:, None])


class Matching(Protocol):
    """A way to match components."""

    def order(self, means: Array, covariances: Array) -> Order:
        """Which component of each of n mixtures is each component of the fit: (n, K) of int.

        Parameters
        ----------
        means, covariances : ndarray (n, K, D), (n, K, D, D)
        """


class Assignment:
    """Matching by optimal assignment.

    Parameters
    ----------
    mixture : GaussianMixture
        The fit.
    statistics : Statistics
        Of the fit, with the information.
    allowed : ndarray of bool (K, K)
        Which components can be exchanged.

    Notes
    -----
    The cost of matching component j of a sample to component k of the fit is ``(m_j - m_k)' I_k (m_j - m_k)`` with
    I_k the information per member, which is one over the mean covariance of the fit's component with the noise added,
    plus the squared differences of the logarithms of the sigmas with that noise added.
    """

    def __init__(self, mixture: GaussianMixture, statistics: Statistics, allowed: NDArray[np.bool_]) -> None:
        members = np.maximum(statistics.n_members[: mixture.n_components], 1e-300)
        information = statistics.information / members[:, None, None]
        whole = 1.0 / np.maximum(np.diagonal(information, axis1=1, axis2=2), 1e-300)
        own = np.diagonal(mixture.covariances, axis1=1, axis2=2)
        noise = np.maximum(whole - own, 0.0) + 1e-6 * whole
        log_variances = np.log(own + noise)
        self._fit = mixture.means, np.ascontiguousarray(information), log_variances, noise
        self._penalties = np.where(allowed, 0.0, FORBIDDEN)

    def order(self, means: Array, covariances: Array) -> Order:
        """As `Matching.order`."""
        return _cheapest(kernels.matching_costs(means, covariances, *self._fit) + self._penalties)


class Ordering:
    """Matching by the order of the first coordinate of the means, among components that can be exchanged."""

    def __init__(self, mixture: GaussianMixture, allowed: NDArray[np.bool_]) -> None:
        first = mixture.means[:, 0]
        self._groups = [np.flatnonzero(group) for group in np.unique(allowed, axis=0)]
        self._fitted = [members[np.argsort(first[members], kind="stable")] for members in self._groups]

    def order(self, means: Array, covariances: Array) -> Order:
        """As `Matching.order`."""
        del covariances
        result = np.tile(np.arange(means.shape[1]), (len(means), 1))
        for members, fitted in zip(self._groups, self._fitted, strict=True):
            result[:, fitted] = members[np.argsort(means[:, members, 0], axis=1, kind="stable")]
        return result


def matching(
    relabel: str, mixture: GaussianMixture, statistics: Statistics, allowed: NDArray[np.bool_]
) -> Assignment | Ordering:
    """The way of that name."""
    return Ordering(mixture, allowed) if relabel == "ordering" else Assignment(mixture, statistics, allowed)


def _cheapest(costs: Array) -> Order:
    """Optimal assignments (n, K) of costs (n, K, K); only those are solved of which identity is not each row's best."""
    n, K, _ = costs.shape
    result = np.tile(np.arange(K), (n, 1))
    for i in np.flatnonzero((costs.argmin(axis=2) != np.arange(K)).any(axis=1)):
        result[i] = linear_sum_assignment(costs[i])[1]
    return result


def ambiguity(z: Array, coordinates: Coordinates, allowed: NDArray[np.bool_]) -> float:
    """How often samples z (n, P) in matched coordinates could as well have two of their components exchanged.

    The mean over the samples of the probability that they have another order, where the distribution of the matched
    samples is taken as normal, and orders that differ by one exchange are compared (Stephens 2000, J. R. Stat. Soc. B
    62, 795, relabels by such probabilities).
    """
    n, P = z.shape
    K = len(allowed)
    pairs = [(k, j) for k in range(K) for j in range(k) if allowed[k, j]]
    covariance = np.cov(z.T).reshape(P, P) if n > P else np.zeros((P, P))
    scale = np.sqrt(np.diag(covariance))
    if not pairs or not (scale > 0).all():
        return 0.0
    root = np.linalg.cholesky(covariance / scale[:, None] / scale + 1e-9 * np.eye(P))
    centre = z.mean(axis=0)

    def log_density(points: Array) -> Array:
        white = solve_triangular(root, ((points - centre) / scale).T, lower=True)
        return np.asarray(-0.5 * (white**2).sum(axis=0))

    own, others = log_density(z), np.full(n, -np.inf)
    for pair in pairs:
        order = np.arange(K)
        order[list(pair)] = order[list(pair)[::-1]]
        others = np.logaddexp(others, log_density(coordinates.exchanged(z, np.tile(order, (n, 1)))))
    return float(np.exp(others - np.logaddexp(own, others)).mean())
