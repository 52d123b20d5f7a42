"""Profiles of lines on pixels: against quadrature of the densities, whose derivatives are complex steps, and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.interpolate import make_interp_spline
from scipy.special import ndtr, voigt_profile, wofz

from xdgmm.errors import InputError
from xdgmm.kernels import interpolated_profiles, line_profiles

seeds = st.integers(0, 2**32 - 1)
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)
STEP = 1e-30


def gaussian(x, mean, variance):
    return np.exp(-0.5 * (x - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)


def gaussian_and_derivatives(x, mean, sigma):
    """By complex steps: (3, ...)."""
    by_mean = gaussian(x, mean + 1j * STEP * sigma, sigma**2).imag / (STEP * sigma)
    by_variance = gaussian(x, mean, sigma**2 * (1 + 1j * STEP)).imag / (STEP * sigma**2)
    return np.array([gaussian(x, mean, sigma**2), by_mean, by_variance])


def voigt(x, sigma, half_width):
    """Analytic in x: on the real axis the two terms are complex conjugates."""
    unit = np.sqrt(0.5) / sigma
    return 0.5 * (wofz((x + 1j * half_width) * unit) + wofz((-x + 1j * half_width) * unit)) * unit / np.sqrt(np.pi)


def lorentzian(x, half_width):
    return half_width / np.pi / (x**2 + half_width**2)


def profile_and_derivatives(function, x, mean, scale):
    """By Cauchy's formula on a circle around each x; the derivative by the variance is half the curvature."""
    circle = 0.25 * scale * np.exp(2j * np.pi * np.arange(24) / 24)
    values = function(x[..., None] - mean + circle)
    return np.array([np.mean(values / (-circle) ** k, axis=-1).real for k in range(3)])


def averages(function, low, high, mean, scale):
    """Averages (..., n) over pixels of functions (...) that are smooth on `scale`, or far off on the distance.

    Quadrature of Gauss and Legendre: of narrow pixels in x, of wide ones piece by piece in u, x = mean + scale sinh(u).
    """
    result = []
    for a, b in zip(low, high, strict=True):
        if a == b:
            result.append(function(np.array([a]))[..., 0])
        elif b - a < 0.5 * scale:
            result.append(0.5 * np.sum(NODE_WEIGHTS * function(a + 0.5 * (b - a) * (1 + NODES)), axis=-1))
        else:
            ends = np.arcsinh((a - mean) / scale), np.arcsinh((b - mean) / scale)
            edges = np.linspace(*ends, 2 + int((ends[1] - ends[0]) / 0.2))
            half = 0.5 * np.diff(edges)[:, None]
            u = 0.5 * (edges[:-1] + edges[1:])[:, None] + half * NODES
            values = function(mean + scale * np.sinh(u)) * scale * np.cosh(u)
            result.append(np.sum(half * NODE_WEIGHTS * values, axis=(-2, -1)) / (b - a))
    return np.stack(result, axis=-1)


def reference(low, high, mean, variance, weights=(1.0,), instrument_variances=(0.0,), half_width=0.0):
    """The four arrays (4, n) of one line."""
    total = np.zeros((4, len(low)))
    for weight, instrument in zip(weights, instrument_variances, strict=True):
        sigma = np.sqrt(variance + instrument)
        scale = np.hypot(sigma, half_width)

        def function(x, sigma=sigma, scale=scale):
            if half_width == 0.0:
                return gaussian_and_derivatives(x, mean, sigma)
            if sigma == 0.0:
                return profile_and_derivatives(lambda d: lorentzian(d, half_width), x, mean, scale)
            return profile_and_derivatives(lambda d: voigt(d, sigma, half_width), x, mean, scale)

        found = averages(function, low, high, mean, scale)
        total += weight * np.concatenate([found, 2 * instrument * found[2:]])
    return total


def random_pixels(rng, n=40, *, contiguous=True):
    """Pixels of very unequal widths around zero; where they are not contiguous, some are points."""
    edges = np.sort(rng.normal(size=n + 1) * 10 ** rng.uniform(-1, 1.0, n + 1))
    low, high = edges[:-1].copy(), edges[1:].copy()
    if not contiguous:
        low += rng.uniform(0, 0.5, n) * (high - low)
        high[::5] = low[::5]
    return low, high


def one_line(low, high, mean, variance, weights=(1.0,), instrument_variances=(0.0,), half_width=None):
    half_widths = None if half_width is None else np.array([half_width])
    found = line_profiles(
        low,
        high,
        np.array([mean]),
        np.array([variance]),
        np.array([weights]),
        np.array([instrument_variances]),
        half_widths,
    )
    return np.array([array[0] for array in found])


def assert_close(found, expected, tolerance):
    """Each array within so much of its largest value."""
    for name, a, b in zip(("density", "by_mean", "by_variance", "by_log_scale"), found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max() + 1e-300, err_msg=name)


@given(seeds, st.booleans())
@settings(max_examples=40)
def test_gaussians_and_their_derivatives_are_those_of_quadrature(seed, contiguous):
    rng = np.random.default_rng(seed)
    low, high = random_pixels(rng, contiguous=contiguous)
    J = rng.integers(1, 4)
    weights, instrument = rng.dirichlet(np.ones(J)), 10 ** rng.uniform(-1, 1, J)
    variance = rng.uniform(-0.9, 5) * instrument.min()
    mean = rng.normal()
    found = one_line(low, high, mean, variance, weights, instrument)
    assert_close(found, reference(low, high, mean, variance, weights, instrument), 3e-13)


@pytest.mark.parametrize("sigma", 10.0 ** np.arange(-6, 7))
def test_gaussians_keep_their_digits_however_they_compare_with_the_pixels(sigma):
    edges = np.arange(-6.0, 8.0)
    found = one_line(edges[:-1], edges[1:], 0.3 * sigma, sigma**2)
    assert_close(found, reference(edges[:-1], edges[1:], 0.3 * sigma, sigma**2), 1e-14)


@given(seeds, st.booleans())
@settings(max_examples=40)
def test_voigt_profiles_and_their_derivatives_are_those_of_quadrature(seed, contiguous):
    rng = np.random.default_rng(seed)
    low, high = random_pixels(rng, contiguous=contiguous)
    J = rng.integers(1, 4)
    weights, instrument = rng.dirichlet(np.ones(J)), 10 ** rng.uniform(-1, 1, J)
    variance = rng.uniform(-0.9, 5) * instrument.min()
    mean, half_width = rng.normal(), 10 ** rng.uniform(-3, 1.5)
    found = one_line(low, high, mean, variance, weights, instrument, half_width)
    assert_close(found, reference(low, high, mean, variance, weights, instrument, half_width), 1e-11)


@pytest.mark.parametrize("half_width", 10.0 ** np.arange(-4, 5, 2))
@pytest.mark.parametrize("sigma", [0, *10.0 ** np.arange(-4, 5, 2)])
def test_voigt_profiles_are_those_of_quadrature_however_widths_and_pixels_compare(sigma, half_width):
    edges = np.arange(-6.0, 8.0)
    mean = 0.3 * np.hypot(sigma, half_width)
    found = one_line(edges[:-1], edges[1:], mean, sigma**2, half_width=half_width)
    expected = reference(edges[:-1], edges[1:], mean, sigma**2, half_width=half_width)
    assert_close(found, expected, 1e-13)


@pytest.mark.parametrize("sigma", [1e-3, 0.2, 3.0])
@pytest.mark.parametrize("half_width", [1e-3, 0.2, 3.0])
def test_a_voigt_profile_is_the_integral_of_that_of_scipy(sigma, half_width):
    edges = np.array([-7.0, -2.0, -0.5, 0.1, 0.4, 5.0])
    found = one_line(edges[:-1], edges[1:], 0.2, sigma**2, half_width=half_width)[0]
    for average, a, b in zip(found, edges[:-1], edges[1:], strict=True):
        peak = [0.2] if a < 0.2 < b else None
        total, _ = integrate.quad(
            lambda x: voigt_profile(x - 0.2, sigma, half_width),
            a,
            b,
            points=peak,
            epsabs=1e-13,
            epsrel=1e-11,
            limit=500,
        )
        assert average == pytest.approx(total / (b - a), rel=1e-10, abs=1e-12)


def test_a_lorentzian_is_a_difference_of_arctangents():
    low, high = random_pixels(np.random.default_rng(1))
    found = one_line(low, high, 0.3, 0.0, half_width=0.7)[0]
    expected = (np.arctan((high - 0.3) / 0.7) - np.arctan((low - 0.3) / 0.7)) / np.pi / (high - low)
    np.testing.assert_allclose(found, expected, atol=1e-14)


def random_line(rng, half_width):
    """Arguments of `one_line` after the pixels."""
    J = rng.integers(1, 4)
    instrument = rng.uniform(0.2, 2.0, J)
    return rng.normal(), rng.uniform(-0.1, 2.0), rng.dirichlet(np.ones(J)), instrument, half_width


half_widths = st.sampled_from([0.0, 0.5])


@given(seeds, half_widths)
@settings(max_examples=30)
def test_pixels_hold_the_flux_wherever_their_edges_are(seed, half_width):
    rng = np.random.default_rng(seed)
    edges = np.sort(np.concatenate([[-1e17, 1e17], rng.normal(size=30) * 3]))
    found = one_line(edges[:-1], edges[1:], *random_line(rng, half_width))
    np.testing.assert_allclose(found @ np.diff(edges), [1, 0, 0, 0], atol=1e-14)


@given(seeds, half_widths)
@settings(max_examples=30)
def test_the_average_over_a_pixel_is_that_of_its_parts(seed, half_width):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.normal(size=31) * 10 ** rng.uniform(-2, 1))
    line = random_line(rng, half_width)
    parts = one_line(edges[:-1], edges[1:], *line) * np.diff(edges)
    whole = one_line(edges[:-1:3], edges[3::3], *line) * np.diff(edges[::3])
    np.testing.assert_allclose(whole, parts.reshape(4, -1, 3).sum(axis=2), atol=1e-14)


@given(seeds, half_widths, st.sampled_from([-3.0, 1e-7, 1e9]))
@settings(max_examples=30)
def test_another_unit_or_direction_of_the_axis_changes_only_the_units(seed, half_width, factor):
    rng = np.random.default_rng(seed)
    low, high = random_pixels(rng, contiguous=False)
    mean, variance, weights, instrument, _ = random_line(rng, half_width)
    found = one_line(low, high, mean, variance, weights, instrument, half_width)
    moved_low, moved_high = np.sort([factor * low, factor * high], axis=0)
    moved = one_line(
        moved_low,
        moved_high,
        factor * mean,
        factor**2 * variance,
        weights,
        factor**2 * instrument,
        abs(factor) * half_width,
    )
    units = np.array([1.0, factor, factor**2, 1.0])[:, None] * abs(factor)
    assert_close(moved * units, found, 1e-12)


@given(seeds, half_widths)
@settings(max_examples=30)
def test_a_mixture_of_instruments_is_the_sum_of_its_parts_and_lines_do_not_meet(seed, half_width):
    rng = np.random.default_rng(seed)
    low, high = random_pixels(rng)
    L, J = 3, 2
    means, variances, natural = rng.normal(size=L), rng.uniform(0, 1, L), np.array([half_width, 0.0, 2 * half_width])
    weights, instrument = rng.dirichlet(np.ones(J), L), rng.uniform(0.1, 1, (L, J))
    found = np.array(line_profiles(low, high, means, variances, weights, instrument, natural))
    for line in range(L):
        parts = [
            weights[line, j]
            * one_line(low, high, means[line], variances[line], (1.0,), (instrument[line, j],), natural[line])
            for j in range(J)
        ]
        np.testing.assert_allclose(found[:, line], sum(parts), atol=1e-14)


@given(seeds, half_widths, st.booleans())
@settings(max_examples=30)
def test_derivatives_are_those_of_the_density(seed, half_width, contiguous):
    """Central differences, extrapolated to a step of zero."""
    rng = np.random.default_rng(seed)
    low, high = random_pixels(rng, contiguous=contiguous)
    mean, variance, weights, instrument, _ = random_line(rng, half_width)

    def density(m, v, u):
        return one_line(low, high, mean + m, variance + v, weights, instrument * np.exp(2 * u), half_width)[0]

    def slope(direction, step=1e-3):
        once, twice = ((density(*d) - density(*-d)) / 2 for d in (step * direction, 2 * step * direction))
        return (8 * once - twice) / 6 / step

    expected = [density(0, 0, 0), *(slope(direction) for direction in np.eye(3))]
    assert_close(one_line(low, high, mean, variance, weights, instrument, half_width), expected, 1e-7)


def test_a_line_without_width_is_in_one_pixel_or_shared_by_two():
    edges = np.array([0.0, 1.0, 3.0, 4.0])
    inside = one_line(edges[:-1], edges[1:], 2.5, -0.09, (1.0,), (0.09,))
    np.testing.assert_array_equal(inside, [[0, 0.5, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    on_an_edge = one_line(edges[:-1], edges[1:], 1.0, 0.0)
    np.testing.assert_array_equal(on_an_edge[0], [0.5, 0.25, 0])
    np.testing.assert_array_equal(one_line(edges[:-1], edges[1:], 4.0, 0.0)[0], [0, 0, 0.5])
    assert not one_line(edges[:-1], edges[1:], 4.1, 0.0).any()


@pytest.mark.parametrize("sigma", [1e-3, 1e-9, 1e-100, 1e-161])
@pytest.mark.parametrize("mean", [2.5, 1.0])
def test_a_vanishing_width_is_approached(sigma, mean):
    edges = np.array([0.0, 1.0, 3.0, 4.0])
    found = one_line(edges[:-1], edges[1:], mean, sigma**2)
    np.testing.assert_allclose(found[0], one_line(edges[:-1], edges[1:], mean, 0.0)[0], atol=1e-15)
    assert np.isfinite(found).all()


def test_a_variance_below_zero_by_rounding_is_zero():
    edges = np.array([0.0, 1.0, 2.0])
    assert -(0.1 + 0.2) + 0.3 < 0
    found = one_line(edges[:-1], edges[1:], 0.5, -(0.1 + 0.2), (1.0,), (0.3,))
    np.testing.assert_array_equal(found[0], [1, 0])


@pytest.mark.parametrize("half_width", [0.0, 0.5, 100.0])
def test_narrow_pixels_approach_points(half_width):
    x = np.linspace(-5, 5, 30)
    points = one_line(x, x, 0.1, 1.3, half_width=half_width)
    narrow = one_line(x - 1e-6, x + 1e-6, 0.1, 1.3, half_width=half_width)
    assert_close(narrow, points, 1e-11)
    expected = voigt_profile(x - 0.1, np.sqrt(1.3), half_width)
    np.testing.assert_allclose(points[0], expected, atol=1e-14)


def test_a_voigt_profile_without_natural_width_is_a_gaussian_and_without_sigma_a_lorentzian():
    low, high = random_pixels(np.random.default_rng(2), contiguous=False)
    assert_close(one_line(low, high, 0.2, 1.0, half_width=1e-15), one_line(low, high, 0.2, 1.0), 1e-13)
    lorentzian_limit = one_line(low, high, 0.2, 1e-24, half_width=1.0)
    assert_close(lorentzian_limit, one_line(low, high, 0.2, 0.0, half_width=1.0), 1e-13)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0])
def test_tails_of_a_gaussian_keep_their_digits_until_they_end(sigma):
    """A Poisson likelihood takes the logarithm."""
    edges = np.arange(-15.0, 16.0) * 0.5 + 0.2
    found = one_line(edges[:-1], edges[1:], 0.0, sigma**2)[0]
    near, far = np.sort(np.abs([edges[:-1], edges[1:]]), axis=0) / sigma
    single = (edges[:-1] * edges[1:] > 0) & (far < 9.5)
    expected = (ndtr(-near) - ndtr(-far)) / 0.5
    np.testing.assert_allclose(found[single], expected[single], rtol=1e-9)
    assert (found >= 0).all()
    assert not found[near > 9.6].any()


@pytest.mark.parametrize("half_width", [1e-18, 1e-12, 1e-3, 1.0])
@pytest.mark.parametrize("n", [20, 200, 5000])
def test_no_voigt_profile_is_negative(n, half_width):
    """Sums of rounding errors would be, where a Gaussian has ended and the wings are low."""
    edges = np.linspace(-12, 12, n)
    assert (one_line(edges[:-1], edges[1:], 0.1, 1.0, half_width=half_width)[0] >= 0).all()
    assert (one_line(edges, edges, 0.1, 1.0, half_width=half_width)[0] >= 0).all()


def test_components_of_the_instrument_without_weight_are_left_out():
    edges = np.linspace(-3, 3, 10)
    found = one_line(edges[:-1], edges[1:], 0.0, -0.5, (1.0, 0.0), (1.0, np.nan))
    np.testing.assert_array_equal(found, one_line(edges[:-1], edges[1:], 0.0, -0.5, (1.0,), (1.0,)))


def test_lists_views_and_arrays_that_cannot_be_written_are_taken():
    edges = np.linspace(-3, 3, 20)[::2]
    edges.flags.writeable = False
    found = line_profiles(edges[:-1], edges[1:], [0], [1], [[1]], [[2]])
    copy = np.array(edges)
    one, two = np.array([1.0]), np.array([[2.0]])
    np.testing.assert_array_equal(found, line_profiles(copy[:-1], copy[1:], 0 * one, one, one[:, None], two))


def one_interpolated(centres, mean, variance, weights=(1.0,), instrument_variances=(0.0,), half_width=0.0):
    lines = [mean], [variance], [weights], [instrument_variances], [half_width]
    return np.array([array[0] for array in interpolated_profiles(centres, *map(np.array, lines))])


def uneven_centres(rng, n):
    return np.cumsum(rng.uniform(0.8, 1.25, n)) - 0.5 * n


@given(seeds, st.sampled_from([0.0, 0.02, 0.4, 5.0]), st.sampled_from([0.1, 0.9, 1.1, 30.0]))
@settings(max_examples=12)
def test_interpolated_profiles_are_integrals_of_splines_and_densities(seed, half_width, sigma):
    rng = np.random.default_rng(seed)
    centres = uneven_centres(rng, 9)
    mean, instrument = rng.normal() * 2, 0.5 * sigma**2
    scale = np.hypot(sigma, half_width)
    splines = make_interp_spline(centres, np.eye(9), k=5)

    def shapes(x):
        if half_width == 0.0:
            return gaussian_and_derivatives(x, mean, sigma)
        return profile_and_derivatives(lambda d: voigt(d, sigma, half_width), x, mean, scale)

    def products(x):
        return shapes(x)[:, None] * np.moveaxis(splines(x), -1, 0)

    expected = averages(products, centres[:-1], centres[1:], mean, scale) @ np.diff(centres)
    found = one_interpolated(centres, mean, sigma**2 - instrument, (1.0,), (instrument,), half_width)
    # Rounding: derivatives of wide profiles are small sums of those of splines, and of narrow ones in the quadrature.
    expected = np.concatenate([expected, 2 * instrument * expected[2:]])
    assert_close(found * np.gradient(centres), expected, 1e-13 * max(scale, 1 / scale) ** 2)


@given(seeds, st.sampled_from([0.0, 1e-12, 1e-4, 0.3, 1.0, 2.0]))
@settings(max_examples=40)
def test_a_polynomial_response_has_the_moments_of_the_line(seed, sigma):
    """Its interpolation is itself: of a line within the pixels the response is a mean value of m + sigma Z."""
    rng = np.random.default_rng(seed)
    centres = uneven_centres(rng, 50)
    m, V = rng.uniform(-2, 2), sigma**2
    found = one_interpolated(centres, m, V - 0.1, (0.3, 0.7), (0.1, 0.1)) * np.gradient(centres)
    expected = [
        [1, m, m**2 + V, m**3 + 3 * m * V, m**4 + 6 * m**2 * V + 3 * V**2, m**5 + 10 * m**3 * V + 15 * m * V**2],
        [0, 1, 2 * m, 3 * m**2 + 3 * V, 4 * m**3 + 12 * m * V, 5 * m**4 + 30 * m**2 * V + 15 * V**2],
        [0, 0, 1, 3 * m, 6 * m**2 + 6 * V, 10 * m**3 + 30 * m * V],
    ]
    powers = (centres[:, None] / 20) ** np.arange(6)  # numbers of order 1
    np.testing.assert_allclose(found[:3] @ powers, np.array(expected) / 20.0 ** np.arange(6), atol=1e-12)
    np.testing.assert_allclose(found[3], 0.2 * found[2], atol=1e-13)


@pytest.mark.parametrize("sigma", [0.0, 1e-9, 1e-150])
@pytest.mark.parametrize("mean", [-3.7, 0.2, 2.0, 3.9])
def test_without_width_the_interpolating_splines_and_their_derivatives_are_left(mean, sigma):
    """Also at a centre, where the splines are smooth."""
    centres = np.arange(-4.0, 6.0)
    splines = make_interp_spline(centres, np.eye(10), k=5)
    expected = [splines(mean), splines(mean, nu=1), splines(mean, nu=2) / 2, np.zeros(10)]
    np.testing.assert_allclose(one_interpolated(centres, mean, sigma**2), expected, atol=1e-13)


@pytest.mark.parametrize("half_width", [0.0, 0.02, 1.0])
@pytest.mark.parametrize("sigma", [0.05, 0.7, 4.0])
@pytest.mark.parametrize("mean", [0.0, 0.3, 5.0, 10.2])
def test_derivatives_of_interpolated_profiles_are_those_of_the_density(mean, sigma, half_width):
    """Also at centres, and at and beyond the ends; central differences, extrapolated to a step of zero."""
    centres = np.arange(11.0)
    weights, instrument = (0.4, 0.6), np.array([0.5, 0.2]) * sigma**2
    variance = 0.3 * sigma**2

    def density(m, v, u):
        return one_interpolated(centres, mean + m, variance + v, weights, instrument * np.exp(2 * u), half_width)[0]

    def slope(direction):
        once, twice = ((density(*d) - density(*-d)) / 2 for d in (direction, 2 * direction))
        return (8 * once - twice) / 6 / direction.sum()

    expected = [density(0, 0, 0), *(slope(d) for d in 1e-3 * np.diag([sigma, sigma**2, 1.0]))]
    assert_close(one_interpolated(centres, mean, variance, weights, instrument, half_width), expected, 1e-8)


@given(seeds, half_widths, st.sampled_from([1e-7, 3.0, 1e9]))
@settings(max_examples=30)
def test_interpolated_profiles_do_not_depend_on_the_unit(seed, half_width, factor):
    rng = np.random.default_rng(seed)
    centres = uneven_centres(rng, 20)
    mean, variance, weights, instrument, _ = random_line(rng, half_width)
    found = one_interpolated(centres, mean, variance, weights, instrument, half_width)
    lines = factor * mean, factor**2 * variance, weights, factor**2 * instrument, factor * half_width
    scaled = one_interpolated(factor * centres, *lines)
    assert_close(scaled * np.array([1.0, factor, factor**2, 1.0])[:, None] * factor, found, 1e-12)


@pytest.mark.parametrize("sigma", [0.0, 0.2, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("lsf", [1.0, 1.3])
def test_a_resolution_matrix_that_contains_the_pixel_needs_no_average_over_pixels(sigma, lsf):
    """R @ h is the profile of both variances, averaged once; an average of h would make it wider by 1/12."""
    centres = np.arange(60.0)
    low, high = centres - 0.5, centres + 0.5
    R = np.transpose([one_line(low, high, x, lsf**2)[0] for x in centres])
    for mean in (29.0, 29.3, 29.5):
        expected, _, by_variance, _ = one_line(low, high, mean, sigma**2, (1.0,), (lsf**2,))
        found = R @ one_interpolated(centres, mean, sigma**2)[0]
        assert np.abs(found - expected).max() < 4e-3 * expected.max()
        columns = np.column_stack([expected, by_variance])
        assert abs(np.linalg.lstsq(columns, found - expected)[0][1]) < 7e-3


GOOD = {
    "low": np.array([0.0, 1.0]),
    "high": np.array([1.0, 2.0]),
    "means": np.array([1.0]),
    "variances": np.array([0.5]),
    "weights": np.array([[1.0]]),
    "instrument_variances": np.array([[0.2]]),
    "half_widths": np.array([0.1]),
}


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"low": np.zeros(3)}, "3 lower and 2 upper edges"),
        ({"high": np.array([1.0, 0.5])}, "pixel 1 ends at 0.5, before it begins at 1"),
        ({"high": np.array([1.0, np.inf])}, "`high`.*finite"),
        ({"low": np.array([1.0, np.nan])}, "`low`.*finite"),
        ({"means": np.array([np.nan])}, "`means`.*finite"),
        ({"variances": np.array([np.nan])}, "`variances`.*finite"),
        ({"weights": np.array([[np.nan]])}, "`weights`.*finite"),
        ({"half_widths": np.array([-1.0])}, "0 or more; one is -1"),
        ({"half_widths": np.array([1.0, 1.0])}, "2 half widths"),
        ({"means": np.zeros(2)}, "2 means, 1 variances"),
        ({"weights": np.ones((1, 2))}, r"\(1, 2\) and .* \(1, 1\)"),
        ({"variances": np.array([-0.3])}, "variance -0.3 of line 0 .* 0.2"),
        (
            {"low": np.array([1.0, 1.0]), "variances": np.array([-0.2]), "half_widths": np.zeros(1)},
            "edges of the pixels",
        ),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_in_a_sentence(wrong, match):
    with pytest.raises(InputError, match=match):
        line_profiles(**(GOOD | wrong))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"centres": np.arange(5.0)}, "6 pixels or more; there are 5"),
        ({"centres": np.array([0.0, 1.0, 1.0, 2.0, 3.0, 4.0])}, "must increase; sort"),
        ({"centres": np.array([0.0, 1.0, 2.0, 3.0, 4.0, np.nan])}, "`centres`.*finite"),
        ({"means": np.array([np.inf])}, "`means`.*finite"),
        ({"variances": np.array([-0.3])}, "variance -0.3 of line 0 .* 0.2"),
    ],
)
def test_centres_and_lines_that_cannot_be_used_are_refused_in_a_sentence(wrong, match):
    lines = {name: GOOD[name] for name in ("means", "variances", "weights", "instrument_variances", "half_widths")}
    with pytest.raises(InputError, match=match):
        interpolated_profiles(**({"centres": np.arange(6.0)} | lines | wrong))
