"""Quasi-Newton steps: L-BFGS on the exact gradient in whitened factor coordinates (SciPy's L-BFGS-B).

Nocedal & Wright, *Numerical Optimization* (2nd ed.), sec. 7.2.  The coordinates are renewed around the current
mixture every few dozen iterations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from .coordinates import FactorCoordinates
from .newton import hessian
from .objective import OutOfPasses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Statistics
    from xdgmm.mixture import GaussianMixture

    from .objective import Objective

    Floats = NDArray[np.float64]

ITERATIONS = 40  # between renewals of the coordinates
WHITENED_ITERATIONS = 10  # where the Hessian is renewed as well
MEMORY = 20
IMPOSSIBLE = 1e300
FLATTEST = 1e-4  # least information by which a direction is whitened


def iterate(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective, sample: Objective | None = None
) -> tuple[GaussianMixture, Statistics, float]:
    """One round of L-BFGS.

    Parameters
    ----------
    mixture : GaussianMixture
    statistics : Statistics
    objective : Objective
    sample : Objective, optional
        Of a sample of the objects, or of all: its Hessian at the start whitens the coordinates.

    Returns
    -------
    mixture, statistics
        The best point of the round, never below the start.
    gain : float
        Predicted gain in nats, by the quadratic model of the round, ``g' B^-1 g / 2``.
    """
    path = _Path(mixture, statistics, objective, sample)
    if path.free.size == 0:
        return mixture, statistics, 0.0
    iterations = ITERATIONS if sample is None else WHITENED_ITERATIONS
    options = {"maxiter": iterations, "maxcor": MEMORY, "ftol": 0.0, "gtol": 1e-10}
    try:
        result = minimize(path.fall, np.zeros(path.free.size), jac=True, method="L-BFGS-B", options=options)
    except OutOfPasses:
        return path.mixture, _with_information(path.mixture, path.statistics, objective), np.inf
    gradient = path.gradient(path.y, path.mixture, path.statistics)
    gain = float(0.5 * gradient @ result.hess_inv.dot(gradient))
    return path.mixture, _with_information(path.mixture, path.statistics, objective), gain


class _Path:
    """The points that one round of L-BFGS visits, in coordinates y = 0 at the start.

    Attributes
    ----------
    free : ndarray of int (n,)
        Indices of the free coordinates z.
    y, mixture, statistics
        The best point so far.
    """

    def __init__(
        self, mixture: GaussianMixture, statistics: Statistics, objective: Objective, sample: Objective | None
    ) -> None:
        self.objective, self.start = objective, (mixture, statistics)
        self.coordinates = coordinates = FactorCoordinates(mixture, statistics, objective.constraints)
        none_at_zero = np.zeros((mixture.n_components, mixture.n_dimensions), bool)
        self.free = free = np.flatnonzero(coordinates.free(none_at_zero))
        self.scaling = np.eye(free.size) if sample is None else _whitening(coordinates, objective, sample, free)
        self.mixture, self.statistics, self.y = mixture, statistics, np.zeros(free.size)
        if sample is not None:  # the first step of L-BFGS-B has length one: make it that of Newton's
            length = float(np.linalg.norm(self.gradient(self.y, mixture, statistics)))
            self.scaling *= max(length, 1e-8)

    def fall(self, y: Floats) -> tuple[float, Floats]:
        """Minus the objective at y, and its gradient: what SciPy minimises."""
        if not y.any():
            mixture, statistics = self.start
        else:
            if self.objective.passes_left <= 1:  # the last pass adds the information at the best point
                raise OutOfPasses
            mixture = self.coordinates.at(self._z(y))
            statistics = self.objective.differentiate(mixture)
        if not np.isfinite(statistics.objective):
            return IMPOSSIBLE, np.zeros_like(y)
        if statistics.objective > self.statistics.objective:
            self.mixture, self.statistics, self.y = mixture, statistics, y.copy()
        return -statistics.objective, -self.gradient(y, mixture, statistics)

    def gradient(self, y: Floats, mixture: GaussianMixture, statistics: Statistics) -> Floats:
        """Derivative of the objective with respect to y, from the statistics at the mixture."""
        return self.scaling.T @ self.coordinates.gradient(self._z(y), mixture, statistics)[self.free]

    def _z(self, y: Floats) -> Floats:
        z = np.zeros(self.coordinates.size)
        z[self.free] = self.scaling @ y
        return z


def _whitening(
    coordinates: FactorCoordinates, objective: Objective, sample: Objective, free: NDArray[np.intp]
) -> Floats:
    """The map from coordinates in which the sample's Hessian is the identity, where it is not flat."""
    statistics = sample.expect(coordinates.mixture)
    ratio = objective.data.total_weight / sample.data.total_weight
    values, vectors = np.linalg.eigh(-ratio * hessian(coordinates, statistics, sample, free))
    return np.asarray(vectors / np.sqrt(np.maximum(np.abs(values), FLATTEST)))


def _with_information(mixture: GaussianMixture, statistics: Statistics, objective: Objective) -> Statistics:
    return objective.expect(mixture) if statistics.information is None else statistics
