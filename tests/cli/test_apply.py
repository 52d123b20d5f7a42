"""`xdgmm apply`: new columns in a user's table, which is otherwise unchanged."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable, Table

from xdgmm import Background, GaussianMixture, Observations
from xdgmm.cli.apply import apply
from xdgmm.errors import InputError
from xdgmm.objects import denoise, log_likelihoods, memberships, outlyingness


@pytest.fixture
def masses(tmp_path):
    """A catalogue with bad and missing values, in other units than the model's, and a model with a background."""
    v = np.array([1000.0, 5000.0, np.nan, 2000.0, 90_000.0])
    table = Table({"name": list("abcde"), "v": v, "e_v": [200.0, 0.0, 1.0, 500.0, 100.0]}, meta={"survey": "one"})
    table["v"].unit = table["e_v"].unit = "m/s"
    table.write(tmp_path / "masses.ecsv")
    box = Background(-100.0, 100.0, fraction=0.1)
    mixture = GaussianMixture([0.6, 0.3], [[1.0], [4.0]], [[[0.5]], [[2.0]]], ["v"], ["km/s"], box)
    mixture.write(tmp_path / "model.fits")
    return tmp_path


def test_the_answers_are_those_of_the_library(process, masses):
    options = ("--on-bad", "drop", "--outlyingness", "50", "--seed", "3")
    done = process("apply", "model.fits", "masses.ecsv", "--output", "out.ecsv", *options, cwd=masses)
    assert done.returncode == 0, done.stderr
    assert "2 without any usable value: their new columns are masked" in done.stdout
    assert "errors of v taken from e_v" in done.stdout
    before, after = QTable.read(masses / "masses.ecsv"), QTable.read(masses / "out.ecsv")
    assert after.colnames[:3] == before.colnames
    assert after.meta["survey"] == "one"
    mixture = GaussianMixture.read(masses / "model.fits")
    observations = Observations.from_table(before, "v", on_bad="drop")
    known = observations.present[:, 0]
    assert known.tolist() == [True, False, False, True, True]
    of_each = memberships(mixture, observations)
    expected = {
        "xd_membership_0": of_each[:, 0],
        "xd_membership_1": of_each[:, 1],
        "xd_membership_background": of_each[:, 2],
        "xd_component": of_each.argmax(axis=1),
        "xd_log_likelihood": log_likelihoods(mixture, observations),
        "xd_outlyingness": outlyingness(mixture, observations, n_samples=50, rng=3),
        "xd_v": denoise(mixture, observations).means[:, 0],
        "xd_v_error": denoise(mixture, observations).standard_deviations[:, 0],
    }
    for name, values in expected.items():
        column = after[name]
        assert (column.mask == ~known).all()
        plain = np.asarray(
            getattr(column.unmasked, "value", column.unmasked) if hasattr(column, "unmasked") else column
        )
        assert plain[known] == pytest.approx(values[known], rel=1e-12)
        assert column.info.description
    assert after["xd_v"].unit == after["xd_v_error"].unit == "km/s"


@pytest.fixture
def applied(stars, monkeypatch):
    """The command as a function, run where a model and a table of stars are."""
    GaussianMixture([1.0], [[80.5]], [[[7.4]]], ["v"], ["km/s"]).write(stars / "model.fits")
    monkeypatch.chdir(stars)

    def run(table, output, **options):
        apply(Path("model.fits"), Path(table), Path(output), **options)
        return QTable.read(stars / output)

    return run


def test_a_model_is_applied_to_a_fits_table_twice(applied, stars):
    before, after = QTable.read(stars / "stars.fits"), applied("stars.fits", "out.fits")
    assert all((after[name] == before[name]).all() for name in before.colnames)
    assert "xd_outlyingness" in after.colnames
    assert "xd_membership_1" not in after.colnames
    with pytest.raises(InputError, match=r"names already: .*`replace=True`"):
        applied("out.fits", "two.fits")
    assert not (stars / "two.fits").exists()
    assert applied("out.fits", "two.fits", overwrite_columns=True).colnames == after.colnames
    assert (applied("out.fits", "three.ecsv", prefix="b_")["b_v"] == after["xd_v"]).all()
    denoised = Observations.from_table(after, "xd_v")
    assert denoised.remarks == ("errors of xd_v taken from xd_v_error",)


@pytest.mark.parametrize(
    ("output", "options", "sentence"),
    [
        ("stars.fits", {"overwrite": True}, "'stars.fits' is the table"),
        ("model.fits", {"overwrite": True}, "'model.fits' is the model"),
        ("out.csv", {}, "end in .ecsv or .fits"),
        ("out.fits", {"columns": "v,e_v", "errors": "none"}, "2 coordinates.*mixture has 1"),
        ("out.fits", {"columns": "w"}, "no column 'w'"),
        ("taken.fits", {}, "exists"),
        ("out.fits", {"prefix": "é_"}, "'é_membership_0'.*ASCII; write .ecsv"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(applied, stars, output, options, sentence):
    (stars / "taken.fits").write_text("precious")
    before = {path.name: path.read_bytes() for path in stars.iterdir()}
    with pytest.raises(InputError, match=sentence):
        applied("stars.fits", output, **options)
    assert {path.name: path.read_bytes() for path in stars.iterdir()} == before


def test_a_missing_model_ends_with_a_sentence(xdgmm, refused, stars):
    refused(xdgmm("apply", "none.fits", "stars.fits", "--output", "out.fits", cwd=stars), "there is no file")


def test_results_are_printed_as_json_or_not_at_all(here, masses):
    command = ("apply", "model.fits", "masses.ecsv", "--on-bad", "drop", "--output")
    code, out, err = here(*command, "out.ecsv", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert (document["title"], document["n_rows"], document["n_masked"]) == ("masses.ecsv", 5, 2)
    assert "errors of v taken from e_v" in document["data"]
    after = QTable.read(masses / "out.ecsv")
    assert [each["name"] for each in document["appended"]] == after.colnames[3:]
    assert document["appended"][-1]["unit"] == "km / s"
    assert document["written"] == ["out.ecsv"]
    assert here(*command, "two.ecsv", "--quiet") == (0, "", "")
    assert (masses / "two.ecsv").exists()


def test_a_table_without_units_is_said_to_be_in_those_of_the_model(here, masses):
    (masses / "bare.csv").write_text("v,e_v\n1.0,0.2\n2.0,0.5\n")
    assert (
        "v taken to be in km / s, as in the model" in here("apply", "model.fits", "bare.csv", "--output", "o.fits")[1]
    )
    command = ("apply", "model.fits", "masses.ecsv", "--on-bad", "drop", "--output", "p.fits")
    assert "taken to be" not in here(*command)[1]
