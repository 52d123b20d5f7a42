"""The edges of a background of true values, by maximum likelihood.

The edges enter the likelihood only through the density of the background at each object.  For given edges everything
else is fitted as usual (`solvers`); the objective that is reached is a function of the edges alone, a profile, whose
slope is that with everything else held::

    sum_i omega_i r_i d ln p_i / d edge

with r_i the probability that object i belongs to the background and p_i its density there.  The profile is maximised by
quasi-Newton steps.  Their first matrix is ``sum omega r^2 (d ln p / d edge)^2`` (Berndt, Hall, Hall & Hausman 1974).

Where the background has fewer than two objects, the box is that of the data.

Steps are taken in edges divided by the scale of the solvers' coordinates: squares of slopes and of widths are then of
order one, whatever the units of the values are.

An exact value outside the box has a density of zero.  The box therefore always holds all exact values: where the
likelihood rises towards a smaller box, an edge ends at the outermost of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.mixture.background import box_of

from . import solvers
from .objective import parameters
from .problem import Problem
from .progress import Stopped
from .result import Outcome
from .settings import StoppingRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.mixture import Background, GaussianMixture

    from .objective import Objective
    from .progress import Monitor
    from .settings import Settings
    from .solvers import Solution

    Floats = NDArray[np.float64]

LEAST_PASSES = 20  # for one fit at a box, also where passes are short
MOST_STEPS = 100
SHORTENINGS, SHORTER = 12, 4.0  # how often a step is shortened, and by which factor
LONGEST, MOST_SHRUNK = 0.3, 0.8  # longest step of an edge, of the range of the values; loss of width in one step
LEAST_WIDTH = 1e-3  # median errors: a narrower box has the same density, to 1e-7
FEWEST = 2.0  # objects in the background: fewer do not determine edges, and a box would close around one of them
MOST_GAINED = 1e4  # nats that a step along one direction may be predicted to gain for each object
OF_RULE = 1e-3  # nats that the errors of a rule for joint integrals can hide
FLATTEST = 1e-6  # least curvature, relative to that along each edge
CONCAVE = 1e-3  # least change of the slope along a step, relative to the expected one, that counts
LARGE, SAMPLE, SAMPLE_TOLERANCE = 50_000, 20_000, 1e-2  # objects; of more than that, a sample is solved first


@dataclass(frozen=True, eq=False)
class Point:
    """The fit for some edges.

    Attributes
    ----------
    background : Background
        In the user's coordinates.
    edges : ndarray (2 D,)
        Lower and upper edges, divided by the scale of the solvers' coordinates.
    solution : Solution
    objective : Objective
        With the passes made at these edges.
    gradient : ndarray (2 D,)
        Slope of the profile with respect to the edges, lower ones first.
    information : ndarray (2 D, 2 D)
        Sum of the products of the objects' slopes.
    members : float
        Number of objects in the background.
    """

    background: Background
    edges: Floats
    solution: Solution
    objective: Objective
    gradient: Floats
    information: Floats
    members: float

    @property
    def height(self) -> float:
        """The objective."""
        return self.solution.statistics.objective


def fit_edges(
    problem: Problem, solution: Solution, objective: Objective, settings: Settings, monitor: Monitor
) -> tuple[Problem, Solution, Objective]:
    """The fit with the edges of the background at their maximum.

    Parameters
    ----------
    problem : Problem
        With a background whose edges are fitted; they start from its box and from that of the data.
    solution : Solution
        Of that problem, where the fit starts.
    objective : Objective
        With which the solution was found.
    settings : Settings
    monitor : Monitor

    Returns
    -------
    problem : Problem
        With the fitted edges.
    solution, objective
        Of that problem.
    """
    background = problem.model.background
    assert background is not None, "a problem without a background has no edges"
    monitor.begin("edges")
    profile = Profile(problem, problem.data, settings, monitor)
    profile.keep(background, solution, objective)
    try:
        box = box_of(problem.observations)
        if problem.data.n_objects > LARGE:
            sample = Profile(problem, problem.data.subsample(SAMPLE), settings, monitor)
            if sample.solve(background, solution.mixture) is not None:
                sample.maximise_from_both(box, SAMPLE_TOLERANCE)
                profile.solve(sample.best.background, sample.best.solution.mixture)
            outcome = profile.maximise(profile.tolerance)
        else:
            outcome = profile.maximise_from_both(box, profile.tolerance)
    except KeyboardInterrupt:
        outcome = Outcome.INTERRUPTED
    except Stopped:
        outcome = Outcome.STOPPED
    best = profile.best
    gain = best.solution.predicted_gain + profile.predicted_gain
    model = replace(problem.model, background=best.background)
    fitted = Problem(problem.observations, problem.n_components, model)
    return fitted, replace(best.solution, outcome=outcome, predicted_gain=gain), best.objective


class Profile:
    """The objective as a function of the edges, everything else at its maximum.

    Attributes
    ----------
    best : Point
        The highest one so far.
    predicted_gain : float
        What a step from there is predicted to gain, in nats.
    """

    best: Point
    predicted_gain = np.inf

    def __init__(self, problem: Problem, data: Data, settings: Settings, monitor: Monitor | None = None) -> None:
        self.problem, self.data, self.settings, self.monitor = problem, data, settings, monitor
        self.passes = 0  # of all fits at boxes, together no more than one fit may make
        self.observations = problem.observations.select(data.rows)
        self.tolerance = settings.stopping.tolerance or StoppingRule().tolerance
        self.scale = np.tile(problem.scaling.scale, 2)  # of the edges; a power of two, so that no digit changes
        self.limits, self.least_widths = self._limits(), self._least_widths()
        measured = np.where(self.observations.present, self.observations.values, np.nan)
        ranges = np.subtract(*np.nanpercentile(measured, [100.0, 0.0], axis=0))
        self.ranges = ranges / problem.scaling.scale

    def _limits(self) -> Floats:
        """Bounds (2 D,): lower edges are at most the first, upper ones at least the last exact value."""
        exact = self.observations.present & (self.observations.variances == 0)
        lowest = np.where(exact, self.observations.values, np.inf).min(axis=0)
        highest = np.where(exact, self.observations.values, -np.inf).max(axis=0)
        return np.concatenate([lowest, highest]) / self.scale

    def _least_widths(self) -> Floats:
        """Least width of the box along each coordinate (D,)."""
        present, variances = self.observations.present, self.observations.variances
        medians = [np.median(v[seen]) if seen.any() else 0.0 for v, seen in zip(variances.T, present.T, strict=True)]
        return LEAST_WIDTH * np.sqrt(medians) / self.problem.scaling.scale

    def solve(self, background: Background, start: GaussianMixture) -> Point | None:
        """The point at the box of a background, from a starting mixture; None where a component collapses."""
        data = self.data.with_background(self.problem.scaling.log_densities(background, self.observations))
        left = max(self.settings.stopping.max_passes - self.passes, LEAST_PASSES)
        objective = self.problem.objective(left, self.monitor, data=data)
        try:
            solution = solvers.run("auto", self._beside_some(start), objective, self.tolerance, near=True)
        except solvers.CollapseError:
            return None
        finally:
            self.passes += objective.passes
        return self.keep(background, solution, objective)

    def _beside_some(self, mixture: GaussianMixture) -> GaussianMixture:
        """The mixture with one object at least in the background: from none the fit would hardly find any."""
        weights, least = mixture.all_weights, 1.0 / self.data.total_weight
        if self.problem.constraints.fixed_weights.any() or weights[-1] >= least or least >= 1.0:
            return mixture
        weights = np.append(weights[:-1] * (1.0 - least) / weights[:-1].sum(), least)
        return mixture.with_parameters(weights, mixture.means, mixture.covariances)

    def keep(self, background: Background, solution: Solution, objective: Objective) -> Point:
        """The point of a solution; it is kept if it is the best so far."""
        mixture = solution.mixture
        gaussians = parameters(mixture)
        r = np.nan_to_num(objective.data.responsibilities(*gaussians, len(gaussians[1])))  # (n, 1)
        if objective.counter is not None:
            objective.counter.add(objective.data.n_objects)
        measured = self.observations
        slopes = np.hstack(background.edge_slopes(measured.values, measured.noise_model, measured.limits))
        slopes *= r * self.scale
        omega = self.data.object_weights
        sums = omega @ slopes, (slopes.T * omega) @ slopes, float(omega @ r[:, 0])
        edges = np.concatenate(background.box) / self.scale
        point = Point(background, edges, solution, objective, *sums)
        if not hasattr(self, "best") or point.height >= self.best.height:
            self.best = point
        return point

    def maximise_from_both(self, box: Floats, tolerance: float) -> Outcome:
        """The higher maximum of two: from the best point, and from another box (2, D), that of the data.

        This box is also that of a background without objects: an upper limit on its fraction is then for this box.
        """
        outcome = self.maximise(tolerance)
        first, gain = self.best, self.predicted_gain
        try:
            found = self.solve(first.background.with_edges(*box), first.solution.mixture)
            if found is not None:
                self.best = found
                of_second = self.maximise(tolerance)
        finally:  # also where the user ends the fit
            chosen = self.best if first.members < FEWEST else max(self.best, first, key=lambda point: point.height)
            if chosen is first:
                self.predicted_gain = gain
            self.best = chosen
        return outcome if chosen is first else of_second

    def maximise(self, tolerance: float) -> Outcome:
        """Steps from the best point until the predicted gain is below the tolerance."""
        point, B = self.best, self.best.information.copy()
        outcome = Outcome.OUT_OF_PASSES
        for _ in range(MOST_STEPS):
            if self.passes >= self.settings.stopping.max_passes:
                break
            step, self.predicted_gain = self._step(point, B)
            if self.predicted_gain < max(tolerance, point.solution.statistics.rounding):
                outcome = point.solution.outcome
                break
            following = self._shortened(point, step)
            risen = -np.inf if following is None else following.height - point.height
            if self.predicted_gain < OF_RULE and risen < 0.1 * self.predicted_gain:
                outcome = Outcome.ROUNDING  # of the rule for joint integrals
                break
            if following is None:
                outcome = Outcome.STALLED
                break
            change = following.edges - point.edges, following.gradient - point.gradient
            B = updated(B, *change) if is_concave(B, *change) else B
            point = following
        self.best = point
        return Outcome.ALL_PASSES if self.settings.stopping.tolerance == 0 else outcome

    def _step(self, point: Point, B: Floats) -> tuple[Floats, float]:
        """Step of the edges (2 D,) and its predicted gain, in nats."""
        free = self._free_directions(point)
        step = np.zeros_like(point.edges)
        if point.members < FEWEST or not free.size:
            return step, 0.0
        gradient, curvature = free.T @ point.gradient, free.T @ B @ free
        least = gradient**2 / (MOST_GAINED * self.data.total_weight) + 1e-300
        size = np.sqrt(np.maximum(np.diag(curvature), least))
        values, vectors = np.linalg.eigh(curvature / size[:, None] / size)
        step = free @ (vectors @ (vectors.T @ (gradient / size) / np.maximum(values, FLATTEST)) / size)
        gain = 0.5 * float(point.gradient @ step)
        low, high = np.split(point.edges, 2)
        shrinking = (step[: low.size] - step[low.size :]) / (MOST_SHRUNK * (high - low))
        moving = np.abs(step) / np.tile(LONGEST * self.ranges, 2)
        return step / max(1.0, float(shrinking.max()), float(moving.max())), gain

    def _free_directions(self, point: Point) -> Floats:
        """Unit vectors (2 D, n) along which the edges can move; at their limits only inwards, or as far as they rise.

        A box of the least width keeps it and moves as a whole, unless the objective rises with its width.
        """
        D = self.least_widths.size
        outwards = np.repeat([-1.0, 1.0], D)
        held = (outwards * (self.limits - point.edges) >= 0) & (outwards * point.gradient <= 0)
        low, high = np.split(point.edges, 2)
        narrow = (high - low <= (1.0 + 1e-9) * self.least_widths) & (point.gradient[D:] <= point.gradient[:D])
        directions, edges = [], np.eye(2 * D)
        for j in range(D):
            pair = [edges[i] for i in (j, D + j) if not held[i]]
            directions += [sum(pair) / np.sqrt(2.0)] if narrow[j] and len(pair) == 2 else pair
        return np.array(directions).reshape(-1, 2 * D).T

    def _shortened(self, point: Point, step: Floats) -> Point | None:
        """The point after the step, shortened until the objective does not fall; None if that does not help."""
        lowest = point.height - point.solution.statistics.rounding
        for _ in range(SHORTENINGS if self.passes < self.settings.stopping.max_passes else 1):
            box = self._allowed(point.edges + step)
            found = self.solve(point.background.with_edges(*box), point.solution.mixture)
            if found is not None and found.height >= lowest:
                return found
            step = step / SHORTER
        return None

    def _allowed(self, edges: Floats) -> tuple[Floats, Floats]:
        """The box in the user's coordinates, with all exact values inside and at least as wide as it must be."""
        low, high = np.split(edges, 2)
        missing = np.maximum(self.least_widths - (high - low), 0.0)
        first, last = np.split(self.limits, 2)
        box = np.minimum(low - 0.5 * missing, first), np.maximum(high + 0.5 * missing, last)
        return box[0] * self.problem.scaling.scale, box[1] * self.problem.scaling.scale


def is_concave(B: Floats, step: Floats, change: Floats) -> bool:
    """Has the slope fallen along the step, as it does near a maximum?"""
    return -float(step @ change) > CONCAVE * float(step @ B @ step)


def updated(B: Floats, step: Floats, change: Floats) -> Floats:
    """The matrix of curvature after a step that changed the slope (Broyden, Fletcher, Goldfarb & Shanno 1970)."""
    Bs, along = B @ step, -float(step @ change)
    length = float(step @ Bs)
    return B - np.outer(Bs, Bs) / length + np.outer(change, change) / along
