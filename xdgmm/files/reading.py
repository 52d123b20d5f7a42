"""Read files that may be gzipped."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
