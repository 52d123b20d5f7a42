"""Newton steps for small problems: the Hessian by differences of the exact gradient, in factor coordinates."""

from dataclasses import dataclass

import numpy as np

from .coordinates import FactorCoordinates

STEP = 1e-5  # difference step, in standard errors
UPWARDS = 1e-4  # upward curvature (one is the information with known labels) that is no rounding of differences
FLAT = 1e-9  # curvature below this fraction of the largest counts as flat
HALVINGS = 12


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """Quadratic model of the objective around a mixture, restricted to the coordinates that are free."""

    coordinates: FactorCoordinates
    free: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray

    def newton_step(self):
        """Newton step (whole z) and the nats it is predicted to gain.

        Where the likelihood bends upwards (a saddle) the step goes uphill by a standard error or more: a point from
        which two directions lead up is no maximum, even if its gradient vanishes.
        """
        values, vectors = np.linalg.eigh(-self.hessian)
        size = np.abs(values)
        bent = size > FLAT * size.max(initial=1.0)
        values, size, vectors = values[bent], size[bent], vectors[:, bent]
        along = vectors.T @ self.gradient
        upwards = values < -UPWARDS
        steps = np.where(upwards, np.copysign(np.maximum(np.abs(along) / size, 1.0), along), along / size)
        z = np.zeros(self.coordinates.size)
        z[self.free] = vectors @ steps
        return z, float(np.sum(along * steps + 0.5 * np.where(upwards, size, -size) * steps**2))


def quadratic_model(mixture, statistics, objective, singular, *, central=False):
    """Quadratic model around a mixture: one pass for each free coordinate, two with central differences.

    Parameters
    ----------
    singular : ndarray of bool (K, D)
        Principal axes (of `FactorCoordinates`) held at zero variance.
    """
    coordinates = FactorCoordinates(mixture, statistics, objective.constraints)
    free = np.flatnonzero(coordinates.free(singular))
    gradient = coordinates.gradient(np.zeros(coordinates.size), mixture, statistics)[free]
    return QuadraticModel(
        coordinates, free, gradient, hessian(coordinates, statistics, objective, free, central=central)
    )


def hessian(coordinates, statistics, objective, free, *, central=False):
    """Second derivatives of an objective with respect to the free coordinates, symmetric.

    Parameters
    ----------
    coordinates : FactorCoordinates
    statistics : Statistics
        Of that likelihood at the mixture of the coordinates.
    objective : Objective
    free : ndarray of int
    """

    def gradient(index, step):
        z = np.zeros(coordinates.size)
        z[index] = step
        point = coordinates.at(z)
        return coordinates.gradient(z, point, objective.differentiate(point))[free]

    if central:
        columns = [(gradient(i, STEP) - gradient(i, -STEP)) / (2 * STEP) for i in free]
    else:
        start = coordinates.gradient(np.zeros(coordinates.size), coordinates.mixture, statistics)[free]
        columns = [(gradient(i, STEP) - start) / STEP for i in free]
    matrix = np.array(columns).reshape(free.size, free.size)
    return 0.5 * (matrix + matrix.T)


def iterate(mixture, statistics, objective, singular):
    """One Newton step, halved until the objective does not fall: mixture, statistics, predicted gain before it."""
    model = quadratic_model(mixture, statistics, objective, singular)
    z, gain = model.newton_step()
    lowest = statistics.objective - statistics.rounding
    for _ in range(HALVINGS):
        point = model.coordinates.at(z)
        reached = objective.expect(point)
        if reached.objective >= lowest:
            return point, reached, gain
        z = z / 2.0
    return mixture, statistics, gain
