"""Probabilities and quantiles: the numbers of `scipy.stats`."""

import numpy as np
import pytest
from scipy.stats import chi2, norm

from xdgmm.basics.quantiles import chi_squared_quantile, normal_cdf, normal_log_density, normal_quantile

PROBABILITIES = np.array([1e-300, 1e-9, 0.025, 0.15865, 0.5, 0.6827, 0.9, 0.95, 0.9973, 1 - 1e-12])
PLACES = np.array([-30.0, -8.0, -1.0, 0.0, 0.5, 1.0, 2.0, 8.0])
EXACT = {"rtol": 4e-15, "atol": 0.0}  # rounding of the last digit


@pytest.mark.parametrize(
    ("ours", "theirs", "at"),
    [
        (normal_quantile, norm.ppf, PROBABILITIES),
        (chi_squared_quantile, lambda p: chi2.ppf(p, 1), PROBABILITIES),
        (normal_cdf, norm.cdf, PLACES),
        (lambda x: normal_cdf(-x), norm.sf, PLACES),
        (normal_log_density, norm.logpdf, PLACES),
    ],
    ids=["normal_quantile", "chi_squared_quantile", "normal_cdf", "tail", "normal_log_density"],
)
def test_numbers_are_those_of_scipy_stats(ours, theirs, at):
    np.testing.assert_allclose(ours(at), theirs(at), **EXACT)


@pytest.mark.parametrize("level", [0.5, 0.6827, 0.95, 0.9973])
def test_the_chi_squared_quantile_is_the_square_of_a_normal_one(level):
    assert chi_squared_quantile(level) == pytest.approx(normal_quantile(0.5 + 0.5 * level) ** 2, rel=1e-13)
