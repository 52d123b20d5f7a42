"""Errors of parameters where noise is a mixture: scores, limits and resamples."""

import numpy as np
import pytest

from xdgmm import XDGMM, Background, GaussianMixture, InputError, Observations, fitting
from xdgmm.fitting import Model
from xdgmm.fitting.optimality import Iterate
from xdgmm.prediction import log_likelihoods
from xdgmm.uncertainty import bootstrap, parameter_errors, profile_interval, width_limit
from xdgmm.uncertainty.information import object_scores


def split_normal_values(rng, n, dimensions=1):
    below, size = rng.random((n, dimensions)) < 0.75, np.abs(rng.standard_normal((n, dimensions)))
    return rng.normal(10.0, 1.0, (n, dimensions)) + np.where(below, -1.5 * size, 0.5 * size)


def observations(n, dimensions=1, seed=1, weights=None):
    values = split_normal_values(np.random.default_rng(seed), n, dimensions)
    values[1:][np.random.default_rng(seed).random((n - 1, dimensions)) < 0.1 * (dimensions > 1)] = np.nan
    return Observations.with_asymmetric_errors(values, 0.5, 1.5, weights)


@pytest.mark.parametrize(
    ("model", "background", "dof"),
    [
        (Model(), None, None),
        (Model(covariance_type="diag"), Background([6.0, 6.0], [15.0, 15.0], 0.2), None),
        (Model(family="t", dof="fit"), None, [4.0, 8.0]),
    ],
    ids=["gaussians", "background", "t"],
)
def test_the_scores_of_all_objects_sum_to_the_gradient(model, background, dof):
    """With weights that differ, so that the score of each object counts."""
    measured = observations(90, 2, weights=np.random.default_rng(2).uniform(0.2, 3.0, 90))
    weights = np.array([0.4, 0.6]) * (1.0 if background is None else 0.8)
    covariances = [[[1.0, 0.3], [0.3, 0.8]], [[2.0, -0.2], [-0.2, 1.0]]]
    start = GaussianMixture(weights, [[9.0, 10.0], [11.0, 10.5]], covariances, background=background, dof=dof)
    model = model if background is None else Model(covariance_type="diag", background=background)
    problem = fitting.Problem(measured, 2, model)
    mixture = problem.constraints.impose_type(problem.standardised(start))
    point = Iterate.at(mixture, problem.objective().expect(mixture), problem.constraints)
    gradient = point.coordinates.gradient(np.zeros(point.coordinates.size), point.mixture, point.statistics)[point.free]
    total = sum(omega @ scores for omega, scores in object_scores(point, problem))
    np.testing.assert_allclose(total, gradient, atol=1e-8 * max(1.0, np.abs(gradient).max()))


def test_all_ways_to_errors_agree():
    """One component and 400 objects, where the likelihood is close to normal."""
    measured = observations(400)
    model = XDGMM().fit(measured)
    mixture = model.mixture_
    errors = parameter_errors(mixture, measured)
    sandwich = parameter_errors(mixture, measured, kind="sandwich")
    samples = bootstrap(model.result_, measured, n_resamples=100, rng=1, progress="never")
    interval = profile_interval(mixture, measured, 0, 0)
    low, high = interval.low, interval.high
    sigma, error = mixture.sigmas[0, 0], errors.sigmas[0, 0]
    assert sandwich.sigmas[0, 0] == pytest.approx(error, rel=0.15)
    assert np.sqrt(samples.covariances[:, 0, 0, 0]).std() == pytest.approx(
        error,
        rel=0.3,  # a hundred resamples: 7%, and the scatter of the sandwich
    )
    assert 0.5 * (high - low) == pytest.approx(error, rel=0.1)
    assert low < sigma < high


def test_a_limit_is_where_the_profile_has_fallen():
    """Values without intrinsic scatter, whose likelihood is largest at a width near zero."""
    rng = np.random.default_rng(11)
    below, size = rng.random(60) < 0.75, np.abs(rng.standard_normal(60))
    measured = Observations.with_asymmetric_errors(10.0 + np.where(below, -1.5 * size, 0.5 * size), 0.5, 1.5)
    mixture = XDGMM().fit(measured).mixture_
    upper = width_limit(mixture, measured, 0, 0).upper
    means = mixture.means[0, 0] + np.linspace(-0.4, 0.4, 81)

    def highest(sigma):
        alone = (GaussianMixture([1.0], [[m]], [[[sigma**2]]]) for m in means)
        return max(log_likelihoods(one, measured).sum() for one in alone)

    assert highest(mixture.sigmas[0, 0]) - highest(upper) == pytest.approx(0.5 * 1.6449**2, rel=0.02)


def test_expected_information_is_refused():
    measured = observations(50)
    with pytest.raises(InputError, match="`information='expected'` needs Gaussian errors"):
        parameter_errors(XDGMM().fit(measured).mixture_, measured, information="expected")


def test_simulated_limits_of_errors_that_follow_the_value_are_refused():
    values = np.random.default_rng(6).normal(10.0, 1.0, 60)
    measured = Observations.with_error_function(values, 0.1)
    mixture = XDGMM().fit(measured).mixture_
    with pytest.raises(InputError, match="cannot be simulated"):
        width_limit(mixture, measured, 0, 0, limit="simulated")
    assert np.isfinite(width_limit(mixture, measured, 0, 0).upper)
