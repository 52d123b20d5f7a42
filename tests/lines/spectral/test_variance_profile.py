"""Where a profile likelihood has fallen by so much."""

import numpy as np
import pytest

from xdgmm import lines
from xdgmm.lines.spectral.solution import Fall, neighbours
from xdgmm.lines.spectral.variance_profile import VarianceProfile


def parabola(best, error):
    return lambda variance: Fall(0.5 * ((variance - best) / error) ** 2, -(variance - best) / error**2)


@pytest.mark.parametrize("best", [9.0, 1.0, 0.0, -1.0, -6.0])
def test_of_a_normal_likelihood_ends_are_those_of_the_normal_distribution(best):
    """Cut at zero: where the best is negative, lnL falls from its value at zero."""
    profile = VarianceProfile(parabola(best, 2.0), best, 2.0, 1e6)
    radius = np.hypot(1.6448536, min(best, 0.0) / 2.0)
    assert profile.upper_limit(0.95) == pytest.approx(best + 2.0 * radius, rel=1e-6)
    low, high = profile.interval(0.6826894921)
    assert low == pytest.approx(max(best - 2.0, 0.0), abs=1e-5)
    assert high == pytest.approx(best + 2.0 * np.hypot(1.0, min(best, 0.0) / 2.0), rel=1e-6)


def test_a_profile_that_jumps_has_its_end_at_the_jump():
    """As where another maximum takes over; and it is found in a bounded number of steps."""
    calls = []

    def jumping(variance):
        calls.append(variance)
        root = (variance - 5.0) / 2.0 * 0.2 + (4.0 if variance > 11.0 else 0.0)
        return Fall(0.5 * root**2, -0.1 * root)

    profile = VarianceProfile(jumping, 5.0, 2.0, 1e6)
    assert profile.upper_limit(0.95) == pytest.approx(11.0, abs=1e-4)
    assert len(calls) < 60


def test_a_profile_that_stays_up_has_no_end():
    for slope in (-1.0, -1e-9, 0.0, 1.0):  # whatever rounding makes of a slope of zero
        profile = VarianceProfile(lambda variance, s=slope: Fall(0.5 * min(variance, 1.0) ** 2, s), 0.0, 1.0, 1e9)
        assert profile.upper_limit(0.95) == np.inf


def test_neighbours_are_the_nearest_ones():
    known = {4.0: None, 1.0: None, 9.0: None}
    assert neighbours(known, 5.0, both=False) == [4.0]
    assert neighbours(known, 5.0, both=True) == [4.0, 9.0]
    assert neighbours(known, 10.0, both=True) == [9.0]
    assert neighbours(known, 0.0, both=True) == [1.0]


def test_limits_of_crowded_groups_are_where_their_profiles_say():
    """Groups without a line between others, in counts: their profiles have several maxima."""
    rng = np.random.default_rng(4)
    edges = np.arange(6540.0, 6640.0, 0.5)
    counts = rng.poisson(2.5, edges.size - 1)
    groups = [lines.Group(f"g{place}", [place]) for place in (6580.0, 6590.0, 6600.0)]
    fit = lines.fit_counts(edges, counts, groups=groups, lsf=lines.LSF(sigma=2.1, includes_pixel=False))
    for profile, limit in zip(fit.profiles, fit.upper_limit(), strict=True):
        if np.isfinite(limit):
            radius = np.hypot(1.6448536, profile.at_zero if profile.best < 0 else 0.0)
            above = float(limit) ** 2 * (1 + 1e-5)  # the profile may jump there
            assert profile.root(above)[0] > radius - 1e-3
