"""How a pass is spread over a card: threads, objects for each thread, what stays in shared memory."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_SHARED = 215_000  # bytes that the blocks of a multiprocessor share, of the 227 kB that the largest cards have


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


# (threads, blocks, objects for each thread, unrolled), by number type and D: measured on an H200 by a prototype.
MEASURED = {
    "double": {1: (256, 3, 2, 2), 2: (128, 5, 2, 2), 3: (128, 4, 2, 2), 6: (128, 2, 1, 1)},
    "float": {1: (256, 3, 4, 4), 2: (256, 3, 4, 4), 3: (128, 5, 4, 2), 6: (128, 4, 2, 1)},
}
OTHERS = (128, 1, 1, 1)


def shared_bytes(tuning: Tuning, n_components: int, n_sums: int, n_rows: int, real: str) -> int:
    """Shared memory of a block of threads."""
    numbers = tuning.at_once * (n_rows * tuning.staged + n_components * tuning.stored + 2)
    return 8 * (tuning.threads // 32) * (n_components * n_sums + 2) + (8 if real == "double" else 4) * numbers


def tuned(
    n_dimensions: int, n_components: int, n_sums: int, n_rows: int, real: str, *, in_constant: bool, largest: int
) -> Tuning:
    """The first choice that leaves room in shared memory, of which a block can have `largest` bytes."""
    threads, blocks, per_thread, unrolled = MEASURED[real].get(n_dimensions, OTHERS)
    room = min(largest, LARGEST_SHARED)
    few = min(per_thread, 2)
    for of, stored in ((per_thread, True), (few, True), (1, True), (per_thread, False), (1, False)):
        at_once = min(unrolled, of)
        tuning = Tuning(threads, blocks, of, at_once, of > at_once, stored, in_constant)
        needed = shared_bytes(tuning, n_components, n_sums, n_rows, real)
        if needed <= largest and needed * blocks <= max(room, LARGEST_SHARED):
            return tuning
    return Tuning(128, 1, 1, 1, staged=False, stored=False, in_constant=False, whole=False)
