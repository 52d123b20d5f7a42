"""Bring mixtures into the form that the passes read, and the sums of a pass back: compiled, for any number of mixtures.

Both take microseconds, where the same calculations in NumPy would take longer than a pass over a few thousand objects.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .compiled import HALF_LOG2E, LANES, SMALLEST_PIVOT
from .compiling import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LN2 = 0.5 / HALF_LOG2E
NONE = np.zeros((0, 0))  # stands for no common noise, or no projection


@kernel
def lay_out(
    weights: Floats,
    means: Floats,
    covariances: Floats,
    common: Floats,
    projection: Floats,
    amplitude: Floats,
    theta: Floats,
    white: Floats,
) -> None:
    """Fill amplitude, theta and white, which the kernels read, with W mixtures of S components.

    Parameters
    ----------
    weights, means, covariances : ndarrays (W, S), (W, K, D), (W, K, D, D)
        A background is the last of the S = K + 1.
    common : ndarray (M, M) or (0, 0)
        Noise covariance of all objects, if they have the same.
    projection : ndarray (M, D) or (0, 0)
        Of all objects, if they have the same.
    amplitude : ndarray (W, S, 2)
        Weights as ``scale 2**power``, times 1 / sqrt(det T) for common noise; zero for components without weight.
    theta : ndarray (W, S, M (M + 1) / 2 + M)
        The lower triangle of V, or with common noise of the inverse Cholesky factor of T, and minus the mean.  Zero for
        components without weight and for a background; not a number where T is singular.
    white : ndarray (W, K, M, M) or (0, 0, 0, 0)
        With common noise: the inverse Cholesky factor of T of each component.
    """
    W, S = weights.shape
    K, D = means.shape[1:]
    is_projected = projection.shape[0] > 0
    M = projection.shape[0] if is_projected else D
    matrix, product, factor = np.empty((M, M)), np.empty((M, D)), np.empty((M, M))
    for w in range(W):
        for k in range(S):
            for e in range(theta.shape[2]):
                theta[w, k, e] = 0.0
            fraction, power = math.frexp(weights[w, k])
            amplitude[w, k, 0], amplitude[w, k, 1] = fraction, power
            is_alive = weights[w, k] > 0.0
            if not is_alive:
                amplitude[w, k, 0], amplitude[w, k, 1] = 0.0, 0.0
            if k >= K:
                continue
            _measured(covariances[w, k], projection, product, matrix)
            if common.shape[0] > 0:
                for a in range(M):
                    for b in range(a + 1):
                        if is_alive:
                            matrix[a, b] += common[a, b]
                        else:
                            matrix[a, b] = 1.0 if a == b else 0.0
                _whiten(matrix, factor, white[w, k])
                for a in range(M):
                    for b in range(a + 1):
                        matrix[a, b] = white[w, k, a, b]
                    fraction, power = math.frexp(matrix[a, a])
                    if is_alive:
                        amplitude[w, k, 0] *= fraction
                        amplitude[w, k, 1] += power
            if not is_alive:
                continue
            row = M * (M + 1) // 2
            for a in range(M):
                for b in range(a + 1):
                    theta[w, k, a * (a + 1) // 2 + b] = matrix[a, b]
                if is_projected:
                    for i in range(D):
                        theta[w, k, row + a] -= projection[a, i] * means[w, k, i]
                else:
                    theta[w, k, row + a] = -means[w, k, a]


@kernel
def _measured(V: Floats, projection: Floats, product: Floats, matrix: Floats) -> None:
    """Fill the lower triangle of V (D, D), or of R V R' (M, M); product (M, D) is work space."""
    M, D = product.shape
    if projection.shape[0] == 0:
        for a in range(M):
            for b in range(a + 1):
                matrix[a, b] = V[a, b]
        return
    for a in range(M):
        for j in range(D):
            product[a, j] = 0.0
            for i in range(D):
                product[a, j] += projection[a, i] * V[i, j]
    for a in range(M):
        for b in range(a + 1):
            matrix[a, b] = 0.0
            for j in range(D):
                matrix[a, b] += product[a, j] * projection[b, j]


@kernel
def _whiten(matrix: Floats, factor: Floats, white: Floats) -> None:
    """Inverse Cholesky factor of a symmetric matrix, of which the lower triangle is read; not a number if singular."""
    M = matrix.shape[0]
    is_regular = True
    for a in range(M):
        for b in range(a + 1):
            rest = matrix[a, b]
            for c in range(b):
                rest -= factor[a, c] * factor[b, c]
            if a > b:
                factor[a, b] = rest / factor[b, b]
            else:
                is_regular = is_regular and rest > SMALLEST_PIVOT
                factor[a, a] = math.sqrt(rest) if is_regular else 1.0
    for a in range(M):
        for b in range(M):
            white[a, b] = 0.0
        for b in range(a):
            for c in range(b, a):
                white[a, b] -= factor[a, c] * white[c, b]
            white[a, b] /= factor[a, a]
        white[a, a] = 1.0 / factor[a, a]
    if not is_regular:
        for a in range(M):
            for b in range(M):
                white[a, b] = math.nan


@kernel
def complete(
    sums: Floats,
    likelihoods: Floats,
    theta: Floats,
    white: Floats,
    projection: Floats,
    constant: float,
    log_likelihood: Floats,
    members: Floats,
    grad_mean: Floats,
    grad_covariance: Floats,
    information: Floats,
    squares: Floats,
) -> None:
    """Fill the statistics of W mixtures from the sums over each chunk.

    Parameters
    ----------
    sums : ndarray (W, chunks, S, n)
        Of the first chunk, on return those of all.
    likelihoods : ndarray (W, chunks, 2, LANES)
        Log2-likelihood, and lowest pivot.
    theta, white, projection
        As from `lay_out`.
    constant : float
        Added to each log-likelihood.
    log_likelihood : ndarray (W,)
        Minus infinity, with sums of zero, where the likelihood is zero or some T is singular.
    members : ndarray (W, S)
    grad_mean, grad_covariance : ndarrays (W, K, D), (W, K, D, D)
    information : ndarray (W, K, D, D), or (0, 0, 0, 0) if not wanted
    squares : ndarray (W, K), or (0, 0) where D > 1
    """
    W, n_chunks, S, n = sums.shape
    K, D = grad_mean.shape[1:]
    M = projection.shape[0] if projection.shape[0] > 0 else D
    g, H, A = np.empty(M), np.empty((M, M)), np.empty((M, M))
    with_information = information.shape[0] > 0
    for w in range(W):
        log_likelihood[w] = LN2 * _total(likelihoods[w]) + constant
        if not (log_likelihood[w] > -math.inf and _is_possible(likelihoods[w], theta[w])):
            log_likelihood[w] = -math.inf
            added = _added(sums[w], 0)
        else:
            added = _added(sums[w], n_chunks)
        for k in range(S):
            q = members[w, k] = added[k, 0]
            if k >= K:
                continue
            B = _unpack(added[k], with_information and n > 1 + M + M * (M + 1) // 2, g, H, A)
            if white.shape[0] > 0 and log_likelihood[w] > -math.inf:
                _colour(white[w, k], q, g, H, A)
                B = q * A[0, 0] ** 2
                for a in range(M):
                    for b in range(M):
                        A[a, b] *= q
            if projection.shape[0] > 0:
                for i in range(D):
                    grad_mean[w, k, i] = 0.0
                    for a in range(M):
                        grad_mean[w, k, i] += g[a] * projection[a, i]
                _pull_back(projection, 0.5, H, grad_covariance[w, k])
                B *= projection[0, 0] ** 4  # D = 1 has M = 1 here, so that P^2 scales with R^4
                if with_information:
                    _pull_back(projection, 1.0, A, information[w, k])
            else:
                for i in range(D):
                    grad_mean[w, k, i] = g[i]
                    for j in range(D):
                        grad_covariance[w, k, i, j] = 0.5 * H[i, j]
                        if with_information:
                            information[w, k, i, j] = A[i, j]
            if squares.shape[0] > 0:
                squares[w, k] = B


@kernel
def _added(sums: Floats, n_chunks: int) -> Floats:
    """Sums (S, n) of so many chunks, one after the other, in the place of those of the first."""
    added: Floats = sums[0]
    for k in range(added.shape[0]):
        for e in range(added.shape[1]):
            total = 0.0
            for chunk in range(n_chunks):
                total += sums[chunk, k, e]
            added[k, e] = total
    return added


@kernel
def _unpack(added: Floats, with_information: bool, g: Floats, H: Floats, A: Floats) -> float:  # noqa: FBT001
    """Fill g (M,), and H and A (M, M), from the sums (n,) of one component; returns the last of them, or zero."""
    M = len(g)
    n_packed = M * (M + 1) // 2
    for a in range(M):
        g[a] = added[1 + a]
        for b in range(a + 1):
            e = 1 + M + a * (a + 1) // 2 + b
            H[a, b] = H[b, a] = added[e]
            A[a, b] = A[b, a] = added[e + n_packed] if with_information else 0.0
    return added[-1] if with_information else 0.0


@kernel
def _total(likelihoods: Floats) -> float:
    """Sum of the log2-likelihoods of all chunks and lanes, with compensation for rounding (Neumaier 1974)."""
    result, lost = 0.0, 0.0
    for chunk in range(likelihoods.shape[0]):
        for lane in range(LANES):
            term = likelihoods[chunk, 0, lane]
            following = result + term
            lost += (result - following) + term if abs(result) >= abs(term) else (term - following) + result
            result = following
    return result + lost if math.isfinite(lost) else result


@kernel
def _is_possible(likelihoods: Floats, theta: Floats) -> bool:
    """Are all covariances regular?"""
    for chunk in range(likelihoods.shape[0]):
        for lane in range(LANES):
            if not likelihoods[chunk, 1, lane] > SMALLEST_PIVOT:
                return False
    for k in range(theta.shape[0]):
        for e in range(theta.shape[1]):
            if not math.isfinite(theta[k, e]):
                return False
    return True


@kernel
def _colour(white: Floats, q: float, g: Floats, H: Floats, inverse: Floats) -> None:
    """Sums from those of common noise: ``g = U' sum r z``, ``H = U' (sum r z z' - q) U``, and ``T^-1 = U' U``.

    U is the inverse Cholesky factor of T.
    """
    M = len(g)
    product = np.empty((M, M))
    for a in range(M):
        H[a, a] -= q
    for a in range(M):
        for j in range(M):
            product[a, j] = 0.0
            for b in range(j, M):
                product[a, j] += H[a, b] * white[b, j]
    for i in range(M):
        total = 0.0
        for a in range(i, M):
            total += white[a, i] * g[a]
        g[i] = total  # later sums do not need it
        for j in range(i + 1):
            H[i, j], inverse[i, j] = 0.0, 0.0
            for a in range(i, M):
                H[i, j] += white[a, i] * product[a, j]
                inverse[i, j] += white[a, i] * white[a, j]
    for i in range(M):
        for j in range(i):
            H[j, i], inverse[j, i] = H[i, j], inverse[i, j]


@kernel
def _pull_back(R: Floats, factor: float, matrix: Floats, result: Floats) -> None:
    """``factor R' X R`` (D, D), exactly symmetric, of a symmetric matrix X (M, M)."""
    M, D = R.shape
    product = np.empty((M, D))
    for a in range(M):
        for j in range(D):
            product[a, j] = 0.0
            for b in range(M):
                product[a, j] += matrix[a, b] * R[b, j]
    for i in range(D):
        for j in range(i + 1):
            total = 0.0
            for a in range(M):
                total += R[a, i] * product[a, j]
            result[i, j] = result[j, i] = factor * total
