"""What a spectrum with lines is expected to be: profiles of lines over a continuum, seen through an instrument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.kernels import LineProfiles, interpolated_profiles, line_profiles

from .axes import Axis, thermal_variance
from .continua import Continuum, differences
from .groups import Group
from .starts import Sizes

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Transform = Callable[[Array], Array]

SHARPEST = 1e-2  # pixels: sigma that a line has at least where profiles are sampled at points
NEAR = 2000.0  # km/s between lines that can be taken for each other: both may be 1000 km/s from where they are expected
NARROWEST = 1e-6  # fraction of the instrument's variance that is left of a line of negative intrinsic variance


@dataclass(frozen=True)
class Table:
    """The lines of all groups, one after the other: what they share, and which parameter is theirs.

    Attributes
    ----------
    group : ndarray (L,)
        Number of the group.
    flux : ndarray (L,)
        Number of the flux that is a parameter.
    ratio : ndarray (L,)
        Flux over that parameter; NaN where the ratio is fitted.
    bounded : ndarray (R,)
        Lines whose ratio is fitted.
    positions, per_kms, half_widths : ndarray (L,)
        Where lines are seen at velocity zero; what 1 km/s is there; half widths of their natural profiles.
    thermal : ndarray (L,)
        Thermal variances in (km/s)^2.
    """

    axis: Axis
    groups: tuple[Group, ...]
    group: Integers
    flux: Integers
    ratio: Array
    bounded: Integers
    positions: Array
    per_kms: Array
    half_widths: Array
    thermal: Array

    @classmethod
    def of(cls, groups: Sequence[Group], axis: Axis, thermal: Any = None) -> Table:
        """From groups."""
        lines = [(g, line) for g, group in enumerate(groups) for line in group.lines]
        flux: list[int] = []
        ratio: list[float] = []
        firsts: dict[tuple[int, str], int] = {}
        for g, line in lines:
            if line.ratio is None:
                number = max(flux, default=-1) + 1
                firsts.setdefault((g, line.label), number)
            else:
                number = firsts[g, line.label]
            flux.append(number)
            ratio.append(line.fixed_ratio)
        positions = np.concatenate([axis.positions(group) for group in groups])
        variances = [thermal_variance(thermal, group) for group in groups]
        group = np.array([g for g, _ in lines])
        return cls(
            axis,
            tuple(groups),
            group,
            np.array(flux),
            np.array(ratio),
            np.array([i for i, (_, line) in enumerate(lines) if line.is_bounded], dtype=int),
            positions,
            axis.per_kms(positions),
            np.concatenate([axis.natural_half_widths(group) for group in groups]),
            np.array(variances)[group],
        )

    @cached_property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self.groups)

    @cached_property
    def n_fluxes(self) -> int:
        """How many fluxes are parameters."""
        return int(self.flux.max()) + 1

    @property
    def labels(self) -> list[str]:
        """Labels of the lines."""
        return [line.label for group in self.groups for line in group.lines]

    @cached_property
    def natural(self) -> Array | None:
        """Half widths of the natural profiles; None where no line has one."""
        return self.half_widths if self.half_widths.any() else None

    @cached_property
    def members(self) -> Array:
        """Which line is of which group: 1 and 0 (G, L)."""
        return np.asarray(np.arange(self.n_groups)[:, None] == self.group, dtype=float)

    @property
    def crowded(self) -> bool:
        """Are lines of different groups so near that each can be taken for the other?"""
        distances = np.abs(self.positions[:, None] - self.positions) / self.per_kms
        return bool(((distances < NEAR) & (self.group[:, None] != self.group)).any())

    @cached_property
    def contributions(self) -> Array:
        """Which line is made of which flux: 1 and 0 (F, L)."""
        return np.asarray(np.arange(self.n_fluxes)[:, None] == self.flux, dtype=float)


@dataclass(frozen=True)
class Piece:
    """A spectrum, or what windows leave of it, with what the instrument does to lines there.

    Attributes
    ----------
    low, high : ndarray (n,)
        Ends of the pixels; the same where profiles are sampled at the centres.
    centres : ndarray (n,)
    windows : tuple of (slice, (low, high))
        Which pixels belong to a window, and its ends: each has a continuum of its own.
    weights, sigmas : ndarray (L, J)
        The Gaussians of the instrument at each line.
    transform : callable or None
        What is done to rows (m, n) of what is expected: a resolution matrix, a response, exposure, division by errors.
    continuum_transform : callable or None
        The same for the continuum, where this differs.
    interpolated : bool
        Does a matrix that contains the pixel take the place of Gaussians?
    error, scatter : float
        Fractional error of the instrument's width, shared by lines, and scatter between lines.
    row_sigmas : ndarray (L,), optional
        Sigmas of the rows of a resolution matrix at the lines, to be reported.
    """

    low: Array
    high: Array
    centres: Array
    windows: tuple[tuple[slice, tuple[float, float]], ...]
    weights: Array
    sigmas: Array
    transform: Transform | None = None
    continuum_transform: Transform | None = None
    interpolated: bool = False
    error: float = 0.0
    scatter: float = 0.0
    row_sigmas: Array | None = None

    def profiles(self, means: Array, variances: Array, half_widths: Array | None, log_scales: Array) -> LineProfiles:
        """Profiles of the lines (L, n) and their derivatives, for intrinsic variances in the unit of the axis."""
        instrument, lowest = self._unscaled if not (self.error or self.scatter) else self._scaled(np.exp(log_scales))
        variances = np.maximum(variances, lowest)
        if self.interpolated:
            return interpolated_profiles(self.centres, means, variances, self.weights, instrument, half_widths)
        return line_profiles(self.low, self.high, means, variances, self.weights, instrument, half_widths)

    def seen(self, rows: Array) -> Array:
        """Rows (m, n) as they are measured."""
        return rows if self.transform is None else self.transform(rows)

    def seen_continuum(self, rows: Array) -> Array:
        """Rows of the continuum as they are measured."""
        transform = self.continuum_transform or self.transform
        return rows if transform is None else transform(rows)

    def lowest_variances(self, per_kms: Array) -> Array:
        """Intrinsic variances (L,) in (km/s)^2 below which nothing would be left of the instrument."""
        return self._unscaled[1] / per_kms**2

    @cached_property
    def _unscaled(self) -> tuple[Array, Array]:
        return self._scaled(np.ones(len(self.sigmas)))

    def _scaled(self, factors: Array) -> tuple[Array, Array]:
        """Variances of the instrument (L, J) with sigmas times factors (L,), and the lowest of lines beside it (L,)."""
        instrument = (self.sigmas * factors[:, None]) ** 2
        narrowest = instrument.min(axis=1)
        return instrument, np.maximum(NARROWEST * narrowest, self.sharpest**2) - narrowest

    @cached_property
    def sharpest(self) -> float:
        """The sigma below which a profile that is sampled at points would fall between them; 0 if it is integrated."""
        if self.interpolated or (self.high > self.low).any() or self.centres.size < 2:
            return 0.0
        return SHARPEST * float(np.median(np.diff(self.centres)))


@dataclass(frozen=True)
class Layout:
    """Where the nonlinear parameters stand: velocities, variances, ratios, logarithms of scales, and of the continuum.

    Attributes
    ----------
    n_groups, n_ratios, n_lines : int
    scales, scatters : tuple of int or None
        For each piece the place of the logarithm of its instrument's scale, and of the first of its lines.
    continuum : tuple of slice
        For each window, over all pieces.
    size : int
    """

    n_groups: int
    n_ratios: int
    n_lines: int
    scales: tuple[int | None, ...]
    scatters: tuple[int | None, ...]
    continuum: tuple[slice, ...]
    size: int

    @classmethod
    def of(cls, table: Table, pieces: Sequence[Piece], continuum: Continuum) -> Layout:
        """For groups and pieces."""
        at = 2 * table.n_groups + table.bounded.size
        n_lines = table.group.size
        scales, scatters, of_continuum = [], [], []
        for piece in pieces:
            scales.append(at if piece.error else None)
            at += bool(piece.error)
            scatters.append(at if piece.scatter else None)
            at += n_lines * bool(piece.scatter)
        for _ in range(sum(len(piece.windows) for piece in pieces)):
            of_continuum.append(slice(at, at + continuum.start.size))
            at += continuum.start.size
        return cls(table.n_groups, table.bounded.size, n_lines, tuple(scales), tuple(scatters), tuple(of_continuum), at)

    @property
    def velocities(self) -> slice:
        """Velocities of the groups in km/s."""
        return slice(0, self.n_groups)

    @property
    def variances(self) -> slice:
        """Intrinsic variances of the groups in (km/s)^2."""
        return slice(self.n_groups, 2 * self.n_groups)

    @property
    def ratios(self) -> slice:
        """Ratios that are fitted."""
        return slice(2 * self.n_groups, 2 * self.n_groups + self.n_ratios)

    def log_scales(self, theta: Array, piece: int) -> Array:
        """Logarithms of the scale of the instrument's width at each line (L,)."""
        result = np.zeros(self.n_lines)
        shared, own = self.scales[piece], self.scatters[piece]
        if shared is not None:
            result += theta[shared]
        if own is not None:
            result += theta[own : own + self.n_lines]
        return result


@dataclass(frozen=True)
class LineModel:
    """Lines over continua, as an `Expectation`.

    Coefficients are fluxes (F,), of each piece by itself where they are not shared, and those of the continua, window
    by window.
    """

    table: Table
    pieces: tuple[Piece, ...]
    continuum: Continuum
    shared_fluxes: bool = True
    _profiles_at: dict[bytes, dict[int, LineProfiles]] = field(default_factory=dict, repr=False, compare=False)
    _continua: dict[int, tuple[Array, Array | float]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def layout(self) -> Layout:
        """Where the nonlinear parameters stand."""
        return Layout.of(self.table, self.pieces, self.continuum)

    @cached_property
    def n_fluxes(self) -> int:
        """How many coefficients are fluxes."""
        return self.table.n_fluxes * (1 if self.shared_fluxes else len(self.pieces))

    @cached_property
    def n_coefficients(self) -> int:
        """How many coefficients there are."""
        windows = sum(len(piece.windows) for piece in self.pieces)
        return self.n_fluxes + windows * self.continuum.n_columns

    @cached_property
    def sizes(self) -> Sizes:
        """Of each group the instrument's sigma and half of its window, in km/s (G,); and are groups `crowded`?"""
        table = self.table
        instrument, widest = np.zeros(table.n_groups), np.zeros(table.n_groups)
        for g in range(table.n_groups):
            lines = np.flatnonzero(table.group == g)
            for piece in self.pieces:
                line, pixel, span = _nearest(piece, table.positions[lines])
                k = table.per_kms[lines[line]]
                instrument[g] = max(instrument[g], piece.sigmas[lines[line]].max() / k, pixel / k)
                widest[g] = max(widest[g], 0.5 * span / k)
        return Sizes(instrument, np.maximum(widest, 2.0 * instrument), self.table.crowded)

    def with_pieces(self, pieces: Sequence[Piece]) -> LineModel:
        """The same lines in other pieces."""
        return replace(self, pieces=tuple(pieces), _profiles_at={}, _continua={})

    def flux_columns(self, piece: int) -> slice:
        """Which coefficients are the fluxes of a piece."""
        F = self.table.n_fluxes
        first = 0 if self.shared_fluxes else piece * F
        return slice(first, first + F)

    def continuum_columns(self, window: int) -> slice:
        """Which coefficients are those of the continuum of a window, counted over all pieces."""
        first = self.n_fluxes + window * self.continuum.n_columns
        return slice(first, first + self.continuum.n_columns)

    def first_window(self, piece: int) -> int:
        """Number of the first window of a piece, over all pieces."""
        return sum(len(other.windows) for other in self.pieces[:piece])

    def ratios(self, theta: Array) -> Array:
        """Flux of each line over the parameter that it belongs to, (L,), or (K, L) at points (K, P)."""
        if not self.table.bounded.size:
            return np.broadcast_to(self.table.ratio, (*theta.shape[:-1], self.table.ratio.size))
        result = np.tile(self.table.ratio, (*theta.shape[:-1], 1))
        result[..., self.table.bounded] = theta[..., self.layout.ratios]
        return result

    def line_fluxes(self, theta: Array, coefficients: Array, piece: int = 0) -> Array:
        """Flux of each line (L,)."""
        return np.asarray(coefficients[self.flux_columns(piece)][self.table.flux] * self.ratios(theta))

    def means(self, theta: Array) -> tuple[Array, Array]:
        """Positions of the lines and their derivatives by velocity, (L,), or (K, L) at points (K, P)."""
        return self.table.axis.shifted(self.table.positions, theta[..., self.layout.velocities][..., self.table.group])

    def variances(self, theta: Array) -> Array:
        """Variances of the lines without the instrument, heat included, in the unit of the axis squared."""
        table = self.table
        return np.asarray((theta[..., self.layout.variances][..., table.group] + table.thermal) * table.per_kms**2)

    def continuum_at(
        self, theta: Array, coefficients: Array, window: int, span: tuple[float, float], x: Array
    ) -> Array:
        """The continuum of a window, counted over all pieces, at positions (n,), as it is before it is measured."""
        parameters = theta[self.layout.continuum[window]]
        columns = self.continuum.columns(x, span, parameters)
        values = coefficients[self.continuum_columns(window)] @ columns
        function = self.continuum.offset(x)
        return np.asarray(values if function is None else values + function(parameters))

    def profiles(self, theta: Array, piece: int) -> LineProfiles:
        """Profiles of the lines in a piece, kept for the last point that was asked for."""
        key = theta.tobytes()
        if key not in self._profiles_at:
            self._profiles_at.clear()
            self._profiles_at[key] = {}
        kept = self._profiles_at[key]
        if piece not in kept:
            scales = self.layout.log_scales(theta, piece)
            means, variances = self.means(theta)[0], self.variances(theta)
            kept[piece] = self.pieces[piece].profiles(means, variances, self.table.natural, scales)
        return kept[piece]

    def columns(self, theta: Array) -> tuple[Array, Array | float]:
        """What coefficients multiply (C, n), and what is added."""
        parts = [self._columns_of(theta, piece) for piece in range(len(self.pieces))]
        if len(parts) == 1:
            return parts[0]
        offsets = [np.broadcast_to(offset, columns.shape[1]) for columns, offset in parts]
        return np.concatenate([columns for columns, _ in parts], axis=1), np.concatenate(offsets)

    def _columns_of(self, theta: Array, number: int) -> tuple[Array, Array | float]:
        table = self.table
        of_continuum, offset = self._continuum_of(theta, number)
        result = of_continuum.copy()
        densities = (table.contributions * self.ratios(theta)) @ self.profiles(theta, number).density
        result[self.flux_columns(number)] = self.pieces[number].seen(densities)
        return result, offset

    def columns_of_many(self, thetas: Array) -> tuple[Array, Array]:
        """The same for points (K, P): columns (K, C, n), and what is added (K, n)."""
        parts = [self._columns_of_many(thetas, piece) for piece in range(len(self.pieces))]
        columns, offsets = zip(*parts, strict=True)
        return np.concatenate(columns, axis=2), np.concatenate(offsets, axis=1)

    def _columns_of_many(self, thetas: Array, number: int) -> tuple[Array, Array]:
        table, K = self.table, len(thetas)
        continua = [self._continuum_of(theta, number) for theta in thetas]
        result = np.array([columns for columns, _ in continua])
        densities = (table.contributions * self.ratios(thetas)[:, None]) @ self._densities_of_many(thetas, number)
        seen = self.pieces[number].seen(densities.reshape(-1, densities.shape[2]))
        result[:, self.flux_columns(number)] = seen.reshape(K, table.n_fluxes, -1)
        return result, np.array([np.broadcast_to(offset, result.shape[2]) for _, offset in continua])

    def _densities_of_many(self, thetas: Array, number: int) -> Array:
        """Profiles (K, L, n) of the lines at points (K, P), in one call of the kernel."""
        K, piece, natural = len(thetas), self.pieces[number], self.table.natural
        many = replace(piece, weights=np.tile(piece.weights, (K, 1)), sigmas=np.tile(piece.sigmas, (K, 1)))
        scales = np.concatenate([self.layout.log_scales(theta, number) for theta in thetas])
        means, variances = self.means(thetas)[0], self.variances(thetas)
        found = many.profiles(
            means.ravel(), variances.ravel(), None if natural is None else np.tile(natural, K), scales
        )
        return found.density.reshape(K, -1, piece.centres.size)

    def _continuum_of(self, theta: Array, number: int) -> tuple[Array, Array | float]:
        """Columns (C, n) of a piece's continua, zeros for fluxes, and what they add; kept where fixed."""
        if number in self._continua:
            return self._continua[number]
        piece = self.pieces[number]
        parts = [
            self._continuum_in(piece, pixels, span, theta[self.layout.continuum[window]])
            for window, (pixels, span) in enumerate(piece.windows, self.first_window(number))
        ]
        result = np.zeros((self.n_coefficients, parts[0][0].shape[1]))
        for window, (columns, _) in enumerate(parts, self.first_window(number)):
            result[self.continuum_columns(window)] = columns
        found = result, sum(added for _, added in parts)
        if not self.continuum.start.size:
            self._continua[number] = found
        return found

    def _continuum_in(
        self, piece: Piece, pixels: slice, span: tuple[float, float], parameters: Array
    ) -> tuple[Array, Array | float]:
        """Columns of the continuum of a window, and what it adds."""
        x = piece.centres[pixels]
        columns = piece.seen_continuum(_padded(self.continuum.columns(x, span, parameters), pixels, piece.centres.size))
        function = self.continuum.offset(x)
        return columns, 0.0 if function is None else _seen(piece, function(parameters)[None], pixels)[0]

    def derivatives(self, theta: Array, coefficients: Array) -> Array:
        """Derivatives (P, n) of what is expected by the nonlinear parameters."""
        parts = [self._derivatives_of(theta, coefficients, piece) for piece in range(len(self.pieces))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _derivatives_of(self, theta: Array, coefficients: Array, number: int) -> Array:
        piece, table, layout = self.pieces[number], self.table, self.layout
        profiles = self.profiles(theta, number)
        own = coefficients[self.flux_columns(number)][table.flux]
        fluxes = own * self.ratios(theta)
        rows = np.zeros((layout.size, piece.centres.size))
        rows[layout.velocities] = (table.members * (fluxes * self.means(theta)[1])) @ profiles.by_mean
        rows[layout.variances] = (table.members * (fluxes * table.per_kms**2)) @ profiles.by_variance
        for at, line in enumerate(table.bounded, layout.ratios.start):
            rows[at] = own[line] * profiles.density[line]
        if (shared := layout.scales[number]) is not None:
            rows[shared] = fluxes @ profiles.by_log_scale
        if (first := layout.scatters[number]) is not None:
            rows[first : first + table.group.size] = fluxes[:, None] * profiles.by_log_scale
        result = piece.seen(rows)
        if self.continuum.start.size:
            self._add_continuum_derivatives(result, theta, coefficients, number)
        return result

    def _add_continuum_derivatives(self, result: Array, theta: Array, coefficients: Array, number: int) -> None:
        piece = self.pieces[number]
        for window, (pixels, span) in enumerate(piece.windows, self.first_window(number)):
            at = self.layout.continuum[window]
            x, parameters = piece.centres[pixels], theta[at]
            own = coefficients[self.continuum_columns(window)]
            rows = np.einsum("c,pcn->pn", own, self.continuum.columns_by(x, span, parameters))
            function = self.continuum.offset(x)
            if function is not None:
                rows = rows + differences(function, parameters)
            result[at] += _seen(piece, rows, pixels)


def _nearest(piece: Piece, positions: Array) -> tuple[int, float, float]:
    """A line that is in a window (else the first), the size of a pixel there, and of the window."""
    for line, position in enumerate(positions):
        for pixels, (low, high) in piece.windows:
            if low <= position <= high and piece.centres[pixels].size > 1:
                return line, float(np.median(np.diff(piece.centres[pixels]))), high - low
    pixels, (low, high) = piece.windows[0]
    return 0, float(np.median(np.diff(piece.centres[pixels]))), high - low


def _padded(rows: Array, pixels: slice, n: int) -> Array:
    """Rows of a window among all pixels of a piece, zero elsewhere."""
    result = np.zeros((len(rows), n))
    result[:, pixels] = rows
    return result


def _seen(piece: Piece, rows: Array, pixels: slice) -> Array:
    return piece.seen_continuum(_padded(rows, pixels, piece.centres.size))
