"""The integral over a normal square and a log-normal width, against SciPy's quadrature and differences."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from xdgmm.kernels import width_likelihoods


def integrals(width, error, mean, variance):
    found = np.empty((1, 5))
    width_likelihoods(*(np.array([float(number)]) for number in (width, error, mean, variance)), found)
    return found[0]


def by_quadrature(width, error, mean, sigma):
    def integrand(t):
        x = np.exp(2 * t)
        return norm.pdf(width, t, error) * norm.pdf(x, mean, sigma) * 2 * x

    ends = np.unique([width - 12 * error, *(width + error * np.arange(-6, 7)), width + 12 * error])
    peak = 0.5 * np.log(max(mean, 0.1 * sigma))
    around = peak + sigma / max(mean, sigma) * np.linspace(-3, 1.5, 19)
    ends = np.unique([*ends, *around])
    pieces = pairwise(ends)
    return sum(quad(integrand, low, high, epsabs=0, epsrel=1e-11, limit=200)[0] for low, high in pieces)


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")  # far from the peak all is zero
@pytest.mark.parametrize("error", [0.02, 0.2, 0.7])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 2.0])
@pytest.mark.parametrize(("width", "mean"), [(0.1, 1.2), (-0.4, 0.9), (0.2, -0.02), (-1.0, 1.5)])
def test_the_integral_is_that_of_quadrature(width, error, mean, sigma):
    expected = by_quadrature(width, error, mean, sigma)
    if expected > 1e-60:
        assert integrals(width, error, mean, sigma**2)[0] == pytest.approx(np.log(expected), abs=1e-8)


@pytest.mark.parametrize("variance", [0.0, 1e-8, 0.09, 4.0])
@pytest.mark.parametrize("error", [0.05, 0.5])
def test_derivatives_are_those_by_differences(variance, error):
    width, mean, h = 0.1, 1.1, 1e-3
    up, here, down = (integrals(width, error, mean + step, variance) for step in (h, 0.0, -h))
    ratios = here[1:]
    slopes = (up - down)[:4] / (2 * h)
    # (I' / I)' = I'' / I - (I' / I)^2, and so on
    expected = [ratios[0], *(ratios[1:] - ratios[0] * ratios[:3])]
    assert slopes == pytest.approx(expected, rel=3e-4)  # differences of the third derivative


def test_no_variance_puts_the_square_at_its_mean():
    value = integrals(0.1, 0.2, 1.3, 0.0)[0]
    assert value == pytest.approx(norm.logpdf(0.1, 0.5 * np.log(1.3), 0.2), rel=1e-14)
    assert integrals(0.1, 0.2, 1.3, 1e-12)[0] == pytest.approx(value, abs=1e-9)
    assert integrals(0.1, 0.2, -0.1, 0.0)[0] == -np.inf
