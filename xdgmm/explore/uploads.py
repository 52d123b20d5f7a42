"""Files that are dropped or chosen on the page: how large they may be, and how they are read.

A browser sends the name of a file and its contents.  The contents are in a folder of their own for as long as they are
read, under a name that the file does not choose.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError

from .data_sets import DataSet, read_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .worker import Reporter

MEGABYTE = 1_000_000
LARGEST = 50 * MEGABYTE  # of a file
LARGEST_UNPACKED = 500 * MEGABYTE  # of one that is compressed
LARGEST_MESSAGE = LARGEST * 4 // 3 + MEGABYTE  # of what the browser sends: base64, and what stands around it
MOST_CHARACTERS = 100  # of the name
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")  # how gzip, bzip2 and xz begin
SUFFIXES = re.compile(r"(\.[A-Za-z0-9]{1,8}){0,2}$")


def read_upload(
    _report: Reporter | None,
    name: str,
    size: int,
    content: str,
    columns: Sequence[str] | None = None,
    errors: str = "auto",
    **options: Any,
) -> DataSet:
    """The data set of a file that a browser has sent; a task for `Worker.start`.

    Parameters
    ----------
    _report : Reporter
        Not used: a table is read at once.
    name : str
        What the user calls the file; it may say anything.
    size : int
        Bytes of the file, as the browser says.
    content : str
        In base64; empty where the browser has left it out because the file is too large.
    columns, errors, **options
        As in `read_file`.

    Raises
    ------
    InputError
        If the file is too large, cannot be read, or a column cannot be used.
    """
    name = re.split(r"[/\\]", name)[-1][:MOST_CHARACTERS] or "file"
    if size > LARGEST or len(content) > LARGEST_MESSAGE:
        raise InputError(
            f"'{name}' has {size / MEGABYTE:.0f} MB, but the page takes at most {LARGEST // MEGABYTE}; name "
            "the file on the command line instead: xdgmm explore FILE"
        )
    try:
        data = b64decode(content, validate=True)
    except ValueError:
        raise InputError(f"'{name}' did not arrive whole; choose it again") from None
    with TemporaryDirectory(prefix="xdgmm-", ignore_cleanup_errors=True) as folder:
        suffixes = SUFFIXES.search(name)
        file = Path(folder) / f"table{suffixes[0] if suffixes else ''}"
        file.write_bytes(data)
        try:
            _check_unpacked(file, data[:6], name)
            found = read_file(file, columns, errors, **options)
        except InputError as error:
            raise InputError(str(error).replace(str(file), name)) from None
    remarks = tuple(remark.replace(str(file), name) for remark in found.remarks)
    return replace(found, name=name, path=None, remarks=remarks)


def _check_unpacked(file: Path, start: bytes, name: str) -> None:
    """Refuse a compressed file that would become too large."""
    if not start.startswith(PACKED):
        return
    from xdgmm.tables.text_formats import binary

    size = 0
    try:
        with binary(file) as stream:
            while size <= LARGEST_UNPACKED and (block := stream.read(MEGABYTE)):
                size += len(block)
    except (OSError, EOFError):
        return  # damaged; its reader says so
    if size > LARGEST_UNPACKED:
        raise InputError(
            f"'{name}' has more than {LARGEST_UNPACKED // MEGABYTE} MB when it is decompressed; give a smaller table"
        )
