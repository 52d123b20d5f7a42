"""How likely counts are: Poisson's distribution, with linear coefficients for which no count expected is negative.

In the coefficients the log-likelihood is concave.  Its maximum may lie where nothing at all is expected in a bin: a
background that vanishes, or an absorption line that is black.  It is found by a few steps of EM, as for grouped data
(McLachlan & Jones 1988, Biometrics 44, 571), and primal-dual Newton steps (Nocedal & Wright 2006, *Numerical
Optimization*, ch. 19), with a logarithmic barrier of `BARRIER` in bins without counts.  The barrier remains in value,
score and precision: its slope there is the multiplier of the constraint, so that all derivatives are right at the
boundary too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .linear import solved

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BARRIER = 1e-9  # counts: the largest loss of lnL for each bin where nothing is expected
LOWEST = 1e-12  # counts expected below which the barrier is constant
UNREACHED = 1e-30  # counts: what is expected of bins with counts that no profile reaches
FAINT = 1e-15  # of the largest value of a profile, below which bins without counts set no constraint
EM_STEPS = 4
LEAST_SHARE = 1e-3  # of itself that a coefficient keeps in a step of EM
MOST_STEPS = 100
TOLERANCE = 1e-14  # gain in lnL that a step promises, below which coefficients have converged
NEARLY = 0.99  # of the way to the boundary that a step may go
SHRINK = 0.1  # of the barrier, in one step
FIRST_BARRIER = 0.1  # counts
CLEAR = 1e-3  # counts: a start this far from the boundary needs no wider barrier
INWARD = 1.0, 0.1, 0.01, 1e-4, 0.0  # fractions of the fluxes that are tried for a start inside the boundary


@dataclass(frozen=True)
class Poisson:
    """Counts in bins, and places where what is expected must not be negative though nothing is counted there.

    Attributes
    ----------
    counts : ndarray (n,)
        Whole numbers; 0 at such places.
    counted : ndarray of bool (n,)
        False at such places.
    inside : ndarray (C,)
        Coefficients of columns that are positive: 1 for those from which a start is made, 0 for others.
    n_fluxes : int
        How many of the first coefficients are fluxes.
    """

    counts: Array
    counted: Mask
    inside: Array
    n_fluxes: int

    def coefficients(self, columns: Array, offset: Array | float, start: Array | None) -> Array | None:
        """The most likely coefficients; None where no coefficients keep what is expected from being negative."""
        return _Inner.of(self, columns, offset).maximum(start)

    def value(self, expected: Array) -> float:
        """Minus half of the deviance, and the barrier; minus infinity where negative counts are expected."""
        some, none = self._parts
        if (expected[none] < -LOWEST).any():
            return -np.inf
        barrier = BARRIER * float(np.log(np.maximum(expected[none], LOWEST)).sum())
        return _falls(self.counts[some], expected[some]) - float(expected[none] @ self.counted[none]) + barrier

    def score(self, expected: Array) -> Array:
        """Derivative of the value by what is expected (n,)."""
        some, none = self._parts
        result = -self.counted.astype(float)
        result[some] += self.counts[some] / np.maximum(expected[some], UNREACHED)
        result[none] += _barrier_slopes(expected[none])
        return result

    def precision(self, expected: Array) -> Array:
        """Expected second derivative, with a minus: ``1 / mu``, and that of the barrier."""
        _, none = self._parts
        positive = expected > UNREACHED
        result = np.where(positive & self.counted, 1.0 / np.where(positive, expected, 1.0), 0.0)
        slopes = _barrier_slopes(expected[none])
        result[none] += slopes**2 / BARRIER
        return result

    def curvature(self, expected: Array) -> Array:
        """Second derivative with a minus; where the boundary holds, what gives the integral of an exponential fall.

        ``exp(-s x)`` has the integral ``1 / s``, as a normal density of curvature ``2 pi s^2`` has; all bins at the
        boundary together make s.
        """
        some, none = self._parts
        result = np.zeros(expected.size)
        result[some] = self.counts[some] / np.maximum(expected[some], UNREACHED) ** 2
        slopes = _barrier_slopes(expected[none])
        result[none] = 2.0 * np.pi * slopes * slopes.sum()
        return result

    @property
    def values(self) -> Array:
        """The counts, without places where nothing is counted."""
        return self.counts[self.counted]

    def with_values(self, values: Array) -> Poisson:
        """The same of other counts."""
        counts = np.zeros(self.counts.size)
        counts[self.counted] = values
        return replace(self, counts=counts)

    def drawn(self, expected: Array, rng: np.random.Generator) -> Poisson:
        """Other counts."""
        return self.with_values(rng.poisson(np.maximum(expected[self.counted], 0.0)).astype(float))

    def deviance(self, expected: Array) -> float:
        """Twice the fall of lnL from a model that expects just what was counted."""
        n, mu = self.counts[self.counted], np.maximum(expected[self.counted], 0.0)
        some = n > 0
        return 2.0 * (float(mu[~some].sum()) - _falls(n[some], mu[some]))

    @property
    def _parts(self) -> tuple[Mask, Mask]:
        """Bins with counts, and others."""
        some = self.counts > 0
        return some, ~some


def _falls(n: Array, expected: Array) -> float:
    """Sum of ``n ln(mu / n) - (mu - n)``, exact also where both are large and nearly the same."""
    mu = np.maximum(expected, UNREACHED)
    relative = (mu - n) / n
    near = relative > -0.5
    logarithms = np.where(near, np.log1p(np.where(near, relative, 0.0)), np.log(mu / n))
    return float(n @ (logarithms - relative))


def _barrier_slopes(expected: Array) -> Array:
    above = expected > LOWEST
    return np.where(above, BARRIER / np.where(above, expected, 1.0), 0.0)


@dataclass(frozen=True)
class _Inner:
    """The problem of the coefficients at one point: bins that profiles reach, those with counts and the others."""

    likelihood: Poisson
    n: Array
    columns: Array
    offset: Array
    none: Mask
    counted: Array

    @classmethod
    def of(cls, likelihood: Poisson, columns: Array, offset: Array | float) -> _Inner:
        size = np.abs(columns)
        largest = size.max(axis=1, initial=0.0)
        reach = (size / np.where(largest > 0, largest, 1.0)[:, None]).max(axis=0, initial=0.0)
        offset = np.broadcast_to(np.asarray(offset, dtype=float), columns.shape[1:])
        none = likelihood.counts == 0
        kept = np.where(none, reach > FAINT, reach > 0.0) | (offset != 0.0)
        return cls(
            likelihood,
            likelihood.counts[kept],
            columns[:, kept],
            offset[kept],
            none[kept],
            likelihood.counted[kept].astype(float),
        )

    def expected(self, coefficients: Array) -> Array:
        return np.asarray(coefficients @ self.columns + self.offset)

    def maximum(self, start: Array | None) -> Array | None:
        """Newton steps from a start that is known, or from one of EM."""
        c = start if start is not None and self._is_inside(start) else self._start()
        if c is None or not self.columns.shape[1]:
            return c
        expected = self.expected(c)
        clear = not self.none.any() or expected[self.none].min() > CLEAR
        barrier = BARRIER if clear else FIRST_BARRIER
        multipliers = barrier / expected[self.none]
        for _ in range(MOST_STEPS):
            step, along, gain = self._direction(expected, multipliers, barrier)
            if gain < TOLERANCE and barrier == BARRIER:
                break
            change = barrier / expected[self.none] - multipliers * (1.0 + along[self.none] / expected[self.none])
            found = self._searched(c, expected, step, along, gain, barrier)
            multipliers = multipliers + min(1.0, NEARLY * _to_boundary(multipliers, change)) * change
            if found is None:
                if barrier == BARRIER:
                    break
            else:
                c, expected = found
            barrier = max(BARRIER, SHRINK * min(barrier, self._complementarity(expected, multipliers)))
        return c

    def _complementarity(self, expected: Array, multipliers: Array) -> float:
        return float(multipliers @ expected[self.none]) / max(int(self.none.sum()), 1)

    def _direction(self, expected: Array, multipliers: Array, barrier: float) -> tuple[Array, Array, float]:
        """Newton's step, how it changes what is expected, and the gain of lnL that it promises."""
        none = self.none
        score = self.n / expected - self.counted
        score[none] += barrier / expected[none]
        curvature = self.n / expected**2
        curvature[none] = multipliers / expected[none]
        gradient = self.columns @ score
        step = solved((self.columns * curvature) @ self.columns.T, gradient)
        return step, step @ self.columns, float(gradient @ step)

    def _searched(
        self, c: Array, expected: Array, step: Array, along: Array, gain: float, barrier: float
    ) -> tuple[Array, Array] | None:
        """The step, shortened until the likelihood rises; None if it does not."""
        length = min(1.0, NEARLY * _to_boundary(expected, along))
        while length > 1e-12:
            found = self.expected(c + length * step)
            if (found > 0.0).all() and self._rise(expected, found, barrier) >= 1e-4 * length * gain - TOLERANCE:
                return c + length * step, found
            length *= 0.5
        return None

    def _rise(self, before: Array, after: Array, barrier: float) -> float:
        """By how much the likelihood and its barrier rise."""
        logarithms = np.log1p((after - before) / before)
        return float((self.n + barrier * self.none) @ logarithms - self.counted @ (after - before))

    def _start(self) -> Array | None:
        """Coefficients for which all that is expected is positive: of positive columns, improved by EM."""
        inside = self.likelihood.inside
        sums = self.columns @ self.counted
        per_count = np.where((inside > 0) & (sums > 0), 1.0 / np.where(sums > 0, sums, 1.0), 0.0)
        total = max(float(self.n.sum()), 1.0)
        for fraction in INWARD:
            c = total * per_count
            c[: self.likelihood.n_fluxes] *= fraction
            if self._is_inside(c):
                return self._improved(c, sums)
        return None

    def _improved(self, c: Array, sums: Array) -> Array:
        positive = (c > 0) & (self.columns >= 0).all(axis=1)
        for _ in range(EM_STEPS):
            share = self.columns @ (self.n / self.expected(c)) / np.where(positive, sums, 1.0)
            c = np.where(positive, c * np.maximum(share, LEAST_SHARE), c)
        return c

    def _is_inside(self, c: Array) -> bool:
        return bool((self.expected(c) > 0.0).all())


def _to_boundary(values: Array, change: Array) -> float:
    """Length of a step after which the first of some positive values is zero."""
    falls = change < 0
    return float((values[falls] / -change[falls]).min(initial=np.inf))
