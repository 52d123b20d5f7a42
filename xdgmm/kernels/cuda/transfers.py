"""Large arrays to and from a card: in pieces, through two page-locked buffers, beside the kernels that run."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.kernels.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .card import Card, Mark, Memory

PIECE = 1 << 26  # bytes of a buffer
SMALL = 1 << 20  # bytes that go without one
LEAST_PART = 1 << 19  # bytes that are worth a thread
LARGEST = 1e38  # that becomes a number with 32 bits, and leaves room for what is added to it


class Transfers:
    """Copies between arrays of this machine and the memory of a card.

    While the card copies from one buffer, or to it, threads fill or empty the other one.

    Parameters
    ----------
    card : Card
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        self.buffers: list[NDArray[np.uint8]] = []
        self.marks: list[Mark | None] = [None, None]
        self.turn = 0
        self.pool: ThreadPoolExecutor | None = None

    def send(self, source: NDArray[np.float64], memory: Memory, after: Mark, number: np.dtype[Any]) -> None:
        """Copy an array, contiguous or not, to a card, as float64 or float32; it may be changed when this returns.

        Kernels up to the mark `after` may still use the memory; those that are begun later wait for the copy.
        """
        size = number.itemsize * math.prod(source.shape[1:])
        if size * len(source) <= SMALL:
            staged = np.empty(source.shape, number)
            _convert(staged, source)
            self.card.upload(staged, memory)
            return
        for part in _pieces(len(source), size):
            staged = self._buffer((part.stop - part.start) * size).view(number)
            staged = staged.reshape(-1, *source.shape[1:])
            self._copy(staged, source[part])
            self.marks[self.turn] = self.card.send(staged, memory.at(part.start * size), after)

    def receive(self, memory: Memory, target: NDArray[np.float64]) -> None:
        """Fill a contiguous array with what the kernels that were begun so far leave in the memory."""
        size = target.itemsize * math.prod(target.shape[1:])
        if target.nbytes <= SMALL:
            self.card.download(memory, target)
            return
        after = self.card.mark()
        before = None
        for part in _pieces(len(target), size):
            staged = self._buffer((part.stop - part.start) * size).view(target.dtype)
            mark = self.card.receive(memory.at(part.start * size), staged, after)
            self.marks[self.turn] = mark
            if before is not None:
                self._take(*before)
            before = mark, staged, target[part]
        if before is not None:
            self._take(*before)

    def _copy(self, target: NDArray[Any], source: NDArray[np.float64]) -> None:
        """Copy in several threads.

        They are no others': threads of passes may wait for the card, which waits for this copy.
        """
        n = len(target)
        parts = min(target.nbytes // LEAST_PART, get_num_threads(), n)
        if parts < 2:
            _convert(target, source)
            return
        if self.pool is None:
            self.pool = ThreadPoolExecutor(get_num_threads(), thread_name_prefix="xdgmm-card")
        rows = [slice(n * i // parts, n * (i + 1) // parts) for i in range(parts)]
        list(self.pool.map(_convert, [target[each] for each in rows], [source[each] for each in rows]))

    def _take(self, mark: Mark, staged: NDArray[np.float64], target: NDArray[np.float64]) -> None:
        self.card.wait(mark)
        self._copy(target.reshape(-1), staged)

    def _buffer(self, n_bytes: int) -> NDArray[np.uint8]:
        """The buffer whose turn it is, when the card no longer uses it."""
        if not self.buffers:
            self.buffers = [self.card.staging(PIECE) for _ in range(2)]
        self.turn = 1 - self.turn
        mark = self.marks[self.turn]
        if mark is not None:
            self.card.wait(mark)
        return self.buffers[self.turn][:n_bytes]


def _pieces(n: int, size: int) -> Iterator[slice]:
    """Rows of so many bytes that fit into a buffer together."""
    count = PIECE // size
    return (slice(first, min(first + count, n)) for first in range(0, n, count))


def _convert(target: NDArray[Any], source: NDArray[np.float64]) -> None:
    """Copy; numbers that 32 bits cannot hold become the largest ones."""
    if target.dtype == source.dtype:
        np.copyto(target, source)
    else:
        with np.errstate(under="ignore"):
            np.clip(source, -LARGEST, LARGEST, out=target, casting="same_kind")
