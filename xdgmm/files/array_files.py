"""Files of arrays that are mapped into memory: the operating system reads what is used, and may forget it again.

A file holds one value: a tree of dataclasses, named tuples, tuples, plain numbers and arrays.  It begins with `MAGIC`,
the length of its header and the header in JSON with a checksum; the arrays follow, each at a cache line.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import sys
import zlib
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.errors import InputError

from .writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC = b"xdgmm arrays 1\n"
START = len(MAGIC) + 16  # of the header: after two numbers, its length and its checksum
LINE = 64  # bytes of a cache line
# A file that is mapped need not stay open, but before Python 3.13 it does, and a process may have some hundred open.
CLOSED: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) and sys.platform != "win32" else {}
MOST_MAPPED = 50_000 if CLOSED or sys.platform == "win32" else 200


class ArrayFile(NamedTuple):
    """What identifies a file.

    Attributes
    ----------
    size : int
        Bytes.
    checksum : int
        CRC-32 of the arrays.
    """

    size: int
    checksum: int


def write_arrays(path: Path, value: Any) -> ArrayFile:
    """Write a value, whole or not at all; a file that has the same header is kept.

    Raises
    ------
    OutputError
        If that fails.
    """
    arrays: list[NDArray[Any]] = []
    tree = _described(value, arrays)
    described, end, checksum = [], 0, 0
    for array in arrays:
        described.append([end, array.shape, array.dtype.str, bool(array.flags.writeable)])
        checksum = zlib.crc32(_bytes(array), checksum)
        end = _next_line(end + array.nbytes)
    header = json.dumps({"value": tree, "arrays": described, "size": end, "checksum": checksum}).encode()
    first = _next_line(START + len(header))
    beginning = MAGIC + len(header).to_bytes(8, "little") + zlib.crc32(header).to_bytes(8, "little") + header
    found = ArrayFile(first + end, checksum)
    if not _has(path, beginning, found.size):
        with atomic_write(path, overwrite=True) as temporary, temporary.open("wb") as stream:
            stream.write(beginning.ljust(first, b"\0"))
            for array in arrays:
                stream.write(_bytes(array))
                stream.write(bytes(_next_line(array.nbytes) - array.nbytes))
    return found


def map_arrays(path: Path, kinds: Mapping[str, type], *, checksum: bool, advice: str) -> Any:
    """The value in a file, its arrays mapped into memory: what is written to them does not reach the file.

    Parameters
    ----------
    path : Path
    kinds : mapping
        The dataclasses and named tuples that the value may consist of, by their names.
    checksum : bool
        Is the checksum of the arrays compared?  They are read for it.
    advice : str
        What to do if the file is damaged, for the message.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, or not of this format.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            beginning = stream.read(START)
            length = int.from_bytes(beginning[len(MAGIC) : -8], "little")
            header = stream.read(min(length, size))
            if not beginning.startswith(MAGIC) or zlib.crc32(header) != int.from_bytes(beginning[-8:], "little"):
                raise _damaged(path, "its header", advice)
            described = json.loads(header)
            first = _next_line(START + length)
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY, **CLOSED)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror or error}); {advice}") from None
    with suppress(OSError, AttributeError):  # where the system takes no advice
        mapped.madvise(mmap.MADV_WILLNEED)
    if size != first + described["size"]:
        raise _damaged(path, "its length", advice)
    arrays = [_mapped(mapped, first, *each) for each in described["arrays"]]
    if checksum:
        found = 0
        for array in arrays:
            found = zlib.crc32(_bytes(array), found)
        if found != described["checksum"]:
            raise _damaged(path, "its checksum", advice)
    return _made(described["value"], arrays, kinds)


def _damaged(path: Path, what: str, advice: str) -> InputError:
    return InputError(f"'{path}' is damaged ({what} is wrong); {advice}")


def _next_line(place: int) -> int:
    return -(-place // LINE) * LINE


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _has(path: Path, beginning: bytes, size: int) -> bool:
    """Whether there is a file with this beginning and size."""
    try:
        with path.open("rb") as stream:
            return os.fstat(stream.fileno()).st_size == size and stream.read(len(beginning)) == beginning
    except OSError:
        return False


def _mapped(mapped: mmap.mmap, first: int, offset: int, shape: list[int], dtype: str, writeable: bool) -> NDArray[Any]:  # noqa: FBT001
    """An array in a mapped file."""
    if not math.prod(shape):
        return np.empty(shape, dtype)
    array: NDArray[Any] = np.ndarray(tuple(shape), np.dtype(dtype), mapped, first + offset)
    array.flags.writeable = writeable
    return array


def _described(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """A value in JSON; arrays are collected, and stand there as their numbers."""
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value) if not value.flags.c_contiguous else value)
        return {"array": len(arrays) - 1}
    if is_dataclass(value):
        own = {each.name: _described(getattr(value, each.name), arrays) for each in fields(value)}
        return {"kind": type(value).__name__, "fields": own}
    if isinstance(value, tuple):
        kind = type(value).__name__ if hasattr(value, "_fields") else "tuple"
        return {"kind": kind, "items": [_described(each, arrays) for each in value]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a value of type {type(value).__name__} cannot be written")


def _made(described: Any, arrays: list[NDArray[Any]], kinds: Mapping[str, type]) -> Any:
    """The value that `_described` has described."""
    if not isinstance(described, dict):
        return described
    if "array" in described:
        return arrays[described["array"]]
    if "items" in described:
        items = (_made(each, arrays, kinds) for each in described["items"])
        return tuple(items) if described["kind"] == "tuple" else kinds[described["kind"]](*items)
    own = {name: _made(each, arrays, kinds) for name, each in described["fields"].items()}
    return kinds[described["kind"]](**own)
