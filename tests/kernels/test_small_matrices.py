"""Stacks of small matrices against LAPACK, and against their definitions in exact arithmetic of many digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdgmm.kernels import small_matrices

seeds = st.integers(0, 2**32 - 1)


def symmetric_stack(rng, D, *, rank=None, spread=0.0):
    """Seven symmetric matrices with eigenvalues of both signs, or of one rank, over so many decades."""
    if rank is None:
        A = rng.normal(size=(7, D, D))
        matrices = A + A.transpose(0, 2, 1)
    else:
        A = rng.normal(size=(7, D, rank))
        matrices = A @ A.transpose(0, 2, 1)
    units = 10.0 ** rng.uniform(-spread, spread, (7, D))
    return matrices * units[:, :, None] * units[:, None, :]


@given(seeds, st.integers(1, 12), st.booleans())
@settings(max_examples=60)
def test_eigenvalues_are_those_of_lapack_and_vectors_diagonalise(seed, D, singular):
    rng = np.random.default_rng(seed)
    matrices = symmetric_stack(rng, D, rank=max(D // 2, 1) if singular else None)
    values, vectors = small_matrices.eigen(matrices)
    largest = np.abs(matrices).max()
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrices), atol=1e-13 * D * largest)
    assert (np.diff(values, axis=1) >= 0).all()
    np.testing.assert_allclose(vectors.mT @ vectors, np.broadcast_to(np.eye(D), vectors.shape), atol=1e-13)
    np.testing.assert_allclose((vectors * values[:, None]) @ vectors.mT, matrices, atol=1e-13 * D * largest)


@given(seeds, st.integers(2, 6))
@settings(max_examples=40)
def test_small_eigenvalues_of_graded_matrices_keep_their_digits(seed, D):
    """S = d C d with C near the identity and d over 16 decades: LAPACK loses the smallest, rotations do not."""
    rng = np.random.default_rng(seed)
    A = 0.02 * rng.normal(size=(D, D))
    C = np.eye(D) + A + A.T
    d = np.logspace(0, -16, D)
    values, _ = small_matrices.eigen((C * d[:, None] * d)[None])
    # the product of all eigenvalues is the determinant, which the factors give exactly
    expected = np.linalg.slogdet(C)[1] + 2 * np.log(d).sum()
    assert values[0, 0] > 0
    assert np.log(values[0]).sum() == pytest.approx(expected, abs=1e-11)


def test_matrices_that_are_diagonal_or_zero_or_not_numbers():
    values, vectors = small_matrices.eigen(np.array([np.diag([3.0, 0.0, 1.0]), np.zeros((3, 3))]))
    np.testing.assert_array_equal(values, [[0, 1, 3], [0, 0, 0]])
    np.testing.assert_array_equal(np.abs(vectors[0]), np.eye(3)[:, [1, 2, 0]])
    assert np.isnan(small_matrices.eigen(np.full((1, 2, 2), np.nan))[0]).all()


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_units_do_not_matter(scale):
    matrices = symmetric_stack(np.random.default_rng(1), 4)
    values, vectors = small_matrices.eigen(matrices)
    scaled_values, scaled_vectors = small_matrices.eigen(matrices * scale)
    np.testing.assert_allclose(scaled_values, values * scale, rtol=1e-12)
    np.testing.assert_allclose(scaled_vectors, vectors, atol=1e-12)


@given(seeds, st.integers(1, 8), st.floats(0, 4))
@settings(max_examples=60)
def test_metric_roots_are_triangular_and_invert_the_information(seed, D, spread):
    information = symmetric_stack(np.random.default_rng(seed), D, rank=D + 3, spread=spread)
    L = small_matrices.metric_roots(information)
    assert (np.triu(L, 1) == 0).all()
    assert (L.diagonal(axis1=1, axis2=2) > 0).all()
    # the ridge is 1e-14 of the largest element
    ridge = 1e-14 * information.diagonal(axis1=1, axis2=2).max(axis=1)[:, None, None] * np.eye(D)
    product = L.mT @ (information + ridge) @ L
    tolerance = 1e-13 * np.linalg.cond(information).max()
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(D), L.shape), atol=max(tolerance, 1e-11))


def test_information_that_is_not_positive_definite_has_no_root():
    with pytest.raises(np.linalg.LinAlgError):
        small_matrices.metric_roots(np.array([np.eye(2), np.diag([1.0, -1.0])]))


@given(seeds, st.integers(1, 8))
@settings(max_examples=40)
def test_products_are_those_of_numpy_and_exactly_symmetric(seed, D):
    rng = np.random.default_rng(seed)
    X, F = symmetric_stack(rng, D), rng.normal(size=(7, D, D))
    L = np.tril(F) + 3 * np.eye(D)
    congruent, white = small_matrices.congruent(F.mT, X), small_matrices.whitened(X, L)
    positive = small_matrices.positive_parts(X)
    for each in (congruent, white, positive):
        np.testing.assert_array_equal(each, each.mT)
    np.testing.assert_allclose(congruent, F.mT @ X @ F, atol=1e-12)
    np.testing.assert_allclose(L @ white @ L.mT, X, atol=1e-11)
    assert np.linalg.eigvalsh(positive).min() > -1e-13
    # what was taken away is positive semi-definite too, and orthogonal to what remains
    assert np.linalg.eigvalsh(positive - X).min() > -1e-13 * D * np.abs(X).max()
    np.testing.assert_allclose(np.einsum("nij,nij->n", positive, positive - X), 0, atol=1e-11)


def test_positive_matrices_are_their_own_positive_parts():
    X = symmetric_stack(np.random.default_rng(2), 3, rank=5)
    np.testing.assert_array_equal(small_matrices.positive_parts(X), X)
