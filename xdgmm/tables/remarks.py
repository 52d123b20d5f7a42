"""Sentences for `Observations.remarks`: which columns were used, and how many values are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.observations.checks import IN_ALL, LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from xdgmm.observations import Observations

    from .conventions import Match

SHOWN = 4  # how many columns a sentence names
WORDS = {
    "sigma": "errors",
    "var": "variances",
    "ivar": "inverse variances",
    "pair": "errors",
    "corr": "correlations",
    "cov": "covariances",
}


def error_remarks(names: Sequence[str], matches: Sequence[Match]) -> list[str]:
    """Where errors were taken from: one sentence for all columns whose error columns are named in the same way."""
    if all(match.kind == "exact" for match in matches):
        return ["values taken as exact"]
    groups: dict[tuple[str, str], list[tuple[str, tuple[str, ...]]]] = {}
    for name, match in zip(names, matches, strict=True):
        groups.setdefault((match.kind, match.convention), []).append((name, match.columns))
    return [_group_remark(kind, convention, group, len(names)) for (kind, convention), group in groups.items()]


def _group_remark(kind: str, convention: str, group: list[tuple[str, tuple[str, ...]]], n_columns: int) -> str:
    names = _counted([name for name, _ in group], n_columns)
    if kind == "exact":
        return f"values of {names} taken as exact"
    columns = [" and ".join(columns) for _, columns in group]
    source = columns[0] if len(group) == 1 else convention or _counted(columns, len(columns))
    both = " (upper and lower)" if kind == "pair" else ""
    return f"{WORDS[kind]} of {names} taken from {source}{both}"


def _counted(names: list[str], n_columns: int) -> str:
    if len(names) <= SHOWN:
        return ", ".join(names)
    return f"all {n_columns} columns" if len(names) == n_columns else f"{', '.join(names[:SHOWN])}, ... ({len(names)})"


def correlation_remarks(matches: Mapping[tuple[int, int], Match], n_columns: int) -> list[str]:
    """Where correlations were taken from, and for how many pairs: one sentence, or none."""
    if not matches:
        return []
    groups: dict[tuple[str, str], list[str]] = {}
    for match in matches.values():
        groups.setdefault((WORDS[match.kind], match.convention), []).append(match.columns[0])
    sources = [
        f"{word} taken from {columns[0] if len(columns) == 1 else convention or _counted(columns, len(columns))}"
        for (word, convention), columns in groups.items()
    ]
    pairs = n_columns * (n_columns - 1) // 2
    rest = "" if len(matches) == pairs else f" ({len(matches)} of {pairs} pairs; the others uncorrelated)"
    return [" and ".join(sources) + rest]


def missing_remarks(values: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """How many values are missing: one sentence for each column that has some."""
    counts = np.isnan(values).sum(axis=0)
    return [
        f"{count} of {len(values)} values of {name} missing" for name, count in zip(names, counts, strict=True) if count
    ]


def remarks_after_reading(observations: Observations, n_empty: int) -> Iterator[str]:
    """The observations' own remarks; that on rows without any value says where it counts more than the empty ones.

    Rows whose values were dropped, or taken as missing, are counted in a sentence of their own before.
    """
    more = bool((~observations.constrained.any(axis=1)).sum() > n_empty)
    for remark in observations.remarks:
        yield IN_ALL + remark if more and remark.endswith(LEFT_OUT) and not remark.startswith(IN_ALL) else remark
