"""Intervals, limits and probabilities of an intrinsic variance that cannot be negative, from its profile likelihood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xdgmm.basics.quantiles import normal_cdf, normal_quantile

from .solution import Fall

MOST_STEPS = 60
PATIENCE = 5  # steps after which an end that is not enclosed is looked for much further away
NARROW = 1e-6  # errors: of a bracket in which the profile jumps from one maximum to another
CLOSE = 1e-5  # in roots: errors from the maximum


class VarianceProfile:
    """The signed root of twice the fall of the profile likelihood: errors between the maximum and a variance.

    Parameters
    ----------
    profile : callable
        `Fall` at a variance.
    best, error : float
        Variance of highest likelihood, which may be negative, and its error.
    highest : float
        Variance above which nothing is looked for.
    """

    def __init__(self, profile: Callable[[float], Fall], best: float, error: float, highest: float) -> None:
        self._profile, self.best, self.error, self.highest = profile, best, error, highest
        self._known: dict[float, tuple[float, float]] = {}

    def root(self, variance: float) -> tuple[float, float]:
        """Signed root at a variance, and its slope."""
        if variance not in self._known:
            self._known[variance] = self._computed(variance)
        return self._known[variance]

    def _computed(self, variance: float) -> tuple[float, float]:
        if variance == self.best:
            return 0.0, 1.0 / self.error
        found = self._profile(variance)
        root = np.copysign(np.sqrt(2.0 * max(found.fall, 0.0)), variance - self.best)
        return float(root), float(-found.slope / root) if root else 1.0 / self.error

    @property
    def at_zero(self) -> float:
        """Signed root at a variance of zero: negative where the best is above."""
        return self.root(0.0)[0]

    @property
    def probability_of_zero(self) -> float:
        """Of a width at least as large as found, if there were none (one-sided)."""
        return float(normal_cdf(self.at_zero))

    def interval(self, level: float) -> tuple[float, float]:
        """Ends of the interval of the variance, which is not negative."""
        radius = self._radius(normal_quantile(0.5 + 0.5 * level))
        low = 0.0 if self.best <= 0.0 or self.at_zero > -radius else self.where(-radius)
        return low, self.where(radius)

    def upper_limit(self, level: float) -> float:
        """One-sided upper limit by the same rule; infinite where the likelihood does not fall so far."""
        return self.where(self._radius(normal_quantile(level)))

    def _radius(self, quantile: float) -> float:
        """Where the best is negative, the maximum over possible variances is at zero already."""
        return float(np.hypot(quantile, self.at_zero)) if self.best < 0.0 else float(quantile)

    def where(self, root: float) -> float:
        """The variance, 0 or more, that is so many errors from the best: Newton's steps within a bracket."""
        if root < 0.0:
            low, high = 0.0, self.best
        else:
            low, high = max(self.best, 0.0), np.inf
        variance = self.best + root * self.error
        if not low <= variance <= high:
            variance = low if root > 0.0 else 0.5 * (low + high)
        for step_number in range(MOST_STEPS):
            if variance >= self.highest:
                if self.root(self.highest)[0] < root:
                    return np.inf
                variance = min(0.5 * (low + self.highest), np.nextafter(self.highest, 0.0))
                high = self.highest
            found, slope = self.root(variance)
            if abs(found - root) < CLOSE:
                break
            low, high = (variance, high) if found < root else (low, variance)
            if high - low < NARROW * self.error:
                return high if root > 0.0 else low  # the outer side of a jump
            step = (root - found) / slope if slope > 0.0 else np.inf
            guess = variance + step
            if not low < guess < high or (step_number > PATIENCE and np.isinf(high)):
                guess = 0.5 * (low + high) if np.isfinite(high) else 4.0 * variance - 3.0 * self.best + self.error
            if guess == variance:
                break
            variance = float(guess)
        else:
            return np.inf if np.isinf(high) else high
        return variance
