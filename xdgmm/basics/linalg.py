"""Small symmetric matrices: projections, roots and factors, for one matrix or a stack of them."""

import numpy as np


def symmetric(matrix):
    """Average with the transpose."""
    return 0.5 * (matrix + np.swapaxes(matrix, -1, -2))


def positive_part(matrix):
    """Nearest positive semi-definite matrix: negative eigenvalues become zero."""
    values, vectors = np.linalg.eigh(symmetric(matrix))
    if values.min() >= 0.0:
        return symmetric(matrix)
    return symmetric((vectors * np.maximum(values, 0.0)[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def negative_eigenvalues(matrices, tolerance=0.0):
    """The lowest eigenvalue of each symmetric matrix (N, D, D) that has a negative one, zero for the others: (N,).

    Zero for all where none is below minus the tolerance: a Cholesky factorisation finds that out in a fraction of the
    time that the eigenvalues need.
    """
    try:
        np.linalg.cholesky(matrices + tolerance * np.eye(matrices.shape[-1]))
    except np.linalg.LinAlgError:
        return np.minimum(np.linalg.eigvalsh(matrices)[:, 0], 0.0)
    return np.zeros(len(matrices))


def metric_root(information):
    """Lower triangular L with ``L L' = information^-1``, for positive definite information; a tiny ridge helps."""
    diagonal = np.diagonal(information, axis1=-2, axis2=-1)
    ridge = 1e-14 * diagonal.max(axis=-1, initial=0.0) + 1e-300
    information = information + ridge[..., None, None] * np.eye(information.shape[-1])
    # information = R' R with R upper triangular after reversing the axes, so that its inverse's factor is lower.
    flipped = np.linalg.cholesky(symmetric(information)[..., ::-1, ::-1])
    root = np.linalg.inv(flipped)[..., ::-1, ::-1]
    return np.swapaxes(root, -1, -2)


def triangular_factor(matrix):
    """Lower triangular B with ``B B' = matrix`` for a positive semi-definite matrix, singular ones included."""
    values, vectors = np.linalg.eigh(symmetric(matrix))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    upper = np.linalg.qr(root.T, mode="r")
    signs = np.where(np.diagonal(upper) < 0, -1.0, 1.0)
    return (upper * signs[:, None]).T
