"""Fits to censored samples: independent estimates, and truth that other treatments miss."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.stats import multivariate_normal, norm

from xdgmm import Background, GaussianMixture, Observations
from xdgmm.errors import InputError
from xdgmm.fitting import Model, Problem, Settings, StoppingRule, fit
from xdgmm.uncertainty import laplace
from xdgmm.uncertainty.information import object_scores


def cohen_lambda(h, gamma):
    """Auxiliary function of Cohen (1961, Technometrics 3, 535, eqs. 5 to 9) for a normal sample censored below T.

    Of a fraction h nothing is known but that it lies below T; gamma is s^2 / (mean - T)^2 of the other values.
    """

    def Y(xi):
        return h / (1.0 - h) * np.exp(norm.logpdf(xi) - norm.logcdf(xi))

    def excess(xi):
        return (1.0 - Y(xi) * (Y(xi) - xi)) / (Y(xi) - xi) ** 2 - gamma

    highest = brentq(lambda xi: Y(xi) - xi - 1e-3, -30.0, 30.0)
    xi = brentq(excess, -30.0, highest, xtol=1e-13)
    return Y(xi) / (Y(xi) - xi)


@pytest.mark.parametrize("h", [0.05, 0.1, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("gamma", [0.02, 0.1, 0.5])
def test_censored_normal_samples_give_the_estimates_of_cohen(h, gamma):
    # mu = mean - lambda (mean - T), sigma^2 = s^2 + lambda (mean - T)^2, of the values above T
    T, n = 1.0, 400
    n_censored = round(h * n)
    spread = np.sqrt(gamma)
    measured = np.repeat([-1.0, 1.0], (n - n_censored) // 2) * spread + T + 1.0
    values = np.concatenate([measured, np.full(n_censored, T)])
    found = fit(Observations.with_limits(values, 0.0, upper=np.arange(n) >= measured.size), 1).mixture
    expected = cohen_lambda(h, gamma)
    assert T + 1.0 - found.means[0, 0] == pytest.approx(expected, rel=1e-6)
    assert found.covariances[0, 0, 0] - spread**2 == pytest.approx(expected, rel=1e-6)


def censored_pairs(rng, n=300):
    """Two noisy columns, upper and lower limits in the second one, some values missing: values, errors, limits."""
    x = rng.normal(0.0, 1.0, n)
    true = np.column_stack([x, 0.5 + 1.2 * x + rng.normal(0.0, 0.4, n)])
    errors = rng.uniform(0.1, 0.5, true.shape)
    values = true + errors * rng.standard_normal(true.shape)
    upper = np.zeros(values.shape, bool)
    upper[:, 1] = values[:, 1] < -0.2
    values[:, 1] = np.maximum(values[:, 1], -0.2)
    lower = np.zeros(values.shape, bool)
    lower[:, 1] = values[:, 1] > 1.8
    values[:, 1] = np.minimum(values[:, 1], 1.8)
    gone = (rng.random(n) < 0.2) & ~(upper | lower)[:, 1]
    values[gone, rng.integers(2, size=n)[gone]] = np.nan
    return values, errors, upper, lower


@pytest.fixture(scope="module")
def maximum_by_scipy():
    """Observations, and the highest log-likelihood with its mean and covariance."""
    values, errors, upper, lower = censored_pairs(np.random.default_rng(4), 120)
    seen, sign = np.isfinite(values), (lower.astype(int) - upper)[:, 1]

    def likelihood(m, V):
        T = V + errors[:, :, None] ** 2 * np.eye(2)
        total = 0.0
        for i, w in enumerate(values):
            measured = seen[i] & ~(upper | lower)[i]
            if measured.any():
                total += multivariate_normal(m[measured], T[i][np.ix_(measured, measured)]).logpdf(w[measured])
            if sign[i]:
                slope = T[i, 1, 0] / T[i, 0, 0] * measured[0]
                mean, variance = m[1] + (slope * (w[0] - m[0]) if measured[0] else 0.0), T[i, 1, 1] - slope * T[i, 0, 1]
                total += norm.logcdf(-sign[i] * (w[1] - mean) / np.sqrt(variance))
        return total

    def parameters(p):
        F = np.array([[p[2], 0.0], [p[3], p[4]]])
        return p[:2], F @ F.T

    start = [0.0, 0.5, 1.0, 1.2, 0.4]  # what the values were drawn with
    best = minimize(lambda p: -likelihood(*parameters(p)), start, method="BFGS", options={"gtol": 1e-6})
    observations = Observations.with_limits(values, errors, upper=upper, lower=lower)
    return observations, -best.fun, *parameters(best.x)


@pytest.mark.parametrize("solver", ["auto", "em", "implicit", "quasi-newton"])
def test_the_maximum_is_that_of_scipy(maximum_by_scipy, solver):
    observations, log_likelihood, mean, V = maximum_by_scipy
    found = fit(observations, 1, Settings(solver, StoppingRule(1e-9, 5000)))
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-5)
    np.testing.assert_allclose(found.mixture.means[0], mean, atol=2e-3)
    np.testing.assert_allclose(found.mixture.covariances[0], V, atol=3e-3)


def regression(rng, n=500):
    """A line with scatter, errors in x and y, and upper limits in y: the noisy values that are below a threshold."""
    x = rng.normal(0.0, 1.0, n)
    y = 0.5 + 1.2 * x + rng.normal(0.0, 0.4, n)
    errors = np.full((n, 2), 0.3)
    values = np.column_stack([x, y]) + 0.3 * rng.standard_normal((n, 2))
    upper = np.column_stack([np.zeros(n, bool), values[:, 1] < 0.4])
    values[:, 1] = np.maximum(values[:, 1], 0.4)
    return values, errors, upper


def slope_and_scatter(observations):
    """Slope and scatter of the second coordinate about the first, with their errors."""
    mixture = fit(observations, 1).mixture

    def line(mixture):
        V = mixture.covariances[0]
        return np.array([V[0, 1] / V[0, 0], np.sqrt(V[1, 1] - V[0, 1] ** 2 / V[0, 0])])

    found = laplace(mixture, observations).propagate(line)
    return found.value, found.error


def test_a_line_with_upper_limits_keeps_its_slope_and_scatter():
    # as in the simulations of linmix (Kelly 2007, ApJ 665, 1489): detections alone are too shallow, as are values
    values, errors, upper = regression(np.random.default_rng(6))
    detected = ~upper[:, 1]
    truth = np.array([1.2, 0.4])
    found, error = slope_and_scatter(Observations.with_limits(values, errors, upper=upper))
    assert (np.abs(found - truth) < 2.5 * error).all()
    for other in (
        Observations.with_standard_errors(values[detected], errors[detected]),
        Observations.with_standard_errors(values, errors),
    ):
        wrong, its_error = slope_and_scatter(other)
        assert truth[0] - wrong[0] > 3 * its_error[0]


def test_units_and_the_order_of_rows_do_not_matter():
    values, errors, upper, lower = censored_pairs(np.random.default_rng(9))
    observations = Observations.with_limits(values, errors, upper=upper, lower=lower)
    one = fit(observations, 1)
    order = np.random.default_rng(0).permutation(len(values))
    again = fit(observations.select(order), 1)
    np.testing.assert_allclose(again.mixture.covariances, one.mixture.covariances, rtol=1e-6)
    scale = np.array([1e3, 1e-2])
    scaled = Observations.with_limits(values * scale, errors * scale, upper=upper, lower=lower)
    np.testing.assert_allclose(fit(scaled, 1).mixture.means, one.mixture.means * scale, rtol=1e-5)
    n_values = np.isfinite(values) & ~upper & ~lower
    expected = one.log_likelihood - n_values.sum(axis=0) @ np.log(scale)  # limits are probabilities, not densities
    assert fit(scaled, 1).log_likelihood == pytest.approx(expected, abs=1e-6)


def test_limits_beside_a_uniform_background():
    rng = np.random.default_rng(12)
    n = 600
    field = rng.random(n) < 0.3
    v = np.where(field, rng.uniform(-8.0, 8.0, n), rng.normal(0.5, 1.0, n))
    measured = v + 0.3 * rng.standard_normal(n)
    upper = measured < 0.0
    observations = Observations.with_limits(np.maximum(measured, 0.0), 0.3, upper=upper)
    found = fit(observations, 1, Settings(model=Model(background=Background(-8.0, 8.0)))).mixture
    assert found.means[0, 0] == pytest.approx(0.5, abs=0.35)
    assert found.sigmas[0, 0] == pytest.approx(1.0, abs=0.3)
    assert found.background.fraction == pytest.approx(0.3, abs=0.08)


def test_a_column_of_limits_alone_is_refused():
    values = np.column_stack([np.linspace(0.0, 1.0, 9), np.linspace(0.0, 1.0, 9)])
    upper = np.column_stack([np.zeros(9, bool), np.ones(9, bool)])
    observations = Observations.with_limits(values, 0.1, upper=upper, names=["a", "b"])
    with pytest.raises(InputError, match="every value of b is a limit or missing"):
        fit(observations, 1)


def test_expected_information_is_refused():
    values, errors, upper, lower = censored_pairs(np.random.default_rng(9))
    observations = Observations.with_limits(values, errors, upper=upper, lower=lower)
    with pytest.raises(InputError, match="some of these are limits; use 'observed'"):
        laplace(fit(observations, 1).mixture, observations, information="expected")


def test_scores_of_objects_sum_to_the_gradient():
    values, errors, upper, lower = censored_pairs(np.random.default_rng(10))
    observations = Observations.with_limits(values, errors, upper=upper, lower=lower)
    mixture = GaussianMixture([1.0], [[0.1, 0.4]], [[[1.2, 0.9], [0.9, 1.5]]])
    problem = Problem(observations, 1, Model())
    iterate = problem.at(mixture).iterate
    total = sum((omega @ s for omega, s in object_scores(iterate, problem)))
    coordinates = iterate.coordinates
    expected = coordinates.gradient(np.zeros(coordinates.size), iterate.mixture, iterate.statistics)
    np.testing.assert_allclose(total, expected[iterate.free], rtol=1e-8, atol=1e-8)
