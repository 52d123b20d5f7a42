"""The normal approximations: scores, the sandwich, and errors of any function, against closed forms and simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from xdgmm import Background, Fixed, GaussianMixture, InputError, InverseWishart, Observations, Prior, datasets, fitting
from xdgmm.fitting import COVARIANCE_TYPES, Model, Settings, fit
from xdgmm.fitting.optimality import Iterate
from xdgmm.uncertainty import laplace, parameter_errors
from xdgmm.uncertainty.information import object_scores


class Problem:
    """Observations drawn from a known mixture, and a rough start."""

    def __init__(self, seed, N, D, K, *, noise="covariances", missing=0.0, weighted=False, size=1.0):
        rng = np.random.default_rng(seed)
        roots = rng.standard_normal((K, D, D)) / np.sqrt(D) + 0.5 * np.eye(D)
        covariances = roots @ roots.transpose(0, 2, 1)
        self.truth = GaussianMixture(rng.dirichlet(np.full(K, 5.0)), 3.0 * rng.standard_normal((K, D)), covariances)
        root = size * rng.standard_normal((N, D, D)) / np.sqrt(D)
        S = root @ root.transpose(0, 2, 1) + 0.01 * size**2 * np.eye(D)
        S = {"none": 0.0, "standard errors": S * np.eye(D), "covariances": 0.5 * (S + S.transpose(0, 2, 1))}[noise]
        error = np.einsum("nij,nj->ni", np.linalg.cholesky(S), rng.standard_normal((N, D))) if noise != "none" else 0.0
        values = self.truth.sample(N, rng)[0] + error
        values[1:][rng.random((N - 1, D)) < missing] = np.nan
        weights = rng.uniform(0.2, 3.0, N) if weighted else None
        self.observations = {
            "none": lambda: Observations.exact(values, weights=weights),
            "standard errors": lambda: Observations.with_standard_errors(
                values, np.sqrt(np.diagonal(S, axis1=1, axis2=2)), weights=weights
            ),
            "covariances": lambda: Observations.with_covariances(values, S, weights=weights),
        }[noise]()
        means = self.truth.means + rng.standard_normal((K, D))
        self.start = GaussianMixture(rng.dirichlet(np.full(K, 5.0)), means, covariances + 0.2 * np.eye(D))


def pieces(observations, start, model):
    """A mixture that is no maximum, with its statistics, and the problem."""
    problem = fitting.Problem(observations, start.n_components, model)
    mixture = problem.constraints.impose_type(problem.standardised(start))
    return Iterate.at(mixture, problem.objective().expect(mixture), problem.constraints), problem


def check_sum_of_scores(observations, start, model):
    point, problem = pieces(observations, start, model)
    gradient = point.coordinates.gradient(np.zeros(point.coordinates.size), point.mixture, point.statistics)[point.free]
    total = sum(omega @ scores for omega, scores in object_scores(point, problem))
    # Sums of up to 150 numbers of order one, each to rounding of matrices with condition numbers up to 1e4.
    np.testing.assert_allclose(total, gradient, atol=1e-8 * max(1.0, np.abs(gradient).max()))


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
@pytest.mark.parametrize("noise", ["none", "standard errors", "covariances"])
def test_the_scores_of_all_objects_sum_to_the_gradient(kind, noise):
    made = Problem(3, 150, 3, 2, noise=noise, missing=0.3, weighted=True)
    check_sum_of_scores(made.observations, made.start, Model(covariance_type=kind))


def test_scores_sum_to_the_gradient_of_what_is_free():
    made = Problem(4, 120, 2, 3)
    check_sum_of_scores(made.observations, made.start, Model(fixed=Fixed((0,), (1,), (2,))))


def test_scores_sum_to_the_gradient_beside_a_background():
    made = Problem(5, 120, 2, 2, weighted=True)
    background = Background(fraction=0.2).resolved(made.observations)  # the box of the data: its edges are objects
    start = made.start
    start = GaussianMixture(0.8 * start.weights, start.means, start.covariances, background=background)
    check_sum_of_scores(made.observations, start, Model(background=background))


def test_scores_sum_to_the_gradient_through_projections():
    made = Problem(6, 130, 3, 2)
    rng = np.random.default_rng(6)
    R = rng.normal(size=(130, 2, 3))
    values = np.einsum("nij,nj->ni", R, made.observations.values) + 0.3 * rng.normal(size=(130, 2))
    values[rng.random(values.shape) < 0.2] = np.nan
    observations = Observations.with_standard_errors(values, 0.3, projections=R)
    check_sum_of_scores(observations, made.start, Model())


def test_without_noise_the_sandwich_is_that_of_the_moments():
    x = np.random.default_rng(1).gamma(2.0, size=300)
    observations = Observations.exact(x)
    errors = parameter_errors(fit(observations).mixture, observations, kind="sandwich")
    variance, fourth = x.var(), np.mean((x - x.mean()) ** 4)
    # Closed forms; the differences of the gradient are good to about 1e-8.
    assert errors.means[0, 0] == pytest.approx(np.sqrt(variance / x.size), rel=1e-6)
    assert errors.variances[0, 0] == pytest.approx(np.sqrt((fourth - variance**2) / x.size), rel=1e-6)
    third = np.mean((x - x.mean()) ** 3)
    assert errors.covariance[1, 2] == pytest.approx(third / x.size, rel=1e-6)


def test_weights_are_frequencies_for_the_information_but_rows_are_objects_for_the_sandwich():
    x = np.random.default_rng(2).normal(size=80)
    weights = np.random.default_rng(3).uniform(0.3, 3.0, 80)
    observations = Observations.exact(x, weights=weights)
    mixture = fit(observations).mixture
    mean = np.average(x, weights=weights)
    squares = (x - mean) ** 2
    total, variance = weights.sum(), np.average(squares, weights=weights)
    # Closed forms of the weighted moments: sum omega against sum omega^2.
    assert parameter_errors(mixture, observations).means[0, 0] == pytest.approx(np.sqrt(variance / total), rel=1e-6)
    sandwich = parameter_errors(mixture, observations, kind="sandwich")
    assert sandwich.means[0, 0] == pytest.approx(np.sqrt(weights**2 @ squares) / total, rel=1e-6)
    expected = np.sqrt(weights**2 @ (squares - variance) ** 2) / total
    assert sandwich.variances[0, 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_both_kinds_agree_where_the_model_is_true(kind):
    rng = np.random.default_rng(5)
    N = 20_000
    e = rng.uniform(0.2, 1.0, (N, 2))
    x = np.where(rng.random((N, 1)) < 0.4, 0.0, 6.0) + rng.normal(size=(N, 2)) + e * rng.normal(size=(N, 2))
    observations = Observations.with_standard_errors(x, e)
    result = fit(observations, 2, Settings(model=Model(covariance_type=kind)), rng=0)
    one, other = (
        parameter_errors(result.mixture, observations, model=result.model, kind=k) for k in ("information", "sandwich")
    )
    # Relative difference O(1 / sqrt(members)), about 0.012 for the smaller component, with kurtosis: 5 of these.
    for name in ("weights", "means", "variances"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0.06)


@pytest.mark.slow
def test_the_sandwich_covers_where_the_model_is_wrong_and_the_information_does_not():
    """Student-t values of six degrees of freedom: the variance of the variance is 2.5 times what a Gaussian says."""
    rng = np.random.default_rng(7)
    tries, N = 400, 2000
    covered = dict.fromkeys(("information", "sandwich"), 0)
    e = rng.uniform(0.3, 0.9, N)
    for _ in range(tries):
        observations = Observations.with_standard_errors(rng.standard_t(6, N) + e * rng.normal(size=N), e)
        mixture = fit(observations).mixture
        for kind in covered:
            estimate = laplace(mixture, observations, kind=kind).propagate(lambda m: m.covariances[0, 0, 0], 0.95)
            # The pseudo-true variance is not exactly 6/4 where errors differ, by less than a percent here.
            covered[kind] += estimate.low < 1.5 < estimate.high
    # Binomial of 0.95 in 400: 380 +- 4.4.
    assert covered["sandwich"] >= 380 - 3 * 4.4
    assert covered["information"] <= 380 - 5 * 4.4


def test_with_a_prior_the_bread_holds_its_curvature():
    x = np.random.default_rng(8).normal(size=60)
    scale, nu = 3.0, 7.0
    observations = Observations.exact(x)
    settings = Settings(model=Model(prior=Prior(covariances=InverseWishart(scale, nu))))
    result = fit(observations, 1, settings)
    s2, N, count = x.var(), 60, 60 + nu + 2
    V = (N * s2 + scale) / count
    assert result.mixture.covariances[0, 0, 0] == pytest.approx(V, rel=1e-8)
    # -d2/dV2 of -(count ln V + (N s2 + scale) / V) / 2 at the maximum is count / (2 V^2).
    errors = parameter_errors(result.mixture, observations, model=result.model, kind="sandwich")
    meat = np.sum((((x - x.mean()) ** 2 - V) / (2 * V**2)) ** 2)
    assert errors.variances[0, 0] == pytest.approx(np.sqrt(meat) / (count / (2 * V**2)), rel=1e-6)


def test_propagated_errors_are_those_of_the_covariance():
    made = Problem(9, 150, 2, 2, size=0.3)
    result = fit(made.observations, 2, rng=0)
    for kind in ("information", "sandwich"):
        uncertainty = laplace(result.mixture, made.observations, kind=kind)
        errors = parameter_errors(result.mixture, made.observations, kind=kind)
        # Central differences with a step of 1e-3 standard errors: 1e-6 relative, and rounding.
        for name, function in (
            ("weights", lambda m: m.weights),
            ("means", lambda m: m.means),
            ("variances", lambda m: np.diagonal(m.covariances, axis1=1, axis2=2)),
            ("sigmas", lambda m: m.sigmas),
        ):
            estimate = uncertainty.propagate(function, 0.95)
            np.testing.assert_allclose(estimate.error, getattr(errors, name), rtol=1e-5)
            np.testing.assert_allclose(estimate.high - estimate.value, norm.ppf(0.975) * estimate.error, rtol=1e-12)
            np.testing.assert_allclose(estimate.low + estimate.high, 2 * np.asarray(estimate.value), rtol=1e-9)


def test_a_function_of_several_parameters_follows_the_delta_method():
    x = np.random.default_rng(10).normal(3.0, 0.5, 200)
    observations = Observations.exact(x)
    uncertainty = laplace(fit(observations).mixture, observations)
    estimate = uncertainty.propagate(lambda m: m.sigmas[0, 0] / m.means[0, 0])
    s, m, n = x.std(), x.mean(), x.size
    # Var(s) = s^2 / 2n, Var(m) = s^2 / n, independent.
    expected = (s / m) * np.sqrt(1 / (2 * n) + s**2 / (m**2 * n))
    assert isinstance(estimate.error, float)
    assert estimate.error == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["information", "sandwich"])
def test_a_width_held_at_zero_has_no_standard_error_but_the_mean_has(kind):
    schools = Observations.from_table(datasets.load("eight_schools"), "y")
    uncertainty = laplace(fit(schools).mixture, schools, kind=kind)
    y, e = schools.values[:, 0], schools.noise[:, 0]
    assert uncertainty.propagate(lambda m: m.sigmas[0, 0]).error == np.inf
    mean = np.sum(y / e**2) / np.sum(e**-2.0)
    expected = {
        "information": np.sum(e**-2.0) ** -0.5,
        "sandwich": np.sqrt(np.sum((y - mean) ** 2 / e**4)) / np.sum(e**-2.0),
    }[kind]
    both = uncertainty.propagate(lambda m: np.array([m.means[0, 0], m.covariances[0, 0, 0]]))
    # Given the boundary the variance is known to be zero.
    assert both.error == pytest.approx([expected, 0.0], rel=1e-6)


def test_what_the_data_leave_open_has_an_infinite_error():
    start = GaussianMixture([1.0, 0.0], [[0.0], [5.0]], [[[1.0]], [[1.0]]])
    x = np.random.default_rng(11).normal(size=50)
    observations = Observations.exact(x)
    result = fit(observations, 2, Settings(start=start, model=Model(fixed=Fixed(weights=(0, 1)))))
    for kind in ("information", "sandwich"):
        estimate = laplace(result.mixture, observations, kind=kind, model=result.model).propagate(
            lambda m: m.means[:, 0]
        )
        assert estimate.error[1] == np.inf
        assert estimate.error[0] == pytest.approx(x.std() / np.sqrt(50), rel=1e-5)


def test_what_is_fixed_has_no_error_in_the_sandwich_either():
    made = Problem(12, 100, 2, 2)
    model = Model(fixed=Fixed(means=(0,), covariances=(0,)))
    result = fit(made.observations, 2, Settings(start=made.truth, model=model))
    errors = parameter_errors(result.mixture, made.observations, model=result.model, kind="sandwich")
    assert (errors.means[0] == 0).all()
    assert (errors.variances[0] == 0).all()
    assert (errors.means[1] > 0).all()


def test_the_sandwich_moves_along_with_an_affine_map():
    made = Problem(13, 140, 2, 2, missing=0.2)
    x = made.observations
    other = Observations.with_covariances(
        x.values * [1e3, 1e-3] + [5e6, 2.0], x.noise * np.outer([1e3, 1e-3], [1e3, 1e-3])
    )
    one, moved = (parameter_errors(fit(o, 2, rng=0).mixture, o, kind="sandwich") for o in (x, other))
    np.testing.assert_allclose(moved.means, one.means * [1e3, 1e-3], rtol=1e-4)
    np.testing.assert_allclose(moved.sigmas, one.sigmas * [1e3, 1e-3], rtol=1e-4)


def test_the_background_has_an_error_of_its_fraction_by_the_sandwich():
    rng = np.random.default_rng(14)
    x = np.r_[rng.normal(0, 0.01, 150), rng.uniform(-50, 50, 50)]
    observations = Observations.with_standard_errors(x, 0.01)
    result = fit(observations, 1, Settings(model=Model(background=Background(fraction=0.2))), rng=0)
    errors = parameter_errors(result.mixture, observations, model=result.model, kind="sandwich")
    f = result.mixture.background.fraction
    # Hardly any object is in doubt: binomial, to the few in ten thousand that are.
    assert errors.background == pytest.approx(np.sqrt(f * (1 - f) / 200), rel=1e-2)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"kind": "magic"}, "`kind` is 'magic'"),
        ({"information": "magic"}, "`information` is 'magic'"),
        ({"kind": "sandwich", "information": "expected"}, "observed information"),
    ],
)
def test_what_is_no_kind_is_refused(given, sentence):
    observations = Observations.exact([1.0, 2.0, 4.0])
    with pytest.raises(InputError, match=sentence):
        laplace(fit(observations).mixture, observations, **given)


def test_levels_that_are_none_are_refused():
    observations = Observations.exact([1.0, 2.0, 4.0])
    with pytest.raises(InputError, match="`level`"):
        laplace(fit(observations).mixture, observations).propagate(lambda m: m.sigmas, 1.0)
