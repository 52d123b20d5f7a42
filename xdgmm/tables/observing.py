"""Table columns to `Observations`: values, errors, correlations, units, and what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from xdgmm.errors import InputError
from xdgmm.observations import Observations
from xdgmm.observations.checks import check_weights, too_large_as_infinite

from .catalogue import Catalogue, as_catalogue
from .columns import find, numbers, numbers_of_all
from .correlating import correlation_columns
from .correlations import correlation_matrices, scaled, without_impossible, without_missing
from .matching import columns_with_errors, error_columns
from .noise import standard_errors
from .remarks import of_correlations, of_errors, of_missing
from .unusable import (
    check_choice,
    without_bad_errors,
    without_impossible_correlations,
    without_missing_correlations,
)


def observations_from_table(table, columns=None, *, errors="auto", correlations="auto", weights=None, on_bad="raise"):
    """Take values, their errors and the correlations of these from the columns of a table.

    Parameters
    ----------
    table : astropy Table or QTable, pandas or polars frame, structured array, FITS_rec, or dict of columns
        Frames and structured arrays have no units; their nulls are missing.
    columns : str or sequence of str, optional
        Columns to fit; every column for which an error column is found by default.
    errors : "auto", str, sequence of str, or None
        Error columns, one for each; "auto" (for all, or for one of them) finds them by their names, see Notes; None
        or "none": the values are exact.  What kind of error a column holds follows from its name (..._ivar, ..._var,
        otherwise 1-sigma), or is said before it: "sigma:NAME", "var:NAME", "ivar:NAME", "pair:UPPER:LOWER".
    correlations : "auto", None, or dict
        "auto" finds correlations and covariances by their names, see Notes; None or "none" ignores them; a dict names
        them, ``{("x", "y"): "rho"}``, covariances as "cov:NAME" where the word cov is not in the name.  Pairs without
        a column are uncorrelated.
    weights : str, optional
        Column of frequency weights.
    on_bad : {"raise", "drop", "missing", "exact"}
        What to do where a value has an error that is zero, negative or missing: refuse; leave the whole row out; take
        the value as missing; or take zero as exact (and refuse the rest).  A missing correlation of two values that
        are present is treated alike ("missing": both of them), and "drop" also leaves out rows whose correlations
        cannot be, which are refused otherwise.

    Returns
    -------
    Observations
        Row for row with the table, in the units of its columns; `remarks` says what was decided.

    Raises
    ------
    InputError
        If a column is not found or holds no numbers, if two may hold the errors of one, units clash, values are
        infinite, errors are unusable, or correlations are outside [-1, 1] or no positive semi-definite matrix.

    Warns
    -----
    XdgmmWarning
        If upper and lower errors differ by more than 20% of their mean.

    Notes
    -----
    Found as errors of X are e_X, X_err, X_error, XErr, sigma_X, X_unc (1-sigma), X_ivar (inverse variances; zero means
    that the value is missing), X_var (variances), pairs of upper and lower errors E_X and e_X, X_errp and X_errm,
    X_err_p and X_err_m, X_err1 and X_err2, Xerr1 and Xerr2 (lower ones may be negative), and where there is none of
    these var_X or cov_X_X (variances); as correlations of X and Y, in either order, X_Y_corr, corr_X_Y, rho_X_Y,
    XYcor, and as covariances cov_X_Y, X_Y_cov.  Upper and lower case matter only where both are there.
    The error of a pair is the mean of upper and lower, half the length of the interval that they span (D'Agostini 2004,
    arXiv:physics/0403086).  Masked and NaN values are missing, and so is a value with an infinite error.

    Examples
    --------
    >>> from xdgmm import datasets
    >>> from xdgmm.tables import observations_from_table
    >>> observations_from_table(datasets.load("hydrus1"), "v").remarks
    ('errors of v taken from e_v',)
    >>> trials = observations_from_table(datasets.load("berkey"), ["pd", "al"])
    >>> trials.remarks
    ('variances of pd, al taken from var_X', 'covariances taken from cov_pd_al')
    """
    check_choice(on_bad)
    catalogue = as_catalogue(table)
    if catalogue.n_rows == 0:
        raise InputError("the table has no rows, so there is nothing to fit")
    names = _value_names(catalogue, columns, errors, weights)
    matches = error_columns(catalogue, names, errors)
    n_noisy = sum(match.kind != "exact" for match in matches)
    pairs = {} if n_noisy == 0 else correlation_columns(catalogue, names, matches, correlations)
    values, units = numbers_of_all(catalogue, names)
    known_units, unknown = _known_units(names, units)
    remarks = [*of_errors(names, matches), *of_correlations(pairs, n_noisy), *unknown, *of_missing(values, names)]
    options = {"weights": _weights(catalogue, weights, remarks), "names": names, "units": known_units}
    if n_noisy == 0:
        observations = Observations.exact(values, **options)
    else:
        source = Source(catalogue, tuple(names), tuple(units), matches, pairs, on_bad)
        observations = _with_errors(source, values, remarks, options)
    return replace(observations, remarks=(*remarks, *observations.remarks))


@dataclass(frozen=True)
class Source:
    """Where everything is taken from: the table, its columns of values, their errors and their correlations."""

    catalogue: Catalogue
    names: tuple
    units: tuple
    errors: list
    correlations: dict
    on_bad: str


def _with_errors(source, values, remarks, options):
    errors = _errors(source, np.isfinite(values), remarks)
    values = without_bad_errors(values, errors, source.errors, source.on_bad, remarks)
    if not source.correlations:
        return Observations.with_standard_errors(values, errors, **options)
    values, noise = _correlated(source, values, errors, remarks)
    return Observations.with_covariances(values, noise, **options)


def _errors(source, present, remarks):
    result = np.empty(present.shape)
    for i, column in enumerate(zip(source.names, source.units, source.errors, strict=True)):
        result[:, i] = standard_errors(source.catalogue, *column, present[:, i], remarks)
    return too_large_as_infinite(result)


def _correlated(source, values, errors, remarks):
    """The values that can be used, and their noise covariances (N, D, D)."""
    present = np.isfinite(values) & np.isfinite(errors)
    matrices = correlation_matrices(source.catalogue, source.names, source.units, source.correlations, errors, present)
    lost = without_missing(matrices, source.correlations)
    values = without_missing_correlations(values, *lost, source.on_bad, remarks)
    impossible = without_impossible(matrices, source.correlations, source.names)
    values = without_impossible_correlations(values, *impossible, source.on_bad, remarks)
    return values, scaled(matrices, errors)


def _value_names(catalogue, columns, errors, weights):
    if columns is None:
        if not (isinstance(errors, str) and errors == "auto"):
            raise InputError("`errors` is given, but not `columns`; name the columns to fit too")
        return columns_with_errors(catalogue, weights)
    several = isinstance(columns, Iterable) and not isinstance(columns, (str, bytes))
    names = [find(catalogue, name) for name in (columns if several else [columns])]
    if not names:
        raise InputError("`columns` is empty; name at least one column")
    return names


def _known_units(names, units):
    """Units, None for those that astropy does not know (they could not be stored and read back), and remarks."""
    from astropy.units import UnrecognizedUnit

    known = tuple(None if isinstance(unit, UnrecognizedUnit) else unit for unit in units)
    odd = [(name, unit) for name, unit in zip(names, units, strict=True) if isinstance(unit, UnrecognizedUnit)]
    return known, [f"the unit '{unit}' of {name} is not known to astropy and left out" for name, unit in odd]


def _weights(catalogue, name, remarks):
    if name is None:
        return None
    weights, _ = numbers(catalogue, find(catalogue, name, "weights column"))
    check_weights(weights, catalogue.n_rows, f"weights column '{name}'")
    remarks.append(f"weights taken from {name}")
    return weights
