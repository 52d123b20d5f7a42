"""The verdict on a fit: misleading data do not pass, right ones do as often as they should."""

import numpy as np
import pytest
from scipy import stats

from xdgmm import XDGMM, Background, Observations
from xdgmm.diagnostics import check, residuals
from xdgmm.errors import InputError

from .test_quick import MISLEADING, contaminated


@pytest.mark.parametrize("make", MISLEADING)
def test_misleading_data_do_not_pass_and_their_clean_twins_do(make):
    for clean in (False, True):
        values, errors, K = make(np.random.default_rng(3), clean=clean)
        found = XDGMM(K, random_state=0).fit(values, Xerr=errors).check(values, Xerr=errors, progress="never")
        assert found.passed is clean
        sentences = " ".join(found.table["sentence"])
        failed = " ".join(found.table["name"][found.table["sentence"] != "as expected"])
        assert (MISLEADING[make] in failed) is not clean
        assert ("p = " in sentences) is not clean
        assert ("nothing speaks against" in str(found)) is clean


def test_statistics_of_the_distribution_are_those_of_scipy():
    rng = np.random.default_rng(4)
    values, errors = rng.normal(size=80), rng.uniform(0.2, 1.0, 80)
    observations = Observations.with_standard_errors(values, errors)
    model = XDGMM().fit(observations)
    table = check(model.result_, observations, n_simulations=19, progress="never").table
    z = residuals(model.mixture_, observations)[:, 0]
    by_name = {row["name"]: row["effect"] for row in table}
    assert by_name["distribution"] == pytest.approx(stats.kstest(z, "norm").statistic, rel=1e-10)
    i, z = np.arange(1, 81), np.sort(z)
    A2 = -80 - np.mean((2 * i - 1) * (stats.norm.logcdf(z) + stats.norm.logsf(z[::-1])))
    assert by_name["tails of the distribution"] == pytest.approx(A2 / 80, rel=1e-8)
    assert by_name["kurtosis"] == pytest.approx(stats.kurtosis(z), rel=1e-8)
    assert by_name["skewness"] == pytest.approx(stats.skew(z), rel=1e-8)


def test_gaps_several_columns_components_weights_and_a_background_are_checked():
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(8, 1, (60, 2)), rng.uniform(-20, 20, (12, 2))])
    errors = rng.uniform(0.3, 1.0, values.shape)
    values = values + errors * rng.normal(size=values.shape)
    values[rng.random(values.shape) < 0.1] = np.nan
    weights = rng.integers(1, 3, len(values))
    model = XDGMM(2, background=Background([-20.0] * 2, [20.0] * 2), random_state=0)
    model.fit(values, Xerr=errors, sample_weight=weights)
    found = model.check(values, Xerr=errors, sample_weight=weights, n_simulations=39, progress="never")
    assert {"error size of x1", "error size of x2", "values and errors of x2"} <= set(found.table["name"])
    assert 0 < found.p_value <= 1
    assert found.n_simulations == 39


def test_the_seed_decides_and_the_number_of_processes_does_not():
    values, errors, _ = contaminated(np.random.default_rng(6), clean=True)
    values, errors = values[:60], errors[:60]
    observations = Observations.with_standard_errors(values, errors)
    result = XDGMM().fit(observations).result_
    tables = [
        check(result, observations, n_simulations=19, progress="never", **options).table["statistic"].tolist()
        for options in ({}, {"n_jobs": 2}, {"rng": 5})
    ]
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


@pytest.mark.parametrize(
    ("options", "message"), [({"n_simulations": 5}, "at least 19"), ({"n_simulations": 99.0}, "whole number")]
)
def test_numbers_of_samples_that_cannot_be_are_refused(options, message):
    observations = Observations.exact(np.random.default_rng(7).normal(size=40))
    with pytest.raises(InputError, match=message):
        check(XDGMM().fit(observations).result_, observations, **options)


def test_few_values_cannot_be_checked():
    observations = Observations.exact(np.random.default_rng(8).normal(size=12))
    with pytest.raises(InputError, match="20 values or more"):
        check(XDGMM().fit(observations).result_, observations)


@pytest.mark.slow
def test_right_models_pass_as_often_as_they_should():
    rng = np.random.default_rng(9)
    passed = []
    for seed in range(120):
        errors = np.exp(rng.uniform(-0.7, 0.7, 50))
        observations = Observations.with_standard_errors(rng.normal(0, 2, 50) + errors * rng.normal(size=50), errors)
        result = XDGMM().fit(observations).result_
        passed.append(check(result, observations, n_simulations=39, rng=seed, progress="never").passed)
    assert 120 - np.sum(passed) <= stats.binom.ppf(0.999, 120, 0.05)
    assert np.sum(passed) < 120
