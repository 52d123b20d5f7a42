"""Is this the maximum?  The Karush-Kuhn-Tucker conditions of V >= 0, and steps onto and off that boundary.

At the maximum ``V (C - A) = 0``, and ``C - A`` has no positive eigenvalue on the null space of V: the likelihood must
not rise where a variance that is zero becomes positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.kernels import small_matrices

from .coordinates import FactorCoordinates
from .families import HIGHEST_TAU, LOWEST_TAU, SPAN
from .objective import information_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Statistics
    from xdgmm.mixture import GaussianMixture

    from .constraints import Constraints
    from .objective import Objective

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

VANISHING = 1e-5  # a variance below this fraction of the whole is tried at exactly zero
COLLAPSED = 1e-24  # variance of standardised values below which all is rounding
COLLINEAR = 1e-13  # ratio of variances below which the smaller one is rounding
ROUNDING = 2e-16
HALVINGS = 8
NEAR_BOUND = 2e-4  # of the range of 1 / dof: distance from a bound at which the bound itself is tried


@dataclass(frozen=True, eq=False)
class Iterate:
    """One point of an iteration: a mixture with its statistics and the coordinates around it."""

    coordinates: FactorCoordinates
    statistics: Statistics

    @classmethod
    def at(cls, mixture: GaussianMixture, statistics: Statistics, constraints: Constraints | None = None) -> Iterate:
        """The iterate of a mixture with its statistics."""
        return cls(FactorCoordinates(mixture, statistics, constraints), statistics)

    @property
    def mixture(self) -> GaussianMixture:
        """The mixture."""
        return self.coordinates.mixture

    @property
    def singular(self) -> Mask:
        """Which whitened principal axes of free covariances have no intrinsic variance (K, D)."""
        fixed = self.coordinates.constraints.fixed_covariances[:, None]
        return np.asarray((self.coordinates.eigenvalues == 0.0) & ~fixed)

    @property
    def free(self) -> Mask:
        """Which coordinates (size,) can change without leaving the boundary."""
        return self.coordinates.free(self.singular)

    @property
    def residual(self) -> float:
        """Largest free component of the gradient, per standard error."""
        gradient = self.coordinates.gradient(np.zeros(self.coordinates.size), self.mixture, self.statistics)
        return float(np.abs(gradient[self.free]).max(initial=0.0))

    @property
    def boundary_gain(self) -> float:
        """Predicted gain in nats from leaving the boundary, in all directions together."""
        return float(self.boundary_gains().sum() + self.dof_gains().sum())

    def dof_gains(self) -> Floats:
        """Predicted gain in nats (n,) from degrees of freedom that leave their bound."""
        of_dof, grad_dof = self.coordinates.dof, self.statistics.grad_dof
        if grad_dof is None or not of_dof.size:
            return np.zeros(of_dof.size)
        inwards = of_dof.inward_slopes(grad_dof)
        return np.where(of_dof.at_bound & (inwards > 0), 0.5 * inwards**2 / of_dof.information, 0.0)

    def boundary_gains(self) -> Floats:
        """Predicted gain in nats (K, D) from a larger variance along each axis where it is (nearly) zero.

        Zero where the likelihood does not rise with the variance.  Variances near zero are included, because there the
        gradient with respect to the factor is small for any slope of the likelihood.
        """
        slopes = np.maximum(self.coordinates.slopes(self.statistics), 0.0)
        small = (self.coordinates.eigenvalues < VANISHING) & self.coordinates.free_axes
        return np.where(small, 0.25 * self.coordinates.axis_counts * slopes**2, 0.0)


def update_boundary(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective, tolerance: float
) -> tuple[GaussianMixture, Statistics]:
    """Set vanishing variances to exactly zero, and make those positive that raise the likelihood: an active set."""
    if objective.constraints.regularised:  # the density of the prior is zero where a variance is
        return mixture, statistics
    point = Iterate.at(mixture, statistics, objective.constraints)
    vanishing = (point.coordinates.eigenvalues < VANISHING) & ~point.singular & point.coordinates.free_axes
    vanishing &= point.coordinates.slopes(statistics) < 0
    if vanishing.any():
        trial = point.coordinates.with_variances(vanishing, np.zeros(vanishing.shape))
        reached = objective.expect(trial)
        if reached.objective >= statistics.objective - statistics.rounding:
            point = Iterate.at(trial, reached, objective.constraints)
    growing = point.boundary_gains() > tolerance
    if growing.any():
        point = _leave_boundary(point, growing, objective)
    if point.coordinates.dof.size:
        point = _update_bounds_of_dof(point, objective, tolerance)
    return point.mixture, point.statistics


def _update_bounds_of_dof(point: Iterate, objective: Objective, tolerance: float) -> Iterate:
    """The iterate with degrees of freedom set to bounds that they approach, or moved off those they should leave."""
    of_dof, grad_dof = point.coordinates.dof, point.statistics.grad_dof
    assert grad_dof is not None, "statistics without the derivatives with respect to dof were given"
    slopes = of_dof.tau_slopes(grad_dof)
    bound = np.where(slopes < 0, LOWEST_TAU, HIGHEST_TAU)
    near = (np.abs(of_dof.tau - bound) < NEAR_BOUND * SPAN) & ~of_dof.at_bound
    if near.any():
        trial = _with_tau(point, np.where(near, bound, of_dof.tau))
        reached = objective.expect(trial)
        if reached.objective >= point.statistics.objective - point.statistics.rounding:
            return Iterate.at(trial, reached, objective.constraints)
    leaving = point.dof_gains() > tolerance
    steps = np.where(leaving, np.clip(slopes / of_dof.information, -0.1, 0.1), 0.0)
    for _ in range(HALVINGS if leaving.any() else 0):
        trial = _with_tau(point, of_dof.tau + steps)
        reached = objective.expect(trial)
        if reached.objective > point.statistics.objective:
            return Iterate.at(trial, reached, objective.constraints)
        steps = steps / 4.0
    return point


def _with_tau(point: Iterate, tau: Floats) -> GaussianMixture:
    """The mixture with other free degrees of freedom, given by 1 / dof (n,)."""
    mixture, dof = point.mixture, point.coordinates.dof.with_tau(tau)
    return mixture.with_parameters(mixture.all_weights, mixture.means, mixture.covariances, dof)


def _leave_boundary(point: Iterate, growing: Mask, objective: Objective) -> Iterate:
    """The iterate with larger variances where marked (K, D); the same one if the objective does not rise."""
    variances = np.clip(point.coordinates.slopes(point.statistics), 0.0, 0.5)
    for _ in range(HALVINGS):
        trial = point.coordinates.with_variances(growing, variances)
        reached = objective.expect(trial)
        if reached.objective > point.statistics.objective:
            return Iterate.at(trial, reached, objective.constraints)
        variances = variances / 4.0
    return point


def collapsed_component(
    mixture: GaussianMixture, statistics: Statistics, constraints: Constraints, smallest: float = COLLAPSED
) -> int | None:
    """Index of a component that collapses on objects without noise (standardised coordinates), or None.

    A covariance may vanish where its members have noise, but not where they are exact.  `smallest` is the variance
    below which it has collapsed on some of its members.
    """
    if not np.isfinite(statistics.objective):
        return int(np.argmin(np.linalg.eigvalsh(mixture.covariances)[:, 0]))
    if constraints.regularised:
        return None
    values, vectors = small_matrices.eigen(mixture.covariances)
    highest = values[:, -1:]
    of_axes = ((information_of(statistics) @ vectors) * vectors).sum(axis=1)
    exact = np.maximum(values, ROUNDING * highest) * of_axes  # weight of the objects that are exact along each axis
    members = statistics.n_members[: mixture.n_components, None]
    on_some = (values < smallest) & (exact > 0.1 * np.minimum(1.0, members))
    on_all = (values < COLLINEAR * highest) & (exact > 0.5 * members)
    collapsed = (on_some | on_all).any(axis=1) & (members[:, 0] > 0) & ~constraints.fixed_covariances
    return int(np.argmax(collapsed)) if collapsed.any() else None
