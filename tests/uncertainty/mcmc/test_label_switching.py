from itertools import permutations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

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
    found = label_switching.Assignment(mixture, statistics, EVERYWHERE).order(means, covariances)
    for sample, order in zip(means, found, strict=True):
        np.testing.assert_array_equal(sample[order], mixture.means)


def test_assignment_is_optimal_and_not_greedy():
    mixture, statistics = a_fit()
    rng = np.random.default_rng(0)
    means = mixture.means + rng.standard_normal((40, K, 2))
    covariances = mixture.covariances * np.exp(0.5 * rng.standard_normal((40, K, 1, 1)))
    found = label_switching.Assignment(mixture, statistics, EVERYWHERE).order(means, covariances)

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
    found = label_switching.Ordering(mixture, EVERYWHERE).order(means, None)
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
    for relabel in label_switching.RELABEL:
        found = label_switching.matching(relabel, mixture, statistics, allowed).order(means, covariances)
        assert found[0, 1] == 1


@pytest.mark.parametrize("relabel", label_switching.RELABEL)
def test_the_posterior_of_matched_components_is_one_of_equal_parts(relabel):
    from xdgmm import XDGMM, Observations
    from xdgmm.uncertainty.mcmc import PosteriorPrior
    from xdgmm.uncertainty.mcmc.posterior import Posterior

    rng = np.random.default_rng(3)
    obs = Observations.with_standard_errors(rng.standard_normal((40, 2)) + 4 * rng.integers(3, size=(40, 1)), 0.3)
    result = XDGMM(K, random_state=0).fit(obs).result_
    posterior = Posterior(result, obs, PosteriorPrior().resolved(obs, K, result.model), relabel)
    z = 2.0 * rng.standard_normal((30, posterior.coordinates.size))
    whole = posterior(z)
    parts = []
    for order in permutations(range(K)):
        exchanged = posterior.coordinates.exchanged(z, np.tile(order, (30, 1)))
        np.testing.assert_allclose(posterior(exchanged), whole, rtol=1e-11)
        parts.append(posterior.matched(exchanged))
        np.testing.assert_allclose(posterior.relabelled(exchanged), posterior.relabelled(z), rtol=1e-11, atol=1e-11)
    assert (np.isfinite(parts).sum(axis=0) == 1).all()
    np.testing.assert_allclose(np.max(parts, axis=0), whole, rtol=1e-11)


@pytest.mark.parametrize("distance", [0.5, 2.0, 5.0])
def test_the_ambiguity_of_normal_samples_is_that_of_integration(distance):
    """Two means, normal around 0 and the distance: the difference d is normal, and exchanging reverses it."""
    from xdgmm import GaussianMixture
    from xdgmm.uncertainty.mcmc.coordinates import Coordinates

    mixture = GaussianMixture([0.5, 0.5], [[0.0], [distance]], np.ones((2, 1, 1)))
    model = Model(fixed=Fixed(weights=(0, 1), covariances=(0, 1)))
    coordinates = Coordinates(mixture, model.constraints(2, 1))
    n = 40_000
    z = np.random.default_rng(0).normal([0.0, distance], 1.0, (n, 2))
    expected = quad(lambda d: norm.pdf(d, distance, 2**0.5) / (1.0 + np.exp(distance * d)), -15, 25)[0]
    found = label_switching.ambiguity(z, coordinates, np.ones((2, 2), bool))
    assert found == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(n))
    assert label_switching.ambiguity(z, coordinates, np.eye(2, dtype=bool)) == 0.0
