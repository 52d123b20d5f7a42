"""The verdict on a fit: misleading data do not pass, right ones do as often as they should."""

import warnings

import numpy as np
import pytest
from astropy.table import QTable, Table
from scipy import stats

from xdgmm import XDGMM, Background, Fixed, GaussianMixture, Observations
from xdgmm.diagnostics import check, quick_checks, residuals
from xdgmm.errors import InputError, OutputError, XdgmmWarning

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
    ("options", "message"),
    [
        ({"n_simulations": 5}, "at least 19"),
        ({"n_simulations": 99.0}, "whole number"),
        ({"n_jobs": 0}, "`n_jobs` is 0"),
        ({"progress": "no"}, "`progress` is 'no'"),
    ],
)
def test_numbers_of_samples_that_cannot_be_are_refused(options, message):
    observations = Observations.exact(np.random.default_rng(7).normal(size=40))
    with pytest.raises(InputError, match=message):
        check(XDGMM().fit(observations).result_, observations, **options)


def test_a_background_that_the_model_has_is_not_advised():
    values, errors, _ = contaminated(np.random.default_rng(3), clean=False)
    observations = Observations.with_standard_errors(values, errors)
    alone = GaussianMixture([1.0], [[0.0]], [[[9.0]]])
    beside = GaussianMixture([1.0 - 1e-6], [[0.0]], [[[9.0]]], background=Background([-99.0], [99.0], 1e-6))
    for mixture, advised in ((alone, True), (beside, False)):
        found = [each.sentence for each in quick_checks(mixture, observations) if each.name == "kurtosis"]
        assert ("ackground" in found[0]) is advised
        assert "more components" in found[0]


def test_a_model_without_free_parameters_is_checked():
    values = np.random.default_rng(5).normal(size=60)
    start = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    model = XDGMM(init=start, fixed=Fixed(means=(0,), covariances=(0,))).fit(values, Xerr=0.5)
    found = model.check(values, Xerr=0.5, n_simulations=19, progress="never")
    assert len(found.influence) == 0
    assert len(found.unusual) == 10


def test_a_model_of_other_data_is_noticed():
    values, errors, _ = contaminated(np.random.default_rng(9), clean=True)
    model = XDGMM().fit(values[:80], Xerr=errors[:80])
    with pytest.warns(XdgmmWarning, match="not the maximum for these data"):
        model.check(values[80:160], Xerr=errors[80:160], n_simulations=19, progress="never")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.check(values[:80], Xerr=errors[:80], n_simulations=19, progress="never")


def test_few_values_cannot_be_checked():
    observations = Observations.exact(np.random.default_rng(8).normal(size=12))
    with pytest.raises(InputError, match="20 values or more"):
        check(XDGMM().fit(observations).result_, observations)


def along_a_magnitude(rng, *, trend=0.0, growth=0.0):
    magnitude, e = rng.uniform(14.0, 20.0, 200), rng.uniform(0.5, 1.5, 200)
    about = magnitude - 17.0
    return magnitude, trend * about + (2.0 + growth * about) * rng.normal(size=200) + e * rng.normal(size=200), e


@pytest.mark.parametrize(("what", "found"), [({"trend": 0.8}, "trend"), ({"growth": 0.6}, "scatter"), ({}, "")])
def test_residuals_that_change_along_a_column_are_found(what, found):
    magnitude, v, e = along_a_magnitude(np.random.default_rng(10), **what)
    table = Table({"v": v, "v_error": e, "mag": magnitude})
    verdict = XDGMM().fit(table).check(table, against="mag", n_simulations=99, progress="never")
    failed = set(verdict.table["name"][verdict.table["sentence"] != "as expected"])
    assert {name for name in failed if "with mag" in name} == ({f"{found} of v with mag"} if found else set())
    assert verdict.passed is (found == "")


def test_correlations_along_a_column_are_those_of_scipy():
    magnitude, v, e = along_a_magnitude(np.random.default_rng(11))
    magnitude[3] = np.nan
    observations = Observations.with_standard_errors(v, e, names="v")
    result = XDGMM().fit(observations).result_
    options = {"n_simulations": 19, "progress": "never"}
    table = check(result, observations, against={"mag": magnitude}, **options).table
    by_name = {row["name"]: row["effect"] for row in table}
    z, known = residuals(result.mixture, observations)[:, 0], np.isfinite(magnitude)
    for name, each in (("trend", z), ("scatter", z**2)):
        expected = stats.spearmanr(each[known], magnitude[known]).statistic
        assert by_name[f"{name} of v with mag"] == pytest.approx(expected, rel=1e-9)


def test_columns_beside_rows_of_weights_are_repeated_with_them():
    magnitude, v, e = along_a_magnitude(np.random.default_rng(12), trend=0.3)
    times = np.random.default_rng(13).integers(1, 4, 200)
    tables = []
    for rows, weights in ((np.arange(200), times), (np.repeat(np.arange(200), times), None)):
        observations = Observations.with_standard_errors(v[rows], e[rows], weights)
        result = XDGMM().fit(observations).result_
        found = check(result, observations, against={"m": magnitude[rows]}, n_simulations=19, progress="never")
        tables.append(found.table)
    np.testing.assert_allclose(tables[0]["effect"], tables[1]["effect"], rtol=1e-6)


@pytest.mark.parametrize(
    ("against", "message"),
    [
        ("magg", "did you mean 'mag'"),
        ({"m": np.zeros(200)}, "same number in every row"),
        ({"m": np.zeros(3)}, r"\(200,\) is needed"),
        ({"m": np.full(200, np.nan)}, "no number"),
        ("v", "values that were fitted"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(against, message):
    magnitude, v, e = along_a_magnitude(np.random.default_rng(14))
    table = Table({"v": v, "v_error": e, "mag": magnitude})
    model = XDGMM().fit(table)
    with pytest.raises(InputError, match=message):
        model.check(table, against=against, n_simulations=19)
    with pytest.raises(InputError, match="X is no table"):
        model.check(v, Xerr=e, against="mag", n_simulations=19)


def test_the_component_that_is_wrong_is_named():
    rng = np.random.default_rng(15)
    tails = np.where(rng.random(200) < 0.08, 12.0, 2.0)
    values = np.concatenate([rng.normal(0.0, 2.0, 200), rng.normal(60.0, tails)])
    observations = Observations.with_standard_errors(values + 0.5 * rng.normal(size=400), 0.5)
    result = XDGMM(2, init=np.repeat([0, 1], 200)).fit(observations).result_
    table = check(result, observations, n_simulations=99, progress="never").table
    sentences = {row["name"]: row["sentence"] for row in table}
    assert "component 1" in sentences["kurtosis of component 1"]
    assert sentences["kurtosis of component 0"] == "as expected"


def test_chi_squared_of_objects_sees_columns_that_belong_together():
    rng = np.random.default_rng(16)
    common = np.sqrt(5.0 / rng.chisquare(5.0, 400))[:, None]
    observations = Observations.with_standard_errors(common * rng.normal(size=(400, 2)), 0.2)
    table = check(XDGMM().fit(observations).result_, observations, n_simulations=99, progress="never").table
    assert "chi-squared of the objects" in " ".join(table["sentence"])


def test_quantiles_hold_those_of_the_residuals_within_those_of_samples():
    rng = np.random.default_rng(17)
    observations = Observations.with_standard_errors(rng.normal(size=60), rng.uniform(0.2, 1.0, 60))
    result = XDGMM().fit(observations).result_
    found = check(result, observations, n_simulations=99, progress="never")
    np.testing.assert_allclose(found.quantiles["residual"], np.sort(residuals(result.mixture, observations)[:, 0]))
    np.testing.assert_allclose(found.quantiles["expected"], stats.norm.ppf((np.arange(60) + 0.5) / 60))
    inside = (found.quantiles["low"] < found.quantiles["residual"]) & (
        found.quantiles["residual"] < found.quantiles["high"]
    )
    assert inside.mean() > 0.7
    assert found.simulated.shape == (99, len(found.table))


def test_a_check_is_written_and_shown_as_html(tmp_path):
    values, errors, _ = contaminated(np.random.default_rng(18), clean=False)
    v, names = "<b>v[red]", [f"star {i}" for i in range(100)]
    table = Table({v: values[:100], f"{v}_error": errors[:100], "name": names})
    found = XDGMM().fit(table).check(table, n_simulations=19, progress="never")
    found.write(tmp_path / "check.ecsv")
    read = QTable.read(tmp_path / "check.ecsv")
    assert list(read["sentence"]) == list(found.table["sentence"])
    assert read.meta["passed"] is found.passed
    assert read.meta["remarks"] == found.verdict.splitlines()
    found.write(tmp_path / "check.fits")
    found.write(tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    shown = found._repr_html_()
    assert shown in page
    assert "<td" in shown
    assert "star " in shown
    assert "<b>v" not in shown
    assert "&lt;b&gt;v[red]" in shown
    assert "values and errors of <b>v[red]" in str(found)
    with pytest.raises(OutputError, match="exists"):
        found.write(tmp_path / "check.html")
    with pytest.raises(OutputError, match="html"):
        found.write(tmp_path / "check.txt")


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
