from itertools import permutations

import numpy as np

from xdgmm import Dirichlet, Fixed, GaussianMixture
from xdgmm.fitting import Model
from xdgmm.fitting.objective import Statistics
from xdgmm.uncertainty.mcmc import label_switching

K = 3
EVERYWHERE = np.ones((K, K), bool)


def a_fit():
    means = np.array([[0.0, 0.0], [4.0, 1.0], [4.5, 1.0]])
    covariances = np.array([np.eye(2), 0.1 * np.eye(2), 3.0 * np.eye(2)])
    mixture = GaussianMixture(np.full(K, 1 / K), means, covariances)
    q = np.full(K, 10.0)
    A = q[:, None, None] * np.linalg.inv(covariances + 0.2 * np.eye(2))
    return mixture, Statistics(0.0, q, np.zeros((K, 2)), np.zeros((K, 2, 2)), A)


def test_every_permutation_of_the_fit_is_undone():
    mixture, statistics = a_fit()
    orders = np.array(list(permutations(range(K))))
    means, covariances = mixture.means[orders], mixture.covariances[orders]
    found = label_switching.match_by_assignment(means, covariances, mixture, statistics, EVERYWHERE)
    for sample, order in zip(means, found, strict=True):
        np.testing.assert_array_equal(sample[order], mixture.means)


def test_assignment_is_optimal_and_not_greedy():
    mixture, statistics = a_fit()
    rng = np.random.default_rng(0)
    means = mixture.means + rng.standard_normal((40, K, 2))
    covariances = mixture.covariances * np.exp(0.5 * rng.standard_normal((40, K, 1, 1)))
    found = label_switching.match_by_assignment(means, covariances, mixture, statistics, EVERYWHERE)

    def cost(i, order):
        total = 0.0
        for k, j in enumerate(order):
            d = means[i, j] - mixture.means[k]
            total += d @ np.linalg.solve(mixture.covariances[k] + 0.2 * np.eye(2), d)
            widths = np.diag(covariances[i, j]) + 0.2, np.diag(mixture.covariances[k]) + 0.2
            total += (0.25 * np.log(widths[0] / widths[1]) ** 2).sum()
        return total

    for i, order in enumerate(found):
        # the noise is held up by a millionth of the variance
        assert cost(i, order) <= min(cost(i, other) for other in permutations(range(K))) * (1 + 1e-4)


def test_ordering_matches_the_ranks_of_the_first_mean():
    mixture, _ = a_fit()
    means = np.random.default_rng(1).standard_normal((20, K, 2))
    found = label_switching.match_by_order(means, mixture, EVERYWHERE)
    sorted_means = np.take_along_axis(means[:, :, 0], found, axis=1)
    assert (np.diff(sorted_means, axis=1) > 0).all()  # the fit's are in order


def prior_of(model, weights=1.0):
    from xdgmm import Observations
    from xdgmm.uncertainty.mcmc import PosteriorPrior

    obs = Observations.exact(np.random.default_rng(0).standard_normal((9, 2)))
    return PosteriorPrior(weights=Dirichlet(weights)).resolved(obs, K, model)


def test_only_components_that_the_posterior_cannot_tell_apart_are_exchanged():
    free = Model()
    assert label_switching.exchangeable_components(free.constraints(K, 2), prior_of(free)).all()
    fixed = Model(fixed=Fixed(means=(1,)))
    expected = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    found = label_switching.exchangeable_components(fixed.constraints(K, 2), prior_of(fixed))
    np.testing.assert_array_equal(found, np.array(expected, bool))
    uneven = label_switching.exchangeable_components(free.constraints(K, 2), prior_of(free, [1.0, 2.0, 1.0]))
    np.testing.assert_array_equal(uneven, np.array(expected, bool))


def test_what_is_told_apart_keeps_its_label():
    mixture, statistics = a_fit()
    allowed = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool)
    means = mixture.means[[[1, 0, 2]]]
    covariances = mixture.covariances[[[1, 0, 2]]]
    for found in (
        label_switching.match_by_assignment(means, covariances, mixture, statistics, allowed),
        label_switching.match_by_order(means, mixture, allowed),
    ):
        assert found[0, 1] == 1
