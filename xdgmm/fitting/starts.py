"""Check what a fit starts from, and bring a start into the coordinates of the solvers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import InputError
from xdgmm.mixture import GaussianMixture

from .model import with_background

if TYPE_CHECKING:
    from xdgmm.mixture import Background

    from .problem import Problem
    from .solvers import Solution

EMPTY = 1e-5  # objects: a background of fewer counts as none


def check_fixed(problem: Problem, start: GaussianMixture | None) -> None:
    """What is fixed needs a start, unless it is the background's fraction, which the background holds itself."""
    fixed = problem.model.fixed
    own = replace(fixed, weights=tuple(k for k in fixed.weights if k < problem.n_components))
    if own.anything and start is None:
        raise InputError(
            "`fixed` holds parameters at their starting values, so give these: `init` a GaussianMixture, or "
            "`means_init`, with `weights_init` and `covariances_init` where they matter"
        )
    prior, background = problem.model.prior, problem.model.background
    if background is not None and background.fraction == 0 and prior is not None and prior.weights is not None:
        raise InputError(
            "the background starts with a fraction of 0, where the prior on the weights is zero; start with more"
        )


def given_start(problem: Problem, start: GaussianMixture) -> GaussianMixture:
    """The user's start in standardised coordinates.

    Raises
    ------
    InputError
        If it has another shape than the problem, or the model contradicts it.
    """
    observations, K = problem.observations, problem.n_components
    if start.n_dimensions != observations.n_dimensions:
        raise InputError(
            f"the start has {start.n_dimensions} coordinates, but the observations have {observations.n_dimensions}"
        )
    if start.n_components != K:
        raise InputError(
            f"the start (a mixture, labels, or the last fit) has {start.n_components} components, but `n_components` "
            f"is {K}; make them agree"
        )
    start = _beside(start.in_units(observations.units), problem.model.background)
    problem.model.check_start(start)
    return problem.constraints.impose_type(problem.standardised(start))


def random_start(problem: Problem, start: GaussianMixture) -> GaussianMixture:
    """A random start, standardised, as the model wants it."""
    prior = problem.constraints.prior
    if prior is not None and not prior.symmetric:
        start = start.ordered(prior.assignment(start))
    background = problem.scaling.background(problem.model.background)
    return problem.constraints.impose_type(with_background(start, background))


def without_empty_background(solution: Solution, problem: Problem) -> Solution:
    """A solution whose background has fewer than 1e-5 objects, without it: its fraction is zero."""
    mixture = solution.mixture
    if mixture.background is None or problem.constraints.fixed_weights[-1]:
        return solution
    if not 0 < mixture.background.fraction * problem.observations.total_weight < EMPTY:
        return solution
    weights = np.append(mixture.weights / mixture.weights.sum(), 0.0)
    mixture = mixture.with_parameters(weights, mixture.means, mixture.covariances)
    return replace(solution, mixture=mixture, statistics=problem.objective().expect(mixture))


def _beside(start: GaussianMixture, background: Background | None) -> GaussianMixture:
    """The start beside a background that takes the start's own fraction, if it has one."""
    if start.background is None:
        return with_background(start, background)
    if background is None:
        raise InputError(
            "the start (a mixture, or the last fit) has a background, but `background` is None; give one, or start "
            "from its `gaussians`"
        )
    background = background.with_fraction(start.background.fraction)
    return GaussianMixture(start.weights, start.means, start.covariances, start.names, start.units, background)
