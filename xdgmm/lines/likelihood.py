"""Intervals of one line: ``ln s_obs ~ N(ln s, r^2)`` and ``ln L_obs ~ N(ln L, f^2)``, and ``V = s^2 - L^2 >= 0``.

Relative errors r of the width and f of the instrument are what a fit of a line and a calibration have.  A pair (s, L)
has the deviance of its distance from what was measured, in errors; so the profile likelihood of V falls by q^2/2 where
V is extreme over the ellipse of radius q.
"""

import numpy as np
from scipy.stats import norm

HALVINGS = 30  # V is stationary along the ellipse, so that an angle good to 1e-9 is exact


def signed_root(log_width, r, log_lsf, f):
    """How many errors a width is above that of the instrument; below, where negative: standard normal if V = 0."""
    return (log_width - log_lsf) / np.hypot(r, f)


def interval(log_width, r, log_lsf, f, level):
    """Ends of the profile-likelihood interval of sqrt(V), V >= 0, at a level: both finite, the lower one 0 or more."""
    radius = _radius(norm.ppf(0.5 + 0.5 * level), signed_root(log_width, r, log_lsf, f))
    low = _extreme(log_width, r, log_lsf, f, -radius)
    high = _extreme(log_width, r, log_lsf, f, radius)
    return np.sqrt(np.maximum(low, 0.0)), np.sqrt(high)


def upper_limit(log_width, r, log_lsf, f, level):
    """Where the profile likelihood of sqrt(V) has fallen by ``z(level)^2 / 2`` from its maximum over V >= 0."""
    radius = _radius(norm.ppf(level), signed_root(log_width, r, log_lsf, f))
    return np.sqrt(_extreme(log_width, r, log_lsf, f, radius))


def _radius(quantile, root):
    """Below the instrument the maximum over V >= 0 is already ``root^2`` above that over all V."""
    return np.hypot(quantile, np.minimum(root, 0.0))


@np.errstate(over="ignore")  # with an error hundreds of times the width there is no limit: infinity
def _extreme(log_width, r, log_lsf, f, radius):
    """The largest V over the ellipse of a radius (the smallest, where it is negative)."""
    low, high = np.zeros(np.shape(radius)), np.full(np.shape(radius), 0.5 * np.pi)
    for _ in range(HALVINGS):
        angle = 0.5 * (low + high)
        width = np.exp(2.0 * (log_width + radius * r * np.cos(angle)))
        lsf = np.exp(2.0 * (log_lsf - radius * f * np.sin(angle)))
        further = f * lsf * np.cos(angle) > r * width * np.sin(angle)
        low, high = np.where(further, angle, low), np.where(further, high, angle)
    return np.exp(2.0 * (log_width + radius * r * np.cos(angle))) - np.exp(2.0 * (log_lsf - radius * f * np.sin(angle)))
