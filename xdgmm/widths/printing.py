"""The width report and relations as tables of rich, for terminals and text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.tables.printing import ASYMMETRIC, brief, compact, empty_table, plain, upper_limit, with_error, with_interval

from .columns import DECLARED, OF_T

if TYPE_CHECKING:
    from astropy.table import QTable
    from rich.table import Table

    from .table import WidthReport

LONGEST_UNIT = 14  # a longer one stands below the table
ONE_SIGMA = 0.6827
CLEARLY_ASYMMETRIC = 0.15  # of weights and means: tables with all errors in full would be too wide
SOURCES = {
    "profile": "profile likelihood (of weights, means and sigmas)",
    "bootstrap": "bootstrap",
    "sandwich": "sandwich",
}
LABELS = ("component", "axis")
REPORTED = ("n_members", "weight", "mean", "sigma", "fwhm")
COMPARED = ("instrumental_sigma", "observed_sigma", "naive_sigma", "observed_off", "naive_off")


def rich_table(report: WidthReport, title: str | None = None) -> Table:
    """A `rich.table.Table` of a width report: value and error side by side, limits as limits, each with its unit.

    Columns: component, axis, number of members, weight, mean, intrinsic sigma and FWHM; the limit on sigma, where
    resolved widths have one too.
    """
    limited = np.isfinite([plain(limit) for limit in report["sigma_limit"]]) & ~np.asarray(report["is_limit"], bool)
    of_t = ("half_width", "dof") if "dof" in report.colnames else ()
    table, captions = _table(report, (*REPORTED, *of_t, *(("sigma_limit",) if limited.any() else ())), title)
    table.caption = _caption(*captions, *_errors_from(report.meta), *report.meta.get("remarks", ()))
    limit_level = report.meta["limit_level"]
    for row in report:
        numbers = _numbers(row)
        table.add_row(
            *_label(row),
            f"{numbers['n_members']:.4g}",
            _interval(numbers, "weight"),
            _interval(numbers, "mean"),
            _width(numbers, "sigma", limit_level),
            _width(numbers, "fwhm", limit_level),
            *((_interval(numbers, "half_width"), shown_dof(numbers)) if of_t else ()),
            *((upper_limit(numbers["sigma_limit"], limit_level),) if limited.any() else ()),
        )
    return table


def _errors_from(meta: Mapping[str, Any]) -> Iterator[str]:
    """Where the errors come from and what they stand for, if either is not the default."""
    level, method = meta.get("level", ONE_SIGMA), meta.get("method", "information")
    if method in SOURCES or abs(level - ONE_SIGMA) > 1e-3:
        source = f", from the {SOURCES[method]}" if method in SOURCES else ""
        yield f"errors stand for {100 * level:.4g}%{source}"


def comparison_table(report: WidthReport, title: str | None = None) -> Table:
    """A `rich.table.Table` of what the widths are without deconvolution, and how far off that is.

    Columns: component, axis, median error of measurement, standard deviation s as measured, naive
    ``sqrt(s^2 - mean squared error)``; the last two with their distance from the intrinsic sigma in standard errors.
    """
    table, captions = _table(report, COMPARED, title)
    table.caption = _caption(*captions)
    for row in report:
        numbers = _numbers(row)
        shown = (
            with_error(numbers[name], numbers[f"{name}_error"]) if np.isfinite(numbers[name]) else "none"
            for name in COMPARED[:3]
        )
        off = (f"{round(numbers[name], 1) + 0.0:+.1f}" if np.isfinite(numbers[name]) else "" for name in COMPARED[3:])
        table.add_row(*_label(row), *shown, *off)
    return table


def relations_table(relations: QTable) -> Table:
    """A `rich.table.Table` of what `relations` returned."""
    from rich.markup import escape

    table = empty_table(("comp.", "quantity", "of", "value"), left=("quantity", "of"))
    for row in relations:
        unit = f" {compact(row['unit'])}" if row["unit"] else ""
        value = with_error(plain(row["value"]), plain(row["error"]))
        if "is_limit" in relations.colnames and row["is_limit"]:
            value, unit = upper_limit(plain(row["limit"]), relations.meta["limit_level"]).replace(" (", f"{unit} ("), ""
        if np.isnan(plain(row["value"])):
            value, unit = "none", ""
        table.add_row(str(row["component"]), row["quantity"], escape(row["of"]), escape(value + unit))
    table.caption = _caption(*relations.meta.get("remarks", ()))
    table.caption_justify = "left"
    return table


def _table(report: WidthReport, names: Iterable[str], title: str | None) -> tuple[Table, list[str]]:
    """An empty table with the headings of these columns, their unit where all rows have one, and captions below it."""
    unit = getattr(report["sigma"], "unit", None)
    label, captions = "" if unit is None or "unit" in report.colnames else f"\n\\[{compact(unit)}]", []
    if len(label) > LONGEST_UNIT:
        label = ""
        captions.append(f"means and widths in {compact(unit)}")
    headings = [_heading(name, label) for name in (*LABELS, *names)]
    options = {"title": title, "title_justify": "left", "title_style": "bold", "caption_justify": "left"}
    return empty_table(headings, left=(headings[1],), **options), captions


def _caption(*sentences: str) -> str | None:
    """Sentences below a table, whose brackets are not markup."""
    from rich.markup import escape

    return escape("\n".join(sentences)) or None


def _heading(name: str, label: str) -> str:
    column = DECLARED[name] if name in DECLARED else next(each for each in OF_T if each.name == name)
    return column.heading.replace("[", r"\[") + (label if column.unit == "width" else "")


def _label(row: Any) -> tuple[str, str]:
    from rich.markup import escape

    own_unit = f" \\[{compact(row['unit'])}]" if "unit" in row.colnames and row["unit"] else ""
    return str(row["component"]), escape(str(row["axis"])) + own_unit


def _numbers(row: Any) -> dict[str, float]:
    return {name: plain(row[name]) for name in row.colnames if name not in ("axis", "unit")}


def shown_dof(numbers: Mapping[str, float]) -> str:
    """Degrees of freedom: '3.9+1.5-0.9', '42 (>18)' where the interval has no upper end, or 'Gaussian'."""
    value, low, high = (numbers[f"dof{ending}"] for ending in ("", "_low", "_high"))
    if np.isinf(value):
        return "Gaussian"
    if np.isinf(high):
        return f"{brief(value)} (>{brief(low)})"
    return _interval(numbers, "dof")


def _width(numbers: Mapping[str, float], name: str, limit_level: float) -> str:
    return upper_limit(numbers[f"{name}_limit"], limit_level) if numbers["is_limit"] else _interval(numbers, name)


def _interval(numbers: Mapping[str, float], name: str) -> str:
    value, error, low, high = (numbers[name + ending] for ending in ("", "_error", "_low", "_high"))
    return with_interval(value, error, low, high, CLEARLY_ASYMMETRIC if name in ("weight", "mean") else ASYMMETRIC)
