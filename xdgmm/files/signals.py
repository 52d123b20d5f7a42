"""Let the signals that end a program do so as an exception does, so that files are cleaned up."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def signals_as_exit() -> Iterator[None]:
    """Context in which SIGTERM and SIGHUP end the program through `SystemExit`, so that nothing temporary is left.

    A program that handles or ignores these signals itself keeps its ways.
    """
    changed = []
    if threading.current_thread() is threading.main_thread():
        changed = [number for number in ENDING_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in changed:
            signal.signal(number, _exit)
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
