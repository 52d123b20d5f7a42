"""`deconvolve`: the intrinsic width of each line, where it is resolved and where it is not."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xdgmm.basics.argument_names import called, columns_called
from xdgmm.basics.arrays import read_only
from xdgmm.basics.parameters import check_level
from xdgmm.basics.quantiles import normal_cdf, normal_quantile
from xdgmm.errors import DeprecatedAlias, InputError, deprecated_arguments
from xdgmm.widths.columns import FWHM
from xdgmm.widths.velocity import CONVENTIONS

from . import inputs, profile_likelihood

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import Quantity, UnitBase

Array = NDArray[np.float64]

LEVEL, LIMIT_LEVEL = 0.6827, 0.95


@deprecated_arguments(sigma_obs="observed", sigma_err="observed_error")
def deconvolve(
    observed: ArrayLike | Quantity,
    observed_error: ArrayLike | Quantity,
    *,
    lsf: ArrayLike | Quantity | None = None,
    fwhm: ArrayLike | Quantity | None = None,
    R: ArrayLike | None = None,
    lsf_error: ArrayLike = 0.0,
    lsf_scatter: ArrayLike = 0.0,
    rest: Quantity | None = None,
    convention: str = "optical",
    measure: str = "sigma",
) -> IntrinsicWidths:
    """Take the instrument's width out of observed widths of Gaussian lines.

    Parameters
    ----------
    observed : array or Quantity, any shape
        Observed widths, which contain the instrument's: Gaussian sigma (see `measure`).  NaN or masked: missing.
    observed_error : array or Quantity
        Their 1-sigma errors.
    lsf, fwhm, R : number, array or Quantity
        The instrument's width, given once: as sigma, as full width at half maximum, or as resolving power (wavelength
        over FWHM).  One for all lines or one for each; what is given for a line without a width does not matter.
    lsf_error : float or array
        Its fractional 1-sigma error: a number is one error that all lines share, an array one for each line,
        independent of the others.
    lsf_scatter : float or array
        By which fraction the instrument's width differs from line to line (1-sigma): independent for each line, beside
        an error that they share.
    rest : Quantity, optional
        Wavelength, frequency or energy of the lines, in the frame in which the widths were measured: gives km/s too,
        and converts an instrument's width in wavelength beside widths in km/s, or the other way round.
    convention : {"optical", "radio", "relativistic"}
        Doppler convention named with velocities.
    measure : {"sigma", "fwhm"}
        What `observed` and `observed_error` are: full widths at half maximum are taken too.  `lsf` is a sigma always.

    Returns
    -------
    IntrinsicWidths

    Raises
    ------
    InputError
        If widths are not positive, errors are missing or zero, units do not convert, or the instrument's width is not
        given exactly once; the message says where, and names columns of tables and data frames by their names.

    Warns
    -----
    XdgmmWarning
        If the name of a column says that it is a full width and it is given as a sigma, or the other way round; if the
        instrument is wider than every line; or if errors are as large as the widths.

    Notes
    -----
    The intrinsic variance is ``V = observed^2 - lsf^2``.  Relative errors of widths are those that fits of lines have
    (Landman, Roussel-Dupre & Tanigawa 1982, ApJ 261, 732), so that ``ln observed`` and ``ln lsf`` are taken as normal;
    intervals and limits are where the profile likelihood of ``V >= 0`` has fallen by a given amount, the instrument's
    width profiled out.

    Examples
    --------
    >>> from xdgmm import lines
    >>> widths = lines.deconvolve([70.0, 58.0], [2.0, 2.0], lsf=60.0, lsf_error=0.03)
    >>> widths.intrinsic_variance, widths.intrinsic_sigma.round(2), widths.upper_limit(0.95).round(1)
    (array([1300., -236.]), array([36.06,  0.  ]), array([43.5, 18.5]))
    """
    if measure not in inputs.MEASURES:
        raise InputError(f"`measure` is {measure!r}, but it must be 'sigma' or 'fwhm'")
    if convention not in CONVENTIONS:
        raise InputError(f"`convention` is {convention!r}, but it must be one of {', '.join(CONVENTIONS)}")
    inputs.warn_of_names(measure, observed, lsf, fwhm)
    given = {"observed": observed, "observed_error": observed_error, "lsf": lsf, "fwhm": fwhm, "R": R, "rest": rest}
    with called(**columns_called(**given, lsf_error=lsf_error, lsf_scatter=lsf_scatter)):
        numbers, unit = inputs.width_numbers(observed, "observed", None)
        errors, _ = inputs.width_numbers(observed_error, "observed_error", unit)
        seen = ~np.isnan(numbers)
        if rest is not None:
            rest = inputs.checked_rest(rest, unit, fwhm if lsf is None else lsf, seen)
        instrument = inputs.instrument_numbers(unit, seen, lsf=lsf, fwhm=fwhm, R=R, rest=rest)
        fraction = inputs.checked_fraction(lsf_error, "lsf_error", seen)
        scatter = inputs.checked_fraction(lsf_scatter, "lsf_scatter", seen)
        rest = None if inputs.is_velocity(unit) else rest
        lines = LineWidths(*_of_one_shape(numbers, errors, instrument, fraction, scatter))
        inputs.check_widths(lines.observed, lines.observed_error)
    lines = lines.scaled(inputs.MEASURES[measure])
    inputs.warn_if_errors_are_large(lines.observed, lines.observed_error)
    inputs.warn_if_instrument_is_wider(lines.observed, lines.observed_error, lines.lsf, lines.lsf_total_error)
    return IntrinsicWidths(lines, shared=fraction.ndim == 0, unit=unit, rest=rest, convention=convention)


def _of_one_shape(*arrays: Array) -> list[Array]:
    """All of the shape of the widths: what is given once holds for every line."""
    names = "observed", "observed_error", "lsf", "lsf_error", "lsf_scatter"
    shape = arrays[0].shape
    for name, array in zip(names[1:], arrays[1:], strict=True):
        if array.shape not in ((), shape):
            raise InputError(
                f"`{name}` has shape {array.shape}, but `observed` has shape {shape}; give one number, or one for each"
            )
    return [np.array(np.broadcast_to(array, shape)) for array in arrays]


@dataclass(frozen=True, eq=False)
class LineWidths:
    """Sigmas of lines and of the instrument, in plain numbers of one unit and of one shape; NaN where missing.

    Attributes
    ----------
    observed, observed_error : ndarray
        Sigmas as observed, and their 1-sigma errors.
    lsf : ndarray
        Sigma of the instrument at each line.
    lsf_error, lsf_scatter : ndarray
        Fractional error of the instrument's width, and by which fraction it differs from line to line.
    """

    observed: Array
    observed_error: Array
    lsf: Array
    lsf_error: Array
    lsf_scatter: Array

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for each in fields(self):
            object.__setattr__(self, each.name, read_only(np.asarray(getattr(self, each.name))))

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which lines have a width."""
        return ~np.isnan(self.observed)

    @property
    def lsf_total_error(self) -> Array:
        """Fractional error of the instrument's width at each line, its scatter between lines in quadrature."""
        return np.hypot(self.lsf_error, self.lsf_scatter)

    def select(self, rows: Any) -> LineWidths:
        """Some of the lines, in the order of ``ravel()``."""
        return LineWidths(*(np.asarray(getattr(self, each.name).ravel()[rows]) for each in fields(self)))

    def scaled(self, factor: float) -> LineWidths:
        """The same with the observed widths multiplied by a factor."""
        return LineWidths(
            self.observed * factor, self.observed_error * factor, self.lsf, self.lsf_error, self.lsf_scatter
        )


@dataclass(frozen=True, eq=False, repr=False)
class IntrinsicWidths:
    """Intrinsic widths of lines beside the observed and the instrument's; made by `deconvolve`.

    Every quantity has the shape of the widths and, where these have a unit, that unit (or its square); rows without a
    width are masked.  Names are those of the columns of `table`: ``observed_``, ``instrumental_`` and ``intrinsic_``,
    then sigma, fwhm or variance, then ``_error``; what begins with ``lsf_`` is a fraction of the instrument's width.
    ``print`` shows the lines as a table.

    Attributes
    ----------
    lines : LineWidths
        What was given, in plain numbers.
    shared : bool
        Is the error of the instrument's width common to all lines?
    unit : astropy unit or None
    rest : Quantity or None
    convention : str
    """

    lines: LineWidths
    shared: bool = field(default=True, kw_only=True)
    unit: UnitBase | None = field(default=None, kw_only=True)
    rest: Quantity | None = field(default=None, kw_only=True)
    convention: str = field(default="optical", kw_only=True)

    observed = DeprecatedAlias("observed_sigma")
    observed_err = DeprecatedAlias("observed_sigma_error")
    instrumental = DeprecatedAlias("instrumental_sigma")
    instrumental_error = DeprecatedAlias("lsf_total_error")
    variance = DeprecatedAlias("intrinsic_variance")
    variance_err = DeprecatedAlias("intrinsic_variance_error")
    sigma = DeprecatedAlias("intrinsic_sigma")
    sigma_err = DeprecatedAlias("intrinsic_sigma_error")
    fwhm = DeprecatedAlias("intrinsic_fwhm")
    line = DeprecatedAlias("select")

    def __len__(self) -> int:
        """Number of lines; 1 for a single one."""
        return self.lines.observed.size

    def select(self, rows: Any) -> IntrinsicWidths:
        """Some of the lines (an index, indices or a slice), counted in the order of ``ravel()``."""
        rest = self.rest if self.rest is None or self.rest.ndim == 0 else self.rest.ravel()[rows]
        return replace(self, lines=self.lines.select(rows), rest=rest)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which lines have a width: bool array."""
        return self.lines.seen

    @property
    def observed_sigma(self) -> Any:
        """Observed sigma, which contains the instrument's."""
        return self._shown(self.lines.observed)

    @property
    def observed_sigma_error(self) -> Any:
        """Its 1-sigma error."""
        return self._shown(self.lines.observed_error)

    @property
    def instrumental_sigma(self) -> Any:
        """Sigma of the instrument."""
        return self._shown(self.lines.lsf)

    @property
    def instrumental_sigma_error(self) -> Any:
        """Its 1-sigma error: `lsf_total_error` times the sigma."""
        return self._shown(self.lines.lsf * self.lines.lsf_total_error)

    @property
    def lsf_error(self) -> Array:
        """Fractional error of the instrument's width."""
        return self.lines.lsf_error

    @property
    def lsf_scatter(self) -> Array:
        """By which fraction the instrument's width differs from line to line."""
        return self.lines.lsf_scatter

    @property
    def lsf_total_error(self) -> Array:
        """Fractional error of the instrument's width at each line, its scatter between lines in quadrature."""
        return self.lines.lsf_total_error

    @property
    def n_resolved(self) -> int:
        """How many lines are resolved."""
        return int(self._resolved[self.seen].sum())

    @property
    def intrinsic_variance(self) -> Any:
        """Signed intrinsic variance ``V = observed_sigma^2 - instrumental_sigma^2``: this is what to average."""
        return self._shown(self._variance, 2)

    @property
    def intrinsic_variance_error(self) -> Any:
        """Its 1-sigma error: ``2 s e_s`` and ``2 L e_L`` in quadrature, s observed and L of the instrument."""
        return self._shown(self._variance_error, 2)

    @property
    def intrinsic_sigma(self) -> Any:
        """Intrinsic sigma of highest likelihood; 0 where V is not positive (see `upper_limit`)."""
        return self._shown(self._sigma)

    @property
    def intrinsic_sigma_error(self) -> Any:
        """Its 1-sigma error, ``error of V / (2 sigma)``; up to the end of `interval` where not resolved."""
        safe = np.where(self._resolved, self._sigma, 1.0)
        above = profile_likelihood.interval(*self._logarithms, LEVEL)[1] - self._sigma
        return self._shown(np.where(self._resolved, 0.5 * self._variance_error / safe, above))

    @property
    def intrinsic_fwhm(self) -> Any:
        """Intrinsic full width at half maximum, ``sqrt(8 ln 2) sigma``."""
        return self._shown(FWHM * self._sigma)

    @property
    def resolved_pvalue(self) -> Any:
        """Probability of a width at least as large as observed, if the line had none of its own (one-sided)."""
        return self._masked(normal_cdf(-profile_likelihood.signed_root(*self._logarithms)))

    @property
    def is_limit(self) -> Any:
        """Is the line consistent with having no width of its own: is `resolved_pvalue` above 5%?"""
        return self._masked(~self._resolved)

    def interval(self, level: float = LEVEL) -> tuple[Any, Any]:
        """Ends (low, high) of the interval of the intrinsic sigma at a level; low is 0 where zero cannot be excluded.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        check_level(level)
        low, high = profile_likelihood.interval(*self._logarithms, level)
        return self._shown(low), self._shown(high)

    def upper_limit(self, level: float = LIMIT_LEVEL) -> Any:
        """Upper limit on the intrinsic sigma, one-sided: also for lines that are resolved.

        Raises
        ------
        InputError
            If the level is not between 0.5 and 1.
        """
        check_level(level, least=0.5)
        return self._shown(profile_likelihood.upper_limit(*self._logarithms, level))

    def table(self, level: float = LEVEL, limit_level: float = LIMIT_LEVEL) -> QTable:
        """A QTable with a row for each line: observed, instrumental, intrinsic sigma and FWHM; in km/s too with `rest`.

        Raises
        ------
        InputError
            If a level is not a probability.
        """
        from .report import line_table

        check_level(level)
        check_level(limit_level, "limit_level", least=0.5)
        return line_table(self, level, limit_level)

    def __repr__(self) -> str:
        """A table of the lines; of many lines the first and the last."""
        from xdgmm.tables.printing import as_text

        from .report import rich_table

        return as_text(rich_table(self))

    @property
    def _logarithms(self) -> tuple[Array, Array, Array, Array]:
        """Logarithm and relative error of the observed and of the instrument's width."""
        lines = self.lines
        relative = lines.observed_error / lines.observed
        return np.log(lines.observed), relative, np.log(lines.lsf), lines.lsf_total_error

    @property
    def _variance(self) -> Array:
        return (self.lines.observed - self.lines.lsf) * (self.lines.observed + self.lines.lsf)

    @property
    def _variance_error(self) -> Array:
        lines = self.lines
        return 2.0 * np.hypot(lines.observed * lines.observed_error, lines.lsf**2 * lines.lsf_total_error)

    @property
    def _sigma(self) -> Array:
        return np.sqrt(np.maximum(self._variance, 0.0))

    @property
    def _resolved(self) -> NDArray[np.bool_]:
        return np.asarray(profile_likelihood.signed_root(*self._logarithms) > normal_quantile(LIMIT_LEVEL))

    def _shown(self, numbers: Array, power: int = 1) -> Any:
        """Numbers with their unit, masked where the width is missing."""
        from astropy.units import Quantity
        from astropy.utils.masked import Masked

        if self.unit is None:
            return self._masked(numbers)
        numbers = Quantity(np.where(self.seen, numbers, 0.0), self.unit**power)
        return numbers if self.seen.all() else Masked(numbers, mask=~self.seen)

    def _masked(self, numbers: NDArray[Any]) -> Any:
        if self.seen.all():
            return numbers[()]
        return np.ma.MaskedArray(np.where(self.seen, numbers, np.zeros_like(numbers)), mask=~self.seen)
