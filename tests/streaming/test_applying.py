"""Members of a catalogue in parts, in files: the same as those of the table in memory, beside all that was there."""

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from pyarrow import parquet

from xdgmm import GaussianMixture, Observations
from xdgmm.errors import InputError, KindError, OutputError
from xdgmm.objects import ObjectColumns, apply
from xdgmm.streaming import ArrowSource, FitsSource, ParquetSource, TableSource
from xdgmm.tables import MISSING, append_columns, read_table

from .conftest import as_arrow, write_parquet

COLUMNS = ["v", "c"]
MIXTURE = GaussianMixture(
    [0.4, 0.6],
    [[-20.0, 0.3], [15.0, 1.2]],
    [np.diag([36.0, 0.04]), np.diag([36.0, 0.04])],
    COLUMNS,
    ["km/s", "mag"],
)


def expected(stars):
    """The new columns of all rows by their names, NaN where masked."""
    found = ObjectColumns(MIXTURE, Observations.from_table(stars, COLUMNS))
    values = [np.concatenate(parts) for parts in zip(*found.blocks("never"), strict=True)]
    return {
        column.name: np.where(each == MISSING, np.nan, each) if column.whole else each
        for column, each in zip(found.columns, values, strict=True)
    }


def same_members(arrow, stars):
    for name, values in expected(stars).items():
        np.testing.assert_allclose(arrow[name].to_numpy(), values, rtol=1e-10, err_msg=name)


def all_of(folder):
    return pa.concat_tables([parquet.read_table(path) for path in sorted(folder.glob("*.parquet"))])


def test_parquet_files_become_files_of_the_same_names_with_more_columns(stars, tmp_path):
    before = write_parquet(tmp_path / "gaia", stars)
    found = apply(MIXTURE, ParquetSource(before, COLUMNS, memory="1MB"), tmp_path / "members", progress="never")
    assert [path.name for path in found.files] == ["part0.parquet", "part1.parquet", "part2.parquet"]
    assert found.files == tuple(sorted((tmp_path / "members").iterdir()))
    unmeasured = np.isnan(stars["v"]) & np.isnan(stars["c"])
    assert (found.n_rows, found.n_masked) == (len(stars), unmeasured.sum())
    for path in found.files:
        one, other = parquet.read_table(before / path.name), parquet.read_table(path)
        assert other.select(one.schema.names).equals(one, check_metadata=True)
    after = all_of(tmp_path / "members")
    same_members(after, stars)
    assert after["xd_component"].null_count == unmeasured.sum()
    assert after.schema.field("xd_v").metadata[b"unit"] == b"km / s"
    assert after.schema.field("xd_v").metadata[b"description"] == b"Posterior mean of the true v"
    assert after.schema.field("xd_component").type == pa.int16()


@pytest.mark.parametrize(
    "make",
    [
        lambda folder, stars: ParquetSource(write_parquet(folder / "gaia", stars), COLUMNS, memory="1MB"),
        lambda _, stars: ArrowSource(lambda: iter(as_arrow(stars).to_batches(170)), COLUMNS),
        lambda _, stars: TableSource([stars[:100], stars[:0], stars[100:]], COLUMNS),
        lambda _, stars: TableSource([as_arrow(stars).to_pandas()], COLUMNS),
    ],
    ids=["Parquet", "Arrow", "tables", "pandas"],
)
def test_any_source_becomes_one_parquet_file(make, stars, tmp_path):
    found = apply(MIXTURE, make(tmp_path, stars), tmp_path / "members.parquet", keep=["source_id", "name"])
    after = parquet.read_table(tmp_path / "members.parquet")
    assert found.files == (tmp_path / "members.parquet",)
    assert after.schema.names == ["source_id", "name", *expected(stars)]
    assert after["source_id"].to_pylist() == stars["source_id"].tolist()
    assert after["name"].to_pylist() == stars["name"].tolist()
    same_members(after, stars)


def test_tables_become_a_file_each(stars, tmp_path):
    found = apply(MIXTURE, TableSource([stars[:100], stars[100:]], COLUMNS), tmp_path / "members")
    assert [path.name for path in found.files] == ["part-00000.parquet", "part-00001.parquet"]
    assert parquet.read_metadata(found.files[0]).num_rows == 100
    after = all_of(tmp_path / "members")
    same_members(after, stars)
    for name in stars.colnames:
        values = np.asarray(stars[name])
        assert after[name].to_pylist() == pa.array(values).to_pylist() or np.isnan(values).any()
    assert after.schema.field("v").metadata[b"unit"] == b"km / s"


def test_a_fits_table_keeps_every_bit(stars, tmp_path):
    stars.write(tmp_path / "stars.fits")
    observations = Observations.from_table(read_table(tmp_path / "stars.fits"), COLUMNS)
    new = ObjectColumns(MIXTURE, observations)
    append_columns(tmp_path / "stars.fits", tmp_path / "expected.fits", new.columns, new.blocks("never"))
    source = FitsSource(tmp_path / "stars.fits", COLUMNS, memory="1MB")
    assert len(list(source.blocks())) > 1
    apply(MIXTURE, source, tmp_path / "members.fits")
    with fits.open(tmp_path / "expected.fits") as one, fits.open(tmp_path / "members.fits") as other:
        assert one[1].header.tostring() == other[1].header.tostring()
        for name in one[1].columns.names:
            np.testing.assert_array_equal(one[1].data[name], other[1].data[name])


def test_a_folder_of_fits_files_becomes_one(stars, tmp_path):
    (tmp_path / "sky" / "north").mkdir(parents=True)
    stars[:1000].write(tmp_path / "sky" / "north" / "a.fits")
    stars[1000:].write(tmp_path / "sky" / "b.fits")
    found = apply(MIXTURE, FitsSource(tmp_path / "sky", COLUMNS), tmp_path / "members")
    assert [path.relative_to(tmp_path / "members").as_posix() for path in found.files] == ["b.fits", "north/a.fits"]
    same_members(Wrapped(found), stars)


class Wrapped:
    """The columns of FITS files, in the order of the rows of the table they were made of."""

    def __init__(self, found):
        self.tables = [Table.read(path) for path in reversed(found.files)]

    def __getitem__(self, name):
        columns = [np.ma.filled(table[name].astype(float), np.nan) for table in self.tables]
        return pa.array(np.concatenate(columns))


def test_fits_files_become_parquet(stars, tmp_path):
    stars.write(tmp_path / "stars.fits")
    source = FitsSource(tmp_path / "stars.fits", COLUMNS)
    apply(MIXTURE, source, tmp_path / "members.parquet")
    after = parquet.read_table(tmp_path / "members.parquet")
    same_members(after, stars)
    assert after["name"].to_pylist() == stars["name"].tolist()
    assert after.schema.field("c").metadata[b"unit"] == b"mag"


def test_rows_that_filters_leave_out_are_not_written(stars, tmp_path):
    write_parquet(tmp_path / "gaia", stars)
    source = ParquetSource(tmp_path / "gaia", COLUMNS, filters=[("g", "<", 17)])
    found = apply(MIXTURE, source, tmp_path / "bright.parquet")
    bright = stars[stars["g"] < 17]
    assert found.n_rows == len(bright)
    after = parquet.read_table(tmp_path / "bright.parquet")
    assert after["source_id"].to_pylist() == bright["source_id"].tolist()
    same_members(after, bright)


def test_astropy_reads_what_it_wrote_with_the_new_columns(stars, tmp_path):
    stars.write(tmp_path / "stars.parquet", format="parquet")
    apply(MIXTURE, ParquetSource(tmp_path / "stars.parquet", COLUMNS), tmp_path / "members.parquet")
    read = Table.read(tmp_path / "members.parquet")
    assert read["xd_v"].unit == "km/s"
    assert read["v"].unit == "km/s"
    assert read["xd_v"].description == "Posterior mean of the true v"


def test_files_without_rows_are_left_out(stars, tmp_path):
    write_parquet(tmp_path / "gaia", stars)
    path = tmp_path / "gaia" / "part1.parquet"
    parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    found = apply(MIXTURE, ParquetSource(tmp_path / "gaia", COLUMNS), tmp_path / "members")
    assert [file.name for file in found.files] == ["part0.parquet", "part2.parquet"]
    apply(MIXTURE, ParquetSource(tmp_path / "gaia", COLUMNS), tmp_path / "members.parquet")
    assert parquet.read_table(tmp_path / "members.parquet").equals(all_of(tmp_path / "members"))


def test_masks_that_astropy_writes_are_kept_with_their_columns(stars, tmp_path):
    stars["m"] = MaskedColumn(stars["g"], mask=stars["g"] > 20)
    stars.write(tmp_path / "stars.parquet", format="parquet")
    apply(MIXTURE, ParquetSource(tmp_path / "stars.parquet", COLUMNS), tmp_path / "members.parquet", keep=["m"])
    read = parquet.read_table(tmp_path / "members.parquet")
    assert read["m.mask"].to_pylist() == (stars["g"] > 20).tolist() or read["m"].null_count == (stars["g"] > 20).sum()


def test_columns_that_are_there_are_replaced_where_it_is_asked_for(stars, tmp_path):
    stars["XD_v"] = 1.0
    source = TableSource([stars], COLUMNS)
    with pytest.raises(InputError, match="columns of these names already: XD_v"):
        apply(MIXTURE, source, tmp_path / "members.parquet")
    assert not list(tmp_path.iterdir())
    apply(MIXTURE, source, tmp_path / "members.parquet", overwrite_columns=True)
    after = parquet.read_table(tmp_path / "members.parquet")
    np.testing.assert_allclose(after["XD_v"].to_numpy(), expected(stars)["xd_v"], rtol=1e-10)


def test_a_fault_leaves_complete_files_and_nothing_else(stars, tmp_path):
    write_parquet(tmp_path / "gaia", stars)
    second = tmp_path / "gaia" / "part1.parquet"
    second.write_bytes(second.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"part1\.parquet"):
        apply(MIXTURE, ParquetSource(tmp_path / "gaia", COLUMNS), tmp_path / "members")
    assert [path.name for path in (tmp_path / "members").iterdir()] == ["part0.parquet"]
    same_members(all_of(tmp_path / "members"), stars[:1000])
    with pytest.raises(InputError, match=r"part1\.parquet"):
        apply(MIXTURE, ParquetSource(tmp_path / "gaia", COLUMNS), tmp_path / "members.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gaia", "members"]


def test_an_interrupt_leaves_nothing_half_written(stars, tmp_path):
    calls = []

    def interrupt():
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt

    source = TableSource([stars[:100], stars[100:]], COLUMNS)
    with pytest.raises(KeyboardInterrupt):
        apply(MIXTURE, source, tmp_path / "members.parquet", started=interrupt)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "options", "error", "message"),
    [
        ("gaia", {}, OutputError, "is a file of the catalogue|already exists|exists"),
        ("gaia", {"overwrite": True}, OutputError, "is a file of the catalogue"),
        ("gaia/part0.parquet", {"overwrite": True}, OutputError, "is a file of the catalogue"),
        ("members.fits", {}, OutputError, "would be one FITS table"),
        *((f"members.{end}", {}, OutputError, f"would be a .{end} file") for end in ("csv", "txt", "ecsv", "vot")),
        ("members", {"keep": ["ra"]}, InputError, "`keep` names 'ra', but '.*part0.parquet' has no such column"),
        ("members", {"progress": "maybe"}, InputError, "`progress`"),
    ],
)
def test_what_cannot_be_written_is_refused(output, options, error, message, stars, tmp_path):
    write_parquet(tmp_path / "gaia", stars)
    before = (tmp_path / "gaia" / "part0.parquet").read_bytes()
    with pytest.raises(error, match=message):
        apply(MIXTURE, ParquetSource(tmp_path / "gaia", COLUMNS), tmp_path / output, **options)
    assert (tmp_path / "gaia" / "part0.parquet").read_bytes() == before


def test_other_things_are_refused(stars, tmp_path):
    with pytest.raises(KindError, match="`source` is a Table"):
        apply(MIXTURE, stars, tmp_path / "members.parquet")
    with pytest.raises(InputError, match="has no rows"):
        apply(MIXTURE, TableSource([stars[:0]], COLUMNS), tmp_path / "members.parquet")
    with pytest.raises(InputError, match="coordinates"):
        apply(MIXTURE, TableSource([stars], "v"), tmp_path / "members.parquet")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, but"):
        apply(MIXTURE, TableSource([stars], COLUMNS), tmp_path / "file")
    stars["vectors"] = np.zeros((len(stars), 2))
    with pytest.raises(InputError, match="column 'vectors' of table 0 holds no single numbers"):
        apply(MIXTURE, TableSource([stars], COLUMNS), tmp_path / "members.parquet")
    stars.write(tmp_path / "stars.fits")
    with pytest.raises(InputError, match="keeps all of its columns"):
        apply(MIXTURE, FitsSource(tmp_path / "stars.fits", COLUMNS), tmp_path / "members.fits", keep=["v"])
