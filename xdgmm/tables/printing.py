"""Numbers and tables as people read them: values beside their errors, tables for terminals and as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

TEXT_WIDTH = 120
LEAST_DECIMALS, MOST_DECIMALS = -5, 6  # between which numbers are printed without powers of ten
LARGEST_IN_FULL = 1e6
ASYMMETRIC = 0.02  # difference of the two errors, relative to their sum, from which both are printed


def with_error(value: float, error: float) -> str:
    """'80.53±0.57': two digits of the error decide how many of the value are shown; no error, no sign."""
    if not np.isfinite(error) or error <= 0:
        return f"{value:.6g}"
    decimals = 1 - int(np.floor(np.log10(error)))
    largest = max(abs(value), error)
    if LEAST_DECIMALS <= decimals <= MOST_DECIMALS and largest < LARGEST_IN_FULL:
        return f"{rounded(value, decimals)}±{rounded(error, decimals)}"
    digits = max(2, int(np.floor(np.log10(largest))) + decimals + 1)
    return f"{value:.{min(digits, 16)}g}±{error:.2g}"


def with_interval(value: float, error: float, low: float, high: float, asymmetric: float = ASYMMETRIC) -> str:
    """Value and error; both errors where they differ by more than a part of their sum; nothing without a value."""
    if not np.isfinite(value):
        return ""
    up, down = high - value, value - low
    if not np.isfinite(error) or abs(up - down) <= asymmetric * (up + down):
        return with_error(value, error)
    decimals = 1 - int(np.floor(np.log10(max(min(up, down), 0.1 * max(up, down)))))
    if not LEAST_DECIMALS <= decimals <= MOST_DECIMALS or abs(value) >= LARGEST_IN_FULL:
        return f"{value:.3g}+{up:.2g}-{down:.2g}"
    return f"{rounded(value, decimals)}+{rounded(up, decimals)}-{rounded(down, decimals)}"


def upper_limit(limit: float, level: float) -> str:
    """'<10.6 (95%)'; 'no limit' where there is none."""
    return f"<{brief(limit)} ({100 * level:g}%)" if np.isfinite(limit) else "no limit"


def rounded(value: float, decimals: int) -> str:
    """A number to so many decimals; negative ones are zeros before the point."""
    return f"{round(float(value), decimals):.{max(decimals, 0)}f}"


def brief(number: float) -> str:
    """Three digits, and no power of ten before a million."""
    return f"{float(f'{number:.3g}'):g}"


def plain(value: Any) -> float:
    """A cell of a table as a float, without its unit; NaN where it is masked."""
    if np.any(getattr(value, "mask", False)):
        return np.nan
    return float(getattr(value, "value", value))


def compact(unit: object) -> str:
    """'km/s' rather than 'km / s'."""
    return str(unit).replace(" / ", "/")


def empty_table(headings: Iterable[str], *, left: Iterable[str] = (), **options: Any) -> Table:
    """A `rich.table.Table` with these headings and no rows; columns are aligned to the right, or to the left."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), **options)
    left = set(left)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    return table


def as_text(*tables: RenderableType) -> str:
    """Tables as text, without colours."""
    import io

    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=TEXT_WIDTH, highlight=False, emoji=False, color_system=None)
    console.print(*tables)
    return "\n".join(printable(line.rstrip()) for line in stream.getvalue().rstrip().split("\n"))
