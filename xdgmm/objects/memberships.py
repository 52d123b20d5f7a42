"""Memberships and log-likelihoods of single objects, row for row with the observations."""

from dataclasses import replace

import numpy as np

from xdgmm import fitting


def memberships(mixture, observations):
    """Probability that each object belongs to each component, its noise taken into account: (N, K).

    With a background there is one column more, the background's.  A row without any value has the mixture's weights.
    """
    blocks = _packed(mixture, observations)
    result = np.tile(mixture.shares, (len(observations), 1))
    result[blocks.rows] = fitting.responsibilities(mixture, blocks)
    return result


def log_likelihoods(mixture, observations):
    """``ln p(w_i)`` of each object under the noise-convolved mixture (N,), in nats; 0 for a row without any value."""
    blocks = _packed(mixture, observations)
    result = np.zeros(len(observations))
    result[blocks.rows] = fitting.log_likelihoods(mixture, blocks)
    return result


def _packed(mixture, observations):
    unweighted = replace(observations.in_units(mixture.units), weights=None)
    return unweighted.pack(background=mixture.background and mixture.background.box)
