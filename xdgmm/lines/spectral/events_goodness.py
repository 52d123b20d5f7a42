"""Do events look as a fit says?  Chi-squared in bins, of parameters that were fitted to the events themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from .events_scoring import Problem
from .solution import Goodness

Array = NDArray[np.float64]

FEWEST_IN_BIN = 5  # expected events
FEWEST_BINS = 4
AT_ONCE = 50_000
LEAST = 1e-10  # of the largest eigenvalue: parameters below it are not determined within bins


def goodness_of(problem: Problem, theta: Array) -> Goodness:
    """The statistic of Rao and Robson at a maximum; NaN for weighted events, which are no sample, and for very few.

    Bins are those of the probability integral transform, which takes the error of each event into account, so that the
    same number is expected in each.  There are ``2 N^(2/5)`` (Mann & Wald 1942, Ann. Math. Stat. 13, 306), or fewer so
    that 5 events are expected in each.  Parameters that were fitted to the events, and not to the counts in bins, make
    Pearson's statistic too small by an amount between none and what one degree of freedom for each is; the term that
    Rao & Robson (1974, Comm. Stat. 3, 1139) and Nikulin (1973, Theory Probab. Appl. 18, 583) add restores the
    distribution of chi-squared with one degree of freedom less than bins.
    """
    model = problem.model
    events = model.events
    n_bins = int(min(2.0 * events.total**0.4, events.total / FEWEST_IN_BIN))
    if n_bins < FEWEST_BINS or (events.weights != 1.0).any():
        return Goodness("chi-squared", np.nan, 0, np.nan)
    low, high = problem.low, problem.high
    fitted = (theta > low) & (theta < high) & (model.precision == 0)
    bins = (model.cumulative(theta) * n_bins).astype(int).clip(0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    sums, squares = np.zeros((n_bins, fitted.sum())), np.zeros((fitted.sum(), fitted.sum()))
    for first in range(0, bins.size, AT_ONCE):
        part = events.part(slice(first, first + AT_ONCE))
        scores = model.with_events(part).scores(theta)[fitted]
        np.add.at(sums, bins[first : first + AT_ONCE], scores.T)
        squares += scores @ scores.T
    means = sums / np.maximum(counts, 1)[:, None]
    within = squares - sums.T @ means
    off = counts - events.total / n_bins
    pull = off @ means
    statistic = float(off @ off) * n_bins / events.total + float(pull @ _inverse(within) @ pull)
    return Goodness("chi-squared", statistic, n_bins - 1, float(chi2.sf(statistic, n_bins - 1)))


def _inverse(matrix: Array) -> Array:
    """Inverse of a matrix that is not negative, zero along directions in which it is nearly zero."""
    root = np.sqrt(np.where(matrix.diagonal() > 0, matrix.diagonal(), 1.0))
    values, vectors = np.linalg.eigh(matrix / (root * root[:, None]))
    kept = values > LEAST * values.max(initial=0.0)
    found = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return np.asarray(found / (root * root[:, None]))
