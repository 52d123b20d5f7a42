"""Which columns hold the correlations or covariances of errors: found by their names, or as the user says."""

from collections.abc import Mapping
from itertools import combinations

from xdgmm.errors import InputError

from .columns import find
from .conventions import Match, correlation_matches

WORDS = ("cor", "cov", "rho")  # one of them is in every name that a convention gives


def correlation_columns(catalogue, names, errors, correlations):
    """What holds the correlation of which columns: a `Match` for each pair of positions (i, j), i < j.

    Parameters
    ----------
    catalogue : Catalogue
    names : sequence of str
        The columns of the values.
    errors : sequence of Match
        What holds their errors: exact values have no correlations.
    correlations : "auto", "none", None, or dict
        Found by name; ignored; or named, ``{("x", "y"): "column"}``, covariances as "cov:column" where the word cov is
        not in the name.
    """
    if correlations is None or (isinstance(correlations, str) and correlations == "none"):
        return {}
    if isinstance(correlations, Mapping):
        return _all_named(catalogue, names, correlations)
    if not (isinstance(correlations, str) and correlations == "auto"):
        raise InputError(
            f"`correlations` is {correlations!r}, but it must be 'auto', None, or a dict such as "
            '{("x", "y"): "x_y_corr"}'
        )
    if not any(word in name for name in catalogue.folded for word in WORDS):
        return {}
    pairs = combinations([i for i, match in enumerate(errors) if match.kind != "exact"], 2)
    found = {(i, j): _found(catalogue, names[i], names[j]) for i, j in pairs}
    return {pair: match for pair, match in found.items() if match is not None}


def _found(catalogue, name, other):
    matches = correlation_matches(catalogue, name, other)
    if len(matches) > 1:
        both = "' and '".join(match.columns[0] for match in matches)
        raise InputError(
            f"'{both}' may both hold the correlation of '{name}' and '{other}'; choose one (correlations="
            f'{{("{name}", "{other}"): "NAME"}}), or ignore them (--correlations none)'
        )
    return matches[0] if matches else None


def _all_named(catalogue, names, correlations):
    result = {}
    for pair, column in correlations.items():
        place = _pair(names, pair)
        if place in result:
            raise InputError(f"`correlations` names a column for {' and '.join(pair)} twice; name one")
        result[place] = _named(catalogue, column)
    return result


def _named(catalogue, column):
    kind, colon, name = str(column).partition(":")
    if column in catalogue.exact or not colon or kind not in ("corr", "cov"):
        kind, name = "cov" if "cov" in str(column).lower().split("_") else "corr", column
    return Match(kind, (find(catalogue, name, "correlation column"),))


def _pair(names, pair):
    if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(names):
        raise InputError(
            f"`correlations` names {pair!r}, but two of the columns to fit ({', '.join(names)}) are needed"
        )
    return tuple(sorted(names.index(name) for name in pair))
