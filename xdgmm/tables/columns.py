"""Which columns?  Values, errors and weights are found by name, or one sentence says what there is instead."""

from difflib import get_close_matches

import numpy as np

from xdgmm.errors import InputError

ERROR_NAMES = ("e_{}", "{}_err", "{}_error")  # where the error of a column is looked for
SHOWN = 20  # how many column names a message lists


def value_columns(table, columns, errors, weights=None):
    """The names of the value columns, as a tuple.

    `columns` is a name, several names, or None: every column of numbers whose error column is found.

    Raises
    ------
    InputError
        If a name is not a column, is given twice, or none is given or found.
    """
    if columns is None:
        return _columns_with_errors(table, errors, weights)
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not names:
        raise InputError(f"`columns` is empty; give the names of the value columns ({_all_names(table)})")
    for name in names:
        check_column(table, name)
    if len(set(names)) < len(names):
        raise InputError(f"`columns` repeats a name ({', '.join(names)}); give each column once")
    return names


def error_columns(table, names, errors):
    """For each value column the name of its error column, or None where it is exact, as a tuple.

    `errors` is "auto" (look for `ERROR_NAMES`), None or "none" (exact), a name, or one of these two for each column.

    Raises
    ------
    InputError
        If an error column is not found, several are, their number is wrong, or one of them is a value column.
    """
    if _is_none(errors):
        return (None,) * len(names)
    if isinstance(errors, str) and errors == "auto":
        return tuple(_checked(table, names, name, _found(table, name)) for name in names)
    given = (errors,) if isinstance(errors, str) else tuple(errors)
    if len(given) != len(names):
        raise InputError(
            f"`errors` names {len(given)} column{'' if len(given) == 1 else 's'} ({', '.join(map(str, given))}), "
            f"but there are {len(names)} value columns ({', '.join(names)}); give one error column for each"
        )
    return tuple(
        None if _is_none(error) else _checked(table, names, name, error)
        for name, error in zip(names, given, strict=True)
    )


def check_column(table, name, what="column"):
    """Refuse a name that is not a column of the table; the message lists the columns and the nearest name."""
    if not isinstance(name, str):
        raise InputError(f"a {what} is given by its name, not by {name!r}; the columns are {_all_names(table)}")
    if name not in table.colnames:
        raise InputError(f"there is no {what} '{name}'{_nearest(table, name)}; the columns are {_all_names(table)}")


def _is_none(errors):
    return errors is None or (isinstance(errors, str) and errors == "none")


def _checked(table, names, name, error):
    check_column(table, error, "error column")
    if error in names:
        raise InputError(
            f"'{error}' is named as the error of '{name}', but it is a value column itself; "
            "take it out of the value columns, or name another error column"
        )
    return error


def _found(table, name):
    candidates = _candidates(table, name)
    if len(candidates) == 1:
        return candidates[0]
    way_out = "name it with `--errors NAME` (errors=... in Python)"
    if candidates:
        raise InputError(f"'{name}' has several error columns, {' and '.join(candidates)}; choose one: {way_out}")
    looked_for = " or ".join(pattern.format(name) for pattern in ERROR_NAMES)
    raise InputError(
        f"no error column of '{name}' is found (looked for {looked_for}); {way_out}, or take the values as exact "
        f"with `--errors none` (errors=None); the columns are {_all_names(table)}"
    )


def _candidates(table, name):
    """Columns named as the error of `name`: exactly so, or else with other capitals."""
    wanted = [pattern.format(name) for pattern in ERROR_NAMES]
    exact = [column for column in table.colnames if column in wanted]
    lower = [name.lower() for name in wanted]
    return exact or [column for column in table.colnames if column.lower() in lower and column != name]


def _columns_with_errors(table, errors, weights):
    if not (isinstance(errors, str) and errors == "auto"):
        raise InputError(f"`errors` is given, but not `columns`; name the value columns too ({_all_names(table)})")
    names = tuple(n for n in table.colnames if n != weights and _is_numeric(table[n]) and _candidates(table, n))
    if not names:
        raise InputError(
            "no column of numbers has an error column (one named e_v, v_err or v_error for a column v); "
            f"name the value columns and their errors ({_all_names(table)})"
        )
    return names


def _is_numeric(column):
    return isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.kind in "iuf"


def _nearest(table, name):
    by_lower = {column.lower(): column for column in table.colnames}
    nearest = get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean '{by_lower[nearest[0]]}'?)" if nearest else ""


def _all_names(table):
    names = table.colnames
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
