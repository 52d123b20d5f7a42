"""Small matrices: which are indefinite."""

import numpy as np
import pytest

from xdgmm.basics.linalg import negative_eigenvalues


@pytest.mark.parametrize("D", [1, 2, 5])
def test_negative_eigenvalues_are_those_of_the_matrix(D):
    A = np.random.default_rng(D).normal(size=(200, D, D))
    matrices = A + A.transpose(0, 2, 1)
    matrices[::2] = A[::2] @ A[::2].transpose(0, 2, 1)  # positive definite
    expected = np.array([min(np.linalg.eigh(matrix)[0].min(), 0.0) for matrix in matrices])
    assert (expected < 0).any()
    # rounding of the eigenvalues of matrices of size one
    np.testing.assert_allclose(negative_eigenvalues(matrices), expected, atol=1e-13)


def test_a_matrix_that_is_indefinite_within_the_tolerance_counts_as_definite():
    matrices = np.array([np.diag([1.0, -1e-9])])
    assert negative_eigenvalues(matrices) == [-1e-9]
    assert negative_eigenvalues(matrices, 1e-8) == [0.0]
