"""Columns of flags that say which values are upper or lower limits, and what to do with these values."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import InputError, XdgmmWarning

from .text_cells import missing_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .conventions import Match
    from .table_types import NamedColumns

ON_LIMIT = ("missing", "drop", "keep", "raise")
# Flags of the value X, which is `{0}`.
FLAGS = (
    "l_{0}",  # VizieR: < or >
    "{0}lim",  # NASA Exoplanet Archive: 1 or -1
    "{0}_lim",
    "lim_{0}",
    "{0}_limit",
    "limit_{0}",
    "{0}_limit_flag",
    "{0}_limitflag",
    "{0}_limflag",
    "{0}_islimit",
    "{0}_is_limit",
    "is_limit_{0}",
    "{0}_ul",
    "ul_{0}",
    "{0}_uplim",
    "{0}_upperlimit",
    "{0}_upper_limit",
    "{0}_is_upper_limit",
    "{0}_lolim",
    "{0}_lower_limit",
)
# Columns of remarks of all kinds, which mark a limit where there is the sign of one.
REMARKS = ("{0}_flag", "flag_{0}", "f_{0}", "n_{0}", "u_{0}", "q_{0}", "{0}_sign", "{0}_l", "{0}_mod", "{0}_qual")
SIGNS = ("<", ">", "<=", ">=", "≤", "≥", "≲", "≳", "<~", ">~", "~<", "~>")
# What a flag in text says where the value is a measurement: nothing, "equal", "about", or no.
MEASURED = ("=", "==", "~", "≈", ":", "?", "0", "f", "false", "n", "no")
SHOWN = 3  # kinds of flags that a sentence names


def check_on_limit(on_limit: str) -> None:
    """Refuse an `on_limit` that is not one of `ON_LIMIT`."""
    if on_limit not in ON_LIMIT:
        raise InputError(f"`on_limit` is {on_limit!r}, but it must be one of {', '.join(ON_LIMIT)}")


def handle_limits(
    table: NamedColumns, names: Sequence[str], values: NDArray[np.float64], on_limit: str, remarks: list[str]
) -> NDArray[np.float64]:
    """The values (N, D), treated as `on_limit` says where a column of flags says that they are limits.

    Raises
    ------
    InputError
        If limits are refused, or nothing else is left of a column.

    Warns
    -----
    XdgmmWarning
        If limits are found, and not kept.
    """
    limits = np.zeros(values.shape, dtype=bool)
    for i, name in enumerate(names):
        found = list(_flags(table, name))
        for _, flagged, _ in found:
            limits[:, i] |= flagged & np.isfinite(values[:, i])
        if limits[:, i].any():
            because = " and ".join(f"'{column}' is {kinds}" for column, _, kinds in found)
            _handle_column(name, because, limits[:, i], int(np.isfinite(values[:, i]).sum()), on_limit, remarks)
    if on_limit == "keep" or not limits.any():
        return values
    return np.where(limits.any(axis=1, keepdims=True) if on_limit == "drop" else limits, np.nan, values)


def _handle_column(
    name: str, because: str, limits: NDArray[np.bool_], n_present: int, on_limit: str, remarks: list[str]
) -> None:
    count = int(limits.sum())
    which = f"{count} of {n_present} values of {name} {'is a limit' if count == 1 else 'are limits'} ({because})"
    if on_limit == "raise":
        rows = list_rows(np.flatnonzero(limits))
        raise InputError(f"{which} in {rows}; set `on_limit` to 'missing', 'drop' or 'keep'")
    if on_limit == "keep":
        remarks.append(f"{which}, but fitted as {'a measurement' if count == 1 else 'measurements'}")
        return
    if count == n_present:
        raise InputError(f"{which}, so there is nothing to fit; set `on_limit` to 'keep' to fit limits as measurements")
    done = "taken as missing" if on_limit == "missing" else "dropped with the whole row"
    remarks.append(f"{which} and {done}: the fit is of the detections alone")
    warnings.warn(
        f"{which} and {done}; the fit is of the detections alone, whose distribution may differ from that of all "
        "objects; set `on_limit` to 'keep' to fit limits as measurements",
        XdgmmWarning,
        stacklevel=2,
    )


def limits_of_errors(table: NamedColumns, matches: Sequence[Match]) -> list[str]:
    """A sentence for each column of errors of which some are limits."""
    return [
        f"{flagged.sum()} error{'s' if flagged.sum() > 1 else ''} in {column} marked as limits ('{flags}' is {kinds})"
        for match in matches
        for column in match.columns
        for flags, flagged, kinds in _flags(table, column)
        if flagged.any()
    ]


def _flags(table: NamedColumns, name: str) -> Iterator[tuple[str, NDArray[np.bool_], str]]:
    """Columns of flags of a value: their names, where they mark a limit (N,), and what they say there."""
    for pattern in (*FLAGS, *REMARKS):
        wanted = pattern.format(name)
        columns = [wanted] if wanted in table else table.ignoring_case.get(wanted.lower(), [])
        for column in columns if len(columns) == 1 and columns[0] != name else []:
            flagged = _flagged(table.column(column), only_signs=pattern in REMARKS)
            if flagged is not None and flagged.any():
                yield column, flagged, _kinds(table.column(column), flagged)


def _flagged(column: Any, *, only_signs: bool) -> NDArray[np.bool_] | None:
    """Where a column marks a limit; None if it holds something else than flags, as limiting magnitudes."""
    if getattr(column, "ndim", 0) != 1 or not hasattr(column, "dtype"):
        return None
    mask = np.asarray(getattr(column, "mask", np.zeros(len(column), dtype=bool)), dtype=bool)
    cells = np.asarray(np.ma.getdata(getattr(column, "unmasked", getattr(column, "value", column))))
    if cells.dtype.kind in "OSU":
        text = _as_text(cells)
        if only_signs:
            return np.asarray(~mask & np.isin(text, SIGNS))
        return np.asarray(~mask & ~missing_cells(text) & ~np.isin(np.char.lower(text), MEASURED))
    if only_signs:
        return None
    if cells.dtype.kind == "b":
        return np.asarray(cells & ~mask)
    if cells.dtype.kind not in "iuf":
        return None
    known = ~mask & ~np.isnan(cells)
    return np.asarray(known & (cells != 0)) if np.isin(cells[known], (-1, 0, 1)).all() else None


def _as_text(cells: NDArray[Any]) -> NDArray[np.str_]:
    if cells.dtype.kind == "S":
        return np.char.strip(np.char.decode(cells, "latin-1"))
    text = [cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in cells.tolist()]
    return np.char.strip(np.array(text, dtype=str))


def _kinds(column: Any, flagged: NDArray[np.bool_]) -> str:
    cells = np.ma.getdata(getattr(column, "unmasked", getattr(column, "value", column)))[flagged]
    kinds = sorted(
        {str(cell.decode("latin-1") if isinstance(cell, bytes) else cell).strip() for cell in cells.tolist()}
    )
    return " or ".join(f"'{kind}'" for kind in kinds[:SHOWN]) + (", ..." if len(kinds) > SHOWN else "")
