"""`xdgmm widths`: a model that was written, reported on again."""

import json

import numpy as np
import pytest
from astropy.table import QTable, Table
from dask import delayed

from xdgmm import XDGMM, Fixed, GaussianMixture, InverseWishart, Observations, Prior, datasets
from xdgmm.streaming import DaskSource


def test_widths_are_found_in_another_way_for_a_model_that_was_written(xdgmm, process, refused, stars):
    assert xdgmm("fit", "stars.fits", "--columns", "v", "--output", "model.fits", cwd=stars).returncode == 0
    done = process("widths", "model.fits", "stars.fits", "--method", "profile", "--report", "w.ecsv", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "2.73+0.48-0.39" in done.stdout
    assert "3.15±0.41" in done.stdout
    assert QTable.read(stars / "w.ecsv").meta["method"] == "profile"
    refused(
        xdgmm("widths", "model.fits", "stars.fits", "--distance", "far", cwd=stars), "--distance is 'far'", "30 kpc"
    )
    rest = ("widths", "model.fits", "stars.fits", "--rest")
    refused(xdgmm(*rest, "6562.8 Angstrum", cwd=stars), "no unit 'Angstrum' (did you mean Angstrom", "as '6562.8 AA'")
    refused(xdgmm(*rest, "Halpha", cwd=stars), "--rest is 'Halpha'", "a number with a unit, as '6562.8 AA'")
    refused(xdgmm("widths", "nothing.fits", "stars.fits", cwd=stars), "there is no file 'nothing.fits'")
    refused(xdgmm("widths", "model.fits", "stars.fits", "--method", "magic", cwd=stars), "magic", "profile")


@pytest.mark.filterwarnings("always::xdgmm.errors.XdgmmWarning")
def test_a_model_is_reported_as_it_is_and_never_overwritten(xdgmm, refused, stars):
    assert xdgmm("fit", "stars.fits", "--columns", "v", "--output", "model.fits", cwd=stars).returncode == 0
    command = ("widths", "model.fits", "stars.fits", "--report", "model.fits", "--overwrite")
    refused(xdgmm(*command, cwd=stars), "is the model")
    rng = np.random.default_rng(1)
    Table({"v": rng.normal(500.0, 20.0, 40), "e_v": np.full(40, 3.0)}).write(stars / "other.csv")
    done = xdgmm("widths", "model.fits", "other.csv", cwd=stars)
    assert done.returncode == 0
    assert "not the maximum for these data" in " ".join(done.stderr.split())  # and not fitted again
    refused(xdgmm("widths", "model.fits", "other.csv", "--method", "bootstrap", cwd=stars), "not the maximum for this")


def test_models_other_than_full_are_recognised(here, tmp_path):
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(9, 1, (100, 2))])
    Table({"a": x[:, 0], "b": x[:, 1], "e_a": np.full(200, 0.2), "e_b": np.full(200, 0.2)}).write(tmp_path / "t.csv")
    for kind in ("full", "tied", "diag", "spherical"):
        options = ("--components", "2", "--covariance-type", kind, "--output", f"{kind}.fits")
        assert here("fit", "t.csv", "--columns", "a,b", *options)[0] == 0
        assert here("widths", f"{kind}.fits", "t.csv", "--report", f"{kind}.ecsv")[0] == 0
        assert QTable.read(tmp_path / f"{kind}.ecsv").meta["covariance_type"] == kind


def test_the_hash_of_partitions_is_not_taken_for_that_of_other_data(here, stars):
    table = Table.read(stars / "stars.fits")
    model = XDGMM().fit(DaskSource([delayed(table[:20]), delayed(table[20:])], "v"))
    model.mixture_.write(stars / "p.fits")
    _, out, _ = here("widths", "p.fits", "stars.fits")
    words = " ".join(out.split())
    assert f"whether these are the same {len(table)} objects cannot be told" in words
    assert "these are not the values" not in words


def test_widths_say_what_was_read_and_whether_it_is_what_was_fitted(here, stars):
    table = QTable.read(stars / "stars.fits")
    table["v"][3] = np.nan
    table.write(stars / "cut.ecsv")
    assert here("fit", "cut.ecsv", "--columns", "v", "--output", "m.fits", "-q")[0] == 0
    _, out, _ = here("widths", "m.fits", "cut.ecsv")
    assert "30 objects; errors of v taken from e_v; 1 of 31 values of v missing" in out
    assert "these are not" not in out
    table["v"][4] += 1e-4 * table["v"].unit
    table.write(stars / "other.ecsv")
    code, out, _ = here("widths", "m.fits", "other.ecsv")
    assert code == 0
    assert "these are not the values, errors and weights that the model was fitted to (30 objects" in out


@pytest.mark.filterwarnings("ignore:the log-likelihood still changes")
def test_widths_without_the_weights_of_the_fit_name_them(here, stars):
    table = QTable.read(stars / "stars.fits")
    table["p"] = np.linspace(0.2, 1, len(table))
    table.write(stars / "weighted.ecsv")
    assert here("fit", "weighted.ecsv", "--columns", "v", "--weights", "p", "--output", "w.fits", "-q")[0] == 0
    _, out, _ = here("widths", "w.fits", "weighted.ecsv")
    assert "not in their order (at the fit: weights taken from p): the report" in out
    code, _, err = here("widths", "w.fits", "weighted.ecsv", "--method", "bootstrap")
    assert code == 2
    assert "with the same options (at the fit: weights taken from p)" in err
    _, out, _ = here("widths", "w.fits", "weighted.ecsv", "--weights", "p")
    assert "at the fit" not in out


def test_a_prior_and_what_was_fixed_are_known_from_the_file(here, tmp_path):
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 1, 60), rng.normal(9, 1, 40)])
    table = QTable({"v": x, "e_v": np.full(100, 0.5)})
    table.write(tmp_path / "t.ecsv")
    start = GaussianMixture([0.6, 0.4], [[0.0], [8.0]], [[[1.0]], [[1.0]]], ["v"])
    model = XDGMM(2, init=start, fixed=Fixed(means=(1,)), prior=Prior(covariances=InverseWishart(5.0)))
    model.fit(Observations.from_table(table, "v")).mixture_.write(tmp_path / "m.fits")
    for method in ("information", "bootstrap"):
        code, out, err = here("widths", "m.fits", "t.ecsv", "--method", method)
        assert (code, err) == (0, "")  # without a record it would not be a maximum
        assert "held fixed, so without errors: means of 1" in out


def test_a_table_without_units_is_said_to_be_in_those_of_the_model(here, stars):
    here("fit", "stars.fits", "--columns", "v", "--output", "m.fits", "--quiet")
    table = Table.read(stars / "stars.fits")
    table["v"].unit = table["e_v"].unit = None
    table.write(stars / "bare.ecsv")
    assert "v taken to be in km / s, as in the model" in here("widths", "m.fits", "bare.ecsv")[1]


def test_relations_have_the_limits_of_the_level_asked_for(here, tmp_path):
    table = datasets.load("tully_fisher")
    table["logW20", "e_logW20", "B", "e_B"].write(tmp_path / "t.fits")
    assert here("fit", "t.fits", "--columns", "logW20,B", "--output", "m.fits")[0] == 0
    for level in ("0.7", "0.95"):
        code, out, err = here("widths", "m.fits", "t.fits", "--limit-level", level, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert found["relations"]["meta"]["limit_level"] == float(level)
        assert found["relations"]["meta"]["remarks"]
        across = [row for row in found["relations"]["rows"] if row["quantity"] == "scatter across the major axis"]
        narrowest = [row for row in found["widths"]["rows"] if row["axis"] == "principal 2"]
        limits = across[0]["limit"], narrowest[0]["sigma_limit"]
        assert limits == (None, None) or limits[0] == pytest.approx(limits[1], rel=1e-5)
    assert limits[0] == pytest.approx(0.049, abs=5e-4)


def test_the_table_of_a_paper_is_written(stars, here):
    assert here("fit", "stars.fits", "--columns", "v", "--output", "m.fits", "--report", "fit.tex")[0] == 0
    assert here("widths", "m.fits", "stars.fits", "--method", "profile", "--report", "widths.tex")[0] == 0
    assert r"v & $31$ & $80.53 \pm 0.57$ & $2.73 \pm 0.43$ \\" in (stars / "fit.tex").read_text()
    assert r"v & $31$ & $80.53 \pm 0.57$ & $2.73^{+0.48}_{-0.39}$ \\" in (stars / "widths.tex").read_text()
    assert "end in .ecsv or .fits or .fit or .tex" in here("widths", "m.fits", "stars.fits", "--report", "w.doc")[2]


def test_memberships_are_columns_of_the_table(here, tmp_path):
    rng = np.random.default_rng(8)
    p = rng.beta(0.6, 0.6, 300)
    v = np.where(rng.random(300) < p, rng.normal(50.0, 5.0, 300), rng.normal(0.0, 60.0, 300)) + rng.normal(
        0.0, 1.0, 300
    )
    table = Table({"v": v, "e_v": np.ones(300), "p_mem": p, "p_field": 1.0 - p, "wrong": 100.0 * p})
    table.write(tmp_path / "t.ecsv")
    command = ("t.ecsv", "--membership", "p_mem")
    code, out, _ = here("fit", *command, "--columns", "v", "--components", "2", "--output", "m.fits")
    assert code == 0
    assert "known memberships taken from p_mem" in " ".join(out.split())
    assert GaussianMixture.read(tmp_path / "m.fits").record.model["memberships"] == "known"
    assert here("widths", "m.fits", *command)[0] == 0
    assert here("widths", "m.fits", "t.ecsv", "--membership", "p_mem,p_field")[0] == 0
    code, _, err = here("widths", "m.fits", "t.ecsv")
    assert code == 2
    assert "fitted with `memberships` (--membership) known beforehand" in " ".join(err.split())
    code, _, err = here("fit", "t.ecsv", "--columns", "v", "--components", "2", "--membership", "wrong")
    assert code == 2
    assert "lies outside 0 to 1" in err
    for name, options in (
        ("apply", ("--output", "o.fits")),
        ("check", ("--simulations", "19")),
        ("plot", ("--output", "p.png")),
    ):
        done = here(name, "m.fits", "t.ecsv", "--membership", "p_mem", *options)
        assert done[0] in (0, 1), done  # 1: a check that found something
