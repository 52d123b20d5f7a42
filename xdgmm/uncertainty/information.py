"""Standard errors from the information matrix, observed or expected.

The information is formed in the factor coordinates of the fit and carried to weights, means and covariances by their
Jacobian, so that the constraints (weights sum to one, covariances positive semi-definite) hold.  Where a covariance is
singular at the maximum, the directions in which it has no variance are held at zero: the errors are those given that
boundary, and the variance at the boundary gets a limit (`limits`) instead of an error.
"""

from dataclasses import dataclass

import numpy as np

from xdgmm import kernels
from xdgmm.errors import InputError
from xdgmm.fitting import Model
from xdgmm.fitting.newton import curvature
from xdgmm.fitting.optimality import Point
from xdgmm.fitting.standardisation import Standardisation
from xdgmm.fitting.statistics import Likelihood
from xdgmm.kernels.reference import component

CHUNK = 20_000  # objects whose expected information is formed at a time
FLAT = 1e-10  # information below this fraction of that with known labels determines nothing


@dataclass(frozen=True, eq=False)
class ParameterErrors:
    """Covariance of the estimated parameters of a mixture, in the caller's units.

    Attributes
    ----------
    weights : ndarray (K,)
        Standard errors of the weights.
    background : float or None
        Standard error of the background's fraction, where there is one.
    means : ndarray (K, D)
        Standard errors of the means.
    variances : ndarray (K, D)
        Standard errors of the intrinsic variances along the named axes.
    sigmas : ndarray (K, D)
        Standard errors of the intrinsic sigmas, ``SE(V) / (2 sigma)``; infinite where sigma is zero.
    covariance : ndarray (P, P)
        Of all parameters, in the order weights, background's fraction if there is one, means, packed lower triangles of
        the covariances; zero for what is fixed.
    singular : ndarray of int (K,)
        In how many directions each covariance was held at the boundary.
    residual : float
        Largest component of the gradient per standard error: zero if the mixture is the maximum for these data.
    """

    weights: np.ndarray
    background: float | None
    means: np.ndarray
    variances: np.ndarray
    sigmas: np.ndarray
    covariance: np.ndarray
    singular: np.ndarray
    residual: float


def parameter_errors(mixture, observations, information="observed", model=None):
    """Standard errors of a fitted mixture's parameters.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood (or, with a prior, maximum-posterior) mixture of these observations.
    observations : Observations
    information : {"observed", "expected"}
        Observed: minus the Hessian of the log-likelihood (with a prior, of the log-posterior), by central differences
        of its exact gradient.
        Expected (one component only): ``sum T^-1`` for the mean and ``sum tr(T^-1 E_a T^-1 E_b) / 2`` for the
        covariance, with T = V + S_i.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default full covariances, nothing fixed, no prior.

    Returns
    -------
    ParameterErrors

    Raises
    ------
    InputError
        If `information` is neither, or "expected" is asked for with more than one component, a background or a prior.
    """
    if information not in ("observed", "expected"):
        raise InputError(f"`information` is {information!r}, but it must be 'observed' or 'expected'")
    model = Model(background=mixture.background) if model is None else model
    if information == "expected" and (mixture.shares.size > 1 or model.prior is not None):
        raise InputError(
            "`information='expected'` needs one component, no background and no prior; use 'observed' for anything else"
        )
    scaling = Standardisation.of(observations, isotropic=model.covariance_type == "spherical")
    constraints = model.constraints(*mixture.means.shape, observations.units).standardised(scaling)
    blocks = scaling.pack(observations, mixture.background)
    mixture = scaling.mixture(mixture)
    point = Point.at(mixture, Likelihood(blocks, 1, constraints=constraints).expect(mixture), constraints)
    jacobian = point.coordinates.jacobian()[:, point.free]
    if information == "observed":
        matrix = _observed(point, blocks)
    else:
        matrix = jacobian.T @ _expected(mixture, observations, scaling) @ jacobian
    units = _units(mixture, scaling.scale)
    covariance = _carried(matrix, jacobian) * np.outer(units, units)
    return _errors(scaling.original(mixture, None, None), covariance, point)


def _observed(point, blocks):
    likelihood = Likelihood(blocks, 2 * point.coordinates.size + 1, constraints=point.coordinates.constraints)
    model = curvature(point.mixture, point.statistics, likelihood, point.singular, central=True)
    return -model.hessian


def _expected(mixture, observations, scaling):
    """Expected information (P, P) about weight, mean and packed covariance of a single standardised Gaussian."""
    D = mixture.n_dimensions
    rows, columns = kernels.triangle(D)
    counted = np.flatnonzero(observations.counts)
    mean, covariance = np.zeros((D, D)), np.zeros((rows.size, rows.size))
    for start in range(0, len(counted), CHUNK):
        part = scaling.observations(observations.select(counted[start : start + CHUNK]))
        noise, weights = part.noise_covariances, part.object_weights
        _, _, P = component(part.values, noise, mixture.means[0], mixture.covariances[0], part.projections)
        mean += np.einsum("n,nij->ij", weights, P)
        # tr(P E_a P E_b), E_a symmetric with ones at (i, j) and (j, i)
        one = np.einsum("n,nai,njb->abij", weights, P, P, optimize=True)
        pair = one[rows[:, None], columns[:, None], columns, rows] + one[rows[:, None], columns[:, None], rows, columns]
        double = np.where(rows == columns, 1.0, 2.0)
        covariance += 0.25 * np.outer(double, double) * pair
    result = np.zeros((1 + D + rows.size,) * 2)
    result[1 : 1 + D, 1 : 1 + D] = mean
    result[1 + D :, 1 + D :] = covariance
    return result


def _carried(information, jacobian):
    """``J I^-1 J'``; what the data leave undetermined has infinite variance."""
    values, vectors = np.linalg.eigh(0.5 * (information + information.T))
    along = jacobian @ vectors
    flat = values <= FLAT * values.max(initial=1.0)
    covariance = (along[:, ~flat] / values[~flat]) @ along[:, ~flat].T
    lost = np.flatnonzero((np.abs(along[:, flat]) > 1e-6 * np.abs(along).max(initial=1e-300)).any(axis=1))
    covariance[lost, lost] = np.inf
    return covariance


def _units(mixture, scale):
    """What each parameter of the standardised mixture is multiplied with (P,)."""
    K, D = mixture.means.shape
    rows, columns = kernels.triangle(D)
    return np.concatenate([np.ones(mixture.shares.size), np.tile(scale, K), np.tile(scale[rows] * scale[columns], K)])


def _errors(mixture, covariance, point):
    K, D = mixture.means.shape
    rows, columns = kernels.triangle(D)
    S = mixture.shares.size
    shares, means, packed = np.split(np.sqrt(np.maximum(np.diag(covariance), 0.0)), [S, S + K * D])
    variances = packed.reshape(K, -1)[:, rows == columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        sigmas = np.where(mixture.sigmas > 0, variances / (2 * mixture.sigmas), np.inf)
    background = shares[K] if S > K else None
    singular = point.singular.sum(axis=1)
    return ParameterErrors(
        shares[:K], background, means.reshape(K, D), variances, sigmas, covariance, singular, point.residual
    )
