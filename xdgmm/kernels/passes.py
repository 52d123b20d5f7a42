"""Run the compiled passes: lay a mixture out for them, share chunks among threads, add their sums in order."""

from typing import NamedTuple

import numpy as np

from . import compiled
from .blocks import LOG_2PI, aligned, triangle, unpack
from .compiled import COMMON, LANES, SMALLEST_PIVOT, element
from .compiling import announced
from .threads import share_out

LN2 = np.log(2.0)


class Sums(NamedTuple):
    """What one pass returns: lnL, and per component q (K,), g (K, D), H (K, D, D); with information A and B.

    ``q = sum omega r``, ``g = sum omega r u``, ``H = C - A = sum omega r (u u' - T^-1)``, ``A = sum omega r T^-1``
    (K, D, D) with ``u = T^-1 (w - m)``, ``T = V + S``; in one dimension ``B = sum omega r T^-2`` (K,).  A pivot that
    is not positive, or an object that no component can have made, makes lnL minus infinity and the sums zero.
    """

    log_likelihood: float
    q: np.ndarray
    g: np.ndarray
    H: np.ndarray
    A: np.ndarray | None = None
    B: np.ndarray | None = None


def accumulate(blocks, weights, means, covariances):
    """One pass under a mixture (weights (K,), means (K, D), covariances (K, D, D)): `Sums` without A and B."""
    return _accumulate(blocks, weights, means, covariances, informed=False)


def accumulate_with_information(blocks, weights, means, covariances):
    """One pass under a mixture (weights (K,), means (K, D), covariances (K, D, D)): all `Sums`."""
    return _accumulate(blocks, weights, means, covariances, informed=True)


def _accumulate(blocks, weights, means, covariances, *, informed):
    K, D = means.shape
    M = element(D, 0)
    amplitude, theta, white = _laid_out(blocks, weights, means, covariances)
    described = blocks.chunk_size, amplitude, theta, blocks.layout
    R = 1 + D + M + (M + (D == 1) if informed and white is None else 0)
    sums, ends = np.zeros((blocks.n_chunks, K, R)), np.zeros((blocks.n_chunks, 2, LANES))

    def task(first, last):
        kept, running = aligned((K, M + D + 2, LANES)), aligned((K, R, LANES))
        compiled.accumulate(blocks.data, blocks.taken, first, last, *described, kept, running, sums, ends)

    _run(task, blocks, K)
    log_likelihood = _in_nats(ends[:, 0].sum(), blocks)
    if not (ends[:, 1].min() > SMALLEST_PIVOT and np.isfinite(theta).all() and log_likelihood > -np.inf):
        return _impossible(K, D, informed=informed)
    added = sums.sum(axis=0)
    q, g, H = added[:, 0], added[:, 1 : 1 + D], unpack(added[:, 1 + D : 1 + D + M], D)
    A = B = None
    if white is not None:
        g, H, A, B = _coloured(q, g, H, white)
    elif informed:
        A, B = unpack(added[:, 1 + D + M : 1 + D + 2 * M], D), added[:, -1]
    return Sums(float(log_likelihood), q, g, H, A if informed else None, B if informed and D == 1 else None)


def _impossible(K, D, *, informed):
    A, B = (np.zeros((K, D, D)), np.zeros(K)) if informed else (None, None)
    return Sums(-np.inf, np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D)), A, B if D == 1 else None)


def log_densities(blocks, weights, means, covariances):
    """Log-density ln p(w_i) of every packed object (n_objects,); minus infinity where no component can be.

    A component that is singular for an object has no part in it.
    """
    amplitude, theta, _ = _laid_out(blocks, weights, means, covariances)
    described = blocks.chunk_size, amplitude, theta, blocks.layout
    out = np.empty((blocks.n_blocks, LANES))

    def task(first, last):
        kept = aligned((2 * len(weights), LANES))
        compiled.log_densities(blocks.data, blocks.taken, first, last, *described, kept, out)

    _run(task, blocks, len(weights))
    out *= LN2
    found = out.reshape(-1)[: blocks.n_objects]
    found -= 0.5 * LOG_2PI * (blocks.n_present if blocks.layout.missing else blocks.n_dimensions)
    return found


def responsibilities(blocks, weights, means, covariances, component=None):
    """Probability that each packed object belongs to each component (n_objects, K), or to one of them (n_objects, 1).

    Not a number for an object that no component can have made; a component that is singular for an object has no part
    in it.
    """
    amplitude, theta, _ = _laid_out(blocks, weights, means, covariances)
    described = blocks.chunk_size, amplitude, theta, blocks.layout
    first_component, n_out = (0, len(weights)) if component is None else (component, 1)
    out = np.empty((blocks.n_blocks, n_out, LANES))

    def task(first, last):
        kept = aligned((2 * len(weights), LANES))
        compiled.responsibilities(blocks.data, blocks.taken, first, last, *described, kept, first_component, out)

    _run(task, blocks, len(weights))
    return out.transpose(0, 2, 1).reshape(-1, n_out)[: blocks.n_objects]


def log_likelihoods(blocks, weights, means, covariances):
    """Log-likelihood of the packed objects under each of W mixtures, whose arrays have one axis more in front: (W,)."""
    W, K = weights.shape
    D = blocks.n_dimensions
    flat = weights.reshape(-1), means.reshape(-1, D), covariances.reshape(-1, D, D)
    amplitude, theta, _ = _laid_out(blocks, *flat)
    described = blocks.chunk_size, amplitude, theta, blocks.layout
    ends = np.zeros((blocks.n_chunks, W, 2))

    def task(first, last):
        kept, running = aligned((2 * K, LANES)), aligned((W, 2, LANES))
        compiled.log_likelihoods(blocks.data, blocks.taken, first, last, *described, kept, running, ends)

    _run(task, blocks, W * K)
    possible = (ends[:, :, 1].sum(axis=0) == 0) & np.isfinite(theta).reshape(W, -1).all(axis=1)
    return np.where(possible, _in_nats(ends[:, :, 0].sum(axis=0), blocks), -np.inf)


def _run(task, blocks, n_components):
    with announced():
        share_out(task, blocks.n_chunks, _nanoseconds(blocks, n_components))


def _nanoseconds(blocks, n_components):
    """About how long a pass takes on one thread."""
    return blocks.n_objects * n_components * (2.0 + 0.07 * blocks.n_dimensions**3)


def _in_nats(log2_likelihood, blocks):
    return LN2 * log2_likelihood - 0.5 * LOG_2PI * blocks.n_values


def _laid_out(blocks, weights, means, covariances):
    """What the kernels read of a mixture: amplitude (K, 2), theta (K, M + D); and L^-1 (K, D, D) of common noise."""
    alive = weights > 0
    D = means.shape[1]
    i, j = triangle(D)
    scale, power = np.frexp(weights)
    matrices, white = covariances, None
    if len(blocks.layout.noise) == COMMON:
        matrices = white = _whitening(np.where(alive[:, None, None], covariances + blocks.common, np.eye(D)))
        fraction, exponent = np.frexp(np.diagonal(white, axis1=1, axis2=2))
        scale, power = scale * fraction.prod(axis=1), power + exponent.sum(axis=1)
    theta = np.empty((weights.size, element(D, D)))  # as the kernels read it: in C order, double precision
    theta[:, : element(D, 0)], theta[:, element(D, 0) :] = matrices[:, i, j], -means
    amplitude = np.empty((weights.size, 2))
    amplitude[:, 0], amplitude[:, 1] = scale, power
    if not alive.all():
        amplitude[~alive], theta[~alive] = 0.0, 0.0
    return amplitude, theta, white


def _whitening(matrices):
    """Inverse Cholesky factors (K, D, D); not a number for a matrix that has none."""
    L = _factors(matrices)
    singular = ~(np.diagonal(L, axis1=1, axis2=2).min(axis=1) ** 2 > SMALLEST_PIVOT)
    L[singular] = np.nan
    white = np.zeros_like(L)
    for i in range(matrices.shape[1]):
        white[:, i, :i] = -np.einsum("kj,kjl->kl", L[:, i, :i], white[:, :i, :i])
        white[:, i, i] = 1.0
        white[:, i, : i + 1] /= L[:, i, i][:, None]
    return white


def _factors(matrices):
    try:
        return np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
        return np.concatenate([_factors(matrix[None]) for matrix in matrices])


def _coloured(q, g, moments, white):
    """Sums from those of common noise: ``g = L'^-1 sum r z``, ``C = L'^-1 (sum r z z') L^-1``, ``A = q T^-1``."""
    back = np.swapaxes(white, 1, 2)
    inverse = back @ white
    H = back @ (moments - q[:, None, None] * np.eye(g.shape[1])) @ white
    return np.einsum("kij,kj->ki", back, g), H, q[:, None, None] * inverse, q * inverse[:, 0, 0] ** 2
