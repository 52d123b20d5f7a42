"""Errors, intervals and limits of widths where some values are limits."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, norm

from xdgmm import XDGMM, Observations
from xdgmm.diagnostics import influence, leave_one_out_residuals, residuals, unusual_objects
from xdgmm.fitting import Problem, fit
from xdgmm.uncertainty import bootstrap, laplace, width_limit
from xdgmm.uncertainty.profile import WidthProfile


def sample(n, rng, sigma=1.0, threshold=-0.3):
    e = rng.uniform(0.2, 0.8, n)
    w = sigma * rng.standard_normal(n) + e * rng.standard_normal(n)
    return Observations.with_limits(np.maximum(w, threshold), e, upper=w < threshold)


def sigma_of(mixture):
    return mixture.sigmas[0, 0]


def test_all_errors_of_a_right_model_agree():
    observations = sample(1500, np.random.default_rng(1))
    result = fit(observations)
    normal = [laplace(result.mixture, observations, kind=kind) for kind in ("information", "sandwich")]
    errors = [each.propagate(sigma_of).error for each in normal]
    drawn = bootstrap(result, observations, n_resamples=150, rng=0, progress="never")
    errors.append(drawn.propagate(sigma_of).error)
    profile = WidthProfile(Problem.of(result.mixture, observations, result.model), result.mixture, 0, 0)
    for sign in (-1, 1):  # two standard errors away the likelihood has fallen by two nats
        value = (sigma_of(result.mixture) + sign * 2 * errors[0]) / profile.unit
        assert profile.maximum - profile.at(value) == pytest.approx(2.0, rel=0.25)
    np.testing.assert_allclose(errors, errors[0], rtol=0.15)


def test_the_limit_of_a_vanishing_width_is_that_of_the_likelihood():
    rng = np.random.default_rng(3)
    e = np.full(60, 1.0)
    w = e * rng.standard_normal(60)
    observations = Observations.with_limits(np.maximum(w, 0.0), e, upper=w < 0.0)
    mixture = fit(observations).mixture
    limit = width_limit(mixture, observations, 0, 0, limit="likelihood").upper

    def highest(sigma):  # over the mean, by SciPy
        T = np.hypot(sigma, e)

        def fallen(m):
            return -np.where(w < 0.0, norm.logcdf(-m / T), norm.logpdf(w, m, T)).sum()

        return -minimize_scalar(fallen, bounds=(-2.0, 2.0), method="bounded", options={"xatol": 1e-9}).fun

    assert 2 * (highest(sigma_of(mixture)) - highest(limit)) == pytest.approx(chi2.ppf(0.9, 1), abs=1e-3)


def test_the_influence_of_an_object_is_that_of_a_fit_without_it():
    observations = sample(40, np.random.default_rng(5))
    result = fit(observations)
    table = influence(result, observations, n_largest=3)
    for row in table:
        rest = fit(observations.select(np.arange(40) != row["row"]))
        assert row["sigma_without"] == pytest.approx(rest.mixture.sigmas[0, 0], rel=0.02)


def test_residuals_of_single_objects_are_those_of_the_table():
    observations = sample(60, np.random.default_rng(6))
    result = fit(observations)
    z = residuals(result, observations)
    for row in unusual_objects(result, observations, n_largest=5):
        assert row["residual_x1"] == z[row["row"], 0]
    others = leave_one_out_residuals(result, observations)
    assert np.unique(np.round(others, 12)).size == others.size


def test_a_report_of_two_columns_has_every_interval():
    rng = np.random.default_rng(7)
    w = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], 300) + 0.3 * rng.standard_normal((300, 2))
    upper = np.column_stack([np.zeros(300, bool), w[:, 1] < -0.5])
    observations = Observations.with_limits(np.where(upper, -0.5, w), 0.3, upper=upper, names=["a", "b"])
    model = XDGMM().fit(observations)
    report = model.widths(observations, method="profile")
    for low, value, high in zip(report["sigma_low"], report["sigma"], report["sigma_high"], strict=True):
        assert low < value < high
    relations = {row["quantity"]: row for row in model.relations(observations)}
    correlation = relations["correlation"]
    assert abs(correlation["value"] - 0.6) < 3 * correlation["error"]
