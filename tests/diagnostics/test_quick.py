"""Quick checks: models and errors that are wrong are found, those that are right are not."""

import numpy as np
import pytest
from scipy import stats

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.diagnostics import quick_checks
from xdgmm.diagnostics.measures import measure
from xdgmm.diagnostics.weighted_tests import kurtosis_p_value, rank_correlation, skewness_p_value
from xdgmm.prediction import draw_observations

N = 400


def errors_of(rng):
    return np.exp(rng.uniform(-0.7, 0.7, N))


def contaminated(rng, *, clean):
    e = errors_of(rng)
    scatter = np.where(~np.array(clean) & (rng.random(N) < 0.06), 25.0, 3.0)
    return scatter * rng.normal(size=N) + e * rng.normal(size=N), e, 1


def errors_too_small(rng, *, clean):
    e = errors_of(rng)
    return 0.4 * rng.normal(size=N) + (1.0 if clean else 1.5) * e * rng.normal(size=N), e, 1


def two_clumps(rng, *, clean):
    x = np.where(rng.random(N) < 0.5, -6.0, 6.0) + rng.normal(size=N)
    return x + 0.5 * rng.normal(size=N), np.full(N, 0.5), 2 if clean else 1


def errors_of_measured_values(rng, *, clean):
    x = rng.normal(50.0, 5.0, N)
    e = rng.uniform(5.0, 15.0, N) if clean else 0.2 * x
    measured = x + e * rng.normal(size=N)
    return measured, e if clean else 0.2 * np.abs(measured), 1


MISLEADING = {
    contaminated: "kurtosis",
    errors_too_small: "error size",
    two_clumps: "kurtosis",
    errors_of_measured_values: "values and errors",
}


@pytest.mark.parametrize("make", MISLEADING)
def test_misleading_data_are_found_and_their_clean_twins_are_not(make):
    for clean in (False, True):
        values, errors, K = make(np.random.default_rng(3), clean=clean)
        observations = Observations.with_standard_errors(values, errors)
        model = XDGMM(K, random_state=0).fit(observations)
        found = [finding.name for finding in quick_checks(model.mixture_, observations)]
        remarks = " ".join(model.widths(observations).meta["remarks"])
        if clean:
            assert found == []
            assert "p " not in remarks
        else:
            assert MISLEADING[make] in found
            assert "p < 1e-9" in remarks or "p = " in remarks


def test_errors_of_thresholds_are_not_taken_for_errors_that_follow_values():
    rng = np.random.default_rng(5)
    measured = rng.normal(size=N) + 0.2 * rng.normal(size=N)
    below = measured < -0.3
    values, errors = np.where(below, -0.3, measured), np.where(below, 0.0, 0.2)
    observations = Observations.with_limits(values, errors, upper=below)
    model = XDGMM().fit(observations)
    assert [finding.name for finding in quick_checks(model.mixture_, observations)] == []
    assert "p " not in " ".join(model.widths(observations).meta["remarks"])


@pytest.mark.slow
def test_right_models_are_rarely_accused():
    rng = np.random.default_rng(4)
    accused = 0
    for _ in range(400):
        values, errors, _ = contaminated(rng, clean=True)
        observations = Observations.with_standard_errors(values, errors)
        accused += bool(quick_checks(XDGMM().fit(observations).mixture_, observations))
    assert accused <= 6  # four tests at .001: 1.6 are expected


def test_weights_count_as_numbers_of_objects():
    rng = np.random.default_rng(5)
    values, errors, _ = contaminated(rng, clean=False)
    times = rng.integers(1, 4, N)
    model = XDGMM().fit(values, Xerr=errors)
    weighted = Observations.with_standard_errors(values, errors, weights=times)
    repeated = Observations.with_standard_errors(np.repeat(values, times), np.repeat(errors, times))
    for one, other in zip(*(quick_checks(model.mixture_, each) for each in (weighted, repeated)), strict=True):
        assert one.name == other.name
        assert one.effect == pytest.approx(other.effect, rel=1e-9)
        assert one.p_value == pytest.approx(other.p_value, rel=1e-6)


def test_few_values_equal_errors_and_exact_values_say_nothing():
    rng = np.random.default_rng(6)
    few, equal, constant = (rng.normal(size=8), 1.0), (rng.normal(size=100), 0.0), (np.array([1.0, 1.0]), 1.0)
    for values, error in (few, equal, constant):
        observations = Observations.with_standard_errors(values, np.full(values.size, error))
        assert quick_checks(XDGMM().fit(observations).mixture_, observations) == []


def test_p_values_of_shapes_are_those_of_scipy():
    z = np.random.default_rng(7).normal(size=60) ** 3
    assert kurtosis_p_value(stats.kurtosis(z) + 3, 60) == pytest.approx(stats.kurtosistest(z).pvalue, rel=1e-10)
    assert skewness_p_value(stats.skew(z), 60) == pytest.approx(stats.skewtest(z).pvalue, rel=1e-10)


def test_rank_correlations_are_those_of_scipy():
    rng = np.random.default_rng(8)
    x = rng.integers(0, 10, 50).astype(float)  # with ties
    y = x + rng.normal(0, 5, 50)
    expected = stats.spearmanr(x, y)
    assert rank_correlation(x, y, np.ones(50)) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


def test_errors_of_overlapping_wide_and_narrow_components_are_not_accused():
    """p-values are as small as they say at most, although large residuals and small shares of noise go together."""
    rng = np.random.default_rng(9)
    mixture = GaussianMixture([0.9, 0.1], [[0.0], [0.0]], [[[4.0]], [[400.0]]])
    template = Observations.with_standard_errors(np.zeros(300), errors_of(rng)[:300])
    p = []
    for _ in range(200):
        measures = measure(mixture, draw_observations(mixture, template, 1, rng)).measures
        p += [each.p_value for each in measures if each.kind == "error size"]
    assert np.sum(np.array(p) < 0.05) <= stats.binom.ppf(0.999, 200, 0.05)
    assert np.min(p) > 1e-4
