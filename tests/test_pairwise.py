"""The combinations that run every time hold every pair of values."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st


@given(st.data(), st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_every_pair_that_any_row_holds_is_kept(covering, data, sizes):
    everything = list(product(*map(range, sizes)))
    rows = data.draw(st.lists(st.sampled_from(everything), min_size=1, max_size=60, unique=True))
    kept = [rows[i] for i in covering(rows)]
    for a, b in combinations(range(len(sizes)), 2):
        assert {(row[a], row[b]) for row in kept} == {(row[a], row[b]) for row in rows}


@pytest.mark.parametrize("sizes", [(4, 7), (4, 7, 5), (4, 4, 7, 5), (2, 2, 2, 2, 2, 2, 2)])
def test_few_rows_are_kept_and_none_twice(covering, sizes):
    rows = list(product(*map(range, sizes)))
    kept = covering(rows)
    first, second = sorted(sizes)[-2:]
    assert len(set(kept)) == len(kept)
    assert first * second <= len(kept) <= 1.5 * first * second + 4
