"""Packed parts in files give the same passes, bit by bit; noise with 32 bits gives what theory says."""

from dataclasses import replace

import numpy as np
import pytest

from xdgmm import kernels
from xdgmm.kernels import Correlated, Independent, PackedPart, map_part, with_rounded_noise, write_part
from xdgmm.kernels.blocks import noise_rows

N, K = 50, 2
U = 2.0**-24


def measured(kind, D=2):
    rng = np.random.default_rng(5)
    values, weights = rng.standard_normal((N, D)), rng.uniform(0.5, 2.0, N)
    errors = rng.uniform(0.1, 1.0, (N, D))
    factors = 0.3 * rng.standard_normal((N, D, D))
    covariances = factors @ factors.swapaxes(1, 2) + 0.1 * np.eye(D)
    given = {"noise": errors}
    if kind == "exact":
        given = {"noise": None}
    if kind in ("covariances", "missing", "projections"):
        given = {"noise": covariances}
    if kind == "missing":
        values[rng.random((N, D)) < 0.3] = np.nan
    if kind == "projections":
        given["projections"] = np.eye(D) + 0.1 * rng.standard_normal((N, D, D))
    if kind == "background":
        given["background"] = rng.normal(-4.0, 1.0, N)
    if kind == "memberships":
        given["memberships"] = rng.dirichlet(np.ones(K), N)
    if kind == "limits":
        given["limits"] = np.zeros((N, D), np.int8)
        given["limits"][::4, 0] = 1
    if kind == "mixtures":
        rows = kernels.as_noise(errors, values.shape).select(np.repeat(np.arange(N), 2))
        given["noise"] = kernels.NoiseMixture(
            np.arange(0, 2 * N + 1, 2), np.full(2 * N, 0.5), 0.1 * rng.standard_normal((2 * N, D)), rows
        )
    if kind == "flat":
        log_densities = rng.normal(-1.0, 0.1, N)
        return kernels.FlatData.pack(
            values, Independent(errors), weights, np.zeros(D), np.ones(D), places=np.array([0]), n_flat=1,
            log_densities=log_densities,
        )  # fmt: skip
    return kernels.pack(values, weights=weights, **given)


KINDS = (
    "exact", "errors", "covariances", "missing", "projections", "background", "memberships", "limits", "mixtures",
    "flat",
)  # fmt: skip


def mixture(kind):
    weights = [0.3, 0.6, 0.1] if kind == "background" else [0.4, 0.6]
    return np.array(weights), np.array([[0.0, 0.5], [0.3, -1.0]]), np.array([np.eye(2), [[1.0, 0.4], [0.4, 0.5]]])


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_passes_over_a_mapped_part_are_those_over_the_part(kind, halved, tmp_path):
    part = PackedPart(40, measured(kind))
    if halved:
        part = with_rounded_noise(part)
    written = write_part(tmp_path / "part", part, halved=halved)
    found = map_part(tmp_path / "part", checksum=True, advice="")
    assert found.first == 40
    assert type(found.data) is type(part.data)
    for method in ("accumulate_with_information", "effective_sizes", "typical_errors", "log_likelihoods"):
        one, other = (getattr(each.data, method)(*mixture(kind)) for each in (part, found))
        one, other = ({"": each} if isinstance(each, np.ndarray) else vars(each) for each in (one, other))
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name])
    np.testing.assert_array_equal(part.data.rows, found.data.rows)
    whole = write_part(tmp_path / "whole", part)
    assert written.size < whole.size if halved and kind not in ("exact", "limits") else written.size <= whole.size


@pytest.mark.parametrize("D", [2, 3])
def test_covariances_are_rounded_upwards(D):
    rng = np.random.default_rng(2)
    u = rng.standard_normal((400, D, 1))
    S = u @ u.swapaxes(1, 2) + 1e-9 * np.eye(D)  # nearly singular: any rounding could make them indefinite
    packed = kernels.pack(rng.standard_normal((400, D)), Correlated(S), None)
    rounded = with_rounded_noise(PackedPart(0, packed)).data
    pairs = noise_rows(packed.layout)
    before, after = (np.zeros((400, D, D)) for _ in range(2))
    for row, (i, j) in enumerate(pairs):
        for target, each in ((before, packed), (after, rounded)):
            target[:, i, j] = target[:, j, i] = each.data[:, row].reshape(-1)[:400]
    grown = (after - before) / np.sqrt(np.einsum("nii,njj->nij", before, before))
    assert np.linalg.eigvalsh(grown).min() >= -1e-16
    assert np.abs(grown).max() <= (D + 2) * U
    np.testing.assert_array_equal(after, after.astype(np.float32))
    np.testing.assert_array_equal(rounded.values(0), packed.values(0))


def test_rounded_noise_changes_the_likelihood_as_its_derivative_says():
    # d ln N(w; m, T) / dT = ((w - m)^2 / T^2 - 1 / T) / 2, T = V + e^2
    rng = np.random.default_rng(3)
    n = 2000
    e, w = rng.uniform(0.3, 2.0, n), 2.0 * rng.standard_normal((n, 1))
    packed = kernels.pack(w, e[:, None], None)
    rounded = with_rounded_noise(PackedPart(0, packed)).data
    V, change = 1.5, rounded.variances(0) - packed.variances(0)
    assert 0 < np.abs(change / packed.variances(0)).max() <= U
    arguments = np.ones(1), np.zeros((1, 1)), np.full((1, 1, 1), V)
    T = V + e**2
    expected = 0.5 * (w[:, 0] ** 2 / T**2 - 1 / T) * change
    found = rounded.log_likelihoods(*arguments) - packed.log_likelihoods(*arguments)
    np.testing.assert_allclose(found, expected, atol=5e-15)  # rounding of numbers of order one


@pytest.mark.parametrize("error", [1e-25, 1e25])
def test_noise_out_of_range_keeps_its_bits(error, tmp_path):
    part = PackedPart(
        0, kernels.pack(np.arange(9.0)[:, None], np.full((9, 1), error) * np.arange(1, 10)[:, None], None)
    )
    assert with_rounded_noise(part).data is part.data
    write_part(tmp_path / "part", part, halved=True)
    found = map_part(tmp_path / "part", checksum=True, advice="")
    np.testing.assert_array_equal(found.data.variances(0), part.data.variances(0))


def test_data_that_no_file_holds_are_refused(tmp_path):
    data = replace(measured("errors"), kept=object())
    with pytest.raises(TypeError, match="cannot be written"):
        write_part(tmp_path / "part", PackedPart(0, data))
