"""Columns are read from astropy tables, data frames, structured arrays and dicts."""

import sys

import astropy.units as u
import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table

from xdgmm import InputError
from xdgmm.tables import observations_from_table

VALUES, ERRORS = [1.0, np.nan, 4.0], [0.1, 0.2, 0.4]
COUNTS = [5, 6, 7]


def structured(order):
    array = np.zeros(3, dtype=[("v", f"{order}f8"), ("e_v", f"{order}f4"), ("n", f"{order}i2"), ("name", "U3")])
    array["v"], array["e_v"], array["n"] = VALUES, ERRORS, COUNTS
    return array


def columns():
    return {"v": VALUES, "e_v": ERRORS, "n": COUNTS, "name": ["x", "y", "z"]}


def big_endian_masked():
    return Table(
        {
            name: MaskedColumn(np.array(values, ">f8"), mask=[False, name == "v", False])
            for name, values in (("v", [1, 9, 4.0]), ("e_v", ERRORS), ("n", COUNTS))
        }
    )


HOLDERS = {
    "Table": lambda: Table(columns()),
    "QTable": lambda: QTable(columns()),
    "masked big-endian": big_endian_masked,
    "dict of lists": columns,
    "dict of Quantity": lambda: {**columns(), "v": VALUES * u.one},
    "structured array": lambda: structured("<"),
    "big-endian structured array": lambda: structured(">"),
    "record array": lambda: structured(">").view(np.recarray),
    "FITS_rec": lambda: fits.BinTableHDU(structured("=")).data,
    "pandas": lambda: pd.DataFrame(columns()),
    "pandas with another index": lambda: pd.DataFrame(columns(), index=[7, 7, 3]),
    "pandas nullable": lambda: pd.DataFrame(columns()).convert_dtypes().assign(v=pd.array([1, None, 4], dtype="Int64")),
    "pandas of arrow": lambda: pd.DataFrame(columns()).assign(v=pd.array([1, None, 4], dtype="int64[pyarrow]")),
    "pandas of objects": lambda: pd.DataFrame({**columns(), "v": pd.Series([1, None, 4.0], dtype=object)}),
    "polars": lambda: pl.DataFrame(columns()),
    "polars with nulls": lambda: pl.DataFrame({**columns(), "v": [1, None, 4]}),
    "polars decimals": lambda: pl.DataFrame({**columns(), "v": pl.Series(["1.0", None, "4.0"]).cast(pl.Decimal(9, 2))}),
    "arrow": lambda: pa.table({**columns(), "v": [1.0, None, 4.0]}),
}  # fmt: skip


@pytest.mark.parametrize("holder", HOLDERS)
def test_every_holder_of_columns_gives_the_same(holder):
    observations = observations_from_table(HOLDERS[holder](), "v", weights="n")
    np.testing.assert_array_equal(observations.values[:, 0], VALUES)
    np.testing.assert_allclose(observations.noise[:, 0], ERRORS, rtol=1e-7)  # float32
    assert observations.weights.tolist() == COUNTS
    assert observations.n_objects == 2


@pytest.mark.parametrize("holder", sorted(HOLDERS.keys() - {"pandas of objects"}))  # which may hold anything
def test_without_columns_those_with_errors_are_found_in_every_holder(holder):
    assert observations_from_table(HOLDERS[holder]()).names == ("v",)


def test_units_nulls_and_scaling_of_fits_records_are_applied(tmp_path):
    column = {"array": np.array([1, 2, 999]), "unit": "km/s", "null": 999}
    errors = fits.Column("e_v", "D", unit="m/s", array=[100.0, 200.0, 300.0])
    scaled = fits.Column("w", "I", array=np.array([1, 40_000, 65_535], np.uint16), bzero=32_768)
    fits.BinTableHDU.from_columns([fits.Column("v", "J", **column), errors, scaled]).writeto(tmp_path / "t.fits")
    data = fits.getdata(tmp_path / "t.fits", 1)
    observations = observations_from_table(data, ["v", "w"], errors=["e_v", None])
    assert observations.units == (u.km / u.s, None)
    np.testing.assert_array_equal(observations.values, [[1, 1], [2, 40_000], [np.nan, 65_535]])
    assert observations.noise[:, 0] == pytest.approx([0.1, 0.2, 0.3], rel=1e-15)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (["1.5", "x", "2"], "column 'v' holds strings \\(row 1: 'x'\\)"),
        ([True, False, True], "holds booleans"),
        (pd.to_datetime(["2020-01-01"] * 3), "holds dates"),
    ],
)
def test_columns_of_frames_that_hold_no_numbers_are_refused(frame, column, sentence):
    column = list(column) if frame is pl.DataFrame else column
    with pytest.raises(InputError, match=sentence):
        observations_from_table(frame({"v": column, "e_v": ERRORS}), "v")


@pytest.mark.parametrize(
    "column", [pd.Series(["a", "b", "a"], dtype="category"), pl.Series(["a", "b", "a"], dtype=pl.Categorical)]
)
def test_categories_are_refused(column):
    frame = pd.DataFrame if isinstance(column, pd.Series) else pl.DataFrame
    with pytest.raises(InputError, match=r"column 'v' holds strings \(row 0: 'a'\)"):
        observations_from_table(frame({"v": column, "e_v": ERRORS}), "v")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (pd.DataFrame(np.ones((2, 3)), columns=["v", "v", "e_v"]), "same name"),
        (pl.LazyFrame({"v": [1.0]}), "LazyFrame; collect\\(\\) it first"),
        ({"v": [1.0, 2.0], "e_v": [1.0]}, "make no table"),
        (np.ones((3, 2)), "`table` is a ndarray"),
        (pd.DataFrame({0: [1.0], 1: [1.0]}), "no column 'v'"),
    ],
)
def test_what_has_no_columns_of_one_length_and_different_names_is_refused(table, sentence):
    with pytest.raises(InputError, match=sentence):
        observations_from_table(table, "v")


def test_integers_as_names_of_columns_are_chosen_as_numbers_or_text():
    frame = pd.DataFrame(np.transpose([VALUES, ERRORS, COUNTS]))
    for table in (frame, dict(frame.items())):
        for names in ((0, 1, 2), ("0", "1", "2"), (np.int64(0), 1, "2")):
            observations = observations_from_table(table, names[0], errors=names[1], weights=names[2])
            assert observations.names == ("0",)
            np.testing.assert_array_equal(observations.values[:, 0], VALUES)
            assert observations.weights.tolist() == COUNTS
    frame = pd.DataFrame(np.ones((3, 3)))
    observations = observations_from_table(frame, [0, 1], errors=None)
    assert observations.names == ("0", "1")
    observations = observations_from_table(frame.assign(rho=0.5), [0, 1], errors=[2, 2], correlations={(0, 1): "rho"})
    assert observations.noise[0, 0, 1] == 0.5


def test_names_of_several_levels_are_joined():
    names = [("gaia", "pmra"), ("gaia", "pmra_error"), ("hst", "pmra"), ("id", "")]
    frame = pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=pd.MultiIndex.from_tuples(names))
    for columns in (None, "gaia_pmra", ("gaia", "pmra"), [("gaia", "pmra")]):
        observations = observations_from_table(frame, columns)
        assert observations.names == ("gaia_pmra",)
        assert observations.values[:, 0].tolist() == [0.0, 4.0, 8.0]
        assert observations.noise[:, 0].tolist() == [1.0, 5.0, 9.0]
    observations = observations_from_table(frame, [("hst", "pmra")], errors=[("gaia", "pmra_error")], weights="id")
    assert observations.values[:, 0].tolist() == [2.0, 6.0, 10.0]


def test_names_that_are_the_same_as_text_are_refused():
    with pytest.raises(InputError, match="same name, '0'"):
        observations_from_table(pd.DataFrame({0: [1.0], "0": [2.0]}), 0)


def test_frames_are_read_without_pandas_or_polars_being_needed(monkeypatch):
    for name in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    frame = narwhals.from_native(pa.table(columns()), eager_only=True)
    assert observations_from_table(frame.to_native(), "v").n_objects == 2


def test_ten_thousand_columns_are_no_burden():
    table = Table(np.ones((2, 10_000)), names=[f"c{i}" for i in range(9_998)] + ["größe", "größe_err"])
    assert observations_from_table(table).names == ("größe",)
    assert observations_from_table(table, "größe").n_objects == 2


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_without_rows_or_with_one(rows):
    table = Table({"v": np.ones(rows), "e_v": np.ones(rows)})
    if rows:
        assert observations_from_table(table, "v").n_objects == 1
    else:
        with pytest.raises(InputError, match="no rows"):
            observations_from_table(table, "v")


def test_a_table_that_is_masked_everywhere_says_so():
    table = Table({name: MaskedColumn([1.0, 2.0], mask=True) for name in ("v", "e_v", "w", "e_w", "v_w_corr")})
    with pytest.raises(InputError, match="missing"):
        observations_from_table(table, ["v", "w"])
