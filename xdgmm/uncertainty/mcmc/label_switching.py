"""Label switching: the posterior is the same with components exchanged, so every sample is matched to the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from xdgmm.fitting import Statistics
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.mixture import GaussianMixture

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


def match_by_assignment(
    means: Array, covariances: Array, mixture: GaussianMixture, statistics: Statistics, allowed: NDArray[np.bool_]
) -> Order:
    """Which component of each sample is each component of the fit, by optimal assignment.

    Parameters
    ----------
    means, covariances : ndarray (n, K, D), (n, K, D, D)
    mixture : GaussianMixture
    statistics : Statistics
        Of the fit, with the information.
    allowed : ndarray of bool (K, K)

    Returns
    -------
    ndarray of int (n, K)

    Notes
    -----
    The cost of matching component j of a sample to component k of the fit is ``(m_j - m_k)' I_k (m_j - m_k)`` with
    I_k the information per member, which is one over the mean covariance of the fit's component with the noise added,
    plus the squared differences of the logarithms of the sigmas with that noise added.
    """
    K = mixture.n_components
    information = statistics.information / np.maximum(statistics.n_members[:K], 1e-300)[:, None, None]
    whole = 1.0 / np.maximum(np.diagonal(information, axis1=1, axis2=2), 1e-300)
    own = np.diagonal(mixture.covariances, axis1=1, axis2=2)
    noise = np.maximum(whole - own, 0.0) + 1e-6 * whole
    d = means[:, None] - mixture.means[:, None]
    costs = np.einsum("nkji,kil,nkjl->nkj", d, information, d, optimize=True)
    variances = np.diagonal(covariances, axis1=2, axis2=3)
    ratios = 0.5 * np.log((variances[:, None] + noise[:, None]) / (own + noise)[:, None])
    costs += (ratios**2).sum(axis=-1)
    return _cheapest(np.where(allowed, costs, FORBIDDEN + costs))


def _cheapest(costs: Array) -> Order:
    """Optimal assignments (n, K) of costs (n, K, K); only those are solved of which identity is not each row's best."""
    n, K, _ = costs.shape
    result = np.tile(np.arange(K), (n, 1))
    for i in np.flatnonzero((costs.argmin(axis=2) != np.arange(K)).any(axis=1)):
        result[i] = linear_sum_assignment(costs[i])[1]
    return result


def match_by_order(means: Array, mixture: GaussianMixture, allowed: NDArray[np.bool_]) -> Order:
    """Which component of each sample is each component of the fit, by the order of the first means: (n, K) of int."""
    result = np.tile(np.arange(mixture.n_components), (len(means), 1))
    for group in np.unique(allowed, axis=0):
        members = np.flatnonzero(group)
        fitted = members[np.argsort(mixture.means[members, 0], kind="stable")]
        result[:, fitted] = members[np.argsort(means[:, members, 0], axis=1, kind="stable")]
    return result
