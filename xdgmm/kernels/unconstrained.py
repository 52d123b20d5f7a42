"""Mixtures from unconstrained coordinates, and what it costs to match their components: many mixtures in one call.

Plain loops over mixtures, compiled once for every model: nothing here depends on the form of the noise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .compiling import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]


@kernel
def from_unconstrained(
    z: Floats,
    starts: Indices,
    farthest: float,
    free_weights: Indices,
    rest: float,
    free_means: Indices,
    sigma_of: Indices,
    correlation_of: Indices,
    powers: Floats,
    weights: Floats,
    means: Floats,
    covariances: Floats,
    log_within: Floats,
    log_sigmas: Floats,
    logarithms: Floats,
) -> None:
    """Write the parameters of W mixtures, whose coordinates are z (W, P); what is fixed stays as it is.

    Coordinates are log-ratios of weights, means, log-sigmas and transformed partial correlations, which begin at
    `starts` (5,).  Beside the mixtures: logarithms of the free weights as fractions (W, F), log-sigmas (W, n), and in
    logarithms (W, 2) the sum of the log-determinants of the correlation matrices, and the log-Jacobian.
    """
    K, D = sigma_of.shape
    factor, sigmas = np.zeros((D, D)), np.zeros(D)
    for w in range(len(z)):
        jacobian = 0.0
        if free_weights.size > 0:
            jacobian += _fractions(z[w, : starts[1]], log_within[w])
            for n in range(free_weights.size):
                weights[w, free_weights[n]] = rest * math.exp(log_within[w, n])
        for n in range(free_means.size):
            for i in range(D):
                means[w, free_means[n], i] = z[w, starts[1] + n * D + i]
        near = True
        for n in range(starts[3] - starts[2]):
            y = z[w, starts[2] + n]
            near = near and abs(y) < farthest
            log_sigmas[w, n] = min(max(y, -farthest), farthest)
            jacobian += log_sigmas[w, n]
        determinant = 0.0
        for n in range(starts[4] - starts[3]):
            y = abs(z[w, starts[3] + n])
            near = near and y < farthest
            y = min(y, farthest)
            complement = 2.0 * (math.log(2.0) - y - math.log1p(math.exp(-2.0 * y)))  # ln(1 - tanh(y)^2)
            determinant += complement
            jacobian += powers[n] * complement
        for k in range(K):
            if sigma_of[k, 0] < 0:
                continue
            for i in range(D):
                sigmas[i] = math.exp(log_sigmas[w, sigma_of[k, i]])
            _correlation_factor(z[w, starts[3] :], farthest, correlation_of[k], factor)
            for i in range(D):
                for j in range(i + 1):
                    product = 0.0
                    for m in range(j + 1):
                        product += factor[i, m] * factor[j, m]
                    covariances[w, k, i, j] = covariances[w, k, j, i] = sigmas[i] * sigmas[j] * product
        logarithms[w, 0], logarithms[w, 1] = determinant, jacobian if near else -math.inf


@kernel
def _fractions(ratios: Floats, log_within: Floats) -> float:
    """Logarithms of fractions from log-ratios to the last of them; their sum."""
    n = len(ratios)
    highest, total, result = 0.0, 0.0, 0.0
    for i in range(n):
        highest = max(highest, ratios[i])
    for i in range(n):
        total += math.exp(ratios[i] - highest)
    total = highest + math.log(total + math.exp(-highest))
    for i in range(n + 1):
        log_within[i] = (ratios[i] if i < n else 0.0) - total
        result += log_within[i]
    return result


@kernel
def _correlation_factor(y: Floats, farthest: float, owners: Indices, factor: Floats) -> None:
    """Triangular factor (D, D) of a correlation matrix, from transformed partial correlations; no owner: zero."""
    m = 0
    factor[0, 0] = 1.0
    for i in range(1, len(factor)):
        left = 1.0
        for j in range(i):
            if owners[m] >= 0:
                bounded = min(max(y[owners[m]], -farthest), farthest)
                factor[i, j] = math.tanh(bounded) * left
                left /= math.cosh(bounded)
            else:
                factor[i, j] = 0.0
            m += 1
        factor[i, i] = left


@kernel
def matching_costs(
    means: Floats, covariances: Floats, centres: Floats, precisions: Floats, log_variances: Floats, noise: Floats
) -> Floats:
    """What it costs to match component k of a mixture to component j of each of n: (n, K, K).

    ``(m_j - m_k)' P_k (m_j - m_k)`` plus the squared differences of the logarithms of the sigmas, with a variance of
    noise (K, D) of component k added to those of j; `log_variances` (K, D) are those of k with it.
    """
    n, K, D = means.shape
    costs = np.zeros((n, K, K))
    d = np.zeros(D)
    for w in range(n):
        for k in range(K):
            for j in range(K):
                cost = 0.0
                for i in range(D):
                    d[i] = means[w, j, i] - centres[k, i]
                    ratio = 0.5 * (math.log(covariances[w, j, i, i] + noise[k, i]) - log_variances[k, i])
                    cost += ratio * ratio
                    for m in range(i):
                        cost += 2.0 * precisions[k, i, m] * d[i] * d[m]
                    cost += precisions[k, i, i] * d[i] * d[i]
                costs[w, k, j] = cost
    return costs
