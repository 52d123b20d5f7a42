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
STYLE = "body { font-family: sans-serif } td, th { padding: 0.1em 0.6em } table { border-collapse: collapse }"
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
    return f"{round(float(value), decimals) + 0.0:.{max(decimals, 0)}f}"  # no minus before a zero


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


def as_html(*parts: Table | str) -> str:
    """Tables of rich as tables of HTML, without colours, and sentences, which are no markup, as paragraphs."""
    from html import escape

    return "\n".join(
        f"<p>{_lines(escape(part))}</p>" if isinstance(part, str) else _table_as_html(part) for part in parts
    )


def html_page(title: str, *parts: Table | str) -> str:
    """A document of HTML that needs no other file."""
    from html import escape

    head = f'<meta charset="utf-8"><title>{escape(printable(title))}</title><style>{STYLE}</style>'
    return f"<!DOCTYPE html>\n<html><head>{head}</head>\n<body>\n{as_html(*parts)}\n</body></html>\n"


def _table_as_html(table: Table) -> str:
    aligned = [f' style="text-align: {column.justify}"' for column in table.columns]

    def cells(kind: str, texts: Iterable[Any]) -> str:
        row = zip(aligned, texts, strict=True)
        return "<tr>" + "".join(f"<{kind}{style}>{_plain_html(text)}</{kind}>" for style, text in row) + "</tr>"

    rows = zip(*(column.cells for column in table.columns), strict=True)
    body = "\n".join(cells("td", row) for row in rows)
    title = f"<p><b>{_plain_html(table.title)}</b></p>\n" if table.title else ""
    caption = f"\n<p>{_plain_html(table.caption)}</p>" if table.caption else ""
    head = cells("th", (column.header for column in table.columns))
    return f"{title}<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>{caption}"


def _plain_html(text: Any) -> str:
    """A cell of rich, with its markup, as HTML without markup."""
    from html import escape

    from rich.text import Text

    return _lines(escape((text if isinstance(text, Text) else Text.from_markup(str(text))).plain))


def _lines(text: str) -> str:
    return "<br>".join(printable(line) for line in text.split("\n"))
