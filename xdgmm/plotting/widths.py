"""The picture of a width report: intrinsic widths with their errors, limits as arrows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, KindError
from xdgmm.tables.printing import plain
from xdgmm.text import printable

from .colours import DATA, component_colour, component_label
from .figures import legend_above, prepared_axes
from .labels import axis_label, log_x

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase
    from matplotlib.axes import Axes

NEEDED = ("component", "axis", "sigma", "sigma_low", "sigma_high", "sigma_limit", "is_limit", "observed_sigma")
WIDE = 30.0  # ratio of widths from which on the scale is logarithmic
ROW, LEAST = 0.32, 2.2  # inches
ARROW = 0.6  # its length, in units of the limit


def plot_widths(report: QTable, *, columns: str | Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Draw the intrinsic widths of a report, beside those that are measured without deconvolution.

    Parameters
    ----------
    report : WidthReport
        What `model.widths` returned.
    columns : str or sequence of str, optional
        The rows of which columns or principal axes, by the names in the column "axis"; by default all.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One line for each row, in the colour of its component: sigma with its interval, or an arrow to the left from the
        upper limit of a width that is consistent with zero.  An open diamond is the standard deviation as measured, a
        tick the median error.

    Raises
    ------
    InputError
        If this is no width report, a name is not in it, or the widths have different units.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import plot_widths
    >>> stars = datasets.load("neutron_stars")["m", "e_m"]
    >>> ax = plot_widths(XDGMM(2, random_state=0).fit(stars).widths(stars))
    """
    if not set(NEEDED) <= set(getattr(report, "colnames", ())):
        raise KindError(f"this is of type {type(report).__name__}, but a width report is needed: `model.widths(...)`")
    rows = _chosen(report, columns)
    unit = _unit(report, rows)
    ax = prepared_axes(ax, (5.6, max(LEAST, 1.4 + ROW * len(rows))))
    heights = np.arange(len(rows))[::-1]
    drawn = [_draw_row(ax, rows[i], height) for i, height in enumerate(heights)]
    axes, several = [str(row["axis"]) for row in rows], len(set(rows["component"])) > 1
    labels = [
        f"{printable(axis)} ({component_label(row['component'])})" if several else printable(axis)
        for axis, row in zip(axes, rows, strict=True)
    ]
    ax.set_yticks(heights, labels, parse_math=False)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    positive = np.array([number for numbers in drawn for number in numbers if number > 0])
    if positive.size and positive.max() > WIDE * positive.min():
        log_x(ax)
    else:
        ax.set_xlim(left=0.0)
    text, has_math = axis_label("width (standard deviation)", unit)
    ax.set_xlabel(text, parse_math=has_math)
    _legend(ax, report)
    return ax


def _chosen(report: QTable, columns: str | Sequence[str] | None) -> QTable:
    if columns is None:
        return report
    wanted = [columns] if isinstance(columns, str) else list(columns)
    axes = [str(axis) for axis in report["axis"]]
    unknown = [name for name in wanted if name not in axes]
    if unknown:
        raise InputError(
            f"`columns` names {printable(repr(unknown[0]))}, but the report has the axes "
            f"{printable(', '.join(dict.fromkeys(axes)))}"
        )
    return report[[axis in wanted for axis in axes]]


def _unit(report: QTable, rows: QTable) -> UnitBase | None:
    """The unit of all widths.

    Raises
    ------
    InputError
        If there are several.
    """
    if "unit" not in report.colnames:
        return getattr(report["sigma"], "unit", None)
    from astropy.units import Unit

    units = {str(unit) for unit in rows["unit"]}
    if len(units) > 1:
        raise InputError(
            "the widths of this report have different units, which one axis cannot show; choose with `columns`, among "
            f"{printable(', '.join(dict.fromkeys(map(str, report['axis']))))}"
        )
    (unit,) = units
    return Unit(unit) if unit else None


def _draw_row(ax: Axes, row: Any, height: float) -> list[float]:
    """Draw one row; returns its numbers."""
    sigma, low, high, limit, observed, error = (
        plain(row[name])
        for name in ("sigma", "sigma_low", "sigma_high", "sigma_limit", "observed_sigma", "instrumental_sigma")
    )
    colour = component_colour(int(row["component"]))
    if row["is_limit"]:
        ax.errorbar(
            limit, height, xerr=ARROW * limit, xuplims=True, fmt="|", ms=11, mew=2, lw=1.8, color=colour, capsize=3.5
        )
    else:
        interval = None if np.isnan(low) else [[sigma - low], [high - sigma]]
        ax.errorbar(sigma, height, xerr=interval, fmt="o", ms=5.5, lw=1.8, color=colour, capsize=0)
    ax.plot(observed, height, "D", ms=6, mfc="none", mec=DATA)
    ax.plot(error, height, "|", ms=9, mew=1.4, color=DATA)
    numbers = [(1 - ARROW) * limit, limit] if row["is_limit"] else [sigma]
    return [number for number in (*numbers, observed, error) if np.isfinite(number)]


def _legend(ax: Axes, report: QTable) -> None:
    """What the signs mean: above the panel."""
    level = f"{100 * report.meta.get('limit_level', 0.95):g}%"
    ax.plot([], [], "o", color="black", label="intrinsic")
    if any(report["is_limit"]):
        ax.plot([], [], ls="none", marker=r"$\leftarrow$", ms=11, color="black", label=f"upper limit ({level})")
    ax.plot([], [], "D", mfc="none", color=DATA, label="as measured")
    ax.plot([], [], "|", ms=9, mew=1.4, ls="none", color=DATA, label="median error")
    legend_above(ax, 4)
