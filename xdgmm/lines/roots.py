"""The profile likelihood of one number as a signed root: errors from the maximum, with a common shift put in.

Where D(m) is twice the fall of the profile likelihood, ``z = sign(m - best) sqrt(D)`` is nearly a straight line, so a
few nodes and a cubic spline through them are as good as D itself.
"""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.stats import norm

NODES = np.linspace(-6.0, 6.0, 13)  # errors from the maximum
FINE = 4001


class SignedRoot:
    """Profile of a number, from which intervals, limits and probabilities are read.

    Parameters
    ----------
    profile : callable
        Log-likelihood, maximised over everything else, at a value of the number.
    best, error : float
        Where it is largest, and roughly how wide.
    shift : float
        1-sigma of a shift that is common to all data, known from elsewhere and normal: it is profiled out.
    """

    def __init__(self, profile, best, error, shift=0.0):
        nodes = best + error * NODES
        fall = profile(best) - np.array([profile(node) for node in nodes])
        curve = CubicSpline(nodes, np.sign(NODES) * np.sqrt(2.0 * np.maximum(fall, 0.0)))
        fine = np.linspace(nodes[0], nodes[-1], FINE)
        z, slope = curve(fine), curve(fine, 1)
        # D(m) = min_a z(a)^2 + ((m - a) / shift)^2 is least where m - a = shift^2 z z'
        self.best = best
        self._numbers, self._roots = fine + shift**2 * z * slope, z * np.sqrt(1.0 + (shift * slope) ** 2)

    def at(self, number):
        """Errors between the maximum and a number: negative below it."""
        return float(_line(number, self._numbers, self._roots))

    def where(self, root):
        """The number that is so many errors from the maximum."""
        return float(_line(root, self._roots, self._numbers))

    def interval(self, level, least=-np.inf):
        """Where twice the log-likelihood has fallen by the quantile from its maximum over numbers from `least` on."""
        below = self._below(least)
        radius = np.hypot(norm.ppf(0.5 + 0.5 * level), below)
        return max(self.where(-radius), least), self.where(radius)

    def upper_limit(self, level, least=-np.inf):
        """One-sided upper limit by the same rule."""
        return self.where(np.hypot(norm.ppf(level), self._below(least)))

    def _below(self, least):
        return self.at(least) if self.best < least else 0.0


def _line(x, xs, ys):
    """Linear interpolation, continued beyond the ends."""
    i = np.clip(np.searchsorted(xs, x), 1, xs.size - 1)
    return ys[i - 1] + (x - xs[i - 1]) * (ys[i] - ys[i - 1]) / (xs[i] - xs[i - 1])
