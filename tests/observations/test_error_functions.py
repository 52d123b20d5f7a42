"""Errors that follow the true value: likelihoods on a grid against quadrature, and simulations."""

import numpy as np
import pytest
from astropy import units as u
from scipy.integrate import quad
from scipy.stats import norm

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.errors import InputError
from xdgmm.observations.error_functions import Likelihoods
from xdgmm.prediction import log_likelihoods
from xdgmm.uncertainty import parameter_errors

FUNCTIONS = {
    "a tenth": lambda v: 0.1 * v,
    "a quarter": lambda v: 0.25 * v,
    "constant": lambda v: 1.5 + 0.0 * v,
    "photons": lambda v: np.sqrt(0.25 + 0.1 * v),
    "a step": lambda v: 0.5 + 0.6 / (1.0 + np.exp(10.0 - v)),
}
LOW, HIGH = 2.0, 40.0


def log_integral(value, function, mean, sigma):
    """ln of the integral of N(w | v, e(v)^2) N(v | mean, sigma^2) over the range, over that of the likelihood."""

    def likelihood(v):
        return norm.pdf(value, v, function(v))

    def product(v):
        return likelihood(v) * norm.pdf(v, mean, sigma)

    points = sorted(np.clip([mean - 3 * sigma, mean, mean + 3 * sigma, value], LOW, HIGH))
    options = {"points": points, "limit": 500, "epsabs": 1e-15, "epsrel": 1e-11}
    return np.log(quad(product, LOW, HIGH, **options)[0])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("sigma", [2.0, 0.3])
def test_densities_are_those_of_quadrature_up_to_a_factor_of_the_value(name, sigma):
    function, values = FUNCTIONS[name], np.array([6.0, 9.0, 11.0, 14.0])
    observations = Observations.with_error_function(values, function, between=(LOW, HIGH))
    means = 9.0, 11.0
    found = [log_likelihoods(GaussianMixture([1.0], [[m]], [[[sigma**2]]]), observations) for m in means]
    exact = np.array([[log_integral(value, function, m, sigma) for value in values] for m in means])
    largest = norm.pdf(0.0) / function(values)
    allowed = 3e-6 * largest * (np.exp(-exact[0]) + np.exp(-exact[1]))  # 1e-6 of the largest likelihood, and some
    assert (np.abs((found[1] - found[0]) - (exact[1] - exact[0])) < allowed).all()
    assert (allowed[1:3] < 1e-3).all()


def test_a_constant_function_is_gaussian_noise():
    values = np.array([3.0, 4.5, 8.0])
    following = Observations.with_error_function(values, FUNCTIONS["constant"])
    mixture = GaussianMixture([0.4, 0.6], [[3.0], [6.0]], [[[0.0]], [[1.0]]])
    expected = log_likelihoods(mixture, Observations.with_standard_errors(values, 1.5))
    np.testing.assert_allclose(log_likelihoods(mixture, following), expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(following.values[:, 0], values)
    np.testing.assert_array_equal(following.variances, 1.5**2)


def test_values_stay_as_measured_with_the_errors_that_a_catalogue_reports():
    values = np.array([[8.0, 1.0], [10.0, 2.0], [14.0, np.nan]])
    following = Observations.with_error_function(values, [0.25, [0.1, 0.2, 0.3]], between=[(1.0, 60.0), None])
    np.testing.assert_array_equal(following.values, values)
    np.testing.assert_array_equal(following.variances[:, 0], (0.25 * values[:, 0]) ** 2)
    part = following.select([2, 0]).rescaled(np.array([1.0, 0.0]), np.array([2.0, 4.0]))
    np.testing.assert_allclose(part.variances[:, 0], (0.25 * np.array([14.0, 8.0]) / 2.0) ** 2, rtol=1e-14)
    turned = following.transform([[1.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(turned.variances[0, 0], 2.0**2 + 0.1**2, rtol=1e-14)
    mixture = GaussianMixture([1.0], [[10.0, 2.0]], [[[4.0, 0.5], [0.5, 1.0]]])
    moved = mixture.affine(np.array([[1.0, 1.0], [0.0, 1.0]]))
    found = log_likelihoods(moved, turned.select([0, 1]))
    np.testing.assert_allclose(found, log_likelihoods(mixture, following.select([0, 1])), rtol=1e-10)


def test_a_quarter_of_the_true_value_no_longer_pulls_the_mean_down():
    deviations, today = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        truth = rng.normal(10.0, 2.0, 1000)
        values = truth * (1.0 + 0.25 * rng.standard_normal(1000))
        observations = Observations.with_error_function(values, 0.25, between=(1.0, 60.0))
        mixture = XDGMM().fit(observations).mixture_
        errors = parameter_errors(mixture, observations)
        found = (mixture.means[0, 0] - 10.0) / errors.means[0, 0], (mixture.sigmas[0, 0] - 2.0) / errors.sigmas[0, 0]
        deviations.append(found)
        reported = Observations.with_standard_errors(values, 0.25 * np.abs(values))
        today.append((XDGMM().fit(reported).mixture_.means[0, 0] - 10.0) / errors.means[0, 0])
    assert (np.abs(np.mean(deviations, axis=0)) < 3.0 / np.sqrt(8)).all()
    assert (np.std(deviations, axis=0) < 1.9).all()
    assert np.mean(today) < -8.0


def test_errors_at_denoised_values_do_not_remove_the_bias():
    """Why there is no such procedure where a likelihood would need too many Gaussians."""
    means = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        values = rng.normal(10.0, 2.0, 1000) * (1.0 + 0.25 * rng.standard_normal(1000))
        observations = Observations.with_standard_errors(values, 0.25 * np.abs(values))
        for _ in range(2):
            denoised = XDGMM().fit(observations).denoise(observations).means[:, 0]
            observations = Observations.with_standard_errors(values, 0.25 * np.abs(denoised))
        mixture = XDGMM().fit(observations).mixture_
        means.append((mixture.means[0, 0] - 10.0) / parameter_errors(mixture, observations).means[0, 0])
    assert np.mean(means) < -5.0


def test_other_columns_keep_their_own_errors():
    rng = np.random.default_rng(1)
    values, errors = rng.normal(10.0, 1.0, (4, 2)), np.array([0.5, 1.0, 0.3, 0.2])
    both = Observations.with_error_function(values, [0.1, errors])
    mixture = GaussianMixture([1.0], [[10.0, 9.0]], [[[1.0, 0.0], [0.0, 2.0]]])
    alone = log_likelihoods(mixture.marginal("x1"), Observations.with_error_function(values[:, 0], 0.1))
    other = log_likelihoods(mixture.marginal("x2"), Observations.with_standard_errors(values[:, 1], errors))
    np.testing.assert_allclose(log_likelihoods(mixture, both), alone + other, rtol=1e-12)


def test_two_columns_with_functions_are_exact_too():
    values = np.array([[9.0, 5.0], [11.0, 4.0]])
    both = Observations.with_error_function(values, [0.1, FUNCTIONS["photons"]])
    mixture = GaussianMixture([1.0], [[10.0, 5.0]], [np.diag([1.0, 2.0])])
    of_each = [
        log_likelihoods(mixture.marginal(f"x{i + 1}"), Observations.with_error_function(values[:, i], function))
        for i, function in enumerate((0.1, FUNCTIONS["photons"]))
    ]
    np.testing.assert_allclose(log_likelihoods(mixture, both), sum(of_each), rtol=1e-12)


def test_functions_may_return_a_unit():
    values = np.array([9.0, 11.0])
    plain = Observations.with_error_function(values, FUNCTIONS["photons"], units="mJy")
    quantity = Observations.with_error_function(values, lambda v: 1e3 * FUNCTIONS["photons"](v) * u.uJy, units="mJy")
    np.testing.assert_allclose(quantity.noise_model.shifts, plain.noise_model.shifts, rtol=1e-12)
    np.testing.assert_allclose(quantity.variances, plain.variances, rtol=1e-12)


def test_missing_values_are_left_out():
    values = np.array([[9.0, np.nan], [np.nan, 4.0]])
    observations = Observations.with_error_function(values, [0.1, [0.5, 0.5]])
    np.testing.assert_array_equal(observations.present, [[True, False], [False, True]])
    assert np.diff(observations.noise_model.starts)[1] == 1


@pytest.mark.parametrize(
    ("errors", "options", "words"),
    [
        (0.0, {}, "a fraction of the true value lies between 0 and 1"),
        (lambda v: v - 9.0, {}, "error function of x1 is .* at the true value .* `between="),
        (np.sum, {}, r"returned shape \(\) for true values of shape"),
        (lambda v: 0.2 + 1.5 * (v > 9.5), {}, "changes too much within one error"),
        ([0.1, 0.1], {}, "for each of the 1 columns"),
        (0.1, {"between": (5.0, 2.0)}, r"`between` is \(5.0, 2.0\)"),
        (
            0.05,
            {"between": (100.0, 200.0)},
            "more than 2.5 errors outside the range `between` .* in rows 0, 1, so that",
        ),
        (0.25, {"between": (30.0, 40.0)}, "more than 2.5 errors outside the range `between` .* in rows 0, 1, so that"),
        (0.1, {"between": 3.0}, r"`between` must hold a pair"),
        (0.1, {"between": ("a", "b")}, r"`between` is \('a', 'b'\)"),
        ("proportional", {}, "`errors` is 'proportional'; give a callable, or a fraction such as 0.25$"),
        (True, {}, "`errors` is True; give a callable, or a fraction such as 0.25$"),
        (None, {}, "`errors` is None; give a callable, or a fraction such as 0.25$"),
        ({}, {}, "`errors` is {}; give a callable, or a fraction such as 0.25$"),
        (np.array([1.0, 2.0]), {}, r"an array of shape \(2,\); give a callable.*`with_standard_errors`"),
        (lambda v: v / {}["a"], {}, "error function of x1 raised KeyError: 'a'"),
        (lambda v: 0.03 + 2.0 * (v > 9.0), {}, "within one error: it is 0.03 at the true value .* and 2.03 at"),
    ],
)
def test_bad_error_functions_are_refused(errors, options, words):
    with pytest.raises(InputError, match=words):
        Observations.with_error_function([8.0, 10.0], errors, **options)


@pytest.mark.parametrize(
    ("third", "words"),
    [(-1.0, "zero or below in row 2"), (0.0, "zero or below in row 2"), (0.001, "0.001, near zero, in row 2")],
)
def test_fractions_of_values_at_zero_name_the_row(third, words):
    with pytest.raises(InputError, match=f"{words}, but an error that is a fraction .* `between=.* np.hypot"):
        Observations.with_error_function([8.0, 10.0, third], 0.1)
    Observations.with_error_function([8.0, 10.0, third], lambda v: np.hypot(0.5, 0.1 * v))


def test_values_beside_the_range_are_kept_and_those_of_wrong_kinds_in_one_column_refused():
    found = Observations.with_error_function([29.0, 32.0, 45.0], 0.1, between=(30.0, 40.0))
    assert len(found) == 3
    with pytest.raises(InputError, match=r"more than 6 errors outside the range `between` .* in row 1, so that"):
        Observations.with_error_function([32.0, 10.0, 38.0, 31.0], 0.1, between=(30.0, 40.0))
    with pytest.raises(InputError, match=r"`errors` is None; give a callable, .* \(an array of 1-sigma errors"):
        Observations.with_error_function(np.ones((3, 2)), [0.1, None])


def test_a_step_in_a_wide_range_is_refused_from_few_points(monkeypatch):
    grids = []
    exact = Likelihoods.error
    monkeypatch.setattr(Likelihoods, "error", lambda self, values: grids.append(self.grid.size) or exact(self, values))
    with pytest.raises(InputError, match="changes too much within one error"):
        Observations.with_error_function(np.linspace(0.0, 100.0, 500), lambda v: np.where(v > 50, 0.6, 0.25))
    assert len(grids) <= 3


def test_what_cannot_be_simulated_is_refused():
    from xdgmm.diagnostics import simulate

    observations = Observations.with_error_function([8.0, 10.0, 12.0, 9.0], 0.1)
    with pytest.raises(InputError, match="cannot be simulated"):
        simulate(XDGMM().fit(observations).mixture_, observations, parameters="fixed")
