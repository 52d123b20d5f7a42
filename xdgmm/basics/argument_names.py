"""Messages about arguments name them as the caller knows them: by another argument, or by the column that was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xdgmm.errors import InputError

from .arrays import label


@contextmanager
def called(**names: str) -> Iterator[None]:
    """Within this context an `InputError` on an argument of ours, ``ours="theirs"``, names theirs instead.

    Theirs is an argument, or a phrase such as "column 'v'" (see `xdgmm.basics.arrays.label`).
    """
    try:
        yield
    except InputError as error:
        sentence = str(error)
        for ours, theirs in names.items():
            sentence = sentence.replace(f"`{ours}`", label(theirs))
        raise type(error)(sentence) from None


def column_name(values: Any) -> str | None:
    """Name of the column of a table or data frame that these values are; None for other values."""
    info = getattr(values, "info", None)  # where a Quantity that is a column has its name
    name = getattr(values, "name", None) or getattr(info, "name", None)
    return name if isinstance(name, str) else None


def columns_called(**arguments: Any) -> dict[str, str]:
    """What `called` takes for those of these arguments that are columns with a name."""
    names = {argument: column_name(values) for argument, values in arguments.items()}
    return {argument: f"column '{name}'" for argument, name in names.items() if name is not None}
