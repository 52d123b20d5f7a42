"""`BlockSource`: a catalogue as a sequence of tables of a bounded size."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from xdgmm.basics.ahead import read_ahead
from xdgmm.basics.digests import digest
from xdgmm.basics.progress import reading_bar
from xdgmm.errors import InputError, KindError
from xdgmm.observations import (
    Discovery,
    Observations,
    ObservationSource,
    PackedCache,
    StreamedObservations,
    keep_discovery,
    kept_discovery,
)
from xdgmm.observations.checks import part_of_catalogue
from xdgmm.observations.fingerprint import Fingerprint
from xdgmm.observations.packed_cache import check_noise
from xdgmm.tables import PlainReading, named_columns

from .memory import parse_memory
from .partitions import Partition, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from os import PathLike
    from pathlib import Path
    from typing import Literal

    from xdgmm.observations import FingerprintOfPartitions
    from xdgmm.tables.table_types import NamedColumns

MEMORY = "1GB"
AGAIN = "every pass must see the same objects: fit again when nothing changes them"


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
    cache : path, optional
        A folder in which packed blocks are kept: the first pass writes them, later passes and later fits of the same
        data map them into memory.  Pages that are mapped do not count as memory: the system may take them away.
    cache_noise : {"float64", "float32"}
        With how many bits noise is held there: with 32 it takes half of its space, and is rounded.

    Raises
    ------
    InputError
        If `memory` is no number of bytes, or `cache_noise` none of its two values.
    KindError
        If there is no such option, or `cache` is no name of a folder.
    OutputError
        If the folder `cache` cannot be made.
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
        cache: str | PathLike[str] | None = None,
        cache_noise: Literal["float64", "float32"] = "float64",
        **unknown: Any,
    ) -> None:
        if unknown:
            raise KindError(
                f"{type(self).__name__} has no option `{next(iter(unknown))}`; it has {_options(type(self))}"
            )
        check_noise(cache_noise)
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
        self.cache = None if cache is None else PackedCache(cache, cache_noise)
        self._found: StreamedObservations | None = None
        self._kept_in: Path | None = None
        self._lengths: list[int] = []
        self._reading: PlainReading | None = None
        self._plain: dict[int, bool] = {}

    unchanging = False  # is it certain that blocks are the same each time? then checks are made once

    new_hash: Callable[[], Fingerprint | FingerprintOfPartitions] = Fingerprint  # what makes the hash of the data

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
        """The observations of each block, and the name of the block for messages."""
        number = -1
        for number, (name, table) in enumerate(self._columns_of_blocks()):
            with named(name):
                self._check_length(number, table.n_rows)
                part = self._part(number, table) if table.n_rows else None
            if part is not None:
                yield name, part
                del part
        if number + 1 < len(self._lengths):
            raise InputError(f"there were {len(self._lengths)} blocks at first, but now {number + 1}; {AGAIN}")

    def _check_length(self, number: int, n_rows: int) -> None:
        if number == len(self._lengths) and self._found is None:
            self._lengths.append(n_rows)
        before = self._lengths[number] if number < len(self._lengths) else 0
        if n_rows != before:
            raise InputError(f"this block had {before} rows when it was first read, but now {n_rows}; {AGAIN}")

    def _columns_of_blocks(self) -> Iterator[tuple[str, NamedColumns]]:
        """The name and the columns of each block."""
        for name, table in self.blocks():
            with named(name):
                columns = named_columns(table)
            yield name, columns

    def _part(self, number: int, table: NamedColumns) -> Observations:
        if self._plain.get(number):
            assert self._reading is not None
            return self._reading(table)
        part = Observations.from_table(table, self.value_columns, **self.options)
        if self.unchanging and number not in self._plain:
            if self._reading is None:
                self._reading = PlainReading.of(table, part.names, self.options, part)
            self._plain[number] = self._reading is not None and self._reading.agrees(table, part)
        return part

    def _observations(self, name: str, table: Any) -> Observations:
        with named(name):
            return Observations.from_table(table, self.value_columns, **self.options)

    def whole_blocks(self) -> Iterator[Block]:
        """The blocks with all of their columns; a source that reads fewer has a method of its own."""
        return self.blocks()

    def partitions(self, keep: Sequence[str] | None = None) -> Iterator[Partition]:
        """The parts of the catalogue that are written to files of their own: here each block.

        Parameters
        ----------
        keep : sequence of str, optional
            Columns that their rows have beside the observations; all by default.

        Raises
        ------
        InputError
            As `blocks`, and if there is no such column.
        """
        from xdgmm.tables import arrow_of_table

        for number, (name, table) in enumerate(self.whole_blocks()):
            if not len(table):
                continue

            def rows(name: str = name, table: Any = table) -> Iterator[Rows]:
                yield Rows(self._observations(name, table), partial(arrow_of_table, table, keep, name))

            yield Partition(number, name_of_partition(number), None, rows)

    def observations(self) -> StreamedObservations:
        """What the catalogue holds, found in one reading; the same object each time."""
        if self._found is None:
            self._found = replace(self._recalled() or self._discovered(), cache=self.cache)
        return self._found

    def _recalled(self) -> StreamedObservations | None:
        """What an earlier reading of the same files has found, if the cache has kept it."""
        self._kept_in = self._place_in_cache()
        if self.cache is None or self._kept_in is None:
            return None
        advice = f"remove the folder '{self.cache.folder}', and the next fit writes it anew"
        kept = kept_discovery(self._kept_in, advice)
        if kept is None:
            return None
        self._lengths = list(kept.lengths)
        return kept.observations(self.read, self.memory / 2)

    def _place_in_cache(self) -> Path | None:
        """The file of the cache for what a reading has found."""
        identity = self.identity() if self.cache is not None else None
        if self.cache is None or identity is None:
            return None
        try:
            return self.cache.folder / f"discovery-{digest(version('xdgmm'), identity).hex()}.xdgmm"
        except TypeError:
            return None

    def no_rows(self) -> str:
        """The sentence for a catalogue without rows."""
        return "the catalogue has no rows, so nothing can be fitted; check what it is made of"

    def identity(self) -> dict[str, Any] | None:
        """Everything on which the blocks depend, found without reading them; None if that is not possible."""
        return None

    def _discovered(self) -> StreamedObservations:
        """What one reading finds."""
        found = Discovery(self.memory / 2, self.new_hash())
        with reading_bar() as read:
            for name, part in read_ahead(self._named_parts):
                with named(name):
                    found.add(part)
                read(len(part))
        if not found.n_rows:
            raise InputError(self.no_rows())
        result = found.finished(self.read)
        if self._kept_in is not None:
            keep_discovery(self._kept_in, result, self._lengths)
        return result


def _options(kind: type) -> str:
    """The names of the options of a source."""
    every = (each for cls in kind.__mro__ if "__init__" in vars(cls) for each in signature(cls).parameters.values())
    return ", ".join(dict.fromkeys(each.name for each in every if each.kind is each.KEYWORD_ONLY))


def name_of_partition(number: int) -> str:
    """The name of a file for a partition that comes from none."""
    return f"part-{number:05d}"


@contextmanager
def named(name: str) -> Iterator[None]:
    """Messages begin with the name of a block or a file, of which every row may be without values: others have some."""
    try:
        with part_of_catalogue():
            yield
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
