"""Progress of a fit: a progress bar, a callback that may stop it, and the best mixture so far if it is interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.kernels import DeviceWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from tqdm import tqdm

    from xdgmm.kernels import Data, Statistics
    from xdgmm.mixture import GaussianMixture

    Floats = NDArray[np.float64]


PHASES = STARTS, SAMPLE, ALL_OBJECTS, EDGES = "starts", "sample", "all objects", "edges"
READING, DIAGNOSTICS = "reading", "diagnostics"  # before and after these


class Passes(NamedTuple):
    """All passes of a fit, in full-data equivalents: one over a tenth of the objects counts as a tenth.

    Attributes
    ----------
    starts : float
        To compare starts, on at most 10,000 objects.
    samples : float
        Over samples, before all objects.
    all_objects : float
        Of all starts that were solved on all objects, with the Hessians of samples that these need.
    edges : float
        To fit the edges of a background.
    reading : float
        To find what a catalogue holds that is read in parts, once for all its fits; zero for data in memory.
    diagnostics : float
        After the maximum was found: effective sizes, typical errors, rows outside a box.

    Notes
    -----
    Of a catalogue that is read in parts each pass over all objects is one reading, or needs none where the packed parts
    are kept.  The Hessian of a sample is a pass over it for each free parameter.
    """

    starts: float = 0.0
    samples: float = 0.0
    all_objects: float = 0.0
    edges: float = 0.0
    reading: float = 0.0
    diagnostics: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self)

    def described(self) -> str:
        """A sentence: all passes, and those of each phase that has some."""
        names = "to compare starts", "over samples", "over all objects", "for edges", "to read", "for diagnostics"
        order = 4, 0, 1, 2, 3, 5
        parts = ", ".join(f"{self[i]:.1f} {names[i]}" for i in order if self[i] > 0)
        return f"{self.total:.1f} passes in full-data equivalents: {parts}"


class Stopped(Exception):  # noqa: N818 - a signal to the search, not an error
    """The callback has ended the fit."""


@dataclass(frozen=True, eq=False)
class Progress:
    """What a callback is given after every pass.

    Attributes
    ----------
    phase : str
        "starts", "sample", "all objects", or "edges" (of a background).
    n_objects : int
        Objects that the pass went over.
    passes : int
        Passes made so far, over samples or all.
    mean_log_likelihood : float
        Nats per object, in the user's coordinates, without the prior.
    predicted_gain : float
        Predicted further gain in nats, as last estimated; infinite before.
    mixture : GaussianMixture
        The mixture of this pass, in standardised coordinates.
    """

    phase: str
    n_objects: int
    passes: int
    mean_log_likelihood: float
    predicted_gain: float
    mixture: GaussianMixture


class _Reached(NamedTuple):
    """A mixture, and what it is ranked by: number of objects, objective."""

    rank: tuple[int, float]
    mixture: GaussianMixture | None


NONE_YET = _Reached((0, -np.inf), None)


class PassCounter:
    """Counts the objects of all passes of a fit, in each of its phases, and sees where they are made.

    Attributes
    ----------
    phase : str
    objects : dict
        Number of objects that the passes of each phase went over, together.
    device : DeviceWatch
    """

    def __init__(self) -> None:
        self.phase, self.device = STARTS, DeviceWatch()
        self.objects = dict.fromkeys((*PHASES, READING, DIAGNOSTICS), 0)

    def add(self, n_objects: int, n_passes: int = 1) -> None:
        """Count passes over so many objects."""
        self.objects[self.phase] += n_passes * n_objects

    def add_reading(self, n_objects: int) -> None:
        """Count the reading of so many objects that found what a catalogue holds."""
        self.objects[READING] += n_objects

    def passes(self, n_objects: int) -> Passes:
        """All passes in units of one over so many objects."""
        return Passes(*(count / max(n_objects, 1) for count in self.objects.values()))


class Monitor:
    """Records every pass of a fit, reports it, and keeps the best mixture.

    Parameters
    ----------
    callback : callable, optional
        Takes a `Progress`; the fit ends where it returns a true value.
    bar : tqdm bar, optional
    shift : float
        Nats per object that are added in the user's coordinates.
    """

    def __init__(
        self, callback: Callable[[Progress], Any] | None = None, bar: tqdm[Any] | None = None, shift: float = 0.0
    ) -> None:
        self.callback, self.bar, self.shift = callback, bar, shift
        self.counter = PassCounter()
        self.passes, self.predicted_gain = 0, np.inf
        self.current, self.solved = NONE_YET, NONE_YET

    def begin(self, phase: str) -> None:
        """Begin a new phase, whose gain has not been predicted yet."""
        self.counter.phase, self.predicted_gain = phase, np.inf

    @property
    def phase(self) -> str:
        """The present phase."""
        return self.counter.phase

    def keep_start(self) -> None:
        """Keep the best mixture of a start that has been solved."""
        self.solved, self.current = max(self.solved, self.current, key=lambda each: each.rank), NONE_YET

    def discard_start(self) -> None:
        """Discard the mixtures of a start that has collapsed."""
        self.current = NONE_YET

    @property
    def best(self) -> list[GaussianMixture]:
        """The best mixtures so far, better first: of the current start, and of those that were solved."""
        ranked = sorted((self.solved, self.current), key=lambda each: each.rank, reverse=True)
        return [each.mixture for each in ranked if each.mixture is not None]

    def record_pass(self, mixture: GaussianMixture, statistics: Statistics, data: Data) -> None:
        """Record one more pass.

        Raises
        ------
        Stopped
            If the callback ends the fit.
        """
        rank = data.n_objects, statistics.objective
        if rank > self.current.rank:
            self.current = _Reached(rank, mixture)
        self._report(mixture, statistics.log_likelihood, data)

    def _report(self, mixture: GaussianMixture, log_likelihood: float, data: Data) -> None:
        self.passes += 1
        mean = log_likelihood / data.total_weight + self.shift
        if self.bar is not None:
            self._show(self.bar, mean)
        progress = Progress(self.phase, data.n_objects, self.passes, mean, self.predicted_gain, mixture)
        if self.callback is not None and self.callback(progress):
            raise Stopped

    def record_passes(
        self, mixture_of: Callable[[int], GaussianMixture], objectives: Floats, log_likelihoods: Floats, data: Data
    ) -> None:
        """Record passes at many points, objectives and log-likelihoods (W,); a mixture is made only where it is used.

        Raises
        ------
        Stopped
            If the callback ends the fit.
        """
        best = int(np.argmax(objectives))
        rank = data.n_objects, float(objectives[best])
        if rank > self.current.rank:
            self.current = _Reached(rank, mixture_of(best))
        if self.callback is None:
            self.passes += len(objectives)
            if self.bar is not None:
                self._show(self.bar, float(log_likelihoods[best]) / data.total_weight + self.shift, len(objectives))
            return
        for w, log_likelihood in enumerate(log_likelihoods.tolist()):
            self._report(mixture_of(w), log_likelihood, data)

    def _show(self, bar: tqdm[Any], mean: float, passes: int = 1) -> None:
        numbers = {"lnL per object": f"{mean:.6f}", "nats to gain": f"{self.predicted_gain:.1e}"}
        bar.set_description_str(self.phase, refresh=False)
        bar.set_postfix(numbers, refresh=False)
        bar.update(passes)
