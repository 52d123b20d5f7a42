"""Fits of other data from a mixture that is near their maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdgmm.fitting import Problem

if TYPE_CHECKING:
    from xdgmm.fitting import Model
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

TOLERANCE, PASSES = 1e-6, 2000  # of each fit


def refitted(
    model: Model, observations: Observations, start: GaussianMixture, tolerance: float = TOLERANCE
) -> GaussianMixture:
    """The maximum that a start leads to; components keep their order.

    Raises
    ------
    xdgmm.fitting.solvers.CollapseError
        If a component collapses on exact objects.
    InputError
        If some coordinate is not measured.
    """
    problem = Problem(observations, start.n_components, model)
    first = problem.constraints.impose_type(problem.standardised(start))
    return problem.original(problem.maximise(first, tolerance, PASSES, near=True).mixture)
