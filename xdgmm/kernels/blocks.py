"""Pack measurements once, in the order in which the compiled passes read them.

A block is eight objects; each number of an object is one row of eight lanes (structure of arrays)::

    noise     full: covariance S, packed lower triangle, D (D + 1) / 2 rows;  diagonal: variances, D rows;
              none, or the same for every object: no rows, it stands in `Blocks.common`
    values    D rows
    weight    omega, 1 row; 0 in the padding of the last block
    mask      D rows, 1 seen and 0 missing; only where some value of the data is missing

A missing coordinate is stored as 0 everywhere, its mask says the rest: exact marginalisation, not a large variance.
"""

from dataclasses import dataclass, replace
from functools import cache
from math import prod

import numpy as np

from .compiled import COMMON, DIAGONAL, FULL, LANES, Layout, element, n_noise

LOG_2PI = np.log(2.0 * np.pi)
AT_ONCE = 512 * LANES  # objects packed at once: what is needed besides the blocks stays small
CHUNKS, SMALLEST_CHUNK = 128, 64  # at most so many chunks, of at least so many blocks


@dataclass(frozen=True, eq=False)
class Blocks:
    """Packed measurements of the objects that can say something: at least one value, weight above zero."""

    data: np.ndarray  # (n_blocks, rows, LANES)
    layout: Layout
    common: np.ndarray | None  # noise covariance of every object (D, D), where it is the same
    kept: np.ndarray | None  # which of the caller's rows the objects are (n_objects,); None for all
    n_objects: int
    total_weight: float  # sum of the object weights: their number where none were given
    n_values: float  # number of values seen, each with the weight of its object
    taken: tuple  # (number of blocks, every): a sample takes one block of every few, and copies none

    @property
    def n_dimensions(self):
        """Number of coordinates D."""
        return len(self.layout.dimensions)

    @property
    def rows(self):
        """Which of the caller's rows the objects are (n_objects,)."""
        return np.arange(self.n_objects) if self.kept is None else self.kept

    @property
    def weights(self):
        """Frequency weight of each object (n_objects,)."""
        return self._column(n_noise(self.layout) + self.n_dimensions)

    @property
    def n_present(self):
        """Number of values seen of each object (n_objects,)."""
        D = self.n_dimensions
        if not self.layout.missing:
            return np.full(self.n_objects, D)
        return sum(self.seen(i) for i in range(D)).astype(int)

    @property
    def n_blocks(self):
        """Number of blocks that are taken."""
        return self.taken[0]

    @property
    def chunk_size(self):
        """Blocks in a chunk: a function of the data alone."""
        return max(SMALLEST_CHUNK, -(-self.n_blocks // CHUNKS))

    @property
    def n_chunks(self):
        """Number of chunks."""
        return -(-self.n_blocks // self.chunk_size)

    def thinned(self, n_objects):
        """About so many of the objects: one block of every few, or these blocks themselves if they hold no more."""
        every = -(-self.n_objects // n_objects)
        if every == 1 or self.n_blocks == 1:
            return self
        n_blocks = -(-(self.n_blocks - 1) // every)  # the last block may be padded: never taken
        rows = self.rows[(every * LANES * np.arange(n_blocks)[:, None] + np.arange(LANES)).ravel()]
        sample = replace(self, taken=(n_blocks, every * self.taken[1]), kept=rows, n_objects=rows.size)
        weights = sample.weights
        return replace(sample, total_weight=float(weights.sum()), n_values=float(weights @ sample.n_present))

    def values(self, i):
        """Values of coordinate i (n_objects,); 0 where missing."""
        return self._column(n_noise(self.layout) + i)

    def seen(self, i):
        """Where coordinate i has a value: 1 or 0 (n_objects,)."""
        if not self.layout.missing:
            return np.ones(self.n_objects)
        return self._column(n_noise(self.layout) + self.n_dimensions + 1 + i)

    def variances(self, i):
        """Noise variances of coordinate i (n_objects,)."""
        if self.common is not None:
            return np.full(self.n_objects, self.common[i, i])
        return self._column(i if len(self.layout.noise) == DIAGONAL else element(i, i))

    def _column(self, row):
        n_blocks, every = self.taken
        return self.data[: n_blocks * every : every, row, :].reshape(-1)[: self.n_objects]


def aligned(shape):
    """An array of zeros that starts where a cache line does: vectors across two lines are slow to load."""
    count = prod(shape)
    room = np.zeros(count + LANES)
    first = (-room.ctypes.data // room.itemsize) % LANES
    return room[first : first + count].reshape(shape)


@cache
def triangle(n_dimensions):
    """Row and column indices of the packed lower triangle."""
    indices = np.tril_indices(n_dimensions)
    for index in indices:
        index.flags.writeable = False
    return indices


@cache
def _square(n_dimensions):
    """Where each element of a symmetric matrix stands in its packed lower triangle (D, D)."""
    i, j = np.maximum.outer(*[np.arange(n_dimensions)] * 2), np.minimum.outer(*[np.arange(n_dimensions)] * 2)
    return element(i, j)


def unpack(packed, n_dimensions):
    """Symmetric matrices (..., D, D) from packed lower triangles (..., M)."""
    return packed[..., _square(n_dimensions)]


def pack(values, noise, weights, location=0.0, scale=1.0):
    """Pack ``(values - location) / scale``.

    Parameters
    ----------
    values : ndarray (N, D)
        What is not finite is missing.
    noise : None, ndarray (N, D) or (N, D, D)
        Nothing, 1-sigma errors, or covariances, before division by the scale.
    weights : None or ndarray (N,)
    location, scale : ndarray (D,) or float
    """
    D = values.shape[1]
    scale = np.broadcast_to(scale, D)
    kept, complete = _kept(values, weights)
    n_objects = len(values) if kept is None else kept.size
    total_weight = n_values = 0.0
    parts = [slice(i, min(i + AT_ONCE, n_objects)) for i in range(0, n_objects, AT_ONCE)]
    of = (lambda part: part) if kept is None else (lambda part: kept[part])  # rows of the caller's arrays
    common = _common(noise, map(of, parts), scale) if complete else None
    kind = COMMON if common is not None else FULL if noise is not None and noise.ndim == 3 else DIAGONAL
    layout = Layout.of(D, kind, 0 if complete else 1)
    data = aligned((-(-n_objects // LANES), n_noise(layout) + D + 1 + (0 if complete else D), LANES))
    data[-1, [row for row, (i, j) in enumerate(_noise_rows(kind, D)) if i == j], :] = 1.0  # padding: T is regular
    for part in parts:
        x, e = values[of(part)], None if noise is None else noise[of(part)]
        seen = np.isfinite(x)
        omega = np.ones(len(x)) if weights is None else weights[of(part)]
        total_weight += omega.sum()
        n_values += omega @ seen.sum(axis=1)
        columns = [
            *(np.where(seen[:, i] & seen[:, j], v, 0.0) for (i, j), v in _noise_columns(e, kind, scale)),
            *np.where(seen, (x - location) / scale, 0.0).T,
            omega,
            *(() if complete else seen.T),
        ]
        target = data[part.start // LANES : -(-part.stop // LANES)]
        whole = len(x) // LANES
        for row, column in enumerate(columns):
            target[:whole, row] = column[: whole * LANES].reshape(-1, LANES)
            target[whole:, row, : len(x) % LANES] = column[whole * LANES :]
    return Blocks(data, layout, common, kept, n_objects, float(total_weight), float(n_values), (len(data), 1))


def _kept(values, weights):
    """Rows with a value and a weight (None where all have both); and whether no value of theirs is missing."""
    seen = np.isfinite(values)
    counts = seen.any(axis=1)
    if weights is not None:
        counts &= weights > 0
    if counts.all():
        return None, bool(seen.all())
    kept = np.flatnonzero(counts)
    return kept, bool(seen[kept].all())


def _common(noise, parts, scale):
    """The noise covariance of every object (D, D), in units of the scale, where all have the same."""
    if noise is None:
        return np.zeros((scale.size, scale.size))
    first = None
    for part in parts:
        rows = noise[part]
        first = rows[0] if first is None else first
        if not (rows == first).all():
            return None
    return np.diag((first / scale) ** 2) if noise.ndim == 2 else first / scale / scale[:, None]


def _noise_rows(kind, D):
    """Elements (i, j) of the noise covariance that a block holds."""
    if kind == FULL:
        return list(zip(*triangle(D), strict=True))
    return [(i, i) for i in range(D)] if kind == DIAGONAL else []


def _noise_columns(noise, kind, scale):
    """Each element (i, j) held, and its values for some objects."""
    for i, j in _noise_rows(kind, scale.size):
        if noise is None:
            yield (i, j), 0.0
        elif noise.ndim == 2:
            yield (i, j), (noise[:, i] / scale[i]) ** 2
        else:
            yield (i, j), noise[:, i, j] / scale[i] / scale[j]
