"""Limits from the likelihood ratio: of a width, of the narrowest principal axis, of a background.

With m the maximum of the log-likelihood and p(s) its maximum with the quantity held at s: the quantity is consistent
with zero where ``2 (m - p(0))`` is below the quantile of the half-half mixture of chi-squared with zero and one degree
of freedom (Self & Liang 1987, J. Am. Stat. Assoc. 82, 605; 2.7055 at 95%), and its upper limit is the largest s at
which the profile has fallen by half that quantile.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq, minimize

from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError
from xdgmm.fitting import Problem, solvers
from xdgmm.fitting.objective import differentiate

from .likelihood_ratio import (
    PASSES,
    WIDEST,
    ComponentProfile,
    LostError,
    Profile,
    WidthLimit,
    check_component,
    check_has_likelihood_limit,
    check_not_flat,
    crossings,
    one_sided_quantile,
)
from .profile import WidthProfile, warn_of_local_maximum
from .simulated import SimulatedLimit, Simulation, simulated_limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import Model
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations.inputs import Catalogue

    Floats = NDArray[np.float64]

LARGEST = 1.0 - 1e-6  # fraction of a background
ROTATIONS = 10  # steps towards the best directions of wide axes
MOST_CANDIDATES = 10  # sets of columns along which the wide axes are tried
KEPT_CANDIDATES = 3  # of them, after the first point of the profile


def width_limit(
    mixture: GaussianMixture,
    observations: Catalogue,
    component: int,
    axis: int,
    level: float = 0.95,
    model: Model | None = None,
    *,
    limit: str = "likelihood",
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
) -> WidthLimit:
    """Upper limit on one intrinsic sigma of a maximum-likelihood mixture.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations, StreamedObservations or a source of them
        Converted to the units of the mixture.
    component, axis : int
        Which sigma.
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default what the mixture's record says.
    limit : {"auto", "likelihood", "simulated"}
        The deviance at the limit: the quantile above, or the one that simulations of such samples give (which exists
        for resolved widths too).  "auto" simulates where few objects determine a width of the component.
    rng : numpy Generator, int or None
        Source of the simulations; None is a fixed seed, so that the limit is the same every time.
    n_jobs : int
        Processes that fit simulated samples, where these are fitted one by one; -1 for all processors.

    Returns
    -------
    WidthLimit
        Where it was simulated a `SimulatedLimit`, whose upper limit is one for every width.

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, there is no such sigma, there is a prior (one on the covariances keeps them
        from zero, and any makes the profile one of the posterior, for which the quantile does not hold), or the
        covariance was fixed.
    """
    check_level(level, least=0.5)
    simulation = Simulation.of(limit, rng, n_jobs)
    problem = Problem.of(mixture, observations, model)
    profile = WidthProfile(problem, mixture, component, axis)
    if simulation.applies(problem, mixture, component):
        return simulated_limit(profile, mixture, level, simulation)
    quantile = one_sided_quantile(level)
    at_zero = profile.down_to_zero()
    top, highest = profile.highest()
    warn_of_local_maximum(profile)
    deviance = 2 * (top - at_zero)
    if deviance >= quantile:
        return WidthLimit(deviance, consistent_with_zero=False, upper=np.nan)
    ends, _ = crossings(lambda sigma: 2 * (top - profile.at(sigma)) - quantile, highest, profile.step, profile.span)
    return WidthLimit(deviance, consistent_with_zero=True, upper=ends[-1] * profile.unit)


def principal_limit(
    mixture: GaussianMixture,
    observations: Catalogue,
    component: int,
    level: float = 0.95,
    model: Model | None = None,
    *,
    axis: int | None = None,
    limit: str = "likelihood",
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
) -> WidthLimit:
    """Is a principal axis of a component consistent with zero width, and how wide may it be?

    Principal axes are ordered, widest first, so a statement about one is a statement about its eigenvalue.  The axis
    is consistent with zero where the likelihood, maximised over covariances in which this and all narrower axes have no
    width, has not fallen too far.  Its upper limit is the largest s for which the likelihood, maximised over all
    covariances in which this and all wider axes have sigmas of at least s, has not fallen too far, whatever the
    directions of these axes.  So the limit of a wider axis is never below that of a narrower one.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood mixture of these observations.
    observations : Observations, StreamedObservations or a source of them
        Converted to the units of the mixture.
    component : int
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.
    axis : int, optional
        From 0, the widest, to D - 1, the narrowest and the default.
    limit : {"auto", "likelihood", "simulated"}
        The deviance at the limit: the quantile above, or the largest one of the simulated limits on the sigmas of the
        component (which exists for resolved widths too).  "auto" simulates where few objects determine a width of the
        component.
    rng : numpy Generator, int or None
        Source of the simulations; None is a fixed seed, so that the limit is the same every time.
    n_jobs : int
        Processes that fit simulated samples, where these are fitted one by one; -1 for all processors.

    Returns
    -------
    WidthLimit
        In the units of the mixture, which should be the same for all coordinates.

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, there is no such component or axis, or the fit had a prior.
    """
    check_level(level, least=0.5)
    check_component(mixture, component)
    axis = mixture.n_dimensions - 1 if axis is None else axis
    check_component(mixture, axis, "axis", mixture.n_dimensions)
    check_not_flat(mixture, component)
    problem = Problem.of(mixture, observations, model)
    check_has_likelihood_limit(problem.model)
    simulation, profile = Simulation.of(limit, rng, n_jobs), PrincipalProfile(problem, mixture, component, axis)
    if not simulation.applies(problem, mixture, component):
        return _limit(profile, level)
    profiles = [WidthProfile(problem, mixture, component, column) for column in range(mixture.n_dimensions)]
    return _as_of_columns(profile, [simulated_limit(each, mixture, level, simulation) for each in profiles])


def conditional_limit(
    mixture: GaussianMixture,
    observations: Catalogue,
    component: int,
    axis: int,
    level: float = 0.95,
    model: Model | None = None,
) -> WidthLimit:
    """Upper limit on the intrinsic scatter of one column at given values of all others.

    The scatter of column j at given values of the others is at least s where ``V >= s^2 e_j e_j'`` (its square is the
    Schur complement of the others in V), so the profile is one above a floor.  It is zero where V is singular.  Neither
    depends on the units of the other columns.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood mixture of these observations.
    observations : Observations, StreamedObservations or a source of them
        Converted to the units of the mixture.
    component, axis : int
        Which component, and which column j.
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.

    Returns
    -------
    WidthLimit
        In the unit of the column.

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, there is no such component or column, or the fit had a prior.
    """
    check_level(level, least=0.5)
    check_component(mixture, component)
    check_component(mixture, axis, "axis", mixture.n_dimensions)
    check_not_flat(mixture, component)
    problem = Problem.of(mixture, observations, model)
    check_has_likelihood_limit(problem.model)
    return _limit(ConditionalProfile(problem, mixture, component, axis), level)


def background_limit(
    mixture: GaussianMixture, observations: Catalogue, level: float = 0.95, model: Model | None = None
) -> float:
    """Upper limit on the fraction of a background whose best fraction is zero.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood mixture of these observations, with a background.
    observations : Observations, StreamedObservations or a source of them
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
    problem = Problem.of(mixture, observations, model)
    profile = BackgroundProfile(problem, mixture, mixture.background.fraction)
    quantile, first = one_sided_quantile(level), min(1.0 / problem.all_observations.total_weight, 0.5)
    while 2 * (profile.maximum - profile.at(first)) < quantile:
        if first >= LARGEST:
            return 1.0
        first = min(2 * first, LARGEST)
    return _crossing(profile, quantile, profile.value, first)


def _limit(profile: PrincipalProfile, level: float) -> WidthLimit:
    quantile = one_sided_quantile(level)
    deviance = 2 * (profile.maximum - profile.flattened())
    if deviance >= quantile:
        return WidthLimit(deviance, consistent_with_zero=False, upper=np.nan)
    return WidthLimit(deviance, consistent_with_zero=True, upper=_upper(profile, quantile, profile.step))


def _as_of_columns(profile: PrincipalProfile, columns: list[SimulatedLimit]) -> SimulatedLimit:
    """The limit at the largest deviance of the simulated limits on columns, so that it is above theirs."""
    quantile, at_zero = (max(getattr(each, name) for each in columns) for name in ("quantile", "quantile_at_zero"))
    deviance = 2 * (profile.maximum - profile.flattened())
    upper = _upper(profile, quantile, profile.step) if np.isfinite(quantile) else np.inf
    widest = max(columns, key=lambda each: each.upper)
    error = widest.error / widest.upper * upper if np.isfinite(upper) and np.isfinite(widest.upper) else 0.0
    return SimulatedLimit(deviance, bool(deviance <= at_zero), upper, error, quantile, at_zero)


def _upper(profile: Profile, quantile: float, step: float) -> float:
    low = profile.value
    for _ in range(WIDEST):
        high = low + step
        if 2 * (profile.maximum - profile.at(high)) > quantile:
            return _crossing(profile, quantile, low, high)
        low, step = high, 2 * step
    return np.inf


def _crossing(profile: Profile, quantile: float, low: float, high: float) -> float:
    def excess(s: float) -> float:
        return 2 * (profile.maximum - profile.at(s)) - quantile

    return float(brentq(excess, low, high, xtol=1e-12 * high, rtol=1e-6))  # s has units: no fixed tolerance fits


class PrincipalProfile(ComponentProfile):
    """Log-likelihood maximised over all covariances of one component with n principal sigmas of at least s.

    Such covariances are ``V >= s^2 Q Q'`` for some orthonormal Q (D, n), in the user's coordinates.  For each Q the
    maximum is one above a floor; over Q it is found from several starts, by the gradient of the log-likelihood with
    respect to V.  The sets of covariances are nested, so the profile only falls with s.

    Parameters
    ----------
    problem : Problem
    mixture : GaussianMixture
    component, axis : int
        Which principal axis, widest first: n = axis + 1.
    """

    tolerance = 1e-6

    def __init__(self, problem: Problem, mixture: GaussianMixture, component: int, axis: int) -> None:
        super().__init__(problem, mixture, 0.0, component)
        self.axis = axis
        self.which = slice(None) if problem.model.covariance_type == "tied" else component
        self.scale = problem.scaling.scale
        self.step = 0.1 * float(np.sqrt(np.trace(mixture.covariances[component]))) or float(self.scale.min())
        self.candidates = self._candidates()
        self.directions = {0.0: self.candidates[0]}

    def flattened(self) -> float:
        """The maximum with this and all narrower axes at zero width; minus infinity where there is none."""
        V = self.mixture.covariances.copy()
        values, vectors = np.linalg.eigh(V[self.which])
        n_flat = self.mixture.n_dimensions - self.axis
        if not self.problem.model.type.rotated:  # its axes are those of the columns, and have limits of their own
            return self.maximum if values[..., n_flat - 1].max() <= 0 else -np.inf
        flat = vectors[..., :n_flat] * np.sqrt(np.maximum(values[..., None, :n_flat], 0.0))
        V[self.which] -= flat @ np.swapaxes(flat, -1, -2)
        start = self.mixture.with_parameters(self.mixture.all_weights, self.mixture.means, V)
        constraints = self.problem.constraints.with_singular(self.component, n_flat)
        try:
            solution = self.problem.maximise(start, self.tolerance, PASSES, constraints=constraints, near=True)
            self.check(solution.mixture)
        except (solvers.CollapseError, LostError):
            return -np.inf
        return min(solution.statistics.log_likelihood, self.maximum)

    def hold(self, value: float) -> Constraints:
        """Covariances above a floor in the directions known at this value."""
        return self.problem.constraints.with_floor(self._floor(value, self.directions[value]))

    def moved(self, mixture: GaussianMixture, start: float, value: float) -> GaussianMixture:
        """The mixture with a wider covariance."""
        Q = self.directions[value]
        same = start in self.directions and self.directions[start] is Q
        rise = self._floor(np.sqrt(value**2 - start**2) if same else value, Q)
        return mixture.with_parameters(mixture.all_weights, mixture.means, mixture.covariances + rise)

    def nearest(self, value: float) -> float:
        """The largest smaller value at which there is a maximum: floors are only raised."""
        return max(s for s, (reached, _) in self.known.items() if s <= value and np.isfinite(reached))

    def _solve(self, near: float, value: float) -> tuple[float, GaussianMixture]:
        """The highest of the maxima over the directions."""
        frame = self.directions[near]
        found = [(*self._along(near, value, Q), Q) for Q in (frame, *self.candidates)]
        found.sort(key=lambda each: -each[0])
        self.candidates = [Q for *_, Q in found[:KEPT_CANDIDATES] if Q is not frame]  # others stay behind further out
        best = found[0]
        n = self.axis + 1
        if np.isfinite(best[0]) and self.problem.model.type.rotated and n < len(frame):
            best = max(best, self._rotated(near, value, best[2]), key=lambda each: each[0])
        self.directions[value] = best[2]
        return best[0], best[1]

    def _along(self, near: float, value: float, Q: Floats) -> tuple[float, GaussianMixture]:
        """Log-likelihood and mixture of the maximum above the floor along these directions."""
        self.directions[value] = Q
        try:
            return super()._solve(near, value)
        except LostError:
            return -np.inf, self.known[near][1]

    def _rotated(self, near: float, value: float, Q: Floats) -> tuple[float, GaussianMixture, Floats]:
        """The maximum after rotating the directions uphill.

        In the frame B = (Q, its complement) directions near Q are ``B (I, A')'``, orthonormalised, with A
        (D - n, n); the derivative of the maximum with respect to A follows from that with respect to the floor.
        """
        n = Q.shape[1]
        frame = np.linalg.qr(np.hstack([Q, np.eye(len(Q))]))[0]
        best: list[Any] = [-np.inf, self.known[near][1], Q]

        def fall(flat: Floats) -> tuple[float, Floats]:
            Y = np.vstack([np.eye(n), flat.reshape(-1, n)])
            rotated = np.linalg.qr(frame @ Y)[0]
            reached, mixture = self._along(near, value, rotated)
            if reached > best[0]:
                best[:] = reached, mixture, rotated
            if not np.isfinite(reached):
                return 1e300, np.zeros(flat.size)
            N = np.linalg.inv(Y.T @ Y)
            gradient = (np.eye(len(Q)) - Y @ N @ Y.T) @ frame.T @ self._slope(mixture, value) @ frame @ Y @ N
            return -reached, -2.0 * gradient[n:].ravel()

        options = {"maxiter": ROTATIONS, "gtol": 1e-3}
        minimize(fall, np.zeros((len(Q) - n) * n), jac=True, method="BFGS", options=options)
        return best[0], best[1], best[2]

    def _slope(self, mixture: GaussianMixture, value: float) -> Floats:
        """Derivative of the log-likelihood with respect to ``Q Q'`` of the floor, in the user's coordinates (D, D)."""
        slopes = differentiate(mixture, self.problem.data).grad_covariance
        tied = self.problem.model.covariance_type == "tied"
        total = slopes.sum(axis=0) if tied else slopes[self.component]
        return np.asarray(value**2 * total / np.outer(self.scale, self.scale))

    def _candidates(self) -> list[Floats]:
        """Orthonormal directions (D, n) that the search starts from."""
        D, n = self.mixture.n_dimensions, self.axis + 1
        columns = [np.eye(D)[:, list(chosen)] for chosen in islice(combinations(range(D), n), MOST_CANDIDATES)]
        if n == D or self.problem.model.covariance_type == "spherical":
            return [np.eye(D)]
        if not self.problem.model.type.rotated:
            return columns
        V = self.evaluation.mixture.covariances[self.component]
        slope = self._slope(self.mixture, 1.0)
        return [np.linalg.eigh(matrix)[1][:, ::-1][:, :n] for matrix in (V, slope)] + columns

    def _floor(self, value: float, Q: Floats) -> Floats:
        """``value^2 Q Q'`` of the component in the solvers' coordinates, zero for the others (K, D, D)."""
        result = np.zeros_like(self.mixture.covariances)
        rows = value * Q / self.scale[:, None]
        result[self.which] = rows @ rows.T
        return result


class ConditionalProfile(PrincipalProfile):
    """Log-likelihood maximised over all covariances of one component with ``V >= s^2 e_j e_j'``."""

    def __init__(self, problem: Problem, mixture: GaussianMixture, component: int, column: int) -> None:
        super().__init__(problem, mixture, component, mixture.n_dimensions - 1)
        self.candidates = []
        self.directions = {0.0: np.eye(mixture.n_dimensions)[:, [column]]}
        sigma = float(mixture.sigmas[component, column])
        self.step = 0.1 * sigma or float(self.scale[column])


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
