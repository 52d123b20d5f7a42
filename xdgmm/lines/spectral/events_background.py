"""The background of events: uniform, linear or a power law in the true positions, measured with each event's error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from xdgmm.errors import InputError

Array = NDArray[np.float64]
Range = tuple[float, float]

BACKGROUNDS = "uniform", "linear", "power law"
FAR = 8.3  # errors: the probability beyond is 5e-17
EDGE_NODES = 32  # of Gauss and Legendre's rule over 2 FAR errors: 1e-12 of the integral
NODES = 16  # of Gauss and Hermite's rule, exact for polynomials of degree 31
STEEPEST = 60.0  # logarithm of the ratio of a power law at both ends
LEAST_DISTANCE = 10.0  # errors between a power law that goes on and zero
AT_ONCE = 50_000


class Shape(Protocol):
    """A density of true positions t, normalised over a range, with parameters p (P,).

    Attributes
    ----------
    ends : (low, high)
        The range.
    start, low, high : ndarray (P,)
        First values of the parameters, and their bounds.
    names : tuple of str
        Of the parameters.
    is_kept : bool
        Is the density, where it goes on, the same after convolution with a Gaussian?
    """

    @property
    def ends(self) -> Range: ...  # noqa: D102
    @property
    def start(self) -> Array: ...  # noqa: D102
    @property
    def low(self) -> Array: ...  # noqa: D102
    @property
    def high(self) -> Array: ...  # noqa: D102
    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def is_kept(self) -> bool: ...  # noqa: D102

    def density(self, t: Array, p: Array) -> Array:
        """Density at t, in the range and beyond."""

    def density_by(self, t: Array, p: Array) -> Array:
        """Its derivatives by the parameters (P, ...)."""

    def integral(self, t: Array, p: Array) -> Array:
        """Integral of the density from the lower end of the range."""

    def integral_by(self, t: Array, p: Array) -> Array:
        """Its derivatives by the parameters (P, ...)."""


@dataclass(frozen=True)
class Straight:
    """``(1 + s tau) / (b - a)``, tau going from -1 at a to 1 at b; uniform without the slope s."""

    ends: Range
    sloped: bool

    is_kept = True

    @property
    def names(self) -> tuple[str, ...]:
        """Only a slope."""
        return ("slope",) if self.sloped else ()

    @property
    def start(self) -> Array:
        """Uniform."""
        return np.zeros(int(self.sloped))

    @property
    def low(self) -> Array:
        """Down to zero at the upper end."""
        return np.full(int(self.sloped), -1.0)

    @property
    def high(self) -> Array:
        """Down to zero at the lower end."""
        return np.full(int(self.sloped), 1.0)

    def density(self, t: Array, p: Array) -> Array:
        """Density at t."""
        return np.asarray((1.0 + p.sum() * self._tau(t)) / self._length)

    def density_by(self, t: Array, p: Array) -> Array:  # noqa: ARG002
        """Its derivative by the slope."""
        return self._rows(self._tau(t) / self._length)

    def integral(self, t: Array, p: Array) -> Array:
        """From the lower end."""
        tau = self._tau(t)
        return np.asarray(0.5 * (tau + 1.0) + 0.25 * p.sum() * (tau**2 - 1.0))

    def integral_by(self, t: Array, p: Array) -> Array:  # noqa: ARG002
        """Its derivative by the slope."""
        return self._rows(0.25 * (self._tau(t) ** 2 - 1.0))

    def _tau(self, t: Array) -> Array:
        return np.asarray((2.0 * t - self.ends[0] - self.ends[1]) / self._length)

    @property
    def _length(self) -> float:
        return self.ends[1] - self.ends[0]

    def _rows(self, row: Array) -> Array:
        return row[None] if self.sloped else np.zeros((0, *row.shape))


@dataclass(frozen=True)
class PowerLaw:
    """Proportional to ``t^-index``."""

    ends: Range

    names = ("index",)
    is_kept = False

    @property
    def start(self) -> Array:
        """Uniform."""
        return np.zeros(1)

    @property
    def low(self) -> Array:
        """As steep as numbers allow."""
        return -self.high

    @property
    def high(self) -> Array:
        """As steep as numbers allow."""
        return np.array([STEEPEST / self._log_ratio])

    def density(self, t: Array, p: Array) -> Array:
        """Density at t."""
        return np.asarray(
            np.exp(-p[0] * np.log(t / self.ends[0])) / (self.ends[0] * _powers(1.0 - p[0], self._log_ratio))
        )

    def density_by(self, t: Array, p: Array) -> Array:
        """Its derivative by the index."""
        mean = _mean_log(1.0 - p[0], self._log_ratio)
        return np.asarray((self.density(t, p) * (mean - np.log(t / self.ends[0])))[None])

    def integral(self, t: Array, p: Array) -> Array:
        """From the lower end."""
        k = 1.0 - p[0]
        return np.asarray(_powers(k, np.log(t / self.ends[0])) / _powers(k, self._log_ratio))

    def integral_by(self, t: Array, p: Array) -> Array:
        """Its derivative by the index."""
        k, x = 1.0 - p[0], np.log(t / self.ends[0])
        of_x = np.divide(_powers_by(k, x), _powers(k, self._log_ratio))
        return np.asarray((self.integral(t, p) * _mean_log(k, self._log_ratio) - of_x)[None])

    @property
    def _log_ratio(self) -> float:
        return float(np.log(self.ends[1] / self.ends[0]))


def _powers(k: float, x: Any) -> Any:
    """``(exp(k x) - 1) / k``: the integral of ``exp(k x)`` from zero."""
    return np.expm1(k * x) / k if abs(k) > 1e-12 else x * (1.0 + 0.5 * k * x)


def _powers_by(k: float, x: Any) -> Any:
    """Its derivative by k, from a power series where ``k x`` is small."""
    u = np.asarray(k * x)
    small = np.abs(u) < 0.05
    series = x * x * (0.5 + u * (1 / 3 + u * (1 / 8 + u * (1 / 30 + u * (1 / 144 + u * (1 / 840 + u / 5760))))))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(small, series, (x * np.exp(u) - _powers(k, x)) / (k or 1.0))


def _mean_log(k: float, x: float) -> float:
    """Derivative of the logarithm of `_powers` by k."""
    return float(_powers_by(k, x) / _powers(k, x))


@dataclass(frozen=True)
class EventBackground:
    """A background as it is observed.

    Attributes
    ----------
    shape : Shape
        Of the true positions, normalised over `ends`, or else over the window.
    ends : (low, high) or None
        Where true positions end; None for a background that goes on beyond the window.
    """

    shape: Shape
    ends: Range | None

    @classmethod
    def of(cls, kind: str | None, window: Range | None, ends: Range | None, largest: float) -> EventBackground | None:
        """From what a user gave; `largest` is the largest error.

        Raises
        ------
        InputError
            If there is no such background, it has no range, or a power law reaches zero.
        """
        if kind is None:
            if ends is not None:
                raise InputError("`background_range` was given without a `background`")
            return None
        if kind not in BACKGROUNDS:
            raise InputError(f"`background` is {kind!r}, but it must be one of {', '.join(BACKGROUNDS)}, or None")
        own = ends or window
        if own is None:
            raise InputError("a background needs `window`: the range (low, high) of the events that are fitted")
        if kind != "power law":
            return cls(Straight(own, sloped=kind == "linear"), ends)
        if ends is None and own[0] <= LEAST_DISTANCE * largest:
            raise InputError(
                f"a power law that goes on below the window, at {own[0]:g}, has no end before zero for errors of "
                f"{largest:g}; give `background_range=(low, high)`, in which it is"
            )
        if own[0] <= 0:
            raise InputError(f"a power law needs positive positions, but its range begins at {own[0]:g}")
        return cls(PowerLaw(own), ends)

    def densities(self, x: Array, errors: Array, p: Array) -> Array:
        """Density of observed positions x (N,) of events with errors (N,)."""
        return np.asarray(self._blurred(lambda t: self.shape.density(t, p)[None], x, errors)[0])

    def densities_by(self, x: Array, errors: Array, p: Array) -> Array:
        """Its derivatives by the parameters (P, N)."""
        return self._blurred(lambda t: self.shape.density_by(t, p), x, errors)

    def between(self, low: Array, high: Array, errors: Array, p: Array) -> Array:
        """Integral of the density over observed positions from low to high (N,)."""
        return np.asarray(self._integral(high, errors, p) - self._integral(low, errors, p))

    def between_by(self, low: Array, high: Array, errors: Array, p: Array) -> Array:
        """Its derivatives by the parameters (P, N)."""
        by = [self._blurred(lambda t: self.shape.integral_by(t, p), x, errors) for x in (low, high)]
        return np.asarray(by[1] - by[0])

    def _integral(self, x: Array, errors: Array, p: Array) -> Array:
        """Integral of the density up to x, but for a constant."""
        inside = self._blurred(lambda t: self.shape.integral(t, p)[None], x, errors)[0]
        if self.ends is None:
            return np.asarray(inside)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(inside + np.where(errors > 0, ndtr((x - self.ends[1]) / errors), x > self.ends[1]))

    def _blurred(self, function: Callable[[Array], Array], x: Array, errors: Array) -> Array:
        """Convolution of functions (m, n) with the error of each event, over the range: (m, N)."""
        if self.ends is None:
            return function(x) if self.shape.is_kept else blurred(function, x, errors)
        return blurred_within(function, x, errors, self.ends)


def blurred(function: Callable[[Array], Array], x: Array, errors: Array) -> Array:
    """Means of functions (m, n) of x plus normal errors (N,): (m, N), by Gauss and Hermite's rule."""
    nodes, weights = _hermite()
    parts = [function(x[rows, None] + errors[rows, None] * nodes) @ weights for rows in _parts(x.size)]
    return np.concatenate(parts, axis=1)


def blurred_within(function: Callable[[Array], Array], x: Array, errors: Array, ends: Range) -> Array:
    """The same of functions that are zero outside a range."""
    low, high = np.maximum(x - FAR * errors, ends[0]), np.minimum(x + FAR * errors, ends[1])
    within = (x - FAR * errors >= ends[0]) & (x + FAR * errors <= ends[1])
    result = np.zeros((len(function(np.full(1, ends[0]))), x.size))
    if within.any():
        result[:, within] = blurred(function, x[within], errors[within])
    cut = np.flatnonzero(~within & (low < high))
    nodes, weights = _legendre()
    for part in _parts(cut.size):
        rows = cut[part]
        half = 0.5 * (high - low)[rows]
        t = (0.5 * (low + high)[rows])[:, None] + half[:, None] * nodes
        z = (t - x[rows, None]) / errors[rows, None]
        normal = np.exp(-0.5 * z**2) * weights * (half / errors[rows] / np.sqrt(2.0 * np.pi))[:, None]
        result[:, rows] = (function(t) * normal).sum(axis=2)
    return result


def _parts(n: int) -> list[slice]:
    return [slice(i, min(i + AT_ONCE, n)) for i in range(0, n, AT_ONCE)]


@cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(EDGE_NODES)


@cache
def _hermite() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()
