"""The steps of a chain in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from emcee.backends import Backend
from numpy.typing import NDArray


class Progress(NamedTuple):
    """How far a chain is: number of steps, proposals that each walker accepted (W,), state of the random numbers."""

    n_steps: int
    accepted: NDArray[Any]
    random_state: tuple[Any, ...]


class Memory(Backend):
    """Backend of emcee that an interrupt leaves consistent: `progress` is that of a whole step at any time."""

    progress: Progress

    def save_step(self, state: Any, accepted: NDArray[Any]) -> None:
        """Keep a step, as emcee's backend does."""
        super().save_step(state, accepted)
        self.progress = Progress(self.iteration, self.accepted.copy(), self.random_state)

    def fill(self, chain: NDArray[Any], log_prob: NDArray[Any], progress: Progress) -> None:
        """Go on from a chain (n_steps, W, P) with its log-posterior (n_steps, W)."""
        self.reset(*chain.shape[1:])
        self.chain, self.log_prob, self.progress = chain, log_prob, progress
        self.iteration, accepted, self.random_state = progress
        self.accepted = accepted.astype(self.dtype)
