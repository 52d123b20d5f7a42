"""Poisson's likelihood with linear coefficients, and the deviance that is expected of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import poisson

from xdgmm.lines.spectral.deviance import MANY, deviance_moments, expected_deviance
from xdgmm.lines.spectral.poisson import BARRIER, Poisson

X = np.linspace(-1, 1, 41)


def problem(seed, background, flux):
    """Counts of a line over a sloping background, whose ends must not be negative: likelihood and columns."""
    rng = np.random.default_rng(seed)
    line, slope = np.exp(-0.5 * (X / 0.15) ** 2), np.ones(X.size)
    counts = rng.poisson(np.maximum(background * slope + flux * line, 0)).astype(float)
    columns = np.array([line, slope, X])
    watched = np.array([[0, 0], [1, 1], [-1, 1]])
    counted = np.append(np.ones(X.size, bool), [False, False])
    likelihood = Poisson(np.append(counts, [0, 0]), counted, np.array([1.0, 1.0, 0.0]), 1)
    return likelihood, np.concatenate([columns, watched], axis=1)


def log_likelihood(likelihood, expected):
    """Without a constant, by SciPy; minus infinity where counts are impossible."""
    counted = likelihood.counted
    n, mu = likelihood.counts[counted], expected[counted]
    return poisson.logpmf(n, mu).sum() - poisson.logpmf(n, n).sum()


CASES = [(5.0, 30.0), (5.0, -4.9), (0.05, 3.0), (0.0, 8.0), (0.01, 0.0), (1e5, 1e4), (2.0, -2.0)]


@pytest.mark.parametrize(("background", "flux"), CASES)
def test_coefficients_are_those_of_a_general_optimiser(background, flux):
    """Also where the background, or all that is expected in the line, vanishes."""
    for seed in range(5):
        likelihood, columns = problem(seed, background, flux)
        if not likelihood.counts.any():
            continue
        ours = likelihood.coefficients(columns, 0.0, None)
        assert ours is not None
        scale = np.array([likelihood.counts.max(), likelihood.counts.mean(), likelihood.counts.mean()])

        def fall(c, likelihood=likelihood, columns=columns, scale=scale):
            expected = (c * scale) @ columns
            mu = expected[likelihood.counted]
            n = likelihood.counts[likelihood.counted]
            some = n > 0
            safe = np.maximum(mu[some], 1e-12)
            return mu.sum() - n[some] @ np.log(safe) - (n.sum() - n[some] @ np.log(n[some]))

        best = minimize(
            fall,
            [0.5, 1.0, 0.0],
            method="SLSQP",
            constraints={"type": "ineq", "fun": lambda c, columns=columns, scale=scale: (c * scale) @ columns},
            options={"ftol": 1e-13, "maxiter": 1000},
        )
        found = log_likelihood(likelihood, ours @ columns)
        # no general optimiser is above; where it has converged it is not below
        assert found > -best.fun - 1e-6 * max(1.0, 1e-3 * likelihood.counts.max())
        assert likelihood.value(ours @ columns) == pytest.approx(found, abs=1e-7 * max(1.0, abs(found)))


@pytest.mark.parametrize(("background", "flux"), CASES)
def test_no_direction_is_left_at_the_best_coefficients(background, flux):
    likelihood, columns = problem(3, background, flux)
    if not likelihood.counts.any():
        likelihood.counts[4] = 1.0
    expected = likelihood.coefficients(columns, 0.0, None) @ columns
    assert (expected > 0).all()
    gradient = columns @ likelihood.score(expected)
    curvature = (columns * likelihood.precision(expected)) @ columns.T
    assert gradient @ np.linalg.solve(curvature, gradient) < 1e-10


def test_a_start_changes_nothing():
    for background, flux in CASES:
        likelihood, columns = problem(1, background, flux)
        if not likelihood.counts.any():
            continue
        alone = likelihood.coefficients(columns, 0.0, None)
        other = likelihood.coefficients(columns, 0.0, alone * 1.3 + 0.01)
        again = likelihood.coefficients(columns, 0.0, alone)
        values = [likelihood.value(each @ columns) for each in (alone, other, again)]
        np.testing.assert_allclose(values, values[0], atol=1e-10 * max(1.0, abs(values[0])))


def test_scores_are_slopes_of_the_value():
    likelihood, columns = problem(2, 1.0, 5.0)
    expected = np.array([20.0, 1.5, 0.3]) @ columns
    score = likelihood.score(expected)
    for i in range(expected.size):
        step = 1e-5 * np.eye(expected.size)[i]
        slope = (likelihood.value(expected + step) - likelihood.value(expected - step)) / 2e-5
        assert score[i] == pytest.approx(slope, abs=1e-6)


def test_negative_expectations_are_impossible():
    likelihood, columns = problem(2, 1.0, 5.0)
    likelihood.counts[7] = 0.0
    expected = np.array([20.0, 1.5, 0.3]) @ columns
    expected[7] = -0.1
    assert likelihood.value(expected) == -np.inf
    below = np.where(likelihood.counted, 0.0, -1.0)  # a function that is negative where it is watched
    assert likelihood.coefficients(columns * likelihood.counted, below, None) is None


def test_many_counts_are_normal():
    """To first order in the inverse of the counts."""
    rng = np.random.default_rng(8)
    likelihood, columns = problem(0, 1e6, 3e5)
    counted = likelihood.counted
    mean = np.array([3e5, 1e6, 0.0]) @ columns
    likelihood.counts[counted] = rng.poisson(mean[counted])
    ours = likelihood.coefficients(columns, 0.0, None)
    A = columns[:, counted] / np.sqrt(mean[counted])
    normal = np.linalg.lstsq(A.T, likelihood.counts[counted] / np.sqrt(mean[counted]), rcond=None)[0]
    errors = np.sqrt(np.linalg.inv(A @ A.T).diagonal())
    np.testing.assert_allclose(ours, normal, atol=0.01 * errors.max())


@given(st.floats(1e-4, 2 * MANY))
def test_moments_of_the_deviance_are_sums_over_all_counts(mu):
    k = np.arange(int(mu + 40 * np.sqrt(mu) + 60))
    p = poisson.pmf(k, mu)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = 2 * np.where(k > 0, mu - k + k * np.log(k / mu), mu)
        g = np.where(k > 0, k * np.log(k), 0.0)
    moments = deviance_moments(np.array([mu]))
    mean = p @ d
    assert moments.mean[0] == pytest.approx(mean, rel=2e-7)
    assert moments.variance[0] == pytest.approx(p @ (d - mean) ** 2, rel=1e-5)
    assert moments.covariance[0] == pytest.approx(p @ (d * (k - mu)), rel=1e-3, abs=1e-9)
    second = p[:-2] @ (g[2:] - 2 * g[1:-1] + g[:-2])
    assert moments.bend[0] == pytest.approx(mu * second, rel=1e-4)


def test_moments_are_those_that_kaastra_published():
    """Kaastra (2017, A&A 605, A51), equations 8 to 22: his fits, to their accuracy."""
    mu = np.array([0.3, 1.5, 20.0, 100.0])
    mean, variance = deviance_moments(mu)[:2]
    small = -0.25 * mu**3 + 1.38 * mu**2 - 2 * mu * np.log(mu)
    middle = -0.00335 * mu**5 + 0.04259 * mu**4 - 0.27331 * mu**3 + 1.381 * mu**2 - 2 * mu * np.log(mu)
    large = 1 + 0.1649 / mu + 0.226 / mu**2
    np.testing.assert_allclose(mean, [small[0], middle[1], *large[2:]], atol=2e-3)
    np.testing.assert_allclose(variance[2:], (2 + 0.6747 / mu + 0.79 / mu**2 + 12 / mu**3)[2:], atol=5e-3)


def test_many_counts_give_chi_squared():
    rows = np.random.default_rng(0).normal(size=(5, 200))
    mu = np.full(200, 1e7)
    expected = expected_deviance(mu, rows, rows @ (rows / mu).T)
    assert expected.mean == pytest.approx(195, rel=1e-5)
    assert expected.sigma == pytest.approx(np.sqrt(2 * 195), rel=1e-5)


@pytest.mark.parametrize("mu", [0.1, 0.5, 4.0])
def test_the_deviance_of_fitted_counts_is_as_expected(mu):
    """A constant that is fitted: its deviance has a closed form, of which many samples are drawn."""
    rng = np.random.default_rng(4)
    n = rng.poisson(mu, size=(20000, 100)).astype(float)
    n = n[n.any(axis=1)]
    best = n.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance = 2 * np.where(n > 0, n * np.log(n / best[:, None]), 0.0).sum(axis=1)
    columns = np.ones((1, 100))
    means = np.unique(best)
    found = [expected_deviance(np.full(100, each), columns, np.array([[100 / each]])) for each in means]
    of_each = dict(zip(means, found, strict=True))
    standard = np.array(
        [(d - of_each[b].mean) / max(of_each[b].sigma, 1e-9) for d, b in zip(deviance, best, strict=True)]
    )
    assert standard.mean() == pytest.approx(0.0, abs=0.1)
    assert standard.std() == pytest.approx(1.0, abs=0.12)


def test_the_barrier_costs_nothing_that_matters():
    """Of a background that vanishes in two hundred bins, less than a millionth of a count's lnL each."""
    likelihood = Poisson(np.append(np.zeros(200), 5.0), np.ones(201, bool), np.ones(2), 1)
    columns = np.zeros((2, 201))
    columns[0, -1], columns[1] = 1.0, 1.0
    expected = likelihood.coefficients(columns, 0.0, None) @ columns
    assert likelihood.deviance(expected) == pytest.approx(0.0, abs=2 * 201 * BARRIER)
    assert likelihood.value(expected) == pytest.approx(0.0, abs=1e-5)
