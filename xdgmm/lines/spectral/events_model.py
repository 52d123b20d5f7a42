"""What is expected of events: a density of Gaussians and a background, of which a window shows a part.

The density of events at x with error e is ``sum_c a_c N(x; m_c, V_c + e^2) + n_b B(x, e)`` per unit of x, in numbers
of events; c counts lines times the Gaussians of the instrument.  The likelihood is that of a Poisson process in the
window, ``sum_i omega_i ln density_i - integral``, the errors being distributed as those of the events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, xlogy

from xdgmm.kernels import Data, pack

from .events_background import EventBackground
from .model import Table
from .starts import Sizes

Array = NDArray[np.float64]
Window = tuple[float, float]

ERROR_NODES = 40  # at which what depends on the error alone is computed
KEPT = 3  # shapes of the background whose densities are kept: a point, and two beside it
AT_ONCE = 50_000  # events whose scores are held at once
SAMPLE = 20_000  # events from which the metric of steps is taken
NARROWEST = 1e-3  # of half the window: width that is tried first, where the instrument is narrower
DEEP = 9.0  # sigmas between a line and the edges of the window, beyond which nothing of it is lost
ROOT_2PI = float(np.sqrt(2.0 * np.pi))


@dataclass(frozen=True)
class Events:
    """Observed positions of events.

    Attributes
    ----------
    x : ndarray (N,)
    sigma : ndarray (N,)
        Errors of their own; zeros where the instrument is given at the lines.
    blur : ndarray (N,)
        Errors with which the background is measured.
    weights : ndarray (N,)
        How often each event counts.
    """

    x: Array
    sigma: Array
    blur: Array
    weights: Array

    @cached_property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weights.sum())

    def sample(self, most: int) -> Events:
        """At most so many of the events, evenly over the rows, with weights that sum to the same."""
        if self.x.size <= most:
            return self
        part = self.part(np.linspace(0, self.x.size - 1, most).astype(int))
        return replace(part, weights=part.weights * (self.total / part.total))

    def parts(self, most: int) -> Iterator[Events]:
        """At most so many of the events at a time."""
        for first in range(0, self.x.size, most):
            yield self.part(slice(first, first + most))

    def part(self, rows: slice | NDArray[np.int64]) -> Events:
        """Some of the events."""
        return Events(self.x[rows], self.sigma[rows], self.blur[rows], self.weights[rows])


class ErrorNodes(NamedTuple):
    """Errors (K,) and weights (K,) with which a mean over all errors is a sum.

    It is exact for polynomials of their logarithm.  Nodes are those of Gauss and Chebyshev between the smallest and the
    largest error.
    """

    errors: Array
    weights: Array

    @classmethod
    def of(cls, errors: Array, weights: Array) -> ErrorNodes:
        """Of errors (N,) and weights (N,)."""
        low, high = float(errors.min()), float(errors.max())
        if low == high:
            return cls(np.array([low]), np.ones(1))
        smallest = max(low, 1e-6 * high)  # an error of zero is as good as one of a millionth of the largest
        middle, half = 0.5 * np.log(smallest * high), 0.5 * np.log(high / smallest)
        u = (np.log(np.maximum(errors, smallest)) - middle) / half
        angles = np.pi * (np.arange(ERROR_NODES) + 0.5) / ERROR_NODES
        of_errors = np.arccos(np.clip(u, -1.0, 1.0))
        orders = np.arange(1, ERROR_NODES)
        moments = np.array([weights @ np.cos(m * of_errors) for m in orders]) / weights.sum()
        found = (1.0 + 2.0 * moments @ np.cos(orders[:, None] * angles)) / ERROR_NODES
        return cls(np.exp(middle + half * np.cos(angles)), found)


@dataclass(frozen=True)
class Layout:
    """Where the parameters of a fit of events stand."""

    n_groups: int
    n_lines: int
    n_ratios: int
    n_fluxes: int
    scaled: bool
    scattered: bool
    n_shape: int | None

    @cached_property
    def velocities(self) -> slice:
        """Of the groups, in km/s."""
        return slice(0, self.n_groups)

    @cached_property
    def variances(self) -> slice:
        """Of the groups, in (km/s)^2."""
        return slice(self.n_groups, 2 * self.n_groups)

    @cached_property
    def scale(self) -> slice:
        """Logarithm of a factor on the instrument's width, one or none."""
        return slice(self.variances.stop, self.variances.stop + self.scaled)

    @cached_property
    def scatters(self) -> slice:
        """The same for each line, or none."""
        return slice(self.scale.stop, self.scale.stop + self.scattered * self.n_lines)

    @cached_property
    def ratios(self) -> slice:
        """Ratios of fluxes that are fitted."""
        return slice(self.scatters.stop, self.scatters.stop + self.n_ratios)

    @cached_property
    def fluxes(self) -> slice:
        """Fluxes that are parameters, in events."""
        return slice(self.ratios.stop, self.ratios.stop + self.n_fluxes)

    @cached_property
    def number(self) -> slice:
        """Number of events in the background, one or none."""
        return slice(self.fluxes.stop, self.fluxes.stop + (self.n_shape is not None))

    @cached_property
    def shape(self) -> slice:
        """Shape of the background."""
        return slice(self.number.stop, self.number.stop + (self.n_shape or 0))

    @cached_property
    def size(self) -> int:
        """How many parameters there are."""
        return int(self.shape.stop)

    @cached_property
    def amounts(self) -> slice:
        """All numbers of events."""
        return slice(self.fluxes.start, self.number.stop)


class Components(NamedTuple):
    """The Gaussians (L, J): numbers of events, means (L, 1), and variances without those of single events."""

    amounts: Array
    means: Array
    variances: Array


class Slopes(NamedTuple):
    """Derivatives of something by what components are (L, J, ...), and by the background's number and shape (..., )."""

    by_amount: Array
    by_mean: Array
    by_variance: Array
    by_number: Any
    by_shape: Array

    def minus(self, other: Slopes) -> Slopes:
        """The difference."""
        return Slopes(*(mine - its for mine, its in zip(self, other, strict=True)))


class SeenBackground(NamedTuple):
    """A background of some shape as the events see it.

    Attributes
    ----------
    data : Data
        Packed events with the density of the background.
    densities : ndarray (N,)
    slopes : ndarray (P, N)
        Derivatives of the densities by the shape.
    inside : float
        Fraction that is observed in the window.
    inside_by : ndarray (P,)
        Its derivatives by the shape.
    """

    data: Data
    densities: Array
    slopes: Array
    inside: float
    inside_by: Array


class Likelihood(NamedTuple):
    """Logarithm of the likelihood at a point, priors included, and its gradient (P,)."""

    value: float
    gradient: Array


@dataclass(frozen=True)
class EventModel:
    """Groups of lines and a background in events.

    Attributes
    ----------
    table : Table
        The lines.
    events : Events
    window : (low, high) or None
        Observed positions that are fitted; None for all.
    weights, sigmas : ndarray (L, J)
        The Gaussians of the instrument at the lines; of sigma zero where events have errors of their own.
    background : EventBackground or None
    error, scatter : float
        Fractional error of the instrument's width, shared by lines, and scatter between lines.
    prior_mean : ndarray (P,) or None
        Centres of the priors on the logarithms of the instrument's scale; None for zero.
    """

    table: Table
    events: Events
    window: Window | None
    weights: Array
    sigmas: Array
    background: EventBackground | None
    error: float = 0.0
    scatter: float = 0.0
    prior_mean: Array | None = None
    _seen: dict[bytes, SeenBackground] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def layout(self) -> Layout:
        """Where the parameters stand."""
        table = self.table
        n_shape = None if self.background is None else self.background.shape.start.size
        n_lines = table.group.size
        sizes = table.n_groups, n_lines, table.bounded.size, table.n_fluxes
        return Layout(*sizes, self.error > 0, self.scatter > 0, n_shape)

    @cached_property
    def sizes(self) -> Sizes:
        """Of each group the instrument's sigma and half of the window, in km/s (G,); and are groups `crowded`?"""
        events, table = self.events, self.table
        length = float(np.ptp(events.x)) if self.window is None else self.window[1] - self.window[0]
        firsts = [int(np.flatnonzero(table.group == g)[0]) for g in range(table.n_groups)]
        per_kms = table.per_kms[firsts]
        widest = 0.5 * length / per_kms
        own = np.hypot(float(np.median(events.sigma)), self.sigmas[firsts].max(axis=1)) / per_kms
        instrument = np.maximum(own, NARROWEST * widest)
        return Sizes(instrument, np.maximum(widest, 2.0 * instrument), table.crowded)

    @cached_property
    def precision(self) -> Array:
        """Of the priors on the instrument's scales (P,)."""
        result = np.zeros(self.layout.size)
        if self.error:
            result[self.layout.scale] = np.log1p(self.error) ** -2
        if self.scatter:
            result[self.layout.scatters] = np.log1p(self.scatter) ** -2
        return result

    @cached_property
    def sampled(self) -> EventModel:
        """The same of at most `SAMPLE` of the events."""
        return self.with_events(self.events.sample(SAMPLE))

    @cached_property
    def nodes(self) -> ErrorNodes:
        """Errors of the events."""
        return ErrorNodes.of(self.events.sigma, self.events.weights)

    @cached_property
    def blur_nodes(self) -> ErrorNodes:
        """Errors with which the background is measured."""
        return ErrorNodes.of(self.events.blur, self.events.weights)

    def with_events(self, events: Events) -> EventModel:
        """The same model of other events, whose errors count as distributed as those of the first ones."""
        other = replace(self, events=events)
        for name in ("nodes", "blur_nodes"):
            other.__dict__[name] = getattr(self, name)
        return other

    def with_instrument(self, weights: Array, sigmas: Array) -> EventModel:
        """The same with another instrument at the lines."""
        return replace(self, weights=weights, sigmas=sigmas)

    def log_scales(self, theta: Array) -> Array:
        """Logarithms of the factors on the instrument's width at the lines (L,)."""
        result = np.zeros(self.table.group.size) + theta[self.layout.scale].sum()
        return np.asarray(result + theta[self.layout.scatters] if self.scatter else result)

    def ratios(self, theta: Array) -> Array:
        """Flux of each line over the parameter that it belongs to (L,)."""
        result = self.table.ratio.copy()
        result[self.table.bounded] = theta[self.layout.ratios]
        return result

    def line_fluxes(self, theta: Array) -> Array:
        """Events in each line (L,)."""
        return np.asarray(theta[self.layout.fluxes][self.table.flux] * self.ratios(theta))

    def means(self, theta: Array) -> tuple[Array, Array]:
        """Positions of the lines (L,) and their derivatives by velocity."""
        return self.table.axis.shifted(self.table.positions, theta[self.layout.velocities][self.table.group])

    def instrument_variances(self, theta: Array) -> Array:
        """Of the Gaussians of the instrument (L, J), scaled."""
        return np.asarray((self.sigmas * np.exp(self.log_scales(theta))[:, None]) ** 2)

    def components(self, theta: Array) -> Components:
        """The Gaussians at a point."""
        table = self.table
        own = (theta[self.layout.variances][table.group] + table.thermal) * table.per_kms**2
        amounts = self.line_fluxes(theta)[:, None] * self.weights
        return Components(amounts, self.means(theta)[0][:, None], own[:, None] + self.instrument_variances(theta))

    def likelihood(self, theta: Array) -> Likelihood:
        """Value and gradient: one pass of the package's kernels."""
        parts, seen = self.components(theta), self._seen_background(theta[self.layout.shape])
        location, scale = self._standard
        number = theta[self.layout.number]
        means = np.broadcast_to(parts.means, parts.amounts.shape).reshape(-1, 1)
        standard = (
            np.append(parts.amounts.ravel(), number),
            (means - location) / scale,
            parts.variances.reshape(-1, 1, 1) / scale**2,
        )
        found = seen.data.accumulate(*standard)
        shape, n = parts.amounts.shape, parts.amounts.size
        of_events = Slopes(
            found.n_members[:n].reshape(shape) / parts.amounts,
            found.grad_mean[:, 0].reshape(shape) / scale,
            found.grad_covariance[:, 0, 0].reshape(shape) / scale**2,
            float((found.n_members[n:] / number).sum()),
            self._by_shape(seen, standard),
        )
        integral, of_integral = self.integral(theta, parts)
        total = self.events.total
        value = found.log_likelihood - total * np.log(scale) - integral + total - float(xlogy(total, total))
        off = theta - self._prior_mean
        gradient = self.chained(theta, of_events.minus(of_integral)) - self.precision * off
        return Likelihood(float(value - 0.5 * self.precision @ off**2), gradient)

    @property
    def _prior_mean(self) -> Array | float:
        return 0.0 if self.prior_mean is None else self.prior_mean

    @cached_property
    def _standard(self) -> tuple[float, float]:
        """Location and scale of the kernels' coordinates."""
        events = self.events
        width = float(np.median(events.sigma)) or float(np.median(self.sigmas)) or float(np.ptp(events.x)) or 1.0
        return float(np.median(events.x)), 2.0 ** round(np.log2(width))

    @cached_property
    def _bare(self) -> Data:
        location, scale = self._standard
        events = self.events
        noise = events.sigma[:, None] if events.sigma.any() else None
        background = None if self.background is None else np.zeros(events.x.size)
        return pack(events.x[:, None], noise, events.weights, location, scale, background=background)

    def _seen_background(self, shape: Array) -> SeenBackground:
        """The background at a shape, kept for the last few of them."""
        key = shape.tobytes()
        if key not in self._seen:
            while len(self._seen) >= KEPT:
                self._seen.pop(next(iter(self._seen)))
            self._seen[key] = self._observed(shape)
        return self._seen[key]

    def _observed(self, shape: Array) -> SeenBackground:
        if self.background is None:
            return SeenBackground(self._bare, np.zeros(0), np.zeros((0, 0)), 1.0, np.zeros(0))
        events, scale = self.events, self._standard[1]
        densities = np.maximum(self.background.densities(events.x, events.blur, shape), 0.0)  # less by rounding
        with np.errstate(divide="ignore"):
            data = self._bare.with_background(np.log(densities * scale))
        slopes = self.background.densities_by(events.x, events.blur, shape)
        if self.window is None:
            return SeenBackground(data, densities, slopes, 1.0, np.zeros(shape.size))
        errors, weights = self.blur_nodes
        ends = *(np.full(errors.size, edge) for edge in self.window), errors, shape
        inside, by_shape = (
            function(*ends) @ weights for function in (self.background.between, self.background.between_by)
        )
        return SeenBackground(data, densities, slopes, float(inside), by_shape)

    def _by_shape(self, seen: SeenBackground, standard: tuple[Array, Array, Array]) -> Array:
        """Derivatives of the log-densities of all events by the shape of the background."""
        if not len(seen.slopes):
            return np.zeros(0)
        members = seen.data.responsibilities(*standard, len(standard[1]))[:, 0] * self.events.weights
        by_density = np.divide(members, seen.densities, out=np.zeros_like(members), where=seen.densities > 0)
        return np.asarray(seen.slopes @ by_density)

    def chained(self, theta: Array, slopes: Slopes) -> Array:
        """Derivatives by the parameters (P, ...) from those by what components and background are."""
        table, layout = self.table, self.layout
        by_amount = np.einsum("lj,lj...->l...", self.weights, slopes.by_amount)
        by_scale = np.einsum("lj,lj...->l...", 2.0 * self.instrument_variances(theta), slopes.by_variance)
        fluxes = theta[layout.fluxes][table.flux]
        result = np.zeros((layout.size, *by_amount.shape[1:]))
        result[layout.velocities] = _sums(table.members * self.means(theta)[1], slopes.by_mean.sum(axis=1))
        result[layout.variances] = _sums(table.members * table.per_kms**2, slopes.by_variance.sum(axis=1))
        result[layout.scale] = by_scale.sum(axis=0)
        if self.scatter:
            result[layout.scatters] = by_scale
        result[layout.ratios] = _sums(np.diag(fluxes)[table.bounded], by_amount)
        result[layout.fluxes] = _sums(table.contributions * self.ratios(theta), by_amount)
        result[layout.number] = slopes.by_number
        result[layout.shape] = slopes.by_shape
        return result

    def integral(self, theta: Array, parts: Components | None = None) -> tuple[float, Slopes]:
        """Number of events that are expected in the window, and its derivatives."""
        parts = self.components(theta) if parts is None else parts
        inside, by_mean, by_variance = self._inside(parts)
        number, shape = theta[self.layout.number], theta[self.layout.shape]
        seen = self._seen_background(shape)
        expected = float((parts.amounts * inside).sum()) + float(number.sum()) * seen.inside
        slopes = Slopes(
            inside, parts.amounts * by_mean, parts.amounts * by_variance, seen.inside, number.sum() * seen.inside_by
        )
        return expected, slopes

    def _inside(self, parts: Components) -> tuple[Array, Array, Array]:
        """Fractions of the Gaussians in the window (L, J), and their derivatives by mean and variance."""
        nothing = np.zeros(parts.amounts.shape)
        if self.window is None:
            return np.ones(parts.amounts.shape), nothing, nothing
        low, high = self.window
        widest = np.sqrt(parts.variances + self.nodes.errors.max() ** 2)
        if (np.minimum(parts.means - low, high - parts.means) > DEEP * widest).all():
            return np.ones(parts.amounts.shape), nothing, nothing
        s = np.sqrt(parts.variances[:, :, None] + self.nodes.errors**2)
        a, b = ((edge - parts.means[:, :, None]) / s for edge in (low, high))
        of_a, of_b = (np.exp(-0.5 * z**2) / ROOT_2PI for z in (a, b))
        fractions = np.where(a > 0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
        by_mean, by_variance = (of_a - of_b) / s, 0.5 * (a * of_a - b * of_b) / s**2
        return fractions @ self.nodes.weights, by_mean @ self.nodes.weights, by_variance @ self.nodes.weights

    def densities(self, theta: Array, x: Array, sigma: Array, blur: Array) -> tuple[Array, Array]:
        """Densities of the lines (L, n), in events per unit of the axis, and of the background (n,).

        Parameters
        ----------
        theta : ndarray (P,)
        x, sigma, blur : ndarray (n,)
            Observed positions, and the errors there, as in `Events`.
        """
        parts = self.components(theta)
        s = np.sqrt(parts.variances[:, :, None] + sigma**2)
        z = (x - parts.means[:, :, None]) / s
        lines = (parts.amounts[:, :, None] * np.exp(-0.5 * z**2) / (ROOT_2PI * s)).sum(axis=1)
        if self.background is None:
            return lines, np.zeros(x.size)
        number, shape = theta[self.layout.number], theta[self.layout.shape]
        return lines, number * self.background.densities(x, blur, shape)

    def cumulative(self, theta: Array) -> Array:
        """Probability of a position below that of each event, in the window, given its error (N,)."""
        events, (low, high) = self.events, self.window or (-np.inf, np.inf)
        ends = np.full(events.x.size, low), np.full(events.x.size, high)
        below, all_of_it = (self._between(theta, ends[0], to) for to in (events.x, ends[1]))
        return below / all_of_it

    def _between(self, theta: Array, low: Array, high: Array) -> Array:
        """Events that are expected between two positions, if all had the error of one (N,)."""
        parts, events = self.components(theta), self.events
        result = np.zeros(events.x.size)
        for amount, mean, variance in zip(
            *(np.broadcast_to(p, parts.amounts.shape).ravel() for p in parts), strict=True
        ):
            s = np.sqrt(variance + events.sigma**2)
            result += amount * (ndtr((high - mean) / s) - ndtr((low - mean) / s))
        if self.background is None:
            return result
        number, shape = theta[self.layout.number], theta[self.layout.shape]
        return result + number * self.background.between(low, high, events.blur, shape)

    def information(self, theta: Array) -> Array:
        """Sum of the products of the scores of single events, and that of the priors (P, P): not negative anywhere."""
        result = np.diag(self.precision)
        for part in self.events.parts(AT_ONCE):
            scores = self.with_events(part).scores(theta)
            result += (scores * part.weights) @ scores.T
        return result

    def scores(self, theta: Array) -> Array:
        """Derivatives of the log-density of each event by the parameters (P, N), in NumPy."""
        parts, events = self.components(theta), self.events
        s2 = parts.variances[:, :, None] + events.sigma**2
        z = events.x - parts.means[:, :, None]
        with np.errstate(divide="ignore"):
            log_unit = -0.5 * z**2 / s2 - 0.5 * np.log(s2) - np.log(ROOT_2PI)
            log_terms = log_unit + np.log(parts.amounts)[:, :, None]
            shape, number = theta[self.layout.shape], theta[self.layout.number]
            seen = self._seen_background(shape)
            of_background = np.zeros(events.x.size) if self.background is None else seen.densities
            log_background = np.log(of_background * number.sum())
        highest = np.maximum(log_terms.max(axis=(0, 1)), log_background)
        total = highest + np.log(np.exp(log_terms - highest).sum(axis=(0, 1)) + np.exp(log_background - highest))
        r = np.exp(log_terms - total)
        by_number, by_shape = np.zeros(events.x.size), np.zeros((0, events.x.size))
        if self.background is not None:
            by_number = np.exp(log_background - total) / number.sum()
            by_shape = number.sum() * by_number * seen.slopes / np.where(of_background > 0, of_background, np.inf)
        slopes = Slopes(np.exp(log_unit - total), r * z / s2, 0.5 * r * (z**2 / s2 - 1.0) / s2, by_number, by_shape)
        return self.chained(theta, slopes)


def _sums(matrix: Array, rows: Array) -> Array:
    return np.asarray(np.einsum("gl,l...->g...", matrix, rows))
