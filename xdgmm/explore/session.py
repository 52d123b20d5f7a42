"""What one page knows: its data set, its mixture, its last sentence, and who hears when they change."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdgmm.errors import XdgmmError, XdgmmWarning

from .advice import on_the_page
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xdgmm.fitting import FitResult
    from xdgmm.mixture import GaussianMixture

    from .data_sets import DataSet
    from .fit_state import FitState

CHANGES = ("data", "mixture", "selection", "tab", "message", "tick")


@dataclass(frozen=True)
class Message:
    """A sentence for the user.

    Attributes
    ----------
    text : str
        Not escaped.
    kind : str
        "error", "warning" or "note".
    """

    text: str
    kind: str = "note"


class Session:
    """What one page knows; each page has its own.

    Parameters
    ----------
    data : DataSet
        The first data set.

    Attributes
    ----------
    data : DataSet
    mixture : GaussianMixture or None
        The present mixture, in the units of the data; None after a new data set.
    result : FitResult or None
        Of the fit that ended with this mixture; None while it moves.
    fit : FitState or None
        How the tab Fit came to this mixture; None before there is such a tab.
    selection : tuple of int
        Rows that are highlighted in every picture, in their order.
    tab : str
        Title of the tab that is shown.
    message : Message or None
    worker : Worker
        Its process, for what takes long.
    """

    def __init__(self, data: DataSet) -> None:
        self.data = data
        self.mixture: GaussianMixture | None = None
        self.result: FitResult | None = None
        self.fit: FitState | None = None
        self.selection: tuple[int, ...] = ()
        self.tab = ""
        self.message: Message | None = None
        self._listeners: dict[str, list[Callable[[], None]]] = {change: [] for change in CHANGES}
        self.worker = Worker()
        self._waiting: list[Callable[[], None]] = []
        self._closing: list[Callable[[], None]] = [self.worker.close]

    def listen(self, change: str, listener: Callable[[], None]) -> None:
        """Call a function after each change of "data", "mixture" (with its result), "selection", "tab" or "message".

        "tick" is many times a second, after what the process has sent was passed on.
        """
        self._listeners[change].append(listener)

    def _tell(self, change: str) -> None:
        for listener in self._listeners[change]:
            listener()

    def tick(self) -> None:
        """Pass on what the process has sent; the page calls it many times a second."""
        self.worker.poll()
        if self._waiting and not self.worker.is_busy:
            with self.reporting():
                self._waiting.pop(0)()
        self._tell("tick")

    def when_idle(self, start: Callable[[], None]) -> None:
        """Call a function once when the process has nothing to do, at once or at one of the next ticks."""
        self._waiting.append(start)
        self.tick()

    def set_data(self, data: DataSet) -> None:
        """Explore other data; mixture and selection of the old ones are dropped."""
        self.data, self.mixture, self.result, self.selection = data, None, None, ()
        for change in ("data", "mixture", "selection"):
            self._tell(change)

    def set_mixture(self, mixture: GaussianMixture | None, result: FitResult | None = None) -> None:
        """Show another mixture, with the result of its fit where it has ended."""
        self.mixture, self.result = mixture, result
        self._tell("mixture")

    def select(self, rows: Iterable[int]) -> None:
        """Highlight rows in every picture; those that are highlighted already change nothing."""
        rows = tuple(sorted(set(rows)))
        if rows != self.selection:
            self.selection = rows
            self._tell("selection")

    def show_tab(self, title: str) -> None:
        """Note which tab is shown."""
        self.tab = title
        self._tell("tab")

    def say(self, text: str, kind: str = "note") -> None:
        """Show a sentence above the tabs, with its advice in words of the page; an empty one removes the last."""
        self.message = Message(on_the_page(text), kind) if text else None
        self._tell("message")

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Context in which an error of the package becomes its one sentence on the page, and so do warnings."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", XdgmmWarning)
            try:
                yield
            except XdgmmError as error:
                self.say(str(error), "error")
                return
            except MemoryError as error:
                self.say(f"the memory is not enough ({str(error) or 'no details'})", "error")
                return
        sentences = [str(each.message) for each in caught if issubclass(each.category, XdgmmWarning)]
        if sentences:
            self.say("; ".join(dict.fromkeys(sentences)), "warning")

    def when_closed(self, end: Callable[[], None]) -> None:
        """Call a function once when the page is closed."""
        self._closing.append(end)

    def close(self) -> None:
        """End everything that belongs to the page."""
        while self._closing:
            self._closing.pop()()
