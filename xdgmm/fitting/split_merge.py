"""Split and merge: leave a poor basin by using one component elsewhere.

Ueda, Nakano, Ghahramani & Hinton 2000, Neural Computation 12, 2109; for noisy data Bovy, Hogg & Roweis 2011,
Ann. Appl. Stat. 5, 1657, sec. 3.  Two components that share their objects are merged, a third that does not look like
a Gaussian is split, and the solver decides whether that was better.

Which one to split is read off the fourth moment.  With ``u = T^-1 d``, ``P = T^-1`` and a direction v the sum::

    sum omega r [(v'u)^4 - 6 (v'u)^2 v'Pv + 3 (v'Pv)^2]

has mean zero for a Gaussian, whatever the noise of each object, and variance ``24 sum omega r (v'Pv)^4``.  Too small
means two humps: split the mean.  Too large means a narrow component inside a wide one: split the width.
"""

import numpy as np

from xdgmm.kernels.reference import component

from .constraints import Constraints
from .objective import responsibilities

PAIRS, SPLITS = 3, 3  # candidates of each kind that are tried with each other
ROUNDS = 10
WORTHWHILE = 0.1  # nats: a smaller rise is the same basin


def improve(mixture, objective, sample, solve, constraints=None):
    """A mixture at least as likely, by as many splits and merges as help.

    Parameters
    ----------
    mixture : GaussianMixture
        On standardised coordinates.
    objective : float
        Its own, of the sample.
    sample : Observations
        Objects on which the moves are judged, all of them counted.
    solve : callable
        Takes a mixture; returns its objective and the mixture after some passes, or None where it collapsed.
    constraints : Constraints, optional
        Components of which something is fixed are left where they are.

    Returns
    -------
    mixture, objective
    """
    constraints = Constraints.none(mixture) if constraints is None else constraints
    movable = np.flatnonzero(constraints.movable)
    for _ in range(ROUNDS if movable.size > 2 else 0):
        for trial in _moves(mixture, sample, movable):
            found = solve(constraints.impose_type(trial))
            if found is not None and found[0] > objective + WORTHWHILE:
                objective, mixture = found
                break
        else:
            break
    return mixture, objective


def _moves(mixture, sample, movable):
    """Mixtures after one merge and one split of movable components, the most promising first."""
    overlaps, scores, directions = examine(mixture, sample)
    pairs = sorted(((overlaps[i, j], i, j) for i in movable for j in movable if j < i), reverse=True)[:PAIRS]
    ranked = movable[np.argsort(-np.abs(scores[movable]))]
    for rank in range(SPLITS):
        for _, i, j in pairs:
            left = [k for k in ranked if k not in (i, j)]
            if rank < len(left):
                k = left[rank]
                yield split_and_merge(mixture, i, j, k, directions[k], scores[k])


def examine(mixture, sample):
    """How much each pair of components overlaps (K, K); how un-Gaussian each is, along which direction (K,), (K, D)."""
    K, D = mixture.n_components, mixture.n_dimensions
    r = responsibilities(mixture, sample.pack(background=mixture.background and mixture.background.box))[:, :K]
    lengths = np.maximum(np.sqrt((r**2).sum(axis=0)), 1e-300)
    overlaps = (r.T @ r) / lengths / lengths[:, None]
    scores, directions = np.zeros(K), np.zeros((K, D))
    noise = sample.noise_covariances  # with a little more: far outliers leave T singular
    noise = noise + 1e-13 * np.nansum(sample.variances, axis=1)[:, None, None] * np.eye(noise.shape[1])
    for k in range(K):
        V = mixture.covariances[k]
        V = V + 1e-13 * np.trace(V) * np.eye(D)
        _, u, P = component(sample.values, noise, mixture.means[k], V, sample.projections)
        axes = np.linalg.eigh(mixture.covariances[k])[1].T
        along, precision = u @ axes.T, np.einsum("ai,nij,aj->na", axes, P, axes, optimize=True)
        weights = sample.object_weights * r[:, k]
        fourth = weights @ (along**4 - 6 * along**2 * precision + 3 * precision**2)
        found = fourth / np.sqrt(np.maximum(24 * weights @ precision**4, 1e-300))
        best = np.argmax(np.abs(found))
        scores[k], directions[k] = found[best], axes[best]
    return overlaps, scores, directions


def split_and_merge(mixture, i, j, k, direction, score):
    """The mixture with i and j merged into i, and k split into k and j."""
    weights, means, covariances = mixture.all_weights.copy(), mixture.means.copy(), mixture.covariances.copy()
    pair = weights[[i, j]] / max(weights[[i, j]].sum(), 1e-300)
    between = means[i] - means[j]
    means[i] = pair @ means[[i, j]]
    covariances[i] = np.einsum("k,kij->ij", pair, covariances[[i, j]]) + pair.prod() * np.outer(between, between)
    weights[i] += weights[j]
    weights[[k, j]] = 0.5 * weights[k]
    centre, V = means[k].copy(), covariances[k].copy()
    along = V @ direction / np.sqrt(max(direction @ V @ direction, 1e-300))  # V less its square stays valid
    if score < 0:
        means[k], means[j] = centre + 0.6 * along, centre - 0.6 * along
        covariances[k] = covariances[j] = V - 0.36 * np.outer(along, along)
    else:
        means[j], covariances[k], covariances[j] = centre, 0.25 * V, 2.0 * V
    return mixture.with_parameters(weights, means, covariances)
