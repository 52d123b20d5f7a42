"""A catalogue on the workers of a Dask cluster: its partitions, `DaskObservations` and `DaskData`."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import pairwise
from operator import add
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

import xdgmm
from xdgmm.errors import InputError
from xdgmm.kernels import PackedPart, StreamedData, total_of
from xdgmm.observations import Description, Discovery, FingerprintOfPartitions, StreamedObservations

from . import worker_tasks
from .cluster import Cluster, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.observations import Observations

    from .worker_tasks import Reading

    Packing = Callable[[Observations], Data]

PER_THREAD = 2  # groups of partitions
DIRECT = 32  # workers up to which this process adds the sums of all groups
ADDED = 16  # groups whose sums one task adds where there are more workers
MARGIN = 10.0  # standard deviations by which more rows are asked for than the sample needs


class Partitions:
    """The partitions of a catalogue as `Observations` on the workers.

    Parameters
    ----------
    cluster : Cluster
    delayed : sequence of dask.delayed objects
        Each yields a table.
    reading : Reading
    """

    def __init__(self, cluster: Cluster, delayed: Sequence[Any], reading: Reading) -> None:
        self.cluster, self.delayed, self.reading = cluster, delayed, reading
        self.version = xdgmm.__version__
        self.descriptions: list[Description | None] = []
        self._read: list[Task] | None = None
        self._groups: WeakValueDictionary[bytes, Groups] = WeakValueDictionary()

    @property
    def read(self) -> list[Task]:
        """The tasks that hold the observations of each partition, None for one without rows."""
        if self._read is None:
            from dask import delayed

            convert = delayed(partial(worker_tasks.read, reading=self.reading, version=self.version), pure=False)
            keys = self.cluster.new_keys("read", len(self.delayed))
            own = [convert(each, dask_key_name=key) for each, key in zip(self.delayed, keys, strict=True)]
            self._read = self.cluster.compute(own)
        return self._read

    def discovered(self, memory: float) -> DaskObservations:
        """Totals, sample and hash, found on the workers.

        Raises
        ------
        InputError
            If a partition cannot be used, they differ, or none has an object.
        """
        of_data = FingerprintOfPartitions()
        discovery = Discovery(memory, of_data)
        found = self.cluster.results(self.cluster.map("describe", worker_tasks.describe, self.read), self.read)
        self.descriptions = [None if each is None else each[0] for each in found]
        for number, each in enumerate(found):
            if each is not None:
                with_name(number, partial(discovery.add_totals, each[0]))
                of_data.add(each[1] if each[0].n_objects else "")
        discovery.check_any()
        self._sample(discovery)
        rows, sample = discovery.sample.finished()
        totals, remarks = discovery.totals(), discovery.remarks
        return DaskObservations(self.observations, sample, rows, totals, memory, remarks, partitions=self)

    def _sample(self, discovery: Discovery) -> None:
        """Collect the rows with the lowest priorities."""
        tasks, firsts = self.with_objects()
        sample, n_objects = discovery.sample, discovery.n_objects
        wanted = sample.size
        while True:
            highest = share_of_priorities(wanted, n_objects)
            found = self.cluster.map("sample", worker_tasks.candidates, tasks, firsts, highest=highest)
            pieces = self.cluster.results(found, tasks)
            if sum(rows.size for rows, _ in pieces) >= min(sample.size, n_objects):
                break
            wanted *= 2
        for rows, piece in pieces:
            sample.add(rows, piece)

    def with_objects(self) -> tuple[list[Task], list[int]]:
        """The tasks that hold the observations of partitions with objects, and the numbers of their first rows."""
        rows = [0 if each is None else each.n_rows for each in self.descriptions]
        firsts = np.concatenate([[0], np.cumsum(rows)]).tolist()
        read = self.read
        kept = [i for i, each in enumerate(self.descriptions) if each is not None and each.n_objects]
        return [read[i] for i in kept], [firsts[i] for i in kept]

    @property
    def sizes(self) -> list[int]:
        """Number of objects of each partition that has some."""
        return [each.n_objects for each in self.descriptions if each is not None and each.n_objects]

    def observations(self) -> Iterator[Observations]:
        """The observations of each partition, brought to this process one after the other."""
        for task in self.read:
            found = self.cluster.results([task])[0]
            if found is not None:
                yield found

    def each(self, ask: Callable[[Observations], Any], units: Sequence[Any]) -> list[Any]:
        """What a function finds of the observations of each partition with rows, on the workers."""
        tasks = [task for task, each in zip(self.read, self.descriptions, strict=True) if each is not None]
        asked = self.cluster.map("ask", worker_tasks.ask, tasks, function=ask, units=units)
        return self.cluster.results(asked, tasks)

    def packed(self, packing: Packing, units: Sequence[Any]) -> Groups:
        """All objects, packed by this function in these units; the same ones for what was packed so before."""
        key = blake2b(pickle.dumps((packing, units))).digest()
        groups = self._groups.get(key)
        if groups is None:
            groups = self._groups[key] = Groups(self, packing, units)
        return groups

    def forget_observations(self) -> None:
        """Let the workers forget the observations; they are read again if they are needed again."""
        self._read = None

    def release(self) -> None:
        """Let the workers forget everything."""
        self.forget_observations()
        for groups in list(self._groups.values()):
            groups.release()


def with_name(number: int, function: Callable[[], Any]) -> None:
    """Call a function; its `InputError` gets the number of the partition."""
    try:
        function()
    except InputError as error:
        raise InputError(f"partition {number}: {error}") from None


def share_of_priorities(wanted: int, n_objects: int) -> int:
    """The priority below which at least so many of the objects will be."""
    share = (wanted + MARGIN * wanted**0.5 + MARGIN) / n_objects
    return 2**64 - 1 if share >= 1.0 else int(share * 2.0**64)


class Groups:
    """Packed parts on the workers, in groups of neighbours.

    Parameters
    ----------
    partitions : Partitions
    packing : callable
        Packs observations.
    units : sequence of units
        Those in which they are packed.
    """

    def __init__(self, partitions: Partitions, packing: Packing, units: Sequence[Any]) -> None:
        self.partitions, self.packing, self.units = partitions, packing, units
        self.cluster, self.version = partitions.cluster, partitions.version
        self._tasks: list[Task] | None = None
        self.edges: list[int] = []
        self.through_tree = False

    @property
    def tasks(self) -> list[Task]:
        """The tasks that hold the groups."""
        if self._tasks is None:
            threads = self.cluster.threads()
            self.edges = group_edges(self.partitions.sizes, PER_THREAD * sum(threads.values()))
            self.through_tree = len(threads) > DIRECT
            read, firsts = self.partitions.with_objects()
            same = {"packing": self.packing, "units": self.units}
            tasks = [
                self.cluster.submit("pack", worker_tasks.pack, read[start:end], firsts[start:end], start, **same)
                for start, end in pairwise(self.edges)
            ]
            self.cluster.finish(tasks, read)
            self.partitions.forget_observations()
            self._tasks = tasks
        return self._tasks

    def release(self) -> None:
        """Let the workers forget the groups; they are packed again if they are needed again."""
        self._tasks = None

    def parts(self) -> Iterator[PackedPart]:
        """The packed parts, brought to this process one group after the other."""
        for task in self.tasks:
            yield from self.cluster.results([task])[0].parts

    def each(self, ask: Callable[[PackedPart], Any]) -> Iterator[Any]:
        """What a function finds of each part, in their order."""
        tasks = self.tasks
        asked = self.cluster.map("pass", worker_tasks.ask_each, tasks, function=ask, version=self.version)
        for found in self.cluster.results(asked, tasks):
            yield from found

    def total(self, ask: Callable[[PackedPart], Any], plus: Callable[[Any, Any], Any]) -> Any:
        """The sum of what a function finds of each part."""
        tasks = self.tasks
        same = {"function": ask, "plus": plus, "version": self.version}
        asked = self.cluster.map("pass", worker_tasks.ask_total, tasks, **same)
        sums = self._through_tree(asked, plus) if self.through_tree else asked
        return total_of(worker_tasks.join_sums(self.cluster.results(sums, (*tasks, *asked)), plus), plus)

    def _through_tree(self, tasks: list[Task], plus: Callable[[Any, Any], Any]) -> list[Task]:
        """Sums of neighbouring groups, which workers add until few are left."""
        while len(tasks) > ADDED:
            some = [tasks[start : start + ADDED] for start in range(0, len(tasks), ADDED)]
            tasks = [self.cluster.submit("sum", worker_tasks.join_sums, each, plus=plus) for each in some]
        return tasks

    def with_background(self, log_densities: NDArray[np.float64]) -> ChangedGroups:
        """The same parts with other log-densities of the background."""
        return ChangedGroups(self, log_densities)


class ChangedGroups(Groups):
    """Groups with other log-densities (n_objects,) of their background."""

    def __init__(self, groups: Groups, log_densities: NDArray[np.float64]) -> None:
        super().__init__(groups.partitions, groups.packing, groups.units)
        self.groups, self.log_densities = groups, log_densities

    @property
    def tasks(self) -> list[Task]:
        """The tasks that hold the groups."""
        if self._tasks is None:
            tasks = self.groups.tasks
            self.edges, self.through_tree = self.groups.edges, self.groups.through_tree
            own = np.split(self.log_densities, np.cumsum(self.partitions.sizes)[:-1])
            pieces = [own[start:end] for start, end in pairwise(self.edges)]
            self._tasks = self.cluster.map("background", worker_tasks.with_background, tasks, pieces)
        return self._tasks


def group_edges(sizes: Sequence[int], n_groups: int) -> list[int]:
    """Where groups of neighbouring partitions begin, and the end: with about the same number of objects in each."""
    ends = np.cumsum(sizes)
    n_groups = min(n_groups, len(sizes))
    targets = ends[-1] * np.arange(1, n_groups) / n_groups
    inner = np.searchsorted(ends, targets) + 1
    return sorted({0, *(int(edge) for edge in inner if edge < len(sizes)), len(sizes)})


@dataclass(frozen=True, eq=False, repr=False)
class DaskObservations(StreamedObservations):
    """Observations of all objects of a catalogue, on the workers of a Dask cluster.

    Attributes
    ----------
    partitions : Partitions
    """

    is_on_workers = True

    partitions: Partitions = field(kw_only=True)

    def packed(self, packing: Packing) -> DaskData:
        """`Data` of all objects, packed by this function on the workers."""
        groups = self.partitions.packed(packing, self.units)
        return DaskData(groups, packing(self.sample), self.n_objects, self.total_weight)

    def each(self, ask: Callable[[Observations], Any]) -> Iterator[Any]:
        """What a function finds of each part, in their order; it runs on the workers."""
        return iter(self.partitions.each(ask, self.units))

    def release(self) -> None:
        """Let the workers forget what they hold; it is made again if it is needed again."""
        self.partitions.release()


class DaskData(StreamedData):
    """`Data` of all objects, packed in groups on the workers of a Dask cluster."""

    def __init__(self, groups: Groups, sample: Data, n_objects: int, total_weight: float) -> None:
        super().__init__(groups.parts, sample, n_objects, total_weight)
        self.groups = groups

    def each(self, ask: Callable[[PackedPart], Any]) -> Iterator[Any]:
        """What a function finds of each part, in their order."""
        return self.groups.each(ask)

    def total(self, ask: Callable[[PackedPart], Any], plus: Callable[[Any, Any], Any] = add) -> Any:
        """The sum of what a function finds of each part."""
        return self.groups.total(ask, plus)

    def with_background(self, log_densities: NDArray[np.float64]) -> DaskData:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        sample = self.sample.with_background(log_densities[np.searchsorted(self.rows, self.sample.rows)])
        return DaskData(self.groups.with_background(log_densities), sample, self.n_objects, self.total_weight)
