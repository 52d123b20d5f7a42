"""`xdgmm lines deconvolve`: a user's table with intrinsic widths appended."""

import json
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table

from xdgmm import lines


@pytest.fixture
def galaxies(tmp_path):
    rng = np.random.default_rng(1)
    observed = np.hypot(30.0, 60.0) * (1 + 0.05 * rng.normal(size=12))
    table = QTable(
        {"name": [f"g{i}" for i in range(12)], "s": observed * u.km / u.s, "e_s": 0.05 * observed * u.km / u.s}
    )
    table["s"][3] = np.nan * u.km / u.s
    table["flag"] = MaskedColumn(np.arange(12), mask=np.arange(12) == 5)
    table["lsf"] = np.full(12, 60.0) * u.km / u.s
    table.meta["SURVEY"] = "mine"
    table.write(tmp_path / "galaxies.fits")
    return tmp_path


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_columns_are_appended_and_the_table_kept(xdgmm, galaxies, ending):
    command = ("lines", "deconvolve", "galaxies.fits", "--sigma", "s", "--error", "e_s", "--lsf", "60")
    done = xdgmm(*command, "--lsf-error", "0.03", "--output", f"out.{ending}", "--population", cwd=galaxies)
    assert done.returncode == 0, done.stderr
    for part in ("observed", "instrumental", "intrinsic", "none", "1 of 12 values of s missing", f"wrote out.{ending}"):
        assert part in done.stdout
    assert "\n11 lines, " in done.stdout
    assert "\nobserved sigma " in done.stdout  # a line of its own
    before, after = QTable.read(galaxies / "galaxies.fits"), QTable.read(galaxies / f"out.{ending}")
    assert after.colnames[: len(before.colnames)] == before.colnames
    assert (after["name"] == before["name"]).all()
    assert after["flag"].mask.tolist() == before["flag"].mask.tolist()
    assert after.meta["SURVEY"] == "mine"
    kept = np.arange(12) != 3
    widths = lines.deconvolve(before["s"][kept], before["e_s"][kept], lsf=60.0, lsf_error=0.03)
    assert after["xd_intrinsic_sigma_limit"][kept].value == pytest.approx(widths.upper_limit().value)
    assert after["xd_intrinsic_variance"].unit == u.km**2 / u.s**2
    assert after["xd_intrinsic_sigma"].mask.tolist() == (~kept).tolist()
    assert after["xd_is_limit"][kept].tolist() == widths.is_limit.tolist()


def test_the_instrument_may_be_a_column_a_quantity_a_fwhm_or_a_resolving_power(xdgmm, galaxies):
    fwhm = 60 * np.sqrt(8 * np.log(2))
    ways = [
        ("--lsf", "lsf"),
        ("--lsf", "60000 m/s"),
        ("--lsf-fwhm", str(fwhm)),
        ("--resolving-power", str(299792.458 / fwhm)),
    ]
    tables = []
    for i, way in enumerate(ways):
        command = ("lines", "deconvolve", "galaxies.fits", "--sigma", "s", *way, "--output", f"{i}.fits", "-q")
        done = xdgmm(*command, cwd=galaxies)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        tables.append(QTable.read(galaxies / f"{i}.fits")["xd_intrinsic_sigma_high"].unmasked.value)
    for other in tables[1:]:
        assert other == pytest.approx(tables[0], rel=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "option", "way_out"),
    [
        ("fwhm_obs", "--sigma", "(--fwhm)"),
        ("sigma_obs", "--fwhm", "(--sigma)"),
        ("fwhm_obs", "--fwhm", None),
        ("sigma_obs", "--sigma", None),
    ],
)
def test_a_name_that_says_another_width_is_asked_about_with_the_option(xdgmm, tmp_path, name, option, way_out):
    Table({name: [170.0, 180.0], f"e_{name}": [5.0, 5.0]}).write(tmp_path / "l.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = xdgmm("lines", "deconvolve", "l.csv", option, name, "--lsf", "60", cwd=tmp_path)
    assert done.returncode == 0
    warned = f"warning: column '{name}' is given as" in done.stderr
    assert warned == (way_out is not None)
    assert not warned or done.stderr.strip().endswith(way_out)


def test_messages_of_the_library_name_the_column(xdgmm, refused, tmp_path):
    Table({"s": [70.0, -60.0], "e_s": [5.0, 5.0]}).write(tmp_path / "l.csv")
    done = xdgmm("lines", "deconvolve", "l.csv", "--sigma", "s", "--lsf", "60", cwd=tmp_path)
    refused(done, "column 's' is zero, negative or infinite in row 1")


def test_wavelengths_become_velocities(xdgmm, process, tmp_path):
    Table({"w": [4.0, 5.0], "w_err": [0.1, 0.1]}, units={"w": "Angstrom", "w_err": "Angstrom"}).write(
        tmp_path / "l.ecsv"
    )
    command = ("lines", "deconvolve", "l.ecsv", "--fwhm", "w", "--lsf-fwhm", "3", "--rest", "6562.8 AA")
    done = process(*command, "--output", "o.ecsv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = QTable.read(tmp_path / "o.ecsv")
    assert table["xd_intrinsic_fwhm"].value == pytest.approx([np.sqrt(7), 4.0])
    as_sigma = (*command[:5], "--lsf", str(3 / np.sqrt(8 * np.log(2))), "--output", "s.ecsv")
    assert xdgmm(*as_sigma, cwd=tmp_path).returncode == 0
    assert QTable.read(tmp_path / "s.ecsv")["xd_intrinsic_fwhm"].value == pytest.approx([np.sqrt(7), 4.0])
    assert table["xd_intrinsic_fwhm_kms"].value == pytest.approx(np.array([np.sqrt(7), 4.0]) / 6562.8 * 299792.458)
    assert "optical convention" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--lsf", "60"), ["--sigma NAME, or --fwhm NAME"]),
        (("--sigma", "s"), ["give the instrument's width once, as --lsf", "none was given"]),
        (("--sigma", "s", "--lsf", "60", "--lsf-fwhm", "141"), ["--lsf and --lsf-fwhm were given"]),
        (("--sigma", "S_obs", "--lsf", "60"), ["no column 'S_obs'"]),
        (("--sigma", "s", "--lsf", "wide"), ["--lsf is 'wide'", "or a column of the table"]),
        (("--sigma", "s", "--lsf", "60 kms"), ["no unit 'kms'", "as '60 km/s'"]),
        (("--sigma", "s", "--lsf", "60 AA"), ["`lsf` (--lsf) is in Angstrom", "--rest"]),
        (("--sigma", "s", "--lsf", "60", "--output", "galaxies.fits", "--overwrite"), ["is the table that is read"]),
        (("--sigma", "s", "--lsf", "60", "--output", "o.xlsx"), ["must end in"]),
        (("--sigma", "s", "--lsf", "60", "--error", "flag"), ["flag"]),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(xdgmm, refused, galaxies, options, parts):
    before = (galaxies / "galaxies.fits").read_bytes()
    refused(xdgmm("lines", "deconvolve", "galaxies.fits", *options, cwd=galaxies), *parts)
    assert (galaxies / "galaxies.fits").read_bytes() == before
    assert [path.name for path in galaxies.iterdir()] == ["galaxies.fits"]


def test_names_that_exist_are_not_replaced(xdgmm, refused, galaxies):
    command = ("lines", "deconvolve", "galaxies.fits", "--sigma", "s", "--lsf", "60", "--prefix", "", "--output")
    assert xdgmm(*command, "one.fits", cwd=galaxies).returncode == 0
    again = ("lines", "deconvolve", "one.fits", *command[3:])
    refused(xdgmm(*again, "two.fits", cwd=galaxies), "observed_sigma", "--overwrite-columns")
    assert xdgmm(*again, "two.fits", "--overwrite-columns", cwd=galaxies).returncode == 0


def test_json_has_every_line_and_the_population(here, galaxies):
    command = ("lines", "deconvolve", "galaxies.fits", "--sigma", "s", "--lsf", "60", "--lsf-error", "0.03", "--json")
    code, out, err = here(*command, "--population", "--output", "o.fits", "--level", "0.9")
    assert (code, err) == (0, "")
    document = json.loads(out)
    table = QTable.read(galaxies / "galaxies.fits")
    kept = np.arange(12) != 3
    widths = lines.deconvolve(table["s"][kept], table["e_s"][kept], lsf=60.0, lsf_error=0.03)
    rows = document["lines"]["rows"]
    assert (document["n_rows"], document["n_resolved"], len(rows)) == (12, widths.n_resolved, 12)
    assert rows[3]["intrinsic_sigma"] is None
    assert [row["intrinsic_sigma_high"] for row in rows[4:]] == pytest.approx(widths.interval(0.9)[1].value[3:])
    assert document["lines"]["units"]["intrinsic_variance"] == "km2 / s2"
    (together,) = document["population"]["rows"]
    assert together["intrinsic_sigma_limit"] == pytest.approx(lines.population(widths).upper_limit().value)
    assert [each["name"] for each in document["appended"]] == QTable.read(galaxies / "o.fits").colnames[5:]
    assert document["written"] == ["o.fits"]
    code, out, _ = here(*command, "--quiet")
    assert json.loads(out)["population"] is None
    _, out, _ = here(*command, "--lsf-scatter", "0.04")
    scattered = lines.deconvolve(table["s"][kept], table["e_s"][kept], lsf=60.0, lsf_error=0.05)
    limits = [row["intrinsic_sigma_limit"] for row in json.loads(out)["lines"]["rows"][4:]]
    assert limits == pytest.approx(scattered.upper_limit().value[3:])


def test_a_population_is_printed_written_and_given_as_json(here, galaxies):
    table = QTable.read(galaxies / "galaxies.fits")
    kept = np.arange(12) != 3
    widths = lines.deconvolve(table["s"][kept], table["e_s"][kept], lsf=60.0, lsf_error=0.03)
    command = ("lines", "population", "galaxies.fits", "--sigma", "s", "--lsf", "60", "--lsf-error", "0.03")
    code, out, err = here(*command, "--output", "p.ecsv")
    assert (code, err) == (0, "")
    for part in ("galaxies.fits: 12 rows", "\n11 lines, ", "(rms over lines)", "\nmean of variances ", "wrote p.ecsv"):
        assert part in out
    expected = lines.population(widths)
    (written,) = QTable.read(galaxies / "p.ecsv")
    assert written["intrinsic_sigma_limit"].value == pytest.approx(expected.upper_limit().value)
    assert written["mean_variance"].unit == u.km**2 / u.s**2
    code, out, _ = here(*command, "--errors", "absolute", "--limit-level", "0.9", "--json")
    document = json.loads(out)
    (row,) = document["population"]["rows"]
    absolute = lines.population(widths, errors="absolute")
    assert (document["errors"], document["n_rows"], document["written"]) == ("absolute", 12, [])
    assert row["mean_variance"] == pytest.approx(absolute.mean_variance.value)
    assert row["mean_variance"] != pytest.approx(expected.mean_variance.value, rel=1e-3)
    assert row["intrinsic_sigma_limit"] == pytest.approx(absolute.upper_limit(0.9).value)
    code, out, _ = here("lines", "deconvolve", *command[2:], "--population", "--errors", "absolute", "--json")
    (beside,) = json.loads(out)["population"]["rows"]
    assert beside["mean_variance"] == row["mean_variance"]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--lsf", "60"), ["--sigma NAME, or --fwhm NAME"]),
        (("--sigma", "s"), ["give the instrument's width once, as --lsf", "none was given"]),
        (("--sigma", "s", "--lsf", "60", "--errors", "e_s"), ["'e_s'", "relative", "absolute"]),
        (("--sigma", "s", "--lsf", "60", "--output", "galaxies.fits", "--overwrite"), ["is the table that is read"]),
        (("--sigma", "s", "--lsf", "60", "--output", "p.csv"), ["must end in"]),
        (("--sigma", "s", "--lsf", "60", "--limit-level", "0.2"), ["`limit_level` (--limit-level)"]),
        (("--sigma", "s", "--lsf", "60", "--lsf-error", "3"), ["`lsf_error` (--lsf-error)", "0.03 for 3%"]),
    ],
)
def test_what_is_no_population_gets_one_sentence(xdgmm, refused, galaxies, options, parts):
    refused(xdgmm("lines", "population", "galaxies.fits", *options, cwd=galaxies), *parts)
    assert [path.name for path in galaxies.iterdir()] == ["galaxies.fits"]


def test_a_column_of_errors_is_no_longer_named_with_errors(xdgmm, refused, galaxies):
    command = ("lines", "deconvolve", "galaxies.fits", "--sigma", "s", "--lsf", "60")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = xdgmm(*command, "--errors", "e_s", cwd=galaxies)
    assert done.returncode == 0
    assert "is given as --error" in done.stderr
    assert done.stdout == xdgmm(*command, "--error", "e_s", cwd=galaxies).stdout
    refused(xdgmm(*command, "--error", "e_s", "--errors", "constant", cwd=galaxies), "relative or absolute")


@pytest.fixture
def arcs(tmp_path):
    rng = np.random.default_rng(2)
    x = np.linspace(4000.0, 7000.0, 30)
    table = QTable({"x": x * u.AA, "s": (1.2 + 1e-4 * (x - 5500) + 0.02 * rng.normal(size=30)) * u.AA})
    table["s"][::7] += 0.5 * u.AA
    table["e_s"] = np.full(30, 0.02) * u.AA
    table["s"][4] = np.nan * u.AA
    table.write(tmp_path / "arcs.fits")
    return tmp_path


def test_the_instrument_is_measured_and_appended(here, arcs):
    command = ("lines", "measure-lsf", "arcs.fits", "--position", "x", "--width", "s", "--error", "e_s")
    code, out, err = here(*command, "--output", "out.fits")
    assert (code, err) == (0, "")
    for part in ("30 rows", "29 lines, polynomial of degree 1", "instrumental width ", "blends ", "wrote out.fits"):
        assert part in out
    table, after = QTable.read(arcs / "arcs.fits"), QTable.read(arcs / "out.fits")
    seen = np.arange(30) != 4
    lsf = lines.measure_lsf(table["x"][seen], table["s"][seen], table["e_s"][seen])
    assert after["xd_lsf"].unit == u.AA
    assert after["xd_lsf"][seen].value == pytest.approx(lsf(table["x"][seen]).value)
    assert after["xd_lsf_error"][seen].tolist() == pytest.approx(list(lsf.fractional_error(table["x"][seen])))
    assert after["xd_blend_probability"][seen].tolist() == pytest.approx(list(lsf.blend_probabilities))
    assert after["xd_lsf"].mask.tolist() == (~seen).tolist()
    code, out, _ = here(*command, "--order", "0", "--json")
    document = json.loads(out)
    constant = lines.measure_lsf(table["x"][seen], table["s"][seen], table["e_s"][seen], order=0)
    assert (code, document["order"], document["unit"], document["written"]) == (0, 0, "Angstrom", [])
    assert document["legendre_coefficients"] == pytest.approx(constant.coefficients.tolist())
    assert document["blends"]["excess"] == pytest.approx(constant.blends.excess.value)
    assert document["lines"][4]["lsf"] is None
    assert document["lines"][5]["blend_probability"] == pytest.approx(constant.blend_probabilities[4])


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--position", "pixel", "--width", "s"), ["no column 'pixel' (--position)", "x, s, e_s"]),
        (("--position", "x", "--width", "w"), ["no column 'w'"]),
        (("--position", "x", "--width", "s", "--order", "40"), ["too few for `order` (--order) 40"]),
        (("--position", "x", "--width", "s", "--order", "-1"), ["`order` (--order) is -1"]),
        (("--position", "x", "--width", "s", "--output", "arcs.fits", "--overwrite"), ["is the table that is read"]),
    ],
)
def test_arcs_that_cannot_be_used_get_one_sentence(xdgmm, refused, arcs, options, parts):
    refused(xdgmm("lines", "measure-lsf", "arcs.fits", *options, cwd=arcs), *parts)
