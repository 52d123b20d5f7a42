"""`deconvolve`: the intrinsic width of each line, where it is resolved and where it is not."""

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from xdgmm.basics.arrays import read_only
from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError
from xdgmm.widths.table import FWHM
from xdgmm.widths.velocity import CONVENTIONS

from . import inputs, likelihood

LEVEL, LIMIT_LEVEL = 0.6827, 0.95
ARRAYS = "observed_sigma", "observed_sigma_error", "instrumental_sigma", "lsf_error", "lsf_scatter"


def deconvolve(
    sigma_obs,
    sigma_err,
    *,
    lsf=None,
    fwhm=None,
    R=None,
    lsf_error=0.0,
    lsf_scatter=0.0,
    rest=None,
    convention="optical",
    measure="sigma",
):
    """Take the instrument's width out of observed widths of Gaussian lines.

    Parameters
    ----------
    sigma_obs : array or Quantity, any shape
        Observed widths, the instrument's still in them: Gaussian sigma (see `measure`).  NaN or masked: missing.
    sigma_err : array or Quantity
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
        What `sigma_obs` and `sigma_err` are: full widths at half maximum are taken too.  `lsf` is a sigma always.

    Returns
    -------
    IntrinsicWidths

    Raises
    ------
    InputError
        If widths are not positive, errors are missing or zero, units do not convert, or the instrument's width is not
        given exactly once; the message says where.

    Notes
    -----
    The intrinsic variance is ``V = sigma_obs^2 - lsf^2``.  Relative errors of widths are those that fits of lines have
    (Landman, Roussel-Dupre & Tanigawa 1982, ApJ 261, 732), so that ``ln sigma_obs`` and ``ln lsf`` are taken as normal;
    intervals and limits are where the profile likelihood of ``V >= 0`` has fallen by a given amount, the instrument's
    width profiled out.

    Examples
    --------
    >>> from xdgmm import lines
    >>> widths = lines.deconvolve([70.0, 58.0], [2.0, 2.0], lsf=60.0, lsf_error=0.03)
    >>> widths.variance, widths.sigma.round(2), widths.upper_limit(0.95).round(1)
    (array([1300., -236.]), array([36.06,  0.  ]), array([43.5, 18.5]))
    """
    if measure not in inputs.MEASURES:
        raise InputError(f"`measure` is {measure!r}, but it must be 'sigma' or 'fwhm'")
    if convention not in CONVENTIONS:
        raise InputError(f"`convention` is {convention!r}, but it must be one of {', '.join(CONVENTIONS)}")
    observed, unit = inputs.width_numbers(sigma_obs, "sigma_obs", None)
    errors, _ = inputs.width_numbers(sigma_err, "sigma_err", unit)
    seen = ~np.isnan(observed)
    if rest is not None:
        rest = inputs.checked_rest(rest, unit, fwhm if lsf is None else lsf, seen)
    instrument = inputs.instrument_numbers(unit, seen, lsf=lsf, fwhm=fwhm, R=R, rest=rest)
    fraction = inputs.checked_fraction(lsf_error, "lsf_error", seen)
    scatter = inputs.checked_fraction(lsf_scatter, "lsf_scatter", seen)
    rest = None if inputs.is_velocity(unit) else rest
    observed, errors, instrument, each, scatter = _alike(observed, errors, instrument, fraction, scatter)
    inputs.check_widths(observed, errors)
    to_sigma = inputs.MEASURES[measure]
    observed, errors = observed * to_sigma, errors * to_sigma
    inputs.warn_if_vague(observed, errors)
    inputs.warn_if_mistaken(observed, errors, instrument, np.hypot(each, scatter))
    named = {"shared": fraction.ndim == 0, "unit": unit, "rest": rest, "convention": convention}
    return IntrinsicWidths(observed, errors, instrument, each, scatter, **named)


def _alike(*arrays):
    """All of one shape, that of the widths: what is given once is there for every line."""
    names = "sigma_obs", "sigma_err", "lsf", "lsf_error", "lsf_scatter"
    shape = arrays[0].shape
    for name, array in zip(names[1:], arrays[1:], strict=True):
        if array.shape not in ((), shape):
            raise InputError(
                f"`{name}` has shape {array.shape}, but `sigma_obs` has shape {shape}; give one number, or one for each"
            )
    return [np.array(np.broadcast_to(array, shape)) for array in arrays]


@dataclass(frozen=True, eq=False, repr=False)
class IntrinsicWidths:
    """Intrinsic widths of lines beside the observed and the instrument's; made by `deconvolve`.

    Every quantity has the shape of the widths and, where these have a unit, that unit (or its square); rows without a
    width are masked.  ``print`` shows them as a table, `table` returns it.

    Attributes
    ----------
    observed_sigma, observed_sigma_error, instrumental_sigma : ndarray
        Numbers in `unit`; NaN where the width is missing.
    lsf_error : ndarray
        Fractional error of the instrument's width.
    lsf_scatter : ndarray
        By which fraction it differs from line to line.
    shared : bool
        Is the error common to all lines?
    unit : astropy unit or None
    rest : Quantity or None
    convention : str
    """

    observed_sigma: np.ndarray
    observed_sigma_error: np.ndarray
    instrumental_sigma: np.ndarray
    lsf_error: np.ndarray
    lsf_scatter: np.ndarray
    shared: bool = field(default=True, kw_only=True)
    unit: object = field(default=None, kw_only=True)
    rest: object = field(default=None, kw_only=True)
    convention: str = field(default="optical", kw_only=True)

    def __post_init__(self):
        """Freeze the arrays."""
        for name in ARRAYS:
            object.__setattr__(self, name, read_only(np.asarray(getattr(self, name))))

    def __len__(self):
        """Number of lines; 1 for a single one."""
        return self.observed_sigma.size

    def line(self, row):
        """One line by itself, counted in the order of ``ravel()``."""
        rest = self.rest if np.ndim(self.rest) == 0 else self.rest.ravel()[row]
        arrays = (getattr(self, name) for name in ARRAYS)
        settings = {"shared": self.shared, "unit": self.unit, "rest": rest, "convention": self.convention}
        return IntrinsicWidths(*(np.asarray(array.ravel()[row]) for array in arrays), **settings)

    @property
    def seen(self):
        """Which lines have a width: bool array."""
        return ~np.isnan(self.observed_sigma)

    @property
    def observed(self):
        """Observed sigma, the instrument's in it."""
        return self._shown(self.observed_sigma)

    @property
    def observed_err(self):
        """Its 1-sigma error."""
        return self._shown(self.observed_sigma_error)

    @property
    def instrumental(self):
        """Sigma of the instrument."""
        return self._shown(self.instrumental_sigma)

    @property
    def instrumental_error(self):
        """Fractional error of the instrument's width at each line, its scatter between lines in it."""
        return np.hypot(self.lsf_error, self.lsf_scatter)

    @property
    def n_resolved(self):
        """How many lines are resolved: a number."""
        return int(self._resolved[self.seen].sum())

    @property
    def variance(self):
        """Signed intrinsic variance ``V = sigma_obs^2 - lsf^2``: what may be averaged over lines."""
        return self._shown(self._variance, 2)

    @property
    def variance_err(self):
        """Its 1-sigma error: ``2 sigma_obs sigma_err``, and ``2 lsf^2`` times `instrumental_error` in quadrature."""
        return self._shown(self._variance_error, 2)

    @property
    def sigma(self):
        """Intrinsic sigma of highest likelihood; 0, which calls for `upper_limit`, where V is not positive."""
        return self._shown(self._sigma)

    @property
    def sigma_err(self):
        """Its 1-sigma error, ``variance_err / (2 sigma)``; up to the end of `interval` where not resolved."""
        safe = np.where(self._resolved, self._sigma, 1.0)
        above = likelihood.interval(*self._measured, LEVEL)[1] - self._sigma
        return self._shown(np.where(self._resolved, 0.5 * self._variance_error / safe, above))

    @property
    def fwhm(self):
        """Intrinsic full width at half maximum, ``sqrt(8 ln 2) sigma``."""
        return self._shown(FWHM * self._sigma)

    @property
    def resolved_pvalue(self):
        """Probability of a width at least as large as observed, if the line had none of its own (one-sided)."""
        return self._masked(norm.sf(likelihood.signed_root(*self._measured)))

    @property
    def is_limit(self):
        """Is the line consistent with having no width of its own: is `resolved_pvalue` above 5%?"""
        return self._masked(~self._resolved)

    def interval(self, level=LEVEL):
        """Ends (low, high) of the interval of the intrinsic sigma at a level; low is 0 where zero cannot be excluded.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        check_level(level)
        return tuple(self._shown(end) for end in likelihood.interval(*self._measured, level))

    def upper_limit(self, level=LIMIT_LEVEL):
        """Upper limit on the intrinsic sigma, one-sided: also for lines that are resolved.

        Raises
        ------
        InputError
            If the level is not between 0.5 and 1.
        """
        check_level(level, least=0.5)
        return self._shown(likelihood.upper_limit(*self._measured, level))

    def table(self, level=LEVEL, limit_level=LIMIT_LEVEL):
        """A QTable with a row for each line: observed, instrumental, intrinsic sigma and FWHM; in km/s too with `rest`.

        Raises
        ------
        InputError
            If a level is not a probability.
        """
        from .report import table_of

        check_level(level)
        check_level(limit_level, "limit_level", least=0.5)
        return table_of(self, level, limit_level)

    def __repr__(self):
        """The table, in short."""
        from .report import as_text

        return as_text(self)

    @property
    def _measured(self):
        return (
            np.log(self.observed_sigma),
            self.observed_sigma_error / self.observed_sigma,
            np.log(self.instrumental_sigma),
            self.instrumental_error,
        )

    @property
    def _variance(self):
        return (self.observed_sigma - self.instrumental_sigma) * (self.observed_sigma + self.instrumental_sigma)

    @property
    def _variance_error(self):
        return 2.0 * np.hypot(
            self.observed_sigma * self.observed_sigma_error, self.instrumental_sigma**2 * self.instrumental_error
        )

    @property
    def _sigma(self):
        return np.sqrt(np.maximum(self._variance, 0.0))

    @property
    def _resolved(self):
        return likelihood.signed_root(*self._measured) > norm.ppf(LIMIT_LEVEL)

    def _shown(self, numbers, power=1):
        """Numbers with their unit, masked where the width is missing."""
        from astropy.units import Quantity
        from astropy.utils.masked import Masked

        if self.unit is None:
            return self._masked(numbers)
        numbers = Quantity(np.where(self.seen, numbers, 0.0), self.unit**power)
        return numbers if self.seen.all() else Masked(numbers, mask=~self.seen)

    def _masked(self, numbers):
        if self.seen.all():
            return numbers[()]
        return np.ma.MaskedArray(np.where(self.seen, numbers, np.zeros_like(numbers)), mask=~self.seen)
