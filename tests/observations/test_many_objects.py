"""What is done differently for many objects gives what it gives for few."""

import pickle

import numpy as np
import pytest

from xdgmm import InputError, Observations, kernels
from xdgmm.basics.linalg import EXACT
from xdgmm.observations import checks, location


def covariances(rng, n, M, faults):
    A = rng.standard_normal((n, M, M)) * 10.0 ** rng.uniform(-3, 3, (n, M, 1))
    C = A @ A.swapaxes(-1, -2)
    for fault in faults:
        i = rng.integers(n)
        if fault == "singular":
            C[i] = np.outer(A[i, 0], A[i, 0]) * (1.0 + rng.uniform(-1e-13, 1e-13))
        elif fault == "indefinite":
            C[i] -= (np.linalg.eigvalsh(C[i])[0] * (1.0 + 10.0 ** rng.uniform(-12, 0))) * np.eye(M)
        elif fault == "asymmetric":
            C[i, 0, -1] += 10.0 ** rng.uniform(-9, 0) * np.sqrt(C[i, 0, 0] * C[i, -1, -1])
        elif fault == "exact":
            C[i, 0] = C[i, :, 0] = 0.0
        elif fault == "infinite":
            C[i, 0, 0] = np.inf
        else:
            C[i, 0, -1] = np.nan
    return C


@pytest.mark.parametrize("seed", range(60))
def test_what_is_plainly_valid_passes_every_check(seed):
    rng = np.random.default_rng(seed)
    M = int(rng.integers(1, 7))
    kinds = ["singular", "indefinite", "asymmetric", "exact", "infinite", "nan"]
    faults = rng.choice(kinds, rng.integers(0, 3))
    C = covariances(rng, 200, M, faults)
    present = rng.random((200, M)) < rng.choice([0.7, 1.1])
    if checks.plainly_valid(C, present):
        np.testing.assert_array_equal(checks.check_covariances(C, present, 0), 1.0)
        present &= np.isfinite(np.diagonal(C, axis1=1, axis2=2))
        both = present[:, :, None] & present[:, None]
        C = np.where(both, C, np.eye(M))
        scale = np.sqrt(np.diagonal(C, axis1=1, axis2=2))
        assert np.linalg.eigvalsh(C / scale[:, None] / scale[:, :, None]).min() > -EXACT
    elif not faults.size:
        condition = np.linalg.cond(C)
        assert condition.max() > 1e5


def test_ordinary_covariances_are_plainly_valid_and_a_fault_among_many_is_found():
    rng = np.random.default_rng(3)
    N = 2 * checks.CHUNK + 5
    A = rng.standard_normal((N, 2, 3))
    C = A @ A.swapaxes(-1, -2) + 0.1 * np.eye(2)
    assert checks.plainly_valid(C, np.ones((N, 2), bool))
    C[checks.CHUNK + 17, 0, 1] += 0.5
    with pytest.raises(InputError, match=f"not symmetric in row {checks.CHUNK + 17}"):
        Observations.with_covariances(np.zeros((N, 2)), C)


def test_location_and_spread_of_many_objects_are_those_of_a_sample(monkeypatch):
    rng = np.random.default_rng(4)
    N = 1_200_000
    values = np.stack([rng.normal(50.0, 3.0, N), np.where(rng.random(N) < 0.001, rng.normal(-8.0, 0.2, N), np.nan)], 1)
    values[::3, 0] += 40.0  # rows that alternate between kinds
    stars = Observations.with_standard_errors(values, 1.0)
    sampled, spread = stars.location_and_spread()
    monkeypatch.setattr(location, "MANY", 10 * N)
    exact, exact_spread = stars.location_and_spread()
    assert sampled[0] == pytest.approx(exact[0], abs=6.0 * 6.0 / np.sqrt(100_000))  # the density there is about 1/12
    assert spread[0] == pytest.approx(exact_spread[0], rel=0.02)
    assert (sampled[1], spread[1]) == (exact[1], exact_spread[1])  # too few values for a sample


def test_what_counts_is_kept_but_not_pickled():
    stars = Observations.exact([[1.0, np.nan], [np.nan, np.nan], [3.0, 4.0]], weights=[2.0, 1.0, 0.0])
    assert stars.counts is stars.counts
    assert not stars.counts.flags.writeable
    assert (stars.counts.tolist(), stars.n_objects, stars.total_weight) == ([True, False, False], 1, 2.0)
    assert "counts" in vars(stars)
    again = pickle.loads(pickle.dumps(stars))
    assert "counts" not in vars(again)
    assert again.total_weight == 2.0
    assert stars.select([0, 0]).total_weight == 4.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_parts_are_the_objects_in_their_order(weighted, missing):
    rng = np.random.default_rng(5)
    values = rng.standard_normal((1003, 2))
    values[::7, 1] = np.nan if missing else 0.0
    weights = rng.uniform(0, 2, 1003) if weighted else None
    data = Observations.with_standard_errors(values, 0.3, weights).pack()
    mixture = np.array([0.4, 0.6]), np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([np.eye(2)] * 2)
    parts = list(data.parts(200))
    assert len(parts) == 6
    whole = kernels.log_likelihoods(data, *mixture)
    np.testing.assert_array_equal(np.concatenate([kernels.log_likelihoods(part, *mixture) for part in parts]), whole)
    omega = np.concatenate([part.object_weights for part in parts])
    np.testing.assert_array_equal(omega, data.object_weights)
