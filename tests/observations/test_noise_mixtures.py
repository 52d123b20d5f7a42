"""Observations whose noise is not Gaussian: mixtures, and upper and lower errors."""

import numpy as np
import pytest
from astropy import units as u
from scipy.integrate import quad
from scipy.stats import norm

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.errors import InputError
from xdgmm.prediction import log_likelihoods
from xdgmm.uncertainty import parameter_errors


def split_normal_noise(rng, n, lower, upper):
    """Noise of which the value is the mode: the true value lies `upper` above it, or `lower` below."""
    below = rng.random(n) < upper / (lower + upper)
    size = np.abs(rng.standard_normal(n))
    return np.where(below, -upper * size, lower * size)


def log_integral(likelihood, mixture, low, high):
    """ln of the integral of a likelihood of the true value and a mixture, by quadrature."""

    def integrand(v):
        parts = zip(mixture.weights, mixture.means[:, 0], mixture.sigmas[:, 0], strict=True)
        return likelihood(v) * sum(w * norm.pdf(v, m, s) for w, m, s in parts)

    centre = sorted(np.clip(mixture.means[:, 0], low, high))
    return np.log(quad(integrand, low, high, points=centre, limit=500, epsabs=1e-14, epsrel=1e-11)[0])


MIXTURE = GaussianMixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.5]], [[2.0]]])


def test_a_positive_shift_says_that_the_value_is_too_large():
    fitted = XDGMM().fit(Observations.with_noise_mixtures([3.0, 5.0], [1.0], [1.0], standard_errors=[0.1])).mixture_
    assert fitted.means[0, 0] == pytest.approx(3.0, abs=1e-6)


def test_the_density_is_that_of_the_mixture_of_the_noise():
    weights, shifts, errors = np.array([0.6, 0.4]), np.array([-0.3, 1.2]), np.array([0.5, 2.0])
    observations = Observations.with_noise_mixtures([1.0, -2.0, 6.0], weights, shifts, standard_errors=errors)
    found = log_likelihoods(MIXTURE, observations)
    for value, density in zip([1.0, -2.0, 6.0], found, strict=True):
        expected = log_integral(
            lambda v, value=value: weights @ norm.pdf(value, v + shifts, errors), MIXTURE, -25.0, 25.0
        )
        assert density == pytest.approx(expected, abs=1e-8)


def test_one_gaussian_without_a_shift_is_gaussian_noise():
    rng = np.random.default_rng(3)
    values, errors = rng.standard_normal((50, 2)), rng.uniform(0.1, 1.0, (50, 2))
    plain = Observations.with_standard_errors(values, errors)
    mixed = Observations.with_noise_mixtures(values, [1.0], np.zeros((1, 2)), standard_errors=errors[:, None])
    mixture = GaussianMixture([1.0], [[0.1, 0.2]], [[[1.0, 0.3], [0.3, 2.0]]])
    np.testing.assert_allclose(log_likelihoods(mixture, mixed), log_likelihoods(mixture, plain), rtol=1e-14)
    np.testing.assert_allclose(mixed.noise, plain.noise_covariances, rtol=1e-14)


def test_errors_and_covariances_are_the_same_noise():
    rng = np.random.default_rng(4)
    values, errors = rng.standard_normal((20, 2)), rng.uniform(0.1, 1.0, (20, 3, 2))
    weights, shifts = rng.dirichlet(np.ones(3), 20), rng.standard_normal((20, 3, 2))
    one = Observations.with_noise_mixtures(values, weights, shifts, standard_errors=errors)
    covariances = errors[..., None] ** 2 * np.eye(2)
    other = Observations.with_noise_mixtures(values, weights, shifts, covariances)
    mixture = GaussianMixture([1.0], [[0.1, 0.2]], [[[1.0, 0.3], [0.3, 2.0]]])
    np.testing.assert_allclose(log_likelihoods(mixture, one), log_likelihoods(mixture, other), rtol=1e-12)


def test_values_lose_the_mean_of_their_noise_and_keep_the_rest():
    observations = Observations.with_noise_mixtures([3.0], [0.25, 0.75], [0.0, 4.0], standard_errors=[1.0, 1.0])
    assert observations.values[0, 0] == pytest.approx(0.0)
    np.testing.assert_allclose(observations.noise_model.means, 0.0, atol=1e-15)
    assert observations.variances[0, 0] == pytest.approx(1.0 + 0.25 * 9 + 0.75 * 1)
    again = observations.select([0]).in_units([None])
    np.testing.assert_array_equal(again.values, observations.values)


def test_units_are_those_of_the_values():
    metres = Observations.with_noise_mixtures(
        [3.0, 5.0] * u.km, [0.5, 0.5], [0.0, 100.0] * u.m, standard_errors=[10.0, 20.0] * u.m
    )
    kilometres = Observations.with_noise_mixtures(
        [3.0, 5.0], [0.5, 0.5], [0.0, 0.1], standard_errors=[0.01, 0.02], units="km"
    )
    np.testing.assert_allclose(metres.values, kilometres.values, rtol=1e-14)
    np.testing.assert_allclose(metres.variances, kilometres.variances, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": [0.5, 0.4]}, "`weights` sum to 0.9 in rows 0, 1.*must sum to 1"),
        ({"weights": [1.5, -0.5]}, "`weights` is negative or not finite in rows 0, 1"),
        ({"weights": np.ones((3, 2))}, r"`weights` has shape \(3, 2\)"),
        ({"shifts": np.zeros((3, 2))}, r"`shifts` has shape \(3, 2\), but \(2, 2, 1\) is needed"),
        ({"shifts": [np.nan, 0.0]}, "`shifts` is NaN or infinite .* rows 0, 1"),
        ({"standard_errors": [-1.0, 1.0]}, "`standard_errors` is negative or NaN"),
        ({"standard_errors": None}, "either `covariances` or `standard_errors`"),
        ({"covariances": np.ones((2, 2))}, "either `covariances` or `standard_errors`"),
    ],
)
def test_bad_mixtures_are_refused(changes, words):
    given = {"weights": [0.5, 0.5], "shifts": [0.0, 1.0], "standard_errors": [1.0, 2.0], **changes}
    with pytest.raises(InputError, match=words):
        Observations.with_noise_mixtures([1.0, 2.0], **given)


def test_upper_errors_say_how_far_above_the_true_value_may_be():
    observations = Observations.with_asymmetric_errors([10.0], 0.5, 1.5)
    assert observations.values[0, 0] == pytest.approx(10.0 + np.sqrt(2 / np.pi))
    wide = GaussianMixture([1.0], [[10.0]], [[[100.0]]])
    above, below = (log_likelihoods(GaussianMixture([1.0], [[v]], [[[1e-4]]]), observations)[0] for v in (11.5, 9.5))
    assert above == pytest.approx(below, abs=0.05)  # both lie one error from the mode
    assert np.isfinite(log_likelihoods(wide, observations)).all()


def test_densities_of_asymmetric_values_are_those_of_quadrature():
    values, lower, upper = np.array([0.0, 1.5, 4.0]), np.array([0.5, 1.0, 2.0]), np.array([1.0, 0.7, 1.0])
    found = log_likelihoods(MIXTURE, Observations.with_asymmetric_errors(values, lower, upper))
    for value, low, high, density in zip(values, lower, upper, found, strict=True):

        def likelihood(v, value=value, low=low, high=high):
            z = (v - value) / (high if v > value else low)
            return np.exp(-0.5 * z**2) / (np.sqrt(np.pi / 2) * (low + high))

        assert density == pytest.approx(log_integral(likelihood, MIXTURE, -25.0, 25.0), abs=2e-3)


def test_ten_behind_errors_of_plus_one_and_a_half_minus_a_half_is_recovered():
    deviations, symmetric = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = rng.normal(10.0, 1.0, 1000) + split_normal_noise(rng, 1000, 0.5, 1.5)
        observations = Observations.with_asymmetric_errors(values, 0.5, 1.5)
        mixture = XDGMM().fit(observations).mixture_
        errors = parameter_errors(mixture, observations)
        found = (mixture.means[0, 0] - 10.0) / errors.means[0, 0], (mixture.sigmas[0, 0] - 1.0) / errors.sigmas[0, 0]
        deviations.append(found)
        plain = XDGMM().fit(Observations.with_standard_errors(values, 1.0)).mixture_
        symmetric.append((plain.means[0, 0] - 10.0) / errors.means[0, 0])
    # the mean of ten standard normal deviations is below 3 / sqrt(10), and their scatter is one
    assert (np.abs(np.mean(deviations, axis=0)) < 3.0 / np.sqrt(10)).all()
    assert (np.std(deviations, axis=0) < 1.8).all()
    assert np.mean(symmetric) < -8.0


def test_equal_errors_cost_nothing():
    values, errors = np.arange(6.0).reshape(3, 2), np.full((3, 2), 0.5)
    plain = Observations.with_asymmetric_errors(values, errors, errors)
    assert repr(plain) == repr(Observations.with_standard_errors(values, errors))
    upper = errors.copy()
    upper[1, 0] = 1.0
    some = Observations.with_asymmetric_errors(values, errors, upper)
    np.testing.assert_array_equal(np.diff(some.noise_model.starts), [1, 3, 1])


def test_columns_with_unequal_errors_have_the_product_of_their_gaussians():
    lower, upper = np.array([[0.5, 1.0, 0.2]]), np.array([[1.0, 0.4, 0.3]])
    observations = Observations.with_asymmetric_errors([[0.0, 1.0, 2.0]], lower, upper)
    noise = observations.noise_model
    assert noise.starts.tolist() == [0, 27]
    mixture = GaussianMixture([1.0], [[0.3, 0.5, 1.0]], [np.diag([0.5, 1.0, 2.0])])
    of_each = [
        log_likelihoods(
            mixture.marginal(f"x{i + 1}"), Observations.with_asymmetric_errors([value], lower[:, i], upper[:, i])
        )
        for i, value in enumerate([0.0, 1.0, 2.0])
    ]
    assert log_likelihoods(mixture, observations)[0] == pytest.approx(sum(of_each)[0], rel=1e-13)


def test_a_missing_value_has_no_gaussians():
    lower, upper = np.full((2, 2), 0.5), np.full((2, 2), 1.0)
    upper[1, 1] = np.inf
    observations = Observations.with_asymmetric_errors([[1.0, np.nan], [1.0, 2.0]], lower, upper)
    np.testing.assert_array_equal(np.diff(observations.noise_model.starts), [3, 3])
    np.testing.assert_array_equal(observations.present, [[True, False], [True, False]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"upper": [1.0, -1.0]}, "`upper` is negative or NaN for a value that is present in row 1"),
        ({"lower": [-1.0, -1.0]}, "lower errors are distances: give them without a minus sign"),
        ({"lower": [0.0, 1.0]}, "one of the errors `lower` and `upper` is zero, and the other is not, in row 0"),
        ({"lower": [1.0, 1.0, 1.0]}, r"`lower` has shape \(3,\)"),
        ({"upper": [np.nan, 1.0]}, "`upper` is negative or NaN"),
    ],
)
def test_bad_upper_and_lower_errors_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        Observations.with_asymmetric_errors([1.0, 2.0], **{"lower": [1.0, 1.0], "upper": [2.0, 1.0], **changes})


def test_four_columns_with_unequal_errors_are_refused():
    with pytest.raises(InputError, match=r"4 columns have unequal .*\(a, b, c, d\), but 3 can"):
        Observations.with_asymmetric_errors(np.zeros((2, 4)), 0.5, 1.0, names=list("abcd"))


def test_a_remark_says_how_different_the_errors_are():
    remarks = Observations.with_asymmetric_errors([1.0, 2.0], 0.1, [0.2, 1.5], names="t").remarks
    assert "split normals of 2 values of t taken as three Gaussians each (errors differ by a factor of 15" in remarks[0]
    assert "more than a factor of 10 in 1 rows" in remarks[1]


def test_mirrored_values_with_exchanged_errors_have_the_mirrored_fit():
    rng = np.random.default_rng(8)
    values, lower, upper = rng.normal(3.0, 2.0, 80), *rng.uniform(0.2, 1.5, (2, 80))
    one = XDGMM().fit(Observations.with_asymmetric_errors(values, lower, upper)).mixture_
    other = XDGMM().fit(Observations.with_asymmetric_errors(-values, upper, lower)).mixture_
    assert other.means[0, 0] == pytest.approx(-one.means[0, 0], rel=1e-6)
    assert other.sigmas[0, 0] == pytest.approx(one.sigmas[0, 0], rel=1e-6)
    scaled = XDGMM().fit(Observations.with_asymmetric_errors(1e5 * values + 7.0, 1e5 * lower, 1e5 * upper)).mixture_
    assert scaled.means[0, 0] == pytest.approx(1e5 * one.means[0, 0] + 7.0, rel=1e-6)
    assert scaled.sigmas[0, 0] == pytest.approx(1e5 * one.sigmas[0, 0], rel=1e-6)


def test_projections_and_limits_are_refused_beside_mixtures():
    from dataclasses import replace

    observations = Observations.with_asymmetric_errors([1.0, 2.0], 0.5, 1.0)
    for changes in ({"projections": np.ones((1, 2))}, {"limits": np.array([[0], [-1]], np.int8)}):
        with pytest.raises(InputError, match="cannot be combined with projections or limits"):
            replace(observations, **changes)
