"""Passes on a graphics card, where there is one; `tests/kernels/test_data.py` runs the contract of `Data` there too."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from xdgmm import XDGMM, kernels
from xdgmm.kernels import devices, passes
from xdgmm.kernels.cuda import residents
from xdgmm.kernels.cuda.engine import CudaEngine

pytestmark = pytest.mark.gpu
N = 1_000_003


def measured(D, n=N, seed=1):
    """Values with full covariances, and a mixture of four components."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(0.0, 0.3, (n, D, D))
    covariances = factors @ np.swapaxes(factors, 1, 2) + 0.1 * np.eye(D)
    means, widths = rng.normal(size=(4, D)), rng.uniform(0.3, 1.5, 4)
    return rng.normal(size=(n, D)), covariances, (np.full(4, 0.25), means, widths[:, None, None] * np.eye(D))


def numbers(statistics):
    return [
        np.asarray(getattr(statistics, name))
        for name in ("log_likelihood", "n_members", "grad_mean", "grad_covariance", "information")
    ]


def largest_difference(found, expected):
    """Relative to the largest number of each array."""
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, expected, strict=True))


@pytest.fixture(scope="module")
def data():
    values, covariances, mixture = measured(2)
    return kernels.pack(values, covariances, None), mixture


@pytest.mark.parametrize("D", [1, 2, 3, 6, 11])
def test_sums_are_those_of_the_processors(on_gpu, D):  # noqa: ARG001
    values, covariances, mixture = measured(D, n=N if D < 6 else 100_003)
    packed = kernels.pack(values, covariances, None)
    found = numbers(packed.accumulate_with_information(*mixture))
    with devices.using_device("cpu"):
        expected = numbers(packed.accumulate_with_information(*mixture))
    assert largest_difference(found, expected) < 1e-12


def test_sums_in_single_precision_have_the_errors_that_are_stated(gpu, monkeypatch, data):
    packed, mixture = data
    expected = packed.accumulate(*mixture)
    engine = CudaEngine(gpu.card, "cuda-float32", "float")
    monkeypatch.setattr(passes, "current_engine", lambda: engine)
    found = packed.accumulate(*mixture)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-6)
    assert largest_difference([found.n_members, found.grad_mean], [expected.n_members, expected.grad_mean]) < 1e-4


def test_every_run_has_the_same_bits(on_gpu, data):  # noqa: ARG001
    packed, mixture = data
    first = numbers(packed.accumulate_with_information(*mixture))
    for _ in range(20):
        again = numbers(packed.accumulate_with_information(*mixture))
        assert all(np.array_equal(*each) for each in zip(first, again, strict=True))


def test_streams_have_the_bits_of_resident_data(gpu, data, monkeypatch):
    packed, mixture = data
    found = []
    for free in (None, 12_000_000):
        engine = CudaEngine(gpu.card, "cuda")
        if free is not None:
            monkeypatch.setattr(residents, "SEGMENT", 1 << 22)
            monkeypatch.setattr(gpu.card, "free_bytes", lambda free=free: free, raising=False)
        monkeypatch.setattr(passes, "current_engine", lambda engine=engine: engine)
        statistics = packed.accumulate_with_information(*mixture)
        posteriors = packed.posteriors(*mixture, of_each=True)
        found.append([*numbers(statistics), packed.log_likelihoods(*mixture), *posteriors])
        assert bool(engine.residents.copies) == (free is None)
    assert all(np.array_equal(*each) for each in zip(*found, strict=True))


def test_samples_parts_and_threads_share_one_copy(on_gpu, data):
    packed, mixture = data
    packed.accumulate(*mixture)
    before = len(on_gpu.residents.copies)
    asked = [packed, packed.subsample(100_000), *packed.parts(300_000)]
    alone = [each.log_likelihoods(*mixture) for each in asked]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: each.log_likelihoods(*mixture), asked))
    assert all(np.array_equal(*each) for each in zip(alone, together, strict=True))
    assert len(on_gpu.residents.copies) == before


def test_memory_is_free_again_when_arrays_are_gone(on_gpu):
    free = on_gpu.card.free_bytes()
    values, covariances, mixture = measured(3, n=3_000_000)
    packed = kernels.pack(values, covariances, None)
    packed.accumulate(*mixture)
    assert on_gpu.card.free_bytes() < free - 200e6
    del packed
    assert on_gpu.card.free_bytes() > free - 100e6


@pytest.mark.parametrize("solver", ["em", "auto"])
def test_a_fit_reaches_the_maximum_of_the_processors(on_gpu, solver):  # noqa: ARG001
    rng = np.random.default_rng(5)
    true = np.concatenate([rng.normal(-2, 1, (30_000, 2)), rng.normal(2, 0.5, (20_000, 2))])
    X = true + rng.normal(0, 0.5, true.shape)
    given = {"n_components": 2, "random_state": 0}
    if solver != "auto":
        given["solver"] = solver
    found = XDGMM(**given).fit(X, Xerr=np.full(X.shape, 0.5))
    with devices.using_device("cpu"):
        expected = XDGMM(**given).fit(X, Xerr=np.full(X.shape, 0.5))
        score = expected.score(X, Xerr=np.full(X.shape, 0.5))
    assert found.score(X, Xerr=np.full(X.shape, 0.5)) == pytest.approx(score, rel=1e-9)
    np.testing.assert_allclose(found.means_, expected.means_, atol=1e-5)
