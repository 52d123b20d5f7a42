"""Digests are equal for equal values, in every process, and differ for others."""

import itertools
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum

import astropy.units as u
import numpy as np
import pytest

from xdgmm.basics.digests import SIZE, digest


@dataclass
class Pair:
    one: float
    other: tuple


class Kind(Enum):
    FIRST = 1


DIFFERENT = [
    None, True, 1, 1.0, "1", b"1", (), (1,), ((1,),), (1, 1), {"a": 1}, {"a": 2}, {"b": 1}, -0.0, 0.0, float("nan"),
    np.ones(2), np.ones((2, 1)), np.ones(2, "f4"), np.ones(2) * u.km, np.ones(2) * u.m, u.km, u.m, Kind.FIRST,
    Pair(1.0, ()), Pair(1.0, (1,)), "", ("", ""), ("a", "b"), ("ab",),
]  # fmt: skip


def test_different_values_differ():
    for one, other in itertools.combinations(DIFFERENT, 2):
        assert digest(one) != digest(other), (one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, "a"], (1, "a")),
        (np.float64(0.1), 0.1),
        (np.int32(4), 4),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.arange(6.0)[::2], np.array([0.0, 2.0, 4.0])),
        (np.array(["a", 1], object), ["a", 1]),
        (Pair(1.0, (2,)), Pair(1.0, [2])),
    ],
)
def test_equal_values_are_equal(one, other):
    assert digest(one) == digest(other)
    assert len(digest(one)) == SIZE


def test_the_digest_is_that_of_every_process():
    code = "from xdgmm.basics.digests import digest; print(digest({'b': 1.5, 'a': ('x', None)}).hex())"
    found = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout}
    assert found == {digest({"b": 1.5, "a": ("x", None)}).hex() + "\n"}


@pytest.mark.parametrize("value", [len, object(), [print], {"a": lambda: 0}])
def test_what_has_no_equality_is_refused(value):
    with pytest.raises(TypeError, match="has no digest"):
        digest(value)
