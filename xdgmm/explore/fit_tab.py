"""The second tab: data, and a mixture that is fitted to them step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import Div

from .escaping import as_html

if TYPE_CHECKING:
    from bokeh.models import UIElement

    from .session import Session


def build(session: Session) -> UIElement:
    """The layout of the tab."""
    words = Div(name="data_in_words", disable_math=True)

    def show() -> None:
        words.text = as_html(session.data.in_words)

    session.listen("data", show)
    show()
    return words
