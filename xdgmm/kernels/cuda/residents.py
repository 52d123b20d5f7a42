"""Blocks in the memory of a card: kept there while the arrays of this machine exist, or streamed where they are larger.

Segments are parts of the objects that begin at whole chunks.  How many there are changes no sum: chunks are the same.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.kernels.compiled import LANES

from .transfers import Transfers

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from numpy.typing import NDArray

    from xdgmm.kernels.blocks import Blocks

    from .card import Card, Mark, Memory

SEGMENT = 1 << 29  # bytes that are sent, or come back, at once
RESERVED = 8  # the part of a card's memory, one in so many, that no copy takes: for sums and numbers of objects


@dataclass(frozen=True, eq=False)
class Segment:
    """Some of the objects of blocks, in the memory of a card.

    Attributes
    ----------
    memory : Memory
        Where the first of their blocks begins.
    every : int
        One of so many blocks there is taken.
    first : int
        Which object is the first one.
    n_objects : int
        With the padding.
    copy : hashable, optional
        Of which copy they are part: it stays while the segment is used.
    """

    memory: Memory
    every: int
    first: int
    n_objects: int
    copy: Hashable = None

    def n_chunks(self, size: int) -> int:
        """Number of chunks of so many objects."""
        return -(-self.n_objects // size)


@dataclass(eq=False)
class Held:
    """What the engines of a card in this process have there together.

    Attributes
    ----------
    transfers : Transfers
    copies : dict
        The one that was used last is at the end.
    used : dict
        When each array was asked for, also those without a copy.
    now : int
    lock : RLock
        Of the thread that uses the card.
    process : int
    """

    transfers: Transfers
    copies: dict[_Key, Memory] = field(default_factory=dict)
    used: dict[_Key, int] = field(default_factory=dict)
    now: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    process: int = field(default_factory=os.getpid)


class Residents:
    """Copies of the arrays of blocks on a card.

    An array that does not fit is sent anew for each pass, while kernels run over the part before; of a sample of its
    blocks a copy of its own is kept.  On a full card an array takes the place of others if it is asked for twice while
    they are not: of arrays that are asked for in turn, as parts of a catalogue are, as many stay as there is room for.

    Parameters
    ----------
    card : Card
    number : type
        Of the numbers there: float64 or float32.
    beside : Residents, optional
        Others on the same card: all count as one where memory is short, and copies of the same numbers are shared.
    """

    def __init__(self, card: Card, number: Any, beside: Residents | None = None) -> None:
        self.card, self.number = card, np.dtype(number)
        self.held: Held = Held(Transfers(card)) if beside is None else beside.held

    @property
    def copies(self) -> dict[_Key, Memory]:
        """Those on the card, the one that was used last at the end."""
        return self.held.copies

    @property
    def transfers(self) -> Transfers:
        """The ways to the card and back."""
        return self.held.transfers

    def segments(self, blocks: Blocks, multiple: int, beside: int = 0) -> Iterator[Segment]:
        """The objects of blocks, in parts that begin at a multiple of so many objects.

        For each object the caller needs memory of `beside` bytes meanwhile.
        """
        n = blocks.n_blocks * LANES
        of_block = self.number.itemsize * math.prod(blocks.data.shape[1:])
        held = self._held(blocks)
        if held is not None and not self._has_room(min(n, multiple) * beside, held.key):
            self.copies.pop(held.key, None)
            held = None
        if held is None:
            yield from self._streamed(blocks, multiple, of_block // LANES, beside)
            return
        length = n
        most = min(SEGMENT, self.card.free_bytes() // 2)
        if beside * n > most:
            length = _multiple(most // beside, multiple)
        for first in range(0, n, length):
            count = min(length, n - first)
            start = held.memory.at(first // LANES * held.every * of_block)
            yield Segment(start, held.every, first, count, held.key)

    def allocate(self, n_bytes: int, segment: Segment | None = None) -> Memory:
        """Memory for a pass, for which copies are dropped, but that of the segment in use.

        Raises
        ------
        InputError
            If the card does not have so much.
        """
        while True:
            try:
                return self.card.allocate(n_bytes)
            except MemoryError:
                if not self._drop(None if segment is None else segment.copy):
                    raise InputError(
                        f"the card {self.card.name} has too little memory for this pass: it needs {_size(n_bytes)} at "
                        f"once, and {_size(self.card.free_bytes())} are free; choose the device 'cpu'"
                    ) from None

    def to_send(self, blocks: Blocks) -> tuple[int, bool]:
        """Bytes that a pass over blocks sends first, and whether a copy is kept for the next one."""
        owner = _owner(blocks.data)
        of_taken = _Key.of_taken(owner, self.number, blocks)
        if _Key.of(owner, self.number) in self.copies or of_taken in self.copies:
            return 0, True
        whole = owner.size * self.number.itemsize
        if self._could_hold(whole):
            return whole, True
        taken = blocks.n_blocks * math.prod(blocks.data.shape[1:]) * self.number.itemsize
        return taken, self._could_hold(taken)

    def send(self, numbers: NDArray[np.float64]) -> None:
        """Send an array to memory that is free again afterwards, and wait until it is there."""
        memory = self.allocate(numbers.size * self.number.itemsize)
        self.transfers.send(numbers, memory, self.card.mark(), self.number)
        self.card.wait(self.card.mark())

    def _held(self, blocks: Blocks) -> _Start | None:
        """The copy that has the blocks; None if they do not fit."""
        owner, (n_blocks, every) = _owner(blocks.data), blocks.taken
        key, of_taken = _Key.of(owner, self.number), _Key.of_taken(owner, self.number, blocks)
        whole = self._copy(key, owner, owner.reshape(-1))
        if whole is not None:
            return _Start(key, whole.at(of_taken.first * self.number.itemsize), every)
        part = self._copy(of_taken, owner, blocks.data[: n_blocks * every : every])
        return None if part is None else _Start(of_taken, part, 1)

    def _copy(self, key: _Key, owner: NDArray[Any], source: NDArray[Any]) -> Memory | None:
        """The copy that is there, or is made now; None if there is no room for it."""
        held = self.held
        before, held.now = held.used.get(key, 0), held.now + 1
        if before == 0:
            weakref.finalize(owner, self._forget, key).atexit = False
        held.used[key] = held.now
        memory = self.copies.pop(key, None)
        if memory is None:
            memory = self._room(source.size * self.number.itemsize, before)
            if memory is None:
                return None
            self.transfers.send(source, memory, self.card.mark(), self.number)
        self.copies[key] = memory  # at the end: it was used last
        return memory

    def _room(self, n_bytes: int, since: int) -> Memory | None:
        """Memory for a copy, for which those are dropped that were not used since it was asked for before."""
        reserved = self._all_bytes() // RESERVED
        lacking = n_bytes + reserved - self.card.free_bytes()
        dropped = []
        for key, held in [(key, memory.n_bytes) for key, memory in list(self.copies.items())]:
            if lacking > 0 and self.held.used.get(key, 0) < since:
                dropped.append(key)
                lacking -= held
        if lacking > 0:
            return None
        for key in dropped:
            self.copies.pop(key, None)
        try:
            return self.card.allocate(n_bytes)
        except MemoryError:  # free, but not in one piece
            return None

    def _all_bytes(self) -> int:
        """Memory that is free, or held by copies."""
        return self.card.free_bytes() + sum(each.n_bytes for each in list(self.copies.values()))

    def _could_hold(self, n_bytes: int) -> bool:
        """Does a copy fit, if all others are dropped?"""
        all_bytes = self._all_bytes()
        return n_bytes <= all_bytes - all_bytes // RESERVED

    def _has_room(self, n_bytes: int, but: Hashable = None) -> bool:
        """Are so many bytes free, if need be when copies are dropped, but one?"""
        while self.card.free_bytes() < n_bytes:
            if not self._drop(but):
                return False
        return True

    def _drop(self, but: Hashable) -> bool:
        """Forget the copy that was used longest ago, but one; False if there is none."""
        oldest = next((key for key in list(self.copies) if key != but), None)
        if oldest is not None:
            self.copies.pop(oldest, None)
        return oldest is not None

    def _forget(self, key: _Key) -> None:
        """An array of this machine is gone; in a process that was forked the card's memory is not ours to free."""
        if os.getpid() == self.held.process:
            self.copies.pop(key, None)
            self.held.used.pop(key, None)

    def _streamed(self, blocks: Blocks, multiple: int, of_object: int, beside: int) -> Iterator[Segment]:
        """Parts that are sent to two places in turn, each when the kernels that read the one before have ended.

        There is one place where the card is too small for two.
        """
        n, every = blocks.n_blocks * LANES, blocks.taken[1]
        room = self.card.free_bytes() * 3 // 4
        most = min(SEGMENT // of_object, room // (2 * of_object + beside))
        length = min(_multiple(most, multiple), _multiple(n + multiple - 1, multiple))
        places = [self.allocate(length * of_object)]
        if length < n and self._has_room(length * (of_object + beside)):
            places.append(self.allocate(length * of_object))
        marks: list[Mark] = [self.card.mark() for _ in places]
        for i, first in enumerate(range(0, n, length)):
            count, place = min(length, n - first), i % len(places)
            rows = slice(first // LANES * every, (first + count) // LANES * every, every)
            self.transfers.send(blocks.data[rows], places[place], marks[place], self.number)
            yield Segment(places[place], 1, first, count)
            marks[place] = self.card.mark()


@dataclass(frozen=True)
class _Key:
    """Which numbers of which array, as what: n_blocks times, one of every few, from the first number on."""

    owner: int
    number: np.dtype[Any]
    first: int = 0
    n_blocks: int = 0
    every: int = 1

    @classmethod
    def of(cls, owner: NDArray[Any], number: np.dtype[Any]) -> _Key:
        """All of an array."""
        return cls(id(owner), number)

    @classmethod
    def of_taken(cls, owner: NDArray[Any], number: np.dtype[Any], blocks: Blocks) -> _Key:
        """Those that blocks take."""
        first = (blocks.data.ctypes.data - owner.ctypes.data) // blocks.data.itemsize
        return cls(id(owner), number, first, *blocks.taken)


@dataclass(frozen=True)
class _Start:
    """Where, in a copy, blocks begin, one of how many is taken."""

    key: _Key
    memory: Memory
    every: int


def _multiple(number: int, of: int) -> int:
    """The largest multiple that is not above a number, but at least one."""
    return max(number // of, 1) * of


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.3g} GB"


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    """The array of numbers whose memory this one is a view of."""
    while isinstance(array.base, np.ndarray) and array.base.dtype == array.dtype and array.base.flags.c_contiguous:
        array = array.base
    return array
