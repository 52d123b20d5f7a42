"""One document: a line of messages above three tabs, and the model through which files come."""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bokeh.models import Column, ColumnDataSource, Div, InlineStyleSheet, TabPanel, Tabs, TextInput

from . import fit_tab, judge_tab, mixture_tab
from .escaping import as_html
from .uploads import LARGEST, read_upload

if TYPE_CHECKING:
    from bokeh.document import Document

    from .session import Session

TABS = {"Mixture": mixture_tab.build, "Fit": fit_tab.build, "Judge": judge_tab.build}
WITHOUT_DATA, WITH_DATA = "Mixture", "Fit"  # the tab that is shown first: with a table of the user
POLLING, WARMING = 30, 300  # milliseconds: between looks at the process of a page, and until it is started with data
SEVERAL = "`hdu`"  # in what is said of a file that holds several tables
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
    source, table = _files(session, tabs)
    document.add_root(Column(_messages(session), table, tabs, name="page", sizing_mode="stretch_width"))
    document.add_root(source)


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


def _files(session: Session, tabs: Tabs) -> tuple[ColumnDataSource, TextInput]:
    """The model that the page's own script fills with a file, and a field for its table, where it holds several.

    In the browser ``document.getElementById("file").click()`` opens the dialogue in which a file is chosen.  The tab
    Fit then shows its table.
    """
    source = ColumnDataSource(name="upload", data=NO_FILE)
    table = TextInput(name="upload_table", title="number or name of the table in this file", visible=False, width=280)
    given: list[tuple[str, int, str]] = []  # the file that holds several

    def take(_attribute: str, _old: object, new: dict[str, list[Any]]) -> None:
        if new["name"]:
            name, size, content = (new[key][0] for key in NO_FILE)
            source.data = NO_FILE  # its memory is not needed any more
            read(str(name), int(size), str(content))

    def take_table(_attribute: str, _old: str, new: str) -> None:
        if new.strip() and given:
            read(*given[0], hdu=new.strip())

    def read(name: str, size: int, content: str, **options: Any) -> None:
        def show(data: Any) -> None:
            given.clear()
            table.visible = False
            session.say("")
            session.set_data(data)
            tabs.active = list(TABS).index(WITH_DATA)

        def fail(sentence: str) -> None:
            table.visible = SEVERAL in sentence
            given[:] = [(name, size, content)] if table.visible else []
            session.say(sentence, "error")

        session.say(f"reading '{name}' ...")
        task = partial(read_upload, **options)
        session.when_idle(
            partial(session.worker.start, task, name, size, content, on_done=show, on_failed=fail),
        )

    source.on_change("data", take)
    table.on_change("value", take_table)
    return source, table
