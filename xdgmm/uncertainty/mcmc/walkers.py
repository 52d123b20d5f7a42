"""Where walkers start: draws from the Laplace approximation, spread in log-sigma where a width is near zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.linalg import symmetric
from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from xdgmm.fitting import Statistics
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.mixture import GaussianMixture

    from .posterior import Posterior

Array = NDArray[np.float64]

NEAR_ZERO = 0.5  # standard errors of a variance below which a width counts as near zero, and from which walkers start
FIRST_STEP, DROP = 1e-3, 0.5  # steps double until the log-posterior has fallen by so many nats ...
LONGEST = 3.0  # ... or are so long: a factor of 20 in sigma
FLATTEST = 0.02  # smallest curvature along a principal direction, in units of one over the steps squared
DEEPEST = 10.0  # nats below the start, and two more for each dimension, at which no walker starts
SHRINKINGS = 40


@dataclass(frozen=True, eq=False)
class Centre:
    """The point around which walkers start.

    Attributes
    ----------
    z : ndarray (P,)
    spread : ndarray of bool (P,)
        Which coordinates are log-sigmas of a component that has a width near zero.
    """

    z: Array
    spread: NDArray[np.bool_]


def starting_points(posterior: Posterior, n_walkers: int, rng: np.random.Generator) -> Array:
    """Where the walkers start, (n_walkers, P): all different, all of finite posterior.

    Raises
    ------
    InputError
        If the prior or the posterior is zero at the fit.
    """
    centre = _centre(posterior)
    top = posterior(centre.z[None])[0]
    if not np.isfinite(top):
        raise InputError("the posterior density is zero at the fit, so no walker can start there; widen the prior")
    P = centre.z.size
    down, up = _steps(posterior, centre.z, top)
    root = _root(posterior, centre.z, top, np.minimum(down, up))
    z = centre.z + rng.standard_normal((n_walkers, P)) @ root.T
    places = np.flatnonzero(centre.spread)
    z[:, places] = centre.z[places] + rng.uniform(-2 * down[places], 2 * up[places], (n_walkers, places.size))
    return _with_posterior_above(posterior, z, centre.z, top - DEEPEST - 2.0 * P)


def _with_posterior_above(posterior: Posterior, z: Array, centre: Array, lowest: float) -> Array:
    """The same walkers, moved towards the centre until their posterior is not too low."""
    for _ in range(SHRINKINGS):
        low = posterior(z) < lowest
        if not low.any():
            return z
        z[low] = 0.5 * (z[low] + centre)
    raise InputError("the prior has zero density around the fit, so no walker can start there; widen it")


def _centre(posterior: Posterior) -> Centre:
    """The fit, away from the boundary: no width near zero, no weight of zero."""
    statistics = posterior.statistics()
    mixture, raised = _regular(posterior.mixture, posterior.constraints, statistics)
    coordinates = posterior.coordinates
    all_weights = mixture.all_weights.copy()
    free = coordinates.free_weights
    all_weights[free] = np.maximum(all_weights[free], coordinates.rest / statistics.total_weight)
    all_weights[free] *= coordinates.rest / max(all_weights[free].sum(), 1e-300)
    z = coordinates.of(mixture.with_parameters(all_weights, mixture.means, mixture.covariances))
    spread = np.zeros(z.size, bool)
    spread[coordinates.sigmas] = [raised[coordinates.sigma_of == n].any() for n in range(coordinates.axis_of.size)]
    z[coordinates.sigmas] = _within_support(posterior, z[coordinates.sigmas], spread[coordinates.sigmas])
    return Centre(z, spread)


def _regular(
    mixture: GaussianMixture, constraints: Constraints, statistics: Statistics
) -> tuple[GaussianMixture, NDArray[np.bool_]]:
    """The mixture with every width near zero raised, and where it was raised: boolean (K, D)."""
    K, D = mixture.means.shape
    q = np.maximum(statistics.n_members[:K], 1.0)
    information = statistics.information / q[:, None, None]
    L = constraints.metric(information + 1e-12 * np.eye(D), q)
    L = np.where(np.isfinite(L), L, np.eye(D))
    half = np.linalg.solve(L, mixture.covariances)
    whitened = np.asarray(np.linalg.solve(L, np.swapaxes(half, -1, -2)), dtype=float)
    values, vectors = np.linalg.eigh(symmetric(whitened))
    least = NEAR_ZERO * np.sqrt(2.0 / np.maximum(q, 2.0))[:, None]
    rotated = L @ vectors
    covariances = (rotated * np.maximum(values, least)[:, None, :]) @ np.swapaxes(rotated, -1, -2)
    changed: NDArray[np.bool_] = np.any(values < least, axis=1)
    covariances = np.where(changed[:, None, None], symmetric(covariances), mixture.covariances)
    covariances = constraints.covariances(mixture.covariances, covariances, q)
    raised = np.repeat(changed[:, None] & ~constraints.fixed_covariances[:, None], D, axis=1)
    return mixture.with_parameters(mixture.all_weights, mixture.means, covariances), raised


def _within_support(posterior: Posterior, log_sigmas: Array, raised: NDArray[np.bool_]) -> Array:
    """Log-sigmas (n,) where their prior is positive: those near zero are moved, others are refused."""
    coordinates = posterior.coordinates
    low, high = (end[coordinates.axis_of] for end in posterior.prior.sigmas.support)
    margin = np.where(np.isfinite(high - low), np.minimum(0.5, 0.25 * (high - low)), 0.5)
    inside = np.clip(log_sigmas, low + margin, high - margin)
    wrong = np.flatnonzero(~raised & ((log_sigmas < low) | (log_sigmas > high)))
    if wrong.size:
        raise InputError(_zero_density(posterior, wrong[0], np.exp(log_sigmas[wrong[0]])))
    return np.where(raised, inside, log_sigmas)


def _zero_density(posterior: Posterior, n: int, sigma: float) -> str:
    coordinates, names = posterior.coordinates, posterior.prior.names
    axis = coordinates.axis_of[n]
    unit = difference_unit(posterior.units[axis])
    value = f"{sigma * posterior.scaling.scale[axis]:.4g}" + ("" if unit is None else f" {unit}")
    return (
        f"the prior has zero density at the start: the fit's sigma of {names[axis]} in component "
        f"{coordinates.component_of[n]} is {value}, outside the range of the prior; widen it"
    )


def _steps(posterior: Posterior, z: Array, top: float) -> Array:
    """How far down and up each coordinate can go until the log-posterior has fallen by DROP: (P,) each."""
    P = z.size
    steps = np.full((2, P), FIRST_STEP)
    direction = np.array([-1.0, 1.0])[:, None]
    growing = np.ones((2, P), bool)
    while growing.any():
        points = z + (direction * steps)[..., None] * np.eye(P)
        drop = top - posterior(points.reshape(2 * P, P)).reshape(2, P)
        growing &= (drop < DROP) & (steps < LONGEST)
        steps = np.where(growing, np.minimum(2.0 * steps, LONGEST), steps)
    return steps


def _root(posterior: Posterior, z: Array, top: float, steps: Array) -> Array:
    """Root (P, P) of the covariance of the Laplace approximation, by differences over these steps."""
    values, vectors = np.linalg.eigh(_curvature(posterior, z, top, steps))
    return np.asarray(steps[:, None] * (vectors / np.sqrt(np.maximum(values, FLATTEST))) @ vectors.T)


def _curvature(posterior: Posterior, z: Array, top: float, steps: Array) -> Array:
    """Minus the second derivatives (P, P) of the log-posterior with respect to ``z / steps``."""
    P = z.size
    i, j = np.triu_indices(P, 1)
    single = np.diag(steps)
    double = single[i] + single[j]
    points = np.concatenate([single, -single, double, -double])
    f = posterior(z + points) - top
    f = np.where(np.isfinite(f), f, -10.0 * DROP)
    plus, minus, both_plus, both_minus = np.split(f, [P, 2 * P, 2 * P + i.size])
    result = np.diag(-(plus + minus))
    mixed = -0.5 * (both_plus + both_minus - (plus + minus)[i] - (plus + minus)[j])
    result[i, j] = result[j, i] = mixed
    return result
