"""Residuals and checks of objects whose noise is a mixture."""

import numpy as np
import pytest
from scipy.stats import kstest, norm

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.diagnostics import check, error_scale, quick_checks, residuals, simulate
from xdgmm.errors import InputError
from xdgmm.mixture import Background

MIXTURE = GaussianMixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.5]], [[2.0]]])
WEIGHTS, SHIFTS, ERRORS = np.array([0.6, 0.4]), np.array([-0.5, 1.5]), np.array([0.4, 1.2])


def test_residuals_in_one_column_are_normal_scores_of_the_distribution_function():
    values = np.array([0.3, -2.5, 4.5, 30.0])
    found = residuals(MIXTURE, Observations.with_noise_mixtures(values, WEIGHTS, SHIFTS, standard_errors=ERRORS))
    for value, score in zip(values[:3], found[:3, 0], strict=True):
        below = sum(
            w * f * norm.cdf(value, m + shift, np.hypot(s, e))
            for w, m, s in zip(MIXTURE.weights, MIXTURE.means[:, 0], MIXTURE.sigmas[:, 0], strict=True)
            for f, shift, e in zip(WEIGHTS, SHIFTS, ERRORS, strict=True)
        )
        assert score == pytest.approx(norm.ppf(below), abs=1e-9)
    assert found[3, 0] > 10.0


@pytest.mark.parametrize("background", [None, Background([-4.0, -4.0], [6.0, 5.0], 0.4)])
def test_residuals_of_simulated_objects_are_standard_normal(background):
    """In two columns, with asymmetric errors that differ between objects, beside a background too."""
    weights = [1.0] if background is None else [0.6]
    mixture = GaussianMixture(weights, [[0.0, 1.0]], [[[1.0, 0.5], [0.5, 2.0]]], background=background)
    rng = np.random.default_rng(3)
    lower, upper = rng.uniform(0.3, 1.5, (2, 1500, 2))
    template = Observations.with_asymmetric_errors(np.zeros((1500, 2)), lower, upper)
    (drawn,) = simulate(mixture, template, rng=4, parameters="fixed")
    scores = residuals(mixture, drawn)
    for column in scores.T:
        assert kstest(column, "norm").pvalue > 0.01
    assert abs(np.corrcoef(scores.T)[0, 1]) < 0.08
    assert kstest((scores**2).sum(axis=1), "chi2", args=(2,)).pvalue > 0.01


def split_normal_values(rng, n):
    below, size = rng.random(n) < 0.75, np.abs(rng.standard_normal(n))
    return rng.normal(10.0, 1.0, n) + np.where(below, -1.5 * size, 0.5 * size)


def test_the_right_noise_passes_where_gaussian_errors_do_not():
    values = split_normal_values(np.random.default_rng(5), 800)
    right = Observations.with_asymmetric_errors(values, 0.5, 1.5)
    assert check(XDGMM().fit(right).mixture_, right, n_simulations=99, rng=0, progress="never").passed
    wrong = Observations.with_standard_errors(values, 1.0)
    assert [each.name for each in quick_checks(XDGMM().fit(wrong).mixture_, wrong)] == ["skewness"]


def test_the_size_of_errors_that_are_not_gaussian_is_not_examined():
    measured = Observations.with_asymmetric_errors(np.arange(30.0), 0.5, 1.5)
    with pytest.raises(InputError, match="scale of errors is found for Gaussian errors only"):
        error_scale(XDGMM().fit(measured).mixture_, measured)


def test_errors_that_follow_the_true_value_have_no_residuals():
    values = np.random.default_rng(6).normal(10.0, 1.0, 60)
    measured = Observations.with_error_function(values, 0.1)
    model = XDGMM().fit(measured)
    for function in (residuals, quick_checks, check):
        with pytest.raises(InputError, match="errors that follow the true values"):
            function(model.mixture_, measured)
    assert "residuals not checked, since errors follow the true values" in model.widths(measured).meta["remarks"]
