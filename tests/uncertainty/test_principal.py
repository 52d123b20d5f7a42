"""The limit on the width of a direction in which there is none, against closed forms."""

import numpy as np
import pytest
from scipy.optimize import brentq

from xdgmm import XDGMM, InputError, Observations, datasets
from xdgmm.uncertainty import principal_limit, width_limit

QUANTILE = 2.705543454095404


def flat(seed, D):
    """Objects with unit errors, without any width in the last of D directions, turned at random."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((60, D)) * np.linspace(2.0, 1.5, D) + rng.standard_normal((60, D))
    x[:, -1] = 0.85 * rng.standard_normal(60)
    return x @ np.linalg.qr(rng.standard_normal((D, D)))[0]


@pytest.mark.parametrize("D", [2, 3])
def test_with_one_noise_for_all_the_limit_is_that_of_the_eigenvalues(D):
    x = flat(1, D)
    observations = Observations.with_standard_errors(x, 1.0)
    model = XDGMM().fit(observations)
    assert model.result_.singular[0] == 1
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T, ddof=0))

    def profile(variance):
        # With T = V + 1 and V >= t, each eigenvalue of T is that of the data, or 1 + t where that is more.
        T = np.maximum(eigenvalues, 1.0 + variance)
        return -0.5 * len(x) * (np.log(T) + eigenvalues / T).sum()

    expected = np.sqrt(brentq(lambda t: 2 * (profile(0.0) - profile(t)) - QUANTILE, 1e-9, 10.0))
    assert principal_limit(model.mixture_, observations, 0).upper == pytest.approx(expected, rel=1e-5)


def test_in_one_dimension_it_is_the_limit_of_the_width():
    schools = Observations.from_table(datasets.load("eight_schools"), "y")
    mixture = XDGMM().fit(schools).mixture_
    found = principal_limit(mixture, schools, 0).upper
    assert found == pytest.approx(width_limit(mixture, schools, 0, 0).upper, rel=1e-5)
    assert found == pytest.approx(10.604, abs=1e-3)


def test_the_limit_follows_the_units():
    x = flat(2, 2)
    limits = []
    for scale in (1.0, 1e6):
        observations = Observations.with_standard_errors(scale * x, scale)
        limits.append(principal_limit(XDGMM().fit(observations).mixture_, observations, 0).upper / scale)
    assert limits[1] == pytest.approx(limits[0], rel=1e-5)


def test_a_narrow_axis_that_is_not_singular_can_be_consistent_with_zero():
    # With one noise for all the best singular covariance keeps all eigenvalues but the smallest.
    rng = np.random.default_rng(3)
    for width, consistent in ((0.5, True), (1.5, False)):
        x = rng.standard_normal((60, 2)) * [3.0, width] + rng.standard_normal((60, 2))
        observations = Observations.with_standard_errors(x, 1.0)
        mixture = XDGMM().fit(observations).mixture_
        eigenvalues = np.linalg.eigvalsh(np.cov(x.T, ddof=0))
        assert eigenvalues[0] > 1.0
        lost = len(x) * (np.log(1.0) + eigenvalues[0] - np.log(eigenvalues[0]) - 1.0)
        found = principal_limit(mixture, observations, 0)
        assert found.deviance == pytest.approx(lost, abs=1e-4)
        assert found.consistent_with_zero == consistent == (lost < QUANTILE)


def test_bad_arguments_are_refused():
    observations = Observations.with_standard_errors(flat(1, 2), 1.0)
    mixture = XDGMM().fit(observations).mixture_
    with pytest.raises(InputError, match="between 0\\.5 and 1"):
        principal_limit(mixture, observations, 0, level=2)
    with pytest.raises(InputError, match="component"):
        principal_limit(mixture, observations, 9)
