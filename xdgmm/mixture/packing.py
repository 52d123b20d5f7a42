"""Observations as `Data` for the passes, with what a model has beside its Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import InputError
from xdgmm.kernels import FlatData

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.observations import Observations

    from .background import Background
    from .flat import Flat

    Floats = NDArray[np.float64]


def pack_beside(
    observations: Observations,
    background: Background | None = None,
    flat: Flat | None = None,
    *,
    location: Floats | float = 0.0,
    scale: Floats | float = 1.0,
    measured_scale: Floats | float = 1.0,
) -> Data:
    """`Data` of observations, with a background and flat components in their units, and with known memberships.

    Location, scale and measured scale are those of `Observations.pack`.
    """
    own = memberships_of_gaussians(observations, background)
    densities = None if background is None else log_densities_beside(background, observations, scale)
    if flat is not None:
        flat.check_measured(observations)
        return _pack_beside_flat(observations, flat, location, scale, background=densities, memberships=own)
    return observations.pack(location, scale, measured_scale=measured_scale, background=densities, memberships=own)


def _pack_beside_flat(
    observations: Observations,
    flat: Flat,
    location: Floats | float,
    scale: Floats | float,
    background: Floats | None,
    memberships: Floats | None,
) -> Data:
    D, own = observations.n_dimensions, flat.in_columns
    densities = flat.log_densities(observations.values, observations.noise_model)
    densities = densities + observations.present[:, own] @ np.log(np.broadcast_to(scale, D)[own])
    return FlatData.pack(
        observations.values,
        observations.noise_model,
        observations.weights,
        location,
        scale,
        places=np.array(flat.others(D)),
        n_flat=flat.n_components,
        log_densities=densities,
        background=background,
        memberships=memberships,
    )


def log_densities_beside(background: Background, observations: Observations, scale: Floats | float = 1.0) -> Floats:
    """Log-density of a background at each object (N,), per ``values / scale``, times a membership that is known."""
    own = background.log_densities(observations.values, observations.noise_model, observations.limits)
    own = own + observations.present @ np.log(np.broadcast_to(scale, observations.n_measured))
    if observations.memberships is None:
        return np.asarray(own)
    with np.errstate(divide="ignore"):
        return np.asarray(own + np.log(observations.memberships[:, -1]))


def memberships_of_gaussians(observations: Observations, background: Background | None) -> Floats | None:
    """Known memberships of the objects in the Gaussians (N, K), if there are any."""
    known = observations.memberships
    return known if known is None or background is None else known[:, :-1]


def check_memberships(
    observations: Observations, n_weights: int, background: Background | None, family: str = "gaussian"
) -> None:
    """Known memberships must be as many as there are Gaussians, a background among them.

    Raises
    ------
    InputError
        If they are not, or the components are no Gaussians.
    """
    known = observations.memberships
    if known is not None and family != "gaussian":
        raise InputError(
            "known memberships cannot be combined with Student-t components; leave one of the two out, or give "
            "outliers a component or a background of their own"
        )
    if known is None or known.shape[1] == n_weights:
        return
    beside = "" if background is None else ", the background's the last"
    raise InputError(
        f"`memberships` has {known.shape[1]} columns, but {n_weights} are needed: one for each component{beside}; "
        "change `n_components`, or the columns"
    )
