"""`CudaEngine`: passes of a graphics card over blocks; only sums, or what was asked of each object, come back."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.kernels.compiled import COMMON, LANES, element

from .source import (
    IN_CONSTANT_MEMORY,
    MOST_VALUES,
    OF_OBJECTS,
    OF_SUMS,
    Module,
    is_written_out,
    n_sums,
    n_theta,
    used_rows,
)
from .tuning import shared_bytes, tuned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from xdgmm.kernels.blocks import Blocks
    from xdgmm.kernels.compiled import Layout

    from .card import Argument, Card, Memory, Program
    from .residents import Residents, Segment

    Floats = NDArray[np.float64]

CHUNKS = 8448  # at most so many, 64 for each multiprocessor of an H200: more would cost sums, fewer leave some idle
ADDING = 256  # threads of `add_chunks`
NUMBER = 8  # bytes
LOWEST_POWER = {"double": -1e299, "float": -1e30}  # log2 of the density of a component without weight
MOST_ROWS = 65_535  # of blocks of threads
MOST_PARTIAL = 1 << 28  # bytes of the sums of chunks that are held at once, if that is enough for one mixture


class CudaEngine:
    """Passes of one card, which threads make one after the other; see `Engine`.

    Parameters
    ----------
    card : Card
    name : str
        The device, as users name it.
    real : {"double", "float"}
        Type of the numbers of an object; sums are always double.
    beside : CudaEngine, optional
        Another one of the same card, with which this one shares its memory and takes turns.
    """

    def __init__(self, card: Card, name: str, real: str = "double", beside: CudaEngine | None = None) -> None:
        from . import residents

        self.card, self.name, self.real = card, name, real
        self.number = np.float64 if real == "double" else np.float32
        self.residents: Residents = residents.Residents(card, self.number, None if beside is None else beside.residents)
        self.programs: dict[Module, Program] = {} if beside is None else beside.programs

    @property
    def is_usable(self) -> bool:
        """Is this the process that found the card?"""
        return os.getpid() == self.residents.held.process

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Meanwhile the card is this thread's.

        Raises
        ------
        InputError
            In a process that was forked: what CUDA knows of a card does not survive that.
        """
        if not self.is_usable:
            raise InputError(
                f"device {self.name!r} was used before this process was forked, which ends that: start processes by "
                "'spawn' or 'forkserver', or choose the device 'cpu' in them"
            )
        with self.residents.held.lock:
            yield

    # --- Sums over objects -----------------------------------------------------------------------------------------

    def sums(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, object_weights: Floats, *, with_information: bool
    ) -> tuple[Floats, Floats]:
        """Sums (W, 1, S, n) under each of W mixtures, and likelihoods (W, 1, 2, LANES)."""
        W, S = theta.shape[:2]
        n = n_sums(blocks.layout, information=with_information)
        found = self._summed(blocks, amplitude, theta, object_weights, information=with_information)
        sums, likelihoods = np.empty((W, 1, S, n)), np.zeros((W, 1, 2, LANES))
        sums[:, 0] = found[:, :-2].reshape(W, S, n)
        likelihoods[:, 0, 0, 0], likelihoods[:, 0, 1] = found[:, -2], found[:, -1:]
        return sums, likelihoods

    def member_sums(self, blocks: Blocks, amplitude: Floats, theta: Floats, unit: float) -> Floats:
        """``sum r omega / unit`` and ``sum (r omega / unit)^2`` of each component (2, S)."""
        none = np.zeros((0, LANES))
        found = self._summed(blocks, amplitude[None], theta[None], none, unit=1.0 / unit, squared=True)
        return np.ascontiguousarray(found[0, :-2].reshape(-1, 2).T)

    def _summed(
        self,
        blocks: Blocks,
        amplitude: Floats,
        theta: Floats,
        object_weights: Floats,
        *,
        unit: float = 1.0,
        information: bool = False,
        squared: bool = False,
    ) -> Floats:
        """Sums of each component, log2-likelihood and lowest pivot under each of W mixtures (W, S n + 2)."""
        module = self._module(blocks, OF_SUMS, amplitude.shape[1], information=information, squared=squared)
        amplitude, theta = self._prepared(blocks.layout, amplitude, theta)
        tuning, (W, S), n = module.tuning, theta.shape[:2], blocks.n_blocks * LANES
        count, size = S * module.n_sums + 2, _chunk_size(n, tuning.at_once)
        n_chunks = -(-n // size)
        of_mixture = count * n_chunks * NUMBER
        at_once = min(max(MOST_PARTIAL // of_mixture, 1), W)
        beside = 0 if tuning.whole else 2 * self.number().itemsize
        shared = shared_bytes(tuning, S, module.n_sums, used_rows(blocks.layout), self.real)
        with self.in_turn():
            program = self._program(module)
            partial, out = self.residents.allocate(at_once * of_mixture), self._empty(W * count)
            weights = self._sent(object_weights) if object_weights.size else None
            sent = None
            if not tuning.in_constant:
                sent = self._sent(amplitude, self.number), self._sent(theta, self.number)
            for first in range(0, W, at_once):
                own = [(w, partial.at((w - first) * of_mixture)) for w in range(first, min(first + at_once, W))]
                segments = self.residents.segments(blocks, size, beside)
                for segment, (w, to) in ((segment, each) for segment in segments for each in own):
                    mixture = self._of_mixture(program, w, amplitude, theta, sent)
                    given = (*_summed_arguments(segment, size, n_chunks, weights), *mixture, np.int32(S))
                    if tuning.whole:
                        arguments = *given, np.float64(unit), to
                        program.launch("accumulate", (segment.n_chunks(size), 1), tuning.threads, shared, arguments)
                    else:
                        self._one_after_the_other(program, module, segment, size, given, unit, to)
                for w, to in own:
                    arguments = to, np.int64(n_chunks), np.int32(count), out.at(w * count * NUMBER)
                    program.launch("add_chunks", (count, 1), ADDING, 0, arguments)
            return self._received(out, (W, count))

    def _one_after_the_other(
        self,
        program: Program,
        module: Module,
        segment: Segment,
        size: int,
        given: Sequence[Argument],
        unit: float,
        partial: Memory,
    ) -> None:
        """The sums of one component after the other, for mixtures that do not fit into shared memory."""
        threads, S = module.tuning.threads, int(given[-1])  # type: ignore[arg-type]
        found = self.residents.allocate(2 * segment.n_objects * self.number().itemsize, segment)
        grid, warps = segment.n_chunks(size), threads // 32
        program.launch("normalise", (grid, 1), threads, 2 * warps * NUMBER, (*given, found, partial))
        shared = warps * module.n_sums * NUMBER
        arguments = *given, np.float64(unit), found, partial
        program.launch("accumulate_component", (grid, S), threads, shared, arguments)

    def total_log2_likelihoods(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, n_mixtures: int
    ) -> tuple[Floats, Floats]:
        """Those of each of W mixtures of as many components, and for how many objects one was singular."""
        S = len(amplitude) // n_mixtures
        module = self._module(blocks, OF_OBJECTS, S)
        threads, n = module.tuning.threads, blocks.n_blocks * LANES
        size = _chunk_size(n, threads)
        n_chunks, count = -(-n // size), 2 * n_mixtures
        at_once = min(max(MOST_PARTIAL // (2 * n_chunks * NUMBER), 1), MOST_ROWS)
        if n_mixtures > at_once:
            mixtures = [slice(first * S, (first + at_once) * S) for first in range(0, n_mixtures, at_once)]
            pairs = ((amplitude[each], theta[each]) for each in mixtures)
            found = [self.total_log2_likelihoods(blocks, *each, len(each[0]) // S) for each in pairs]
            return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])
        amplitude, theta = self._prepared(blocks.layout, amplitude, theta)
        with self.in_turn():
            program = self._program(module)
            partial, out = self._empty(count * n_chunks), self._empty(count)
            amplitudes, thetas = (self._sent(each, self.number) for each in (amplitude, theta))
            for segment in self.residents.segments(blocks, size):
                given = _summed_arguments(segment, size, n_chunks, None)
                arguments = *given, thetas, amplitudes, np.int32(S), partial
                grid = segment.n_chunks(size), n_mixtures
                program.launch("total_likelihoods", grid, threads, 2 * threads // 32 * NUMBER, arguments)
            # all are sums: add_chunks is told that there is one number more, which would be a minimum
            arguments = partial, np.int64(n_chunks), np.int32(count + 1), out
            program.launch("add_chunks", (count, 1), ADDING, 0, arguments)
            totals = self._received(out, (n_mixtures, 2))
        return totals[:, 0], totals[:, 1]

    # --- Numbers of each object --------------------------------------------------------------------------------------

    def log2_densities(self, blocks: Blocks, amplitude: Floats, theta: Floats) -> Floats:
        """log2 of the density of each object, without the (2 pi)^(-1/2) of each value."""
        return self._of_each("log2_densities", blocks, amplitude, theta, (), [()])[0]

    def responsibilities(self, blocks: Blocks, amplitude: Floats, theta: Floats, first: int, n_out: int) -> Floats:
        """Those of n_out components from the first one on."""
        which = np.int32(first), np.int32(n_out)
        return self._of_each("responsibilities", blocks, amplitude, theta, which, [(n_out,)])[0]

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
        D, S, G = len(blocks.layout.dimensions), len(amplitude), len(prior)
        shapes = [(), (S,), (), (D,), (D, D), (G, D), (G, D, D) if of_each else None]
        with self.in_turn():
            extra: list[Argument] = [self._sent(each, self.number) for each in (fallback, prior)]
            extra.append(np.int32(G))
            found = self._of_each("posteriors", blocks, amplitude, theta, extra, shapes)
        return found if of_each else [*found[:5], np.empty((0, 0, D)), np.empty((0, 0, D, D))]

    def _of_each(
        self,
        kernel: str,
        blocks: Blocks,
        amplitude: Floats,
        theta: Floats,
        extra: Sequence[Argument],
        shapes: Sequence[tuple[int, ...] | None],
    ) -> list[Floats]:
        """The arrays (n, *shape) that a kernel fills; those of the shape None are not filled."""
        module = self._module(blocks, OF_OBJECTS, len(amplitude))
        amplitude, theta = self._prepared(blocks.layout, amplitude, theta)
        threads, n = module.tuning.threads, blocks.n_blocks * LANES
        sizes = [None if shape is None else NUMBER * int(np.prod(shape)) for shape in shapes]
        out = [np.empty((n, *shape)) for shape in shapes if shape is not None]
        with self.in_turn():
            program = self._program(module)
            amplitudes, thetas = (self._sent(each, self.number) for each in (amplitude, theta))
            mixture = thetas, amplitudes, np.int32(len(amplitude)), *extra
            for segment in self.residents.segments(blocks, threads, sum(filter(None, sizes))):
                rows = slice(segment.first, segment.first + segment.n_objects)
                self._fill(program, kernel, threads, segment, mixture, sizes, [array[rows] for array in out])
        return out

    def _fill(
        self,
        program: Program,
        kernel: str,
        threads: int,
        segment: Segment,
        mixture: Sequence[Argument],
        sizes: Sequence[int | None],
        out: list[Floats],
    ) -> None:
        """What a kernel finds of the objects of a segment: arrays of so many bytes for each, if they are wanted."""
        filled = [
            None if size is None else self.residents.allocate(segment.n_objects * size, segment) for size in sizes
        ]
        given = segment.memory, np.int64(segment.every), np.int64(segment.n_objects)
        program.launch(kernel, (-(-segment.n_objects // threads), 1), threads, 0, (*given, *mixture, *filled))
        for memory, array in zip([each for each in filled if each is not None], out, strict=True):
            self.residents.transfers.receive(memory, array)

    # --- Modules and memory ------------------------------------------------------------------------------------------

    def _module(
        self, blocks: Blocks, part: int, n_components: int, *, information: bool = False, squared: bool = False
    ) -> Module:
        layout = blocks.layout
        if not is_written_out(layout):
            raise InputError(
                f"a graphics card makes passes over data of up to {MOST_VALUES} dimensions, but these have "
                f'{max(len(layout.dimensions), len(layout.measured))}; give `device="cpu"`'
            )
        of_sums = n_sums(layout, information=information, squared=squared)
        numbers = n_components * (n_theta(layout) + 2)
        tuning = tuned(
            layout,
            n_components if part == OF_SUMS else 1,
            of_sums,
            used_rows(layout),
            self.real,
            in_constant=part == OF_SUMS and numbers <= IN_CONSTANT_MEMORY,
            largest=self.card.shared_bytes,
        )
        return Module(layout, blocks.n_memberships, part, self.real, tuning, information, squared)

    def _program(self, module: Module) -> Program:
        if module not in self.programs:
            self.programs[module] = self.card.load(module.source)
        return self.programs[module]

    def _prepared(self, layout: Layout, amplitude: Floats, theta: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mixtures as `passes.cu` expects them: components without weight need no attention there."""
        D, idle = len(layout.dimensions), ~(amplitude[..., 0] > 0.0)
        amplitudes, thetas = amplitude.astype(self.number), theta.astype(self.number)
        amplitudes[idle] = 0.0, LOWEST_POWER[self.real]
        thetas[idle] = 0.0
        if len(layout.noise) != COMMON:
            for i in range(D):
                thetas[idle, element(i, i)] = 1.0
        return amplitudes, thetas

    def _of_mixture(
        self, program: Program, w: int, amplitude: Floats, theta: Floats, sent: tuple[Memory, Memory] | None
    ) -> tuple[Memory | None, Memory | None]:
        """Where a kernel finds one of the mixtures: those that were sent, or, where none were, constant memory."""
        if sent is None:
            program.hold("held_theta", theta[w].ravel())
            program.hold("held_amplitude", amplitude[w].ravel())
            return None, None
        size = np.dtype(self.number).itemsize
        amplitudes, thetas = sent
        return thetas.at(w * theta[w].size * size), amplitudes.at(w * amplitude[w].size * size)

    def _empty(self, count: int) -> Memory:
        return self.residents.allocate(max(count, 1) * NUMBER)

    def _sent(self, array: NDArray[Any], kind: Any = np.float64) -> Memory:
        array = np.ascontiguousarray(array, dtype=kind)
        memory = self.residents.allocate(max(array.nbytes, 1))
        self.residents.transfers.send(array.reshape(-1), memory, self.card.mark(), array.dtype)
        return memory

    def _received(self, memory: Memory, shape: tuple[int, ...]) -> Floats:
        out = np.empty(shape)
        self.card.download(memory, out)
        return out


def _chunk_size(n_objects: int, at_once: int) -> int:
    """Objects of a chunk: a multiple of what a block of threads takes at once."""
    return -(-n_objects // (CHUNKS * at_once)) * at_once


def _summed_arguments(segment: Segment, size: int, n_chunks: int, weights: Memory | None) -> tuple[Argument, ...]:
    numbers = (np.int64(each) for each in (segment.every, segment.n_objects, size, segment.first // size, n_chunks))
    return segment.memory, *numbers, None if weights is None else weights.at(segment.first * NUMBER)
