"""How catalogues name the columns of errors and of correlations; a new convention is one line here."""

from dataclasses import dataclass
from itertools import product

# Of the value X: `{0}`; of pairs the upper error comes first.
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
# The diagonal of a covariance matrix counts where there is none of the above.
DIAGONAL = (("var", "var_{0}"), ("var", "cov_{0}_{0}"))
# Of the values X and Y, in either order: `{0}` and `{1}`.
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
    """Columns that belong to a value, or to a pair of values.

    Attributes
    ----------
    kind : str
        sigma, var, ivar or pair (upper and lower) for errors; corr or cov for pairs of values.
    columns : tuple of str
        The columns.
    convention : str
        How they are named, such as X_error; empty where the user named them.
    """

    kind: str
    columns: tuple
    convention: str = ""


def error_matches(catalogue, name, others=()):
    """Everything that may hold the errors of a column; `others` are values themselves, and count only as a last way."""
    taken = []
    for conventions in (ERRORS, DIAGONAL):
        for ways in (_exactly, _in_any_case):
            found = _largest(_matches(catalogue, conventions, (name,), ways))
            free = [match for match in found if not set(match.columns) & set(others)]
            if free:
                return free
            taken = taken or found
    return taken


def correlation_matches(catalogue, name, other):
    """Everything that may hold the correlation or the covariance of two columns, named in either order."""
    for ways in (_exactly, _in_any_case):
        orders = ((name, other), (other, name))
        found = [match for order in orders for match in _matches(catalogue, CORRELATIONS, order, ways)]
        if found:
            return _largest(found)
    return []


def errors_among(names):
    """Those of the names that, by the names alone, hold errors of another one: pairs (error, value)."""
    there = set(names)
    return [
        (error, name)
        for name in names
        for error in dict.fromkeys(pattern.format(name) for _, *patterns in ERRORS for pattern in patterns)
        if error in there
    ]


def incomplete(catalogue, name):
    """Of pairs of which one column is there: the one that is, and the one that is not."""
    for _, *patterns in (convention for convention in ERRORS if convention[0] == "pair"):
        columns = [pattern.format(name) for pattern in patterns]
        there = [column for column in columns if column in catalogue.exact]
        if len(there) == 1:
            return there[0], next(column for column in columns if column not in there)
    return None


def _matches(catalogue, conventions, values, ways):
    others = set(values) | (_of_twins(catalogue, conventions, values) if ways is _in_any_case else set())
    for kind, *patterns in conventions:
        for columns in ways(catalogue, [pattern.format(*values) for pattern in patterns]):
            if len(set(columns)) == len(columns) and not set(columns) & others:
                yield Match(kind, columns, " and ".join(pattern.format("X", "Y") for pattern in patterns))


def _exactly(catalogue, wanted):
    return [tuple(wanted)] if all(column in catalogue.exact for column in wanted) else []


def _in_any_case(catalogue, wanted):
    folded = [column.lower() for column in wanted]
    if len(set(folded)) < len(folded):  # only case tells an upper E_X from a lower e_X
        return []
    return list(product(*(catalogue.folded.get(column, ()) for column in folded)))


def _of_twins(catalogue, conventions, values):
    """Columns that belong to values which differ from these in case alone, as the magnitudes b and B do."""
    twins = set(product(*(catalogue.folded.get(value.lower(), ()) for value in values))) - {tuple(values)}
    return {
        column
        for twin in twins
        for match in _matches(catalogue, conventions, twin, _exactly)
        for column in match.columns
    }


def _largest(matches):
    """Matches that are not part of another one: e_X with E_X beside it is one of a pair."""
    distinct = {}
    for match in matches:
        distinct.setdefault(match.columns, match)
    return [match for columns, match in distinct.items() if not any(set(columns) < set(more) for more in distinct)]
