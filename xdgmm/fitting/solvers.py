"""The solvers by name.  Each takes a start and returns a `Solution`; none ends below where it started."""

from dataclasses import dataclass

import numpy as np

from xdgmm.mixture import GaussianMixture

from . import em, implicit, newton, quasi_newton
from .objective import OutOfPasses, Statistics
from .optimality import Iterate, collapsed_component, update_boundary
from .result import Outcome

WARM_UP = 12  # implicit steps before quasi-Newton
NEWTON_STEPS = 12
NEWTON_WORK = 1e8  # a Hessian of all objects is formed where it costs less than this many elementary operations
HESSIAN_OBJECTS, PER_PARAMETER = 5_000, 30  # otherwise one of so many objects at least, or so many for each parameter
SPARED_PASSES = 10
HESSIAN_PASSES = 4  # which costs about so many passes over all objects, and twice as many with every round
STALLS = 3
EXTRA_DIGITS = 1e-6  # Newton goes on until this fraction of the tolerance is left


class CollapseError(Exception):
    """A component collapsed on objects without noise (a signal to the driver)."""

    def __init__(self, component):
        super().__init__(component)
        self.component = component


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a solver ended, in its coordinates."""

    mixture: GaussianMixture
    statistics: Statistics
    outcome: Outcome
    predicted_gain: float


def run(name, mixture, objective, tolerance, *, near=False):
    """Run the solver `name` from a mixture until its maximum, or until the passes are used up.

    `near` says that the mixture is already the maximum of a large sample of the objects.
    """
    try:
        if name in ITERATIONS:
            solution = _run_iterations(ITERATIONS[name], mixture, objective, tolerance)
            if name == "em" or solution.outcome.converged:
                return solution
            mixture = solution.mixture  # scoring sticks on the boundary of V >= 0
        return _run_quasi_newton(name, mixture, objective, tolerance, near=near)
    except OutOfPasses:
        mixture, statistics = objective.best
        _check_collapse(mixture, statistics, objective)
        outcome = Outcome.ALL_PASSES if tolerance == 0 else Outcome.OUT_OF_PASSES
        return Solution(mixture, statistics, outcome, gain_lower_bound(_point(mixture, statistics, objective)))


def evaluate(mixture, objective, outcome):
    """A mixture that nobody goes on improving, as a solution: one pass."""
    statistics = objective.expect(mixture)
    _check_collapse(mixture, statistics, objective)
    return Solution(mixture, statistics, outcome, gain_lower_bound(_point(mixture, statistics, objective)))


def _run_iterations(iterate, mixture, objective, tolerance):
    """EM iterations until Aitken's estimate of the remaining gain, and the curvature if affordable, allow to stop."""
    statistics = objective.expect(mixture)
    _check_collapse(mixture, statistics, objective)
    rises, threshold = [], tolerance
    while True:
        before = statistics.objective
        mixture, statistics = iterate(mixture, statistics, objective)
        _check_collapse(mixture, statistics, objective)
        rises.append(statistics.objective - before)
        if tolerance > 0 and _remaining(rises, statistics.rounding) < threshold:
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


def _remaining(rises, rounding):
    """Aitken's estimate of what a linearly (or more slowly) converging sequence still gains."""
    if len(rises) < 2:
        return np.inf
    before, last = rises[-2:]
    if last <= rounding:
        return 0.0
    return last * last / (before - last) if before > last else np.inf


def _run_quasi_newton(name, mixture, objective, tolerance, *, near):
    """Warm up by implicit EM, climb by quasi-Newton, settle on the boundary, end with Newton steps if affordable.

    Where Newton steps cost too much, the Hessian of a sample whitens the coordinates from the second round on.
    """
    statistics = objective.expect(mixture)
    _check_collapse(mixture, statistics, objective)
    sample = _cheap_sample(mixture, objective) if near else None
    if name == "auto" and objective.constraints.unrestricted and not near:
        for step in range(WARM_UP):
            alone = step == 0 and mixture.n_components == 1  # the labels are known: the best root is worth its price
            iterate = implicit.iterate if alone else implicit.iterate_by_scoring
            mixture, statistics = iterate(mixture, statistics, objective)
            _check_collapse(mixture, statistics, objective)
    stalls = 0
    while True:
        before, passes = statistics.objective, objective.passes
        mixture, statistics, gain = quasi_newton.iterate(mixture, statistics, objective, sample)
        if objective.passes == passes:  # nothing moves any more: every round must use up a pass all the same
            statistics = objective.expect(mixture)
        mixture, statistics = update_boundary(mixture, statistics, objective, tolerance)
        _check_collapse(mixture, statistics, objective)
        point = _point(mixture, statistics, objective)
        if hessian_affordable(point, objective.data) and (gain < 1.0 or stalls):
            mixture, statistics, gain = _newton(mixture, statistics, objective, tolerance)
            mixture, statistics = update_boundary(mixture, statistics, objective, tolerance)
            point = _point(mixture, statistics, objective)
        else:
            sample = _hessian_sample(mixture, objective, sample)
        gain += point.boundary_gains().sum()
        objective.report_gain(gain)
        stalls = stalls + 1 if statistics.objective - before <= statistics.rounding else 0
        outcome = _outcome(gain, tolerance, statistics.rounding, stalls)
        if outcome is not None:
            return Solution(mixture, statistics, outcome, gain)


def _cheap_sample(mixture, objective):
    """A sample whose Hessian costs less than the round of quasi-Newton that it may spare; None where there is none."""
    sample = _hessian_sample(mixture, objective, None)
    cost = objective.constraints.n_parameters(mixture.n_dimensions) * sample.data.n_objects
    return sample if cost <= SPARED_PASSES * objective.data.n_objects else None


def _hessian_sample(mixture, objective, before):
    """The likelihood of as many objects as a useful Hessian needs: twice as many as before, where that was too few."""
    n_objects = objective.data.n_objects
    if before is None:
        n_parameters = objective.constraints.n_parameters(mixture.n_dimensions)
        affordable = min(HESSIAN_PASSES * n_objects // max(n_parameters, 1), n_objects // 5)
        enough = max(HESSIAN_OBJECTS, PER_PARAMETER * n_parameters, affordable)
    else:
        enough = 2 * before.data.n_objects
    return objective.subsample(min(enough, n_objects))


def _outcome(gain, tolerance, rounding, stalls):
    if tolerance == 0:
        return None
    if gain < tolerance:
        return Outcome.CONVERGED
    if gain < rounding:
        return Outcome.ROUNDING
    return Outcome.STALLED if stalls >= STALLS else None


def _newton(mixture, statistics, objective, tolerance):
    """Newton steps until next to nothing is left, or they stop helping."""
    gain, before = np.inf, np.inf
    for _ in range(NEWTON_STEPS):
        singular = _point(mixture, statistics, objective).singular
        mixture, statistics, gain = newton.iterate(mixture, statistics, objective, singular)
        if gain < EXTRA_DIGITS * tolerance or gain > 0.5 * before:
            break
        before = gain
    return mixture, statistics, gain


def hessian_affordable(point, data):
    """Is a Hessian cheap enough to form?"""
    K, D = point.mixture.n_components, point.mixture.n_dimensions
    return point.coordinates.size * data.n_objects * K * (10 + D**3) < NEWTON_WORK


def predicted_gain(mixture, statistics, objective):
    """Nats still to gain by the quadratic model; by the labelled information alone where that costs too much."""
    point = _point(mixture, statistics, objective)
    if not hessian_affordable(point, objective.data):
        return gain_lower_bound(point)
    ascent = newton.quadratic_model(mixture, statistics, objective, point.singular).newton_step()[1]
    return float(point.boundary_gains().sum()) + ascent


def gain_lower_bound(point):
    """Nats still to gain if the labels were known: no pass is needed, and the truth is this or more."""
    origin = np.zeros(point.coordinates.size)
    gradient = point.coordinates.gradient(origin, point.mixture, point.statistics)[point.free]
    return float(point.boundary_gains().sum() + 0.5 * gradient @ gradient)


def _point(mixture, statistics, objective):
    return Iterate.at(mixture, statistics, objective.constraints)


def _check_collapse(mixture, statistics, objective):
    component = collapsed_component(mixture, statistics, objective.constraints)
    if component is not None:
        raise CollapseError(component)


ITERATIONS = {"em": em.iterate, "implicit": implicit.iterate}
NAMES = ("auto", "em", "implicit", "quasi-newton")
