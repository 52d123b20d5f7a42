"""Quantiles of many one-dimensional mixtures at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .truncated import TruncatedNormals

ROUNDING = 1e-13  # of the distance between the outermost quantiles of the components
EXACT = 1e-15  # a sum of probabilities cannot be known better
MOST_STEPS = 200
UNIFORM_WIDTH = np.sqrt(12.0)  # of a uniform density, in its standard deviations


class _CutComponent(NamedTuple):
    """Where the last component of N mixtures is cut by a box along one coordinate, and what it is there.

    Attributes
    ----------
    rows : ndarray of bool (N,)
    truncated : TruncatedNormals
        Of these rows.
    coordinate : int
    """

    rows: NDArray[np.bool_]
    truncated: TruncatedNormals
    coordinate: int

    @classmethod
    def of(cls, truncated: TruncatedNormals | None, i: int, uniform: NDArray[np.bool_]) -> _CutComponent | None:
        """Of coordinate i, which some of the objects (N,) have no value of; None where nothing is cut."""
        if truncated is None:
            return None
        rows = truncated.is_cut & ~uniform
        return cls(rows, truncated[rows], i) if rows.any() else None

    @property
    def low(self) -> float:
        """Lower edge of the box."""
        return float(self.truncated.low[self.coordinate])

    @property
    def high(self) -> float:
        """Upper edge of the box."""
        return float(self.truncated.high[self.coordinate])

    def select(self, going: NDArray[np.bool_]) -> _CutComponent:
        """Of some of the mixtures (N,)."""
        return _CutComponent(self.rows[going], self.truncated[going[self.rows]], self.coordinate)


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
    truncated: TruncatedNormals | None = None,
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
    truncated : TruncatedNormals, optional
        What the last component is where a box cuts it, and it is not uniform.
    """
    result = np.empty((levels.size, *uniform.shape))
    for place, level in enumerate(levels.flat):
        for i in range(uniform.shape[1]):
            cut = _CutComponent.of(truncated, i, uniform[:, i])
            result[place, :, i] = quantile(level, weights, means[:, :, i], sigmas[:, :, i], uniform[:, i], cut)
    return result.reshape(levels.shape + uniform.shape)


def quantile(
    level: float,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    uniform: NDArray[np.bool_],
    cut: _CutComponent | None = None,
) -> NDArray[np.float64]:
    """Where each of N mixtures has this probability below it (N,).

    Parameters
    ----------
    level : float
    weights, means, sigmas : ndarray (N, K)
        A component without width is a step.
    uniform : ndarray of bool (N,)
        Where the last component is uniform instead of Gaussian.
    cut : optional
        Where the last component is cut by a box, and what it is there.

    Notes
    -----
    The quantile lies between those of the components with the lowest and the highest.  Newton's steps are taken where
    they stay in that bracket and are at most half as long as the step before; otherwise the bracket is halved.
    """
    low, high = _bracket(level, weights, means, sigmas, uniform, cut)
    enough, x = ROUNDING * (high - low), 0.5 * (low + high)
    result, rows, stride = x.copy(), np.arange(len(x)), high - low
    for _ in range(MOST_STEPS):
        excess, density = _distribution(x, weights, means, sigmas, uniform, cut)
        excess -= level
        low, high = np.where(excess < 0, x, low), np.where(excess < 0, high, x)
        with np.errstate(over="ignore"):
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
        cut = None if cut is None else cut.select(going)
    return result


def _bracket(
    level: float,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    uniform: NDArray[np.bool_],
    cut: _CutComponent | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.special import ndtri

    own = means + sigmas * ndtri(level)
    own[:, -1] = np.where(uniform, means[:, -1] + sigmas[:, -1] * UNIFORM_WIDTH * (level - 0.5), own[:, -1])
    used = weights > 0
    lowest, highest = np.where(used, own, np.inf), np.where(used, own, -np.inf)
    if cut is not None:
        known = cut.rows & used[:, -1]
        lowest[known, -1], highest[known, -1] = cut.low, cut.high
    return lowest.min(axis=1), highest.max(axis=1)


def _distribution(
    x: NDArray[np.float64],
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    uniform: NDArray[np.bool_],
    cut: _CutComponent | None,
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
    if cut is not None and cut.rows.any():
        below[cut.rows, -1], density[cut.rows, -1] = cut.truncated.distribution(cut.coordinate, x[cut.rows])
    return (weights * below).sum(axis=1), (weights * density).sum(axis=1)
