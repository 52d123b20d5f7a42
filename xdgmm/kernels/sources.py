"""Which `Data` measurements become."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .grouped import GroupedData
from .joined import pack_with_limits
from .noise import as_noise
from .noise_mixture import NoiseMixture
from .packed import PackedData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .censored import CensoredData
    from .joined import JoinedData
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
    limits: NDArray[np.int8] | None = None,
) -> CensoredData | GroupedData | JoinedData | PackedData:
    """`Data` of measurements, standardised; the arguments are those of `Blocks.pack`, the noise may be a mixture.

    `limits` (N, M) says which values are limits, as in `CensoredData.pack`.

    Raises
    ------
    ValueError
        If there are projections and a background, memberships or a noise mixture, which cannot be combined, or limits
        and projections or a noise mixture.
    """
    if limits is not None:
        if isinstance(noise, NoiseMixture) or projections is not None:
            raise ValueError("limits cannot be combined with projections or a noise mixture")
        given = values, as_noise(noise, values.shape), weights, location, scale
        return pack_with_limits(*given, limits=limits, background=background, memberships=memberships)
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
