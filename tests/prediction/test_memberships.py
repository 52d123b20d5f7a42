"""Per-object answers against Bayes' theorem written out."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from xdgmm import GaussianMixture, Observations
from xdgmm.prediction import log_likelihoods, memberships

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
