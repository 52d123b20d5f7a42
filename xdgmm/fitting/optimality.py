"""Is this the maximum?  The Karush-Kuhn-Tucker conditions of V >= 0, and steps onto and off that boundary.

At the maximum ``V (C - A) = 0``, and ``C - A`` has no positive eigenvalue on the null space of V: a variance that
is zero must not want to grow.
"""

from dataclasses import dataclass

import numpy as np

from .coordinates import FactorCoordinates

VANISHING = 1e-5  # a variance below this fraction of the whole is tried at exactly zero
COLLAPSED = 1e-24  # variance of standardised values below which only rounding is left
COLLINEAR = 1e-13
ROUNDING = 2e-16
HALVINGS = 8


@dataclass(frozen=True, eq=False)
class Iterate:
    """A mixture with its statistics and its coordinates: one place on the way."""

    coordinates: FactorCoordinates
    statistics: object

    @classmethod
    def at(cls, mixture, statistics, constraints=None):
        """The point of a mixture whose statistics are known."""
        return cls(FactorCoordinates(mixture, statistics, constraints), statistics)

    @property
    def mixture(self):
        """The mixture."""
        return self.coordinates.mixture

    @property
    def singular(self):
        """Which whitened principal axes have no intrinsic variance, though none was fixed: boolean (K, D)."""
        fixed = self.coordinates.constraints.fixed_covariances[:, None]
        return (self.coordinates.eigenvalues == 0.0) & ~fixed

    @property
    def free(self):
        """Coordinates that may change without leaving the boundary."""
        return self.coordinates.free(self.singular)

    @property
    def residual(self):
        """Largest free component of the gradient, per standard error."""
        gradient = self.coordinates.gradient(np.zeros(self.coordinates.size), self.mixture, self.statistics)
        return float(np.abs(gradient[self.free]).max(initial=0.0))

    def boundary_gains(self):
        """Nats predicted to gain (K, D) by letting each variance grow that is (nearly) zero; zero where it should not.

        A variance near zero counts too: there the gradient in the factor is small whatever the likelihood wants.
        """
        slopes = np.maximum(self.coordinates.slopes(self.statistics), 0.0)
        small = (self.coordinates.eigenvalues < VANISHING) & self.coordinates.movable
        return np.where(small, 0.25 * self.coordinates.axis_counts * slopes**2, 0.0)


def update_boundary(mixture, statistics, objective, tolerance):
    """Set variances that vanish to exactly zero, and let those at zero grow that want to."""
    if objective.constraints.regular:  # the prior is zero where a variance is
        return mixture, statistics
    point = Iterate.at(mixture, statistics, objective.constraints)
    vanishing = (point.coordinates.eigenvalues < VANISHING) & ~point.singular & point.coordinates.movable
    vanishing &= point.coordinates.slopes(statistics) < 0
    if vanishing.any():
        trial = point.coordinates.with_variances(vanishing, np.zeros(vanishing.shape))
        reached = objective.expect(trial)
        if reached.objective >= statistics.objective - statistics.rounding:
            point = Iterate.at(trial, reached, objective.constraints)
    growing = point.boundary_gains() > tolerance
    if growing.any():
        point = _leave_boundary(point, growing, objective)
    return point.mixture, point.statistics


def _leave_boundary(point, growing, objective):
    variances = np.clip(point.coordinates.slopes(point.statistics), 0.0, 0.5)
    for _ in range(HALVINGS):
        trial = point.coordinates.with_variances(growing, variances)
        reached = objective.expect(trial)
        if reached.objective > point.statistics.objective:
            return Iterate.at(trial, reached, objective.constraints)
        variances = variances / 4.0
    return point


def collapsed_component(mixture, statistics, constraints):
    """Index of a component that collapses on objects without noise (standardised coordinates), or None.

    A covariance may vanish where noise carries the component; it must not where the objects are exact.
    """
    if not np.isfinite(statistics.objective):
        return int(np.argmin(np.linalg.eigvalsh(mixture.covariances)[:, 0]))
    if constraints.regular:
        return None
    for k, V in enumerate(mixture.covariances):
        if statistics.n_members[k] <= 0 or constraints.fixed_covariances[k]:
            continue
        values, vectors = np.linalg.eigh(V)
        lowest = max(values[0], ROUNDING * values[-1])
        exact = lowest * (
            vectors[:, 0] @ statistics.information[k] @ vectors[:, 0]
        )  # weight of the objects that are exact
        on_some = values[0] < COLLAPSED and exact > 0.1 * min(1.0, statistics.n_members[k])
        on_all = values[0] < COLLINEAR * values[-1] and exact > 0.5 * statistics.n_members[k]
        if on_some or on_all:
            return k
    return None
