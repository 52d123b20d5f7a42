"""The scatter as measured, the errors in it, and the naive way of taking these out: what a fit is compared with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xdgmm.observations import Observations


class Observed(NamedTuple):
    """Numbers along one axis, each with its standard error; not a number where there is none.

    observed: standard deviation of the values (ddof 1); instrumental: median 1-sigma error; naive:
    ``sqrt(observed^2 - mean squared error)``.
    """

    observed: float = np.nan
    observed_error: float = np.nan
    instrumental: float = np.nan
    instrumental_error: float = np.nan
    naive: float = np.nan
    naive_error: float = np.nan


def observed_along(
    direction: NDArray[np.float64], observations: Observations, members: NDArray[np.float64]
) -> Observed:
    """`Observed` of the objects that count, weighted by their membership (n,), along a direction (D,).

    Standard errors are those of normal values: ``s / sqrt(2 (n - 1))`` for s, and what follows for the naive width;
    for the median error half the distance between the order statistics one standard error from the middle.  Objects
    that lack a coordinate the direction needs are left out.  Behind projections nothing was measured.
    """
    if observations.projections is not None:
        return Observed()
    used = np.flatnonzero(direction)
    counted = observations.select(observations.counts)
    complete = counted.present[:, used].all(axis=1)
    members = members[complete]
    n = members.sum()
    if n <= 1:
        return Observed()
    values = counted.values[complete][:, used] @ direction[used]
    variances = counted.select(complete).noise_model.variance_along(direction)
    s2 = members @ (values - members @ values / n) ** 2 / (n - 1)
    s2_error = s2 * np.sqrt(2.0 / (n - 1))
    observed = np.sqrt(s2), 0.5 * s2_error / np.sqrt(s2) if s2 > 0 else np.nan
    naive2 = s2 - members @ variances / n
    naive = (np.sqrt(naive2), 0.5 * s2_error / np.sqrt(naive2)) if naive2 > 0 else (np.nan, np.nan)
    if naive2 == 0:
        naive = 0.0, np.nan
    return Observed(*observed, *_median(np.sqrt(variances), members), *naive)


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Weighted median and its standard error."""
    order = np.argsort(values)
    fractions = np.cumsum(weights[order]) / weights.sum()
    step = 0.5 / np.sqrt(weights.sum())
    places = np.searchsorted(fractions, [0.5 - step, 0.5, 0.5 + step])
    low, middle, high = values[order][np.minimum(places, values.size - 1)]
    return middle, 0.5 * (high - low)
