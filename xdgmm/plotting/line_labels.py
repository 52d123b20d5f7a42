"""Texts of pictures of lines: names above lines that do not cover each other, axes with units, widths in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.tables.printing import upper_limit, with_interval
from xdgmm.text import printable

from .labels import axis_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from xdgmm.lines import Curves, LineFit

    Floats = NDArray[np.float64]

POINTS_PER_INCH = 72.0
SIZE = 7.5  # of names of lines, in points
BETWEEN = 1.35  # distance of names, in their size
TICK, STEM = 5.0, 9.0  # points from the panel to the end of a tick, and to the name
LARGE, SMALL = 1e4, 1e-2  # beyond which a power of ten is written beside the unit
LIMIT_LEVEL = 0.95


def line_names(fit: LineFit) -> list[str]:
    """Labels of the lines (L,), with the rest position or the group where several lines have the same."""
    table = fit.solution.table
    labels = [printable(label) for label in table.labels]
    rest = [f"{each:.6g}" for group in table.groups for each in table.axis.rest_positions(group)]
    groups = [printable(fit.groups[g]) for g in table.group]
    with_rest = [f"{label} {position}" for label, position in zip(labels, rest, strict=True)]
    forms = [
        labels,
        with_rest,
        [f"{label}, {group}" for label, group in zip(labels, groups, strict=True)],
        [f"{label}, {group}" for label, group in zip(with_rest, groups, strict=True)],
    ]
    return [next((form[i] for form in forms if form.count(form[i]) == 1), forms[-1][i]) for i in range(len(labels))]


def width_text(fit: LineFit, group: int) -> str:
    """'σ = 81±3 km/s', or 'σ < 45 km/s (95%)' where the group is consistent with having no width of its own."""
    sigma = float(np.asarray(getattr(fit.intrinsic_sigma, "value", fit.intrinsic_sigma))[group])
    if fit.is_limit[group]:
        text = upper_limit(float(np.sqrt(fit.profiles[group].upper_limit(LIMIT_LEVEL))), LIMIT_LEVEL)
        return f"σ {text.replace('<', '< ').replace(' (', ' km/s (')}"
    low, high = np.sqrt(fit.profiles[group].interval(0.6827))
    return f"σ = {with_interval(sigma, 0.5 * (high - low), low, high, 0.1)} km/s"


def draw_names(ax: Axes, positions: Floats, names: list[str], colours: list[str]) -> None:
    """Names above the panel, each with a tick to its line; those of neighbours are moved apart."""
    if not names:
        return
    order = np.argsort(positions, kind="stable")
    ends = np.array(ax.get_xlim())
    length = ax.bbox.width / ax.figure.dpi * POINTS_PER_INCH
    wanted = (positions[order] - ends[0]) / (ends[1] - ends[0]) * length
    places = ends[0] + apart(wanted, SIZE * BETWEEN, length) / length * (ends[1] - ends[0])
    up = ax.get_xaxis_transform()
    height = ax.bbox.height / ax.figure.dpi * POINTS_PER_INCH
    for place, i in zip(places, order, strict=True):
        ax.plot(
            [positions[i], positions[i], place],
            [1.0, 1.0 + TICK / height, 1.0 + (TICK + STEM) / height],
            transform=up,
            color=colours[i],
            lw=0.8,
            clip_on=False,
            scalex=False,
            scaley=False,
        )
        ax.annotate(
            names[i],
            (place, 1.0),
            (0.0, TICK + STEM + 2.0),
            xycoords=up,
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=SIZE,
            color=colours[i],
            annotation_clip=False,
            parse_math=False,
        )


def apart(wanted: Floats, distance: float, length: float) -> Floats:
    """Increasing places between 0 and a length, at least so far apart if they fit, as near as possible to those wanted.

    The sum of the squares of the shifts is smallest: isotonic regression by pooling neighbours.
    """
    n = len(wanted)
    distance = min(distance, length / max(n - 1, 1))
    pools: list[tuple[float, int]] = []
    for i, place in enumerate(wanted):
        mean, size = float(place) - i * distance, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, size = (mean * size + other * more) / (size + more), size + more
        pools.append((mean, size))
    levels = np.concatenate([np.full(size, mean) for mean, size in pools])
    return np.asarray(np.clip(levels, 0.0, length - (n - 1) * distance) + distance * np.arange(n))


def label_positions(ax: Axes, curves: Curves, kind: str) -> None:
    """Label the axis of wavelengths or energies, with full numbers."""
    ax.ticklabel_format(axis="x", useOffset=False, style="plain")
    text, has_math = positions_label(curves, kind)
    ax.set_xlabel(text, parse_math=has_math)


def positions_label(curves: Curves, kind: str) -> tuple[str, bool]:
    """Text of the axis of wavelengths, energies or channels, and whether it has mathematics."""
    if not curves.has_positions:
        return "channel", False
    return axis_label(kind if kind == "velocity" else f"observed {kind}", curves.x_unit)


def label_data(ax: Axes, curves: Curves) -> None:
    """Label the axis of fluxes or counts; a power of ten stands beside the unit."""
    largest = float(np.max(np.abs(ax.get_ylim())))
    power = 0 if SMALL <= largest < LARGE else int(np.floor(np.log10(largest)))
    text, has_math = axis_label(_name_of_data(curves), curves.data_unit)
    if power:
        factor = f"$10^{{{power}}}$"
        text = text.replace("[", f"[{factor} ", 1) if "[" in text else f"{text} [{factor}]"
        ax.yaxis.set_major_formatter(lambda value, _: f"{value / 10.0**power:g}")
    ax.set_ylabel(text, parse_math=has_math or bool(power))


def _name_of_data(curves: Curves) -> str:
    if curves.quantity == "flux":
        return "flux"
    return f"{curves.quantity} per {'bin' if curves.has_positions else 'channel'}"


def as_steps(low: Floats, high: Floats, values: Any) -> tuple[Floats, Floats]:
    """Corners of a line that is level in each pixel, and is broken where pixels do not touch."""
    corners = np.column_stack([low, high, high])
    heights = np.column_stack([values, values, values])
    apart_from_next = ~np.isclose(np.append(low[1:], np.inf), high, rtol=0.0, atol=1e-3 * np.min(high - low))
    heights[apart_from_next, 2] = np.nan
    return corners.ravel(), heights.ravel()
