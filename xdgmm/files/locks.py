"""Keep two processes from writing the same file."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xdgmm.errors import OutputError

from .checks import refusal, target_of
from .signals import signals_as_exit
from .writing import remove

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike


@contextmanager
def write_lock(path: str | PathLike[str]) -> Iterator[None]:
    """Context in which no other process or thread can enter `write_lock` of the same path.

    The operating system locks a file beside it, named ``<name>.lock``, and unlocks it when the process ends, in
    whatever way.  Where the file system has no locks (some network folders) nothing is locked.

    Raises
    ------
    OutputError
        If another process has it, or no file can be created there.
    """
    target = target_of(Path(path))
    name = target.with_name(f"{target.name}.lock")
    with signals_as_exit(), ExitStack() as unlock:
        try:
            while not _locked(name, unlock):
                pass
        except BlockingIOError:
            raise OutputError(
                f"'{path}' is being written by another process; wait until it has ended, or give another name"
            ) from None
        except OSError as error:
            raise refusal(path, error) from error
        yield


def _locked(name: Path, unlock: ExitStack) -> bool:
    """Whether the file of this name is now locked, until `unlock` is closed; if not, it was removed meanwhile."""
    descriptor = os.open(name, os.O_CREAT | os.O_RDWR, 0o666)
    unlock.callback(_close, descriptor)
    _lock(descriptor)
    if not (name.exists() and os.path.samestat(os.fstat(descriptor), name.stat())):
        return False
    if sys.platform != "win32":  # it removes no open file
        unlock.callback(remove, name)  # before it is closed, while it is locked
    return True


def _close(descriptor: int) -> None:
    """Close a file in which nothing was written: it is closed where this is said to fail, too."""
    with suppress(OSError):
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Lock a file; BlockingIOError if it is locked."""
    if sys.platform == "win32":
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # this file system has no locks
