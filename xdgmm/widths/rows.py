"""The rows of a width report: one for each component and axis, its widths, their intervals and limits."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xdgmm.fitting import Model, Problem, responsibilities
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations
from xdgmm.uncertainty import ParameterErrors, WidthLimit, principal_limit, width_limit

from .observed import Informative, Observed, observed_along
from .parameters import ParameterEstimates, principal_axes

CLEARLY_RESOLVED = 6.0  # a variance this many errors from zero needs no profile


class Interval(NamedTuple):
    """A value with the ends of its interval: NaN where there is no interval, or no value."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan


class Row(NamedTuple):
    """A component along an axis, in the units of the mixture.

    n_members: sum of weights times memberships; sigma_limit: NaN where sigma is no limit; direction: of the axis (D,).
    """

    component: int
    axis: str
    direction: NDArray[np.float64]
    n_members: float
    weight: Interval
    mean: Interval
    sigma: Interval
    sigma_limit: float
    n_informative: float
    observed: Observed

    @property
    def is_limit(self) -> bool:
        """Is sigma consistent with zero?"""
        return not np.isnan(self.sigma_limit)


class Rows:
    """Makes the rows of a report.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
    given_model : Model, optional
        The model of a fit; of a bare mixture none, so that the record of the mixture decides.
    errors : ParameterErrors
    estimates : ParameterEstimates
        What is reported of each parameter.
    limit_level : float
    """

    def __init__(
        self,
        mixture: GaussianMixture,
        observations: Observations,
        given_model: Model | None,
        errors: ParameterErrors,
        estimates: ParameterEstimates,
        limit_level: float,
    ) -> None:
        self.mixture, self.observations, self.given_model, self.errors = mixture, observations, given_model, errors
        self.estimates, self.limit_level = estimates, limit_level
        self.axes = principal_axes(mixture)[1]
        self.widest_limit = np.zeros(mixture.n_components)  # of the columns
        problem = Problem.of(mixture, observations, given_model)
        self.model, self.converted = problem.model, problem.observations
        self.memberships = responsibilities(problem.standardised(mixture), problem.data)
        self.members = problem.data.object_weights[:, None] * self.memberships

    @cached_property
    def informative(self) -> list[Informative]:
        """What the objects know of the width of each component."""
        parameters = zip(self.memberships.T, self.mixture.means, self.mixture.covariances, strict=False)
        return [Informative.of(self.converted, *each) for each in parameters]

    def named(self) -> list[Row]:
        """Named columns of all components."""
        K, D = self.mixture.means.shape
        return [self._named(k, axis) for k in range(K) for axis in range(D)]

    def principal(self) -> list[Row]:
        """Principal axes of all components, widest first; none in one dimension, where they are the column."""
        K, D = self.mixture.means.shape
        return [self._principal(k, i, self.axes[k, i]) for k in range(K) for i in range(D)] if D > 1 else []

    def _named(self, k: int, axis: int) -> Row:
        direction = np.eye(self.mixture.n_dimensions)[axis]
        upper = self._upper("sigmas", (k, axis), self._limit(k, axis))
        if not np.isnan(upper):
            self.widest_limit[k] = max(self.widest_limit[k], upper)
        mean = self._interval("means", (k, axis), held=k in self.model.fixed.means)
        return self._row(k, self.mixture.names[axis], direction, "sigmas", (k, axis), mean, upper)

    def _principal(self, k: int, i: int, direction: NDArray[np.float64]) -> Row:
        upper = self._upper("principal", (k, i), self._principal_limit(k, i))
        return self._row(k, f"principal {i + 1}", direction, "principal", (k, i), Interval(), upper)

    def _row(
        self,
        k: int,
        axis: str,
        direction: NDArray[np.float64],
        name: str,
        place: tuple[int, int],
        mean: Interval,
        upper: float,
    ) -> Row:
        alone = self.mixture.all_weights.size == 1 or k in self.model.fixed.weights
        held = k in self.model.fixed.covariances
        return Row(
            component=k,
            axis=axis,
            direction=direction,
            n_members=self.members[:, k].sum(),
            weight=self._interval("weights", k, held=alone),
            mean=mean,
            sigma=self._interval(name, place, held=held or not np.isnan(upper)),
            sigma_limit=upper,
            observed=observed_along(direction, self.converted, self.members[:, k]),
            n_informative=self.informative[k].size_along(direction),
        )

    def _interval(self, name: str, place: int | tuple[int, int], *, held: bool) -> Interval:
        """Value, and the ends of its interval; none where it is held fixed or at the boundary."""
        value = self.estimates.value[name][place]
        if held:
            return Interval(value)
        return Interval(value, self.estimates.low[name][place], self.estimates.high[name][place])

    def _upper(self, name: str, place: tuple[int, int], limit: WidthLimit | None) -> float:
        """Upper limit of a width that is consistent with zero (of a posterior: its quantile); NaN otherwise."""
        if limit is None or not limit.consistent_with_zero:
            return np.nan
        of_posterior = self.estimates.posterior_limit(name, place, self.limit_level)
        return limit.upper if of_posterior is None else of_posterior

    def _principal_limit(self, k: int, i: int) -> WidthLimit | None:
        """The limit of one principal axis, the i-th widest; None where none is needed, or there can be none.

        No sigma of a column exceeds that of the widest axis: nor does its limit, to the last digit.
        """
        if not self.model.type.rotated:  # the axes are the columns, and have their limits
            limit = self._limit(k, int(np.abs(self.axes[k, i]).argmax()))
            return None if limit is None else replace(limit, upper=max([limit.upper, *self._narrower_limits(k, i)]))
        if not (self._may_have_zero_width(k, i) and self._may_have_limit(k)):
            return None
        limit = principal_limit(self.mixture, self.observations, k, self.limit_level, self.given_model, axis=i)
        return replace(limit, upper=max(limit.upper, self.widest_limit[k])) if i == 0 else limit

    def _narrower_limits(self, k: int, i: int) -> list[float]:
        """Upper limits of the columns that are narrower than the i-th widest."""
        columns = (int(np.abs(axis).argmax()) for axis in self.axes[k, i + 1 :])
        limits = (self._limit(k, column) for column in columns)
        return [limit.upper for limit in limits if limit is not None and limit.consistent_with_zero]

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
        if variance > CLEARLY_RESOLVED * error and np.isfinite(error):
            return None
        return width_limit(self.mixture, self.observations, k, axis, self.limit_level, self.given_model)
