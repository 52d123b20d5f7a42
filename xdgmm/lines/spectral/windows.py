"""Windows of spectra as pictures show them: pixels with fluxes, and what is expected without division by errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from .curves import Expected, Pixels
from .solution import Solved

if TYPE_CHECKING:
    from xdgmm.spectra import LSF, Spectrum

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
        fitted = spectrum.good & (spectrum.wave >= low) & (spectrum.wave <= high)
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
            return self._profiles(*((x, x) if self.lsf.includes_pixel else (low, high)), x, variances, half_widths)
        places, first, matrix = self._matrix
        part = slice(first, first + matrix.shape[1])
        wave = self.spectrum.wave
        ends = (wave, wave) if self.lsf.includes_pixel else (self.spectrum.low, self.spectrum.high)
        profiles = self._profiles(ends[0][part], ends[1][part], wave[part], variances, half_widths)
        spline = CubicSpline(wave[places], matrix @ profiles.T, axis=0, extrapolate=False)
        return np.asarray(np.nan_to_num(spline(x).T))

    def _profiles(self, low: Array, high: Array, x: Array, variances: Array, half_widths: Array) -> Array:
        model, theta = self.solution.model, self.solution.theta
        piece = replace(model.pieces[self.piece], low=low, high=high, centres=x)
        scales = model.layout.log_scales(theta, self.piece)
        natural = half_widths if half_widths.any() else None
        return piece.profiles(model.means(theta)[0], variances, natural, scales).density

    @cached_property
    def _matrix(self) -> Any:
        """Pixels of the window, the first that their rows reach, and these rows of the resolution matrix."""
        wave, (low, high) = self.spectrum.wave, self.window
        places = np.flatnonzero((wave >= low) & (wave <= high))
        rows = self.lsf.matrix[places]
        reached = np.unique(np.append(rows.indices, places))
        first = int(reached[0])
        return places, first, rows[:, first : int(reached[-1]) + 1]
