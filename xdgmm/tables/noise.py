"""The numbers in error columns of every kind, as 1-sigma errors."""

import warnings

import numpy as np

from xdgmm.errors import XdgmmWarning

from .units import Belonging, converted

WHAT = {"sigma": "error column", "pair": "error column", "var": "variance column", "ivar": "inverse-variance column"}
UNEQUAL = 0.2  # how far upper and lower errors may be apart, in units of their mean, before that is said


def standard_errors(catalogue, name, unit, match, present, remarks):
    """The 1-sigma errors (N,) of a column, in its unit; what is unusable stays zero, negative or NaN.

    Parameters
    ----------
    catalogue : Catalogue
    name : str
        The column of the values.
    unit : astropy unit or None
        Its unit.
    match : Match
        Where its errors are.
    present : ndarray (N,) of bool
        Where there is a value.
    remarks : list of str
        Gets a sentence where upper and lower errors differ much.

    Notes
    -----
    An inverse variance of zero is how surveys (SDSS, DESI) mark a value of which nothing is known: its error is
    infinite, and the value is missing.  Upper and lower errors become their mean, half the length of the interval
    that they span; where they differ little that is the standard deviation (D'Agostini 2004, arXiv:physics/0403086).
    """
    if match.kind == "exact":
        return np.zeros(catalogue.n_rows)
    units = (unit,) if match.kind in ("sigma", "pair") else (unit, unit)
    belonging = Belonging(WHAT[match.kind], (name,), units, -1 if match.kind == "ivar" else 1)
    columns = [converted(catalogue, column, belonging) for column in match.columns]
    if match.kind == "pair":
        return _mean(name, match.columns, *columns, present, remarks)
    return FORMULAS[match.kind](*columns)


def _sigma(errors):
    return errors


def _root(variances):
    """A negative variance becomes a negative error, which is refused where it belongs to a value."""
    return np.copysign(np.sqrt(np.abs(variances)), variances)


def _inverse_root(inverse_variances):
    with np.errstate(divide="ignore"):
        return 1.0 / _root(np.where(inverse_variances == 0, 0.0, inverse_variances))  # not -0.0: infinite, not negative


FORMULAS = {"sigma": _sigma, "var": _root, "ivar": _inverse_root}


def _mean(name, columns, upper, lower, present, remarks):
    """Mean of upper and lower errors; unusable where one of them is, or where they disagree on what is exact."""
    lower = -lower if _all_negative(lower[present]) else lower
    mean, smallest = 0.5 * (upper + lower), np.minimum(upper, lower)
    usable = (smallest > 0) | ((upper == 0) & (lower == 0))
    _say_unequal(name, columns, upper, lower, present & (smallest > 0), remarks)
    return np.where(usable, mean, np.where(smallest < 0, smallest, np.nan))


def _all_negative(lower):
    """Whether lower errors are written with their sign."""
    lower = lower[~np.isnan(lower)]
    return bool((lower <= 0).all() and (lower < 0).any())


def _say_unequal(name, columns, upper, lower, usable, remarks):
    mean = 0.5 * (upper + lower)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.where(usable & np.isfinite(mean), np.abs(upper - lower) / mean, 0.0)
    unequal = int((difference > UNEQUAL).sum())
    if unequal == 0:
        return
    worst = int(np.argmax(difference))
    sentence = (
        f"upper and lower errors of {name} differ by more than {UNEQUAL:.0%} of their mean in {unequal} "
        f"row{'s' if unequal > 1 else ''}"
    )
    remarks.append(sentence)
    warnings.warn(
        f"{sentence} (most in row {worst}: +{upper[worst]:.3g} -{lower[worst]:.3g}, in {' and '.join(columns)}); the "
        "fit takes their mean as a symmetric error",
        XdgmmWarning,
        stacklevel=2,
    )
