"""Arrays in files come back with the same bits; damaged files are refused in a sentence."""

import errno
import os
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from xdgmm.errors import InputError, OutputError
from xdgmm.files import map_arrays, write_arrays


class Pair(NamedTuple):
    one: object
    other: object


@dataclass
class Record:
    numbers: np.ndarray
    rest: object


KINDS = {"Pair": Pair, "Record": Record}
FROZEN = np.arange(4.0)
FROZEN.flags.writeable = False
VALUE = Record(
    np.arange(30.0).reshape(5, 6)[::2],
    Pair((1, 0.1, None, "name", True), Record(np.zeros((0, 3), np.int8), (FROZEN, np.array([1, 2], np.int64), np.nan))),
)


def read(path, **options):
    return map_arrays(path, KINDS, **{"checksum": True, "advice": "remove it", **options})


def check_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        assert found.flags.writeable == expected.flags.writeable
        assert found.ctypes.data % 64 == 0 or not found.size
    elif isinstance(expected, Record):
        check_same(vars(found), vars(expected))
    elif isinstance(expected, dict):
        for name, each in expected.items():
            check_same(found[name], each)
    elif isinstance(expected, tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            check_same(one, other)
    else:
        assert found == expected or np.isnan(expected)


def test_a_value_comes_back(tmp_path):
    path = tmp_path / "a"
    written = write_arrays(path, VALUE)
    assert written.size == path.stat().st_size
    for checksum in (True, False):
        check_same(read(path, checksum=checksum), VALUE)


def test_what_is_changed_does_not_reach_the_file(tmp_path):
    path = tmp_path / "a"
    write_arrays(path, VALUE)
    before = path.read_bytes()
    found = read(path)
    found.numbers[:] = 7.0
    assert path.read_bytes() == before
    check_same(read(path), VALUE)


def test_a_file_with_the_same_content_is_kept(tmp_path):
    path = tmp_path / "a"
    first = write_arrays(path, VALUE)
    number = path.stat().st_ino
    assert write_arrays(path, VALUE) == first
    assert path.stat().st_ino == number
    other = write_arrays(path, Record(VALUE.numbers + 1.0, VALUE.rest))
    assert other != first
    np.testing.assert_array_equal(read(path).numbers, VALUE.numbers + 1.0)


def test_damage_is_named(tmp_path):
    path = tmp_path / "a"
    write_arrays(path, VALUE)
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    n_found = 0
    for place in (0, 20, 30, *rng.integers(0, len(content), 40)):
        damaged = content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
        path.write_bytes(content[:place])
        with pytest.raises(InputError, match=r"damaged \(its \w+ is wrong\); remove it"):
            read(path)
        path.write_bytes(damaged)
        try:
            found = read(path)
        except InputError:
            n_found += 1
        else:
            check_same(found, VALUE)  # a byte between the arrays
    assert n_found > 15
    with pytest.raises(InputError, match=r"cannot be read .*; remove it"):
        read(tmp_path / "missing")


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_arrays(tmp_path / "a", VALUE)
    assert not list(tmp_path.iterdir())


def test_what_no_file_holds_is_refused(tmp_path):
    with pytest.raises(TypeError, match="cannot be written"):
        write_arrays(tmp_path / "a", (1, object()))
    assert not list(tmp_path.iterdir())
