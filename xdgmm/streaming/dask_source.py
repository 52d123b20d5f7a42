"""`DaskSource`: partitions of Dask, which the workers of a cluster, or this process, read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import xdgmm
from xdgmm.errors import InputError, KindError
from xdgmm.observations import FingerprintOfPartitions, Observations, StreamedObservations
from xdgmm.tables.table_types import is_table, text_name

from . import worker_tasks
from .cluster import NEEDED, Cluster, as_failure_of
from .dask_data import Partitions
from .layout import Layout, given_units
from .source import Block, BlockSource, named
from .worker_tasks import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

PATIENCE = 60.0


class DaskSource(BlockSource):
    """A catalogue in partitions of Dask, which a fit reads and keeps on the workers of a cluster.

    ``XDGMM(...).fit(DaskSource(frame, "v"), executor=client)`` runs its passes there.  Without an executor it takes the
    client of this source, or the one that was made last in this process; without any, partitions are computed one after
    the other in this process.

    Parameters
    ----------
    partitions : Dask DataFrame, catalogue of LSDB, or sequence of delayed objects
        Each partition is a pandas frame, an astropy table or a table of pyarrow.  They must be the same each time they
        are computed, as a lost worker's are computed again.
    columns, **options
        As in `BlockSource`.  Of a data frame only the columns that are needed are read.  `memory` bounds the sample,
        which is in this process; the packed partitions are in the memory of the workers.
    units : dict, optional
        Units of columns, by their names, in the place of their own; pandas frames have none.
    client : distributed.Client, optional
    patience : float
        Seconds to wait for workers when there are none.

    Raises
    ------
    InputError
        If dask is not installed, there is no partition, the partitions are none, or a column is not found.

    Notes
    -----
    The result has the same bits for any number of workers and threads of one type of CPU, and for none.  The hash of
    the data is that of the hashes of the partitions (`xdgmm.observations.FingerprintOfPartitions`): other partitions of
    the same rows have another one.

    Examples
    --------
    >>> from dask import delayed
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.streaming import DaskSource
    >>> stars = datasets.load("hydrus1")
    >>> source = DaskSource([delayed(stars[:20]), delayed(stars[20:])], "v")
    >>> XDGMM().fit(source).means_.round(3)
    array([[80.526]])
    """

    new_hash = FingerprintOfPartitions

    def __init__(
        self,
        partitions: Any,
        columns: Any = None,
        *,
        units: Mapping[str, Any] | None = None,
        client: Any = None,
        patience: float = PATIENCE,
        **options: Any,
    ) -> None:
        super().__init__(columns, **options)
        given = given_units(units)
        self.every = delayed_partitions(partitions)
        if is_frame(partitions):
            partitions, self.value_columns, given = self._needed(partitions, given)
        self.delayed = delayed_partitions(partitions)
        self.reading = Reading(self.value_columns, self.options, given)
        self.client, self.patience = client, patience
        self._clients: list[Any] = []

    def _needed(self, frame: Any, units: dict[str, Any]) -> tuple[Any, list[str], dict[str, Any]]:
        """The columns of a data frame that are read, those of values, and the units of these."""
        layout = layout_of_frame(frame).with_units(units)
        found = layout.read_columns(self.columns, self.options)
        own = {text_name(name): name for name in frame.columns}
        return (
            frame[[own[name] for name in found.every]],
            list(found.values),
            {name: unit for name, unit in units.items() if name in found.every},
        )

    def blocks(self) -> Iterator[Block]:
        """The partitions, computed in this process."""
        for number, each in enumerate(self.delayed):
            name = f"partition {number}"
            yield Block(name, _computed(name, each))

    def whole_blocks(self) -> Iterator[Block]:
        """The partitions with all columns, computed in this process."""
        for number, each in enumerate(self.every):
            name = f"partition {number}"
            yield Block(name, _computed(name, each))

    def use_each(self, function: Callable[[Any, Any], Any], arguments: Sequence[Any], executor: Any) -> list[Any]:
        """What a function makes, on the workers, of each partition with all columns, and of an argument for each.

        Parameters
        ----------
        function : callable
            Of a table and an argument; it can be pickled.
        arguments : sequence
            One for each partition.
        executor : distributed.Client

        Raises
        ------
        InputError
            That names the first partition that fails.
        """
        from dask import delayed

        cluster = Cluster(executor, self.patience)
        task = delayed(partial(worker_tasks.use, function=function, version=xdgmm.__version__), pure=False)
        keys = cluster.new_keys("use", len(self.every))
        pairs = zip(self.every, arguments, keys, strict=True)
        return cluster.results(cluster.compute([task(each, own, dask_key_name=key) for each, own, key in pairs]))

    def client_or_default(self) -> Any:
        """The client of this source, that of its last fit, or the one made last in this process; None without any."""
        of_fit = next((each for each in self._clients if each.status == "running"), None)
        return self.client or of_fit or _default_client()

    def _named_parts(self) -> Iterator[tuple[str, Observations]]:
        for name, table in self.blocks():
            with named(name):
                part = self.reading(table)
            if part is not None:
                yield name, part

    def _observations(self, name: str, table: Any) -> Observations:
        with named(name):
            part = self.reading(table)
        assert part is not None  # it has rows
        return part

    def observations(self) -> StreamedObservations:
        """What the catalogue holds, found in one reading; the same object each time."""
        client = self.client_or_default()
        if client is not None:
            return self.on(client)
        if self._clients:
            self._found, self._clients = None, []
        return super().observations()

    def on(self, executor: Any) -> StreamedObservations:
        """What the catalogue holds, found by the workers of a client; the same object each time.

        Raises
        ------
        KindError
            If the executor is no client of `dask.distributed`.
        InputError
            If a partition cannot be used, the workers are lost, or there is a cache.
        """
        if self.cache is not None:
            raise InputError(
                "`cache` is a folder of one machine, but workers keep packed blocks in memory; leave it out"
            )
        if self._found is None or self._clients != [executor]:
            cluster = Cluster(executor, self.patience)
            self._found = Partitions(cluster, self.delayed, self.reading).discovered(self.memory / 2)
            self._clients = [executor]
        return self._found


def delayed_partitions(partitions: Any) -> list[Any]:
    """The delayed objects of partitions.

    Raises
    ------
    InputError
        If dask is not installed, or there are no partitions.
    KindError
        If they are none.
    """
    try:
        from dask.delayed import Delayed
    except ImportError:
        raise InputError(NEEDED) from None
    if is_frame(partitions):
        partitions = partitions.to_delayed()
    elif is_table(partitions):
        raise KindError(
            f"the partitions are a {type(partitions).__name__}, a single table in memory; give it to TableSource in a "
            "list, or divide it with dask.dataframe.from_pandas"
        )
    each: list[Any] = [partitions] if isinstance(partitions, Delayed) or _is_future(partitions) else _listed(partitions)
    for number, one in enumerate(each):
        if not (isinstance(one, Delayed) or _is_future(one)):
            raise KindError(
                f"partition {number} is a {type(one).__name__}, but a delayed object is needed: "
                "dask.delayed(function)(...); TableSource takes tables in memory"
            )
    if not each:
        raise InputError("there are no partitions, so there is nothing to fit")
    return each


def is_frame(partitions: Any) -> bool:
    """Is it a data frame of Dask, or a catalogue of LSDB?"""
    kind = type(partitions)  # a delayed object itself has every attribute
    return hasattr(kind, "to_delayed") and hasattr(kind, "dtypes")


def _listed(partitions: Iterable[Any]) -> list[Any]:
    try:
        return list(partitions)
    except TypeError:
        raise KindError(
            f"the partitions are a {type(partitions).__name__}, but a Dask DataFrame, a catalogue of LSDB or a list of "
            "delayed objects is needed"
        ) from None


def _is_future(each: Any) -> bool:
    return type(each).__name__ == "Future" and type(each).__module__.startswith("distributed")


def layout_of_frame(frame: Any) -> Layout:
    """The columns of a data frame whose rows are not read: of Dask, or a catalogue of LSDB."""
    return Layout("the data frame", {str(text_name(name)): _kind(kind) for name, kind in frame.dtypes.items()}, {})


def _kind(dtype: Any) -> str:
    """What a column of a type of pandas holds, as `Layout` says it."""
    from pandas import CategoricalDtype
    from pandas.api.types import is_bool_dtype, is_numeric_dtype, is_string_dtype

    if is_bool_dtype(dtype):
        return "booleans"
    if is_numeric_dtype(dtype):
        return "numbers"
    return "text" if isinstance(dtype, CategoricalDtype) or is_string_dtype(dtype) else str(dtype)


def _computed(name: str, delayed: Any) -> Any:
    """A partition, computed in this thread.

    Raises
    ------
    InputError
        If that fails, with the name of the partition.
    """
    try:
        return delayed.result() if _is_future(delayed) else delayed.compute(scheduler="synchronous")
    except Exception as error:  # whatever the user's function raises
        raise as_failure_of(name, error) from error


def _default_client() -> Any:
    """The client that was made last in this process, if there is one."""
    try:
        from distributed import default_client
    except ImportError:
        return None
    try:
        return default_client()
    except ValueError:
        return None
