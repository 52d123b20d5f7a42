"""The solvers by name.  Each takes a start and returns a `Solution`; none ends below where it started."""

from dataclasses import dataclass

import numpy as np

from xdgmm.mixture import GaussianMixture

from . import em, implicit, newton, quasi_newton
from .optimality import Point, collapsed, settle
from .result import Outcome
from .statistics import OutOfPasses, Statistics

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


def run(name, mixture, likelihood, tolerance, *, near=False):
    """Run the solver `name` from a mixture until its maximum, or until the passes are used up.

    `near` says that the mixture is already the maximum of a large sample of the objects.
    """
    try:
        if name in ITERATIONS:
            solution = _iterate(ITERATIONS[name], mixture, likelihood, tolerance)
            if name == "em" or solution.outcome.converged:
                return solution
            mixture = solution.mixture  # scoring sticks on the boundary of V >= 0
        return _climb(name, mixture, likelihood, tolerance, near=near)
    except OutOfPasses:
        mixture, statistics = likelihood.best
        _refuse_collapse(mixture, statistics, likelihood)
        outcome = Outcome.ALL_PASSES if tolerance == 0 else Outcome.OUT_OF_PASSES
        return Solution(mixture, statistics, outcome, least_gain(_point(mixture, statistics, likelihood)))


def as_it_is(mixture, likelihood, outcome):
    """A mixture that nobody goes on improving, as a solution: one pass."""
    statistics = likelihood.expect(mixture)
    _refuse_collapse(mixture, statistics, likelihood)
    return Solution(mixture, statistics, outcome, least_gain(_point(mixture, statistics, likelihood)))


def _iterate(advance, mixture, likelihood, tolerance):
    """EM iterations until Aitken's estimate of the remaining gain, and the curvature if affordable, allow to stop."""
    statistics = likelihood.expect(mixture)
    _refuse_collapse(mixture, statistics, likelihood)
    rises, threshold = [], tolerance
    while True:
        before = statistics.objective
        mixture, statistics = advance(mixture, statistics, likelihood)
        _refuse_collapse(mixture, statistics, likelihood)
        rises.append(statistics.objective - before)
        if tolerance > 0 and _remaining(rises, statistics.rounding) < threshold:
            gain = predicted_gain(mixture, statistics, likelihood)
            likelihood.predict(gain)
            if gain < tolerance or threshold < statistics.rounding:
                ended = statistics.objective
                mixture, statistics = settle(mixture, statistics, likelihood, tolerance)
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


def _climb(name, mixture, likelihood, tolerance, *, near):
    """Warm up by implicit EM, climb by quasi-Newton, settle on the boundary, end with Newton steps if affordable.

    Where Newton steps cost too much, the Hessian of a sample whitens the coordinates from the second round on.
    """
    statistics = likelihood.expect(mixture)
    _refuse_collapse(mixture, statistics, likelihood)
    sample = _cheap_sample(mixture, likelihood) if near else None
    if name == "auto" and likelihood.constraints.unheld and not near:
        for step in range(WARM_UP):
            alone = step == 0 and mixture.n_components == 1  # the labels are known: the best root is worth its price
            advance = implicit.advance if alone else implicit.advance_by_scoring
            mixture, statistics = advance(mixture, statistics, likelihood)
            _refuse_collapse(mixture, statistics, likelihood)
    stalls = 0
    while True:
        before, passes = statistics.objective, likelihood.passes
        mixture, statistics, gain = quasi_newton.climb(mixture, statistics, likelihood, sample)
        if likelihood.passes == passes:  # nothing moves any more: every round must use up a pass all the same
            statistics = likelihood.expect(mixture)
        mixture, statistics = settle(mixture, statistics, likelihood, tolerance)
        _refuse_collapse(mixture, statistics, likelihood)
        point = _point(mixture, statistics, likelihood)
        if affordable(point, likelihood.blocks) and (gain < 1.0 or stalls):
            mixture, statistics, gain = _newton(mixture, statistics, likelihood, tolerance)
            mixture, statistics = settle(mixture, statistics, likelihood, tolerance)
            point = _point(mixture, statistics, likelihood)
        else:
            sample = _sample(mixture, likelihood, sample)
        gain += point.gains_of_leaving().sum()
        likelihood.predict(gain)
        stalls = stalls + 1 if statistics.objective - before <= statistics.rounding else 0
        outcome = _verdict(gain, tolerance, statistics.rounding, stalls)
        if outcome is not None:
            return Solution(mixture, statistics, outcome, gain)


def _cheap_sample(mixture, likelihood):
    """A sample whose Hessian costs less than the round of quasi-Newton that it may spare; None where there is none."""
    sample = _sample(mixture, likelihood, None)
    cost = likelihood.constraints.n_parameters(mixture.n_dimensions) * sample.blocks.n_objects
    return sample if cost <= SPARED_PASSES * likelihood.blocks.n_objects else None


def _sample(mixture, likelihood, before):
    """The likelihood of as many objects as a useful Hessian needs: twice as many as before, where that was too few."""
    n_objects = likelihood.blocks.n_objects
    if before is None:
        n_parameters = likelihood.constraints.n_parameters(mixture.n_dimensions)
        affordable = min(HESSIAN_PASSES * n_objects // max(n_parameters, 1), n_objects // 5)
        enough = max(HESSIAN_OBJECTS, PER_PARAMETER * n_parameters, affordable)
    else:
        enough = 2 * before.blocks.n_objects
    return likelihood.thinned(min(enough, n_objects))


def _verdict(gain, tolerance, rounding, stalls):
    if tolerance == 0:
        return None
    if gain < tolerance:
        return Outcome.CONVERGED
    if gain < rounding:
        return Outcome.ROUNDING
    return Outcome.STALLED if stalls >= STALLS else None


def _newton(mixture, statistics, likelihood, tolerance):
    """Newton steps until next to nothing is left, or they stop helping."""
    gain, before = np.inf, np.inf
    for _ in range(NEWTON_STEPS):
        singular = _point(mixture, statistics, likelihood).singular
        mixture, statistics, gain = newton.advance(mixture, statistics, likelihood, singular)
        if gain < EXTRA_DIGITS * tolerance or gain > 0.5 * before:
            break
        before = gain
    return mixture, statistics, gain


def affordable(point, blocks):
    """Is a Hessian cheap enough to form?"""
    K, D = point.mixture.n_components, point.mixture.n_dimensions
    return point.coordinates.size * blocks.n_objects * K * (10 + D**3) < NEWTON_WORK


def predicted_gain(mixture, statistics, likelihood):
    """Nats still to gain by the quadratic model; by the labelled information alone where that costs too much."""
    point = _point(mixture, statistics, likelihood)
    if not affordable(point, likelihood.blocks):
        return least_gain(point)
    ascent = newton.curvature(mixture, statistics, likelihood, point.singular).ascent()[1]
    return float(point.gains_of_leaving().sum()) + ascent


def least_gain(point):
    """Nats still to gain if the labels were known: no pass is needed, and the truth is this or more."""
    origin = np.zeros(point.coordinates.size)
    gradient = point.coordinates.gradient(origin, point.mixture, point.statistics)[point.free]
    return float(point.gains_of_leaving().sum() + 0.5 * gradient @ gradient)


def _point(mixture, statistics, likelihood):
    return Point.at(mixture, statistics, likelihood.constraints)


def _refuse_collapse(mixture, statistics, likelihood):
    component = collapsed(mixture, statistics, likelihood.constraints)
    if component is not None:
        raise CollapseError(component)


ITERATIONS = {"em": em.advance, "implicit": implicit.advance}
NAMES = ("auto", "em", "implicit", "quasi-newton")
