"""Laws of a single step: none lowers the likelihood, none leaves the covariances, the implicit sigma is the best."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal

from xdgmm import Dirichlet, GaussianMixture, InverseWishart, Normal, Observations, Prior, kernels
from xdgmm.fitting import Model, em, implicit
from xdgmm.fitting.objective import Objective, expect, log_likelihoods, responsibilities


def implicit_sigma(values, variances, weights):
    return implicit.implicit_sigma(kernels.MemberValues.of(values, variances, weights))


def assert_never_falls(iterate, problem, steps):
    likelihood = Objective(problem.observations.pack(), 10_000)
    mixture = problem.start
    statistics = likelihood.expect(mixture)
    for _ in range(steps):
        before = statistics.log_likelihood
        mixture, statistics = iterate(mixture, statistics, likelihood)
        if not np.isfinite(statistics.log_likelihood):
            # without noise a component may come to lie on fewer points than it has dimensions: a degeneracy, which
            # the drivers of `fit` recognise
            assert problem.observations.noise is None
            return
        # one pass is good to 1e-13 of the sum of |lnL_i|, which `rounding` estimates from below; D = 4, K = 3
        assert statistics.log_likelihood >= before - 10 * statistics.rounding
        assert mixture.weights.min() >= 0.0
        assert mixture.weights.sum() == pytest.approx(1.0, abs=1e-14)
        for V in mixture.covariances:
            values = np.linalg.eigvalsh(V)
            np.testing.assert_allclose(V, V.T, rtol=0, atol=1e-15 * values[-1])
            assert values[0] >= -1e-14 * values[-1]  # rounding of eigenvalues: D * 1e-16 of the largest
        assert statistics.n_members.sum() == pytest.approx(problem.observations.total_weight, rel=1e-12)


@given(st.data())
def test_em_never_lowers_the_likelihood_and_keeps_covariances_covariances(problems, data):
    assert_never_falls(em.iterate, data.draw(problems()), 15)


def test_a_step_of_em_with_priors_is_the_one_of_its_definition(problem):
    """Posterior moments of all true values, then the best weights, means at the old V, and V at the new means."""
    made = problem(31, 80, 2, 2, weighted=True)
    centres, spread = np.array([[-1.0, 0.5], [2.0, 0.0]]), np.array([[0.5, 0.1], [0.1, 0.3]])
    scales, nu = np.array([[[0.8, 0.2], [0.2, 0.5]], [[2.0, 0.0], [0.0, 3.0]]]), 6.0
    prior = Prior(Dirichlet([3.0, 5.0]), Normal(centres, spread), InverseWishart(scales, nu))
    objective = Objective(made.observations.pack(), 10, constraints=Model(prior=prior).constraints(2, 2))
    found = em.step(made.start, objective.expect(made.start), objective.constraints)

    w, S, omega = made.observations.values, made.observations.noise_covariances, made.observations.object_weights
    densities = [
        [multivariate_normal.pdf(w[i], m, V + S[i]) for i in range(80)]
        for m, V in zip(made.start.means, made.start.covariances, strict=True)
    ]
    r = made.start.weights[:, None] * densities
    counts = omega * r / r.sum(axis=0)
    weights = counts.sum(axis=1) + np.array([2.0, 4.0])
    np.testing.assert_allclose(found.weights, weights / weights.sum(), rtol=1e-11)
    for k, (m, V) in enumerate(zip(made.start.means, made.start.covariances, strict=True)):
        gain = V @ np.linalg.inv(V + S)
        b, B, q = m + np.einsum("nij,nj->ni", gain, w - m), V - gain @ V, counts[k].sum()
        precisions = q * np.linalg.inv(V), np.linalg.inv(spread)
        mean = np.linalg.solve(sum(precisions), precisions[0] @ (counts[k] @ b / q) + precisions[1] @ centres[k])
        about = B + (b - mean)[:, :, None] * (b - mean)[:, None, :]
        expected = (np.einsum("n,nij->ij", counts[k], about) + scales[k]) / (q + nu + 2 + 1)
        # sums of 80 terms behind inverses of a condition up to 1e3
        np.testing.assert_allclose(found.means[k], mean, rtol=0, atol=1e-11 * np.abs(w).max())
        np.testing.assert_allclose(found.covariances[k], expected, rtol=0, atol=1e-11 * np.abs(w).max() ** 2)


@given(st.data())
def test_implicit_em_never_lowers_the_likelihood_and_keeps_covariances_covariances(problems, data):
    assert_never_falls(implicit.iterate, data.draw(problems()), 15)


@given(st.data())
def test_implicit_em_never_lowers_the_likelihood_in_one_dimension(problems, data):
    assert_never_falls(implicit.iterate, data.draw(problems(D=1)), 15)


@pytest.mark.parametrize("iterate", [em.iterate, implicit.iterate])
@pytest.mark.parametrize("D", [1, 3])
def test_a_component_of_weight_zero_stays_where_it_is(problem, D, iterate):
    case = problem(1, 50, D, 1)
    dead = GaussianMixture([1.0, 0.0], [case.start.means[0], np.ones(D)], [case.start.covariances[0], np.eye(D)])
    likelihood = Objective(case.observations.pack(), 100)
    mixture, reached = iterate(dead, likelihood.expect(dead), likelihood)
    alone, expected = iterate(case.start, likelihood.expect(case.start), likelihood)
    np.testing.assert_array_equal(mixture.means[1], dead.means[1])
    np.testing.assert_array_equal(mixture.covariances[1], dead.covariances[1])
    assert mixture.weights.tolist() == [1.0, 0.0]
    np.testing.assert_allclose(mixture.means[0], alone.means[0], rtol=1e-12)
    assert reached.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-13)


@pytest.mark.parametrize("iterate", [em.iterate, implicit.iterate])
@pytest.mark.parametrize("D", [1, 3])
def test_a_component_far_from_every_object_does_no_harm(problem, D, iterate):
    case = problem(1, 50, D, 1)
    far = GaussianMixture([0.5, 0.5], [case.start.means[0], np.full(D, 1e6)], [case.start.covariances[0], np.eye(D)])
    likelihood = Objective(case.observations.pack(), 100)
    mixture, reached = iterate(far, likelihood.expect(far), likelihood)
    alone, expected = iterate(case.start, likelihood.expect(case.start), likelihood)
    assert reached.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-13)
    np.testing.assert_allclose(mixture.covariances[0], alone.covariances[0], rtol=1e-11)
    assert np.isfinite(mixture.means).all()
    assert np.isfinite(mixture.covariances).all()


@given(st.data())
def test_statistics_of_parts_add_to_those_of_the_whole(problems, data):
    case = data.draw(problems())
    obs = case.observations
    cut = data.draw(st.integers(1, len(obs) - 1))
    parts = [obs.select(np.arange(cut)), obs.select(np.arange(cut, len(obs)))]
    parts = [part for part in parts if part.counts.any()]
    whole = expect(case.start, obs.pack())
    together = expect(case.start, parts[0].pack())
    for part in parts[1:]:
        together = together + expect(case.start, part.pack())
    for name in (each.name for each in fields(together) if getattr(whole, each.name) is not None):
        one, other = np.asarray(getattr(together, name)), np.asarray(getattr(whole, name))
        # 150 terms added in another order; sums of mixed sign cancel, hence relative to the largest element
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * (1 + np.abs(other).max()))


@given(st.data())
def test_likelihoods_of_objects_add_to_that_of_all(problems, data):
    case = data.draw(problems())
    blocks = case.observations.pack()
    each = log_likelihoods(case.start, blocks)
    total = expect(case.start, blocks).log_likelihood
    assert blocks.object_weights @ each == pytest.approx(total, abs=1e-12 * (1 + np.abs(each).sum()))
    parts = zip(case.start.weights, case.start.means, case.start.covariances, strict=True)
    joint = [np.log(w) + kernels.log_likelihoods(blocks, np.ones(1), m[None], V[None]) for w, m, V in parts]
    np.testing.assert_allclose(np.logaddexp.reduce(joint, axis=0), each, rtol=1e-13, atol=1e-13)
    # log-densities of up to a few hundred inherit their rounding, 1e-14 of that, to the exponential
    np.testing.assert_allclose(responsibilities(case.start, blocks), np.exp(np.array(joint) - each).T, atol=1e-11)


def profile(variance, x, e2, w):
    """lnL of one Gaussian, maximised over its mean, straight from the definition; 2 pi left out."""
    T = variance + e2
    mean = np.sum(w * x / T) / np.sum(w / T)
    return -0.5 * np.sum(w * (np.log(T) + (x - mean) ** 2 / T))


def brute_force(x, e2, w):
    """Highest profile over sigma^2 >= 0: a fine grid over twenty decades, then a bounded search around its best."""
    top = np.log(np.ptp(x) ** 2)
    grid = np.linspace(top - 46.0, top + 0.1, 4000)
    heights = [profile(np.exp(s), x, e2, w) for s in grid]
    i = int(np.argmax(heights))
    around = grid[max(i - 1, 0)], grid[min(i + 1, grid.size - 1)]
    found = minimize_scalar(
        lambda s: -profile(np.exp(s), x, e2, w), bounds=around, method="bounded", options={"xatol": 1e-12}
    )
    candidates = [np.exp(found.x)] + ([0.0] if e2.min() > 0 else [])
    return max(candidates, key=lambda v: profile(v, x, e2, w))


def assert_best(x, e2, w):
    mean, variance = implicit_sigma(x, e2, w)
    expected = brute_force(x, e2, w)
    reached, best = profile(variance, x, e2, w), profile(expected, x, e2, w)
    # lnL to its rounding: the sum of its N terms, and brute force never above
    assert reached >= best - 1e-13 * np.sum(w * (1 + np.abs(np.log(e2 + expected))))
    # a search on values of lnL finds s^2 to the root of rounding only, relative to the smallest scale in play
    assert variance == pytest.approx(expected, rel=1e-6, abs=1e-6 * (e2.min() + 1e-12))
    T = variance + e2
    assert mean == pytest.approx(np.sum(w * x / T) / np.sum(w / T), rel=1e-12, abs=1e-12 * np.ptp(x))
    return variance


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.3, 1.0, 3.0]), st.integers(2, 60), st.booleans())
def test_the_implicit_sigma_is_the_best_of_all(seed, width, N, weighted):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.05, 2.0, N) if seed % 2 else np.exp(rng.normal(-1.0, 1.5, N))
    x = rng.normal(5.0, np.hypot(width, errors))
    assert_best(x, errors**2, rng.uniform(0.1, 3.0, N) if weighted else np.ones(N))


def test_the_implicit_sigma_is_exactly_zero_where_noise_explains_all():
    x, errors = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    mean, variance = implicit_sigma(x, errors**2, np.ones(8))
    assert variance == 0.0
    assert mean == pytest.approx(np.sum(x / errors**2) / np.sum(errors**-2.0), rel=1e-14)


def test_the_implicit_sigma_of_the_same_noise_for_all_is_the_difference_of_variances():
    x = np.random.default_rng(2).normal(0.0, 2.0, 100)
    mean, variance = implicit_sigma(x, np.full(100, 0.5), np.ones(100))
    # the root of a function that is good to a few units of rounding, with N additions
    assert variance == pytest.approx(x.var() - 0.5, rel=1e-12)
    assert mean == pytest.approx(x.mean(), abs=1e-13)
    assert implicit_sigma(x, np.full(100, 5.0), np.ones(100))[1] == 0.0


def two_maxima(n_precise):
    """Precise values that agree closely, and imprecise ones that scatter more than they should."""
    precise = 1e-3 * np.linspace(-1.0, 1.0, n_precise)
    rough = 10.0 * np.array([-1.0, -0.5, 0.5, 1.0, -0.8, 0.8, 0.9, -0.9])
    x = np.concatenate([precise, rough])
    e2 = np.concatenate([np.full(n_precise, 2e-3**2), np.full(8, 4.0)])
    return x, e2


def test_of_several_roots_the_best_is_taken():
    # With few precise values the scatter of the rough ones wins; with many the maximum at zero does.  In between
    # both are maxima, which is what makes this a test.
    chosen = []
    for n_precise in (2, 4, 6, 8, 10, 12, 16, 24):
        x, e2 = two_maxima(n_precise)
        grid = np.geomspace(1e-9, 400.0, 3000)
        heights = np.array([profile(s, x, e2, np.ones(x.size)) for s in grid])
        interior = np.sum((heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:]))
        at_zero = heights[0] > heights[1]
        variance = assert_best(x, e2, np.ones(x.size))
        chosen.append((interior + at_zero, variance))
    assert max(count for count, _ in chosen) >= 2
    assert min(variance for _, variance in chosen) < 1e-3 < 1.0 < max(variance for _, variance in chosen)


def test_two_interior_maxima_are_told_apart():
    rng = np.random.default_rng(4)
    for n_precise in (10, 20, 30, 40, 60, 80, 120):
        x = np.concatenate([0.02 * rng.standard_normal(n_precise), 30.0 * rng.standard_normal(12)])
        e2 = np.concatenate([np.full(n_precise, 1e-6), np.full(12, 1.0)])
        assert_best(x, e2, np.ones(x.size))


@pytest.mark.parametrize("start", [0.0, 1e-12])
def test_a_sigma_of_zero_is_left_where_the_data_want_a_width(start):
    # V = 0 is a fixed point of closed-form EM, but not of the implicit equation.
    rng = np.random.default_rng(5)
    observations = Observations.with_standard_errors(rng.normal(0.0, 2.0, 200), rng.uniform(0.5, 1.0, 200))
    mixture = GaussianMixture([1.0], [[0.0]], [[[start]]])
    likelihood = Objective(observations.pack(), 10)
    mixture, _ = implicit.iterate(mixture, likelihood.expect(mixture), likelihood)
    # the width that was put in, to five of its standard errors
    assert np.sqrt(mixture.covariances[0, 0, 0]) == pytest.approx(2.0, abs=5 * 2.2 / np.sqrt(400))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_implicit_sigma_follows_the_unit(scale):
    rng = np.random.default_rng(6)
    x, e = rng.normal(0.0, 1.5, 50), rng.uniform(0.2, 2.0, 50)
    mean, variance = implicit_sigma(x, e**2, np.ones(50))
    scaled_mean, scaled = implicit_sigma(x * scale, (e * scale) ** 2, np.ones(50))
    assert scaled_mean == pytest.approx(mean * scale, rel=1e-11)
    assert scaled == pytest.approx(variance * scale**2, rel=1e-11)


@pytest.mark.parametrize("D", [1, 2, 4])
def test_the_scoring_step_is_exact_for_the_same_noise_for_all(D):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((500, D)) @ rng.standard_normal((D, D)) + 2.0
    E = 0.05 * np.eye(D)
    observations = Observations.with_covariances(x, np.tile(E, (500, 1, 1)))
    start = GaussianMixture([1.0], np.zeros((1, D)), np.eye(D)[None])
    mixture = implicit.scoring_step(start, expect(start, observations.pack()))
    S = np.cov(x.T, bias=True).reshape(D, D)
    values, axes = np.linalg.eigh(S - E)
    expected = (axes * np.maximum(values, 0.0)) @ axes.T if values[0] < 0 else S - E
    # 500 terms, and the inverse of a matrix of condition up to 1e3
    np.testing.assert_allclose(mixture.means[0], x.mean(axis=0), rtol=0, atol=1e-10)
    np.testing.assert_allclose(mixture.covariances[0], expected, rtol=0, atol=1e-10 * np.abs(S).max())
