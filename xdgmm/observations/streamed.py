"""`StreamedObservations`: observations that are read in parts, because all of them do not fit into memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeAlias

import numpy as np

from xdgmm.basics.ahead import read_ahead
from xdgmm.basics.digests import digest
from xdgmm.basics.units import check_units
from xdgmm.errors import InputError
from xdgmm.kernels import PackedPart, StreamedData, in_this_thread, triangle

from .counted_remarks import CountedRemarks
from .fingerprint import Fingerprint, FingerprintOfPartitions
from .joining import check_alike, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from astropy.units import UnitBase
    from numpy.typing import NDArray

    from xdgmm.kernels import Data, Noise

    from .observations import Observations, Units
    from .packed_cache import CachedParts, PackedCache

    AnyObservations: TypeAlias = Observations | "StreamedObservations"

    Floats = NDArray[np.float64]
    Packing = Callable[[Observations], Data]

SAMPLE = 1_000_000  # rows of the sample, if there is memory for them
HIGHEST = 2**64 - 1  # priority of a row
SHARE = 1.0 / 12.0  # of the memory that this sample may have: joined, selected and packed it is there several times
SEED = 20_260_000  # of the sample: the same catalogue always has the same one


class ObservationSource(ABC):
    """A catalogue that can be read again and again, and so become `StreamedObservations`."""

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Raise: an array would have lost the errors."""
        raise _no_array()

    def on(self, executor: Any) -> StreamedObservations:  # noqa: ARG002 - of subclasses
        """What it holds, for passes that an executor runs.

        Raises
        ------
        InputError
            If it has no partitions that an executor can read.
        """
        raise InputError(
            f"`executor` runs a fit on the workers of a Dask cluster, but X is a {type(self).__name__}; "
            "give a DaskSource"
        )

    @abstractmethod
    def observations(self) -> StreamedObservations:
        """What it holds, found in one reading; the same object each time."""


def _no_array() -> InputError:
    return InputError(
        "observations that are read in parts are more than an array, they hold errors too; ask for the `values` of "
        "each of their `parts()`, or of their `sample`"
    )


def discovered(observations: AnyObservations | ObservationSource) -> AnyObservations:
    """What a source holds; anything else as it is."""
    return observations.observations() if isinstance(observations, ObservationSource) else observations


def all_in_memory(observations: AnyObservations | ObservationSource, what: str) -> Observations:
    """Observations of all objects, if these are in memory: of a catalogue that is read in parts, a sample of all.

    Parameters
    ----------
    observations : Observations, StreamedObservations or ObservationSource
    what : str
        What needs them, for the message: "the bootstrap draws rows of all objects".

    Raises
    ------
    InputError
        If only some of the objects are in memory.
    """
    found = discovered(observations)
    sample = found.sample
    if sample is not found and sample.n_objects < found.n_objects:
        raise InputError(
            f"{what}, but only {sample.n_objects} of {found.n_objects} are in memory, since the catalogue is read in "
            "parts; do it with a fit to this random sample, `source.observations().sample`"
        )
    return sample


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums over all rows of a catalogue.

    Attributes
    ----------
    n_rows, n_objects : int
        Rows, and those that are used in a fit.
    total_weight : float
        Sum of the weights of these.
    column_weights : ndarray (M,)
        Sum of the weights of the objects with a measured value in each column.
    together : ndarray (M, M)
        Number of objects that have a value, or a limit, in both of two columns.
    data_hash : str
        What `fingerprint` gives of all rows.
    layout : str
        A digest of the number of rows of each part, and of those that are used in a fit.
    """

    n_rows: int
    n_objects: int
    total_weight: float
    column_weights: Floats
    together: Floats
    data_hash: str
    layout: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class StreamedObservations:
    """Observations of N objects that come in parts, which are read anew for each pass.

    `discover` makes them.  Fits, errors and reports of all objects take them in the place of `Observations`.  Of single
    objects only a random sample is in memory, from which robust locations, starts and pictures are made.

    Attributes
    ----------
    read : callable
        Returns the parts as `Observations`, the same ones in the same order each time.
    sample : Observations
        Random rows among those that are used in a fit, in their order; all of them where there are no more.
    sample_rows : ndarray of int (n,)
        Which rows of the catalogue they are.
    totals : Totals
    memory : float
        Bytes within which packed parts are kept for the next passes.
    remarks : tuple of str
        Decisions made while reading, one sentence each.
    cache : PackedCache or None
        Where packed parts are kept for other fits.
    n_readings : int
        How often the catalogue was read to find all this: 0 where a cache has kept it.
    memo : dict
        Results computed from these observations, kept for reuse.
    """

    is_on_workers: ClassVar[bool] = False  # are passes over all objects made by other processes?

    read: Callable[[], Iterable[Observations]]
    sample: Observations
    sample_rows: NDArray[np.intp]
    totals: Totals
    memory: float = 0.0
    remarks: tuple[str, ...] = ()
    cache: PackedCache | None = None
    n_readings: int = 1
    memo: dict[str, Any] = field(default_factory=dict, init=False)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Raise: an array would have lost the errors, and of most catalogues there is no room for one."""
        raise _no_array()

    def __len__(self) -> int:
        """Number of rows, including those without any value."""
        return self.totals.n_rows

    def __repr__(self) -> str:
        """One line, as that of `Observations`, with the number of all objects."""
        described = repr(self.sample).split(", ", 1)[1]
        return f"<StreamedObservations: {self.n_objects} object{'s'[: self.n_objects != 1]}, {described}"

    @property
    def names(self) -> tuple[str, ...]:
        """One name per coordinate (D)."""
        return self.sample.names

    @property
    def units(self) -> tuple[UnitBase | None, ...]:
        """One unit per coordinate (D)."""
        return self.sample.units

    @property
    def noise_model(self) -> Noise:
        """Noise of the sample: its kind is that of all objects."""
        return self.sample.noise_model

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D."""
        return self.sample.n_dimensions

    @property
    def n_measured(self) -> int:
        """Number of values M of each object."""
        return self.sample.n_measured

    @property
    def n_objects(self) -> int:
        """Number of rows that are used in a fit."""
        return self.totals.n_objects

    @property
    def total_weight(self) -> float:
        """Sum of the weights of the rows that are used in a fit."""
        return self.totals.total_weight

    @property
    def data_hash(self) -> str:
        """What `fingerprint` gives of all rows."""
        return self.totals.data_hash

    def column_weights(self) -> Floats:
        """Sum of the weights of the objects that have a value, not a limit, in each measured column (M,)."""
        return self.totals.column_weights

    def unmeasured_pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of names whose intrinsic covariance does not enter the likelihood."""
        if self.sample.projections is not None:
            return self.sample.unmeasured_pairs()
        pairs = zip(*triangle(self.n_dimensions), strict=True)
        return tuple((self.names[j], self.names[i]) for i, j in pairs if i != j and self.totals.together[i, j] == 0)

    def parts(self) -> Iterator[Observations]:
        """The observations of each part, in their order; the next one is read while the present one is used."""
        return read_ahead(self.read)

    def each(self, ask: Callable[[Observations], Any]) -> Iterator[Any]:
        """What a function finds of each part, in their order; it runs where the part is."""
        return map(ask, self.parts())

    def release(self) -> None:
        """Let other machines forget what they hold of these observations; it is made again if it is needed again."""

    def in_units(self, units: Units) -> StreamedObservations:
        """The observations in other units (D; None leaves a coordinate as it is).

        Raises
        ------
        InputError
            If there is not one unit for each coordinate, or one does not convert.
        """
        units = check_units(units, self.n_dimensions, "coordinates")
        sample = self.sample.in_units(units)
        if sample is self.sample:
            return self
        return replace(self, read=_Converted(self.read, units), sample=sample)

    def packed(self, packing: Packing) -> Data:
        """`Data` of all objects, packed by this function; it keeps what fits into `memory`, or is in the cache."""
        sample = packing(self.sample)
        left = self.memory - bytes_of_rows(self.sample) - 2.0 * bytes_of(sample)  # parts of it are packed again
        parts = _PackedParts(self.read, packing, max(left, 0.0), self._cached(packing))
        return StreamedData(parts, sample, self.n_objects, self.total_weight)

    def _cached(self, packing: Packing) -> CachedParts | None:
        """The parts in the cache, if there is one, and it can be known what the function does."""
        if self.cache is None:
            return None
        description = {
            "xdgmm": version("xdgmm"),
            "data_hash": self.data_hash,
            "n_rows": len(self),
            "n_objects": self.n_objects,
            "names": list(self.names),
            "units": [None if unit is None else unit.to_string() for unit in self.units],
            "noise": self.cache.noise,
        }
        return self.cache.of(description, self.totals.layout, packing)


@dataclass(frozen=True)
class _Converted:
    """Reads the parts in other units."""

    read: Callable[[], Iterable[Observations]]
    units: tuple[UnitBase | None, ...]

    def __call__(self) -> Iterator[Observations]:
        for part in self.read():
            yield part.in_units(self.units)


class _PackedParts:
    """Reads the parts and packs them, or maps those in a cache; keeps them if all fit into some bytes of memory."""

    def __init__(
        self,
        read: Callable[[], Iterable[Observations]],
        packing: Packing,
        memory: float,
        cached: CachedParts | None = None,
    ) -> None:
        self.read, self.packing, self.memory, self.cached = read, packing, memory, cached
        self.kept: list[PackedPart] | None = None
        self.too_large = False

    def __call__(self) -> Iterator[PackedPart]:
        if self.kept is not None:
            yield from self.kept
            return
        held: list[PackedPart] = []
        n_bytes = 0.0
        for packed in read_ahead(self._parts):
            n_bytes += bytes_of(packed.data)
            self.too_large = self.too_large or n_bytes > self.memory / 2
            held = [] if self.too_large else [*held, packed]
            yield packed
            del packed
        if not self.too_large:
            self.kept = held

    def _parts(self) -> Iterator[PackedPart]:
        if self.cached is None:
            return self._packed()
        return self.cached.written(self._packed) if self.cached.files is None else self.cached.parts()

    def _packed(self) -> Iterator[PackedPart]:
        first = 0
        with in_this_thread():
            for part in self.read():
                n_rows = len(part)
                if part.n_objects:
                    packed = PackedPart(first, self.packing(part))
                    del part
                    yield packed
                    del packed
                first += n_rows


def bytes_of(data: Any) -> int:
    """Memory that `Data` occupies: that of the arrays in its fields."""
    if isinstance(data, np.ndarray):
        return int(data.nbytes)
    if isinstance(data, (tuple, list)):
        return sum(map(bytes_of, data))
    return sum(map(bytes_of, vars(data).values())) if hasattr(data, "__dict__") else 0


def discover(
    read: Callable[[], Iterable[Observations]], memory: float, remarks: tuple[str, ...] = ()
) -> StreamedObservations:
    """Read all parts once, and find totals, a random sample and the hash of the data.

    Parameters
    ----------
    read : callable
        Returns the parts as `Observations`, the same ones in the same order each time.
    memory : float
        Bytes within which the sample, and packed parts, are kept.
    remarks : tuple of str
        Beside those of the first part.

    Raises
    ------
    InputError
        If no row can be used in a fit, or parts differ in columns, units or kind of errors.
    """
    found = Discovery(memory)
    for part in read_ahead(read):
        found.add(part)
    return found.finished(read, remarks)


@dataclass(frozen=True, eq=False)
class Description:
    """What is known of all rows of one part: small, so that it can come from elsewhere.

    Attributes
    ----------
    empty : Observations
        No rows of it: columns, units, kind of errors and remarks.
    n_rows, n_objects : int
    total_weight : float
    column_weights : ndarray (M,)
    together : ndarray (M, M)
        As in `Totals`.
    row_width : float
        Bytes of a row.
    """

    empty: Observations
    n_rows: int
    n_objects: int
    total_weight: float
    column_weights: Floats
    together: Floats
    row_width: float


def described(part: Observations) -> Description:
    """What is known of all rows of a part."""
    row_width = _bytes_per_row(part)  # before what the part keeps of the following
    constrained = part.constrained[part.counts].astype(float)
    return Description(
        part.select(slice(0, 0)) if len(part) else part,
        len(part),
        part.n_objects,
        part.total_weight,
        part.column_weights(),
        constrained.T @ constrained,
        row_width,
    )


class Discovery:
    """Totals, sample and hash of observations that come in parts.

    Parameters
    ----------
    memory : float
        Bytes within which the sample, and packed parts, are kept.
    of_data : Fingerprint or FingerprintOfPartitions, optional
        Makes the hash of the data.

    Notes
    -----
    A row is in the sample if its priority, a hash of its number, is among the lowest: the sample depends neither on the
    parts nor on their order.
    """

    def __init__(self, memory: float, of_data: Fingerprint | FingerprintOfPartitions | None = None) -> None:
        self.memory = memory
        self.first: Observations | None = None
        self.hash = Fingerprint() if of_data is None else of_data
        self.layout = b""
        self.n_rows = self.n_objects = 0
        self.total_weight = 0.0
        self.column_weights: Floats | float = 0.0
        self.together: Floats | float = 0.0
        self.sample = Sample(SAMPLE)
        self._remarks = CountedRemarks()

    def add(self, part: Observations) -> None:
        """Add the next part.

        Raises
        ------
        InputError
            If it differs from the first in columns, units or kind of errors.
        """
        n_before = self.n_rows
        self.add_totals(described(part))
        self.hash.update(part)
        self.layout = digest(self.layout, part.counts)
        self.sample.add(*rows_below(part, n_before, self.sample.highest))

    def add_totals(self, part: Description) -> None:
        """Add the next part to the totals, but neither to the sample nor to the hash.

        Raises
        ------
        InputError
            If it differs from the first in columns, units or kind of errors.
        """
        if self.first is None:
            self.first = part.empty
            self.sample = Sample(int(min(SAMPLE, max(SHARE * self.memory / part.row_width, 1000))))
        else:
            check_alike(self.first, part.empty)
        self._remarks.add(part.empty.remarks)
        self.n_rows += part.n_rows
        self.n_objects += part.n_objects
        self.total_weight += part.total_weight
        self.column_weights = self.column_weights + part.column_weights
        self.together = self.together + part.together

    def check_any(self) -> None:
        """Refuse a catalogue without any object.

        Raises
        ------
        InputError
        """
        if self.first is None or not self.n_objects:
            raise InputError(
                f"none of the {self.n_rows} rows has a value and a weight above zero; nothing can be fitted"
            )

    @property
    def remarks(self) -> tuple[str, ...]:
        """Those of the parts: counts are those of all rows."""
        return self._remarks.joined()

    def totals(self) -> Totals:
        """Sums over all parts so far."""
        return Totals(
            self.n_rows,
            self.n_objects,
            float(self.total_weight),
            np.asarray(self.column_weights),
            np.asarray(self.together),
            self.hash.hexdigest(),
            self.layout.hex(),
        )

    def finished(
        self, read: Callable[[], Iterable[Observations]], remarks: tuple[str, ...] = ()
    ) -> StreamedObservations:
        """The observations of all parts.

        Raises
        ------
        InputError
            If no row can be used in a fit.
        """
        self.check_any()
        rows, sample = self.sample.finished()
        return StreamedObservations(read, sample, rows, self.totals(), self.memory, (*self.remarks, *remarks))


class Sample:
    """The rows with the lowest priorities among those that are added.

    Attributes
    ----------
    size : int
        How many.
    highest : int
        A row with a priority above it is not among them.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows: list[NDArray[np.intp]] = []
        self.pieces: list[Observations] = []
        self.highest = HIGHEST

    def add(self, rows: NDArray[np.intp], piece: Observations) -> None:
        """Add rows that follow those before, and which rows of all they are."""
        if not rows.size:
            return
        self.rows.append(rows)
        self.pieces.append(piece)
        if sum(map(len, self.pieces)) > 1.25 * self.size:
            self._cut()

    def _cut(self) -> None:
        rows, joined = np.concatenate(self.rows), join(self.pieces)
        if rows.size > self.size:
            order = priorities(rows)
            self.highest = int(np.partition(order, self.size - 1)[self.size - 1])
            kept = np.flatnonzero(order <= np.uint64(self.highest))
            rows, joined = rows[kept], joined.select(kept)
        self.rows, self.pieces = [rows], [joined]

    def finished(self) -> tuple[NDArray[np.intp], Observations]:
        """Which rows of all they are, and these rows."""
        self._cut()
        return self.rows[0], self.pieces[0]


def rows_below(part: Observations, first: int, highest: int) -> tuple[NDArray[np.intp], Observations]:
    """The rows of a part that count and have a priority up to the highest, and which rows of all they are.

    `first` is the number of its first row.
    """
    own = np.flatnonzero(part.counts)
    own = own[priorities(first + own) <= np.uint64(highest)]
    return first + own, part.select(own)


def priorities(rows: NDArray[np.intp]) -> NDArray[np.uint64]:
    """A random number of each row (n,), which depends on its number alone: the mixing function of splitmix64.

    Steele, Lea & Flood 2014, OOPSLA, 453.
    """
    with np.errstate(over="ignore"):
        z = (rows.astype(np.uint64) + np.uint64(SEED)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def bytes_of_rows(part: Observations) -> int:
    """Memory that the arrays of observations occupy."""
    return sum(map(bytes_of, (part.values, part.noise_model, part.weights, part.projections)))


def _bytes_per_row(part: Observations) -> float:
    return max(bytes_of_rows(part) / max(len(part), 1), 8.0)
