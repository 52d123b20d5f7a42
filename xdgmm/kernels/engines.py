"""Engines: what runs over the objects of `Blocks` in a pass.

`Processors` (threads of this machine) and `cuda.CudaEngine` (a graphics card) implement `Engine`.  `passes.py` gives it
a mixture in the layout of the kernels (`mixtures.lay_out`) and completes what it found; nothing else knows of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .blocks import Blocks

    Floats = NDArray[np.float64]


class Engine(Protocol):
    """Runs over the objects of `Blocks`, under mixtures of S components with weights, G of them Gaussians.

    ``amplitude (S, 2)`` and ``theta (S, n)`` are what `mixtures.lay_out` fills; where one mixture is meant the axis W
    is missing.  Arrays of objects have n = n_blocks LANES rows, the padding included.
    """

    @property
    def name(self) -> str:
        """The device, as users name it."""

    def sums(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, object_weights: Floats, *, with_information: bool
    ) -> tuple[Floats, Floats]:
        """Sums (W, chunks, S, n) under each of W mixtures, and likelihoods (W, chunks, 2, LANES).

        The latter are the log2-likelihood and the lowest pivot.  `object_weights` (n_blocks, LANES) stand in the place
        of those of the blocks, if they have rows.
        """

    def log2_densities(self, blocks: Blocks, amplitude: Floats, theta: Floats) -> Floats:
        """log2 of the density of each object (n,), without the (2 pi)^(-1/2) of each value."""

    def responsibilities(self, blocks: Blocks, amplitude: Floats, theta: Floats, first: int, n_out: int) -> Floats:
        """Those of n_out components from the first one on (n, n_out); not a number where all densities are zero."""

    def member_sums(self, blocks: Blocks, amplitude: Floats, theta: Floats, unit: float) -> Floats:
        """``sum r omega / unit`` and ``sum (r omega / unit)^2`` of each component (2, S).

        Objects at which every component has density zero count nothing.
        """

    def posteriors(
        self,
        blocks: Blocks,
        amplitude: Floats,
        theta: Floats,
        fallback: Floats,
        prior: Floats,
        *,
        of_each: bool,
    ) -> list[Floats]:
        """What is known of each object: the arrays that `compiled.posteriors` fills, in its order."""

    def total_log2_likelihoods(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, n_mixtures: int
    ) -> tuple[Floats, Floats]:
        """log2-likelihoods of W mixtures, amplitude (W S, 2), and for how many objects one was singular: (W,), (W,)."""
