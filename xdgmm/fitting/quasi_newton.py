"""Quasi-Newton steps: L-BFGS on the exact gradient in whitened factor coordinates.

The coordinates are renewed around the current mixture every few dozen iterations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .lbfgs import Memory, Point, minimise
from .newton import UPWARDS, hessian
from .objective import OutOfPasses
from .optimality import Iterate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Statistics
    from xdgmm.mixture import GaussianMixture

    from .coordinates import FactorCoordinates
    from .objective import Objective

    Floats = NDArray[np.float64]

ITERATIONS = 40  # between renewals of the coordinates
WHITENED_ITERATIONS = 10  # where the Hessian is renewed as well
MEMORY = 20
WHITENED_MEMORY = 3  # steps after which the inverse Hessian of whitened coordinates predicts the gain
SMALL = 0.1  # times the tolerance: predicted gain at which a round ends
EXTRA_DIGITS = 1e-6  # the same where the Hessian of all objects is known, and few passes give many digits
FLATTEST = 1e-4  # least information by which a direction is whitened


def iterate(
    mixture: GaussianMixture,
    statistics: Statistics,
    objective: Objective,
    sample: Objective | None = None,
    tolerance: float = 0.0,
) -> tuple[GaussianMixture, Statistics, float]:
    """One round of L-BFGS.

    Parameters
    ----------
    mixture : GaussianMixture
    statistics : Statistics
    objective : Objective
    sample : Objective, optional
        Of a sample of the objects, or the objective itself: its Hessian at the start whitens the coordinates.
    tolerance : float
        Of the predicted gain, in nats: the round ends early where a fraction of it is predicted.

    Returns
    -------
    mixture, statistics
        The best point of the round, never below the start.
    gain : float
        Predicted gain in nats, by the quadratic model of the round, ``g' B^-1 g / 2``; at least the tolerance after a
        saddle, which steps along the gradient may not have left.
    """
    path = _Path(mixture, statistics, objective, sample)
    if path.free.size == 0:
        return mixture, statistics, 0.0
    memory = Memory(path.free.size, MEMORY)
    iterations, trusted, first_step, small = (
        WHITENED_ITERATIONS,
        WHITENED_MEMORY,
        1.0,
        SMALL * max(tolerance, statistics.rounding),
    )
    if sample is objective:
        iterations, small = ITERATIONS, EXTRA_DIGITS * tolerance
    elif sample is None:
        iterations, trusted = ITERATIONS, MEMORY
        first_step = min(1.0, 1.0 / max(float(np.linalg.norm(path.start.gradient)), 1e-300))
    try:
        end = minimise(
            path.fall,
            path.start,
            memory,
            iterations=iterations,
            first_step=first_step,
            rounding=statistics.rounding,
            small=small,
            trusted=trusted,
        )
    except OutOfPasses:
        return *path.at(path.lowest), np.inf
    gain = float(-0.5 * end.gradient @ memory.direction(end.gradient))
    if path.from_saddle:
        gain = max(gain, tolerance)
    return *path.at(end), gain


class _Path:
    """The points that one round of L-BFGS visits, in coordinates y = 0 at the start.

    Attributes
    ----------
    free : ndarray of int (n,)
        Indices of the free coordinates z.
    start, lowest : Point
        The start, and the lowest point so far.
    from_saddle : bool
        Does the objective, as far as its Hessian is known, rise from the start in both directions of some line?
    """

    def __init__(
        self, mixture: GaussianMixture, statistics: Statistics, objective: Objective, sample: Objective | None
    ) -> None:
        self.objective, self._statistics = objective, statistics
        point = Iterate.at(mixture, statistics, objective.constraints)
        self.coordinates = coordinates = point.coordinates
        self.free = free = np.flatnonzero(point.free)  # a variance of zero has no slope with respect to its factor
        self.from_saddle, self._scaling = False, None
        if sample is not None:
            self._scaling, lowest = _whitening(coordinates, statistics, objective, sample, free)
            self.from_saddle = lowest < -UPWARDS
        gradient = coordinates.gradient(np.zeros(coordinates.size), mixture, statistics)
        self.start = self.lowest = Point(np.zeros(free.size), -statistics.objective, -self._pulled_back(gradient))

    def fall(self, y: Floats) -> tuple[float, Floats]:
        """Minus the objective at y, and its gradient: what is minimised."""
        if self.objective.passes_left <= 1:  # the last pass adds the information at the best point
            raise OutOfPasses
        values, gradients = self.objective.values_and_gradients(self.coordinates, self._z(y)[None])
        value = -float(values[0])
        gradient = -self._pulled_back(gradients[0])
        if value < self.lowest.value:
            self.lowest = Point(y, value, gradient)
        return value, gradient

    def at(self, point: Point) -> tuple[GaussianMixture, Statistics]:
        """The mixture at a point, and its statistics with the information: one pass, unless it is the start."""
        if not point.y.any():
            return self.coordinates.mixture, self._statistics
        mixture = self.coordinates.at(self._z(point.y))
        return mixture, self.objective.expect(mixture)

    def _pulled_back(self, gradient: Floats) -> Floats:
        free: Floats = gradient[self.free]
        return free if self._scaling is None else self._scaling.T @ free

    def _z(self, y: Floats) -> Floats:
        z = np.zeros(self.coordinates.size)
        z[self.free] = y if self._scaling is None else self._scaling @ y
        return z


def _whitening(
    coordinates: FactorCoordinates,
    statistics: Statistics,
    objective: Objective,
    sample: Objective,
    free: NDArray[np.intp],
) -> tuple[Floats, float]:
    """The map from coordinates in which the sample's Hessian is the identity, where it is not flat; least curvature."""
    if sample is not objective:
        statistics = sample.expect(coordinates.mixture)
    ratio = objective.data.total_weight / sample.data.total_weight
    values, vectors = np.linalg.eigh(-ratio * hessian(coordinates, statistics, sample, free))
    return vectors / np.sqrt(np.maximum(np.abs(values), FLATTEST)), float(values.min(initial=np.inf))
