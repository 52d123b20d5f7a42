"""How catalogues name the columns of errors and of correlations; a new convention is one line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .table_types import NamedColumns

    Conventions = Iterable[tuple[str, ...]]
    Lookup = Callable[[NamedColumns, list[str]], list[tuple[str, ...]]]

# Errors of the value X, which is `{0}`; of a pair the upper error comes first.
ERRORS = (
    ("sigma", "e_{0}"),  # VizieR
    ("sigma", "{0}_err"),
    ("sigma", "{0}_error"),  # Gaia
    ("sigma", "{0}Err"),  # Rubin
    ("sigma", "sigma_{0}"),
    ("sigma", "{0}_unc"),
    ("ivar", "{0}_ivar"),  # SDSS
    ("var", "{0}_var"),
    ("pair", "E_{0}", "e_{0}"),  # VizieR
    ("pair", "{0}_errp", "{0}_errm"),
    ("pair", "{0}_err_p", "{0}_err_m"),
    ("pair", "{0}_err1", "{0}_err2"),
    ("pair", "{0}err1", "{0}err2"),  # NASA Exoplanet Archive: the lower one is negative
)
# The diagonal of a covariance matrix, used where there is none of the above.
DIAGONAL = (("var", "var_{0}"), ("var", "cov_{0}_{0}"))
# Correlations of the values X and Y, which are `{0}` and `{1}` in either order.
CORRELATIONS = (
    ("corr", "{0}_{1}_corr"),  # Gaia
    ("corr", "corr_{0}_{1}"),
    ("corr", "rho_{0}_{1}"),
    ("corr", "{0}{1}cor"),  # Gaia at VizieR
    ("cov", "cov_{0}_{1}"),
    ("cov", "{0}_{1}_cov"),  # Rubin
)


@dataclass(frozen=True)
class Match:
    """Columns that hold the errors of a value, or the correlation of two values.

    Attributes
    ----------
    kind : str
        sigma, var, ivar, pair (upper and lower) or exact (no column) for errors; corr or cov for two values.
    columns : tuple of str
        The columns.
    convention : str
        How they are named, such as X_error; empty where the user named them.
    """

    kind: str
    columns: tuple[str, ...]
    convention: str = ""


def error_matches(table: NamedColumns, name: str, others: Collection[str] = ()) -> list[Match]:
    """Every match for the errors of a column.

    `others` are the columns to fit: a match that uses one of them is returned only if there is no other match.
    """
    used: list[Match] = []
    for conventions in (ERRORS, DIAGONAL):
        for lookup in (_exactly, _ignoring_case):
            found = _largest(_matches(table, conventions, (name,), lookup))
            free = [match for match in found if not set(match.columns) & set(others)]
            if free:
                return free
            used = used or found
    return used


def correlation_matches(table: NamedColumns, name: str, other: str) -> list[Match]:
    """Every match for the correlation or the covariance of two columns, named in either order."""
    for lookup in (_exactly, _ignoring_case):
        orders = ((name, other), (other, name))
        found = [match for order in orders for match in _matches(table, CORRELATIONS, order, lookup)]
        if found:
            return _largest(found)
    return []


def errors_among(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (error, value) of names in which the first is named as the error of the second."""
    present = set(names)
    return [
        (error, name)
        for name in names
        for error in dict.fromkeys(pattern.format(name) for _, *patterns in ERRORS for pattern in patterns)
        if error in present
    ]


def half_pair(table: NamedColumns, name: str) -> tuple[str, str] | None:
    """A column of upper or lower errors whose partner is missing, and the partner's name; None if there is none."""
    for _, *patterns in (convention for convention in ERRORS if convention[0] == "pair"):
        columns = [pattern.format(name) for pattern in patterns]
        present = [column for column in columns if column in table]
        if len(present) == 1:
            return present[0], next(column for column in columns if column not in present)
    return None


def _matches(table: NamedColumns, conventions: Conventions, values: tuple[str, ...], lookup: Lookup) -> Iterator[Match]:
    others = set(values)
    if lookup is _ignoring_case:
        others |= _of_other_case(table, conventions, values)
    for kind, *patterns in conventions:
        for columns in lookup(table, [pattern.format(*values) for pattern in patterns]):
            if len(set(columns)) == len(columns) and not set(columns) & others:
                yield Match(kind, columns, " and ".join(pattern.format("X", "Y") for pattern in patterns))


def _exactly(table: NamedColumns, wanted: list[str]) -> list[tuple[str, ...]]:
    return [tuple(wanted)] if all(column in table for column in wanted) else []


def _ignoring_case(table: NamedColumns, wanted: list[str]) -> list[tuple[str, ...]]:
    lower = [column.lower() for column in wanted]
    if len(set(lower)) < len(lower):  # only case distinguishes an upper E_X from a lower e_X
        return []
    return list(product(*(table.ignoring_case.get(column, ()) for column in lower)))


def _of_other_case(table: NamedColumns, conventions: Conventions, values: tuple[str, ...]) -> set[str]:
    """Columns that belong to values whose names differ from these only in case, as the magnitudes b and B do."""
    others = set(product(*(table.ignoring_case.get(value.lower(), ()) for value in values))) - {values}
    return {
        column
        for other in others
        for match in _matches(table, conventions, other, _exactly)
        for column in match.columns
    }


def _largest(matches: Iterable[Match]) -> list[Match]:
    """Matches whose columns are not part of another match: e_X with E_X beside it is one half of a pair."""
    distinct: dict[tuple[str, ...], Match] = {}
    for match in matches:
        distinct.setdefault(match.columns, match)
    return [match for columns, match in distinct.items() if not any(set(columns) < set(more) for more in distinct)]
