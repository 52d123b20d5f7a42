"""The rows of a width report: one for each component and axis, its widths, their intervals and limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xdgmm.fitting import Model, Problem, responsibilities
from xdgmm.mixture import GaussianMixture
from xdgmm.uncertainty import ParameterErrors, WidthLimit, principal_limit, width_limit
from xdgmm.uncertainty.informative import informative_objects
from xdgmm.uncertainty.simulated import Simulation

from .observed import Observed, observed_along
from .parameters import OF_T, ParameterEstimates, principal_axes

if TYPE_CHECKING:
    from xdgmm.fitting.problem import AnyObservations

CLEARLY_RESOLVED = 6.0  # a variance this many errors from zero needs no profile


class Interval(NamedTuple):
    """A value with the ends of its interval: NaN where there is no interval, or no value."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan


class Row(NamedTuple):
    """A component along an axis, in the units of the mixture.

    n_members: sum of weights times memberships; direction: of the axis (D,); sigma_limit: NaN where there is none;
    is_limit: is sigma consistent with zero?  half_width, fwhm and dof are of Student-t components, NaN of others.
    """

    component: int
    axis: str
    direction: NDArray[np.float64]
    n_members: float
    weight: Interval
    mean: Interval
    sigma: Interval
    sigma_limit: float
    is_limit: bool
    n_informative: float
    observed: Observed
    half_width: Interval = Interval()
    fwhm: Interval = Interval()
    dof: Interval = Interval()


class Rows:
    """Makes the rows of a report.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations or StreamedObservations
    given_model : Model, optional
        The model of a fit; of a bare mixture none, so that the record of the mixture decides.
    errors : ParameterErrors
    estimates : ParameterEstimates
        What is reported of each parameter.
    limit_level : float
    simulation : Simulation
        Which limits are simulated.

    Attributes
    ----------
    holds_all : bool
        Are all objects in memory?  Otherwise what is observed is that of the sample.
    simulated : set of int
        Components whose limits are simulated.
    """

    def __init__(
        self,
        mixture: GaussianMixture,
        observations: AnyObservations,
        given_model: Model | None,
        errors: ParameterErrors,
        estimates: ParameterEstimates,
        limit_level: float,
        simulation: Simulation,
    ) -> None:
        self.mixture, self.observations, self.given_model, self.errors = mixture, observations, given_model, errors
        self.estimates, self.limit_level, self.simulation = estimates, limit_level, simulation
        self.axes = principal_axes(mixture)[1]
        self.widest_limit = np.zeros(mixture.n_components)  # of the columns
        problem = Problem.of(mixture, observations, given_model)
        self.model, self.converted, self.holds_all = problem.model, problem.observations, problem.holds_all
        memberships = responsibilities(problem.standardised(mixture), problem.sample)
        self.members = problem.sample.object_weights[:, None] * memberships
        of_all = self.members.sum(axis=0) if self.holds_all else problem.at(mixture).statistics.n_members
        self.n_members = of_all
        self.informative = informative_objects(problem, mixture)
        if estimates.posterior is not None:  # its limits are its quantiles
            self.simulation = simulation._replace(rule="likelihood")
        limited = filter(self._may_have_limit, range(mixture.n_components))
        self.simulated = {k for k in limited if self.simulation.applies(problem, mixture, k)}

    def named(self) -> list[Row]:
        """Named columns of all components, but for those in which they are flat."""
        return [self._named(k, axis) for k, axis in np.argwhere(~self.mixture.is_flat).tolist()]

    def principal(self) -> list[Row]:
        """Principal axes, widest first; none of flat components, and in one dimension, where they are the column."""
        D, flat = self.mixture.n_dimensions, self.mixture.flat_components
        own = np.flatnonzero(~flat).tolist() if D > 1 else []
        return [self._principal(k, i, self.axes[k, i]) for k in own for i in range(D)]

    def _named(self, k: int, axis: int) -> Row:
        direction = np.eye(self.mixture.n_dimensions)[axis]
        limit = self._of_posterior("sigmas", (k, axis), self._limit(k, axis))
        if limit is not None:
            self.widest_limit[k] = np.fmax(self.widest_limit[k], limit.upper)
        mean = self._interval("means", (k, axis), held=k in self.model.fixed.means)
        return self._row(k, self.mixture.names[axis], direction, "sigmas", (k, axis), mean, limit)

    def _principal(self, k: int, i: int, direction: NDArray[np.float64]) -> Row:
        limit = self._of_posterior("principal", (k, i), self._principal_limit(k, i))
        return self._row(k, f"principal {i + 1}", direction, "principal", (k, i), Interval(), limit)

    def _row(
        self,
        k: int,
        axis: str,
        direction: NDArray[np.float64],
        name: str,
        place: tuple[int, int],
        mean: Interval,
        limit: WidthLimit | None,
    ) -> Row:
        alone = self.mixture.all_weights.size == 1 or k in self.model.fixed.weights
        held = k in self.model.fixed.covariances
        is_limit = limit is not None and limit.consistent_with_zero
        shown = is_limit or self.simulation.rule == "simulated"
        return Row(
            component=k,
            axis=axis,
            direction=direction,
            n_members=float(self.n_members[k]),
            weight=self._interval("weights", k, held=alone),
            mean=mean,
            sigma=self._interval(name, place, held=held or is_limit),
            sigma_limit=limit.upper if limit is not None and shown else np.nan,
            is_limit=is_limit,
            observed=observed_along(direction, self.converted, self.members[:, k]),
            n_informative=self.informative[k].size_along(direction),
            **self._of_t(k, name, place, is_limit=is_limit),
        )

    def _of_t(self, k: int, name: str, place: tuple[int, int], *, is_limit: bool) -> dict[str, Interval]:
        """Half-width, full width and degrees of freedom of a Student-t component; nothing with Gaussian ones."""
        if self.mixture.dof is None:
            return {}
        of_half_width, of_fwhm = (self._interval(each, place, held=is_limit) for each in OF_T[name])
        tau, low, high = self._interval("inverse_dof", k, held=not np.isfinite(self.mixture.dof[k]))
        with np.errstate(divide="ignore"):
            dof = Interval(*(np.divide(1.0, end) for end in (tau, high, max(low, 0.0))))
        return {"half_width": of_half_width, "fwhm": of_fwhm, "dof": dof}

    def _interval(self, name: str, place: int | tuple[int, int], *, held: bool) -> Interval:
        """Value, and the ends of its interval; none where it is held fixed or at the boundary."""
        value = self.estimates.value[name][place]
        if held:
            return Interval(value)
        return Interval(value, self.estimates.low[name][place], self.estimates.high[name][place])

    def _of_posterior(self, name: str, place: tuple[int, int], limit: WidthLimit | None) -> WidthLimit | None:
        """The limit of a width that is consistent with zero, of a posterior its quantile."""
        if limit is None or not limit.consistent_with_zero:
            return limit
        quantile = self.estimates.posterior_limit(name, place, self.limit_level)
        return limit if quantile is None else replace(limit, upper=quantile)

    def _principal_limit(self, k: int, i: int) -> WidthLimit | None:
        """The limit of one principal axis, the i-th widest; None where none is needed, or there can be none.

        No sigma of a column exceeds that of the widest axis: nor does its limit, to the last digit.
        """
        if not self.model.type.rotated:  # the axes are the columns, and have their limits
            limit = self._limit(k, int(np.abs(self.axes[k, i]).argmax()))
            return None if limit is None else replace(limit, upper=max([limit.upper, *self._narrower_limits(k, i)]))
        forced = self.simulation.rule == "simulated"
        if not ((forced or self._may_have_zero_width(k, i)) and self._may_have_limit(k)):
            return None
        limit = principal_limit(
            self.mixture, self.observations, k, self.limit_level, self.given_model, axis=i, **self._options(k)
        )
        return replace(limit, upper=max(limit.upper, self.widest_limit[k])) if i == 0 else limit

    def _narrower_limits(self, k: int, i: int) -> list[float]:
        """Upper limits of the columns that are narrower than the i-th widest."""
        columns = (int(np.abs(axis).argmax()) for axis in self.axes[k, i + 1 :])
        limits = (self._limit(k, column) for column in columns)
        return [limit.upper for limit in limits if limit is not None and not np.isnan(limit.upper)]

    def _may_have_zero_width(self, k: int, i: int) -> bool:
        """Is the component singular along this axis, or not clearly resolved?"""
        if i >= self.mixture.n_dimensions - self.errors.singular[k]:
            return True
        value, error = (of["principal"][k, i] for of in (self.estimates.value, self.estimates.error))
        return bool(self.model.type.rotated and not 2 * value > CLEARLY_RESOLVED * error)

    def _may_have_limit(self, k: int) -> bool:
        return self.model.prior is None and k not in self.model.fixed.covariances

    def _limit(self, k: int, axis: int) -> WidthLimit | None:
        """The limit of one width; None where it is so far from zero that none is needed, or where there can be none."""
        if not self._may_have_limit(k):
            return None
        variance, error = self.mixture.sigmas[k, axis] ** 2, self.errors.variances[k, axis]
        resolved = variance > CLEARLY_RESOLVED * error and np.isfinite(error)
        if resolved and self.simulation.rule != "simulated":
            return None
        return width_limit(
            self.mixture, self.observations, k, axis, self.limit_level, self.given_model, **self._options(k)
        )

    def _options(self, k: int) -> dict[str, Any]:
        """How the limits of one component are found: all by one rule."""
        rule = "simulated" if k in self.simulated else "likelihood"
        return {"limit": rule, "rng": self.simulation.seed, "n_jobs": self.simulation.n_jobs}
