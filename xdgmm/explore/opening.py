"""Start the server, open the browser, and stay until Ctrl-C."""

from __future__ import annotations

import signal
import threading
import webbrowser
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xdgmm.files import ENDING_SIGNALS

from .extra import needing_bokeh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .data_sets import DataSet


def explore(
    data: DataSet | None = None,
    *,
    port: int = 0,
    browser: bool = True,
    when_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the page until the program is interrupted; only this machine can see it.

    Parameters
    ----------
    data : DataSet, optional
        What is shown first; blobs by default.
    port : int
        Of the server; 0 takes a free one.
    browser : bool
        Whether the page is opened in the user's browser.
    when_ready : callable, optional
        Is given the address of the page once it can be opened.

    Raises
    ------
    InputError
        If bokeh is not installed, or the port is in use.
    """
    with needing_bokeh():
        from .server import PageServer
    from .data_sets import blobs

    server = PageServer(blobs() if data is None else data, port)
    try:
        with _ended_by_signals(server.stop) as received:
            if when_ready is not None:
                when_ready(server.url)
            if browser:  # a browser in the terminal would keep the server from answering it
                threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
            server.run()
    finally:
        server.close()
    for number in received:
        if number != signal.SIGINT:
            signal.raise_signal(number)


@contextmanager
def _ended_by_signals(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Context in which signals that end a program call a function instead of raising an exception anywhere."""
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        received.append(number)
        stop()

    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, *ENDING_SIGNALS) if main}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
