"""The limit on the width of a direction in which there is none, against closed forms."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

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


@pytest.mark.parametrize("D", [2, 3])
def test_each_axis_has_the_limit_of_its_own_eigenvalue(D):
    # With one noise for all, T = V + 1 keeps the directions of the data whatever its eigenvalues must be.
    x = 0.85 * np.random.default_rng(4).standard_normal((40, D)) * np.linspace(1.1, 0.9, D)
    observations = Observations.with_standard_errors(x, 1.0)
    mixture = XDGMM().fit(observations).mixture_
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T, ddof=0))[::-1]
    for axis in range(D):
        wide = np.arange(D) <= axis

        def profile(variance, wide=wide):
            T = np.maximum(np.maximum(eigenvalues, 1.0), np.where(wide, 1.0 + variance, 0.0))
            return -0.5 * len(x) * (np.log(T) + eigenvalues / T).sum()

        expected = np.sqrt(brentq(lambda t: 2 * (profile(0.0) - profile(t)) - QUANTILE, 1e-9, 10.0))
        found = principal_limit(mixture, observations, 0, axis=axis)
        assert found.consistent_with_zero
        assert found.upper == pytest.approx(expected, rel=1e-4), axis


def two_flat_axes(seed, N=20):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.7, 1.5, (N, 2))
    return Observations.with_standard_errors(errors * rng.standard_normal((N, 2)) * 0.85, errors)


def test_the_limit_of_the_widest_axis_is_that_of_a_search_over_all_ellipses():
    observations = two_flat_axes(1)
    x, S = observations.values, observations.noise_covariances

    def fall(parameters, least):
        angle, more, narrow = parameters
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        P = np.linalg.inv(axes.T @ np.diag([least**2 + more**2, narrow**2]) @ axes + S)
        mean = np.linalg.solve(P.sum(axis=0), np.einsum("nij,nj->i", P, x))
        return 0.5 * np.sum(np.einsum("ni,nij,nj->n", x - mean, P, x - mean) - np.linalg.slogdet(P)[1])

    def profile(least):
        starts = [(angle, 0.01, narrow) for angle in np.linspace(0, np.pi, 5)[:-1] for narrow in (0.01, 0.3)]
        return -min(minimize(fall, start, args=(least,)).fun for start in starts)

    expected = brentq(lambda s: 2 * (profile(0.0) - profile(s)) - QUANTILE, 0.3, 1.0, rtol=1e-4)
    mixture = XDGMM().fit(observations).mixture_
    assert expected == pytest.approx(0.55, abs=0.005)
    assert principal_limit(mixture, observations, 0, axis=0).upper == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_limits_in_a_report_agree_with_each_other(seed):
    observations = two_flat_axes(seed, N=12)
    model = XDGMM().fit(observations)
    report = model.widths(observations)
    limits = np.where(report["is_limit"], np.ma.filled(np.ma.asarray(report["sigma_limit"]), np.nan), report["sigma"])
    x1, x2, widest, narrowest = np.asarray(limits, dtype=float)
    assert narrowest <= widest * (1 + 1e-9)
    assert max(x1, x2) <= widest * (1 + 1e-9)


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


@pytest.mark.filterwarnings("ignore:with the sigma of component 1 held elsewhere")  # a higher maximum exists
def test_an_axis_that_another_component_takes_over_is_not_consistent_with_zero():
    # The smaller component of these galaxies has a width of B that is resolved: its widest axis is resolved too.
    galaxies = Observations.from_table(datasets.load("tully_fisher"), ["logW20", "B"])
    mixture = XDGMM(2, random_state=0).fit(galaxies).mixture_
    assert not width_limit(mixture, galaxies, 1, 1).consistent_with_zero
    assert not principal_limit(mixture, galaxies, 1, axis=0).consistent_with_zero


@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_axes_that_are_columns_are_reported_as_the_columns_are(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3)) * ([2.0, 0.0, 0.0] if kind == "diag" else 0.0) + 0.5 * rng.normal(size=(150, 3))
    report = XDGMM(covariance_type=kind).fit(x, Xerr=0.5).widths(x, Xerr=0.5)
    numbers = np.where(report["is_limit"], np.ma.filled(np.ma.asarray(report["sigma_limit"]), 0.0), report["sigma"])
    np.testing.assert_allclose(np.sort(numbers[:3]), np.sort(numbers[3:]), rtol=1e-9)
    assert report["is_limit"][:3].sum() == report["is_limit"][3:].sum() >= 2


def test_columns_without_width_have_limits_in_the_order_of_the_axes():
    # Both columns have no width, and the first in the order of the eigenvalues the smaller limit.
    rng = np.random.default_rng(3)
    errors = np.array([1.0, 3.0]) * rng.uniform(0.7, 1.5, (12, 2))
    observations = Observations.with_standard_errors(0.3 * errors * rng.standard_normal((12, 2)), errors)
    report = XDGMM(covariance_type="diag").fit(observations).widths(observations)
    x1, x2, widest, narrowest = np.asarray(report["sigma_limit"], dtype=float)
    assert report["is_limit"].all()
    assert x1 < x2
    assert widest == x2
    assert narrowest <= widest
