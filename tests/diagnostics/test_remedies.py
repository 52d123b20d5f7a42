"""What the widths are with a remedy: the numbers of the fits that a user would make."""

import numpy as np
import pytest

from xdgmm import XDGMM, Background, Observations
from xdgmm.diagnostics import check, error_scale
from xdgmm.diagnostics.remedies import try_remedies

from .test_quick import contaminated, errors_of_measured_values, errors_too_small, two_clumps

OPTIONS = {"n_simulations": 39, "progress": "never"}


def remedies_of(make, seed=3):
    values, errors, K = make(np.random.default_rng(seed), clean=False)
    found = XDGMM(K, random_state=0).fit(values, Xerr=errors).check(values, Xerr=errors, **OPTIONS)
    assert not found.passed
    return values, errors, found


def rows_of(found, remedy):
    return [row for row in found.remedies if row["remedy"] == remedy]


def test_a_background_takes_the_outliers_from_the_width():
    values, errors, found = remedies_of(contaminated)
    model = XDGMM(background=Background()).fit(values, Xerr=errors)
    report = model.widths(values, Xerr=errors)
    (row,) = rows_of(found, "a background")
    assert row["sigma"] == pytest.approx(report["sigma"][0], rel=1e-6)
    assert row["sigma_error"] == pytest.approx(report["sigma_error"][0], rel=1e-4)
    assert abs(row["sigma"] - 3.0) < 3 * row["sigma_error"]
    without = XDGMM().fit(values, Xerr=errors)
    gain = 400 * (model.score(values, Xerr=errors) - without.score(values, Xerr=errors))
    assert row["gain"] == pytest.approx(gain, rel=1e-6)
    change = model.bic(values, Xerr=errors) - without.bic(values, Xerr=errors)
    assert row["bic_change"] == pytest.approx(change, rel=1e-6)
    sigma = f"{report['sigma'][0]:.2f}±{report['sigma_error'][0]:.2f}"
    assert f"of the objects: sigma is {sigma} in place of" in found.verdict.replace("\n", " ")


def test_one_more_component_parts_two_clumps():
    values, errors, found = remedies_of(two_clumps)
    expected = XDGMM(2, random_state=1).fit(values, Xerr=errors)
    rows = rows_of(found, "2 components")
    np.testing.assert_allclose([row["sigma"] for row in rows], expected.mixture_.sigmas[:, 0], rtol=1e-3)
    np.testing.assert_allclose([row["weight"] for row in rows], expected.weights_, rtol=1e-3)
    assert all(abs(row["sigma"] - 1.0) < 3.5 * row["sigma_error"] for row in rows)
    assert all(row["remaining"] == "" for row in rows)
    assert not rows_of(found, "a background")
    assert (np.diff(found.remedies["bic_change"]) >= 0).all()


def test_one_error_for_all_shows_the_bias_of_errors_that_follow_the_values():
    values, errors, found = remedies_of(errors_of_measured_values)
    (row,) = found.remedies
    expected = XDGMM().fit(values, Xerr=np.median(errors)).mixture_
    assert row["mean"] == pytest.approx(expected.means[0, 0], rel=1e-6)
    assert row["sigma"] == pytest.approx(expected.sigmas[0, 0], rel=1e-4)
    assert abs(row["mean"] - 50.0) < 3 * np.sqrt((expected.covariances[0, 0, 0] + np.median(errors) ** 2) / 400)
    assert "the mean is" in found.verdict


def test_errors_that_are_too_small_are_scaled():
    values, errors, found = remedies_of(errors_too_small)
    scale = error_scale(XDGMM().fit(values, Xerr=errors), values, Xerr=errors)
    (row,) = rows_of(found, next(name for name in found.remedies["remedy"] if name.startswith("errors ")))
    expected = XDGMM().fit(values, Xerr=scale.factor * errors).mixture_
    assert row["sigma"] == pytest.approx(expected.sigmas[0, 0], rel=1e-3)
    assert row["gain"] == pytest.approx(scale.gain, rel=1e-3)
    assert f"errors {scale.factor:.3g}" in found.verdict
    assert scale.factor_low < 1.5 < scale.factor_high + 0.1


def test_a_trend_is_taken_out_by_least_squares():
    rng = np.random.default_rng(4)
    x = rng.uniform(-1.0, 1.0, 150)
    y = 4.0 * x + rng.normal(size=150)
    observations = Observations.exact(y, names="v")
    found = check(XDGMM().fit(observations).result_, observations, against={"mag": x}, **OPTIONS)
    (row,) = rows_of(found, "the linear trend of v along mag taken out")
    slope, height = np.polyfit(x, y, 1)
    assert row["sigma"] == pytest.approx(np.std(y - slope * x - height), rel=1e-6)
    gain = 150 * np.log(np.std(y) / np.std(y - slope * x - height))
    assert row["gain"] == pytest.approx(gain, rel=1e-6)
    assert row["bic_change"] == pytest.approx(np.log(150) - 2 * gain, rel=1e-6)


def test_remedies_that_do_not_help_are_said_not_to():
    rng = np.random.default_rng(5)
    observations = Observations.with_standard_errors(rng.normal(size=200), rng.uniform(0.2, 0.5, 200))
    result = XDGMM().fit(observations).result_
    tried = try_remedies(result.mixture, observations, result.model, [], shape=True)
    assert len(tried.meta["sentences"]) == 3
    assert all("does not help" in sentence for sentence in tried.meta["sentences"])
    assert (tried["bic_change"] >= 0).all()


def test_nothing_is_tried_where_the_check_passes():
    values, errors, _ = contaminated(np.random.default_rng(3), clean=True)
    assert XDGMM().fit(values, Xerr=errors).check(values, Xerr=errors, progress="never").remedies is None


def test_components_keep_their_numbers_and_widths_their_columns():
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(size=(150, 2)), rng.normal(size=(100, 2)) + 10.0, rng.uniform(-20, 30, (25, 2))])
    observations = Observations.with_standard_errors(x, 0.3, names=["a", "b"], units="km/s")
    result = XDGMM(2, init=np.r_[np.ones(150, int), np.zeros(125, int)]).fit(observations).result_
    tried = try_remedies(result.mixture, observations, result.model, [], shape=True)
    rows = [row for row in tried if row["remedy"] == "a background"]
    for row in rows:
        mean = result.mixture.means[row["component"], result.mixture.names.index(row["axis"])]
        assert abs(row["mean"].value - mean) < 3.0
        assert row["sigma"].unit == "km/s"
    assert "km/s of component" in tried.meta["sentences"][0]
    assert "along a" in tried.meta["sentences"][0]
