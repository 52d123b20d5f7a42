"""Memberships and log-likelihoods of single objects, row for row with the observations."""

from dataclasses import replace

import numpy as np

from xdgmm import fitting


def memberships(mixture, observations):
    """Probability that each object belongs to each component, its noise taken into account: (N, K).

    A row without any value has the mixture's weights.
    """
    blocks = replace(observations.in_units(mixture.units), weights=None).pack()
    result = np.tile(mixture.weights, (len(observations), 1))
    result[blocks.rows] = fitting.responsibilities(mixture, blocks)
    return result


def log_likelihoods(mixture, observations):
    """``ln p(w_i)`` of each object under the noise-convolved mixture (N,), in nats; 0 for a row without any value."""
    blocks = replace(observations.in_units(mixture.units), weights=None).pack()
    result = np.zeros(len(observations))
    result[blocks.rows] = fitting.log_likelihoods(mixture, blocks)
    return result
