"""What the measurements cannot tell: coordinates, directions and pairs of coordinates that no object shows."""

import numpy as np

from xdgmm import kernels

from .location import ENOUGH, some_rows

UNSEEN = 1e-12  # share of a direction in what all projections see together
JUDGED = 2000  # objects from which it is judged which covariances projections show
HIDDEN = 1e-10  # share of a direction in what all objects show together


def unseen_coordinates(observations):
    """Which coordinates have a part in a direction that no projection sees (D,), and how many such directions are."""
    D = observations.n_dimensions
    gram = np.zeros((D, D))
    counted = np.flatnonzero(observations.counts)
    for start in range(0, counted.size, ENOUGH):
        part = observations.select(counted[start : start + ENOUGH])
        R = np.broadcast_to(part.projections, (*part.values.shape, D))
        R = np.where(part.present[:, :, None], R, 0.0)
        gram += np.einsum("nai,naj->ij", R, R)
    size = np.sqrt(np.diag(gram))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(gram / size[:, None] / size)
    null = vectors[:, values <= UNSEEN * values.max()]
    return (null**2).sum(axis=1) > 1e-6, null.shape[1]


def unmeasured_pairs(observations):
    """Pairs of names whose intrinsic covariance has no part in the likelihood.

    Without projections: those that no object has together.  Behind projections R, the elements of V that no combination
    of the R V R' depends on.
    """
    names, D = observations.names, observations.n_dimensions
    if D == 1:
        return ()
    counted = observations.counts
    if observations.projections is None:
        seen = observations.present[counted].astype(float)
        hidden = (seen.T @ seen) == 0
        return tuple((names[j], names[i]) for i in range(D) for j in range(i) if hidden[i, j])
    rows, columns = kernels.triangle(D)
    gram = _shown(observations, rows, columns)
    size = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    values, vectors = np.linalg.eigh(gram / size[:, None] / size)
    null = vectors[:, values <= HIDDEN * values.max()]
    hidden = (null**2).sum(axis=1) > 1e-6
    pairs = zip(rows, columns, hidden, strict=True)
    return tuple((names[j], names[i]) for i, j, is_hidden in pairs if is_hidden and i != j)


def _shown(observations, rows, columns):
    """Sum over objects of the outer products of what R V R' depends on, by packed elements of V (n, n)."""
    chosen = some_rows(observations, JUDGED)
    part = observations.select(chosen)
    R = np.broadcast_to(part.projections, (*part.values.shape, observations.n_dimensions))
    R = np.where(part.present[:, :, None], R, 0.0)
    scale = np.maximum(np.abs(R).max(axis=(0, 1)), 1e-300)
    R = R / scale
    gram = np.zeros((rows.size, rows.size))
    twice = np.where(rows == columns, 0.5, 1.0)
    for a in range(R.shape[1]):
        for b in range(a + 1):
            products = twice * (R[:, a, rows] * R[:, b, columns] + R[:, b, rows] * R[:, a, columns])
            gram += products.T @ products
    return gram
