"""Forms of an uncertainty: the interval of one quantity, or a sample of mixtures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.parameters import check_level
from xdgmm.basics.quantiles import normal_cdf, normal_quantile
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture

    Floats = NDArray[np.float64]

ONE_SIGMA = float(normal_cdf(1.0) - normal_cdf(-1.0))  # 68.27%


@dataclass(frozen=True, eq=False)
class Estimate:
    """A quantity (a number, an array, or a Quantity) with its interval.

    Attributes
    ----------
    value : float or ndarray
    error : float or ndarray
        Half the width of the 68.27% interval: the standard error where the interval is symmetric.
    low, high : float or ndarray
        Ends of the interval at the level asked for.
    """

    value: Any
    error: Any
    low: Any
    high: Any

    @classmethod
    def symmetric(cls, value: Any, error: Any, level: float) -> Estimate:
        """The normal interval around a value."""
        half = normal_quantile(0.5 + 0.5 * level) * error
        return cls(value, error, value - half, value + half)

    @classmethod
    def of_samples(cls, value: Any, samples: Any, level: float) -> Estimate:
        """A value with the interval of samples (n, ...) that has equal tails."""
        (low, high), (lower, higher) = (_central(samples, probability) for probability in (level, ONE_SIGMA))
        return cls(value, 0.5 * (higher - lower), low, high)


def _central(samples: Any, level: float) -> Any:
    return np.quantile(samples, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=0)


def numbers(value: Any) -> Any:
    """The value of a function of a mixture as an array of numbers; a Quantity stays one.

    Raises
    ------
    InputError
        If it holds anything but numbers.
    """
    value = np.asanyarray(value)
    if value.dtype.kind not in "fiu":
        raise InputError(f"the function returns {value.dtype}, but it must return numbers: one, or an array of them")
    return value if hasattr(value, "unit") else np.asarray(value, dtype=float)


@dataclass(frozen=True, eq=False)
class SampledMixtures:
    """A sample of mixtures of equal probability, in the user's units.

    Attributes
    ----------
    weights : ndarray (n, K)
    background : ndarray (n,) or None
        The background's fraction, where there is one.
    means : ndarray (n, K, D)
    covariances : ndarray (n, K, D, D)
    mixture : GaussianMixture
        The fit that they belong to.
    dof : ndarray (n, K) or None
        Degrees of freedom of Student-t components.
    """

    weights: Floats
    background: Floats | None
    means: Floats
    covariances: Floats
    mixture: GaussianMixture
    dof: Floats | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        """Number of mixtures."""
        return len(self.weights)

    def mixtures(self) -> Iterator[GaussianMixture]:
        """Each as a `GaussianMixture` with the names and units of the fit."""
        weights = self.weights if self.background is None else np.column_stack([self.weights, self.background])
        dof = [None] * len(self) if self.dof is None else self.dof
        for parameters in zip(weights, self.means, self.covariances, dof, strict=True):
            yield self.mixture.with_parameters(*parameters)

    def propagate(self, function: Callable[[GaussianMixture], Any], level: float = 0.6827) -> Estimate:
        """`Estimate` of any function of the mixture: its value at the fit, and quantiles over the samples.

        Parameters
        ----------
        function : callable
            Takes a `GaussianMixture`, returns a number or an array.
        level : float
            Probability of the interval, which has equal tails.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        check_level(level)
        samples = np.stack([numbers(function(mixture)) for mixture in self.mixtures()])
        return Estimate.of_samples(numbers(function(self.mixture))[()], samples, level)
