"""Numbers of parameters, and criteria, against scikit-learn and direct formulas."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture as SklearnMixture

from xdgmm import XDGMM, Background, GaussianMixture, Observations
from xdgmm.fitting import Fixed, Model
from xdgmm.selection import aic, aicc, bic, icl, membership_entropy, n_parameters
from xdgmm.selection.criteria import evidence_weights, strength_of_evidence

TYPES = ("full", "tied", "diag", "spherical")


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("K", "D"), [(1, 1), (2, 1), (3, 4), (5, 2)])
def test_parameters_and_criteria_are_those_of_scikit_learn(kind, K, D):
    x = np.random.default_rng(0).normal(size=(100, D))
    other = SklearnMixture(K, covariance_type=kind, random_state=0).fit(x)
    log_likelihood, n_free = other.score(x) * 100, n_parameters(K, D, Model(kind))
    assert n_free == other._n_parameters()  # noqa: SLF001 - there is no public way
    assert aic(log_likelihood, n_free) == pytest.approx(other.aic(x), rel=1e-12)
    assert bic(log_likelihood, n_free, 100) == pytest.approx(other.bic(x), rel=1e-12)


@pytest.mark.parametrize("kind", TYPES)
def test_a_fit_without_noise_has_the_criteria_of_scikit_learn(kind):
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, (150, 2)), rng.normal(6, 2, (150, 2))])
    other = SklearnMixture(2, covariance_type=kind, random_state=0, tol=1e-12, reg_covar=0, max_iter=5000).fit(x)
    model = XDGMM(2, covariance_type=kind, random_state=0).fit(x)
    assert model.bic(x) == pytest.approx(other.bic(x), abs=1e-5)
    assert model.aic(x) == pytest.approx(other.aic(x), abs=1e-5)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Model(fixed=Fixed(means=(1,), covariances=(1,))), 17 - 2 - 3),
        (Model(fixed=Fixed(weights=(0,))), 17 - 1),
        (Model(fixed=Fixed(weights=(0, 1, 2))), 17 - 2),
        (Model("tied", fixed=Fixed(covariances=(0, 1, 2))), 17 - 9),
        (Model(background=Background(0, 1)), 17 + 1),
        (Model(background=Background()), 17 + 1 + 4),
        (Model(fixed=Fixed(weights=(3,)), background=Background(0, 1)), 17),
    ],
)
def test_fixed_and_added_parameters_are_counted(model, expected):
    # 3 components in 2 dimensions: 2 weights, 6 means, 9 covariances
    assert n_parameters(3, 2, model) == expected


def test_aicc_is_the_formula_in_its_other_form():
    # -2 lnL + 2 p N / (N - p - 1): Burnham & Anderson 2002, eq. 2.15
    for p, N in ((2, 10), (5, 57), (8, 10)):
        assert aicc(-3.5, p, N) == pytest.approx(7.0 + 2 * p * N / (N - p - 1))
    assert aicc(-3.5, 9, 10) == np.inf
    assert aicc(-3.5, 12, 10) == np.inf


def test_icl_is_bic_and_twice_the_entropy_of_memberships():
    rng = np.random.default_rng(0)
    mixture = GaussianMixture([0.3, 0.7], [[0, 0], [1, 2]], [np.eye(2), [[2, 0.5], [0.5, 1]]])
    values, errors, weights = rng.normal(size=(20, 2)), rng.uniform(0.1, 1, (20, 2)), rng.uniform(0, 3, 20)
    observations = Observations.with_standard_errors(values, errors, weights=weights)
    entropy = 0.0
    for w, e, omega in zip(values, errors, weights, strict=True):
        densities = [
            a * multivariate_normal(m, V + np.diag(e**2)).pdf(w)
            for a, m, V in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
        ]
        r = np.array(densities) / sum(densities)
        entropy -= omega * sum(r * np.log(r))
    assert membership_entropy(mixture, observations) == pytest.approx(entropy, rel=1e-10)
    assert icl(-5.0, 3, 20, entropy) == pytest.approx(3 * np.log(20) + 10 + 2 * entropy, rel=1e-10)


def test_entropy_counts_objects_whose_membership_is_certain_as_zero():
    far = GaussianMixture([0.5, 0.5], [[0.0], [1e4]], [[[1.0]], [[1.0]]])
    assert membership_entropy(far, Observations.exact([0.0, 1e4])) == 0.0


def test_weights_of_evidence_sum_to_one_and_leave_out_what_was_not_fitted():
    weights = evidence_weights(np.array([1e6, 1e6 + 2.0, np.nan]))
    assert weights == pytest.approx([1 / (1 + np.exp(-1)), np.exp(-1) / (1 + np.exp(-1)), 0])
    assert evidence_weights(np.array([np.nan])).tolist() == [0.0]


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (0, "not worth more than a bare mention"),
        (2, "positive"),
        (6, "strong"),
        (10, "very strong"),
        (99, "very strong"),
    ],
)
def test_differences_of_bic_have_the_words_of_kass_and_raftery(difference, words):
    assert strength_of_evidence(difference) == words
