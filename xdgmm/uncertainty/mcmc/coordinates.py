"""Unconstrained coordinates of all free parameters of a mixture, for many mixtures at once.

Weights by additive log-ratios, means as they are (standardised), intrinsic sigmas by their logarithms, and correlations
by canonical partial correlations through the hyperbolic tangent (Lewandowski, Kurowicka & Joe 2009, J. Multivar. Anal.
100, 1989, sec. 2).  Every point is a valid mixture, and the Jacobian has a closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xdgmm import kernels

if TYPE_CHECKING:
    from xdgmm.fitting.constraints import Constraints
    from xdgmm.mixture import GaussianMixture

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

FARTHEST = 100.0  # largest log-ratio, log-sigma and transformed correlation that is computed with


@dataclass(frozen=True, eq=False)
class Parameters:
    """The parameters of W mixtures, and numbers that their priors need.

    Attributes
    ----------
    all_weights, means, covariances : ndarray (W, S), (W, K, D), (W, K, D, D)
    log_within : ndarray (W, F)
        Logarithm of the free weights as fractions of one minus the fixed ones.
    log_sigmas : ndarray (W, n)
        Of the free sigmas, one for each coordinate.
    log_determinants : ndarray (W,)
        Sum of the log-determinants of the free correlation matrices.
    log_jacobian : ndarray (W,)
        Of free weights (except the last, as fractions), means, sigmas and correlations with respect to the coordinates;
        minus infinity too far out to be computed with.
    """

    all_weights: Array
    means: Array
    covariances: Array
    log_within: Array
    log_sigmas: Array
    log_determinants: Array
    log_jacobian: Array


class Coordinates:
    """The map between mixtures and unconstrained coordinates z (P,); what is fixed has none.

    Parameters
    ----------
    mixture : GaussianMixture
        Standardised; fixed parameters are taken from it.
    constraints : Constraints
        What is fixed, and which sigmas and correlations the covariance type has.

    Attributes
    ----------
    free_weights, free_means : ndarray of int
        Which weights, and which components' means, are free.
    sigma_of : ndarray of int (K, D)
        Which of the n log-sigmas each sigma is; -1 where it is fixed.
    axis_of : ndarray of int (n,)
        The axis of each log-sigma, the first one where axes share it.
    correlation_of : ndarray of int (K, D (D - 1) / 2)
        Which transformed partial correlation each element below the diagonal belongs to; -1 where there is none.
    size : int
        P.
    """

    def __init__(self, mixture: GaussianMixture, constraints: Constraints) -> None:
        self.mixture = mixture
        D = mixture.n_dimensions
        free = np.flatnonzero(~constraints.fixed_weights)
        self.free_weights = free if free.size > 1 else free[:0]
        self.rest = mixture.all_weights[self.free_weights].sum()
        self.free_means = np.flatnonzero(~constraints.fixed_means)
        rows, columns = kernels.triangle(D)
        owners = constraints.parameter_indices(rows, columns)
        self.sigma_of = _numbered(owners[:, rows == columns])
        self.below = rows[rows != columns], columns[rows != columns]
        self.correlation_of = _numbered(owners[:, rows != columns])
        self.fixed_covariances = constraints.fixed_covariances
        n_sigmas, n_correlations = self.sigma_of.max(initial=-1) + 1, self.correlation_of.max(initial=-1) + 1
        first = np.array([np.flatnonzero(self.sigma_of.ravel() == n)[0] for n in range(n_sigmas)], int)
        self.axis_of, self.component_of = first % D, first // D
        sizes = max(self.free_weights.size - 1, 0), self.free_means.size * D, n_sigmas, n_correlations
        self.ends = np.cumsum(sizes)
        self.size = int(self.ends[-1])

    @property
    def sigmas(self) -> slice:
        """Where the log-sigmas stand in z."""
        return slice(self.ends[1], self.ends[2])

    @property
    def n_matrices(self) -> int:
        """Number of free correlation matrices."""
        return np.unique(self.correlation_of[self.correlation_of >= 0]).size // max(len(self.below[0]), 1)

    def at(self, z: Array) -> Parameters:
        """`Parameters` of the mixtures at coordinates z (W, P)."""
        near = (np.abs(z[:, self.ends[1] :]) < FARTHEST).all(axis=1)
        ratios, means, log_sigmas, y = np.split(z, self.ends[:3], axis=1)
        log_sigmas, y = np.clip(log_sigmas, -FARTHEST, FARTHEST), np.clip(y, -FARTHEST, FARTHEST)
        log_within = _log_softmax(ratios) if self.free_weights.size else np.zeros((len(z), 0))
        log_complements = _log_complements(y)
        log_jacobian = log_within.sum(axis=1) + log_sigmas.sum(axis=1) + self._log_of_correlations(log_complements)
        return Parameters(
            self._weights(log_within),
            self._means(means),
            self._covariances(log_sigmas, y),
            log_within,
            log_sigmas,
            log_complements.sum(axis=1),
            np.where(near, log_jacobian, -np.inf),
        )

    def of(self, mixture: GaussianMixture) -> Array:
        """The coordinates z (P,) of a mixture whose free weights, sigmas and correlations are not degenerate."""
        within = mixture.all_weights[self.free_weights]
        ratios = np.log(within[:-1] / within[-1:])
        log_sigmas = np.log(mixture.sigmas[self.component_of, self.axis_of])
        y = np.zeros(self.ends[3] - self.ends[2])
        for k in range(mixture.n_components):
            owners = self.correlation_of[k]
            y[owners[owners >= 0]] = _partial(mixture.covariances[k], self.below)[owners >= 0]
        return np.concatenate([ratios, mixture.means[self.free_means].ravel(), log_sigmas, y])

    def _weights(self, log_within: Array) -> Array:
        all_weights = np.tile(self.mixture.all_weights, (len(log_within), 1))
        if self.free_weights.size:
            all_weights[:, self.free_weights] = self.rest * np.exp(log_within)
        return all_weights

    def _means(self, free: Array) -> Array:
        means = np.tile(self.mixture.means, (len(free), 1, 1))
        means[:, self.free_means] = free.reshape(len(free), self.free_means.size, means.shape[2])
        return means

    def _covariances(self, log_sigmas: Array, y: Array) -> Array:
        D = self.mixture.n_dimensions
        sigmas = np.exp(_picked(log_sigmas, self.sigma_of))
        factors = sigmas[..., None] * _correlation_factors(_picked(y, self.correlation_of), D)
        covariances = factors @ np.swapaxes(factors, -1, -2)
        covariances = 0.5 * (covariances + np.swapaxes(covariances, -1, -2))
        covariances[:, self.fixed_covariances] = self.mixture.covariances[self.fixed_covariances]
        return covariances

    def _log_of_correlations(self, log_complements: Array) -> Array:
        """The term ln |d R / d y|: (1 - r^2)^((D - 2 - j) / 2) of a partial correlation in column j, and its tanh."""
        powers = np.zeros(log_complements.shape[1])
        D = self.mixture.n_dimensions
        for owners in self.correlation_of:
            used = owners >= 0
            powers[owners[used]] = 1.0 + 0.5 * (D - 2 - self.below[1][used])
        return log_complements @ powers


def _numbered(owners: Indices) -> Indices:
    """Owners of parameters (K, n) numbered from 0 without gaps; -1 stays."""
    used = owners >= 0
    result = np.full(owners.shape, -1)
    result[used] = np.unique(owners[used], return_inverse=True)[1]
    return result


def _picked(values: Array, index: Indices) -> Array:
    """Values (W, n) at each index (K, M): (W, K, M); zero where the index is -1."""
    return np.concatenate([values, np.zeros((len(values), 1))], axis=1)[:, index]


def _log_softmax(ratios: Array) -> Array:
    """Logarithms of fractions whose log-ratios to the last are given (W, F - 1): (W, F)."""
    logits = np.concatenate([ratios, np.zeros((len(ratios), 1))], axis=1)
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def _log_complements(y: Array) -> Array:
    """``ln(1 - tanh(y)^2)`` without loss of digits."""
    size = np.abs(y)
    return np.asarray(2.0 * (np.log(2.0) - size - np.log1p(np.exp(-2.0 * size))))


def _correlation_factors(y: Array, D: int) -> Array:
    """Triangular factors (W, K, D, D) of correlation matrices, from transformed partial correlations (W, K, M)."""
    W, K = y.shape[:2]
    r, complements = np.tanh(y), 1.0 / np.cosh(y)
    factors = np.zeros((W, K, D, D))
    factors[..., 0, 0] = 1.0
    m = 0
    for i in range(1, D):
        left = np.ones((W, K))
        for j in range(i):
            factors[..., i, j] = r[..., m] * left
            left = left * complements[..., m]
            m += 1
        factors[..., i, i] = left
    return factors


def _partial(covariance: Array, below: tuple[Indices, Indices]) -> Array:
    """Transformed canonical partial correlations (M,) of one covariance."""
    sigmas = np.sqrt(np.diag(covariance))
    L = np.linalg.cholesky(covariance / sigmas[:, None] / sigmas)
    left = np.sqrt(np.cumsum((L**2)[:, ::-1], axis=1)[:, ::-1])  # norm of the rest of each row from column j on
    return np.arctanh(np.clip(L[below] / left[below], -1.0 + 1e-15, 1.0 - 1e-15))
