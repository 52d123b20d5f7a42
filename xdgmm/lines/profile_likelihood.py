"""Profile likelihoods: of the width of one line, exact; of one number of a population, through a spline.

One line: ``ln s_obs ~ N(ln s, r^2)`` and ``ln L_obs ~ N(ln L, f^2)``, and ``V = s^2 - L^2 >= 0``.  Relative errors r
of the width and f of the instrument are what a fit of a line and a calibration have.  A pair (s, L) has the deviance of
its distance from what was measured, in errors; so the profile likelihood of V falls by q^2/2 where V is extreme over
the ellipse of radius q.

A population: where D(m) is twice the fall of the profile likelihood, ``z = sign(m - best) sqrt(D)`` is a smooth line,
straight near the maximum and logarithmic far from it where errors are large.  So a few nodes, equally spaced in
``arsinh((m - best) / error)``, and a cubic spline through them are as good as D itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from xdgmm.basics.quantiles import normal_quantile

HALVINGS = 30  # V is stationary along the ellipse, so that an angle good to 1e-9 is exact
SPACING = 0.3  # of nodes, in arsinh(distance / error)
FARTHEST = 6.0  # errors from the maximum
MOST_NODES = 50  # on either side, where the likelihood hardly falls
FINE = 4001

Array = NDArray[np.float64]


def signed_root(log_width: Array, r: Array, log_lsf: Array, f: Array) -> Array:
    """How many errors a width is above that of the instrument; below, where negative: standard normal if V = 0."""
    return (log_width - log_lsf) / np.hypot(r, f)


def interval(log_width: Array, r: Array, log_lsf: Array, f: Array, level: float) -> tuple[Array, Array]:
    """Ends of the profile-likelihood interval of sqrt(V), V >= 0, at a level: both finite, the lower one 0 or more."""
    radius = _radius(normal_quantile(0.5 + 0.5 * level), signed_root(log_width, r, log_lsf, f))
    low = _extreme(log_width, r, log_lsf, f, -radius)
    high = _extreme(log_width, r, log_lsf, f, radius)
    return np.sqrt(np.maximum(low, 0.0)), np.sqrt(np.maximum(high, 0.0))  # rounding can make both negative


def upper_limit(log_width: Array, r: Array, log_lsf: Array, f: Array, level: float) -> Array:
    """Where the profile likelihood of sqrt(V) has fallen by ``z(level)^2 / 2`` from its maximum over V >= 0."""
    radius = _radius(normal_quantile(level), signed_root(log_width, r, log_lsf, f))
    # where the instrument is a thousand times wider, rounding can make it negative
    return np.asarray(np.sqrt(np.maximum(_extreme(log_width, r, log_lsf, f, radius), 0.0)))


def _radius(quantile: float, root: Array) -> Array:
    """Below the instrument the maximum over V >= 0 is already ``root^2`` above that over all V."""
    return np.hypot(quantile, np.minimum(root, 0.0))


@np.errstate(over="ignore")  # with an error hundreds of times the width there is no limit: infinity
def _extreme(log_width: Array, r: Array, log_lsf: Array, f: Array, radius: Array) -> Array:
    """The largest V over the ellipse of a radius (the smallest, where it is negative)."""
    low, high = np.zeros(np.shape(radius)), np.full(np.shape(radius), 0.5 * np.pi)
    for _ in range(HALVINGS):
        angle = 0.5 * (low + high)
        width = np.exp(2.0 * (log_width + radius * r * np.cos(angle)))
        lsf = np.exp(2.0 * (log_lsf - radius * f * np.sin(angle)))
        further = f * lsf * np.cos(angle) > r * width * np.sin(angle)
        low, high = np.where(further, angle, low), np.where(further, high, angle)
    return np.asarray(
        np.exp(2.0 * (log_width + radius * r * np.cos(angle))) - np.exp(2.0 * (log_lsf - radius * f * np.sin(angle)))
    )


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

    def __init__(self, profile: Callable[[float], float], best: float, error: float, shift: float = 0.0) -> None:
        top = profile(best)
        below, above = (_nodes(profile, top, best, side * error) for side in (-1.0, 1.0))
        places = np.concatenate([-below[0][::-1], [0.0], above[0]])
        curve = CubicSpline(places, np.concatenate([-below[1][::-1], [0.0], above[1]]))
        fine = np.linspace(places[0], places[-1], FINE)
        numbers, z, slope = best + error * np.sinh(fine), curve(fine), curve(fine, 1) / (error * np.cosh(fine))
        # D(m) = min_a z(a)^2 + ((m - a) / shift)^2 is least where m - a = shift^2 z z'
        self.best = best
        self._numbers, self._roots = numbers + shift**2 * z * slope, z * np.sqrt(1.0 + (shift * slope) ** 2)

    def at(self, number: float) -> float:
        """Errors between the maximum and a number: negative below it."""
        return _line(number, self._numbers, self._roots)

    def where(self, root: float) -> float:
        """The number that is so many errors from the maximum."""
        return _line(root, self._roots, self._numbers)

    def interval(self, level: float, least: float = -np.inf) -> tuple[float, float]:
        """Where twice the log-likelihood has fallen by the quantile from its maximum over numbers from `least` on."""
        below = self._below(least)
        radius = np.hypot(normal_quantile(0.5 + 0.5 * level), below)
        return max(self.where(-radius), least), self.where(radius)

    def upper_limit(self, level: float, least: float = -np.inf) -> float:
        """One-sided upper limit by the same rule."""
        return self.where(np.hypot(normal_quantile(level), self._below(least)))

    def _below(self, least: float) -> float:
        return self.at(least) if self.best < least else 0.0


def _nodes(profile: Callable[[float], float], top: float, best: float, error: float) -> tuple[Array, Array]:
    """Distances (as arsinh) on one side of the maximum and the signed roots there, until these are large."""
    places: list[float] = []
    roots: list[float] = []
    while len(roots) < MOST_NODES and (not roots or roots[-1] < FARTHEST):
        places.append(SPACING * (len(places) + 1))
        fall = top - profile(best + error * float(np.sinh(places[-1])))
        roots.append(float(np.sqrt(2.0 * max(fall, 0.0))))
    return np.array(places), np.array(roots)


def _line(x: float, xs: Array, ys: Array) -> float:
    """Linear interpolation, continued beyond the ends."""
    i = np.clip(np.searchsorted(xs, x), 1, xs.size - 1)
    return float(ys[i - 1] + (x - xs[i - 1]) * (ys[i] - ys[i - 1]) / (xs[i] - xs[i - 1]))
