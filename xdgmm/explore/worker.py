"""A process that computes for one page, so that the page answers meanwhile and can end what takes too long.

The process is started anew where it has to be killed.  It ends with the page: what is sent to it comes through a pipe,
and it ends where the other end of this is closed.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError, XdgmmError, XdgmmWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

PATIENCE = 0.25  # seconds in which what is cancelled may end by itself, before its process is killed
READY, REPORT, DONE, FAILED, CANCELLED = "ready", "report", "done", "failed", "cancelled"


class Cancelled(Exception):  # noqa: N818 - a signal to the task, not an error
    """The page does not want the result any more."""


class Reporter:
    """What a task is given first: it sends what it has reached, and learns from the call whether it is still wanted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, value: object) -> None:
        """Send a value to the page.

        Raises
        ------
        Cancelled
            If the task is cancelled.
        """
        self.check()
        self._connection.send((REPORT, value))

    def check(self) -> None:
        """Raise `Cancelled` if the task is cancelled."""
        if self._connection.poll():
            raise Cancelled(self._connection.recv())

    def wait(self, seconds: float) -> None:
        """Do nothing for some time, unless the task is cancelled meanwhile."""
        if self._connection.poll(seconds):
            raise Cancelled(self._connection.recv())


@dataclass(frozen=True)
class Job:
    """A task with its arguments, and who is told of it."""

    task: Callable[..., Any]
    arguments: tuple[Any, ...]
    on_report: Callable[[Any], None]
    on_done: Callable[[Any], None]
    on_failed: Callable[[str], None]
    on_cancelled: Callable[[], None]


def _ignore(*_: object) -> None:
    pass


class Worker:
    """The process, seen from the page.

    Nothing here waits for it: `poll`, which the page calls many times a second, passes on what has come.

    Attributes
    ----------
    is_busy : bool
        Is a task waiting or running?
    """

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._is_ready = False
        self._waiting: Job | None = None
        self._running: Job | None = None
        self._deadline: float | None = None

    @property
    def is_busy(self) -> bool:
        """Is a task waiting or running?"""
        return self._waiting is not None or self._running is not None

    def warm(self) -> None:
        """Start the process now, so that the first task need not wait for it."""
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True, name="xdgmm explore")
        with _without_ctrl_c():
            self._process.start()
        other.close()

    def start(
        self,
        task: Callable[..., Any],
        *arguments: Any,
        on_done: Callable[[Any], None] = _ignore,
        on_report: Callable[[Any], None] = _ignore,
        on_failed: Callable[[str], None] = _ignore,
        on_cancelled: Callable[[], None] = _ignore,
    ) -> None:
        """Run a task in the process.

        Parameters
        ----------
        task : callable
            A function of a module, which is given a `Reporter` and the arguments.
        *arguments
            What can be pickled.
        on_done : callable
            Is given the result, by `poll`, as are the others.
        on_report : callable
            Is given each value that the task reports.
        on_failed : callable
            Is given one sentence if the task raises an error of the package, or its process ends.
        on_cancelled : callable
            Is called if the task has been cancelled.

        Raises
        ------
        InputError
            If another task is running.
        """
        if self.is_busy:
            raise InputError("something is still being computed; wait for it or cancel it first")
        self.warm()
        self._waiting = Job(task, arguments, on_report, on_done, on_failed, on_cancelled)
        self.poll()

    def cancel(self) -> None:
        """End the task: at its next report, or with its process where none comes within a fraction of a second."""
        if self._waiting is not None:
            job, self._waiting = self._waiting, None
            job.on_cancelled()
        elif self._running is not None and self._deadline is None:
            assert self._connection is not None
            self._deadline = time.monotonic() + PATIENCE
            with suppress(OSError):
                self._connection.send(CANCELLED)

    def poll(self) -> None:
        """Pass on what the process has sent, and send it what is waiting."""
        while (message := self._message()) is not None:
            self._take(*message)
        if self._is_ready and self._waiting is not None:
            assert self._connection is not None
            self._running, self._waiting = self._waiting, None
            with suppress(OSError):
                self._connection.send((self._running.task, self._running.arguments))
        if self._process is not None and self._process.exitcode is not None:
            self._lost(self._process.exitcode)
        elif self._deadline is not None and time.monotonic() > self._deadline:
            job = self._running
            self.close()
            self.warm()
            if job is not None:
                job.on_cancelled()

    def _message(self) -> tuple[str, Any] | None:
        """What the process has sent, or None."""
        with suppress(EOFError, OSError):
            if self._connection is not None and self._connection.poll():
                message: tuple[str, Any] = self._connection.recv()
                return message
        return None

    def _take(self, kind: str, value: Any) -> None:
        """Pass on one message."""
        if kind == READY:
            self._is_ready = True
            return
        job = self._running
        assert job is not None, "only a running task sends messages"
        if kind == REPORT:
            if self._deadline is None:
                job.on_report(value)
            return
        was_cancelled = self._deadline is not None
        self._running = self._deadline = None
        if kind == CANCELLED or was_cancelled:
            job.on_cancelled()
        elif kind == DONE:
            job.on_done(value)
        else:
            job.on_failed(value)

    def _lost(self, exitcode: int) -> None:
        """What to do where the process has ended by itself."""
        job = self._running or self._waiting
        was_cancelled = self._deadline is not None
        self.close()
        if job is not None and was_cancelled:
            job.on_cancelled()
        elif job is not None:
            job.on_failed(
                f"the process that computes has ended (exit code {exitcode}), perhaps because the memory was not "
                "enough; try again with fewer objects"
            )

    def close(self) -> None:
        """End the process, whatever it does."""
        self._waiting = self._running = self._deadline = None
        self._is_ready = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._process = None


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Context that hides Ctrl-C from processes that start in it; it reaches this one at the end."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """What the process does: one task after the other, until the page is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too; the server ends it
    _warm_up()
    with suppress(EOFError, OSError):
        connection.send((READY, None))
        while True:
            received = connection.recv()
            if received != CANCELLED:  # which comes too late for the last task
                connection.send(_answer(Reporter(connection), *received))


def _answer(report: Reporter, task: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    """The message with the result of a task."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", XdgmmWarning)  # results hold what they warn of
            return DONE, task(report, *arguments)
    except Cancelled:
        return CANCELLED, None
    except XdgmmError as error:
        return FAILED, str(error)
    except MemoryError as error:
        return FAILED, f"the memory is not enough ({str(error) or 'no details'})"


def _warm_up() -> None:
    """Load what fits need: the kernels of one and two columns."""
    import numpy as np

    from xdgmm.fitting import fit
    from xdgmm.observations import Observations

    rng = np.random.default_rng(0)
    for n_columns in (1, 2):
        values = rng.standard_normal((20, n_columns))
        fit(Observations.exact(values))
        fit(Observations.with_standard_errors(values, np.ones_like(values)))
