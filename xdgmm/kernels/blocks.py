"""Pack measurements once, in the order in which the compiled pass reads them.

A block is B objects; each number of an object is one row of B lanes (structure of arrays)::

    rows 0 .. M - 1            noise covariance S, packed lower triangle, M = D (D + 1) / 2
    rows M .. M + D - 1        values x
    row  M + D                 object weight omega; 0 in the padding of the last block
    rows M + D + 1 .. M + 2D   mask, 1 seen and 0 missing; only where something is missing

A missing coordinate is stored as x = 0, S_ii = 1, S_ij = 0, mask 0: exact marginalisation, not a large variance.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import compiled

BLOCK = 128  # lanes; a block with its scratch stays in the fastest cache for the usual D
LOG_2PI = np.log(2.0 * np.pi)


class Sums(NamedTuple):
    """What one pass returns: lnL, and per component q (K,), g (K, D), C and A (K, D, D).

    ``q = sum omega r``, ``g = sum omega r u``, ``C = sum omega r u u'``, ``A = sum omega r T^-1`` with
    ``u = T^-1 (w - m)``, ``T = V + S``.  A pivot that is not positive makes lnL minus infinity.
    """

    log_likelihood: float
    q: np.ndarray
    g: np.ndarray
    C: np.ndarray
    A: np.ndarray


@dataclass(frozen=True)
class Blocks:
    """Packed measurements of the objects that can say something: at least one value, weight above zero."""

    data: np.ndarray  # (n_blocks, rows, BLOCK)
    masked: np.ndarray  # (n_blocks,) does the block hold a missing value?
    rows: np.ndarray  # (n_objects,) which of the caller's rows the objects are
    n_present: np.ndarray  # (n_objects,) values seen per object
    weights: np.ndarray  # (n_objects,)
    n_dimensions: int

    @property
    def n_objects(self):
        """Number of packed objects."""
        return self.rows.size

    @property
    def total_weight(self):
        """Sum of the object weights: their number where none were given."""
        return float(self.weights.sum())


def triangle(n_dimensions):
    """Row and column indices of the packed lower triangle."""
    return np.tril_indices(n_dimensions)


def unpack(packed, n_dimensions):
    """Symmetric matrices (..., D, D) from packed lower triangles (..., M)."""
    i, j = triangle(n_dimensions)
    full = np.empty((*packed.shape[:-1], n_dimensions, n_dimensions))
    full[..., i, j] = packed
    full[..., j, i] = packed
    return full


def pack(values, noise, weights):
    """Pack values (N, D; NaN is missing), noise (None, 1-sigma (N, D) or covariances (N, D, D)) and weights (N,)."""
    present = np.isfinite(values)
    keep = present.any(axis=1)
    if weights is not None:
        keep &= weights > 0
    rows = np.flatnonzero(keep)
    if rows.size < values.shape[0]:
        values, present = values[rows], present[rows]
        noise = None if noise is None else noise[rows]
        weights = None if weights is None else weights[rows]
    n_objects, n_dimensions = values.shape
    weights = np.ones(n_objects) if weights is None else weights
    n_blocks = -(-n_objects // BLOCK)
    has_missing = not present.all()
    n_matrix = n_dimensions * (n_dimensions + 1) // 2
    n_rows = n_matrix + n_dimensions + 1 + (n_dimensions if has_missing else 0)
    data = np.zeros((n_blocks, n_rows, BLOCK))

    def store(row, column, padding=0.0):
        padded = np.full(n_blocks * BLOCK, padding)
        padded[:n_objects] = column
        data[:, row, :] = padded.reshape(n_blocks, BLOCK)

    for row, (i, j) in enumerate(zip(*triangle(n_dimensions), strict=True)):
        covariance = _noise_element(noise, i, j)
        unseen = 1.0 if i == j else 0.0
        store(row, np.where(present[:, i] & present[:, j], covariance, unseen), padding=unseen)
    for i in range(n_dimensions):
        store(n_matrix + i, np.where(present[:, i], values[:, i], 0.0))
        if has_missing:
            store(n_matrix + n_dimensions + 1 + i, present[:, i])
    store(n_matrix + n_dimensions, weights)
    n_present = present.sum(axis=1)
    return Blocks(data, _blocks_with_missing(n_present, n_blocks, n_dimensions), rows, n_present, weights, n_dimensions)


def _noise_element(noise, i, j):
    if noise is None:
        return 0.0
    if noise.ndim == 3:
        return noise[:, i, j]
    return noise[:, i] ** 2 if i == j else 0.0


def _blocks_with_missing(n_present, n_blocks, n_dimensions):
    padded = np.full(n_blocks * BLOCK, n_dimensions)
    padded[: n_present.size] = n_present
    return (padded.reshape(n_blocks, BLOCK) < n_dimensions).any(axis=1)


def _theta(means, covariances):
    """What the kernel adds to each object's packed row: covariance triangle, then minus the mean."""
    i, j = triangle(means.shape[-1])
    return np.concatenate([covariances[..., i, j], -means], axis=-1)


def accumulate(blocks, weights, means, covariances):
    """Run the compiled pass of a mixture (weights (K,), means (K, D), covariances (K, D, D)): `Sums`."""
    n_dimensions = blocks.n_dimensions
    n_matrix = n_dimensions * (n_dimensions + 1) // 2
    packed = np.zeros((weights.size, 1 + n_dimensions + 2 * n_matrix))
    log_likelihood, not_positive = compiled.accumulate(
        blocks.data, blocks.masked, np.ascontiguousarray(weights), _theta(means, covariances), n_dimensions, packed
    )
    log_likelihood -= 0.5 * LOG_2PI * float(blocks.weights @ blocks.n_present)
    q, g, c, a = np.split(packed, [1, 1 + n_dimensions, 1 + n_dimensions + n_matrix], axis=1)
    return Sums(
        -np.inf if not_positive else float(log_likelihood),
        q[:, 0],
        g,
        unpack(c, n_dimensions),
        unpack(a, n_dimensions),
    )


def component_log_density(blocks, mean, covariance):
    """Log-density ln N(w_i | m, V + S_i) of every packed object (n_objects,) under one Gaussian."""
    out = np.empty((blocks.data.shape[0], BLOCK))
    not_positive = compiled.component_log_density(
        blocks.data, blocks.masked, _theta(mean, covariance), blocks.n_dimensions, out
    )
    if not_positive:
        out[:] = np.where(np.isfinite(out), out, -np.inf)
    return out.reshape(-1)[: blocks.n_objects] - 0.5 * LOG_2PI * blocks.n_present
