"""What is wrong with a file is said in one sentence, which names it, and where in it."""

import os

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table
from pyarrow import parquet

from xdgmm import XDGMM
from xdgmm.errors import InputError
from xdgmm.streaming import ArrowSource, FitsSource, ParquetSource, open_source

from .conftest import as_arrow, write_parquet

COLUMNS = ["v", "c"]


@pytest.fixture
def folder(stars, tmp_path):
    return write_parquet(tmp_path / "gaia", stars)


def said(source):
    with pytest.raises(InputError) as raised:
        source.observations()
    message = str(raised.value)
    assert "\n" not in message
    return message


def rewrite(folder, stars, number=1, **changes):
    rows = stars[1000 * number : 1000 * (number + 1)]
    parquet.write_table(as_arrow(rows, **changes), folder / f"part{number}.parquet")


def test_a_truncated_parquet_file(folder):
    path = folder / "part1.parquet"
    path.write_bytes(path.read_bytes()[:-1000])
    assert said(ParquetSource(folder, COLUMNS)).startswith(f"'{path}' cannot be read as a Parquet file (")


def test_a_parquet_file_with_a_damaged_page(folder):
    path = folder / "part1.parquet"
    content = bytearray(path.read_bytes())
    content[100:6000] = b"\xff" * 5900
    path.write_bytes(content)
    assert f"'{path}' cannot be read as a Parquet file (" in said(ParquetSource(folder, COLUMNS))


def test_a_file_that_is_no_parquet_file(folder):
    path = folder / "part1.parquet"
    path.write_text("v,e_v\n1,2\n")
    assert said(ParquetSource(folder, COLUMNS)).startswith(f"'{path}' cannot be read as a Parquet file (")


def test_a_truncated_fits_file(stars, tmp_path):
    path = tmp_path / "t.fits"
    stars.write(path)
    path.write_bytes(path.read_bytes()[:100_000])
    message = said(FitsSource(path, COLUMNS, memory="1MB"))
    assert message.startswith(f"'{path}' cannot be read as a FITS table (it is truncated)")
    path.write_text("nothing")
    assert "it is not a FITS file" in said(FitsSource(path, COLUMNS))


def test_a_partition_without_a_column(folder, stars):
    rewrite(folder, stars[:])
    table = parquet.read_table(folder / "part1.parquet").drop_columns(["v_c_corr"])
    parquet.write_table(table, folder / "part1.parquet")
    message = said(ParquetSource(folder, COLUMNS))
    assert message == f"'{folder / 'part1.parquet'}' has no column 'v_c_corr', which '{folder / 'part0.parquet'}' has"


def test_a_partition_with_a_further_column_that_would_be_read(folder):
    table = parquet.read_table(folder / "part1.parquet")
    flags = pa.array(["<"] * table.num_rows)
    parquet.write_table(table.append_column("l_v", flags), folder / "part1.parquet")
    message = said(ParquetSource(folder, COLUMNS))
    assert message.startswith(
        f"'{folder / 'part1.parquet'}' has a column 'l_v', which '{folder / 'part0.parquet'}' has"
    )


def test_a_partition_with_another_unit(folder, stars):
    rows = stars[1000:2000]["v"].copy()
    rows.unit = "m/s"
    rewrite(folder, stars, v=rows)
    message = said(ParquetSource(folder, COLUMNS))
    assert message.startswith(f"column 'v' has the unit m / s in '{folder / 'part1.parquet'}', but km / s in")
    given = {"v": "km/s"}
    assert len(ParquetSource(folder, COLUMNS, units=given).observations()) == 3000


def test_a_partition_with_text(folder, stars):
    velocities = np.asarray(stars["v"][1000:2000])
    before = ParquetSource(folder, COLUMNS).observations()
    rewrite(folder, stars, v=stars["v"][1000:2000].astype(str))
    assert ParquetSource(folder, COLUMNS).observations().data_hash == before.data_hash
    rewrite(folder, stars, v=np.where(velocities > 0, "abc", "1"))
    message = said(ParquetSource(folder, COLUMNS, units={"v": "km/s"}))
    assert message.startswith(f"'{folder / 'part1.parquet'}', rows 0 to 999: column 'v' holds strings")
    rewrite(folder, stars, v=velocities > 0)
    message = said(ParquetSource(folder, COLUMNS))
    assert message.startswith(f"column 'v' holds booleans in '{folder / 'part1.parquet'}', but numbers in")


def test_an_empty_partition_is_fine(folder, stars):
    before = ParquetSource(folder, COLUMNS).observations()
    parquet.write_table(as_arrow(stars[:0]), folder / "part0a.parquet")
    with_empty = ParquetSource(folder, COLUMNS).observations()
    assert (len(with_empty), with_empty.data_hash) == (3000, before.data_hash)


def test_a_partition_of_nulls_is_fine(folder, stars):
    rows = as_arrow(stars[:10])
    nulls = [pa.nulls(10) if name in ("c", "e_c") else rows.column(name) for name in rows.column_names]
    parquet.write_table(pa.table(nulls, rows.column_names), folder / "part3.parquet")
    source = ParquetSource(folder, COLUMNS, units=dict.fromkeys(("v", "e_v"), "km/s") | {"c": "mag", "e_c": "mag"})
    assert len(source.observations()) == 3010


def test_files_that_do_not_exist(folder, tmp_path):
    for files, message in (
        (f"{folder}/*.parq", "no file matches"),
        (folder / "nothing.parquet", "there is no file"),
        ([], "the list of files is empty"),
    ):
        with pytest.raises(InputError, match=message):
            ParquetSource(files, COLUMNS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no files that end in"):
        ParquetSource(tmp_path / "empty", COLUMNS)
    with pytest.raises(InputError, match="holds no files of tables"):
        open_source(tmp_path / "empty", COLUMNS)


def test_columns_that_do_not_exist(folder):
    message = said(ParquetSource(folder, ["w"]))
    assert message.startswith(f"'{folder / 'part0.parquet'}': the table has no column 'w'")
    assert "has no column 'w', for which `units`" in said(ParquetSource(folder, COLUMNS, units={"w": "km/s"}))


@pytest.mark.parametrize("change", ["rewritten", "touched", "removed", "grown"])
def test_a_file_that_changes_during_the_fit(change, folder, stars):
    found = ParquetSource(folder, COLUMNS).observations()
    path = folder / "part1.parquet"
    if change == "rewritten":
        rewrite(folder, stars, v=np.asarray(stars["v"][1000:2000]) + 1.0)
    elif change == "touched":
        os.utime(path, ns=(0, 0))
    elif change == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"\0")
    expected = "cannot be read: No such file" if change == "removed" else "has changed since it was first read"
    with pytest.raises(InputError, match=f"^'{path}' {expected}"):
        list(found.parts())


def test_a_file_that_changes_while_a_model_is_fitted(folder):
    source = ParquetSource(folder, COLUMNS, memory="1MB")
    source.observations()
    (folder / "part2.parquet").unlink()
    with pytest.raises(InputError, match=r"part2\.parquet"):
        XDGMM().fit(source)


def test_a_bad_error_is_named_with_its_file(folder, stars):
    stars["v"][1007], stars["e_v"][1007] = 1.0, -1.0
    rewrite(folder, stars)
    message = said(ParquetSource(folder, COLUMNS))
    assert message.startswith(f"'{folder / 'part1.parquet'}', rows 0 to 999: error column 'e_v' has invalid errors")


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ([("w", "<", 1)], "`filters` names a column 'w', but '{path}' has none"),
        ([("g", "<", "abc")], "`filters` compares a column of '{path}' with something of another type"),
        ([("g", "<", 1)], "`filters` keeps no row, (g < 1)"),
    ],
)
def test_filters_that_do_not_suit_the_columns(filters, words, folder):
    message = said(ParquetSource(folder, COLUMNS, filters=filters))
    assert message.startswith(words.format(path=folder / "part0.parquet"))


def test_a_file_that_is_given_twice(folder, tmp_path):
    path = folder / "part1.parquet"
    link = tmp_path / "link.parquet"
    link.symlink_to(path)
    for files, words in (([folder, path], "is given twice"), ([path, link], f"is the same file as '{path}'")):
        with pytest.raises(InputError, match=f"'{files[-1]}' {words}, so that its objects would count twice"):
            ParquetSource(files, COLUMNS)


@pytest.mark.parametrize("source", [ParquetSource, FitsSource, open_source])
def test_a_tilde_is_the_home_folder(source, folder, stars, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    stars[:5].write(folder.parent / "a.fits")
    name = "~/*.fits" if source is FitsSource else "~/gaia"
    assert all(path.is_absolute() and path.is_file() for path in source(name, COLUMNS).paths)


@pytest.mark.parametrize("filters", [[("g", "near", 3)], "g < 3", 7])
def test_filters_of_another_form(filters, folder):
    with pytest.raises(InputError, match="`filters`"):
        ParquetSource(folder, COLUMNS, filters=filters)


def test_batches_that_can_be_read_only_once(stars):
    table = as_arrow(stars)
    for batches in (iter(table.to_batches()), table.to_reader()):
        with pytest.raises(InputError, match="only once"):
            ArrowSource(batches, COLUMNS)


def test_batches_with_other_columns(stars):
    table = as_arrow(stars)
    source = ArrowSource(lambda: iter([table, table.drop_columns(["e_v"])]), COLUMNS)
    assert said(source).startswith("batch 1: ")


def test_files_of_several_formats(folder, stars):
    stars[:5].write(folder / "x.fits")
    with pytest.raises(InputError, match="several formats"):
        open_source(folder, COLUMNS)
    assert isinstance(open_source(f"{folder}/*.parquet", COLUMNS), ParquetSource)
    assert isinstance(open_source(folder / "x.fits", COLUMNS), FitsSource)
    for name, options in (("x.fits", {"filters": [("g", "<", 1)]}), ("part0.parquet", {"hdu": 1})):
        with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
            open_source(folder / name, COLUMNS, **options)


def test_text_files_are_read_one_after_the_other(stars, tmp_path):
    for number, name in enumerate(("a.ecsv", "b.ecsv")):
        Table(stars[number * 1500 : (number + 1) * 1500]).write(tmp_path / name)
    found = open_source(tmp_path, COLUMNS, units={"v": "m/s"}).observations()
    assert (len(found), str(found.units[0])) == (3000, "m / s")
