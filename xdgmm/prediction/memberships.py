"""Memberships and log-likelihoods of single objects, row for row with the observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xdgmm import fitting
from xdgmm.errors import InputError
from xdgmm.mixture import GaussianMixture, pack_beside
from xdgmm.observations import Observations

AT_ONCE = 16_384  # objects: their arrays stay in the cache


def memberships(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Probability that each object belongs to each component, its noise taken into account: (N, K).

    With a background there is one column more, the background's.  A row without any value has the mixture's weights.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.
    """
    unknown = np.tile(mixture.all_weights, (len(observations), 1))
    return _with_measured_rows(unknown, fitting.responsibilities, mixture, observations)


def log_likelihoods(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """``ln p(w_i)`` of each object under the noise-convolved mixture (N,), in nats; 0 for a row without any value.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.
    """
    return _with_measured_rows(np.zeros(len(observations)), fitting.log_likelihoods, mixture, observations)


def total_log_likelihood(mixture: GaussianMixture, observations: Observations) -> float:
    """``sum omega ln p(w_i)`` of the objects that count, omega their weights, in nats.

    A row of weight zero is left out, also where it is impossible under the mixture.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.
    """
    counted = observations.counts
    return float(observations.object_weights[counted] @ log_likelihoods(mixture, observations)[counted])


def _with_measured_rows(
    result: NDArray[np.float64],
    function: Callable[..., NDArray[np.float64]],
    mixture: GaussianMixture,
    observations: Observations,
) -> NDArray[np.float64]:
    """The result (N, ...) in which the rows with at least one value have what the function gives for them."""
    observations = checked_observations(mixture, observations)
    if observations.present.any():
        data = pack_beside(observations, mixture.background)
        result[data.rows] = function(mixture, data)
    return result


def checked_observations(mixture: GaussianMixture, observations: Observations) -> Observations:
    """The observations in the mixture's units, each object counting once.

    Raises
    ------
    InputError
        If the numbers of coordinates differ, a unit does not convert, or there are projections beside a background.
    """
    if observations.n_dimensions != mixture.n_dimensions:
        raise InputError(
            f"the observations have {observations.n_dimensions} coordinates, but the mixture has "
            f"{mixture.n_dimensions}; choose the columns it was fitted to"
        )
    if mixture.background is not None:
        mixture.background.check_no_projections(observations)
    return replace(observations.in_units(mixture.units), weights=None)


def in_blocks(observations: Observations) -> Iterator[tuple[slice, Observations]]:
    """Slices of rows that are computed at once, and the observations of each."""
    for start in range(0, len(observations), AT_ONCE):
        rows = slice(start, min(start + AT_ONCE, len(observations)))
        yield rows, observations.select(rows)
