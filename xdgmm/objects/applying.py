"""`apply`: what is known of each object of a catalogue that is read in parts, written to files part by part."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.parameters import as_generator
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import InputError, KindError, OutputError
from xdgmm.files import atomic_write, check_output
from xdgmm.streaming import BlockSource, DaskSource, FitsSource, name_of_partition
from xdgmm.tables import (
    Column,
    append_columns,
    arrow_of_table,
    check_fits_names,
    check_new_names,
    is_fits_name,
    parquet_writer,
    with_columns,
)

from .columns import ObjectColumns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.streaming import Partition, Rows
    from xdgmm.streaming.worker_tasks import Reading

PARQUET = ".parquet"
# Endings of names of tables that are not written in parts, and would be surprising ones of a folder.
OF_OTHER_FORMATS = frozenset(
    f".{ending}"
    for ending in (
        *("parq", "pq", "csv", "tsv", "txt", "dat", "tex", "html", "ecsv", "asdf", "vot", "votable", "xml"),
        *("hdf5", "h5", "hdf", "feather", "arrow", "ipc", "json", "jsonl", "gz", "bz2", "xz", "zip", "zst"),
    )
)


@dataclass(frozen=True)
class Applied:
    """What `apply` has written.

    Attributes
    ----------
    n_rows, n_masked : int
        Rows, and those without any value, whose new columns are masked.
    columns : tuple of Column
        The new columns.
    files : tuple of Path
        In the order of the partitions.
    """

    n_rows: int
    n_masked: int
    columns: tuple[Column, ...]
    files: tuple[Path, ...]


def apply(
    mixture: GaussianMixture,
    source: BlockSource,
    output: str | Path,
    *,
    keep: Sequence[str] | None = None,
    prefix: str = "xd_",
    n_samples: int | None = None,
    rng: np.random.Generator | int | None = None,
    overwrite: bool = False,
    overwrite_columns: bool = False,
    progress: str = "auto",
    executor: Any = None,
    started: Callable[[], object] = lambda: None,
    finished: Callable[[Path], object] = lambda _: None,
) -> Applied:
    """Append memberships, likelihood and denoised values to each row of a catalogue that is read in parts.

    Parameters
    ----------
    mixture : GaussianMixture
    source : BlockSource
        Its rows are written in their order: of a Parquet source with `filters` those that these keep.
    output : str or Path
        A name that ends in .parquet: one file.  One that ends in .fits or .fit: the FITS table of a `FitsSource` of one
        file, of which every bit is kept.  Any other name: a folder with one file for each of the source (Parquet, or
        FITS for FITS files), or for each of its tables, that has rows.
    keep : sequence of str, optional
        Columns of the catalogue that are written beside the new ones, in Parquet files; all by default.
    prefix, n_samples, rng
        As in `ObjectColumns`; draws for the outlyingness depend on the partitions and blocks in which rows are read.
    overwrite : bool
        Whether files that exist are replaced.
    overwrite_columns : bool
        Whether columns of the new names are replaced.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown.
    executor : distributed.Client, optional
        Where the partitions of a `DaskSource` are computed and written to a folder, which all workers must see; by
        default the client that fits take too.
    started : callable, optional
        Is called before each block of rows, and may raise an exception to end the work.
    finished : callable, optional
        Is called with the path of each file that is complete.

    Returns
    -------
    Applied

    Raises
    ------
    InputError
        If the source cannot be read, does not fit the mixture, or has columns of the new names.
    OutputError
        If a file cannot be written, exists, or is one that is read, or the name is that of a table of another format.
    KindError
        If `source` is no source.

    Notes
    -----
    A file has its name only when it is complete.  What is interrupted leaves the complete files of a folder, and
    nothing of the others: run it again with `overwrite`.

    Units and descriptions are in the metadata of the fields of Parquet files ("unit", "description"), in those of FITS
    files where the standard has them.  Masked values are null.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.objects import apply
    >>> from xdgmm.streaming import TableSource
    >>> stars = datasets.load("hydrus1")
    >>> source = TableSource([stars[:20], stars[20:]], "v")
    >>> found = apply(XDGMM().fit(source).mixture_, source, "members", keep=["v"])
    >>> found.n_rows, [file.name for file in found.files]
    (31, ['part-00000.parquet', 'part-00001.parquet'])
    """
    if not isinstance(source, BlockSource):
        raise KindError(
            f"`source` is a {type(source).__name__}, but a source of `xdgmm.streaming` is needed; of Observations in "
            "memory `ObjectColumns` are the columns"
        )
    check_progress(progress)
    first = next(iter(source.read()), None)
    if first is None:
        raise InputError("the catalogue has no rows, so nothing can be written")
    seed = int(as_generator(rng).integers(2**63))
    columns = ObjectColumns(mixture, first.select(slice(0, 1)), prefix, n_samples, seed)
    work = _Work(source, columns, Path(output), keep, overwrite=overwrite, overwrite_columns=overwrite_columns)
    work.executor = executor
    with progress_bar(progress, "objects") as bar:

        def tick(n_rows: int) -> None:
            started()
            if bar is not None:
                bar.update(n_rows)

        work.tick = tick
        files = []
        for file in work.files():
            finished(file)
            files.append(file)
    return Applied(work.n_rows, work.n_masked, tuple(columns.columns), tuple(files))


class _Work:
    """Writes the files, and counts the rows."""

    def __init__(
        self,
        source: BlockSource,
        columns: ObjectColumns,
        output: Path,
        keep: Sequence[str] | None,
        *,
        overwrite: bool,
        overwrite_columns: bool,
    ) -> None:
        self.source, self.columns, self.output, self.keep = source, columns, output, keep
        self.overwrite, self.overwrite_columns = overwrite, overwrite_columns
        self.new = columns.columns
        self.n_rows = self.n_masked = 0
        self.tick: Callable[[int], None] = lambda _: None
        self.executor: Any = None

    def files(self) -> Iterator[Path]:
        """Write the files one after the other."""
        suffix = self.output.suffix.lower()
        if suffix == PARQUET:
            self._check_target(self.output, PARQUET)
            yield self._parquet(self.output, iter(self.source.partitions(self.keep)))
        elif is_fits_name(self.output):
            yield self._fits(self.output, self._only_fits_file())
        else:
            yield from self._folder()

    def _folder(self) -> Iterator[Path]:
        if self.output.suffix.lower() in OF_OTHER_FORMATS and not self.output.is_dir():
            raise OutputError(
                f"'{self.output}' would be a {self.output.suffix} file, but a catalogue that is read in parts is "
                "written as Parquet or FITS; end the name in .parquet, or give a folder without such an ending"
            )
        if self.output.exists() and not self.output.is_dir():
            raise OutputError(
                f"'{self.output}' is a file, but its name is that of a folder here; end it in .parquet for one file"
            )
        if isinstance(self.source, DaskSource):
            client = self.executor or self.source.client_or_default()
            if client is not None:
                yield from self._on_workers(self.source, client)
                return
        as_fits = isinstance(self.source, FitsSource) and self.keep is None
        for partition in self.source.partitions(() if as_fits else self.keep):
            if next(partition.rows(), None) is None:
                continue
            target = self.output / f"{partition.name}{'.fits' if as_fits else PARQUET}"
            _make_folder(target.parent)
            if as_fits:
                yield self._fits(target, partition)
            else:
                self._check_target(target, PARQUET)
                yield self._parquet(target, iter([partition]))

    def _check_target(self, target: Path, suffix: str) -> None:
        """Refuse a file that cannot be written, or is read."""
        check_output(target, overwrite=self.overwrite, suffixes=(suffix,))
        read = {path.resolve() for path in getattr(self.source, "paths", ())}
        if target.resolve() in read:
            raise OutputError(f"'{target}' is a file of the catalogue, which is read; write elsewhere")

    def _parquet(self, target: Path, partitions: Iterator[Partition]) -> Path:
        with atomic_write(target, overwrite=self.overwrite) as temporary, parquet_writer(temporary, target) as writer:
            for partition in partitions:
                for rows, values in self._answered(partition):
                    kept = rows.kept()
                    check_new_names(kept.schema.names, self.new, replace=self.overwrite_columns)
                    writer.write(with_columns(kept, self.new, values))
        return target

    def _only_fits_file(self) -> Partition:
        if not isinstance(self.source, FitsSource) or len(self.source.paths) > 1:
            raise OutputError(
                f"'{self.output}' would be one FITS table, but the catalogue is not; end the name in .parquet, or give "
                "a folder"
            )
        if self.keep is not None:
            raise InputError("`keep` chooses columns of Parquet files: a FITS table keeps all of its columns")
        return next(iter(self.source.partitions(())))

    def _fits(self, target: Path, partition: Partition) -> Path:
        assert isinstance(self.source, FitsSource)
        assert partition.path is not None
        self._check_target(target, target.suffix)
        names = self.source.names(partition.path)
        check_new_names(names, self.new, replace=self.overwrite_columns)
        check_fits_names([*names, *(column.name for column in self.new)])
        blocks = (values for _, values in self._answered(partition))
        append_columns(partition.path, target, self.new, blocks, hdu=self.source.hdu, overwrite=self.overwrite)
        return target

    def _answered(self, partition: Partition) -> Iterator[tuple[Rows, list[NDArray[Any]]]]:
        """The rows of a partition, and the values of the new columns for them."""
        for number, rows in enumerate(partition.rows()):
            self.tick(len(rows))
            columns = of_rows(self.columns, rows.observations, (partition.number, number))
            self.n_rows += len(rows)
            self.n_masked += columns.n_masked
            yield rows, columns.values()

    def _on_workers(self, source: DaskSource, client: Any) -> Iterator[Path]:
        """Write the partitions on the workers of a cluster, as soon as they are computed."""
        _make_folder(self.output)
        folder = self.output.absolute()
        targets = [folder / f"{name_of_partition(number)}{PARQUET}" for number in range(len(source.every))]
        for target in targets:
            self._check_target(target, PARQUET)
        self.tick(0)
        write = PartitionWriter(self.columns, source.reading, self.keep, replace=self.overwrite_columns)
        found = source.use_each(write, list(enumerate(targets)), client)
        for target, counts in zip(targets, found, strict=True):
            if counts is not None:
                self.n_rows += counts[0]
                self.n_masked += counts[1]
                yield self.output / target.name


def of_rows(columns: ObjectColumns, observations: Observations, place: tuple[int, int]) -> ObjectColumns:
    """The columns for other rows; `place`, the numbers of partition and block, decides their draws."""
    assert isinstance(columns.rng, int)
    return replace(columns, observations=observations, rng=np.random.default_rng([columns.rng, *place]))


@dataclass(frozen=True)
class PartitionWriter:
    """Writes a partition with its new columns; small, so that it can be sent to workers.

    Attributes
    ----------
    columns : ObjectColumns
        Of a row.
    reading : Reading
        How tables become observations.
    keep : sequence of str or None
    replace : bool
        Whether columns of the new names are replaced.
    """

    columns: ObjectColumns
    reading: Reading
    keep: Sequence[str] | None
    _: KW_ONLY
    replace: bool

    def __call__(self, table: Any, where: tuple[int, Path]) -> tuple[int, int] | None:
        """Number of rows, and of those that are masked; None if there are none, and no file.

        A file that is there is one of a lost worker: what may not be replaced was refused before.
        """
        (number, target), observations = where, self.reading(table)
        if observations is None:
            return None
        kept = arrow_of_table(table, self.keep, f"partition {number}")
        columns = of_rows(self.columns, observations, (number, 0))
        check_new_names(kept.schema.names, columns.columns, replace=self.replace)
        with atomic_write(target, overwrite=True) as temporary, parquet_writer(temporary, target) as writer:
            writer.write(with_columns(kept, columns.columns, columns.values()))
        return len(observations), columns.n_masked


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{folder}': {error.strerror or error}") from error
