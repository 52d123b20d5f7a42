"""Columns of correlations and covariances: found by their names or named by the user, and read as matrices."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import CHUNK, list_rows
from xdgmm.basics.linalg import ROUNDING, rounded_correlations, with_scaled_correlations
from xdgmm.errors import InputError

from .columns import find_column
from .conventions import Match, correlation_matches
from .conversions import ExpectedUnit, read_converted
from .table_types import text_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .table_types import NamedColumns

    Matches = Mapping[tuple[int, int], Match]

WORDS = ("cor", "cov", "rho")  # every name that a convention gives contains one of them
WHAT = {"corr": "correlation column", "cov": "covariance column"}


def match_correlations(
    table: NamedColumns, names: Sequence[str], errors: Sequence[Match], correlations: object
) -> dict[tuple[int, int], Match]:
    """The columns that hold correlations, a `Match` for each pair of positions (i, j), i < j, that has one.

    Parameters
    ----------
    table : NamedColumns
    names : sequence of str
        The columns of the values.
    errors : sequence of Match
        The columns of their errors; exact values have no correlations.
    correlations : "auto", "none", None, or dict
        As for `observations_from_table`.

    Raises
    ------
    InputError
        If several columns match one pair, or the user's pairs or names are not those of columns.
    """
    if correlations is None or (isinstance(correlations, str) and correlations == "none"):
        return {}
    if isinstance(correlations, Mapping):
        return _all_named(table, names, correlations)
    if not (isinstance(correlations, str) and correlations == "auto"):
        raise InputError(
            f"`correlations` is {correlations!r}, but it must be 'auto', None, or a dict such as "
            '{("x", "y"): "x_y_corr"}'
        )
    if not any(word in name for name in table.ignoring_case for word in WORDS):
        return {}
    pairs = combinations([i for i, match in enumerate(errors) if match.kind != "exact"], 2)
    found = {(i, j): _found(table, names[i], names[j]) for i, j in pairs}
    return {pair: match for pair, match in found.items() if match is not None}


def _found(table: NamedColumns, name: str, other: str) -> Match | None:
    matches = correlation_matches(table, name, other)
    if len(matches) > 1:
        several = "' and '".join(match.columns[0] for match in matches)
        raise InputError(
            f"'{several}' may both hold the correlation of '{name}' and '{other}'; choose one with "
            f'`correlations={{("{name}", "{other}"): "NAME"}}`, or ignore all correlations: `correlations=None`'
        )
    return matches[0] if matches else None


def _all_named(
    table: NamedColumns, names: Sequence[str], correlations: Mapping[Any, Any]
) -> dict[tuple[int, int], Match]:
    result: dict[tuple[int, int], Match] = {}
    for pair, column in correlations.items():
        positions = _positions(names, pair)
        if positions in result:
            raise InputError(f"`correlations` names a column for {' and '.join(map(str, pair))} twice; name one")
        result[positions] = _named(table, column)
    return result


def _named(table: NamedColumns, column: Any) -> Match:
    kind, colon, name = str(column).partition(":")
    if column in table or not colon or kind not in ("corr", "cov"):
        kind, name = "cov" if "cov" in str(column).lower().split("_") else "corr", column
    return Match(kind, (find_column(table, name, "correlation column"),))


def _positions(names: Sequence[str], pair: Any) -> tuple[int, int]:
    if isinstance(pair, tuple):
        pair = tuple(text_name(name) for name in pair)
    if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(names):
        raise InputError(
            f"`correlations` names {pair!r}, but two of the columns to fit ({', '.join(names)}) are needed"
        )
    i, j = sorted(names.index(name) for name in pair)
    return i, j


def read_correlations(
    table: NamedColumns,
    names: Sequence[str],
    units: Sequence[Any],
    matches: Matches,
    errors: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Correlations (N, D, D): zero where one of the two values is missing, NaN where only the correlation is.

    Parameters
    ----------
    table : NamedColumns
    names, units : sequence
        The columns of the values, and their units (D).
    matches : dict
        The result of `match_correlations`.
    errors : ndarray (N, D)
        The 1-sigma errors, in the units of the values.
    present : ndarray (N, D) of bool
        Where there is a value whose error is known.
    """
    n_rows, n_columns = errors.shape
    result = np.zeros((n_rows, n_columns, n_columns))
    result[:, range(n_columns), range(n_columns)] = 1.0
    for (i, j), match in matches.items():
        column = read_converted(table, match.columns[0], expected_unit((i, j), match, names, units))
        column = divided(column, errors[:, i] * errors[:, j]) if match.kind == "cov" else column
        result[:, i, j] = result[:, j, i] = np.where(present[:, i] & present[:, j], column, 0.0)
    return result


def expected_unit(pair: tuple[int, int], match: Match, names: Sequence[str], units: Sequence[Any]) -> ExpectedUnit:
    """The unit of the correlation or the covariance of two of the columns."""
    i, j = pair
    return ExpectedUnit(WHAT[match.kind], (names[i], names[j]), (units[i], units[j]) if match.kind == "cov" else ())


def divided(covariance: NDArray[np.float64], product: NDArray[np.float64]) -> NDArray[np.float64]:
    """A correlation; infinite where a value without error has a covariance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(covariance == 0, 0.0, covariance / product)


def clear_missing(matrices: NDArray[np.float64], matches: Matches) -> tuple[NDArray[np.bool_], list[str]]:
    """Set correlations that are missing to zero, in place.

    Returns
    -------
    missing : ndarray (N, D) of bool
        Values of which a correlation was missing.
    sentences : list of str
        One for each column that has missing correlations, with its rows.
    """
    missing, sentences = np.zeros(matrices.shape[:2], dtype=bool), []
    for (i, j), match in matches.items():
        rows = np.isnan(matrices[:, i, j])
        if rows.any():
            missing[rows, i] = missing[rows, j] = True
            matrices[rows, i, j] = matrices[rows, j, i] = 0.0
            sentences.append(f"{WHAT[match.kind]} '{match.columns[0]}' is missing in {list_rows(np.flatnonzero(rows))}")
    return missing, sentences


def clear_impossible(
    matrices: NDArray[np.float64], matches: Matches, names: Sequence[str]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Find correlations that are impossible, and correct those that are impossible only by rounding, in place.

    Returns
    -------
    impossible : ndarray (N,) of bool
        Rows with a correlation outside [-1, 1], or with correlations that are together indefinite.
    sentences : list of str
        One for each reason, with its columns and rows.
    """
    impossible, sentences = np.zeros(len(matrices), dtype=bool), []
    for (i, j), match in matches.items():
        outside = np.abs(matrices[:, i, j]) > 1.0 + ROUNDING
        if outside.any():
            impossible |= outside
            what = "is outside [-1, 1]" if match.kind == "corr" else "exceeds the product of the two errors"
            sentences.append(f"{WHAT[match.kind]} '{match.columns[0]}' {what} in {list_rows(np.flatnonzero(outside))}")
    matrices[impossible] = np.eye(matrices.shape[1])
    indefinite = _correct_rounding(matrices)
    if indefinite.any():
        sentences.append(
            f"the correlations of {', '.join(names)} together give no positive semi-definite matrix in "
            f"{list_rows(np.flatnonzero(indefinite))}"
        )
    return impossible | indefinite, sentences


def _correct_rounding(matrices: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Correct matrices that are indefinite by rounding, in place; returns which are indefinite by more than that."""
    result = np.zeros(len(matrices), dtype=bool)
    for start in range(0, len(matrices), CHUNK):
        C = matrices[start : start + CHUNK]
        factors, result[start : start + CHUNK] = rounded_correlations(C)
        if (factors != 1.0).any():
            C[:] = with_scaled_correlations(C, factors)
    return result


def scale_to_covariances(matrices: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariances (N, D, D) of errors (N, D) with these correlations, in place of them."""
    known = np.where(np.isfinite(errors), errors, 0.0)
    n_columns = errors.shape[1]
    for i, j in combinations(range(n_columns), 2):
        matrices[:, i, j] = matrices[:, j, i] = matrices[:, i, j] * known[:, i] * known[:, j]
    matrices[:, range(n_columns), range(n_columns)] = errors**2
    return matrices
