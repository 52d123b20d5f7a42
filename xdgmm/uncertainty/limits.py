"""Limits from the likelihood ratio: of a width, of the narrowest principal axis, of a background.

With m the maximum of the log-likelihood and p(s) its maximum with the quantity held at s: the quantity is consistent
with zero where ``2 (m - p(0))`` is below the quantile of the half-half mixture of chi-squared with zero and one degree
of freedom (Self & Liang 1987, J. Am. Stat. Assoc. 82, 605; 2.7055 at 95%), and its upper limit is where the profile has
fallen by half that quantile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError
from xdgmm.fitting import Problem, solvers

from .likelihood_ratio import (
    PASSES,
    WIDEST,
    Profile,
    WidthLimit,
    check_component,
    check_has_likelihood_limit,
    first_crossing,
    one_sided_quantile,
)
from .profile import WidthProfile, warn_of_local_maximum

if TYPE_CHECKING:
    from xdgmm.fitting import Model
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

LARGEST = 1.0 - 1e-6  # fraction of a background


def width_limit(
    mixture: GaussianMixture,
    observations: Observations,
    component: int,
    axis: int,
    level: float = 0.95,
    model: Model | None = None,
) -> WidthLimit:
    """Upper limit on one intrinsic sigma of a maximum-likelihood mixture.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
        Converted to the units of the mixture.
    component, axis : int
        Which sigma.
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default what the mixture's record says.

    Returns
    -------
    WidthLimit

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, there is no such sigma, there is a prior (one on the covariances keeps them
        from zero, and any makes the profile one of the posterior, for which the quantile does not hold), or the
        covariance was fixed.
    """
    check_level(level, least=0.5)
    profile = WidthProfile(Problem.of(mixture, observations, model), mixture, component, axis)
    quantile = one_sided_quantile(level)
    at_zero = profile.down_to_zero()
    top, highest = max((profile.maximum, profile.value), (at_zero, 0.0))
    warn_of_local_maximum(profile)
    deviance = 2 * (top - at_zero)
    if deviance >= quantile:
        return WidthLimit(deviance, consistent_with_zero=False, upper=np.nan)
    upper, _ = first_crossing(lambda sigma: 2 * (top - profile.at(sigma)) - quantile, highest, profile.step)
    return WidthLimit(deviance, consistent_with_zero=True, upper=upper * profile.unit)


def principal_limit(
    mixture: GaussianMixture,
    observations: Observations,
    component: int,
    level: float = 0.95,
    model: Model | None = None,
) -> WidthLimit:
    """Is the narrowest principal axis of a component consistent with zero width, and how wide may it be?

    It is consistent with zero where the likelihood, maximised over covariances that are singular, has not fallen too
    far.  The upper limit is the largest s for which the likelihood, maximised over all covariances ``V >= s^2 I`` of
    that component, has not fallen too far: whatever direction the narrow axis then takes.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood mixture of these observations.
    observations : Observations
        Converted to the units of the mixture.
    component : int
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.

    Returns
    -------
    WidthLimit
        In the units of the mixture, which should be the same for all coordinates.

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, there is no such component, or the fit had a prior.
    """
    check_level(level, least=0.5)
    check_component(mixture, component)
    problem = Problem.of(mixture, observations, model)
    check_has_likelihood_limit(problem.model)
    profile, quantile = NarrowestAxisProfile(problem, mixture, component), one_sided_quantile(level)
    deviance = 2 * (profile.maximum - profile.flattened())
    if deviance >= quantile:
        return WidthLimit(deviance, consistent_with_zero=False, upper=np.nan)
    return WidthLimit(deviance, consistent_with_zero=True, upper=_upper(profile, quantile, profile.step))


def background_limit(
    mixture: GaussianMixture, observations: Observations, level: float = 0.95, model: Model | None = None
) -> float:
    """Upper limit on the fraction of a background whose best fraction is zero.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood mixture of these observations, with a background.
    observations : Observations
        Converted to the units of the mixture.
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, or the mixture has no background.
    """
    check_level(level, least=0.5)
    if mixture.background is None:
        raise InputError("the mixture has no background, so it has no limit; fit with `background=Background()`")
    profile = BackgroundProfile(Problem.of(mixture, observations, model), mixture, mixture.background.fraction)
    quantile, first = one_sided_quantile(level), min(1.0 / observations.total_weight, 0.5)
    while 2 * (profile.maximum - profile.at(first)) < quantile:
        if first >= LARGEST:
            return 1.0
        first = min(2 * first, LARGEST)
    return _crossing(profile, quantile, profile.value, first)


def _upper(profile: Profile, quantile: float, step: float) -> float:
    low = profile.value
    for _ in range(WIDEST):
        high = low + step
        if 2 * (profile.maximum - profile.at(high)) > quantile:
            return _crossing(profile, quantile, low, high)
        low, step = high, 2 * step
    return np.inf


def _crossing(profile: Profile, quantile: float, low: float, high: float) -> float:
    return float(brentq(lambda s: 2 * (profile.maximum - profile.at(s)) - quantile, low, high, rtol=1e-6))


class NarrowestAxisProfile(Profile):
    """Log-likelihood maximised over all covariances of one component above ``s^2 I``, s in the user's units."""

    tolerance = 1e-6

    def __init__(self, problem: Problem, mixture: GaussianMixture, component: int) -> None:
        super().__init__(problem, mixture, 0.0)
        scale, tied = problem.scaling.scale, problem.model.covariance_type == "tied"
        self.component, self.which = component, slice(None) if tied else component
        self.unit = np.diag(1.0 / scale**2)  # the identity of the user's coordinates
        self.step = 0.1 * float(np.sqrt(np.trace(mixture.covariances[component]))) or float(scale.min())

    def flattened(self) -> float:
        """The maximum over covariances that are singular; minus infinity where there is none."""
        V = self.mixture.covariances.copy()
        values, vectors = np.linalg.eigh(V[self.which])
        if not self.problem.model.type.rotated:  # its axes are those of the columns, and have limits of their own
            return self.maximum if values.min() <= 0 else -np.inf
        narrowest = vectors[..., 0]
        V[self.which] -= values[..., 0, None, None] * narrowest[..., :, None] * narrowest[..., None, :]
        start = self.mixture.with_parameters(self.mixture.all_weights, self.mixture.means, V)
        constraints = self.problem.constraints.with_singular(self.component)
        try:
            solution = self.problem.maximise(start, self.tolerance, PASSES, constraints=constraints)
        except solvers.CollapseError:
            return -np.inf
        return min(solution.statistics.log_likelihood, self.maximum)

    def hold(self, value: float) -> Constraints:
        """Covariances above ``value^2 I``."""
        return self.problem.constraints.with_floor(self._only_here(value**2))

    def moved(self, mixture: GaussianMixture, start: float, value: float) -> GaussianMixture:
        """The mixture with a wider covariance."""
        covariances = mixture.covariances + self._only_here(value**2 - start**2)
        return mixture.with_parameters(mixture.all_weights, mixture.means, covariances)

    def nearest(self, value: float) -> float:
        """The largest smaller value at which there is a maximum: floors are only raised."""
        return max(s for s, (reached, _) in self.known.items() if s <= value and np.isfinite(reached))

    def _only_here(self, variance: float) -> np.ndarray:
        result = np.zeros_like(self.mixture.covariances)
        result[self.which] = variance * self.unit
        return result


class BackgroundProfile(Profile):
    """Log-likelihood maximised with the fraction of the background held."""

    def hold(self, value: float) -> Constraints:  # noqa: ARG002 - the start has the fraction
        """The background keeps its fraction."""
        constraints = self.problem.constraints
        return replace(constraints, fixed_weights=np.append(constraints.fixed_weights[:-1], True))

    def moved(self, mixture: GaussianMixture, start: float, value: float) -> GaussianMixture:  # noqa: ARG002
        """The mixture with another fraction, its components in proportion."""
        weights = mixture.weights * (1.0 - value) / mixture.weights.sum()
        return mixture.with_parameters(np.append(weights, value), mixture.means, mixture.covariances)
