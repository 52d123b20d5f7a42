"""Values whose error or correlation cannot be used: refuse them, drop their rows, or take them as missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import InputError
from xdgmm.observations.checks import invalid_errors, question_if_exchanged, refuse_nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .conventions import Match

ON_BAD = ("raise", "drop", "missing", "exact")
IGNORE = ", or ignore all correlations: `correlations=None`"


def check_on_bad(on_bad: str) -> None:
    """Refuse an `on_bad` that is not one of `ON_BAD`."""
    if on_bad not in ON_BAD:
        raise InputError(f"`on_bad` is {on_bad!r}, but it must be one of {', '.join(ON_BAD)}")


def handle_bad_errors(
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    matches: Sequence[Match],
    on_bad: str,
    remarks: list[str],
) -> NDArray[np.float64]:
    """The values (N, D), treated as `on_bad` says where an error (N, D) is zero, negative or missing.

    Raises
    ------
    InputError
        If such values are refused; the message names columns and rows.
    """
    inexact = np.array([match.kind != "exact" for match in matches])
    present = np.isfinite(values) & inexact
    zero, bad = present & (errors == 0), invalid_errors(errors, present)
    if on_bad != "exact":
        bad |= zero
    elif zero.any():
        remarks.append(f"{zero.sum()} zero error{'s' if zero.sum() > 1 else ''} taken as exact")
    if not bad.any():
        return values
    columns = ["' and '".join(match.columns) for match in matches]
    sentences = [_counted(column, errors[:, i], bad[:, i]) for i, column in enumerate(columns) if bad[:, i].any()]
    choices = ("drop", "missing") if on_bad == "exact" else ("drop", "missing", "exact")
    advice = f"a value needs its error: {_advice(*choices)}"
    if len(matches) == 1:
        advice += question_if_exchanged(values, errors)
    return _treated(values, bad, sentences, advice, "a zero, negative or missing error", on_bad, remarks)


def _advice(*choices: str) -> str:
    *others, last = (f"'{choice}'" for choice in choices)
    return f"set `on_bad` to {', '.join(others)}{' or ' if others else ''}{last}, or correct the table"


def _counted(column: str, errors: NDArray[np.float64], bad: NDArray[np.bool_]) -> str:
    rows = np.flatnonzero(bad)
    kinds = {
        "zero": np.sum(errors[rows] == 0),
        "negative": np.sum(errors[rows] < 0),
        "missing": np.sum(np.isnan(errors[rows])),
    }
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    subject, verb = ("error columns", "have") if "' and '" in column else ("error column", "has")
    return f"{subject} '{column}' {verb} invalid errors ({counted}) in {list_rows(rows)}"


def refuse_without_usable_errors(
    present: NDArray[np.bool_],
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    names: Sequence[str],
    matches: Sequence[Match],
) -> None:
    """Refuse values of which some were present (N, D) but none has an error that can be used; the errors are named."""
    if not present.any() or (np.isfinite(values) & np.isfinite(errors)).any():
        return
    i = int(np.flatnonzero(present.any(axis=0))[0])
    columns, kind = "' and '".join(matches[i].columns), matches[i].kind
    zero_weight = kind == "ivar" and np.isposinf(errors[present[:, i], i]).all()
    why = "every inverse variance is zero" if zero_weight else "all are zero, negative, missing or infinite"
    refuse_nothing(
        f"'{columns}' holds no error of '{names[i]}' that can be used ({why}), so there is nothing to fit; name "
        "another column with `errors`, or say that the values are exact: `errors=None`"
    )


def handle_missing_correlations(
    values: NDArray[np.float64], missing: NDArray[np.bool_], sentences: list[str], on_bad: str, remarks: list[str]
) -> NDArray[np.float64]:
    """The values (N, D), treated as `on_bad` says where both of a pair are present but their correlation is missing."""
    advice = _advice("drop", "missing") + IGNORE
    return _treated(values, missing, sentences, advice, "a missing correlation", on_bad, remarks)


def handle_impossible_correlations(
    values: NDArray[np.float64], impossible: NDArray[np.bool_], sentences: list[str], on_bad: str, remarks: list[str]
) -> NDArray[np.float64]:
    """The values (N, D), where rows (N,) with impossible correlations are dropped or refused."""
    bad = np.broadcast_to(impossible[:, None], values.shape)
    on_bad = "drop" if on_bad == "drop" else "raise"
    return _treated(values, bad, sentences, _advice("drop") + IGNORE, "impossible correlations", on_bad, remarks)


def _treated(
    values: NDArray[np.float64],
    bad: NDArray[np.bool_],
    sentences: list[str],
    advice: str,
    what: str,
    on_bad: str,
    remarks: list[str],
) -> NDArray[np.float64]:
    if not bad.any():
        return values
    if on_bad in ("raise", "exact"):
        raise InputError(f"{'; '.join(sentences)}; {advice}")
    if on_bad == "drop":
        rows = bad.any(axis=1, keepdims=True)
        remarks.append(f"{rows.sum()} row{'s' if rows.sum() > 1 else ''} with {what} dropped")
        return np.where(rows, np.nan, values)
    count = bad.sum()
    remarks.append(f"{count} value{'s' if count > 1 else ''} with {what} taken as missing")
    return np.where(bad, np.nan, values)
