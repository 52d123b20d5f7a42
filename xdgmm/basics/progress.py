"""Progress bars, the check of their settings, and the rows per second of readings and passes."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tqdm import tqdm

Part = TypeVar("Part")

DELAY = 1.0  # seconds that work may take before its bar appears
BETWEEN = 0.2  # seconds between two changes of what is shown within a pass
SHOW = ("auto", "always", "never")


def check_progress(progress: str, callback: object = None) -> None:
    """InputError if `progress` is not one of `SHOW`, or `callback` is not callable."""
    if progress not in SHOW:
        raise InputError(f"`progress` is {progress!r}, but it must be one of {', '.join(SHOW)}")
    if callback is not None and not callable(callback):
        raise InputError(f"`callback` is {callback!r}, but it must be a function of one argument, or None")


@contextmanager
def progress_bar(progress: str, unit: str = "passes", total: int | None = None) -> Iterator[tqdm | None]:
    """A bar on the standard error stream, or None; it remains on the screen only with "always"."""
    if progress == "never" or (progress == "auto" and not sys.stderr.isatty()):
        yield None
        return
    from tqdm import tqdm

    always = progress == "always"
    options = {"total": total, "unit": f" {unit}", "unit_scale": unit == "rows"}
    with tqdm(**options, leave=always, delay=0.0 if always else DELAY, file=sys.stderr) as bar:
        yield bar


_readings: ContextVar[str] = ContextVar("readings", default="never")
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def readings_shown(progress: str) -> Iterator[None]:
    """Readings that find what a catalogue holds show a bar, or not, as `progress` says."""
    token = _readings.set(progress)
    try:
        yield
    finally:
        _readings.reset(token)


@contextmanager
def reading_bar() -> Iterator[Callable[[int], object]]:
    """A function that takes the number of rows read since the last call, and shows them on a bar if these are shown."""
    with progress_bar(_readings.get(), "rows") as bar:
        if bar is not None:
            bar.set_description_str("reading")
        yield (lambda _: None) if bar is None else bar.update


class Watch:
    """Shows on a bar of passes how far the present pass is, its rows per second and its time left.

    Parameters
    ----------
    bar : tqdm bar
    name : callable
        Returns what is being done.
    """

    def __init__(self, bar: tqdm[Any], name: Callable[[], str]) -> None:
        self.bar, self.name = bar, name
        self.appears = time.monotonic() + bar.delay

    def begin(self, n_rows: int) -> None:
        """A pass over so many rows begins."""
        self.n_rows, self.done = n_rows, 0
        self.began = self.shown = time.monotonic()

    def add(self, n_rows: int) -> None:
        """So many more rows are done."""
        self.done += n_rows
        now = time.monotonic()
        if now < self.appears or now - self.shown < BETWEEN:
            return
        self.shown = now
        rate = self.done / (now - self.began)
        left = (self.n_rows - self.done) / rate
        done = 100.0 * self.done / max(self.n_rows, 1)
        text = f"{self.name()}, {done:.0f}% of this pass, {rate:.2g} rows/s, {left:.0f} s left"
        self.bar.set_description_str(text)


@contextmanager
def passes_watched(bar: tqdm[Any] | None, name: Callable[[], str]) -> Iterator[None]:
    """Passes over catalogues in parts show their rows per second and the time left on a bar, if there is one."""
    token = _watch.set(None if bar is None else Watch(bar, name))
    try:
        yield
    finally:
        _watch.reset(token)


def watched(parts: Iterable[Part], n_rows: int, length: Callable[[Part], int]) -> Iterator[Part]:
    """The parts of a pass over so many rows; the bar that is watched shows how far it is."""
    watch = _watch.get()
    if watch is None:
        yield from parts
        return
    watch.begin(n_rows)
    for part in parts:
        n = length(part)
        yield part
        del part  # the next one is made without it
        watch.add(n)
