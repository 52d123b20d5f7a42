"""`LSF`: the line spread function of an instrument, a frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_dimensionless, as_floats, read_only
from xdgmm.basics.units import check_units
from xdgmm.errors import InputError

from .axes import axis_kind
from .description import width_text
from .resolution import as_matrix, matrix_of_diagonals, row_widths
from .widths import Widths, given_widths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self, TypeAlias

    from astropy.units import Quantity, UnitBase
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Given: TypeAlias = ArrayLike | Quantity | Callable[[Floats], Any]

ROUNDING = 1e-6  # to which fractions sum to 1


@dataclass(frozen=True, eq=False, repr=False, init=False)
class LSF:
    """Line spread function of an instrument: what it makes of an infinitely narrow line.

    Exactly one of `sigma`, `fwhm`, `R`, `sigma_kms`, `sigmas` and `matrix` is given.  A width is one number, an array
    of numbers at the positions `x`, between which it is interpolated linearly, or a function of the position.

    Parameters
    ----------
    sigma, fwhm : float, array (n,), Quantity or callable
        Standard deviation, or full width at half maximum.  Plain numbers are in `unit`, or without it in the unit of
        the spectrum; a Quantity may also be a velocity.
    R : float, array (n,) or callable
        Resolving power: wavelength (energy, frequency) over FWHM.
    sigma_kms : float, array (n,), Quantity or callable
        Standard deviation as a velocity; plain numbers are in km/s.
    weights, sigmas : array (J,), and array or Quantity (J,) or (J, n)
        Several Gaussians with the same mean: their fractions, which sum to 1, and their standard deviations.
    matrix : array (n, n) or scipy sparse matrix
        Resolution matrix of the n pixels of a spectrum: the flux of a pixel is its row times the fluxes that a perfect
        instrument would measure.
    x : array or Quantity (n,), optional
        Positions (wavelengths, energies, ...) of the widths in an array, or of the pixels of a matrix; the latter are
        known to a `Spectrum`.
    includes_pixel : bool
        Does the width contain the integration over pixels?  True where a Gaussian was drawn through the values of arc
        lines at the pixels' centres; False for a width before the pixels, over which the fit then integrates.  There is
        no default, since the difference is 4% of the width of a line whose sigma is one pixel, and 15% at half a pixel.
    error : float
        Relative 1-sigma error of the width, log-normal, and the same for all lines of a fit: 0.05 for 5%.
    scatter : float
        Relative scatter of the width from line to line.
    unit : unit, optional
        Of plain numbers in `x`, `sigma`, `fwhm` and `sigmas`.

    Attributes
    ----------
    weights : ndarray (J,)
        Fractions of the Gaussians.
    widths : Widths or None
        Their widths; None for a matrix whose pixels have no positions yet.
    matrix : scipy.sparse.csr_matrix (n, n) or None
        Resolution matrix.

    Raises
    ------
    InputError
        If not exactly one width is given, `includes_pixel` is missing, a width is not positive, an array has no
        positions or not as many, or units do not match.

    Examples
    --------
    >>> from xdgmm.spectra import LSF
    >>> lsf = LSF(R=2700, includes_pixel=True, error=0.05)
    >>> lsf.describe()
    'R = 2700 (sigma 47.2 km/s), contains the pixel, error 5%'
    >>> weights, sigmas = lsf.at([6564.6], "AA")
    >>> sigmas.round(3)
    array([[1.032]])
    """

    weights: Floats
    widths: Widths | None
    matrix: Any
    includes_pixel: bool
    error: float
    scatter: float

    def __init__(
        self,
        sigma: Given | None = None,
        *,
        fwhm: Given | None = None,
        R: Given | None = None,
        sigma_kms: Given | None = None,
        weights: ArrayLike | None = None,
        sigmas: ArrayLike | Quantity | None = None,
        matrix: Any = None,
        x: ArrayLike | Quantity | None = None,
        includes_pixel: bool | None = None,
        error: float = 0.0,
        scatter: float = 0.0,
        unit: str | UnitBase | None = None,
    ) -> None:
        given = {"sigma": sigma, "fwhm": fwhm, "R": R, "sigma_kms": sigma_kms, "sigmas": sigmas}
        _check_one({**given, "matrix": matrix}, weights)
        (own,) = check_units([unit], 1, "unit of the LSF")
        square = None if matrix is None else as_matrix(matrix)
        self._freeze(
            widths=given_widths(given, x, own) if square is None else None,
            matrix=square,
            includes_pixel=_checked_flag(includes_pixel),
            error=_fraction(error, "error"),
            scatter=_fraction(scatter, "scatter"),
        )
        self._freeze(weights=np.ones(1) if weights is None else _fractions(weights, self.widths))
        if square is not None and x is not None:
            self._freeze(**_placed(square, *as_floats(x, "x", own)))

    def _freeze(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, read_only(value) if isinstance(value, np.ndarray) else value)

    @classmethod
    def from_diagonals(cls, data: ArrayLike, offsets: ArrayLike | None = None, **others: Any) -> Self:
        """A resolution matrix given by its diagonals.

        Parameters
        ----------
        data : array (M, n)
            Diagonals as `scipy.sparse.dia_matrix` stores them: ``data[k, j]`` is the element of row ``j - offsets[k]``
            and column j.
        offsets : array (M,), optional
            Which diagonals they are, positive above the main one.  By default from M // 2 down to -(M // 2) for an odd
            M, the order in files of DESI.
        **others
            As in `LSF`: `includes_pixel`, `x`, `error`, `scatter`, `unit`.

        Raises
        ------
        InputError
            If there are not as many offsets as diagonals, or as `LSF` does.
        """
        return cls(matrix=matrix_of_diagonals(data, offsets), **others)

    def at(self, positions: ArrayLike, unit: str | UnitBase | None = None) -> tuple[Floats, Floats]:
        """Fractions and standard deviations of the Gaussians at positions.

        Parameters
        ----------
        positions : array (L,)
            Plain numbers.
        unit : unit, optional
            Of the positions.

        Returns
        -------
        weights, sigmas : ndarray (L, J)
            The sigmas are in the unit of the positions.  For a resolution matrix they are the standard deviations of
            its rows.

        Raises
        ------
        InputError
            If a position is not covered by `x`, units do not convert, or a function gives no positive numbers.
        """
        places = np.atleast_1d(np.asarray(positions, dtype=float))
        if self.widths is None:
            raise InputError("the resolution matrix has no positions: give `x`, or put it into a `Spectrum`")
        sigmas = self.widths.at(places, check_units([unit], 1)[0] if isinstance(unit, str) else unit).T
        return np.broadcast_to(self.weights, sigmas.shape), sigmas

    @property
    def x(self) -> Floats | None:
        """Positions at which widths are given (n,), increasing; None for one width, or a function."""
        return None if self.widths is None else self.widths.x

    @property
    def unit(self) -> UnitBase | None:
        """Unit of positions and widths; None where they are in the unit of the spectrum."""
        return None if self.widths is None else self.widths.unit

    def describe(self, *, with_pixel: bool = True) -> str:
        """One line for the head of a report: the width, whether it contains the pixel, and its error.

        Parameters
        ----------
        with_pixel : bool
            Is the pixel mentioned?  Single events have none.
        """
        parts = [width_text(self.weights, self.widths, self.matrix)]
        if with_pixel:
            parts.append("contains the pixel" if self.includes_pixel else "does not contain the pixel")
        parts += [f"error {100 * self.error:.3g}%"] if self.error else []
        parts += [f"scatter from line to line {100 * self.scatter:.3g}%"] if self.scatter else []
        return ", ".join(parts)

    def with_error(self, error: float, scatter: float = 0.0) -> Self:
        """The same with an error of its width.

        Parameters
        ----------
        error : float
            Fractional 1-sigma error, shared by all lines.
        scatter : float
            By which fraction the width differs from line to line.

        Raises
        ------
        InputError
            If one is no fraction.
        """
        return self._with(error=_fraction(error, "error"), scatter=_fraction(scatter, "scatter"))

    def __repr__(self) -> str:
        """One line."""
        return f"<LSF: {self.describe()}>"

    def of_pixels(self, wave: Floats, unit: UnitBase | None, *, decreasing: bool = False) -> LSF:
        """The LSF of a spectrum with these pixels: its resolution matrix knows their positions.

        Parameters
        ----------
        wave : ndarray (n,)
            Positions in increasing order.
        unit : astropy unit or None
            Of the positions.
        decreasing : bool
            Are rows and columns of the matrix in the opposite order?

        Raises
        ------
        InputError
            If the matrix has another number of pixels, or the widths are not in units of this axis.
        """
        if self.matrix is None:
            assert self.widths is not None
            self.widths.check_axis(wave, unit)
            return self
        matrix = self.matrix[::-1, ::-1].tocsr() if decreasing else self.matrix
        return self._with(**_placed(matrix, wave, unit))

    def of_part(self, first: int, last: int) -> LSF:
        """The LSF of pixels first to last - 1: these rows and columns of its resolution matrix."""
        part = slice(first, last)
        return self if self.matrix is None else self._with(matrix=self.matrix[part, part].tocsr())

    def _with(self, **values: Any) -> Self:
        result = object.__new__(type(self))
        result._freeze(**{**vars(self), **values})
        return result


def _placed(matrix: Any, wave: Floats, unit: UnitBase | None) -> dict[str, Any]:
    """A matrix for pixels at increasing positions, and the widths of its rows, where there are any."""
    if wave.shape != matrix.shape[:1]:
        raise InputError(
            f"`matrix` is for {matrix.shape[0]} pixels, but there are {wave.size} positions; give one row for each "
            "pixel of the spectrum"
        )
    axis_kind(unit, "x")
    order = np.argsort(wave)
    matrix, wave = matrix[order][:, order].tocsr(), wave[order]
    sigmas = row_widths(matrix, wave)
    known = np.isfinite(sigmas)
    widths = Widths("sigma", numbers=sigmas[None, known], x=wave[known], unit=unit) if known.any() else None
    return {"matrix": matrix, "widths": widths}


def _check_one(given: Mapping[str, Any], weights: Any) -> None:
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        came = f"{' and '.join(f'`{name}`' for name in named)} were given" if named else "none was given"
        raise InputError(
            "give the width of the instrument once, as `sigma`, `fwhm`, `R` (resolving power), `sigma_kms`, `sigmas` "
            f"with `weights`, or `matrix`; {came}"
        )
    if (weights is None) != (given["sigmas"] is None):
        raise InputError("`weights` and `sigmas` belong together: the fraction and the sigma of each Gaussian")


def _checked_flag(includes_pixel: Any) -> bool:
    if includes_pixel is None:
        raise InputError(
            "`includes_pixel` is missing: give True if the width was measured by a Gaussian through the values of "
            "pixels, or False if it is the width before the pixels, which the fit then integrates over"
        )
    if not isinstance(includes_pixel, (bool, np.bool_)):
        raise InputError(f"`includes_pixel` is {includes_pixel!r}, but it must be True or False")
    return bool(includes_pixel)


def _fraction(value: Any, name: str) -> float:
    number = as_dimensionless(value, name)
    if number.ndim or not 0 <= number < 1:
        raise InputError(f"`{name}` is {value!r}, but it is one fraction of the width, from 0 to below 1: 0.05 for 5%")
    return float(number)


def _fractions(weights: ArrayLike, widths: Widths | None) -> Floats:
    numbers = as_dimensionless(weights, "weights")
    rows = 0 if widths is None or callable(widths.numbers) else len(widths.numbers)
    if numbers.shape != (rows,):
        raise InputError(f"`weights` has shape {numbers.shape}, but `sigmas` {rows} rows; give one for each of them")
    if not (numbers > 0).all() or not abs(numbers.sum() - 1) < ROUNDING:
        raise InputError(f"`weights` is {numbers.tolist()}, but fractions are positive and sum to 1")
    return np.asarray(numbers / numbers.sum())
