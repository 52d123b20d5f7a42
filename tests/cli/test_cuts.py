"""`xdgmm fit --cut`: tables that a limit has left."""

import json

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import GaussianMixture


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(1)
    e = rng.uniform(0.1, 0.8, 2000)
    g = rng.normal(20.0, 0.6, 2000) + e * rng.standard_normal(2000)
    Table({"g": g[g < 20.3], "e_g": e[g < 20.3]}).write(tmp_path / "stars.ecsv")
    return tmp_path


def test_a_cut_gives_the_population(xdgmm, table):
    done = xdgmm(
        "fit", "stars.ecsv", "--columns", "g", "--cut", "g < 20.3", "--output", "model.fits", "--plot", "fit.png",
        cwd=table,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "(selection function: measured g below 20.3)" in " ".join(done.stdout.split())
    assert abs(GaussianMixture.read(table / "model.fits").means[0, 0] - 20.0) < 0.15
    printed = " ".join(xdgmm("info", "model.fits", cwd=table).stdout.split())
    assert "selection function: measured g below 20.3" in printed
    document = json.loads(xdgmm("info", "model.fits", "--json", cwd=table).stdout)
    assert "20.3" in json.dumps(document)
    widths = xdgmm("widths", "model.fits", "stars.ecsv", cwd=table)
    assert "of which the sample has" in " ".join(widths.stdout.split()), widths.stderr
    applied = xdgmm("apply", "model.fits", "stars.ecsv", "--output", "out.ecsv", cwd=table)
    assert applied.returncode == 0, applied.stderr
    refused = xdgmm("check", "model.fits", "stars.ecsv", cwd=table)
    assert refused.returncode == 2
    assert "selection function has left" in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        (["g below 20.3"], "--cut is 'g below 20.3'"),
        (["g < faint"], "--cut is 'g < faint'"),
        (["g < 20.3", "g < 21"], "two edges on one side"),
        (["r < 20.3"], "names 'r', but the columns are g"),
    ],
)
def test_a_wrong_cut_is_refused(xdgmm, table, cuts, message):
    given = [part for cut in cuts for part in ("--cut", cut)]
    done = xdgmm("fit", "stars.ecsv", "--columns", "g", *given, cwd=table)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
