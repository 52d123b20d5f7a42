"""Blocks in the memory of a card: kept there while the arrays of this machine exist."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.kernels.compiled import LANES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xdgmm.kernels.blocks import Blocks

    from .card import Card, Memory


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
    is_last : bool
    """

    memory: Memory
    every: int
    first: int
    n_objects: int
    is_last: bool

    def n_chunks(self, size: int) -> int:
        """Number of chunks of so many objects."""
        return -(-self.n_objects // size)


class Residents:
    """Copies of the arrays of blocks on a card.

    Parameters
    ----------
    card : Card
    number : type
        Of the numbers there: float64 or float32.
    """

    def __init__(self, card: Card, number: Any) -> None:
        self.card, self.number = card, number
        self.copies: dict[int, Memory] = {}

    def segments(self, blocks: Blocks, multiple: int) -> Iterator[Segment]:  # noqa: ARG002 - one segment
        """The objects of blocks, in parts that begin at a multiple of so many objects."""
        owner = _owner(blocks.data)
        offset = (blocks.data.ctypes.data - owner.ctypes.data) // blocks.data.itemsize
        memory = self._copy(owner).at(offset * np.dtype(self.number).itemsize)
        n_blocks, every = blocks.taken
        yield Segment(memory, every, 0, n_blocks * LANES, is_last=True)

    def _copy(self, owner: NDArray[Any]) -> Memory:
        key = id(owner)
        if key not in self.copies:
            memory = self.card.allocate(owner.size * np.dtype(self.number).itemsize)
            self.card.upload(np.ascontiguousarray(owner, dtype=self.number), memory)
            self.copies[key] = memory
            weakref.finalize(owner, self.copies.pop, key, None)
        return self.copies[key]


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    """The array whose memory this one is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
