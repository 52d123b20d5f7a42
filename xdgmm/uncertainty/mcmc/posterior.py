"""The posterior density over unconstrained coordinates, for many points at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xdgmm.fitting import FitResult, Problem, expect
from xdgmm.observations import Observations

from .coordinates import Coordinates, Parameters

if TYPE_CHECKING:
    from xdgmm.fitting import Statistics

    from .priors import ResolvedPrior


class Posterior:
    """Log-posterior of the coordinates z of `Coordinates`: likelihood, prior and Jacobian.

    Parameters
    ----------
    result : FitResult
    observations : Observations
        Of that fit.
    prior : ResolvedPrior

    Attributes
    ----------
    coordinates : Coordinates
    mixture : GaussianMixture
        The fit, standardised.
    scaling : Standardisation
    """

    def __init__(self, result: FitResult, observations: Observations, prior: ResolvedPrior) -> None:
        problem = Problem.of(result.mixture, observations, result.model)
        self.data, self.scaling, self.constraints = problem.data, problem.scaling, problem.constraints
        self.mixture = problem.standardised(result.mixture)
        self.prior = prior.standardised(self.scaling)
        self.coordinates = Coordinates(self.mixture, self.constraints)
        self.shift = problem.log_jacobian
        self.units = problem.observations.units

    def statistics(self) -> Statistics:
        """`Statistics` of the fit, without any prior."""
        return expect(self.mixture, self.data)

    def log_prior(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-density (W,) of the prior over the coordinates z (W, P), normalised; minus infinity where impossible."""
        return self._log_prior(self.coordinates.at(z))

    def _log_prior(self, parameters: Parameters) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            density = self.prior.log_density(parameters, self.coordinates) + parameters.log_jacobian
        return np.where(np.isnan(density), -np.inf, density)

    def __call__(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-posterior (W,) at z (W, P), up to the evidence; never NaN."""
        parameters = self.coordinates.at(z)
        result = self._log_prior(parameters)
        some = np.flatnonzero(result > -np.inf)
        if some.size:
            arrays = (array[some] for array in (parameters.all_weights, parameters.means, parameters.covariances))
            with np.errstate(all="ignore"):
                likelihoods = self.data.total_log_likelihoods(*arrays) + self.shift
            result[some] += np.where(np.isnan(likelihoods), -np.inf, likelihoods)
        return result
