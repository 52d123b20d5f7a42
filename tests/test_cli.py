"""The command line, run as users run it: outputs, exit codes, one sentence for bad input."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from xdgmm import GaussianMixture, datasets

OUTPUTS = ("model.fits", "widths.ecsv", "fit.png")


def xdgmm(*arguments, cwd):
    """Run the command with warnings as errors, in a process of its own."""
    code = "from xdgmm.cli import main; main()"
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=cwd, env={**os.environ, "COLUMNS": "200"}
    )


def outputs():
    return ["--output", OUTPUTS[0], "--report", OUTPUTS[1], "--plot", OUTPUTS[2]]


def refused(done, *parts):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    sentence = " ".join(done.stderr.split())
    for part in parts:
        assert part in sentence, sentence
    return sentence


@pytest.fixture
def stars(tmp_path):
    """A user's catalogue: velocities, errors and membership probabilities, as FITS with units."""
    table = datasets.load("hydrus1")
    table["p_mem"] = np.ones(len(table))
    table.meta = {}
    table.write(tmp_path / "stars.fits")
    return tmp_path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, xdgmm("demo", "--output", folder / "out", cwd=folder)


def test_the_demo_reports_both_data_sets(demo):
    folder, done = demo
    assert done.returncode == 0, done.stderr
    for text in (
        "80.53±0.57",
        "2.73±0.43",
        "3.15±0.41",
        "2.55±0.50",
        "chosen: 2",
        "0.078±0.016",
        "[km/s]",
        "[solMass]",
    ):
        assert text in done.stdout
    assert "errors of v taken from e_v" in done.stdout
    assert "17 rows without any value left out" in done.stdout
    assert f"{folder / 'out'}" in done.stdout


def test_the_demo_writes_model_report_and_picture(demo):
    folder, _ = demo
    written = sorted(path.name for path in (folder / "out").iterdir())
    assert written == sorted(
        f"{n}{s}" for n in ("hydrus1", "neutron_stars") for s in ("_model.fits", "_widths.ecsv", ".png")
    )
    assert GaussianMixture.read(folder / "out" / "neutron_stars_model.fits").n_components == 2
    report = QTable.read(folder / "out" / "hydrus1_widths.ecsv")
    assert report["sigma"].unit == "km/s"
    assert report.meta["outcome"].startswith("a maximum was reached")
    assert (folder / "out" / "hydrus1.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_demo_does_not_touch_the_first(demo):
    folder, _ = demo
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    refused(xdgmm("demo", "--output", folder / "out", cwd=folder), "exists already", "--overwrite")
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}


def test_fit_does_what_the_readme_says(stars):
    done = xdgmm(
        "fit", "stars.fits", "--columns", "v", "--errors", "e_v", "--weights", "p_mem", "--components", "1",
        *outputs(), cwd=stars,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mixture = GaussianMixture.read(stars / "model.fits")
    assert mixture.sigmas[0, 0] == pytest.approx(2.7252541, rel=1e-6)
    assert mixture.names == ("v",)
    assert "errors scale with them" in done.stdout
    report = QTable.read(stars / "widths.ecsv")
    assert report["sigma"][0].to_value("m/s") == pytest.approx(2725.2541, rel=1e-6)
    assert not [path for path in stars.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["e_v", "v_err", "v_error"])
def test_error_columns_are_found_and_named(stars, name):
    table = QTable.read(stars / "stars.fits")
    table.rename_column("e_v", name)
    table.write(stars / "t.ecsv")
    done = xdgmm("fit", "t.ecsv", "--columns", "v", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert f"errors of v taken from {name}" in done.stdout
    assert "2.73±0.43" in done.stdout


def test_a_range_of_components_is_chosen_by_bic(tmp_path):
    table = datasets.load("neutron_stars")
    Table({"m": table["m"].value, "e_m": table["e_m"].value}).write(tmp_path / "masses.csv")
    done = xdgmm("fit", "masses.csv", "--columns", "m", "--components", "1:3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "chosen: 2" in done.stdout


def test_two_columns_and_no_errors(tmp_path):
    rng = np.random.default_rng(0)
    Table({"a": rng.normal(size=50), "b": rng.normal(size=50)}).write(tmp_path / "t.ecsv")
    done = xdgmm("fit", "t.ecsv", "--columns", "a,b", "--errors", "none", *outputs(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / name).stat().st_size > 0 for name in OUTPUTS)


def test_the_same_seed_prints_the_same(stars):
    command = ["fit", "stars.fits", "--columns", "v", "--components", "2", "--seed", "4"]
    assert xdgmm(*command, cwd=stars).stdout == xdgmm(*command, cwd=stars).stdout


def bad(stars, **columns):
    table = QTable.read(stars / "stars.fits")
    for name, (row, value) in columns.items():
        table[name][row] = value * (table[name].unit or 1)
    table.write(stars / "bad.fits")


@pytest.mark.parametrize("error", [0.0, -1.0, np.nan])
def test_an_unusable_error_is_refused_with_the_ways_out(stars, error):
    bad(stars, e_v=(3, error))
    done = xdgmm("fit", "bad.fits", "--columns", "v", *outputs(), cwd=stars)
    refused(done, "e_v", "row 3", "--on-bad")
    assert not any((stars / name).exists() for name in OUTPUTS)


@pytest.mark.parametrize("choice", ["drop", "missing", "exact"])
def test_the_ways_out_work(stars, choice):
    bad(stars, e_v=(3, 0.0))
    done = xdgmm("fit", "bad.fits", "--columns", "v", "--on-bad", choice, cwd=stars)
    assert done.returncode == 0, done.stderr
    assert f"{31 if choice == 'exact' else 30} objects" in done.stdout


def test_an_infinite_error_is_a_missing_value_and_counted(stars):
    bad(stars, e_v=(3, np.inf))
    done = xdgmm("fit", "bad.fits", "--columns", "v", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "30 objects" in done.stdout
    assert "infinite error" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["fit", "nothing.fits", "--columns", "v"], ["nothing.fits"]),
        (["fit", ".", "--columns", "v"], ["folder"]),
        (["fit", "noise.fits", "--columns", "v"], ["noise.fits"]),
        (["fit", "noise.csv", "--columns", "v"], ["noise.csv"]),
        (["fit", "cut.fits", "--columns", "v"], ["cut.fits"]),
        (["fit", "empty.csv", "--columns", "v"], ["empty.csv"]),
        (["fit", "stars.fits", "--columns", "vv"], ["vv", "'v'", "e_v"]),
        (["fit", "stars.fits", "--columns", "v,,e_v"], ["empty name"]),
        (["fit", "stars.fits", "--columns", "v", "--errors", "sigma_v"], ["sigma_v"]),
        (["fit", "stars.fits", "--columns", "p_mem"], ["e_p_mem", "--errors"]),
        (["fit", "stars.fits", "--columns", "v", "--weights", "w"], ["w"]),
        (["fit", "stars.fits", "--columns", "v", "--components", "0"], ["--components"]),
        (["fit", "stars.fits", "--columns", "v", "--components", "two"], ["--components"]),
        (["fit", "stars.fits", "--columns", "v", "--components", "3:1"], ["backwards"]),
        (["fit", "stars.fits", "--columns", "v", "--components", "32"], ["only 31 objects"]),
        (["fit", "stars.fits", "--columns", "v", "--on-bad", "ignore"], ["ignore"]),
        (["fit", "stars.fits", "--columns", "v", "--output", "no/model.fits"], ["no/model.fits", "does not exist"]),
        (["fit", "stars.fits", "--columns", "v", "--output", "model.pickle"], [".fits"]),
        (["fit", "stars.fits", "--columns", "v", "--report", "widths.docx"], [".ecsv"]),
        (["fit", "stars.fits", "--columns", "v", "--plot", "fit.docx"], [".png"]),
        (["fit", "stars.fits", "--columns", "v", "--output", "old.fits"], ["old.fits", "--overwrite"]),
        (["fit", "stars.fits", "--columns", "v", "--output", "stars.fits", "--overwrite"], ["table to be fitted"]),
        (["fit", "stars.fits", "--columns", "v", "--output", "a.fits", "--report", "a.fits"], ["same name"]),
        (["fit", "stars.fits"], ["--columns"]),
        (["frobnicate"], ["frobnicate"]),
        (["demo", "--output", "stars.fits"], ["stars.fits"]),
    ],
)
def test_bad_input_is_one_sentence_and_touches_nothing(stars, arguments, parts):
    (stars / "noise.fits").write_bytes(np.random.default_rng(0).bytes(5000))
    (stars / "noise.csv").write_bytes(np.random.default_rng(1).bytes(5000))
    (stars / "cut.fits").write_bytes((stars / "stars.fits").read_bytes()[:6000])
    (stars / "empty.csv").write_text("")
    (stars / "old.fits").write_text("mine")
    before = {path.name: path.read_bytes() for path in stars.iterdir()}
    refused(xdgmm(*arguments, cwd=stars), *parts)
    assert {path.name: path.read_bytes() for path in stars.iterdir()} == before


def test_exact_repeated_values_are_refused_with_the_reason(tmp_path):
    Table({"v": np.ones(9)}).write(tmp_path / "t.ecsv")
    refused(xdgmm("fit", "t.ecsv", "--columns", "v", "--errors", "none", cwd=tmp_path), "carry no noise")


def test_overwriting_is_possible_when_asked_for(stars):
    (stars / "model.fits").write_text("old")
    done = xdgmm("fit", "stars.fits", "--columns", "v", "--output", "model.fits", "--overwrite", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert fits.getheader(stars / "model.fits", 1)["XDGMMFMT"] == 1


def test_help_shows_an_example(tmp_path):
    done = xdgmm("fit", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Example" in done.stdout


@pytest.mark.parametrize("last", ["--report widths.fits", "--report WIDTHS.ECSV"])
def test_either_all_outputs_are_written_or_none(tmp_path, last):
    Table({"größe": [1.0, 2.0, 4.0], "e_größe": [0.1, 0.1, 0.1]}).write(tmp_path / "t.ecsv")
    command = ["fit", "t.ecsv", "--columns", "größe", "--output", "m.fits", "--plot", "p.png", *last.split()]
    done = xdgmm(*command, cwd=tmp_path)
    if last.endswith("fits"):  # FITS knows no umlauts
        refused(done, "widths.fits", ".ecsv holds any table")
        assert [path.name for path in tmp_path.iterdir()] == ["t.ecsv"]
    else:
        assert done.returncode == 0, done.stderr
        assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("arguments", [["x" * 300 + ".fits"], ["stars.fits", "--output", "x" * 300 + ".fits"]])
def test_names_that_are_too_long_are_refused(stars, arguments):
    refused(xdgmm("fit", *arguments, "--columns", "v", cwd=stars), "name too long")


def test_markup_in_names_is_printed_as_it_is(stars):
    (stars / "stars.fits").rename(stars / "[b]x :star:.fits")
    done = xdgmm("fit", "[b]x :star:.fits", "--columns", "v", cwd=stars)
    assert "[b]x :star:.fits" in done.stdout
    done = xdgmm("demo", "--output", "demo[/b]x", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "demo[/b]x" in done.stdout


def test_an_unknown_unit_does_not_stop_the_model_from_being_written(tmp_path):
    table = Table({"v": [1.0, 2.0, 4.0], "e_v": [0.1, 0.1, 0.1]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table["v"].unit = table["e_v"].unit = "km/sec"
        table.write(tmp_path / "t.fits")
    done = xdgmm("fit", "t.fits", "--columns", "v", *outputs(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "km/sec" in done.stdout


def test_a_huge_range_of_components_is_refused_at_once(stars):
    refused(xdgmm("fit", "stars.fits", "--columns", "v", "--components", "1:1000000000", cwd=stars), "narrow the range")


def test_weights_and_singular_covariances_are_remarked_upon(tmp_path):
    datasets.load("tully_fisher").write(tmp_path / "t.fits")
    done = xdgmm("fit", "t.fits", "--columns", "logW20,V", cwd=tmp_path)
    assert "no intrinsic width in 1 direction" in done.stdout


def test_the_command_line_fits_other_covariances_beside_a_background(tmp_path):
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(0, 1, 300), rng.normal(8, 1, 200), rng.uniform(-40, 40, 30)])
    e = rng.uniform(0.2, 0.5, 530)
    Table({"v": x + e * rng.standard_normal(530), "e_v": e}).write(tmp_path / "stars.csv")
    done = xdgmm(
        *("fit", "stars.csv", "--columns", "v", "--components", "2", "--covariance-type", "tied"),
        *("--background", *outputs()),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "background: " in done.stdout
    assert "uniform over its box" in " ".join(done.stdout.split())
    mixture = GaussianMixture.read(tmp_path / "model.fits")
    assert mixture.background.fraction == pytest.approx(30 / 530, abs=0.03)
    assert mixture.covariances[0] == mixture.covariances[1]
    report = QTable.read(tmp_path / "widths.ecsv")
    assert report.meta["covariance_type"] == "tied"
    assert abs(report["sigma"][0] - 1.0) < 3 * report["sigma_error"][0]
    refused(
        xdgmm("fit", "stars.csv", "--columns", "v", "--covariance-type", "round", cwd=tmp_path), "round", "spherical"
    )


def test_widths_are_found_in_another_way_for_a_model_that_was_written(stars):
    assert xdgmm("fit", "stars.fits", "--columns", "v", "--output", "model.fits", cwd=stars).returncode == 0
    done = xdgmm("widths", "model.fits", "stars.fits", "--method", "profile", "--report", "w.ecsv", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "2.73+0.48-0.39" in done.stdout
    assert "3.15±0.41" in done.stdout
    assert QTable.read(stars / "w.ecsv").meta["method"] == "profile"
    refused(
        xdgmm("widths", "model.fits", "stars.fits", "--distance", "far", cwd=stars), "--distance is 'far'", "30 kpc"
    )
    refused(xdgmm("widths", "nothing.fits", "stars.fits", cwd=stars), "there is no file 'nothing.fits'")
    refused(xdgmm("widths", "model.fits", "stars.fits", "--method", "magic", cwd=stars), "magic", "profile")


def test_a_model_is_reported_as_it_is_and_never_overwritten(stars):
    assert xdgmm("fit", "stars.fits", "--columns", "v", "--output", "model.fits", cwd=stars).returncode == 0
    command = ("widths", "model.fits", "stars.fits", "--report", "model.fits", "--overwrite")
    refused(xdgmm(*command, cwd=stars), "is the model")
    rng = np.random.default_rng(1)
    Table({"v": rng.normal(500.0, 20.0, 40), "e_v": np.full(40, 3.0)}).write(stars / "other.csv")
    done = xdgmm("widths", "model.fits", "other.csv", cwd=stars)
    assert "not the maximum for these data" in " ".join(done.stderr.split())  # and not fitted again
    refused(xdgmm("widths", "model.fits", "other.csv", "--method", "bootstrap", cwd=stars), "not the maximum for this")


def test_models_other_than_full_are_recognised(tmp_path):
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(9, 1, (100, 2))])
    Table({"a": x[:, 0], "b": x[:, 1], "e_a": np.full(200, 0.2), "e_b": np.full(200, 0.2)}).write(tmp_path / "t.csv")
    for kind in ("full", "tied", "diag", "spherical"):
        options = ("--components", "2", "--covariance-type", kind, "--output", f"{kind}.fits")
        assert xdgmm("fit", "t.csv", "--columns", "a,b", *options, cwd=tmp_path).returncode == 0
        done = xdgmm("widths", f"{kind}.fits", "t.csv", "--report", f"{kind}.ecsv", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert QTable.read(tmp_path / f"{kind}.ecsv").meta["covariance_type"] == kind


def test_posteriors_are_printed_with_their_prior(stars):
    done = xdgmm("fit", "stars.fits", "--columns", "v", "--mcmc", "--report", "w.ecsv", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "medians of the posterior, converged" in done.stdout
    assert "half-Cauchy, scale 3.41 km / s" in done.stdout
    report = QTable.read(stars / "w.ecsv")
    assert report.meta["method"] == "mcmc"
    # Median and interval by integration on a grid: the tests of the posterior hold that; here to its Monte Carlo error.
    assert report["sigma"][0].value == pytest.approx(2.81, abs=0.06)
