"""Newton steps for small problems: the Hessian by differences of the exact gradient, in factor coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .coordinates import FactorCoordinates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Statistics
    from xdgmm.mixture import GaussianMixture

    from .objective import Objective

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

STEP = 1e-5  # difference step, in standard errors
UPWARDS = 1e-4  # upward curvature, in units of the information with known labels, that exceeds rounding of differences
FLAT = 1e-9  # curvature below this fraction of the largest counts as flat
HALVINGS = 12
HIDDEN = 1e-8  # nats: rounding may hide a smaller gain


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """Quadratic model of the objective around a mixture, restricted to the free coordinates.

    Attributes
    ----------
    coordinates : FactorCoordinates
    free : ndarray of int (n,)
        Indices of the free coordinates z.
    gradient, hessian : ndarray (n,), (n, n)
        Derivatives of the objective with respect to them.
    """

    coordinates: FactorCoordinates
    free: Indices
    gradient: Floats
    hessian: Floats

    def newton_step(self) -> tuple[Floats, float]:
        """Newton step in z (size,) and its predicted gain, in nats.

        Along directions of positive curvature (a saddle) the step goes uphill by a standard error or more: such a point
        is no maximum, even if its gradient vanishes.
        """
        values, vectors = np.linalg.eigh(-self.hessian)
        size = np.abs(values)
        curved = size > FLAT * size.max(initial=1.0)
        values, size, vectors = values[curved], size[curved], vectors[:, curved]
        along = vectors.T @ self.gradient
        upwards = values < -UPWARDS
        steps = np.where(upwards, np.copysign(np.maximum(np.abs(along) / size, 1.0), along), along / size)
        z = np.zeros(self.coordinates.size)
        z[self.free] = vectors @ steps
        return z, float(np.sum(along * steps + 0.5 * np.where(upwards, size, -size) * steps**2))


def quadratic_model(
    mixture: GaussianMixture,
    statistics: Statistics,
    objective: Objective,
    singular: NDArray[np.bool_],
    *,
    central: bool = False,
) -> QuadraticModel:
    """Quadratic model around a mixture: one pass for each free coordinate, two with central differences.

    Parameters
    ----------
    singular : ndarray of bool (K, D)
        Principal axes (of `FactorCoordinates`) whose variance is kept at zero.
    """
    coordinates = FactorCoordinates(mixture, statistics, objective.constraints)
    free = np.flatnonzero(coordinates.free(singular))
    gradient = coordinates.gradient(np.zeros(coordinates.size), mixture, statistics)[free]
    return QuadraticModel(
        coordinates, free, gradient, hessian(coordinates, statistics, objective, free, central=central)
    )


def hessian(
    coordinates: FactorCoordinates,
    statistics: Statistics,
    objective: Objective,
    free: Indices,
    *,
    central: bool = False,
) -> Floats:
    """Second derivatives of an objective with respect to the free coordinates, symmetric.

    Parameters
    ----------
    coordinates : FactorCoordinates
    statistics : Statistics
        Of that objective at the mixture of the coordinates.
    objective : Objective
    free : ndarray of int
    """
    steps = np.zeros((free.size, coordinates.size))
    steps[np.arange(free.size), free] = STEP
    if central:
        above, below = np.split(objective.gradients(coordinates, np.concatenate([steps, -steps])), 2)
        matrix = (above - below)[:, free] / (2.0 * STEP)
    else:
        start = coordinates.gradient(np.zeros(coordinates.size), coordinates.mixture, statistics)
        matrix = (objective.gradients(coordinates, steps) - start)[:, free] / STEP
    return np.asarray(0.5 * (matrix + matrix.T))


def iterate(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective, singular: NDArray[np.bool_]
) -> tuple[GaussianMixture, Statistics, float]:
    """One Newton step, halved until the objective does not fall.

    Where covariances are nearly singular, rounding errors of the objective are larger than they usually are, and hide a
    small gain: then a step is accepted where the gradient becomes much smaller.

    Returns
    -------
    mixture, statistics
        After the step.
    gain : float
        The gain that was predicted before it, in nats.
    """
    model = quadratic_model(mixture, statistics, objective, singular)
    z, gain = model.newton_step()
    lowest = statistics.objective - statistics.rounding
    for _ in range(HALVINGS):
        trial = model.coordinates.at(z)
        reached = objective.expect(trial)
        if reached.objective >= lowest:
            return trial, reached, gain
        if gain < HIDDEN and reached.objective >= statistics.objective - HIDDEN:
            slopes = model.coordinates.gradient(z, trial, reached)[model.free]
            if np.linalg.norm(slopes) < 0.5 * np.linalg.norm(model.gradient):
                return trial, reached, gain
        z = z / 2.0
    return mixture, statistics, gain
