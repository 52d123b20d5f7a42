"""Write the numbers of objects into their blocks, compiled: `blocks.py` says where each belongs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .compiled import LANES
from .compiling import kernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@kernel
def fill(
    values: Floats,
    noise: Floats,
    places: NDArray[np.intp],
    noise_factors: Floats,
    squared: bool,  # noqa: FBT001 - numba knows no keywords
    location: Floats,
    factors: Floats,
    omega: Floats,
    masked: bool,  # noqa: FBT001
    data: Floats,
) -> None:
    """Fill the rows of blocks (n_blocks, rows, LANES) up to the mask.

    Parameters
    ----------
    values : ndarray (n, M)
        What is not finite is missing: 0, as are its row and column of the noise.
    noise : ndarray (n, L)
        1-sigma errors, which are to be squared, or elements of covariances.
    places : ndarray of int (3, n_noise)
        Of each row of noise: which of the L numbers it holds, and of which two values it is the covariance.
    noise_factors : ndarray (n_noise, 2)
        What each is multiplied by, one after the other (errors only by the first).
    squared : bool
    location, factors : ndarray (M,)
        The values become ``(values - location) factors``.
    omega : ndarray (n,)
        Weights of the objects.
    masked : bool
        Is there a mask?  If not, no value is missing.
    data : ndarray (n_blocks, rows, LANES)
    """
    n, M = values.shape
    n_noise = places.shape[1]
    first, mask = n_noise, n_noise + M + 1
    for b in range((n + LANES - 1) // LANES):
        start, count = b * LANES, min(LANES, n - b * LANES)
        for a in range(M):
            for lane in range(count):
                measured = values[start + lane, a]
                value = (measured - location[a]) * factors[a]
                if masked:
                    present = math.isfinite(measured)
                    value = value if present else 0.0
                    data[b, mask + a, lane] = 1.0 if present else 0.0
                data[b, first + a, lane] = value
        for lane in range(count):
            data[b, first + M, lane] = omega[start + lane]
        for row in range(n_noise):
            place, one, other = places[0, row], mask + places[1, row], mask + places[2, row]
            for lane in range(count):
                element = noise[start + lane, place] * noise_factors[row, 0]
                element = element * element if squared else element * noise_factors[row, 1]
                if masked:
                    element = element if data[b, one, lane] * data[b, other, lane] > 0.0 else 0.0
                data[b, row, lane] = element
