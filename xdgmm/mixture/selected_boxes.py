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
    mean, variance = noisy_boxes.interval_moments(first, last)
    inside = np.where((means >= low) & (means <= high), 0.0, -np.inf)
    log_probabilities = np.where(wide, noisy_boxes.log_interval(first, last), inside)
    a, b = np.where(wide, mean / s, 0.0), np.where(wide, (variance - 1.0) / s**2, 0.0)
    return InBox(log_probabilities, a[:, None], b[:, None, None])


@dataclass(frozen=True, eq=False)
class BoxNormaliser:
    """A `Normaliser` of objects that are in the sample if their measured values lie in a box.

    Attributes
    ----------
    low, high : ndarray (G, C)
        Edges of the columns that are cut, standardised.
    noise : ndarray (G, C, C)
        Covariances of the noise of each group there.
    projections : ndarray (G, C, D)
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
        totals, shares, of_means, of_covariances = self._terms(weights, means, covariances)
        s = group_weights[:, None] * shares
        K = len(means)
        members = s.sum(axis=0)
        grad_means = np.einsum("gk,gki->ki", s[:, :K], of_means)
        grad_covariances = np.einsum("gk,gkij->kij", s[:, :K], of_covariances)
        sums = Statistics(float(group_weights @ totals), members, grad_means, grad_covariances)
        return Selection(totals, sums)

    def log_probabilities(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln Z_g`` (G,)."""
        return self._terms(weights, means, covariances)[0]

    def slopes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Derivatives of each ``ln Z_g`` by all parameters (G, S + K D + K n)."""
        _, shares, of_means, of_covariances = self._terms(weights, means, covariances)
        K, G = len(means), len(shares)
        rows, columns = triangle(means.shape[1])
        of_weights = np.divide(shares, weights, out=np.zeros_like(shares), where=weights > 0)
        packed = np.where(rows == columns, 1.0, 2.0) * of_covariances[:, :, rows, columns]
        arrays = of_weights, shares[:, :K, None] * of_means, shares[:, :K, None] * packed
        return np.hstack([array.reshape(G, -1) for array in arrays])

    def take(self, groups: Indices) -> BoxNormaliser:
        """Some of the groups."""
        arrays = {name: array[groups] for name, array in vars(self).items()}
        return replace(self, **arrays)

    def _terms(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """``ln Z_g``, shares of components in it (G, S), and derivatives of each ``ln P`` by mean and covariance."""
        K, (G, C) = len(means), self.noise.shape[:2]
        R = self.projections[:, None]
        centres = (R @ means[:, :, None])[..., 0]
        T = R @ covariances @ R.mT + self.noise[:, None]
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
        half = 0.5 * (b + a[..., :, None] * a[..., None, :])
        return totals, shares, (R.mT @ a[..., None])[..., 0], R.mT @ half @ R
