"""Priors for sampling: explicit, proper, and printed.

A `PosteriorPrior` is the setting, in the user's units or without numbers; `resolved` fills in what depends on the data
and gives a `ResolvedPrior`, which prints itself and evaluates its density for many mixtures at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from xdgmm.basics.arrays import as_floats
from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError
from xdgmm.fitting import Dirichlet, Model, Normal
from xdgmm.observations import Observations

if TYPE_CHECKING:
    from astropy.units import UnitBase

    from xdgmm.fitting.standardisation import Standardisation

    from .coordinates import Coordinates, Parameters

Array = NDArray[np.float64]
Names: TypeAlias = tuple[str, ...]
Units: TypeAlias = "tuple[UnitBase | None, ...]"

WIDE = 10.0  # spreads of the data: standard deviation of the default prior on the means
LOG_2PI = np.log(2.0 * np.pi)


@dataclass(frozen=True, eq=False)
class HalfCauchy:
    """Half-Cauchy prior on each intrinsic sigma, ``p(s) = 2 / (pi scale (1 + s^2 / scale^2))`` for s > 0.

    Flat near zero, with a tail that lets large widths through (Gelman 2006, Bayesian Anal. 1, 515).

    Parameters
    ----------
    scale : float, Quantity or array (D,), optional
        Half of the probability lies below it; by default the observed spread of each column.
    """

    scale: Any = None

    def resolved(self, names: Names, units: Units, spread: Array) -> HalfCauchy:
        """The same prior with a plain number for each column."""
        return HalfCauchy(spread if self.scale is None else _per_column(self.scale, "scale", names, units))

    def divided(self, scale: Array) -> HalfCauchy:
        """The prior on sigma / scale."""
        return HalfCauchy(self.scale / scale)

    @property
    def support(self) -> tuple[Array, Array]:
        """Smallest and largest log-sigma of each column (D,)."""
        return np.full_like(self.scale, -np.inf), np.full_like(self.scale, np.inf)

    def log_density(self, log_sigmas: Array, axes: NDArray[np.int64]) -> Array:
        """``ln p(s)`` (W, n) of sigmas along these axes (n,)."""
        scale = np.log(self.scale[axes])
        return np.asarray(np.log(2.0 / np.pi) - scale - np.logaddexp(0.0, 2.0 * (log_sigmas - scale)))

    def text(self, i: int, unit: UnitBase | None) -> str:
        """The prior of column i in words."""
        return f"half-Cauchy, scale {_shown(self.scale[i], unit)}"

    def __str__(self) -> str:
        return "half-Cauchy, the observed spread of each column as its scale" if self.scale is None else repr(self)


@dataclass(frozen=True, eq=False)
class Uniform:
    """Uniform prior on each intrinsic sigma from 0 to `upper` (float, Quantity or array (D,))."""

    upper: Any

    def resolved(self, names: Names, units: Units, spread: Array) -> Uniform:
        """The same prior with a plain number for each column."""
        del spread
        return Uniform(_per_column(self.upper, "upper", names, units))

    def divided(self, scale: Array) -> Uniform:
        """The prior on sigma / scale."""
        return Uniform(self.upper / scale)

    @property
    def support(self) -> tuple[Array, Array]:
        """Smallest and largest log-sigma of each column (D,)."""
        return np.full_like(self.upper, -np.inf), np.log(self.upper)

    def log_density(self, log_sigmas: Array, axes: NDArray[np.int64]) -> Array:
        """``ln p(s)`` (W, n) of sigmas along these axes (n,)."""
        upper = np.log(self.upper[axes])
        return np.where(log_sigmas <= upper, -upper, -np.inf)

    def text(self, i: int, unit: UnitBase | None) -> str:
        """The prior of column i in words."""
        return f"uniform from 0 to {_shown(self.upper[i], unit)}"


@dataclass(frozen=True, eq=False)
class LogUniform:
    """Prior on each intrinsic sigma that is uniform in its logarithm from `low` to `high` (floats, Quantities or (D,)).

    Proper only because of `low`: where the data allow a width of zero, the result depends on it.
    """

    low: Any
    high: Any

    def resolved(self, names: Names, units: Units, spread: Array) -> LogUniform:
        """The same prior with plain numbers for each column."""
        del spread
        low, high = (_per_column(getattr(self, name), name, names, units) for name in ("low", "high"))
        if not (low < high).all():
            raise InputError(f"`low` of the log-uniform prior must lie below `high`, but they are {low} and {high}")
        return LogUniform(low, high)

    def divided(self, scale: Array) -> LogUniform:
        """The prior on sigma / scale."""
        return LogUniform(self.low / scale, self.high / scale)

    @property
    def support(self) -> tuple[Array, Array]:
        """Smallest and largest log-sigma of each column (D,)."""
        return np.log(self.low), np.log(self.high)

    def log_density(self, log_sigmas: Array, axes: NDArray[np.int64]) -> Array:
        """``ln p(s)`` (W, n) of sigmas along these axes (n,)."""
        low, high = (end[axes] for end in self.support)
        inside = (log_sigmas >= low) & (log_sigmas <= high)
        return np.where(inside, -log_sigmas - np.log(high - low), -np.inf)

    def text(self, i: int, unit: UnitBase | None) -> str:
        """The prior of column i in words."""
        return f"log-uniform from {_shown(self.low[i], unit)} to {_shown(self.high[i], unit)}"


@dataclass(frozen=True)
class LKJ:
    """Prior on correlation matrices, ``p(R) ~ det(R)^(eta - 1)``; uniform over all of them with eta = 1.

    Lewandowski, Kurowicka & Joe 2009, J. Multivar. Anal. 100, 1989.
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no positive number."""
        if isinstance(self.eta, bool) or not isinstance(self.eta, (int, float)) or not 0.0 < self.eta < np.inf:
            raise InputError(f"`eta` of the LKJ prior is {self.eta!r}, but it must be a positive number")

    def log_constant(self, n_dimensions: int) -> float:
        """Logarithm of the constant of ``p(R)``: one beta distribution for each partial correlation."""
        D = n_dimensions
        b = np.concatenate([np.zeros(0), *(np.full(D - 1 - j, self.eta + 0.5 * (D - 2 - j)) for j in range(D - 1))])
        return -float(((2.0 * b - 1.0) * np.log(2.0) + betaln(b, b)).sum())


@dataclass(frozen=True, eq=False)
class PosteriorPrior:
    """What is known before the data, for sampling; every part is proper.

    Parameters
    ----------
    weights : Dirichlet
        Of all free weights, a background's fraction included; flat by default.
    means : Normal, optional
        By default centred on the data and 10 of their spreads wide, column by column.
    sigmas : HalfCauchy, Uniform or LogUniform
        Of each intrinsic sigma.
    correlations : LKJ
        Of each correlation matrix.

    Examples
    --------
    >>> from xdgmm.uncertainty.mcmc import PosteriorPrior, Uniform
    >>> print(PosteriorPrior(sigmas=Uniform(20.0)))
    weights: Dirichlet, concentration 1.0
    means: normal, centred on the data, 10 of their spreads wide
    sigmas: Uniform(upper=20.0)
    correlations: LKJ, eta 1.0
    """

    weights: Dirichlet = field(default_factory=lambda: Dirichlet(1.0))
    means: Normal | None = None
    sigmas: HalfCauchy | Uniform | LogUniform = field(default_factory=HalfCauchy)
    correlations: LKJ = field(default_factory=LKJ)

    def __post_init__(self) -> None:
        """Refuse parts that are something else."""
        kinds = {
            "weights": (Dirichlet,),
            "means": (Normal, type(None)),
            "sigmas": (HalfCauchy, Uniform, LogUniform),
            "correlations": (LKJ,),
        }
        for name, allowed in kinds.items():
            if not isinstance(getattr(self, name), allowed):
                called = " or ".join("None" if kind is type(None) else kind.__name__ for kind in allowed)
                raise InputError(f"`{name}` of the prior is {getattr(self, name)!r}, but it must be a {called}")

    def __str__(self) -> str:
        """The parts, one line each."""
        means = f"normal, centred on the data, {WIDE:g} of their spreads wide" if self.means is None else self.means
        parts = {
            "weights": f"Dirichlet, concentration {self.weights.concentration}",
            "means": means,
            "sigmas": self.sigmas,
            "correlations": f"LKJ, eta {self.correlations.eta}",
        }
        return "\n".join(f"{name}: {part}" for name, part in parts.items())

    def resolved(self, observations: Observations, n_components: int, model: Model) -> ResolvedPrior:
        """The prior in numbers, for these observations and so many components.

        Parameters
        ----------
        observations : Observations
        n_components : int
        model : Model

        Returns
        -------
        ResolvedPrior

        Raises
        ------
        InputError
            If a part has a wrong shape or value, or a unit that does not convert.
        """
        K, D = n_components, observations.n_dimensions
        names, units = observations.names, observations.units
        location, spread = observations.location_and_spread()
        isotropic = model.covariance_type == "spherical"
        if isotropic:
            spread = np.full_like(spread, np.exp(np.log(spread).mean()))
        sigmas = self.sigmas.resolved(names, units, spread)
        if isotropic and any(np.ptp(end) > 0 for end in vars(sigmas).values()):
            raise InputError(
                "the prior on the sigmas differs between columns, but with covariance_type='spherical' they share one "
                "sigma; give one number"
            )
        means = self.means or Normal(location, np.diag((WIDE * spread) ** 2))
        concentration = self.weights.arrays(K + (model.background is not None))
        centre, covariance = means.arrays(K, D, units)
        return ResolvedPrior(
            concentration, centre, covariance, sigmas, self.correlations, names, units, model.covariance_type
        )


@dataclass(frozen=True, eq=False)
class ResolvedPrior:
    """A prior in numbers.

    Attributes
    ----------
    concentration : ndarray (S,)
    centre, covariance : ndarray (K, D), (K, D, D)
        Of the means.
    sigmas : HalfCauchy, Uniform or LogUniform
        With a number for each column.
    correlations : LKJ
    names, units : tuple
    covariance_type : str
    """

    concentration: Array
    centre: Array
    covariance: Array
    sigmas: HalfCauchy | Uniform | LogUniform
    correlations: LKJ
    names: Names
    units: Units
    covariance_type: str

    def __str__(self) -> str:
        """One line for each parameter, in words, with units."""
        return "\n".join([*self._of_weights(), *self._of_means(), *self._of_sigmas(), *self._of_correlations()])

    def _of_weights(self) -> list[str]:
        if self.concentration.size == 1:
            return []
        flat = "flat, " if (self.concentration == 1).all() else ""
        numbers = ", ".join(f"{c:g}" for c in np.unique(self.concentration))
        return [f"weights: {flat}Dirichlet with concentration {numbers}"]

    def _of_means(self) -> Iterator[str]:
        same = all(np.ptp(array, axis=0).max() == 0 for array in (self.centre, self.covariance))
        for k in range(1 if same else len(self.centre)):
            for i, (name, unit) in enumerate(zip(self.names, self.units, strict=True)):
                whose = "" if same else f" of component {k}"
                width = _shown(np.sqrt(self.covariance[k, i, i]), difference_unit(unit))
                yield f"mean of {name}{whose}: normal, centre {_shown(self.centre[k, i], unit)}, sigma {width}"

    def _of_sigmas(self) -> list[str]:
        units = [difference_unit(unit) for unit in self.units]
        if self.covariance_type == "spherical":
            return [f"sigma: {self.sigmas.text(0, units[0])}"]
        return [f"sigma of {name}: {self.sigmas.text(i, units[i])}" for i, name in enumerate(self.names)]

    def _of_correlations(self) -> list[str]:
        if len(self.names) == 1 or self.covariance_type in ("diag", "spherical"):
            return []
        uniform = ", uniform over all correlation matrices" if self.correlations.eta == 1 else ""
        return [f"correlations: LKJ with eta {self.correlations.eta:g}{uniform}"]

    def exchangeable(self, k: int, j: int) -> bool:
        """Is this the same prior for components k and j?"""
        arrays = self.concentration, self.centre, self.covariance
        return all((array[k] == array[j]).all() for array in arrays)

    def standardised(self, scaling: Standardisation) -> ResolvedPrior:
        """The prior on the parameters of standardised values."""
        return replace(
            self,
            centre=(self.centre - scaling.location) / scaling.scale,
            covariance=self.covariance / scaling.scale[:, None] / scaling.scale,
            sigmas=self.sigmas.divided(scaling.scale),
            units=(None,) * len(self.names),
        )


class PriorDensity:
    """Density of the free parameters that coordinates have: weights, means, sigmas and correlations.

    Parameters
    ----------
    prior : ResolvedPrior
        Standardised as the coordinates are.
    coordinates : Coordinates
    """

    def __init__(self, prior: ResolvedPrior, coordinates: Coordinates) -> None:
        free = self._means = coordinates.free_means
        concentration = prior.concentration[coordinates.free_weights]
        self._sigmas, self._axis_of = prior.sigmas, coordinates.axis_of
        self._powers = concentration - 1.0
        self._centre, self._whitening = prior.centre[free], np.linalg.inv(np.linalg.cholesky(prior.covariance[free]))
        self._eta = prior.correlations.eta if coordinates.n_matrices else 1.0
        factors = np.diagonal(self._whitening, axis1=1, axis2=2)
        constant = np.log(factors).sum() - 0.5 * factors.size * LOG_2PI
        constant += gammaln(concentration.sum()) - gammaln(concentration).sum() if concentration.size else 0.0
        if coordinates.n_matrices:
            constant += coordinates.n_matrices * prior.correlations.log_constant(len(prior.names))
        self._constant = float(constant)

    def __call__(self, parameters: Parameters) -> Array:
        """Logarithm (W,) of the normalised density."""
        white = self._whitening @ (parameters.means[:, self._means] - self._centre)[..., None]
        result = self._sigmas.log_density(parameters.log_sigmas, self._axis_of).sum(axis=1)
        result += self._constant + parameters.log_within @ self._powers
        result -= 0.5 * np.einsum("wkij,wkij->w", white, white)
        return np.asarray(result + (self._eta - 1.0) * parameters.log_determinants)


def _shown(number: float, unit: UnitBase | None) -> str:
    return f"{number:.4g}" if unit is None else f"{number:.4g} {unit}"


def _per_column(value: Any, called: str, names: Names, units: Units) -> Array:
    """Positive numbers (D,) in the units of the columns' differences."""
    one_for_all = not isinstance(value, (list, tuple)) and np.ndim(value) == 0
    entries = [value] * len(names) if one_for_all else list(value)
    if len(entries) != len(names):
        raise InputError(
            f"`{called}` of the prior on the sigmas has {len(entries)} entries, but one number is needed, or one for "
            f"each of the {len(names)} columns"
        )
    columns = zip(entries, names, units, strict=True)
    return np.array([_number(entry, called, name, unit) for entry, name, unit in columns])


def _number(entry: Any, called: str, name: str, unit: UnitBase | None) -> float:
    if getattr(entry, "unit", None) is not None and unit is None:
        raise InputError(f"`{called}` of the prior has the unit {entry.unit}, but '{name}' has none; give a number")
    number = as_floats(entry, f"{called} of the prior", difference_unit(unit))[0]
    if number.shape != () or not 0.0 < number < np.inf:
        raise InputError(f"`{called}` of the prior on the sigmas is {entry}, but it must be a positive number")
    return float(number)
