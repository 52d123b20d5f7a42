"""`xdgmm info`: a model, or a table, at a glance."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from xdgmm import XDGMM, Fixed, GaussianMixture, InverseWishart, Observations, Prior

MODEL = GaussianMixture(
    [0.25, 0.75], [[1.0, 2.0], [3.0, 4.0]], [[[4.0, 1.0], [1.0, 1.0]], np.zeros((2, 2))], ["a", "b"]
)


@pytest.mark.usefixtures("stars")
def test_a_fitted_model_is_shown_with_its_record(here):
    assert here("fit", "stars.fits", "--columns", "v", "--output", "m.fits", "-q")[0] == 0
    code, out, _ = here("info", "m.fits")
    assert code == 0
    for part in ("v [km / s]", "80.53±0.57", "2.73±0.43", "31 objects", "errors of v taken from e_v", "converged"):
        assert part in out


def test_a_model_without_a_record_is_shown_too(here, tmp_path):
    MODEL.write(tmp_path / "m.ecsv")
    code, out, _ = here("info", "m.ecsv")
    assert code == 0
    assert "+0.500" in out
    assert "no record of a fit" in out
    assert json.loads(here("info", "m.ecsv", "--json")[1])["record"] is None


def test_fixed_parameters_and_a_prior_are_shown(here, tmp_path):
    data = Observations.with_standard_errors(np.random.default_rng(0).normal(size=(50, 2)), 0.1, names=["a", "b"])
    start = GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)], ["a", "b"])
    model = XDGMM(init=start, prior=Prior(covariances=InverseWishart(0.1)), fixed=Fixed(means=(0,)))
    model.fit(data).mixture_.write(tmp_path / "m.fits")
    _, out, _ = here("info", "m.fits")
    assert "held fixed: means of 0" in out
    assert "prior on covariances" in out


@pytest.mark.usefixtures("stars")
def test_a_table_is_shown_with_the_errors_that_would_be_found(here):
    code, out, _ = here("info", "stars.fits", "--json")
    document = json.loads(out)
    assert (code, document["kind"], document["n_rows"]) == (0, "table", 31)
    columns = {column["name"]: column for column in document["columns"]}
    assert columns["v"]["unit"] == "km / s"
    assert columns["v"]["errors"] == "errors of v taken from e_v"
    assert columns["p_mem"]["errors"] is None
    assert "errors of v taken from e_v" in here("info", "stars.fits")[1]


def test_odd_tables_are_shown(here, tmp_path):
    table = Table({"[b]y": [1.0, np.nan], "s": ["a", "b"], "m": np.zeros((2, 3)), "x_err": [1, 2], "e_x": [1, 2]})
    table["x"] = [1.0, 2.0]
    table.write(tmp_path / "t.ecsv")
    code, out, _ = here("info", "t.ecsv")
    assert code == 0
    assert "[b]y" in out
    columns = {column["name"]: column for column in json.loads(here("info", "t.ecsv", "--json")[1])["columns"]}
    assert columns["[b]y"]["missing"] == 1
    assert [columns[name]["type"] for name in ("x_err", "s", "m")] == ["int64", "str1", "float64[3]"]
    assert "may both hold the errors of 'x'" in columns["x"]["errors"]


@pytest.mark.parametrize("name", ["nothing.fits", "noise.fits", "damaged.ecsv"])
def test_what_is_neither_is_one_sentence(here, tmp_path, name):
    (tmp_path / "noise.fits").write_bytes(np.random.default_rng(0).bytes(3000))
    MODEL.write(tmp_path / "model.ecsv")
    (tmp_path / "damaged.ecsv").write_text((tmp_path / "model.ecsv").read_text().replace("0.25", "0.26"))
    code, out, err = here("info", name)
    assert (code, out) == (2, "")
    assert name in err


def test_one_table_of_several_is_shown(here, tmp_path):
    parts = [fits.BinTableHDU(Table({"x": np.arange(2.0 + n)}), name=f"T{n}") for n in range(2)]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(tmp_path / "t.fits")
    assert "holds several tables" in " ".join(here("info", "t.fits")[2].split())
    assert json.loads(here("info", "t.fits", "--hdu", "T1", "--json")[1])["n_rows"] == 3
