"""Student-t components as mixtures of Gaussians of one mean: the nodes and their weights, and their derivatives.

A multivariate t variable with scale matrix V and dof degrees of freedom is Gaussian with covariance V / u, where u is
Gamma distributed with shape dof / 2 and mean 1.  The trapezoidal rule in ln u makes a sum of J Gaussians of the
integral over u.  Its error falls exponentially with J, for any Gaussian noise: that of one Gaussian is exact.

The nodes cover the values of u that matter at distances from 0 to 30 scales.  They move with dof, as a smooth function,
and close in on u = 1 where dof grows: the number of nodes that 1e-4 needs is then the same for any dof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import gammaln, ndtr, polygamma, stdtrit

from xdgmm.basics.constants import FWHM
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LOWEST_DOF, HIGHEST_DOF = 1.0, 1000.0  # bounds of a dof that is fitted; above, a t distribution counts as Gaussian
N_NODES = 24
REACH = 30.0  # distance in scales up to which the density has its relative accuracy
COVERED = 4.1  # standard deviations of ln u on both sides, about; further to the left, where its distribution is skewed
SKEWNESS = 0.39 * COVERED**2
SKEWNESS_ABOVE = 2.2


ONE_SIGMA = float(ndtr(1.0))  # probability below one standard deviation above the mean of a Gaussian


class Nodes(NamedTuple):
    """The Gaussians of t distributions: arrays (..., J).

    Attributes
    ----------
    u : ndarray
        The covariance of each is V / u.
    fractions : ndarray
        Their weights, which sum to 1.
    log_u_slopes, log_fraction_slopes : ndarray
        Derivatives of ln u and of the logarithm of the fractions with respect to ln dof.
    """

    u: Floats
    fractions: Floats
    log_u_slopes: Floats
    log_fraction_slopes: Floats


def nodes(dof: ArrayLike, n_dimensions: int) -> Nodes:
    """The nodes of t distributions with these degrees of freedom (...) in D dimensions.

    Notes
    -----
    Given x at distance r from the mean, u is Gamma distributed with shape (dof + D) / 2 and mean
    ``(dof + D) / (dof + r^2)``: the nodes reach from below the values at r = 30 to above those at r = 0.  Relative
    error of the density up to r = 30: below 1e-4 for dof >= 2 with up to three dimensions, below 2e-4 with six; below
    1e-3 for dof >= 1 with one or two.
    """
    nu = np.asarray(dof, dtype=float)[..., None]
    D, places = n_dimensions, np.linspace(0.0, 1.0, N_NODES)
    shape = 0.5 * (nu + D)
    low = np.log((nu + D) / (nu + REACH**2)) - COVERED / np.sqrt(shape) - SKEWNESS / shape
    high = np.log((nu + D) / nu) + COVERED / np.sqrt(shape + SKEWNESS_ABOVE)
    log_u = low + (high - low) * places
    low_slope = 1.0 / (nu + D) - 1.0 / (nu + REACH**2) + 0.25 * COVERED * shape**-1.5 + 0.5 * SKEWNESS / shape**2
    high_slope = 1.0 / (nu + D) - 1.0 / nu - 0.25 * COVERED * (shape + SKEWNESS_ABOVE) ** -1.5
    log_u_slopes = nu * (low_slope + (high_slope - low_slope) * places)
    u = np.exp(log_u)
    logs = 0.5 * nu * (log_u - u)
    fractions = np.exp(logs - logs.max(axis=-1, keepdims=True))
    fractions /= fractions.sum(axis=-1, keepdims=True)
    slopes = logs + 0.5 * nu * (1.0 - u) * log_u_slopes
    return Nodes(u, fractions, log_u_slopes, slopes - (fractions * slopes).sum(axis=-1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Expansion:
    """How K components become R Gaussians: N_NODES of each t distribution, one of a component with infinite dof.

    The arrays (..., R) may have more axes in front, for many mixtures whose infinite dof are the same.

    Attributes
    ----------
    owners : ndarray of int (R,)
        The component that each Gaussian belongs to.
    starts : ndarray of int (K,)
        The first Gaussian of each component.
    u, fractions, log_u_slopes, log_fraction_slopes : ndarrays (..., R)
        As in `Nodes`.
    """

    owners: NDArray[np.intp]
    starts: NDArray[np.intp]
    u: Floats
    fractions: Floats
    log_u_slopes: Floats
    log_fraction_slopes: Floats

    @classmethod
    def of(cls, dof: Floats, n_dimensions: int) -> Expansion:
        """The expansion of components with these degrees of freedom (..., K) in D dimensions."""
        finite = np.isfinite(dof).reshape(-1, dof.shape[-1])[0]
        sizes = np.where(finite, N_NODES, 1)
        owners, starts = np.repeat(np.arange(sizes.size), sizes), np.cumsum(sizes) - sizes
        of_t = np.repeat(finite, sizes)
        parts = []
        for found, of_gaussian in zip(nodes(dof[..., finite], n_dimensions), (1.0, 1.0, 0.0, 0.0), strict=True):
            part = np.full((*dof.shape[:-1], owners.size), of_gaussian)
            part[..., of_t] = found.reshape(*dof.shape[:-1], -1)
            parts.append(part)
        return cls(owners, starts, *parts)

    def weights(self, weights: Floats) -> Floats:
        """Weights (..., R) of the Gaussians from those of the components (..., K); a background's stays the last."""
        K = self.starts.size
        return np.concatenate([weights[..., self.owners] * self.fractions, weights[..., K:]], axis=-1)

    def parameters(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights, means and covariances of the Gaussians from those of the components."""
        divided = covariances[..., self.owners, :, :] / self.u[..., None, None]
        return self.weights(weights), means[..., self.owners, :], divided

    def summed(self, array: Floats, axis: int = -1) -> Floats:
        """The sums over the Gaussians of each component, along an axis of R; a background's element stays the last."""
        size = self.owners.size
        rest = np.take(array, np.arange(size, array.shape[axis]), axis=axis)
        sums = np.add.reduceat(np.take(array, np.arange(size), axis=axis), self.starts, axis=axis)
        return np.concatenate([sums, rest], axis=axis)

    def dof_slopes(self, n_members: Floats, grad_covariances: Floats, covariances: Floats) -> Floats:
        """Derivative of the log-likelihood with respect to ln dof of each component (..., K).

        Parameters
        ----------
        n_members : ndarray (..., R) or (..., R + 1)
        grad_covariances : ndarray (..., R, D, D)
            With respect to the covariances of the Gaussians.
        covariances : ndarray (..., R, D, D)
            Of the Gaussians.
        """
        of_u = -np.einsum("...ij,...ij->...", grad_covariances, covariances)
        slopes = n_members[..., : self.owners.size] * self.log_fraction_slopes + of_u * self.log_u_slopes
        return self.summed(slopes)


def student_log_density(squares: Floats, dof: float, n_dimensions: int) -> Floats:
    """Log-density of a t distribution whose scale matrix is the identity, at these squares of the distance (N,)."""
    nu, D = dof, n_dimensions
    constant = gammaln(0.5 * (nu + D)) - gammaln(0.5 * nu) - 0.5 * D * np.log(nu * np.pi)
    return np.asarray(constant - 0.5 * (nu + D) * np.log1p(squares / nu))


def half_width_factors(dof: Floats) -> Floats:
    """Half of the central interval with 68.27% of a t distribution in units of its scale: 1 for infinite dof."""
    finite = np.isfinite(dof)
    return np.where(finite, stdtrit(np.where(finite, dof, 1.0), ONE_SIGMA), 1.0)


def fwhm_factors(dof: Floats) -> Floats:
    """Full width at half maximum of a t distribution along one coordinate in units of its scale."""
    finite = np.isfinite(dof)
    nu = np.where(finite, dof, 1.0)
    return np.where(finite, 2.0 * np.sqrt(nu * np.expm1(2.0 * np.log(2.0) / (nu + 1.0))), FWHM)


def information_on_dof(dof: Floats, n_dimensions: int) -> Floats:
    """Fisher information of one exact value on ln dof, mean and scale being known: same shape as `dof`.

    Source: Lange, Little & Taylor 1989, J. Am. Stat. Assoc. 84, 881, appendix B.
    """
    nu, D = np.asarray(dof, dtype=float), n_dimensions
    of_shape = 0.25 * (polygamma(1, 0.5 * nu) - polygamma(1, 0.5 * (nu + D)))
    information = of_shape - 0.5 * D * (nu + D + 4.0) / (nu * (nu + D) * (nu + D + 2.0))
    return np.asarray(np.maximum(nu**2 * information, 1e-12))


def check_dof(dof: ArrayLike | None, n_components: int) -> Floats | None:
    """Degrees of freedom as an array (K,) of numbers from 1 on, infinity included; None stays None.

    Raises
    ------
    InputError
        If there is not one for each component, or one is no number, less than 1 or NaN.
    """
    if dof is None:
        return None
    try:
        values = None if _holds_bool(dof) else np.array(dof, dtype=float)
    except (TypeError, ValueError):
        values = None
    if values is None:
        raise InputError(f"`dof` is {dof!r}, but it must be numbers, one for each component")
    if values.ndim == 0:
        values = np.full(n_components, float(values))
    if values.shape != (n_components,):
        raise InputError(f"`dof` has shape {values.shape}, but ({n_components},) is needed: one for each component")
    wrong = ~(values >= LOWEST_DOF)
    if wrong.any():
        raise InputError(
            f"`dof` holds {values[wrong][0]:g}, but degrees of freedom must be {LOWEST_DOF:g} or more "
            "(infinity is a Gaussian)"
        )
    return values


def _holds_bool(dof: ArrayLike) -> bool:
    """Is True or False among these degrees of freedom?  As numbers they would be 1 and 0."""
    return any(isinstance(each, (bool, np.bool_)) for each in np.ravel(np.asarray(dof, dtype=object)))
