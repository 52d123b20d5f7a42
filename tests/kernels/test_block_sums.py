"""Sums over blocks have the same bits for any division of the blocks among processes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdgmm.kernels import Gradients, Statistics, add_blocks, join_branches, total_of


def by_recursion(values):
    """The tree by its definition: the largest power of two of blocks, halved again and again, then the rest."""
    size = 1 << (len(values).bit_length() - 1)
    found = halved(values[:size])
    for branch in remaining(values[size:]):
        found = found + branch
    return found


def halved(values):
    middle = len(values) // 2
    return values[0] if middle == 0 else halved(values[:middle]) + halved(values[middle:])


def remaining(values):
    while len(values):
        size = 1 << (len(values).bit_length() - 1)
        yield halved(values[:size])
        values = values[size:]


@given(st.integers(1, 300), st.lists(st.integers(0, 300), max_size=40), st.integers(0, 2**32 - 1))
def test_any_division_into_groups_gives_the_bits_of_the_tree(n, cuts, seed):
    values = np.random.default_rng(seed).standard_normal(n) * 10.0 ** np.random.default_rng(seed).integers(-9, 9, n)
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    groups = [add_blocks(values[a:b], a) for a, b in pairwise(edges)]
    once = join_branches(branch for group in groups for branch in group)
    middle = len(groups) // 2
    halves = [
        join_branches(branch for group in part for branch in group) for part in (groups[:middle], groups[middle:])
    ]
    twice = join_branches([*halves[0], *halves[1]])
    expected = by_recursion(values)
    assert total_of(once) == expected
    assert total_of(twice) == expected
    assert expected == pytest.approx(values.sum(), abs=1e-12 * np.abs(values).sum())


def test_few_branches_are_left_of_many_blocks():
    assert len(add_blocks(np.ones(1_000_003))) <= 20
    assert len(add_blocks(np.ones(100_000), 12_345)) <= 40
    assert total_of(add_blocks(np.ones(1_000_003))) == 1_000_003


def test_the_sum_of_the_tree_loses_fewer_digits_than_one_after_the_other():
    values = np.full(2**17, 0.1)
    assert total_of(add_blocks(values)) == 2**17 * 0.1
    assert abs(np.cumsum(values)[-1] - 2**17 * 0.1) > 1e-9


def statistics(log_likelihood):
    return Statistics(log_likelihood, np.ones(2), np.ones((2, 1)), np.ones((2, 1, 1)))


def test_one_impossible_set_makes_all_sums_zero():
    found = Statistics.total([statistics(-1.0), statistics(-np.inf), statistics(-2.0)])
    assert found.log_likelihood == -np.inf
    assert not found.n_members.any()
    assert not found.grad_covariance.any()
    assert Statistics.total([statistics(-1.0), statistics(-2.0)]).n_members.tolist() == [2.0, 2.0]


def test_gradients_are_zero_for_the_mixture_that_is_impossible():
    one = Gradients(np.array([-1.0, -np.inf]), np.ones((2, 3)), np.ones((2, 3, 1)), np.ones((2, 3, 1, 1)))
    found = Gradients.total([one, one, one])
    assert found.log_likelihoods.tolist() == [-3.0, -np.inf]
    for array in found[1:]:
        assert (array[0] == 3.0).all()
        assert (array[1] == 0.0).all()
