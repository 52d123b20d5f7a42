"""Upper limits against the profile likelihood written from scratch, and their coverage."""

import warnings

import numpy as np
import pytest
from scipy.optimize import brentq, minimize, minimize_scalar

from xdgmm import XDGMM, InputError, Observations, datasets
from xdgmm.errors import XdgmmWarning
from xdgmm.fitting import Settings, fit
from xdgmm.mixture import GaussianMixture
from xdgmm.uncertainty import profile_interval, width_limit


def profile(y, e, sigma):
    T = sigma**2 + e**2
    mean = np.sum(y / T) / np.sum(1 / T)
    return -0.5 * np.sum(np.log(2 * np.pi * T) + (y - mean) ** 2 / T)


def limit_from_scratch(y, e, fall=2.7055 / 2):
    best = minimize_scalar(
        lambda s: -profile(y, e, s), bounds=(0, 10 * y.std()), method="bounded", options={"xatol": 1e-10}
    )
    top, start = max((profile(y, e, 0.0), 0.0), (-best.fun, best.x))
    return brentq(lambda s: top - profile(y, e, s) - fall, start, 100 * y.std())


@pytest.fixture(scope="module")
def schools():
    table = datasets.load("eight_schools")
    return Observations.with_standard_errors(np.asarray(table["y"], float), np.asarray(table["e_y"], float))


@pytest.mark.parametrize(("level", "upper"), [(0.95, 10.604), (0.975, 13.018)])
def test_eight_schools_limits_are_the_published_profile(schools, level, upper):
    limit = width_limit(fit(schools).mixture, schools, 0, 0, level)
    assert limit.consistent_with_zero
    assert limit.upper == pytest.approx(upper, abs=5.1e-4)


def test_a_clear_width_is_not_consistent_with_zero():
    stars = Observations.from_table(datasets.load("hydrus1"), "v")
    limit = width_limit(fit(stars).mixture, stars, 0, 0)
    y, e = stars.values[:, 0], stars.noise[:, 0]
    sigma = fit(stars).mixture.sigmas[0, 0]
    assert not limit.consistent_with_zero
    assert limit.deviance == pytest.approx(2 * (profile(y, e, sigma) - profile(y, e, 0.0)), rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_one_dimensional_limits_agree_with_a_profile_written_from_scratch(seed):
    rng = np.random.default_rng(seed)
    e = rng.uniform(1, 3, 15)
    y = 0.3 * rng.normal(size=15) + e * rng.normal(size=15)
    observations = Observations.with_standard_errors(y, e)
    limit = width_limit(fit(observations).mixture, observations, 0, 0)
    if limit.consistent_with_zero:
        # 2.7055 is quoted to five digits, so the root agrees to about 1e-5.
        assert limit.upper == pytest.approx(limit_from_scratch(y, e), rel=5e-5)
    else:
        assert limit.deviance >= 2.7055


def test_a_column_of_several_is_profiled_over_the_others():
    rng = np.random.default_rng(5)
    N = 40
    e = np.stack([np.full(N, 0.1), rng.uniform(2, 3, N)], 1)
    x = np.stack([rng.normal(0, 1, N), np.zeros(N)], 1) + e * rng.normal(size=(N, 2))
    both = Observations.with_standard_errors(x, e)
    mixture = fit(both).mixture
    limit = width_limit(mixture, both, 0, 1)
    assert limit.consistent_with_zero
    # At zero width of the second column the two are independent: that value of the profile has a closed form.
    first = Observations.with_standard_errors(x[:, 0], e[:, 0])
    expected = fit(first).log_likelihood + profile(x[:, 1], e[:, 1], 0.0)
    assert limit.deviance == pytest.approx(2 * (fit(both).log_likelihood - expected), abs=1e-6)
    assert log_likelihood_with(x, e, limit.upper) == pytest.approx(fit(both).log_likelihood - 2.70554 / 2, abs=1e-4)


def log_likelihood_with(x, e, sigma):
    """Two-dimensional log-likelihood with the second sigma held, maximised over the other four by Nelder and Mead."""

    def negative(p):
        covariance = p[3] * np.tanh(p[2]) * sigma
        a, b = p[3] ** 2 + e[:, 0] ** 2, sigma**2 + e[:, 1] ** 2
        determinant = a * b - covariance**2
        u, v = x[:, 0] - p[0], x[:, 1] - p[1]
        quadratic = (b * u**2 - 2 * covariance * u * v + a * v**2) / determinant
        return 0.5 * np.sum(np.log(determinant) + quadratic) + len(x) * np.log(2 * np.pi)

    options = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 20_000, "maxfev": 20_000}
    starts = ([0, 0, correlation, 1.0] for correlation in (-2.0, 0.0, 2.0))
    return max(-minimize(negative, start, method="Nelder-Mead", options=options).fun for start in starts)


def test_exact_values_are_never_consistent_with_zero():
    x = np.random.default_rng(0).normal(size=50)
    limit = width_limit(fit(Observations.exact(x)).mixture, Observations.exact(x), 0, 0)
    assert limit.deviance == np.inf
    assert not limit.consistent_with_zero


def test_a_local_maximum_is_told():
    rng = np.random.default_rng(1)
    e = np.full(200, 0.3)
    y = np.r_[rng.normal(-5, 0.5, 100), rng.normal(5, 0.5, 100)] + e * rng.normal(size=200)
    poor = GaussianMixture([0.5, 0.5], [[0.0], [0.0]], [[[25.0]], [[25.0]]])  # both components on all objects: a saddle
    with pytest.warns(XdgmmWarning, match="local maximum"):
        width_limit(poor, Observations.with_standard_errors(y, e), 0, 0)


@pytest.mark.parametrize("level", [0.5, 1.0, -1, 2])
def test_levels_that_are_no_levels_are_refused(schools, level):
    with pytest.raises(InputError, match=r"`level` is .*between 0\.5 and 1"):
        width_limit(fit(schools).mixture, schools, 0, 0, level)


@pytest.mark.slow
def test_upper_limits_cover_as_promised():
    """A true width of 0.7 errors: the 95% limit, where one is given, lies above it in about 95% of samples."""
    rng = np.random.default_rng(12)
    e, truth = rng.uniform(1, 2, 40), 1.0
    above, given = 0, 0
    for _ in range(300):
        observations = Observations.with_standard_errors(truth * rng.normal(size=40) + e * rng.normal(size=40), e)
        limit = width_limit(fit(observations).mixture, observations, 0, 0)
        given += limit.consistent_with_zero
        above += not limit.consistent_with_zero or limit.upper > truth
    # Binomial with p = 0.95 has a standard deviation of 3.8 in 300; samples that reject zero are not too low.
    assert above >= 0.95 * 300 - 3 * 3.8
    assert 0 < given < 300


@pytest.mark.slow
def test_limits_at_zero_width_cover_as_promised():
    """With no intrinsic width the 95% limit lies above zero always, and zero is rejected in about 5% of samples."""
    rng = np.random.default_rng(11)
    e = rng.uniform(1, 2, 60)
    rejected = 0
    for _ in range(400):
        observations = Observations.with_standard_errors(e * rng.normal(size=60), e)
        limit = width_limit(fit(observations).mixture, observations, 0, 0)
        rejected += not limit.consistent_with_zero
        assert limit.upper > 0 if limit.consistent_with_zero else np.isnan(limit.upper)
    # Binomial: 20 +- 4.4 of 400; the asymptotic law is conservative for few objects.
    assert 4 <= rejected <= 34


@pytest.mark.parametrize(("name", "column", "K"), [("hydrus1", "v", 2), ("neutron_stars", "m", 3)])
def test_a_dominant_component_is_not_a_limit_because_another_could_take_its_part(name, column, K):
    observations = Observations.from_table(datasets.load(name), column)
    mixture = fit(observations, K, rng=0).mixture
    assert mixture.weights[0] > 0.6
    assert mixture.sigmas[0, 0] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)  # K = 3 is a local maximum
        assert not width_limit(mixture, observations, 0, 0).consistent_with_zero


@pytest.mark.parametrize("seed", range(12))
def test_limits_of_several_components_are_found_from_any_maximum(seed):
    rng = np.random.default_rng(seed)
    e = rng.uniform(0.3, 1.5, 40)
    x = np.where(rng.random(40) < 0.85, rng.normal(0, 2, 40), rng.normal(1, 0.1, 40)) + e * rng.normal(size=40)
    observations = Observations.with_standard_errors(x, e)
    result = fit(observations, 2 + seed % 2, Settings(n_init=1), rng=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)  # one start is often a local maximum
        for k, sigma in enumerate(result.mixture.sigmas[:, 0]):
            limit = width_limit(result.mixture, observations, k, 0)
            assert limit.deviance >= 0
            assert limit.upper > sigma if limit.consistent_with_zero else np.isnan(limit.upper)


QUANTILE = 2.705543454095404


def profile_by_hand(x, e, sigmas):
    """Twice the fall of the profile likelihood of one Gaussian at each sigma."""
    t = sigmas[:, None] ** 2 + e**2
    mean = (x / t).sum(axis=1) / (1 / t).sum(axis=1)
    log_likelihood = -0.5 * (np.log(t) + (x - mean[:, None]) ** 2 / t).sum(axis=1)
    return 2 * (log_likelihood.max() - log_likelihood)


def unequal(seed):
    rng = np.random.default_rng(seed)
    e = 10 ** rng.uniform(-1, 1, rng.integers(4, 12))
    return e * rng.standard_normal(e.size) * rng.uniform(0.8, 1.6), e


X = np.array([2.59, 0.48, 0.38, 7.76, -6.83, -0.34, -6.95, -0.97])
E = np.array([6.48, 7.2, 0.12, 2.99, 7.52, 0.56, 2.57, 10.68])


@pytest.mark.parametrize(("x", "e"), [(X, E), *map(unequal, range(12))])
def test_the_limit_is_the_outermost_crossing_of_the_profile(x, e):
    observations = Observations.with_standard_errors(x, e)
    limit = width_limit(XDGMM().fit(observations).mixture_, observations, 0, 0)
    grid = np.linspace(0.0, 2 * np.ptp(x), 40_001)
    deviance = profile_by_hand(x, e, grid)
    assert limit.consistent_with_zero == (deviance[0] < QUANTILE)
    if limit.consistent_with_zero:
        assert limit.upper == pytest.approx(grid[deviance < QUANTILE].max(), abs=2 * grid[1])


def test_an_interval_of_several_pieces_has_its_outermost_ends_and_says_so():
    observations = Observations.with_standard_errors(X, E)
    with pytest.warns(XdgmmWarning, match="several pieces"):
        found = profile_interval(XDGMM().fit(observations).mixture_, observations, 0, 0, level=0.9)
    grid = np.linspace(0.0, 20.0, 20_001)
    inside = grid[profile_by_hand(X, E, grid) < QUANTILE]
    assert (found.low, found.high) == pytest.approx((inside.min(), inside.max()), abs=2e-3)
    assert np.diff(inside).max() > 1.0  # there is a gap


@pytest.mark.parametrize("N", [2, 3, 7, 20, 59])
@pytest.mark.parametrize("method", ["information", "profile"])
def test_equal_values_with_equal_errors_have_the_limit_of_the_closed_form(N, method):
    # No scatter at all: the deviance of a sigma is N ln(1 + sigma^2 / e^2).
    model = XDGMM().fit(np.ones(N), Xerr=0.3)
    row = model.widths(np.ones(N), Xerr=0.3, method=method)[0]
    assert row["is_limit"]
    assert row["sigma_limit"] == pytest.approx(0.3 * np.sqrt(np.expm1(QUANTILE / N)), rel=1e-6)
    found = profile_interval(model.mixture_, Observations.with_standard_errors(np.ones(N), 0.3), 0, 0, level=0.9)
    assert found.low == 0.0
    assert found.high == pytest.approx(row["sigma_limit"], rel=1e-6)
