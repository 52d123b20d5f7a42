"""Mistakes in the arguments of a source are said in one sentence; blocks without any value are none."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table, vstack
from dask import delayed

from xdgmm import XDGMM, Observations
from xdgmm.errors import InputError, KindError
from xdgmm.streaming import (
    ArrowSource,
    DaskSource,
    FitsSource,
    ParquetSource,
    TableFileSource,
    TableSource,
    open_source,
)

from .conftest import as_arrow


def tables():
    """Eight tables, of which one is without values and one without weights."""
    rng = np.random.default_rng(5)
    each = []
    for _ in range(8):
        errors = rng.uniform(0.5, 1.0, 60)
        each.append(Table({"v": rng.normal(7.0, 3.0, 60), "c": rng.normal(size=60), "e_v": errors, "e_c": errors}))
        each[-1]["n"] = 1.0
    each[2]["v"] = np.nan
    each[4]["n"] = 0.0
    each[5]["v"] = each[5]["c"] = np.nan
    return each


def of_tables(each, _, **options):
    return TableSource(each, **options)


def of_arrow(each, _, **options):
    arrow = [as_arrow(one) for one in each]
    return ArrowSource(lambda: iter(arrow), **options)


def of_partitions(each, _, **options):
    return DaskSource([delayed(one) for one in each], **options)


def of_parquet(each, folder, **options):
    for number, one in enumerate(each):
        frame = one.to_pandas()
        if frame["v"].isna().all():
            frame["v"] = frame["e_v"] = None
        frame.to_parquet(folder / f"{number}.parquet")
    return ParquetSource(folder, **options)


def of_files(suffix, kind):
    def source(each, folder, **options):
        for number, one in enumerate(each):
            one.write(folder / f"{number}.{suffix}")
        return kind(folder, **options)

    return source


SOURCES = {
    "tables": of_tables,
    "arrow": of_arrow,
    "partitions": of_partitions,
    "parquet": of_parquet,
    "fits": of_files("fits", FitsSource),
    "ecsv": of_files("ecsv", TableFileSource),
}


@pytest.mark.parametrize("memory", ["1MB", "1GB"])
@pytest.mark.parametrize("kind", list(SOURCES))
def test_a_block_without_objects_changes_nothing(kind, memory, tmp_path):
    each = tables()
    expected = XDGMM().fit(Observations.from_table(vstack(each), ["v", "c"], weights="n"))
    source = SOURCES[kind](each, tmp_path, columns=["v", "c"], weights="n", memory=memory)
    found = XDGMM().fit(source)
    assert source.observations().n_objects == expected.result_.n_objects == 360
    np.testing.assert_allclose(found.means_, expected.means_, rtol=1e-9)
    np.testing.assert_allclose(found.covariances_, expected.covariances_, rtol=1e-7)


@pytest.mark.parametrize("kind", list(SOURCES))
def test_a_negative_weight_after_a_block_without_objects_is_refused(kind, tmp_path):
    each = tables()
    each[6]["n"][3] = -1.0
    with pytest.raises(InputError, match=r"weights column 'n' is negative or not finite in row (3|363)"):
        SOURCES[kind](each, tmp_path, columns="v", weights="n").observations()


@pytest.mark.parametrize("kind", ["tables", "arrow", "partitions", "parquet"])
@pytest.mark.parametrize("first", [0, 1])
def test_numbers_in_text_are_read_as_those_of_a_table(kind, first, tmp_path):
    each = [one["v", "e_v"] for one in tables()[:2]]
    expected = Observations.from_table(vstack(each), "v")
    for one in each[first:]:
        one["v"] = one["v"].astype(str)
    found = SOURCES[kind](each, tmp_path, columns="v").observations()
    np.testing.assert_array_equal(found.sample.values, expected.values)
    each[1]["v"][3] = "abc"
    with pytest.raises(InputError, match=r"column 'v' holds strings .*'abc'"):
        SOURCES[kind](each, tmp_path, columns="v").observations()


STARS = Table({"v": [1.0, 2.0, 4.0], "e_v": [1.0, 1.0, 2.0]})
FRAME = STARS.to_pandas()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: ParquetSource(path, units={"v": "foo"}), "gives column 'v' the unit 'foo'"),
        (lambda _: DaskSource([delayed(STARS)], units={"v": "foo"}), "gives column 'v' the unit 'foo'"),
        (lambda path: ParquetSource(path, cache_noise="float16"), "`cache_noise` is 'float16'"),
    ],
)
def test_values_that_cannot_be_used(make, words, tmp_path):
    FRAME.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=words):
        make(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: ParquetSource(path, units="km/s"), "`units` is 'km/s', but a dictionary"),
        (lambda path: ParquetSource(path, cache=3), "`cache` is 3, but the name of a folder"),
        (lambda path: ParquetSource(path, nope=3), "ParquetSource has no option `nope`; it has filters, units, errors"),
        (lambda _: TableSource([STARS], nope=3), "TableSource has no option `nope`; it has errors"),
        (lambda path: open_source(path, nope=3), "ParquetSource has no option `nope`"),
        *[
            (lambda _, kind=kind, given=given: kind(given), f"the files are a {type(given).__name__}, but the name")
            for kind in (ParquetSource, open_source)
            for given in (None, 3, b"x", STARS, FRAME)
        ],
        *[
            (lambda _, given=given: TableSource(given), f"single {type(given).__name__}, but a list of tables")
            for given in (STARS, FRAME, STARS.as_array(), {"v": [1.0]})
        ],
        (lambda _: TableSource(None), "the tables are a NoneType, but a list"),
        (lambda _: TableSource("a.fits"), "the tables are 'a.fits', but a list"),
        (lambda _: TableSource(lambda: 3).observations(), "the function returns a int, but a list"),
        (lambda _: TableSource(lambda: FRAME).observations(), "the function returns a single DataFrame"),
        (lambda _: ArrowSource(STARS), "the batches are a Table, but"),
        (lambda _: ArrowSource([STARS]), "the batches are a Table, but"),
        (lambda _: ArrowSource(None), "the batches are a NoneType, but"),
        (lambda _: ArrowSource(lambda: 3).observations(), "the batches are a int, but"),
        (lambda _: DaskSource(FRAME), "a DataFrame, a single table in memory"),
    ],
)
def test_things_of_another_kind(make, words, tmp_path):
    FRAME.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(KindError) as raised:
        make(tmp_path / "a.parquet")
    assert words in str(raised.value)


def test_no_array_is_made_of_a_catalogue_in_parts():
    source = TableSource([STARS], "v")
    for each in (source, source.observations()):
        with pytest.raises(InputError, match="more than an array"):
            np.asarray(each)


def test_a_catalogue_without_rows():
    with pytest.raises(InputError, match="the catalogue has no rows"):
        TableSource([STARS[:0], pd.DataFrame({"v": [], "e_v": []})], "v").observations()
