"""How fast pictures may follow each other: no faster than the browser draws them."""

from __future__ import annotations

import time

from bokeh.models import ColumnDataSource, CustomJS

LEAST, MOST = 0.03, 0.3  # seconds between an answer and the next frame
# Answered after it is drawn; a page that nobody sees draws nothing, and is sent nothing more until it is seen.
ANSWER = """
const sent = frames.data.sent
requestAnimationFrame(() => setTimeout(() => { answers.data = {seen: sent} }))
"""


class Frames:
    """Counts what is sent to the browser to be drawn, and hears when it is.

    Between two frames the browser has about as much time for everything else as the last one took.

    Parameters
    ----------
    name : str
        Of the model of bokeh that is told of each frame.

    Attributes
    ----------
    sources : tuple of ColumnDataSource
        What is sent, and the answers; they must belong to the page.
    """

    def __init__(self, name: str) -> None:
        frames = ColumnDataSource({"sent": [0]}, name=name)
        answers = ColumnDataSource({"seen": [0]})
        frames.js_on_change("data", CustomJS(args={"frames": frames, "answers": answers}, code=ANSWER))
        answers.on_change("data", self._hear)
        self.sources = frames, answers
        self._n_sent, self._n_seen = 0, 0
        self._sent_at = self._due_at = 0.0

    def begin(self) -> None:
        """Begin a series: its first frame waits for nothing that was sent before."""
        self._n_seen, self._due_at = self._n_sent, 0.0

    def sent(self) -> None:
        """Tell the browser that this was all of a frame."""
        self._n_sent += 1
        self._sent_at = time.monotonic()
        self.sources[0].data = {"sent": [self._n_sent]}

    @property
    def are_due(self) -> bool:
        """May another frame be sent?"""
        return self._n_seen == self._n_sent and time.monotonic() >= self._due_at

    def _hear(self, _attribute: str, _old: object, new: dict[str, list[int]]) -> None:
        self._n_seen = max(self._n_seen, int(new["seen"][0]))
        now = time.monotonic()
        self._due_at = now + min(max(LEAST, now - self._sent_at), MOST)
