"""Sums over groups of rows, compiled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .compiling import kernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@kernel
def shares_in_groups(
    first: int,
    last: int,
    log_densities: Floats,
    factors: Floats,
    starts: NDArray[np.intp],
    weights: Floats,
    totals: Floats,
    shares: Floats,
) -> None:
    """``totals = ln sum_q factor_q p_q`` of groups of rows, and the share of each row in it, times a weight.

    Parameters
    ----------
    first, last : int
        Groups first .. last - 1 are filled.
    log_densities, factors : ndarray (R,)
        ``ln p_q`` and the factor of each row.
    starts : ndarray of int (N + 1,)
        Rows ``starts[i] .. starts[i + 1] - 1`` form group i.
    weights : ndarray (N,)
    totals, shares : ndarray (N,), (R,)
        Are filled; where all rows of a group have density zero, with minus infinity and zeros.
    """
    for i in range(first, last):
        highest = -math.inf
        for q in range(starts[i], starts[i + 1]):
            if factors[q] > 0.0 and log_densities[q] > highest:
                highest = log_densities[q]
        whole = 0.0
        for q in range(starts[i], starts[i + 1]):
            shares[q] = 0.0
            if factors[q] > 0.0 and log_densities[q] > -math.inf:
                shares[q] = factors[q] * math.exp(log_densities[q] - highest)
                whole += shares[q]
        totals[i] = math.log(whole) + highest if whole > 0.0 else -math.inf
        scale = weights[i] / whole if whole > 0.0 else 0.0
        for q in range(starts[i], starts[i + 1]):
            shares[q] *= scale


@kernel
def shares_of_two(
    first: int,
    last: int,
    log_densities: Floats,
    others: Floats,
    totals: Floats,
    shares: Floats,
) -> None:
    """``totals = ln (p + q)`` of two densities of each object, and the share of each in it.

    Parameters
    ----------
    first, last : int
        Objects first .. last - 1 are filled.
    log_densities, others : ndarray (N,)
        ``ln p`` and ``ln q``.
    totals, shares : ndarray (N,), (2, N)
        Are filled; where both densities are zero, with minus infinity and zeros.
    """
    for i in range(first, last):
        highest = max(log_densities[i], others[i])
        if highest == -math.inf:
            totals[i], shares[0, i], shares[1, i] = -math.inf, 0.0, 0.0
            continue
        lower = math.exp(min(log_densities[i], others[i]) - highest)
        totals[i] = highest + math.log1p(lower)
        above, below = 1.0 / (1.0 + lower), lower / (1.0 + lower)
        is_first = log_densities[i] >= others[i]
        shares[0, i], shares[1, i] = (above, below) if is_first else (below, above)
