"""True values that are uniform between two edges, and known only to lie below or above a limit with an error.

For an upper limit L with error e the integral over the edges is

    int_a^b Phi((L - v) / e) dv = G(L - a) - G(L - b),     G(z) = z Phi(z / e) + e phi(z / e),

and a lower limit is an upper one of -v.  All functions take and return arrays of one number for each object (n,).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import erfcx, log_ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Signs = NDArray[np.int8]

FAR = 50.0  # errors below zero from which on a series is exact
BISECTIONS = 50  # of an interval between two edges
DEPTH = 40.0  # nats below the highest density at which it is nothing
WIDE = 9.0  # errors from the limit: Phi is 0 or 1 there but for rounding
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(40)
ROOT_TWO_OVER_PI = np.sqrt(2.0 / np.pi)


class LimitsInBoxes(NamedTuple):
    """Limits (n,), their errors, signs (-1 for an upper limit, 1 for a lower one), and the edges of each."""

    limits: Floats
    errors: Floats
    signs: Signs
    low: Floats
    high: Floats

    def log_integrals(self) -> Floats:
        """Logarithm of the integral of the probability of the limit over the true values between the edges."""
        limits, low, high = self._as_upper()
        above, below = _log_integral_to(limits - low, self.errors), _log_integral_to(limits - high, self.errors)
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = above + np.log1p(-np.exp(below - above))
        return np.where(above > -np.inf, difference, -np.inf)

    def edge_slopes(self) -> tuple[Floats, Floats]:
        """Derivatives of `log_integrals` with respect to the lower and to the upper edge."""
        integrals = self.log_integrals()
        inside = [-self.signs * (self.limits - edge) for edge in (self.low, self.high)]
        by_low, by_high = (np.exp(_log_normal(each, self.errors) - integrals) for each in inside)
        return -by_low, by_high

    def moments(self) -> tuple[Floats, Floats]:
        """Mean and variance of the true values between the edges, given their limits; uniform if these are excluded."""
        limits, low, high = self._as_upper()
        ends = [limits + step * self.errors for step in (-WIDE, 0.0, WIDE)]
        beyond = np.maximum(low - limits, self.errors)  # of a box beyond the limit: it falls as exp(-v beyond / e^2)
        with np.errstate(invalid="ignore"):
            ends.append(low + np.nan_to_num(DEPTH * self.errors**2 / beyond))
        pieces = np.sort([low, *(np.clip(end, low, high) for end in ends), high], axis=0)
        middle = 0.5 * (low + high)
        sums = np.zeros((3, len(limits)))
        highest = _log_normal(limits - low, self.errors)
        highest = np.where(highest > -np.inf, highest, 0.0)
        for start, end in pairwise(pieces):
            half = 0.5 * (end - start)[:, None]
            v = 0.5 * (start + end)[:, None] + half * POINTS
            p = half * WEIGHTS * np.exp(_log_normal(limits[:, None] - v, self.errors[:, None]) - highest[:, None])
            about = v - middle[:, None]
            sums += [p.sum(axis=1), (p * about).sum(axis=1), (p * about**2).sum(axis=1)]
        possible = sums[0] > 0
        total = np.where(possible, sums[0], 1.0)
        mean = np.where(possible, sums[1] / total, 0.0)
        variance = np.where(possible, sums[2] / total - mean**2, (high - low) ** 2 / 12.0)
        return -self.signs * (middle + mean), np.maximum(variance, 0.0)

    def draw(self, rng: np.random.Generator) -> Floats:
        """True values, one for each object, given their limits; uniform between the edges if these are excluded."""
        limits, low, high = self._as_upper()
        whole = self.log_integrals()
        uniform = rng.random(len(limits))
        below, above = low.copy(), high.copy()
        upper = np.full(limits.shape, -1, np.int8)
        for _ in range(BISECTIONS):
            middle = 0.5 * (below + above)
            with np.errstate(invalid="ignore"):
                part = LimitsInBoxes(limits, self.errors, upper, low, middle).log_integrals() - whole
            is_below = np.where(whole > -np.inf, np.exp(part), (middle - low) / (high - low)) < uniform
            below, above = np.where(is_below, middle, below), np.where(is_below, above, middle)
        return -self.signs * (0.5 * (below + above))

    def _as_upper(self) -> tuple[Floats, Floats, Floats]:
        """Limit and edges of an upper limit: those of -v for a lower one."""
        is_lower = self.signs > 0
        low, high = np.where(is_lower, -self.high, self.low), np.where(is_lower, -self.low, self.high)
        return np.where(is_lower, -self.limits, self.limits), low, high


def _log_normal(z: Floats, errors: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        sharp = np.where(z >= 0, 0.0, -np.inf)
        return np.where(errors > 0, log_ndtr(z / errors), sharp)


def _log_integral_to(z: Floats, errors: Floats) -> Floats:
    """``ln G(z)``: below zero ``ln(e Phi (lambda + t))``, t = z / e, from the hazard lambda = phi / Phi."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        t = np.where(errors > 0, z / errors, 0.0)
        below, above = np.minimum(t, 0.0), np.maximum(t, 0.0)
        relative = np.log(_excess(below)) + log_ndtr(below)
        of_above = np.log(above * np.exp(log_ndtr(above)) + 0.5 * ROOT_TWO_OVER_PI * np.exp(-0.5 * above**2))
        of_noisy = np.log(errors) + np.where(t > 0, of_above, relative)
        return np.where(errors > 0, of_noisy, np.log(np.maximum(z, 0.0)))


def _excess(t: Floats) -> Floats:
    """``lambda + t`` for t <= 0; far below zero by its series in 1 / t, from which nothing is lost by subtraction."""
    inverse = 1.0 / np.where(t < -FAR, t, -FAR)
    series = -inverse * (1.0 - inverse**2 * (2.0 - inverse**2 * (10.0 - inverse**2 * (74.0 - 706.0 * inverse**2))))
    return np.where(t < -FAR, series, ROOT_TWO_OVER_PI / erfcx(-t / np.sqrt(2.0)) + t)
