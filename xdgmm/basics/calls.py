"""Calls written as Python code, to be run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_NUMBERS = 20  # of an array that is written out


def call(name: str, arguments: Mapping[str, Any]) -> str:
    """A call with keyword arguments as Python code; an argument that cannot be written out stands for itself.

    Examples
    --------
    >>> from xdgmm.basics.calls import call
    >>> call("f", {"a": 1, "b": [0.1, 0.2], "c": object()})
    'f(a=1, b=[0.1, 0.2], c=c)'
    """
    return f"{name}({', '.join(f'{key}={_written(key, value)}' for key, value in arguments.items())})"


def _written(name: str, value: Any) -> str:
    """The value as code that gives the same value again, or the name of the argument."""
    if type(value) is np.ndarray or isinstance(value, np.generic):
        value = value.tolist() if value.size <= MOST_NUMBERS else value
    if isinstance(value, range):
        return repr(value)
    return repr(value) if _is_plain(value) else name


def _is_plain(value: Any) -> bool:
    """Is this a number, a text, or a short list of these?"""
    if isinstance(value, (list, tuple)):
        return len(value) <= MOST_NUMBERS and all(map(_is_plain, value))
    if isinstance(value, np.generic):  # whose representation names numpy
        return False
    if isinstance(value, float):
        return bool(np.isfinite(value))
    return value is None or isinstance(value, (bool, int, str))
