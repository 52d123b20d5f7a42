"""One document: a line of messages above three tabs."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from bokeh.models import Column, Div, TabPanel, Tabs

from . import fit_tab, judge_tab, mixture_tab
from .escaping import as_html

if TYPE_CHECKING:
    from bokeh.document import Document

    from .session import Session

POLLING, WARMING = 30, 300  # milliseconds: between looks at the process of a page, and until it is started
TABS = {"Mixture": mixture_tab.build, "Fit": fit_tab.build, "Judge": judge_tab.build}


def fill(document: Document, session: Session) -> None:
    """Put the page of a session into a document."""
    document.title = "xdgmm explore"
    document.template = _template()
    message = Div(name="message", visible=False, sizing_mode="stretch_width", disable_math=True)

    def show_message() -> None:
        said = session.message
        message.visible = said is not None
        message.css_classes = [] if said is None else [said.kind]
        message.text = "" if said is None else as_html(said.text)

    session.listen("message", show_message)
    panels = [TabPanel(child=build(session), title=title) for title, build in TABS.items()]
    tabs = Tabs(tabs=panels, name="tabs", sizing_mode="stretch_width")
    document.add_periodic_callback(session.worker.poll, POLLING)
    document.add_timeout_callback(session.worker.warm, WARMING)  # after the page is drawn
    document.add_root(Column(message, tabs, name="page", sizing_mode="stretch_width"))


def _template() -> str:
    return (files("xdgmm.explore") / "page.html").read_text(encoding="utf-8")
