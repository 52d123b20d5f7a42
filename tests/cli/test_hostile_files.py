"""Files that users have, through the commands: fit, apply and info."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from xdgmm import GaussianMixture, datasets
from xdgmm.tables import read_table

NAME = "größe λ"


def stars(rows=31):
    table = QTable(datasets.load("hydrus1"))[:rows]
    table.meta = {}
    return table


def gzipped(path):
    stars().write(path / "plain.fits")
    (path / "t.fits.gz").write_bytes(gzip.compress((path / "plain.fits").read_bytes()))
    return "t.fits.gz", "v", ()


def votable(path):
    stars().write(path / "t.vot", format="votable")
    return "t.vot", "v", ()


def several_tables(path):
    other = fits.BinTableHDU(Table({"z": [1.0]}), name="OTHER")
    fits.HDUList([fits.PrimaryHDU(), other, fits.BinTableHDU(stars(), name="STARS")]).writeto(path / "t.fits")
    return "t.fits", "v", ("--hdu", "stars")


def unicode_names(path):
    table = stars()
    table.rename_columns(["v", "e_v"], [NAME, f"e_{NAME}"])
    table.write(path / "t.ecsv")
    return "t.ecsv", NAME, ()


def ten_thousand_columns(path):
    table = Table(np.ones((31, 10_000)), names=[f"c{i}" for i in range(10_000)])
    table["v"], table["e_v"] = stars()["v"].value, stars()["e_v"].value
    table.write(path / "t.csv")
    return "t.csv", "v", ()


@pytest.mark.parametrize(
    "file",
    [gzipped, votable, several_tables, unicode_names, pytest.param(ten_thousand_columns, marks=pytest.mark.slow)],
)
def test_unusual_files_are_fitted_applied_to_and_shown(here, tmp_path, file):
    table, name, options = file(tmp_path)
    code, _, err = here("fit", table, "--columns", name, "--output", "m.fits", *options)
    assert code == 0, err
    mixture = GaussianMixture.read(tmp_path / "m.fits")
    assert mixture.means[0, 0] == pytest.approx(80.525735, abs=1e-5)
    assert mixture.names == (name,)
    code, out, err = here("apply", "m.fits", table, "--output", "out.ecsv", "--json", *options)
    assert code == 0, err
    assert json.loads(out)["n_rows"] == 31
    assert f"xd_{name}_error" in (tmp_path / "out.ecsv").read_text("utf-8")
    code, out, err = here("info", table, *options, "--json")
    assert code == 0, err
    assert json.loads(out)["n_rows"] == 31


def test_a_table_that_is_not_chosen_is_asked_for_by_every_command(here, tmp_path):
    table, *_ = several_tables(tmp_path)
    GaussianMixture([1.0], [[80.5]], [[[7.4]]], ["v"], ["km/s"]).write(tmp_path / "m.fits")
    for command in (
        ("fit", table, "--columns", "v"),
        ("widths", "m.fits", table),
        ("apply", "m.fits", table, "--output", "out.fits"),
        ("info", table),
        ("lines", "deconvolve", table, "--sigma", "v", "--lsf", "1"),
    ):
        code, out, err = here(*command)
        assert (code, out) == (2, "")
        assert "choose one with `hdu` (--hdu): 1 (OTHER), 2 (STARS)" in err


def empty():
    return stars(0)


def masked():
    table = Table(stars(), masked=True)
    table["v"].mask = True
    return table


def clashing_units():
    table = Table(stars())
    table["e_v"].unit = "mag"
    return table


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (empty, "has no rows"),
        (masked, "every value is missing"),
        (clashing_units, "'e_v' is in mag, which does not convert to the km / s of column 'v'"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(here, tmp_path, table, sentence):
    table().write(tmp_path / "t.fits")
    GaussianMixture([1.0], [[80.5]], [[[7.4]]], ["v"], ["km/s"]).write(tmp_path / "m.fits")
    for command in (("fit", "t.fits", "--columns", "v"), ("apply", "m.fits", "t.fits")):
        code, out, err = here(*command, "--output", "out.fits")
        assert (code, out) == (2, "")
        assert sentence in " ".join(err.split())
        assert not (tmp_path / "out.fits").exists()


def test_one_row_is_fitted_and_applied_to(here, tmp_path):
    stars(1).write(tmp_path / "t.fits")
    assert here("fit", "t.fits", "--columns", "v", "--output", "m.fits")[0] == 0
    assert GaussianMixture.read(tmp_path / "m.fits").covariances.tolist() == [[[0.0]]]
    assert here("apply", "m.fits", "t.fits", "--output", "out.fits")[0] == 0
    assert read_table(tmp_path / "out.fits")["xd_v_error"].value.tolist() == [0.0]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize("option", [(), ("--json",)])
def test_files_are_written_after_standard_output_was_closed(tmp_path, option):
    stars().write(tmp_path / "t.fits")
    code = "from xdgmm.cli import main; main()"
    command = [sys.executable, "-c", code, "fit", "t.fits", "--columns", "v", "--output", "m.fits", *option]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0, errors
    assert GaussianMixture.read(tmp_path / "m.fits").record.n_objects == 31
