"""Checks, before the work starts, that a file can be written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from xdgmm.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Collection
    from os import PathLike

EXISTS = "it exists already; choose another name, or replace it: `overwrite=True`"


def check_output(path: str | PathLike[str], *, overwrite: bool = False, suffixes: Collection[str] = ()) -> Path:
    """Return `path` as a `Path` if a file can be written there.

    Raises
    ------
    OutputError
        If the folder is missing or not writable, the path is a folder or a device, the suffix is not one of `suffixes`
        (where given), or the file exists and `overwrite` is false.
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
    folder = target_of(path).parent
    if not folder.is_dir():
        return f"the folder '{folder}' does not exist; make it first"
    if not _can_create_in(folder):
        return f"the folder '{folder}' is not writable; choose another"
    if path.exists() and not path.is_file():
        return "it is a device or a pipe; give the name of a file"
    if path.exists() and not overwrite:
        return EXISTS
    return None


def target_of(path: Path) -> Path:
    """Where the file itself is: the end of a symbolic link, which stays a link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _can_create_in(folder: Path) -> bool:
    """Whether a file can be created; permission bits do not show that for administrators and read-only mounts."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def refusal(path: str | PathLike[str], error: OSError) -> OutputError:
    """What the operating system refuses, as a sentence with the name of the file."""
    return OutputError(f"cannot write '{path}': {error.strerror or error}")
