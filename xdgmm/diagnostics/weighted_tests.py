"""Textbook tests of values with weights: rank correlation, skewness and kurtosis of normal samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, stdtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def effective_size(weights: Floats) -> float:
    """How many values of equal weight: weights of one and more count as numbers of objects."""
    total, squares = weights.sum(), (weights**2).sum()
    of_equal = total**2 / squares if squares > 0 else 0.0
    return float(max(of_equal, min(total, 1e9) if weights.min() >= 1 else 0.0))


def rank_correlation(x: Floats, y: Floats, weights: Floats) -> tuple[float, float]:
    """Spearman's rank correlation with weights, and its two-sided p-value by Student's t."""
    a, b = _ranks(x, weights), _ranks(y, weights)
    a, b = a - weights @ a / weights.sum(), b - weights @ b / weights.sum()
    scale = np.sqrt((weights @ a**2) * (weights @ b**2))
    if scale == 0:
        return 0.0, 1.0
    rho = float(np.clip(weights @ (a * b) / scale, -1.0, 1.0))
    freedom = effective_size(weights) - 2.0
    t = rho * np.sqrt(freedom / max(1.0 - rho**2, 1e-300))
    return rho, float(2.0 * stdtr(freedom, -abs(t)))


def _ranks(x: Floats, weights: Floats) -> Floats:
    """Weight below each value, and half of that at it."""
    _, places = np.unique(x, return_inverse=True)
    at = np.bincount(places, weights)
    result: Floats = (np.cumsum(at) - 0.5 * at)[places]
    return result


def skewness_p_value(skewness: float, n: float) -> float:
    """D'Agostino's transformation to a normal variable."""
    y = skewness * np.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    beta = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    W2 = np.sqrt(2 * (beta - 1)) - 1
    z = np.arcsinh(y / np.sqrt(2 / (W2 - 1))) / np.sqrt(0.5 * np.log(W2))
    return float(2.0 * ndtr(-abs(z)))


def kurtosis_p_value(kurtosis: float, n: float) -> float:
    """Anscombe and Glynn's transformation to a normal variable."""
    mean = 3 * (n - 1) / (n + 1)
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis - mean) / np.sqrt(variance)
    lopsided = 6 * (n**2 - 5 * n + 2) / ((n + 7) * (n + 9)) * np.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    A = 6 + 8 / lopsided * (2 / lopsided + np.sqrt(1 + 4 / lopsided**2))
    inner = (1 - 2 / A) / (1 + x * np.sqrt(2 / (A - 4)))
    z = (1 - 2 / (9 * A) - np.cbrt(inner)) / np.sqrt(2 / (9 * A))
    return float(2.0 * ndtr(-abs(z)))
