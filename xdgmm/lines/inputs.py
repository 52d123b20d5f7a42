"""Widths, errors and the instrument's width as users give them: numbers or Quantity, sigma, FWHM or R, one unit."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.argument_names import column_name
from xdgmm.basics.arrays import as_dimensionless, as_floats, list_rows
from xdgmm.basics.constants import FWHM, LIGHT
from xdgmm.errors import InputError, XdgmmWarning

if TYPE_CHECKING:
    from astropy.units import Quantity, UnitBase

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LIKE_FWHM = (1.8, 2.9)  # instrument over observed width, where one of them is a full width at half maximum
BELOW = 3.0  # errors by which every width is below the instrument's, before something is taken for wrong
MEASURES = {"sigma": 1.0, "fwhm": 1.0 / FWHM}
WORDS = {"sigma": "a standard deviation (sigma)", "fwhm": "a full width at half maximum (FWHM)"}
# Words in names of columns; "sig" and "std" only by themselves, since others hold these letters (signal, standard).
FWHM_NAMES = re.compile(r"fwhm|full_?width|(?<![a-z])w_?50(?![0-9])", re.IGNORECASE)
SIGMA_NAMES = re.compile(r"sigma|std_?dev|st_?dev|dispersion|disp(?![a-z])|(?<![a-z])(sig|std)(?![a-z])", re.IGNORECASE)


def width_numbers(width: Any, name: str, unit: UnitBase | None) -> tuple[Array, UnitBase | None]:
    """Float64 array of widths in a unit (their own, where None), and the unit; NaN where missing."""
    if width is None:
        raise InputError(f"`{name}` is missing; give the observed widths and their 1-sigma errors")
    if unit is None and getattr(width, "unit", None) is not None and name != "observed":
        raise InputError(f"`{name}` has the unit {width.unit}, but `observed` has none; give both or neither a unit")
    return as_floats(width, name, unit)


def check_widths(widths: Array, errors: Array, names: tuple[str, str] = ("observed", "observed_error")) -> None:
    """Refuse widths and errors that are no positive numbers; missing widths (NaN) need no error."""
    seen = ~np.isnan(widths)
    _refuse(seen & ~((widths > 0) & (widths < np.inf)), names[0], _NOT_POSITIVE)
    _refuse(seen & ~((errors > 0) & (errors < np.inf)), names[1], _NO_ERROR)
    if not seen.any():
        raise InputError(f"every value of `{names[0]}` is missing (NaN or masked), so there is nothing to work on")


_NOT_POSITIVE = (
    "zero, negative or infinite",
    "an observed width contains the instrument's and is positive, so leave such rows out, or make them NaN",
)
_NO_ERROR = (
    "zero, negative, infinite or missing",
    "give each width its 1-sigma error, or make the width NaN",
)


def _refuse(bad: Mask, name: str, reasons: tuple[str, str]) -> None:
    if bad.any():
        what, way_out = reasons
        where = f" in {list_rows(np.flatnonzero(bad))}" if bad.ndim else ""
        raise InputError(f"`{name}` is {what}{where}; {way_out}")


def instrument_numbers(
    unit: UnitBase | None, seen: Mask, *, lsf: Any, fwhm: Any, R: Any, rest: Quantity | None
) -> Array:
    """The instrument's sigma in a unit, from sigma, FWHM, or resolving power; NaN where no width is seen."""
    given = {"lsf": lsf, "fwhm": fwhm, "R": R}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        came = f"{' and '.join(named)} were given" if named else "none was given"
        raise InputError(f"give the instrument's width once, as `lsf` (sigma), `fwhm` or `R` (resolving power); {came}")
    (name,) = named
    if name == "R":
        return _from_resolving_power(_of_lines(as_dimensionless(R, "R"), seen), unit, rest, seen)
    numbers = _of_lines(_in_unit(given[name], name, unit, rest), seen)
    _refuse(_not_positive(numbers, seen), name, ("not positive and finite", "give the instrument's width"))
    return np.asarray(numbers * MEASURES["fwhm" if name == "fwhm" else "sigma"])


def _of_lines(numbers: Array, seen: Mask) -> Array:
    """NaN in rows without a width, whatever stands there."""
    return np.where(seen, numbers, np.nan) if numbers.shape == seen.shape else numbers


def _not_positive(numbers: Array, seen: Mask) -> Mask:
    """Which are no positive finite numbers, in rows that have a width."""
    bad = ~((numbers > 0) & (numbers < np.inf))
    return bad & seen if bad.shape == seen.shape else bad


def _in_unit(width: Any, name: str, unit: UnitBase | None, rest: Quantity | None) -> Array:
    """Numbers in the unit of the widths; from km/s to wavelengths and back with the rest value."""
    own = getattr(width, "unit", None)
    if own is None or unit is None or own.is_equivalent(unit):
        return width_numbers(width, name, unit)[0]
    if rest is None:
        raise InputError(
            f"`{name}` is in {own} and `observed` in {unit}, which convert only at a wavelength or energy: give `rest`"
        )
    in_velocity = as_floats(width, name)[0] * velocity_scale(own, rest)
    return np.asarray(in_velocity / velocity_scale(unit, rest))


def _from_resolving_power(R: Array, unit: UnitBase | None, rest: Quantity | None, seen: Mask) -> Array:
    _refuse(_not_positive(R, seen), "R", ("not positive and finite", "R is wavelength over FWHM"))
    if unit is None or (rest is None and not is_velocity(unit)):
        raise InputError(
            "`R` gives a width in km/s, or at a wavelength or energy: give `observed` a unit of these, and `rest` "
            "unless it is a velocity"
        )
    return np.asarray(LIGHT / (FWHM * R) / velocity_scale(unit, rest))


def is_velocity(unit: UnitBase | None) -> bool:
    """Is it a unit of velocities?"""
    return unit is not None and bool(unit.is_equivalent("km/s"))


def velocity_scale(unit: UnitBase, rest: Quantity | None) -> Any:
    """How many km/s a width of one unit is at a rest wavelength, frequency or energy (any shape).

    At the centre of a line the optical, radio and relativistic conventions agree: ``c / rest``.
    """
    from astropy.units import spectral

    if is_velocity(unit):
        return unit.to("km/s")
    assert rest is not None, "a unit that is no velocity has a rest value beside it"
    return LIGHT / rest.to_value(unit, spectral())


def checked_rest(rest: Any, unit: UnitBase | None, instrument: Any, seen: Mask) -> Quantity:
    """The rest value, masked ones NaN; refused if it is no positive wavelength, frequency or energy, or of no use."""
    from astropy.units import Quantity, UnitConversionError, spectral

    beside = getattr(instrument, "unit", None) if is_velocity(unit) else unit
    if beside is None or is_velocity(beside):
        has = "no unit" if unit is None else f"the unit {unit}"
        raise InputError(f"`rest` turns widths in wavelength, frequency or energy into km/s, but `observed` has {has}")
    try:
        numbers = as_floats(rest.to(beside, spectral()), "rest")[0] if isinstance(rest, Quantity) else np.array(np.nan)
    except UnitConversionError:
        numbers = np.array(np.nan)
    if numbers.shape not in ((), seen.shape):
        raise InputError(
            f"`rest` has shape {numbers.shape}, but `observed` has shape {seen.shape}; give one value, or one for each"
        )
    if _not_positive(numbers, seen).any():
        raise InputError(
            f"`rest` is {rest!r}, but beside widths in {beside} it must be a positive wavelength or energy"
        )
    return Quantity(_of_lines(as_floats(rest, "rest")[0], seen), rest.unit)


def checked_fraction(fraction: Any, name: str, seen: Mask) -> Array:
    """Fractional error or scatter of the instrument's width: 0 or more, below 1; NaN where no width is seen."""
    numbers = _of_lines(as_dimensionless(fraction, name), seen)
    bad = ~((numbers >= 0) & (numbers < 1))
    reasons = "not between 0 and 1", "it is a fraction of the instrument's width, as 0.03 for 3%"
    _refuse(bad & seen if bad.shape == seen.shape else bad, name, reasons)
    return numbers


def warn_of_names(measure: str, observed: Any, lsf: Any, fwhm: Any) -> None:
    """Warn of columns whose names say that they are full widths where they are given as sigmas, or the reverse."""
    other = "fwhm" if measure == "sigma" else "sigma"
    for values, given, way_out in (
        (observed, measure, f"`measure='{other}'`"),
        (lsf, "sigma", "`fwhm`"),
        (fwhm, "fwhm", "`lsf`"),
    ):
        name = column_name(values)
        named = None if name is None else measure_by_name(name)
        if named is not None and named != given:
            warnings.warn(
                f"column '{name}' is given as {WORDS[given]}, but by its name it holds {WORDS[named]}, and these "
                f"differ by a factor of {FWHM:.3f}; if the name is right, give it as {way_out}",
                XdgmmWarning,
                stacklevel=4,
            )


def measure_by_name(name: str) -> str | None:
    """What a width is by the name of its column: "sigma", "fwhm", or None where the name says neither or both."""
    of_fwhm, of_sigma = FWHM_NAMES.search(name), SIGMA_NAMES.search(name)
    if bool(of_fwhm) == bool(of_sigma):
        return None
    return "fwhm" if of_fwhm else "sigma"


def warn_if_errors_are_large(widths: Array, errors: Array) -> None:
    """Warn of errors as large as the widths, of which the logarithm is no longer normal."""
    large = errors[~np.isnan(widths)] >= widths[~np.isnan(widths)]
    if large.any():
        many = "the error is" if large.size == 1 else f"{large.sum()} of {large.size} errors are"
        warnings.warn(
            f"{many} as large as the width or larger, so that limits are far away: no line may have been found there",
            XdgmmWarning,
            stacklevel=4,
        )


def warn_if_instrument_is_wider(widths: Array, errors: Array, lsf: Array, fraction: Array) -> None:
    """Warn where the instrument is wider than every line: a full width for a sigma, mostly."""
    seen = ~np.isnan(widths)
    ratio = (lsf / widths)[seen]
    if not (widths + BELOW * np.hypot(errors, fraction * lsf) < lsf)[seen].all():
        return
    typical = np.median(ratio)
    hint = "check the instrument's width, and that the widths are as observed"
    if LIKE_FWHM[0] < typical < LIKE_FWHM[1]:
        hint = f"a ratio near {FWHM:.3f} looks like a FWHM given for a sigma; if so, give it as `fwhm`, not as `lsf`"
    many = "the width is" if ratio.size == 1 else f"all {ratio.size} widths are"
    warnings.warn(
        f"{many} below that of the instrument, which is {typical:.3g} times as wide: {hint}",
        XdgmmWarning,
        stacklevel=4,
    )
