"""A packed cache gives the bits of the source, is used by later fits, and is never half-written."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from xdgmm import XDGMM, Background, Flat
from xdgmm.errors import InputError, OutputError, XdgmmWarning
from xdgmm.streaming import FitsSource, TableSource

N = 900


class Counted(TableSource):
    """Counts how often it is read."""

    reads = 0

    def blocks(self):
        self.reads += 1
        return super().blocks()


def catalogue(seed=7):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.5, 2.0, (N, 2))
    group = rng.random(N) < 0.4
    v = np.where(group[:, None], [-9.0, 2.0], [6.0, -1.0]) + rng.standard_normal((N, 2)) * [3.0, 1.0]
    w = np.clip(v + errors * rng.standard_normal((N, 2)), -25.0, 25.0)
    w[rng.random((N, 2)) < 0.1] = np.nan
    return Table({"a": w[:, 0], "b": w[:, 1], "e_a": errors[:, 0], "e_b": errors[:, 1]})


def source(cache, size=400, table=None, **options):
    table = catalogue() if table is None else table
    return Counted([table[first : first + size] for first in range(0, N, size)], ["a", "b"], cache=cache, **options)


def fitted(X, **options):
    return XDGMM(**{"n_components": 2, "n_init": 2, "random_state": 3, **options}).fit(X)


def check_identical(one, other):
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.result_.log_likelihood == other.result_.log_likelihood
    assert one.result_.passes == other.result_.passes


def folders(cache):
    return sorted(path for path in cache.iterdir())


@pytest.mark.parametrize(
    "options",
    [{}, {"background": Background([-60.0, -60.0], [60.0, 60.0])}, {"flat": Flat("b", -30.0, 30.0)}],
    ids=["gaussians", "background", "flat"],
)
def test_a_fit_with_a_cache_is_that_without(options, tmp_path):
    cache = tmp_path / "cache"
    options = {"n_components": 1, **options} if options else {}
    options["n_components"] = 1 if "background" in options else 2
    whole = fitted(source(None), **options)
    first = source(cache)
    check_identical(fitted(first, **options), whole)
    read = len(options) - 1  # for rows beyond a box
    assert first.reads == 2 + read
    (folder,) = folders(cache)
    assert sorted(path.name for path in folder.iterdir()) == [
        "header.json",
        *(f"part-00000{i}.xdgmm" for i in range(3)),
    ]
    again = source(cache)
    check_identical(fitted(again, **options), whole)
    assert again.reads == 1 + read


def test_fits_of_other_components_use_the_same_cache(tmp_path):
    fitted(source(tmp_path))
    other = source(tmp_path)
    check_identical(fitted(other, n_components=3), fitted(source(None), n_components=3))
    assert other.reads == 1
    assert len(folders(tmp_path)) == 1


def test_the_header_says_what_the_cache_is_of(tmp_path):
    found = source(tmp_path)
    fitted(found)
    (folder,) = folders(tmp_path)
    header = json.loads((folder / "header.json").read_text())
    assert header["data_hash"] == found.observations().data_hash
    assert (header["n_rows"], header["names"], header["units"]) == (N, ["a", "b"], [None, None])
    assert header["digest"] == folder.name
    assert [size for size, _ in header["parts"]] == [
        path.stat().st_size for path in sorted(folder.glob("part-*.xdgmm"))
    ]


@pytest.mark.parametrize(
    "other",
    [
        lambda cache: source(cache, table=catalogue(8)),
        lambda cache: source(cache, size=300),
        lambda cache: source(cache, cache_noise="float32"),
    ],
    ids=["data", "parts", "noise"],
)
def test_a_cache_of_anything_else_is_not_used(other, tmp_path):
    fitted(source(tmp_path))
    found = other(tmp_path)
    fitted(found)
    assert found.reads == 2
    assert len(folders(tmp_path)) == 2


def test_noise_with_32_bits_changes_nothing_that_is_reported(tmp_path):
    whole = fitted(source(None))
    for _ in range(2):
        model = fitted(source(tmp_path, cache_noise="float32"))
        # variances change by 6e-8 of themselves at most, and with independent errors as often up as down
        np.testing.assert_allclose(model.covariances_, whole.covariances_, rtol=1e-6, atol=1e-6)
        assert model.result_.log_likelihood == pytest.approx(whole.result_.log_likelihood, abs=1e-4)
        assert model.result_.log_likelihood != whole.result_.log_likelihood


def first_part(cache):
    return folders(cache)[0] / "part-000000.xdgmm"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "length is wrong"),
        (lambda path: path.write_bytes(path.read_bytes()[:-99] + bytes(99)), "checksum is wrong"),
        (lambda path: path.write_bytes(b"x" * 400), "header is wrong"),
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: (path.parent / "header.json").write_text("{"), "header.json' is damaged"),
        (lambda path: (path.parent / "header.json").write_text('{"format": "x"}'), "header.json' is damaged"),
    ],
)
def test_a_damaged_cache_is_named(damage, message, tmp_path):
    fitted(source(tmp_path))
    damage(first_part(tmp_path))
    with pytest.raises(InputError, match=rf"{message}.*; remove the folder .* the next fit writes it anew"):
        fitted(source(tmp_path))


def test_a_full_disk_ends_the_cache_and_not_the_fit(tmp_path, monkeypatch):
    whole, calls, original = fitted(source(None)), [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 2:  # the first part and its folder are written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.warns(
            XdgmmWarning, match=r"part-000001.*No space left.*goes on without its packed cache"
        ) as warned:
            model = fitted(source(tmp_path))
    assert len(warned) == 1
    check_identical(model, whole)
    (folder,) = folders(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["part-000000.xdgmm"]
    again = source(tmp_path)
    check_identical(fitted(again), whole)  # and completes the cache
    assert (folder / "header.json").exists()


def test_a_fit_that_is_ended_leaves_a_cache_that_is_not_used(tmp_path):
    table = catalogue()
    whole = fitted(source(None))

    def interrupted():
        yield table[:400]
        if reads.append(1) or len(reads) > 1:
            raise InputError("the disk was taken out")
        yield from (table[400:800], table[800:])

    reads = []
    with pytest.raises(InputError, match="taken out"):
        fitted(TableSource(interrupted, ["a", "b"], cache=tmp_path))
    (folder,) = folders(tmp_path)
    assert not (folder / "header.json").exists()
    check_identical(fitted(source(tmp_path)), whole)


@pytest.mark.parametrize("noise", ["float16", None])
def test_options_that_cannot_be_used_are_refused(noise, tmp_path):
    with pytest.raises(InputError, match="`cache_noise`"):
        source(tmp_path, cache_noise=noise)
    with pytest.raises(OutputError, match="of `cache` cannot be made"):
        source(tmp_path / "missing" / "folder")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="of `cache` cannot be made"):
        source(tmp_path / "file")


class CountedFiles(FitsSource):
    """Counts how often files are opened."""

    opened = 0

    def rows_and_kept(self, path, keep):
        self.opened += 1
        return super().rows_and_kept(path, keep)


def written(folder, age=60.0):
    """Two files that were last changed some seconds ago."""
    folder.mkdir(exist_ok=True)
    table = catalogue()
    for number, rows in enumerate((table[:500], table[500:])):
        path = folder / f"{number}.fits"
        rows["a"].unit, rows["e_a"].unit = "km/s", "km/s"
        rows.write(path, overwrite=True)
        os.utime(path, (time.time() - age, time.time() - age))
    return folder


def files(folder, cache, **options):
    return CountedFiles(folder, options.pop("columns", ["a", "b"]), cache=cache, **options)


def test_files_that_have_not_changed_are_not_read_again(tmp_path):
    folder, cache = written(tmp_path / "files"), tmp_path / "cache"
    first = files(folder, cache)
    whole = fitted(first)
    assert first.opened == 4
    again = files(folder, cache)
    model = fitted(again)
    assert again.opened == 0
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(whole, name))
    assert model.mixture_.units == whole.mixture_.units
    assert model.mixture_.record.data_hash == whole.mixture_.record.data_hash
    assert (whole.result_.passes.reading, model.result_.passes.reading) == (1.0, 0.0)
    one, other = (each.observations() for each in (first, again))
    np.testing.assert_array_equal(one.sample_rows, other.sample_rows)
    np.testing.assert_array_equal(one.sample.values, other.sample.values)
    assert (repr(one), one.remarks, one.totals.layout) == (repr(other), other.remarks, other.totals.layout)
    for part, same in zip(one.parts(), other.parts(), strict=True):  # the files are read where they are asked for
        np.testing.assert_array_equal(part.values, same.values)


@pytest.mark.parametrize("options", [{"columns": ["b", "a"]}, {"memory": "2MB"}, {"on_bad": "drop"}])
def test_files_are_read_in_another_way(options, tmp_path):
    folder, cache = written(tmp_path / "files"), tmp_path / "cache"
    files(folder, cache).observations()
    other = files(folder, cache, **options)
    other.observations()
    assert other.opened == 2


def test_files_that_have_changed_are_read_again(tmp_path):
    folder, cache = written(tmp_path / "files"), tmp_path / "cache"
    before = files(folder, cache).observations()
    written(folder, age=30.0)
    with fits.open(folder / "0.fits", mode="update") as file:
        file[1].data["a"][0] += 1.0
    os.utime(folder / "0.fits", (time.time() - 60.0,) * 2)  # a time that says nothing
    again = files(folder, cache)
    assert again.observations().data_hash != before.data_hash
    assert again.opened == 2


def test_files_that_were_changed_just_now_are_not_trusted(tmp_path):
    folder, cache = written(tmp_path / "files", age=0.0), tmp_path / "cache"
    files(folder, cache).observations()
    assert not list(cache.iterdir())


def test_what_was_found_is_refused_when_damaged(tmp_path):
    folder, cache = written(tmp_path / "files"), tmp_path / "cache"
    files(folder, cache).observations()
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"discovery-\w+.xdgmm' is damaged"):
        files(folder, cache).observations()


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_packed_cache import fitted, source

print(fitted(source(sys.argv[2])).result_.log_likelihood.hex())
"""


@pytest.mark.slow
def test_several_processes_write_one_cache(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {process.communicate()[0].strip() for process in processes}
    assert printed == {fitted(source(None)).result_.log_likelihood.hex()}
    (folder,) = folders(tmp_path)
    assert len(list(folder.iterdir())) == 4
    again = source(tmp_path)
    fitted(again)
    assert again.reads == 1


def test_a_folder_that_was_removed_is_made_again(tmp_path):
    stars = source(tmp_path / "packed")
    first = fitted(stars)
    for path in folders(tmp_path / "packed"):
        shutil.rmtree(path)
    (tmp_path / "packed").rmdir()
    check_identical(fitted(stars), first)
    assert len(folders(tmp_path / "packed")) == 1


def test_a_folder_that_cannot_be_made_again_is_warned_of_once(tmp_path):
    (tmp_path / "disk").mkdir()
    stars = source(tmp_path / "disk" / "packed", memory="1MB", table=catalogue())
    first = fitted(stars)
    shutil.rmtree(tmp_path / "disk")
    with pytest.warns(XdgmmWarning, match="cannot make the folder") as warned:
        again = fitted(stars)
    assert len(warned) == 1
    check_identical(again, first)
