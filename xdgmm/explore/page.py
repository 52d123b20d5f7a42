"""One document: a line of messages above three tabs, and the model through which files come."""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bokeh.models import Column, ColumnDataSource, Div, InlineStyleSheet, TabPanel, Tabs

from . import fit_tab, judge_tab, mixture_tab
from .escaping import as_html
from .uploads import LARGEST, read_upload

if TYPE_CHECKING:
    from bokeh.document import Document

    from .session import Session

TABS = {"Mixture": mixture_tab.build, "Fit": fit_tab.build, "Judge": judge_tab.build}
WITHOUT_DATA, WITH_DATA = "Mixture", "Fit"  # the tab that is shown first: with a table of the user
POLLING, WARMING = 30, 300  # milliseconds: between looks at the process of a page, and until it is started with data
NO_FILE: dict[str, list[Any]] = {"name": [], "size": [], "content": []}
MESSAGES = """
:host { padding: 8px 12px; border-left: 5px solid #0072B2; background: #EEF4FA; font-size: 14px; }
:host(.error) { border-color: #D55E00; background: #FCEFE6; }
:host(.warning) { border-color: #E69F00; background: #FDF6E7; }
"""


def fill(document: Document, session: Session) -> None:
    """Put the page of a session into a document."""
    document.title = "xdgmm explore"
    document.template = (files("xdgmm.explore") / "page.html").read_text(encoding="utf-8")
    document.template_variables["largest_file"] = LARGEST
    document.add_periodic_callback(session.tick, POLLING)
    panels = [TabPanel(child=build(session), title=title) for title, build in TABS.items()]
    session.show_tab(WITHOUT_DATA if session.data.path is None else WITH_DATA)
    tabs = Tabs(tabs=panels, active=list(TABS).index(session.tab), name="tabs", sizing_mode="stretch_width")
    tabs.on_change("active", lambda _attribute, _old, new: session.show_tab(tabs.tabs[new].title))
    if session.tab == WITHOUT_DATA:
        session.listen("tab", session.worker.warm)
    else:
        document.add_timeout_callback(session.worker.warm, WARMING)  # after the page is drawn
    document.add_root(Column(_messages(session), tabs, name="page", sizing_mode="stretch_width"))
    document.add_root(_files(session, tabs))


def _messages(session: Session) -> Div:
    """The last sentence for the user."""
    line = Div(
        name="message",
        visible=False,
        sizing_mode="stretch_width",
        disable_math=True,
        stylesheets=[InlineStyleSheet(css=MESSAGES)],
    )

    def show() -> None:
        said = session.message
        line.visible = said is not None
        line.css_classes = [] if said is None else [said.kind]
        line.text = "" if said is None else as_html(said.text)

    session.listen("message", show)
    return line


def _files(session: Session, tabs: Tabs) -> ColumnDataSource:
    """The model that the page's own script fills with a file; the Fit tab then shows its table.

    In the browser ``document.getElementById("file").click()`` opens the dialogue in which a file is chosen.
    """
    source = ColumnDataSource(name="upload", data=NO_FILE)

    def take(_attribute: str, _old: object, new: dict[str, list[Any]]) -> None:
        if not new["name"]:
            return
        name, size, content = (new[key][0] for key in NO_FILE)
        source.data = NO_FILE  # its memory is not needed any more

        def show(data: Any) -> None:
            session.say("")
            session.set_data(data)
            tabs.active = list(TABS).index(WITH_DATA)

        given = str(name), int(size), str(content)
        failed = partial(session.say, kind="error")
        session.say(f"reading '{name}' ...")
        session.when_idle(
            partial(session.worker.start, read_upload, *given, on_done=show, on_failed=failed),
        )

    source.on_change("data", take)
    return source
