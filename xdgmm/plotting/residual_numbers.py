"""The numbers of pictures of residuals: quantiles, counts and scatter, each with what a right model lets expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import bdtrik, betaincinv, ndtr, ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PROBABILITY = 0.95  # of a band
MOST_QUANTILES = 2000  # of more residuals, the quantiles at so many even steps of the normal score
FEWEST_BINS, MOST_BINS, IN_BIN = 5, 20, 15
MOST_GROUPS, IN_GROUP = 8, 12  # of objects with similar errors


class Quantiles(NamedTuple):
    """Quantiles of residuals against those of a normal distribution, all (Q,).

    order: places of the residuals (of those that are not NaN) from the lowest to the highest; expected: normal
    quantiles; found: those of the residuals; low, high: between which each lies with a probability of 95%.
    """

    order: NDArray[np.intp]
    expected: Floats
    found: Floats
    low: Floats
    high: Floats


def normal_quantiles(z: Floats) -> Quantiles:
    """Quantiles of residuals (n,) without NaN; the band is that of order statistics of independent normal numbers."""
    order = np.argsort(z, kind="stable")
    rank = _ranks(z.size)
    low, high = (ndtri(betaincinv(rank + 1, z.size - rank, p)) for p in (0.5 - PROBABILITY / 2, 0.5 + PROBABILITY / 2))
    return Quantiles(order[rank], ndtri((rank + 0.5) / z.size), z[order[rank]], low, high)


class Counts(NamedTuple):
    """Histogram of the probability integral transform.

    counts: (B,) in each bin; edges: (B + 1,) from 0 to 1; expected: in each if the model is right; low, high: between
    which each count lies with a probability of 95%.
    """

    counts: NDArray[np.intp]
    edges: Floats
    expected: float
    low: float
    high: float


def pit_counts(z: Floats) -> Counts:
    """Counts of the probabilities of lower values, from residuals (n,) without NaN."""
    n, n_bins = z.size, int(np.clip(z.size // IN_BIN, FEWEST_BINS, MOST_BINS))
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    low, high = np.ceil(bdtrik([0.5 - PROBABILITY / 2, 0.5 + PROBABILITY / 2], n, 1.0 / n_bins))
    return Counts(np.histogram(ndtr(z), edges)[0], edges, n / n_bins, float(low), float(high))


class Scatter(NamedTuple):
    """Residuals of groups of objects with similar errors, all (G,).

    middle: median error; scatter: root mean square residual; error: its standard error.
    """

    middle: Floats
    scatter: Floats
    error: Floats


def scatter_by_error(errors: Floats, z: Floats) -> Scatter:
    """Scatter of residuals (n,) without NaN in groups of their errors (n,); no group where there are few objects."""
    n_groups = min(MOST_GROUPS, z.size // IN_GROUP)
    groups = np.array_split(np.argsort(errors, kind="stable"), n_groups) if n_groups else []
    middle = np.array([np.median(errors[group]) for group in groups])
    scatter = np.array([np.sqrt(np.mean(z[group] ** 2)) for group in groups])
    return Scatter(middle, scatter, scatter / np.sqrt(2.0 * np.array([group.size for group in groups])))


def _ranks(n: int) -> NDArray[np.intp]:
    """Ranks from 0 to n - 1: all of a few, else those at even steps of the normal score, the ends included."""
    if n <= MOST_QUANTILES:
        return np.arange(n)
    end = float(ndtri(1.0 - 0.5 / n))
    scores = np.linspace(-end, end, MOST_QUANTILES)
    return np.unique(np.clip(np.round(ndtr(scores) * n - 0.5).astype(int), 0, n - 1))
