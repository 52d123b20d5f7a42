"""From the coordinates of a solver to mixtures and back to gradients: compiled, for many points at once.

The formulas are those of `FactorCoordinates`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.kernels.compiling import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


class Frame(NamedTuple):
    """The numbers of `FactorCoordinates` that its map needs.

    Attributes
    ----------
    weights, means, covariances : ndarrays (S,), (K, D), (K, D, D)
        At the origin.
    free_weights : ndarray of int (F,)
    rest : float
        Sum of the free weights.
    logits, basis : ndarrays (F,), (F, n_weights)
        Softmax coordinates of the free weights, and directions in them.
    mean_roots : ndarray (K, D, D)
    free_means : ndarray of int (n_means,)
        Which of the K D elements of the means are free.
    L, B : ndarrays (K, D, D)
        The covariance is ``L B B' L'``, plus the floor.
    elements : ndarray of int (K, D (D + 1) / 2)
        Which parameter each element of the factors is; -1 where it is none.
    scales : ndarray (n_factors,)
        What a unit of each parameter changes its elements by.
    floor : ndarray (K, D, D) or (0, 0, 0)
    fixed_covariances : ndarray of bool (K,)
    """

    weights: Floats
    means: Floats
    covariances: Floats
    free_weights: Indices
    rest: float
    logits: Floats
    basis: Floats
    mean_roots: Floats
    free_means: Indices
    L: Floats
    B: Floats
    elements: Indices
    scales: Floats
    floor: Floats
    fixed_covariances: NDArray[np.bool_]


@kernel
def parameters_at(z: Floats, frame: Frame, weights: Floats, means: Floats, covariances: Floats) -> None:
    """Fill weights (W, S), means (W, K, D) and covariances (W, K, D, D) at coordinates z (W, size)."""
    K, D = frame.means.shape
    n_free, n_weights = frame.basis.shape
    n_means = len(frame.free_means)
    shift, B, F = np.empty(K * D), np.empty((D, D)), np.empty((D, D))
    for w in range(len(z)):
        for i in range(len(frame.weights)):
            weights[w, i] = frame.weights[i]
        if n_weights > 0:
            highest = -math.inf
            for i in range(n_free):
                logit = frame.logits[i]
                for j in range(n_weights):
                    logit += frame.basis[i, j] * z[w, j]
                weights[w, frame.free_weights[i]] = logit
                highest = max(highest, logit)
            total = 0.0
            for i in frame.free_weights:
                weights[w, i] = math.exp(weights[w, i] - highest)
                total += weights[w, i]
            for i in frame.free_weights:
                weights[w, i] *= frame.rest / total
        for i in range(K * D):
            shift[i] = 0.0
        for i in range(n_means):
            shift[frame.free_means[i]] = z[w, n_weights + i]
        for k in range(K):
            for i in range(D):
                means[w, k, i] = frame.means[k, i]
                for j in range(D):
                    means[w, k, i] += frame.mean_roots[k, i, j] * shift[k * D + j]
            if frame.fixed_covariances[k]:
                for i in range(D):
                    for j in range(D):
                        covariances[w, k, i, j] = frame.covariances[k, i, j]
                continue
            _factor(B, k, z[w], n_weights + n_means, frame)
            _multiply(frame.L[k], B, F)
            for i in range(D):
                for j in range(i + 1):
                    V = 0.0
                    for a in range(D):
                        V += F[i, a] * F[j, a]
                    if len(frame.floor) > 0:
                        V += frame.floor[k, i, j]
                    covariances[w, k, i, j] = covariances[w, k, j, i] = V


@kernel
def gradient_at(
    z: Floats,
    frame: Frame,
    weights: Floats,
    weight_counts: Floats,
    grad_means: Floats,
    grad_covariances: Floats,
    gradient: Floats,
) -> None:
    """Fill the derivatives with respect to z (W, size) from those with respect to ln weight, mean and covariance.

    These are as in `Statistics`, with one axis more in front; the weights (W, S) are those at z.
    """
    K, D = frame.means.shape
    n_free, n_weights = frame.basis.shape
    n_means = len(frame.free_means)
    first = n_weights + n_means
    B, LB, product, slope = np.empty((D, D)), np.empty((D, D)), np.empty((D, D)), np.empty((D, D))
    pulled = np.empty(K * D)
    for w in range(len(z)):
        for i in range(gradient.shape[1]):
            gradient[w, i] = 0.0
        total = 0.0
        for i in frame.free_weights:
            total += weight_counts[w, i]
        for i in range(n_free):
            index = frame.free_weights[i]
            excess = weight_counts[w, index] - weights[w, index] / frame.rest * total
            for j in range(n_weights):
                gradient[w, j] += excess * frame.basis[i, j]
        for k in range(K):
            for j in range(D):
                pulled[k * D + j] = 0.0
                for i in range(D):
                    pulled[k * D + j] += frame.mean_roots[k, i, j] * grad_means[w, k, i]
            _factor(B, k, z[w], first, frame)
            _multiply(frame.L[k], B, LB)
            _multiply(grad_covariances[w, k], LB, product)
            for i in range(D):
                for j in range(i + 1):
                    element = frame.elements[k, i * (i + 1) // 2 + j]
                    if element >= 0:
                        slope[i, j] = 0.0
                        for a in range(D):
                            slope[i, j] += frame.L[k, a, i] * product[a, j]
                        gradient[w, first + element] += 2.0 * slope[i, j] * frame.scales[element]
        for i in range(n_means):
            gradient[w, n_weights + i] = pulled[frame.free_means[i]]


@kernel
def _factor(B: Floats, k: int, z: Floats, first: int, frame: Frame) -> None:
    """Fill the factor B (D, D) of a component at coordinates z (size,), of which those of factors begin at `first`."""
    D = len(B)
    for i in range(D):
        for j in range(D):
            B[i, j] = frame.B[k, i, j]
        for j in range(i + 1):
            element = frame.elements[k, i * (i + 1) // 2 + j]
            if element >= 0:
                B[i, j] += z[first + element] * frame.scales[element]


@kernel
def _multiply(first: Floats, second: Floats, result: Floats) -> None:
    """The product of two matrices (D, D)."""
    D = len(first)
    for i in range(D):
        for j in range(D):
            result[i, j] = 0.0
            for a in range(D):
                result[i, j] += first[i, a] * second[a, j]
