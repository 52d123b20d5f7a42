"""Profile intervals against profiles written from scratch, closed forms and the information."""

import warnings

import numpy as np
import pytest
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.stats import chi2, norm

from xdgmm import Fixed, InputError, InverseWishart, Observations, Prior, datasets
from xdgmm.errors import XdgmmWarning
from xdgmm.fitting import COVARIANCE_TYPES, Model, Settings, fit
from xdgmm.uncertainty import laplace, profile_interval


def profile(y, e, sigma):
    T = sigma**2 + e**2
    mean = np.sum(y / T) / np.sum(1 / T)
    return -0.5 * np.sum(np.log(2 * np.pi * T) + (y - mean) ** 2 / T)


def from_scratch(y, e, level):
    """Both ends by Brent's method."""
    options = {"xatol": 1e-12 * y.std()}
    best = minimize_scalar(lambda s: -profile(y, e, s), bounds=(0, 5 * y.std()), method="bounded", options=options)
    top, start = max((profile(y, e, 0.0), 0.0), (-best.fun, best.x))

    def fallen(s):
        return 2 * (top - profile(y, e, s)) - chi2.ppf(level, 1)

    low = brentq(fallen, 0, start) if fallen(0.0) > 0 else 0.0
    return low, brentq(fallen, start, 100 * y.std())


def interval(observations, *place, level=0.6827, n_components=1):
    return profile_interval(fit(observations, n_components, rng=0).mixture, observations, *(place or (0, 0)), level)


@pytest.mark.parametrize("level", [0.6827, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("name", ["bcg", "eight_schools", "hydrus1"])
def test_one_component_agrees_with_a_profile_written_from_scratch(name, level):
    observations = Observations.from_table(datasets.load(name), {"hydrus1": "v"}.get(name, "y"))
    estimate = interval(observations, level=level)
    # Points of the profile are good to 1e-7 nats, where its slope is some tenths per unit of sigma's error.
    expected = from_scratch(observations.values[:, 0], observations.noise[:, 0], level)
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=2e-6)
    low, high = from_scratch(observations.values[:, 0], observations.noise[:, 0], 0.6827)
    assert estimate.error == pytest.approx(0.5 * (high - low), rel=1e-4)  # 68.27% has four digits


def test_eight_schools_start_at_zero_exactly_and_end_where_the_limits_do():
    schools = Observations.from_table(datasets.load("eight_schools"), "y")
    estimate = interval(schools, level=0.95)
    assert estimate.value == estimate.low == 0.0
    assert estimate.high == pytest.approx(13.018, abs=5.1e-4)  # the profile falls by 3.8415/2 there


def test_values_that_agree_far_better_than_their_errors_say_have_the_closed_form():
    estimate = interval(Observations.with_standard_errors([1.0, 1.0 + 1e-7, 1.0 - 1e-7], np.ones(3)))
    assert estimate.low == 0.0
    assert estimate.high == pytest.approx(np.sqrt(np.expm1(1 / 3)), rel=1e-4)  # 3 ln(1 + sigma^2) is 1


def test_exact_values_have_the_closed_form():
    x = np.random.default_rng(1).normal(2.0, 3.0, 40)
    estimate = interval(Observations.exact(x), level=0.9)
    s, N = x.std(), x.size

    def fallen(sigma):
        return 2 * N * np.log(sigma / s) + N * ((s / sigma) ** 2 - 1) - chi2.ppf(0.9, 1)

    expected = brentq(fallen, 0.1 * s, s), brentq(fallen, s, 10 * s)
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_random_small_samples_agree_with_a_profile_written_from_scratch(seed):
    rng = np.random.default_rng(seed)
    e = rng.uniform(1, 3, 15)
    y = 1.5 * rng.normal(size=15) + e * rng.normal(size=15)
    estimate = interval(Observations.with_standard_errors(y, e))
    assert (estimate.low, estimate.high) == pytest.approx(from_scratch(y, e, 0.6827), rel=1e-5)


def brute_force(x, e, sigma, start):
    """Log-likelihood of two components with the first sigma held, maximised over the other four by Nelder and Mead."""

    def negative(p):
        weight = 1 / (1 + np.exp(-p[0]))
        first = weight * norm.pdf(x, p[1], np.hypot(sigma, e))
        return -np.log(first + (1 - weight) * norm.pdf(x, p[2], np.hypot(p[3], e))).sum()

    options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 10_000, "maxfev": 10_000}
    once = minimize(negative, start, method="Nelder-Mead", options=options)
    return -minimize(negative, once.x, method="Nelder-Mead", options=options).fun


def test_two_components_agree_with_brute_force():
    rng = np.random.default_rng(3)
    e = rng.uniform(0.2, 1.0, 120)
    x = np.where(rng.random(120) < 0.6, rng.normal(0, 1, 120), rng.normal(5, 0.7, 120)) + e * rng.normal(size=120)
    observations = Observations.with_standard_errors(x, e)
    result = fit(observations, 2, rng=0)
    mixture = result.mixture
    estimate = profile_interval(mixture, observations, 0, 0, 0.95)
    logit = np.log(mixture.weights[0] / mixture.weights[1])
    start = [logit, *mixture.means[:, 0], mixture.sigmas[1, 0]]
    for end in (estimate.low, estimate.high):
        fallen = 2 * (result.log_likelihood - brute_force(x, e, end, start))
        assert fallen == pytest.approx(chi2.ppf(0.95, 1), abs=1e-5)


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_for_many_objects_the_interval_is_that_of_the_information(kind):
    rng = np.random.default_rng(4)
    N = 30_000
    e = rng.uniform(0.3, 1.0, (N, 2))
    x = rng.normal(size=(N, 2)) + e * rng.normal(size=(N, 2))
    observations = Observations.with_standard_errors(x, e)
    result = fit(observations, 1, Settings(model=Model(covariance_type=kind)))
    estimate = profile_interval(result.mixture, observations, 0, 1, 0.95, result.model)
    uncertainty = laplace(result.mixture, observations, model=result.model)
    expected = uncertainty.propagate(lambda m: m.sigmas[0, 1], 0.95)
    # Skewness of the profile: O(1 / sqrt(N)) relative.
    assert estimate.error == pytest.approx(expected.error, rel=3 / np.sqrt(N))
    assert estimate.high - estimate.value == pytest.approx(expected.high - expected.value, rel=3 / np.sqrt(N))
    assert estimate.value - estimate.low == pytest.approx(expected.value - expected.low, rel=3 / np.sqrt(N))


def test_intervals_follow_the_units_of_the_data():
    bcg = Observations.from_table(datasets.load("bcg"), "y")
    scaled = Observations.with_standard_errors(bcg.values * 1e6 + 3e6, bcg.noise * 1e6)
    one, other = interval(bcg), interval(scaled)
    assert (other.low, other.high) == pytest.approx((1e6 * one.low, 1e6 * one.high), rel=1e-5)


def test_wider_levels_hold_narrower_ones():
    stars = Observations.from_table(datasets.load("hydrus1"), "v")
    ends = [interval(stars, level=level) for level in (0.3, 0.6827, 0.95)]
    lows, highs = [each.low for each in ends], [each.high for each in ends]
    assert lows == sorted(lows, reverse=True)
    assert highs == sorted(highs)
    # Of one width, whatever the level asked for; 68.27% to four digits.
    assert [each.error for each in ends] == pytest.approx([ends[1].error] * 3, rel=1e-4)


def test_an_end_where_the_component_exchanges_its_members_is_told():
    stars = Observations.from_table(datasets.load("hydrus1"), "v")
    mixture = fit(stars, 2, rng=0).mixture
    with pytest.warns(XdgmmWarning, match="label switching") as caught:
        estimate = profile_interval(mixture, stars, 0, 0, 0.999)
    sentences = " ".join(str(warning.message) for warning in caught)
    assert ("ends at 0" in sentences) == (estimate.low == 0.0)
    assert ("no upper end" in sentences) == (estimate.high == np.inf)


@pytest.mark.parametrize("seed", range(8))
def test_intervals_of_several_components_hold_the_fit(seed):
    rng = np.random.default_rng(seed)
    e = rng.uniform(0.3, 1.5, 40)
    x = np.where(rng.random(40) < 0.85, rng.normal(0, 2, 40), rng.normal(1, 0.1, 40)) + e * rng.normal(size=40)
    observations = Observations.with_standard_errors(x, e)
    mixture = fit(observations, 2, rng=seed).mixture
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)  # labels switch in most of these
        for k, sigma in enumerate(mixture.sigmas[:, 0]):
            estimate = profile_interval(mixture, observations, k, 0)
            assert 0 <= estimate.low <= sigma < estimate.high


def test_what_has_no_profile_is_refused():
    x = np.random.default_rng(6).normal(size=30)
    observations = Observations.exact(x)
    mixture = fit(observations).mixture
    for model, sentence in (
        (Model(prior=Prior(covariances=InverseWishart(1.0))), "prior"),
        (Model(fixed=Fixed(covariances=(0,))), "fixed"),
    ):
        with pytest.raises(InputError, match=sentence):
            profile_interval(mixture, observations, 0, 0, model=model)
    for place, sentence in (((1, 0), "`component` is 1"), ((0, 2), "`axis` is 2")):
        with pytest.raises(InputError, match=sentence):
            profile_interval(mixture, observations, *place)
    with pytest.raises(InputError, match="`level`"):
        profile_interval(mixture, observations, 0, 0, 1.5)
