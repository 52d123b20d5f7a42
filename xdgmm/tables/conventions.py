"""How catalogues name the columns of errors and of correlations; a new convention is one line here."""

from __future__ import annotations

import re
from collections import Counter
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
    ("pair", "{0}_err_up", "{0}_err_low"),
    ("pair", "{0}_err_upper", "{0}_err_lower"),
    ("pair", "{0}_upper_err", "{0}_lower_err"),
    ("pair", "{0}_error_upper", "{0}_error_lower"),
    ("pair", "{0}_err_hi", "{0}_err_lo"),
    ("pair", "{0}_err_plus", "{0}_err_minus"),
    ("pair", "{0}_err_pos", "{0}_err_neg"),
)
# The diagonal of a covariance matrix, used where there is none of the above.
DIAGONAL = (("var", "var_{0}"), ("var", "cov_{0}_{0}"))
# Words that may stand anywhere in the name of the value, with its letters in upper or lower case: FLUX_IVAR_G (FLUX_G),
# MAGERR_AUTO (MAG_AUTO), w1sigmpro (w1mpro).  Of words that contain each other the longest counts.
WORDS = {
    "inverse_variance": "ivar",
    "inversevariance": "ivar",
    "inverse_var": "ivar",
    "inv_variance": "ivar",
    "invvariance": "ivar",
    "inv_var": "ivar",
    "invvar": "ivar",
    "ivar": "ivar",
    "variance": "var",
    "var": "var",
    "uncertainty": "sigma",
    "stderr": "sigma",
    "error": "sigma",
    "err": "sigma",
    "sigcom": "sigma",  # 2MASS: j_msigcom is the total error of j_m
    "sigma": "sigma",
    "sig": "sigma",  # WISE; not at the end, where it may mean significance
    "unc": "sigma",
}
FOUND_WORD = re.compile("|".join(f"{word}(?=.)" if word == "sig" else word for word in WORDS), re.IGNORECASE)
# Parts of names that say 1-sigma error; what makes that doubtful (X_over_error, X_err_sq); and what leaves it open.
SIGMA_PARTS = {"e", "err", "error", "sig", "sigma", "stderr", "unc", "uncertainty"}
DOUBTFUL = re.compile("over_?err|(err(or)?|sig(ma)?)_?(sq|2$)", re.IGNORECASE)
UNCLEAR = re.compile("var|cov|precision|snr|weight|wht", re.IGNORECASE)
VALUE = re.compile(r"(?<=.)_(val|value)$", re.IGNORECASE)  # plx_value and plx_error (SIMBAD)
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
    found = _with_words(table, name)
    return [match for match in found if match.columns[0] not in others] or used or found


def kind_by_name(table: NamedColumns, column: str, name: str) -> str | None:
    """The kind of errors that a column of errors of `name` holds by its name; None if the name is not clear.

    A column holds what the conventions say (`ERRORS`, `DIAGONAL`, `WORDS`).  If it follows none, the parts of its name
    decide, without the name of the value: ivar, invvar, variance, var; and 1-sigma errors if nothing says otherwise.
    """
    for match in error_matches(table, name):
        if match.columns == (column,):
            return match.kind
    rest = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", "_", column, count=1, flags=re.IGNORECASE)
    parts = _parts(rest)
    kinds = {WORDS[part] for part in parts if part in WORDS} | {"sigma" for part in parts if part in SIGMA_PARTS}
    if {"inv", "inverse"} & set(parts) and "var" in kinds:
        kinds = kinds - {"var"} | {"ivar"}
    if len(kinds) > 1 or DOUBTFUL.search(rest):
        return None
    if kinds:
        return kinds.pop()
    return None if UNCLEAR.search(rest) else "sigma"


def _parts(name: str) -> list[str]:
    """The parts of a name in lower case and in the singular, which signs or capital letters separate."""
    return [part.lower().removesuffix("s") for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


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
    words = names_without_words(names)
    with_words = [(error, name) for name in names for error, _, _ in words.get(_collapsed(name).lower(), ())]
    return list(dict.fromkeys((error, name) for error, name in [*_by_convention(names), *with_words] if error != name))


def _by_convention(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs (error, value) of names that follow one of `ERRORS`."""
    present = set(names)
    for name in names:
        for error in dict.fromkeys(pattern.format(name) for _, *patterns in ERRORS for pattern in patterns):
            if error in present:
                yield error, name


def names_without_words(names: Sequence[str]) -> dict[str, list[tuple[str, str, str]]]:
    """What is left in lower case of names without one of `WORDS`: for each the names, their kinds, and what is left.

    Names of errors that follow another convention are left out: e_sigma_v holds the errors of sigma_v, not of e_v.
    """
    result: dict[str, list[tuple[str, str, str]]] = {}
    by_convention = {error for error, _ in _by_convention(names)}
    for name in names:
        if name in by_convention:
            continue
        for found in FOUND_WORD.finditer(name):
            rest = _collapsed(name[: found.start()] + name[found.end() :])
            if rest:
                result.setdefault(rest.lower(), []).append((name, WORDS[found[0].lower()], rest))
    return result


def _collapsed(name: str) -> str:
    """A name with one underscore for each group of signs, and none at its ends."""
    return re.sub(r"[\W_]+", "_", name).strip("_")


def _with_words(table: NamedColumns, name: str) -> list[Match]:
    """Columns whose names are this one with one of `WORDS` in it; where other columns differ in case only, exactly."""
    own = _collapsed(VALUE.sub("", name))
    found = table.without_words.get(own.lower(), ())
    if len(found) and Counter(_collapsed(each).lower() for each in table.names)[own.lower()] > 1:
        found = [each for each in found if each[2] == own]
    return _largest(Match(kind, (column,)) for column, kind, _ in found if column != name)


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
