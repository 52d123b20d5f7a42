"""Checks of parameters that many functions have: counts, levels, names, seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_count(number: int, name: str = "n_samples") -> int:
    """The number, such as one of draws; InputError if it is not a whole number, or negative."""
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)) or number < 0:
        raise InputError(f"`{name}` is {number!r}, but it must be a whole number, zero or positive")
    return number


def check_jobs(n_jobs: int) -> int:
    """The number of processes, -1 for all processors; InputError if it is not a whole number, or zero."""
    if isinstance(n_jobs, (bool, np.bool_)) or not isinstance(n_jobs, (int, np.integer)) or n_jobs == 0:
        raise InputError(f"`n_jobs` is {n_jobs!r}, but it must be a whole number, not 0 (-1 for all processors)")
    return n_jobs


def check_level(level: float, name: str = "level", least: float = 0) -> None:
    """InputError if the level is not a probability above `least` and below 1."""
    if isinstance(level, bool) or not isinstance(level, (int, float, np.number)) or not least < level < 1:
        usual = " (0.6827 for one standard error)" if least == 0 else ""
        raise InputError(f"`{name}` is {level!r}, but it must be between {least} and 1{usual}")


def check_names(names: str | Iterable[str] | None, n_dimensions: int, what: str = "columns") -> tuple[str, ...]:
    """A tuple of D different names; x1, x2, ... by default."""
    if names is None:
        return tuple(f"x{i + 1}" for i in range(n_dimensions))
    names = (names,) if isinstance(names, str) else tuple(str(name) for name in names)
    if len(names) != n_dimensions:
        raise InputError(f"`names` has {len(names)} entries, but there are {n_dimensions} {what}; give one for each")
    if len(set(names)) < len(names):
        raise InputError(f"`names` repeats a name: {', '.join(names)}; make them different")
    return names


def as_generator(rng: np.random.Generator | int | None, name: str = "rng") -> np.random.Generator:
    """A numpy Generator: the argument itself, or one made from a seed."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise InputError(
            f"`{name}` is {rng!r}, but it must be a numpy Generator, a seed (a whole number from 0), or None"
        ) from None
