"""A fit of lines as numbers: velocities, variances and fluxes, their covariance, and the profile of each variance.

`Solution` is what results are made of; fits of spectra and counts have one (`Solved`), fits of events another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .model import LineModel, Table
from .scoring import Maximum, Problem, maximise
from .starts import Sizes

Array = NDArray[np.float64]

PROFILED = 1e-8  # gain in lnL that a step promises, at which a point of a profile has converged


class Measured(NamedTuple):
    """Numbers and their 1-sigma errors."""

    values: Array
    errors: Array


class Fall(NamedTuple):
    """The profile likelihood of a variance at a point: by how much lnL is below its maximum, and its slope."""

    fall: float
    slope: float


class Goodness(NamedTuple):
    """How well the model describes the data.

    Attributes
    ----------
    name : str
        "chi-squared", "deviance", ...
    statistic : float
    dof : int
        Pixels less parameters.
    probability : float
        Of a statistic at least as large, if the model is right; NaN where it is not known.
    """

    name: str
    statistic: float
    dof: int
    probability: float


class Solution(Protocol):
    """What a fit of lines found.

    Attributes
    ----------
    table : Table
        The lines.
    velocities, variances : Measured
        Of the groups (G,), in km/s and (km/s)^2.
    fluxes : Measured
        Of the lines (L,).
    equivalent_widths : Measured or None
        Of the lines (L,), positive for emission; None where there is no continuum.
    positions : Measured
        Of the lines (L,), in the unit of the axis.
    instrument : ndarray (L,)
        Sigma of the instrument at the lines, its fitted scale included, in the unit of the axis.
    log_scale : Measured or None
        Logarithm of the factor on the instrument's width that was fitted.
    observed_variance_errors : ndarray (L,)
        Errors of the variances of the lines as observed, in the squared unit of the axis.  Intrinsic variance and
        instrument are fitted together, so that their errors are correlated.
    lowest_variances, highest_variances : ndarray (G,)
        Bounds of the variances, in (km/s)^2.
    velocity_bounds : ndarray (G, 2)
        Lowest and highest velocity that were possible, in km/s.
    goodness : Goodness
    log_likelihood : float
    converged : bool
    """

    @property
    def table(self) -> Table: ...  # noqa: D102
    @property
    def velocities(self) -> Measured: ...  # noqa: D102
    @property
    def variances(self) -> Measured: ...  # noqa: D102
    @property
    def fluxes(self) -> Measured: ...  # noqa: D102
    @property
    def equivalent_widths(self) -> Measured | None: ...  # noqa: D102
    @property
    def positions(self) -> Measured: ...  # noqa: D102
    @property
    def instrument(self) -> Array: ...  # noqa: D102
    @property
    def log_scale(self) -> Measured | None: ...  # noqa: D102
    @property
    def lowest_variances(self) -> Array: ...  # noqa: D102
    @property
    def observed_variance_errors(self) -> Array: ...  # noqa: D102
    @property
    def highest_variances(self) -> Array: ...  # noqa: D102
    @property
    def velocity_bounds(self) -> Array: ...  # noqa: D102
    @property
    def goodness(self) -> Goodness: ...  # noqa: D102
    @property
    def log_likelihood(self) -> float: ...  # noqa: D102
    @property
    def converged(self) -> bool: ...  # noqa: D102

    def profile(self, group: int, variance: float) -> Fall:
        """The profile likelihood of the intrinsic variance of a group."""


@dataclass(frozen=True)
class Solved:
    """The maximum of a `LineModel`.

    Attributes
    ----------
    model : LineModel
    problem : Problem
    maximum : Maximum
    goodness : Goodness
    piece : int
        Of which spectrum fluxes, equivalent widths and the instrument are told.
    """

    model: LineModel
    problem: Problem
    maximum: Maximum
    goodness: Goodness
    piece: int = 0
    _profiles: dict[int, dict[float, Array]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Invert the information."""
        object.__setattr__(self, "covariance", self.maximum.covariance)

    covariance: Array = field(init=False, repr=False, compare=False)

    @property
    def table(self) -> Table:
        """The lines."""
        return self.model.table

    @property
    def sizes(self) -> Sizes:
        """Sigma of the instrument at each group, and the widest that is looked for, in km/s (G,)."""
        return self.model.sizes

    @property
    def theta(self) -> Array:
        """Nonlinear parameters."""
        return self.maximum.point.theta

    @property
    def coefficients(self) -> Array:
        """Fluxes and coefficients of continua."""
        return self.maximum.point.coefficients

    @property
    def log_likelihood(self) -> float:
        """At the maximum, priors included."""
        return self.maximum.point.value

    @property
    def converged(self) -> bool:
        """Did the fit reach a maximum?"""
        return self.maximum.converged

    @property
    def velocities(self) -> Measured:
        """Of the groups, in km/s."""
        return self._nonlinear(self.model.layout.velocities)

    @property
    def variances(self) -> Measured:
        """Intrinsic variances of the groups, in (km/s)^2."""
        return self._nonlinear(self.model.layout.variances)

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

    def _nonlinear(self, which: slice | list[int]) -> Measured:
        variances = self.covariance.diagonal()[self.model.n_coefficients :]
        # the data say nothing of a width far below a pixel, of the velocity of a line without flux
        errors = np.where(variances > 0, np.sqrt(np.maximum(variances, 0.0)), np.inf)
        return Measured(self.theta[which], errors[which])

    @property
    def log_scale(self) -> Measured | None:
        """Of the instruments whose width was fitted."""
        places = [at for at in self.model.layout.scales if at is not None]
        return self._nonlinear(places) if places else None

    @property
    def positions(self) -> Measured:
        """Of the lines."""
        means, slopes = self.model.means(self.theta)
        return Measured(means, np.abs(slopes) * self.velocities.errors[self.table.group])

    @property
    def fluxes(self) -> Measured:
        """Of the lines."""
        values = self.model.line_fluxes(self.theta, self.coefficients, self.piece)
        return Measured(values, np.sqrt(np.maximum(self._variances_of(self._flux_gradients()), 0.0)))

    def _flux_gradients(self) -> Array:
        """Derivatives of the fluxes of lines by all parameters (L, C + P)."""
        table, C = self.table, self.model.n_coefficients
        lines = np.arange(table.group.size)
        result = np.zeros((lines.size, len(self.covariance)))
        first = self.model.flux_columns(self.piece).start
        result[lines, first + table.flux] = self.model.ratios(self.theta)
        for at, line in enumerate(table.bounded, C + self.model.layout.ratios.start):
            result[line, at] = self.coefficients[first + table.flux[line]]
        return result

    def _variances_of(self, gradients: Array) -> Array:
        return np.asarray(np.einsum("li,ij,lj->l", gradients, self.covariance, gradients))

    @property
    def equivalent_widths(self) -> Measured | None:
        """Flux over continuum at the line: positive for emission; NaN where a line is in no window."""
        found = self._continuum_at_lines()
        if found is None:
            return None
        continuum, gradients = found
        fluxes = self.fluxes.values
        with np.errstate(divide="ignore", invalid="ignore"):
            values = fluxes / continuum
            by_all = (self._flux_gradients() - values[:, None] * gradients) / continuum[:, None]
        return Measured(values, np.sqrt(np.maximum(self._variances_of(by_all), 0.0)))

    def _continuum_at_lines(self) -> tuple[Array, Array] | None:
        """The continuum at each line (L,) and its derivatives by all parameters (L, C + P)."""
        model, means = self.model, self.positions.values
        if not (model.continuum.n_columns or model.continuum.start.size):
            return None
        values = np.full(means.size, np.nan)
        gradients = np.zeros((means.size, len(self.covariance)))
        for window, (_, span) in enumerate(model.pieces[self.piece].windows, model.first_window(self.piece)):
            inside = np.flatnonzero((means >= span[0]) & (means <= span[1]))
            if inside.size:
                values[inside], gradients[inside] = self._continuum_in(window, span, means[inside])
        return values, gradients

    def _continuum_in(self, window: int, span: tuple[float, float], x: Array) -> tuple[Array, Array]:
        from .continua import differences

        model = self.model
        at, columns = model.layout.continuum[window], model.continuum_columns(window)
        parameters = self.theta[at]
        basis = model.continuum.columns(x, span, parameters)
        values = model.continuum_at(self.theta, self.coefficients, window, span, x)
        gradients = np.zeros((x.size, len(self.covariance)))
        gradients[:, columns] = basis.T
        by_parameters = np.einsum(
            "c,pcn->pn", self.coefficients[columns], model.continuum.columns_by(x, span, parameters)
        )
        function = model.continuum.offset(x)
        if function is not None:
            by_parameters = by_parameters + differences(function, parameters)
        gradients[:, model.n_coefficients + at.start : model.n_coefficients + at.stop] = by_parameters.T
        return values, gradients

    @property
    def instrument(self) -> Array:
        """Sigma of the instrument at the lines, in the unit of the axis; that of the rows of a resolution matrix."""
        piece = self.model.pieces[self.piece]
        if piece.row_sigmas is not None:
            return piece.row_sigmas
        scale = np.exp(self.model.layout.log_scales(self.theta, self.piece))
        return np.asarray(scale * np.sqrt((piece.weights * piece.sigmas**2).sum(axis=1)))

    @property
    def observed_variance_errors(self) -> Array:
        """Errors of the variances of the lines as observed (L,): of intrinsic variance and instrument together."""
        table, layout, first = self.table, self.model.layout, self.model.n_coefficients
        lines = np.arange(table.group.size)
        gradients = np.zeros((lines.size, len(self.covariance)))
        gradients[lines, first + layout.variances.start + table.group] = table.per_kms**2
        by_log_scale = 2.0 * self.instrument**2
        if (shared := layout.scales[self.piece]) is not None:
            gradients[:, first + shared] = by_log_scale
        if (own := layout.scatters[self.piece]) is not None:
            gradients[lines, first + own + lines] = by_log_scale
        known = np.isfinite(self.variances.errors)[table.group]
        return np.where(known, np.sqrt(np.maximum(self._variances_of(gradients), 0.0)), np.inf)

    def of_spectra(self) -> list[Solved]:
        """The same for each spectrum: its own instrument, continuum, and fluxes where they are not shared."""
        return [replace(self, piece=piece) for piece in range(len(self.model.pieces))]

    def profile(self, group: int, variance: float) -> Fall:
        """The profile likelihood of the intrinsic variance of a group, started from what is expected or known."""
        at = self.model.layout.variances.start + group
        known = self._profiles.setdefault(group, {float(self.theta[at]): self.theta})
        held = np.arange(self.theta.size) == at
        found = []
        for other in neighbours(known, variance, both=self.table.crowded):
            theta = known[other] + self._along(at) * (variance - other)
            theta = np.clip(theta, self.problem.low, self.problem.high)
            theta[at] = variance
            found.append(maximise(self.problem.holding(theta, held), theta, PROFILED))
        best = max(found, key=lambda maximum: maximum.point.value)
        known[variance] = best.point.theta
        return Fall(self.log_likelihood - best.point.value, float(best.gradient[at]))

    def _along(self, at: int) -> Array:
        """How nonlinear parameters move with one of them, where the likelihood is normal."""
        column = self.covariance[self.model.n_coefficients :, self.model.n_coefficients + at]
        return np.asarray(column / column[at]) if column[at] > 0 else np.zeros(column.size)


def neighbours(known: Iterable[float], variance: float, *, both: bool) -> list[float]:
    """The known variance that is nearest to another one; or the nearest below and above.

    Where lines can be taken for each other, the maximum at a held variance can be another one on either side.
    """
    ordered = sorted(known, key=lambda other: abs(other - variance))
    if not both:
        return ordered[:1]
    below, above = ([other for other in ordered if (other < variance) == side] for side in (True, False))
    return [*below[:1], *above[:1]]


def observed_sigmas(solution: Solution) -> Measured:
    """Sigmas of the lines as observed (L,), instrument and heat included, in the unit of the axis, with errors.

    Where the instrument's width is fitted too, its error is mostly not in them: a wider instrument makes the intrinsic
    width narrower, and their sum is what is seen.
    """
    table = solution.table
    scale = table.per_kms**2
    variances = (solution.variances.values[table.group] + table.thermal) * scale + solution.instrument**2
    sigmas = np.sqrt(np.maximum(variances, 0.0))
    return Measured(sigmas, 0.5 * solution.observed_variance_errors / np.where(sigmas > 0, sigmas, np.nan))
