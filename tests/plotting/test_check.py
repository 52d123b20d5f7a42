"""Pictures of checks and of candidates show the numbers that they are made of."""

from dataclasses import replace

import numpy as np
import pytest

from xdgmm import XDGMM, GaussianMixture, InputError, Observations, datasets, select
from xdgmm.plotting import plot_candidates, plot_check
from xdgmm.selection import table_of


@pytest.fixture(scope="module")
def checks():
    stars = Observations.from_table(datasets.load("hydrus1"), "v")
    rng = np.random.default_rng(3)
    clumps = Observations.with_standard_errors(rng.choice([-6.0, 6.0], 100) + rng.normal(size=100), 0.5, names="v")
    return [XDGMM().fit(each).check(each, n_simulations=39) for each in (stars, clumps)]


def test_a_picture_of_a_check_has_its_quantiles_and_its_tests(checks):
    for check in checks:
        figure = plot_check(check, "v")
        quantiles, tests = figure.axes
        band, dots = quantiles.collections[0], quantiles.lines[1].get_xydata()
        np.testing.assert_array_equal(dots, np.transpose([check.quantiles["expected"], check.quantiles["residual"]]))
        corners = band.get_paths()[0].vertices[:, 1]
        assert corners.min() == check.quantiles["low"].min()
        assert corners.max() == check.quantiles["high"].max()
        names = [label.get_text() for label in tests.get_yticklabels()]
        assert names == list(check.table["name"])
        assert figure.get_suptitle() == "v"


def test_tests_that_do_not_pass_stand_apart_and_outside_their_bar(checks):
    passed, failed = checks
    labels = [plot_check(each).axes[1].get_legend_handles_labels()[1] for each in checks]
    assert (passed.passed, failed.passed) == (True, False)
    assert "does not pass" not in labels[0]
    assert "does not pass" in labels[1]
    axes = plot_check(failed).axes[1]
    dots = {round(y): x for line in axes.lines for x, y in line.get_xydata()}
    bars = {
        round(bar.get_y() + bar.get_height() / 2): (bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches
    }
    n = len(failed.table)
    for i, row in enumerate(failed.table):
        low, high = bars[n - 1 - i]
        outside = not low <= dots[n - 1 - i] <= high
        z = (row["effect"] - failed.simulated[:, i].mean()) / failed.simulated[:, i].std()
        assert np.sinh(dots[n - 1 - i]) == pytest.approx(z)
        if row["name"] in set(failed.failed["name"]):
            assert outside


def test_the_legend_of_a_check_says_which_tests_are_outside_their_range(checks):
    passed, _ = checks
    table, simulated = passed.table.copy(), passed.simulated
    low, high = np.quantile(simulated, [0.025, 0.975], axis=0)
    table["effect"] = 0.5 * (low + high)
    table["effect"][1], table["effect"][2] = high[1] + 1e-3, low[2] - 1e-3
    axes = plot_check(replace(passed, table=table)).axes[1]
    shown = {each.get_label(): each.get_ydata() for each in axes.lines}
    n = len(table)
    assert shown[f"outside, but not unusual among {n} tests"].tolist() == [n - 2, n - 3]
    assert len(shown["within its range"]) == n - 2
    assert "does not pass" not in shown
    assert "as expected" not in shown
    assert "arcsinh" in axes.get_xlabel()
    bars, labels = axes.get_legend_handles_labels()
    assert labels[-1] == "95% of samples"
    assert bars[-1][0].get_facecolor() == axes.patches[0].get_facecolor()
    looks = {(each.get_color(), each.get_markerfacecolor()) for each in axes.lines}
    assert len(looks) == 2


def test_a_check_without_samples_cannot_be_drawn(checks):
    with pytest.raises(InputError, match="check the fit again"):
        plot_check(replace(checks[0], quantiles=None))


@pytest.mark.parametrize("criterion", ["bic", "cv", "bootstrap"])
def test_a_picture_of_candidates_has_their_numbers(criterion, tmp_path):
    rng = np.random.default_rng(4)
    values = rng.choice([-6.0, 6.0], 80) + rng.normal(size=80)
    found = select(
        values, Xerr=0.5, n_components=range(1, 4), criterion=criterion, n_simulations=19, n_folds=3, random_state=0
    )
    found.estimator.mixture_.write(tmp_path / "m.fits")
    again = table_of(GaussianMixture.read(tmp_path / "m.fits"))
    for each in (found, found.table, again):
        top, bottom = plot_candidates(each).axes
        np.testing.assert_allclose(
            top.lines[0].get_ydata(), found.table["log_likelihood"] - found.table["log_likelihood"][0]
        )
        ring = bottom.lines[-1].get_xydata()[0]
        assert ring[0] == found.n_components
        if criterion != "bootstrap":
            assert ring[1] == 0.0 or criterion == "cv"
        assert top.get_legend() is None


def test_each_covariance_type_has_its_line_and_ended_candidates_leave_gaps():
    rng = np.random.default_rng(5)
    found = select(
        rng.normal(size=(60, 2)), Xerr=0.5, n_components=[1, 2], covariance_types=("full", "diag"), random_state=0
    )
    top, _ = plot_candidates(found).axes
    assert top.get_legend_handles_labels()[1] == ["full", "diag"]
    table = found.table.copy()
    table["log_likelihood"][1] = np.nan
    lines = plot_candidates(table).axes[0].lines
    assert sum(np.isnan(line.get_ydata()).sum() for line in lines) == 1
    table["log_likelihood"] = np.nan
    with pytest.raises(InputError, match="no candidate of this table was fitted"):
        plot_candidates(table)


@pytest.mark.parametrize("wrong", [None, 3, datasets.load("hydrus1")])
def test_what_is_no_selection_is_refused_in_one_sentence(wrong):
    with pytest.raises(InputError, match="no table of candidates"):
        plot_candidates(wrong)
