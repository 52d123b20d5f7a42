"""A server of pages that answers this machine only, and only pages of its own."""

from __future__ import annotations

import logging
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from xdgmm.errors import InputError

from .page import fill
from .session import Session
from .uploads import LARGEST_MESSAGE

if TYPE_CHECKING:
    from bokeh.document import Document
    from tornado.httputil import HTTPServerRequest

    from .data_sets import DataSet

LOOPBACK = "127.0.0.1"
NAMES = (LOOPBACK, "localhost")  # how a browser on this machine calls the server
LIFETIME, INTERVAL = 10_000, 1_000  # milliseconds: of a page after its tab was closed, and between looks for such
LARGEST_PORT = 65535


class Refused(RequestHandler):
    """What a request for another host, or from a page of another origin, is answered."""

    def prepare(self) -> None:
        """Answer 403, whatever is asked for."""
        self.set_status(403)
        self.finish("this server answers pages of its own on this machine only\n")

    def compute_etag(self) -> None:
        """None: there is nothing to keep."""


class Guarded(BokehTornado):
    """Bokeh's server, which refuses foreign hosts and origins on every route, static files and websocket too.

    A page on the web can reach servers on the user's machine: by a name of its own that leads here, which the
    header Host shows, or openly from its own origin.  A link to the page may stand anywhere, a frame or a script that
    shows it may not.  Bokeh itself looks at the origins of websockets alone.
    """

    hosts: frozenset[str] = frozenset()

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        """The handler of a request."""
        if request.host.lower() in self.hosts and self._may_ask(request):
            return super().find_handler(request, **options)
        return self.get_handler_delegate(request, Refused)

    def _may_ask(self, request: HTTPServerRequest) -> bool:
        """Does a request come from a page of this server, or from the user?"""
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self.hosts}:
            return False
        is_own = request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        return is_own or request.headers.get("Sec-Fetch-Dest") == "document"


class PageServer:
    """The server of pages, each of which has its own `Session`.

    Parameters
    ----------
    data : DataSet
        What a new page shows.
    port : int
        0 takes a free one.

    Attributes
    ----------
    url : str
        Of the page.  Everything is below a name that nobody guesses, so that other users of the machine do not find it.
    sessions : set of Session
        Those of all open pages.

    Raises
    ------
    InputError
        If the port cannot be used.
    """

    def __init__(self, data: DataSet, port: int = 0) -> None:
        self.data = data
        self.sessions: set[Session] = set()
        if not 0 <= port <= LARGEST_PORT:
            raise InputError(f"`port` is {port}, but ports are numbers from 0 (a free one) to {LARGEST_PORT}")
        try:
            sockets, port = bind_sockets(LOOPBACK, port)
        except OSError as error:
            raise InputError(
                f"`port` {port} cannot be used: {error.strerror or error}; leave it out for a free one"
            ) from None
        secret = token_urlsafe()
        self.url = f"http://{LOOPBACK}:{port}/{secret}"
        hosts = [f"{name}:{port}" for name in NAMES]
        application = Guarded(
            {"/": Application(FunctionHandler(self._fill))},
            prefix=secret,
            extra_websocket_origins=hosts,
            check_unused_sessions_milliseconds=INTERVAL,
            unused_session_lifetime_milliseconds=LIFETIME,
            websocket_max_message_size_bytes=LARGEST_MESSAGE,
        )
        application.hosts = frozenset(hosts)
        http = HTTPServer(application)
        http.add_sockets(sockets)
        logging.getLogger("tornado.access").setLevel(logging.ERROR)  # refusals are no news for the user
        self._server = BaseServer(IOLoop.current(), application, http)
        self._server.start()

    def _fill(self, document: Document) -> None:
        """A new page, with a session that ends with it."""
        session = Session(self.data)
        self.sessions.add(session)

        def end(_: Any) -> None:
            self.sessions.discard(session)
            session.close()

        document.on_session_destroyed(end)
        fill(document, session)

    def run(self) -> None:
        """Answer requests until `stop`."""
        self._server.io_loop.start()

    def stop(self) -> None:
        """Let `run` return; a handler of signals, or another thread, may call it."""
        loop = self._server.io_loop
        loop.asyncio_loop.call_soon_threadsafe(loop.stop)

    def close(self) -> None:
        """End the server, and everything that belongs to its pages."""
        self._server.stop(wait=False)
        while self.sessions:
            self.sessions.pop().close()
