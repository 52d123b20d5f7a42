"""A mixture is a density, a source of points, and a value that cannot be changed."""

import numpy as np
import pytest
from astropy import units as u
from scipy.stats import kstest, multivariate_normal, norm

from xdgmm import Background, GaussianMixture, InputError

WEIGHTS = [0.3, 0.7]
MEANS = [[0.0, 1.0], [3.0, -1.0]]
COVARIANCES = [[[1.0, 0.6], [0.6, 2.0]], [[0.5, -0.1], [-0.1, 0.2]]]


def mixture(**changed):
    given = {"weights": WEIGHTS, "means": MEANS, "covariances": COVARIANCES} | changed
    return GaussianMixture(**given)


def random_mixture(rng, K, D):
    factor = rng.standard_normal((K, D, D + 2))
    return GaussianMixture(
        rng.dirichlet(np.full(K, 3.0)), rng.standard_normal((K, D)), factor @ factor.transpose(0, 2, 1) / D
    )


@pytest.mark.parametrize("D", [1, 2, 5])
@pytest.mark.parametrize("K", [1, 3])
def test_the_density_equals_that_of_scipy(K, D):
    rng = np.random.default_rng([1, K, D])
    model = random_mixture(rng, K, D)
    x = 2.0 * rng.standard_normal((50, D))
    columns = [
        np.log(w) + multivariate_normal(m, V).logpdf(x).reshape(50)
        for w, m, V in zip(model.weights, model.means, model.covariances, strict=True)
    ]
    # conditions of up to about 1e3 and log-densities of up to about 1e2: 1e5 * 1e-16
    np.testing.assert_allclose(model.log_density(x), np.logaddexp.reduce(columns), rtol=0, atol=1e-11)


def test_the_density_integrates_to_one():
    model = GaussianMixture([0.2, 0.8], [[0.0], [4.0]], [[[1.0]], [[0.25]]])
    x = np.linspace(-12.0, 16.0, 4001)
    # the trapezoidal rule is exact to rounding for a smooth function that vanishes at both ends
    assert np.trapezoid(np.exp(model.log_density(x[:, None])), x) == pytest.approx(1.0, abs=1e-13)


def test_one_point_has_one_density():
    model = mixture()
    assert np.ndim(model.log_density([1.0, 2.0])) == 0
    assert model.log_density([1.0, 2.0]) == model.log_density([[1.0, 2.0]])[0]


def test_a_point_far_away_has_a_finite_density():
    assert mixture().log_density([1e150, 0.0]) < -1e299


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_units_do_not_decide_what_is_singular(scale):
    model = mixture(means=np.array(MEANS) * scale, covariances=np.array(COVARIANCES) * scale**2)
    x = np.array([[1.0, 2.0], [3.0, -1.0]])
    expected = mixture().log_density(x) - 2 * np.log(scale)
    np.testing.assert_allclose(model.log_density(x * scale), expected, rtol=1e-14)


def test_coordinates_of_very_different_size_are_not_singular():
    model = GaussianMixture([1.0], [[0.0, 0.0]], [np.diag([1e-30, 1e30])])
    assert model.log_density([0.0, 0.0]) == pytest.approx(-np.log(2 * np.pi), rel=1e-14)


@pytest.mark.parametrize("covariance", [np.zeros((2, 2)), np.ones((2, 2)), np.diag([1.0, 0.0])])
def test_a_singular_covariance_has_no_density_and_says_so(covariance):
    model = mixture(covariances=[COVARIANCES[0], covariance])
    with pytest.raises(InputError, match=r"component 1 .*singular"):
        model.log_density([[0.0, 0.0]])


def test_a_singular_component_of_weight_zero_does_no_harm():
    model = mixture(weights=[1.0, 0.0], covariances=[COVARIANCES[0], np.zeros((2, 2))])
    expected = multivariate_normal(MEANS[0], COVARIANCES[0]).logpdf([0.5, 0.5])
    assert model.log_density([0.5, 0.5]) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("x", [1.0, [1.0, 2.0, 3.0], np.ones((4, 3)), np.ones((2, 2, 2))])
def test_points_of_another_dimension_are_refused(x):
    with pytest.raises(InputError, match=r"`x` has shape .*\(N, 2\)"):
        mixture().log_density(x)


def squared_distance(points, labels, model):
    """How far the sample moments of each component lie from those of the model, in squared standard errors."""
    total = 0.0
    for k in range(model.n_components):
        own, n = points[labels == k], np.sum(labels == k)
        m, V = model.means[k], model.covariances[k]
        d = own.mean(axis=0) - m
        total += n * d @ np.linalg.solve(V, d)
        white = np.linalg.solve(np.linalg.cholesky(V), (own - m).T)
        excess = white @ white.T / n - np.eye(len(m))
        total += n * (np.square(np.diag(excess)).sum() / 2 + np.square(excess[np.tril_indices(len(m), -1)]).sum())
    return total


def test_a_sample_has_the_moments_of_the_mixture():
    model = mixture()
    points, labels = model.sample(20_000, 7)
    # Two components with 2 means and 3 covariances each: chi^2 with 10 degrees of freedom, whose quantile at
    # 1 - 1e-4 is 35.6.
    assert squared_distance(points, labels, model) < 35.6
    # binomial, at four standard deviations
    assert np.mean(labels == 0) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 20_000))


def test_a_sample_with_slightly_wrong_moments_would_be_noticed():
    model = mixture()
    points, labels = model.sample(20_000, 7)
    wrong = mixture(covariances=np.array(COVARIANCES) * 1.1)
    assert squared_distance(points, labels, wrong) > 35.6
    assert squared_distance(points + 0.1, labels, model) > 35.6


@pytest.mark.parametrize("n_samples", [-1, 1.5, "3", None, True])
def test_a_number_of_samples_that_is_none_is_refused(n_samples):
    model = mixture()
    for sample in (model.sample, model.condition({model.names[0]: [0.0, 1.0]}).sample):
        with pytest.raises(InputError, match=r"`n_samples` is .*whole number"):
            sample(n_samples, 1)


def test_a_sample_follows_the_density():
    model = GaussianMixture([0.3, 0.7], [[0.0], [3.0]], [[[1.0]], [[0.25]]])
    points, _ = model.sample(5000, 3)

    def distribution(x):
        return 0.3 * norm.cdf(x) + 0.7 * norm.cdf(x, 3.0, 0.5)

    def wrong(x):
        return 0.35 * norm.cdf(x) + 0.65 * norm.cdf(x, 3.0, 0.5)

    assert kstest(points[:, 0], distribution).pvalue > 1e-3
    assert kstest(points[:, 0], wrong).pvalue < 1e-3


def test_a_singular_component_can_be_sampled():
    model = GaussianMixture([1.0], [[1.0, 2.0]], [np.ones((2, 2))])
    points, _ = model.sample(100, 1)
    # the square root of a singular eigenvalue's rounding, sqrt(1e-16)
    np.testing.assert_allclose(points[:, 1] - points[:, 0], 1.0, atol=1e-7)
    assert points[:, 0].std() > 0.5


def test_randomness_is_an_argument():
    model = mixture()
    one, other = model.sample(10, 5), model.sample(10, np.random.default_rng(5))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert (model.sample(10, 6)[0] != one[0]).any()
    rng = np.random.default_rng(5)
    assert (model.sample(10, rng)[0] != model.sample(10, rng)[0]).any()


def test_a_component_of_weight_zero_is_never_drawn():
    assert not mixture(weights=[1.0, 0.0]).sample(1000, 1)[1].any()


def test_no_points_can_be_drawn():
    points, labels = mixture().sample(0, 1)
    assert points.shape == (0, 2)
    assert labels.shape == (0,)


def test_the_sigmas_are_the_roots_of_the_diagonal():
    np.testing.assert_allclose(mixture().sigmas, np.sqrt([[1.0, 2.0], [0.5, 0.2]]), rtol=1e-15)
    assert mixture(covariances=np.zeros((2, 2, 2))).sigmas.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_mixture_is_a_value_of_its_own():
    weights, means, covariances = (np.array(a) for a in (WEIGHTS, MEANS, COVARIANCES))
    model = GaussianMixture(weights, means, covariances)
    weights[0], means[0], covariances[0] = 7.0, 7.0, 7.0
    assert (model.weights.tolist(), model.means.tolist(), model.covariances.tolist()) == (WEIGHTS, MEANS, COVARIANCES)
    for array in (model.weights, model.means, model.covariances):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    with pytest.raises(AttributeError):
        model.weights = WEIGHTS


def test_names_and_units_are_held():
    model = mixture(names=["v", "r"], units=["km/s", None])
    assert model.names == ("v", "r")
    assert model.units == (u.km / u.s, None)
    assert repr(model) == "<GaussianMixture: 2 components in v [km / s], r>"
    assert repr(GaussianMixture([1.0], [[0.0]], [[[1.0]]])) == "<GaussianMixture: 1 component in x1>"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weights": [0.5, 0.6]}, "`weights` must not be negative .*sum to 1"),
        ({"weights": [-0.5, 1.5]}, "`weights` must not be negative .*sum to 1"),
        ({"weights": [0.0, 0.0]}, "`weights` must not be negative .*sum to 1"),
        ({"weights": [1.0]}, r"`weights` has shape \(1,\), .*`means`.*\(2,\)"),
        ({"weights": 1.0}, "`weights` has 0 axes"),
        ({"weights": [np.nan, 1.0]}, "`weights` holds NaN or infinity"),
        ({"weights": ["a", "b"]}, "`weights` holds strings"),
        ({"means": [0.0, 1.0]}, "`means` has 1 axes"),
        ({"means": [[0.0, np.inf], [0.0, 1.0]]}, "`means` holds NaN or infinity"),
        ({"means": [[0.0], [1.0, 2.0]]}, "`means` is ragged"),
        ({"means": np.ones((2, 3))}, r"`covariances` has shape \(2, 2, 2\), .*\(2, 3, 3\)"),
        ({"means": np.empty((0, 2)), "weights": [], "covariances": np.empty((0, 2, 2))}, "one component"),
        ({"means": np.empty((1, 0)), "weights": [1.0], "covariances": np.empty((1, 0, 0))}, "one component"),
        ({"covariances": np.ones((2, 2))}, "`covariances` has 2 axes"),
        ({"covariances": [np.eye(2), [[1.0, 0.5], [0.4, 1.0]]]}, "`covariances` must be symmetric"),
        ({"covariances": [np.eye(2), [[1.0, 2.0], [2.0, 1.0]]]}, "component 1 has a negative eigenvalue"),
        ({"covariances": [-np.eye(2), np.eye(2)]}, "component 0 has a negative eigenvalue"),
        ({"covariances": [np.eye(2), [[0.0, 0.1], [0.1, 1.0]]]}, "component 1 has a negative eigenvalue"),
        ({"covariances": [np.eye(2), [[np.nan, 0.0], [0.0, 1.0]]]}, "`covariances` holds NaN or infinity"),
        ({"names": ["v"]}, "`names` has 1 entries"),
        ({"names": ["v", "v"]}, "`names` repeats"),
        ({"units": ["km", "parsnip"]}, "`units`.*astropy"),
        ({"units": ["km"] * 3}, "`units` has 3 entries"),
    ],
)
def test_what_is_not_a_mixture_is_refused(changed, message):
    with pytest.raises(InputError, match=message):
        mixture(**changed)


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_what_is_not_a_covariance_is_so_in_any_unit(scale):
    with pytest.raises(InputError, match="negative eigenvalue"):
        mixture(covariances=np.array([np.eye(2), [[1.0, 2.0], [2.0, 1.0]]]) * scale)
    mixture(covariances=np.array(COVARIANCES) * scale)


def test_rescaling_is_the_affine_map_along_the_axes():
    location, scale = np.array([1.0, -2.0]), np.array([2.0, 0.5])
    model = mixture().rescaled(location, scale, ["a", "b"], ["km", None])
    x = np.array([[0.3, 0.4], [2.0, 1.0]])
    # p(scale v + location) = p(v) / |scale|
    expected = mixture().log_density(x) - np.log(scale).sum()
    np.testing.assert_allclose(model.log_density(x * scale + location), expected, rtol=1e-13)
    assert model.names == ("a", "b")
    assert model.units == (u.km, None)


def test_other_parameters_keep_names_and_units():
    model = mixture(names=["a", "b"], units=["km", None])
    other = model.with_parameters(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    assert (other.names, other.units, other.n_components) == (model.names, model.units, 1)
    assert not other.means.flags.writeable


@pytest.mark.parametrize("background", [None, Background([-3.0, 0.0], [5.0, 20.0], 0.3)])
def test_moments_of_the_whole_are_those_of_its_draws(background):
    weights = np.array([0.2, 0.8]) * (1.0 if background is None else 0.7)
    covariances = [[[1.0, 0.5], [0.5, 2.0]], [[0.3, 0.0], [0.0, 0.1]]]
    mixture = GaussianMixture(weights, [[0.0, 1.0], [4.0, -2.0]], covariances, background=background)
    points = mixture.sample(200_000, rng=3)[0]
    scale = mixture.standard_deviation
    assert mixture.mean / scale == pytest.approx(points.mean(axis=0) / scale, abs=4 / np.sqrt(200_000))
    outer = np.outer(scale, scale)
    assert mixture.covariance / outer == pytest.approx(np.cov(points.T) / outer, abs=0.02)
    assert scale == pytest.approx(np.sqrt(np.diagonal(mixture.covariance)))
    one = mixture.condition({"x1": [0.5]})
    alone = mixture.condition({"x1": 0.5})
    assert alone.mean == pytest.approx(one.mean[0])
    assert alone.covariance == pytest.approx(one.covariance[0])
