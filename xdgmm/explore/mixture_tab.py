"""The first tab: a mixture whose proportions, means and widths the user moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lesson.mixture_lesson import build_mixture_lesson

if TYPE_CHECKING:
    from bokeh.models import UIElement

    from .session import Session


def build(session: Session) -> UIElement:  # noqa: ARG001 - the other tabs read it
    """The layout of the tab."""
    return build_mixture_lesson().layout
