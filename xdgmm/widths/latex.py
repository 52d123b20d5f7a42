"""The width report as a table of a paper, and its short form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.files import atomic_write, check_output
from xdgmm.tables import REPORT_SUFFIXES, write_table
from xdgmm.tables.latex import latex_interval, latex_limit, latex_table
from xdgmm.tables.printing import brief, compact, plain, upper_limit, with_interval
from xdgmm.text import latex, printable

from .printing import shown_dof

if TYPE_CHECKING:
    from .table import WidthReport

WIDTH_SUFFIXES = (*REPORT_SUFFIXES, ".tex")
HEADINGS = {
    "component": "Component",
    "axis": "Quantity",
    "n_members": "$N$",
    "weight": "Fraction",
    "mean": "Mean",
    "sigma": r"$\sigma$",
    "fwhm": "FWHM",
    "observed_sigma": "$s$ (measured)",
    "instrumental_sigma": "Median error",
    "naive_sigma": r"$\sigma$ (naive)",
    "half_width": "Half-width (68\\%)",
    "dof": "dof",
}
IN_UNIT = ("mean", "sigma", "fwhm", "observed_sigma", "instrumental_sigma", "naive_sigma", "half_width")


def report_as_latex(report: WidthReport, style: str, columns: Sequence[str] | None) -> str:
    """The report as a table in LaTeX: see `WidthReport.to_latex`."""
    names = _default_columns(report) if columns is None else _checked(columns, report)
    own_units = "unit" in report.colnames
    headings, units = [HEADINGS[name] for name in names], [_unit(report, name) for name in names]
    if own_units:
        headings, units = [*headings, "Unit"], [*units, ""]
    rows = [[*(_cell(row, name) for name in names), *([_own_unit(row)] if own_units else [])] for row in report]
    return latex_table(
        headings,
        units,
        rows,
        style=style,
        left=sum(name in ("component", "axis") for name in names),
        caption=latex(report.meta.get("title", "")),
        comments=list(_comments(report)),
    )


def _default_columns(report: WidthReport) -> list[str]:
    several = len(set(report["component"])) > 1
    return [
        name
        for name in ("component", "axis", "n_members", "weight", "mean", "sigma", "half_width", "dof")
        if (several or name not in ("component", "weight")) and name in report.colnames
    ]


def _checked(columns: Sequence[str], report: WidthReport) -> list[str]:
    wanted = [columns] if isinstance(columns, str) else list(columns)
    possible = [name for name in HEADINGS if name in report.colnames]
    if not wanted or not set(wanted) <= set(possible):
        raise InputError(f"`columns` is {wanted}, but each must be one of {', '.join(possible)}")
    return wanted


def _unit(report: WidthReport, name: str) -> str:
    """The unit of a column in brackets; none where it has none, or each row its own."""
    unit = getattr(report["sigma"], "unit", None)
    if name not in IN_UNIT or unit is None:
        return ""
    return f"({unit.to_string('latex_inline')})"


def _own_unit(row: Any) -> str:
    from astropy.units import Unit

    return str(Unit(row["unit"]).to_string("latex_inline")) if row["unit"] else ""


def _cell(row: Any, name: str) -> str:
    if name == "component":
        return str(row[name])
    if name == "axis":
        return latex(row[name])
    if name == "n_members":
        return _count(plain(row[name]))
    if name in ("sigma", "fwhm") and row["is_limit"]:
        return latex_limit(plain(row[f"{name}_limit"]))
    value, low, high = _interval(row, name)
    if name == "dof" and np.isinf(value):
        return r"$\infty$"
    if name == "dof" and np.isinf(high):
        return rf"${brief(value)}\;(>{brief(low)})$"
    return latex_interval(value, low, high)


def _interval(row: Any, name: str) -> tuple[float, float, float]:
    """Value and ends; NaN where there are none."""
    value = plain(row[name])
    if f"{name}_low" in row.colnames:
        return value, plain(row[f"{name}_low"]), plain(row[f"{name}_high"])
    error = plain(row[f"{name}_error"])
    return value, value - error, value + error


def _count(number: float) -> str:
    return f"${number:.0f}$" if abs(number - round(number)) < 1e-6 else f"${number:.1f}$"


def _comments(report: WidthReport) -> Iterator[str]:
    meta = report.meta
    yield f"Errors stand for {100 * meta.get('level', 0.6827):.4g}%."
    if any(report["is_limit"]):
        yield f"Upper limits hold at {100 * meta.get('limit_level', 0.95):.4g}%."
    if meta.get("recipe"):
        yield f"The fit again: {meta['recipe']}"


def summary_of(report: WidthReport) -> str:
    """One line for each row: see `WidthReport.summary`."""
    several = len(set(report["component"])) > 1
    lines = [_sentence(row, report.meta, several=several, report=report) for row in report]
    recipe = report.meta.get("recipe")
    return "\n".join([*lines, *([f"the fit again: {printable(recipe)}"] if recipe else [])])


def _sentence(row: Any, meta: Mapping[str, Any], *, several: bool, report: WidthReport) -> str:
    own = row["unit"] if "unit" in row.colnames else getattr(report["sigma"], "unit", None)
    unit = f" {compact(own)}" if own else ""
    component = f"component {row['component']}, " if several else ""
    weight = f", {_shown(row, 'weight')} of the objects" if several else ""
    mean = "" if np.isnan(plain(row["mean"])) else f"mean {_shown(row, 'mean')}{unit}, "
    limit = upper_limit(plain(row["sigma_limit"]), meta.get("limit_level", 0.95)).replace(" (", f"{unit} (")
    width = f"sigma {limit}" if row["is_limit"] else f"sigma {_shown(row, 'sigma')}{unit}"
    if "dof" in row.colnames:
        dof = shown_dof({f"dof{ending}": plain(row[f"dof{ending}"]) for ending in ("", "_error", "_low", "_high")})
        width += f", 68% half-width {_shown(row, 'half_width')}{unit}, dof {dof}"
    return printable(f"{component}{row['axis']}: {mean}{width}{weight}")


def _shown(row: Any, name: str) -> str:
    return with_interval(*(plain(row[name + ending]) for ending in ("", "_error", "_low", "_high")))


def write_report(report: WidthReport, path: str | Path, *, overwrite: bool = False, style: str = "tabular") -> None:
    """Write a width report to .ecsv or .fits (all columns), or to .tex (those that a paper prints).

    Parameters
    ----------
    report : WidthReport
    path : str or Path
    overwrite : bool
        Whether a file that exists may be replaced.
    style : {"tabular", "aastex"}
        Of a file .tex: see `WidthReport.to_latex`.

    Raises
    ------
    OutputError
        If the path cannot be written, ends otherwise, or exists and `overwrite` is false.
    """
    path = check_output(path, overwrite=overwrite, suffixes=WIDTH_SUFFIXES)
    if path.suffix.lower() != ".tex":
        write_table(report, path, overwrite=overwrite)
        return
    text = report.to_latex(style=style)
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
