"""How passes are spread over cards: what is chosen has room there."""

import pytest

from xdgmm.kernels.compiled import FULL, Layout
from xdgmm.kernels.cuda.source import n_sums, used_rows
from xdgmm.kernels.cuda.tuning import shared_bytes, tuned

KB = 1024
OF_BLOCK = 1 * KB  # that CUDA takes of each block; a multiprocessor has so much more than a block can have


def choice(D, K, largest, real="double", *, information=False):
    """The tuning for full covariances, and the bytes of a block."""
    layout = Layout.of(D, FULL, 0, D, 0)
    numbers = n_sums(layout, information=information), used_rows(layout), real
    tuning = tuned(layout, K, *numbers, in_constant=True, largest=largest)
    return tuning, shared_bytes(tuning, K, *numbers)


@pytest.mark.parametrize("real", ["double", "float"])
@pytest.mark.parametrize("information", [False, True])
@pytest.mark.parametrize("D", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("largest", [48 * KB, 64 * KB, 99 * KB, 163 * KB, 227 * KB])
def test_a_multiprocessor_has_room_for_the_blocks_that_are_counted_on(largest, D, information, real):
    for K in (1, 2, 5, 10, 20, 64, 200, 1000):
        tuning, of_block = choice(D, K, largest, real, information=information)
        if tuning.whole:
            assert tuning.blocks >= 1
            assert tuning.blocks * (of_block + OF_BLOCK) <= largest + OF_BLOCK, (K, tuning)


@pytest.mark.parametrize("D", [1, 2, 3, 6])
def test_cards_with_less_shared_memory_keep_less_there_before_they_hold_fewer_blocks(D):
    for K in (5, 10):
        (large, of_large), (small, of_small) = (choice(D, K, kilobytes * KB) for kilobytes in (227, 48))
        assert large.whole
        assert small.whole
        assert of_small <= of_large
        assert small.blocks <= large.blocks
        assert small.per_thread <= large.per_thread


def test_components_are_summed_one_after_the_other_only_where_one_block_has_no_room():
    for largest in (48 * KB, 99 * KB, 227 * KB):
        fitting = [K for K in range(1, 3000, 7) if choice(2, K, largest)[0].whole]
        assert fitting == list(range(1, fitting[-1] + 1, 7))
        of_warps = 4 * 8 * (6 * fitting[-1] + 2)  # four warps, six moments of each component
        assert of_warps > 0.9 * min(largest, 215_000)
