"""Windows of spectra and counts as pictures show them: pixels or bins, and what is expected as it was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from .curves import Expected, Pixels
from .pieces import usable_pixels
from .solution import Solved

if TYPE_CHECKING:
    from xdgmm.spectra import LSF, Counts, Spectrum

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpectrumWindow:
    """A window of a spectrum.

    Attributes
    ----------
    solution : Solved
    spectrum : Spectrum
    lsf : LSF
    piece, number : int
        Of the piece, and of the window over all pieces.
    window : (float, float)
    error : float
        Of each pixel, where the spectrum has no errors.
    """

    solution: Solved
    spectrum: Spectrum
    lsf: LSF
    piece: int
    number: int
    window: tuple[float, float]
    error: float
    quantity = "flux"
    has_positions = True

    @property
    def name(self) -> str:
        """Of the spectrum."""
        return self.spectrum.name or ""

    @property
    def x_unit(self) -> Any:
        """Of the axis."""
        return self.spectrum.wave_unit

    @property
    def data_unit(self) -> Any:
        """Of fluxes."""
        return self.spectrum.flux_unit

    def pixels(self, margin: float) -> Pixels:
        """The pixels of the window, and those beside it up to a fraction of its length."""
        spectrum, (low, high) = self.spectrum, self.window
        more = margin * (high - low)
        shown = (spectrum.wave >= low - more) & (spectrum.wave <= high + more)
        errors = np.full(spectrum.wave.size, self.error) if spectrum.err is None else spectrum.err
        fitted = usable_pixels(spectrum, self.lsf) & (spectrum.wave >= low) & (spectrum.wave <= high)
        x, lower, upper = spectrum.wave[shown], spectrum.low[shown], spectrum.high[shown]
        return Pixels(x, lower, upper, spectrum.flux[shown], errors[shown], fitted[shown])

    def edges(self, x: Array) -> tuple[Array, Array]:
        """Edges of pixels as wide as those of the spectrum."""
        spectrum = self.spectrum
        half = 0.5 * np.interp(x, spectrum.wave, spectrum.high - spectrum.low)
        return x - half, x + half

    def expected(self, low: Array, high: Array, x: Array) -> Expected:
        """Lines and continuum."""
        model, theta, coefficients = self.solution.model, self.solution.theta, self.solution.coefficients
        fluxes = model.line_fluxes(theta, coefficients, self.piece)
        shapes = self._shapes(low, high, x, model.variances(theta), model.table.half_widths)
        lines = fluxes[:, None] * shapes
        continuum = model.continuum_at(theta, coefficients, self.number, self.window, x)
        return Expected(lines.sum(axis=0) + continuum, lines, continuum)

    def instrument(self, line: int, low: Array, high: Array, x: Array) -> Array | None:
        """A line of the instrument's width, averaged over pixels where the width does not contain them."""
        if self.lsf.matrix is None and self.lsf.includes_pixel and not self.solution.instrument[line]:
            return None
        nothing = np.zeros(self.solution.table.group.size)
        return np.asarray(self._shapes(low, high, x, nothing, nothing)[line])

    def _shapes(self, low: Array, high: Array, x: Array, variances: Array, half_widths: Array) -> Array:
        """Profiles (L, n) of lines of flux 1."""
        if self.lsf.matrix is None:
            ends = (x, x) if self.lsf.includes_pixel else (low, high)
            return unit_profiles(self.solution, self.piece, *ends, x, variances, half_widths)
        places, first, matrix = self._matrix
        part = slice(first, first + matrix.shape[1])
        wave = self.spectrum.wave
        low, high = (wave, wave) if self.lsf.includes_pixel else (self.spectrum.low, self.spectrum.high)
        profiles = unit_profiles(self.solution, self.piece, low[part], high[part], wave[part], variances, half_widths)
        return between(wave[places], (matrix @ profiles.T).T, x)

    @cached_property
    def _matrix(self) -> Any:
        """Pixels of the window, the first that their rows reach, and these rows of the resolution matrix."""
        wave, (low, high) = self.spectrum.wave, self.window
        places = np.flatnonzero((wave >= low) & (wave <= high))
        rows = self.lsf.matrix[places]
        reached = np.unique(np.append(rows.indices, places))
        first = int(reached[0])
        return places, first, rows[:, first : int(reached[-1]) + 1]


@dataclass(frozen=True, eq=False)
class CountWindow:
    """A window of counts in bins, or all channels of a response.

    Channels have the positions of the bins where there are as many, else their numbers.

    Attributes
    ----------
    solution : Solved
    counts : Counts
    lsf : LSF
    piece, number : int
        Of the piece, and of the window over all pieces.
    span : (float, float)
        Range of the bins.
    """

    solution: Solved
    counts: Counts
    lsf: LSF
    piece: int
    number: int
    span: tuple[float, float]
    quantity = "counts"
    data_unit = None

    @property
    def name(self) -> str:
        """Of the observation."""
        return self.counts.name or ""

    @property
    def has_positions(self) -> bool:
        """Are channels at positions of the axis, where lines are?"""
        return self.counts.counts.size == self.counts.low.size

    @property
    def x_unit(self) -> Any:
        """Of the axis."""
        return self.counts.unit if self.has_positions else None

    @property
    def window(self) -> tuple[float, float]:
        """Ends of the window, or of all channels."""
        low, high, _ = self._channels
        return self.span if self.counts.response is None else (float(low[0]), float(high[-1]))

    @cached_property
    def _channels(self) -> tuple[Array, Array, Array]:
        """Edges and centres of the channels."""
        if self.has_positions:
            return self.counts.low, self.counts.high, self.counts.centres
        numbers = np.arange(self.counts.counts.size, dtype=float)
        return numbers - 0.5, numbers + 0.5, numbers

    def pixels(self, margin: float) -> Pixels:
        """The bins of the window, and those beside it up to a fraction of its length."""
        lower, upper, x = self._channels
        low, high = self.window
        more = margin * (high - low)
        shown = (x >= low - more) & (x <= high + more)
        fitted = self.counts.good & (x >= low) & (x <= high)
        lower, upper, x = lower[shown], upper[shown], x[shown]
        errors = np.sqrt(np.maximum(self.expected(lower, upper, x).total, 0.0))
        return Pixels(x, lower, upper, self.counts.counts[shown], errors, fitted[shown])

    def edges(self, x: Array) -> tuple[Array, Array]:
        """Edges of bins as wide as those of the counts."""
        low, high, centres = self._channels
        half = 0.5 * np.interp(x, centres, high - low)
        return x - half, x + half

    def expected(self, low: Array, high: Array, x: Array) -> Expected:
        """Counts of lines and background."""
        model, theta, coefficients = self.solution.model, self.solution.theta, self.solution.coefficients
        fluxes = model.line_fluxes(theta, coefficients, self.piece)[:, None]

        def densities(low: Array, high: Array, x: Array) -> Array:
            shapes = self._shapes(low, high, x, model.variances(theta), model.table.half_widths)
            continuum = model.continuum_at(theta, coefficients, self.number, self.span, x)
            return np.concatenate([fluxes * shapes, continuum[None]])

        *lines, continuum = self._counted(densities, low, high, x)
        return Expected(np.sum(lines, axis=0) + continuum, np.array(lines), np.asarray(continuum))

    def instrument(self, line: int, low: Array, high: Array, x: Array) -> Array | None:
        """A line of the instrument's width, counted in bins."""
        bare = self.counts.response is None and self.lsf.includes_pixel
        if bare and not self.solution.instrument[line]:
            return None
        nothing = np.zeros(self.solution.table.group.size)

        def densities(low: Array, high: Array, x: Array) -> Array:
            return self._shapes(low, high, x, nothing, nothing)[[line]]

        return np.asarray(self._counted(densities, low, high, x)[0])

    def _shapes(self, low: Array, high: Array, x: Array, variances: Array, half_widths: Array) -> Array:
        ends = (x, x) if self.lsf.includes_pixel else (low, high)
        return unit_profiles(self.solution, self.piece, *ends, x, variances, half_widths)

    def _counted(self, densities: Callable[..., Array], low: Array, high: Array, x: Array) -> Array:
        """Counts of densities (m, n): in the bins themselves, or between channels by cubic splines."""
        counts = self.counts
        if counts.response is None:
            exposure = np.interp(x, counts.centres, counts.exposure)
            return densities(low, high, x) * (high - low) * exposure
        bins = counts.low, counts.high, counts.centres
        rows = densities(*bins) * (counts.high - counts.low) * counts.exposure
        return between(self._channels[2], (counts.response @ rows.T).T, x)


def unit_profiles(
    solution: Solved, piece: int, low: Array, high: Array, x: Array, variances: Array, half_widths: Array
) -> Array:
    """Profiles (L, n) of lines of flux 1, where they were found, through the Gaussians of the instrument of a piece."""
    model, theta = solution.model, solution.theta
    pixels = replace(model.pieces[piece], low=low, high=high, centres=x)
    scales = model.layout.log_scales(theta, piece)
    natural = half_widths if half_widths.any() else None
    return pixels.profiles(model.means(theta)[0], variances, natural, scales).density


def between(centres: Array, rows: Array, x: Array) -> Array:
    """Values of pixels (m, n) at other positions, by cubic splines; beyond the outermost centres those of them."""
    spline = CubicSpline(centres, rows, axis=1)
    return np.asarray(spline(np.clip(x, centres[0], centres[-1])))
