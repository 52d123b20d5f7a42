"""What to look at of each line: not detected, too near to the edge of its window, too few pixels, at a bound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .solution import Solution

EDGE = 2.0  # observed sigmas between a line and the edge of its window, below which it is flagged
FEWEST_PIXELS = 3
DETECTED = 3.0  # errors of its flux that a line which is detected has at least
HALF_WIDTH = 1.1774100225154747  # sigmas, of half the full width at half maximum


def flags_of(solution: Solution, sigmas: Any, windows: Any, centres: Any) -> list[str]:
    """A text for each line, empty where there is nothing.

    Parameters
    ----------
    solution : Solution
    sigmas : ndarray (L,)
        Of the lines as observed.
    windows : sequence of (low, high)
        Ranges that were fitted.
    centres : ndarray (n,), or None
        Pixels that were fitted; None for events.
    """
    positions = solution.positions.values
    return [
        "; ".join(_flags(solution, line, positions[line], sigmas[line], windows, centres))
        for line in range(positions.size)
    ]


def _flags(solution: Solution, line: int, position: float, sigma: float, windows: Any, centres: Any) -> Iterator[str]:
    window = next(((low, high) for low, high in windows if low <= position <= high), None)
    if window is None:
        yield "outside the windows"
    elif min(position - window[0], window[1] - position) < EDGE * sigma:
        yield "at the edge of its window"
    if centres is not None and window is not None:
        inside = np.abs(centres - position) < max(HALF_WIDTH * sigma, 0.0)
        if inside.sum() < FEWEST_PIXELS:
            yield f"{inside.sum()} pixel{'s' if inside.sum() != 1 else ''} in its width"
    group = solution.table.group[line]
    low, high = solution.lowest_variances[group], solution.highest_variances[group]
    variance = solution.variances.values[group]
    if variance <= low or variance >= high:
        yield "its width is at a bound"
    if solution.velocities.values[group] in solution.velocity_bounds[group]:
        yield "its velocity is at a bound"
    flux, error = (each[line] for each in solution.fluxes)
    if not np.isfinite(error):
        yield "no flux"
    elif abs(flux) < DETECTED * error:
        yield "not detected"
