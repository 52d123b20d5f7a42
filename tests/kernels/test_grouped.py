"""Objects whose noise is a mixture: `NoiseMixture` and `GroupedData` against SciPy and numerical derivatives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from xdgmm import kernels
from xdgmm.kernels import Correlated, Exact, Independent, NoiseMixture

N, K, D = 40, 2, 2


def covariances(rng, n, size):
    factor = 0.5 * rng.standard_normal((n, size, size))
    return factor @ np.swapaxes(factor, 1, 2) + 0.1 * np.eye(size)


def measurements(kind, seed=5, n_objects=N, n_dimensions=D):
    """Values, a noise mixture with one to four rows for each object, weights, and a mixture."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, n_objects)
    n_rows = sizes.sum()
    parts = {
        "exact": Exact((n_rows, n_dimensions)),
        "independent": Independent(rng.uniform(0.2, 1.0, (n_rows, n_dimensions))),
        "correlated": Correlated(covariances(rng, n_rows, n_dimensions)),
    }[kind]
    factors = rng.uniform(0.1, 1.0, n_rows)
    owners = np.repeat(np.arange(n_objects), sizes)
    factors /= np.bincount(owners, factors)[owners]
    noise = NoiseMixture(
        np.concatenate([[0], np.cumsum(sizes)]), factors, rng.normal(0, 0.7, (n_rows, n_dimensions)), parts
    )
    values = 1.5 * rng.standard_normal((n_objects, n_dimensions))
    mixture = (
        np.array([0.4, 0.6]),
        rng.standard_normal((K, n_dimensions)),
        covariances(rng, K, n_dimensions) + 0.3 * np.eye(n_dimensions),
    )
    return values, noise, rng.uniform(0.5, 2.0, n_objects), mixture


def rows_of(noise, i):
    """Factor, shift and covariance of each row of one object."""
    return [
        (noise.weights[row], noise.shifts[row], noise.parts.covariances()[row])
        for row in range(noise.starts[i], noise.starts[i + 1])
    ]


def log_density(value, rows, mixture):
    """ln p of one object by its definition, of the values that are present."""
    seen = np.isfinite(value)
    densities = [
        factor * weight * multivariate_normal(m[seen] + shift[seen], (V + S)[np.ix_(seen, seen)]).pdf(value[seen])
        for factor, shift, S in rows
        for weight, m, V in zip(*mixture, strict=True)
    ]
    return np.log(np.sum(densities))


@pytest.mark.parametrize("kind", ["exact", "independent", "correlated"])
@pytest.mark.parametrize("missing", [False, True])
def test_densities_and_derivatives_are_those_of_the_sum_over_rows(kind, missing):
    values, noise, weights, mixture = measurements(kind)
    if missing:
        values[np.random.default_rng(2).random(values.shape) < 0.2] = np.nan
    data = kernels.pack(values, noise, weights)
    expected = [log_density(values[i], rows_of(noise, i), mixture) for i in data.rows]
    np.testing.assert_allclose(data.log_likelihoods(*mixture), expected, rtol=0, atol=1e-12)
    found, step = data.accumulate_with_information(*mixture), 1e-5
    assert found.log_likelihood == pytest.approx(weights[data.rows] @ expected, rel=1e-13)

    def value(w, m, V):
        return data.object_weights @ data.log_likelihoods(w, m, V)

    w, m, V = mixture
    for k in range(K):
        for i in range(D):
            change = np.zeros((K, D))
            change[k, i] = step
            slope = (value(w, m + change, V) - value(w, m - change, V)) / (2 * step)
            assert found.grad_mean[k, i] == pytest.approx(slope, rel=1e-7, abs=1e-7)
            for j in range(i + 1):
                change = np.zeros((K, D, D))
                change[k, i, j] = change[k, j, i] = step
                slope = (value(w, m, V + change) - value(w, m, V - change)) / (2 * step)
                twice = 1.0 if i == j else 2.0
                assert twice * found.grad_covariance[k, i, j] == pytest.approx(slope, rel=1e-7, abs=1e-7)


def test_posteriors_are_those_of_integration():
    values, noise, weights, mixture = measurements("independent", n_objects=6, n_dimensions=1)
    found = kernels.pack(values, noise, weights).posteriors(*mixture, of_each=True)
    for i, value in enumerate(values[:, 0]):
        rows = rows_of(noise, i)

        def joint(v, k, power, value=value, rows=rows):
            likelihood = np.sum([f * norm.pdf(value, v + shift[0], np.sqrt(S[0, 0])) for f, shift, S in rows])
            return v**power * mixture[0][k] * norm.pdf(v, mixture[1][k, 0], np.sqrt(mixture[2][k, 0, 0])) * likelihood

        moments = np.array(
            [[quad(joint, -15, 15, (k, p), epsabs=1e-13, limit=200)[0] for p in range(3)] for k in range(K)]
        )
        of_each = moments / moments[:, :1]
        np.testing.assert_allclose(found.means_of_each[i, :, 0], of_each[:, 1], rtol=0, atol=1e-9)
        variances = of_each[:, 2] - of_each[:, 1] ** 2
        np.testing.assert_allclose(found.covariances_of_each[i, :, 0, 0], variances, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.responsibilities[i], moments[:, 0] / moments[:, 0].sum(), rtol=0, atol=1e-9)
        whole = moments.sum(axis=0) / moments[:, 0].sum()
        assert found.means[i, 0] == pytest.approx(whole[1], abs=1e-9)
        assert found.covariances[i, 0, 0] == pytest.approx(whole[2] - whole[1] ** 2, abs=1e-9)
        assert np.exp(found.log_likelihoods[i]) == pytest.approx(moments[:, 0].sum(), rel=1e-9)


@pytest.mark.parametrize("kind", ["exact", "independent", "correlated"])
def test_moments_of_the_noise_are_those_of_draws(kind):
    _, noise, _, _ = measurements(kind, n_objects=3)
    draws = noise.draw(200_000, np.ones((3, D), bool), np.random.default_rng(1))
    np.testing.assert_allclose(noise.means, draws.mean(axis=1), atol=0.02)
    for i in range(3):
        np.testing.assert_allclose(noise.covariances()[i], np.cov(draws[i].T), atol=0.03)
    direction = np.array([0.8, -0.5])
    np.testing.assert_allclose(noise.variance_along(direction), (draws @ direction).var(axis=1), atol=0.03)
    np.testing.assert_allclose(noise.variances, np.diagonal(noise.covariances(), axis1=1, axis2=2), rtol=1e-12)


@pytest.mark.parametrize("kind", ["exact", "independent", "correlated"])
def test_linear_maps_of_values_are_those_of_draws_of_the_noise(kind):
    _, noise, _, _ = measurements(kind)
    matrix, present = np.array([[1.0, -1.0], [0.3, 2.0]]), np.ones((N, D), bool)
    moved = noise.transformed(matrix, present)
    np.testing.assert_allclose(moved.means, noise.means @ matrix.T, rtol=1e-12)
    np.testing.assert_allclose(moved.covariances(), matrix @ noise.covariances() @ matrix.T, rtol=0, atol=1e-13)
    halved = noise.divided(np.array([2.0, 4.0])).scaled(np.array([2.0, 4.0]))
    np.testing.assert_array_equal(halved.shifts, noise.shifts)
    np.testing.assert_allclose(halved.covariances(), noise.covariances(), rtol=1e-14)
    doubled = noise.adjusted(np.full(N, 2.0), np.full((N, D), 0.1))
    expected = 4.0 * noise.covariances() + 0.01 * np.eye(D)
    np.testing.assert_allclose(doubled.covariances(), expected, rtol=1e-12)


@given(rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None)
def test_selected_objects_keep_their_rows(rows):
    _, noise, _, _ = measurements("independent")
    chosen = noise.select(np.array(rows))
    assert len(chosen) == len(rows)
    for new, old in enumerate(rows):
        for mine, its in zip(rows_of(chosen, new), rows_of(noise, old), strict=True):
            for one, other in zip(mine, its, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["exact", "independent", "correlated"])
def test_the_same_bits_for_any_number_of_threads(kind):
    values, noise, weights, mixture = measurements(kind, n_objects=20_000)
    data, found = kernels.pack(values, noise, weights), []
    before = kernels.get_num_threads()
    try:
        for n in (1, 2, 3):
            kernels.set_num_threads(n)
            found.append(data.accumulate_with_information(*mixture))
    finally:
        kernels.set_num_threads(before)
    for other in found[1:]:
        for name, array in vars(found[0]).items():
            if array is not None:
                np.testing.assert_array_equal(getattr(other, name), array, err_msg=name)


def test_members_far_from_every_component_do_not_underflow():
    noise = NoiseMixture(np.array([0, 2]), np.array([0.5, 0.5]), np.array([[0.0], [1.0]]), Independent(np.ones((2, 1))))
    data = kernels.pack(np.array([[1e4]]), noise, None)
    mixture = np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))
    expected = np.logaddexp.reduce(np.log(0.5) + norm.logpdf([1e4, 1e4 - 1.0], 0.0, np.sqrt(2.0)))
    assert data.log_likelihoods(*mixture)[0] == pytest.approx(expected, rel=1e-14)
    assert data.accumulate(*mixture).grad_mean[0, 0] == pytest.approx((1e4 - 1.0) / 2.0, rel=1e-12)
