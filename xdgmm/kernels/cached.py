"""Packed parts in files: written once, and mapped into memory for each pass.

Every kind of packed `Data` consists of dataclasses of arrays, which `xdgmm.files` writes and maps.  Noise can be held
with 32 bits, in which it takes half of its space; values keep their 64.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from xdgmm.files import map_arrays, write_arrays

from .blocks import aligned, noise_rows
from .censored import CensoredData
from .compiled import Layout
from .flat import FlatData
from .grouped import GroupedData
from .joined import JoinedData
from .packed import PackedData
from .streamed import PackedPart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from xdgmm.files import ArrayFile

    Floats = NDArray[np.float64]

T = TypeVar("T")
UNIT = 2.0**-24  # relative rounding error of a number with 32 bits
LARGEST, SMALLEST = 3e38, 2e-38  # that have all their digits in 32 bits


@dataclass(frozen=True, eq=False)
class HalvedBlocks:
    """Blocks whose noise is held with 32 bits.

    Attributes
    ----------
    noise : ndarray of float32 (n_blocks, n_noise, LANES)
    others : ndarray (n_blocks, rows - n_noise, LANES)
    """

    noise: NDArray[np.float32]
    others: Floats

    @property
    def data(self) -> Floats:
        """The blocks, with 64 bits (n_blocks, rows, LANES)."""
        n_blocks, n_noise, lanes = self.noise.shape
        data = aligned((n_blocks, n_noise + self.others.shape[1], lanes))
        data[:, :n_noise] = self.noise
        data[:, n_noise:] = self.others
        return data


KINDS = {
    kind.__name__: kind
    for kind in (CensoredData, FlatData, GroupedData, HalvedBlocks, JoinedData, Layout, PackedData, PackedPart)
}


def write_part(path: Path, part: PackedPart, *, halved: bool = False) -> ArrayFile:
    """Write a packed part, whole or not at all; `halved`: its noise with 32 bits, as `with_rounded_noise` has it.

    Raises
    ------
    OutputError
        If that fails.
    TypeError
        If its data are of a kind that no file holds.
    """
    return write_arrays(path, _replaced(part, _halved) if halved else part)


def map_part(path: Path, *, checksum: bool, advice: str) -> PackedPart:
    """The packed part in a file; arguments and errors are those of `xdgmm.files.map_arrays`."""
    part: PackedPart = _replaced(map_arrays(path, KINDS, checksum=checksum, advice=advice), _whole)
    return part


def with_rounded_noise(part: PackedPart) -> PackedPart:
    """The part with noise that 32 bits hold, so that all passes see the same whether it was read from a file or not.

    Notes
    -----
    Independent errors are rounded to the nearest number.  Correlated ones are rounded upwards, ``S' >= S`` as matrices,
    so that no covariance becomes indefinite: variances grow by at most ``(M + 2) 2^-24`` of themselves (M values).
    Noise that lies outside the range of 32 bits keeps its 64.
    """
    return _replaced(part, _rounded)


def _replaced(value: T, change: Callable[[Any], Any]) -> T:
    """A tree of dataclasses with all `PackedData` changed."""
    found: Any = value
    if isinstance(value, PackedData):
        return change(value)  # type: ignore[no-any-return]
    if isinstance(value, PackedPart):
        found = value._replace(data=_replaced(value.data, change))
    elif isinstance(value, tuple) and not isinstance(value, Layout):
        found = tuple(_replaced(each, change) for each in value)
    elif is_dataclass(value) and not isinstance(value, type):
        old = {each.name: getattr(value, each.name) for each in fields(value)}
        new = {name: _replaced(each, change) for name, each in old.items()}
        changed = {name: each for name, each in new.items() if each is not old[name]}
        found = replace(value, **changed) if changed else value
    return found  # type: ignore[no-any-return]


def _fits(noise: Floats) -> bool:
    """Do 32 bits hold all these numbers?"""
    sizes = np.abs(noise)
    return bool(((sizes == 0) | (sizes > SMALLEST)).all() and (sizes < LARGEST).all())


def _rounded(packed: PackedData) -> PackedData:
    pairs = noise_rows(packed.layout)
    noise = packed.data[:, : len(pairs)]
    if not pairs or not _fits(noise):
        return packed
    data = aligned(packed.data.shape)
    data[:] = packed.data
    for row, (i, j) in enumerate(pairs):
        data[:, row] = noise[:, row].astype(np.float32)
        if i == j:
            others = [place for place, pair in enumerate(pairs) if i in pair and place != row]
            correlated = (noise[:, others] != 0).any(axis=1)
            larger = noise[:, row] * (1.0 + (packed.n_measured - 1) * UNIT)
            above = np.nextafter(larger.astype(np.float32), np.float32(np.inf))
            data[:, row][correlated] = above[correlated]
    return replace(packed, data=data)


def _halved(packed: PackedData) -> PackedData:
    n_noise = len(noise_rows(packed.layout))
    noise = packed.data[:, :n_noise]
    if not n_noise or not _fits(noise):
        return packed
    return replace(packed, data=HalvedBlocks(noise.astype(np.float32), packed.data[:, n_noise:]))  # type: ignore[arg-type]


def _whole(packed: PackedData) -> PackedData:
    held: Any = packed.data
    return replace(packed, data=held.data) if isinstance(held, HalvedBlocks) else packed
