"""Ctrl-C, SIGTERM and SIGHUP: a command ends at once, and one sentence says what was kept."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from xdgmm.files import ENDING_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AGAIN = 0.05  # seconds until a signal is sent again
PYTHONS_OWN: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    **dict.fromkeys(ENDING_SIGNALS, signal.SIG_DFL),
}


class Interrupts:
    """What a run of a command knows of signals that end it, and of the files that it has written.

    A signal raises an exception wherever Python is.  Inside a destructor or a callback Python only prints it, and the
    program goes on: the signal is then sent again.  An import may turn it into another exception, and a library may
    drop it: the signal is therefore noted, and long loops `check` the note.

    Attributes
    ----------
    received : int or None
        Number of the last signal.
    written : list of Path
    """

    def __init__(self) -> None:
        self.written: list[Path] = []
        self.received: int | None = None

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Context of a run, at whose beginning nothing is written; Python's own handlers are replaced by ours."""
        self.written, self.received = [], None
        main = threading.current_thread() is threading.main_thread()
        changed = [number for number, own in PYTHONS_OWN.items() if main and signal.getsignal(number) is own]
        hook = sys.unraisablehook
        try:
            sys.unraisablehook = partial(self._send_again, hook)
            for number in changed:
                signal.signal(number, self._note)
            yield
        finally:
            for number in changed:
                signal.signal(number, PYTHONS_OWN[number])
            sys.unraisablehook, self.received = hook, None

    def _note(self, number: int, _frame: object) -> None:
        self.received = number
        self._raise()

    def _raise(self) -> None:
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(self.exit_code)

    def _send_again(self, hook: Callable[[Any], object], lost: Any) -> None:
        if self.received is None or not isinstance(lost.exc_value, KeyboardInterrupt | SystemExit):
            hook(lost)
            return
        timer = threading.Timer(AGAIN, os.kill, (os.getpid(), self.received))
        timer.daemon = True
        timer.start()

    def check(self) -> None:
        """Raise the exception of the signal if there was one."""
        if self.received is not None:
            self._raise()

    @property
    def kind(self) -> str:
        """How the run ended, for a reader."""
        return "interrupted" if self.received in (None, signal.SIGINT) else "ended by a signal"

    @property
    def exit_code(self) -> int:
        """That of shells for a program that the signal has ended."""
        return 128 + (self.received or signal.SIGINT)

    def sentence(self) -> str:
        """What was kept."""
        if not self.written:
            return "no file was written"
        return f"complete are {', '.join(map(str, self.written))}; nothing else was written"


interrupts = Interrupts()  # of the command that runs
