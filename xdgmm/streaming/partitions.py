"""`Partition`: a part of a catalogue that is written to a file of its own, with all its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xdgmm.observations import Observations


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a partition.

    Attributes
    ----------
    observations : Observations
        What was measured.
    kept : callable
        Returns the columns that are kept, row for row, as a `pyarrow.Table`.
    """

    observations: Observations
    kept: Callable[[], Any]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.observations)


class Partition(NamedTuple):
    """Rows that belong together.

    Attributes
    ----------
    number : int
        Its place in the catalogue.
    name : str
        Of a file for them, without its suffix, below the folder of all.
    path : Path or None
        The file they are from, if there is one.
    rows : callable
        Returns the rows, some at a time.
    """

    number: int
    name: str
    path: Path | None
    rows: Callable[[], Iterator[Rows]]
