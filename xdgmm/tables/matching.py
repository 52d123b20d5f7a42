"""Which columns hold the errors: found by their names, or as the user says."""

from xdgmm.errors import InputError

from .columns import find, holds_numbers, listed
from .conventions import ERRORS, Match, error_matches, incomplete

FORMS = {"sigma": "sigma:NAME", "var": "var:NAME", "ivar": "ivar:NAME", "pair": "pair:UPPER:LOWER"}
EXACT = Match("exact", ())


def columns_with_errors(catalogue, weights=None):
    """Every column of numbers for which an error column is found, the weights left out."""
    names = [
        name
        for name in catalogue.names
        if name != weights and error_matches(catalogue, name) and holds_numbers(catalogue, name)
    ]
    if not names:
        raise InputError(
            "no column has an error column beside it (e_NAME, NAME_err, NAME_error, ...); name the columns to fit with "
            f"Observations.from_table(table, columns, ...); the columns are {listed(catalogue.names)}"
        )
    return names


def error_columns(catalogue, names, errors):
    """What holds the errors of each column: a `Match` for each name."""
    if _is(errors, "auto") or errors is None or _is(errors, "none"):
        errors = [errors] * len(names)
    errors = tuple(errors) if isinstance(errors, (list, tuple)) else (errors,)
    if len(errors) != len(names):
        raise InputError(
            f"{len(errors)} error column{'s' if len(errors) > 1 else ''} named ({', '.join(map(str, errors))}) for "
            f"{len(names)} column{'s' if len(names) > 1 else ''} ({', '.join(names)}); name one for each"
        )
    matches = [_match(catalogue, name, error, names) for name, error in zip(names, errors, strict=True)]
    _refuse_values(matches, names)
    return matches


def _is(given, word):
    return isinstance(given, str) and given == word


def _match(catalogue, name, error, names):
    if error is None or _is(error, "none"):
        return EXACT
    return _found(catalogue, name, names) if _is(error, "auto") else _named(catalogue, name, error)


def _found(catalogue, name, names):
    matches = error_matches(catalogue, name, names)
    if len(matches) == 1:
        return matches[0]
    if matches:
        both = "' and '".join(" with ".join(match.columns) for match in matches)
        raise InputError(f"'{both}' may both hold the errors of '{name}'; choose one (--errors NAME, or errors=)")
    half = incomplete(catalogue, name)
    there = "" if half is None else f"; there is '{half[0]}', but no '{half[1]}' beside it"
    single = ", ".join(patterns[0].format(name) for kind, *patterns in ERRORS if kind != "pair")
    raise InputError(
        f"no error column found for '{name}' (looked for {single}, and pairs such as {name}_errp and {name}_errm)"
        f"{there}; name it (--errors NAME, or errors=), or say that the values are exact (--errors none, or "
        "errors=None)"
    )


def _named(catalogue, name, error):
    """The column that the user names, with its kind before a colon where that does not follow from the name."""
    kind, *columns = error.split(":") if isinstance(error, str) else (None,)
    if not columns or kind not in FORMS or error in catalogue.exact:
        return Match(_kind(find(catalogue, error, "error column"), name), (error,))
    if len(columns) != FORMS[kind].count(":"):
        raise InputError(f"`errors` is '{error}' for '{name}', but it must have the form {FORMS[kind]}")
    return Match(kind, tuple(find(catalogue, column, "error column") for column in columns))


def _kind(column, name):
    """What a column that is named without its kind holds: what a convention says, and 1-sigma errors otherwise."""
    word = column.lower().rpartition("_")[2]
    if word in ("ivar", "var"):
        return word
    return "var" if column.lower() in (f"var_{name}".lower(), f"cov_{name}_{name}".lower()) else "sigma"


def _refuse_values(matches, names):
    for name, match in zip(names, matches, strict=True):
        for column in match.columns:
            if column == name:
                raise InputError(f"column '{name}' cannot be its own error; name another error column")
            if column in names:
                raise InputError(
                    f"column '{column}' cannot be both a column to fit and the error of '{name}'; leave it out of one"
                )
