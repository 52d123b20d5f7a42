"""Run the compiled passes: bring a mixture into their layout, share chunks among threads, add their sums in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.linalg import symmetric

from . import compiled
from .blocks import LN2, LOG_2PI, aligned, triangle, unpack
from .compiled import BESIDE, LANES, PROJECTED, SMALLEST_PIVOT, element
from .compiling import announced
from .conditioning import congruent, invert
from .posteriors import Posteriors
from .statistics import Gradients, Statistics
from .threads import run_in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .blocks import Blocks

    Floats = NDArray[np.float64]


MOST_SUMS = 4_000_000  # numbers that are held at once


def accumulate(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
    """One pass under a mixture (weights (K,), means (K, D), covariances (K, D, D)): `Statistics` without information.

    Here and in the other passes, objects with a background take weights (K + 1,), whose last entry is the background's.
    """
    return _accumulate(blocks, weights, means, covariances, with_information=False)


def accumulate_with_information(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
    """One pass under a mixture (weights (K,), means (K, D), covariances (K, D, D)): all `Statistics`."""
    return _accumulate(blocks, weights, means, covariances, with_information=True)


def _accumulate(
    blocks: Blocks, weights: Floats, means: Floats, covariances: Floats, *, with_information: bool
) -> Statistics:
    amplitude, theta, white = _kernel_parameters(blocks, weights, means, covariances)
    sums, likelihoods = _sums(blocks, amplitude, theta, 1, with_information=with_information and white is None)
    return _completed(blocks, sums[0], likelihoods[0], theta, white, means.shape, with_information=with_information)


def gradients(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
    """Log-likelihood and gradient under each of W mixtures, whose arrays have one axis more in front.

    The same bits as `accumulate` of each, but the layout of the mixtures and the threads are set up once for all.
    """
    W, K = len(weights), means.shape[1]
    found = []
    at_once = max(MOST_SUMS // (blocks.n_chunks * weights.shape[1] * element(means.shape[2], means.shape[2])), 1)
    for start in range(0, W, at_once):
        part = slice(start, start + at_once)
        n = len(weights[part])
        amplitude, theta, white = _kernel_parameters(blocks, weights[part], means[part], covariances[part])
        sums, likelihoods = _sums(blocks, amplitude, theta, n, with_information=False)
        whites = [None] * n if white is None else white.reshape(n, K, *white.shape[1:])
        each = zip(sums, likelihoods, theta.reshape(n, -1), whites, strict=True)
        found += [_completed(blocks, *one, means.shape[1:], with_information=False) for one in each]
    return Gradients.of(found)


def _sums(
    blocks: Blocks, amplitude: Floats, theta: Floats, n_mixtures: int, *, with_information: bool
) -> tuple[Floats, Floats]:
    """Sums over each chunk under each mixture (W, chunks, K, n), and likelihoods (W, chunks, 2, LANES)."""
    D, M = len(blocks.layout.dimensions), len(blocks.layout.measured)
    n, K, n_chunks = element(D, 0), len(amplitude) // n_mixtures, blocks.n_chunks
    n_sums = 1 + D + n + (n + (D == 1) if with_information else 0)
    sums, likelihoods = np.zeros((n_mixtures, n_chunks, K, n_sums)), np.zeros((n_mixtures, n_chunks, 2, LANES))
    amplitudes, thetas = amplitude.reshape(n_mixtures, K, 2), theta.reshape(n_mixtures, K, -1)

    def task(first: int, last: int) -> None:
        factors = aligned((K, element(M, M) + 2, LANES))
        running = aligned((K, n_sums, LANES))
        for w in range(first // n_chunks, -(-last // n_chunks)):  # chunks of all mixtures, one after the other
            start, end = max(first - w * n_chunks, 0), min(last - w * n_chunks, n_chunks)
            arguments = blocks.chunk_size, amplitudes[w], thetas[w], blocks.layout, factors, running
            compiled.accumulate(blocks.data, blocks.taken, start, end, *arguments, sums[w], likelihoods[w])

    with announced():
        run_in_threads(task, n_mixtures * n_chunks, n_mixtures * _nanoseconds(blocks, K))
    return sums, likelihoods


def _completed(
    blocks: Blocks,
    sums: Floats,
    likelihoods: Floats,
    theta: Floats,
    white: Floats | None,
    shape: tuple[int, int],
    *,
    with_information: bool,
) -> Statistics:
    """`Statistics` of the sums over each chunk, for means of this shape (K, D)."""
    K, D = shape[0], len(blocks.layout.dimensions)
    n = element(D, 0)
    log_likelihood = LN2 * float(likelihoods[:, 0].sum()) - 0.5 * LOG_2PI * blocks.n_values
    if not (likelihoods[:, 1].min() > SMALLEST_PIVOT and np.isfinite(theta).all() and log_likelihood > -np.inf):
        return _impossible(sums.shape[1], *shape, with_information=with_information)
    added = sums.sum(axis=0)
    q, moments = added[:, 0], added[:K]
    g, H = moments[:, 1 : 1 + D], unpack(moments[:, 1 + D : 1 + D + n], D)
    A = B = None
    if white is not None:
        g, H, A, B = _moments_of_whitened(q[:K], g, H, white)
    elif with_information:
        A, B = unpack(moments[:, 1 + D + n : 1 + D + 2 * n], D), moments[:, -1]
    if blocks.projection is not None:
        g, H, A, B = _pulled_back(blocks.projection, g, H, A, B)
    A, B = (A, B if shape[1] == 1 else None) if with_information else (None, None)
    return Statistics(log_likelihood, q, g, 0.5 * H, A, B)


def _impossible(n_components: int, K: int, D: int, *, with_information: bool) -> Statistics:
    A, B = (np.zeros((K, D, D)), np.zeros(K)) if with_information else (None, None)
    return Statistics(-np.inf, np.zeros(n_components), np.zeros((K, D)), np.zeros((K, D, D)), A, B if D == 1 else None)


def log_likelihoods(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> Floats:
    """Log-density ln p(w_i) of every packed object (n_objects,); minus infinity where all components have density zero.

    A component that is singular for an object is left out there.
    """
    amplitude, theta, _ = _kernel_parameters(blocks, weights, means, covariances)
    arguments = blocks.chunk_size, amplitude, theta, blocks.layout
    out = np.empty((blocks.n_blocks, LANES))

    def task(first: int, last: int) -> None:
        work = aligned((2 * len(weights), LANES))
        compiled.log_likelihoods(blocks.data, blocks.taken, first, last, *arguments, work, out)

    _run(task, blocks, len(weights))
    return _natural_logarithms(out.reshape(-1)[: blocks.n_objects], blocks)


def _natural_logarithms(log2_densities: Floats, blocks: Blocks) -> Floats:
    """``ln p`` in the place of ``log2 p`` without the (2 pi)^(-1/2) of each value."""
    log2_densities *= LN2
    log2_densities -= 0.5 * LOG_2PI * (blocks.n_present if blocks.incomplete else blocks.n_measured)
    return log2_densities


def responsibilities(
    blocks: Blocks, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
) -> Floats:
    """Probability that each packed object belongs to each component (n_objects, K), or to one of them (n_objects, 1).

    With a background its own column is the last.  Not a number for an object where all components have density zero; a
    component that is singular for an object is left out there.
    """
    amplitude, theta, _ = _kernel_parameters(blocks, weights, means, covariances)
    arguments = blocks.chunk_size, amplitude, theta, blocks.layout
    first_component, n_out = (0, len(weights)) if component is None else (component, 1)
    out = np.empty((blocks.n_blocks * LANES, n_out))

    def task(first: int, last: int) -> None:
        work = aligned((2 * len(weights), LANES))
        compiled.responsibilities(blocks.data, blocks.taken, first, last, *arguments, work, first_component, out)

    _run(task, blocks, len(weights))
    return out[: blocks.n_objects]


def posteriors(
    blocks: Blocks, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False
) -> Posteriors:
    """What is known of every packed object: `Posteriors`; `of_each`: under each Gaussian too.

    A component that is singular for an object has responsibility zero there; its own posterior leaves out the
    directions in which it has no width.
    """
    blocks = blocks.with_own_projections()
    (K, D), n = means.shape, blocks.n_blocks * LANES
    amplitude, theta, _ = _kernel_parameters(blocks, weights, means, covariances)
    prior = _priors(means, covariances, blocks.common)
    whole = weights[:K].sum()
    among_gaussians = np.append(weights[:K] / whole if whole > 0.0 else np.full(K, 1.0 / K), np.zeros(weights.size - K))
    fallback = np.column_stack([weights, among_gaussians])
    each = (n, K) if of_each else (0, 0)
    shapes = (n,), (n, weights.size), (n,), (n, D), (n, D, D), (*each, D), (*each, D, D)
    out = [np.empty(shape) for shape in shapes]

    def task(first: int, last: int) -> None:
        work, centres = aligned((2 * weights.size, LANES)), aligned((K * D, LANES))
        arguments = amplitude, theta, blocks.layout, fallback, prior, work, centres
        compiled.posteriors(blocks.data, blocks.taken, first, last, blocks.chunk_size, *arguments, *out)

    _run(task, blocks, 2 * weights.size)
    log_likelihoods, *others = (array[: blocks.n_objects] for array in out)
    log_likelihoods = _natural_logarithms(log_likelihoods, blocks)
    return Posteriors(log_likelihoods, *others) if of_each else Posteriors(log_likelihoods, *others[:4])


def _priors(means: Floats, covariances: Floats, common: Floats | None) -> Floats:
    """What `compiled.posteriors` reads of each Gaussian (K, n)."""
    i, j = triangle(means.shape[1])
    if common is None:
        return np.hstack([covariances[:, i, j], -means])
    V = np.moveaxis(covariances, 0, -1)
    T, identity = V + common[:, :, None], np.eye(means.shape[1])[:, :, None]
    inverse, pivots = invert(T)
    gain, outside = (np.einsum("ijk,jlk->ilk", each, inverse) for each in (V, T))
    posterior = congruent(identity - gain, V) + congruent(gain, common[:, :, None])
    diagonal = np.einsum("iik->ik", posterior)
    np.maximum(diagonal, 0.0, out=diagonal)
    tolerances = np.where(pivots == 0.0, BESIDE * np.sqrt(np.einsum("iik->ik", T)), np.inf)
    parts = posterior[i, j], -means.T, gain, inverse[i, j], identity - outside, tolerances
    return np.ascontiguousarray(np.concatenate([part.reshape(-1, len(means)) for part in parts]).T)


def total_log_likelihoods(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> Floats:
    """Log-likelihood of the packed objects under each of W mixtures, whose arrays have one axis more in front: (W,)."""
    W, K = weights.shape
    amplitude, theta, _ = _kernel_parameters(blocks, weights, means, covariances)
    arguments = blocks.chunk_size, amplitude, theta, blocks.layout
    likelihoods = np.zeros((blocks.n_chunks, W, 2))

    def task(first: int, last: int) -> None:
        work, running = aligned((2 * K, LANES)), aligned((W, 2, LANES))
        compiled.total_log_likelihoods(blocks.data, blocks.taken, first, last, *arguments, work, running, likelihoods)

    _run(task, blocks, W * K)
    log2_likelihoods, n_singular = likelihoods[:, :, 0].sum(axis=0), likelihoods[:, :, 1].sum(axis=0)
    possible = (n_singular == 0) & np.isfinite(theta).reshape(W, -1).all(axis=1)
    return np.where(possible, LN2 * log2_likelihoods - 0.5 * LOG_2PI * blocks.n_values, -np.inf)


def _run(task: Callable[[int, int], None], blocks: Blocks, n_components: int) -> None:
    with announced():
        run_in_threads(task, blocks.n_chunks, _nanoseconds(blocks, n_components))


def _nanoseconds(blocks: Blocks, n_components: int) -> float:
    """About how long a pass takes on one thread."""
    D, M = len(blocks.layout.dimensions), len(blocks.layout.measured)
    projecting = 0.1 * M * D * (D + M) if len(blocks.layout.noise) == PROJECTED else 0.0
    return blocks.n_objects * n_components * (2.0 + 0.07 * M**3 + projecting)


def _kernel_parameters(
    blocks: Blocks, weights: Floats, means: Floats, covariances: Floats
) -> tuple[Floats, Floats, Floats | None]:
    """What the kernels read of mixtures (..., K): amplitude (n, 2), theta (n, D (D + 1) / 2 + D); and `_whitening`.

    Of all components one after the other, n in all; a background has a row of zeros in theta.
    """
    if blocks.projection is not None:
        means, covariances = means @ blocks.projection.T, _congruent(blocks.projection, covariances)
    alive = weights > 0
    K, D = means.shape[-2:]
    i, j = triangle(D)
    amplitude = np.empty((*weights.shape, 2))
    amplitude[..., 0], amplitude[..., 1] = np.frexp(weights)
    matrices, white = covariances, None
    if blocks.common is not None:
        regular = np.where(alive[..., :K, None, None], covariances + blocks.common, np.eye(D))
        white = _whitening(regular.reshape(-1, D, D))
        matrices = white.reshape(covariances.shape)
        fraction, exponent = np.frexp(np.diagonal(matrices, axis1=-2, axis2=-1))
        amplitude[..., :K, 0] *= fraction.prod(axis=-1)
        amplitude[..., :K, 1] += exponent.sum(axis=-1)
    theta = np.zeros((*weights.shape, element(D, D)))  # as the kernels read it: in C order, double precision
    theta[..., :K, : element(D, 0)], theta[..., :K, element(D, 0) :] = matrices[..., i, j], -means
    if not alive.all():
        amplitude[~alive], theta[~alive] = 0.0, 0.0
    return amplitude.reshape(-1, 2), theta.reshape(-1, element(D, D)), white


def _congruent(R: Floats, matrices: Floats) -> Floats:
    """``R X R'`` of symmetric matrices X (..., D, D), exactly symmetric."""
    with np.errstate(invalid="ignore", over="ignore"):  # of components without weight, or with singular T
        return symmetric(R @ matrices @ R.T)


def _pulled_back(
    R: Floats, g: Floats, H: Floats, A: Floats | None, B: Floats | None
) -> tuple[Floats, Floats, Floats | None, Floats | None]:
    """Sums of a mixture in D dimensions from those of its projection by the R (M, D) of all objects."""
    # D = 1 has M = 1 here, so that P^2 scales with R^4
    squared = None if B is None else B * R[0, 0] ** 4
    return g @ R, _congruent(R.T, H), None if A is None else _congruent(R.T, A), squared


def _whitening(matrices: Floats) -> Floats:
    """Inverse Cholesky factors (K, D, D); not a number for a matrix that has none."""
    L = _cholesky_factors(matrices)
    singular = ~(np.diagonal(L, axis1=1, axis2=2).min(axis=1) ** 2 > SMALLEST_PIVOT)
    L[singular] = np.nan
    white = np.zeros_like(L)
    for i in range(matrices.shape[1]):
        white[:, i, :i] = -np.einsum("kj,kjl->kl", L[:, i, :i], white[:, :i, :i])
        white[:, i, i] = 1.0
        white[:, i, : i + 1] /= L[:, i, i][:, None]
    return white


def _cholesky_factors(matrices: Floats) -> Floats:
    """Cholesky factors (K, D, D); not a number for a matrix that is not positive definite."""
    try:
        return np.asarray(np.linalg.cholesky(matrices))
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
        return np.concatenate([_cholesky_factors(matrix[None]) for matrix in matrices])


def _moments_of_whitened(q: Floats, g: Floats, moments: Floats, white: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Sums from those of common noise: ``g = L'^-1 sum r z``, ``C = L'^-1 (sum r z z') L^-1``, ``A = q T^-1``."""
    back = np.swapaxes(white, 1, 2)
    inverse = back @ white
    H = back @ (moments - q[:, None, None] * np.eye(g.shape[1])) @ white
    with np.errstate(over="ignore"):  # of the squares, which only one dimension needs
        squares = q * inverse[:, 0, 0] ** 2
    return np.einsum("kij,kj->ki", back, g), H, q[:, None, None] * inverse, squares
