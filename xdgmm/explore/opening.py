"""Start the server, open the browser, and stay until Ctrl-C."""

from __future__ import annotations

import threading
import webbrowser
from typing import TYPE_CHECKING

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .data_sets import DataSet

NEEDS_BOKEH = "exploring in the browser needs bokeh: pip install 'xdgmm[explore]'"


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
    try:
        from .server import PageServer
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("bokeh", "tornado"):
            raise
        raise InputError(NEEDS_BOKEH) from None
    from .data_sets import blobs

    server = PageServer(blobs() if data is None else data, port)
    try:
        if when_ready is not None:
            when_ready(server.url)
        if browser:  # a browser in the terminal would keep the server from answering it
            threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
