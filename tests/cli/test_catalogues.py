"""Commands on catalogues in parts say what they say of the table in memory, or of a random sample, or refuse."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from pyarrow import parquet

from xdgmm import XDGMM, Observations
from xdgmm.observations import streamed
from xdgmm.uncertainty import with_errors

N, SAMPLE = 1200, 300


@pytest.fixture
def sky(tmp_path, monkeypatch):
    """A folder with a table in several forms, and a model fitted to it."""
    monkeypatch.setattr(streamed, "SAMPLE", SAMPLE)
    rng = np.random.default_rng(2)
    errors = rng.uniform(0.5, 2.0, N)
    table = Table({"id": np.arange(N), "v": 80.0 + rng.normal(0, 3.0, N) + errors * rng.standard_normal(N)})
    table["e_v"] = errors
    for name in ("v", "e_v"):
        table[name].unit = "km/s"
    table.write(tmp_path / "stars.fits")
    (tmp_path / "gaia").mkdir()
    for number in range(3):
        part = table[number * 400 : (number + 1) * 400]
        part.write(tmp_path / "gaia" / f"part{number}.parquet", format="parquet")
    observations = Observations.from_table(table, "v")
    with_errors(XDGMM().fit(observations).result_, observations).write(tmp_path / "model.fits")
    return tmp_path


def document(done):
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("method", ["information", "sandwich", "profile"])
@pytest.mark.parametrize("table", ["gaia", "gaia/*.parquet"])
def test_widths_are_those_of_the_table(xdgmm, sky, method, table):
    whole = document(xdgmm("widths", "model.fits", "stars.fits", "--method", method, "--json", cwd=sky))
    parts = document(xdgmm("widths", "model.fits", table, "--method", method, "--json", cwd=sky))
    assert parts["n_objects"] == whole["n_objects"] == N
    assert parts["remarks"] == whole["remarks"] == []
    (of_whole,), (of_parts,) = whole["widths"]["rows"], parts["widths"]["rows"]
    for name in ("mean", "mean_error", "sigma", "sigma_error", "n_members"):
        assert of_parts[name] == pytest.approx(of_whole[name], rel=1e-6), name
    assert f"random sample of {SAMPLE} of the {N} objects" in str(parts["widths"]["meta"]["remarks"])


def test_a_check_says_that_it_is_of_a_sample(xdgmm, sky):
    arguments = ("check", "model.fits", "gaia/*.parquet", "--simulations", "19", "--memory", "100MB")
    found = document(xdgmm(*arguments, "--json", cwd=sky))
    assert (found["n_objects"], found["sampled_from"]) == (SAMPLE, N)
    assert found["verdict"][0] == f"checked: a random sample of {SAMPLE} of {N} objects"
    done = xdgmm(*arguments, "--error-scale", "factor", cwd=sky)
    assert f"a random sample of {SAMPLE} of {N} objects" in done.stdout


def test_members_are_written_file_by_file(xdgmm, sky):
    whole = document(xdgmm("apply", "model.fits", "stars.fits", "--output", "whole.fits", "--json", cwd=sky))
    parts = document(xdgmm("apply", "model.fits", "gaia/*.parquet", "--output", "members", "--json", cwd=sky))
    assert parts["n_rows"] == whole["n_rows"] == N
    assert parts["appended"] == whole["appended"]
    assert parts["written"] == [f"members/part{number}.parquet" for number in range(3)]
    expected = Table.read(sky / "whole.fits")
    found = parquet.read_table(sky / "members")
    assert found["id"].to_pylist() == expected["id"].tolist()
    for name in ("xd_v", "xd_v_error", "xd_log_likelihood", "xd_outlyingness"):
        np.testing.assert_allclose(found[name].to_numpy(), expected[name], rtol=1e-12)
    done = xdgmm("apply", "model.fits", "gaia", "--output", "some.parquet", "--keep", "id", "--quiet", cwd=sky)
    assert (done.returncode, done.stdout) == (0, "")
    assert parquet.read_schema(sky / "some.parquet").names[:2] == ["id", "xd_membership_0"]


def test_a_fits_table_in_parts_becomes_the_same_table(xdgmm, sky):
    xdgmm("apply", "model.fits", "stars.fits", "--output", "whole.fits", cwd=sky)
    done = xdgmm("apply", "model.fits", "stars.fits", "--output", "parts.fits", "--memory", "1MB", cwd=sky)
    assert done.returncode == 0, done.stderr
    with fits.open(sky / "whole.fits") as one, fits.open(sky / "parts.fits") as other:
        assert one[1].header == other[1].header
        assert (one[1].data == other[1].data).all()


def test_a_picture_says_that_it_is_of_a_sample(xdgmm, sky):
    done = xdgmm("plot", "model.fits", "gaia", "--output", "fit.svg", "--json", cwd=sky)
    assert document(done)["n_objects"] == SAMPLE
    assert "random sample of" in (sky / "fit.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("widths", "model.fits", "gaia", "--method", "bootstrap"), ["needs all objects", "in memory"]),
        (("widths", "model.fits", "gaia", "--limit", "simulated"), ["simulations are of all objects"]),
        (("widths", "model.fits", "gaia", "--hdu", "1"), ["--hdu", "Parquet"]),
        (("widths", "model.fits", "gaia", "--readme", "model.fits"), ["--readme"]),
        (("widths", "model.fits", "dust/*.parquet"), ["no file matches"]),
        (("widths", "model.fits", "gaia", "--memory", "much"), ["--memory", "much"]),
        (("check", "model.fits", "gaia", "--against", "id"), ["--against", "random sample"]),
        (("check", "model.fits", "gaia", "--object-names", "id"), ["--object-names", "random sample"]),
        (("plot", "model.fits", "gaia", "--output", "a.png", "--kind", "widths"), ["what all objects say"]),
        (("apply", "model.fits", "stars.fits", "--output", "a.fits", "--keep", "v"), ["--keep"]),
        (("apply", "model.fits", "gaia", "--output", "a.fits"), ["one FITS table"]),
        (("apply", "model.fits", "gaia", "--output", "gaia", "--overwrite"), ["file of the catalogue"]),
    ],
)
def test_what_cannot_be_said_is_refused(xdgmm, refused, sky, arguments, parts):
    refused(xdgmm(*arguments, cwd=sky), *parts)
