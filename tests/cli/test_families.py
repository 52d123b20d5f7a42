"""Student-t components on the command line: fit, info, widths, check, apply and plot."""

import json

import numpy as np
import pytest
from astropy.table import QTable, Table

from xdgmm import GaussianMixture, Observations
from xdgmm.objects import outlier_weights


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(1)
    v = 3.0 * rng.standard_t(3, 150) + rng.normal(size=150)
    Table({"v": v, "e_v": np.ones(150)}).write(tmp_path / "stars.ecsv")
    return tmp_path


def test_a_fit_goes_through_all_commands(xdgmm, table):
    done = xdgmm(
        "fit", "stars.ecsv", "--columns", "v", "--family", "t", "--dof", "fit", "--output", "model.fits", "--report",
        "widths.ecsv", "--plot", "fit.png", cwd=table,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "dof" in done.stdout
    assert (table / "fit.png").exists()
    mixture = GaussianMixture.read(table / "model.fits")
    assert 1.0 <= mixture.dof[0] < 10.0
    assert QTable.read(table / "widths.ecsv")["dof"][0] == pytest.approx(mixture.dof[0])
    assert "Student-t components, degrees of freedom fitted" in " ".join(
        xdgmm("info", "model.fits", cwd=table).stdout.split()
    )
    assert json.loads(xdgmm("info", "model.fits", "--json", cwd=table).stdout)["model"]["dof"] == mixture.dof.tolist()
    assert "half-width" in xdgmm("widths", "model.fits", "stars.ecsv", cwd=table).stdout
    checked = xdgmm("check", "model.fits", "stars.ecsv", "--simulations", "19", cwd=table)
    assert checked.returncode in (0, 1), checked.stderr
    done = xdgmm("apply", "model.fits", "stars.ecsv", "--output", "out.ecsv", cwd=table)
    assert done.returncode == 0, done.stderr
    written = QTable.read(table / "out.ecsv")
    observations = Observations.from_table(QTable.read(table / "stars.ecsv"), "v")
    np.testing.assert_allclose(written["xd_outlier_weight"], outlier_weights(mixture, observations), rtol=1e-6)
    for kind in ("density", "error_bars", "denoising", "residuals"):
        done = xdgmm("plot", "model.fits", "stars.ecsv", "--kind", kind, "--output", f"{kind}.png", cwd=table)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dof", ["4", "shared", "3,inf"])
def test_degrees_of_freedom_are_read(xdgmm, table, dof):
    components = "2" if "," in dof else "1"
    done = xdgmm(
        "fit", "stars.ecsv", "--columns", "v", "--components", components, "--family", "t", "--dof", dof, "--output",
        "model.fits", cwd=table,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert GaussianMixture.read(table / "model.fits").dof is not None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--dof", "4"], "Gaussian components have none"),
        (["--family", "t", "--dof", "many"], "--dof is 'many'"),
        (["--family", "t", "--dof", "0.5"], "must be 1 or more"),
        (["--family", "t", "--dof", "3,4"], "holds 2 numbers"),
        (["--family", "t", "--mcmc"], "--mcmc does not sample Student-t components"),
    ],
)
def test_bad_options_get_one_sentence(xdgmm, table, options, sentence):
    done = xdgmm("fit", "stars.ecsv", "--columns", "v", *options, cwd=table)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
