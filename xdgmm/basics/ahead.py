"""`read_ahead`: the next item is made in a thread while the caller uses the present one."""

from __future__ import annotations

import contextvars
import queue
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")


def read_ahead(make: Callable[[], Iterable[Item]]) -> Iterator[Item]:
    """The items of an iterable, of which a thread makes the next one while the caller uses the present one.

    Parameters
    ----------
    make : callable
        Returns the iterable.  It is called and iterated in the thread.

    Yields
    ------
    item
        Two are in memory at most: that of the caller, and the next one.

    Raises
    ------
    Exception
        What the iterable raises.

    Notes
    -----
    The thread starts with the first item that is asked for.  It ends with the last one, or when the caller ends early
    (an exception or an interrupt closes the generator): it makes no further item, and has ended when the generator is
    closed.
    """
    reader = _Reader(make)
    reader.thread.start()
    try:
        while (item := reader.next_item()) is not _END:
            yield item
            del item
    finally:
        reader.stop()


_END: Any = object()


class _Reader(Generic[Item]):
    """A thread that iterates, one item ahead of its user."""

    def __init__(self, make: Callable[[], Iterable[Item]]) -> None:
        self.make = make
        self.made: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self.wanted = threading.Semaphore(1)
        self.stopped = False
        # The thread sees the context of its user: how NumPy treats floating-point errors is part of it.
        run = contextvars.copy_context().run
        self.thread = threading.Thread(target=run, args=(self._run,), name="xdgmm-reader", daemon=True)

    def next_item(self) -> Any:
        item, error = self.made.get()
        if error is not None:
            raise error
        self.wanted.release()
        return item

    def stop(self) -> None:
        self.stopped = True
        self.wanted.release()
        self.thread.join()

    def _run(self) -> None:
        try:
            self._iterate(iter(self.make()))
        except BaseException as error:  # noqa: BLE001 - raised again where the items are used
            self.made.put((None, error))

    def _iterate(self, items: Iterator[Item]) -> None:
        try:
            while True:
                self.wanted.acquire()
                if self.stopped:
                    return
                item = next(items, _END)
                self.made.put((item, None))
                if item is _END:
                    return
                del item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
