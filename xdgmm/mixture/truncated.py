"""`TruncatedNormals`: the true values of objects of a background, given what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import noisy_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Noise

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TruncatedNormals:
    """For each of N objects a Gaussian N(w, S) in a box: the posterior of true values that are uniform in the box.

    Attributes
    ----------
    values : ndarray (N, D)
        What was measured, w; NaN where missing: the density is uniform there.
    noise : Noise
        Of the values.
    low, high : ndarray (D,)
        Corners of the box.
    """

    values: Floats
    noise: Noise
    low: Floats
    high: Floats

    def __getitem__(self, rows: Any) -> TruncatedNormals:
        """Some of the objects (a slice, indices or a mask)."""
        return TruncatedNormals(self.values[rows], self.noise.select(rows), self.low, self.high)

    @property
    def moments(self) -> tuple[Floats, Floats]:
        """Means (N, D) and covariances (N, D, D)."""
        return noisy_boxes.moments(self.values, self.noise, self.low, self.high)

    @cached_property
    def is_cut(self) -> NDArray[np.bool_]:
        """Which objects the box cuts (N,): the others are Gaussian."""
        return noisy_boxes.is_cut(self.values, self.noise, self.low, self.high)

    @cached_property
    def _log_probabilities(self) -> Floats:
        return noisy_boxes.log_probabilities(self.values, self.noise, self.low, self.high)

    def draw(self, n_samples: int, rng: np.random.Generator) -> Floats:
        """Points (N, n_samples, D)."""
        return noisy_boxes.draw(self.values, self.noise, self.low, self.high, n_samples, rng)

    def distribution(self, i: int, x: Floats) -> tuple[Floats, Floats]:
        """Probability that coordinate i lies below x, and the density there, each object having its own x (N,).

        The probability is that of the part of the box below x, relative to that of the whole box; the density is its
        slope.  The value of coordinate i must be present.
        """
        below, slope = (x >= self.high[i]).astype(float), np.zeros(len(x))
        inside = (x > self.low[i]) & (x < self.high[i])
        values, noise = self.values[inside], self.noise.select(inside)
        high = np.tile(self.high, (len(values), 1))
        high[:, i] = x[inside]
        of_part = noisy_boxes.log_probabilities(values, noise, self.low, high)
        below[inside] = np.exp(np.minimum(of_part - self._log_probabilities[inside], 0.0))
        with np.errstate(over="ignore", invalid="ignore"):
            slope[inside] = below[inside] * noisy_boxes.slopes(values, noise, self.low, high)[1][:, i]
        return below, slope
