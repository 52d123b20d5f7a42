"""Memberships and log-likelihoods of single objects, row for row with the observations."""

from dataclasses import replace

import numpy as np

from xdgmm import fitting
from xdgmm.errors import InputError

AT_ONCE = 16_384  # objects: their arrays stay in the cache


def memberships(mixture, observations):
    """Probability that each object belongs to each component, its noise taken into account: (N, K).

    With a background there is one column more, the background's.  A row without any value has the mixture's weights.
    """
    unknown = np.tile(mixture.shares, (len(observations), 1))
    return _filled(unknown, fitting.responsibilities, mixture, observations)


def log_likelihoods(mixture, observations):
    """``ln p(w_i)`` of each object under the noise-convolved mixture (N,), in nats; 0 for a row without any value."""
    return _filled(np.zeros(len(observations)), fitting.log_likelihoods, mixture, observations)


def _filled(result, answer, mixture, observations):
    """The result (N, ...) with the answers of the rows that have a value."""
    observations = comparable(mixture, observations)
    if observations.present.any():
        blocks = observations.pack(background=mixture.background and mixture.background.box)
        result[blocks.rows] = answer(mixture, blocks)
    return result


def comparable(mixture, observations):
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
        mixture.background.check_measured(observations)
    return replace(observations.in_units(mixture.units), weights=None)


def in_blocks(observations):
    """Slices of rows that are computed at once, and the observations of each."""
    for start in range(0, len(observations), AT_ONCE):
        rows = slice(start, min(start + AT_ONCE, len(observations)))
        yield rows, observations.select(rows)
