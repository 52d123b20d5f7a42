"""How does a result get to disk?

`read_bytes` reads a file that may be gzipped.  `check_output` checks before the work starts that a path can be
written; `atomic_write` writes to a temporary name in the same folder and renames it, so that an interrupted run
leaves the old file or the new one, never an incomplete file.
"""

from __future__ import annotations

import gzip
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from os import PathLike

GZIPPED = b"\x1f\x8b"


def read_bytes(path: str | PathLike[str], size: int = -1) -> bytes:
    """The first bytes of a file, or all of them, decompressed if the file is gzipped.

    Raises
    ------
    OSError or EOFError
        If it cannot be read, or is incomplete.
    """
    with Path(path).open("rb") as stream:
        start = stream.read(len(GZIPPED))
        stream.seek(0)
        if start != GZIPPED:
            return stream.read(size)
        with gzip.open(stream) as inside:
            return inside.read(size)


def check_output(path: str | PathLike[str], *, overwrite: bool = False, suffixes: Collection[str] = ()) -> Path:
    """Return `path` as a `Path` if a file can be written there.

    Raises
    ------
    OutputError
        If the folder is missing or not writable, the path is a folder, the suffix is not one of `suffixes` (where
        given), or the file exists and `overwrite` is false.
    """
    path = Path(path)
    try:
        problem = _problem(path, suffixes, overwrite=overwrite)
    except OSError as error:
        problem = f"{error.strerror or error}; choose another name"
    if problem:
        raise OutputError(f"cannot write '{path}': {problem}")
    return path


def _problem(path: Path, suffixes: Collection[str], *, overwrite: bool) -> str | None:
    """What is wrong with an output path, or None."""
    if suffixes and path.suffix.lower() not in suffixes:
        return f"its name must end in {' or '.join(suffixes)}"
    if path.is_dir():
        return "it is a folder; give a file name"
    if not path.parent.is_dir():
        return f"the folder '{path.parent}' does not exist; make it first"
    if not _can_create_in(path.parent):
        return f"the folder '{path.parent}' is not writable; choose another"
    if path.exists() and not overwrite:
        return "it exists already; choose another name, or replace it: `overwrite=True`"
    return None


def _can_create_in(folder: Path) -> bool:
    """Whether a file can be created; permission bits do not show that for administrators and read-only mounts."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextmanager
def atomic_write(path: str | PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Context that yields a temporary path with the same suffix, renamed to `path` when the block succeeds."""
    path = check_output(path, overwrite=overwrite)
    descriptor, name = tempfile.mkstemp(prefix=".xdgmm-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
