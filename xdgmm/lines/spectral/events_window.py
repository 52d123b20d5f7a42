"""Events as pictures show them: a histogram, and what is expected in its bins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .curves import Expected, Pixels

if TYPE_CHECKING:
    from .events_solution import EventSolution

Array = NDArray[np.float64]

SCOTT = 3.49  # width of bins over sigma, times the cube root of the number (Scott 1979, Biometrika 66, 605)
FEWEST_BINS, MOST_BINS = 10, 400
PARTS = 3  # positions in a bin at which densities are computed
QUANTILES = 32  # of the errors, which stand for all of them


@dataclass(frozen=True, eq=False)
class EventWindow:
    """The window of a fit of events, in bins.

    Attributes
    ----------
    solution : EventSolution
    """

    solution: EventSolution
    name = ""
    piece = 0
    quantity = "events"
    has_positions = True
    data_unit = None

    @property
    def x_unit(self) -> Any:
        """Of the axis."""
        return self.solution.table.axis.unit

    @cached_property
    def window(self) -> tuple[float, float]:
        """The range that was fitted, or that of all events."""
        events = self.solution.model.events
        return self.solution.model.window or (float(events.x.min()), float(events.x.max()))

    @cached_property
    def _edges(self) -> Array:
        """Edges of bins that are right for the line that needs the narrowest ones."""
        solution = self.solution
        table, (low, high) = solution.table, self.window
        intrinsic = (solution.variances.values[table.group] + table.thermal) * table.per_kms**2
        sigmas, fluxes = np.sqrt(intrinsic + solution.instrument**2), solution.fluxes.values
        widths = SCOTT * sigmas / np.cbrt(np.maximum(fluxes, 1.0))
        n = int(np.clip(np.ceil((high - low) / np.nanmin(widths)), FEWEST_BINS, MOST_BINS))
        return np.linspace(low, high, n + 1)

    def pixels(self, margin: float) -> Pixels:  # noqa: ARG002 - events beside the window are not kept
        """The histogram of the events."""
        events, edges = self.solution.model.events, self._edges
        low, high = edges[:-1], edges[1:]
        x = 0.5 * (low + high)
        counts = np.histogram(events.x, edges, weights=events.weights)[0]
        errors = np.sqrt(self.expected(low, high, x).total)
        return Pixels(x, low, high, counts, errors, np.ones(x.size, bool))

    def edges(self, x: Array) -> tuple[Array, Array]:
        """Edges of bins as wide as those of the histogram."""
        half = 0.5 * (self._edges[1] - self._edges[0])
        return x - half, x + half

    def expected(self, low: Array, high: Array, x: Array) -> Expected:  # noqa: ARG002 - bins are all there is
        """Events of lines and background that are expected in bins."""
        model, theta, at = self.solution.model, self.solution.theta, _inside(low, high)
        lines, background = np.zeros((model.table.group.size, at.size)), np.zeros(at.size)
        for error, weight in zip(*self._errors, strict=True):
            sigma = np.full(at.size, error)
            found = model.densities(theta, at.ravel(), sigma, self._blur(at.ravel(), sigma))
            lines += weight * found[0]
            background += weight * found[1]
        rows = np.concatenate([lines, background[None]]).reshape(-1, *at.shape).mean(axis=1) * (high - low)
        return Expected(rows.sum(axis=0), rows[:-1], rows[-1])

    def instrument(self, line: int, low: Array, high: Array, x: Array) -> Array:  # noqa: ARG002
        """A line without a width of its own, with the errors of the events."""
        model, theta = self.solution.model, self.solution.theta
        at = _inside(low, high) - model.means(theta)[0][line]
        result = np.zeros(at.shape)
        for error, weight in zip(*self._errors, strict=True):
            variances = model.instrument_variances(theta)[line] + error**2
            for own, variance in zip(model.weights[line], variances, strict=True):
                result += weight * own * np.exp(-0.5 * at**2 / variance) / np.sqrt(2.0 * np.pi * variance)
        return np.asarray(result.mean(axis=0) * (high - low))

    @cached_property
    def _errors(self) -> tuple[Array, Array]:
        """Quantiles of the errors of the events, and their weights."""
        events = self.solution.model.events
        if np.ptp(events.sigma) == 0.0:
            return events.sigma[:1], np.ones(1)
        order = np.argsort(events.sigma)
        below = np.cumsum(events.weights[order]) / events.total
        ranks = np.searchsorted(below, (np.arange(QUANTILES) + 0.5) / QUANTILES)
        return events.sigma[order][ranks], np.full(QUANTILES, 1.0 / QUANTILES)

    def _blur(self, x: Array, sigma: Array) -> Array:
        """Errors with which the background is measured: of the events, or of the instrument where they are."""
        events = self.solution.model.events
        if events.sigma.any():
            return sigma
        order = np.argsort(events.x)
        return np.interp(x, events.x[order], events.blur[order])


def _inside(low: Array, high: Array) -> Array:
    """Positions (PARTS, n) in bins (n,), in the middle of equal parts."""
    fractions = (np.arange(PARTS) + 0.5) / PARTS
    return np.asarray(low + fractions[:, None] * (high - low))
