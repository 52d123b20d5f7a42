"""Split and merge: leave a lower maximum by using one component elsewhere.

Ueda, Nakano, Ghahramani & Hinton 2000, Neural Computation 12, 2109; for noisy data Bovy, Hogg & Roweis 2011,
Ann. Appl. Stat. 5, 1657, sec. 3.  Two components that overlap are merged, a third whose members are not Gaussian is
split, and the solver decides whether the objective has risen.

The component to split is found by its fourth moment.  With ``u = T^-1 d``, ``P = T^-1`` and a direction v the sum::

    sum omega r [(v'u)^4 - 6 (v'u)^2 v'Pv + 3 (v'Pv)^2]

has mean zero for a Gaussian, for any noise of each object, and variance ``24 sum omega r (v'Pv)^4``.  A negative sum
means two humps: the mean is split.  A positive sum means a narrow component inside a wide one: the width is split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.kernels.reference import component
from xdgmm.mixture import pack_beside

from .constraints import Constraints
from .objective import responsibilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .progress import PassCounter

    Floats = NDArray[np.float64]
    Component = tuple[float, Floats, Floats]
    Trial = tuple[float, GaussianMixture]

PAIRS, SPLITS = 3, 3  # candidates of each kind that are tried with each other
MERGES = 2  # pairs that are tried where one component is to go
SMALLEST = 1e-26  # variance of standardised values that is added to one without any width
NO_WIDTH = 1e-12  # of the trace of a covariance: a variance below it is rounding
ROUNDS = 10
SMALLEST_RISE = 0.1  # nats: a smaller rise is the same maximum


def improve(
    mixture: GaussianMixture,
    objective: float,
    sample: Observations,
    solve: Callable[[GaussianMixture], Trial | None],
    constraints: Constraints | None = None,
    counter: PassCounter | None = None,
) -> tuple[GaussianMixture, float]:
    """Split and merge components as long as the objective rises.

    Parameters
    ----------
    mixture : GaussianMixture
        On standardised coordinates.
    objective : float
        Its objective.
    sample : Observations
        Objects by which the candidates are ranked; all must count.
    solve : callable
        Takes a mixture; returns the objective and the mixture after some passes, or None where it collapsed.
    constraints : Constraints, optional
        Components with fixed parameters are neither merged nor split.
    counter : PassCounter, optional
        Counts the passes by which candidates are ranked.

    Returns
    -------
    mixture, objective
    """
    constraints = Constraints.none(mixture) if constraints is None else constraints
    free = np.flatnonzero(constraints.free_components)
    for _ in range(ROUNDS if free.size > 2 else 0):
        for candidate in _candidates(mixture, sample, free, counter):
            found = solve(constraints.impose_type(candidate))
            if found is not None and found[0] > objective + SMALLEST_RISE:
                objective, mixture = found
                break
        else:
            break
    return mixture, objective


def _candidates(
    mixture: GaussianMixture, sample: Observations, free: NDArray[np.intp], counter: PassCounter | None
) -> Iterator[GaussianMixture]:
    """Mixtures after one merge and one split of free components, the most promising first."""
    overlaps, scores, directions = examine(mixture, sample, counter)
    pairs = sorted(((overlaps[i, j], i, j) for i in free for j in free if j < i), reverse=True)[:PAIRS]
    ranked = free[np.argsort(-np.abs(scores[free]))]
    for rank in range(SPLITS):
        for _, i, j in pairs:
            others = [k for k in ranked if k not in (i, j)]
            if rank < len(others):
                k = others[rank]
                yield split_and_merge(mixture, i, j, k, directions[k], scores[k])


def starts_from(
    mixture: GaussianMixture, n_components: int, sample: Observations, counter: PassCounter | None = None
) -> Iterator[GaussianMixture]:
    """Mixtures of K components made from one with fewer, by splits, or with more, by merges; or itself.

    Parameters
    ----------
    mixture : GaussianMixture
        On standardised coordinates.
    n_components : int
        K.
    sample : Observations
        Objects by which the candidates are ranked; all must count.
    counter : PassCounter, optional
        Counts the passes by which they are.
    """
    K = mixture.n_components
    if n_components == K:
        yield mixture
        return
    own = K - int(mixture.flat_components.sum())
    change, most = (split_one, min(SPLITS, own)) if n_components > K else (merge_two, min(MERGES, own - 1))
    examination = examine(mixture, sample, counter)
    for rank in range(most):
        start = change(mixture, examination, rank)
        while start.n_components != n_components:
            start = change(start, examine(start, sample, counter))
        yield start


def merge_two(mixture: GaussianMixture, examination: Examination, rank: int = 0) -> GaussianMixture:
    """The mixture (K - 1) after a merge of the two components that overlap most, or of the pair of this rank."""
    overlaps = examination.overlaps
    pairs = sorted(((overlaps[i, j], i, j) for i in range(len(overlaps)) for j in range(i)), reverse=True)
    _, i, j = pairs[min(rank, len(pairs) - 1)]
    return merge(mixture, i, j)


def split_one(mixture: GaussianMixture, examination: Examination, rank: int = 0) -> GaussianMixture:
    """The mixture (K + 1) after a split of the component that is farthest from Gaussian, or of that of this rank."""
    k = int(np.argsort(-np.abs(examination.scores))[rank])
    return split(mixture, k, examination.directions[k], examination.scores[k])


class Examination(NamedTuple):
    """The properties of components by which those to merge and to split are chosen.

    Attributes
    ----------
    overlaps : ndarray (K, K)
        Of each pair of components: the cosine of the angle between their responsibilities.
    scores : ndarray (K,)
        The fourth-moment sum of each component, in units of its standard deviation, along the principal axis where it
        deviates most from zero.
    directions : ndarray (K, D)
        That principal axis.
    """

    overlaps: Floats
    scores: Floats
    directions: Floats


def examine(mixture: GaussianMixture, sample: Observations, counter: PassCounter | None = None) -> Examination:
    """Overlap of each pair of components, and deviation of each from a Gaussian."""
    K, D = mixture.n_components, mixture.n_dimensions
    r = responsibilities(mixture, pack_beside(sample, mixture.background, mixture.flat), counter)[:, :K]
    lengths = np.maximum(np.sqrt((r**2).sum(axis=0)), 1e-300)
    scores, directions = np.zeros(K), np.zeros((K, D))
    noise = sample.noise_covariances  # with a small ridge: far outliers make T singular
    noise = noise + 1e-13 * np.nansum(sample.variances, axis=1)[:, None, None] * np.eye(noise.shape[1])
    for k in range(K):
        scores[k], directions[k] = _deviation(mixture, k, sample, noise, sample.object_weights * r[:, k])
    overlaps = (r.T @ r) / lengths / lengths[:, None]
    flat = np.flatnonzero(mixture.flat_components)  # neither merged nor split
    overlaps[flat], overlaps[:, flat], scores[flat] = -1.0, -1.0, 0.0
    return Examination(overlaps, scores, directions)


def _deviation(
    mixture: GaussianMixture, k: int, sample: Observations, noise: Floats, weights: Floats
) -> tuple[float, Floats]:
    """Score and direction of one component, for weights times responsibilities of the objects (N,)."""
    V = mixture.covariances[k]
    V = V + max(1e-13 * np.trace(V), SMALLEST) * np.eye(mixture.n_dimensions)  # also of one without any width
    measured = np.where(sample.present, sample.values, np.nan)  # limits say little about the tails
    _, u, P = component(measured, noise, mixture.means[k], V, sample.projections)
    axes = np.linalg.eigh(mixture.covariances[k])[1].T
    along, precision = u @ axes.T, np.einsum("ai,nij,aj->na", axes, P, axes, optimize=True)
    fourth = weights @ (along**4 - 6 * along**2 * precision + 3 * precision**2)
    scores = fourth / np.sqrt(np.maximum(24 * weights @ precision**4, 1e-300))
    largest = np.argmax(np.abs(scores))
    return scores[largest], axes[largest]


def split_and_merge(
    mixture: GaussianMixture, i: int, j: int, k: int, direction: Floats, score: float
) -> GaussianMixture:
    """The mixture with i and j merged into i, and k split into k and j."""
    weights, means, covariances = _copied(mixture)
    parts = _merged(mixture, i, j), *_halves(mixture, k, direction, score)
    for place, one in zip((i, k, j), parts, strict=True):
        weights[place], means[place], covariances[place] = one
    return mixture.with_parameters(weights, means, covariances)


def split(mixture: GaussianMixture, k: int, direction: Floats, score: float) -> GaussianMixture:
    """The mixture (K + 1) with k split into k and one more, which comes last."""
    return _with_two(mixture, k, *_halves(mixture, k, direction, score))


def duplicate(mixture: GaussianMixture, k: int) -> GaussianMixture:
    """The mixture (K + 1) of the same density, with k as two equal components of half its weight."""
    half = 0.5 * mixture.weights[k], mixture.means[k], mixture.covariances[k]
    return _with_two(mixture, k, half, half)


def merge(mixture: GaussianMixture, i: int, j: int) -> GaussianMixture:
    """The mixture (K - 1) with i and j merged."""
    weights, means, covariances = _copied(mixture)
    weights[i], means[i], covariances[i] = _merged(mixture, i, j)
    weights, means, covariances = (np.delete(each, j, axis=0) for each in (weights, means, covariances))
    dof = None if mixture.dof is None else np.delete(mixture.dof, j)
    return mixture.with_parameters(weights, means, covariances, dof)


def _copied(mixture: GaussianMixture) -> tuple[Floats, Floats, Floats]:
    return mixture.weights.copy(), mixture.means.copy(), mixture.covariances.copy()


def _with_two(mixture: GaussianMixture, k: int, first: Component, second: Component) -> GaussianMixture:
    """The mixture (K + 1) with the first component at the place of k, and the second as the last before flat ones."""
    weights, means, covariances = _copied(mixture)
    weights[k], means[k], covariances[k] = first
    last = mixture.n_components - int(mixture.flat_components.sum())
    return mixture.with_parameters(
        np.insert(weights, last, second[0]),
        np.insert(means, last, second[1], axis=0),
        np.insert(covariances, last, second[2], axis=0),
        None if mixture.dof is None else np.insert(mixture.dof, last, mixture.dof[k]),
    )


def _merged(mixture: GaussianMixture, i: int, j: int) -> Component:
    """Weight, mean and covariance of two components together."""
    weights, means, covariances = (each[[i, j]] for each in (mixture.weights, mixture.means, mixture.covariances))
    pair = weights / max(weights.sum(), 1e-300)
    between = means[0] - means[1]
    covariance = np.einsum("k,kij->ij", pair, covariances) + pair.prod() * np.outer(between, between)
    return weights.sum(), pair @ means, covariance


def _halves(mixture: GaussianMixture, k: int, direction: Floats, score: float) -> tuple[Component, Component]:
    """Two components in the place of k: side by side for a negative score, one in the other for a positive one."""
    weight, centre, V = 0.5 * mixture.weights[k], mixture.means[k], mixture.covariances[k]
    variance = direction @ V @ direction
    if score >= 0 or variance <= NO_WIDTH * np.trace(V):  # nothing to divide in a direction without width
        return (weight, centre, 0.25 * V), (weight, centre, 2.0 * V)
    # V - along along' has no negative eigenvalue
    along = V @ direction / np.sqrt(variance)
    narrower = V - 0.36 * np.outer(along, along)
    return (weight, centre + 0.6 * along, narrower), (weight, centre - 0.6 * along, narrower)
