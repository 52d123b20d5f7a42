"""Equal values without noise, on which the likelihood of Student-t components has no maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.errors import DegenerateError
from xdgmm.mixture.families import LOWEST_DOF

from .objective import responsibilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture

    from .problem import Problem
    from .progress import PassCounter

    Floats = NDArray[np.float64]

BESIDE = 0.01  # scales from the mean of a component: exact values that are nearer count as equal to it
SMALLEST = 1e-12  # members: fewer others count as so many


class Ties(NamedTuple):
    """A component, and how many of its members (by weight) have equal values along some axis."""

    component: int
    n_equal: float
    n_members: float

    def error(self) -> DegenerateError:
        """The error that says why there is no maximum, and what to do."""
        return DegenerateError(
            f"about {self.n_equal:.0f} of the {self.n_members:.0f} members of component {self.component} have equal "
            "values without errors, so that the likelihood has no maximum: its scale shrinks to zero on them; give "
            "errors of these values, leave out duplicates, give a larger `dof`, or a prior on the covariances "
            "(`prior=Prior(covariances=InverseWishart(w))`)"
        )


def unbounded_ties(problem: Problem, mixture: GaussianMixture, counter: PassCounter | None = None) -> Ties | None:
    """The ties on which the likelihood of a solution (standardised) grows without bound, or None.

    Notes
    -----
    If c eigenvalues of the scale matrix, all equal to ``s^2``, shrink to zero, the density of n members with the mean's
    values along these axes grows as ``s^-c`` each, that of m others falls as ``s^(dof + D - c)`` each.  The
    likelihood has no maximum where ``n c > m (dof + D - c)`` (Kent & Tyler 1991, Ann. Stat. 19, 2102).  Degrees of
    freedom that are fitted may reach their lower bound.  Members with noise count as others.
    """
    constraints, observations = problem.constraints, problem.observations
    if mixture.dof is None or constraints.regularised or observations.projections is not None:
        return None
    data = problem.sample
    exact = (observations.present & (observations.variances == 0)).all(axis=1)[data.rows]
    values = (observations.values[data.rows][exact] - problem.scaling.location) / problem.scaling.scale
    free = np.isfinite(mixture.dof) & ~constraints.fixed_covariances & ~mixture.flat_components
    beside = [_beside(mixture, k, values) if free[k] else np.zeros((len(values), 1), bool) for k in range(free.size)]
    if not any(each.any() for each in beside):
        return None
    D, kind = mixture.n_dimensions, problem.model.covariance_type
    members = data.object_weights[:, None] * responsibilities(mixture, data, counter)[:, : free.size]
    equal = np.array([members[exact, k] @ np.broadcast_to(each, (len(values), D)) for k, each in enumerate(beside)])
    total, axes = members.sum(axis=0)[:, None], np.arange(1, D + 1)
    dof = np.where(constraints.free_dof, LOWEST_DOF, mixture.dof)[:, None]
    growth = equal * axes - np.maximum(total - equal, SMALLEST) * (dof + D - axes)
    growth = growth.sum(axis=0, keepdims=True) if kind == "tied" else growth  # tied components shrink together
    growth = growth[:, -1:] if kind == "spherical" else growth  # all axes shrink together
    if not (growth > 0).any():
        return None
    k = int(np.argmax(equal.max(axis=1))) if kind == "tied" else int(np.argmax((growth > 0).any(axis=1)))
    return Ties(k, float(equal[k].max()), float(total[k, 0]))


def _beside(mixture: GaussianMixture, k: int, values: Floats) -> NDArray[np.bool_]:
    """Which values (n, D) are those of the mean of component k along its c shortest axes: (n, D) for c = 1, ..., D."""
    variances, axes = np.linalg.eigh(mixture.covariances[k])
    distances = np.abs((values - mixture.means[k]) @ axes)
    return np.asarray(np.logical_and.accumulate(distances <= BESIDE * np.sqrt(np.maximum(variances, 0.0)), axis=1))
