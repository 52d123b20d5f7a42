"""Observations as `Data` for the passes, with what a model has beside its Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.observations import Observations

    from .background import Background

    Floats = NDArray[np.float64]


def pack_beside(
    observations: Observations,
    background: Background | None = None,
    *,
    location: Floats | float = 0.0,
    scale: Floats | float = 1.0,
    measured_scale: Floats | float = 1.0,
) -> Data:
    """`Data` of observations, with a background in their units if there is one, and with known memberships.

    Location, scale and measured scale are those of `Observations.pack`.
    """
    own = memberships_of_gaussians(observations, background)
    densities = None if background is None else log_densities_beside(background, observations, scale)
    return observations.pack(location, scale, measured_scale=measured_scale, background=densities, memberships=own)


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
