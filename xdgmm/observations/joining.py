"""Observations of several sets of objects as one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.kernels import join_noises

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .observations import Observations


def join(parts: Sequence[Observations]) -> Observations:
    """Observations of all objects of several parts, in their order, with the remarks of the first.

    Raises
    ------
    InputError
        If the parts do not have the same columns, units, kind of errors and projections.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        check_alike(first, part)
    projections = first.projections
    if projections is not None and projections.ndim == 3:
        projections = np.concatenate([part.projections for part in parts])
    return replace(
        first,
        values=np.concatenate([part.values for part in parts]),
        noise_model=join_noises([part.noise_model for part in parts]),
        weights=_joined(parts, "weights", lambda part: np.ones(len(part))),
        limits=_joined(parts, "limits", lambda part: np.zeros(part.shape, np.int8)),
        memberships=_joined(parts, "memberships", None),
        projections=projections,
    )


def _joined(
    parts: Sequence[Observations], name: str, default: Callable[[Observations], NDArray[Any]] | None
) -> NDArray[Any] | None:
    """An array of all parts, in which the default stands for that of a part without one; None if no part has one."""
    arrays = [getattr(part, name) for part in parts]
    if all(array is None for array in arrays):
        return None
    given = zip(parts, arrays, strict=True)
    return np.concatenate([default(part) if array is None and default else array for part, array in given])


def check_alike(one: Observations, other: Observations) -> None:
    """Refuse to join observations that differ in more than their rows.

    Raises
    ------
    InputError
        That says in what they differ.
    """
    asked: tuple[tuple[str, Callable[[Observations], str]], ...] = (
        ("columns", lambda each: ", ".join(each.names)),
        ("units", lambda each: ", ".join(str(unit) for unit in each.units)),
        ("errors", _kind),
        ("memberships", lambda each: "none" if each.memberships is None else f"{each.memberships.shape[1]} columns"),
        ("projections", _kind_of_projections),
    )
    for what, own in asked:
        first, second = own(one), own(other)
        if first != second:
            raise InputError(f"the {what} of the parts differ: {first}, and {second}; make them the same in all parts")
    R = one.projections
    if R is not None and R.ndim == 2 and not np.array_equal(R, other.projections):  # type: ignore[arg-type]
        raise InputError("the parts have different projections; give each object its own")


def _kind(observations: Observations) -> str:
    noise = observations.noise_model
    return noise.kind if noise.array is not None or type(noise).__name__ == "Exact" else type(noise).__name__


def _kind_of_projections(observations: Observations) -> str:
    R = observations.projections
    return "none" if R is None else f"{'one' if R.ndim == 2 else 'each its own'}, {R.shape[-2:]}"
