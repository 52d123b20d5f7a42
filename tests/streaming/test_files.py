"""Files that are read in blocks give what the same rows in memory give."""

import gzip
import shutil

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table

from xdgmm import XDGMM, Observations
from xdgmm.errors import InputError
from xdgmm.streaming import ArrowSource, FitsSource, ParquetSource, TableSource
from xdgmm.tables import read_table

from .conftest import as_arrow, write_parquet

COLUMNS = ["v", "c"]


def write_fits(folder, table):
    folder.mkdir(exist_ok=True)
    for number, first in enumerate(range(0, len(table), 1100)):
        table[first : first + 1100].write(folder / f"part{number}.fits")
    return folder


def gzipped(folder):
    for path in sorted(folder.glob("*.fits")):
        with path.open("rb") as source, gzip.open(f"{path}.gz", "wb") as target:
            shutil.copyfileobj(source, target)
        path.unlink()
    return folder


SOURCES = {
    "Parquet folder": lambda folder, table, **options: ParquetSource(
        write_parquet(folder / "p", table), COLUMNS, **options
    ),
    "Parquet pattern, small groups": lambda folder, table, **options: ParquetSource(
        f"{write_parquet(folder / 'p', table, row_group_size=300)}/*.parquet", COLUMNS, **options
    ),
    "FITS folder": lambda folder, table, **options: FitsSource(write_fits(folder / "f", table), COLUMNS, **options),
    "gzipped FITS": lambda folder, table, **options: FitsSource(
        gzipped(write_fits(folder / "f", table)), COLUMNS, **options
    ),
    "Arrow table": lambda folder, table, **options: ArrowSource(as_arrow(table), COLUMNS, **options),  # noqa: ARG005
    "Arrow batches": lambda folder, table, **options: ArrowSource(  # noqa: ARG005
        lambda: iter(as_arrow(table).to_batches(170)), COLUMNS, **options
    ),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_blocks_are_the_rows_of_the_table(make, stars, tmp_path):
    found = make(tmp_path, stars, weights="n", memory="1MB").observations()
    whole = Observations.from_table(stars, COLUMNS, weights="n")
    assert found.data_hash == TableSource([stars], COLUMNS, weights="n").observations().data_hash
    assert found.units == whole.units
    assert found.noise_model.kind == whole.noise_model.kind
    np.testing.assert_array_equal(np.concatenate([part.values for part in found.parts()]), whole.values)
    np.testing.assert_array_equal(
        np.concatenate([part.noise_covariances for part in found.parts()]), whole.noise_covariances
    )
    assert set(whole.remarks) >= {r for r in found.remarks if "taken from" in r}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_only_the_columns_that_are_needed_are_read(make, stars, tmp_path):
    stars["l_v"] = np.where(np.arange(len(stars)) % 50 == 0, "<", "")
    block = next(iter(make(tmp_path, stars, on_limit="use").blocks()))
    assert set(block.table.colnames) == {"v", "c", "e_v", "e_c", "v_c_corr", "l_v"}


def test_a_fit_of_files_is_that_of_the_table(stars, tmp_path):
    source = SOURCES["Parquet folder"](tmp_path, stars)
    one = XDGMM(2, random_state=1).fit(source)
    other = XDGMM(2, random_state=1).fit(Observations.from_table(stars, COLUMNS))
    np.testing.assert_allclose(one.means_, other.means_, rtol=1e-6)
    np.testing.assert_allclose(one.covariances_, other.covariances_, rtol=1e-5)
    assert one.mixture_.record.data_hash == other.mixture_.record.data_hash


@pytest.mark.parametrize(
    "filters",
    [
        [("g", "<", 18), ("n", "==", 1)],
        [[("g", "<", 18), ("n", "==", 1)]],
        (pa.compute.field("g") < 18) & (pa.compute.field("n") == 1),
    ],
)
def test_filters_keep_rows(filters, stars, tmp_path):
    folder = write_parquet(tmp_path / "p", stars[np.argsort(stars["g"])], row_group_size=100)
    source = ParquetSource(folder, COLUMNS, filters=filters)
    kept = stars[(stars["g"] < 18) & (stars["n"] == 1)]
    assert len(source.observations()) == len(kept)
    assert np.nansum([np.nansum(part.values) for part in source.read()]) == pytest.approx(
        np.nansum(kept["v"]) + np.nansum(kept["c"]), rel=1e-10
    )


def test_units_can_be_given(stars, tmp_path):
    folder = write_parquet(tmp_path / "p", stars)
    source = ParquetSource(folder, COLUMNS, units={"v": "m/s", "e_v": "km/s"})
    first = next(iter(source.read()))
    assert [str(unit) for unit in first.units] == ["m / s", "mag"]
    np.testing.assert_allclose(np.sqrt(first.variances[:, 0]), 1000 * np.asarray(stars["e_v"])[: len(first)])


def test_what_astropy_writes_is_read_with_units_and_masks(tmp_path):
    table = QTable({"v": MaskedColumn([1.0, 2.0, 5.0], mask=[False, True, False], unit="km/s"), "e_v": [1.0, 1, 2]})
    table["e_v"].unit = "km/s"
    path = tmp_path / "stars.parquet"
    table.write(path)
    part = next(iter(ParquetSource(path, "v").read()))
    np.testing.assert_array_equal(part.values[:, 0], [1.0, np.nan, 5.0])
    assert [str(unit) for unit in part.units] == ["km / s"]


def test_null_values_of_fits_are_missing_whatever_the_scale(tmp_path):
    column = fits.Column("v", "I", unit="km/s", array=np.array([3, -999, 7], np.int16), null=-999)
    header = fits.BinTableHDU.from_columns([column, fits.Column("e_v", "D", array=[0.1, 0.1, 0.1])])
    header.header["TSCAL1"], header.header["TZERO1"] = 2.0, 1.0
    path = tmp_path / "t.fits"
    header.writeto(path)
    part = next(iter(FitsSource(path, "v").read()))
    np.testing.assert_array_equal(part.values, Observations.from_table(read_table(path), "v").values)
    assert np.isnan(part.values[1, 0])


def test_integers_and_floats_may_alternate(stars, tmp_path):
    from pyarrow import parquet

    folder = tmp_path / "p"
    folder.mkdir()
    whole = np.asarray(stars["n"]).astype(float)
    parquet.write_table(as_arrow(stars[:1000], n=whole[:1000]), folder / "a.parquet")
    parquet.write_table(as_arrow(stars[1000:]), folder / "b.parquet")
    found = ParquetSource(folder, "v", weights="n").observations()
    assert found.total_weight == Observations.from_table(stars, "v", weights="n").total_weight
    assert len(Table(stars)) == len(found)


def test_later_passes_check_only_blocks_that_needed_decisions(stars, tmp_path, monkeypatch):
    stars["e_v"][100] = 0.0
    source = SOURCES["Parquet folder"](tmp_path, stars, on_bad="missing")
    found = source.observations()
    calls = []
    original = Observations.from_table
    monkeypatch.setattr(Observations, "from_table", lambda *a, **k: calls.append(1) or original(*a, **k))
    again = list(found.parts())
    assert len(calls) == 1
    monkeypatch.undo()
    whole = Observations.from_table(stars, COLUMNS, on_bad="missing")
    np.testing.assert_array_equal(np.concatenate([part.values for part in again]), whole.values)


def test_blocks_that_a_function_yields_are_checked_each_time(stars):
    given = [stars[:500], stars[500:1000]]
    found = TableSource(lambda: given, COLUMNS).observations()
    given[1] = given[1][:-1]
    with pytest.raises(InputError, match=r"^table 1: this block had 500 rows when it was first read, but now 499"):
        list(found.parts())
    given.pop()
    with pytest.raises(InputError, match="there were 2 blocks at first, but now 1"):
        list(found.parts())


def test_remarks_count_all_rows(stars, tmp_path):
    found = SOURCES["Parquet folder"](tmp_path, stars).observations()
    whole = Observations.from_table(stars, COLUMNS)
    assert set(found.remarks) == set(whole.remarks)
    assert any("missing" in remark for remark in found.remarks)
