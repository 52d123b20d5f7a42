"""How walkers move by default: differential evolution, and now and then along a line through another walker.

The snooker move is the one of ter Braak & Vrugt (2008, Stat. Comput. 18, 435, eq. 4).  The move of the same name in
emcee 3.1 leaves another distribution invariant: its line is not of unit length, and its ratio is a square root.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from emcee.moves import DEMove, RedBlueMove
from numpy.typing import NDArray

GAMMA = 1.7  # as ter Braak & Vrugt recommend


class SnookerMove(RedBlueMove):  # type: ignore[misc]
    """Move x along the line through another walker z, by the projected difference of two more.

    ``x' = x + gamma e (e . (z1 - z2))`` with e the unit vector from z to x; it is accepted with
    ``p(x') |x' - z|^(d - 1) / (p(x) |x - z|^(d - 1))``.
    """

    def get_proposal(
        self, s: NDArray[np.float64], c: list[NDArray[np.float64]], random: np.random.RandomState
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Proposals for the walkers s (n, d) from those of the other half, and log-ratios (n,)."""
        others = np.concatenate(c)
        n, d = s.shape
        z, z1, z2 = others[np.argsort(random.rand(n, len(others)), axis=1)[:, :3]].transpose(1, 0, 2)
        away = s - z
        distance = np.maximum(np.linalg.norm(away, axis=1), 1e-300)
        e = away / distance[:, None]
        proposal = s + GAMMA * e * np.einsum("ni,ni->n", e, z1 - z2)[:, None]
        reached = np.maximum(np.linalg.norm(proposal - z, axis=1), 1e-300)
        return proposal, (d - 1.0) * np.log(reached / distance)


def default_moves() -> list[tuple[Any, float]]:
    """Four steps in five by differential evolution, one by the snooker move."""
    return [(DEMove(), 0.8), (SnookerMove(), 0.2)]
