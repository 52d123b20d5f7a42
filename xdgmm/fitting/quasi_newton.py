"""Quasi-Newton finish: L-BFGS on the exact gradient in whitened factor coordinates (SciPy's L-BFGS-B).

Nocedal & Wright, *Numerical Optimization* (2nd ed.), sec. 7.2.  The coordinates are renewed around the current
mixture every few dozen iterations.
"""

import numpy as np
from scipy.optimize import minimize

from .coordinates import FactorCoordinates
from .newton import hessian
from .objective import OutOfPasses

ITERATIONS = 40  # between renewals of the coordinates
WHITENED_ITERATIONS = 10  # where the Hessian is renewed as well
MEMORY = 20
IMPOSSIBLE = 1e300
FLATTEST = 1e-4  # information below which a direction is not stretched further


def iterate(mixture, statistics, objective, sample=None):
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
        Nats still to gain by the quadratic model of the round, ``g' B^-1 g / 2``.
    """
    coordinates = FactorCoordinates(mixture, statistics, objective.constraints)
    free = np.flatnonzero(coordinates.free(np.zeros((mixture.n_components, mixture.n_dimensions), bool)))
    scaling = np.eye(free.size) if sample is None else _whitening(coordinates, objective, sample, free)
    if sample is not None:  # the first step of L-BFGS-B has length one: make it that of Newton's
        gradient = scaling.T @ coordinates.gradient(np.zeros(coordinates.size), mixture, statistics)[free]
        scaling *= max(np.linalg.norm(gradient), 1e-8)
    best = [statistics.objective, mixture, statistics, np.zeros(free.size)]

    def whole(y):
        z = np.zeros(coordinates.size)
        z[free] = scaling @ y
        return z

    def slope(y, point, reached):
        return scaling.T @ coordinates.gradient(whole(y), point, reached)[free]

    def negative(y):
        if not y.any():
            point, reached = mixture, statistics
        else:
            if objective.passes_left <= 1:  # the last pass is for what the best place lacks
                raise OutOfPasses
            point = coordinates.at(whole(y))
            reached = objective.differentiate(point)
        if not np.isfinite(reached.objective):
            return IMPOSSIBLE, np.zeros_like(y)
        if reached.objective > best[0]:
            best[:] = reached.objective, point, reached, y.copy()
        return -reached.objective, -slope(y, point, reached)

    if free.size == 0:
        return mixture, statistics, 0.0
    iterations = ITERATIONS if sample is None else WHITENED_ITERATIONS
    options = {"maxiter": iterations, "maxcor": MEMORY, "ftol": 0.0, "gtol": 1e-10}
    try:
        result = minimize(negative, np.zeros(free.size), jac=True, method="L-BFGS-B", options=options)
    except OutOfPasses:
        return best[1], _informed(best[1], best[2], objective), np.inf
    _, point, reached, y = best
    gradient = slope(y, point, reached)
    gain = float(0.5 * gradient @ result.hess_inv.dot(gradient))
    return point, _informed(point, reached, objective), gain


def _whitening(coordinates, objective, sample, free):
    """The map from coordinates in which the sample's Hessian is the identity, where it is not flat."""
    statistics = sample.expect(coordinates.mixture)
    share = objective.data.total_weight / sample.data.total_weight
    values, vectors = np.linalg.eigh(-share * hessian(coordinates, statistics, sample, free))
    return vectors / np.sqrt(np.maximum(np.abs(values), FLATTEST))


def _informed(mixture, statistics, objective):
    return objective.expect(mixture) if statistics.information is None else statistics
