"""The combinations that run every time hold every pair of values; of the others some are slow tests."""

import re
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path

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


@pytest.mark.parametrize("sizes", [(4, 9, 13), (4, 4, 4, 2, 4), (4, 9, 13, 4)])
def test_each_row_runs_in_one_of_three_stages(covering, left_out, sizes):
    rows = list(product(*map(range, sizes)))
    slow, exhaustive = left_out(rows, "a name")
    assert sorted([*covering(rows), *slow, *exhaustive]) == list(range(len(rows)))
    assert len(slow) == pytest.approx((len(slow) + len(exhaustive)) / 6, abs=1)
    for place, size in enumerate(sizes):
        assert {rows[i][place] for i in slow} == set(range(size))
    assert left_out(rows, "a name") == (slow, exhaustive)
    assert left_out(rows, "another")[0] != slow


@pytest.mark.slow
def test_the_stages_of_pytest_together_hold_each_test_once():
    """Slow and exhaustive combinations are left out by default, and neither expression runs one of the other."""
    choices = [[], ["-m", "slow"], ["-m", "exhaustive"], ["-m", ""]]
    command = ["--collect-only", "-q", "-n", "0", "tests/kernels/test_selected.py"]
    code = f"import pytest\nfor choice in {choices}:\n    pytest.main([*{command}, *choice])\n    print('end')"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    ).stdout
    *stages, every = (set(re.findall(r"^tests/.*::.*$", part, re.MULTILINE)) for part in shown.split("end\n")[:4])
    assert all(stages)
    assert set.union(*stages) == every
    assert sum(map(len, stages)) == len(every)
