"""Conditioning one Gaussian on measurements, against textbook formulas and limits."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from xdgmm.mixture import condition_gaussian

RNG = np.random.default_rng(1)


def covariance(D, rng=RNG):
    A = rng.normal(size=(D, D))
    return A @ A.T + 0.1 * np.eye(D)


def textbook(m, V, w, S, R):
    """Mean, covariance and log-density of one object, all of whose values are seen."""
    T = R @ V @ R.T + S
    gain = V @ R.T @ np.linalg.inv(T)
    return m + gain @ (w - R @ m), V - gain @ R @ V, multivariate_normal(R @ m, T).logpdf(w)


@pytest.mark.parametrize(("D", "M"), [(1, 1), (2, 2), (3, 2), (2, 3), (5, 5)])
def test_it_equals_the_textbook_with_values_missing_at_random(D, M):
    N = 40
    m, V = RNG.normal(size=D), covariance(D)
    R, S, w = RNG.normal(size=(N, M, D)), np.array([covariance(M) for _ in range(N)]), RNG.normal(size=(N, M))
    w[RNG.random((N, M)) < 0.3] = np.nan
    result = condition_gaussian(m, V, w, S, R)
    for i in range(N):
        seen = np.isfinite(w[i])
        expected = m, V, 0.0
        if seen.any():
            expected = textbook(m, V, w[i, seen], S[i][np.ix_(seen, seen)], R[i, seen])
        for got, wanted in zip(result, expected, strict=False):
            assert got[i] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_one_noise_for_all_is_the_noise_of_each():
    m, V, S, w = RNG.normal(size=3), covariance(3), covariance(3), RNG.normal(size=(7, 3))
    one, each = condition_gaussian(m, V, w, S[None]), condition_gaussian(m, V, w, np.tile(S, (7, 1, 1)))
    assert one.covariances.shape == (1, 3, 3)
    for a, b in zip(one, each, strict=True):
        assert np.broadcast_to(a, b.shape) == pytest.approx(b, rel=1e-12, abs=1e-14)


def test_small_noise_keeps_its_digits():
    # V - V^2 / (V + S) would have lost them all: S is below the rounding of V
    result = condition_gaussian(np.zeros(1), np.eye(1), np.ones((1, 1)), np.full((1, 1, 1), 1e-20))
    assert result.covariances[0, 0, 0] == pytest.approx(1e-20, rel=1e-9)


@pytest.mark.parametrize("noise", [0.0, 1e-30, 1e-8, 1.0, 1e8, 1e30])
def test_covariances_are_symmetric_without_negative_eigenvalues_at_any_noise(noise):
    direction = np.array([[1.0, 2.0, -1.0]])
    for V in (covariance(3), direction.T @ direction, np.zeros((3, 3))):
        result = condition_gaussian(np.zeros(3), V, RNG.normal(size=(5, 3)), noise * np.eye(3)[None])
        assert np.isfinite(result.means).all()
        assert (result.covariances == result.covariances.swapaxes(1, 2)).all()
        assert np.linalg.eigvalsh(result.covariances).min() >= -1e-14 * max(V.max(), 1e-300)


def test_a_singular_covariance_given_exactly_on_its_line_is_that_point():
    line = np.array([1.0, 2.0])
    result = condition_gaussian(np.zeros(2), np.outer(line, line), 3.0 * line[None], np.zeros((1, 2, 2)))
    assert result.means[0] == pytest.approx(3.0 * line, rel=1e-12)
    assert np.abs(result.covariances).max() < 1e-25
    assert result.n_degenerate[0] == 1
    assert result.log_densities[0] == pytest.approx(multivariate_normal(0, 1).logpdf(3.0), rel=1e-12)


def test_beside_its_line_the_density_is_zero_and_nothing_is_nan():
    line = np.array([1.0, 2.0])
    result = condition_gaussian(np.zeros(2), np.outer(line, line), np.array([[1.0, 2.1]]), np.zeros((1, 2, 2)))
    assert result.log_densities[0] == -np.inf
    assert result.distances[0] == np.inf
    assert np.isfinite(result.means).all()


def test_no_variance_is_negative_where_the_covariance_is_negative_by_rounding():
    covariance = np.array([[72124.39918487, -3233.61252759], [-3233.61252759, 0.0]])
    covariance[1, 1] = np.nextafter(covariance[0, 1] ** 2 / covariance[0, 0], 0.0)  # eigenvalues -3e-14 and 7e4
    values, noise = np.array([[-170.0, -317.0]]), np.diag([0.38, 0.0])[None]
    found = condition_gaussian(np.zeros(2), covariance, values, noise)
    assert (np.diagonal(found.covariances, axis1=1, axis2=2) >= 0.0).all()
