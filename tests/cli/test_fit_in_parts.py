"""`xdgmm fit` of patterns, folders and files that are read in parts."""

import json

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table
from pyarrow import parquet

from xdgmm import GaussianMixture

from .conftest import run, was_refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "gaia").mkdir()
    rng = np.random.default_rng(0)
    whole = []
    for number in range(3):
        errors = rng.uniform(0.5, 2.0, 400)
        values = 80.0 + 3.0 * rng.standard_normal(400) + errors * rng.standard_normal(400)
        fields = [pa.field(name, pa.float64(), metadata={"unit": "km/s"}) for name in ("v", "e_v")]
        parquet.write_table(pa.table([values, errors], pa.schema(fields)), folder / f"gaia/{number}.parquet")
        whole.append(np.column_stack([values, errors]))
    table = Table(np.concatenate(whole), names=["v", "e_v"], units=["km/s", "km/s"])
    table.write(folder / "all.fits")
    return folder


def fitted(folder, *arguments):
    done = run("fit", *arguments, "--columns", "v", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "arguments", [["gaia/*.parquet", "--errors", "e_v", "--memory", "1GB"], ["gaia"], ["all.fits", "--memory", "1MB"]]
)
def test_the_result_is_that_of_one_table(arguments, folder):
    whole, found = fitted(folder, "all.fits"), fitted(folder, *arguments)
    assert found["n_objects"] == whole["n_objects"] == 1200
    assert found["record"]["data_hash"] == whole["record"]["data_hash"]
    assert found["model"]["means"][0] == pytest.approx(whole["model"]["means"][0], rel=1e-8)
    assert found["widths"].keys() == whole["widths"].keys()
    assert not any("full-data equivalents" in sentence for sentence in whole["remarks"])
    assert any("full-data equivalents: 1.0 to read" in sentence for sentence in found["remarks"])


def test_files_are_written(folder, tmp_path):
    outputs = {"--output": "m.fits", "--report": "r.ecsv", "--plot": "p.png"}
    options = [text for option, name in outputs.items() for text in (option, tmp_path / name)]
    done = run("fit", "gaia/*.parquet", "--columns", "v", "--quiet", *options, cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr
    assert all((tmp_path / name).stat().st_size for name in outputs.values())
    assert GaussianMixture.read(tmp_path / "m.fits").units[0].to_string() == "km / s"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["gaia/*.parquet", "--cut", "v < 90"], ["--cut needs all objects in memory"]),
        (["gaia/*.parquet", "--background"], ["--background needs all objects in memory"]),
        (["gaia", "--mcmc"], ["--mcmc needs all objects in memory"]),
        (["gaia/*.parq"], ["no file matches 'gaia/*.parq'"]),
        (["gaia", "--hdu", "1"], ["--hdu", "holds one table"]),
        (["gaia", "--memory", "much"], ["--memory", "number of bytes"]),
    ],
)
def test_what_cannot_be_read_in_parts_is_refused(arguments, parts, folder):
    was_refused(run("fit", *arguments, "--columns", "v", cwd=folder), *parts)


def test_a_file_that_is_read_is_not_written(folder):
    done = run("fit", "*.fits", "--columns", "v", "--output", "all.fits", "--overwrite", cwd=folder)
    was_refused(done, "'all.fits' is the table that is read")


def test_a_cache_and_a_checkpoint_are_kept(folder, tmp_path):
    command = ["gaia", "--components", "1:2", "--cache", tmp_path / "cache", "--checkpoint", tmp_path / "state"]
    first = fitted(folder, *command)
    parts = list((tmp_path / "cache").glob("*/part-*.xdgmm"))
    assert len(parts) == 3
    modified = [path.stat().st_mtime_ns for path in parts]
    again = fitted(folder, *command, "--resume", "--cache-noise", "float64")
    assert again["model"] == first["model"]
    assert again["candidates"] == first["candidates"]
    assert [path.stat().st_mtime_ns for path in parts] == modified
    rounded = fitted(folder, *command[:-2], "--cache-noise", "float32")
    assert rounded["model"]["means"] == [pytest.approx(mean, abs=1e-6) for mean in first["model"]["means"]]
    done = run("fit", "all.fits", "--columns", "v", "--cache", tmp_path / "cache", cwd=folder)
    was_refused(done, "--cache keeps blocks of catalogues that are read in parts; add --memory")


@pytest.mark.parametrize("command", [["fit"], ["apply", "m.fits", "--output", "members"]])
def test_a_pattern_that_the_shell_has_replaced_is_advised_in_quotes(command, folder):
    done = run(*command, "gaia/0.parquet", "gaia/1.parquet", "gaia/2.parquet", "--columns", "v", cwd=folder)
    assert done.returncode == 2
    assert "'*.parquet'" in done.stderr


def test_the_size_of_the_sample_is_in_json(folder):
    assert fitted(folder, "gaia")["n_sampled"] == 1200
