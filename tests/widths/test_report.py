"""The intrinsic-width report: every number against an independent one, and as it is printed."""

import io

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from rich.console import Console
from scipy.stats import norm

from xdgmm import XDGMM, InputError, Observations, datasets
from xdgmm.errors import XdgmmWarning
from xdgmm.widths import rich_table, widths
from xdgmm.widths.rendering import with_error


def plain(column):
    return np.asarray(getattr(column, "value", column), dtype=float)


@pytest.fixture(scope="module")
def hydrus():
    stars = Observations.from_table(datasets.load("hydrus1"), "v")
    return stars, XDGMM().fit(stars)


@pytest.fixture(scope="module")
def schools():
    effects = Observations.from_table(datasets.load("eight_schools"), "y")
    return effects, XDGMM().fit(effects)


def test_hydrus_report_holds_the_published_and_the_textbook_numbers(hydrus):
    stars, model = hydrus
    row = model.widths(stars)[0]
    assert row["sigma"].to_value("km/s") == pytest.approx(2.7252541, rel=1e-6)
    assert row["mean"].to_value("km/s") == pytest.approx(80.525735, rel=1e-7)
    assert abs(row["sigma"].value - 2.69) < 0.5  # published 2.69 +0.51 -0.43
    v, e = stars.values[:, 0], stars.noise[:, 0]
    assert row["observed_sigma"].value == pytest.approx(np.std(v, ddof=1), rel=1e-12)
    assert row["observed_sigma"].value == pytest.approx(3.147, abs=5e-4)
    assert row["naive_sigma"].value == pytest.approx(np.sqrt(np.var(v, ddof=1) - np.mean(e**2)), rel=1e-12)
    assert row["naive_sigma"].value == pytest.approx(2.551, abs=5e-4)
    assert row["fwhm"].value == pytest.approx(2.354820045 * row["sigma"].value, rel=1e-9)
    assert row["n_effective"] == pytest.approx(31, rel=1e-12)


def test_errors_scale_with_the_level(hydrus):
    stars, model = hydrus
    one = model.widths(stars, level=0.6826894921370859)[0]
    two = model.widths(stars, level=0.9544997361036416)[0]
    for name in ("sigma_error", "mean_error", "fwhm_error"):
        assert (two[name] / one[name]).value == pytest.approx(2.0, rel=1e-9)
    assert norm.ppf(0.5 + 0.9544997361036416 / 2) == pytest.approx(2.0, rel=1e-9)


def test_units_carry_through(hydrus):
    stars, model = hydrus
    report = model.widths(stars)
    for name in ("mean", "mean_error", "sigma", "sigma_error", "fwhm", "fwhm_error", "observed_sigma", "naive_sigma"):
        assert report[name].unit == u.km / u.s
    assert all(report[name].info.description for name in report.colnames)


def test_a_width_of_zero_is_a_limit_and_never_zero_plus_minus_something(schools):
    effects, model = schools
    row = model.widths(effects)[0]
    assert row["is_limit"]
    assert row["sigma"] == 0.0
    assert row["sigma_limit"] == pytest.approx(10.604, abs=5e-4)
    assert row["fwhm_limit"] == pytest.approx(10.604 * 2.3548, rel=1e-4)
    assert np.ma.is_masked(row["sigma_error"])
    printed = rendered(model.widths(effects))
    assert "<10.6 (95%)" in printed
    assert "0±" not in printed.replace("10±", "")


def test_a_clear_width_has_no_limit(hydrus):
    stars, model = hydrus
    report = model.widths(stars)
    assert not report["is_limit"][0]
    assert np.all(report["sigma_limit"].mask)


def test_components_share_the_members_by_their_probability():
    masses = Observations.from_table(datasets.load("neutron_stars"), "m")
    model = XDGMM(2, random_state=0).fit(masses)
    report = model.widths(masses)
    assert report["n_effective"].sum() == pytest.approx(57, rel=1e-12)
    r = model.predict_proba(masses)[masses.counts]
    x, e = masses.values[masses.counts, 0], masses.noise[masses.counts, 0]
    for k in range(2):
        mean = np.average(x, weights=r[:, k])
        variance = r[:, k] @ (x - mean) ** 2 / (r[:, k].sum() - 1)
        assert report["observed_sigma"][k].value == pytest.approx(np.sqrt(variance), rel=1e-10)
        naive = variance - np.average(e**2, weights=r[:, k])
        assert np.ma.is_masked(report["naive_sigma"][k]) == (naive < 0)


def test_several_columns_have_a_row_and_a_unit_each():
    galaxies = Observations.from_table(datasets.load("tully_fisher"), ["logW20", "B"])
    model = XDGMM().fit(galaxies)
    report = model.widths(galaxies)
    assert report["axis"].tolist() == ["logW20", "B"]
    assert report["unit"].tolist()[1] == "mag"
    assert report["observed_sigma"][1] == pytest.approx(np.std(galaxies.values[:, 1], ddof=1), rel=1e-10)
    printed = rendered(report)
    assert "B [mag]" in printed
    assert report.meta["singular"] == [0]


@pytest.mark.parametrize("name", ["report.ecsv", "report.fits"])
def test_the_report_survives_being_written(hydrus, schools, tmp_path, name):
    from xdgmm.tables import write_table

    for number, (observations, model) in enumerate((hydrus, schools)):
        report = model.widths(observations)
        path = tmp_path / f"{number}{name}"
        write_table(report, path)
        again = QTable.read(path)
        for column in ("mean", "sigma", "fwhm", "observed_sigma"):
            assert plain(again[column]) == pytest.approx(plain(report[column]), rel=1e-15)
        assert np.any(getattr(again["sigma_error"], "mask", False)) == bool(number)  # only the second is a limit


def test_other_data_than_those_fitted_are_noticed(hydrus):
    stars, model = hydrus
    moved = Observations.with_standard_errors(stars.values + 3, stars.noise)
    with pytest.warns(XdgmmWarning, match="not the maximum for these data"):
        widths(model.mixture_, moved)


@pytest.mark.parametrize(("level", "limit_level"), [(0, 0.95), (1, 0.95), (0.68, 0.5), (0.68, 1.0)])
def test_levels_out_of_range_are_refused(schools, level, limit_level):
    effects, model = schools
    with pytest.raises(InputError, match="level"):
        model.widths(effects, level=level, limit_level=limit_level)


def test_only_methods_that_exist_are_accepted(schools):
    effects, model = schools
    assert model.widths(effects, method="information").meta["method"] == "information"
    with pytest.raises(InputError, match="must be one of information"):
        model.widths(effects, method="magic")
    with pytest.raises(InputError, match="must be 'observed' or 'expected'"):
        model.widths(effects, information="guessed")


def test_the_expected_information_gives_the_published_errors():
    table = datasets.load("bcg")
    trials = Observations.with_standard_errors(np.asarray(table["y"]), np.sqrt(np.asarray(table["var_y"])))
    row = XDGMM().fit(trials).widths(trials, information="expected")[0]
    # SE(tau^2) = 0.1443 and SE(tau) = SE(tau^2) / (2 tau); the level 0.6827 is 1.00002 standard errors
    assert row["sigma_error"] * 2 * row["sigma"] == pytest.approx(0.14425, rel=1e-4)
    assert row["mean_error"] == pytest.approx(0.171897, rel=3e-5)


def rendered(report, width=80):
    stream = io.StringIO()
    Console(file=stream, width=width).print(rich_table(report))
    return stream.getvalue()


def test_the_printed_report_fits_eighty_columns(hydrus):
    stars, model = hydrus
    printed = rendered(model.widths(stars))
    assert "80.53±0.57" in printed
    assert "2.73±0.43" in printed
    assert "6.4±1.0" in printed
    assert "…" not in printed
    assert "[km/s]" in printed


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (80.5257, 0.565, "80.53±0.56"),
        (2.7252, 0.4305, "2.73±0.43"),
        (0.0784, 0.0164, "0.078±0.016"),
        (-20.4, 0.194, "-20.40±0.19"),
        (123456.0, 789.0, "1.2346e+05±7.9e+02"),
        (1.0, np.nan, "1"),
        (5.0, np.inf, "5"),
        (3e-12, 4e-13, "3e-12±4e-13"),
    ],
)
def test_two_digits_of_the_error_decide_the_digits_of_the_value(value, error, text):
    assert with_error(value, error) == text
