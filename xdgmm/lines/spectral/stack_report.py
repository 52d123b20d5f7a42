"""Fits of many spectra in a few lines: how many were fitted, why others failed, and what was found of each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.tables.printing import brief, empty_table

if TYPE_CHECKING:
    from rich.table import Table

    from .stacks import LineFits

Array = NDArray[np.float64]

MOST_REASONS = 5
DOUBTFUL = 0.01  # probability of chi-squared, below which fits are counted


def summary_lines(fits: LineFits) -> list[str]:
    """Counts, reasons, and how many fits do not describe their data."""
    shape = " x ".join(map(str, fits.shape))
    noun = "spectrum" if len(fits) == 1 else "spectra"
    said = [f"{shape} {noun}: {fits.n_fitted} fitted, {fits.n_failed} failed"]
    reasons = list(fits.failures.items())
    said += [f"{number:>10}  {reason}" for reason, number in reasons[:MOST_REASONS]]
    if len(reasons) > MOST_REASONS:
        others = sum(number for _, number in reasons[MOST_REASONS:])
        said.append(f"{others:>10}  for {len(reasons) - MOST_REASONS} other reasons (`failures` has them all)")
    slow = int(np.sum(fits.status == "not converged"))
    if slow:
        said.append(f"{slow:>10}  fitted, but not converged: errors and limits may be wrong")
    instruments = fits.instruments
    more = "" if len(instruments) == 1 else f"; {len(instruments) - 1} others"
    said += [f"instrument  {instruments[0]}{more}"] if instruments else []
    probability = _plain(fits.map("probability"))
    known = probability[np.isfinite(probability)]
    if known.size:
        below = 100.0 * np.mean(known < DOUBTFUL)
        said.append(f"chi-squared has a probability below {100 * DOUBTFUL:g}% in {below:.1f}% of the fits")
    return [*said, *(f"note        {remark}" for remark in fits.plan.remarks)]


def summary_table(fits: LineFits) -> Table:
    """A row for each group: how many are resolved, and the range of what was found."""
    from rich.markup import escape

    kms = "" if fits.plan.axis.unit is None else "\n\\[km/s]"
    headings = [
        "\ngroup",
        "\nresolved",
        f"velocity{kms}",
        f"intrinsic σ of resolved{kms}",
        f"95% limit of others{kms}",
    ]
    table = empty_table(headings, left=headings[:1], title="Groups: median (16% to 84%)", title_justify="left")
    for g, name in enumerate(fits.groups):
        limited = fits.map("is_limit", g)
        seen = ~np.ma.getmaskarray(limited)
        unresolved = np.ma.getdata(limited) & seen
        resolved = seen & ~unresolved
        table.add_row(
            escape(name),
            f"{resolved.sum()} of {seen.sum()}",
            _range(_plain(fits.map("velocity", g))[seen]),
            _range(_plain(fits.map("sigma", g))[resolved]),
            _range(_plain(fits.map("sigma_limit", g))[unresolved]),
        )
    return table


def _plain(values: Any) -> Array:
    """Numbers without unit and mask: NaN where masked."""
    mask = np.broadcast_to(getattr(values, "mask", False), np.shape(values))
    numbers = getattr(values, "unmasked", values)
    return np.where(mask, np.nan, np.ma.getdata(getattr(numbers, "value", numbers)))


def _range(numbers: Array) -> str:
    """Median, 16% and 84% quantile of the numbers."""
    if not numbers.size:
        return "none"
    low, middle, high = np.quantile(numbers, [0.16, 0.5, 0.84], method="nearest")
    return f"{brief(middle)} ({brief(low)} to {brief(high)})" if numbers.size > 1 else brief(middle)
