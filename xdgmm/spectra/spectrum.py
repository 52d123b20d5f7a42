"""`Spectrum`: fluxes of pixels with their errors, a frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats, read_only
from xdgmm.errors import InputError, KindError

from . import pixels
from .axes import axis_kind, converted
from .covariance import as_covariance, reversed_covariance, without_pixels
from .lsf import LSF

if TYPE_CHECKING:
    from typing import Self

    from astropy.units import Quantity, UnitBase
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


MEDIA = None, "air", "vacuum"


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Spectrum:
    """Fluxes of n pixels, or of many spectra with the same pixels, and what is known of their errors.

    Parameters
    ----------
    wave : array or Quantity (n,)
        Centres of the pixels: wavelengths, energies, frequencies or velocities, increasing or decreasing.
    flux : array or Quantity (n,), (N, n) or (ny, nx, n)
        Flux in each pixel, as a density: per unit of `wave`.  NaN and masked values are left out.
    err : array or Quantity, optional
        1-sigma errors: one number, (n,), or as `flux`.  NaN and infinite ones are left out.
    ivar : array or Quantity, optional
        Inverse variances instead; pixels where they are 0 are left out.
    lsf : LSF, optional
        Line spread function of the instrument.
    mask : array (n,) or as `flux`, optional
        True, or not 0, in pixels to be left out.
    covariance : array or Quantity (b + 1, n), optional
        Instead of `err`: the diagonals of the covariance matrix of neighbouring pixels in the lower form of
        `scipy.linalg.cholesky_banded`, ``covariance[k, j]`` that of pixels j + k and j.
    edges : array or Quantity (n + 1,), optional
        Edges of the pixels; by default in the middle between their centres.  Beside a gap, which is a step more than
        1.5 times as long as the next one, a pixel is as wide on this side as its neighbour.
    name : str, optional
        Name, for reports.
    medium : {"air", "vacuum"}, optional
        Where the wavelengths are measured.  Nothing is converted; it is compared with the medium of the lines.

    Attributes
    ----------
    wave, low, high : ndarray (n,)
        Centres and edges, increasing; all arrays are in this order, whatever the order of the input.
    flux, err : ndarray (n,), (N, n) or (ny, nx, n)
        As given; errors are infinite in pixels with ``ivar = 0``.  `err` is None where no errors are known.
    good : ndarray of bool, as `flux`
        Pixels that are fitted.
    covariance : ndarray (b + 1, n) or None
        As given; pixels that no spectrum has have variance 1 and are not correlated.
    wave_unit, flux_unit : astropy unit or None
        Units; plain numbers have none.

    Raises
    ------
    InputError
        If shapes or units do not match, `wave` is not sorted, an error is zero or negative, no pixel is left, the
        covariance is not positive definite, or the line spread function is for another axis.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from xdgmm.spectra import Spectrum
    >>> wave = np.arange(6500.0, 6600.0) * u.AA
    >>> spectrum = Spectrum(wave, np.ones(100), ivar=np.r_[0.0, np.full(99, 4.0)])
    >>> spectrum
    <Spectrum: 100 pixels, 6500 to 6599 Angstrom, 1 of them left out>
    >>> spectrum.window(6520, 6540).wave.size
    21
    """

    wave: Floats
    low: Floats
    high: Floats
    flux: Floats
    err: Floats | None
    good: Bools
    covariance: Floats | None
    lsf: LSF | None
    wave_unit: UnitBase | None
    flux_unit: UnitBase | None
    name: str | None
    medium: str | None

    def __init__(
        self,
        wave: ArrayLike | Quantity,
        flux: ArrayLike | Quantity,
        err: ArrayLike | Quantity | None = None,
        *,
        ivar: ArrayLike | Quantity | None = None,
        lsf: LSF | None = None,
        mask: ArrayLike | None = None,
        covariance: ArrayLike | Quantity | None = None,
        edges: ArrayLike | Quantity | None = None,
        name: str | None = None,
        medium: str | None = None,
    ) -> None:
        if lsf is not None and not isinstance(lsf, LSF):
            raise KindError(f"`lsf` is of type {type(lsf).__name__}, but it must be an LSF: LSF(sigma=..., ...)")
        if medium not in MEDIA:
            raise InputError(f"`medium` is {medium!r}, but wavelengths are in 'air' or in 'vacuum'")
        centres, wave_unit = pixels.as_centres(wave)
        low, high = pixels.as_edges(edges, centres, wave_unit)
        fluxes, flux_unit = pixels.as_fluxes(flux, centres.size)
        banded = as_covariance(covariance, centres.size, flux_unit)
        errors = pixels.as_errors(err, ivar, banded, fluxes, flux_unit)
        good = pixels.good_pixels(fluxes, errors, pixels.as_mask(mask, fluxes.shape))
        if banded is not None:
            banded = without_pixels(banded, np.atleast_1d(good.reshape(-1, centres.size).any(axis=0)))
        decreasing = bool(centres[0] > centres[-1])
        increasing = slice(None, None, -1 if decreasing else 1)
        self._freeze(
            wave=centres[increasing],
            low=low[increasing],
            high=high[increasing],
            flux=fluxes[..., increasing],
            err=None if errors is None else errors[..., increasing],
            good=good[..., increasing],
            covariance=reversed_covariance(banded) if banded is not None and decreasing else banded,
            lsf=None if lsf is None else lsf.of_pixels(centres[increasing], wave_unit, decreasing=decreasing),
            wave_unit=wave_unit,
            flux_unit=flux_unit,
            name=name,
            medium=medium,
        )

    def _freeze(self, **values: Any) -> None:
        for name, value in values.items():
            frozen = read_only(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
            object.__setattr__(self, name, frozen)

    @classmethod
    def of(cls, spectrum: Any, lsf: LSF | None = None) -> Self:
        """The spectrum that an object of specutils holds, or another with the same attributes.

        Parameters
        ----------
        spectrum : object
            With the attributes `spectral_axis` and `flux`, and where it has them `uncertainty` (of astropy: standard
            deviations, variances or inverse variances), `mask` and `spectral_axis_index`.  A `Spectrum` is taken too.
        lsf : LSF, optional
            Line spread function of the instrument.

        Raises
        ------
        InputError
            If it has not these attributes, or its uncertainties are of another kind, or as `Spectrum` does.
        """
        from .attributes import arguments_of

        if isinstance(spectrum, cls):
            return spectrum if lsf is None else spectrum.with_lsf(lsf)
        return cls(**arguments_of(spectrum), lsf=lsf)

    def with_lsf(self, lsf: LSF) -> Self:
        """The same with another line spread function; a resolution matrix is for the pixels in increasing order."""
        return self._with(lsf=lsf.of_pixels(self.wave, self.wave_unit))

    @property
    def axis(self) -> str | None:
        """Kind of axis: "wavelength", "energy", "frequency" or "velocity"; None without a unit."""
        return axis_kind(self.wave_unit)

    @property
    def n_masked(self) -> Any:
        """How many pixels are left out; of many spectra an array (N,) or (ny, nx)."""
        count = np.sum(~self.good, axis=-1)
        return int(count) if self.good.ndim == 1 else count

    def at(self, index: int | tuple[int, ...]) -> Self:
        """One spectrum of many with the same pixels.

        Parameters
        ----------
        index : int, or a pair for a cube
            Which one, as an index of an array.

        Raises
        ------
        InputError
            If it is not the index of a spectrum.
        """
        try:
            flux = self.flux[index]
        except IndexError:
            flux = self.flux
        if self.flux.ndim == 1 or flux.ndim != 1:
            raise InputError(f"{index!r} is not the index of a spectrum; the fluxes have shape {self.flux.shape}")
        err = None if self.err is None else self.err[index]
        return self._with(flux=flux, err=err, good=self.good[index])

    def window(self, low: float | Quantity, high: float | Quantity) -> Self:
        """The pixels whose centres are in a range.

        Parameters
        ----------
        low, high : float or Quantity
            Ends of the range, both included; plain numbers are in the unit of `wave`.

        Raises
        ------
        InputError
            If there is no pixel inside.
        """
        ends = sorted(self._position(value, name) for name, value in (("low", low), ("high", high)))
        first, last = np.searchsorted(self.wave, ends[0], "left"), np.searchsorted(self.wave, ends[1], "right")
        unit = "" if self.wave_unit is None else f" {self.wave_unit}"
        if first == last:
            raise InputError(
                f"the window from {ends[0]:.6g} to {ends[1]:.6g}{unit} has no pixels; the spectrum goes from "
                f"{self.wave[0]:.6g} to {self.wave[-1]:.6g}{unit}"
            )
        part = slice(int(first), int(last))
        return self._with(
            **{name: getattr(self, name)[part] for name in ("wave", "low", "high")},
            **{name: getattr(self, name)[..., part] for name in ("flux", "good")},
            err=None if self.err is None else self.err[..., part],
            covariance=None if self.covariance is None else self.covariance[:, part],
            lsf=None if self.lsf is None else self.lsf.of_part(part.start, part.stop),
        )

    def _position(self, value: Any, name: str) -> float:
        """An end of a window in the unit of the spectrum."""
        number, unit = as_floats(value, name)
        if number.ndim or np.isnan(number):
            raise InputError(f"`{name}` is {value!r}, but it is one end of a window: a number")
        if unit is None:
            return float(number)
        if self.wave_unit is None:
            raise InputError(f"`{name}` has the unit {unit}, but the spectrum has none; give a plain number")
        return float(converted(number, unit, self.wave_unit, f"`{name}` is"))

    def _with(self, **values: Any) -> Self:
        result = object.__new__(type(self))
        result._freeze(**{**vars(self), **values})
        return result

    def __repr__(self) -> str:
        """One line."""
        count = " x ".join(map(str, self.flux.shape[:-1]))
        unit = "" if self.wave_unit is None else f" {self.wave_unit}"
        parts = [f"{count} spectra of {self.wave.size} pixels" if count else f"{self.wave.size} pixels"]
        parts.append(f"{self.wave[0]:.6g} to {self.wave[-1]:.6g}{unit}")
        left_out = int(np.sum(~self.good))
        parts += [f"{left_out} of them left out"] if left_out else []
        parts += ["no errors"] if self.err is None else []
        parts += [self.lsf.describe()] if self.lsf is not None else []
        return f"<Spectrum{'' if self.name is None else f' {self.name}'}: {', '.join(parts)}>"
