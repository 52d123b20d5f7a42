"""`SelectedData`: objects beside the probability that each is in the sample."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from xdgmm import InputError, Observations, SelectionFunction, kernels
from xdgmm.fitting import Model, Problem, em
from xdgmm.fitting.objective import expect
from xdgmm.mixture import Background, GaussianMixture
from xdgmm.mixture.selected_boxes import in_box

K, D = 2, 2
CUTS = {
    "box": SelectionFunction.box(high=[None, 1.2]),
    "two columns": SelectionFunction.box(low=[-2.5, None], high=[None, 1.2]),
    "true values": SelectionFunction.box(high=[None, 1.0], of="true values"),
    "true values in two columns": SelectionFunction.box(low=[-1.5, None], high=[None, 1.0], of="true values"),
    "function": SelectionFunction(lambda v: norm.cdf((1.2 - np.nan_to_num(v[:, 1])) / 0.3), 64),
}
NOISES = ("none", "standard errors", "covariances")
SHAPES = ("complete", "missing", "background", "projections")
CASES = [
    case
    for case in product(CUTS, NOISES, SHAPES)
    if not (case[2] == "projections" and case[0].startswith("true")) and case[::2] != ("two columns", "missing")
]
SOME = CASES[1::4]


def positive(rng, n, size=D):
    factor = 0.4 * rng.standard_normal((n, size, size))
    return factor @ np.swapaxes(factor, 1, 2) + 0.1 * np.eye(size)


def mixture_of(rng, background=None):
    weights = np.array([0.5, 0.3]) if background is not None else np.array([0.6, 0.4])
    means, V = rng.normal(0.0, 0.7, (K, D)), positive(rng, K) + 0.5 * np.eye(D)
    return GaussianMixture(weights, means, V, background=background)


def problem_of(cut, noise, shape, n=40):
    """A problem of objects inside the cut, and a mixture in the coordinates of the solvers."""
    rng = np.random.default_rng(5)
    values = rng.normal(0.0, 1.0, (6 * n, D))
    values = values[(np.abs(values) < 1.0).all(axis=1)][:n]
    if shape == "missing":
        values[::4, 0] = np.nan
    given = {"names": ["x", "y"], "weights": rng.uniform(0.5, 2.0, len(values))}
    if shape == "projections":
        given["projections"] = np.eye(D) + 0.2 * rng.uniform(-1, 1, (len(values), D, D))
    noise = {
        "none": None,
        "standard errors": np.repeat(rng.uniform(0.2, 0.8, (-(-len(values) // 2), D)), 2, axis=0)[: len(values)],
        "covariances": positive(rng, len(values)),
    }[noise]
    if noise is None and shape == "projections":
        noise = np.zeros_like(values)
    if noise is None:
        observations = Observations.exact(values, **given)
    elif noise.ndim == 2:
        observations = Observations.with_standard_errors(values, noise, **given)
    else:
        observations = Observations.with_covariances(values, noise, **given)
    background = Background([-3.0, -3.0], [3.0, 3.0], 0.2) if shape == "background" else None
    model = Model(background=background, selection_function=CUTS[cut])
    problem = Problem(observations, K, model)
    return problem, problem.standardised(mixture_of(rng, background))


def parameters(mixture):
    return mixture.all_weights, mixture.means, mixture.covariances


@pytest.mark.pairwise
@pytest.mark.parametrize(("cut", "noise", "shape"), CASES)
def test_the_gradient_is_that_of_the_log_likelihood(cut, noise, shape):
    problem, mixture = problem_of(cut, noise, shape)
    (w, m, V), data, step = parameters(mixture), problem.data, 1e-5
    found = data.accumulate(w, m, V)
    assert found.log_likelihood == pytest.approx(data.object_weights @ data.log_likelihoods(w, m, V), rel=1e-12)
    assert data.total_log_likelihoods(w[None], m[None], V[None])[0] == pytest.approx(found.log_likelihood, rel=1e-12)

    def slope(*moves):
        ends = [data.accumulate(*end).log_likelihood for end in moves]
        return (ends[0] - ends[1]) / (2 * step)

    for k, i in product(range(K), range(D)):
        e = np.zeros_like(m)
        e[k, i] = step
        assert slope((w, m + e, V), (w, m - e, V)) == pytest.approx(found.grad_mean[k, i], abs=2e-6, rel=2e-6)
    for k, i, j in product(range(K), range(D), range(D)):
        e = np.zeros_like(V)
        e[k, i, j] = e[k, j, i] = step
        expected = (2.0 if i != j else 1.0) * found.grad_covariance[k, i, j]
        assert slope((w, m, V + e), (w, m, V - e)) == pytest.approx(expected, abs=2e-6, rel=2e-6)
    for k in range(w.size - 1):  # weights that keep their sum
        e = np.zeros_like(w)
        e[k], e[-1] = step, -step
        expected = found.n_members[k] / w[k] - found.n_members[-1] / w[-1]
        assert slope((w + e, m, V), (w - e, m, V)) == pytest.approx(expected, abs=2e-6, rel=2e-6)


@pytest.mark.parametrize("case", SOME, ids=" and ".join)
def test_members_count_all_objects_seen_and_unseen(case):
    problem, mixture = problem_of(*case)
    data, w = problem.data, mixture.all_weights
    q = data.accumulate(*parameters(mixture)).n_members
    n_all = data.object_weights @ np.exp(-data.log_probabilities(*parameters(mixture)))
    assert q.sum() == pytest.approx(n_all, rel=1e-10)
    assert (q > 0).all()
    # those of a component: the members that were seen, and w_k (1 - Z_k) / Z unseen ones for each object
    seen = data.object_weights @ data.responsibilities(*parameters(mixture))
    assert (q > seen - 1e-9).all()
    assert w.size == q.size


@pytest.mark.parametrize("case", [case for case in SOME if case[2] != "projections"], ids=" and ".join)
def test_a_step_of_em_raises_the_likelihood(case):
    # with the normaliser in the gradients it is EM whose latent objects include those that were not seen
    problem, mixture = problem_of(*case)
    statistics = expect(mixture, problem.data)
    for _ in range(5):
        mixture = em.step(mixture, statistics)
        following = expect(mixture, problem.data)
        assert following.log_likelihood > statistics.log_likelihood - 1e-9
        statistics = following


@pytest.mark.parametrize("case", SOME, ids=" and ".join)
def test_slopes_of_each_probability_sum_to_the_gradient(case):
    problem, mixture = problem_of(*case)
    data = problem.data
    w, m, V = parameters(mixture)
    slopes = data.normaliser.slopes(w, m, V)
    sums = data.normaliser.accumulate(data.group_weights, w, m, V).sums
    found = data.group_weights @ slopes
    np.testing.assert_allclose(found[: w.size] * w, sums.n_members, rtol=1e-9)
    np.testing.assert_allclose(found[w.size : w.size + K * D], sums.grad_mean.ravel(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("case", SOME, ids=" and ".join)
def test_a_subsample_is_some_of_the_objects(case):
    problem, mixture = problem_of(*case)
    data, arrays = problem.data, parameters(mixture)
    sample = data.subsample(20)
    assert 0 < sample.n_objects < data.n_objects
    whole = dict(zip(data.rows, data.log_likelihoods(*arrays), strict=True))
    np.testing.assert_allclose(sample.log_likelihoods(*arrays), [whole[row] for row in sample.rows], rtol=1e-12)
    expected = sample.object_weights @ sample.log_likelihoods(*arrays)
    assert sample.accumulate(*arrays).log_likelihood == pytest.approx(expected, rel=1e-12)
    assert isinstance(data, kernels.Data)


def test_probabilities_in_a_box_are_those_of_scipy():
    problem, mixture = problem_of("two columns", "covariances", "complete")
    original, observations = problem.original(mixture), problem.observations
    found = np.exp(problem.data.log_probabilities(*parameters(mixture)))
    low, high = np.array([-2.5, -50.0]), np.array([50.0, 1.2])
    for i in (0, 7, 23):
        expected = sum(
            w * multivariate_normal(m, V + observations.noise_covariances[i]).cdf(high, lower_limit=low)
            for w, m, V in zip(original.weights, original.means, original.covariances, strict=True)
        )
        assert found[i] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_importance_samples_agree_with_the_exact_probability(shape):
    problem, mixture = problem_of("box", "standard errors", shape)
    exact = problem.data.log_probabilities(*parameters(mixture))

    def inside(values):
        return (np.nan_to_num(values[:, 1]) <= 1.2).astype(float)

    sampled = Problem(
        problem.observations,
        K,
        Model(background=problem.model.background, selection_function=SelectionFunction(inside, 4096)),
    )
    found = sampled.data.log_probabilities(*parameters(mixture))
    np.testing.assert_allclose(found, exact, atol=0.02)
    assert np.std(found - exact) > 0  # of different noise, different samples


def test_the_density_of_true_values_in_a_box_is_its_integral():
    values, errors = np.array([[0.4], [0.95], [1.3]]), np.array([[0.3], [0.5], [0.4]])
    observations = Observations.with_standard_errors(values, errors)
    mixture = GaussianMixture([0.6, 0.4], [[0.2], [1.0]], [[[0.5]], [[1.2]]])
    cut = SelectionFunction.box(high=[1.0], of="true values")
    problem = Problem(observations, 2, Model(selection_function=cut))
    found = problem.data.log_likelihoods(*parameters(problem.standardised(mixture)))
    v = np.linspace(-12.0, 1.0, 200_001)
    p = np.exp(mixture.log_density(v[:, None]))
    Z = np.trapezoid(p, v)
    expected = [np.log(np.trapezoid(p * norm.pdf(w, v, e), v) / Z) for w, e in zip(values, errors, strict=True)]
    np.testing.assert_allclose(found - np.log(problem.scaling.scale[0]), np.ravel(expected), atol=1e-8)


def test_a_gaussian_without_width_is_in_the_box_or_not():
    found = in_box(np.array([[0.5], [2.0]]), np.zeros((2, 1, 1)), np.full((2, 1), -np.inf), np.ones((2, 1)))
    np.testing.assert_array_equal(found.log_probabilities, [0.0, -np.inf])
    assert not found.a.any()


def test_samples_of_an_object_are_the_same_in_every_selection_of_rows():
    problem, mixture = problem_of("function", "standard errors", "complete")
    arrays = parameters(mixture)
    whole = problem.data.log_probabilities(*arrays)
    rows = np.array([3, 17, 18, 30])
    part = problem.pack(problem.observations.select(rows))
    np.testing.assert_allclose(part.log_probabilities(*arrays), whole[rows], rtol=1e-12)
    standardised = problem.pack_standardised(problem.scaling.observations(problem.observations.select(rows)))
    np.testing.assert_allclose(standardised.log_probabilities(*arrays), whole[rows], rtol=1e-12)


def test_an_object_that_is_hardly_ever_let_in_is_named():
    observations = Observations.exact([[0.5], [0.1], [-0.7], [1.2]])

    def narrow(values):
        return np.isin(values, observations.values)[:, 0].astype(float)

    with pytest.raises(InputError, match="zero at all 64 samples for an object like that at"):
        _ = Problem(observations, 1, Model(selection_function=SelectionFunction(narrow, 64))).data
