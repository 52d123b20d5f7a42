"""`FileSource`: a catalogue in one file or in several, which must not change while they are read again and again."""

from __future__ import annotations

import glob
import os
import time
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xdgmm.errors import InputError, KindError, reraise_lack_of_memory
from xdgmm.tables.table_types import as_table, is_table

from .columnar_source import ColumnarSource
from .partitions import Partition, Rows
from .source import AGAIN, Block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xdgmm.tables.table_types import NamedColumns

SETTLED = 2_000_000_000  # nanoseconds after which a file that changes again has another time
THUMBNAIL = "data_thumbnail.parquet"  # rows of a HATS catalogue for a preview, which its partitions hold too


class FileSource(ColumnarSource):
    """A catalogue in files.

    Parameters
    ----------
    files : str, Path, or sequence of these
        A file, a pattern such as ``"gaia/*.parquet"``, a folder with all below it, or a list of files.  Those of
        patterns and folders are read in the order of their names, those of a list in its own.
    columns, **options
        As in `ColumnarSource`.

    Raises
    ------
    InputError
        If there is no such file, or one is given twice.
    KindError
        If it is no name of a file.
    """

    unchanging = True
    suffixes: tuple[str, ...]
    what: str

    def __init__(self, files: str | Path | Sequence[str | Path], columns: Any = None, **options: Any) -> None:
        super().__init__(columns, **options)
        self.paths = find_files(files, self.suffixes)
        _check_once(self.paths)
        self._seen: dict[Path, _State] = {}

    def identity(self) -> dict[str, Any] | None:
        """The files as they are now, and how they are read; None if one was changed just now."""
        states = {path: _State.of(path) for path in self.paths}
        if time.time_ns() - max(state.modified for state in states.values()) < SETTLED:
            return None
        self._seen.update(states)
        files = [(str(path.absolute()), state, path.stat().st_ctime_ns) for path, state in states.items()]
        return {
            "kind": type(self).__name__,
            "files": files,
            "columns": self.columns,
            "options": self.options,
            "units": self.units,
            "memory": self.memory,
        }

    @abstractmethod
    def rows_and_kept(self, path: Path, keep: Sequence[str] | None) -> Iterator[tuple[NamedColumns, Callable[[], Any]]]:
        """The rows of a file, a bounded number at a time, with the columns that are read.

        With each comes what makes a `pyarrow.Table` of the columns of the file that are kept: all, or those named.
        """

    def partitions(self, keep: Sequence[str] | None = None) -> Iterator[Partition]:
        """The files."""
        folder = Path(os.path.commonpath([path.parent.absolute() for path in self.paths]))
        for number, path in enumerate(self.paths):
            name = path.name[: -len(path.suffix)] if path.suffix else path.name
            below = path.parent.absolute().relative_to(folder)
            of_file = (below / name.removesuffix(".fits")).as_posix()
            yield Partition(number, of_file, path, partial(self._kept_rows, path, keep))

    def _kept_rows(self, path: Path, keep: Sequence[str] | None) -> Iterator[Rows]:
        first = 0
        pairs = self.rows_and_kept(path, keep)
        self._check_unchanged(path)
        while True:
            with explained(path, self.what, first):
                found = next(pairs, None)
            if found is None:
                break
            columns, kept = found
            name = f"'{path}', rows {first} to {first + columns.n_rows - 1}"
            yield Rows(self._observations(name, columns), kept)
            first += columns.n_rows
        self._check_unchanged(path)

    def blocks(self) -> Iterator[Block]:
        """The blocks of all files, one file after the other.

        Raises
        ------
        InputError
            That names the file and the rows that cannot be read, or a file that has changed since it was first read.
        """
        return (Block(name, as_table(columns)) for name, columns in self._columns_of_blocks())

    def _columns_of_blocks(self) -> Iterator[tuple[str, NamedColumns]]:
        for path in self.paths:
            self._check_unchanged(path)
            first = 0
            pairs = self.rows_and_kept(path, ())
            while True:
                with explained(path, self.what, first):
                    found = next(pairs, None)
                if found is None:
                    break
                columns, _ = found
                del found
                yield f"'{path}', rows {first} to {first + columns.n_rows - 1}", columns
                first += columns.n_rows
            self._check_unchanged(path)

    def _check_unchanged(self, path: Path) -> None:
        now = _State.of(path)
        if self._seen.setdefault(path, now) != now:
            raise InputError(f"'{path}' has changed since it was first read; {AGAIN}")


class _State(NamedTuple):
    """What changes when a file does."""

    size: int
    modified: int
    number: int

    @classmethod
    def of(cls, path: Path) -> _State:
        try:
            found = path.stat()
        except OSError as error:
            raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


@contextmanager
def explained(path: Path, what: str, first: int) -> Iterator[None]:
    """One sentence that names the file and the rows for whatever goes wrong while they are read."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reraise_lack_of_memory(error)
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        else:
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        where = f" from row {first} on" if first else ""
        raise InputError(
            f"'{path}' cannot be read{where} as {what} ({reason[:150]}); is it complete, and is it such a file?"
        ) from error


def find_files(files: str | Path | Iterable[str | Path], suffixes: Sequence[str]) -> tuple[Path, ...]:
    """The files that a name, a pattern, a folder, or a list of these stands for.

    Raises
    ------
    InputError
        If there are none.
    KindError
        If it is something else.
    """
    if not isinstance(files, (str, os.PathLike)):
        if isinstance(files, bytes) or is_table(files) or not isinstance(files, Iterable):
            raise KindError(
                f"the files are a {type(files).__name__}, but the name of a file, a pattern, a folder or a list of "
                "these is needed; TableSource takes tables in memory"
            )
        found = [path for each in files for path in find_files(each, suffixes)]
        if not found:
            raise InputError("the list of files is empty; give at least one")
        return tuple(found)
    path = Path(files).expanduser()
    if path.is_dir():
        below = files_below(path, suffixes)
        if not below:
            raise InputError(f"the folder '{path}' holds no files that end in {' or '.join(suffixes)}; check the name")
        return below
    if path.exists():
        return (path,)
    pattern = os.fspath(path)
    if not glob.has_magic(pattern):
        raise InputError(f"there is no file '{path}'; check the name")
    matching = sorted(Path(each) for each in _matching(pattern) if Path(each).is_file())
    if not matching:
        raise InputError(f"no file matches '{pattern}'; check the pattern")
    return tuple(matching)


def _check_once(paths: Iterable[Path]) -> None:
    """Refuse files of which one is there twice, as itself or by a link."""
    seen: dict[Path, Path] = {}
    for path in paths:
        before = seen.setdefault(path.resolve(), path)
        if before is not path:
            also = "is given twice" if before == path else f"is the same file as '{before}'"
            raise InputError(f"'{path}' {also}, so that its objects would count twice; give it once")


def _matching(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 - of Path finds hidden files too


def files_below(folder: Path, suffixes: Sequence[str]) -> tuple[Path, ...]:
    """Files below a folder, without those that begin with a dot or an underscore, which hold metadata."""
    return tuple(
        sorted(
            path
            for path in folder.rglob("*")
            if path.name.lower().endswith(tuple(suffixes))
            and path.name != THUMBNAIL
            and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
            and path.is_file()
        )
    )
