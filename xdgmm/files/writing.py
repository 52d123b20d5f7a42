"""Write files whole or not at all.

A file gets its name when every byte of it is on the disk (fsync).  One that may not be replaced is not replaced either
where another process makes a file of this name in the last moment: the name is given by a hard link, which fails then,
or is taken first where the file system has no hard links.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xdgmm.errors import OutputError

from .checks import EXISTS, check_output, refusal, target_of
from .signals import signals_as_exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

PREFIX = ".xdgmm-"  # of the names of temporary files


@contextmanager
def atomic_write(path: str | PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Context that yields a temporary path with the same suffix, renamed to `path` when the block succeeds.

    A file that is replaced hands on its permissions, and a symbolic link to it stays.

    Raises
    ------
    OutputError
        As `check_output`; or if the file exists when the block has ended and `overwrite` is false; or if writing
        fails, within the block too, as on a full disk.
    """
    with atomic_writes([path], overwrite=overwrite) as (temporary,):
        try:
            yield temporary
        except OSError as error:
            if error.filename is not None and str(error.filename) != str(temporary):
                raise  # of another file, which is read
            raise refusal(Path(path), error) from error


@contextmanager
def atomic_writes(paths: Sequence[str | PathLike[str]], *, overwrite: bool = False) -> Iterator[list[Path]]:
    """`atomic_write` of several files: all are complete before the first gets its name, and all get it or none.

    Only a process that is killed between two names (``kill -9``, a power failure) can leave some new files beside old
    ones.  Errors of the block itself are not changed.
    """
    files = [_NewFile(check_output(path, overwrite=overwrite), overwrite=overwrite) for path in paths]
    with signals_as_exit(), ExitStack() as leftovers:
        for file in files:
            leftovers.callback(remove, file.temporary)
            file.create()
        yield [file.temporary for file in files]
        for file in files:
            file.complete()
        _publish(files, leftovers)


def _publish(files: Sequence[_NewFile], leftovers: ExitStack) -> None:
    """Give all files their names; if one cannot get it, those before it lose theirs again."""
    if len(files) > 1:
        for file in files:
            leftovers.callback(remove, file.old)
            file.keep_old()
    try:
        for file in files:
            file.publish()
    except BaseException:
        if len(files) > 1:
            for file in files:
                file.withdraw()
        raise


class _NewFile:
    """A file on its way from a temporary name to its own."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path, self.target, self.overwrite = path, target_of(path), overwrite
        name = PREFIX + secrets.token_hex(8)
        self.temporary = self.target.with_name(name + path.suffix)
        self.old = self.target.with_name(f"{name}.old")  # the file that is replaced, until all files have their names

    def create(self) -> None:
        """Make an empty file, with the permissions of any new one."""
        with self._refusals():
            os.close(os.open(self.temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self._take_permissions(stat.S_IRUSR | stat.S_IWUSR)

    def _take_permissions(self, more: int = 0) -> None:
        """Give the file the permissions (and `more`), and if that is allowed the owner, of the one that it replaces."""
        if not self._replaces():
            return
        before, now = self.target.stat(), self.temporary.stat()
        if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
            with suppress(PermissionError):
                os.chown(self.temporary, before.st_uid, before.st_gid)
        self.temporary.chmod(stat.S_IMODE(before.st_mode) | more)

    def complete(self) -> None:
        """Wait until every byte is on the disk: only then may the file have its name."""
        with self._refusals():
            with self.temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            self._take_permissions()  # some libraries remove the empty file and make their own

    def publish(self) -> None:
        """Give the file its name."""
        with self._refusals():
            if self.overwrite:
                self.temporary.replace(self.target)
            else:
                self._take_free_name()
        _sync_folder(self.target.parent)

    def _take_free_name(self) -> None:
        try:
            os.link(self.temporary, self.target)
        except FileExistsError:
            raise
        except OSError:  # no hard links here, as on FAT: the name is taken first
            os.close(os.open(self.target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            try:
                self.temporary.replace(self.target)
            except BaseException:
                remove(self.target)
                raise

    def keep_old(self) -> None:
        """Give the file that will be replaced a second name, or a copy where there are no hard links."""
        if not self._replaces():
            return
        with self._refusals():
            try:
                os.link(self.target, self.old)
            except OSError:
                shutil.copy2(self.target, self.old)

    def withdraw(self) -> None:
        """Make it as if the file had never had its name."""
        if self.temporary.exists() and not (self.target.exists() and self.target.samefile(self.temporary)):
            return
        if self.old.exists():
            self.old.replace(self.target)
        else:
            remove(self.target)

    def _replaces(self) -> bool:
        return self.overwrite and self.target.exists()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """An `OutputError` with the name of the file for what the operating system refuses."""
        try:
            yield
        except FileExistsError:
            raise OutputError(f"cannot write '{self.path}': {EXISTS}") from None
        except OSError as error:
            raise refusal(self.path, error) from error


def _sync_folder(folder: Path) -> None:
    """Let a new name survive a power failure, where folders can be written to disk at all (not on Windows)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file if it is there, also where a first try fails or is interrupted."""
    try:
        path.unlink(missing_ok=True)
    except BaseException as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
