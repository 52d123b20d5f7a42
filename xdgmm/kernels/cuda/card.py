"""What an engine needs of a graphics card: memory, modules, launches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Argument: TypeAlias = "Memory | np.generic | None"


class Memory(Protocol):
    """Memory of a card; it is free again when nothing refers to it any more."""

    @property
    def n_bytes(self) -> int:
        """Its size."""

    def at(self, offset: int) -> Memory:
        """The rest of it from so many bytes on."""


class Program(Protocol):
    """A module that was compiled and loaded."""

    def launch(
        self, kernel: str, grid: tuple[int, int], threads: int, shared_bytes: int, arguments: Sequence[Argument]
    ) -> None:
        """Begin a kernel; those that were begun before end first.  None is a null pointer."""

    def hold(self, symbol: str, array: NDArray[Any]) -> None:
        """Write an array to constant memory, in the order of the launches."""


class Mark(Protocol):
    """A moment in the order of what a card does."""


class Card(Protocol):
    """A graphics card, or what stands for one in tests.

    Kernels run in the order in which they were begun.  Copies from and to staging memory run beside them, in an order
    of their own: after the kernels up to a mark, and before the kernels that are begun later.

    Attributes
    ----------
    name : str
    shared_bytes : int
        Largest shared memory of a block of threads.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def shared_bytes(self) -> int: ...  # noqa: D102

    def free_bytes(self) -> int:
        """Memory that is free."""

    def allocate(self, n_bytes: int) -> Memory:
        """Memory, not cleared.

        Raises
        ------
        MemoryError
            If there is not so much.
        """

    def upload(self, array: NDArray[Any], memory: Memory) -> None:
        """Copy a contiguous array to the card, in the order of the kernels; it may be changed when this returns."""

    def download(self, memory: Memory, array: NDArray[Any]) -> None:
        """Copy from the card to a contiguous array, when all that was begun has ended."""

    def staging(self, n_bytes: int) -> NDArray[np.uint8]:
        """Memory of this machine that a card reads and writes by itself."""

    def mark(self) -> Mark:
        """Passed when the kernels that were begun so far have ended."""

    def send(self, staged: NDArray[Any], memory: Memory, after: Mark) -> Mark:
        """Begin to copy staging memory to the card; the mark is passed when that has ended."""

    def receive(self, memory: Memory, staged: NDArray[Any], after: Mark) -> Mark:
        """Begin to copy from the card to staging memory; the mark is passed when that has ended."""

    def wait(self, mark: Mark) -> None:
        """Return when a mark is passed."""

    def load(self, source: str) -> Program:
        """Compile a module."""
