"""Uniform true values beside a limit, against integrals."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr
from scipy.stats import norm

from xdgmm import Background
from xdgmm.kernels import as_noise
from xdgmm.mixture.limits_in_boxes import LimitsInBoxes

CASES = [(L, e, sign) for L in (-5.0, -1.0, 0.3, 2.0, 9.0) for e in (0.0, 0.2, 3.0) for sign in (-1, 1)]


def of(L, e, sign, low=-1.5, high=2.5):
    return LimitsInBoxes(*(np.array([x]) for x in (L, e, sign, low, high)))


def probability(v, L, e, sign):
    inside = -sign * (L - v)
    return norm.cdf(inside / e) if e > 0 else float(inside >= 0)


@pytest.mark.parametrize(("L", "e", "sign"), CASES)
def test_integrals_and_moments_are_those_of_quadrature(L, e, sign):
    breaks = np.clip([L - 3 * e, L, L + 3 * e], -1.4999, 2.4999)

    def integral(power):
        return quad(
            lambda v: probability(v, L, e, sign) * v**power, -1.5, 2.5, points=breaks, epsabs=0, epsrel=1e-11, limit=200
        )[0]

    box, total = of(L, e, sign), integral(0)
    if total < 1e-290:
        assert box.log_integrals()[0] < -600
        np.testing.assert_allclose(box.moments(), ([0.5], [4.0**2 / 12]))
        return
    assert box.log_integrals()[0] == pytest.approx(np.log(total), abs=1e-9)
    mean = integral(1) / total
    found = box.moments()
    assert found[0][0] == pytest.approx(mean, abs=1e-8)
    assert found[1][0] == pytest.approx(integral(2) / total - mean**2, abs=1e-8)


@pytest.mark.parametrize("e", [0.2, 3.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_slopes_are_differences(e, sign):
    h = 1e-6
    by_low, by_high = of(0.3, e, sign).edge_slopes()
    rise = [of(0.3, e, sign, low=-1.5 + s * h).log_integrals() for s in (-1, 1)]
    assert by_low[0] == pytest.approx((rise[1] - rise[0])[0] / (2 * h), rel=1e-7)
    rise = [of(0.3, e, sign, high=2.5 + s * h).log_integrals() for s in (-1, 1)]
    assert by_high[0] == pytest.approx((rise[1] - rise[0])[0] / (2 * h), rel=1e-7)


@pytest.mark.parametrize("errors", [10.0, 49.999, 50.001, 1e4])
def test_far_beyond_a_limit_the_integral_stays_right(errors):
    # int_a^inf Phi(-t) dt = Phi(-a) (lambda - a) = Phi(-a) (1/a - 2/a^3 + 10/a^5 - ...)
    box = of(0.0, 1.0, -1, errors, errors + 1e3)
    a = errors
    series = 1 / a - 2 / a**3 + 10 / a**5 - 74 / a**7 + 706 / a**9 - 8162 / a**11 + 110410 / a**13
    expected = log_ndtr(-a) + np.log(series)
    assert box.log_integrals()[0] == pytest.approx(expected, rel=1e-9)


def test_a_background_multiplies_the_density_of_values_with_the_probability_of_the_limit():
    background = Background([-1.5, 0.0], [2.5, 10.0])
    values, limits = np.array([[0.3, 4.0], [0.3, 4.0], [np.nan, 4.0]]), np.array([[-1, 0], [1, 0], [0, -1]], np.int8)
    noise = as_noise(np.array([[0.2, 0.5]] * 3), values.shape)
    found = background.log_densities(values, noise, limits)
    upper = of(0.3, 0.2, -1).log_integrals()[0] - np.log(4.0)
    inside = background.marginal([1]).log_densities(values[:, 1:], as_noise(np.full((3, 1), 0.5), (3, 1)))[0]
    assert found[0] == pytest.approx(upper + inside, abs=1e-12)
    assert np.logaddexp(found[0], found[1]) == pytest.approx(inside, abs=1e-12)  # below or above
    assert found[2] == pytest.approx(of(4.0, 0.5, -1, 0.0, 10.0).log_integrals()[0] - np.log(10.0), abs=1e-12)
    h = 1e-6
    slopes = background.edge_slopes(values, noise, limits)
    for place, which in ((0, "low"), (1, "low"), (0, "high"), (1, "high")):
        ends = []
        for step in (-h, h):
            edges = {"low": np.array([-1.5, 0.0]), "high": np.array([2.5, 10.0])}
            edges[which][place] += step
            ends.append(Background(**edges).log_densities(values, noise, limits))
        found = slopes[which == "high"][:, place]
        np.testing.assert_allclose(found, (ends[1] - ends[0]) / (2 * h), rtol=1e-6, atol=1e-8)
