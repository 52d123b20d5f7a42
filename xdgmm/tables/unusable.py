"""What to do with a value whose error or correlation cannot be used: refuse, drop the row, or take it as missing."""

import numpy as np

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import InputError
from xdgmm.observations.checks import unusable_errors

ON_BAD = ("raise", "drop", "missing", "exact")
MEND = "choose --on-bad {} (on_bad= in Python) or mend the table"


def check_choice(on_bad):
    """Refuse an `on_bad` that is none."""
    if on_bad not in ON_BAD:
        raise InputError(f"`on_bad` is {on_bad!r}, but it must be one of {', '.join(ON_BAD)}")


def without_bad_errors(values, errors, matches, on_bad, remarks):
    """The values (N, D), dealt with where an error (N, D) is zero, negative or missing."""
    given = np.array([match.kind != "exact" for match in matches])
    present = np.isfinite(values) & given
    zero, unusable = present & (errors == 0), unusable_errors(errors, present)
    if on_bad == "exact" and zero.any():
        remarks.append(f"{zero.sum()} zero error{'s' if zero.sum() > 1 else ''} taken as exact")
    bad = unusable if on_bad == "exact" else unusable | zero
    if not bad.any():
        return values
    columns = ["' and '".join(match.columns) for match in matches]
    places = zip(columns, errors.T, bad.T, strict=True)
    sentences = [_counted(*place) for place in places if place[2].any()]
    ways = "drop|missing" if on_bad == "exact" else "drop|missing|exact"
    way_out = f"a value needs its error: {MEND.format(ways)}"
    return _without(values, bad, sentences, way_out, "a zero, negative or missing error", on_bad, remarks)


def _counted(column, errors, bad):
    rows = np.flatnonzero(bad)
    kinds = {
        "zero": np.sum(errors[rows] == 0),
        "negative": np.sum(errors[rows] < 0),
        "missing": np.sum(np.isnan(errors[rows])),
    }
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    subject, verb = ("error columns", "have") if "' and '" in column else ("error column", "has")
    return f"{subject} '{column}' {verb} unusable errors ({counted}) in {list_rows(rows)}"


def without_missing_correlations(values, lost, sentences, on_bad, remarks):
    """The values (N, D), dealt with where both of a pair are present (N, D) but their correlation is missing."""
    way_out = MEND.format("drop|missing") + ", or ignore all correlations (--correlations none)"
    return _without(values, lost, sentences, way_out, "a missing correlation", on_bad, remarks)


def without_impossible_correlations(values, impossible, sentences, on_bad, remarks):
    """The values (N, D), without the rows (N,) whose correlations cannot be."""
    bad = np.broadcast_to(impossible[:, None], values.shape)
    way_out = MEND.format("drop") + ", or ignore all correlations (--correlations none)"
    on_bad = "drop" if on_bad == "drop" else "raise"
    return _without(values, bad, sentences, way_out, "impossible correlations", on_bad, remarks)


def _without(values, bad, sentences, way_out, what, on_bad, remarks):
    if not bad.any():
        return values
    if on_bad in ("raise", "exact"):
        raise InputError(f"{'; '.join(sentences)}; {way_out}")
    if on_bad == "drop":
        rows = bad.any(axis=1)
        remarks.append(f"{rows.sum()} row{'s' if rows.sum() > 1 else ''} with {what} dropped")
        return np.where(rows[:, None], np.nan, values)
    count = bad.sum()
    remarks.append(f"{count} value{'s' if count > 1 else ''} with {what} taken as missing")
    return np.where(bad, np.nan, values)
