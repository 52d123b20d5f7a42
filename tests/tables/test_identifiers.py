"""Columns that hold the names of objects."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from xdgmm.tables import named_columns
from xdgmm.tables.identifiers import identifiers


@pytest.mark.parametrize("name", ["Name", "source_id", "MAIN_ID", "Star", "objID", "pl_name", "2MASS"])
def test_columns_are_found_by_their_names(name):
    table = named_columns(Table({"v": [1.0, 2.0], name: ["a", "b"]}))
    assert identifiers(table).tolist() == ["a", "b"]


def test_names_repeat_nowhere_and_are_no_measurements():
    table = Table({"Name": ["a", "a"], "Star": [1.5, 2.5], "source_id": [2**60 + 1, 2**60 + 2]})
    assert identifiers(named_columns(table)).tolist() == [str(2**60 + 1), str(2**60 + 2)]
    assert identifiers(named_columns(Table({"v": ["a", "b"]}))) is None


def test_bytes_and_masked_cells_are_text():
    column = MaskedColumn(np.array([b"x ", b"y"]), mask=[False, True])
    assert identifiers(named_columns(Table({"id": column}))).tolist() == ["x", ""]
