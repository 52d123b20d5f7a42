"""Columns of errors: found by their names or named by the user, and read as 1-sigma errors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, XdgmmWarning

from .columns import find_column, holds_numbers, list_names
from .conventions import ERRORS, Match, error_matches, errors_among, half_pair, kind_by_name
from .conversions import ExpectedUnit, read_converted
from .split_normal import ColumnErrors, read_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .table_types import NamedColumns

FORMS = {"sigma": "sigma:NAME", "var": "var:NAME", "ivar": "ivar:NAME", "pair": "pair:UPPER:LOWER"}
OTHER_FORMS = {"error": "sigma", "err": "sigma", "variance": "var", "invvar": "ivar", "inverse_variance": "ivar"}
EXACT = Match("exact", ())
WHAT = {"sigma": "error column", "pair": "error column", "var": "variance column", "ivar": "inverse-variance column"}


def columns_with_errors(table: NamedColumns, weights: str | None = None) -> list[str]:
    """Every column of numbers for which an error column is found, without the column of weights.

    Raises
    ------
    InputError
        If there is none.
    """
    names = [
        name for name in table.names if name != weights and error_matches(table, name) and holds_numbers(table, name)
    ]
    if not names:
        raise InputError(
            "no column has an error column beside it (e_NAME, NAME_err, NAME_error, ...); name the columns to fit with "
            f"Observations.from_table(table, columns, ...); the columns are {list_names(table.names)}"
        )
    return names


def match_errors(table: NamedColumns, names: Sequence[str], errors: object) -> list[Match]:
    """The columns that hold the errors of each column, a `Match` for each name.

    Parameters
    ----------
    table : NamedColumns
    names : sequence of str
        Columns to fit.
    errors : "auto", str, sequence of str, or None
        As for `observations_from_table`.

    Raises
    ------
    InputError
        If errors are not found, if several columns match, or if the user's names are not those of error columns.
    """
    if _is(errors, "auto") or errors is None or _is(errors, "none"):
        errors = [errors] * len(names)
    errors = tuple(errors) if isinstance(errors, (list, tuple)) else (errors,)
    if len(errors) != len(names):
        raise InputError(
            f"{len(errors)} error column{'s' if len(errors) > 1 else ''} named ({', '.join(map(str, errors))}) for "
            f"{len(names)} column{'s' if len(names) > 1 else ''} ({', '.join(names)}); name one for each"
        )
    matches = [_match(table, name, error, names) for name, error in zip(names, errors, strict=True)]
    _refuse_columns_to_fit(matches, names)
    _warn_of_exchanged(matches, names)
    return matches


def _is(given: object, word: str) -> bool:
    return isinstance(given, str) and given == word


def _match(table: NamedColumns, name: str, error: object, names: Sequence[str]) -> Match:
    if error is None or _is(error, "none"):
        return EXACT
    return _found(table, name, names) if _is(error, "auto") else _named(table, name, error)


def _found(table: NamedColumns, name: str, names: Sequence[str]) -> Match:
    matches = error_matches(table, name, names)
    if len(matches) == 1:
        return matches[0]
    if matches:
        several = "' and '".join(" with ".join(match.columns) for match in matches)
        raise InputError(f"'{several}' may both hold the errors of '{name}'; choose one with `errors`")
    half = half_pair(table, name)
    found = "" if half is None else f"; there is '{half[0]}', but no '{half[1]}' beside it"
    single = ", ".join(patterns[0].format(name) for kind, *patterns in ERRORS if kind != "pair")
    raise InputError(
        f"no error column found for '{name}' (looked for {single}, and pairs such as {name}_errp and {name}_errm)"
        f"{found}; name it with `errors`, or say that the values are exact: `errors=None`"
    )


def _named(table: NamedColumns, name: str, error: object) -> Match:
    """The column that the user names; its kind is given before a colon, or follows from its name.

    Raises
    ------
    InputError
        If there is no such column, or its name leaves open whether it holds errors or variances.
    """
    kind, *columns = error.split(":") if isinstance(error, str) else ("",)
    kind = OTHER_FORMS.get(kind.lower(), kind.lower())
    if not columns or kind not in FORMS or error in table:
        column = find_column(table, error, "error column")
        by_name = kind_by_name(table, column, name)
        if by_name is None:
            raise InputError(
                f"the name of '{column}' leaves open what it holds for '{name}'; set `errors` to 'sigma:{column}' "
                f"(1-sigma errors), 'var:{column}' (variances) or 'ivar:{column}' (inverse variances)"
            )
        return Match(by_name, (column,))
    if len(columns) != FORMS[kind].count(":"):
        raise InputError(f"`errors` is '{error}' for '{name}', but it must have the form {FORMS[kind]}")
    return Match(kind, tuple(find_column(table, column, "error column") for column in columns))


def _refuse_columns_to_fit(matches: Sequence[Match], names: Sequence[str]) -> None:
    for name, match in zip(names, matches, strict=True):
        for column in match.columns:
            if column == name:
                raise InputError(f"column '{name}' cannot be its own error; name another error column")
            if column in names:
                raise InputError(
                    f"column '{column}' cannot be both a column to fit and the error of '{name}'; leave it out of one"
                )


def _warn_of_exchanged(matches: Sequence[Match], names: Sequence[str]) -> None:
    """Warn of a column to fit that is named as the error of the column that is to hold its errors."""
    for name, match in zip(names, matches, strict=True):
        for column in match.columns:
            if (name, column) in errors_among((name, column)):
                warnings.warn(
                    f"by its name '{name}' holds the errors of '{column}', but '{name}' is fitted with the errors "
                    f"'{column}'; are the two exchanged? then fit '{column}'",
                    XdgmmWarning,
                    stacklevel=2,
                )


def read_errors(
    table: NamedColumns,
    name: str,
    unit: Any,
    match: Match,
    values: NDArray[np.float64],
    remarks: list[str],
    asymmetric: str = "moments",
) -> ColumnErrors:
    """The errors of a column, in its unit; invalid standard errors are <= 0 or NaN.

    Parameters
    ----------
    table : NamedColumns
    name : str
        The column of the values.
    unit : astropy unit or None
        Its unit.
    match : Match
        Where its errors are.
    values : ndarray (N,)
        The values, NaN where missing.
    remarks : list of str
        Gets a sentence where upper and lower errors differ.
    asymmetric : {"moments", "mixture"}
        Whether these become a standard error, of which a warning is given, or not.

    Warns
    -----
    XdgmmWarning
        If upper and lower errors differ by more than 20% of their mean, or look like the ends of intervals.

    Notes
    -----
    Surveys (SDSS, DESI) give an inverse variance of zero to a value that is not known: its error is infinite, and the
    value is missing.  Upper and lower errors become the standard deviation of the split normal whose mode is the value,
    and the value its mean (`split_normal_moments`).
    """
    if match.kind == "exact":
        return ColumnErrors.equal(np.zeros(table.n_rows))
    expected = expected_unit(name, unit, match)
    columns = [read_converted(table, column, expected) for column in match.columns]
    if match.kind == "pair":
        upper, lower = columns
        return read_pair(name, match.columns, upper, lower, values, remarks, asymmetric)
    return ColumnErrors.equal(FORMULAS[match.kind](columns[0]))


def expected_unit(name: str, unit: Any, match: Match) -> ExpectedUnit:
    """The unit of the errors of a column that has the unit `unit`."""
    units = (unit,) if match.kind in ("sigma", "pair") else (unit, unit)
    return ExpectedUnit(WHAT[match.kind], (name,), units, -1 if match.kind == "ivar" else 1)


def errors_of_limits(
    table: NamedColumns, name: str, unit: Any, match: Match, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The 1-sigma errors (N,) of limits: those of the column, and 0 where it has none that is positive and finite.

    Upper and lower errors are not those of a threshold, and are left out.
    """
    if match.kind == "pair":
        return np.zeros(table.n_rows)
    errors = read_errors(table, name, unit, match, values, []).standard_errors
    return np.where(np.isfinite(errors) & (errors > 0), errors, 0.0)


def _sigma(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    return errors


def _root(variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """A negative variance becomes a negative error, which is refused if its value is present."""
    return np.copysign(np.sqrt(np.abs(variances)), variances)


def _inverse_root(inverse_variances: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return 1.0 / _root(np.where(inverse_variances == 0, 0.0, inverse_variances))  # +0.0: positive infinity


FORMULAS = {"sigma": _sigma, "var": _root, "ivar": _inverse_root}
