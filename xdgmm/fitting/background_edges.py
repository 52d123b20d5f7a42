"""The edges of a background of true values, by maximum likelihood.

The edges enter the likelihood only through the density of the background at each object.  For given edges everything
else is fitted as usual (`solvers`); the objective that is reached is a function of the edges alone, a profile, whose
slope is that with everything else held::

    sum_i omega_i r_i d ln p_i / d edge

with r_i the probability that object i belongs to the background and p_i its density there.  The profile is maximised by
quasi-Newton steps.  Their first matrix is ``sum omega r^2 (d ln p / d edge)^2`` (Berndt, Hall, Hall & Hausman 1974).

An exact value outside the box has a density of zero.  The box therefore always holds all exact values: where the
likelihood rises towards a smaller box, an edge ends at the outermost of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

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

MOST_STEPS = 100
SHORTENINGS, SHORTER = 12, 4.0  # how often a step is shortened, and by which factor
LONGEST = 0.2  # of the width of the box: the longest step of an edge
FLATTEST = 1e-8  # least curvature, relative to that along each edge
CONVEX = 1e-6  # least change of the slope along a step, relative to the expected one, that counts
TIGHTER = 1e-2  # tolerance of the fits within, relative to that of the edges
LARGE, SAMPLE, SAMPLE_TOLERANCE = 50_000, 20_000, 1e-2  # objects; of more than that, a sample is solved first


@dataclass(frozen=True, eq=False)
class Point:
    """The fit for some edges.

    Attributes
    ----------
    background : Background
        In the user's coordinates.
    solution : Solution
    objective : Objective
        With the passes made at these edges.
    gradient : ndarray (2 D,)
        Slope of the profile with respect to the edges, lower ones first.
    information : ndarray (2 D, 2 D)
        Sum of the products of the objects' slopes.
    """

    background: Background
    solution: Solution
    objective: Objective
    gradient: Floats
    information: Floats

    @property
    def edges(self) -> Floats:
        """Lower and upper edges (2 D,)."""
        return np.concatenate(self.background.box)

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
        With a background whose edges are fitted, and start from the box of the problem.
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
        if problem.data.n_objects > LARGE:
            sample = Profile(problem, problem.data.subsample(SAMPLE), settings, monitor)
            sample.solve(background, solution.mixture)
            sample.maximise(SAMPLE_TOLERANCE)
            profile.solve(sample.best.background, sample.best.solution.mixture)
        outcome = profile.maximise(profile.tolerance)
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
        self.observations = problem.observations.select(data.rows)
        self.tolerance = settings.stopping.tolerance or StoppingRule().tolerance
        self.limits = self._limits()

    def _limits(self) -> Floats:
        """Bounds (2 D,): lower edges are at most the first, upper ones at least the last exact value."""
        exact = self.observations.present & (self.observations.variances == 0)
        lowest = np.where(exact, self.observations.values, np.inf).min(axis=0)
        highest = np.where(exact, self.observations.values, -np.inf).max(axis=0)
        return np.concatenate([lowest, highest])

    def solve(self, background: Background, start: GaussianMixture) -> Point | None:
        """The point at the box of a background, from a starting mixture; None where a component collapses."""
        data = self.data.with_background(self.problem.scaling.log_densities(background, self.observations))
        objective = self.problem.objective(self.settings.stopping.max_passes, self.monitor, data=data)
        try:
            solution = solvers.run("auto", start, objective, TIGHTER * self.tolerance, near=True)
        except solvers.CollapseError:
            return None
        return self.keep(background, solution, objective)

    def keep(self, background: Background, solution: Solution, objective: Objective) -> Point:
        """The point of a solution; it is kept if it is the best so far."""
        members = objective.data.responsibilities(*parameters(solution.mixture), solution.mixture.n_components)
        slopes = np.hstack(background.edge_slopes(self.observations.values, self.observations.noise_model))
        slopes *= np.nan_to_num(members)  # (n, 1)
        omega = self.data.object_weights
        point = Point(background, solution, objective, omega @ slopes, (slopes.T * omega) @ slopes)
        if not hasattr(self, "best") or point.height >= self.best.height:
            self.best = point
        return point

    def maximise(self, tolerance: float) -> Outcome:
        """Steps from the best point until the predicted gain is below the tolerance."""
        point = self.best
        B = point.information.copy()
        for _ in range(MOST_STEPS):
            step, self.predicted_gain = self._step(point, B)
            if self.predicted_gain < max(tolerance, point.solution.statistics.rounding):
                return point.solution.outcome if self.settings.stopping.tolerance > 0 else Outcome.ALL_PASSES
            following = self._shortened(point, step)
            if following is None:
                return Outcome.STALLED
            B = updated(B, following.edges - point.edges, following.gradient - point.gradient)
            point = following
        return Outcome.OUT_OF_PASSES

    def _step(self, point: Point, B: Floats) -> tuple[Floats, float]:
        """Step of the edges (2 D,) and its predicted gain, in nats; edges at their limits stay there."""
        outwards = np.repeat([-1.0, 1.0], point.edges.size // 2)
        held = (outwards * (self.limits - point.edges) >= 0) & (outwards * point.gradient <= 0)
        step = np.zeros_like(point.edges)
        if held.all():
            return step, 0.0
        size = np.sqrt(np.maximum(np.diag(B)[~held], 1e-300))
        values, vectors = np.linalg.eigh(B[~held][:, ~held] / size[:, None] / size)
        along = vectors.T @ (point.gradient[~held] / size)
        along = np.where(along == 0, 0.0, along / np.maximum(values, FLATTEST))
        step[~held] = vectors @ along / size
        gain = 0.5 * float(point.gradient @ step)
        widths = np.tile(np.subtract(*point.background.box[::-1]), 2)
        return step / max(1.0, float((np.abs(step) / (LONGEST * widths)).max())), gain

    def _shortened(self, point: Point, step: Floats) -> Point | None:
        """The point after the step, shortened until the objective does not fall; None if that does not help."""
        D = step.size // 2
        lowest = point.height - point.solution.statistics.rounding
        for _ in range(SHORTENINGS):
            edges = point.edges + step
            low, high = np.minimum(edges[:D], self.limits[:D]), np.maximum(edges[D:], self.limits[D:])
            found = self.solve(point.background.with_edges(low, high), point.solution.mixture)
            if found is not None and found.height >= lowest:
                return found
            step = step / SHORTER
        return None


def updated(B: Floats, step: Floats, change: Floats) -> Floats:
    """The matrix of curvature after a step that changed the slope (Broyden, Fletcher, Goldfarb & Shanno 1970)."""
    Bs, along = B @ step, -float(step @ change)
    length = float(step @ Bs)
    if along <= CONVEX * length:
        return B
    return B - np.outer(Bs, Bs) / length + np.outer(change, change) / along
