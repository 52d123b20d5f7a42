"""`Automatic`: measures what a pass takes on the processors and on a card, and makes it where it takes less."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from xdgmm.errors import InputError, XdgmmError, XdgmmWarning
from xdgmm.kernels.processors import nanoseconds
from xdgmm.kernels.threads import get_num_threads

from .source import is_written_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xdgmm.kernels.blocks import Blocks
    from xdgmm.kernels.compiled import Layout
    from xdgmm.kernels.engines import Engine

    from .card import Card
    from .engine import CudaEngine

    Floats = NDArray[np.float64]

T = TypeVar("T")

WORTH_MEASURING = 0.05  # seconds of a pass on the processors: a card's code takes seconds to compile
MEASURED = 200_000  # objects of a measurement
FEW = 1_000
REPEATED = 10.0  # how often a pass over the same data comes at least, where it adds sums


class Cost(NamedTuple):
    """Seconds of any pass, and more for each object and component."""

    constant: float
    each: float

    def of(self, amount: float) -> float:
        """Seconds of a pass over so many objects times components."""
        return self.constant + self.each * amount


class Kind(NamedTuple):
    """What makes passes comparable: their cost is that of any pass and that of each object and component."""

    question: str
    layout: Layout
    n_memberships: int


@dataclass
class Automatic:
    """The engine "auto"; see `Engine`.

    Passes that take the processors less than a twentieth of a second are theirs, without a look for a card.  Of others
    the first of a kind is measured on both, with some of its objects.  Times differ between runs of a program, and with
    them the choice can: then sums agree to about 1e-12, not bit for bit.  A card that is full leaves a pass to the
    processors, and one that fails leaves them all passes from then on, with a warning.

    Parameters
    ----------
    processors : Engine
    find : callable
        Makes the engine of the card; raises `InputError` if there is none.
    clock : callable
        Returns seconds.
    """

    processors: Engine
    find: Callable[[], CudaEngine]
    clock: Callable[[], float] = time.perf_counter
    costs: dict[Kind, tuple[Cost, Cost]] = field(default_factory=dict)
    seconds_of_byte: float = 0.0
    n_on_card: int = 0  # passes that a card has made

    @cached_property
    def on_card(self) -> CudaEngine | None:
        """The engine of the card; None if there is none."""
        try:
            return self.find()
        except InputError:
            return None

    @property
    def name(self) -> str:
        """What made passes so far: "cpu", or "auto" if a card made some of them."""
        return "auto" if self.n_on_card else "cpu"

    @property
    def card(self) -> Card | None:
        """The card, if it has made a pass."""
        return self.on_card.card if self.n_on_card and self.on_card is not None else None

    def sums(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, object_weights: Floats, *, with_information: bool
    ) -> tuple[Floats, Floats]:
        """Sums (W, chunks, S, n) under each of W mixtures, and likelihoods (W, chunks, 2, LANES)."""

        def ask(engine: Engine, part: Blocks) -> tuple[Floats, Floats]:
            own = object_weights[: part.n_blocks] if object_weights.size else object_weights
            return engine.sums(part, amplitude, theta, own, with_information=with_information)

        question = "information" if with_information else "sums"
        return self._answered(question, ask, blocks, amplitude.shape[0] * amplitude.shape[1], REPEATED)

    def log2_densities(self, blocks: Blocks, amplitude: Floats, theta: Floats) -> Floats:
        """log2 of the density of each object (n,), without the (2 pi)^(-1/2) of each value."""

        def ask(engine: Engine, part: Blocks) -> Floats:
            return engine.log2_densities(part, amplitude, theta)

        return self._answered("log2_densities", ask, blocks, len(amplitude))

    def responsibilities(self, blocks: Blocks, amplitude: Floats, theta: Floats, first: int, n_out: int) -> Floats:
        """Those of n_out components from the first one on (n, n_out); not a number where all densities are zero."""

        def ask(engine: Engine, part: Blocks) -> Floats:
            return engine.responsibilities(part, amplitude, theta, first, n_out)

        return self._answered("responsibilities", ask, blocks, len(amplitude))

    def member_sums(self, blocks: Blocks, amplitude: Floats, theta: Floats, unit: float) -> Floats:
        """``sum r omega / unit`` and ``sum (r omega / unit)^2`` of each component (2, S)."""

        def ask(engine: Engine, part: Blocks) -> Floats:
            return engine.member_sums(part, amplitude, theta, unit)

        return self._answered("member_sums", ask, blocks, len(amplitude), REPEATED)

    def posteriors(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, fallback: Floats, prior: Floats, *, of_each: bool
    ) -> list[Floats]:
        """What is known of each object: the arrays that `compiled.posteriors` fills, in its order."""

        def ask(engine: Engine, part: Blocks) -> list[Floats]:
            return engine.posteriors(part, amplitude, theta, fallback, prior, of_each=of_each)

        return self._answered("posteriors of each" if of_each else "posteriors", ask, blocks, len(amplitude))

    def total_log2_likelihoods(
        self, blocks: Blocks, amplitude: Floats, theta: Floats, n_mixtures: int
    ) -> tuple[Floats, Floats]:
        """log2-likelihoods of W mixtures, and for how many objects one was singular: (W,), (W,)."""

        def ask(engine: Engine, part: Blocks) -> tuple[Floats, Floats]:
            return engine.total_log2_likelihoods(part, amplitude, theta, n_mixtures)

        return self._answered("total_log2_likelihoods", ask, blocks, len(amplitude), REPEATED)

    def _answered(
        self,
        question: str,
        ask: Callable[[Engine, Blocks], T],
        blocks: Blocks,
        n_components: int,
        repeated: float = 1.0,
    ) -> T:
        """The answer of the engine that needs less time; `repeated`: how often the same data will be asked."""
        seconds = 1e-9 * nanoseconds(blocks, n_components) / get_num_threads()
        is_worth_it = seconds >= WORTH_MEASURING and is_written_out(blocks.layout)
        on_card = self.on_card if is_worth_it else None
        if on_card is None or not on_card.is_usable:
            return ask(self.processors, blocks)
        try:
            is_faster = self._is_faster(on_card, question, ask, blocks, n_components, repeated)
            answer = ask(on_card, blocks) if is_faster else ask(self.processors, blocks)
        except InputError:  # the card is full
            return ask(self.processors, blocks)
        except XdgmmError as error:
            self.on_card = None
            message = f"the processors make the passes of device 'auto' from now on, because a card failed: {error}"
            warnings.warn(message, XdgmmWarning, stacklevel=2)
            return ask(self.processors, blocks)
        self.n_on_card += is_faster
        return answer

    def _is_faster(
        self,
        on_card: CudaEngine,
        question: str,
        ask: Callable[[Engine, Blocks], T],
        blocks: Blocks,
        n_components: int,
        repeated: float,
    ) -> bool:
        """Does the card need less time than the processors, the time to send the data included?"""
        kind = Kind(question, blocks.layout, blocks.n_memberships)
        if kind not in self.costs:
            parts = [blocks.take(np.arange(min(n, blocks.n_objects))) for n in (FEW, MEASURED)]
            costs = [self._cost(ask, engine, parts, n_components) for engine in (self.processors, on_card)]
            self.costs[kind] = costs[0], costs[1]
            self.seconds_of_byte = self.seconds_of_byte or self._seconds_of_byte(on_card, parts[-1].data)
        of_processors, of_card = (cost.of(float(blocks.n_objects) * n_components) for cost in self.costs[kind])
        n_bytes, is_kept = on_card.residents.to_send(blocks)
        return of_card + self.seconds_of_byte * n_bytes / (repeated if is_kept else 1.0) < of_processors

    def _cost(self, ask: Callable[[Engine, Blocks], T], engine: Engine, parts: list[Blocks], n_components: int) -> Cost:
        seconds = [self._seconds(ask, engine, part) for part in parts]
        few, many = (part.n_objects * n_components for part in parts)
        each = max(seconds[1] - seconds[0], 0.0) / max(many - few, 1)
        return Cost(max(seconds[0] - each * few, 0.0), each)

    def _seconds(self, ask: Callable[[Engine, Blocks], T], engine: Engine, part: Blocks) -> float:
        """How long an answer takes, when programs are compiled and data are where they are needed."""
        ask(engine, part)
        start = self.clock()
        ask(engine, part)
        return self.clock() - start

    def _seconds_of_byte(self, on_card: CudaEngine, numbers: Floats) -> float:
        seconds = []
        for _ in range(2):  # at first memory is page-locked
            start = self.clock()
            with on_card.in_turn():
                on_card.residents.send(numbers)
            seconds.append(self.clock() - start)
        return min(seconds) / float(numbers.size * on_card.residents.number.itemsize)
