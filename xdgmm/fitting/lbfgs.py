"""The method of limited-memory quasi-Newton steps (L-BFGS), with few microseconds between two passes.

Nocedal & Wright, *Numerical Optimization* (2nd ed.), algorithms 7.4 (steps), 3.5 and 3.6 (line search); where the
objective changes by no more than its rounding error the slope alone decides (Hager & Zhang 2005, SIAM J. Optim. 16,
170, eq. 4.1).  SciPy's L-BFGS-B takes longer for one step than a pass over a few thousand objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.kernels.compiling import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SUFFICIENT, CURVATURE = 1e-4, 0.9  # Wolfe's conditions
TRIALS = 20  # of one line search
FARTHEST = 4.0  # ratio of a step to the one before that was too short
FLAT = 1e-10  # largest derivative at which a point is the minimum
SMALLEST_CURVATURE = 1e-12  # of a pair that is remembered, relative to its change of the gradient squared


class Point(NamedTuple):
    """A point y (n,) of a minimisation, with the value and its gradient (n,)."""

    y: Floats
    value: float
    gradient: Floats


class _Trial(NamedTuple):
    """A point along a line: its distance, the derivative there."""

    step: float
    slope: float
    point: Point


class Memory:
    """The last few steps, and the changes of the gradient along them: an approximation of the inverse Hessian.

    Parameters
    ----------
    size : int
        Number of coordinates n.
    length : int
        How many steps are remembered.
    """

    def __init__(self, size: int, length: int) -> None:
        self._steps, self._changes = np.empty((length, size)), np.empty((length, size))
        self._inverse_curvatures = np.empty(length)
        self.count = 0

    def add(self, before: Point, after: Point) -> None:
        """Remember a step, unless the function is not convex along it."""
        row = self.count % len(self._steps)
        step, change = self._steps[row], self._changes[row]
        np.subtract(after.y, before.y, out=step)
        np.subtract(after.gradient, before.gradient, out=change)
        curvature = float(step @ change)
        if curvature > SMALLEST_CURVATURE * float(change @ change):
            self._inverse_curvatures[row] = 1.0 / curvature
            self.count += 1

    def forget(self) -> None:
        """Begin anew."""
        self.count = 0

    def direction(self, gradient: Floats) -> Floats:
        """Minus the inverse Hessian times a gradient (n,)."""
        result = np.empty(gradient.size)
        _two_loops(self._steps, self._changes, self._inverse_curvatures, self.count, gradient, result)
        return result


def minimise(
    function: Callable[[Floats], tuple[float, Floats]],
    start: Point,
    memory: Memory,
    *,
    iterations: int,
    first_step: float,
    rounding: float,
    small: float = 0.0,
    trusted: int = 0,
) -> Point:
    """The lowest point that some iterations reach.

    Parameters
    ----------
    function : callable
        Takes y (n,); returns the value, infinite where the point is impossible, and the gradient (n,).
    start : Point
    memory : Memory
        Empty; on return it approximates the inverse Hessian.
    iterations : int
    first_step : float
        Length of the first step relative to the gradient; coordinates are such that it is about 1 near the minimum.
    rounding : float
        Size of the rounding error of the value.
    small : float
        End where the predicted fall ``g' B^-1 g / 2`` is below this.
    trusted : int
        Steps in the memory from which on this prediction is trusted.
    """
    point, step = start, first_step
    for _ in range(iterations):
        direction = memory.direction(point.gradient)
        slope = float(point.gradient @ direction)
        is_flat = float(np.abs(point.gradient).max()) <= FLAT
        if is_flat or slope >= 0.0 or (memory.count >= trusted and -0.5 * slope < small):
            break
        following = _line_search(function, point, direction, slope, step, rounding)
        if following is None:
            length = float(np.linalg.norm(point.gradient))
            if memory.count == 0 or length == 0.0:
                break
            memory.forget()
            step = min(1.0, 1.0 / length)
            continue
        memory.add(point, following)
        point, step = following, 1.0
    return point


def _line_search(
    function: Callable[[Floats], tuple[float, Floats]],
    start: Point,
    direction: Floats,
    slope: float,
    step: float,
    rounding: float,
) -> Point | None:
    """A point along the direction that fulfils the strong conditions of Wolfe, or else the lowest; None if none is."""
    low, high = _Trial(0.0, slope, start), None
    for _ in range(TRIALS):
        y = start.y + step * direction
        value, gradient = function(y)
        trial = _Trial(step, float(gradient @ direction), Point(y, value, gradient))
        is_flat = abs(trial.slope) <= -CURVATURE * slope
        if is_flat and abs(value - start.value) <= rounding:
            return trial.point
        if not value <= start.value + SUFFICIENT * step * slope or value >= low.point.value:
            high = trial
        elif is_flat:
            return trial.point
        else:
            towards_high = 1.0 if high is None else high.step - low.step
            if trial.slope * towards_high >= 0.0:
                high = low
            low = trial
        step = _longer(low, slope) if high is None else _between(low, high)
    return None if low.step == 0.0 else low.point


def _longer(low: _Trial, slope: float) -> float:
    """The next step where the function still falls: to the minimum of the slope's straight line, within bounds."""
    change = low.slope - slope
    step = low.step * -slope / change if change > 0.0 else np.inf
    return min(max(step, 1.5 * low.step), FARTHEST * low.step)


def _between(low: _Trial, high: _Trial) -> float:
    """The next step between two: at the minimum of the cubic through them, not too near to either."""
    width = high.step - low.step
    fraction = 0.5
    if np.isfinite(high.point.value):
        rise, first, last = high.point.value - low.point.value, low.slope * width, high.slope * width
        # the cubic low + first x + b x^2 + a x^3 on 0..1
        a, b = first + last - 2.0 * rise, 3.0 * rise - 2.0 * first - last
        inside = b * b - 3.0 * a * first
        if inside >= 0.0 and b + np.sqrt(inside) > 0.0:
            fraction = -first / (b + np.sqrt(inside))
    else:
        fraction = 0.2
    return low.step + float(min(max(fraction, 0.1), 0.9)) * width


@kernel
def _two_loops(
    steps: Floats, changes: Floats, inverse_curvatures: Floats, count: int, gradient: Floats, result: Floats
) -> None:
    """Fill minus the inverse Hessian times the gradient (n,), by the two loops of algorithm 7.4."""
    length, n = steps.shape
    oldest = max(count - length, 0)
    parts = np.empty(length)
    for i in range(n):
        result[i] = -gradient[i]
    for age in range(count - oldest):
        row = (count - 1 - age) % length
        part = 0.0
        for i in range(n):
            part += steps[row, i] * result[i]
        parts[row] = part = part * inverse_curvatures[row]
        for i in range(n):
            result[i] -= part * changes[row, i]
    if count > 0:
        row = (count - 1) % length
        squares = 0.0
        for i in range(n):
            squares += changes[row, i] * changes[row, i]
        scale = 1.0 / (inverse_curvatures[row] * squares)
        for i in range(n):
            result[i] *= scale
    for index in range(oldest, count):
        row = index % length
        part = 0.0
        for i in range(n):
            part += changes[row, i] * result[i]
        part = parts[row] - part * inverse_curvatures[row]
        for i in range(n):
            result[i] += part * steps[row, i]
