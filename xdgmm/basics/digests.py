"""A short digest of values, by which files say what they were made of."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
from astropy.units import UnitBase

SIZE = 16  # bytes


def digest(*values: Any) -> bytes:
    """16 bytes that are the same for equal values, in every process, and in practice differ for others.

    Parameters
    ----------
    *values : None, bool, number, str, bytes, array, unit, Enum, and sequences, mappings and dataclasses of these
        Lists and tuples count as the same, as do numbers of Python and of NumPy.

    Raises
    ------
    TypeError
        If a value is of another kind, such as a function, of which equality is not known.

    Examples
    --------
    >>> from xdgmm.basics.digests import digest
    >>> digest([1.0, "v"]) == digest((1.0, "v"))
    True
    """
    found = hashlib.blake2b(digest_size=SIZE)
    for value in values:
        _add(found, value)
    return found.digest()


def _add(found: Any, value: Any) -> None:
    if isinstance(value, np.ndarray) and value.dtype != object:
        array = np.ascontiguousarray(value)
        unit = getattr(value, "unit", None)
        found.update(f"array {array.dtype.str} {array.shape} {unit} ".encode())
        found.update(array.tobytes())
    elif is_dataclass(value) and not isinstance(value, type):
        _add_all(found, type(value).__name__, [(each.name, getattr(value, each.name)) for each in fields(value)])
    elif isinstance(value, dict):
        _add_all(found, "dict", sorted(value.items(), key=lambda item: digest(item[0])))
    elif isinstance(value, (tuple, list, np.ndarray)):
        _add_all(found, "sequence", list(value))
    else:
        found.update(f"{_plain(value)!r} ".encode())


def _add_all(found: Any, kind: str, values: list[Any]) -> None:
    found.update(f"{kind} {len(values)} ".encode())
    for value in values:
        _add(found, value)


def _plain(value: Any) -> Any:
    """The value in a form whose `repr` tells it from all others."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, UnitBase):
        return "unit", value.to_string()
    if isinstance(value, Enum):
        return type(value).__name__, value.name
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return value
    raise TypeError(f"a value of type {type(value).__name__} has no digest")
