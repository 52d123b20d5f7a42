"""What the measurements do not constrain: directions of the coordinates, and covariances of pairs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm import kernels

from .location import all_projections, sample_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .observations import Observations

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SMALLEST_EIGENVALUE = 1e-12  # of the sum of R'R, relative to the largest: a direction below it is not measured
SMALLEST_SENSITIVITY = 1e-10  # the same for the elements of V
SMALLEST_PART = 1e-6  # of a unit vector, squared: a coordinate with less has no part in a direction
CHUNK = 20_000  # objects at a time
SAMPLE_SIZE = 2000  # objects from which the measured elements of V are determined


def unmeasured_coordinates(observations: Observations) -> tuple[NDArray[np.bool_], int]:
    """Which coordinates have a part in directions that no projection measures (D,), and the number of such directions.

    The observations must have projections.
    """
    D = observations.n_dimensions
    gram = np.zeros((D, D))
    rows = np.flatnonzero(observations.counts)
    for start in range(0, rows.size, CHUNK):
        R = _projections_of_present(observations.select(rows[start : start + CHUNK]))
        gram += np.einsum("nai,naj->ij", R, R)
    null = _null_space(gram, SMALLEST_EIGENVALUE)
    return _has_part(null), null.shape[1]


def unmeasured_pairs(observations: Observations) -> tuple[tuple[str, str], ...]:
    """Pairs of names whose intrinsic covariance does not enter the likelihood.

    Without projections: those that no object has together.  With projections R: the elements of V on which no
    combination of the R V R' depends.
    """
    names, D = observations.names, observations.n_dimensions
    if D == 1:
        return ()
    rows, columns = kernels.triangle(D)
    if observations.projections is None:
        present = observations.constrained[observations.counts].astype(float)
        unmeasured = (present.T @ present)[rows, columns] == 0
    else:
        unmeasured = _has_part(_null_space(_sensitivity(observations, rows, columns), SMALLEST_SENSITIVITY))
    pairs = zip(rows, columns, unmeasured, strict=True)
    return tuple((names[j], names[i]) for i, j, is_unmeasured in pairs if is_unmeasured and i != j)


def _null_space(gram: Floats, smallest: float) -> Floats:
    """Eigenvectors (D, n) of a Gram matrix, scaled to a unit diagonal, whose eigenvalue is zero but for rounding."""
    size = np.sqrt(np.diag(gram))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(gram / size[:, None] / size)
    return np.asarray(vectors[:, values <= smallest * values.max()])


def _has_part(vectors: Floats) -> NDArray[np.bool_]:
    """Which elements of some unit vectors (D, n) are not zero but for rounding (D,)."""
    return np.asarray((vectors**2).sum(axis=1) > SMALLEST_PART)


def _projections_of_present(observations: Observations) -> Floats:
    """R of each object (N, M, D), with zeros for missing values."""
    return np.where(observations.present[:, :, None], all_projections(observations), 0.0)


def _sensitivity(observations: Observations, rows: Indices, columns: Indices) -> Floats:
    """Sum over objects of outer products of the derivatives of R V R' by the packed elements of V: (n, n)."""
    R = _projections_of_present(observations.select(sample_rows(observations, SAMPLE_SIZE)))
    scale = np.maximum(np.abs(R).max(axis=(0, 1)), 1e-300)
    R = R / scale
    gram = np.zeros((rows.size, rows.size))
    twice = np.where(rows == columns, 0.5, 1.0)
    for a in range(R.shape[1]):
        for b in range(a + 1):
            products = twice * (R[:, a, rows] * R[:, b, columns] + R[:, b, rows] * R[:, a, columns])
            gram += products.T @ products
    return gram
