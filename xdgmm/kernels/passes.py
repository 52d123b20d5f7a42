"""Run the compiled passes: bring a mixture into their layout, share chunks among threads, add their sums in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import compiled
from .blocks import LN2, LOG_2PI, aligned, triangle
from .compiled import BESIDE, LANES, PROJECTED, element
from .conditioning import congruent, invert
from .mixtures import NONE, complete, lay_out
from .posteriors import Posteriors
from .statistics import Gradients, Statistics
from .threads import run_in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .blocks import Blocks

    Floats = NDArray[np.float64]


MOST_SUMS = 4_000_000  # numbers that are held at once
OF_BLOCKS = np.zeros((0, LANES))  # stands for the object weights that were packed


def accumulate(
    blocks: Blocks, weights: Floats, means: Floats, covariances: Floats, object_weights: Floats | None = None
) -> Statistics:
    """One pass under a mixture (weights (K,), means (K, D), covariances (K, D, D)): `Statistics` without information.

    `object_weights` (n_objects,) stand in the place of those that were packed.

    Here and in the other passes, objects with a background take weights (K + 1,), whose last entry is the background's.
    """
    return _accumulate(blocks, weights, means, covariances, object_weights, with_information=False)


def accumulate_with_information(
    blocks: Blocks, weights: Floats, means: Floats, covariances: Floats, object_weights: Floats | None = None
) -> Statistics:
    """One pass under a mixture (weights (K,), means (K, D), covariances (K, D, D)): all `Statistics`."""
    return _accumulate(blocks, weights, means, covariances, object_weights, with_information=True)


def _accumulate(
    blocks: Blocks,
    weights: Floats,
    means: Floats,
    covariances: Floats,
    object_weights: Floats | None,
    *,
    with_information: bool,
) -> Statistics:
    mixtures = weights[None], means[None], covariances[None]
    found = _passes(blocks, *mixtures, object_weights, with_information=with_information)
    log_likelihoods, members, grad_means, grad_covariances, information, squares = found
    A = information[0] if with_information else None
    B = squares[0] if with_information and means.shape[1] == 1 else None
    return Statistics(float(log_likelihoods[0]), members[0], grad_means[0], grad_covariances[0], A, B)


def gradients(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
    """Log-likelihood and gradient under each of W mixtures, whose arrays have one axis more in front.

    The same bits as `accumulate` of each, but the layout of the mixtures and the threads are set up once for all.
    """
    at_once = max(MOST_SUMS // (blocks.n_chunks * weights.shape[1] * element(means.shape[2], means.shape[2])), 1)
    parts = (slice(start, start + at_once) for start in range(0, len(weights), at_once))
    found = [_passes(blocks, weights[part], means[part], covariances[part], with_information=False) for part in parts]
    if len(found) == 1:
        return Gradients(*found[0][:4])
    return Gradients(*(np.concatenate(arrays) for arrays in list(zip(*found, strict=True))[:4]))


def _passes(
    blocks: Blocks,
    weights: Floats,
    means: Floats,
    covariances: Floats,
    object_weights: Floats | None = None,
    *,
    with_information: bool,
) -> tuple[Floats, ...]:
    """The sums of one pass under each of W mixtures: what `mixtures.complete` fills."""
    own = OF_BLOCKS if object_weights is None else blocks.in_lanes(object_weights)
    n_values = blocks.n_values if object_weights is None else float(object_weights @ blocks.n_present)
    (W, K, D), S = means.shape, weights.shape[1]
    amplitude, theta, white = _laid_out(blocks, weights, means, covariances)
    in_pass = with_information and len(white) == 0
    sums, likelihoods = _sums(blocks, amplitude, theta, own, with_information=in_pass)
    of_information = (W, K, D, D) if with_information else (0, 0, 0, 0)
    shapes = (W,), (W, S), (W, K, D), (W, K, D, D), of_information, (W, K) if D == 1 else (0, 0)
    found = tuple(np.empty(shape) for shape in shapes)
    projection = NONE if blocks.projection is None else blocks.projection
    complete(sums, likelihoods, theta, white, projection, -0.5 * LOG_2PI * n_values, *found)
    return found


def _sums(
    blocks: Blocks, amplitude: Floats, theta: Floats, object_weights: Floats, *, with_information: bool
) -> tuple[Floats, Floats]:
    """Sums over each chunk under each mixture (W, chunks, S, n), and likelihoods (W, chunks, 2, LANES)."""
    D, M = len(blocks.layout.dimensions), len(blocks.layout.measured)
    W, S = theta.shape[:2]
    n, n_chunks = element(D, 0), blocks.n_chunks
    n_sums = 1 + D + n + (n + (D == 1) if with_information else 0)
    sums, likelihoods = np.zeros((W, n_chunks, S, n_sums)), np.zeros((W, n_chunks, 2, LANES))

    def task(first: int, last: int) -> None:
        factors = aligned((S, element(M, M) + 2, LANES))
        running = aligned((S, n_sums, LANES))
        for w in range(first // n_chunks, -(-last // n_chunks)):  # chunks of all mixtures, one after the other
            start, end = max(first - w * n_chunks, 0), min(last - w * n_chunks, n_chunks)
            arguments = blocks.chunk_size, amplitude[w], theta[w], blocks.layout, factors, running
            compiled.accumulate(
                blocks.data, blocks.taken, start, end, *arguments, sums[w], likelihoods[w], object_weights
            )

    run_in_threads(task, W * n_chunks, W * _nanoseconds(blocks, S))
    return sums, likelihoods


def log_likelihoods(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> Floats:
    """Log-density ln p(w_i) of every packed object (n_objects,); minus infinity where all components have density zero.

    A component that is singular for an object is left out there.
    """
    amplitude, theta = _kernel_parameters(blocks, weights, means, covariances)
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
    amplitude, theta = _kernel_parameters(blocks, weights, means, covariances)
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
    amplitude, theta = _kernel_parameters(blocks, weights, means, covariances)
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
    amplitude, theta = _kernel_parameters(blocks, weights, means, covariances)
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
    run_in_threads(task, blocks.n_chunks, _nanoseconds(blocks, n_components))


def _nanoseconds(blocks: Blocks, n_components: int) -> float:
    """About how long a pass takes on one thread."""
    D, M = len(blocks.layout.dimensions), len(blocks.layout.measured)
    projecting = 0.1 * M * D * (D + M) if len(blocks.layout.noise) == PROJECTED else 0.0
    return blocks.n_objects * n_components * (2.0 + 0.04 * M**3 + projecting)


def weights_among_members(weights: Floats, n_gaussians: int, n_memberships: int) -> Floats:
    """Weights (W, S) where memberships take their place: among the Gaussians that share a membership, which sum to 1.

    That of a background is 1: its membership is part of its density.
    """
    result = np.ones(weights.shape)
    own = weights[:, :n_gaussians].reshape(len(weights), n_memberships, -1)
    total = own.sum(axis=2, keepdims=True)
    among = np.divide(own, total, out=np.full(own.shape, 1.0 / own.shape[2]), where=total > 0)
    result[:, :n_gaussians] = among.reshape(len(weights), n_gaussians)
    return result


def _kernel_parameters(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
    """What the kernels read of mixtures (..., K), of all components one after the other: amplitude (n, 2), theta."""
    shape = means.shape[-2:]
    weights = weights.reshape(-1, weights.shape[-1])
    amplitude, theta, _ = _laid_out(
        blocks, weights, means.reshape(-1, *shape), covariances.reshape(-1, *shape, shape[1])
    )
    return amplitude.reshape(-1, 2), theta.reshape(-1, theta.shape[-1])


def _laid_out(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats, Floats]:
    """What `mixtures.lay_out` fills, for W mixtures."""
    (W, S), K, M = weights.shape, means.shape[1], len(blocks.layout.dimensions)
    if blocks.layout.memberships:
        weights = weights_among_members(weights, K, blocks.n_memberships)
    common = NONE if blocks.common is None else blocks.common
    projection = NONE if blocks.projection is None else blocks.projection
    white = np.empty((0, 0, 0, 0) if blocks.common is None else (W, K, M, M))
    amplitude, theta = np.empty((W, S, 2)), np.empty((W, S, element(M, M)))
    weights, means, covariances = (np.array(each, dtype=float, order="C") for each in (weights, means, covariances))
    lay_out(weights, means, covariances, common, projection, amplitude, theta, white)
    return amplitude, theta, white
