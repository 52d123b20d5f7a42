"""Conditional and marginal mixtures: the laws of probability, limits, and what users may pass."""

import re

import astropy.units as u
import numpy as np
import pytest
from scipy.stats import norm

from xdgmm import Background, GaussianMixture
from xdgmm.errors import InputError
from xdgmm.mixture import ConditionalMixtures

RNG = np.random.default_rng(2)
NAMES = ("a", "b", "c")


def make(K=3, background=None):
    roots = RNG.normal(size=(K, 3, 3))
    weights = RNG.dirichlet(np.ones(K)) * (1.0 if background is None else 1.0 - background.fraction)
    covariances = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(3)
    return GaussianMixture(weights, 2 * RNG.normal(size=(K, 3)), covariances, NAMES, background=background)


BOX = Background([-9.0, -9.0, -9.0], [9.0, 9.0, 9.0], fraction=0.3)


@pytest.mark.parametrize("background", [None, BOX])
def test_the_conditional_times_the_marginal_is_the_joint_density(background):
    mixture = make(background=background)
    points = RNG.uniform(-4, 4, (20, 3))
    conditional = mixture.condition({"b": points[:, 1]})
    of_others = [conditional[i].log_density(points[i, [0, 2]]) for i in range(20)]
    marginal = mixture.marginal("b").log_density(points[:, 1:2])
    assert of_others + marginal == pytest.approx(mixture.log_density(points), rel=1e-10)


def test_the_order_of_conditioning_is_irrelevant():
    mixture = make()
    together = mixture.condition({"c": 0.4, "a": (-0.2, 0.3)})
    for one in (mixture.condition({"c": 0.4}).condition({"a": (-0.2, 0.3)}),
                mixture.condition({"a": (-0.2, 0.3)}).condition({"c": 0.4})):  # fmt: skip
        assert one.names == together.names == ("b",)
        for name in ("weights", "means", "covariances"):
            assert getattr(one, name) == pytest.approx(getattr(together, name), rel=1e-10)


@pytest.mark.parametrize("unknown", [np.nan, (1.0, np.inf), (1.0, 1e160), (1.0, 1e9)])
def test_knowing_nothing_leaves_the_marginal(unknown):
    mixture = make(background=BOX)
    if unknown == (1.0, 1e9):  # a background has no noise: it would gain
        mixture = mixture.gaussians
    left, marginal = mixture.condition({"b": unknown}), mixture.marginal(["a", "c"])
    assert left.all_weights == pytest.approx(marginal.all_weights, rel=1e-8)
    assert left.means == pytest.approx(marginal.means, abs=1e-8)
    assert left.covariances == pytest.approx(marginal.covariances, abs=1e-8)


def test_an_error_of_the_given_value_is_integrated_over():
    mixture, b, sigma = make(2), 0.7, 0.6
    truth = np.linspace(-12, 12, 4001)
    of_truth = np.exp(mixture.marginal("b").log_density(truth[:, None])) * norm.pdf(b, truth, sigma)
    exact = mixture.condition({"b": truth})
    expected = np.trapezoid(of_truth[:, None] * exact.mean, truth, axis=0) / np.trapezoid(of_truth, truth)
    given = mixture.condition({"b": (np.array([b]), sigma)})
    assert given.mean[0] == pytest.approx(expected, rel=1e-8)


def test_a_mean_of_many_objects_is_that_of_each():
    mixture = make(background=BOX)
    values, errors = RNG.normal(size=6), RNG.uniform(0.1, 1, 6)
    values[3] = np.nan
    many = mixture.condition({"a": (values, errors), "c": 0.2})
    assert isinstance(many, ConditionalMixtures)
    assert len(many) == len(many[1:]) + 1 == 6
    for i in range(6):
        one = mixture.condition({"c": 0.2, "a": (values[i], errors[i])})
        assert isinstance(one, GaussianMixture)
        assert many[i].all_weights == pytest.approx(one.all_weights, rel=1e-10)
        assert many[i].means == pytest.approx(one.means, rel=1e-10)
        assert many[i].background.fraction == pytest.approx(one.background.fraction)
        assert np.ravel(many[i].background.box) == pytest.approx([-9.0, 9.0])


def test_values_far_away_give_numbers():
    many = make().condition({"a": np.array([0.0, 1e3, -1e9, 1e150])})
    assert np.isfinite(many.mean).all()
    assert np.isfinite(many.standard_deviation).all()
    assert many.weights.sum(axis=1) == pytest.approx(1.0)


def test_outside_the_box_nothing_belongs_to_the_background():
    weights = make(background=BOX).condition({"b": np.array([8.9, 9.0, 9.1])}).weights
    assert (weights[:, -1] > 0).tolist() == [True, True, False]


def test_an_error_brings_the_truth_into_the_box_or_out_of_it():
    """The weight of the background is the integral over the true value; that of measured values knows no errors."""
    mixture, b, sigma = make(2, background=BOX), 8.8, 0.5
    truth = np.linspace(b - 8 * sigma, b + 8 * sigma, 40_001)
    density = norm.pdf(b, truth, sigma)
    line = np.exp(mixture.marginal("b").gaussians.log_density(truth[:, None])) * mixture.weights.sum()
    of_line = np.trapezoid(density * line, truth)
    inside = mixture.background.fraction * np.trapezoid(density * (np.abs(truth) <= 9.0), truth) / 18.0
    found = mixture.condition({"b": (np.array([b]), sigma)}).weights[0, -1]
    assert found == pytest.approx(inside / (inside + of_line), rel=1e-4)
    measured = Background(*BOX.box, fraction=BOX.fraction, of="measured values")
    whole = measured.fraction / 18.0
    given = make_beside(mixture, measured).condition({"b": (np.array([b, 9.1]), sigma)})
    assert given.weights[:, -1] == pytest.approx([whole / (whole + of_line), 0.0], rel=1e-4)
    assert given[0].background.of == "measured values"


def make_beside(mixture, background):
    return GaussianMixture(mixture.weights, mixture.means, mixture.covariances, mixture.names, background=background)


def test_moments_and_quantiles_are_those_of_samples():
    many = make(background=BOX).condition({"b": np.array([0.0, 3.0])})
    n = 200_000
    points = many.sample(n, np.random.default_rng(0))
    sigma = many.standard_deviation
    assert points.mean(axis=1) == pytest.approx(many.mean, abs=5 * sigma.max() / np.sqrt(n))
    spread = np.array([np.cov(of_one.T) for of_one in points])
    assert spread == pytest.approx(many.covariance, abs=5 * 3 * sigma.max() ** 2 / np.sqrt(n))  # kurtosis below 9
    for q in (0.05, 0.5, 0.9):
        below = (points < many.quantiles(q)[:, None]).mean(axis=1)
        assert below == pytest.approx(q, abs=5 * np.sqrt(q * (1 - q) / n))


@pytest.mark.parametrize("q", [1e-9, 0.01, 0.5, 0.99])
def test_quantiles_invert_the_distribution(q):
    weights, means, sigmas = [0.5, 0.0, 0.5], [[-7.0], [1e6], [2.0]], np.array([0.1, 1.0, 3.0])
    mixtures = ConditionalMixtures(
        np.array([weights]), np.array([means]), (sigmas**2)[None, :, None, None], ("a",), (None,)
    )
    x = mixtures.quantiles(q)
    assert np.dot(weights, norm.cdf(x.item(), np.ravel(means), sigmas)) == pytest.approx(q, rel=1e-6)


def test_quantiles_of_steps_are_their_places():
    mixtures = ConditionalMixtures(
        np.array([[0.3, 0.7]]), np.array([[[1.0], [2.0]]]), np.zeros((1, 2, 1, 1)), ("a",), (None,)
    )
    assert mixtures.quantiles([0.29, 0.31])[:, 0, 0] == pytest.approx([1.0, 2.0])


def test_quantiles_are_asked_for_between_zero_and_one():
    with pytest.raises(InputError, match="between 0 and 1"):
        make().condition({"a": [0.0]}).quantiles([0.5, 1.0])


def test_marginals_follow_the_names():
    mixture = make(background=Background([0, 1, 2], [3, 5, 7], fraction=0.2))
    marginal = mixture.marginal(["c", "a"])
    assert marginal.names == ("c", "a")
    assert (marginal.means == mixture.means[:, [2, 0]]).all()
    assert (marginal.covariances[:, 0, 1] == mixture.covariances[:, 2, 0]).all()
    assert [edge.tolist() for edge in marginal.background.box] == [[2, 0], [7, 3]]
    assert (marginal.all_weights == mixture.all_weights).all()


def test_quantities_are_converted():
    mixture = GaussianMixture([1.0], [[1.0, 2.0]], [[[1.0, 0.5], [0.5, 1.0]]], ["v", "d"], ["km/s", "kpc"])
    given = mixture.condition({"d": (3000.0 * u.pc, 500.0 * u.pc)})
    assert given.means == pytest.approx(mixture.condition({"d": (3.0, 0.5)}).means)
    assert given.units == (u.km / u.s,)
    with pytest.raises(InputError, match="does not convert to kpc"):
        mixture.condition({"d": 3 * u.s})
    with pytest.raises(InputError, match="none"):
        make().condition({"a": 3 * u.s})


LINE = GaussianMixture(
    [0.5, 0.5], [[0.0, 1.0], [0.0, 1.0]], [[[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 4.0]]], ["a", "b"]
)


def test_an_exact_value_where_one_component_has_no_width_decides_for_it():
    assert LINE.condition({"b": np.array([1.0, 1.5])}).weights.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_an_exact_value_that_no_component_can_have_is_refused_with_its_rows():
    flat = GaussianMixture([1.0], [[0.0, 1.0]], [[[1.0, 0.0], [0.0, 0.0]]], ["a", "b"])
    assert flat.condition({"b": 1.0}).covariances.item() == 1.0
    with pytest.raises(InputError, match=r"component.*row 1: "):
        flat.condition({"b": [1.0, 2.0]})
    assert flat.condition({"b": ([1.0, 2.0], 0.1)}).means.tolist() == [[[0.0]], [[0.0]]]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([0.5], "dict"),
        ({"z": 0.5}, "'z'; its coordinates are a, b, c"),
        ({}, "at least one"),
        ({"a": 1, "b": 1, "c": 1}, "every coordinate"),
        ({"a": np.inf}, "'a' is infinite in row 0"),
        ({"a": [0.5, -1e160]}, "'a' is beyond 1e+150 in row 1"),
        ({"a": ([1.0, 2.0], [0.1, -0.1])}, "NaN in row 1"),
        ({"a": (1.0, np.nan)}, "NaN in row 0"),
        ({"a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]}, "(a: 2 and 1, b: 3 and 1)"),
        ({"a": ([1.0, 2.0], [1.0, 2.0, 3.0])}, "(a: 2 and 3)"),
        ({"a": [[1.0]]}, "one for each object"),
        ({"a": []}, "one for each object"),
        ({"a": "high"}, "holds strings"),
    ],
)
def test_what_cannot_be_given_is_said_in_one_sentence(given, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        make().condition(given)


def test_a_marginal_of_nothing_or_of_something_twice_is_refused():
    for names in ([], ["a", "a"]):
        with pytest.raises(InputError, match=r"at least one coordinate.*once"):
            make().marginal(names)
    for names in (0, None):
        with pytest.raises(InputError, match=f"{names} .*a, b, c"):
            make().marginal(names)
    with pytest.raises(InputError, match="no coordinate 'x'"):
        make().marginal("x")
