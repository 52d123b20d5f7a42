"""Per-object answers against Bayes' theorem written out."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.prediction import log_likelihoods, memberships, total_log_likelihood

MIXTURE = GaussianMixture([0.3, 0.7], [[0.0], [4.0]], [[[1.0]], [[0.25]]])


def test_memberships_follow_bayes_theorem_with_the_noise_in():
    x, e = np.array([0.0, 2.0, 4.0, 9.0]), np.array([0.1, 3.0, 0.5, 10.0])
    joint = np.stack([0.3 * norm.pdf(x, 0, np.hypot(1, e)), 0.7 * norm.pdf(x, 4, np.hypot(0.5, e))], 1)
    observations = Observations.with_standard_errors(x, e)
    assert memberships(MIXTURE, observations) == pytest.approx(joint / joint.sum(1, keepdims=True), rel=1e-12)
    assert log_likelihoods(MIXTURE, observations) == pytest.approx(np.log(joint.sum(1)), rel=1e-12)


def test_rows_keep_their_places_and_weights_do_not_matter():
    x = np.array([0.0, np.nan, 4.0])
    observations = Observations.with_standard_errors(x, 0.1, weights=[1, 1, 0])
    result = memberships(MIXTURE, observations)
    assert result[1] == pytest.approx([0.3, 0.7])
    assert result[2, 1] > 0.99
    assert log_likelihoods(MIXTURE, observations)[1] == 0.0


def test_a_missing_coordinate_leaves_the_marginal():
    mixture = GaussianMixture([1.0], [[1.0, 2.0]], [[[2.0, 0.5], [0.5, 1.0]]])
    observations = Observations.exact([[0.0, np.nan], [0.0, 0.0]])
    assert log_likelihoods(mixture, observations) == pytest.approx(
        [norm.logpdf(0, 1, np.sqrt(2)), multivariate_normal([1, 2], [[2, 0.5], [0.5, 1]]).logpdf([0, 0])], rel=1e-12
    )


def test_an_object_a_million_sigma_away_has_finite_answers():
    observations = Observations.with_standard_errors([1e6, -1e6], 0.1)
    assert memberships(MIXTURE, observations).sum(axis=1) == pytest.approx([1, 1])
    assert np.isfinite(log_likelihoods(MIXTURE, observations)).all()


def test_a_row_of_weight_zero_is_left_out_even_where_it_is_impossible():
    # An exact value beside a component without width has a density of zero: its weight of zero must come first.
    values, errors, weights = (
        np.array([0.0, 0.1, -0.1, 5.0]),
        np.array([1.0, 1.0, 1.0, 0.0]),
        np.array([1.0, 2.0, 1.0, 0.0]),
    )
    model = XDGMM().fit(values, Xerr=errors, sample_weight=weights)
    assert model.mixture_.sigmas[0, 0] == 0.0
    without = {"Xerr": errors[:3], "sample_weight": weights[:3]}
    for method in ("score", "aic", "bic"):
        found = getattr(model, method)(values, Xerr=errors, sample_weight=weights)
        expected = getattr(model, method)(values[:3], **without)
        assert found == pytest.approx(expected, rel=1e-14)  # another order of adding
    report, expected = (
        model.widths(values, Xerr=errors, sample_weight=weights),
        XDGMM().fit(values[:3], **without).widths(values[:3], **without),
    )
    assert str(report) == str(expected)


def test_a_weight_of_two_is_the_row_twice():
    rng = np.random.default_rng(8)
    values, errors = rng.standard_normal((30, 2)), rng.uniform(0.2, 1.0, (30, 2))
    weights = rng.integers(0, 3, 30)
    weighted = Observations.with_standard_errors(values, errors, weights)
    repeated = Observations.with_standard_errors(np.repeat(values, weights, 0), np.repeat(errors, weights, 0))
    mixture = XDGMM().fit(weighted).mixture_
    assert total_log_likelihood(mixture, weighted) == pytest.approx(total_log_likelihood(mixture, repeated), rel=1e-13)
