"""Fisher scoring for a few nonlinear parameters, the linear ones being solved for at every point.

For normal errors this is variable projection (Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413) with the Jacobian of
Kaufman (1975, BIT 15, 49), damped after Levenberg and Marquardt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .likelihoods import Likelihood, Normal
from .linear import solved

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_STEPS = 200
TOLERANCE = 1e-12  # gain in lnL that a step promises, below which a fit has converged
ROUNDING = 1e-12  # relative to lnL: gains below it cannot be seen
NEGLIGIBLE = (
    1e-6  # gain that is left where no step gains anything: counts at the boundary have rounding errors like this
)
STRONGEST = 1e12  # damping above which no step gains anything
FIRST_DAMPING = 1e-3
LONG = 0.25  # of the distance from a lower bound is left after a long step
POOR, MODERATE = 0.25, 0.25  # fraction of the gain that it promised, and the least damping of the next step
AT_ONCE = 20_000  # pixels at all points that are computed together


class Expectation(Protocol):
    """What is expected at a point theta (P,) of the nonlinear parameters, linear in coefficients (C,)."""

    def columns(self, theta: Array) -> tuple[Array, Array | float]:
        """Columns (C, n) that the coefficients multiply, and what is added (n,)."""

    def columns_of_many(self, thetas: Array) -> tuple[Array, Array]:
        """The same for points (K, P): columns (K, C, n), and what is added (K, n)."""

    def derivatives(self, theta: Array, coefficients: Array) -> Array:
        """Derivatives (P, n) of what is expected by the nonlinear parameters."""


@dataclass(frozen=True)
class Problem:
    """What is maximised: likelihood and normal priors, between bounds.

    Attributes
    ----------
    expectation : Expectation
    likelihood : Likelihood
    low, high : ndarray (P,)
        Bounds.
    prior_mean, prior_precision : ndarray (P,)
        Of normal priors; with a precision of 0 there is none, and the mean is where the parameter begins.
    """

    expectation: Expectation
    likelihood: Likelihood
    low: Array
    high: Array
    prior_mean: Array
    prior_precision: Array

    def holding(self, theta: Array, held: Mask) -> Problem:
        """The same with some parameters held where they are."""
        return replace(self, low=np.where(held, theta, self.low), high=np.where(held, theta, self.high))

    def with_values(self, values: Array) -> Problem:
        """The same with other measurements."""
        return replace(self, likelihood=self.likelihood.with_values(values))

    def drawn(self, point: Point, rng: np.random.Generator) -> Problem:
        """The same with measurements drawn from a point, those of what priors say included."""
        has_prior = self.prior_precision > 0
        error = np.where(has_prior, 1.0, 0.0) / np.sqrt(np.where(has_prior, self.prior_precision, 1.0))
        mean = np.where(has_prior, point.theta + error * rng.standard_normal(error.size), self.prior_mean)
        return replace(self, likelihood=self.likelihood.drawn(point.expected, rng), prior_mean=mean)

    def at(self, theta: Array, start: Array | None = None) -> Point | None:
        """The point of best coefficients; None where there are none that are possible."""
        columns, offset = self.expectation.columns(theta)
        coefficients = self.likelihood.coefficients(columns, offset, start)
        if coefficients is None:
            return None
        expected = coefficients @ columns + offset
        value = self.likelihood.value(expected) - 0.5 * float(self.prior_precision @ (theta - self.prior_mean) ** 2)
        return Point(theta, coefficients, columns, expected, value) if np.isfinite(value) else None

    def values(self, thetas: Array) -> Array:
        """Values at points (K, P), each with its best coefficients; -inf where there are none that are possible."""
        if not isinstance(self.likelihood, Normal):
            points = [self.at(theta) for theta in thetas]
            return np.array([-np.inf if point is None else point.value for point in points])
        at_once = max(1, AT_ONCE // self.likelihood.values.size)
        found = [
            self.likelihood.highest(*self.expectation.columns_of_many(thetas[first : first + at_once]))
            for first in range(0, len(thetas), at_once)
        ]
        return np.concatenate(found) - 0.5 * (thetas - self.prior_mean) ** 2 @ self.prior_precision


@dataclass(frozen=True)
class Point:
    """A point of the parameters, with the best coefficients there.

    Attributes
    ----------
    theta : ndarray (P,)
    coefficients : ndarray (C,)
    columns : ndarray (C, n)
    expected : ndarray (n,)
    value : float
        Log-likelihood and log-prior.
    """

    theta: Array
    coefficients: Array
    columns: Array
    expected: Array
    value: float


@dataclass(frozen=True)
class Maximum:
    """Where scoring ended.

    Attributes
    ----------
    point : Point
    information : ndarray (C + P, C + P)
        Expected information of coefficients and nonlinear parameters, priors included.
    gradient : ndarray (P,)
        Of the log-likelihood by the nonlinear parameters, those that are held included.
    converged : bool
    n_steps : int
    """

    point: Point
    information: Array
    gradient: Array
    converged: bool
    n_steps: int

    @property
    def covariance(self) -> Array:
        """Inverse of the information (C + P, C + P)."""
        return solved(self.information, np.eye(len(self.information)))


def maximise(problem: Problem, theta: Array, tolerance: float = TOLERANCE, most_steps: int = MOST_STEPS) -> Maximum:
    """Climb from theta to a maximum between the bounds.

    Raises
    ------
    FloatingPointError
        If nothing finite is expected at the start.
    """
    point = problem.at(np.clip(theta, problem.low, problem.high))
    if point is None:
        raise FloatingPointError("nothing finite is expected at the start")
    damping = FIRST_DAMPING
    for n_steps in range(most_steps):
        information, gradient = _quadratic(problem, point)
        reduced = _without_coefficients(information, point.coefficients.size)
        better, promised = None, 0.0
        while damping < STRONGEST:
            step, gain = bounded_step(problem.low, problem.high, point.theta, reduced, gradient, damping)
            promised = max(promised, gain)
            if gain < tolerance:
                converged = damping < 1.0 or promised < max(ROUNDING * (1.0 + abs(point.value)), NEGLIGIBLE)
                return Maximum(point, information, gradient, converged, n_steps)
            better = problem.at(point.theta + step, point.coefficients)
            if better is not None and better.value >= point.value and not _trapped(problem, point, better):
                break
            damping *= 8.0
        if better is None or better.value < point.value:
            return Maximum(point, information, gradient, converged=False, n_steps=n_steps)
        # a step that gains little of what it promises has gone too far, and so would the next
        too_far = better.value - point.value < POOR * gain
        damping = max(4.0 * damping, MODERATE) if too_far else max(damping / 8.0, 1e-12)
        point = better
    information, gradient = _quadratic(problem, point)
    reduced = _without_coefficients(information, point.coefficients.size)
    _, gain = bounded_step(problem.low, problem.high, point.theta, reduced, gradient, 0.0)
    return Maximum(point, information, gradient, gain < NEGLIGIBLE, most_steps)


def _trapped(problem: Problem, point: Point, better: Point) -> bool:
    """Has a long step gone towards a lower bound, to where nothing pulls it up or down any more?

    A line far narrower than a pixel looks the same whatever its width is: a step that went too far would end there.
    """
    low = problem.low
    before, after = point.theta - low, better.theta - low
    fallen = np.isfinite(low) & (before > 0.0) & (after <= LONG * before)
    if not fallen.any():
        return False
    pull = np.abs(_quadratic(problem, better)[1]) * before
    return bool((pull[fallen] < NEGLIGIBLE).any())


def _quadratic(problem: Problem, point: Point) -> tuple[Array, Array]:
    """Information of coefficients and nonlinear parameters, and the gradient of the latter."""
    slopes = problem.expectation.derivatives(point.theta, point.coefficients)
    rows = np.concatenate([point.columns, slopes])
    precision = problem.likelihood.precision(point.expected)
    information = rows @ (rows.T if precision is None else (rows * precision).T)
    n = point.coefficients.size
    places = np.arange(n, len(rows))
    information[places, places] += problem.prior_precision
    gradient = slopes @ problem.likelihood.score(point.expected) - problem.prior_precision * (
        point.theta - problem.prior_mean
    )
    return information, gradient


def _without_coefficients(information: Array, n: int) -> Array:
    """Information of the nonlinear parameters, the coefficients being maximised over."""
    of_both = information[:n, n:]
    return np.asarray(information[n:, n:] - of_both.T @ solved(information[:n, :n], of_both))


def bounded_step(
    low: Array, high: Array, theta: Array, information: Array, gradient: Array, damping: float
) -> tuple[Array, float]:
    """A damped step from theta that stays between bounds (P,), and the gain in lnL that it promises."""
    free = ((theta > low) | (gradient > 0)) & ((theta < high) | (gradient < 0)) & (information.diagonal() > 0)
    step = np.zeros_like(theta)
    for _ in range(theta.size + 1):
        places = free.nonzero()[0]
        if not places.size:
            break
        step[places] = 0.0
        # what bounds have cut off acts on the others
        pull = (gradient - information @ step)[places]
        matrix = information[places[:, None], places]
        matrix.flat[:: places.size + 1] *= 1.0 + damping
        step[places] = solved(matrix, pull)
        wanted = theta + step
        cut = free & ((wanted < low) | (wanted > high))
        if not cut.any():
            break
        step[cut] = (np.where(wanted < low, low, high) - theta)[cut]
        free &= ~cut
    step = np.minimum(np.maximum(theta + step, low), high) - theta
    return step, float(gradient @ step - 0.5 * step @ information @ step)
