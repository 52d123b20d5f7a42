"""The joint likelihood of mean and scatter of the true variances V of many lines.

The square of a width is observed as ``s_i^2 = V_i + o_i + noise``, with V_i drawn from N(mean, scatter^2) and o_i what
the instrument adds.  The noise is ``X (E[z] - 1) + c (z - E[z])`` with a log-normal z, where ``ln(z) / 2`` has
the standard deviation of the relative error: of the size that it has on average over lines, whatever this line's own V.
X is the pooled squared width, and ``c^2 = X^2 + scatter^2``.  So mean and scatter are right for every distribution of
V, also a skewed one, as far as the noise is small; where all lines have one V, ``s = w sqrt(z)``, and this is exact.

In ``u = E[z] + (s^2 - mean - o - X (E[z] - 1)) / c`` and ``v = (scatter^2 + variance of o) / c^2`` the likelihood of a
line is one integral.  Its derivatives by v follow from those by u, since the normal distribution solves the heat
equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from xdgmm.kernels import width_likelihoods

Array = NDArray[np.float64]

MOST_STEPS = 200
HALVINGS = 40
CLOSE = 1e-9  # nats that a step promises, below which it is the last one
SUFFICIENT = 1e-4  # of the promised gain: what a step must bring at least
SOFTNESS = 0.02  # of the squared width of the instrument: below a mean of this size the pooled V goes to zero smoothly
FARTHEST_FALL = 1e3  # nats; a scatter of zero may be impossible
WIDEST = 60  # doublings of a distance


@dataclass(frozen=True, eq=False)
class Point:
    """Log-likelihood at (mean, scatter^2), its gradient (2,) and Hessian (2, 2)."""

    numbers: Array
    value: float
    gradient: Array
    hessian: Array

    @property
    def mean(self) -> float:
        """Of the variances V."""
        return float(self.numbers[0])

    @property
    def scatter2(self) -> float:
        """Variance of V between lines."""
        return float(self.numbers[1])

    @property
    def scatter(self) -> float:
        """Standard deviation of V between lines."""
        return float(np.sqrt(self.scatter2))

    def free(self, wanted: tuple[bool, bool]) -> NDArray[np.bool_]:
        """Which of the wanted numbers can move: a scatter of zero that wants to be smaller cannot."""
        return np.array(wanted) & ~(np.array([False, self.scatter2 <= 0.0]) & (self.gradient <= 0.0))

    def step(self, free: NDArray[np.bool_]) -> Array:
        """The Newton step in the numbers that are free, upwards also where the Hessian is not negative."""
        step = np.zeros(2)
        hessian, gradient = -self.hessian[np.ix_(free, free)], self.gradient[free]
        scale = 1.0 / np.sqrt(np.abs(np.diag(hessian)) + np.finfo(float).tiny)
        curvatures, axes = np.linalg.eigh(hessian * np.outer(scale, scale))
        safe = np.maximum(np.abs(curvatures), 1e-8)
        step[free] = scale * (axes @ ((axes.T @ (scale * gradient)) / safe))
        return step

    @property
    def mean_error(self) -> float:
        """Roughly the error of the mean, by the curvature; by the gradients' size where this is not that of a top."""
        curvature = -self.hessian[0, 0]
        if self.scatter2 > 0.0 and self.hessian[1, 1] < 0.0:
            curvature += self.hessian[0, 1] ** 2 / self.hessian[1, 1]
        return float(1.0 / np.sqrt(curvature if curvature > 0.0 else abs(self.hessian[0, 0])))

    @property
    def scatter_error(self) -> float:
        """Roughly how large a scatter can be where there is none, from gradient and curvature."""
        return float((abs(self.hessian[1, 1]) + self.gradient[1] ** 2) ** -0.25)


@dataclass(frozen=True, eq=False)
class JointLikelihood:
    """Log-likelihood of the mean and the scatter^2 of V.

    Attributes
    ----------
    squares : ndarray (N,)
        Observed widths squared, less what the instrument adds.
    noise : ndarray (N,)
        Standard deviations r of the logarithms of the widths.
    centres : ndarray (N,)
        Means of these logarithms, relative to that of the pooled width.
    lsf : ndarray (N,)
        What the instrument adds to the pooled squared width.
    variances : ndarray (N,)
        Variances of what the instrument adds, independent for each line.
    fixed : ndarray (N,), optional
        Sizes c, where the noise does not follow mean and scatter; z has the mean 1 then.
    """

    squares: Array
    noise: Array
    centres: Array
    lsf: Array
    variances: Array
    fixed: Array | None = None

    def at(self, mean: float, scatter2: float) -> Point:
        """The log-likelihood with its derivatives."""
        pooled, size = self._sizes(mean, scatter2)
        c, bias = size[0], np.exp(2.0 * (self.centres + self.noise**2)) - 1.0
        away = self.squares - mean - bias * pooled[0], -1.0 - bias * pooled[1], -bias * pooled[2]
        spread = self.variances + scatter2
        found = np.empty((c.size, 5))
        width_likelihoods(
            self.centres - 2.0 * self.noise**2, self.noise, 1.0 + bias + away[0] / c, spread / c**2, found
        )
        value, first, second, third, fourth = found.T
        by_u, by_v = first, 0.5 * second
        by_uu, by_uv, by_vv = second - first**2, 0.5 * (third - first * second), 0.25 * (fourth - second**2)
        u, v = _slopes_of_ratio(away, 0.0, size, 1), _slopes_of_ratio((spread, 0.0, 0.0), 1.0, size, 2)
        log_c = _slopes_of_logarithm(size)
        gradient = [np.sum(by_u * u[k] + by_v * v[k] - log_c[k]) for k in range(2)]
        hessian = np.empty((2, 2))
        for (j, k), n in {(0, 0): 2, (0, 1): 3, (1, 1): 4}.items():
            curved = by_uu * u[j] * u[k] + by_uv * (u[j] * v[k] + u[k] * v[j]) + by_vv * v[j] * v[k]
            hessian[j, k] = hessian[k, j] = np.sum(curved + by_u * u[n] + by_v * v[n] - log_c[n])
        constant = 2.0 * (self.noise**2 - self.centres) - np.log(2.0 * c)
        return Point(np.array([mean, scatter2]), float(np.sum(value + constant)), np.array(gradient), hessian)

    def _sizes(self, mean: float, scatter2: float) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Pooled squared widths with two derivatives by m; sizes c with those by m, q = scatter^2, mm, mq, qq."""
        if self.fixed is not None:
            zero = np.zeros(self.fixed.size)
            return (self.fixed, zero, zero), (self.fixed, *[zero] * 5)
        softness = SOFTNESS * self.lsf
        root = np.sqrt(mean**2 + softness**2)
        pooled, slope = self.lsf + 0.5 * (mean + root), 0.5 * (1.0 + mean / root)
        bend = 0.5 * softness**2 / root**3
        c = np.sqrt(pooled**2 + scatter2)
        by_mean = pooled * slope / c
        by_mean2 = (slope**2 + pooled * bend - by_mean**2) / c
        return (pooled, slope, bend), (c, by_mean, 0.5 / c, by_mean2, -0.5 * by_mean / c**2, -0.25 / c**3)

    def highest(self, starts: Iterable[tuple[float, float]]) -> Point:
        """The maximum, the best of those that are found from several starts (mean, scatter^2)."""
        climbed = [self._climbed(point, (True, True)) for point in self._points(starts)]
        return max(climbed, key=lambda point: point.value)

    def highest_at_mean(self, mean: float, best: Point) -> Point:
        """The maximum over the scatter, at a mean; `best` is the maximum over both."""
        starts = [(mean, best.scatter2 + distance2) for distance2 in (0.0, (mean - best.mean) ** 2)]
        return self._climbed(max(self._points(starts), key=lambda point: point.value), (False, True))

    def highest_at_scatter2(self, scatter2: float, best: Point) -> Point:
        """The maximum over the mean, at a scatter^2; `best` is the maximum over both."""
        starts = [(best.mean, scatter2), (max(best.mean, 0.0), scatter2)]
        points = self._points(starts)
        return (
            self._climbed(max(points, key=lambda point: point.value), (True, False)) if points else self.at(*starts[0])
        )

    def _points(self, starts: Iterable[tuple[float, float]]) -> list[Point]:
        """Where the likelihood of these is not zero."""
        points = [self.at(*start) for start in dict.fromkeys(starts)]
        return [point for point in points if np.isfinite(point.value)]

    def _climbed(self, point: Point, wanted: tuple[bool, bool]) -> Point:
        """Newton steps uphill, the scatter kept from becoming negative, until none promises anything."""
        for _ in range(MOST_STEPS):
            free = point.free(wanted)
            if not free.any():
                return point
            new = self._uphill(point, point.step(free))
            if new is None:
                return point
            point, last = new
            if last:
                return point
        return point

    def _uphill(self, point: Point, step: Array) -> tuple[Point, bool] | None:
        """The point that a step, shortened as often as needed, leads to, and whether it is the last one."""
        last = float(point.gradient @ step) < CLOSE
        for _ in range(HALVINGS):
            numbers = point.numbers + step
            numbers[1] = max(numbers[1], 0.0)
            new = self.at(float(numbers[0]), float(numbers[1]))
            promised = float(point.gradient @ (numbers - point.numbers))
            if last and np.isfinite(new.value):
                return (new if new.value > point.value - CLOSE else point), True
            if point.value + SUFFICIENT * promised <= new.value < np.inf and promised > 0.0:
                return new, False
            step = 0.5 * step
        return None


def _slopes_of_ratio(top: Sequence[Any], by_scatter2: float, size: tuple[Array, ...], power: int) -> list[Array]:
    """Derivatives of ``top / c^power`` by m, q, mm, mq, qq; top with two derivatives by m, and a constant one by q."""
    c, cm, cq, cmm, cmq, cqq = size
    value, of_top, curved = top[0], (top[1], by_scatter2), (top[2], 0.0, 0.0)
    slopes = [(of_top[k] - power * value * (cm, cq)[k] / c) / c**power for k in range(2)]
    for (j, k), both, own in zip(((0, 0), (0, 1), (1, 1)), (cmm, cmq, cqq), curved, strict=True):
        product = (cm, cq)[j] * (cm, cq)[k]
        mixed = of_top[j] * (cm, cq)[k] + of_top[k] * (cm, cq)[j]
        curvature = -power * (mixed + value * both) / c + power * (power + 1) * value * product / c**2
        slopes.append((own + curvature) / c**power)
    return slopes


def _slopes_of_logarithm(size: tuple[Array, ...]) -> list[Array]:
    """Derivatives of ``ln c`` by m, q, mm, mq, qq."""
    c, cm, cq, cmm, cmq, cqq = size
    return [cm / c, cq / c, cmm / c - (cm / c) ** 2, cmq / c - cm * cq / c**2, cqq / c - (cq / c) ** 2]


def falls_to(profile: Callable[[float], float], best: float, step: float, fall: float, least: float = 0.0) -> Array:
    """Where a profile with its maximum at `best` has fallen by some nats: below (`least` if nowhere), and above."""
    top = profile(best)

    def excess(number: float) -> float:
        return min(top - profile(number) - fall, FARTHEST_FALL)

    far = best + step
    for _ in range(WIDEST):
        if excess(far) > 0.0:
            break
        far = best + 2.0 * (far - best)
    above = brentq(excess, best, far, rtol=1e-9, xtol=1e-9 * step)
    below = least if best <= least or excess(least) <= 0.0 else brentq(excess, least, best, xtol=1e-9 * step)
    return np.array([below, above])
