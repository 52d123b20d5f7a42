"""Groups of objects by their labels: an instrument, a field, an observer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import InputError
from xdgmm.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_GROUPS = 50
FIRST = 8  # labels that a message lists


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each object belongs to.

    Attributes
    ----------
    labels : tuple
        One for each group that has objects, sorted.
    members : ndarray of int (N,)
        The place of each object's label; -1 for objects that do not count.
    sizes : ndarray of int
        Objects of each group that count.
    reference : int or None
        Place of the group whose errors are taken to be right; None where there is no such group.
    """

    labels: tuple[Any, ...]
    members: NDArray[np.intp]
    sizes: NDArray[np.intp]
    reference: int | None

    @property
    def free(self) -> tuple[int, ...]:
        """Places of all groups but the reference."""
        return tuple(i for i in range(len(self.labels)) if i != self.reference)


def one_group(counts: NDArray[np.bool_]) -> Groups:
    """All objects that count as one group, without a reference."""
    return Groups(("all",), np.where(counts, 0, -1), np.array([np.count_nonzero(counts)]), None)


def groups_by(labels: Any, counts: NDArray[np.bool_], reference: Any = None) -> Groups:
    """Groups of equal labels, beside a reference group.

    Parameters
    ----------
    labels : array (N,)
        Texts, whole numbers, anything that can be compared.
    counts : ndarray of bool (N,)
        Which objects count.
    reference : optional
        Label of the reference group; by default that of the largest group, the first of several.

    Raises
    ------
    InputError
        If there is not one label for each object, one that counts is missing, all are equal, there are too many
        groups, or the reference is none of them.
    """
    each = _plain_labels(labels, counts.size)
    missing = np.array([label is None for label in each], dtype=bool) & counts
    if missing.any():
        raise InputError(
            f"`by` has no label (masked, NaN or empty) in {list_rows(np.flatnonzero(missing))}; give one, or leave "
            "these objects out"
        )
    distinct = _sorted({label for label, used in zip(each, counts, strict=True) if used})
    places = {label: i for i, label in enumerate(distinct)}
    members = np.array([places[label] if used else -1 for label, used in zip(each, counts, strict=True)])
    if len(distinct) == 1:
        raise InputError(
            f"`by` has the same label for all objects ({printable(distinct[0])}), but errors of one group are compared "
            "with those of another; leave `by` out for a factor common to all"
        )
    if len(distinct) > MOST_GROUPS:
        raise InputError(
            f"`by` has {len(distinct)} different labels, but at most {MOST_GROUPS} groups can be compared; give the "
            "instrument, not the object"
        )
    sizes = np.bincount(members[members >= 0], minlength=len(distinct))
    place = _reference(distinct, sizes, reference)
    if sizes[place] == 1:
        raise InputError(
            f"the reference group of `by` ({printable(str(distinct[place]))}) has one object, which shows nothing of "
            "its errors; name a larger group as `reference`, or give the instrument, not the object"
        )
    return Groups(tuple(distinct), members, sizes, place)


def _plain_labels(labels: Any, n_objects: int) -> list[Any]:
    """The labels as plain values, None where one is missing."""
    if isinstance(labels, (str, bytes)) or not hasattr(labels, "__len__"):
        raise InputError(
            f"`by` is {labels!r}, but X has no columns to look it up in; give one label for each object, as an array"
        )
    mask = np.ma.getmaskarray(labels) if hasattr(labels, "mask") and not hasattr(labels, "to_numpy") else None
    array = np.asarray(getattr(labels, "filled", lambda: labels)() if mask is None else np.ma.getdata(labels))
    if array.ndim != 1 or len(array) != n_objects:
        raise InputError(f"`by` has shape {array.shape}, but X has {n_objects} objects; give one label for each")
    hidden = np.zeros(n_objects, bool) if mask is None else mask
    return [None if gone else _plain(label) for label, gone in zip(array.tolist(), hidden, strict=True)]


def _plain(label: Any) -> Any:
    """One label; None if it is missing."""
    label = label.decode("utf-8", "replace") if isinstance(label, bytes) else label
    if isinstance(label, str):
        return label.strip() or None
    try:
        return label if bool(label == label) else None
    except (TypeError, ValueError):  # pandas' NA has no truth value
        return None


def _sorted(labels: set[Any]) -> list[Any]:
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=str)


def _reference(labels: list[Any], sizes: NDArray[np.intp], wanted: Any) -> int:
    if wanted is None:
        return int(np.argmax(sizes))
    texts = [str(label) for label in labels]
    if wanted in labels:
        return labels.index(wanted)
    if str(wanted) in texts:  # a number that was given as a text, on the command line
        return texts.index(str(wanted))
    more = ", ..." if len(texts) > FIRST else ""
    raise InputError(
        f"`reference` is {wanted!r}, but no object that counts has this label; the groups are "
        f"{printable(', '.join(texts[:FIRST]) + more)}"
    )
