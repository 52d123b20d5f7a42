"""The posterior density over unconstrained coordinates, for many points at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xdgmm.fitting import FitResult, Problem, expect
from xdgmm.observations import Observations

from . import label_switching
from .coordinates import Coordinates, Parameters
from .priors import PriorDensity

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
    relabel : {"assignment", "ordering"}
        How components are matched to those of the fit.

    Attributes
    ----------
    coordinates : Coordinates
    mixture : GaussianMixture
        The fit, standardised.
    scaling : Standardisation
    exchangeable : ndarray of bool (K, K)
        Which components can be exchanged without a change of the posterior.
    """

    def __init__(
        self, result: FitResult, observations: Observations, prior: ResolvedPrior, relabel: str = "assignment"
    ) -> None:
        problem = Problem.of(result.mixture, observations, result.model)
        self.data, self.scaling, self.constraints = problem.data, problem.scaling, problem.constraints
        self.mixture = problem.standardised(result.mixture)
        self.prior = prior.standardised(self.scaling)
        self.coordinates = Coordinates(self.mixture, self.constraints)
        self._prior_density = PriorDensity(self.prior, self.coordinates)
        self.shift = problem.log_jacobian
        self.units = problem.observations.units
        self.exchangeable = label_switching.exchangeable_components(self.constraints, self.prior)
        self._matching = label_switching.matching(relabel, self.mixture, self.statistics(), self.exchangeable)
        self._one_order = bool(self.exchangeable.sum() == len(self.exchangeable))

    def statistics(self) -> Statistics:
        """`Statistics` of the fit, without any prior."""
        return expect(self.mixture, self.data)

    def log_prior(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-density (W,) of the prior over the coordinates z (W, P), normalised; minus infinity where impossible."""
        return self._log_prior(self.coordinates.at(z))

    def _log_prior(self, parameters: Parameters) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            density = self._prior_density(parameters) + parameters.log_jacobian
        return np.where(np.isnan(density), -np.inf, density)

    def __call__(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-posterior (W,) at z (W, P), up to the evidence; never NaN."""
        parameters = self.coordinates.at(z)
        return self._add_likelihoods(self._log_prior(parameters), parameters)

    def matched(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same where components match those of the fit in this order; minus infinity elsewhere."""
        parameters = self.coordinates.at(z)
        log_prior = self._log_prior(parameters)
        if not self._one_order:
            order = self._matching.order(parameters.means, parameters.covariances)
            log_prior[(order != np.arange(order.shape[1])).any(axis=1)] = -np.inf
        return self._add_likelihoods(log_prior, parameters)

    def relabelled(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same mixtures z (W, P) with their components in the order in which they match those of the fit."""
        if self._one_order:
            return z
        parameters = self.coordinates.at(z)
        return self.coordinates.exchanged(z, self._matching.order(parameters.means, parameters.covariances))

    def _add_likelihoods(self, log_prior: NDArray[np.float64], parameters: Parameters) -> NDArray[np.float64]:
        """Log-posterior (W,) from the log-prior; only mixtures that are possible are computed."""
        some = np.flatnonzero(log_prior > -np.inf)
        if some.size:
            arrays = (array[some] for array in (parameters.all_weights, parameters.means, parameters.covariances))
            with np.errstate(all="ignore"):
                likelihoods = self.data.total_log_likelihoods(*arrays) + self.shift
            log_prior[some] += np.where(np.isnan(likelihoods), -np.inf, likelihoods)
        return log_prior
