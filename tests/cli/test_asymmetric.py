"""`--asymmetric mixture` keeps the skewness of upper and lower errors, in each command that reads a table."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from xdgmm import XDGMM, Observations
from xdgmm.cli.app import app


@pytest.fixture
def ages(tmp_path):
    """A table of ages with unequal errors, the ages, and its path."""
    rng = np.random.default_rng(1)
    below, size = rng.random(200) < 0.75, np.abs(rng.standard_normal(200))
    values = rng.normal(10.0, 1.0, 200) + np.where(below, -1.5 * size, 0.5 * size)
    path = tmp_path / "ages.csv"
    path.write_text("age,age_errp,age_errm\n" + "".join(f"{v!r},1.5,0.5\n" for v in values.tolist()))
    return values, path


def invoke(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments), "--json", "-q"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_fit_and_apply_take_mixtures(ages, tmp_path):
    values, path = ages
    model, given = tmp_path / "model.fits", ("--asymmetric", "mixture")
    found = invoke("fit", path, "--columns", "age", *given, "--output", model)
    mixture = XDGMM().fit(Observations.with_asymmetric_errors(values, 0.5, 1.5)).mixture_
    assert found["model"]["means"][0][0] == pytest.approx(mixture.means[0, 0], rel=1e-6)
    assert any("three Gaussians" in sentence for sentence in found["data"])
    for command in (("widths", model, path), ("apply", model, path, "--output", tmp_path / "new.ecsv")):
        document = invoke(*command, *given)
        assert any("three Gaussians" in sentence for sentence in document["data"])
