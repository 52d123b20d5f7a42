"""The solvers by name.  Each takes a start and returns a `Solution`; none ends below where it started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import em, implicit, newton, quasi_newton
from .objective import OutOfPasses
from .optimality import COLLAPSED, Iterate, collapsed_component, update_boundary
from .result import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from xdgmm.kernels import Data, Statistics
    from xdgmm.mixture import GaussianMixture

    from .objective import Objective

WARM_UP = 12  # implicit steps before quasi-Newton
NEWTON_STEPS = 12
NEWTON_WORK = 1e8  # a Hessian of all objects is formed where it costs less than this many elementary operations
HESSIAN_OBJECTS, PER_PARAMETER = 5_000, 30  # otherwise that of a sample of at least so many objects, or per parameter
SPARED_PASSES = 10  # passes over all objects that the Hessian of a sample may save, at most
HESSIAN_PASSES = 4  # cost of that Hessian in passes over all objects; it doubles with every round
STALLS = 3
COLLAPSING = 1e-10  # variance on exact objects, standardised, that a fit which is interrupted may be bringing to zero


class CollapseError(Exception):
    """A component collapsed on objects without noise (a signal to the search)."""

    def __init__(self, component: int) -> None:
        super().__init__(component)
        self.component = component


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a solver ended, in its coordinates."""

    mixture: GaussianMixture
    statistics: Statistics
    outcome: Outcome
    predicted_gain: float


def run(name: str, mixture: GaussianMixture, objective: Objective, tolerance: float, *, near: bool = False) -> Solution:
    """Run the solver `name` from a mixture until its maximum, or until the passes are used up.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    mixture : GaussianMixture
        The start.
    objective : Objective
    tolerance : float
        Predicted gain, in nats, below which the solver has converged.
    near : bool
        Is the mixture already near a maximum: that of a large sample, or of slightly other constraints?

    Raises
    ------
    CollapseError
        If a component collapses on exact objects.
    """
    try:
        if name in ITERATIONS:
            solution = _run_iterations(ITERATIONS[name], mixture, objective, tolerance)
            if name == "em" or solution.outcome.converged:
                return solution
            mixture = solution.mixture  # scoring cannot leave the boundary of V >= 0
        return _run_quasi_newton(name, mixture, objective, tolerance, near=near)
    except OutOfPasses:
        assert objective.best is not None, "at least one pass is allowed"
        outcome = Outcome.ALL_PASSES if tolerance == 0 else Outcome.OUT_OF_PASSES
        return _unconverged(*objective.best, objective, outcome)


def evaluate(mixture: GaussianMixture, objective: Objective, outcome: Outcome) -> Solution:
    """A mixture as a solution, without any iteration: one pass.

    Raises
    ------
    CollapseError
        If a component has collapsed on exact objects, or is about to.
    """
    statistics = objective.expect(mixture)
    _check_collapse(mixture, statistics, objective, COLLAPSING)
    return _unconverged(mixture, statistics, objective, outcome)


def _unconverged(mixture: GaussianMixture, statistics: Statistics, objective: Objective, outcome: Outcome) -> Solution:
    _check_collapse(mixture, statistics, objective)
    return Solution(mixture, statistics, outcome, gain_lower_bound(_iterate_at(mixture, statistics, objective)))


def _run_iterations(
    iterate: Callable[[GaussianMixture, Statistics, Objective], tuple[GaussianMixture, Statistics]],
    mixture: GaussianMixture,
    objective: Objective,
    tolerance: float,
) -> Solution:
    """Iterate until the gain predicted by Aitken's estimate, and by the curvature if affordable, is small enough."""
    statistics = objective.expect(mixture)
    _check_collapse(mixture, statistics, objective)
    rises: list[float] = []
    threshold = tolerance
    while True:
        before = statistics.objective
        mixture, statistics = iterate(mixture, statistics, objective)
        _check_collapse(mixture, statistics, objective)
        rises.append(statistics.objective - before)
        if tolerance > 0 and _aitken_gain(rises, statistics.rounding) < threshold:
            gain = predicted_gain(mixture, statistics, objective)
            objective.report_gain(gain)
            if gain < tolerance or threshold < statistics.rounding:
                ended = statistics.objective
                mixture, statistics = update_boundary(mixture, statistics, objective, tolerance)
                if statistics.objective - ended > max(tolerance, statistics.rounding):  # it left the boundary
                    rises, threshold = [], tolerance
                    continue
                outcome = Outcome.CONVERGED if gain < tolerance else Outcome.STALLED
                return Solution(mixture, statistics, outcome, gain)
            threshold /= 10.0


def _aitken_gain(rises: list[float], rounding: float) -> float:
    """Aitken's estimate of the further rise of a sequence that converges linearly (or more slowly)."""
    if len(rises) < 2:
        return np.inf
    before, last = rises[-2:]
    if last <= rounding:
        return 0.0
    return last * last / (before - last) if before > last else np.inf


def _run_quasi_newton(
    name: str, mixture: GaussianMixture, objective: Objective, tolerance: float, *, near: bool
) -> Solution:
    """Implicit EM steps, then rounds of quasi-Newton with updates of the boundary, and Newton steps if affordable.

    Where Newton steps cost too much, the Hessian of a sample whitens the coordinates from the second round on.
    """
    statistics = objective.expect(mixture)
    _check_collapse(mixture, statistics, objective)
    sample = _near_sample(_iterate_at(mixture, statistics, objective), objective) if near else None
    if name == "auto" and objective.constraints.allows_em and not near:
        mixture, statistics = _warm_up(mixture, statistics, objective)
    stalls = 0
    while True:
        before, passes = statistics.objective, objective.passes
        inner, statistics, gain = quasi_newton.iterate(mixture, statistics, objective, sample, tolerance)
        if objective.passes == passes:  # no coordinate is free: every round must use up a pass all the same
            statistics = objective.expect(inner)
        mixture, statistics = update_boundary(inner, statistics, objective, tolerance)
        _check_collapse(mixture, statistics, objective)
        point = _iterate_at(mixture, statistics, objective)
        affordable = hessian_affordable(point, objective.data)
        if affordable and sample is not objective and objective.passes_left <= point.coordinates.size + 1:
            if gain < tolerance:  # too few passes are left for a Hessian, which alone shows that this is a maximum
                raise OutOfPasses
        elif gain < tolerance and sample is objective:
            pass  # the gain was predicted by the Hessian of all objects
        elif affordable and (gain < 1.0 or stalls):
            inner, statistics, gain = _newton(mixture, statistics, objective, tolerance)
            mixture, statistics = update_boundary(inner, statistics, objective, tolerance)
            point = _iterate_at(mixture, statistics, objective)
        else:
            sample = hessian_sample(mixture, objective, sample)
        gain += point.boundary_gain
        if mixture is not inner:  # the gain was predicted before the boundary changed
            gain = max(gain, gain_lower_bound(point))
        objective.report_gain(gain)
        stalls = stalls + 1 if statistics.objective - before <= statistics.rounding else 0
        outcome = _outcome(gain, tolerance, statistics.rounding, stalls)
        if outcome is not None:
            return Solution(mixture, statistics, outcome, gain)


def _warm_up(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective
) -> tuple[GaussianMixture, Statistics]:
    """Some steps of implicit EM."""
    for step in range(WARM_UP):
        single = step == 0 and mixture.n_components == 1  # the labels are known: the best root is worth its cost
        iterate = implicit.iterate if single else implicit.iterate_by_scoring
        mixture, statistics = iterate(mixture, statistics, objective)
        _check_collapse(mixture, statistics, objective)
    return mixture, statistics


def _near_sample(point: Iterate, objective: Objective) -> Objective | None:
    """The objects whose Hessian whitens the first round near a maximum: all, if that costs little, or a sample.

    None if it would cost more than the round of quasi-Newton that it may save.
    """
    mixture = point.mixture
    if hessian_affordable(point, objective.data):
        return objective
    sample = hessian_sample(mixture, objective)
    cost = objective.constraints.n_parameters(mixture.n_dimensions) * sample.data.n_objects
    return sample if cost <= SPARED_PASSES * objective.data.n_objects else None


def hessian_sample(mixture: GaussianMixture, objective: Objective, previous: Objective | None = None) -> Objective:
    """The objective of as many objects as a useful Hessian needs: twice as many as in the previous round."""
    n_objects = objective.data.n_objects
    if previous is None:
        n_parameters = objective.constraints.n_parameters(mixture.n_dimensions)
        affordable = min(HESSIAN_PASSES * n_objects // max(n_parameters, 1), n_objects // 5)
        enough = max(HESSIAN_OBJECTS, PER_PARAMETER * n_parameters, affordable)
    else:
        enough = 2 * previous.data.n_objects
    return objective.subsample(min(enough, n_objects))


def _outcome(gain: float, tolerance: float, rounding: float, stalls: int) -> Outcome | None:
    """Why the solver ends; None if it goes on."""
    if tolerance == 0:
        return None
    if gain < tolerance:
        return Outcome.CONVERGED
    if gain < rounding:
        return Outcome.ROUNDING
    return Outcome.STALLED if stalls >= STALLS else None


def _newton(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective, tolerance: float
) -> tuple[GaussianMixture, Statistics, float]:
    """Newton steps until the predicted gain is negligible or no longer halves; with the last predicted gain."""
    gain, before = np.inf, np.inf
    for _ in range(NEWTON_STEPS):
        singular = _iterate_at(mixture, statistics, objective).singular
        mixture, statistics, gain = newton.iterate(mixture, statistics, objective, singular)
        if gain < quasi_newton.EXTRA_DIGITS * tolerance or gain > 0.5 * before:
            break
        before = gain
    return mixture, statistics, gain


def hessian_affordable(point: Iterate, data: Data) -> bool:
    """Is a Hessian of all objects cheap enough?"""
    K, D = point.mixture.n_components, point.mixture.n_dimensions
    n_gaussians = K if point.mixture.expansion is None else point.mixture.expansion.owners.size
    return point.coordinates.size * data.n_objects * n_gaussians * (10 + D**3) < NEWTON_WORK


def predicted_gain(mixture: GaussianMixture, statistics: Statistics, objective: Objective) -> float:
    """Predicted gain in nats, by the quadratic model; by the information with known labels if that costs too much."""
    point = _iterate_at(mixture, statistics, objective)
    if not hessian_affordable(point, objective.data):
        return gain_lower_bound(point)
    gain = newton.quadratic_model(mixture, statistics, objective, point.singular).newton_step()[1]
    return point.boundary_gain + gain


def gain_lower_bound(point: Iterate) -> float:
    """Predicted gain in nats with known labels: needs no pass, and the true gain is at least this."""
    origin = np.zeros(point.coordinates.size)
    gradient = point.coordinates.gradient(origin, point.mixture, point.statistics)[point.free]
    return float(point.boundary_gain + 0.5 * gradient @ gradient)


def _iterate_at(mixture: GaussianMixture, statistics: Statistics, objective: Objective) -> Iterate:
    return Iterate.at(mixture, statistics, objective.constraints)


def _check_collapse(
    mixture: GaussianMixture, statistics: Statistics, objective: Objective, smallest: float = COLLAPSED
) -> None:
    component = collapsed_component(mixture, statistics, objective.constraints, smallest)
    if component is not None:
        raise CollapseError(component)


ITERATIONS = {"em": em.iterate, "implicit": implicit.iterate}
NAMES = ("auto", "em", "implicit", "quasi-newton")
