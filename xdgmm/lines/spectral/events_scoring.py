"""Newton's steps between bounds for a fit of events; second derivatives are those of a sample where there are many."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf

from .events_model import EventModel
from .scoring import FIRST_DAMPING, MOST_STEPS, STRONGEST, TOLERANCE, bounded_step

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEP = 1e-3  # of differences of the gradient, in errors of the parameter
ROUNDING = 1e-13  # of the log-likelihood and of the number of events: error of a sum
LEAST_CURVATURE = 1e-2  # in units of the information: of the metric where a second derivative has the wrong sign
LEAST_PIVOT = 1e-9  # of a matrix with a diagonal of ones, below which it does not count as positive


@dataclass(frozen=True)
class Problem:
    """A model between bounds.

    Attributes
    ----------
    model : EventModel
    low, high : ndarray (P,)
        Bounds.
    """

    model: EventModel
    low: Array
    high: Array

    def holding(self, theta: Array, held: Mask) -> Problem:
        """The same with some parameters held where they are."""
        return replace(self, low=np.where(held, theta, self.low), high=np.where(held, theta, self.high))


@dataclass(frozen=True)
class Optimum:
    """Where the steps ended.

    Attributes
    ----------
    theta : ndarray (P,)
    value : float
        Log-likelihood, log-prior included.
    gradient : ndarray (P,)
    converged : bool
    n_steps : int
    """

    theta: Array
    value: float
    gradient: Array
    converged: bool
    n_steps: int


def maximise(problem: Problem, theta: Array, tolerance: float = TOLERANCE, most_steps: int = MOST_STEPS) -> Optimum:
    """Climb from theta to a maximum between the bounds."""
    low, high, model = problem.low, problem.high, problem.model
    theta = np.clip(theta, low, high)
    value, gradient = model.likelihood(theta)
    damping = FIRST_DAMPING
    for n_steps in range(most_steps):
        information = metric(problem, theta)
        slack = ROUNDING * (abs(value) + model.events.total)
        found = None
        while damping < STRONGEST:
            step, gain = bounded_step(low, high, theta, information, gradient, damping)
            if abs(gain) < tolerance:
                last = model.likelihood(theta + step) if gain > 0.0 else None
                if last is not None and last.value >= value - slack:
                    theta, value, gradient = theta + step, *last
                return Optimum(theta, value, gradient, damping < 1.0 or gain == 0.0, n_steps)
            found = model.likelihood(theta + step) if gain > 0.0 else None
            if found is not None and found.value >= value - (slack if gain < 100.0 * slack else 0.0):
                break
            damping *= 8.0
            found = None
        if found is None:
            return Optimum(theta, value, gradient, gain < slack, n_steps)
        damping = max(damping / 8.0, 1e-12)
        theta, value, gradient = np.clip(theta + step, low, high), found.value, found.gradient
    return Optimum(theta, value, gradient, converged=False, n_steps=most_steps)


def metric(problem: Problem, theta: Array) -> Array:
    """Second derivatives with a minus, of a sample; with absolute values of their eigenvalues where some are negative.

    Eigenvalues are those in units of the information that the scores of single events give on each parameter.
    """
    scores = problem.model.sampled.information(theta).diagonal()
    free = np.flatnonzero((problem.low < problem.high) & (scores > 0))
    found = curvature(problem.model.sampled, theta, problem.low, scores, free)
    places = np.ix_(free, free)
    if not is_positive(found[places]):
        root = np.sqrt(scores[free])
        values, vectors = np.linalg.eigh(found[places] / (root * root[:, None]))
        found[places] = (vectors * np.maximum(np.abs(values), LEAST_CURVATURE)) @ vectors.T * (root * root[:, None])
    return found


def curvature(model: EventModel, theta: Array, low: Array, scores: Array, which: NDArray[np.intp]) -> Array:
    """Second derivatives with a minus (P, P), by differences of the gradient; zero for parameters that are left out.

    Parameters
    ----------
    model : EventModel
    theta, low : ndarray (P,)
        The point, and lower bounds that no difference crosses.
    scores : ndarray (P,)
        Information on each parameter, from which steps are taken.
    which : ndarray of int
        Parameters that are not left out.
    """
    result = np.zeros((theta.size, theta.size))
    for i in which:
        unit = np.zeros(theta.size)
        unit[i] = STEP / np.sqrt(scores[i])
        if theta[i] - unit[i] >= low[i]:
            difference = model.likelihood(theta + unit).gradient - model.likelihood(theta - unit).gradient
        else:
            here, one, two = (model.likelihood(theta + k * unit).gradient for k in range(3))
            difference = 4.0 * one - two - 3.0 * here
        result[i, which] = -difference[which] / (2.0 * unit[i])
    return 0.5 * (result + result.T)


def is_positive(matrix: Array) -> bool:
    """Is a symmetric matrix positive definite, whatever the scales of its rows?"""
    diagonal = matrix.diagonal()
    if not matrix.size or not (diagonal > 0).all():
        return not matrix.size
    scaled = matrix / np.sqrt(diagonal * diagonal[:, None])
    factor, failed = dpotrf(scaled, lower=1)
    return not failed and bool((factor.diagonal() ** 2 > LEAST_PIVOT).all())
