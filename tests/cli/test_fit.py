"""`xdgmm fit`: outputs, exit codes, one sentence for bad input."""

import json
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from xdgmm import XDGMM, GaussianMixture, Observations, datasets
from xdgmm.selection import table_of

OUTPUTS = ("model.fits", "widths.ecsv", "fit.png")


def test_fit_does_what_the_readme_says(process, outputs, stars):
    done = process(
        "fit", "stars.fits", "--columns", "v", "--errors", "e_v", "--weights", "p_mem", "--components", "1",
        *outputs, cwd=stars,
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
def test_error_columns_are_found_and_named(xdgmm, stars, name):
    table = QTable.read(stars / "stars.fits")
    table.rename_column("e_v", name)
    table.write(stars / "t.ecsv")
    done = xdgmm("fit", "t.ecsv", "--columns", "v", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert f"errors of v taken from {name}" in done.stdout
    assert "2.73±0.43" in done.stdout


def test_a_range_of_components_is_chosen_by_bic(xdgmm, tmp_path):
    table = datasets.load("neutron_stars")
    Table({"m": table["m"].value, "e_m": table["e_m"].value}).write(tmp_path / "masses.csv")
    done = xdgmm("fit", "masses.csv", "--columns", "m", "--components", "1:3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 components: BIC lower by 8." in done.stdout


def test_candidates_are_compared_and_written(xdgmm, tmp_path):
    table = datasets.load("neutron_stars")
    Table({"m": table["m"].value, "e_m": table["e_m"].value}).write(tmp_path / "masses.csv")
    command = ["fit", "masses.csv", "--columns", "m", "--components", "1:2", "--criterion", "cv"]
    types = ["--covariance-type", "full", "--covariance-type", "tied"]
    outputs = ["--table", "candidates.ecsv", "--output", "model.fits", "--report", "widths.ecsv"]
    done = xdgmm(*command, *types, *outputs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wrote candidates.ecsv" in done.stdout
    written = QTable.read(tmp_path / "candidates.ecsv")
    assert written["covariance_type"].tolist() == ["full", "tied"] * 2
    assert np.isfinite(written["cv"]).all()
    kept = table_of(GaussianMixture.read(tmp_path / "model.fits"))
    assert kept["cv"].tolist() == written["cv"].tolist()
    assert QTable.read(tmp_path / "widths.ecsv").meta["selection"]["criterion"] == "cv"
    shown = xdgmm("info", "model.fits", cwd=tmp_path).stdout
    assert f"chosen by cv among 4 candidates: {written.meta['sentence']}" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--table", "candidates.ecsv"], "--table holds several candidates"),
        (["--components", "1:2", "--table", "candidates.txt"], "candidates.txt"),
        (["--components", "1:2", "--table", "same.ecsv", "--report", "same.ecsv"], "two outputs have the same name"),
        (["--components", "1:2", "--jobs", "0"], "`n_jobs` (--jobs) is 0"),
        (["--components", "1:2", "--criterion", "bics"], "bics"),
        (["--components", "2", "--criterion", "cv"], "--criterion cv chooses among candidates"),
    ],
)
def test_candidates_that_cannot_be_are_refused(xdgmm, stars, options, said):
    done = xdgmm("fit", "stars.fits", "--columns", "v", *options, cwd=stars)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (stars / "candidates.ecsv").exists()


def test_a_number_of_components_at_the_end_of_the_range_is_said(xdgmm, tmp_path):
    table = datasets.load("neutron_stars")
    Table({"m": table["m"].value, "e_m": table["e_m"].value}).write(tmp_path / "masses.csv")
    command = ["fit", "masses.csv", "--columns", "m", "--components"]
    done = xdgmm(*command, "1:2", cwd=tmp_path)
    assert "2 components are the most that were tried, and BIC may be lower for more" in done.stdout
    assert "that were tried" in json.loads(xdgmm(*command, "1:2", "--json", cwd=tmp_path).stdout)["remarks"][1]
    assert "that were tried" not in xdgmm(*command, "2", cwd=tmp_path).stdout


@pytest.fixture
def many_columns(tmp_path):
    """Three clouds in five columns."""
    rng = np.random.default_rng(1)
    names, centres = [f"c{i}" for i in range(5)], 30.0 * np.eye(3, 5)
    values = centres[np.repeat(range(3), 100)] + rng.normal(size=(300, 5))
    Table({**dict(zip(names, values.T, strict=True)), **{f"e_{name}": np.full(300, 0.2) for name in names}}).write(
        tmp_path / "many.fits"
    )
    return ["many.fits", "--columns", ",".join(names), "--components", "3"], tmp_path


def test_a_long_report_is_cut_to_a_screen_and_says_what_is_left_out(xdgmm, many_columns):
    arguments, folder = many_columns
    short = xdgmm("fit", *arguments, "--report", "short.ecsv", "--output", "m.fits", cwd=folder).stdout
    assert len(short.splitlines()) <= 55
    assert "not printed: 9 widths, 24 comparisons, 27 relations; --full prints all rows" in short
    full = xdgmm("fit", *arguments, "--full", "--report", "full.ecsv", cwd=folder).stdout
    assert "not printed" not in full
    assert full.count("principal 5") == 6
    assert full.count("correlation") == 30
    assert full.count("separation") == 3
    for row in short.splitlines():
        if row.lstrip().startswith(("0 ", "1 ", "2 ")):
            assert row.split() in [other.split() for other in full.splitlines()]
    assert len(QTable.read(folder / "short.ecsv")) == len(QTable.read(folder / "full.ecsv")) == 30
    of_widths = xdgmm("widths", "m.fits", "many.fits", cwd=folder).stdout
    assert "not printed: 9 widths, 24 comparisons, 27 relations" in of_widths
    assert "not printed" not in xdgmm("widths", "m.fits", "many.fits", "--full", cwd=folder).stdout
    found = json.loads(xdgmm("fit", *arguments, "--json", cwd=folder).stdout)
    assert (len(found["widths"]["rows"]), len(found["relations"]["rows"])) == (30, 33)


def test_fits_files_may_end_in_fit_everywhere(xdgmm, stars):
    for ending in ("fits", "fit"):
        (stars / f"table.{ending}").write_bytes((stars / "stars.fits").read_bytes())
        outputs = ["--output", f"model.{ending}", "--report", f"widths.{ending}"]
        done = xdgmm("fit", f"table.{ending}", "--columns", "v", *outputs, cwd=stars)
        assert done.returncode == 0, done.stderr
        done = xdgmm("apply", f"model.{ending}", f"table.{ending}", "--output", f"new.{ending}", cwd=stars)
        assert done.returncode == 0, done.stderr
    for name in ("widths", "new"):
        assert (stars / f"{name}.fit").read_bytes()[:6] == b"SIMPLE"
        written, usual = (QTable.read(stars / f"{name}.{ending}", format="fits") for ending in ("fit", "fits"))
        assert written.colnames == usual.colnames
        assert all(str(written[column]) == str(usual[column]) for column in usual.colnames)
    one, other = (GaussianMixture.read(stars / f"model.{ending}") for ending in ("fits", "fit"))
    assert (one.covariances == other.covariances).all()
    assert "intrinsic σ" in xdgmm("info", "model.fit", cwd=stars).stdout
    assert "naive_sigma" in xdgmm("info", "widths.fit", cwd=stars).stdout


def test_two_columns_and_no_errors(xdgmm, outputs, tmp_path):
    rng = np.random.default_rng(0)
    Table({"a": rng.normal(size=50), "b": rng.normal(size=50)}).write(tmp_path / "t.ecsv")
    done = xdgmm("fit", "t.ecsv", "--columns", "a,b", "--errors", "none", *outputs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / name).stat().st_size > 0 for name in OUTPUTS)


def test_the_same_seed_prints_the_same_in_every_process(xdgmm, process, stars):
    command = ["fit", "stars.fits", "--columns", "v", "--mcmc", "--seed"]
    printed = xdgmm(*command, "4", cwd=stars).stdout
    assert process(*command, "4", cwd=stars).stdout == printed
    assert xdgmm(*command, "5", cwd=stars).stdout != printed


def bad(stars, **columns):
    table = QTable.read(stars / "stars.fits")
    for name, (row, value) in columns.items():
        table[name][row] = value * (table[name].unit or 1)
    table.write(stars / "bad.fits")


@pytest.mark.parametrize("error", [0.0, -1.0, np.nan])
def test_an_unusable_error_is_refused_with_the_ways_out(xdgmm, refused, outputs, stars, error):
    bad(stars, e_v=(3, error))
    done = xdgmm("fit", "bad.fits", "--columns", "v", *outputs, cwd=stars)
    refused(done, "e_v", "row 3", "--on-bad")
    assert not any((stars / name).exists() for name in OUTPUTS)


@pytest.mark.parametrize("choice", ["drop", "missing", "exact"])
def test_the_ways_out_work(xdgmm, stars, choice):
    bad(stars, e_v=(3, 0.0))
    done = xdgmm("fit", "bad.fits", "--columns", "v", "--on-bad", choice, cwd=stars)
    assert done.returncode == 0, done.stderr
    assert f"{31 if choice == 'exact' else 30} objects" in done.stdout


def test_an_infinite_error_is_a_missing_value_and_counted(xdgmm, stars):
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
        (
            ["fit", "stars.fits", "--columns", "v", "--output", "stars.fits", "--overwrite"],
            ["is the table that is read"],
        ),
        (["fit", "stars.fits", "--columns", "v", "--output", "a.fits", "--report", "a.fits"], ["same name"]),
        (["fit", "stars.fits"], ["--columns"]),
        (["frobnicate"], ["frobnicate"]),
        (["demo", "--output", "stars.fits"], ["stars.fits"]),
    ],
)
def test_bad_input_is_one_sentence_and_touches_nothing(xdgmm, refused, stars, arguments, parts):
    (stars / "noise.fits").write_bytes(np.random.default_rng(0).bytes(5000))
    (stars / "noise.csv").write_bytes(np.random.default_rng(1).bytes(5000))
    (stars / "cut.fits").write_bytes((stars / "stars.fits").read_bytes()[:6000])
    (stars / "empty.csv").write_text("")
    (stars / "old.fits").write_text("mine")
    before = {path.name: path.read_bytes() for path in stars.iterdir()}
    refused(xdgmm(*arguments, cwd=stars), *parts)
    assert {path.name: path.read_bytes() for path in stars.iterdir()} == before


def test_exact_repeated_values_are_refused_with_the_reason(process, refused, tmp_path):
    Table({"v": np.ones(9)}).write(tmp_path / "t.ecsv")
    refused(process("fit", "t.ecsv", "--columns", "v", "--errors", "none", cwd=tmp_path), "without noise")


def test_overwriting_is_possible_when_asked_for(xdgmm, stars):
    (stars / "model.fits").write_text("old")
    done = xdgmm("fit", "stars.fits", "--columns", "v", "--output", "model.fits", "--overwrite", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert fits.getheader(stars / "model.fits", 1)["XDGMMFMT"] == 3


def test_means_solver_and_passes_give_the_mixture_of_the_estimator(xdgmm, tmp_path):
    table = datasets.load("neutron_stars")
    Table({"m": table["m"].value, "e_m": table["e_m"].value}).write(tmp_path / "masses.csv")
    command = ["fit", "masses.csv", "--columns", "m", "--components", "2", "--means", "1.2;2.1", "--solver", "em"]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = xdgmm(*command, "--passes", "5", "--output", "model.fits", cwd=tmp_path)
    assert done.returncode == 1, done.stderr  # it is not the maximum
    assert "max_iter passes were made" in done.stdout
    assert "not the maximum" in done.stderr
    model = XDGMM(2, solver="em", means_init=[[1.2], [2.1]], tol=0, max_iter=5)
    model.fit(Observations.from_table(QTable.read(tmp_path / "masses.csv"), "m"))
    found = GaussianMixture.read(tmp_path / "model.fits")
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(found, name), getattr(model.mixture_, name))


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ("1;two", ["--means is '1;two'", "separated by commas"]),
        ("1,2;3", ["--means"]),
        ("1;2;3", ["--means", "(2, 1)"]),
    ],
)
def test_means_that_are_none_are_refused(xdgmm, refused, stars, means, said):
    command = ["fit", "stars.fits", "--columns", "v", "--components", "2", "--means", means]
    refused(xdgmm(*command, cwd=stars), *said)


@pytest.mark.parametrize("last", ["--report widths.fits", "--report WIDTHS.ECSV"])
def test_either_all_outputs_are_written_or_none(xdgmm, refused, tmp_path, last):
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
def test_names_that_are_too_long_are_refused(xdgmm, refused, stars, arguments):
    refused(xdgmm("fit", *arguments, "--columns", "v", cwd=stars), "name too long")


def test_an_unknown_unit_does_not_stop_the_model_from_being_written(xdgmm, outputs, tmp_path):
    table = Table({"v": [1.0, 2.0, 4.0], "e_v": [0.1, 0.1, 0.1]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table["v"].unit = table["e_v"].unit = "furlongs/day"
        table.write(tmp_path / "t.fits")
    done = xdgmm("fit", "t.fits", "--columns", "v", *outputs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "furlongs/day" in done.stdout


def test_a_huge_range_of_components_is_refused_at_once(xdgmm, refused, stars):
    refused(xdgmm("fit", "stars.fits", "--columns", "v", "--components", "1:1000000000", cwd=stars), "narrow the range")


def test_weights_and_singular_covariances_are_remarked_upon(xdgmm, tmp_path):
    datasets.load("tully_fisher").write(tmp_path / "t.fits")
    done = xdgmm("fit", "t.fits", "--columns", "logW20,V", cwd=tmp_path)
    assert "no intrinsic width in 1 direction" in done.stdout


def test_the_command_line_fits_other_covariances_beside_a_background(xdgmm, refused, outputs, tmp_path):
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(0, 1, 300), rng.normal(8, 1, 200), rng.uniform(-40, 40, 30)])
    e = rng.uniform(0.2, 0.5, 530)
    Table({"v": x + e * rng.standard_normal(530), "e_v": e}).write(tmp_path / "stars.csv")
    done = xdgmm(
        *("fit", "stars.csv", "--columns", "v", "--components", "2", "--covariance-type", "tied"),
        *("--background", *outputs),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "background: " in done.stdout
    assert "uniform over its box" in " ".join(done.stdout.split())
    mixture = GaussianMixture.read(tmp_path / "model.fits")
    assert mixture.background.fitted_edges
    assert "true values uniform in v from -4" in " ".join(xdgmm("info", "model.fits", cwd=tmp_path).stdout.split())
    told = json.loads(xdgmm("info", "model.fits", "--json", cwd=tmp_path).stdout)["model"]["background"]
    assert (told["of"], told["fitted_edges"]) == ("true values", True)
    assert mixture.background.fraction == pytest.approx(30 / 530, abs=0.03)
    assert mixture.covariances[0] == mixture.covariances[1]
    report = QTable.read(tmp_path / "widths.ecsv")
    assert report.meta["covariance_type"] == "tied"
    assert abs(report["sigma"][0] - 1.0) < 3 * report["sigma_error"][0]
    refused(
        xdgmm("fit", "stars.csv", "--columns", "v", "--covariance-type", "round", cwd=tmp_path), "round", "spherical"
    )


def test_posteriors_are_printed_with_their_prior(xdgmm, stars):
    done = xdgmm("fit", "stars.fits", "--columns", "v", "--mcmc", "--report", "w.ecsv", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "medians of the posterior, converged" in done.stdout
    assert "half-Cauchy, scale 3.41 km / s" in done.stdout
    report = QTable.read(stars / "w.ecsv")
    assert report.meta["method"] == "mcmc"
    # Median and interval by integration on a grid: the tests of the posterior hold that; here to its Monte Carlo error.
    assert report["sigma"][0].value == pytest.approx(2.81, abs=0.06)


def test_the_chain_and_the_corner_of_a_posterior_are_written(xdgmm, refused, stars):
    command = ["fit", "stars.fits", "--columns", "v", "--mcmc", "--chain", "chain.h5", "--corner", "corner.png"]
    done = xdgmm(*command, cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "wrote chain.h5" in done.stdout
    assert "wrote corner.png" in done.stdout
    assert (stars / "corner.png").read_bytes()[1:4] == b"PNG"
    import h5py

    with h5py.File(stars / "chain.h5") as file:
        assert file["mcmc"]["chain"].shape[2] == 2
    refused(xdgmm(*command, cwd=stars), "exists", "--overwrite")
    assert xdgmm(*command, "--overwrite", cwd=stars).returncode == 0


@pytest.mark.parametrize(("option", "name"), [("--chain", "chain.h5"), ("--corner", "corner.pdf")])
def test_a_chain_or_corner_without_samples_is_refused(xdgmm, refused, stars, option, name):
    refused(xdgmm("fit", "stars.fits", "--columns", "v", option, name, cwd=stars), option, "--mcmc")
    refused(xdgmm("fit", "stars.fits", "--columns", "v", "--mcmc", option, "a.txt", cwd=stars), "a.txt", "end in")


def test_a_table_of_several_and_its_correlations_can_be_chosen(xdgmm, refused, tmp_path):
    rng = np.random.default_rng(0)
    stars = Table({name: rng.normal(size=30) for name in ("a", "b")})
    for name, numbers in (("e_a", 0.1), ("e_b", 0.1), ("a_b_corr", 0.5)):
        stars[name] = np.full(30, numbers)
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(stars, name="STARS"), fits.BinTableHDU(stars[:3], name="GAL")]
    fits.HDUList(hdus).writeto(tmp_path / "t.fits")
    refused(xdgmm("fit", "t.fits", "--columns", "a,b", cwd=tmp_path), "--hdu", "1 (STARS), 2 (GAL)")
    command = ["t.fits", "--columns", "a,b", "--hdu", "stars", "--correlations"]
    found = xdgmm("fit", *command, "auto", "--output", "model.fits", cwd=tmp_path)
    assert "30 objects; errors of a, b taken from e_X; correlations taken from a_b_corr" in found.stdout
    assert xdgmm("widths", "model.fits", *command, "auto", cwd=tmp_path).returncode == 0
    ignored = xdgmm("fit", *command, "none", cwd=tmp_path)
    assert "30 objects; errors of a, b taken from e_X\n" in ignored.stdout


@pytest.mark.parametrize("method", ["information", "sandwich"])
def test_report_relations_and_files_share_one_hessian(here, tmp_path, hessians, method):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 2)) @ [[1.0, 0.5], [0.0, 0.5]]
    Table({"x": x[:, 0], "y": x[:, 1], "e_x": np.full(60, 0.2), "e_y": np.full(60, 0.2)}).write(tmp_path / "t.fits")
    files = ("--output", "m.fits", "--report", "w.ecsv")
    assert here("fit", "t.fits", "--columns", "x,y", *files)[0] == 0
    assert len(hessians) == 1
    assert here("widths", "m.fits", "t.fits", "--method", method)[0] == 0
    assert len(hessians) == 2  # the file holds no Hessian


def test_the_command_in_the_record_gives_the_same_model(stars, here):
    import shlex

    from xdgmm import GaussianMixture

    status, out, _ = here("fit", "stars.fits", "--columns", "v", "--components", "1:2", "--output", "a b.fits")
    assert status == 0
    first = GaussianMixture.read(stars / "a b.fits")
    assert f"the fit again: {first.record.recipe}" in out
    assert first.record.recipe in here("info", "a b.fits")[1]
    command, version = first.record.recipe.split("  # ")
    assert version.startswith("xdgmm ")
    program, *words = shlex.split(command)
    assert program == "xdgmm"
    (stars / "a b.fits").unlink()
    assert here(*words)[0] == 0
    second = GaussianMixture.read(stars / "a b.fits")
    for name in ("weights", "means", "covariances"):
        assert (getattr(first, name) == getattr(second, name)).all()


def test_a_fit_goes_on_from_its_checkpoint(xdgmm, refused, stars, monkeypatch):
    from xdgmm.fitting import checkpoint

    command = ["fit", "stars.fits", "--columns", "v", "--components", "1:2", "--checkpoint", "state", "--quiet"]
    done = xdgmm(*command[:-3], "--output", "whole.ecsv", cwd=stars)
    assert done.returncode == 0, done.stderr
    added = []

    def interrupt(self, key, result):
        added.append(key)
        if len(added) == 20:
            raise KeyboardInterrupt
        self.passes[key] = result

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "add", interrupt)
        xdgmm(*command, cwd=stars)
    refused(xdgmm(*command, cwd=stars), "'state' exists already", "`resume=True` (--resume)")
    refused(xdgmm(*command, "--resume", "--starts", "2", cwd=stars), "with other `n_init` (--starts)")
    refused(xdgmm(*command, "--resume", "--seed", "1", cwd=stars), "with other `random_state` (--seed)")
    refused(xdgmm(*command[:-3], "--resume", cwd=stars), "add --checkpoint FILE")
    refused(xdgmm(*command, "--jobs", "2", cwd=stars), "leave out --jobs")
    refused(
        xdgmm(*command, "--resume", "--output", "state.ecsv", "--checkpoint", "state.ecsv", cwd=stars), "two outputs"
    )
    done = xdgmm(*command, "--resume", "--output", "resumed.ecsv", cwd=stars)
    assert done.returncode == 0, done.stderr
    whole, resumed = (GaussianMixture.read(stars / f"{name}.ecsv") for name in ("whole", "resumed"))
    np.testing.assert_array_equal(whole.covariances, resumed.covariances)
    assert whole.record.log_likelihood == resumed.record.log_likelihood
    assert xdgmm(*command, "--overwrite", cwd=stars).returncode == 0
