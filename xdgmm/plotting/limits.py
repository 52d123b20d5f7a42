"""Limits in pictures: arrows from where they are towards where the true values lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .colours import CONVOLVED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

MOST_ARROWS = 3000  # limits that are drawn one by one: of more, some, evenly over the rows
ARROWS = {(0, -1): "$\\leftarrow$", (0, 1): "$\\rightarrow$", (1, -1): "$\\downarrow$", (1, 1): "$\\uparrow$"}
KINDS = {-1: "upper limits", 1: "lower limits"}
FOOT = 0.08  # of the height of a panel: where the limits of one column are


def weight_of_limits(observations: Observations, place: int) -> float:
    """Weight of the objects of which this column is a limit, which no histogram of values holds."""
    if observations.limits is None:
        return 0.0
    return float(observations.object_weights[observations.limits[:, place] != 0].sum())


def draw_limits(ax: Axes, observations: Observations, x: int, y: int) -> None:
    """Limits of one of two columns, at the measured values of the other."""
    if observations.limits is None:
        return
    for axis, (place, other) in enumerate(((x, y), (y, x))):
        for sign, kind in KINDS.items():
            rows = _some((observations.limits[:, place] == sign) & observations.present[:, other])
            points = observations.values[rows][:, [x, y]]
            _draw(ax, points, axis, sign, kind)


def draw_limits_below(ax: Axes, observations: Observations, place: int) -> None:
    """Limits of one column, at the foot of a panel."""
    if observations.limits is None:
        return
    for sign, kind in KINDS.items():
        rows = _some(observations.limits[:, place] == sign)
        top = ax.get_ylim()[1]
        _draw(ax, np.column_stack([observations.values[rows, place], np.full(rows.size, FOOT * top)]), 0, sign, kind)


def _some(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    rows = np.flatnonzero(flags)
    return rows[:: max(-(-rows.size // MOST_ARROWS), 1)]


def _draw(ax: Axes, points: Floats, axis: int, sign: int, kind: str) -> None:
    """Arrows at points (n, 2), with one entry in a legend."""
    if len(points):
        size = max(20.0, min(70.0, 9000.0 / len(points)))
        ax.scatter(
            points[:, 0], points[:, 1], s=size, c=CONVOLVED, marker=ARROWS[axis, sign], lw=0, zorder=2, label=kind
        )
