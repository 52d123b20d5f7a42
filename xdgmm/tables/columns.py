"""Find columns by name, and the error columns that belong to them."""

from difflib import get_close_matches

from xdgmm.errors import InputError

PATTERNS = ("e_{}", "{}_err", "{}_error")
SHOWN = 20


def find(table, name, what="column"):
    """The name, if the table has such a column; otherwise a sentence with the columns and the nearest name."""
    if not isinstance(name, str):
        raise InputError(f"a {what} is given by its name, not by {name!r}; the columns are {_listed(table.colnames)}")
    if name in table.colnames:
        return name
    folded = {column.lower(): column for column in table.colnames}
    near = get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    hint = f"; did you mean '{folded[near[0]]}'?" if near else ";"
    raise InputError(f"the table has no {what} '{name}'{hint} its columns are {_listed(table.colnames)}")


def _listed(names):
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ... ({len(names)} in all)"


def error_candidates(table, name):
    """Columns that may hold the 1-sigma errors of a column: exact names, or else the same in another case."""
    wanted = [pattern.format(name) for pattern in PATTERNS]
    exact = [column for column in wanted if column in table.colnames]
    if exact:
        return exact
    folded = {column.lower() for column in wanted}
    return [column for column in table.colnames if column.lower() in folded and column != name]


def find_errors(table, name):
    """The one error column of a column, by its name."""
    found = error_candidates(table, name)
    if len(found) == 1:
        return found[0]
    wanted = ", ".join(pattern.format(name) for pattern in PATTERNS)
    if found:
        raise InputError(
            f"'{' and '.join(found)}' may both hold the errors of '{name}'; choose one (--errors NAME, or errors=)"
        )
    raise InputError(
        f"no error column found for '{name}' (looked for {wanted}); name it (--errors NAME, or errors=), or say that "
        "the values are exact (--errors none, or errors=None)"
    )


def columns_with_errors(table, weights=None):
    """Every column of numbers for which an error column is found, the weights left out."""
    names = [
        name
        for name in table.colnames
        if name != weights and getattr(table[name], "dtype", None) is not None
        if table[name].dtype.kind in "iuf" and table[name].ndim == 1 and error_candidates(table, name)
    ]
    if not names:
        raise InputError(
            "no column has an error column beside it (e_NAME, NAME_err, NAME_error); name the columns to fit with "
            f"Observations.from_table(table, columns, ...); the columns are {_listed(table.colnames)}"
        )
    return names
