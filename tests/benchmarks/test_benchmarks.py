"""The benchmarks run, and what they compare is the same thing."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xdgmm import kernels

pytestmark = pytest.mark.slow  # each starts a process that compiles, fits and measures

ROOT = Path(__file__).parents[2]


def tables(what, folder, *options):
    path = folder / "figures.json"
    command = [sys.executable, "-m", "benchmarks", what, "--quick", "--output", str(path), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text(encoding="utf-8"))["tables"]


def test_the_tables_of_a_pass_are_complete(tmp_path):
    by_problem, by_noise, by_dimension, by_components, *others, start = tables("pass", tmp_path)
    assert {"1 thread", "2 threads", "exp", "ratio", "speed-up", "peak"} <= set(by_problem["rows"][0])
    assert [row["D"] for row in by_noise["rows"]] == [1, 2]
    figures = [
        row[name]
        for table in (by_problem, by_noise, by_dimension, by_components, *others)
        for row in table["rows"]
        for name in row
    ]
    assert all(figure > 0 for figure in figures if not isinstance(figure, str))
    assert len(others) == 8
    assert len(start["rows"]) == 3


def test_whole_fits_are_divided_into_what_is_inside_passes_and_the_rest(tmp_path):
    fits, exact = tables("fits", tmp_path)
    assert len(fits["rows"]) == 2
    for row in fits["rows"]:
        assert 0 < row["inside %"] < 100
        assert row["rest s"] == pytest.approx(row["CPU s"] * (1 - row["inside %"] / 100))
        assert row["passes"] > 10
        assert row["widths s"] > 0
    for row in exact["rows"]:
        assert row["ratio"] == pytest.approx(row["xdgmm"] / row["default"])
        assert row["lnL of these"] > -0.01  # ours ends no lower


def test_chains_of_the_posterior_converge(tmp_path):
    (table,) = tables("mcmc", tmp_path)
    (row,) = table["rows"]
    assert row["converged"] == row["seeds"] == 2
    assert 0 < row["CPU s"] <= row["slowest"] < 5
    assert row["steps"] > 50 * row["tau"]


def test_the_table_of_optima_is_above_the_truth(tmp_path):
    (table,) = tables("optimum", tmp_path)
    assert [row["outcome"] for row in table["rows"]] == ["converged", "converged"]
    assert all(float(row["truth"]) > 0 for row in table["rows"])


def test_default_fits_are_counted_by_how_far_they_end_below_a_run_from_the_truth(tmp_path):
    (table,) = tables("optima", tmp_path)
    assert [row["objects"] for row in table["rows"]] == ["all", "500"]
    for row in table["rows"]:
        assert row["problems"] == 4
        assert row["worst"] < 5.0
        assert row["default s"] > 0 < row["truth s"]


def test_the_tables_of_coverage_hold_every_method(tmp_path):
    cheap, few, precise, checks, scales, *others, resampled = tables("coverage", tmp_path)
    methods = {f"{method} {level}" for method in ("info", "sand", "prof") for level in (68, 95)}
    assert {"at 0", "limit", *methods} <= set(cheap["rows"][0])
    assert {"boot 68", "boot 95"} <= set(resampled["rows"][0])
    levels = [f"{method} {level}" for method in ("info", "prof", "sim") for level in (68, 95)]
    of_few = {f"{what} {level}" for what in ("mean", "sigma") for level in levels}
    assert {"limit", "sim limit", *of_few} <= set(few["rows"][0])
    assert "simulated covers all" in precise["rows"][0]
    assert all("not passed" in row for row in checks["rows"])
    assert scales["rows"]
    assert len(others) == 6  # memberships, flat, heavy tails, limits, errors that are not Gaussian, selections
    for row in (row for table in (cheap, few, precise, checks, scales, *others, resampled) for row in table["rows"]):
        percents = [int(figure.split("±")[0]) for figure in row.values() if isinstance(figure, str) and "±" in figure]
        assert all(0 <= percent <= 100 for percent in percents)


def test_the_ranks_of_true_parameters_are_all_counted(tmp_path):
    (table,) = tables("calibration", tmp_path)
    assert [row["parameter"] for row in table["rows"]] == ["mean[0, x1]", "sigma[0, x1]"]
    assert all(sum(row[str(i)] for i in range(10)) == 20 for row in table["rows"])
    assert all(row["p"] > 1e-4 for row in table["rows"])


def test_the_tables_of_lines_hold_ratios_and_percents(tmp_path):
    populations, coverage, same, different = tables("lines", tmp_path)
    assert [row["S/N"] for row in populations["rows"]] == [15, 30, 60]
    assert all(0.5 < float(row["population"]) < 1.5 for row in populations["rows"])
    assert len(coverage["rows"]) == 12
    assert all(float(row["known"]) > 88 for row in coverage["rows"])  # 400 lines each
    assert {"0.03 to 0.6", "0.15 to 0.6"} == {row["errors"] for row in same["rows"]}
    assert all(abs(float(row["bias"])) < 0.4 for row in same["rows"])  # 4 samples each, of sd 0.17 at most
    assert {10, 40, 1000} == {row["lines"] for row in different["rows"]}
    assert all(0.7 < float(row["mean"]) < 1.1 for row in different["rows"] if row["lines"] == 1000)
    for row in same["rows"] + different["rows"]:
        assert 0 <= float(row["interval"]) <= 100
        assert 0 <= float(row["limit"]) <= 100


@pytest.mark.skipif(not importlib.util.find_spec("astroML"), reason="the peers are not installed")
def test_all_engines_walk_the_same_path_from_the_same_start(tmp_path):
    with_noise, to_the_end, without = tables("peers", tmp_path)
    same = [row for row in with_noise["rows"] + without["rows"] if row["engine"] != "pygmmis"]
    assert all(abs(row["difference"]) < 1e-12 for row in same)  # five iterations, log-likelihoods of a few nats
    gaps = {row["engine"]: row["gap"] for row in to_the_end["rows"]}
    assert min(gaps["xdgmm"], gaps["xdgmm, own"]) == 0.0


def test_the_tables_of_selection_are_complete(tmp_path):
    found, heights, cost = tables("selection", tmp_path)
    assert [row["D"] for row in found["rows"]] == [1, 2, 5]
    assert {"bic", "cv"} <= set(found["rows"][0])
    assert len(heights["rows"]) == 2
    assert [row["errors"] for row in cost["rows"]] == ["mild", "noisy"]
    assert all(row["ratio"] > 0 for row in cost["rows"])


def test_fits_of_spectra_are_those_of_scipy(tmp_path):
    single, stack = tables("spectra", tmp_path)
    assert all(row["difference"] < 1e-3 for row in single["rows"])
    for row in stack["rows"]:
        assert row["failed"] == 0
        assert row["minutes"] == pytest.approx(row["each"] / 12)


def test_coverage_from_pixels_is_that_of_most_spectra(tmp_path):
    (table,) = tables("pixels", tmp_path)
    assert len(table["rows"]) == 15
    held = np.array([[float(row[name]) for name in ("95", "limit", "95, LSF", "limit, LSF")] for row in table["rows"]])
    assert (held.mean(axis=0) > 88).all()  # 300 spectra each


def test_the_tables_of_scale_hold_what_grows_and_all_passes(tmp_path):
    growth, sources, threads, recipe, solvers = tables("scale", tmp_path)
    assert [row["N"] for row in growth["rows"]] == ["1e4"]
    assert all(0 <= row["peak MB"] < row["bound MB"] for row in growth["rows"])
    assert {"arrays in memory", "Parquet, kept", "Parquet", "FITS"} <= {row["source"] for row in sources["rows"]}
    assert {"1 thread", "2 threads"} <= {row["by"] for row in threads["rows"]}
    for row in (*recipe["rows"], *solvers["rows"]):
        parts = ("reading", "starts", "samples", "over all", "diagnostics")
        assert row["all"] == pytest.approx(sum(row[name] for name in parts), rel=1e-12)
    assert [row["solver"] for row in solvers["rows"]] == ["auto", "quasi-newton", "implicit", "em"]


@pytest.mark.skipif(shutil.which("g++") is None or sys.platform != "linux", reason="nothing emulates a card here")
def test_the_benchmark_of_a_card_runs_to_its_end_on_an_emulated_one(tmp_path):
    card, agreement, fits, passes, single, forms = tables("gpu", tmp_path, "--emulated")
    assert card["rows"][0]["card"] == "an emulated card"
    for row in agreement["rows"]:
        assert max(row["sums"], row["lnL"]) < 1e-12
        assert row["bits"] == "same"
    assert [row["D"] for row in passes["rows"]] == [1, 2]
    for row in fits["rows"]:
        assert row["converged"] == "True"
        assert 0 <= row["gain"] < 1e-6
        assert row["width"] < 0.3  # of 2,000 objects
    assert all(1e-9 < row["sums"] < 1e-4 for row in single["rows"])
    assert [row["form"] for row in forms["rows"]] == ["each", "informed", "likelihoods"]


def test_the_benchmark_of_a_card_says_in_one_sentence_that_there_is_none(tmp_path):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "benchmarks", "gpu", "--output", str(tmp_path / "figures.json")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("device 'cuda' needs ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_script_for_machines_with_a_card_says_so_where_there_is_none(tmp_path):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHON": sys.executable}
    command = ["bash", "tools/gpu_checks.sh", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("device 'cuda' needs ")


def test_a_product_and_the_sum_it_is_added_to_are_one_operation():
    from benchmarks.gpu import count_operations

    lines = ["v0 = x[0] * th[1]", "v1 = v0 + th[2]", "v2 = reciprocal(v1)", "v3 = v2 * v1", "v4 = v3 + v3", "v5 = -v4"]
    assert count_operations("".join(f"const double {line};\n" for line in lines)) == 1 + 3 + 2


def test_the_page_of_explore_is_drawn_dragged_and_fitted(tmp_path):
    if not all(map(shutil.which, ("chromium", "chromedriver"))):
        pytest.skip("there is no chromium with a chromedriver")
    page, drag, fit = tables("explore", tmp_path)
    assert [len(table["rows"]) for table in (page, drag, fit)] == [3, 2, 3]
    assert all(row["median"] > 0 for table in (page, drag, fit) for row in table["rows"])


@pytest.mark.parametrize("D", [1, 2, 3, 6])
def test_all_operations_of_a_pass_are_counted(engines_of_cards, D):
    from benchmarks.gpu import operations

    data = kernels.pack(np.zeros((8, D)), np.multiply.outer(np.arange(1.0, 9.0), np.eye(D)), None)
    # An exponential takes some twenty; the elimination, made twice, and the inverse D^3 / 6 each; then there are sums.
    assert 30 + D**3 < operations(engines_of_cards["cuda"], data, 5) < 100 + 4 * D**3
