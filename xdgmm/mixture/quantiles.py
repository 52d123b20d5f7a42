"""Quantiles of many one-dimensional mixtures at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-13  # of the distance between the outermost quantiles of the components
EXACT = 1e-15  # a sum of probabilities cannot be known better
MOST_STEPS = 200
UNIFORM_WIDTH = np.sqrt(12.0)  # of a uniform density, in its standard deviations


def check_levels(q: ArrayLike) -> NDArray[np.float64]:
    """Probabilities as an array; InputError if one does not lie between 0 and 1."""
    levels: NDArray[np.float64] = as_floats(q, "q")[0]
    if not ((levels > 0) & (levels < 1)).all():
        raise InputError(f"`q` is {q}, but quantiles are asked for at probabilities between 0 and 1")
    return levels


def quantiles(
    levels: NDArray[np.float64],
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    uniform: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Quantiles of each coordinate of N mixtures by itself: the shape of the levels before (N, D).

    Parameters
    ----------
    levels : ndarray
        Probabilities.
    weights : ndarray (N, K)
    means, sigmas : ndarray (N, K, D)
    uniform : ndarray of bool (N, D)
        Where the last component is uniform instead of Gaussian.
    """
    result = np.empty((levels.size, *uniform.shape))
    for place, level in enumerate(levels.flat):
        for i in range(uniform.shape[1]):
            result[place, :, i] = quantile(level, weights, means[:, :, i], sigmas[:, :, i], uniform[:, i])
    return result.reshape(levels.shape + uniform.shape)


def quantile(
    level: float,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    uniform: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Where each of N mixtures has this probability below it (N,).

    Parameters
    ----------
    level : float
    weights, means, sigmas : ndarray (N, K)
        A component without width is a step.
    uniform : ndarray of bool (N,)
        Where the last component is uniform instead of Gaussian.

    Notes
    -----
    The quantile lies between those of the components with the lowest and the highest.  Newton's steps are taken where
    they stay in that bracket and are at most half as long as the step before; otherwise the bracket is halved.
    """
    low, high = _bracket(level, weights, means, sigmas, uniform)
    enough, x = ROUNDING * (high - low), 0.5 * (low + high)
    result, rows, stride = x.copy(), np.arange(len(x)), high - low
    for _ in range(MOST_STEPS):
        excess, density = _distribution(x, weights, means, sigmas, uniform)
        excess -= level
        low, high = np.where(excess < 0, x, low), np.where(excess < 0, high, x)
        newton = x - np.divide(excess, density, where=density > 0, out=np.full_like(x, np.inf))
        quick = (newton > low) & (newton < high) & (np.abs(newton - x) <= 0.5 * stride)
        exact = np.abs(excess) <= EXACT
        result[rows] = new = np.where(exact, x, np.where(quick, newton, 0.5 * (low + high)))
        stride = np.abs(new - x)
        going = ~exact & (np.minimum(high - low, stride) > enough)
        if not going.any():
            break
        rows, uniform = rows[going], uniform[going]
        x, low, high, enough, stride = (each[going] for each in (new, low, high, enough, stride))
        weights, means, sigmas = (each[going] for each in (weights, means, sigmas))
    return result


def _bracket(
    level: float,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    uniform: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.special import ndtri

    own = means + sigmas * ndtri(level)
    own[:, -1] = np.where(uniform, means[:, -1] + sigmas[:, -1] * UNIFORM_WIDTH * (level - 0.5), own[:, -1])
    used = weights > 0
    return np.where(used, own, np.inf).min(axis=1), np.where(used, own, -np.inf).max(axis=1)


def _distribution(
    x: NDArray[np.float64],
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    uniform: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cumulative distribution and density of each mixture at its own x (N,)."""
    from scipy.special import ndtr

    wide = sigmas > 0
    z = np.divide(x[:, None] - means, sigmas, where=wide, out=np.where(x[:, None] < means, -np.inf, np.inf))
    below = ndtr(z)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    if uniform.any():
        last = z[uniform, -1] / UNIFORM_WIDTH
        below[uniform, -1] = np.clip(last + 0.5, 0.0, 1.0)
        density[uniform, -1] = (np.abs(last) < 0.5) / UNIFORM_WIDTH
    density = np.divide(density, sigmas, where=wide, out=np.zeros_like(density))
    return (weights * below).sum(axis=1), (weights * density).sum(axis=1)
