"""Passes on a graphics card.

The mathematics are the functions of rows of `compiled.py`, which write themselves as C here (`c_language`); `passes.cu`
holds what a card does with them, `source` joins the two for a layout, and `engine` runs them through a `Card`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xdgmm.kernels.engines import Engine


def make_engine(device: str) -> Engine:
    """The engine of a device other than "cpu"."""
    raise NotImplementedError(device)
