"""Is a Student-t component distinguishable from a Gaussian?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.fitting import Problem, solvers

if TYPE_CHECKING:
    from xdgmm.fitting import Model
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations.inputs import Catalogue

TOLERANCE, PASSES = 1e-6, 1000
INDISTINGUISHABLE = 0.5  # nats
CLEAR = 3.0  # standard errors of 1 / dof from zero, beyond which a fit with a Gaussian need not be made


def gaussian_deficit(
    mixture: GaussianMixture, observations: Catalogue, component: int, model: Model | None = None
) -> float:
    """By how many nats the maximum is lower if a component is a Gaussian: half of the likelihood-ratio statistic.

    Components that share their degrees of freedom become Gaussian together.  0 where the component is one already.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum for these observations.
    observations : Observations, StreamedObservations or a source of them
    component : int
    model : Model, optional
        What was fitted; by default that of the mixture's record.
    """
    problem = Problem.of(mixture, observations, model)
    iterate = problem.at(mixture).iterate
    standard, indices = iterate.mixture, problem.constraints.dof_indices
    if standard.dof is None or np.isinf(standard.dof[component]):
        return 0.0
    together = np.arange(standard.n_components) == component
    if indices is not None and indices[component] >= 0:
        together = indices == indices[component]
    arrays = standard.all_weights, standard.means, standard.covariances
    start = standard.with_parameters(*arrays, np.where(together, np.inf, standard.dof))
    try:
        found = problem.maximise(start, TOLERANCE, PASSES, near=True)
    except solvers.CollapseError:
        return float("inf")
    return float(iterate.statistics.objective - found.statistics.objective)
