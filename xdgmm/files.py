"""How does a result get to disk?  Whole or not at all.

`check_output` says before the work starts whether a path can be written; `written_whole` writes to a temporary name
in the same folder and renames it, so an interrupted run leaves either the old file or the new one.
"""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError


def check_output(path, *, overwrite=False, suffixes=()):
    """Return `path` as a `Path` if a file can be written there.

    Raises
    ------
    OutputError
        If the folder is missing or not writable, the path is a folder, the suffix is not one of `suffixes` (where
        given), or the file exists and `overwrite` is false.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise OutputError(f"cannot write '{path}': its name must end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise OutputError(f"cannot write '{path}': it is a folder; give a file name")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write '{path}': the folder '{path.parent}' does not exist; make it first")
    if not _can_create_in(path.parent):
        raise OutputError(f"cannot write '{path}': the folder '{path.parent}' is not writable; choose another")
    if path.exists() and not overwrite:
        raise OutputError(f"'{path}' exists already; choose another name, or allow overwriting it (--overwrite)")
    return path


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
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
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
