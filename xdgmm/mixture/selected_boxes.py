"""Probabilities that values with noise lie in a box, under a mixture, with their derivatives.

Of a Gaussian with mean m and covariance T, cut in some columns C, ``ln P`` depends on these columns alone.  With mean
and covariance of the Gaussian in the box, ``a = T_CC^-1 (E - m)_C`` is its derivative by the mean, and
``(b + a a') / 2`` with ``b = T_CC^-1 Cov_CC T_CC^-1 - T_CC^-1`` that by the covariance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.kernels import Correlated, Selection, Statistics, triangle

from . import noisy_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

REACH = 40.0  # standard deviations: an edge that is farther away than this cuts nothing

FARTHEST = 1e8  # standard deviations: beyond, squares lose all digits


class InBox(NamedTuple):
    """Gaussians cut by a box.

    Attributes
    ----------
    log_probabilities : ndarray (n,)
        ``ln P``.
    a : ndarray (n, C)
    b : ndarray (n, C, C)
        See above.
    """

    log_probabilities: Floats
    a: Floats
    b: Floats


def in_box(means: Floats, covariances: Floats, low: Floats, high: Floats) -> InBox:
    """Gaussians (n, C), (n, C, C), each in a box with corners (n, C), infinite where there is no edge.

    One without width in a column lies inside or outside, and has no derivative.
    """
    if means.shape[1] == 1:
        return _in_interval(means[:, 0], covariances[:, 0, 0], low[:, 0], high[:, 0])
    sigmas = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    reach = REACH * np.where(sigmas > 0, sigmas, 1.0)
    box = np.clip(low, means - reach, means + 2.0 * reach), np.clip(high, means - 2.0 * reach, means + reach)
    noise = Correlated(covariances)
    with np.errstate(all="ignore"):
        log_probabilities = noisy_boxes.log_probabilities(means, noise, *box)
        inside, spread = noisy_boxes.moments(means, noise, *box)
    inverse = np.linalg.pinv(covariances, hermitian=True)
    a = np.einsum("nij,nj->ni", inverse, inside - means)
    return InBox(log_probabilities, a, inverse @ spread @ inverse - inverse)


def _in_interval(means: Floats, variances: Floats, low: Floats, high: Floats) -> InBox:
    sigmas = np.sqrt(np.maximum(variances, 0.0))
    wide = sigmas > 0
    s = np.where(wide, sigmas, 1.0)
    first, last = (low - means) / s, (high - means) / s
    if np.isneginf(low).all():
        log_p, mean, excess = _below(last)
    elif np.isposinf(high).all():
        log_p, mean, excess = _below(-first)
        mean = -mean
    else:
        mean, variance = noisy_boxes.interval_moments(first, last)
        log_p, excess = noisy_boxes.log_interval(first, last), variance - 1.0
    inside = np.where((means >= low) & (means <= high), 0.0, -np.inf)
    log_probabilities = np.where(wide, log_p, inside)
    a, b = np.where(wide, mean / s, 0.0), np.where(wide, excess / s**2, 0.0)
    return InBox(log_probabilities, a[:, None], b[:, None, None])


def _below(t: Floats) -> tuple[Floats, Floats, Floats]:
    """Of a standard normal below t: logarithm of the probability, mean, and variance less one."""
    from scipy.special import log_ndtr

    t = np.clip(t, -FARTHEST, REACH)
    log_p = log_ndtr(t)
    ratio = np.exp(-0.5 * t * t - noisy_boxes.LOG_ROOT_2PI - log_p)
    return log_p, -ratio, -ratio * (t + ratio)


@dataclass(frozen=True, eq=False)
class BoxNormaliser:
    """A `Normaliser` of objects that are in the sample if their measured values lie in a box.

    Attributes
    ----------
    low, high : ndarray (G, C)
        Edges of the columns that are cut, standardised.
    noise : ndarray (G, C, C)
        Covariances of the noise of each group there.
    projections : ndarray (G, C, D) or (1, C, D)
        From the coordinates to these columns.
    of_background : ndarray (G,)
        Probability that an object of the background is in the sample.
    """

    low: Floats
    high: Floats
    noise: Floats
    projections: Floats
    of_background: Floats

    def accumulate(self, group_weights: Floats, weights: Floats, means: Floats, covariances: Floats) -> Selection:
        """Each ``ln Z_g``, and the sums over groups of these weights (G,)."""
        totals, shares, a, half = self._terms(weights, means, covariances)
        s = group_weights[:, None] * shares
        of_gaussians = s[:, : len(means)]
        grad_means, grad_covariances = self._sums(of_gaussians[:, :, None] * a, of_gaussians[:, :, None, None] * half)
        sums = Statistics(float(group_weights @ totals), s.sum(axis=0), grad_means, grad_covariances)
        return Selection(totals, sums)

    def _sums(self, a: Floats, half: Floats) -> tuple[Floats, Floats]:
        """Sums over groups of derivatives by means (K, D) and covariances (K, D, D), from those in the cut columns."""
        R = self.projections
        if len(R) == 1:
            return a.sum(axis=0) @ R[0], R[0].T @ half.sum(axis=0) @ R[0]
        G, K, C = a.shape
        D = R.shape[2]
        of_means = np.moveaxis(a, 1, 0).reshape(K, G * C) @ R.reshape(G * C, D)
        squares = (R[:, :, None, :, None] * R[:, None, :, None, :]).reshape(G * C * C, D * D)
        return of_means, (np.moveaxis(half, 1, 0).reshape(K, G * C * C) @ squares).reshape(K, D, D)

    def log_probabilities(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln Z_g`` (G,)."""
        return self._terms(weights, means, covariances)[0]

    def slopes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Derivatives of each ``ln Z_g`` by all parameters (G, S + K D + K n)."""
        _, shares, a, half = self._terms(weights, means, covariances)
        R = self.projections[:, None]
        of_means, of_covariances = (R.mT @ a[..., None])[..., 0], R.mT @ half @ R
        K, G = len(means), len(shares)
        rows, columns = triangle(means.shape[1])
        of_weights = np.divide(shares, weights, out=np.zeros_like(shares), where=weights > 0)
        packed = np.where(rows == columns, 1.0, 2.0) * of_covariances[:, :, rows, columns]
        arrays = of_weights, shares[:, :K, None] * of_means, shares[:, :K, None] * packed
        return np.hstack([array.reshape(G, -1) for array in arrays])

    def take(self, groups: Indices) -> BoxNormaliser:
        """Some of the groups."""
        shared = len(self.projections) == 1
        arrays = {n: array[groups] for n, array in vars(self).items() if not (n == "projections" and shared)}
        return replace(self, **arrays)

    def _terms(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """``ln Z_g``, shares of components in it (G, S), derivatives of each ``ln P`` in the columns that are cut."""
        K, (G, C) = len(means), self.noise.shape[:2]
        R = self.projections
        centres = np.broadcast_to(np.moveaxis(R @ means.T, 2, 1), (G, K, C))
        T = R[:, None] @ covariances @ R.mT[:, None] + self.noise[:, None]
        edges = (np.repeat(edge, K, axis=0) for edge in (self.low, self.high))
        found = in_box(centres.reshape(-1, C), T.reshape(-1, C, C), *edges)
        log_p, a, b = (array.reshape(G, K, *array.shape[1:]) for array in found)
        with np.errstate(divide="ignore"):
            terms = np.log(weights[:K]) + log_p
            if weights.size > K:
                terms = np.column_stack([terms, np.log(weights[K]) + np.log(self.of_background)])
        totals = np.logaddexp.reduce(terms, axis=1)
        with np.errstate(invalid="ignore"):
            shares = np.where(totals[:, None] > -np.inf, np.exp(terms - totals[:, None]), 0.0)
        return totals, shares, a, 0.5 * (b + a[..., :, None] * a[..., None, :])
