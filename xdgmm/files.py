"""How does a result get to disk?  Whole or not at all.

`unpacked` reads what may be gzipped.  `check_output` says before the work starts whether a path can be written;
`written_whole` writes to a temporary name in the same folder and renames it, so an interrupted run leaves either the
old file or the new one.
"""

import gzip
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError

GZIPPED = b"\x1f\x8b"


def unpacked(path, size=-1):
    """The first bytes of a file, or all of them; decompressed where it is gzipped.

    Raises
    ------
    OSError or EOFError
        If it cannot be read, or is cut off.
    """
    with Path(path).open("rb") as stream:
        start = stream.read(len(GZIPPED))
        stream.seek(0)
        if start != GZIPPED:
            return stream.read(size)
        with gzip.open(stream) as inside:
            return inside.read(size)


def check_output(path, *, overwrite=False, suffixes=()):
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


def _problem(path, suffixes, *, overwrite):
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
        return "it exists already; choose another name, or allow overwriting it (--overwrite, overwrite=True)"
    return None


def _can_create_in(folder):
    """Try it: permission bits do not tell for administrators, read-only mounts and full quotas."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextmanager
def written_whole(path, *, overwrite=False):
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


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
