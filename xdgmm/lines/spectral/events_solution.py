"""What a fit of events found: the `Solution` of an `EventModel`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .events_model import EventModel
from .events_scoring import Optimum, Problem, curvature, is_positive, maximise
from .linear import solved
from .model import Table
from .solution import PROFILED, Fall, Goodness, Measured, neighbours

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-6  # events: what is left of a flux at its lower bound


@dataclass(frozen=True)
class EventSolution:
    """The maximum of an `EventModel`; errors are from second derivatives of the log-likelihood.

    Attributes
    ----------
    problem : Problem
    optimum : Optimum
    """

    problem: Problem
    optimum: Optimum
    _profiles: dict[int, dict[float, Array]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def model(self) -> EventModel:
        """Lines, background and events."""
        return self.problem.model

    @property
    def table(self) -> Table:
        """The lines."""
        return self.model.table

    @property
    def theta(self) -> Array:
        """Parameters."""
        return self.optimum.theta

    @property
    def log_likelihood(self) -> float:
        """At the maximum: of the densities of the events, normalised in the window, and of priors."""
        return self.optimum.value

    @property
    def converged(self) -> bool:
        """Did the fit reach a maximum?"""
        return self.optimum.converged

    @cached_property
    def covariance(self) -> Array:
        """Of the parameters (P, P): inverse of second derivatives, or of the products of scores where this is none.

        Infinite on the diagonal for what the events say nothing about.
        """
        scores = self.model.information(self.theta)
        known = np.flatnonzero(scores.diagonal() > 0)
        places = np.ix_(known, known)
        found = curvature(self.model, self.theta, self.problem.low, scores.diagonal(), known)[places]
        result = np.diag(np.where(scores.diagonal() > 0, 0.0, np.inf))
        result[places] = solved(found if is_positive(found) else scores[places], np.eye(known.size))
        return result

    @property
    def velocities(self) -> Measured:
        """Of the groups, in km/s."""
        return self._measured(self.model.layout.velocities)

    @property
    def variances(self) -> Measured:
        """Intrinsic variances of the groups, in (km/s)^2."""
        return self._measured(self.model.layout.variances)

    @property
    def lowest_variances(self) -> Array:
        """Lowest variances that were possible (G,)."""
        return self.problem.low[self.model.layout.variances]

    @property
    def highest_variances(self) -> Array:
        """Highest variances that were possible (G,)."""
        return self.problem.high[self.model.layout.variances]

    @property
    def velocity_bounds(self) -> Array:
        """Lowest and highest velocities that were possible (G, 2)."""
        which = self.model.layout.velocities
        return np.stack([self.problem.low[which], self.problem.high[which]], axis=1)

    @property
    def background(self) -> tuple[Measured, Measured] | None:
        """Number of events in the background (1,), and the parameters of its shape (P,); None without one."""
        if self.model.background is None:
            return None
        return self._measured(self.model.layout.number), self._measured(self.model.layout.shape)

    def _measured(self, which: slice) -> Measured:
        return Measured(self.theta[which], np.sqrt(self.covariance.diagonal()[which]))

    @property
    def log_scale(self) -> Measured | None:
        """Of the instrument, where its width was fitted."""
        return self._measured(self.model.layout.scale) if self.model.error else None

    @property
    def positions(self) -> Measured:
        """Of the lines."""
        means, slopes = self.model.means(self.theta)
        return Measured(means, np.abs(slopes) * self.velocities.errors[self.table.group])

    @property
    def fluxes(self) -> Measured:
        """Expected events in the lines, with the part of them that lies outside the window."""
        values = self.model.line_fluxes(self.theta)
        return Measured(np.where(values < NEGLIGIBLE, 0.0, values), self._errors_of(self._flux_gradients()))

    def _flux_gradients(self) -> Array:
        """Derivatives of the fluxes of lines by all parameters (L, P)."""
        table, layout = self.table, self.model.layout
        lines = np.arange(table.group.size)
        result = np.zeros((lines.size, layout.size))
        result[lines, layout.fluxes.start + table.flux] = self.model.ratios(self.theta)
        for at, line in enumerate(table.bounded, layout.ratios.start):
            result[line, at] = self.theta[layout.fluxes.start + table.flux[line]]
        return result

    def _errors_of(self, gradients: Array) -> Array:
        known = np.isfinite(self.covariance.diagonal())
        places = np.ix_(known, known)
        variances = np.einsum("li,ij,lj->l", gradients[:, known], self.covariance[places], gradients[:, known])
        unknown = (gradients[:, ~known] != 0).any(axis=1)
        return np.where(unknown, np.inf, np.sqrt(np.maximum(variances, 0.0)))

    @property
    def equivalent_widths(self) -> Measured | None:
        """Flux over background at the line, in the unit of the axis."""
        background, layout = self.model.background, self.model.layout
        if background is None:
            return None
        number, shape = float(self.theta[layout.number][0]), self.theta[layout.shape]
        means = self.positions.values
        low, high = background.shape.ends
        means = np.where((means >= low) & (means <= high), means, np.nan)
        density = background.shape.density(means, shape)
        values = self.fluxes.values / (number * density)
        by_all = self._flux_gradients() / (number * density)[:, None]
        by_all[:, layout.number] = -(values / number)[:, None]
        by_all[:, layout.shape] = (-values / density * background.shape.density_by(means, shape)).T
        return Measured(values, self._errors_of(by_all))

    @cached_property
    def instrument(self) -> Array:
        """Sigma of the instrument at the lines, or the rms error of their events, in the unit of the axis."""
        own = (self.model.weights * self.model.instrument_variances(self.theta)).sum(axis=1)
        events = self.model.events
        if np.ptp(events.sigma) == 0.0:
            return np.asarray(np.sqrt(own + events.sigma[0] ** 2))
        sums = np.zeros((2, self.table.group.size))
        for part in events.parts(100_000):
            lines, background = self.model.densities(self.theta, part.x, part.sigma, part.blur)
            with np.errstate(invalid="ignore"):
                members = np.nan_to_num(part.weights * lines / (lines.sum(axis=0) + background))
            sums += members @ part.sigma**2, members.sum(axis=1)
        return np.asarray(np.sqrt(sums[0] / sums[1]))

    @property
    def observed_variance_errors(self) -> Array:
        """Errors of the variances of the lines as observed (L,): of intrinsic variance and instrument together."""
        table, layout = self.table, self.model.layout
        lines = np.arange(table.group.size)
        gradients = np.zeros((lines.size, layout.size))
        gradients[lines, layout.variances.start + table.group] = table.per_kms**2
        by_log_scale = 2.0 * (self.model.weights * self.model.instrument_variances(self.theta)).sum(axis=1)
        gradients[:, layout.scale] = by_log_scale[:, None]
        if layout.scatters.stop > layout.scatters.start:
            gradients[lines, layout.scatters.start + lines] = by_log_scale
        return self._errors_of(gradients)

    @cached_property
    def goodness(self) -> Goodness:
        """Chi-squared of the events in bins in which the model expects the same number; NaN for weighted events."""
        from .events_goodness import goodness_of

        return goodness_of(self.problem, self.theta)

    def profile(self, group: int, variance: float) -> Fall:
        """The profile likelihood of the intrinsic variance of a group, started from what is expected or known."""
        at = self.model.layout.variances.start + group
        known = self._profiles.setdefault(group, {float(self.theta[at]): self.theta})
        held = np.arange(self.theta.size) == at
        found = []
        for other in neighbours(known, variance, both=self.table.crowded):
            theta = known[other] + self._along(at) * (variance - other)
            theta[at] = variance
            found.append(maximise(self.problem.holding(theta, held), theta, PROFILED))
        best = max(found, key=lambda optimum: optimum.value)
        known[variance] = best.theta
        return Fall(self.log_likelihood - best.value, float(best.gradient[at]))

    def _along(self, at: int) -> Array:
        """How parameters move with one of them, where the likelihood is normal."""
        column = self.covariance[:, at]
        return np.where(np.isfinite(column), column / column[at], 0.0) if np.isfinite(column[at]) else 0.0 * column
