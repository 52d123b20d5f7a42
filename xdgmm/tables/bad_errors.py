"""What about errors that cannot be right: zero, negative or NaN for a value that is present?

Each treatment takes and returns the values and the standard errors, both (N, D), with one remark.
"""

import numpy as np

from xdgmm.errors import InputError
from xdgmm.observations.validation import listed


def treated(values, standard_errors, names, on_bad):
    """Treat bad errors as `on_bad` says; returns (values, standard errors, remarks).

    Parameters
    ----------
    values, standard_errors : ndarray (N, D)
        NaN where missing; an error of a missing value is never bad.
    names : sequence of str
        Names of the D error columns; None for a column whose values are exact by request.
    on_bad : {"raise", "drop", "missing", "exact"}
        Refuse them, leave out the row, leave out the value, or take an error of zero as exact.

    Raises
    ------
    InputError
        If errors are bad and `on_bad` does not treat them, or `on_bad` is none of the four.
    """
    if not isinstance(on_bad, str) or on_bad not in TREATMENTS:
        raise InputError(f"`on_bad` is {on_bad!r}, but it must be one of {', '.join(TREATMENTS)}")
    asked = np.array([name is not None for name in names])
    bad = np.isfinite(values) & ~(standard_errors > 0) & asked
    if not bad.any():
        return values, standard_errors, ()
    return TREATMENTS[on_bad](values, standard_errors, names, bad)


def _refuse(values, standard_errors, names, bad, ways="drop|missing|exact"):
    raise InputError(
        f"{_described(standard_errors, names, bad)} where a value is present (a zero nearly always means that no "
        f"error is known); correct them, or choose with `--on-bad {ways}` (on_bad=... in Python) to "
        f"{', '.join(_WAYS[way] for way in ways.split('|'))}"
    )


def _drop_rows(values, standard_errors, names, bad):
    rows = bad.any(axis=1)
    remark = f"{_described(standard_errors, names, bad)}: {_counted(rows.sum(), 'row')} left out (on_bad=drop)"
    return np.where(rows[:, None], np.nan, values), standard_errors, (remark,)


def _drop_values(values, standard_errors, names, bad):
    remark = f"{_described(standard_errors, names, bad)}: {_counted(bad.sum(), 'value')} left out (on_bad=missing)"
    return np.where(bad, np.nan, values), standard_errors, (remark,)


def _take_as_exact(values, standard_errors, names, bad):
    worse = bad & ~(standard_errors == 0)
    if worse.any():
        _refuse(values, standard_errors, names, worse, ways="drop|missing")
    remark = f"{_described(standard_errors, names, bad)}: {_counted(bad.sum(), 'value')} taken as exact (on_bad=exact)"
    return values, standard_errors, (remark,)


_WAYS = {"drop": "leave out the row", "missing": "leave out the value", "exact": "take a zero error as exact"}
TREATMENTS = {"raise": _refuse, "drop": _drop_rows, "missing": _drop_values, "exact": _take_as_exact}


def _described(standard_errors, names, bad):
    """'e_v has 2 zero and 1 NaN or masked errors (rows 0, 4, 7)', for each column that has some."""
    return "; ".join(
        f"'{name}' has {_kinds(standard_errors[bad[:, j], j])} ({listed(np.flatnonzero(bad[:, j]))})"
        for j, name in enumerate(names)
        if bad[:, j].any()
    )


def _kinds(errors):
    counts = {"zero": errors == 0, "negative": errors < 0, "NaN or masked": np.isnan(errors)}
    kinds = [f"{which.sum()} {kind}" for kind, which in counts.items() if which.any()]
    return " and ".join(kinds) + (" error" if errors.size == 1 else " errors")


def _counted(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"
