"""The profile likelihood of any function of the mixture: a mean, a weight, a correlation, a slope, a scatter.

The interval is that of all values u for which the likelihood, maximised over the mixtures whose function has the value
u, has not fallen by more than half the quantile of chi-squared with one degree of freedom (Wilks 1938, Ann. Math. Stat.
9, 60).  It does not depend on the scale on which the function is expressed.  Each maximum is found by sequential
quadratic programming (SciPy's SLSQP) in the whitened coordinates of the fit, with the exact gradient of the likelihood.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize

from xdgmm.basics.parameters import check_level
from xdgmm.basics.quantiles import chi_squared_quantile
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import Problem, newton, solvers
from xdgmm.fitting.coordinates import FactorCoordinates

from .estimates import ONE_SIGMA, Estimate, numbers
from .likelihood_ratio import ComponentProfile, check_has_likelihood_limit, first_crossing

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xdgmm.fitting import Model
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.kernels import Statistics
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations.inputs import Catalogue

    Floats = NDArray[np.float64]
    Function = Callable[[GaussianMixture], float]

STEP = 1e-5  # of the differences of the function, in coordinates whose unit is about a standard error
LIFT = 0.05  # variance, as a fraction of the whole, from which directions without width start
MET = 1e-6  # standard errors within which the value must be met
LEAST_SLOPE = 1e-12  # of the function at a start, relative to that at the fit, by which conditions are divided
ROUNDS = 4  # of the search, each in coordinates around the last point
GAIN = 1e-7  # nats by which a round must rise for another one
SMALL = 1e-10  # change in nats below which a search ends, unless the rounding errors of the likelihood are larger
SMALL_IN_PARTS = 1e-8  # of a catalogue that is read anew for each point of the search
FLATTEST = 1e-2  # least curvature in which the coordinates of a search are whitened
IMPOSSIBLE = 1e10  # minus the log-likelihood where there is none
EDGE = 12.0  # on the scales of ranges, from where a value is that of the end of the range


class Range(NamedTuple):
    """Where a function lies; profiles run on a scale on which the range has no ends: logarithm or logit."""

    low: float = -np.inf
    high: float = np.inf

    def scaled(self, value: float) -> float:
        """A value on that scale."""
        with np.errstate(divide="ignore"):
            if np.isfinite(self.high):
                return float(np.log(value - self.low) - np.log(self.high - value))
            return float(np.log(value - self.low)) if np.isfinite(self.low) else float(value)

    def original(self, u: float) -> float:
        """The value at a place of that scale."""
        if np.isfinite(self.high):
            return self.low + (self.high - self.low) / (1.0 + float(np.exp(-u)))
        return self.low + float(np.exp(u)) if np.isfinite(self.low) else float(u)


def function_interval(
    function: Function,
    mixture: GaussianMixture,
    observations: Catalogue,
    level: float = 0.6827,
    model: Model | None = None,
    *,
    within: tuple[float, float] = (-np.inf, np.inf),
    component: int | None = None,
) -> Estimate:
    """Interval of a function of a maximum-likelihood mixture from its profile likelihood.

    Parameters
    ----------
    function : callable
        Takes a `GaussianMixture` in the units of `mixture`, returns one number, smoothly.
    mixture : GaussianMixture
    observations : Observations, StreamedObservations or a source of them
        Converted to the units of the mixture.
    level : float
        Probability of the interval.
    model : Model, optional
        What was fitted: the `model` of the fit's result.
    within : tuple of float
        The range of the function: both ends infinite, the lower one finite, or both.
    component : int, optional
        The component that the function describes: points at which it has exchanged its members with another one are
        not counted.

    Returns
    -------
    Estimate
        An end is that of the range, or infinite, where the likelihood does not fall far enough.  There is no interval
        (NaN) where the function is not defined, or at the end of its range.

    Raises
    ------
    InputError
        If the level is not between 0 and 1, there is a prior, or the function does not return one number.

    Warns
    -----
    XdgmmWarning
        If the component exchanges its members with another one before the profile has fallen far enough.

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.fitting import fit
    >>> from xdgmm.uncertainty import function_interval
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> mean = function_interval(lambda mixture: mixture.means[0, 0], fit(stars).mixture, stars)
    >>> print(f"{mean.value:.2f}, from {mean.low:.2f} to {mean.high:.2f} km/s")
    80.53, from 79.95 to 81.09 km/s
    """
    check_level(level)
    problem = Problem.of(mixture, observations, model)
    check_has_likelihood_limit(problem.model)
    value = numbers(function(mixture))
    if value.shape != ():
        raise InputError(f"the function returns an array of shape {value.shape}, but it must return one number")
    limits = Range(*within)
    if not limits.low < value < limits.high:  # at an end of its range, or not defined
        return Estimate(float(value), np.nan, np.nan, np.nan)
    profile = FunctionProfile(problem, mixture, function, limits, component)
    if not profile.error > 0:  # everything it depends on is fixed
        return Estimate(float(value), 0.0, float(value), float(value))
    low, high = _ends(profile, level)
    one = (low, high) if abs(level - ONE_SIGMA) < 1e-4 else _ends(profile, ONE_SIGMA)
    return Estimate(float(value), 0.5 * (one[1] - one[0]), low, high)


class FunctionProfile(ComponentProfile):
    """Log-likelihood maximised over all mixtures whose function has a value, on the scale of its `Range`.

    Parameters
    ----------
    problem : Problem
    mixture : GaussianMixture
    function : callable
    limits : Range
    component : int, optional
        The component that the function describes.

    Attributes
    ----------
    error : float
        Standard error of the function were all labels known: smaller than the true one in a mixture.
    """

    def __init__(
        self,
        problem: Problem,
        mixture: GaussianMixture,
        function: Function,
        limits: Range,
        component: int | None = None,
    ) -> None:
        self.function, self.limits = function, limits
        super().__init__(problem, mixture, limits.scaled(float(function(mixture))), component or 0)
        self.follows = component is not None
        coordinates = FactorCoordinates(self.mixture, self.evaluation.statistics, problem.constraints)
        self.error = _length(self._slope(coordinates, np.zeros(coordinates.size)))

    def hold(self, value: float) -> Constraints:  # noqa: ARG002 - the value is a condition of the search
        """Nothing more is fixed than in the fit."""
        return self.problem.constraints

    def moved(self, mixture: GaussianMixture, start: float, value: float) -> GaussianMixture:  # noqa: ARG002
        """The start itself, from which the search goes to the value."""
        return mixture

    def check(self, mixture: GaussianMixture) -> None:
        """Raise `LostError` if the component has exchanged its members with another one."""
        if self.follows:
            super().check(mixture)

    def _solve(self, near: float, value: float) -> tuple[float, GaussianMixture]:
        start = self.known[near][1]
        reached, mixture = -np.inf, start
        for _ in range(ROUNDS):
            before = reached
            found, there = self._search(mixture, value)
            if found > reached or not np.isfinite(reached):
                reached, mixture = found, there
            if not reached > before + max(GAIN, self.evaluation.statistics.rounding):
                break
        self.seen.append(reached)
        if np.isfinite(reached):
            self.check(mixture)
        return reached, mixture

    def _search(self, start: GaussianMixture, value: float) -> tuple[float, GaussianMixture]:
        """One search in coordinates around a start; minus infinity where it does not meet the value."""
        statistics = self.problem.objective().expect(start)
        coordinates = FactorCoordinates(start, statistics, self.problem.constraints)
        coordinates = self._lifted(coordinates, statistics)
        slope = _length(self._slope(coordinates, np.zeros(coordinates.size)))
        error = max(slope, LEAST_SLOPE * self.error) or 1.0
        whitening = self._whitening(coordinates)
        meets = {
            "type": "eq",
            "fun": lambda y: (self._at(coordinates, whitening @ y) - value) / error,
            "jac": lambda y: whitening.T @ self._slope(coordinates, whitening @ y) / error,
        }
        # a smaller change is one of rounding errors, at which the search would go on until its last iteration
        small = max(SMALL_IN_PARTS if self.in_parts else SMALL, statistics.rounding)
        options = {"maxiter": 200, "ftol": small}
        origin = np.zeros(coordinates.size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of SciPy, where a step leaves the range
            found = minimize(
                self._fall,
                origin,
                (coordinates, whitening),
                jac=True,
                method="SLSQP",
                constraints=[meets],
                options=options,
            )
        z = whitening @ found.x
        met = abs(self._at(coordinates, z) - value) < MET * error
        return (-float(found.fun), coordinates.at(z)) if met and found.fun < IMPOSSIBLE else (-np.inf, start)

    def _whitening(self, coordinates: FactorCoordinates) -> Floats:
        """The map from the coordinates of a search to z.

        Of a catalogue in parts the curvature of a sample is one in each direction there, so that the search makes few
        passes over all objects.
        """
        identity = np.eye(coordinates.size)
        if not self.in_parts:
            return identity
        objective = self.problem.objective()
        sample = solvers.hessian_sample(coordinates.mixture, objective)
        ratio = objective.data.total_weight / sample.data.total_weight
        statistics = sample.expect(coordinates.mixture)
        if not np.isfinite(statistics.log_likelihood):
            return identity
        curvature = -ratio * newton.hessian(coordinates, statistics, sample, np.arange(coordinates.size))
        values, vectors = np.linalg.eigh(curvature)
        return np.asarray(vectors / np.sqrt(np.maximum(np.abs(values), FLATTEST)))

    def _lifted(self, coordinates: FactorCoordinates, statistics: Statistics) -> FactorCoordinates:
        """Coordinates around the mixture with some width in every direction: from none, a search does not move."""
        flat = (coordinates.eigenvalues < LIFT) & coordinates.free_axes
        if not flat.any():
            return coordinates
        lifted = coordinates.with_variances(flat, np.where(flat, LIFT, 0.0))
        return FactorCoordinates(lifted, statistics, self.problem.constraints)

    def _fall(self, y: Floats, coordinates: FactorCoordinates, whitening: Floats) -> tuple[float, Floats]:
        """Minus the log-likelihood, and its gradient."""
        z = whitening @ y
        mixture = coordinates.at(z)
        statistics = self.problem.objective().differentiate(mixture)
        if not np.isfinite(statistics.log_likelihood):
            return IMPOSSIBLE, np.zeros(z.size)
        return -statistics.log_likelihood, -whitening.T @ coordinates.gradient(z, mixture, statistics)

    def _at(self, coordinates: FactorCoordinates, z: Floats) -> float:
        """The function at coordinates, on the scale of its range."""
        value = float(self.function(self.problem.original(coordinates.at(z))))
        tiny = 1e-300
        if np.isfinite(self.limits.high):
            tiny = 1e-15 * (self.limits.high - self.limits.low)
        return self.limits.scaled(min(max(value, self.limits.low + tiny), self.limits.high - tiny))

    def _slope(self, coordinates: FactorCoordinates, z: Floats) -> Floats:
        """Derivatives of the function with respect to the coordinates, by central differences."""
        steps = STEP * np.eye(z.size)
        return np.array([self._at(coordinates, z + step) - self._at(coordinates, z - step) for step in steps]) / (
            2.0 * STEP
        )


def _length(slopes: Floats) -> float:
    """Their Euclidean length, also where their squares are too large or too small for a float."""
    largest = float(np.abs(slopes).max(initial=0.0))
    return largest * float(np.linalg.norm(slopes / largest)) if largest > 0 else 0.0


def _ends(profile: FunctionProfile, level: float) -> tuple[float, float]:
    """Lower and upper end at a level, in the units of the function."""
    return _end(profile, level, -1.0), _end(profile, level, 1.0)


def _end(profile: FunctionProfile, level: float, direction: float) -> float:
    quantile, limits = chi_squared_quantile(level), profile.limits
    bound = limits.high if direction > 0 else limits.low
    edge = EDGE if np.isfinite(bound) else np.inf

    def fallen(distance: float) -> float:
        place = profile.value + direction * distance
        if direction * place > max(edge, direction * profile.value + edge):
            raise StopIteration
        return profile.beyond(profile.maximum, place, quantile)

    try:
        distance, lost = first_crossing(fallen, 0.0, float(np.sqrt(quantile)) * profile.error)
    except StopIteration:
        return bound
    if lost:
        warnings.warn(
            f"component {profile.component} exchanges its members with another component (label switching) before its "
            f"profile has fallen far enough, so the interval has no {'upper' if direction > 0 else 'lower'} end",
            XdgmmWarning,
            stacklevel=4,
        )
    return limits.original(profile.value + direction * distance) if np.isfinite(distance) else bound
