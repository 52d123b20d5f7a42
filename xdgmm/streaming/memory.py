"""How much memory blocks may occupy."""

from __future__ import annotations

import re

from xdgmm.errors import InputError

UNITS = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
SMALLEST = 1_000_000


def parse_memory(memory: float | str) -> float:
    """Bytes: of a number, or of words such as "1GB" and "500 MiB".

    Raises
    ------
    InputError
        If it is neither, or less than a million bytes.
    """
    found = re.fullmatch(r"\s*(\d+\.?\d*(?:e\d+)?)\s*([kmgt]?i?b?)\s*", str(memory), re.IGNORECASE)
    if isinstance(memory, bool) or found is None or found[2].upper() not in UNITS:
        raise InputError(
            f"`memory` is {memory!r}, but it must be a number of bytes, or words such as '1GB' and '500MB'"
        )
    n_bytes = float(found[1]) * UNITS[found[2].upper()]
    if n_bytes < SMALLEST:
        raise InputError(f"`memory` is {memory!r}, but blocks of objects need at least 1 MB")
    return n_bytes
