"""Profile likelihoods, and what likelihood ratios say of a quantity: the engine of all limits and profile intervals.

A `Profile` holds one quantity of a mixture at a value and maximises the likelihood over everything else.  What the
quantity is (a sigma, the narrowest principal axis, the fraction of a background) is a subclass, which says how to hold
it and how to move a mixture to another value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from xdgmm.basics.quantiles import chi_squared_quantile
from xdgmm.errors import InputError
from xdgmm.fitting import Problem, responsibilities, solvers

if TYPE_CHECKING:
    from collections.abc import Callable

    from xdgmm.fitting import Model
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.mixture import GaussianMixture

PASSES = 2000
SAME = 0.5  # members in common, over all members, of a component that is still the same
WIDEST = 30  # doublings of the step before a limit is called infinite
RATIO = 1.25  # between places where more crossings of a profile are looked for
DOWN = 16  # such places on the way down, before zero
BEYOND = 1e-3  # of the first crossing: where the search for more of them starts
CAPPED = 1e3  # deviance that stands for an impossible one while a root is sought
NEGLIGIBLE = 1e-6  # deviance within which an end is that of the interval, where each point is many readings
SHALLOW = 2.0  # deviance above the quantile below which a minimum between such places is looked at closely


class LostError(Exception):
    """Label switching: the component has taken the members of another one, so the point is not of its profile."""


@dataclass(frozen=True)
class WidthLimit:
    """What the data say about one intrinsic width being zero.

    Attributes
    ----------
    deviance : float
        Twice the fall of the log-likelihood from its maximum to a width of zero; infinite where a width of zero is
        impossible, or where the component exchanges its members with another one (label switching) before zero.
    consistent_with_zero : bool
    upper : float
        Upper limit on sigma at the level asked for, in the user's units; infinite where there is none.
    """

    deviance: float
    consistent_with_zero: bool
    upper: float


class Profile(ABC):
    """Log-likelihood maximised over everything but one quantity, which is held at a value.

    Each point starts from a known one.

    Parameters
    ----------
    problem : Problem
    mixture : GaussianMixture
        The maximum, in the user's coordinates.
    value : float
        Of the quantity there, in the coordinates of the solvers.

    Attributes
    ----------
    maximum : float
        Log-likelihood of the mixture.
    seen : list of float
        Log-likelihood of every point that was reached.
    """

    tolerance = 1e-7  # nats to which each point is maximised

    def __init__(self, problem: Problem, mixture: GaussianMixture, value: float) -> None:
        self.problem = problem
        self.evaluation = problem.at(mixture)
        self.mixture = self.evaluation.iterate.mixture
        self.maximum = self.evaluation.statistics.log_likelihood
        self.value = value
        self.known = {value: (self.maximum, self.mixture)}
        self.seen = [self.maximum]

    @property
    def in_parts(self) -> bool:
        """Are the objects read in parts?"""
        return self.problem.all_observations.sample is not self.problem.all_observations

    def beyond(self, top: float, value: float, quantile: float) -> float:
        """By how much the deviance from a log-likelihood `top` at a value exceeds a quantile."""
        beyond = float(min(2.0 * (top - self.at(value)), CAPPED + quantile) - quantile)
        return 0.0 if self.in_parts and abs(beyond) < NEGLIGIBLE else beyond

    @abstractmethod
    def hold(self, value: float) -> Constraints:
        """The constraints under which the quantity keeps this value."""

    @abstractmethod
    def moved(self, mixture: GaussianMixture, start: float, value: float) -> GaussianMixture:
        """A mixture in which the quantity is `start`, with the quantity at another value."""

    def nearest(self, value: float) -> float:
        """The known value from which a point starts."""
        return min(self.known, key=lambda other: abs(other - value))

    def check(self, mixture: GaussianMixture) -> None:  # noqa: B027 - most profiles have nothing to check
        """Raise `LostError` if a mixture that was reached is not one of the profile."""

    def at(self, value: float) -> float:
        """The maximum with the quantity held at this value; minus infinity where that is impossible.

        Raises
        ------
        LostError
            If the point is not one of the profile.
        """
        value = float(value)
        if value not in self.known:
            near = self.nearest(value)
            self.known[value] = self._solve(near, value)
        return self.known[value][0]

    def _solve(self, near: float, value: float) -> tuple[float, GaussianMixture]:
        start = self.known[near][1]
        try:
            solution = self.problem.maximise(
                self.moved(start, near, value), self.tolerance, PASSES, constraints=self.hold(value), near=True
            )
        except solvers.CollapseError:
            return -np.inf, start
        self.seen.append(solution.statistics.log_likelihood)
        self.check(solution.mixture)
        return solution.statistics.log_likelihood, solution.mixture


class ComponentProfile(Profile):
    """A profile of a quantity of one component.

    In a mixture a component whose quantity is held can exchange its members with another one (label switching).  Such
    points say nothing about it: `LostError`.
    """

    def __init__(self, problem: Problem, mixture: GaussianMixture, value: float, component: int) -> None:
        super().__init__(problem, mixture, value)
        self.component = component
        self.members = self._members(self.mixture)

    def check(self, mixture: GaussianMixture) -> None:
        """Raise `LostError` if the component has exchanged its members with another one."""
        members = self._members(mixture)
        if np.minimum(members, self.members).sum() < SAME * np.maximum(members, self.members).sum():
            raise LostError

    def _members(self, mixture: GaussianMixture) -> Any:
        data = self.problem.sample
        return data.object_weights * responsibilities(mixture, data)[:, self.component]


def one_sided_quantile(level: float) -> float:
    """Deviance of a one-sided limit: quantile of the half-half mixture of chi-squared with zero and one degrees.

    Self & Liang 1987, J. Am. Stat. Assoc. 82, 605; 2.7055 at 95%.
    """
    return float(chi_squared_quantile(2 * level - 1))


def root_between(function: Callable[[float], float], near: float, far: float) -> float:
    """Where a function changes its sign; the places may have units, so that no fixed tolerance fits."""
    return float(brentq(function, near, far, xtol=1e-12 * abs(far - near), rtol=1e-9))


def first_crossing(function: Callable[[float], float], start: float, step: float) -> tuple[float, bool]:
    """Where a function of a value >= 0 that is negative at `start` first becomes positive on the way up, or down.

    Returns
    -------
    end : float
        Infinite where it does not on the way up, 0 on the way down.
    lost : bool
        Did the labels switch (`LostError`) before that?
    """
    near = start
    try:
        for _ in range(WIDEST):
            far = max(near + step, 0.0)
            if function(far) > 0:
                return root_between(function, near, far), False
            if far == 0.0:
                return 0.0, False
            near, step = far, 2 * step
    except LostError:
        return (np.inf if step > 0 else 0.0), True
    return np.inf, False


def crossings(function: Callable[[float], float], start: float, step: float, far: float) -> tuple[list[float], bool]:
    """All places where a function of a value >= 0, negative at `start`, changes its sign on the way to `far`.

    A profile need not be monotone: where few objects are measured much better than the others it can fall, and rise
    again.  The function is evaluated on a geometric grid beyond its first crossing, and near its shallow minima.

    Parameters
    ----------
    function : callable
    start, step : float
        Of `first_crossing`.
    far : float
        Beyond which, away from `start`, it has no more crossings.

    Returns
    -------
    ends : list of float
        The last one is the outermost; infinite where the function stays negative on the way up, 0 on the way down.
    lost : bool
        Did the labels switch (`LostError`) before the first crossing?
    """
    first, lost = first_crossing(function, start, step)
    if lost or not 0.0 < first < np.inf:
        return [first], lost
    places, heights = [], []
    try:
        for place in _grid(first, far, downwards=step < 0):
            heights.append(function(place))
            places.append(place)
    except LostError:
        pass  # what lies beyond says nothing about this component
    if step < 0:
        places, heights = places[::-1], heights[::-1]
    places, heights = _with_minima(function, np.array(places), np.array(heights))
    changes = np.flatnonzero(heights[:-1] * heights[1:] < 0)
    ends = [first, *(root_between(function, places[i], places[i + 1]) for i in changes)]
    outermost = heights[:1] if step < 0 else heights[-1:]
    if outermost.size and outermost[0] < 0:
        ends.append(0.0 if step < 0 else first_crossing(function, float(places[-1]), step)[0])
    ends.sort(reverse=bool(step < 0))
    return ends if len(ends) % 2 else ends[1:], False  # even: the function only touches zero at its first crossing


def _grid(first: float, far: float, *, downwards: bool) -> list[float]:
    """Places from just beyond the first crossing to the end of what has to be searched."""
    if downwards:
        return [first * (1.0 - BEYOND), *(first * RATIO ** -np.arange(1.0, DOWN + 1)), 0.0]
    if far <= first * (1.0 + BEYOND):
        return []
    n = int(np.ceil(np.log(far / first) / np.log(RATIO)))
    return [first * (1.0 + BEYOND), *np.geomspace(first, far, n + 1)[1:]]


def _with_minima(function: Callable[[float], float], places: Any, heights: Any) -> tuple[Any, Any]:
    """The places with the minima between them that are low enough to cross zero."""
    inner = np.flatnonzero((heights[1:-1] > 0) & (heights[1:-1] < heights[:-2]) & (heights[1:-1] <= heights[2:])) + 1
    for i in inner[heights[inner] < SHALLOW]:
        low, high = places[i - 1], places[i + 1]
        try:
            found = minimize_scalar(
                function, bounds=(low, high), method="bounded", options={"xatol": 1e-3 * (high - low)}
            )
        except LostError:
            continue
        places, heights = np.append(places, found.x), np.append(heights, found.fun)
    order = np.argsort(places)
    return places[order], heights[order]


def check_component(mixture: GaussianMixture, component: int, name: str = "component", size: int | None = None) -> None:
    """Refuse an index of a component (or of an axis) that does not exist."""
    size = mixture.n_components if size is None else size
    if isinstance(component, bool) or not isinstance(component, (int, np.integer)) or not 0 <= component < size:
        raise InputError(f"`{name}` is {component!r}, but the mixture has those from 0 to {size - 1}")


def check_not_flat(mixture: GaussianMixture, component: int, axis: int | None = None) -> None:
    """Refuse mean and width of a component in a column in which it is flat, or, without one, its principal axes."""
    flat = mixture.is_flat[component]
    if axis is None and flat.any():
        raise InputError(
            f"component {component} is flat in some columns, so that it has no principal axes; name another component"
        )
    if axis is not None and flat[axis]:
        raise InputError(
            f"component {component} is flat in '{mixture.names[axis]}', where it has neither mean nor width of its "
            "own; name another column"
        )


def check_has_likelihood_limit(model: Model) -> None:
    """Refuse a fit with a prior, which has no limits from the likelihood."""
    if model.prior is not None:
        raise InputError("with a prior there is no limit from the likelihood; fit without it, or sample the posterior")
