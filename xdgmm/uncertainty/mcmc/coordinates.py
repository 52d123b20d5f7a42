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
        self._starts, self._powers_of_complements = np.concatenate([[0], self.ends]), self._powers()

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
        z = np.ascontiguousarray(z)
        W, mixture = len(z), self.mixture
        all_weights, means, covariances = (
            np.empty((W, *array.shape)) for array in (mixture.all_weights, mixture.means, mixture.covariances)
        )
        all_weights[:], means[:], covariances[:] = mixture.all_weights, mixture.means, mixture.covariances
        log_within, log_sigmas = np.empty((W, self.free_weights.size)), np.empty((W, self.axis_of.size))
        logarithms = np.empty((W, 2))
        free = self.free_weights, float(self.rest), self.free_means
        places = self.sigma_of, self.correlation_of, self._powers_of_complements
        written = all_weights, means, covariances, log_within, log_sigmas, logarithms
        kernels.from_unconstrained(z, self._starts, FARTHEST, *free, *places, *written)
        return Parameters(all_weights, means, covariances, log_within, log_sigmas, logarithms[:, 0], logarithms[:, 1])

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

    def exchanged(self, z: Array, order: Indices) -> Array:
        """Coordinates (W, P) of the same mixtures with their components in another order (W, K)."""
        n_ratios, n_means, n_sigmas = self.ends[:3]
        rows = np.arange(len(z))[:, None]
        result = z.copy()
        if n_ratios:
            background = np.arange(order.shape[1], self.mixture.all_weights.size)
            places = np.concatenate([order, np.tile(background, (len(z), 1))], axis=1)[:, self.free_weights]
            logits = np.zeros((len(z), self.mixture.all_weights.size))
            logits[:, self.free_weights[:-1]] = z[:, :n_ratios]
            moved = logits[rows, places]
            result[:, :n_ratios] = moved[:, :-1] - moved[:, -1:]
        where = np.full(order.shape[1], -1)
        where[self.free_means] = np.arange(self.free_means.size)
        means = z[:, n_ratios:n_means].reshape(len(z), self.free_means.size, self.mixture.n_dimensions)
        result[:, n_ratios:n_means] = means[rows, where[order[:, self.free_means]]].reshape(len(z), -1)
        for first, owners in ((n_means, self.sigma_of), (n_sigmas, self.correlation_of)):
            for k, component in enumerate(owners):
                used = component >= 0
                result[:, first + component[used]] = z[rows, first + owners[order[:, k]][:, used]]
        return result

    def reported(self, parameters: Parameters) -> Array:
        """The free parameters (W, Q), in the order of `PosteriorSamples.parameters`, standardised."""
        sigmas = np.exp(parameters.log_sigmas)
        variances = np.diagonal(parameters.covariances, axis1=2, axis2=3)
        correlations = [
            parameters.covariances[:, k, i, j] / np.sqrt(variances[:, k, i] * variances[:, k, j])
            for k, i, j in self._places_of_correlations
        ]
        weights, means = parameters.all_weights[:, self.free_weights], parameters.means[:, self.free_means]
        return np.column_stack([weights, means.reshape(len(means), -1), sigmas, *correlations])

    @property
    def _places_of_correlations(self) -> list[tuple[int, int, int]]:
        """Component, row and column of each free correlation, the first where components share it."""
        places = []
        for owner in range(self.ends[3] - self.ends[2]):
            k, m = np.argwhere(self.correlation_of == owner)[0]
            places.append((k, self.below[0][m], self.below[1][m]))
        return places

    def _powers(self) -> Array:
        """Of ``1 - r^2`` in the Jacobian of each partial correlation: (D - 2 - j) / 2 in column j, one of tanh."""
        powers = np.zeros(self.ends[3] - self.ends[2])
        D = self.mixture.n_dimensions
        for owners in self.correlation_of:
            used = owners >= 0
            powers[owners[used]] = 1.0 + 0.5 * (D - 2 - self.below[1][used])
        return powers


def _numbered(owners: Indices) -> Indices:
    """Owners of parameters (K, n) numbered from 0 without gaps; -1 stays."""
    used = owners >= 0
    result = np.full(owners.shape, -1)
    result[used] = np.unique(owners[used], return_inverse=True)[1]
    return result


def _partial(covariance: Array, below: tuple[Indices, Indices]) -> Array:
    """Transformed canonical partial correlations (M,) of one covariance."""
    sigmas = np.sqrt(np.diag(covariance))
    L = np.linalg.cholesky(covariance / sigmas[:, None] / sigmas)
    left = np.sqrt(np.cumsum((L**2)[:, ::-1], axis=1)[:, ::-1])  # norm of the rest of each row from column j on
    return np.arctanh(np.clip(L[below] / left[below], -1.0 + 1e-15, 1.0 - 1e-15))
