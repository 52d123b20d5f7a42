"""`BlockSource`: a catalogue as a sequence of tables of a bounded size."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from xdgmm.basics.ahead import read_ahead
from xdgmm.errors import InputError
from xdgmm.observations import Discovery, Observations, ObservationSource, StreamedObservations

from .memory import parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal

MEMORY = "1GB"


class Block(NamedTuple):
    """Some rows of a catalogue.

    Attributes
    ----------
    name : str
        Where they are from, for messages: a file and its rows.
    table : Table, data frame or structured array
    """

    name: str
    table: Any


class BlockSource(ObservationSource):
    """A catalogue in blocks, which `XDGMM.fit` takes in the place of a table.

    Parameters
    ----------
    columns : str or sequence of str, optional
        Columns to fit; by default every column for which an error column is found.
    errors, correlations, weights, memberships, on_bad, on_limit, asymmetric
        As in `xdgmm.tables.observations_from_table`.
    memory : float or str
        Bytes, or words such as "1GB": the bound of the blocks that are held at once, packed and unpacked, and of the
        sample.  The interpreter and its libraries are beside it.

    Raises
    ------
    InputError
        If `memory` is no number of bytes.
    """

    def __init__(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        errors: str | Sequence[str] | None = "auto",
        correlations: str | Mapping[tuple[str, str], str] | None = "auto",
        weights: str | None = None,
        memberships: str | Sequence[str] | None = None,
        on_bad: Literal["raise", "drop", "missing", "exact"] = "raise",
        on_limit: Literal["missing", "use", "drop", "keep", "raise"] = "missing",
        asymmetric: Literal["moments", "mixture"] = "moments",
        memory: float | str = MEMORY,
    ) -> None:
        self.columns = self.value_columns = columns
        self.options: dict[str, Any] = {
            "errors": errors,
            "correlations": correlations,
            "weights": weights,
            "memberships": memberships,
            "on_bad": on_bad,
            "on_limit": on_limit,
            "asymmetric": asymmetric,
        }
        self.memory = parse_memory(memory)
        self._found: StreamedObservations | None = None

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """The blocks, the same ones in the same order each time.

        Raises
        ------
        InputError
            That names the file and the rows that cannot be read.
        """

    def read(self) -> Iterator[Observations]:
        """The blocks as `Observations`; those without rows are left out.

        Raises
        ------
        InputError
            If a block cannot be used: the message begins with its name.
        """
        for _, part in self._named_parts():
            yield part

    def _named_parts(self) -> Iterator[tuple[str, Observations]]:
        for name, table in self.blocks():
            if len(table):
                with _named(name):
                    part = Observations.from_table(table, self.value_columns, **self.options)
                yield name, part

    def observations(self) -> StreamedObservations:
        """What the catalogue holds, found in one reading; the same object each time."""
        if self._found is None:
            found = Discovery(self.memory / 2)
            for name, part in read_ahead(self._named_parts):
                with _named(name):
                    found.add(part)
            self._found = found.finished(self.read)
        return self._found


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Messages begin with the name of the block."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
