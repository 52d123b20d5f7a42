"""Pack measurements once, in the order in which the compiled passes read them.

A block is eight objects; each number of an object is one row of eight lanes (structure of arrays)::

    noise       full: covariance S, packed lower triangle, M (M + 1) / 2 rows;  diagonal: variances, M rows;
                none, or the same for every object: no rows, see `Blocks.common`
    projection  R, M D rows, where each object has its own; then noise is always full
    values      M rows
    weight      omega, 1 row; 0 in the padding of the last block
    mask        M rows, 1 present and 0 missing; only where some value is missing, and not with R
    background  log2 of its density times (2 pi)^(n / 2) for n values present, 1 row; only where there is one
    memberships log2 of the probability that it belongs to each Gaussian, G rows; only where these are known beforehand

A missing value is stored as 0 with mask 0, which the kernels marginalise exactly; no large variance stands for it.
With a projection of each object no mask is needed: the value and its row of R are 0, its row of S is that of the
identity.  One R for all objects has no rows: it is `Blocks.projection`, and the kernels get a mixture of M dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import in_any_column, read_only

from . import packing
from .compiled import (
    COMMON,
    DIAGONAL,
    FULL,
    LANES,
    LOG2_ZERO,
    PROJECTED,
    Layout,
    background_row,
    element,
    membership_row,
    value_row,
    weight_row,
)
from .noise import as_noise
from .threads import run_in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from numpy.typing import NDArray

    from .noise import Noise, Rows

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Indices = NDArray[np.intp]

LOG_2PI, LN2 = float(np.log(2.0 * np.pi)), float(np.log(2.0))
AT_ONCE = 2048 * LANES  # objects packed at once, so that packing needs little memory besides the blocks
CHUNKS, SMALLEST_CHUNK = 128, 64  # at most so many chunks, of at least so many blocks


@dataclass(frozen=True, eq=False)
class Blocks:
    """Packed measurements of the objects that count: at least one value, weight above zero.

    Attributes
    ----------
    data : ndarray (n_blocks, rows, LANES)
    layout : Layout
    common : ndarray (M, M) or None
        Noise covariance of every object, where it is the same.
    kept : ndarray of int (n_objects,) or None
        Which of the caller's rows the objects are; None for all.
    n_objects : int
    total_weight : float
        Sum of the object weights: their number where none were given.
    n_values : float
        Number of values present, each with the weight of its object.
    taken : tuple of int
        (number of blocks, every): a sample takes one block of every few, and copies none.
    projection : ndarray (M, D) or None
        R of every object, where it is the same.
    presence : ndarray of bool (n_objects, M) or None
        Which values are present, where some are missing and the blocks have no mask.
    """

    data: Floats
    layout: Layout
    common: Floats | None
    kept: Indices | None
    n_objects: int
    total_weight: float
    n_values: float
    taken: tuple[int, int]
    projection: Floats | None = None
    presence: Bools | None = None

    @classmethod
    def pack(
        cls,
        values: Floats,
        noise: Noise | Floats | None,
        weights: Floats | None,
        location: Floats | float = 0.0,
        scale: Floats | float = 1.0,
        *,
        projections: Floats | None = None,
        measured_scale: Floats | float = 1.0,
        background: Floats | None = None,
        memberships: Floats | None = None,
    ) -> Self:
        """Pack ``(values - location) / scale`` or, with projections, ``(values - R location) / measured_scale``.

        Parameters
        ----------
        values : ndarray (N, M)
            What is not finite is missing.
        noise : Noise, None, ndarray (N, M) or (N, M, M)
            A noise model, or its array: None, 1-sigma errors, or covariances, before division by the scale.
        weights : None or ndarray (N,)
        location, scale : ndarray (D,) or float
            Of the coordinates of the mixture; without projections these are the measured values.
        projections : None, ndarray (M, D) or (N, M, D)
            The R of all objects, or of each, before they are multiplied by ``scale / measured_scale``.
        measured_scale : ndarray (M,) or float
            Of the measured values, with projections.
        background : None or ndarray (N,)
            Natural logarithm of the density of a last component at each object, as packed: per ``values / scale``.
        memberships : None or ndarray (N, G)
            Probability that each object belongs to each Gaussian, in the place of the weights of the mixture; that of
            a background is part of its density.  Where there are more Gaussians than G, each serves as many of them,
            one after the other, and is divided among them as their weights are.

        Raises
        ------
        ValueError
            If there are projections and a background or memberships, for which the kernels have no place.
        """
        M = values.shape[1]
        noise = as_noise(noise, values.shape)
        if projections is None:
            divisor = np.broadcast_to(scale, M)
            unprojected = _Measurements(values, noise, weights, location, divisor)
            return cls._of(replace(unprojected, background=background, memberships=memberships))
        if background is not None or memberships is not None:
            raise ValueError("a background, or memberships, cannot be combined with projections")
        D = projections.shape[-1]
        location, scale = np.broadcast_to(location, D), np.broadcast_to(scale, D)
        divisor = np.broadcast_to(measured_scale, M)
        if projections.ndim == 2 and (D > 1 or M == 1):
            blocks = cls._of(_Measurements(values, noise, weights, projections @ location, divisor))
            return replace(blocks, projection=projections * scale / divisor[:, None])
        # D = 1 < M with one R comes here too: sum P^2 of the coordinate does not follow from sums in M dimensions
        each = np.broadcast_to(projections, (len(values), M, D))
        return cls._of(_Measurements(values, noise, weights, location, divisor, each, scale))

    @classmethod
    def _of(cls, measurements: _Measurements) -> Self:
        values, weights = measurements.values, measurements.weights
        kept, complete = _kept(values, weights)
        n_objects = len(values) if kept is None else kept.size
        parts = [slice(i, min(i + AT_ONCE, n_objects)) for i in range(0, n_objects, AT_ONCE)]
        rows: list[Rows] = list(parts) if kept is None else [kept[part] for part in parts]  # of the caller's arrays
        unmasked = complete and measurements.projections is None
        common = measurements.noise.common(rows, measurements.scale) if unmasked else None
        layout = measurements.layout(common, complete=complete)
        data = _empty_blocks(n_objects, layout, measurements.n_memberships)
        presence = None if complete or layout.missing else np.empty((n_objects, values.shape[1]), bool)
        totals = np.zeros((len(parts), 2))

        def task(first: int, last: int) -> None:
            for i in range(first, last):
                part, own = parts[i], rows[i]
                omega = np.ones(part.stop - part.start) if weights is None else weights[own]
                totals[i] = omega.sum(), omega.sum() * values.shape[1]
                present = None if complete else np.isfinite(values[own])
                if present is not None:
                    totals[i, 1] = (omega @ present).sum()
                measurements.fill(data[part.start // LANES : -(-part.stop // LANES)], own, present, omega, layout)
                if presence is not None:
                    presence[part] = present

        run_in_threads(task, len(parts), 2.0 * data.size)
        total_weight, n_values = totals.sum(axis=0).tolist()
        return cls(data, layout, common, kept, n_objects, total_weight, n_values, (len(data), 1), presence=presence)

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D of the mixture."""
        return len(self.layout.dimensions) if self.projection is None else self.projection.shape[1]

    @property
    def n_measured(self) -> int:
        """Number of measured columns M: D without projections."""
        return len(self.layout.measured)

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?"""
        return self.projection is not None or len(self.layout.noise) == PROJECTED

    @property
    def rows(self) -> Indices:
        """Which of the caller's rows the objects are (n_objects,)."""
        return np.arange(self.n_objects) if self.kept is None else self.kept

    @property
    def object_weights(self) -> Floats:
        """Frequency weight of each object (n_objects,)."""
        return self._column(weight_row(self.layout))

    @property
    def incomplete(self) -> bool:
        """Are some of the values missing?"""
        return self.presence is not None or bool(self.layout.missing)

    @property
    def n_present(self) -> NDArray[np.int_]:
        """Number of values present of each object (n_objects,)."""
        if self.presence is not None:
            return np.asarray(self.presence.sum(axis=1))
        if not self.layout.missing:
            return np.full(self.n_objects, self.n_measured)
        present = (self.present(i) for i in range(self.n_measured))
        return sum(present, start=np.zeros(self.n_objects)).astype(int)

    @property
    def n_memberships(self) -> int:
        """How many memberships each object has: G, or 0 where none are known beforehand."""
        return int(self.data.shape[1] - membership_row(self.layout))

    @property
    def n_blocks(self) -> int:
        """Number of blocks in use."""
        return self.taken[0]

    @property
    def chunk_size(self) -> int:
        """Blocks in a chunk: depends on the number of blocks only, not on that of threads."""
        return max(SMALLEST_CHUNK, -(-self.n_blocks // CHUNKS))

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return -(-self.n_blocks // self.chunk_size)

    def subsample(self, n_objects: int) -> Self:
        """About so many of the objects: one block of every few, or these blocks themselves if they hold no more."""
        every = -(-self.n_objects // n_objects)
        if every == 1 or self.n_blocks == 1:
            return self
        n_blocks = -(-(self.n_blocks - 1) // every)  # the last block may be padded: never taken
        members = (every * LANES * np.arange(n_blocks)[:, None] + np.arange(LANES)).ravel()
        rows = members if self.kept is None else self.kept[members]
        presence = None if self.presence is None else self.presence[members]
        taken = n_blocks, every * self.taken[1]
        sample = replace(self, taken=taken, kept=rows, presence=presence, n_objects=rows.size)
        weights = sample.object_weights
        return replace(sample, total_weight=float(weights.sum()), n_values=float(weights @ sample.n_present))

    def take(self, members: Indices) -> Self:
        """Some of the objects (indices below n_objects), copied: in this order, and as often as they are named."""
        n = len(members)
        data = _empty_blocks(n, self.layout, self.n_memberships)
        for row in range(data.shape[1]):
            _fill_row(data, row, self._column(row)[members], n)
        kept = members if self.kept is None else self.kept[members]
        presence = None if self.presence is None else self.presence[members]
        taken = replace(self, data=data, kept=kept, presence=presence, n_objects=n, taken=(len(data), 1))
        weights = taken.object_weights
        return replace(taken, total_weight=float(weights.sum()), n_values=float(weights @ taken.n_present))

    def parts(self, n_objects: int) -> Iterator[Self]:
        """The same objects in parts of about so many, for passes over each; the totals of a part are not computed."""
        (n_blocks, every), size = self.taken, max(n_objects // LANES, 1)
        for first in range(0, n_blocks, size):
            own = slice(first * LANES, min((first + size) * LANES, self.n_objects))
            yield replace(
                self,
                data=self.data[first * every :],
                taken=(min(size, n_blocks - first), every),
                kept=None,
                presence=None if self.presence is None else self.presence[own],
                n_objects=own.stop - own.start,
                total_weight=math.nan,
                n_values=math.nan,
            )

    def with_background(self, log_densities: Floats) -> Self:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        n_blocks, every = self.taken
        data = aligned((n_blocks, *self.data.shape[1:]))
        data[:] = self.data[: n_blocks * every : every]
        row = np.zeros(n_blocks * LANES)
        row[: self.n_objects] = _log2_densities(log_densities, self.n_present)
        data[:, background_row(self.layout)] = row.reshape(n_blocks, LANES)
        return replace(self, data=data, taken=(n_blocks, 1))

    def with_own_projections(self) -> Self:
        """The same objects, each with an R of its own, if there is one R for all; these blocks themselves otherwise."""
        R = self.projection
        if R is None:
            return self
        M, D = R.shape
        n_blocks, every = self.taken
        layout = Layout.of(D, PROJECTED, 0, M, 0)
        data, old = aligned((n_blocks, background_row(layout), LANES)), self.data[: n_blocks * every : every]
        first, weight = value_row(self.layout), weight_row(self.layout)
        seen = [old[:, weight + 1 + a] if self.layout.missing else np.ones(LANES) for a in range(M)]
        held = {pair: row for row, pair in enumerate(noise_rows(self.layout))}
        for row, (a, b) in enumerate(noise_rows(layout)):
            if self.common is not None:
                data[:, row] = self.common[a, b]
            elif (a, b) in held:
                data[:, row] = old[:, held[a, b]]
            if a == b:
                data[:, row] += 1.0 - seen[a]
        for a in range(M):
            for i in range(D):
                data[:, element(M, 0) + a * D + i] = R[a, i] * seen[a]
        data[:, value_row(layout) :] = old[:, first : weight + 1]
        present = np.stack([self.present(a) > 0 for a in range(M)], axis=1) if self.layout.missing else None
        moved = replace(self, data=data, layout=layout, common=None, taken=(n_blocks, 1))
        return replace(moved, projection=None, presence=present)

    def values(self, i: int) -> Floats:
        """Values of measured column i (n_objects,); 0 where missing."""
        return self._column(value_row(self.layout) + i)

    def present(self, i: int) -> Floats:
        """Where measured column i has a value: 1 or 0 (n_objects,)."""
        if self.presence is not None:
            return self.presence[:, i].astype(float)
        if not self.layout.missing:
            return np.ones(self.n_objects)
        return self._column(weight_row(self.layout) + 1 + i)

    def variances(self, i: int) -> Floats:
        """Noise variances of measured column i (n_objects,); 0 where missing."""
        if self.common is not None:
            return np.full(self.n_objects, self.common[i, i])
        variances = self._column(i if len(self.layout.noise) == DIAGONAL else element(i, i))
        return variances if self.presence is None else variances * self.presence[:, i]

    def coordinate_variances(self, i: int) -> Floats:
        """Noise variances of coordinate i (n_objects,).

        Without projections `variances`.  With them the smallest ``S_aa / R_ai^2``, the variance of the value that
        constrains the coordinate best if the others are known; infinite where no value depends on it.
        """
        if not self.projected:
            return self.variances(i)
        smallest = np.full(self.n_objects, np.inf)
        for a in range(self.n_measured):
            R = self._projection_elements(a, i)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                variances = self.variances(a) / R / R
            np.minimum(smallest, variances, out=smallest, where=(R != 0) & (self.present(a) > 0))
        return smallest

    def measures(self, i: int) -> Floats:
        """Where some value of an object depends on coordinate i: 1 or 0 (n_objects,)."""
        if not self.projected:
            return self.present(i)
        depend = [(self._projection_elements(a, i) != 0) & (self.present(a) > 0) for a in range(self.n_measured)]
        return np.asarray(np.any(depend, axis=0), dtype=float)

    def _projection_elements(self, a: int, i: int) -> Floats:
        """Element (a, i) of the projections (n_objects,); 0 for missing values where each object has its own."""
        if self.projection is not None:
            return np.full(self.n_objects, self.projection[a, i])
        M, D = self.n_measured, self.n_dimensions
        return self._column(element(M, 0) + a * D + i)

    def in_lanes(self, numbers: Floats) -> Floats:
        """A number of each object (n_objects,) as blocks hold it: (n_blocks, LANES), zeros in the padding."""
        lanes = aligned((self.n_blocks, LANES))
        lanes.reshape(-1)[: self.n_objects] = numbers
        return lanes

    def _column(self, row: int) -> Floats:
        n_blocks, every = self.taken
        return self.data[: n_blocks * every : every, row, :].reshape(-1)[: self.n_objects]


def aligned(shape: tuple[int, ...]) -> Floats:
    """An array of zeros that starts at a cache line: vectors across two lines are slow to load."""
    count = math.prod(shape)
    memory = np.zeros(count + LANES)
    first = (-memory.ctypes.data // memory.itemsize) % LANES
    return memory[first : first + count].reshape(shape)


@cache
def triangle(n_dimensions: int) -> tuple[Indices, Indices]:
    """Row and column indices of the packed lower triangle."""
    rows, columns = np.tril_indices(n_dimensions)
    return read_only(rows), read_only(columns)


@cache
def _square(n_dimensions: int) -> Indices:
    """Index of each element of a symmetric matrix (D, D) in its packed lower triangle."""
    i, j = np.maximum.outer(*[np.arange(n_dimensions)] * 2), np.minimum.outer(*[np.arange(n_dimensions)] * 2)
    return np.asarray(element(i, j))


def unpack(packed: Floats, n_dimensions: int) -> Floats:
    """Symmetric matrices (..., D, D) from packed lower triangles (..., M)."""
    return packed[..., _square(n_dimensions)]


@dataclass(frozen=True, eq=False)
class _Measurements:
    """The arguments of `Blocks.pack`, with R of each object or without any."""

    values: Floats
    noise: Noise
    weights: Floats | None
    location: Floats | float
    scale: Floats  # of the measured values (M,)
    projections: Floats | None = None  # (N, M, D)
    latent_scale: Floats | float = 1.0  # (D,), with projections
    background: Floats | None = None  # (N,)
    memberships: Floats | None = None  # (N, G)

    @property
    def n_memberships(self) -> int:
        """How many memberships each object has: G."""
        return 0 if self.memberships is None else int(self.memberships.shape[1])

    def layout(self, common: Floats | None, *, complete: bool) -> Layout:
        """What kernels are compiled for."""
        M = D = self.values.shape[1]
        form = self.noise.form if common is None else COMMON
        if self.projections is not None:
            D, form, complete = self.projections.shape[2], PROJECTED, True
        beside = self.background is not None, self.memberships is not None
        return Layout.of(D, form, 0 if complete else 1, M, *map(int, beside))

    def fill(self, target: Floats, rows: Rows, present: Bools | None, omega: Floats, layout: Layout) -> None:
        """Write the numbers of some objects into their blocks; `present` is None where all values are.

        Scales that are powers of two, as those of fits are, change no digit.  They can be multiplied by.
        """
        if self.projections is not None or (np.frexp(self.scale)[0] != 0.5).any():
            present = np.isfinite(self.values[rows]) if present is None else present
            _fill(target, self.columns(rows, present, omega, layout), len(omega))
            return
        M, noise = self.values.shape[1], self.noise.select(rows).array
        squared, factors = noise is not None and noise.ndim == 2, 1.0 / self.scale
        numbers = np.zeros((len(omega), 1)) if noise is None else noise.reshape(len(omega), -1)
        i, j = np.array(noise_rows(layout), dtype=np.intp).reshape(-1, 2).T
        place = np.zeros_like(i) if noise is None else i if squared else i * M + j
        location = np.ascontiguousarray(np.broadcast_to(self.location, M), dtype=float)
        values, numbers, omega = (read_only(np.ascontiguousarray(x)) for x in (self.values[rows], numbers, omega))
        filled = np.stack([place, i, j]), np.column_stack([factors[i], factors[j]]), squared, location, factors
        packing.fill(values, numbers, *filled, omega, bool(layout.missing), target)
        if self.background is not None:
            n_present = np.full(len(omega), M) if present is None else _count(present)
            row = background_row(layout)
            _fill_row(target, row, _log2_densities(self.background[rows], n_present), len(omega))
        if self.memberships is not None:
            for k, column in enumerate(_log2_memberships(self.memberships[rows]).T, membership_row(layout)):
                _fill_row(target, k, column, len(omega))

    def columns(self, rows: Rows, present: Bools, omega: Floats, layout: Layout) -> Iterator[NDArray[Any]]:
        """The rows of the blocks of some objects, in their order: an array (n,) for each."""
        x = self.values[rows]
        missing_variance = 1.0 if self.projections is not None else 0.0
        noise = self.noise.select(rows)
        for i, j in noise_rows(layout):
            fill = missing_variance if i == j else 0.0
            yield np.where(present[:, i] & present[:, j], noise.element(i, j, self.scale), fill)
        location = self.location
        if self.projections is not None:
            R = np.where(present[:, :, None], self.projections[rows], 0.0)
            location = R @ self.location
            yield from (R * self.latent_scale / self.scale[:, None]).reshape(len(x), -1).T
        yield from np.where(present, (x - location) / self.scale, 0.0).T
        yield omega
        if layout.missing:
            yield from present.T
        if self.background is not None:
            yield _log2_densities(self.background[rows], present.sum(axis=1))
        if self.memberships is not None:
            yield from _log2_memberships(self.memberships[rows]).T


def _empty_blocks(n_objects: int, layout: Layout, n_memberships: int = 0) -> Floats:
    """Blocks of zeros; where noise is held, with unit variances in the padding, so that T is regular there."""
    data = aligned((-(-n_objects // LANES), membership_row(layout) + n_memberships, LANES))
    data[-1, [row for row, (i, j) in enumerate(noise_rows(layout)) if i == j], :] = 1.0
    return data


def _count(present: Bools) -> NDArray[np.int_]:
    """Number of values present of each object (n,)."""
    return sum(present.T, start=np.zeros(len(present), int))


def _fill(target: Floats, columns: Iterator[NDArray[Any]], n_objects: int) -> None:
    """Write columns of objects into the rows of their blocks."""
    for row, column in enumerate(columns):
        _fill_row(target, row, column, n_objects)


def _fill_row(target: Floats, row: int, column: NDArray[Any], n_objects: int) -> None:
    whole, rest = divmod(n_objects, LANES)
    target[:whole, row] = column[: whole * LANES].reshape(-1, LANES)
    target[whole:, row, :rest] = column[whole * LANES :]


def _log2_densities(log_densities: Floats, n_present: NDArray[np.int_]) -> Floats:
    """log2 of the density of the background at each object, without the (2 pi)^(-1/2) of each value."""
    log2_densities = (log_densities + 0.5 * LOG_2PI * n_present) / LN2
    return np.asarray(np.maximum(log2_densities, LOG2_ZERO))


def _log2_memberships(probabilities: Floats) -> Floats:
    """log2 of probabilities; a finite number stands for that of zero."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(np.log2(probabilities), LOG2_ZERO))


def _kept(values: Floats, weights: Floats | None) -> tuple[Indices | None, bool]:
    """Rows with a value and a weight (None where all have both); and whether none of their values is missing."""
    present = np.isfinite(values)
    if weights is None and present.all():
        return None, True
    counts = in_any_column(present)
    if weights is not None:
        counts &= weights > 0
    if counts.all():
        return None, bool(present.all())
    kept = np.flatnonzero(counts)
    return kept, bool(present[kept].all())


def noise_rows(layout: Layout) -> list[tuple[int, int]]:
    """Elements (i, j) of the noise covariance that a block holds."""
    M, form = len(layout.measured), len(layout.noise)
    if form in (FULL, PROJECTED):
        return list(zip(*triangle(M), strict=True))
    return [(i, i) for i in range(M)] if form == DIAGONAL else []
