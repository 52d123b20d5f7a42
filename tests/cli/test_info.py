"""`xdgmm info`: a model, or a table, at a glance."""

import json
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from xdgmm import XDGMM, Fixed, Flat, GaussianMixture, InverseWishart, Observations, Prior

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


def large_table(path, n_rows):
    """A FITS table with every twentieth value NaN, every seventh number null, and a scaled column."""
    number = np.arange(n_rows)
    columns = [
        fits.Column("v", "D", unit="km/s", array=np.where(number % 20 == 0, np.nan, 80.0)),
        fits.Column("e_v", "D", unit="km/s", array=np.full(n_rows, 0.5)),
        fits.Column("n", "J", null=-1, array=np.where(number % 7 == 0, -1, number)),
        fits.Column("s", "I", null=-9, array=np.zeros(n_rows, "i2")),
        fits.Column("name", "12A", array=np.full(n_rows, "star")),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["TSCAL4"], hdu.header["TZERO4"] = 0.5, 3.0
    hdu.writeto(path)


def test_a_large_table_is_described_in_blocks(here, tmp_path, monkeypatch):
    large_table(tmp_path / "t.fits", 1000)
    whole = here("info", "t.fits", "--json")
    monkeypatch.setattr("xdgmm.tables.fits_blocks.BLOCK", 1000)
    assert here("info", "t.fits", "--json") == whole
    document = json.loads(whole[1])
    assert document["n_rows"] == 1000
    assert [column["missing"] for column in document["columns"]] == [50, 0, 143, 0, 0]
    assert [column["type"] for column in document["columns"]] == ["float64", "float64", "int32", "float64", "str12"]


@pytest.mark.slow
def test_a_large_table_takes_little_memory(here, tmp_path, monkeypatch):
    import tracemalloc

    large_table(tmp_path / "t.fits", 400_000)
    size = (tmp_path / "t.fits").stat().st_size
    monkeypatch.setattr("xdgmm.tables.fits_blocks.BLOCK", 1 << 16)
    here("info", "t.fits")  # all is imported
    tracemalloc.start()
    assert here("info", "t.fits")[0] == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 4


PEAK = r"""
import re, sys
from xdgmm.cli import main
try:
    main()
finally:  # (ru_maxrss would include the memory of the process that started this one)
    print(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_table_of_some_hundred_megabytes_takes_no_more_memory_than_a_small_one(tmp_path):
    peaks = []
    for n_rows in (1000, 8_000_000):
        path = tmp_path / f"{n_rows}.fits"
        large_table(path, n_rows)
        done = subprocess.run([sys.executable, "-c", PEAK, "info", path], capture_output=True, text=True, check=True)
        assert f"a table of {n_rows} rows" in done.stdout
        peaks.append(1024 * int(done.stderr.split()[-1]))
    assert path.stat().st_size > 250e6
    assert peaks[1] - peaks[0] < 100e6


def test_a_table_that_is_cut_off_is_refused(here, tmp_path):
    large_table(tmp_path / "t.fits", 1000)
    content = (tmp_path / "t.fits").read_bytes()
    (tmp_path / "t.fits").write_bytes(content[: len(content) // 2])
    code, _, err = here("info", "t.fits")
    assert code == 2
    assert "truncated" in err


def test_arrays_of_variable_length_are_shown(here, tmp_path):
    arrays = np.array([np.ones(2), np.ones(3)], dtype=object)
    hdu = fits.BinTableHDU.from_columns([fits.Column("a", "PD()", array=arrays), fits.Column("v", "D", array=[1, 2])])
    hdu.writeto(tmp_path / "t.fits")
    assert "a table of 2 rows and 2 columns" in here("info", "t.fits")[1]


@pytest.mark.parametrize("n_columns", [1000, 30_000, 10**12, -1])
@pytest.mark.parametrize("command", [["info"], ["fit", "--columns", "v"]])
def test_more_columns_than_fits_allows_are_refused_before_they_cost_memory(here, tmp_path, n_columns, command):
    large_table(tmp_path / "t.fits", 10)
    content = (tmp_path / "t.fits").read_bytes()
    card = b"TFIELDS =                    5"
    assert card in content
    (tmp_path / "t.fits").write_bytes(content.replace(card, f"TFIELDS = {n_columns:20}".encode()))
    code, _, err = here(command[0], "t.fits", *command[1:])
    assert code == 2
    assert "TFIELDS" in err


def test_flat_columns_show_no_width(here, tmp_path):
    flat = GaussianMixture(
        [0.25, 0.75], [[1.0, 2.0], [0.0, 4.0]], [np.eye(2), np.eye(2)], ["a", "b"], flat=Flat("a", -3.0, 3.0)
    )
    flat.write(tmp_path / "m.ecsv")
    code, out, _ = here("info", "m.ecsv")
    assert code == 0
    assert out.count("flat") == 1
    assert "1.732" not in out  # the standard deviation of the box
    described = json.loads(here("info", "m.ecsv", "--json")[1])
    assert '"flat": {"columns": ["a"], "low": [-3.0], "high": [3.0], "components": [1]}' in json.dumps(described)
