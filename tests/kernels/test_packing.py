"""Packing: what stands where in a block, whatever the scale."""

import numpy as np
import pytest

from xdgmm import kernels
from xdgmm.kernels.compiled import background_row, value_row, weight_row

N = 8 * 3 + 5


def arrays(noise, missing, D=3):
    rng = np.random.default_rng(2)
    values = rng.normal(5.0, 2.0, (N, D))
    values[rng.random((N, D)) < missing] = np.nan
    errors = rng.uniform(0.5, 2.0, (N, D))
    A = rng.normal(size=(N, D, D))
    return values, {"none": None, "standard errors": errors, "covariances": A @ A.swapaxes(1, 2)}[noise]


@pytest.mark.parametrize("noise", ["none", "standard errors", "covariances"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("scale", [[0.5, 8.0, 1.0], [0.3, 7.0, 1.1]], ids=["powers of two", "any scale"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_block_holds_the_numbers_of_its_objects(noise, missing, scale, order):
    values, errors = arrays(noise, missing)
    scale, location = np.array(scale), np.array([4.0, 5.0, 6.0])
    weights, density = np.random.default_rng(3).uniform(0.5, 1.5, N), np.linspace(-3.0, 2.0, N)
    given = np.asarray(values, order=order), None if errors is None else np.asarray(errors, order=order)
    blocks = kernels.pack(*given, weights, location, scale, background=density)
    seen = np.isfinite(values[blocks.rows])
    data = blocks.data.transpose(0, 2, 1).reshape(len(blocks.data) * 8, -1)[: blocks.n_objects]
    S = kernels.as_noise(errors, values.shape).divided(scale).covariances()[blocks.rows]
    S = np.where(seen[:, :, None] & seen[:, None], S, 0.0)
    first = value_row(blocks.layout)
    expected = S[:, *np.tril_indices(3)] if noise == "covariances" else np.diagonal(S, axis1=1, axis2=2)[:, :first]
    np.testing.assert_allclose(data[:, :first], expected, rtol=1e-15)
    x = np.where(seen, (values[blocks.rows] - location) / scale, 0.0)
    np.testing.assert_array_equal(data[:, first : first + 3], x)
    row = weight_row(blocks.layout)
    np.testing.assert_array_equal(data[:, row], weights[blocks.rows])
    if missing:
        np.testing.assert_array_equal(data[:, row + 1 : row + 4], seen)
    log2_density = (density[blocks.rows] + 0.5 * np.log(2 * np.pi) * seen.sum(axis=1)) / np.log(2)
    np.testing.assert_allclose(data[:, background_row(blocks.layout)], log2_density, rtol=1e-14, atol=1e-14)
    assert (data[:, row].sum(), (weights[blocks.rows] * seen.sum(axis=1)).sum()) == pytest.approx(
        (blocks.total_weight, blocks.n_values), rel=1e-14
    )


def test_the_padding_of_the_last_block_counts_for_nothing():
    values, errors = arrays("covariances", 0.0)
    last = kernels.pack(values, errors, None).data[-1]
    assert (last[weight_row(kernels.pack(values, errors, None).layout), 5:] == 0.0).all()
    assert (last[[0, 2, 5], 5:] == 1.0).all()  # variances: T is regular there


@pytest.mark.parametrize("noise", ["standard errors", "covariances"])
def test_noise_that_is_the_same_for_all_is_held_once(noise):
    values, errors = arrays(noise, 0.0)
    errors[:] = errors[0]
    assert kernels.pack(values, errors, None).common is not None
    errors[3] *= 1.5  # neither the first nor the last
    assert kernels.pack(values, errors, None).common is None
