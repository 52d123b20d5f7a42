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


class Card(Protocol):
    """A graphics card, or what stands for one in tests.

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
        """Memory, not cleared."""

    def upload(self, array: NDArray[Any], memory: Memory) -> None:
        """Copy a contiguous array to the card; it may be changed when this returns."""

    def download(self, memory: Memory, array: NDArray[Any]) -> None:
        """Copy from the card to a contiguous array, when all that was begun has ended."""

    def load(self, source: str) -> Program:
        """Compile a module."""
