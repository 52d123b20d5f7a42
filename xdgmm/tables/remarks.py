"""What was decided, in sentences that stay short for ten columns."""

import numpy as np

SHOWN = 4  # how many columns a sentence names
WORDS = {
    "sigma": "errors",
    "var": "variances",
    "ivar": "inverse variances",
    "pair": "errors",
    "corr": "correlations",
    "cov": "covariances",
}


def of_errors(names, matches):
    """One sentence for all columns whose errors were found in the same way."""
    if all(match.kind == "exact" for match in matches):
        return ["values taken as exact"]
    groups = {}
    for name, match in zip(names, matches, strict=True):
        groups.setdefault((match.kind, match.convention), []).append((name, match.columns))
    return [_of_group(*way, places, len(names)) for way, places in groups.items()]


def _of_group(kind, convention, places, n_columns):
    names = _counted([name for name, _ in places], n_columns)
    if kind == "exact":
        return f"values of {names} taken as exact"
    columns = [" and ".join(columns) for _, columns in places]
    source = columns[0] if len(places) == 1 else convention or _counted(columns, len(columns))
    mean = " (the mean of upper and lower)" if kind == "pair" else ""
    return f"{WORDS[kind]} of {names} taken from {source}{mean}"


def _counted(names, n_columns):
    if len(names) <= SHOWN:
        return ", ".join(names)
    return f"all {n_columns} columns" if len(names) == n_columns else f"{', '.join(names[:SHOWN])}, ... ({len(names)})"


def of_correlations(matches, n_columns):
    """One sentence on where they were found, and for how many pairs."""
    if not matches:
        return []
    ways = {}
    for match in matches.values():
        ways.setdefault((WORDS[match.kind], match.convention), []).append(match.columns[0])
    sources = [
        f"{word} taken from {columns[0] if len(columns) == 1 else way or _counted(columns, len(columns))}"
        for (word, way), columns in ways.items()
    ]
    pairs = n_columns * (n_columns - 1) // 2
    rest = "" if len(matches) == pairs else f" ({len(matches)} of {pairs} pairs; the others uncorrelated)"
    return [" and ".join(sources) + rest]


def of_missing(values, names):
    """How many values of each column are missing."""
    counts = np.isnan(values).sum(axis=0)
    return [
        f"{count} of {len(values)} values of {name} missing" for name, count in zip(names, counts, strict=True) if count
    ]
