"""Quantiles of many one-dimensional mixtures at once."""

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError

ROUNDING = 1e-13  # of the distance between the outermost quantiles of the components
EXACT = 1e-15  # a sum of probabilities cannot be known better
MOST_STEPS = 200
WIDTH = np.sqrt(12.0)  # of a uniform density, in its standard deviations


def check_levels(q):
    """Probabilities as an array; InputError if one does not lie between 0 and 1."""
    levels = as_floats(q, "q")[0]
    if not ((levels > 0) & (levels < 1)).all():
        raise InputError(f"`q` is {q}, but quantiles are asked for at probabilities between 0 and 1")
    return levels


def quantile(level, weights, means, sigmas, uniform):
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
    result, left, stride = x.copy(), np.arange(len(x)), high - low
    shapes = weights, means, sigmas, uniform
    for _ in range(MOST_STEPS):
        too_far, density = _distribution(x, *shapes)
        too_far -= level
        low, high = np.where(too_far < 0, x, low), np.where(too_far < 0, high, x)
        newton = x - np.divide(too_far, density, where=density > 0, out=np.full_like(x, np.inf))
        quick = (newton > low) & (newton < high) & (np.abs(newton - x) <= 0.5 * stride)
        settled = np.abs(too_far) <= EXACT
        result[left] = new = np.where(settled, x, np.where(quick, newton, 0.5 * (low + high)))
        stride = np.abs(new - x)
        going = ~settled & (np.minimum(high - low, stride) > enough)
        if not going.any():
            break
        left, x, low, high, enough, stride = (each[going] for each in (left, new, low, high, enough, stride))
        shapes = tuple(each[going] for each in shapes)
    return result


def _bracket(level, weights, means, sigmas, uniform):
    from scipy.special import ndtri

    own = means + sigmas * ndtri(level)
    own[:, -1] = np.where(uniform, means[:, -1] + sigmas[:, -1] * WIDTH * (level - 0.5), own[:, -1])
    used = weights > 0
    return np.where(used, own, np.inf).min(axis=1), np.where(used, own, -np.inf).max(axis=1)


def _distribution(x, weights, means, sigmas, uniform):
    """Cumulative distribution and density of each mixture at its own x (N,)."""
    from scipy.special import ndtr

    wide = sigmas > 0
    z = np.divide(x[:, None] - means, sigmas, where=wide, out=np.where(x[:, None] < means, -np.inf, np.inf))
    below = ndtr(z)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    if uniform.any():
        last = z[uniform, -1] / WIDTH
        below[uniform, -1] = np.clip(last + 0.5, 0.0, 1.0)
        density[uniform, -1] = (np.abs(last) < 0.5) / WIDTH
    density = np.divide(density, sigmas, where=wide, out=np.zeros_like(density))
    return (weights * below).sum(axis=1), (weights * density).sum(axis=1)
