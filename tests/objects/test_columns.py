"""The columns of a catalogue: one for each answer, masked where nothing was measured, in any number of blocks."""

import sys

import numpy as np
import pytest

from xdgmm import Background, GaussianMixture, Observations, objects
from xdgmm.errors import InputError, XdgmmDeprecationWarning
from xdgmm.objects import ObjectColumns, denoise
from xdgmm.tables import MISSING

MIXTURE = GaussianMixture([0.4, 0.5], [[0.0], [4.0]], [[[1.0]], [[0.3]]], ["m"], ["mag"], Background(-9.0, 9.0, 0.1))


def whole(columns):
    """Every column, its blocks joined."""
    return [np.concatenate(parts) for parts in zip(*columns.blocks("never"), strict=True)]


def test_blocks_join_into_one_value_of_each_column_for_each_row(monkeypatch):
    rng = np.random.default_rng(0)
    x = np.where(rng.random(40) < 0.2, np.nan, rng.uniform(-8, 8, 40))
    observations = Observations.with_standard_errors(x, 0.5, names="m")
    columns = ObjectColumns(MIXTURE, observations)
    at_once = whole(columns)
    monkeypatch.setattr(sys.modules["xdgmm.prediction.memberships"], "AT_ONCE", 7)
    for column, one, other in zip(columns.columns, at_once, whole(columns), strict=True):
        assert one == pytest.approx(other, rel=1e-12, nan_ok=True)
        assert ((one == MISSING if column.whole else np.isnan(one)) == np.isnan(x)).all()
    assert columns.n_masked == np.isnan(x).sum()


def test_outlyingness_is_a_column_where_it_is_exact_or_asked_for():
    observations = Observations.with_standard_errors([1.0], 0.5, names="m")
    alone = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    named = [
        "xd_outlyingness" in [column.name for column in ObjectColumns(*given).columns]
        for given in ((alone, observations), (MIXTURE, observations), (MIXTURE, observations, "xd_", 9))
    ]
    assert named == [True, False, True]


def test_observations_of_something_else_are_refused():
    with pytest.raises(InputError, match="have 2 coordinates"):
        ObjectColumns(MIXTURE, Observations.exact([[0.0, 1.0]]))


def test_correlations_of_denoised_values_are_found_with_them():
    """The columns appended are a catalogue: read as one, they are the posteriors' means and covariances."""
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3))
    mixture = GaussianMixture([1.0], [[0.0, 1.0, 2.0]], [root @ root.T], ["a", "b", "c"])
    x = rng.normal(size=(20, 3))
    x[4, 1] = np.nan
    observations = Observations.with_standard_errors(x, rng.uniform(0.1, 2.0, x.shape), names=["a", "b", "c"])
    columns = ObjectColumns(mixture, observations)
    table = {column.name: values for column, values in zip(columns.columns, whole(columns), strict=True)}
    read = Observations.from_table(table, ["xd_a", "xd_b", "xd_c"])
    expected = denoise(mixture, observations)
    assert read.values == pytest.approx(expected.means, rel=1e-12)
    assert read.noise == pytest.approx(expected.covariances, rel=1e-9, abs=1e-12)


def test_what_is_known_exactly_has_no_correlation():
    mixture = GaussianMixture([1.0], [[0.0, 1.0]], [[[1.0, 0.8], [0.8, 1.0]]], ["a", "b"])
    columns = ObjectColumns(mixture, Observations.with_standard_errors([[0.3, 0.2]], [[0.0, 0.5]], names=["a", "b"]))
    assert columns.columns[-1].name == "xd_a_xd_b_corr"
    assert whole(columns)[-1][0] == pytest.approx(0.0, abs=1e-6)


def test_the_old_name_of_the_columns_still_works():
    with pytest.warns(XdgmmDeprecationWarning, match="ObjectColumns"):
        assert objects.Answers is ObjectColumns
