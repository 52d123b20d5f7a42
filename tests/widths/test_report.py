"""The intrinsic-width report: every number against an independent one, and as it is printed."""

import io

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from rich.console import Console
from scipy import stats
from scipy.stats import norm

from xdgmm import XDGMM, Background, Fixed, GaussianMixture, InputError, Observations, datasets
from xdgmm.errors import XdgmmWarning
from xdgmm.tables.printing import brief, with_error
from xdgmm.uncertainty import background_limit, bootstrap, laplace, profile_interval, sample_posterior
from xdgmm.uncertainty.informative import Informative
from xdgmm.widths import comparison_table, relations, relations_table, rich_table, widths
from xdgmm.widths.parameters import principal_axes


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
    assert row["n_members"] == pytest.approx(31, rel=1e-12)


def test_errors_scale_with_the_level(hydrus):
    stars, model = hydrus
    one = model.widths(stars, level=0.6826894921370859)[0]
    two = model.widths(stars, level=0.9544997361036416)[0]
    for name in ("sigma_error", "mean_error", "fwhm_error"):
        assert (two[name] / one[name]).value == pytest.approx(2.0, rel=1e-9)
    assert (one["sigma_high"] - one["sigma"]).value == pytest.approx(one["sigma_error"].value, rel=1e-9)
    assert (one["sigma"] - one["sigma_low"]).value == pytest.approx(one["sigma_error"].value, rel=1e-9)
    assert norm.ppf(0.5 + 0.9544997361036416 / 2) == pytest.approx(2.0, rel=1e-9)


def test_units_carry_through(hydrus):
    stars, model = hydrus
    report = model.widths(stars)
    for name in ("mean", "mean_error", "sigma", "sigma_error", "fwhm", "fwhm_error", "observed_sigma", "naive_sigma"):
        assert report[name].unit == u.km / u.s
    assert all(report[name].info.description for name in report.colnames)


def test_a_width_of_zero_is_a_limit_and_never_zero_plus_minus_something(schools):
    effects, model = schools
    report = model.widths(effects, limit="likelihood")
    row = report[0]
    assert row["is_limit"]
    assert row["sigma"] == 0.0
    assert row["sigma_limit"] == pytest.approx(10.604, abs=5e-4)
    assert row["fwhm_limit"] == pytest.approx(10.604 * 2.3548, rel=1e-4)
    assert np.ma.is_masked(row["sigma_error"])
    printed = rendered(report)
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
    assert report["n_members"].sum() == pytest.approx(57, rel=1e-12)
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
    assert report["axis"].tolist() == ["logW20", "B", "principal 1", "principal 2"]
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
    with pytest.warns(XdgmmWarning, match="not the maximum"):
        widths(model.mixture_, moved)


@pytest.mark.parametrize(("level", "limit_level"), [(0, 0.95), (1, 0.95), (0.68, 0.5), (0.68, 1.0)])
def test_levels_out_of_range_are_refused(schools, level, limit_level):
    effects, model = schools
    with pytest.raises(InputError, match="level"):
        model.widths(effects, level=level, limit_level=limit_level)


def test_only_methods_that_exist_are_accepted(schools):
    effects, model = schools
    assert model.widths(effects, method="information").meta["method"] == "information"
    with pytest.raises(InputError, match="information, sandwich, profile, bootstrap, mcmc"):
        model.widths(effects, method="magic")
    with pytest.raises(InputError, match="'observed' or 'expected'"):
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
        (123456.0, 789.0, "123460±790"),
        (1000.0, 52.0, "1000±52"),
        (1.23456e9, 789.0, "1.23456e+09±7.9e+02"),
        (1.0, np.nan, "1"),
        (5.0, np.inf, "5"),
        (3e-12, 4e-13, "3e-12±4e-13"),
    ],
)
def test_two_digits_of_the_error_decide_the_digits_of_the_value(value, error, text):
    assert with_error(value, error) == text


# --- Beside the intrinsic width --------------------------------------------------------------------------------------


def test_the_scatter_as_measured_has_the_textbook_errors(hydrus):
    stars, model = hydrus
    row = model.widths(stars)[0]
    s, n = row["observed_sigma"].value, 31
    assert row["observed_sigma_error"].value == pytest.approx(s / np.sqrt(2 * (n - 1)), rel=1e-12)
    naive = row["naive_sigma"].value
    assert row["naive_sigma_error"].value == pytest.approx(s**2 / (naive * np.sqrt(2 * (n - 1))), rel=1e-12)
    assert row["observed_off"] == pytest.approx((s - row["sigma"].value) / row["observed_sigma_error"].value, rel=1e-12)
    assert row["naive_off"] == pytest.approx((naive - row["sigma"].value) / row["naive_sigma_error"].value, rel=1e-12)
    assert row["instrumental_sigma"].value == pytest.approx(np.median(stars.noise), rel=1e-12)


def test_the_error_of_the_observed_scatter_is_its_scatter():
    rng = np.random.default_rng(3)
    n, found = 40, []
    for _ in range(200):
        x, e = rng.normal(0, 1, n), rng.uniform(0.2, 0.8, n)
        row = XDGMM().fit(x, Xerr=e).widths(x, Xerr=e)[0]
        found.append(
            (
                row["observed_sigma"],
                row["observed_sigma_error"],
                row["instrumental_sigma"],
                row["instrumental_sigma_error"],
            )
        )
    values, errors, medians, median_errors = np.array(found).T
    # The scatter of 200 values is known to 5%.
    assert np.std(values) == pytest.approx(errors.mean(), rel=0.15)
    assert np.std(medians) == pytest.approx(median_errors.mean(), rel=0.25)


# --- Axes, relations and units ----------------------------------------------------------------------------------------


def turned(seed, N=200):
    """Two correlated columns with one unit."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, 2)) @ np.array([[2.0, 1.0], [0.0, 0.7]])
    e = rng.uniform(0.2, 0.6, (N, 2))
    return Observations.with_standard_errors(x + e * rng.standard_normal((N, 2)), e, names=["a", "b"], units="km/s")


def test_principal_axes_are_those_of_the_intrinsic_covariance():
    observations = turned(4)
    model = XDGMM().fit(observations)
    report = model.widths(observations)
    values, vectors = np.linalg.eigh(model.covariances_[0])
    for i, row in enumerate(report[2:]):
        assert row["axis"] == f"principal {i + 1}"
        assert row["sigma"].value == pytest.approx(np.sqrt(values[1 - i]), rel=1e-12)
        along = np.array([row["along_a"], row["along_b"]])
        assert abs(along @ vectors[:, 1 - i]) == pytest.approx(1.0, rel=1e-12)
        # The same data turned to that axis have the same width, error and scatter along their first column.
        matrix = np.array([along, [-along[1], along[0]]])
        again = observations.transform(matrix, names=["u", "v"])
        other = XDGMM().fit(again).widths(again)[0]
        for name in ("sigma", "sigma_error", "observed_sigma", "instrumental_sigma", "naive_sigma"):
            assert row[name].value == pytest.approx(other[name].value, rel=2e-4), name


@pytest.mark.parametrize(
    ("band", "slope", "zero_point"),
    [
        ("B", -8.0474, -19.7752),
        ("V", -8.8718, -20.3319),
        ("R", -8.7861, -20.6456),
        ("I", -9.2452, -21.1183),
        ("H", -11.0482, -21.7306),
    ],
)
def test_the_tully_fisher_relations_are_the_published_ones(band, slope, zero_point):
    table = datasets.load("tully_fisher")
    table = table[np.isfinite(np.asarray(table[band].value)) & np.isfinite(np.asarray(table["logW20"]))]
    galaxies = Observations.from_table(table, ["logW20", band])
    model = XDGMM().fit(galaxies)
    found = {row["quantity"]: row for row in model.relations(galaxies, pivot=2.5)}
    assert found["slope of the major axis"]["value"] == pytest.approx(slope, abs=2e-4)
    assert found["zero point of the major axis"]["value"] == pytest.approx(zero_point, abs=2e-4)
    published = {"B": (0.63, 0.11), "V": (0.57, 0.08), "R": (0.50, 0.07), "I": (0.57, 0.07), "H": (0.75, 0.07)}[band]
    # Jackknife errors of 21 galaxies (Bovy et al. 2011): known to some 15%, and another estimator.  Where the errors
    # of the galaxies explain more than all the scatter, what they imply is larger than what the scatter shows.
    assert 0.5 < found["slope of the major axis"]["error"] / published[0] < 1.6
    assert 0.5 < found["zero point of the major axis"]["error"] / published[1] < (1.6 if band == "B" else 2.2)
    if band != "B":
        assert found["scatter across the major axis"]["value"] == pytest.approx(0.0, abs=1e-6)


def test_relations_and_their_errors_follow_from_the_covariance():
    observations = turned(5)
    model = XDGMM().fit(observations)
    found = {row["quantity"]: row for row in model.relations(observations)}
    (m,), (V,) = model.means_, model.covariances_
    assert found["slope of y given x"]["value"] == pytest.approx(V[0, 1] / V[0, 0], rel=1e-12)
    assert found["scatter of y given x"]["value"] == pytest.approx(np.sqrt(V[1, 1] - V[0, 1] ** 2 / V[0, 0]), rel=1e-12)
    assert found["zero point of y given x"]["value"] == pytest.approx(m[1] - V[0, 1] / V[0, 0] * m[0], rel=1e-12)
    assert found["correlation"]["value"] == pytest.approx(V[0, 1] / np.sqrt(V[0, 0] * V[1, 1]), rel=1e-12)
    # The delta method, by hand, on the covariance of the parameters.
    errors = laplace(model.mixture_, observations).covariance
    gradient = np.zeros(6)
    gradient[3:] = [-V[0, 1] / V[0, 0] ** 2, 1 / V[0, 0], 0.0]
    assert found["slope of y given x"]["error"] == pytest.approx(np.sqrt(gradient @ errors @ gradient), rel=1e-3)
    printed = io.StringIO()
    Console(file=printed, width=100).print(relations_table(model.relations(observations)))
    assert "slope of y given x" in printed.getvalue()


def test_the_separation_of_two_components_is_ashmans_d():
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0, 1, 150), rng.normal(6, 2, 150)])
    model = XDGMM(2, random_state=0).fit(x, Xerr=0.3)
    row = model.relations(x, Xerr=0.3)[0]
    s = model.mixture_.sigmas.ravel()
    ashman = np.sqrt(2) * abs(np.diff(model.means_.ravel())[0]) / np.hypot(*s)
    assert row["value"] == pytest.approx(ashman, rel=1e-12)
    with pytest.raises(InputError, match="relate"):
        XDGMM().fit(x, Xerr=0.3).relations(x, Xerr=0.3)


def test_proper_motions_at_a_distance_are_velocities():
    rng = np.random.default_rng(7)
    unit = u.mas / u.yr
    motions = Observations.with_standard_errors(rng.normal(2.0, 1.5, 200) * unit, 0.3 * unit)
    model = XDGMM().fit(motions)
    plain_row = model.widths(motions)[0]
    row = model.widths(motions, distance=10 * u.kpc, distance_error=0.5 * u.kpc)[0]
    factor = 4.740470463 * 10  # km/s for 1 mas/yr at 10 kpc: 1 au per year in km/s
    assert row["sigma"].to_value("km/s") == pytest.approx(factor * plain_row["sigma"].value, rel=1e-8)
    expected = factor * np.hypot(plain_row["sigma_error"].value, 0.05 * plain_row["sigma"].value)
    assert row["sigma_error"].value == pytest.approx(expected, rel=1e-4)  # 0.6827 is 1.00002 standard errors
    expected = factor * np.hypot(plain_row["mean_error"].value, 0.05 * plain_row["mean"].value)
    assert row["mean_error"].value == pytest.approx(expected, rel=1e-4)
    wide = model.widths(motions, distance=10 * u.kpc, distance_error=0.5 * u.kpc, level=0.95)[0]
    assert wide["sigma_error"].value == pytest.approx(1.959964 * row["sigma_error"].value, rel=1e-4)
    assert row["observed_sigma"].value == pytest.approx(factor * plain_row["observed_sigma"].value, rel=1e-8)


@pytest.mark.parametrize("convention", ["optical", "radio", "relativistic"])
@pytest.mark.parametrize("kind", ["wavelength", "energy"])
def test_lines_beside_a_rest_value_are_velocities(convention, kind):
    rng = np.random.default_rng(8)
    rest = 6562.8 * u.AA
    position = (6600.0 + rng.normal(0.0, 2.0, 150)) * u.AA
    error = np.full(150, 0.5) * u.AA
    if kind == "energy":
        position, error = position.to(u.eV, u.spectral()), (error / position * position.to(u.eV, u.spectral())).to(u.eV)
    lines = Observations.with_standard_errors(position, error)
    model = XDGMM().fit(lines)
    row = model.widths(lines, rest=rest, convention=convention)[0]
    velocities = position.to_value(u.km / u.s, getattr(u, f"doppler_{convention}")(rest))
    # The same widths from the velocities of all lines: the map is straight to the width over the distance from rest.
    step = np.abs(np.gradient(velocities[np.argsort(position)], np.sort(position.value)).mean())
    again = XDGMM().fit(velocities, Xerr=error.value * step).widths(velocities, Xerr=error.value * step)[0]
    assert row["sigma"].to_value("km/s") == pytest.approx(again["sigma"], rel=2e-3)
    assert row["mean"].to_value("km/s") == pytest.approx(again["mean"], rel=1e-4)
    assert row["sigma_error"].value == pytest.approx(again["sigma_error"], rel=1e-2)
    assert convention in model.widths(lines, rest=rest, convention=convention).meta["remarks"][-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": 10 * u.kpc, "rest": 5000 * u.AA}, "`distance`"),
        ({"distance_error": 1 * u.kpc}, "`distance`"),
        ({"distance": 10 * u.s}, "length"),
        ({"distance": 10.0}, "length"),
        ({"distance": -3 * u.kpc}, "length"),
        ({"distance": [1, 2] * u.kpc}, "length"),
        ({"distance": 10 * u.kpc, "distance_error": 1 * u.s}, "unit of the distance"),
        ({"distance": 10 * u.kpc, "distance_error": -1 * u.kpc}, "positive length"),
        ({"rest": 5000 * u.AA}, "wavelengths, frequencies or energies"),
        ({"rest": 5000.0}, "`rest`.*Quantity"),
        ({"rest": np.inf * u.AA}, "`rest`.*Quantity"),
        ({"convention": "foo"}, "optical"),
        ({"samples": 3}, "samples"),
        ({"samples": 3, "method": "bootstrap"}, "BootstrapSamples"),
        ({"level": "a"}, "between 0 and 1"),
        ({"rest": 5000 * u.AA, "convention": "classical"}, "optical, radio, relativistic"),
    ],
)
def test_velocities_that_cannot_be_are_one_sentence(options, message):
    motions = Observations.with_standard_errors(np.arange(20.0) * u.mas / u.yr, 0.3 * u.mas / u.yr)
    model = XDGMM().fit(motions)
    with pytest.raises(InputError, match=message):
        model.widths(motions, **options)


# --- Methods ----------------------------------------------------------------------------------------------------------


def test_methods_agree_where_there_are_many_objects():
    rng = np.random.default_rng(9)
    x, e = rng.normal(0, 2, 3000), rng.uniform(0.5, 1.5, 3000)
    model = XDGMM().fit(x, Xerr=e)
    rows = {m: model.widths(x, Xerr=e, method=m)[0] for m in ("information", "sandwich", "profile")}
    samples = bootstrap(
        model.result_, Observations.with_standard_errors(x, e), n_resamples=300, rng=0, progress="never"
    )
    rows["bootstrap"] = model.widths(x, Xerr=e, method="bootstrap", samples=samples)[0]
    for method, row in rows.items():
        # The bootstrap's error is known to 1/sqrt(2 * 300) = 4%.
        assert row["sigma_error"] == pytest.approx(rows["information"]["sigma_error"], rel=0.12), method
        assert row["mean_error"] == pytest.approx(rows["information"]["mean_error"], rel=0.12), method


def test_profile_intervals_are_asymmetric_and_printed_so(hydrus):
    stars, model = hydrus
    report = model.widths(stars, method="profile")
    row = report[0]
    up, down = row["sigma_high"] - row["sigma"], row["sigma"] - row["sigma_low"]
    assert up > 1.1 * down
    assert up.value == pytest.approx(0.51, abs=0.05)  # published 2.69 +0.51 -0.43
    assert down.value == pytest.approx(0.43, abs=0.05)
    assert f"2.73+{up.value:.2f}-{down.value:.2f}" in str(report)


def test_methods_without_what_they_need_are_refused(hydrus):
    stars, model = hydrus
    for method in ("bootstrap", "mcmc"):
        with pytest.raises(InputError, match="result"):
            widths(model.mixture_, stars, method=method)


# --- Printing ---------------------------------------------------------------------------------------------------------


def test_a_report_prints_itself_everywhere(hydrus, tmp_path):
    stars, model = hydrus
    report = model.widths(stars)
    for text in (str(report), report._repr_html_()):
        assert "80.53±0.57" in text
        assert "3.15±0.41" in text
    assert "mean" in str(report["mean", "sigma"])  # columns taken away: an ordinary table
    report.write(tmp_path / "report.tex", format="latex")
    report.write(tmp_path / "report.ecsv")
    assert "sigma" in (tmp_path / "report.tex").read_text()
    assert QTable.read(tmp_path / "report.ecsv").meta["method"] == "information"


def test_both_tables_fit_eighty_columns_with_asymmetric_errors():
    masses = Observations.from_table(datasets.load("neutron_stars"), "m")
    report = XDGMM(2, random_state=0).fit(masses).widths(masses, method="profile")
    for table in (rich_table(report), comparison_table(report)):
        stream = io.StringIO()
        Console(file=stream, width=90).print(table)
        assert "…" not in stream.getvalue()


def test_what_is_held_and_what_is_background_is_said():
    rng = np.random.default_rng(10)
    x = np.concatenate([rng.normal(0, 1, 300), rng.uniform(-30, 30, 20)])
    model = XDGMM(1, means_init=[[0.0]], fixed=Fixed(means=(0,)), background=Background(-30.0, 30.0)).fit(x, Xerr=0.2)
    text = " ".join(str(model.widths(x, Xerr=0.2)).split())
    assert "background: " in text
    assert "their true values uniform over its box" in text
    assert "edges" not in text
    for background, words in (
        (Background(), "its edges are fitted, and all errors are those for these edges"),
        (Background(of="measured values"), "their errors play no part in it"),
    ):
        other = XDGMM(1, background=background).fit(x, Xerr=0.2).widths(x, Xerr=0.2)
        assert words in other.meta["remarks"][0]
        assert other.meta["background"]["of"] == background.of
    assert "held fixed, so without errors: means of 0" in text


def test_lines_of_two_columns_have_no_principal_axes_in_velocity():
    rng = np.random.default_rng(11)
    x = rng.normal([5000.0, 10000.0], 2.0, (80, 2))
    lines = Observations.with_standard_errors(x * u.AA, np.full((80, 2), 0.3) * u.AA)
    model = XDGMM().fit(lines)
    assert model.widths(lines, rest=5000 * u.AA)["axis"].tolist() == ["x1", "x2"]
    offsets = Observations.with_standard_errors((x[:, 0] - 5001.0) * u.AA, 0.3 * u.AA)
    model = XDGMM().fit(offsets)
    with pytest.raises(InputError, match="not offsets"):
        model.widths(offsets, rest=5000 * u.AA)


def test_an_axis_that_may_have_no_width_is_a_limit_even_where_the_best_one_is_not_zero():
    table = datasets.load("tully_fisher")
    galaxies = Observations.from_table(table, ["logW20", "B"])
    report = XDGMM().fit(galaxies).widths(galaxies)
    narrow = report[3]
    assert narrow["axis"] == "principal 2"
    assert narrow["is_limit"]
    assert narrow["sigma_limit"] == pytest.approx(0.0492, abs=5e-4)


def test_intervals_stay_where_a_number_can_be():
    rng = np.random.default_rng(12)
    x = np.concatenate([rng.normal(0, 1, 60), rng.normal(12, 1, 2)])
    model = XDGMM(2, covariance_type="tied", means_init=[[0.0], [12.0]]).fit(x, Xerr=0.3)
    report = model.widths(x, Xerr=0.3, level=0.95)
    assert report["weight_low"].min() >= 0.0
    assert report["weight_high"].max() <= 1.0
    assert report["weight"][1] - report["weight_error"][1] < 0.0  # the symmetric interval would leave it


# --- Posterior samples -----------------------------------------------------------------------------------------------


def test_a_report_of_the_posterior_holds_its_medians_and_quantiles():
    observations = turned(13, N=60)
    model = XDGMM().fit(observations)
    samples = sample_posterior(model.result_, observations, n_steps=2500, rng=0, progress="never")
    report = model.widths(observations, method="mcmc", samples=samples)
    sigmas = samples.sigmas[:, 0, 0]
    row = report[0]
    assert row["sigma"].value == pytest.approx(np.median(sigmas), rel=1e-12)
    low, high = np.quantile(sigmas, [0.5 - 0.5 * 0.6827, 0.5 + 0.5 * 0.6827])
    assert row["sigma_low"].value == pytest.approx(low, rel=1e-12)
    assert row["sigma_high"].value == pytest.approx(high, rel=1e-12)
    slopes = samples.covariances[:, 0, 0, 1] / samples.covariances[:, 0, 0, 0]
    found = {r["quantity"]: r for r in model.relations(observations, samples=samples)}["slope of y given x"]
    assert found["value"] == pytest.approx(np.median(slopes), rel=1e-6)
    assert found["low"] == pytest.approx(np.quantile(slopes, 0.5 - 0.5 * 0.6827), rel=1e-9)
    assert "half-Cauchy" in str(report)
    other = XDGMM().fit(turned(14, N=60))
    with pytest.raises(InputError, match="of another fit"):
        other.widths(turned(14, N=60), method="mcmc", samples=samples)


def test_the_limit_of_a_posterior_is_its_quantile(schools):
    effects, model = schools
    samples = sample_posterior(model.result_, effects, n_steps=1500, rng=0, progress="never")
    row = model.widths(effects, method="mcmc", samples=samples)[0]
    assert row["is_limit"]
    assert row["sigma_limit"] == pytest.approx(np.quantile(samples.sigmas, 0.95), rel=1e-12)


def test_relations_of_a_bare_mixture_are_those_of_its_covariance_type():
    observations = turned(15)
    model = XDGMM(covariance_type="diag").fit(observations)
    of_fit, of_mixture = (relations(fitted, observations) for fitted in (model.result_, model.mixture_))
    # Free correlations would give the correlation an error, and the scatter of y given x a larger one.
    np.testing.assert_allclose(
        plain(np.ma.filled(of_mixture["error"], -1)), plain(np.ma.filled(of_fit["error"], -1)), rtol=1e-9
    )
    assert of_mixture["error"][0] == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, o: m.relations(o, samples=3), "needs SampledMixtures"),
        (lambda m, o: m.relations(o, pivot="a"), "`pivot` is 'a'"),
        (lambda m, o: m.widths(o, limit_level="x"), "`limit_level` is 'x', but it must be between 0.5 and 1"),
        (lambda m, o: m.widths(o, method="bootstrap", rng="a"), "`rng` is 'a'"),
        (lambda m, o: bootstrap(m.mixture_, o), "a FitResult is needed"),
        (lambda m, o: background_limit(m.mixture_, o), "has no background"),
        (lambda m, o: profile_interval(m.mixture_, o, 0, 0.5), "`axis` is 0.5"),
    ],
)
def test_arguments_that_cannot_be_are_one_sentence(call, message):
    observations = turned(16, N=30)
    model = XDGMM().fit(observations)
    with pytest.raises(InputError) as raised:
        call(model, observations)
    assert message in str(raised.value)


def test_few_precise_objects_are_said_to_determine_a_width():
    # Two objects with errors .3 among six with errors of 4: the others tell next to nothing of a width of about 2.
    errors = np.array([0.3, 0.3, 4, 4, 4, 4, 4, 4])
    values = 2.0 * np.array([-1.1, 0.9, 0.3, -0.4, 1.2, -0.8, 0.1, 0.5])
    observations = Observations.with_standard_errors(values, errors)
    model = XDGMM().fit(observations)
    report = model.widths(observations)
    h = 1.0 / (model.covariances_.ravel() + errors**2) ** 2  # twice the information on the variance
    assert report["n_informative"][0] == pytest.approx(h.sum() ** 2 / (h**2).sum(), rel=1e-12)
    assert 2.0 < report["n_informative"][0] < 2.5
    assert any("few objects" in remark for remark in report.meta["remarks"])


@pytest.mark.parametrize("D", [1, 2])
def test_with_one_noise_for_all_every_member_is_as_informative(D):
    rng = np.random.default_rng(14)
    weights = rng.integers(1, 4, 40).astype(float)
    observations = Observations.with_standard_errors(rng.standard_normal((40, D)) * 2.0, 0.5, weights)
    report = XDGMM().fit(observations).widths(observations)
    np.testing.assert_allclose(np.asarray(report["n_informative"]), weights.sum(), rtol=1e-10)
    assert not any("few objects" in remark for remark in report.meta["remarks"])
    assert any("errors scale with them" in remark for remark in report.meta["remarks"])
    assert "errors scale with them" in " ".join(str(report).split())


def test_the_informative_size_of_many_objects_is_found_from_a_part():
    rng = np.random.default_rng(15)
    errors = rng.uniform(0.2, 3.0, 50_001)
    observations = Observations.with_standard_errors(rng.standard_normal(errors.size) * np.hypot(1.0, errors), errors)
    model = XDGMM().fit(observations)
    h = 1.0 / (model.covariances_.ravel() + errors**2) ** 2
    found = model.widths(observations)["n_informative"][0]
    assert found == pytest.approx(h.sum() ** 2 / (h**2).sum(), rel=0.03)  # 16,667 of them: h varies by half its mean


def test_memberships_that_nearly_vanish_count_relative_to_each_other():
    errors = np.array([0.5, 1.0, 2.0, 1.0, 0.7])
    observations = Observations.with_standard_errors(np.arange(5.0), errors)
    memberships = np.array([1e-200, 3e-200, 1e-200, 0.0, 2e-200])
    found = Informative.of(observations, memberships, np.array([2.0]), np.array([[1.5]])).size_along(np.ones(1))
    h = memberships * 1e200 / (1.5 + errors**2) ** 2
    assert found == pytest.approx(h.sum() ** 2 / (h**2).sum(), rel=1e-12)
    nobody = Informative.of(observations, np.zeros(5), np.array([2.0]), np.array([[1.5]]))
    assert np.isnan(nobody.size_along(np.ones(1)))


def test_components_that_share_a_width_learn_of_it_from_the_members_of_all():
    rng = np.random.default_rng(16)
    x = np.concatenate([rng.normal(0, 1, 12), rng.normal(50, 1, 3)])
    model = XDGMM(2, covariance_type="tied", means_init=[[0.0], [50.0]]).fit(x, Xerr=0.5)
    np.testing.assert_allclose(np.asarray(model.widths(x, Xerr=0.5)["n_informative"]), 15.0, rtol=1e-10)


# --- Limits by simulation --------------------------------------------------------------------------------------------

EIGHT = np.array([2.59, 0.48, 0.38, 7.76, -6.83, -0.34, -6.95, -0.97])
EIGHT_ERRORS = np.array([6.48, 7.2, 0.12, 2.99, 7.52, 0.56, 2.57, 10.68])


def test_limits_of_few_objects_are_simulated_and_the_report_says_so():
    model = XDGMM().fit(EIGHT, Xerr=EIGHT_ERRORS)
    automatic, likelihood = (model.widths(EIGHT, Xerr=EIGHT_ERRORS, limit=rule) for rule in ("auto", "likelihood"))
    assert likelihood["sigma_limit"][0] == pytest.approx(4.034, abs=1e-3)
    assert automatic["sigma_limit"][0] > 1.5 * likelihood["sigma_limit"][0]
    assert "simulation" in " ".join(automatic.meta["remarks"])
    assert "simulation" not in " ".join(likelihood.meta["remarks"])
    assert automatic["sigma_limit"][0] == model.widths(EIGHT, Xerr=EIGHT_ERRORS)["sigma_limit"][0]
    assert automatic.meta["limit"] == "auto"


def test_simulated_limits_exist_for_resolved_widths_too():
    x = np.random.default_rng(30).normal(0, 2, (9, 2))
    model = XDGMM().fit(x, Xerr=np.ones((9, 2)))
    report = model.widths(x, Xerr=np.ones((9, 2)), limit="simulated")
    assert np.isfinite(np.asarray(report["sigma_limit"], dtype=float)).all()
    assert not np.asarray(report["is_limit"]).all()
    limits, sigmas = np.asarray(report["sigma_limit"]), np.asarray(report["sigma"])
    assert (limits > sigmas).all()
    assert all(f"<{brief(limit)} (95%)" in str(report) for limit in limits)
    assert limits[2] >= limits[:2].max()
    assert limits[2] >= limits[3]
    with pytest.raises(InputError, match="likelihood, simulated"):
        model.widths(x, Xerr=np.ones((9, 2)), limit="exact")
    with pytest.raises(InputError, match="`n_jobs` is 0"):
        model.widths(x, Xerr=np.ones((9, 2)), limit="simulated", n_jobs=0)


def test_the_profile_method_gives_students_interval_of_a_mean_of_few_exact_values():
    x = np.random.default_rng(31).normal(0, 2, 6)
    row = XDGMM().fit(x).widths(x, method="profile")[0]
    half = stats.t.ppf(0.5 + 0.5 * 0.6827, 5) * x.std(ddof=1) / np.sqrt(6)
    assert row["mean_high"] - row["mean"] == pytest.approx(half, rel=0.05)
    assert row["mean"] - row["mean_low"] == pytest.approx(half, rel=0.05)


def test_the_profile_method_covers_weights_of_mixtures():
    rng = np.random.default_rng(32)
    x = np.concatenate([rng.normal(0, 1, 12), rng.normal(100, 1, 28)])
    model = XDGMM(2, random_state=0).fit(x, Xerr=0.1)
    report = model.widths(x, Xerr=0.1, method="profile", level=0.95)
    row = report[int(np.argmin(np.asarray(report["weight"])))]
    for p in (row["weight_low"], row["weight_high"]):  # binomial, 12 of 40
        deviance = 2 * (12 * np.log(0.3 / p) + 28 * np.log(0.7 / (1 - p)))
        assert deviance == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-4)


def test_a_direction_without_width_is_exactly_zero_whatever_the_units_of_the_columns():
    rng = np.random.default_rng(0)
    for scale in (1.0, 1e-12, 1e9):
        factors = rng.standard_normal((200, 3, 2)) * np.array([1.0, scale, 1.0])[:, None]
        flat = GaussianMixture(np.full(200, 0.005), np.zeros((200, 3)), factors @ factors.swapaxes(1, 2))
        assert (principal_axes(flat)[0][:, 2] == 0).all()
        assert (principal_axes(flat)[0][:, 0] > 0).all()
    graded = GaussianMixture([1.0], [[0.0, 0.0]], [np.diag([1.0, 1e-24])])
    np.testing.assert_allclose(principal_axes(graded)[0], [[1.0, 1e-12]], rtol=1e-12)
