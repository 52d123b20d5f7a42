"""A log-normal width whose square is normal: the integral over both densities for each line, with its derivatives.

The integrand is summed over equal steps of t, the logarithm of the width, from its highest point outward.  In t it is
normal on one side, and falls at least as fast on the other; such sums converge exponentially (Trefethen & Weideman
2014, SIAM Review 56, 385).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .compiling import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DEPTH = 34.0  # nats below the highest point at which the sum ends
STEP = 0.6  # of the standard deviation of the integrand
LONGEST_STEP = 0.07  # the integrand is analytic up to pi/8 beside the real axis
MOST_STEPS = 4000
FAR = 4.0  # standard deviations between width and mean from which there may be two maxima
CLIMBS = 60
NARROW = 0.02  # of the error of the squared width: a scatter below which derivatives are those of the noise
LOG_TWO_PI = math.log(2.0 * math.pi)


@kernel
def width_likelihoods(widths: Floats, errors: Floats, means: Floats, variances: Floats, found: Floats) -> None:
    """Write into found (N, 5) logarithms of integrals I and their first four derivatives by the mean, divided by I.

    ``I = int N(t; width, error^2) N(x; mean, variance) dx`` with ``x = exp(2 t)``; a variance of 0 puts x at the mean.
    The derivative by the variance is half the second one by the mean.
    """
    for i in range(len(widths)):
        if variances[i] > 0.0:
            _integrate(widths[i], errors[i], means[i], variances[i], found[i])
        elif means[i] > 0.0:
            found[i, 0] = _log_noise(widths[i], errors[i], 0.5 * math.log(means[i]))
            found[i, 1:] = 0.0
            _add_slopes(widths[i], errors[i], means[i], 1.0, found[i])
        else:
            found[i, :] = 0.0
            found[i, 0] = -math.inf


@kernel
def _log_noise(width: float, error: float, t: float) -> float:
    z = (width - t) / error
    return -0.5 * z * z - math.log(error) - 0.5 * LOG_TWO_PI


@kernel
def _integrate(width: float, error: float, mean: float, variance: float, found: Floats) -> None:
    sigma = math.sqrt(variance)
    top = _highest(width, error, mean, variance)
    x_top = math.exp(2.0 * top)
    reference = max(x_top, mean)
    curvature = 1.0 / error**2 + 4.0 * reference * max(2.0 * reference - mean, reference) / variance
    h = min(STEP / math.sqrt(curvature), LONGEST_STEP)
    narrow = sigma < 2.0 * NARROW * x_top * error
    highest = _log_integrand(width, error, mean, variance, top)
    total = 0.0
    found[:] = 0.0
    for direction in (-1, 1):
        for k in range(0 if direction > 0 else 1, MOST_STEPS):
            t = top + direction * k * h
            fall = _log_integrand(width, error, mean, variance, t) - highest
            if fall < -DEPTH:
                break
            fall = min(fall, 1.0)  # it is 0 at most, but rounded where the integrand is smaller than exp(-1e16)
            weight, x = math.exp(fall), math.exp(2.0 * t)
            total += weight
            if narrow:
                _add_slopes(width, error, x, weight, found)
            else:
                z = (x - mean) / sigma
                for power in range(1, 5):
                    weight *= z
                    found[power] += weight
    for power in range(1, 5):
        found[power] /= total
    if not narrow:  # Hermite polynomials
        found[4] = (found[4] - 6.0 * found[2] + 3.0) / variance**2
        found[3] = (found[3] - 3.0 * found[1]) / (variance * sigma)
        found[2] = (found[2] - 1.0) / variance
        found[1] = found[1] / sigma
    found[0] = highest + math.log(2.0 * h * total)


@kernel
def _log_integrand(width: float, error: float, mean: float, variance: float, t: float) -> float:
    """Of the integral over t, up to a factor of 2: ``dx = 2 x dt``."""
    d = math.exp(2.0 * t) - mean
    normal = -0.5 * d * d / variance - 0.5 * (LOG_TWO_PI + math.log(variance))
    return _log_noise(width, error, t) + normal + 2.0 * t


@kernel
def _highest(width: float, error: float, mean: float, variance: float) -> float:
    """Where the integrand is largest: between the peaks of its two factors."""
    root = math.sqrt(mean * mean + 4.0 * variance)
    x = 0.5 * (mean + root) if mean > 0.0 else 2.0 * variance / (root - mean)
    of_mean = 0.5 * math.log(x)
    precision = 1.0 / error**2
    precision_of_mean = 4.0 * x * (2.0 * x - mean) / variance
    low, high = min(of_mean, width), max(of_mean, width)
    start = (precision * width + precision_of_mean * of_mean) / (precision + precision_of_mean)
    best = _climb(width, error, mean, variance, low, high, start)
    distance = (width - of_mean) ** 2
    if distance * precision > FAR**2 and distance * precision_of_mean > FAR**2:
        for other in (low, high):
            there = _climb(width, error, mean, variance, low, high, other)
            gain = _log_integrand(width, error, mean, variance, there)
            if gain > _log_integrand(width, error, mean, variance, best):
                best = there
    return best


@kernel
def _climb(width: float, error: float, mean: float, variance: float, low: float, high: float, t: float) -> float:
    """The maximum that Newton steps from t lead to, kept between the last points on either side of it."""
    for _ in range(CLIMBS):
        x = math.exp(2.0 * t)
        slope = (width - t) / error**2 + 2.0 - 2.0 * x * (x - mean) / variance
        curvature = -1.0 / error**2 - 4.0 * x * (2.0 * x - mean) / variance
        if slope > 0.0:
            low = t
        else:
            high = t
        step = -slope / curvature if curvature < 0.0 else (high - low if slope > 0.0 else low - high)
        there = t + step
        if not low <= there <= high:
            there = 0.5 * (low + high)
        if abs(there - t) * math.sqrt(max(-curvature, 1.0)) < 1e-3:
            return there
        t = there
    return t


@kernel
def _add_slopes(width: float, error: float, x: float, weight: float, found: Floats) -> None:
    """Add the first four derivatives of the density of t by x, divided by that density."""
    g = 0.5 / error  # dt = dx / (2 x)
    b = (width - 0.5 * math.log(x)) / error
    p1, p2, p3, p4 = b * g, (b**2 - 1) * g**2, (b**3 - 3 * b) * g**3, (b**4 - 6 * b**2 + 3) * g**4  # by ln x
    found[1] += weight * p1 / x
    found[2] += weight * (p2 - p1) / x**2
    found[3] += weight * (p3 - 3 * p2 + 2 * p1) / x**3
    found[4] += weight * (p4 - 6 * p3 + 11 * p2 - 6 * p1) / x**4
