"""How a pass is spread over a card: threads, objects for each thread, what stays in shared memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from xdgmm.kernels.compiled import PROJECTED, element

if TYPE_CHECKING:
    from xdgmm.kernels.compiled import Layout

LARGEST_SHARED = 215_000  # bytes that the blocks of a multiprocessor share at most: the rest of its memory is cache
OF_BLOCK = 1024  # bytes that each block takes beside; a multiprocessor has so many more than one block can have


@dataclass(frozen=True)
class Tuning:
    """Choices that change the time of a pass, and the order of its sums, but nothing else.

    Attributes
    ----------
    threads : int
        Of a block; a multiple of 32.
    blocks : int
        That a multiprocessor should hold at once.
    per_thread : int
        Objects that a thread keeps.
    unrolled : int
        How many of them are treated at once; it divides their number.
    staged : bool
        Do the numbers of objects stay in shared memory?  Needed where a thread keeps more than it treats at once.
    stored : bool
        Do their densities under each component stay there?  Otherwise they are computed again.
    in_constant : bool
        Is the mixture in constant memory?
    whole : bool
        Do the sums of all components fit into shared memory?  Otherwise one component is summed after the other.
    """

    threads: int
    blocks: int
    per_thread: int
    unrolled: int
    staged: bool
    stored: bool
    in_constant: bool
    whole: bool = True

    @property
    def at_once(self) -> int:
        """Objects that a block of threads takes at once."""
        return self.threads * self.per_thread


# (threads, blocks, objects for each thread, treated at once), by number type and D, so that all numbers of an object
# stay in registers (nvcc 13.0 for an H200).  Four objects at once take the fewest instructions of each.
PLAIN = {
    "double": {1: (256, 2, 4, 4), 2: (128, 4, 4, 4), 3: (128, 4, 2, 2), 6: (128, 2, 1, 1)},
    "float": {1: (256, 3, 4, 4), 2: (256, 2, 4, 4), 3: (128, 5, 4, 2), 6: (128, 4, 2, 1)},
}
# With projections, masks, a background, memberships or sums of another kind there are more of them.
LARGER = {
    "double": PLAIN["double"] | {1: (256, 3, 2, 2), 2: (128, 4, 2, 2), 3: (128, 3, 2, 2)},
    "float": PLAIN["float"] | {1: (256, 2, 4, 4)},
}
OTHERS = (128, 1, 1, 1)


def shared_bytes(tuning: Tuning, n_components: int, n_sums: int, n_rows: int, real: str) -> int:
    """Shared memory of a block of threads."""
    numbers = tuning.at_once * (n_rows * tuning.staged + n_components * tuning.stored + 2)
    return 8 * (tuning.threads // 32) * (n_components * n_sums + 2) + (8 if real == "double" else 4) * numbers


def tuned(
    layout: Layout, n_components: int, n_sums: int, n_rows: int, real: str, *, in_constant: bool, largest: int
) -> Tuning:
    """The first choice for which shared memory has room; a block can have `largest` bytes.

    On cards with less of it a multiprocessor holds fewer blocks, before one component is summed after the other.
    """
    is_larger = len(layout.noise) == PROJECTED or layout.missing or layout.background or layout.memberships
    D = len(layout.dimensions)
    choices = LARGER if is_larger or n_sums != element(D, D) + 1 else PLAIN  # so many moments
    threads, most, per_thread, unrolled = choices[real].get(D, OTHERS)
    few = min(per_thread, 2)
    kept = (per_thread, True), (few, True), (1, True), (per_thread, False), (1, False)
    for blocks, (of, stored) in product(range(most, 0, -1), kept):
        at_once = min(unrolled, of)
        tuning = Tuning(threads, blocks, of, at_once, of > at_once, stored, in_constant)
        needed = blocks * shared_bytes(tuning, n_components, n_sums, n_rows, real)
        if needed <= min(largest - OF_BLOCK * (blocks - 1), LARGEST_SHARED):
            return tuning
    return Tuning(128, 1, 1, 1, staged=False, stored=False, in_constant=False, whole=False)
