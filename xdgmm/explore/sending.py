"""Files that the user's browser keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import ColumnDataSource, CustomJS

if TYPE_CHECKING:
    from .downloads import Download

SAVE = """
const [name, kind, content] = [source.data.name[0], source.data.kind[0], source.data.content[0]]
const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0))
const link = document.createElement("a")
link.href = URL.createObjectURL(new Blob([bytes], {type: kind}))
link.download = name
link.click()
setTimeout(() => URL.revokeObjectURL(link.href), 10000)
"""


class Sender:
    """Sends files to the browser, which keeps them.

    Parameters
    ----------
    name : str
        Of the model of bokeh.

    Attributes
    ----------
    source : ColumnDataSource
        What is on its way; it must belong to the page.
    """

    def __init__(self, name: str) -> None:
        self.source = ColumnDataSource({"name": [], "kind": [], "content": [], "number": []}, name=name)
        self.source.js_on_change("data", CustomJS(args={"source": self.source}, code=SAVE))
        self._n_sent = 0

    def send(self, made: Download) -> None:
        """Send one; it stays in the source, because the browser may look for it a moment later."""
        self._n_sent += 1  # the same file can be sent twice
        columns = {"name": made.name, "kind": made.kind, "content": made.as_text, "number": self._n_sent}
        self.source.data = {name: [value] for name, value in columns.items()}
