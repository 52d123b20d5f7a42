"""The deviance of counts (the C statistic): what is expected of it if the model is right, however few counts there are.

Mean and variance in each bin are sums over Poisson's distribution (Kaastra 2017, A&A 605, A51).  That parameters were
fitted is taken into account to first order (McCullagh 1986, J. Am. Stat. Assoc. 81, 104): the mean is evaluated at the
fit and lowered, and the variance is that which remains when the scores of the parameters are known.  For many counts
this is chi-squared with n - p degrees of freedom.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from scipy.stats import gamma

from .linear import solved

Array = NDArray[np.float64]

MANY = 300.0  # counts above which sums are replaced by their series in 1 / mu, whose error is below 1e-7 there
SIGMAS = 12.0  # from the mean that sums extend to both sides
AND_COUNTS = 30.0  # and so many counts more
BLOCK = 512  # bins at a time
LEAST = 1e-300


class Moments(NamedTuple):
    """Of the deviance d(n) of one bin, for counts n with the mean mu; all (n,)."""

    mean: Array
    variance: Array
    covariance: Array  # of d and n
    bend: Array  # 1 + mu / 2 times the second derivative of the mean by mu: 0 for few counts, 1 for many


class ExpectedDeviance(NamedTuple):
    """What is expected of the deviance of a fit, and its standard deviation."""

    mean: float
    sigma: float

    def probability(self, deviance: float) -> float:
        """Of a deviance at least as large: from chi-squared, scaled to this mean and variance."""
        if not (self.mean > 0.0 and self.sigma > 0.0):
            return float("nan")
        scale = self.sigma**2 / self.mean
        return float(gamma.sf(deviance / scale, self.mean / scale))


def expected_deviance(expected: Array, rows: Array, information: Array) -> ExpectedDeviance:
    """What a fit of the right model is expected to give.

    Parameters
    ----------
    expected : ndarray (n,)
        Counts that the fit expects.
    rows : ndarray (p, n)
        Their derivatives by the parameters.
    information : ndarray (p, p)
        Expected information of the parameters.
    """
    seen = expected > LEAST
    expected, rows = expected[seen], rows[:, seen]
    moments = deviance_moments(expected)
    leverage = np.einsum("pn,pn->n", rows, solved(information, rows)) / expected
    taken = float(np.clip(leverage, 0.0, 1.0) @ moments.bend)
    with_scores = rows @ (moments.covariance / expected)
    variance = float(moments.variance.sum() - with_scores @ solved(information, with_scores))
    share = max(1.0 - taken / max(expected.size, 1), 0.0)
    return ExpectedDeviance(float(moments.mean.sum()) - taken, float(np.sqrt(max(variance, 0.0) * share)))


def deviance_moments(expected: Array) -> Moments:
    """Mean and variance of the deviance in bins where `expected` counts (n,) are expected."""
    expected = np.maximum(expected, LEAST)
    order = np.argsort(expected)
    few = order[: int(np.searchsorted(expected[order], MANY))]
    result = np.array(_series(expected))
    for first in range(0, few.size, BLOCK):
        block = few[first : first + BLOCK]
        result[:, block] = _sums(expected[block])
    return Moments(*result)


def _sums(mu: Array) -> Array:
    """The moments (4, n) as sums over all counts that are likely; mu increases."""
    lowest = max(0.0, np.floor(mu[0] - SIGMAS * np.sqrt(mu[0]) - AND_COUNTS))
    highest = np.ceil(mu[-1] + SIGMAS * np.sqrt(mu[-1]) + AND_COUNTS)
    k = np.arange(lowest, highest + 1.0)
    probability = np.exp(np.outer(np.log(mu), k) - mu[:, None] - gammaln(k + 1.0))
    deviance = 2.0 * (mu[:, None] - k + xlogy(k, k / mu[:, None]))
    mean = (probability * deviance).sum(axis=1)
    off = deviance - mean[:, None]
    bend = xlogy(k + 2.0, k + 2.0) - 2.0 * xlogy(k + 1.0, k + 1.0) + xlogy(k, k)
    return np.array(
        [
            mean,
            (probability * off**2).sum(axis=1),
            (probability * off * (k - mu[:, None])).sum(axis=1),
            mu * (probability @ bend),
        ]
    )


def _series(mu: Array) -> tuple[Array, Array, Array, Array]:
    """The moments for many counts, from the central moments of Poisson's distribution."""
    x = 1.0 / np.maximum(mu, MANY)
    return (
        1.0 + x * (1 / 6 + x * (1 / 6 + x * (19 / 60))),
        2.0 + x * (2 / 3 + x * (4 / 3 + x * (701 / 180))),
        -x * (1 / 6 + x * (1 / 3 + x * (19 / 20))),
        1.0 + x**2 * (1 / 6 + x * (1 / 2)),
    )
