"""What can be explored."""

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import Observations, datasets
from xdgmm.errors import InputError
from xdgmm.explore import blobs, bundled, read_file
from xdgmm.explore.data_sets import choices


@pytest.mark.parametrize("name", choices())
def test_every_choice_has_objects_and_says_how_it_was_read(name):
    data = choices()[name]()
    assert data.name == name
    assert data.observations.n_objects >= 5
    assert data.columns == data.observations.names
    assert data.in_words.startswith(f"{data.observations.n_objects} objects; ")


def test_blobs_are_the_same_every_time_and_their_errors_widen_them():
    assert np.array_equal(blobs().observations.values, blobs().observations.values)
    wide = blobs(2.0, n_objects=5000).observations.values.var(axis=0)
    narrow = blobs(n_objects=5000).observations.values.var(axis=0)
    # The mean square of errors that are uniform between 1 and 3 is 13/3; 5 standard errors of variances.
    assert wide - narrow == pytest.approx([13 / 3, 13 / 3], abs=5 * 12 * np.sqrt(2 / 5000))


def test_columns_and_errors_are_found_as_by_the_library():
    table = datasets.load("hydrus1")
    data = bundled("hydrus1")
    found = Observations.from_table(table, "v")
    assert np.array_equal(data.observations.values, found.values)
    assert np.array_equal(data.observations.noise, found.noise)
    assert data.remarks == found.remarks


def test_other_columns_can_be_taken_without_errors():
    data = bundled("hydrus1").with_columns(["v"], "none")
    assert data.observations.noise is None
    assert data.remarks == ("values taken as exact",)


def test_a_table_without_errors_is_taken_as_exact(tmp_path):
    Table({"name": ["a", "b", "c"], "x": [1.0, 2.0, 4.0], "y": [0, 1, 2], "z": [5.0, 6.0, 8.0]}).write(
        tmp_path / "t.csv"
    )
    data = read_file(tmp_path / "t.csv")
    assert data.columns == ("x", "y")
    assert data.errors == "none"
    assert data.numeric_columns == ("x", "y", "z")


def test_a_table_without_numbers_is_refused(tmp_path):
    Table({"name": ["a", "b", "c"], "kind": ["d", "e", "f"]}).write(tmp_path / "t.csv")
    with pytest.raises(InputError, match="no column of numbers"):
        read_file(tmp_path / "t.csv")


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="'vv'"):
        bundled("hydrus1").with_columns(["vv"])
