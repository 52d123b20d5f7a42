"""The engine of this machine's processors: compiled passes, whose chunks the threads share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import compiled
from .blocks import aligned
from .compiled import LANES, PROJECTED, element
from .threads import run_in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .blocks import Blocks

    Floats = NDArray[np.float64]

AT_ONCE = 100_000  # objects whose responsibilities are held at once where only sums of them are wanted


class Processors:
    """Passes of threads over blocks in memory; see `Engine`."""

    name = "cpu"

    def sums(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, object_weights: Floats, *, with_information: bool
    ) -> tuple[Floats, Floats]:
        """Sums over each chunk under each of W mixtures, and likelihoods."""
        D, M = len(blocks.layout.dimensions), len(blocks.layout.measured)
        W, S = theta.shape[:2]
        n, n_chunks = element(D, 0), blocks.n_chunks
        n_sums = 1 + D + n + (n + (D == 1) if with_information else 0)
        sums, likelihoods = np.zeros((W, n_chunks, S, n_sums)), np.zeros((W, n_chunks, 2, LANES))

        def task(first: int, last: int) -> None:
            factors = aligned((S, element(M, M) + 2, LANES))
            running = aligned((S, n_sums, LANES))
            for w in range(first // n_chunks, -(-last // n_chunks)):  # chunks of all mixtures, one after the other
                start, end = max(first - w * n_chunks, 0), min(last - w * n_chunks, n_chunks)
                arguments = blocks.chunk_size, amplitude[w], theta[w], blocks.layout, factors, running
                compiled.accumulate(
                    blocks.data, blocks.taken, start, end, *arguments, sums[w], likelihoods[w], object_weights
                )

        run_in_threads(task, W * n_chunks, W * nanoseconds(blocks, S))
        return sums, likelihoods

    def log2_densities(self, blocks: Blocks, amplitude: Floats, theta: Floats) -> Floats:
        """log2 of the density of each object, without the (2 pi)^(-1/2) of each value."""
        arguments = blocks.chunk_size, amplitude, theta, blocks.layout
        out = np.empty((blocks.n_blocks, LANES))

        def task(first: int, last: int) -> None:
            work = aligned((2 * len(amplitude), LANES))
            compiled.log_likelihoods(blocks.data, blocks.taken, first, last, *arguments, work, out)

        _run(task, blocks, len(amplitude))
        return out.reshape(-1)

    def responsibilities(self, blocks: Blocks, amplitude: Floats, theta: Floats, first: int, n_out: int) -> Floats:
        """Those of n_out components from the first one on."""
        arguments = blocks.chunk_size, amplitude, theta, blocks.layout
        out = np.empty((blocks.n_blocks * LANES, n_out))

        def task(start: int, end: int) -> None:
            work = aligned((2 * len(amplitude), LANES))
            compiled.responsibilities(blocks.data, blocks.taken, start, end, *arguments, work, first, out)

        _run(task, blocks, len(amplitude))
        return out

    def member_sums(self, blocks: Blocks, amplitude: Floats, theta: Floats, unit: float) -> Floats:
        """``sum r omega / unit`` and ``sum (r omega / unit)^2`` of each component."""
        sums = np.zeros((2, len(amplitude)))
        for part in blocks.parts(AT_ONCE):
            r = self.responsibilities(part, amplitude, theta, 0, len(amplitude))[: part.n_objects]
            np.nan_to_num(r, copy=False)
            relative = part.object_weights / unit
            sums += relative @ r, relative**2 @ r**2
        return sums

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
        """What is known of each object."""
        D, n, (S, K) = len(blocks.layout.dimensions), blocks.n_blocks * LANES, (len(amplitude), len(prior))
        each = (n, K) if of_each else (0, 0)
        shapes = (n,), (n, S), (n,), (n, D), (n, D, D), (*each, D), (*each, D, D)
        out = [np.empty(shape) for shape in shapes]

        def task(first: int, last: int) -> None:
            work, centres = aligned((2 * S, LANES)), aligned((K * D, LANES))
            arguments = amplitude, theta, blocks.layout, fallback, prior, work, centres
            compiled.posteriors(blocks.data, blocks.taken, first, last, blocks.chunk_size, *arguments, *out)

        _run(task, blocks, 2 * S)
        return out

    def total_log2_likelihoods(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, n_mixtures: int
    ) -> tuple[Floats, Floats]:
        """Those of each of W mixtures of as many components, and for how many objects a component was singular."""
        arguments = blocks.chunk_size, amplitude, theta, blocks.layout
        likelihoods = np.zeros((blocks.n_chunks, n_mixtures, 2))

        def task(first: int, last: int) -> None:
            work, running = aligned((2 * len(amplitude) // n_mixtures, LANES)), aligned((n_mixtures, 2, LANES))
            compiled.total_log_likelihoods(
                blocks.data, blocks.taken, first, last, *arguments, work, running, likelihoods
            )

        _run(task, blocks, len(amplitude))
        return likelihoods[:, :, 0].sum(axis=0), likelihoods[:, :, 1].sum(axis=0)


def _run(task: Callable[[int, int], None], blocks: Blocks, n_components: int) -> None:
    run_in_threads(task, blocks.n_chunks, nanoseconds(blocks, n_components))


def nanoseconds(blocks: Blocks, n_components: int) -> float:
    """About how long a pass takes on one thread."""
    D, M = len(blocks.layout.dimensions), len(blocks.layout.measured)
    projecting = 0.1 * M * D * (D + M) if len(blocks.layout.noise) == PROJECTED else 0.0
    return blocks.n_objects * n_components * (2.0 + 0.04 * M**3 + projecting)
