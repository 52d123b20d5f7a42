"""How many objects determine a width."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from xdgmm.fitting import responsibilities
from xdgmm.kernels.reference import component

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import Problem
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

ENOUGH = 10_000  # objects from which the information is taken


def informative_objects(problem: Problem, mixture: GaussianMixture) -> list[Informative]:
    """What the objects of a problem tell of the width of each component of a mixture in the user's coordinates.

    All components that share one covariance learn of it from the members of all.  Of a catalogue that is read in parts
    each object of the random sample stands for so many.
    """
    memberships = responsibilities(problem.standardised(mixture), problem.sample)[:, : mixture.n_components]
    if problem.model.covariance_type == "tied":
        memberships = np.broadcast_to(memberships.sum(axis=1, keepdims=True), memberships.shape)
    found = [
        Informative.of(_seen_by(mixture, k, problem.observations), memberships[:, k], mixture.means[k], covariance)
        for k, covariance in enumerate(mixture.covariances)
    ]
    each = problem.all_observations.n_objects / problem.observations.n_objects
    return [replace(one, per_object=one.per_object * each) for one in found]


def _seen_by(mixture: GaussianMixture, k: int, observations: Observations) -> Observations:
    """The observations as component k sees them: without the columns in which it is flat."""
    if not mixture.is_flat[k].any():
        return observations
    return replace(observations, values=mixture.seen_by(k, observations.values))


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
            P = component(part.values, part.noise_covariances, mean, covariance, part.projections, part.limits)[2]
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
