"""Watching a fit: a progress bar, a callback that may stop it, and the best mixture so far if somebody interrupts."""

from dataclasses import dataclass

import numpy as np

from xdgmm.mixture import GaussianMixture

NONE_YET = ((0, -np.inf), None)


class Stopped(Exception):  # noqa: N818 - a signal to the driver, not an error
    """The callback has asked for the end of the fit."""


@dataclass(frozen=True, eq=False)
class Progress:
    """What a callback is told after every pass.

    Attributes
    ----------
    phase : str
        "starts", "sample" or "all objects".
    n_objects : int
        Objects that the pass went over.
    passes : int
        Passes made so far, over samples or all.
    mean_log_likelihood : float
        Nats per object, in the caller's coordinates; a prior is no part of it.
    predicted_gain : float
        Nats predicted still to gain when that was last known; infinite before.
    mixture : GaussianMixture
        The mixture of this pass, in standardised coordinates.
    """

    phase: str
    n_objects: int
    passes: int
    mean_log_likelihood: float
    predicted_gain: float
    mixture: GaussianMixture


class Monitor:
    """Is told of every pass of a fit.

    Parameters
    ----------
    callback : callable, optional
        Takes a `Progress`; the fit ends where it returns a true value.
    bar : tqdm bar, optional
    shift : float
        Nats per object that the caller's coordinates add.
    """

    def __init__(self, callback=None, bar=None, shift=0.0):
        self.callback, self.bar, self.shift = callback, bar, shift
        self.phase, self.passes, self.predicted_gain = "starts", 0, np.inf
        self.current, self.solved = NONE_YET, NONE_YET

    def begin(self, phase):
        """A new phase: what was predicted before no longer holds."""
        self.phase, self.predicted_gain = phase, np.inf

    def keep_start(self):
        """One start has been solved: its best mixture counts."""
        self.solved, self.current = max(self.solved, self.current, key=lambda best: best[0]), NONE_YET

    def discard_start(self):
        """One start has collapsed: what it reached was on the way to nowhere."""
        self.current = NONE_YET

    @property
    def best(self):
        """The best mixtures so far, better first: of the start under way, and of those that were solved."""
        ranked = sorted((self.solved, self.current), key=lambda best: best[0], reverse=True)
        return [mixture for _, mixture in ranked if mixture is not None]

    def record_pass(self, mixture, statistics, data):
        """One more pass was made."""
        self.passes += 1
        reached = data.n_objects, statistics.objective
        if reached > self.current[0]:
            self.current = reached, mixture
        mean = statistics.log_likelihood / data.total_weight + self.shift
        if self.bar is not None:
            self.bar.set_description_str(self.phase, refresh=False)
            self.bar.set_postfix(
                {"lnL per object": f"{mean:.6f}", "nats to gain": f"{self.predicted_gain:.1e}"}, refresh=False
            )
            self.bar.update()
        if self.callback is not None and self.callback(
            Progress(self.phase, data.n_objects, self.passes, mean, self.predicted_gain, mixture)
        ):
            raise Stopped
