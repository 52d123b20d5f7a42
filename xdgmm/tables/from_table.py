"""Table columns to `Observations`: values, errors, correlations, units, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.observations import Observations
from xdgmm.observations.checks import check_squares, check_weights, too_large_as_infinite

from .bad_values import (
    check_on_bad,
    handle_bad_errors,
    handle_impossible_correlations,
    handle_missing_correlations,
    refuse_without_usable_errors,
)
from .columns import find_column, read_column, read_columns
from .correlations import (
    clear_impossible,
    clear_missing,
    match_correlations,
    read_correlations,
    scale_to_covariances,
)
from .error_columns import columns_with_errors, errors_of_limits, match_errors, read_errors
from .limits import check_on_limit, columns_of_flags, handle_limits, limits_of_errors
from .remarks import correlation_remarks, error_remarks, missing_remarks, remarks_after_reading
from .split_normal import check_asymmetric
from .table_types import NamedColumns, named_columns, text_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .conventions import Match
    from .split_normal import ColumnErrors


def observations_from_table(
    table: Any,
    columns: str | Iterable[str] | None = None,
    *,
    errors: str | Sequence[str | None] | None = "auto",
    correlations: str | Mapping[tuple[str, str], str] | None = "auto",
    weights: str | None = None,
    memberships: str | Sequence[str] | None = None,
    on_bad: str = "raise",
    on_limit: str = "missing",
    asymmetric: str = "moments",
) -> Observations:
    """Read values, their errors and the correlations of these errors from the columns of a table.

    Parameters
    ----------
    table : astropy Table or QTable, pandas or polars frame, structured array, FITS_rec, or dict of columns
        Frames and structured arrays have no units; their nulls are missing.
    columns : str or sequence of str, optional
        Columns to fit; by default every column for which an error column is found.
    errors : "auto", str, sequence of str, or None
        Error columns, one for each column to fit.  "auto" (for all, or for one of them) finds them by their names, see
        Notes; None or "none" means exact values.  The kind of error follows from the name of its column (inverse
        variances where it says ivar or invvar, variances where it says var or variance, otherwise 1-sigma), or from a
        prefix: "sigma:NAME", "var:NAME" or "variance:NAME", "ivar:NAME" or "invvar:NAME", "pair:UPPER:LOWER".
    correlations : "auto", None, or dict
        "auto" finds correlations and covariances by their names, see Notes; None or "none" ignores them; a dict names
        them, ``{("x", "y"): "rho"}``, covariances as "cov:NAME" where the word cov is not in the name.  Pairs without
        a column are uncorrelated.
    weights : str, optional
        Column of frequency weights.
    memberships : str or sequence of str, optional
        Columns of the probability that an object belongs to each component, known beforehand (see
        `Observations.with_memberships`); one column alone is that of the first of two components.
    on_bad : {"raise", "drop", "missing", "exact"}
        What to do with a value whose error is zero, negative or missing: refuse it; drop the whole row; take the value
        as missing; or take zero as exact (and refuse negative and missing errors).  A missing correlation of two
        values that are present is treated in the same way ("missing": both values are missing).  "drop" also drops
        rows with impossible correlations; the other choices refuse these.
    on_limit : {"missing", "use", "drop", "keep", "raise"}
        What to do with a value that a column of flags, found by its name (see Notes), marks as an upper or lower limit:
        take it as missing; use it as the limit that it is (see `Observations.with_limits`; one in each row), with its
        own error, or none where the table has no positive one; drop the whole row; keep it as if it were measured; or
        refuse it.
    asymmetric : {"moments", "mixture"}
        What upper and lower errors of a value become: the mean and the standard deviation of the split normal that they
        describe, with a warning where they differ by more than 20%; or three Gaussians close to it, which keep its
        skewness (see `Observations.with_asymmetric_errors`), in up to three columns without correlations or limits.

    Returns
    -------
    Observations
        Row for row with the table, in the units of its columns; `remarks` says what was decided.

    Raises
    ------
    InputError
        If a column is not found or holds no numbers, if two columns may hold the errors of one, if the name of an error
        column that the user names leaves open whether it holds errors or variances, if units do not convert,
        values are infinite, errors are invalid, or correlations are outside [-1, 1] or together indefinite.

    Warns
    -----
    XdgmmWarning
        If upper and lower errors differ by more than 20% of their mean, or a column to fit is named as the error of
        its error column, or if values are limits and not kept.

    Notes
    -----
    Errors of X are found as e_X, X_err, X_error, XErr, sigma_X, X_unc (1-sigma), X_ivar (inverse variances; zero
    means that the value is missing), X_var (variances), pairs of upper and lower errors E_X and e_X, X_errp and
    X_errm, X_err_p and X_err_m, X_err1 and X_err2, Xerr1 and Xerr2 (lower ones may be negative), and the like; and,
    where the table has none of these, as var_X or cov_X_X (variances), or with a word for errors or variances
    anywhere in the name, as FLUX_IVAR_G for FLUX_G (`xdgmm.tables.conventions.WORDS`).

    Correlations of X and Y are found, in either order, as X_Y_corr, corr_X_Y, rho_X_Y, XYcor, covariances as
    cov_X_Y, X_Y_cov.  Upper and lower case matter only where the table has both.  Upper and lower errors u and l
    describe a split normal whose mode is the value X: the fit takes its mean X + sqrt(2/pi) (u - l), and as error
    its standard deviation sqrt((1 - 2/pi) (u - l)² + u l), unless `asymmetric` is "mixture".
    Masked and NaN values are missing, and so is a value with an infinite error.

    Flags of limits of X are found as l_X (VizieR: < and >), Xlim (NASA Exoplanet Archive: 1 and -1), and other names
    (`xdgmm.tables.limits.FLAGS`), if the column holds signs, words, booleans, or only -1, 0 and 1.

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
    check_on_bad(on_bad)
    check_on_limit(on_limit)
    check_asymmetric(asymmetric)
    table = named_columns(table)
    if table.n_rows == 0:
        raise InputError("the table has no rows, so there is nothing to fit")
    of_members = [find_column(table, name, "memberships column") for name in _several(memberships)]
    names = _names_of_values(table, columns, errors, weights, of_members)
    error_matches, pairs = matched_columns(table, names, errors, correlations)
    n_inexact = sum(match.kind != "exact" for match in error_matches)
    values, units = read_columns(table, names)
    known_units, unknown = _known_units(names, units)
    remarks = [
        *error_remarks(names, error_matches),
        *correlation_remarks(pairs, n_inexact),
        *unknown,
        *missing_remarks(values, names),
        *limits_of_errors(table, error_matches),
    ]
    n_empty = int(np.isnan(values).all(axis=1).sum())
    values, limits = handle_limits(table, names, values, on_limit, remarks)
    options = {"weights": _weights(table, weights, remarks), "names": names, "units": known_units}
    matched = MatchedColumns(table, tuple(names), tuple(units), error_matches, pairs, on_bad, asymmetric)
    if limits is not None:
        observations = _with_limits(matched, values, limits, remarks, options)
    elif n_inexact == 0:
        observations = Observations.exact(values, **options)
    else:
        observations = _with_errors(matched, values, remarks, options)
    observations = _with_memberships(observations, table, of_members, remarks)
    return replace(observations, remarks=(*remarks, *remarks_after_reading(observations, n_empty)))


def names_read(
    table: Any,
    columns: str | Iterable[str] | None = None,
    *,
    errors: str | Sequence[str | None] | None = "auto",
    correlations: str | Mapping[tuple[str, str], str] | None = "auto",
    weights: str | None = None,
    memberships: str | Sequence[str] | None = None,
) -> tuple[list[str], list[str]]:
    """Which columns of a table `observations_from_table` reads: those of values, and all; the table may have no rows.

    Beside values these are errors, correlations, weights, memberships, and flags of limits of values and errors.

    Raises
    ------
    InputError
        If columns are not found, or not unambiguous.
    """
    table = named_columns(table)
    of_members = [find_column(table, name, "memberships column") for name in _several(memberships)]
    names = _names_of_values(table, columns, errors, weights, of_members)
    matches, pairs = matched_columns(table, names, errors, correlations)
    described = [*names, *(column for match in matches for column in match.columns)]
    read = [
        *described,
        *(column for match in pairs.values() for column in match.columns),
        *(flags for column in described for flags in columns_of_flags(table, column)),
        *([] if weights is None else [find_column(table, weights, "weights column")]),
        *of_members,
    ]
    return names, list(dict.fromkeys(read))


def matched_columns(
    table: NamedColumns, names: Sequence[str], errors: Any, correlations: Any
) -> tuple[list[Match], dict[tuple[int, int], Match]]:
    """The columns of errors of each column of values, and those of the correlations of each pair that has one."""
    matches = match_errors(table, names, errors)
    if all(match.kind == "exact" for match in matches):
        return matches, {}
    return matches, match_correlations(table, names, matches, correlations)


def _several(names: str | Sequence[str] | None) -> list[str]:
    """Names of columns from one name, several, or none."""
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _with_memberships(
    observations: Observations, table: NamedColumns, names: Sequence[str], remarks: list[str]
) -> Observations:
    if not names:
        return observations
    columns = np.column_stack([read_column(table, name)[0] for name in names])
    remarks.append(f"known memberships taken from {', '.join(names)}")
    return observations.with_memberships(columns[:, 0] if len(names) == 1 else columns)


@dataclass(frozen=True)
class MatchedColumns:
    """The table, its columns of values with their units, those of errors and correlations, and what becomes of them."""

    table: NamedColumns
    names: tuple[str, ...]
    units: tuple[Any, ...]
    errors: list[Match]
    correlations: dict[tuple[int, int], Match]
    on_bad: str
    asymmetric: str


def _with_errors(
    matched: MatchedColumns, values: NDArray[np.float64], remarks: list[str], options: dict[str, Any]
) -> Observations:
    values, errors, read = _read_errors(matched, values, remarks)
    present = np.isfinite(values)
    values = handle_bad_errors(values, errors, matched.errors, matched.on_bad, remarks)
    refuse_without_usable_errors(present, values, errors, matched.names, matched.errors)
    if matched.asymmetric == "mixture" and any(match.kind == "pair" for match in matched.errors):
        return _asymmetric(matched, values, read, options)
    if not matched.correlations:
        return Observations.with_standard_errors(values, errors, **options)
    values, covariances = _correlated(matched, values, errors, remarks)
    return Observations.with_covariances(values, covariances, **options)


def _with_limits(
    matched: MatchedColumns,
    values: NDArray[np.float64],
    limits: NDArray[np.int8],
    remarks: list[str],
    options: dict[str, Any],
) -> Observations:
    """Measured values as without limits, and the limits with their own errors: 0 where these are not positive."""
    if matched.asymmetric == "mixture" and any(match.kind == "pair" for match in matched.errors):
        raise InputError(
            "upper and lower errors as mixtures cannot be combined with limits; set `asymmetric` to 'moments', or "
            "`on_limit` to another word than 'use'"
        )
    is_limit = np.asarray(limits != 0)
    measured = np.where(is_limit, np.nan, values)
    read = _with_errors(matched, measured, remarks, options)
    own = np.zeros(values.shape)
    for i, column in enumerate(zip(matched.names, matched.units, matched.errors, strict=True)):
        rows = np.flatnonzero(is_limit[:, i])
        if rows.size:
            own[rows, i] = errors_of_limits(matched.table, *column, values[:, i])[rows]
    n_sharp = int((own[is_limit] == 0).sum())
    if n_sharp:
        remarks.append(f"{n_sharp} limit{'s' if n_sharp > 1 else ''} without an error taken as sharp")
    if matched.on_bad == "drop":
        dropped = np.asarray(np.isfinite(measured).any(axis=1) & ~read.present.any(axis=1))
        is_limit = is_limit & ~dropped[:, None]
    values = np.where(is_limit, values, read.values)
    noise = read.noise_covariances.copy() if matched.correlations else np.sqrt(read.variances)
    return _joined(values, noise, np.where(is_limit, own, 0.0), np.where(is_limit, limits, 0), options)


def _joined(
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    own: NDArray[np.float64],
    limits: NDArray[np.int8],
    options: dict[str, Any],
) -> Observations:
    """Observations with limits, of the noise (N, D) or (N, D, D) of measured values and the errors (N, D) of limits."""
    is_limit = limits != 0
    masks = {"upper": limits < 0, "lower": limits > 0}
    if noise.ndim == 2:
        return Observations.with_limits(values, np.where(is_limit, own, noise), **masks, **options)
    noise = np.where(is_limit[:, :, None] | is_limit[:, None, :], 0.0, noise)
    diagonal = np.arange(values.shape[1])
    noise[:, diagonal, diagonal] += own**2
    return Observations.with_limits(values, covariances=noise, **masks, **options)


def _read_errors(
    matched: MatchedColumns, values: NDArray[np.float64], remarks: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[ColumnErrors]]:
    """The values (N, D), moved where upper and lower errors differ, 1-sigma errors (N, D), and all that was read."""
    present, errors, every = np.isfinite(values), np.empty(values.shape), []
    for i, column in enumerate(zip(matched.names, matched.units, matched.errors, strict=True)):
        read = read_errors(matched.table, *column, values[:, i], remarks, matched.asymmetric)
        errors[:, i] = read.standard_errors
        if np.any(read.shift):
            values = values + np.outer(read.shift, np.arange(values.shape[1]) == i)
        check_squares(errors[:, i], present[:, i], f"the error of '{matched.names[i]}'")
        every.append(read)
    return values, too_large_as_infinite(errors), every


def _asymmetric(
    matched: MatchedColumns, values: NDArray[np.float64], read: list[ColumnErrors], options: dict[str, Any]
) -> Observations:
    """Observations of values (N, D) that were moved to their means, with upper and lower errors."""
    if matched.correlations:
        pairs = [f"{matched.names[i]} and {matched.names[j]}" for i, j in matched.correlations]
        raise InputError(
            f"upper and lower errors as mixtures cannot be combined with correlations of errors ({', '.join(pairs)}); "
            "set `correlations` to 'none', or `asymmetric` to 'moments'"
        )
    shift, upper, lower = (np.stack(each, axis=1) for each in list(zip(*read, strict=True))[1:])
    return Observations.with_asymmetric_errors(values - shift, lower, upper, **options)


def _correlated(
    matched: MatchedColumns, values: NDArray[np.float64], errors: NDArray[np.float64], remarks: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The values that can be used, and their noise covariances (N, D, D)."""
    pairs, names = matched.correlations, matched.names
    present = np.isfinite(values) & np.isfinite(errors)
    matrices = read_correlations(matched.table, names, matched.units, pairs, errors, present)
    values = handle_missing_correlations(values, *clear_missing(matrices, pairs), matched.on_bad, remarks)
    impossible = clear_impossible(matrices, pairs, names)
    values = handle_impossible_correlations(values, *impossible, matched.on_bad, remarks)
    return values, scale_to_covariances(matrices, errors)


def _names_of_values(
    table: NamedColumns, columns: Any, errors: object, weights: str | None, beside: Sequence[str]
) -> list[str]:
    if columns is None:
        if not (isinstance(errors, str) and errors == "auto"):
            raise InputError("`errors` is given, but not `columns`; name the columns to fit too")
        return [name for name in columns_with_errors(table, weights) if name not in beside]
    several = isinstance(columns, Iterable) and not isinstance(columns, (str, bytes))
    if isinstance(columns, tuple) and text_name(columns) in table:  # the name of one column of a MultiIndex
        several = all(text_name(name) in table for name in columns)
    names = [find_column(table, name) for name in (columns if several else [columns])]
    if not names:
        raise InputError("`columns` is empty; name at least one column")
    return names


def _known_units(names: Sequence[str], units: Sequence[Any]) -> tuple[tuple[Any, ...], list[str]]:
    """Units, None for those that astropy does not know (they could not be stored and read back), and remarks."""
    from astropy.units import UnrecognizedUnit

    known = tuple(None if isinstance(unit, UnrecognizedUnit) else unit for unit in units)
    odd = [(name, unit) for name, unit in zip(names, units, strict=True) if isinstance(unit, UnrecognizedUnit)]
    return known, [
        sentence
        for name, unit in odd
        for sentence in (
            f"the unit '{unit}' of {name} is not known to astropy and left out",
            f"errors of {name} taken to be in the unit '{unit}', variances in its square",
        )
    ]


def _weights(table: NamedColumns, name: str | None, remarks: list[str]) -> NDArray[np.float64] | None:
    if name is None:
        return None
    weights, _ = read_column(table, find_column(table, name, "weights column"))
    check_weights(weights, table.n_rows, f"weights column '{name}'")
    remarks.append(f"weights taken from {name}")
    return weights
