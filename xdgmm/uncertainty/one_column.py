"""Many small samples of one Gaussian in one column, each with its maximum likelihood: simulations for calibration.

The samples are rows of arrays, and all are maximised together: over the mean in closed form, over the variance on a
grid and then by golden sections, so that the highest of several maxima is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .calibration import SignedRoots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GRID = 28  # variances at which each likelihood is evaluated
SECTIONS = 34  # golden sections after that
GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)
SMALLEST = 1e-6  # variance of exact values, relative to their scatter, from which the search starts
PILOT = 400  # samples at each value on the way to an end
AT_A_TIME = 200_000  # values of the samples maximised together
SAMPLES, WORK = 400_000, 100_000_000  # for one end at most: samples, and values in them


class OneColumn:
    """Values (N,) with the variances of their noise (N,) and weights (N,), and samples like them."""

    def __init__(self, values: Floats, variances: Floats, weights: Floats) -> None:
        self.values, self.variances, self.weights = values, variances, weights
        self.exact = bool((variances == 0).any())

    def maximum(self, x: Floats, mean: float | None = None) -> tuple[Floats, Floats]:
        """Variance (R,) and log-likelihood (R,) at the maximum of each sample (R, N), with the mean free or held."""
        centre = x.mean(axis=1) if mean is None else mean
        largest = ((x - np.reshape(centre, (-1, 1))) ** 2).max(axis=1) + 1e-300
        unit = self._unit(largest)
        smallest = np.log1p(SMALLEST * largest / unit) if self.exact else 0.0
        far = np.log1p(largest / unit)
        places = smallest + (far - smallest) * np.arange(GRID)[:, None] / (GRID - 1)
        heights = np.array([self._at(unit * np.expm1(place), x, mean) for place in places])
        best = heights.argmax(axis=0)
        rows = np.arange(len(x))
        low, high = places[np.maximum(best - 1, 0), rows], places[np.minimum(best + 1, GRID - 1), rows]
        place, height = self._sections(low, high, unit, x, mean)
        edge = heights[0] >= height
        variance = np.where(edge, unit * np.expm1(places[0]), unit * np.expm1(place))
        return variance, np.maximum(heights[0], height)

    def _unit(self, largest: Floats) -> Floats:
        """The variance below which the grid is linear, above which it is geometric."""
        smallest = self.variances.min()
        return np.full_like(largest, smallest) if smallest > 0 else 1e-3 * largest

    def _sections(
        self, low: Floats, high: Floats, unit: Floats, x: Floats, mean: float | None
    ) -> tuple[Floats, Floats]:
        """Golden sections between places on the scale of the grid."""

        def at(place: Floats) -> Floats:
            return self._at(unit * np.expm1(place), x, mean)

        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        of_left, of_right = at(left), at(right)
        for _ in range(SECTIONS):
            leftwards = of_left > of_right
            low, high = np.where(leftwards, low, left), np.where(leftwards, right, high)
            place = np.where(leftwards, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
            of_place = at(place)
            left, right = np.where(leftwards, place, right), np.where(leftwards, left, place)
            of_left, of_right = np.where(leftwards, of_place, of_right), np.where(leftwards, of_left, of_place)
        return np.where(of_left > of_right, left, right), np.maximum(of_left, of_right)

    def log_likelihood(self, variance: float, x: Floats, mean: float | None = None) -> Floats:
        """Of each sample (R, N) at one variance, at its best mean or the one given, without constants."""
        return self._at(np.full(len(x), variance), x, mean)

    def _at(self, variance: Floats, x: Floats, mean: float | None) -> Floats:
        whole = variance[:, None] + self.variances
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = self.weights / whole
            centre = (precision * x).sum(axis=1) / precision.sum(axis=1) if mean is None else np.full(len(x), mean)
            result = -0.5 * ((x - centre[:, None]) ** 2 * precision + self.weights * np.log(whole)).sum(axis=1)
        return np.where(np.isnan(result), -np.inf, result)

    def simulated(self, mean: float, variance: float, n_samples: int, rng: np.random.Generator) -> list[Floats]:
        """Samples of a mean and a variance, in parts that fit into memory."""
        N = self.variances.size
        most = max(AT_A_TIME // N, 1)
        sizes = [most] * (n_samples // most) + ([n_samples % most] if n_samples % most else [])
        return [mean + np.sqrt(variance + self.variances) * rng.standard_normal((size, N)) for size in sizes]


class _OneColumnRoots(SignedRoots):
    pilot = PILOT

    def __init__(self, column: OneColumn) -> None:
        self.column = column
        N = column.variances.size
        self.batch = int(np.clip(1_000_000 // N, 400, 20_000))
        self.most = int(np.clip(WORK // N, 4000, SAMPLES))

    def observed(self, value: float) -> float:
        """The signed root of the observations."""
        return float(self._roots(self.column.values[None], value)[0])

    def _roots(self, x: Floats, value: float) -> Floats:
        raise NotImplementedError

    def _signed(self, sign: Floats, free: Floats, held: Floats) -> Floats:
        return np.where(sign >= 0, 1.0, -1.0) * np.sqrt(2.0 * np.maximum(free - held, 0.0))


class WidthRoots(_OneColumnRoots):
    """Signed roots of the sigma of one column."""

    def draw(self, value: float, n_samples: int, rng: np.random.Generator) -> Floats:
        """Signed roots of samples of this sigma; their mean does not matter."""
        parts = self.column.simulated(0.0, value**2, n_samples, rng)
        return np.concatenate([self._roots(part, value) for part in parts])

    def _roots(self, x: Floats, value: float) -> Floats:
        variance, free = self.column.maximum(x)
        return self._signed(variance - value**2, free, self.column.log_likelihood(value**2, x))


class MeanRoots(_OneColumnRoots):
    """Signed roots of the mean of one column.

    Parameters
    ----------
    column : OneColumn
        In coordinates of order one, since variances are squares.
    unit : float
        Values of the mean are divided by this to be in the units of the column.
    """

    def __init__(self, column: OneColumn, unit: float = 1.0) -> None:
        super().__init__(column)
        self.unit = unit

    def draw(self, value: float, n_samples: int, rng: np.random.Generator) -> Floats:
        """Signed roots of samples of this mean, with the sigma that fits the observations best at it."""
        mean = value / self.unit
        variance = self.column.maximum(self.column.values[None], mean)[0]
        parts = self.column.simulated(mean, float(variance[0]), n_samples, rng)
        return np.concatenate([self._roots(part, value) for part in parts])

    def _roots(self, x: Floats, value: float) -> Floats:
        variance, free = self.column.maximum(x)
        precision = self.column.weights / (variance[:, None] + self.column.variances)
        centre = (precision * x).sum(axis=1) / precision.sum(axis=1)
        mean = value / self.unit
        return self._signed(centre - mean, free, self.column.maximum(x, mean)[1])
