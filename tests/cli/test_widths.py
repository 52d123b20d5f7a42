"""`xdgmm widths`: a model that was written, reported on again."""

import numpy as np
from astropy.table import QTable, Table


def test_widths_are_found_in_another_way_for_a_model_that_was_written(xdgmm, refused, stars):
    assert xdgmm("fit", "stars.fits", "--columns", "v", "--output", "model.fits", cwd=stars).returncode == 0
    done = xdgmm("widths", "model.fits", "stars.fits", "--method", "profile", "--report", "w.ecsv", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "2.73+0.48-0.39" in done.stdout
    assert "3.15±0.41" in done.stdout
    assert QTable.read(stars / "w.ecsv").meta["method"] == "profile"
    refused(
        xdgmm("widths", "model.fits", "stars.fits", "--distance", "far", cwd=stars), "--distance is 'far'", "30 kpc"
    )
    refused(xdgmm("widths", "nothing.fits", "stars.fits", cwd=stars), "there is no file 'nothing.fits'")
    refused(xdgmm("widths", "model.fits", "stars.fits", "--method", "magic", cwd=stars), "magic", "profile")


def test_a_model_is_reported_as_it_is_and_never_overwritten(xdgmm, refused, stars):
    assert xdgmm("fit", "stars.fits", "--columns", "v", "--output", "model.fits", cwd=stars).returncode == 0
    command = ("widths", "model.fits", "stars.fits", "--report", "model.fits", "--overwrite")
    refused(xdgmm(*command, cwd=stars), "is the model")
    rng = np.random.default_rng(1)
    Table({"v": rng.normal(500.0, 20.0, 40), "e_v": np.full(40, 3.0)}).write(stars / "other.csv")
    done = xdgmm("widths", "model.fits", "other.csv", cwd=stars)
    assert "not the maximum for these data" in " ".join(done.stderr.split())  # and not fitted again
    refused(xdgmm("widths", "model.fits", "other.csv", "--method", "bootstrap", cwd=stars), "not the maximum for this")


def test_models_other_than_full_are_recognised(xdgmm, tmp_path):
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(9, 1, (100, 2))])
    Table({"a": x[:, 0], "b": x[:, 1], "e_a": np.full(200, 0.2), "e_b": np.full(200, 0.2)}).write(tmp_path / "t.csv")
    for kind in ("full", "tied", "diag", "spherical"):
        options = ("--components", "2", "--covariance-type", kind, "--output", f"{kind}.fits")
        assert xdgmm("fit", "t.csv", "--columns", "a,b", *options, cwd=tmp_path).returncode == 0
        done = xdgmm("widths", f"{kind}.fits", "t.csv", "--report", f"{kind}.ecsv", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert QTable.read(tmp_path / f"{kind}.ecsv").meta["covariance_type"] == kind
