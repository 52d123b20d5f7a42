"""`xdgmm check`: the verdict, its exit code, and the same numbers as in Python."""

import json
import re

import numpy as np
from astropy.table import Table

from xdgmm import GaussianMixture, Observations
from xdgmm.diagnostics import check, error_scale

from .conftest import run


def test_a_model_is_checked_against_its_table(tmp_path):
    rng = np.random.default_rng(0)
    e = rng.uniform(0.5, 1.5, 150)
    for name, scatter in (("good", 2.0), ("bad", np.where(rng.random(150) < 0.06, 25.0, 2.0))):
        table = Table({"v": rng.normal(0.0, scatter, 150) + e * rng.normal(size=150), "v_error": e})
        table.write(tmp_path / f"{name}.fits")
        fitted = run("fit", f"{name}.fits", "--columns", "v", "--output", f"{name}_model.fits", cwd=tmp_path)
        assert fitted.returncode == 0
        arguments = ("check", f"{name}_model.fits", f"{name}.fits", "--simulations", "59", "--seed", "3")
        found = run(*arguments, "--json", cwd=tmp_path)
        document = json.loads(found.stdout)
        assert found.returncode == (0 if name == "good" else 1)
        assert document["passed"] is (name == "good")
        mixture = GaussianMixture.read(tmp_path / f"{name}_model.fits")
        observations = Observations.from_table(table, "v")
        expected = check(mixture, observations, n_simulations=59, rng=3, progress="never")
        assert document["p_value"] == expected.p_value
        printed = run(*arguments, cwd=tmp_path).stdout
        assert "kurtosis" in printed
        assert ("nothing speaks against the model" in printed) is (name == "good")


def test_a_table_of_few_rows_is_one_sentence(tmp_path):
    rng = np.random.default_rng(1)
    Table({"v": rng.normal(size=9), "v_error": np.ones(9)}).write(tmp_path / "t.fits")
    run("fit", "t.fits", "--columns", "v", "--output", "m.fits", cwd=tmp_path)
    found = run("check", "m.fits", "t.fits", cwd=tmp_path)
    assert found.returncode == 2
    assert "20 values or more" in found.stderr


def test_columns_and_names_of_the_table_are_used_and_a_report_is_written(tmp_path):
    rng = np.random.default_rng(2)
    e, mag = rng.uniform(0.5, 1.5, 120), rng.uniform(14.0, 20.0, 120)
    v = rng.normal(0.0, 2.0, 120) + (mag - 17.0) + e * rng.normal(size=120)
    Table({"star": [f"[{i}]" for i in range(120)], "v": v, "v_error": e, "mag": mag}).write(tmp_path / "t.fits")
    run("fit", "t.fits", "--columns", "v", "--output", "m.fits", cwd=tmp_path)
    arguments = ("check", "m.fits", "t.fits", "--simulations", "39", "--against", "mag", "--report", "check.html")
    found = run(*arguments, cwd=tmp_path)
    assert found.returncode == 1
    assert "trend of v with mag" in found.stdout
    assert "\\n" not in found.stdout
    assert "\nwith the linear trend of v along mag taken out: sigma is" in found.stdout
    for text in (found.stdout, (tmp_path / "check.html").read_text(encoding="utf-8")):
        assert re.search(r"\[\d+\]", text)
    assert run(*arguments, cwd=tmp_path).stderr.startswith("error: cannot write 'check.html'")
    document = json.loads(run(*arguments, "--plot", "check.png", "--overwrite", "--json", cwd=tmp_path).stdout)
    assert document["unusual"]["rows"][0]["name"].startswith("[")
    assert document["written"] == ["check.html", "check.png"]
    assert (tmp_path / "check.png").stat().st_size > 10_000
    assert "must end" in run("check", "m.fits", "t.fits", "--plot", "check.txt", cwd=tmp_path).stderr
    refused = run("check", "m.fits", "t.fits", "--against", "magnitude", cwd=tmp_path)
    assert refused.returncode == 2
    assert "no column 'magnitude'; did you mean 'mag'?" in refused.stderr
    assert "is the table" in run("check", "m.fits", "t.fits", "--report", "t.fits", "--overwrite", cwd=tmp_path).stderr


def test_errors_are_scaled_as_in_python(tmp_path):
    rng = np.random.default_rng(5)
    e = np.exp(rng.uniform(-1.0, 1.0, 120))
    telescope = np.where(np.arange(120) % 3 == 0, "NTT", "WHT")
    wrong = np.where(telescope == "NTT", 3.0, 1.0) * e
    table = Table({"v": 0.5 * rng.normal(size=120) + wrong * rng.normal(size=120), "v_error": e, "tel": telescope})
    table.write(tmp_path / "t.fits")
    run("fit", "t.fits", "--columns", "v", "--output", "m.fits", cwd=tmp_path)
    arguments = ("check", "m.fits", "t.fits", "--simulations", "19", "--error-scale", "factor", "--by", "tel")
    found = json.loads(run(*arguments, "--json", cwd=tmp_path).stdout)["error_scale"]
    mixture = GaussianMixture.read(tmp_path / "m.fits")
    expected = error_scale(mixture, Observations.from_table(table, "v"), by=telescope)
    assert found["gain"] == expected.gain
    assert expected.verdict.splitlines()[0] in " ".join(found["verdict"])
    assert "times too small" in run(*arguments, cwd=tmp_path).stdout
    alone = run("check", "m.fits", "t.fits", "--by", "tel", cwd=tmp_path)
    assert alone.returncode == 2
    assert "--error-scale" in alone.stderr
    common = run("check", "m.fits", "t.fits", "--error-scale", "jitter", "--report", "c.html", cwd=tmp_path)
    assert common.returncode == 2
    assert "name groups of objects with `by` (--by)" in " ".join(common.stderr.split())
    assert "kurtosis" not in common.stdout  # refused before the check
    assert not (tmp_path / "c.html").exists()
