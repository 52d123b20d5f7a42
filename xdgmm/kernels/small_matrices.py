"""Stacks of small symmetric matrices, as fits need them between two passes: one compiled call for a stack.

NumPy takes some ten microseconds for each of these, whatever the size; these take one or two for a few small matrices.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .compiling import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SWEEPS = 60  # far more than any matrix has needed
SMALL = 1e-16  # a smaller correlation between two axes is zero


def eigen(matrices: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues (N, D), ascending, and eigenvectors (N, D, D), in columns, of symmetric matrices (N, D, D).

    By Jacobi's rotations (Golub & Van Loan, *Matrix Computations*, 4th ed., sec. 8.5), which also find eigenvalues that
    are many orders of magnitude smaller than others, if the matrix shows them on its diagonal (Demmel & Veselic 1992).
    """
    values, vectors = np.empty(matrices.shape[:2]), np.empty(matrices.shape)
    _eigen(_contiguous(matrices), values, vectors)
    return values, vectors


def metric_roots(information: Floats) -> Floats:
    """Lower triangular L (N, D, D) with ``L L' = information^-1``, for positive definite matrices or nearly so.

    A ridge of 1e-14 of the largest diagonal element is added.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is not positive definite all the same.
    """
    roots = np.empty(information.shape)
    if not _metric_roots(_contiguous(information), roots):
        raise np.linalg.LinAlgError("a matrix of information is not positive definite")
    return roots


def whitened(matrices: Floats, roots: Floats) -> Floats:
    """``L^-1 V L'^-1``, exactly symmetric, of symmetric V and lower triangular L, both (N, D, D)."""
    result = np.empty(matrices.shape)
    _whitened(_contiguous(matrices), _contiguous(roots), result)
    return result


def positive_parts(matrices: Floats) -> Floats:
    """Nearest positive semi-definite matrices (N, D, D): negative eigenvalues become zero."""
    result = np.empty(matrices.shape)
    _positive_parts(_contiguous(matrices), result)
    return result


def congruent(factors: Floats, matrices: Floats) -> Floats:
    """``F X F'``, exactly symmetric, of symmetric X, both (N, D, D)."""
    result = np.empty(matrices.shape)
    _congruent(_contiguous(factors), _contiguous(matrices), result)
    return result


def _contiguous(array: Floats) -> Floats:
    """The array as compiled code was prepared for it: in C order and writable."""
    flags = array.flags
    return array if flags.c_contiguous and flags.writeable else np.array(array, dtype=float, order="C")


@kernel
def _eigen(matrices: Floats, values: Floats, vectors: Floats) -> None:
    A = np.empty(matrices.shape[1:])
    for n in range(len(matrices)):
        _rotate_to_axes(matrices[n], A, values[n], vectors[n])


@kernel
def _rotate_to_axes(matrix: Floats, A: Floats, values: Floats, vectors: Floats) -> None:
    """Fill values (D,) and vectors (D, D); A (D, D) is work space."""
    D = len(values)
    for i in range(D):
        for j in range(D):
            A[i, j] = 0.5 * (matrix[i, j] + matrix[j, i])
            vectors[i, j] = 1.0 if i == j else 0.0
    for _ in range(SWEEPS):
        has_rotated = False
        for p in range(D - 1):
            for q in range(p + 1, D):
                if abs(A[p, q]) > SMALL * math.sqrt(abs(A[p, p])) * math.sqrt(abs(A[q, q])):
                    has_rotated = _rotate(A, vectors, p, q) or has_rotated
        if not has_rotated:
            break
    for i in range(D):
        values[i] = A[i, i]
    for i in range(D):
        lowest = i
        for j in range(i + 1, D):
            if values[j] < values[lowest]:
                lowest = j
        if lowest != i:
            values[i], values[lowest] = values[lowest], values[i]
            for j in range(D):
                vectors[j, i], vectors[j, lowest] = vectors[j, lowest], vectors[j, i]


@kernel
def _rotate(A: Floats, vectors: Floats, p: int, q: int) -> bool:
    """Make element (p, q) zero; returns whether this has changed the diagonal or a later sweep is needed."""
    D = len(A)
    off = A[p, q]
    if off == 0.0:
        return False
    difference = A[q, q] - A[p, p]
    if abs(off) <= 1e-170 * abs(difference):
        tangent = off / difference
    else:
        ratio = 0.5 * difference / off
        tangent = math.copysign(1.0, ratio) / (abs(ratio) + math.hypot(1.0, ratio))
    cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
    sine = tangent * cosine
    A[p, p] -= tangent * off
    A[q, q] += tangent * off
    A[p, q] = A[q, p] = 0.0
    for i in range(D):
        if i != p and i != q:
            first, second = A[i, p], A[i, q]
            A[i, p] = A[p, i] = cosine * first - sine * second
            A[i, q] = A[q, i] = sine * first + cosine * second
        first, second = vectors[i, p], vectors[i, q]
        vectors[i, p] = cosine * first - sine * second
        vectors[i, q] = sine * first + cosine * second
    return True


@kernel
def _metric_roots(information: Floats, roots: Floats) -> bool:
    D = information.shape[1]
    U = np.empty((D, D))
    for n in range(len(information)):
        ridge = 0.0
        for i in range(D):
            ridge = max(ridge, information[n, i, i])
        ridge = 1e-14 * ridge + 1e-300
        # information = U U' with U upper triangular, so that L = U'^-1 is lower triangular
        for j in range(D - 1, -1, -1):
            for i in range(j, -1, -1):
                rest = 0.5 * (information[n, i, j] + information[n, j, i])
                if i == j:
                    rest += ridge
                for a in range(j + 1, D):
                    rest -= U[i, a] * U[j, a]
                if i < j:
                    U[i, j] = rest / U[j, j]
                elif rest > 0.0:
                    U[j, j] = math.sqrt(rest)
                else:
                    return False
        for i in range(D):
            for j in range(D):
                roots[n, i, j] = 0.0
            for j in range(i):
                for a in range(j, i):
                    roots[n, i, j] -= U[a, i] * roots[n, a, j]
                roots[n, i, j] /= U[i, i]
            roots[n, i, i] = 1.0 / U[i, i]
    return True


@kernel
def _whitened(matrices: Floats, roots: Floats, result: Floats) -> None:
    D = matrices.shape[1]
    half = np.empty((D, D))
    for n in range(len(matrices)):
        for i in range(D):  # L half = V
            for j in range(D):
                rest = matrices[n, i, j]
                for a in range(i):
                    rest -= roots[n, i, a] * half[a, j]
                half[i, j] = rest / roots[n, i, i]
        for i in range(D):  # L result' = half'
            for j in range(D):
                rest = half[j, i]
                for a in range(i):
                    rest -= roots[n, i, a] * result[n, j, a]
                result[n, j, i] = rest / roots[n, i, i]
        for i in range(D):
            for j in range(i):
                result[n, i, j] = result[n, j, i] = 0.5 * (result[n, i, j] + result[n, j, i])


@kernel
def _positive_parts(matrices: Floats, result: Floats) -> None:
    D = matrices.shape[1]
    values, vectors, A = np.empty(D), np.empty((D, D)), np.empty((D, D))
    for n in range(len(matrices)):
        _rotate_to_axes(matrices[n], A, values, vectors)
        for i in range(D):
            for j in range(i + 1):
                total = 0.0
                if values[0] >= 0.0:
                    total = 0.5 * (matrices[n, i, j] + matrices[n, j, i])
                else:
                    for a in range(D):
                        total += vectors[i, a] * max(values[a], 0.0) * vectors[j, a]
                result[n, i, j] = result[n, j, i] = total


@kernel
def _congruent(factors: Floats, matrices: Floats, result: Floats) -> None:
    D = matrices.shape[1]
    product = np.empty((D, D))
    for n in range(len(matrices)):
        for i in range(D):
            for j in range(D):
                product[i, j] = 0.0
                for a in range(D):
                    product[i, j] += factors[n, i, a] * matrices[n, a, j]
        for i in range(D):
            for j in range(i + 1):
                total = 0.0
                for a in range(D):
                    total += product[i, a] * factors[n, j, a]
                result[n, i, j] = result[n, j, i] = total
