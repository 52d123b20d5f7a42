"""Messages about arguments name them as the caller wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xdgmm.errors import InputError


@contextmanager
def called(**names: str) -> Iterator[None]:
    """Within this context an `InputError` on an argument of ours, ``ours="theirs"``, names theirs instead."""
    try:
        yield
    except InputError as error:
        sentence = str(error)
        for ours, theirs in names.items():
            sentence = sentence.replace(f"`{ours}`", f"`{theirs}`")
        raise type(error)(sentence) from None
