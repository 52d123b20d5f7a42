"""Make passes: bring a mixture into the layout of an engine, which runs over the objects; complete what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .blocks import LN2, LOG_2PI, triangle
from .compiled import BESIDE, LANES, element
from .conditioning import congruent, invert
from .devices import current_engine
from .mixtures import NONE, complete, lay_out
from .posteriors import Posteriors
from .statistics import Gradients, Statistics

if TYPE_CHECKING:
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
    sums, likelihoods = current_engine().sums(blocks, amplitude, theta, own, with_information=in_pass)
    of_information = (W, K, D, D) if with_information else (0, 0, 0, 0)
    shapes = (W,), (W, S), (W, K, D), (W, K, D, D), of_information, (W, K) if D == 1 else (0, 0)
    found = tuple(np.empty(shape) for shape in shapes)
    projection = NONE if blocks.projection is None else blocks.projection
    complete(sums, likelihoods, theta, white, projection, -0.5 * LOG_2PI * n_values, *found)
    return found


def log_likelihoods(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats) -> Floats:
    """Log-density ln p(w_i) of every packed object (n_objects,); minus infinity where all components have density zero.

    A component that is singular for an object is left out there.
    """
    amplitude, theta = _kernel_parameters(blocks, weights, means, covariances)
    found = current_engine().log2_densities(blocks, amplitude, theta)
    return _natural_logarithms(found[: blocks.n_objects], blocks)


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
    first, n_out = (0, len(weights)) if component is None else (component, 1)
    return current_engine().responsibilities(blocks, amplitude, theta, first, n_out)[: blocks.n_objects]


def member_sums(blocks: Blocks, weights: Floats, means: Floats, covariances: Floats, unit: float) -> Floats:
    """``sum r omega / unit`` and ``sum (r omega / unit)^2`` of each component (2, K), of the background too."""
    amplitude, theta = _kernel_parameters(blocks, weights, means, covariances)
    return current_engine().member_sums(blocks, amplitude, theta, unit)


def posteriors(
    blocks: Blocks, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False
) -> Posteriors:
    """What is known of every packed object: `Posteriors`; `of_each`: under each Gaussian too.

    A component that is singular for an object has responsibility zero there; its own posterior leaves out the
    directions in which it has no width.
    """
    blocks = blocks.with_own_projections()
    K = len(means)
    amplitude, theta = _kernel_parameters(blocks, weights, means, covariances)
    prior = _priors(means, covariances, blocks.common)
    whole = weights[:K].sum()
    among_gaussians = np.append(weights[:K] / whole if whole > 0.0 else np.full(K, 1.0 / K), np.zeros(weights.size - K))
    fallback = np.column_stack([weights, among_gaussians])
    out = current_engine().posteriors(blocks, amplitude, theta, fallback, prior, of_each=of_each)
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
    W = len(weights)
    amplitude, theta = _kernel_parameters(blocks, weights, means, covariances)
    log2_likelihoods, n_singular = current_engine().total_log2_likelihoods(blocks, amplitude, theta, W)
    possible = (n_singular == 0) & np.isfinite(theta).reshape(W, -1).all(axis=1)
    return np.where(possible, LN2 * log2_likelihoods - 0.5 * LOG_2PI * blocks.n_values, -np.inf)


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
