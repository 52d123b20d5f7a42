"""Widgets beside pictures, or above them where the window is narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.models import UIElement

WIDTH = 270  # of the widgets, in screen pixels
WIDEST = 1130  # of all


def beside(widgets: Sequence[UIElement], pictures: UIElement, *, name: str) -> Row:
    """A row of columns of widgets, which stand below each other where they have no room, and of pictures."""
    controls = Row(*widgets, styles={"flex": f"1 1 {WIDTH}px", "flex-wrap": "wrap", "gap": "0 18px"})
    styles = {"flex-wrap": "wrap", "gap": "18px", "max-width": f"{WIDEST}px"}
    return Row(controls, pictures, styles=styles, sizing_mode="stretch_width", name=name)
