"""Upper and lower errors of tables as mixtures: what is read, and what cannot be combined."""

import numpy as np
import pytest

from xdgmm import InputError, Observations
from xdgmm.errors import XdgmmWarning

TABLE = {"age": [10.0, 4.0, 7.0, np.nan], "age_errp": [1.5, 1.0, 0.5, 1.0], "age_errm": [-0.5, -1.0, -1.5, -2.0]}


def same(one, other):
    np.testing.assert_allclose(one.values, other.values, rtol=1e-14)
    for mine, its in zip(*(each.noise_model.arrays_where_present(each.present) for each in (one, other)), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-13, atol=1e-15)


def test_a_table_gives_what_the_arrays_give():
    """Without a warning, and with one remark on what was taken."""
    found = Observations.from_table(TABLE, "age", asymmetric="mixture")
    errors = np.abs(TABLE["age_errm"]), np.abs(TABLE["age_errp"])
    same(found, Observations.with_asymmetric_errors(TABLE["age"], *errors))
    assert [remark for remark in found.remarks if "split normal" in remark] == [
        "split normals of 2 values of age taken as three Gaussians each (errors differ by a factor of 3 at most)"
    ]
    assert not any("moved to the mean" in remark for remark in found.remarks)


def test_moments_are_the_default_and_point_to_the_mixture():
    with pytest.warns(XdgmmWarning, match="not its skewness; set `asymmetric` to 'mixture' to keep it"):
        plain = Observations.from_table(TABLE, "age")
    mixture = Observations.from_table(TABLE, "age", asymmetric="mixture")
    np.testing.assert_allclose(plain.values, mixture.values, rtol=1e-14)
    np.testing.assert_allclose(plain.variances[:3], mixture.variances[:3], rtol=1e-12)


def test_columns_of_other_errors_stay_as_they_are():
    table = {**TABLE, "z": [1.0, 2.0, 3.0, 4.0], "e_z": [0.1, 0.2, 0.3, 0.4]}
    found = Observations.from_table(table, ["z", "age"], asymmetric="mixture")
    np.testing.assert_allclose(found.variances[:, 0], np.square(table["e_z"]), rtol=1e-13)
    np.testing.assert_array_equal(found.values[:, 0], table["z"])
    alone = Observations.from_table(table, "z", asymmetric="mixture")
    np.testing.assert_array_equal(alone.noise[:, 0], table["e_z"])


@pytest.mark.parametrize(("on_bad", "present"), [("drop", [0, 2]), ("missing", [0, 2])])
def test_values_without_usable_errors_are_treated_as_ever(on_bad, present):
    table = {**TABLE, "age_errp": [1.5, np.nan, 0.5, 1.0]}
    found = Observations.from_table(table, "age", on_bad=on_bad, asymmetric="mixture")
    np.testing.assert_array_equal(np.flatnonzero(found.counts), present)


def test_infinite_errors_are_missing_values_with_a_remark():
    table = {**TABLE, "age_errp": [1.5, np.inf, 0.5, 1.0]}
    found = Observations.from_table(table, "age", asymmetric="mixture")
    np.testing.assert_array_equal(np.flatnonzero(found.counts), [0, 2])
    assert any("1 value with an infinite error counts as missing" in remark for remark in found.remarks)


def test_correlations_are_refused():
    table = {**TABLE, "z": [1.0, 2.0, 3.0, 4.0], "e_z": [0.1, 0.2, 0.3, 0.4], "age_z_corr": [0.1, 0.2, 0.3, 0.4]}
    with pytest.raises(InputError, match=r"cannot be combined with correlations of errors \(z and age\); set"):
        Observations.from_table(table, ["z", "age"], asymmetric="mixture")


def test_another_word_is_refused():
    with pytest.raises(InputError, match="`asymmetric` is 'yes', but it must be one of moments, mixture"):
        Observations.from_table(TABLE, "age", asymmetric="yes")
