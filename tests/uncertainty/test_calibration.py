"""Limits and intervals calibrated by simulation, against exact distributions."""

import numpy as np
import pytest
from scipy import stats

from xdgmm import Observations
from xdgmm.errors import InputError
from xdgmm.fitting import Fixed, Model, Problem, fit
from xdgmm.uncertainty import (
    SimulatedLimit,
    function_interval,
    mean_interval,
    principal_limit,
    profile_interval,
    weight_interval,
    width_limit,
)
from xdgmm.uncertainty.calibration import calibrated_end
from xdgmm.uncertainty.one_column import MeanRoots, OneColumn, WidthRoots
from xdgmm.uncertainty.profile import WidthProfile
from xdgmm.uncertainty.refitted import RefittedRoots, in_single_objects
from xdgmm.uncertainty.simulated import Simulation, width_roots
from xdgmm.widths import widths

THREE_ERRORS = 3 * 0.015  # of the Monte Carlo


def exact_values(N, seed=0):
    return np.random.default_rng(seed).normal(5.0, 2.0, N)


@pytest.mark.parametrize("N", [3, 8])
def test_the_simulated_limit_of_exact_values_is_that_of_chi_squared(N):
    x = exact_values(N)
    observations = Observations.exact(x)
    found = width_limit(fit(observations).mixture, observations, 0, 0, limit="simulated")
    expected = np.sqrt(N * x.var() / stats.chi2.ppf(0.05, N - 1))
    assert isinstance(found, SimulatedLimit)
    assert not found.consistent_with_zero
    assert found.upper == pytest.approx(expected, rel=THREE_ERRORS)
    assert 0 < found.error < 0.02 * found.upper


@pytest.mark.parametrize("N", [3, 8])
def test_the_simulated_interval_of_a_mean_of_exact_values_is_students(N):
    x = exact_values(N)
    observations = Observations.exact(x)
    found = mean_interval(fit(observations).mixture, observations, 0, 0, 0.95, calibration="simulated")
    half = stats.t.ppf(0.975, N - 1) * x.std(ddof=1) / np.sqrt(N)
    assert x.mean() - found.low == pytest.approx(half, rel=THREE_ERRORS)
    assert found.high - x.mean() == pytest.approx(half, rel=THREE_ERRORS)


def test_the_simulated_interval_of_a_sigma_of_exact_values_has_equal_tails_of_chi_squared():
    x = exact_values(8)
    observations = Observations.exact(x)
    found = profile_interval(fit(observations).mixture, observations, 0, 0, 0.9, calibration="auto")
    low, high = np.sqrt(8 * x.var() / stats.chi2.ppf([0.95, 0.05], 7))
    assert found.low == pytest.approx(low, rel=THREE_ERRORS)
    assert found.high == pytest.approx(high, rel=THREE_ERRORS)


def test_many_samples_have_the_maxima_of_a_search_over_a_fine_grid():
    rng = np.random.default_rng(4)
    e = np.array([0.1, 0.5, 2.0, 2.0, 7.0])
    column = OneColumn(np.zeros(5), e**2, np.array([1.0, 1.0, 0.5, 1.0, 1.0]))
    x = rng.normal(size=(60, 5)) * np.sqrt(e**2 + 1.0)
    variances = np.concatenate([[0.0], np.geomspace(1e-5, 1e3, 4000)])
    heights = np.array([column.log_likelihood(variance, x) for variance in variances])
    variance, height = column.maximum(x)
    np.testing.assert_allclose(height, heights.max(axis=0), atol=3e-5)
    assert (height >= heights.max(axis=0) - 1e-12).all()
    assert (variance == 0).any()
    assert ((variance == 0) == (heights.argmax(axis=0) == 0)).all()


def test_the_tail_at_a_calibrated_end_is_the_probability_asked_for():
    rng = np.random.default_rng(5)
    e = np.array([0.3, 0.3, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0])
    column = OneColumn(2 * rng.normal(size=8) + e * rng.normal(size=8), e**2, np.ones(8))
    roots = WidthRoots(column)
    end = calibrated_end(roots, np.exp, 0.0, 0.25, 0.05, np.random.default_rng(6))
    count, size = roots.tail(float(np.exp(end.place)), 100_000, np.random.default_rng(7), 1)
    slope = 0.05  # of the tail with the logarithm of sigma, about
    assert count / size == pytest.approx(0.05, abs=3 * (slope * end.error + np.sqrt(0.05 / size)))


FEW_AND_UNEQUAL = (  # values and standard errors
    np.array([4.09095956, -0.05611036, 0.81307121, -0.90137802, 2.15246584, -1.0070443, -0.1565741]),
    np.array([1.01770857, 0.60046889, 0.15734179, 1.98873452, 1.47153677, 0.8101086, 1.14505609]),
)


def test_places_with_few_samples_cannot_turn_the_slope_of_the_tail():
    """Two such places beside the end, of 20 and 14 samples in the tail, sent the search away from it for good.

    The limit was then that of the likelihood, 2.56, where 14% of samples are in the tail instead of 5%.
    """
    unlucky, end = [58, 20, 14, 2, 109, 668], 1.19

    class Unlucky(WidthRoots):
        """The first counts are those of an observed search, all others have the right distribution."""

        def tail(self, value, n_samples, rng, direction):
            probability = stats.norm.cdf(stats.norm.ppf(0.05) - 1.9 * direction * (np.log(value) - end))
            return (unlucky.pop(0) if unlucky else rng.binomial(n_samples, probability)), n_samples

    x, e = FEW_AND_UNEQUAL
    roots = Unlucky(OneColumn(x, e**2, np.ones(7)))
    found = calibrated_end(roots, np.exp, 0.94, 0.25, 0.05, np.random.default_rng(1))
    assert found.place == pytest.approx(end, abs=THREE_ERRORS)
    assert found.error < 0.015


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_simulated_ends_agree_with_other_seeds_and_not_with_the_order_of_rows(seed):
    x, e = FEW_AND_UNEQUAL
    found = []
    for order in (np.arange(7), np.random.default_rng(seed).permutation(7)):
        observations = Observations.with_standard_errors(x[order], e[order])
        found.append(width_limit(fit(observations).mixture, observations, 0, 0, limit="simulated", rng=seed).upper)
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert found[0] == pytest.approx(3.32, rel=THREE_ERRORS)  # 40 000 samples: 7.7% in the tail at 3.01, 3.2% at 3.68


def test_a_seed_is_the_same_in_a_report_and_in_a_function():
    x, e = FEW_AND_UNEQUAL
    observations = Observations.with_standard_errors(x, e)
    result = fit(observations)
    for rng in (None, 3):
        limit = width_limit(result.mixture, observations, 0, 0, limit="simulated", rng=rng).upper
        assert widths(result, observations, limit="simulated", rng=rng)["sigma_limit"][0] == limit
    rng = np.random.default_rng(3)
    limits = [width_limit(result.mixture, observations, 0, 0, limit="simulated", rng=rng).upper for _ in range(2)]
    assert limits[0] != limits[1]


def test_an_interval_holds_the_value_where_its_column_alone_has_a_larger_one():
    """Two precise objects of twelve make the columns fully correlated; the interval was 4.08 to 7.70 about 2.75."""
    x = [-5.58, -4.53, 3.22, -6.84, 4.89, 0.47, 13.36, 1.18, 3.6, -9.17, 8.71, -3.22]
    y = [14.62, 7.55, -7.51, 3.7, -11.68, 0.38, -2.24, 3.62, -5.12, -8.37, -2.8, 4.22]
    e = np.full((12, 2), 4.0)
    e[[1, 11]] = 0.1
    observations = Observations.with_standard_errors(np.column_stack([x, y]), e)
    mixture = fit(observations).mixture
    simulated = profile_interval(mixture, observations, 0, 0, calibration="simulated")
    likelihood = profile_interval(mixture, observations, 0, 0)
    assert simulated.low == likelihood.low < simulated.value < likelihood.high < simulated.high


def test_auto_does_not_simulate_a_column_whose_gaps_may_depend_on_another_one():
    """The largest values of four are left: alone they say 9.2 to 30, together with the other column 5.5 to 9.4."""
    rng = np.random.default_rng(3)
    X = 5.0 * rng.normal(size=(7, 1)) + 0.1 * rng.normal(size=(7, 2))
    X[np.argsort(-np.abs(X[:, 0]))[3:], 0] = np.nan
    observations = Observations.with_standard_errors(X, np.full((7, 2), 0.1))
    mixture = fit(observations).mixture
    auto, likelihood = (profile_interval(mixture, observations, 0, 0, calibration=c) for c in ("auto", "likelihood"))
    assert (auto.low, auto.high) == (likelihood.low, likelihood.high)
    assert auto.low < mixture.sigmas[0, 0] < auto.high


@pytest.mark.slow
def test_the_limit_covers_where_two_of_eight_objects_carry_the_information():
    rng = np.random.default_rng(8)
    e = np.array([0.3, 0.3, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0])
    covered = []
    for _ in range(80):
        observations = Observations.with_standard_errors(2 * rng.normal(size=8) + e * rng.normal(size=8), e)
        covered.append(width_limit(fit(observations).mixture, observations, 0, 0, limit="auto").upper > 2.0)
    assert np.mean(covered) > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 80)


def test_auto_simulates_only_where_few_objects_carry_the_information():
    rng = np.random.default_rng(9)
    for N, simulated in ((6, True), (40, False)):
        observations = Observations.with_standard_errors(0.3 * rng.normal(size=N), np.ones(N))
        limit = width_limit(fit(observations).mixture, observations, 0, 0, limit="auto")
        assert isinstance(limit, SimulatedLimit) is simulated


def test_values_that_scatter_less_than_their_errors_keep_the_limit_of_the_likelihood():
    e = np.ones(6)
    x = 0.1 * np.random.default_rng(10).normal(size=6)
    observations = Observations.with_standard_errors(x, e)
    mixture = fit(observations).mixture
    simulated, likelihood = (
        width_limit(mixture, observations, 0, 0, limit=rule) for rule in ("simulated", "likelihood")
    )
    assert simulated.upper == pytest.approx(likelihood.upper, rel=1e-9)


def test_a_weight_of_two_is_the_object_twice():
    x, e = exact_values(5), np.array([0.5, 1.0, 1.0, 2.0, 1.0])
    times = [1, 2, 1, 3, 1]
    weighted = Observations.with_standard_errors(x, e, weights=times)
    repeated = Observations.with_standard_errors(np.repeat(x, times), np.repeat(e, times))
    limits = [width_limit(fit(each).mixture, each, 0, 0, limit="simulated").upper for each in (weighted, repeated)]
    assert limits[0] == pytest.approx(limits[1], rel=1e-9)


def test_parts_of_weights_stay_parts():
    observations = Observations.exact(np.arange(4.0), weights=[0.0, 0.5, 2.0, 2.25])
    taken = in_single_objects(observations)
    assert taken.values[:, 0].tolist() == [1.0, 2.0, 2.0, 3.0, 3.0, 3.0]
    assert taken.object_weights.tolist() == [0.5, 1.0, 1.0, 1.0, 1.0, 0.25]
    with pytest.raises(InputError, match="too many"):
        in_single_objects(Observations.exact(np.arange(2.0), weights=[1e9, 1.0]))


def test_the_simulated_limit_does_not_depend_on_the_order_of_questions_but_on_the_seed():
    x = exact_values(12).reshape(6, 2)
    limits = []
    for axes in ((0, 1), (1, 0)):
        observations = Observations.with_standard_errors(x, np.ones((6, 2)))
        mixture = fit(observations).mixture
        limits.append({axis: width_limit(mixture, observations, 0, axis, limit="simulated").upper for axis in axes})
    assert limits[0] == limits[1]
    other = width_limit(mixture, observations, 0, 0, limit="simulated", rng=5).upper
    assert other != limits[0][0]
    assert other == pytest.approx(limits[0][0], rel=0.07)


@pytest.mark.parametrize("seed", range(4))
def test_no_axis_has_a_larger_simulated_limit_than_the_widest(seed):
    rng = np.random.default_rng(seed)
    e = rng.uniform(0.3, 2.0, (7, 2))
    observations = Observations.with_standard_errors(rng.normal(size=(7, 2)) + e * rng.normal(size=(7, 2)), e)
    mixture = fit(observations).mixture
    of_columns = [width_limit(mixture, observations, 0, axis, limit="simulated").upper for axis in range(2)]
    wide, narrow = (principal_limit(mixture, observations, 0, axis=i, limit="simulated").upper for i in range(2))
    assert wide >= max(of_columns) * (1 - 1e-6)
    assert narrow <= wide


@pytest.mark.slow
def test_samples_fitted_one_by_one_have_the_signed_roots_of_samples_maximised_together():
    rng = np.random.default_rng(12)
    clumps = rng.normal(0, 1, 7), rng.normal(100, 1, 9)
    both = Observations.with_standard_errors(np.concatenate(clumps), np.full(16, 0.5))
    mixture = fit(both, 2).mixture
    component = int(np.abs(mixture.means[:, 0]).argmin())
    profile = WidthProfile(Problem.of(mixture, both), mixture, component, 0)
    roots = width_roots(profile, Simulation.of("simulated", None))
    assert isinstance(roots, RefittedRoots)
    sigma = 1.5 / profile.unit
    drawn = roots.draw(sigma, 300, np.random.default_rng(1))
    e = np.full(7, 0.5 / profile.unit)
    alone = WidthRoots(OneColumn(clumps[0] / profile.unit, e**2, np.ones(7)))
    assert roots.observed(sigma) == pytest.approx(alone.observed(sigma), rel=1e-3)
    expected = [  # the number of members is that of the sample, not of the clump
        WidthRoots(OneColumn(np.zeros(n), np.full(n, e[0] ** 2), np.ones(n))).draw(sigma, 1, rng)
        for n in np.maximum(rng.binomial(16, 7 / 16, 3000), 1)
    ]
    assert stats.ks_2samp(drawn, np.concatenate(expected)).pvalue > 1e-3


def test_unknown_rules_are_refused():
    observations = Observations.exact(exact_values(5))
    mixture = fit(observations).mixture
    with pytest.raises(InputError, match="`limit` is 'exact'"):
        width_limit(mixture, observations, 0, 0, limit="exact")
    with pytest.raises(InputError, match="`calibration` is 'exact'"):
        profile_interval(mixture, observations, 0, 0, calibration="exact")


# --- Profiles of functions -------------------------------------------------------------------------------------------


def test_the_profile_of_a_mean_of_exact_values_is_that_of_students_t():
    x = exact_values(8)
    observations = Observations.exact(x)
    found = mean_interval(fit(observations).mixture, observations, 0, 0, 0.95)
    half = x.std() * np.sqrt(np.exp(stats.chi2.ppf(0.95, 1) / 8) - 1)
    assert found.high - x.mean() == pytest.approx(half, rel=1e-5)
    assert x.mean() - found.low == pytest.approx(half, rel=1e-5)


def test_a_mean_beside_a_width_of_zero_has_the_profile_of_a_search_over_all_widths():
    x = 0.5 * np.random.default_rng(5).normal(size=6)
    observations = Observations.with_standard_errors(x, np.ones(6))
    mixture = fit(observations).mixture
    assert mixture.sigmas[0, 0] == 0
    found = mean_interval(mixture, observations, 0, 0, 0.9999)
    T = 1.0 + np.linspace(0, 30, 60_001)

    def height(mean):
        return max(-0.5 * (6 * np.log(T) + ((x - mean) ** 2).sum() / T))

    for end in (found.low, found.high):
        fallen = 2 * (height(mixture.means[0, 0]) - height(end))
        assert fallen == pytest.approx(stats.chi2.ppf(0.9999, 1), abs=1e-4)


def test_the_function_profile_of_a_sigma_is_the_profile_of_that_sigma():
    rng = np.random.default_rng(13)
    x = np.concatenate([rng.normal(size=40), 6 + rng.normal(size=20)]) + 0.3 * rng.normal(size=60)
    observations = Observations.with_standard_errors(x, np.full(60, 0.3))
    mixture = fit(observations, 2).mixture
    expected = profile_interval(mixture, observations, 0, 0)
    found = function_interval(lambda m: m.sigmas[0, 0], mixture, observations, within=(0.0, np.inf), component=0)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_the_interval_of_a_correlation_of_exact_values_is_that_of_its_likelihood():
    rng = np.random.default_rng(14)
    x = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 30)
    observations = Observations.exact(x)
    mixture = fit(observations).mixture

    def correlation(m):
        V = m.covariances[0]
        return V[0, 1] / np.sqrt(V[0, 0] * V[1, 1])

    found = function_interval(correlation, mixture, observations, 0.9, within=(-1.0, 1.0))
    r = np.corrcoef(x.T)[0, 1]
    for rho in (found.low, found.high):  # ln L(rho) - ln L(r), all else at its best
        deviance = -30 * np.log((1 - r**2) * (1 - rho**2) / (1 - r * rho) ** 2)
        assert deviance == pytest.approx(stats.chi2.ppf(0.9, 1), rel=1e-4)


def test_the_interval_of_a_weight_of_separate_clumps_is_that_of_a_binomial():
    rng = np.random.default_rng(15)
    x = np.concatenate([rng.normal(0, 1, 12), rng.normal(100, 1, 28)])
    observations = Observations.with_standard_errors(x, np.full(40, 0.1))
    mixture = fit(observations, 2).mixture
    component = int(mixture.means[:, 0].argmin())
    found = weight_interval(mixture, observations, component, 0.95)
    for p in (found.low, found.high):
        deviance = 2 * (12 * np.log(0.3 / p) + 28 * np.log(0.7 / (1 - p)))
        assert deviance == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-4)
    assert 0 < found.low < 0.3 < found.high < 1


def test_functions_of_several_numbers_and_fixed_parameters_are_refused():
    observations = Observations.exact(exact_values(8))
    mixture = fit(observations).mixture
    with pytest.raises(InputError, match="one number"):
        function_interval(lambda m: m.means, mixture, observations)
    with pytest.raises(InputError, match="not free"):
        weight_interval(mixture, observations, 0)
    with pytest.raises(InputError, match="mean of component 0 was fixed"):
        mean_interval(mixture, observations, 0, 0, model=Model(fixed=Fixed(means=(0,))))


def test_the_mean_roots_of_samples_follow_students_t():
    column = OneColumn(exact_values(5), np.zeros(5), np.ones(5))
    drawn = MeanRoots(column).draw(0.0, 20_000, np.random.default_rng(16))
    t = np.sign(drawn) * np.sqrt(4 * np.expm1(drawn**2 / 5))
    assert stats.kstest(t, stats.t(4).cdf).pvalue > 1e-3
