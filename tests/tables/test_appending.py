"""Columns are appended to a table of which everything else is kept."""

import gzip

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table

from xdgmm.errors import InputError, OutputError
from xdgmm.tables import Column, append_columns, check_new_names

NEW = [
    Column("new", "A number, and a description of it that is longer than one card of a header has room for", u.km),
    Column("kind", "Which one", None, whole=True),
]
PARTS = [[np.array([1.5, np.nan]), np.array([0, -1])], [np.array([3.5]), np.array([7])]]


def every_type():
    """A file with every type of column that a binary table can have, between two other parts."""
    ragged = np.array([np.array([1.0, 2.0]), np.array([]), np.array([3.0])], dtype=object)
    columns = [
        fits.Column("name", "12A", array=["a", "", "ccc"]),
        fits.Column("flag", "L", array=[True, False, True]),
        fits.Column("bits", "11X", array=np.array([[1, 0] * 5 + [1]] * 3, bool)),
        fits.Column("short", "I", null=-99, array=[1, -99, 3]),
        fits.Column("unsigned", "J", bzero=2**31, array=np.array([1, 2, 2**32 - 1], np.uint32)),
        fits.Column("scaled", "I", array=[1, 2, 3]),
        fits.Column("float", "E", unit="mag", disp="F8.3", array=[1.0, np.nan, 3.0]),
        fits.Column("complex", "M", array=[1 + 2j, 0, 3j]),
        fits.Column("matrix", "6D", dim="(3,2)", array=np.arange(18.0).reshape(3, 2, 3)),
        fits.Column("ragged", "PD()", array=ragged),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="STARS")
    table.header["TSCAL6"], table.header["TZERO6"] = 0.5, 5.0
    table.header["OBSERVER"] = "Tycho"
    table.header["HISTORY"] = "observed"
    image = fits.ImageHDU(np.arange(12.0).reshape(3, 4), name="PICTURE")
    packed = fits.CompImageHDU(np.zeros((8, 8)), name="PACKED")
    return fits.HDUList([fits.PrimaryHDU(), packed, table, image])


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_every_type_of_column_and_every_part_of_a_fits_file_is_kept(tmp_path, suffix):
    source, target = tmp_path / f"source{suffix}", tmp_path / "target.fits"
    every_type().writeto(source, checksum=True)
    append_columns(source, target, NEW, PARTS)
    with fits.open(source) as before, fits.open(target, checksum=True) as after:
        after.verify("exception")
        assert len(after) == 4
        old, new = before["STARS"], after["STARS"]
        for column in old.columns:
            assert new.columns[column.name].format == column.format
            assert new.columns[column.name].null == column.null
            assert new.columns[column.name].bscale == column.bscale
            for one, other in zip(old.data[column.name], new.data[column.name], strict=True):
                np.testing.assert_array_equal(one, other)
        assert new.header["OBSERVER"] == "Tycho"
        assert "observed" in new.header["HISTORY"]
        np.testing.assert_array_equal(new.data["new"], [1.5, np.nan, 3.5])
        np.testing.assert_array_equal(after["PICTURE"].data, before["PICTURE"].data)
    content = source.read_bytes() if suffix == ".fits" else gzip.decompress(source.read_bytes())
    assert target.read_bytes().endswith(content[-2880:])


def test_new_columns_have_units_descriptions_and_masks(tmp_path):
    every_type().writeto(tmp_path / "source.fits")
    append_columns(tmp_path / "source.fits", tmp_path / "target.fits", NEW, PARTS)
    table = Table.read(tmp_path / "target.fits", hdu="STARS")
    for column in NEW:
        assert table[column.name].description == column.description
        assert table[column.name].mask.tolist() == [False, True, False]
    assert table["new"].unit == u.km
    assert table["kind"].dtype.kind == "i"
    assert fits.getheader(tmp_path / "target.fits", "STARS")["TCOMM12"] == "Which one"


def test_one_of_several_tables_is_chosen_and_the_other_kept(tmp_path):
    first, second = (fits.BinTableHDU(Table({"v": np.arange(3.0) + i}), name=f"T{i}") for i in (1, 2))
    fits.HDUList([fits.PrimaryHDU(), first, second]).writeto(tmp_path / "two.fits")
    append_columns(tmp_path / "two.fits", tmp_path / "target.fits", NEW, PARTS, hdu="T2")
    with fits.open(tmp_path / "target.fits") as after:
        assert after["T1"].columns.names == ["v"]
        assert after["T2"].columns.names == ["v", "new", "kind"]
        assert after["T2"].data["v"].tolist() == [2.0, 3.0, 4.0]
    with pytest.raises(InputError, match="several tables"):
        append_columns(tmp_path / "two.fits", tmp_path / "other.fits", NEW, PARTS)


def mixed():
    """A table of astropy's, with what it holds beyond plain columns."""
    table = QTable({"v": [1.0, 2.0, 3.0] * u.km / u.s, "name": ["α", "b", "c"]}, meta={"survey": "all sky"})
    table["n"] = MaskedColumn([1, 2, 3], mask=[False, True, False], description="how many")
    return table


@pytest.mark.parametrize("way", [(".ecsv", ".ecsv"), (".fits", ".ecsv"), (".ecsv", ".fits"), (".fits", ".fits")])
def test_columns_masks_and_metadata_of_astropy_survive_every_way(tmp_path, way):
    table = mixed()
    if ".fits" in way:
        table["name"] = ["a", "b", "c"]
    source, target = (tmp_path / f"{stem}{suffix}" for stem, suffix in zip(("source", "target"), way, strict=True))
    table.write(source)
    append_columns(source, target, NEW, PARTS)
    after = QTable.read(target)
    assert after.colnames == ["v", "name", "n", "new", "kind"]
    assert (after["v"] == table["v"]).all()
    assert after["name"].tolist() == table["name"].tolist()
    assert after["n"].mask.tolist() == [False, True, False]
    assert after["n"].description == "how many"
    assert {key.lower(): value for key, value in after.meta.items()}["survey"] == "all sky"
    assert after["new"].mask.tolist() == [False, True, False]
    assert after["new"].unit == u.km
    assert after["new"].info.description == NEW[0].description


@pytest.mark.parametrize("suffix", [".fits", ".ecsv"])
def test_columns_of_the_same_name_are_replaced_in_their_places(tmp_path, suffix):
    source, target = tmp_path / f"source{suffix}", tmp_path / f"target{suffix}"
    table = mixed()
    table["name"] = ["a", "b", "c"]
    table.rename_column("name", "NEW")
    table["NEW"].description = "old"
    table.write(source)
    append_columns(source, target, NEW, PARTS)
    after = QTable.read(target)
    assert after.colnames == ["v", "NEW", "n", "kind"]
    assert after["NEW"].unit == u.km
    assert after["NEW"].info.description == NEW[0].description
    assert after["n"].mask.tolist() == [False, True, False]
    append_columns(target, tmp_path / f"again{suffix}", NEW, PARTS)
    again = QTable.read(tmp_path / f"again{suffix}")
    assert again.colnames == after.colnames
    assert (again["kind"] == after["kind"]).all()


def test_nothing_is_left_behind_by_what_fails(tmp_path):
    def failing():
        yield PARTS[0]
        raise RuntimeError("stopped")

    every_type().writeto(tmp_path / "source.fits")
    with pytest.raises(RuntimeError, match="stopped"):
        append_columns(tmp_path / "source.fits", tmp_path / "target.fits", NEW, failing())
    assert [path.name for path in tmp_path.iterdir()] == ["source.fits"]


@pytest.mark.parametrize("suffix", [".fits", ".ecsv"])
def test_more_columns_than_fits_allows_are_refused(tmp_path, suffix):
    Table({f"c{i}": [1, 2, 3] for i in range(998)}).write(tmp_path / f"wide{suffix}")
    with pytest.raises(OutputError, match=r"1000 .*999"):
        append_columns(tmp_path / f"wide{suffix}", tmp_path / "target.fits", NEW, PARTS)


def test_names_that_exist_are_refused_unless_they_are_to_be_replaced():
    with pytest.raises(InputError, match=r"New; .*`prefix`"):
        check_new_names(["v", "New"], NEW)
    check_new_names(["v", "New"], NEW, replace=True)
    with pytest.raises(InputError, match=r"two .*'new'"):
        check_new_names(["v"], [*NEW, NEW[0]])
