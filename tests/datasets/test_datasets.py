"""The bundled tables say what their sources say, and reproduce numbers published about them."""

import csv
import doctest
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from scipy.stats import multivariate_normal, norm

from xdgmm import datasets, lines
from xdgmm.errors import InputError
from xdgmm.tables import read_spectrum

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "xdgmm" / "datasets" / "source"
ROWS = {
    "bcg": 13,
    "berkey": 5,
    "eight_schools": 8,
    "hydrus1": 31,
    "mn_kalpha": 8,
    "neutron_stars": 74,
    "nist_gauss1": 250,
    "nist_gauss2": 250,
    "nist_gauss3": 250,
    "simulated_sdss": 1479,
    "tully_fisher": 21,
}
UNITS = {
    "berkey": {"pd": u.mm, "al": u.mm, "var_pd": u.mm**2, "cov_pd_al": u.mm**2, "var_al": u.mm**2},
    "hydrus1": {"v": u.km / u.s, "e_v": u.km / u.s},
    "mn_kalpha": {"energy": u.eV, "natural_fwhm": u.eV},
    "neutron_stars": {"m": u.solMass, "e_m": u.solMass},
    "tully_fisher": {e + band: u.mag for band in "BVRIH" for e in ("", "e_")}
    | {e + incl: u.deg for incl in ("incl_1", "incl_2") for e in ("", "e_")},
}
every_set = pytest.mark.parametrize("name", ROWS)
every_nist_set = pytest.mark.parametrize("name", [name for name in ROWS if name.startswith("nist")])


@pytest.fixture
def builder():
    spec = importlib.util.spec_from_file_location("build_datasets", ROOT / "tools" / "build_datasets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def source_rows(name):
    """Read the rows of a source as text, without the reader that built the FITS file."""
    lines = (SOURCES / f"{name}.ecsv").read_text(encoding="ascii").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def test_names_lists_every_set_and_nothing_else():
    assert datasets.names() == tuple(ROWS)
    assert {path.stem for path in SOURCES.glob("*.ecsv")} == set(ROWS)


@every_set
def test_a_set_has_its_rows_its_units_and_a_description_of_every_column(name):
    table = datasets.load(name)
    assert len(table) == ROWS[name]
    assert {column: table[column].unit for column in table.colnames if table[column].unit} == UNITS.get(name, {})
    assert all(table[column].info.description for column in table.colnames)


def test_the_path_is_that_of_the_file():
    assert datasets.path("hydrus1").is_file()
    with pytest.raises(InputError, match="hydrus1"):
        datasets.path("hydrus")


def test_the_simulated_spectrum_gives_its_truth():
    """And what it cannot show as a limit."""
    spectrum = read_spectrum(datasets.path("simulated_sdss"))
    ionised = lines.Group("ionised", [6564.61, (6585.27, "NII"), (6549.86, "NII", 1 / 3.05)], z=0.0231)
    fit = lines.fit_lines(
        spectrum, groups=[ionised, lines.Group("OI", [6302.05], z=0.0231)], windows=[(6400, 6500), (6640, 6790)]
    )
    assert abs(fit.velocity[0].value - 12.0) < 3 * fit.velocity_error[0].value
    assert abs(fit.intrinsic_variance[0].value - 58.0**2) < 3 * fit.intrinsic_variance_error[0].value
    assert abs(fit.lines["flux"][0].value - 190.0) < 3 * fit.lines["flux_error"][0].value
    assert fit.is_limit[1]
    assert fit.upper_limit()[1].value > 25.0


@every_set
def test_a_set_says_where_it_comes_from(name):
    meta = datasets.load(name).meta
    for key in ("title", "citation", "source", "licence", "notes"):
        assert isinstance(meta[key], str)
        assert len(meta[key]) > 10


@every_set
def test_every_value_equals_its_source_and_every_blank_is_nan(name):
    table = datasets.load(name)
    rows = source_rows(name)
    assert table.colnames == list(rows[0])
    for column in table.colnames:
        values = getattr(table[column], "value", table[column])
        if values.dtype.kind == "U":
            assert list(values) == [row[column] for row in rows]
        else:
            np.testing.assert_array_equal(values, [float(row[column] or "nan") for row in rows])


@every_set
def test_numbers_come_in_the_byte_order_of_the_machine(name):
    table = datasets.load(name)
    assert all(table[column].dtype.isnative for column in table.colnames)


@every_set
def test_the_bundled_file_is_what_the_builder_makes_of_its_source(name, builder, tmp_path):
    built = builder.build(SOURCES / f"{name}.ecsv", tmp_path / "built.fits")
    difference = fits.FITSDiff(built, ROOT / "xdgmm" / "datasets" / "data" / f"{name}.fits")
    assert difference.identical, difference.report()


def test_the_builder_writes_the_same_bytes_every_time(builder, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = builder.build_all(target=tmp_path / "first")
    second = builder.build_all(target=tmp_path / "second")
    assert len(first) == len(ROWS)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@every_set
def test_a_loaded_set_can_be_written_and_read_back(name, tmp_path):
    table = datasets.load(name)
    table.write(tmp_path / "copy.fits")
    again = QTable.read(tmp_path / "copy.fits", character_as_bytes=False, mask_invalid=False)
    assert again.colnames == table.colnames
    for column in table.colnames:
        np.testing.assert_array_equal(again[column], table[column])


def test_a_wrong_name_lists_the_names_and_the_nearest():
    with pytest.raises(InputError, match=r"'hydrus'.*bcg, .*tully_fisher; did you mean 'hydrus1'\?$"):
        datasets.load("hydrus")


@pytest.mark.parametrize("name", ["", None, 3, "../data/bcg", "zzzzzz"])
def test_a_name_that_resembles_none_is_refused_without_a_guess(name):
    with pytest.raises(InputError, match=r"tully_fisher$"):
        datasets.load(name)


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(datasets)
    assert result.attempted > 0
    assert result.failed == 0


# What has been published about the tables, without any fit: the log likelihood is flat at its maximum, so
# parameters given to n digits reproduce it to about 2n.


def test_hydrus1_has_the_published_raw_and_naive_widths():
    stars = datasets.load("hydrus1")
    raw = np.std(stars["v"].value, ddof=1)
    naive = np.sqrt(raw**2 - np.mean(stars["e_v"].value ** 2))
    # half a unit of the last printed digit
    assert raw == pytest.approx(3.147, abs=5e-4)
    assert naive == pytest.approx(2.551, abs=5e-4)


def test_hydrus1_has_the_known_maximum_log_likelihood():
    stars = datasets.load("hydrus1")
    width = np.hypot(2.7252541, stars["e_v"].value)
    assert norm.logpdf(stars["v"].value, 80.525735, width).sum() == pytest.approx(-79.3484699, abs=5e-8)


def test_neutron_stars_have_57_usable_masses_and_errors_over_three_decades():
    stars = datasets.load("neutron_stars")
    usable = np.isfinite(stars["m"])
    np.testing.assert_array_equal(usable, np.isfinite(stars["e_m"]))
    assert usable.sum() == 57
    assert stars["e_m"][usable].min() == 0.0002 * u.solMass
    assert stars["e_m"][usable].max() == 0.7 * u.solMass


def test_neutron_stars_have_the_known_two_component_log_likelihood():
    stars = datasets.load("neutron_stars")
    stars = stars[np.isfinite(stars["m"])]
    widths = np.hypot([0.0784, 0.1439], stars["e_m"].value[:, np.newaxis])
    density = norm.pdf(stars["m"].value[:, np.newaxis], [1.3457, 1.7821], widths) @ [0.7203, 0.2797]
    assert np.log(density).sum() == pytest.approx(7.5401, abs=1e-4)


def test_tully_fisher_reads_the_row_that_lacks_a_separator():
    table = datasets.load("tully_fisher")
    row = table[table["name"] == "NGC2403"]
    assert (row["logW50"].item(), row["e_logW50"].item()) == (2.457, 0.062)
    assert [row[column].value.item() for column in ("incl_1", "e_incl_1", "incl_2", "e_incl_2")] == [
        58,
        2,
        58,
        2,
    ]


@pytest.mark.parametrize(
    ("column", "mean", "sigma", "per_galaxy"),
    [
        ("B", -20.4111506138, 0.8798686600, -1.3176910672),
        ("H", -22.5507515362, 1.3023177561, -1.6876088062),
        ("logW20", 2.5858068959, 0.1080338951, 0.7298732194),
    ],
)
def test_tully_fisher_has_the_known_maximum_log_likelihoods(column, mean, sigma, per_galaxy):
    table = datasets.load("tully_fisher")
    value, error = (np.asarray(getattr(table[c], "value", table[c])) for c in (column, f"e_{column}"))
    measured = np.isfinite(value)
    density = norm.logpdf(value[measured], mean, np.hypot(sigma, error[measured]))
    assert density.mean() == pytest.approx(per_galaxy, abs=1e-10)


def test_mn_kalpha_has_the_published_peak_and_width():
    """Hoelzer et al. (1997): K-alpha 1 has its peak at 5898.801 eV and a full width at half maximum of 2.47 eV."""
    table = datasets.load("mn_kalpha")
    energy = np.linspace(5892, 5906, 140001)
    off = (energy[:, None] - table["energy"].value) / table["natural_fwhm"].value
    profile = (table["peak_height"] / (1 + 4 * off**2)).sum(axis=1)
    above = energy[profile > 0.5 * profile.max()]
    assert energy[profile.argmax()] == pytest.approx(5898.801, abs=2e-3)
    assert above[-1] - above[0] == pytest.approx(2.47, abs=5e-3)


def test_bcg_follows_from_the_published_numbers_of_cases():
    # Colditz et al. (1994): cases and persons at risk, vaccinated and control.
    counts = np.array(
        [
            (4, 123, 11, 139),
            (6, 306, 29, 303),
            (3, 231, 11, 220),
            (62, 13598, 248, 12867),
            (33, 5069, 47, 5808),
            (180, 1541, 372, 1451),
            (8, 2545, 10, 629),
            (505, 88391, 499, 88391),
            (29, 7499, 45, 7277),
            (17, 1716, 65, 1665),
            (186, 50634, 141, 27338),
            (5, 2498, 3, 2341),
            (27, 16913, 29, 17854),
        ]
    )
    a, n1, c, n2 = counts.T
    trials = datasets.load("bcg")
    # ten significant digits are printed
    np.testing.assert_allclose(trials["y"], np.log(a / n1 / (c / n2)), rtol=5e-10)
    np.testing.assert_allclose(trials["var_y"], 1 / a - 1 / n1 + 1 / c - 1 / n2, rtol=5e-10)


def test_bcg_error_is_the_root_of_the_variance_and_gives_the_published_log_likelihood():
    trials = datasets.load("bcg")
    np.testing.assert_allclose(trials["e_y"] ** 2, trials["var_y"], rtol=1e-15)
    width = np.sqrt(0.2800281 + trials["e_y"] ** 2)
    assert norm.logpdf(trials["y"], -0.711199, width).sum() == pytest.approx(-12.66508, abs=5e-6)


def test_eight_schools_have_the_published_common_effect():
    schools = datasets.load("eight_schools")
    precision = schools["e_y"] ** -2.0
    mean = np.sum(precision * schools["y"]) / precision.sum()
    assert mean == pytest.approx(7.6856, abs=5e-5)
    assert precision.sum() ** -0.5 == pytest.approx(4.0719, abs=5e-5)
    assert norm.logpdf(schools["y"], mean, schools["e_y"]).sum() == pytest.approx(-29.67424, abs=5e-6)


def test_berkey_has_the_published_log_likelihood():
    trials = datasets.load("berkey")
    between = np.array([[0.007002, 0.00946066], [0.00946066, 0.02614452]])
    total = 0.0
    for row in trials:
        variance_pd, covariance, variance_al = (row[c].value for c in ("var_pd", "cov_pd_al", "var_al"))
        within = np.array([[variance_pd, covariance], [covariance, variance_al]])
        assert np.linalg.eigvalsh(within).min() > 0
        observed = [row["pd"].value, row["al"].value]
        total += multivariate_normal([0.3448392, -0.3379381], between + within).logpdf(observed)
    assert total == pytest.approx(5.84065688, abs=5e-8)


def two_gaussians_on_a_baseline(b, x):
    """NIST's model, whose width b satisfies b^2 = 2 sigma^2."""
    b1, b2, b3, b4, b5, b6, b7, b8 = b
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-((x - b4) ** 2) / b5**2) + b6 * np.exp(-((x - b7) ** 2) / b8**2)


@every_nist_set
def test_nist_certified_parameters_give_the_certified_residual_sum_of_squares(name):
    table = datasets.load(name)
    certified = np.array([table.meta[f"b{k}"] for k in range(1, 9)])
    residuals = table["y"] - two_gaussians_on_a_baseline(certified, np.asarray(table["x"]))
    # eleven digits are certified, of the parameters and of the sum; the sum is flat in the parameters
    assert np.sum(residuals**2) == pytest.approx(table.meta["rss"], rel=1e-10)
    assert table.meta["dof"] == len(table) - 8
    assert np.sqrt(table.meta["rss"] / table.meta["dof"]) == pytest.approx(table.meta["rsd"], rel=1e-10)


@every_nist_set
def test_nist_certified_standard_deviations_follow_from_the_model(name):
    table = datasets.load(name)
    certified = np.array([table.meta[f"b{k}"] for k in range(1, 9)])
    # complex steps: derivatives to rounding, so only the condition of the normal equations costs digits
    steps = certified + 1e-30j * np.eye(8)
    jacobian = np.array([two_gaussians_on_a_baseline(b, np.asarray(table["x"])).imag / 1e-30 for b in steps])
    expected = table.meta["rsd"] * np.sqrt(np.diag(np.linalg.inv(jacobian @ jacobian.T)))
    np.testing.assert_allclose([table.meta[f"b{k}_sd"] for k in range(1, 9)], expected, rtol=1e-8)
