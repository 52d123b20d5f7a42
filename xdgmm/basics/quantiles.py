"""The normal distribution and chi-squared with one degree of freedom: probabilities and their quantiles.

The functions of `scipy.stats` give the same numbers, but importing them takes longer than a small fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaincinv, ndtr, ndtri

LOG_SQRT_TWO_PI = 0.5 * np.log(2.0 * np.pi)


def normal_cdf(x: Any) -> Any:
    """Probability that a standard normal variable is below x; that it is above x is ``normal_cdf(-x)``."""
    return ndtr(x)


def normal_quantile(probability: Any) -> Any:
    """The value below which a standard normal variable lies with this probability."""
    return ndtri(probability)


def normal_log_density(x: Any) -> Any:
    """Natural logarithm of the standard normal density."""
    return -0.5 * np.square(x) - LOG_SQRT_TWO_PI


def chi_squared_quantile(probability: Any) -> Any:
    """The value below which the square of a standard normal variable lies with this probability."""
    return 2.0 * gammaincinv(0.5, probability)
