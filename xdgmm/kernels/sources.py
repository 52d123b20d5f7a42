"""Which `Data` measurements become."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .grouped import GroupedData
from .noise_mixture import NoiseMixture
from .packed import PackedData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .noise import Noise

    Floats = NDArray[np.float64]


def pack(
    values: Floats,
    noise: Noise | Floats | None,
    weights: Floats | None,
    location: Floats | float = 0.0,
    scale: Floats | float = 1.0,
    *,
    projections: Floats | None = None,
    measured_scale: Floats | float = 1.0,
    background: Floats | None = None,
    memberships: Floats | None = None,
) -> PackedData | GroupedData:
    """`Data` of measurements, standardised; the arguments are those of `Blocks.pack`, the noise may be a mixture.

    Raises
    ------
    ValueError
        If there are projections and a background, memberships or a noise mixture, which cannot be combined.
    """
    if not isinstance(noise, NoiseMixture):
        return PackedData.pack(
            values,
            noise,
            weights,
            location,
            scale,
            projections=projections,
            measured_scale=measured_scale,
            background=background,
            memberships=memberships,
        )
    if projections is not None:
        raise ValueError("a noise mixture cannot be combined with projections")
    return GroupedData.pack(values, noise, weights, location, scale, background=background, memberships=memberships)
