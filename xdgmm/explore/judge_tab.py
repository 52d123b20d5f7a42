"""The third tab: does the mixture describe the data?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import Div

if TYPE_CHECKING:
    from bokeh.models import UIElement

    from .session import Session


def build(session: Session) -> UIElement:
    """The layout of the tab."""
    words = Div(name="judge_tab")

    def show() -> None:
        words.text = "Fit a mixture first." if session.mixture is None else "A mixture to judge."

    session.listen("mixture", show)
    show()
    return words
