"""Sums over numbered blocks in an order that depends on their numbers alone.

Blocks are added in pairs, 0 + 1, 2 + 3, ..., then the pairs in pairs, and so on: a binary tree.  Whoever holds some
blocks that follow each other adds what belongs together in this tree, and leaves the rest to others.  So the bits of
the whole sum are the same for any division of the blocks among processes.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Add = Callable[[Any, Any], Any]


class Branch(NamedTuple):
    """A part of the sum that belongs together.

    Attributes
    ----------
    level, place : int
        It is the sum over the blocks from ``place 2^level`` to ``(place + 1) 2^level - 1``.
    value
        Whatever can be added.
    """

    level: int
    place: int
    value: Any


def add_blocks(values: Iterable[Any], first: int = 0, plus: Add = add) -> list[Branch]:
    """The branches of the values of blocks that follow each other, of which the first has this number."""
    return join_branches((Branch(0, number, value) for number, value in enumerate(values, first)), plus)


def join_branches(branches: Iterable[Branch], plus: Add = add) -> list[Branch]:
    """The branches of blocks that follow each other, with all added that belong together; in the order of the blocks.

    Notes
    -----
    Few are held at once: about twice the logarithm of the number of blocks.
    """
    joined: list[Branch] = []
    for level, place, value in branches:
        while place % 2 and joined and joined[-1][:2] == (level, place - 1):
            level, place, value = level + 1, place // 2, plus(joined.pop().value, value)
        joined.append(Branch(level, place, value))
    return joined


def total_of(branches: Iterable[Branch], plus: Add = add) -> Any:
    """The sum over all blocks from number 0 on: that of its branches, the largest first."""
    return reduce(plus, (branch.value for branch in branches))


def total(values: Iterable[Any], plus: Add = add) -> Any:
    """The sum of the values of all blocks, in the order of the tree."""
    return total_of(add_blocks(values, 0, plus), plus)
