"""The scatter as measured, the errors in it, and the naive way of taking these out: what a fit is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from xdgmm.kernels.reference import component
from xdgmm.observations import Observations

ENOUGH = 10_000  # objects from which the information is taken


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


@dataclass(frozen=True, eq=False)
class Informative:
    """What objects know of the width of one component: how many equally informative ones would know as much.

    With ``P = R' T^-1 R`` at the fitted covariance, T = R V R' + S, an object of membership r has the information
    ``h = r (d' P d)^2 / 2`` on the variance along the direction d; weights count as numbers of objects.  The effective
    number ``(sum h)^2 / sum h^2`` is small where few objects have much smaller errors than the others, however many
    these are.

    Attributes
    ----------
    precisions : ndarray (n, D, D) or None
        P of some of the objects, up to a factor; None if the component has no width and objects have no errors.
    memberships, weights : ndarray (n,)
    per_object : float
        Number of objects for each of these.
    """

    precisions: NDArray[np.float64] | None
    memberships: NDArray[np.float64]
    weights: NDArray[np.float64]
    per_object: float

    @classmethod
    def of(
        cls,
        observations: Observations,
        memberships: NDArray[np.float64],
        mean: NDArray[np.float64],
        covariance: NDArray[np.float64],
    ) -> Self:
        """Of a component with this mean (D,) and covariance (D, D), and the memberships of the objects that count."""
        rows = np.flatnonzero(observations.counts)
        chosen = np.arange(0, rows.size, -(-rows.size // ENOUGH))
        part = observations.select(rows[chosen])
        try:
            P = component(part.values, part.noise_covariances, mean, covariance, part.projections)[2]
        except np.linalg.LinAlgError:
            P = None
        return cls(P, memberships[chosen], part.object_weights, rows.size / chosen.size)

    def size_along(self, direction: NDArray[np.float64]) -> float:
        """Effective number of objects along a direction (D,); NaN where nothing is known of it."""
        if self.precisions is None:
            return np.nan
        precision = np.einsum("i,nij,j->n", direction, self.precisions, direction)
        largest, heaviest = precision.max(initial=0.0), self.weights.max()
        if not 0 < largest < np.inf:
            return np.nan
        h, weights = self.memberships * (precision / largest) ** 2, self.weights / heaviest
        if not h.any():
            return np.nan
        h = h / h.max()  # memberships may be so small that their squares vanish
        return float((weights @ h) ** 2 / (weights @ h**2) * heaviest * self.per_object)


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Weighted median and its standard error."""
    order = np.argsort(values)
    fractions = np.cumsum(weights[order]) / weights.sum()
    step = 0.5 / np.sqrt(weights.sum())
    places = np.searchsorted(fractions, [0.5 - step, 0.5, 0.5 + step])
    low, middle, high = values[order][np.minimum(places, values.size - 1)]
    return middle, 0.5 * (high - low)
