"""Passes on a graphics card.

The mathematics are the functions of rows of `compiled.py`, which write themselves as C here (`c_language`); `passes.cu`
holds what a card does with them, `source` joins the two for a layout, and `engine` runs them through a `Card`, whose
memory `residents` fills.  `cupy_card` is a card that CuPy reaches, `automatic` takes it where that is faster.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from xdgmm.kernels.processors import Processors

if TYPE_CHECKING:
    from xdgmm.kernels.engines import Engine

    from .engine import CudaEngine


class _OfCard:
    """The first engine of this process's card, whose memory the others share."""

    first: CudaEngine | None = None
    lock = threading.Lock()


def make_engine(device: str) -> Engine:
    """The engine of a device other than "cpu".

    Raises
    ------
    InputError
        If there is no such device, saying what was found; "auto" needs none.
    """
    if device == "auto":
        from .automatic import Automatic

        return Automatic(Processors(), lambda: _on_card(device))
    return _on_card(device, "float" if device == "cuda-float32" else "double")


def _on_card(device: str, real: str = "double") -> CudaEngine:
    from .cupy_card import find_card
    from .engine import CudaEngine

    with _OfCard.lock:
        first = _OfCard.first
        made = CudaEngine(find_card(device) if first is None else first.card, device, real, first)
        _OfCard.first = first or made
    return made
