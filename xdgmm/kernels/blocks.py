"""Pack measurements once, in the order in which the compiled passes read them.

A block is eight objects; each number of an object is one row of eight lanes (structure of arrays)::

    noise       full: covariance S, packed lower triangle, M (M + 1) / 2 rows;  diagonal: variances, M rows;
                none, or the same for every object: no rows, it stands in `Blocks.common`
    projection  R, M D rows, where each object has its own; then noise is always full
    values      M rows
    weight      omega, 1 row; 0 in the padding of the last block
    mask        M rows, 1 seen and 0 missing; only where some value is missing, and not with R
    background  log2 of the uniform density times (2 pi)^(values seen / 2), 1 row; only where there is one

A missing value is stored as 0 everywhere, its mask says the rest: exact marginalisation, not a large variance.  With a
projection of each object no mask is needed: the value and its row of R are 0, its row of S is that of the identity.
One R for all objects has no rows: it stands in `Blocks.projection`, and the kernels see a mixture of M dimensions.
"""

from dataclasses import dataclass, replace
from functools import cache
from math import prod

import numpy as np

from .compiled import (
    COMMON,
    DIAGONAL,
    FULL,
    LANES,
    NOWHERE,
    PROJECTED,
    Layout,
    background_row,
    element,
    value_row,
    weight_row,
)
from .noise import Noise, as_noise

LOG_2PI = np.log(2.0 * np.pi)
AT_ONCE = 512 * LANES  # objects packed at once: what is needed besides the blocks stays small
CHUNKS, SMALLEST_CHUNK = 128, 64  # at most so many chunks, of at least so many blocks


@dataclass(frozen=True, eq=False)
class Blocks:
    """Packed measurements of the objects that can say something: at least one value, weight above zero."""

    data: np.ndarray  # (n_blocks, rows, LANES)
    layout: Layout
    common: np.ndarray | None  # noise covariance of every object (M, M), where it is the same
    kept: np.ndarray | None  # which of the caller's rows the objects are (n_objects,); None for all
    n_objects: int
    total_weight: float  # sum of the object weights: their number where none were given
    n_values: float  # number of values seen, each with the weight of its object
    taken: tuple  # (number of blocks, every): a sample takes one block of every few, and copies none
    projection: np.ndarray | None = None  # R of every object (M, D), where it is the same
    present: np.ndarray | None = None  # which values are seen (n_objects, M), where some are not and no mask says so

    @property
    def n_dimensions(self):
        """Number of coordinates D of the mixture."""
        return len(self.layout.dimensions) if self.projection is None else self.projection.shape[1]

    @property
    def n_measured(self):
        """Number of measured columns M: D without projections."""
        return len(self.layout.measured)

    @property
    def projected(self):
        """Are the values projections of the coordinates?"""
        return self.projection is not None or len(self.layout.noise) == PROJECTED

    @property
    def rows(self):
        """Which of the caller's rows the objects are (n_objects,)."""
        return np.arange(self.n_objects) if self.kept is None else self.kept

    @property
    def object_weights(self):
        """Frequency weight of each object (n_objects,)."""
        return self._column(weight_row(self.layout))

    @property
    def n_present(self):
        """Number of values seen of each object (n_objects,)."""
        if self.present is not None:
            return self.present.sum(axis=1)
        if not self.layout.missing:
            return np.full(self.n_objects, self.n_measured)
        return sum(self.seen(i) for i in range(self.n_measured)).astype(int)

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

    def subsample(self, n_objects):
        """About so many of the objects: one block of every few, or these blocks themselves if they hold no more."""
        every = -(-self.n_objects // n_objects)
        if every == 1 or self.n_blocks == 1:
            return self
        n_blocks = -(-(self.n_blocks - 1) // every)  # the last block may be padded: never taken
        members = (every * LANES * np.arange(n_blocks)[:, None] + np.arange(LANES)).ravel()
        rows, present = self.rows[members], None if self.present is None else self.present[members]
        taken = n_blocks, every * self.taken[1]
        sample = replace(self, taken=taken, kept=rows, present=present, n_objects=rows.size)
        weights = sample.object_weights
        return replace(sample, total_weight=float(weights.sum()), n_values=float(weights @ sample.n_present))

    def values(self, i):
        """Values of measured column i (n_objects,); 0 where missing."""
        return self._column(value_row(self.layout) + i)

    def seen(self, i):
        """Where measured column i has a value: 1 or 0 (n_objects,)."""
        if self.present is not None:
            return self.present[:, i].astype(float)
        if not self.layout.missing:
            return np.ones(self.n_objects)
        return self._column(weight_row(self.layout) + 1 + i)

    def variances(self, i):
        """Noise variances of measured column i (n_objects,); 0 where missing."""
        if self.common is not None:
            return np.full(self.n_objects, self.common[i, i])
        variances = self._column(i if len(self.layout.noise) == DIAGONAL else element(i, i))
        return variances if self.present is None else variances * self.present[:, i]

    def noise_of(self, i):
        """Noise variances of coordinate i (n_objects,).

        Without projections `variances`; with them the smallest ``S_aa / R_ai^2``, that of the value that tells most
        about it if the other coordinates are known, and infinite where no value tells of it.
        """
        if not self.projected:
            return self.variances(i)
        smallest = np.full(self.n_objects, np.inf)
        for a in range(self.n_measured):
            R = self._factors(a, i)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                variances = self.variances(a) / R / R
            np.minimum(smallest, variances, out=smallest, where=(R != 0) & (self.seen(a) > 0))
        return smallest

    def sees(self, i):
        """Where some value tells of coordinate i: 1 or 0 (n_objects,)."""
        if not self.projected:
            return self.seen(i)
        told = [(self._factors(a, i) != 0) & (self.seen(a) > 0) for a in range(self.n_measured)]
        return np.any(told, axis=0).astype(float)

    def _factors(self, a, i):
        """Element (a, i) of the projections (n_objects,); 0 in the rows of missing values where each has its own."""
        if self.projection is not None:
            return np.full(self.n_objects, self.projection[a, i])
        M, D = self.n_measured, self.n_dimensions
        return self._column(element(M, 0) + a * D + i)

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


def pack(values, noise, weights, location=0.0, scale=1.0, *, projections=None, measured_scale=1.0, background=None):
    """Pack ``(values - location) / scale`` or, with projections, ``(values - R location) / measured_scale``.

    Parameters
    ----------
    values : ndarray (N, M)
        What is not finite is missing.
    noise : Noise, None, ndarray (N, M) or (N, M, M)
        A noise model; or what stands for one: nothing, 1-sigma errors, or covariances, before division by the scale.
    weights : None or ndarray (N,)
    location, scale : ndarray (D,) or float
        Of the coordinates of the mixture; without projections these are what was measured.
    projections : None, ndarray (M, D) or (N, M, D)
        The R of all objects, or of each, before they are multiplied by ``scale / measured_scale``.
    measured_scale : ndarray (M,) or float
        Of the measured values, with projections.
    background : None or tuple of two ndarray (D,)
        Lower and upper ends of the box of a uniform component, in the units of the values.

    Raises
    ------
    ValueError
        If there are a background and projections: it would have no density in what was measured.
    """
    M = values.shape[1]
    noise = as_noise(noise, values.shape)
    if projections is None:
        return _packed(_Measurements(values, noise, weights, location, np.broadcast_to(scale, M), box=background))
    if background is not None:
        raise ValueError("a background is uniform in what was measured: it goes with no projections")
    D = projections.shape[-1]
    location, scale = np.broadcast_to(location, D), np.broadcast_to(scale, D)
    measured_scale = np.broadcast_to(measured_scale, M)
    if projections.ndim == 2 and (D > 1 or M == 1):
        blocks = _packed(_Measurements(values, noise, weights, projections @ location, measured_scale))
        return replace(blocks, projection=projections * scale / measured_scale[:, None])
    each = np.broadcast_to(projections, (len(values), M, D))  # M values of one coordinate: P^2 is no sum over values
    return _packed(_Measurements(values, noise, weights, location, measured_scale, each, scale))


@dataclass(frozen=True, eq=False)
class _Measurements:
    """What is to be packed: the arguments of `pack`, with R of each object or without any."""

    values: np.ndarray
    noise: Noise
    weights: np.ndarray | None
    location: np.ndarray | float
    scale: np.ndarray  # of what is measured (M,)
    projections: np.ndarray | None = None  # (N, M, D)
    latent_scale: np.ndarray | None = None  # (D,), with projections
    box: tuple | None = None

    def layout(self, common, *, complete):
        """What kernels are compiled for."""
        M = D = self.values.shape[1]
        kind = self.noise.form if common is None else COMMON
        if self.projections is not None:
            D, kind, complete = self.projections.shape[2], PROJECTED, True
        return Layout.of(D, kind, 0 if complete else 1, M, 0 if self.box is None else 1)

    def columns(self, rows, seen, omega, layout):
        """What stands in the rows of blocks, in their order: one number or an array (rows,) for each."""
        x = self.values[rows]
        own = 1.0 if self.projections is not None else 0.0  # variance where a value is missing
        for (i, j), v in self._noise(rows, layout):
            yield np.where(seen[:, i] & seen[:, j], v, own if i == j else 0.0)
        location = self.location
        if self.projections is not None:
            R = np.where(seen[:, :, None], self.projections[rows], 0.0)
            location = R @ self.location
            yield from (R * self.latent_scale / self.scale[:, None]).reshape(len(x), -1).T
        yield from np.where(seen, (x - location) / self.scale, 0.0).T
        yield omega
        if layout.missing:
            yield from seen.T
        if self.box is not None:
            yield _uniform(x, seen, self.box, self.scale)

    def _noise(self, rows, layout):
        """Each element (i, j) of the noise covariance held, and its values for some objects."""
        noise = self.noise.select(rows)
        for i, j in _noise_rows(layout):
            yield (i, j), noise.element(i, j, self.scale)


def _packed(given):
    values, weights = given.values, given.weights
    kept, complete = _kept(values, weights)
    n_objects = len(values) if kept is None else kept.size
    parts = [slice(i, min(i + AT_ONCE, n_objects)) for i in range(0, n_objects, AT_ONCE)]
    of = (lambda part: part) if kept is None else (lambda part: kept[part])  # rows of the caller's arrays
    shared = complete and given.projections is None
    common = given.noise.common(map(of, parts), given.scale) if shared else None
    layout = given.layout(common, complete=complete)
    data = _room(n_objects, layout)
    present = None if complete or layout.missing else np.empty((n_objects, values.shape[1]), bool)
    total_weight = n_values = 0.0
    for part in parts:
        seen = np.isfinite(values[of(part)])
        omega = np.ones(len(seen)) if weights is None else weights[of(part)]
        total_weight += omega.sum()
        n_values += omega @ seen.sum(axis=1)
        _fill(data[part.start // LANES : -(-part.stop // LANES)], given.columns(of(part), seen, omega, layout), seen)
        if present is not None:
            present[part] = seen
    totals = float(total_weight), float(n_values)
    return Blocks(data, layout, common, kept, n_objects, *totals, (len(data), 1), present=present)


def _room(n_objects, layout):
    """Blocks of zeros; where noise is held, with unit variances in the padding: T is regular."""
    data = aligned((-(-n_objects // LANES), background_row(layout) + len(layout.background), LANES))
    data[-1, [row for row, (i, j) in enumerate(_noise_rows(layout)) if i == j], :] = 1.0
    return data


def _fill(target, columns, seen):
    """Write columns of objects into the rows of their blocks."""
    whole, rest = divmod(len(seen), LANES)
    for row, column in enumerate(columns):
        target[:whole, row] = column[: whole * LANES].reshape(-1, LANES)
        target[whole:, row, :rest] = column[whole * LANES :]


def _uniform(x, seen, box, scale):
    """log2 of the density that a uniform component has at each object, without the (2 pi)^(-1/2) of each value."""
    low, high = box
    outside = (seen & ((x < low) | (x > high))).any(axis=1)
    heights = np.log2(scale) - np.log2(np.subtract(high, low)) + 0.5 * LOG_2PI / np.log(2.0)
    return np.where(outside, NOWHERE, seen @ heights)


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


def _noise_rows(layout):
    """Elements (i, j) of the noise covariance that a block holds."""
    M, kind = len(layout.measured), len(layout.noise)
    if kind in (FULL, PROJECTED):
        return list(zip(*triangle(M), strict=True))
    return [(i, i) for i in range(M)] if kind == DIAGONAL else []
