"""What an uncertainty is said in: an interval of one quantity, or many mixtures that are all possible."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError
from xdgmm.mixture import GaussianMixture

ONE_SIGMA = float(norm.cdf(1.0) - norm.cdf(-1.0))  # 68.27%


@dataclass(frozen=True, eq=False)
class Estimate:
    """A quantity, number or array, with its interval.

    Attributes
    ----------
    value : float or ndarray
    error : float or ndarray
        Half the width of the 68.27% interval: the standard error where the interval is symmetric.
    low, high : float or ndarray
        Ends of the interval at the level asked for.
    """

    value: object
    error: object
    low: object
    high: object

    @classmethod
    def symmetric(cls, value, error, level):
        """The normal interval around a value."""
        half = norm.ppf(0.5 + 0.5 * level) * error
        return cls(value, error, value - half, value + half)

    @classmethod
    def of_samples(cls, value, samples, level):
        """The interval with equal tails of samples (n, ...) around a value."""
        (low, high), (lower, higher) = (_middle(samples, part) for part in (level, ONE_SIGMA))
        return cls(value, 0.5 * (higher - lower), low, high)


def _middle(samples, level):
    return np.quantile(samples, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=0)


def numbers(value):
    """What a function of a mixture returned, as an array of numbers; a Quantity stays one.

    Raises
    ------
    InputError
        If it is something else.
    """
    value = np.asanyarray(value)
    if value.dtype.kind not in "fiu":
        raise InputError(f"the function returns {value.dtype}, but it must return numbers: one, or an array of them")
    return value if hasattr(value, "unit") else np.asarray(value, dtype=float)


@dataclass(frozen=True, eq=False)
class SampledMixtures:
    """Mixtures that the data allow, each as likely as the next, in the caller's units.

    Attributes
    ----------
    weights : ndarray (n, K)
    background : ndarray (n,) or None
        The background's fraction, where there is one.
    means : ndarray (n, K, D)
    covariances : ndarray (n, K, D, D)
    mixture : GaussianMixture
        The fit that they belong to.
    """

    weights: np.ndarray
    background: np.ndarray | None
    means: np.ndarray
    covariances: np.ndarray
    mixture: GaussianMixture

    def __len__(self):
        """Number of mixtures."""
        return len(self.weights)

    def mixtures(self):
        """Each as a `GaussianMixture` with the names and units of the fit."""
        weights = self.weights if self.background is None else np.column_stack([self.weights, self.background])
        for parameters in zip(weights, self.means, self.covariances, strict=True):
            yield self.mixture.with_parameters(*parameters)

    def propagate(self, function, level=0.6827):
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
