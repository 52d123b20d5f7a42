"""Published catalogues through the commands, one after the other."""

import json

import numpy as np

from xdgmm.tables import read_table


def test_the_members_of_praesepe_are_fitted_and_get_memberships(here, tmp_path, test_data):
    table = test_data / "praesepe" / "praesepe_gaia_dr2.csv"
    command = ("fit", table, "--columns", "parallax,pmra,pmdec", "--components", "2", "--output", "m.fits", "--json")
    code, out, err = here(*command)
    document = json.loads(out)
    assert code == 0, err
    assert abs(document["record"]["log_likelihood"] / 549 + 2.5094063) < 1e-7
    assert document["data"] == [
        "errors of parallax, pmra, pmdec taken from X_error",
        "correlations taken from X_Y_corr",
    ]
    code, out, err = here("info", "m.fits", "--json")
    assert json.loads(out)["record"]["remarks"][:2] == document["data"]
    code, _, err = here("apply", "m.fits", table, "--output", "out.fits")
    assert code == 0, err
    before, after = read_table(table), read_table(tmp_path / "out.fits")
    assert after.colnames[: len(before.colnames)] == before.colnames
    assert (after["source_id"] == before["source_id"]).all()
    # at a maximum the mean membership is the weight, and the mean of all true values that of the mixture
    weights, means = np.array(document["model"]["weights"]), np.array(document["model"]["means"])
    for k in range(2):
        assert abs(np.mean(after[f"xd_membership_{k}"]) - weights[k]) < 1e-5
    for name, mean in zip(document["model"]["columns"], weights @ means, strict=True):
        assert abs(np.mean(after[f"xd_{name}"]) - mean) < 1e-5
