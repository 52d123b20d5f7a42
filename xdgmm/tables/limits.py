"""Columns of flags that say which values are upper or lower limits, and what to do with these values."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.observations.checks import refuse_nothing

from .text_cells import missing_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .conventions import Match
    from .table_types import NamedColumns

ON_LIMIT = ("missing", "use", "drop", "keep", "raise")
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
# What flags say of the kind of a limit: -1 is an upper one, 1 a lower one.
KIND_OF_NAME = {
    **dict.fromkeys(("{0}_ul", "ul_{0}", "{0}_uplim", "{0}_upperlimit", "{0}_upper_limit", "{0}_is_upper_limit"), -1),
    **dict.fromkeys(("{0}_lolim", "{0}_lower_limit"), 1),
}
KIND_OF_NUMBER = {"{0}lim": {"1": -1, "-1": 1}}  # NASA Exoplanet Archive; others have other signs
KIND_OF_TEXT = {
    **dict.fromkeys(("<", "<=", "≤", "≲", "<~", "~<", "u", "ul", "upper", "upper limit"), -1),
    **dict.fromkeys((">", ">=", "≥", "≳", ">~", "~>", "ll", "lower", "lower limit"), 1),
}
UNCLEAR = (":", "?")  # an uncertain value, of which these do not say whether it is a limit
MEASURED = ("=", "==", "~", "≈", *UNCLEAR, "0", "f", "false", "n", "no")
SHOWN = 3  # kinds of flags that a sentence names


def check_on_limit(on_limit: str) -> None:
    """Refuse an `on_limit` that is not one of `ON_LIMIT`."""
    if on_limit not in ON_LIMIT:
        raise InputError(f"`on_limit` is {on_limit!r}, but it must be one of {', '.join(ON_LIMIT)}")


def handle_limits(
    table: NamedColumns, names: Sequence[str], values: NDArray[np.float64], on_limit: str, remarks: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.int8] | None]:
    """The values (N, D), treated as `on_limit` says where a column of flags says that they are limits.

    To "use" them, the kind of each value (N, D) comes with them: -1 for an upper limit, 1 for a lower one, 0 else.

    Raises
    ------
    InputError
        If limits are refused, nothing else is left of a column, or limits to be used are of an unknown kind, or several
        in a row.

    Warns
    -----
    XdgmmWarning
        If limits are found, and neither used nor kept.
    """
    limits, kinds = np.zeros(values.shape, dtype=bool), np.zeros(values.shape, dtype=np.int8)
    for i, name in enumerate(names):
        remarks.extend(_unclear(table, name, np.isfinite(values[:, i])))
        found = list(_flags(table, name))
        for each in found:
            limits[:, i] |= each.flagged & np.isfinite(values[:, i])
        if limits[:, i].any():
            because = " and ".join(f"'{each.column}' is {each.shown}" for each in found)
            _handle_column(name, because, limits[:, i], int(np.isfinite(values[:, i]).sum()), on_limit, remarks)
            if on_limit == "use":
                kinds[:, i] = _kinds_of(name, found, limits[:, i])
    if on_limit == "use" and limits.any():
        _refuse_several(limits, names)
        return values, kinds
    if on_limit == "keep" or not limits.any():
        return values, None
    return np.where(limits.any(axis=1, keepdims=True) if on_limit == "drop" else limits, np.nan, values), None


def _kinds_of(name: str, found: Sequence[Flags], limits: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Kinds of the limits of a column, which its columns of flags must agree on."""
    kinds = np.zeros(len(limits), dtype=np.int8)
    for each in found:
        unknown = limits & each.flagged & (each.kinds == 0)
        opposed = limits & (kinds * each.kinds < 0)
        if unknown.any() or opposed.any():
            which = "does not say whether it is an upper or a lower limit"
            what = which if unknown.any() else "contradicts another flag"
            raise InputError(
                f"'{each.column}' {what} in {list_rows(np.flatnonzero(unknown | opposed))}; name the column "
                f"{name}_upper_limit or {name}_lower_limit, write < or >, or set `on_limit` to 'missing'"
            )
        kinds = np.where(limits & (each.kinds != 0), each.kinds, kinds)
    return kinds


def _refuse_several(limits: NDArray[np.bool_], names: Sequence[str]) -> None:
    several = limits.sum(axis=1) > 1
    if several.any():
        columns = zip(names, limits[several].any(axis=0), strict=True)
        which = " and ".join(name for name, any_limit in columns if any_limit)
        raise InputError(
            f"{which} are both limits in {list_rows(np.flatnonzero(several))}, but one limit in each row can be used; "
            "fit fewer columns, or set `on_limit` to 'missing'"
        )


def _handle_column(
    name: str, because: str, limits: NDArray[np.bool_], n_present: int, on_limit: str, remarks: list[str]
) -> None:
    count = int(limits.sum())
    which = f"{count} of {n_present} values of {name} {'is a limit' if count == 1 else 'are limits'} ({because})"
    if on_limit == "raise":
        rows = list_rows(np.flatnonzero(limits))
        raise InputError(f"{which} in {rows}; set `on_limit` to 'use', 'missing', 'drop' or 'keep'")
    if on_limit == "keep":
        remarks.append(f"{which}, but fitted as {'a measurement' if count == 1 else 'measurements'}")
        return
    if count == n_present:
        refuse_nothing(f"{which}, so there is nothing to fit; set `on_limit` to 'keep' to fit limits as measurements")
    if on_limit == "use":
        remarks.append(f"{which} and used as {'one' if count == 1 else 'such'}")
        return
    done = "taken as missing" if on_limit == "missing" else "dropped with the whole row"
    remarks.append(f"{which} and {done}: the fit is of the detections alone")
    warnings.warn(
        f"{which} and {done}; the fit is of the detections alone, whose distribution may differ from that of all "
        "objects; set `on_limit` to 'use' to fit limits as what they are, or to 'keep' as measurements",
        XdgmmWarning,
        stacklevel=2,
    )


def limits_of_errors(table: NamedColumns, matches: Sequence[Match]) -> list[str]:
    """A sentence for each column of errors of which some are limits."""
    return [
        f"{flags.flagged.sum()} error{'s' if flags.flagged.sum() > 1 else ''} in {column} marked as limits "
        f"('{flags.column}' is {flags.shown})"
        for match in matches
        for column in match.columns
        for flags in _flags(table, column)
        if flags.flagged.any()
    ]


class Flags(NamedTuple):
    """A column of flags of a value: its name, where it marks a limit (N,), of which kind (0: unknown), what it says."""

    column: str
    flagged: NDArray[np.bool_]
    kinds: NDArray[np.int8]
    shown: str


def _flags(table: NamedColumns, name: str) -> Iterator[Flags]:
    """Columns of flags of a value that mark a limit somewhere."""
    for pattern, column in _columns_of_flags(table, name, (*FLAGS, *REMARKS)):
        flagged = _flagged(table.column(column), only_signs=pattern in REMARKS)
        if flagged is not None and flagged.any():
            cells = _cells(table.column(column))
            yield Flags(column, flagged, _kinds(cells, flagged, pattern), _shown(cells[flagged]))


def columns_of_flags(table: NamedColumns, name: str) -> list[str]:
    """Columns that may flag limits of a value, by their names."""
    return [column for _, column in _columns_of_flags(table, name, (*FLAGS, *REMARKS))]


def _columns_of_flags(table: NamedColumns, name: str, patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Patterns of names of flags of a value, each with the column of that name."""
    for pattern in patterns:
        wanted = pattern.format(name)
        columns = [wanted] if wanted in table else table.ignoring_case.get(wanted.lower(), [])
        if len(columns) == 1 and columns[0] != name:
            yield pattern, columns[0]


def _unclear(table: NamedColumns, name: str, present: NDArray[np.bool_]) -> Iterator[str]:
    """A sentence for each column of flags of limits that calls values uncertain, which are taken as measured."""
    for _, column in _columns_of_flags(table, name, FLAGS):
        flags = table.column(column)
        cells = _cells(flags)
        if getattr(flags, "ndim", 0) != 1 or cells.dtype.kind not in "OSU":
            continue
        mask = np.asarray(getattr(flags, "mask", np.zeros(len(flags), dtype=bool)), dtype=bool)
        unclear = present & ~mask & np.isin(_as_text(cells), UNCLEAR)
        if unclear.any():
            count = int(unclear.sum())
            yield (
                f"{count} of {int(present.sum())} values of {name} {'is' if count == 1 else 'are'} uncertain "
                f"('{column}' is {_shown(cells[unclear])}, which names no limit) and fitted as "
                f"{'a measurement' if count == 1 else 'measurements'}"
            )


def _flagged(column: Any, *, only_signs: bool) -> NDArray[np.bool_] | None:
    """Where a column marks a limit; None if it holds something else than flags, as limiting magnitudes."""
    if getattr(column, "ndim", 0) != 1 or not hasattr(column, "dtype"):
        return None
    mask = np.asarray(getattr(column, "mask", np.zeros(len(column), dtype=bool)), dtype=bool)
    cells = _cells(column)
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


def _cells(column: Any) -> NDArray[Any]:
    """The plain array below a column, masked cells included."""
    return np.asarray(np.ma.getdata(getattr(column, "unmasked", getattr(column, "value", column))))


def _kinds(cells: NDArray[Any], flagged: NDArray[np.bool_], pattern: str) -> NDArray[np.int8]:
    """Kinds of limits (N,): -1 upper, 1 lower, 0 where nothing is marked or the flag does not say."""
    result = np.zeros(len(cells), dtype=np.int8)
    of_name = KIND_OF_NAME.get(pattern, 0)
    if cells.dtype.kind in "OSU":
        text = np.char.lower(_as_text(cells[flagged]))
        result[flagged] = [KIND_OF_TEXT.get(cell, of_name) for cell in text.tolist()]
        return result
    of_number = KIND_OF_NUMBER.get(pattern, {}) if cells.dtype.kind != "b" else {}
    result[flagged] = [of_number.get(str(int(cell)), of_name) for cell in cells[flagged].tolist()]
    return result


def _shown(cells: NDArray[Any]) -> str:
    """What a column of flags says."""
    kinds = sorted(
        {str(cell.decode("latin-1") if isinstance(cell, bytes) else cell).strip() for cell in cells.tolist()}
    )
    return " or ".join(f"'{kind}'" for kind in kinds[:SHOWN]) + (", ..." if len(kinds) > SHOWN else "")
