"""The posterior density over unconstrained coordinates, for many points at once."""

import numpy as np

from xdgmm import kernels
from xdgmm.fitting.standardisation import Standardisation
from xdgmm.fitting.statistics import Likelihood

from .coordinates import Coordinates


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

    def __init__(self, result, observations, prior):
        model = result.model
        self.scaling = Standardisation.of(observations, isotropic=model.covariance_type == "spherical")
        self.mixture = self.scaling.mixture(result.mixture)
        self.constraints = model.constraints(*self.mixture.means.shape, observations.units).standardised(self.scaling)
        self.prior = prior.standardised(self.scaling)
        self.blocks = self.scaling.pack(observations, result.mixture.background)
        self.coordinates = Coordinates(self.mixture, self.constraints)
        self.shift = self.scaling.log_jacobian(observations)
        self.units = observations.units

    def statistics(self):
        """`Statistics` of the fit, without any prior."""
        return Likelihood(self.blocks, 1).expect(self.mixture)

    def log_prior(self, z):
        """Log-density (W,) of the prior over the coordinates z (W, P), normalised; minus infinity where impossible."""
        return self._log_prior(self.coordinates.at(z))

    def _log_prior(self, parameters):
        with np.errstate(over="ignore"):
            density = self.prior.log_density(parameters, self.coordinates) + parameters.log_jacobian
        return np.where(np.isnan(density), -np.inf, density)

    def __call__(self, z):
        """Log-posterior (W,) at z (W, P), but for the evidence; never NaN."""
        parameters = self.coordinates.at(z)
        result = self._log_prior(parameters)
        some = np.flatnonzero(result > -np.inf)
        if some.size:
            arrays = (array[some] for array in (parameters.shares, parameters.means, parameters.covariances))
            with np.errstate(all="ignore"):
                likelihoods = kernels.log_likelihoods(self.blocks, *arrays) + self.shift
            result[some] += np.where(np.isnan(likelihoods), -np.inf, likelihoods)
        return result
