"""Calls written as code give the same values again."""

import astropy.units as u
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xdgmm.basics.calls import call

plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())


@given(st.dictionaries(st.sampled_from("abc"), st.one_of(plain, st.lists(plain, max_size=5)), max_size=3))
def test_the_code_gives_the_same_arguments(arguments):
    assert eval(call("dict", arguments)) == arguments


def test_arrays_are_written_out_while_they_are_short():
    assert call("f", {"a": np.array([0.1, 0.2]), "b": np.float64(3.0)}) == "f(a=[0.1, 0.2], b=3.0)"
    assert call("f", {"a": [np.float64(3.0)], "b": [1.0] * u.km}) == "f(a=a, b=b)"
    assert call("f", {"a": np.arange(30), "b": np.nan}) == "f(a=a, b=b)"
