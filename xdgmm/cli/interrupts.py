"""Ctrl-C and SIGTERM: a command ends at once, and one sentence says what was kept."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Interrupts:
    """What a run of a command knows of interrupts, and of the files that it has written.

    Python raises `KeyboardInterrupt` wherever it is: inside a destructor or a callback it is only printed, and the
    program goes on.  The signal is therefore noted, and long loops `check` the note.
    """

    def __init__(self) -> None:
        self.written: list[Path] = []
        self._received = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Context of a run, at whose beginning nothing is written; Python's own handler is replaced by ours."""
        self.written, self._received = [], False
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, _number: int, _frame: object) -> None:
        self._received = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was a signal."""
        if self._received:
            raise KeyboardInterrupt

    def sentence(self) -> str:
        """What was kept."""
        if not self.written:
            return "no file was written"
        return f"complete are {', '.join(map(str, self.written))}; nothing else was written"


interrupts = Interrupts()  # of the command that runs
