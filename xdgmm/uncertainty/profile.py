"""The profile likelihood of one width, mean or weight: intervals that need not be symmetric, and respect V >= 0.

With m the maximum of the log-likelihood and p(s) its maximum with one intrinsic sigma held at s, the interval is that
of all s with ``2 (m - p(s))`` below the quantile of chi-squared with one degree of freedom (Wilks 1938, Ann. Math.
Stat. 9, 60).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.parameters import check_level
from xdgmm.basics.quantiles import chi_squared_quantile
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import Problem
from xdgmm.fitting.objective import information_of

from .estimates import ONE_SIGMA, Estimate
from .function_profile import FunctionProfile, Range, function_interval
from .likelihood_ratio import (
    ComponentProfile,
    LostError,
    check_component,
    check_has_likelihood_limit,
    check_not_flat,
    crossings,
)
from .simulated import Simulation, simulated_mean_interval, simulated_width_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import Model
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations.inputs import Catalogue

HIGHER = 1e-3  # nats above the fit that show a local maximum rather than rounding
WIDE = 10.0  # robust spreads behind projections
DOWNWARDS = (0.8, 0.6, 0.4, 0.2)  # steps to zero, so that a component is followed rather than replaced


def profile_interval(
    mixture: GaussianMixture,
    observations: Catalogue,
    component: int,
    axis: int,
    level: float = 0.6827,
    model: Model | None = None,
    *,
    calibration: str = "likelihood",
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
) -> Estimate:
    """Interval of one intrinsic sigma of a maximum-likelihood mixture from its profile likelihood.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations, StreamedObservations or a source of them
    component, axis : int
        Which sigma.
    level : float
        Probability of the interval.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default what the mixture's record says.
    calibration : {"auto", "likelihood", "simulated"}
        The deviance at the ends: the quantile of chi-squared, which is that of many objects, or the one that
        simulations of such samples give.  "auto" simulates where few objects determine a width of the component.
    rng : numpy Generator, int or None
        Source of the simulations; None is a fixed seed, so that the interval is the same every time.
    n_jobs : int
        Processes that fit simulated samples, where these are fitted one by one; -1 for all processors.

    Returns
    -------
    Estimate
        Of sigma, in the caller's units.  The lower end is exactly 0 where zero is not excluded.

    Raises
    ------
    InputError
        If `level` is not between 0 and 1, there is no such sigma, there is a prior, the covariance was fixed, or the
        calibration is unknown.

    Warns
    -----
    XdgmmWarning
        If the component exchanges its members with another one (label switching) before the profile has fallen far
        enough: that end is 0, or infinite.  If the interval consists of several pieces: its ends are the outermost.  If
        the fit turns out to be a local maximum.

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.fitting import fit
    >>> from xdgmm.uncertainty import profile_interval
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> sigma = profile_interval(fit(stars).mixture, stars, 0, 0)
    >>> print(f"{sigma.value:.2f}, from {sigma.low:.2f} to {sigma.high:.2f} km/s")
    2.73, from 2.33 to 3.20 km/s
    """
    check_level(level)
    simulation = Simulation.of(calibration, rng, n_jobs, "calibration")
    problem = Problem.of(mixture, observations, model)
    profile = WidthProfile(problem, mixture, component, axis)
    if simulation.applies(problem, mixture, component, intervals=True):
        return _simulated(profile, float(mixture.sigmas[component, axis]), level, simulation)
    ends = _Ends(profile)
    low, high = ends.at(level)
    one = (low, high) if abs(level - ONE_SIGMA) < 1e-4 else ends.at(ONE_SIGMA)
    ends.warn()
    warn_of_local_maximum(profile)
    return Estimate(float(mixture.sigmas[component, axis]), 0.5 * (one[1] - one[0]), low, high)


def _simulated(profile: WidthProfile, value: float, level: float, simulation: Simulation) -> Estimate:
    low, high = _simulated_ends(profile, value, level, simulation)
    same = abs(level - ONE_SIGMA) < 1e-4
    one = (low, high) if same else _simulated_ends(profile, value, ONE_SIGMA, simulation)
    warn_of_local_maximum(profile)
    return Estimate(value, 0.5 * (one[1] - one[0]), low, high)


def _simulated_ends(profile: WidthProfile, value: float, level: float, simulation: Simulation) -> tuple[float, float]:
    """Simulated ends; one that lies above the value is that of the likelihood.

    The best sigma of a column alone, which the samples have, can be larger than that of all columns together.
    """
    low, high = simulated_width_interval(profile, level, simulation)
    return (low if low <= value else _Ends(profile).at(level)[0]), high


def mean_interval(
    mixture: GaussianMixture,
    observations: Catalogue,
    component: int,
    axis: int,
    level: float = 0.6827,
    model: Model | None = None,
    *,
    calibration: str = "likelihood",
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
) -> Estimate:
    """Interval of one intrinsic mean of a maximum-likelihood mixture from its profile likelihood.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations, StreamedObservations or a source of them
    component, axis : int
        Which mean.
    level : float
        Probability of the interval.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default what the mixture's record says.
    calibration, rng, n_jobs
        As for `profile_interval`.  For exact values and one component the simulated interval is Student's.

    Returns
    -------
    Estimate
        In the units of the mixture.

    Raises
    ------
    InputError
        If `level` is not between 0 and 1, there is no such mean, there is a prior, the mean was fixed, or the
        calibration is unknown.

    Warns
    -----
    XdgmmWarning
        If the component exchanges its members with another one before the profile has fallen far enough.
    """
    check_component(mixture, component)
    check_component(mixture, axis, "axis", mixture.n_dimensions)
    check_not_flat(mixture, component, axis)
    simulation = Simulation.of(calibration, rng, n_jobs, "calibration")
    problem = Problem.of(mixture, observations, model)
    if component in problem.model.fixed.means:
        raise InputError(f"the mean of component {component} was fixed, so it has no interval")

    def mean(of: GaussianMixture) -> float:
        return float(of.means[component, axis])

    found = function_interval(mean, mixture, observations, level, model, component=component)
    if not simulation.applies(problem, mixture, component, intervals=True):
        return found
    profile = FunctionProfile(problem, mixture, mean, Range(), component)
    low, high = simulated_mean_interval(profile, axis, (found.low, found.high), level, simulation)
    one = (low, high)
    if abs(level - ONE_SIGMA) >= 1e-4:
        about = found.value - found.error, found.value + found.error
        one = simulated_mean_interval(profile, axis, about, ONE_SIGMA, simulation)
    return Estimate(found.value, 0.5 * (one[1] - one[0]), low, high)


def weight_interval(
    mixture: GaussianMixture,
    observations: Catalogue,
    component: int,
    level: float = 0.6827,
    model: Model | None = None,
) -> Estimate:
    """Interval of one weight of a maximum-likelihood mixture from its profile likelihood.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations, StreamedObservations or a source of them
    component : int
        Which weight; K is the fraction of the background.
    level : float
        Probability of the interval.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default what the mixture's record says.

    Returns
    -------
    Estimate
        Without an interval (NaN) where the weight is at an end of its range.

    Raises
    ------
    InputError
        If `level` is not between 0 and 1, there is no such weight, there is a prior, or the weight was fixed.
    """
    n_weights = mixture.all_weights.size
    check_component(mixture, component, size=n_weights)
    if n_weights == 1 or component in Problem.of(mixture, observations, model).model.fixed.weights:
        raise InputError(f"the weight of component {component} was not free, so it has no interval")
    follows = component if component < mixture.n_components else None

    def weight(of: GaussianMixture) -> float:
        return float(of.all_weights[component])

    return function_interval(weight, mixture, observations, level, model, within=(0.0, 1.0), component=follows)


def warn_of_local_maximum(profile: WidthProfile) -> None:
    """Tell if a point of the profile lies above the fit."""
    rise = max(profile.seen) - profile.maximum
    if rise > HIGHER:
        warnings.warn(
            f"with the sigma of component {profile.component} held elsewhere the log-likelihood is {rise:.3g} nats "
            "higher than the fit's: the fit is a local maximum; raise `n_init`",
            XdgmmWarning,
            stacklevel=3,
        )


class WidthProfile(ComponentProfile):
    """Log-likelihood maximised over everything but one sigma.

    In a mixture a component whose sigma is held can exchange its members with another one (label switching).  Such
    points say nothing about its width: `LostError`.

    Parameters
    ----------
    problem : Problem
    mixture : GaussianMixture
    component, axis : int
        Which sigma.

    Raises
    ------
    InputError
        If there is no such sigma, there is a prior, or the covariance was fixed.
    """

    def __init__(self, problem: Problem, mixture: GaussianMixture, component: int, axis: int) -> None:
        check_component(mixture, component)
        check_component(mixture, axis, "axis", mixture.n_dimensions)
        check_not_flat(mixture, component, axis)
        check_has_likelihood_limit(problem.model)
        if component in problem.model.fixed.covariances:
            raise InputError(f"the covariance of component {component} was fixed, so its width has no limit")
        sigma = float(problem.at(mixture).iterate.mixture.sigmas[component, axis])
        super().__init__(problem, mixture, sigma, component)
        self.axis, self.unit = axis, float(problem.scaling.scale[axis])
        self.span = self._span(problem)
        statistics = self.evaluation.statistics
        n_members = statistics.n_members[component]
        information = information_of(statistics)[component, axis, axis] / max(n_members, 1e-300)
        self.step = 0.25 / np.sqrt(information) if information > 0 else 1.0
        self.error = self._labelled_error(information, n_members)

    def _span(self, problem: Problem) -> float:
        """A sigma from which on the likelihood only falls: every squared distance from the mean is smaller."""
        observations, farthest = problem.observations, 0.0
        bare = observations.projections is None and observations.limits is None
        if bare:
            values = observations.values[observations.counts, self.axis]
            farthest = float(np.nanmax(values) - np.nanmin(values)) / self.unit
        if bare and problem.holds_all:
            return farthest
        # not all true values are known, but they are hardly further apart than this
        return max(WIDE * float(observations.location_and_spread()[1][self.axis]) / self.unit, farthest)

    def _labelled_error(self, information: float, count: float) -> float:
        """Standard error of sigma if all labels were known, at most a quarter of the whole width."""
        of_variance = np.sqrt(2.0 / max(count, 1.0)) * (4.0 * self.step) ** 2
        return of_variance / max(2.0 * self.value, of_variance / self.step) if information > 0 else self.step

    def down_to_zero(self) -> float:
        """Maximum with the sigma at zero; minus infinity where this component cannot be followed there."""
        steps = DOWNWARDS if self.mixture.all_weights.size > 1 else ()
        try:
            for fraction in (*steps, 0.0):
                reached = self.at(fraction * self.value)
        except LostError:
            return -np.inf
        return reached

    def highest(self) -> tuple[float, float]:
        """The largest log-likelihood known, with its sigma: the fit, or the maximum with no width."""
        return max((self.maximum, self.value), (self.down_to_zero(), 0.0))

    def outermost(self, quantile: float) -> float:
        """The largest sigma at which the deviance is this quantile; a multiple of the fit's where there is none."""
        top, sigma = self.highest()
        ends, lost = crossings(lambda s: 2 * (top - self.at(s)) - quantile, sigma, self.step, self.span)
        return ends[-1] if np.isfinite(ends[-1]) and not lost else 2.0 * (self.value + self.step)

    def hold(self, value: float) -> Constraints:
        """The sigma keeps this value."""
        return self.problem.constraints.with_fixed_variance(self.component, self.axis, value**2)

    def moved(self, mixture: GaussianMixture, start: float, value: float) -> GaussianMixture:  # noqa: ARG002
        """A mixture with one row and column rescaled to this sigma, in all covariances that go with it."""
        covariances = mixture.covariances.copy()
        kind = self.problem.model.covariance_type
        if kind == "spherical":
            covariances[self.component] = value**2 * np.eye(mixture.n_dimensions)
            return mixture.with_parameters(mixture.all_weights, mixture.means, covariances)
        which = slice(None) if kind == "tied" else self.component
        old = np.sqrt(max(covariances[self.component, self.axis, self.axis], 0.0))
        ratio = value / old if old > 0 else 0.0
        covariances[which, self.axis] *= ratio
        covariances[which, :, self.axis] *= ratio
        covariances[which, self.axis, self.axis] = value**2
        return mixture.with_parameters(mixture.all_weights, mixture.means, covariances)


class _Ends:
    """Both ends of the intervals of one profile, and what was in the way of them."""

    def __init__(self, profile: WidthProfile) -> None:
        self.profile = profile
        self.lost: list[str] = []
        self.pieces: list[NDArray[np.float64]] = []
        self.at_zero = profile.down_to_zero()
        self.top, self.sigma = profile.highest()

    def at(self, level: float) -> tuple[float, float]:
        """Lower and upper end at a level, in the caller's units."""
        quantile = chi_squared_quantile(level)

        def fallen(sigma: float) -> float:
            return self.profile.beyond(self.top, sigma, quantile)

        step = max(np.sqrt(quantile) * self.profile.error, 1e-9 * self.profile.step)
        lower, lost_below = crossings(fallen, self.sigma, -step, 0.0) if self.sigma > 0 else ([0.0], False)
        upper, lost_above = crossings(fallen, self.sigma, step, self.profile.span)
        if lost_below and 2.0 * (self.top - self.at_zero) >= quantile:
            self.lost.append("ends at 0")
        if lost_above:
            self.lost.append("has no upper end")
        ends = np.array([*lower[::-1], *upper]) * self.profile.unit
        if ends.size > 2 and ends.size % 2 == 0:
            self.pieces = np.split(ends, range(2, ends.size, 2))
        return float(ends[0]), float(ends[-1])

    def warn(self) -> None:
        """Tell which ends were not reached, and intervals with gaps."""
        if self.pieces:
            pieces = ", ".join(f"{low:.4g} to {high:.4g}" for low, high in self.pieces)
            warnings.warn(
                f"the profile likelihood of the sigma of component {self.profile.component} has several maxima, so its "
                f"interval consists of several pieces ({pieces}); the outermost ends are given",
                XdgmmWarning,
                stacklevel=3,
            )
        for sentence in dict.fromkeys(self.lost):
            warnings.warn(
                f"component {self.profile.component} exchanges its members with another component (label switching) "
                f"before its profile has fallen far enough, so the interval of its sigma {sentence}",
                XdgmmWarning,
                stacklevel=3,
            )
