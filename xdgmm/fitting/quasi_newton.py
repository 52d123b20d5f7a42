"""Quasi-Newton finish: L-BFGS on the exact gradient in whitened factor coordinates (SciPy's L-BFGS-B).

Nocedal & Wright, *Numerical Optimization* (2nd ed.), sec. 7.2.  The coordinates are renewed around the current
mixture every few dozen iterations.
"""

import numpy as np
from scipy.optimize import minimize

from .coordinates import FactorCoordinates
from .statistics import OutOfPasses

ITERATIONS = 40  # between renewals of the coordinates
MEMORY = 20
IMPOSSIBLE = 1e300


def climb(mixture, statistics, likelihood, pinned=None):
    """One round of L-BFGS.

    Returns
    -------
    mixture, statistics
        The best point of the round, never below the start.
    gain : float
        Nats still to gain by the quadratic model of the round, ``g' B^-1 g / 2``.
    """
    coordinates = FactorCoordinates(mixture, statistics, pinned)
    held = ~coordinates.free(np.zeros((mixture.n_components, mixture.n_dimensions), bool))
    best = [statistics.log_likelihood, mixture, statistics, np.zeros(coordinates.size)]

    def objective(z):
        if not z.any():
            point, reached = mixture, statistics
        else:
            if likelihood.left <= 1:  # the last pass is for what the best place lacks
                raise OutOfPasses
            point = coordinates.at(z)
            reached = likelihood.differentiate(point)
        if not np.isfinite(reached.log_likelihood):
            return IMPOSSIBLE, np.zeros_like(z)
        if reached.log_likelihood > best[0]:
            best[:] = reached.log_likelihood, point, reached, z.copy()
        gradient = coordinates.gradient(z, point, reached)
        gradient[held] = 0.0
        return -reached.log_likelihood, -gradient

    options = {"maxiter": ITERATIONS, "maxcor": MEMORY, "ftol": 0.0, "gtol": 1e-10}
    try:
        result = minimize(objective, np.zeros(coordinates.size), jac=True, method="L-BFGS-B", options=options)
    except OutOfPasses:
        return best[1], _informed(best[1], best[2], likelihood), np.inf
    _, point, reached, z = best
    reached = _informed(point, reached, likelihood)
    gradient = coordinates.gradient(z, point, reached)
    gradient[held] = 0.0
    return point, reached, float(0.5 * gradient @ result.hess_inv.dot(gradient))


def _informed(mixture, statistics, likelihood):
    return likelihood.expect(mixture) if statistics.A is None else statistics
