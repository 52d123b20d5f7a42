"""Priors on the parameters, for maxima of the posterior instead of the likelihood.

Ormoneit & Tresp 1996, NIPS 8, 542; for noisy data Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657, sec. 3.2.  Each
prior is a setting in the user's units; `PriorTerms` is what the solvers use: its arrays, standardised, and what they
add to the sums of a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln, multigammaln

from xdgmm.basics.arrays import as_dimensionless, n_axes
from xdgmm.basics.units import as_floats_in, covariance_units
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.mixture import GaussianMixture

    from .standardisation import Standardisation

    Floats = NDArray[np.float64]
    Units = tuple[UnitBase | None, ...]

PARTS = ("weights", "means", "covariances")


@dataclass(frozen=True, eq=False)
class Dirichlet:
    """Dirichlet prior on the weights, ``p(alpha) ~ prod alpha_k^(concentration_k - 1)``.

    Parameters
    ----------
    concentration : float or array (K,)
        At least 1; c counts like c - 1 objects more in the component.  With a background the array has K + 1 entries,
        the background's last.
    """

    concentration: ArrayLike

    def arrays(self, n_weights: int) -> Floats:
        """Concentrations (n_weights,)."""
        values = _at_least(self.concentration, "concentration", 1.0)
        if values.ndim and values.shape != (n_weights,):
            raise InputError(f"`concentration` has shape {values.shape}, but {(n_weights,)} or one number is needed")
        return np.broadcast_to(values, (n_weights,)).astype(float)


@dataclass(frozen=True, eq=False)
class Normal:
    """Normal prior on the means, ``m_k ~ N(mean, covariance)``, independent of the covariances of the components.

    Parameters
    ----------
    mean : array (D,) or (K, D)
        In the units of the data.
    covariance : array (D, D) or (K, D, D)
        In the units of the data squared; positive definite.
    """

    mean: Any
    covariance: Any

    def arrays(self, n_components: int, n_dimensions: int, units: Units) -> tuple[Floats, Floats]:
        """Means (K, D) and covariances (K, D, D) as numbers in the units of the data (D,)."""
        mean = as_floats_in(self.mean, "mean of the prior", units)
        covariance = _matrices(self.covariance, "covariance", n_components, n_dimensions, units)
        shapes = (n_dimensions,), (n_components, n_dimensions)
        if not np.isfinite(mean).all():
            raise InputError("the mean of the prior holds NaN or infinity; every element must be finite")
        if mean.shape not in shapes:
            raise InputError(f"the mean of the prior has shape {mean.shape}, but {shapes[0]} or {shapes[1]} is needed")
        return np.broadcast_to(mean, shapes[1]), covariance


@dataclass(frozen=True, eq=False)
class InverseWishart:
    """Inverse-Wishart prior, ``p(V) ~ |V|^-(nu + D + 1)/2 exp(-tr(scale V^-1)/2)``; keeps covariances from collapsing.

    Parameters
    ----------
    scale : float, array (D, D) or (K, D, D)
        Positive definite, in the units of the data squared; a number is multiplied with the identity matrix.
    degrees_of_freedom : float, optional
        nu.  The maximum of the prior alone is ``scale / (nu + D + 1)``, and the prior counts like nu + D + 1 objects.
        By default nu = -D, one object: then `scale` is the `w` of Bovy et al. 2011 (improper for every nu <= D - 1;
        the constant of an improper density is left out).

    Notes
    -----
    A tied covariance has the prior once, that of its first component; diagonal and spherical ones have the density at
    such matrices.
    """

    scale: Any
    degrees_of_freedom: float | None = None

    def arrays(self, n_components: int, n_dimensions: int, units: Units) -> tuple[Floats, float]:
        """Scales (K, D, D) as numbers in the units of the data (D,) squared, and nu."""
        scale = _matrices(self.scale, "scale", n_components, n_dimensions, units)
        nu = -n_dimensions if self.degrees_of_freedom is None else self.degrees_of_freedom
        least = -n_dimensions - 1
        if isinstance(nu, bool) or not isinstance(nu, (int, float, np.number)) or not least < nu < np.inf:
            raise InputError(f"`degrees_of_freedom` is {nu!r}, but it must be a number above -(D + 1) = {least}")
        return scale, float(nu)


@dataclass(frozen=True, eq=False)
class Prior:
    """The prior on all parameters; a part that is None is flat.

    Parameters
    ----------
    weights : Dirichlet, optional
    means : Normal, optional
    covariances : InverseWishart, optional

    Raises
    ------
    InputError
        If a part is of another type, or all are missing; shapes and values are checked when the data are known.

    Examples
    --------
    >>> from xdgmm import InverseWishart, Prior, XDGMM
    >>> values = [1.0, 1.0, 1.0, 5.0, 6.0, 7.0]  # repeated exact values: without a prior there is no maximum
    >>> model = XDGMM(2, prior=Prior(covariances=InverseWishart(0.1)), random_state=0).fit(values)
    >>> sorted(model.means_.ravel().round(2).tolist())
    [1.0, 6.0]
    """

    weights: Dirichlet | None = None
    means: Normal | None = None
    covariances: InverseWishart | None = None

    def __post_init__(self) -> None:
        """Refuse parts of another type."""
        for name, kind in zip(PARTS, (Dirichlet, Normal, InverseWishart), strict=True):
            part = getattr(self, name)
            if part is not None and not isinstance(part, kind):
                raise InputError(f"`{name}` of the prior is {part!r}, but it must be a {kind.__name__}, or None")
        if all(getattr(self, name) is None for name in PARTS):
            raise InputError("the prior has no part; give `weights`, `means` or `covariances`, or no prior at all")

    def terms(
        self,
        n_components: int,
        n_dimensions: int,
        units: Units | None = None,
        *,
        background: bool = False,
        tied: bool = False,
    ) -> PriorTerms:
        """The prior as the solvers use it, in the user's units."""
        K, D = n_components, n_dimensions
        units = (None,) * D if units is None else units
        result = PriorTerms.flat(K, D, K + background)
        if self.weights is not None:
            result = replace(result, concentration=self.weights.arrays(K + background))
        if self.means is not None:
            centre, covariance = self.means.arrays(K, D, units)
            result = replace(result, centre=centre, precision=np.asarray(np.linalg.inv(covariance), dtype=float))
        if self.covariances is not None:
            scale, nu = self.covariances.arrays(K, D, units)
            scale = np.broadcast_to(scale[0], scale.shape) if tied else scale
            fraction = 1.0 / K if tied else 1.0
            result = replace(result, scale=scale, counts=np.full(K, nu + D + 1), fraction=fraction)
        return result


@dataclass(frozen=True, eq=False)
class PriorTerms:
    """The terms that a prior adds to the objective and to its derivatives, in arrays.

    Attributes
    ----------
    concentration : ndarray (K,) or (K + 1,)
    centre, precision : ndarray (K, D), (K, D, D)
        Mean and inverse covariance of the means; precision zero where flat.
    scale, counts : ndarray (K, D, D), (K,)
        Of the covariances, counts = nu + D + 1; both zero where flat.
    fraction : float
        Power to which each component has the prior on its covariance: 1 / K if all share one covariance.
    """

    concentration: Floats
    centre: Floats
    precision: Floats
    scale: Floats
    counts: Floats
    fraction: float = 1.0

    @classmethod
    def flat(cls, n_components: int, n_dimensions: int, n_weights: int) -> PriorTerms:
        """No prior."""
        K, D = n_components, n_dimensions
        zero = np.zeros((K, D, D))
        return cls(np.ones(n_weights), np.zeros((K, D)), zero, zero, np.zeros(K))

    @property
    def bounds_covariances(self) -> bool:
        """Does the prior keep covariances from becoming singular?"""
        return bool(self.scale.any())

    @property
    def symmetric(self) -> bool:
        """Is the prior the same for all components?"""
        K = len(self.counts)
        arrays = self.concentration[:K], self.centre, self.precision, self.scale
        return all(bool((array == array[0]).all()) for array in arrays)

    def most_probable_order(self, mixture: GaussianMixture) -> NDArray[np.intp]:
        """The order of the components (K,) that is the most probable one under this prior."""
        K = len(self.counts)
        scores = np.zeros((K, K))
        for k in range(K):  # the prior of component k on every component
            every = self.ordered(np.full(K, k))
            d = mixture.means - every.centre
            scores[k] = (every.concentration[:K] - 1.0) * np.log(np.maximum(mixture.weights, 1e-300))
            scores[k] -= 0.5 * np.einsum("ki,kij,kj->k", d, every.precision, d)
            scores[k] -= (
                0.5 * every.fraction * np.einsum("kij,kji->k", every.scale, np.linalg.pinv(mixture.covariances))
            )
        return np.asarray(linear_sum_assignment(scores, maximize=True)[1])

    def standardised(self, scaling: Standardisation) -> PriorTerms:
        """The prior on the parameters of standardised values, up to a constant."""
        between = scaling.scale[:, None] * scaling.scale
        return replace(
            self,
            centre=(self.centre - scaling.location) / scaling.scale,
            precision=self.precision * between,
            scale=self.scale / between,
        )

    def tempered(self, fraction: float) -> PriorTerms:
        """The prior to this power, for that fraction of the objects."""
        return replace(
            self,
            concentration=1.0 + fraction * (self.concentration - 1.0),
            precision=fraction * self.precision,
            scale=fraction * self.scale,
            counts=fraction * self.counts,
        )

    def ordered(self, order: NDArray[np.intp]) -> PriorTerms:
        """The prior of components in another order (K,)."""
        K = len(order)
        concentration = np.concatenate([self.concentration[order], self.concentration[K:]])
        return PriorTerms(
            concentration,
            self.centre[order],
            self.precision[order],
            self.scale[order],
            self.counts[order],
            self.fraction,
        )

    @property
    def component_counts(self) -> Floats:
        """Number of objects that the prior on each covariance counts for (K,)."""
        return self.fraction * self.counts

    def log_densities(self, mixture: GaussianMixture) -> dict[str, float]:
        """Logarithm of the three parts at a mixture, without constants; minus infinity where the density is zero."""
        d = mixture.means - self.centre
        return {
            "weights": _log_product(mixture.all_weights, self.concentration - 1.0),
            "means": -0.5 * float(np.einsum("ki,kij,kj->", d, self.precision, d)),
            "covariances": self._log_covariances(mixture.covariances)[0],
        }

    def derivatives(self, mixture: GaussianMixture) -> tuple[float, Floats, Floats]:
        """Terms of the prior in the objective, and in its gradients with respect to means and covariances."""
        log_covariances, slope = self._log_covariances(mixture.covariances)
        pull = np.einsum("kij,kj->ki", self.precision, mixture.means - self.centre)
        log_prior = _log_product(mixture.all_weights, self.concentration - 1.0) + log_covariances
        return log_prior - 0.5 * float(np.sum(pull * (mixture.means - self.centre))), -pull, slope

    def _log_covariances(self, V: Floats) -> tuple[float, Floats]:
        """``-(counts ln|V| + tr(scale V^-1)) / 2`` of all components, and its derivative by V (K, D, D)."""
        if not self.bounds_covariances:
            return 0.0, np.zeros_like(V)
        try:
            L = np.linalg.cholesky(V)
        except np.linalg.LinAlgError:
            return -np.inf, np.zeros_like(V)
        root = np.linalg.inv(L)
        inverse = np.swapaxes(root, 1, 2) @ root  # positive also where V is nearly singular
        log_determinants = 2.0 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum(axis=1)
        value = -0.5 * (self.counts @ log_determinants + np.einsum("kij,kji->", self.scale, inverse))
        twice = inverse @ self.scale @ inverse - self.counts[:, None, None] * inverse
        return self.fraction * float(value), 0.25 * self.fraction * (twice + np.swapaxes(twice, 1, 2))

    def log_constants(self, prior: Prior) -> dict[str, float]:
        """Logarithm of the constant of each part that the prior has, where its density is proper."""
        D = self.centre.shape[1]
        result = dict.fromkeys(PARTS, 0.0)
        if prior.weights is not None:
            result["weights"] = float(gammaln(self.concentration.sum()) - gammaln(self.concentration).sum())
        if prior.means is not None:
            logs = np.linalg.slogdet(self.precision)[1] - D * np.log(2.0 * np.pi)
            result["means"] = 0.5 * float(logs.sum())
        nu = self.counts - D - 1
        if prior.covariances is not None and (nu > D - 1).all():
            logs = 0.5 * nu * (np.linalg.slogdet(self.scale)[1] - D * np.log(2.0)) - multigammaln(0.5 * nu[0], D)
            result["covariances"] = self.fraction * float(logs.sum())
        return result


def _log_product(weights: Floats, powers: Floats) -> float:
    """``sum powers ln weights``, without the terms whose power is zero."""
    used = powers > 0
    if (weights[used] <= 0).any():
        return -np.inf
    return float(powers[used] @ np.log(weights[used]))


def _at_least(value: ArrayLike, name: str, least: float) -> Floats:
    """A number or an array of finite numbers, none below the least."""
    numbers = as_dimensionless(value, f"{name} of the prior")
    if not (np.isfinite(numbers) & (numbers >= least)).all():
        raise InputError(f"the {name} of the prior is {numbers}, but it must be at least {least:g} everywhere")
    return numbers


def _matrices(value: Any, name: str, n_components: int, n_dimensions: int, units: Units) -> Floats:
    """Positive definite matrices (K, D, D) from a number, one matrix, or one for each component."""
    K, D = n_components, n_dimensions
    single = n_axes(value) == 0
    value = as_floats_in(value, f"{name} of the prior", covariance_units(units))
    name = f"the {name} of the prior"
    if single:
        value = value * np.eye(D)
    if value.shape not in ((D, D), (K, D, D)):
        raise InputError(f"{name} has shape {value.shape}, but {(D, D)}, {(K, D, D)} or one number is needed")
    size = np.sqrt(np.abs(np.diagonal(value, axis1=-2, axis2=-1)))
    size = np.where(size > 0, size, 1.0)
    scaled = value / size[..., :, None] / size[..., None, :]
    symmetric = np.isfinite(scaled).all() and (np.abs(scaled - np.swapaxes(scaled, -1, -2)) < 1e-10).all()
    if not symmetric or np.linalg.eigvalsh(scaled).min() <= 1e-14:
        raise InputError(f"{name} must be symmetric and positive definite; give a covariance matrix of full rank")
    return np.broadcast_to(0.5 * (value + np.swapaxes(value, -1, -2)), (K, D, D))
