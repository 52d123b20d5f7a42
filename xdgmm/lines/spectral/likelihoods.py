"""How likely measurements are, given what is expected of them: normal errors, or counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .linear import all_solved, solved

Array = NDArray[np.float64]


class Likelihood(Protocol):
    """Measurements and their errors; expected values are linear in some of the parameters."""

    @property
    def values(self) -> Array: ...  # noqa: D102

    def coefficients(self, columns: Array, offset: Array | float, start: Array | None) -> Array | None:
        """Coefficients (C,) for which ``coefficients @ columns + offset`` is most likely; None if there are none."""

    def value(self, expected: Array) -> float:
        """Logarithm of the likelihood, without what does not depend on what is expected."""

    def score(self, expected: Array) -> Array:
        """Its derivative by what is expected (n,)."""

    def precision(self, expected: Array) -> Array | None:
        """Expected second derivative, with a minus (n,); None where it is 1 everywhere."""

    def curvature(self, expected: Array) -> Array | None:
        """The second derivative itself, with a minus, for Laplace's integral over coefficients; None for 1."""

    def drawn(self, expected: Array, rng: np.random.Generator) -> Likelihood:
        """The same of measurements that are drawn from what is expected."""

    def with_values(self, values: Array) -> Likelihood:
        """The same of other measurements."""


@dataclass(frozen=True)
class Normal:
    """Measurements in units of their errors, which are independent: ``lnL = -chi^2 / 2``."""

    values: Array

    def coefficients(self, columns: Array, offset: Array | float, start: Array | None) -> Array:  # noqa: ARG002
        """Linear least squares."""
        return solved(columns @ columns.T, columns @ (self.values - offset))

    def highest(self, columns: Array, offsets: Array) -> Array:
        """Values (K,) of the best coefficients of columns (K, C, n), beside offsets (K, n)."""
        left = (self.values - offsets)[:, :, None]
        best = all_solved(columns @ columns.transpose(0, 2, 1), columns @ left)
        left = left - columns.transpose(0, 2, 1) @ best
        return np.asarray(-0.5 * np.sum(left**2, axis=(1, 2)))

    def value(self, expected: Array) -> float:
        """Minus half of chi-squared."""
        left = self.values - expected
        return -0.5 * float(left @ left)

    def score(self, expected: Array) -> Array:
        """Residuals."""
        return self.values - expected

    def precision(self, expected: Array) -> None:  # noqa: ARG002
        """One everywhere."""
        return

    def curvature(self, expected: Array) -> None:  # noqa: ARG002
        """One everywhere."""
        return

    def with_values(self, values: Array) -> Normal:
        """Other measurements."""
        return Normal(values)

    def drawn(self, expected: Array, rng: np.random.Generator) -> Normal:
        """Other measurements with normal errors."""
        return Normal(expected + rng.standard_normal(expected.size))
