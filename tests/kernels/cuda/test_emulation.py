"""What the emulated card notices: a test on it can fail."""

from itertools import pairwise

import numpy as np
import pytest

BEGIN = """
#define REAL double
#define IN_CONSTANT 0
typedef double real;
typedef long long i64;
#define KERNEL(threads, blocks) extern "C" __global__ void
extern __shared__ double shared[];
"""


@pytest.fixture
def run(emulated):
    """Run the body of a kernel of 64 threads, n objects and 64 shared numbers, and return what it wrote (n,)."""

    def run(body, n=64, order=0):
        card = emulated.EmulatedCard(emulated.FOLDER)
        program = card.load(BEGIN + f"KERNEL(64, 1) tried(const double* data, i64 n, double* out) {{ {body} }}")
        data, out = card.allocate(8 * n), card.allocate(8 * n)
        card.upload(np.arange(float(n)), data)
        card.set_order(order)
        try:
            program.launch("tried", (1, 1), 64, 512, [data, np.int64(n), out])
        finally:
            card.set_order(0)
        found = np.empty(n)
        card.download(out, found)
        return found

    return run


OWN = "const int i = threadIdx.x; "


def test_a_kernel_without_fault_runs_in_every_order(run):
    body = OWN + "shared[i] = data[i]; __syncthreads(); out[i] = shared[63 - i];"
    for order in range(4):
        np.testing.assert_array_equal(run(body, order=order), np.arange(64.0)[::-1])


def test_a_missing_barrier_changes_the_result_with_the_order(run):
    body = OWN + "shared[i] = data[i]; out[i] = shared[63 - i];"
    found = [run(body, order=order) for order in range(4)]
    assert any(not np.array_equal(one, other, equal_nan=True) for one, other in pairwise(found))


def test_exchanges_take_the_values_of_their_own_warp(run):
    found = run(OWN + "double v = data[i]; for (int m = 16; m; m /= 2) v += __shfl_xor_sync(~0u, v, m); out[i] = v;")
    np.testing.assert_array_equal(found, np.repeat([np.arange(32).sum(), np.arange(32, 64).sum()], 32))


def test_what_nobody_wrote_is_not_a_number(run):
    assert np.isnan(run(OWN + "out[i] = shared[i];")).all()
    assert np.isnan(run(OWN + "__shared__ double other[64]; out[i] = other[i];")).all()
    assert np.isnan(run("")).all()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("out[i] = data[i + 1];", "outside of memory"),
        ("if (i == 63) out[n] = 1.0;", "outside of memory"),
        ("shared[i + 1] = 0.0;", "outside of memory"),
        ("out[-1] = 1.0;", "before the beginning"),
        ("shared[i - 1] = 1.0;", "before its beginning"),
        ("if (i < 40) __syncthreads();", "ended"),
        ("if (i < 40) __syncthreads();\n else __syncthreads();", "different barriers"),
        ("if (i == 3) return; out[i] = __shfl_xor_sync(~0u, 1.0, 1);", "ended"),
    ],
)
def test_what_no_card_allows_is_said(run, body, sentence):
    with pytest.raises(AssertionError, match=sentence):
        run(OWN + body)
    np.testing.assert_array_equal(run(OWN + "out[i] = data[i];"), np.arange(64.0))  # and the next kernel runs


def test_memory_is_free_again_when_nothing_refers_to_it(emulated):
    card = emulated.EmulatedCard(emulated.FOLDER, memory=10_000)
    memory = card.allocate(4000)
    part = memory.at(8)
    assert (card.free_bytes(), part.n_bytes) == (6000, 3992)
    del memory
    assert card.free_bytes() == 6000
    del part
    assert card.free_bytes() == 10_000
