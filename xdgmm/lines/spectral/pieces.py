"""From a spectrum, its instrument and windows to what is fitted: pixels, profiles' instrument, and errors taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky_banded, solve_banded

from xdgmm.errors import InputError

from .model import Piece, Table, Transform

if TYPE_CHECKING:
    from xdgmm.spectra import LSF, Spectrum

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Window = tuple[float, float]


def piece_of(
    spectrum: Spectrum, lsf: LSF, windows: Sequence[Window] | None, table: Table, error: float
) -> tuple[Piece, Array]:
    """The piece of a spectrum that windows leave, and its fluxes in units of their errors (of `error`, without any).

    Raises
    ------
    InputError
        If windows overlap or hold no pixels, or the instrument does not cover the lines.
    """
    if lsf.matrix is not None and (lsf.error or lsf.scatter):
        raise InputError(
            "a resolution matrix has no single width, so that it cannot have an `error`; give the LSF by its sigma"
        )
    chosen = chosen_pixels(spectrum.wave, usable_pixels(spectrum, lsf), windows)
    seen = np.concatenate(chosen)
    errors = _Errors.of(spectrum, seen, error)
    weights, sigmas = instrument_at(lsf, table, table.positions)
    if lsf.matrix is not None:
        piece = _through_matrix(spectrum, lsf, chosen, errors, weights, sigmas, windows)
        return replace(piece, row_sigmas=_row_sigmas(lsf, table)), errors.whiten(spectrum.flux[None, seen])[0]
    low, high = (spectrum.wave, spectrum.wave) if lsf.includes_pixel else (spectrum.low, spectrum.high)
    piece = Piece(
        low[seen],
        high[seen],
        spectrum.wave[seen],
        slices_of(chosen, windows, spectrum.wave),
        weights,
        sigmas,
        errors.whiten,
        error=lsf.error,
        scatter=lsf.scatter,
    )
    return piece, errors.whiten(spectrum.flux[None, seen])[0]


def windows_of_each(spectra: Sequence[Spectrum], windows: Sequence[Window] | None) -> list[Sequence[Window] | None]:
    """For each spectrum of a source the windows in which it has pixels; none where only others have them."""
    if windows is None or len(spectra) == 1:
        return [windows] * len(spectra)
    seen = np.array([[_has_pixels(spectrum, window) for window in windows] for spectrum in spectra])
    seen[0] |= ~seen.any(axis=0)  # a window without any pixels is refused there
    return [tuple(window for window, inside in zip(windows, row, strict=True) if inside) for row in seen]


def _has_pixels(spectrum: Spectrum, window: Window) -> bool:
    return bool((spectrum.good & (spectrum.wave >= window[0]) & (spectrum.wave <= window[1])).any())


def usable_pixels(spectrum: Spectrum, lsf: LSF) -> NDArray[np.bool_]:
    """Which pixels are good, and not without a row in the resolution matrix, as pixels without data are (n,)."""
    if lsf.matrix is None:
        return spectrum.good
    return np.asarray(spectrum.good & (np.diff(lsf.matrix.indptr) > 0))


def instrument_at(lsf: LSF, table: Table, positions: Array) -> tuple[Array, Array]:
    """Weights and sigmas (L, J) of the instrument's Gaussians at lines, in the unit of the axis."""
    if lsf.matrix is not None:
        return np.ones((positions.size, 1)), np.zeros((positions.size, 1))
    return lsf.at(positions, table.axis.unit)


def chosen_pixels(wave: Array, good: NDArray[np.bool_], windows: Sequence[Window] | None) -> list[Integers]:
    """Indices of the good pixels in each window."""
    if windows is None:
        if not good.any():
            raise InputError("no pixel is left: all are masked")
        return [np.flatnonzero(good)]
    taken = np.zeros(wave.size, bool)
    result = []
    for low, high in windows:
        inside = (wave >= low) & (wave <= high)
        if not (inside & good).any():
            reason = (
                "all of its pixels are masked"
                if inside.any()
                else f"the spectrum goes from {wave[0]:.6g} to {wave[-1]:.6g}"
            )
            raise InputError(f"the window from {low:g} to {high:g} has no pixels: {reason}")
        if (inside & taken).any():
            raise InputError(f"the window from {low:g} to {high:g} overlaps another one; give each pixel once")
        taken |= inside
        result.append(np.flatnonzero(inside & good))
    return result


def slices_of(
    chosen: list[Integers], windows: Sequence[Window] | None, wave: Array
) -> tuple[tuple[slice, tuple[float, float]], ...]:
    """Where the pixels of each window stand, one window after the other, and its ends."""
    result, first = [], 0
    for number, pixels in enumerate(chosen):
        ends = (float(wave[pixels[0]]), float(wave[pixels[-1]])) if windows is None else windows[number]
        result.append((slice(first, first + pixels.size), ends))
        first += pixels.size
    return tuple(result)


def _row_sigmas(lsf: LSF, table: Table) -> Array | None:
    """Sigmas of the rows of a resolution matrix at the lines; None where it has none."""
    if lsf.widths is None:
        return None
    weights, sigmas = lsf.at(np.clip(table.positions, *_ends(lsf)), table.axis.unit)
    return np.asarray(np.sqrt((weights * sigmas**2).sum(axis=1)))


def _ends(lsf: LSF) -> tuple[float, float]:
    assert lsf.x is not None, "rows have positions"
    return float(lsf.x[0]), float(lsf.x[-1])


def _through_matrix(
    spectrum: Spectrum,
    lsf: LSF,
    chosen: list[Integers],
    errors: _Errors,
    weights: Array,
    sigmas: Array,
    windows: Sequence[Window] | None,
) -> Piece:
    """A piece whose profiles a resolution matrix carries from all pixels near the windows to those that are fitted."""
    matrix = lsf.matrix
    seen = np.concatenate(chosen)
    rows = matrix[seen]
    reached = np.unique(np.append(rows.indices, seen))
    first, last = int(reached[0]), int(reached[-1]) + 1
    nearby = rows[:, first:last]
    places = seen - first

    ends = [each for _, each in slices_of(chosen, windows, spectrum.wave)]
    slices = [slice(int(pixels[0]) - first, int(pixels[-1]) + 1 - first) for pixels in chosen]
    wave = spectrum.wave[first:last]
    return Piece(
        wave if lsf.includes_pixel else spectrum.low[first:last],
        wave if lsf.includes_pixel else spectrum.high[first:last],
        wave,
        tuple(zip(slices, ends, strict=True)),
        weights,
        sigmas,
        partial(_carried, errors.whiten, nearby),
        partial(_taken, errors.whiten, places),
        interpolated=lsf.includes_pixel,
    )


def _carried(whiten: Transform, matrix: Any, columns: Array) -> Array:
    return whiten((matrix @ columns.T).T)


def _taken(whiten: Transform, places: Integers, columns: Array) -> Array:
    return whiten(columns[:, places])


def _multiplied(factors: Array, rows: Array) -> Array:
    return rows * factors


def _whitened(factor: Array, rows: Array) -> Array:
    return np.asarray(solve_banded((len(factor) - 1, 0), factor, rows.T).T)


class _Errors:
    """Errors of some pixels, taken out of rows: a division, or the Cholesky factor of a banded covariance."""

    def __init__(self, whiten: Transform) -> None:
        self.whiten = whiten

    @classmethod
    def of(cls, spectrum: Spectrum, seen: Integers, error: float) -> _Errors:
        if spectrum.covariance is None:
            inverse = np.full(seen.size, 1.0 / error) if spectrum.err is None else 1.0 / spectrum.err[seen]
            return cls(partial(_multiplied, inverse))
        factor = cholesky_banded(_band_of(spectrum.covariance, seen), lower=True)
        return cls(partial(_whitened, factor))


def _band_of(band: Array, seen: Integers) -> Array:
    """Lower band of the covariance of some pixels."""
    result = np.zeros((len(band), seen.size))
    for below in range(len(band)):
        first, second = seen[: seen.size - below], seen[below:]
        distance = second - first
        inside = distance < len(band)
        result[below, : first.size][inside] = band[distance[inside], first[inside]]
    return result
