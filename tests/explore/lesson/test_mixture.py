"""The mathematics of a mixture in the plane, in JavaScript."""

import numpy as np
import pytest
from scipy.stats import norm

from xdgmm import GaussianMixture
from xdgmm.explore.lesson.mixture_lesson import NAMES, build_mixture_lesson

FILES = ["random.js", "mixture.js"]
ERRORS = [0.0, 0.7]
COMPONENTS = [
    {"weight": 0.5, "x": -1.0, "y": 0.4, "first": 1.3, "second": 0.2, "angle": 0.8},
    {"weight": 0.3, "x": 2.0, "y": -1.4, "first": 0.4, "second": 0.9, "angle": -2.0},
    {"weight": 0.2, "x": 0.3, "y": 2.2, "first": 0.6, "second": 0.6, "angle": 0.1},
]


def mixture_of(components, error=0.0):
    """The same as a mixture of the package, each of whose covariances is widened by the error."""
    lesson = build_mixture_lesson()
    lesson.components.data = {name: [component[name] for component in components] for name in NAMES}
    mixture = lesson.mixture
    return GaussianMixture(mixture.weights, mixture.means, mixture.covariances + error**2 * np.eye(2))


@pytest.mark.parametrize("error", ERRORS)
def test_the_density_on_a_grid_is_that_of_the_package(javascript, error):
    xs, ys = np.linspace(-3.0, 4.0, 23), np.linspace(-4.0, 3.0, 17)
    found = javascript(FILES, "densityOnGrid", COMPONENTS, error, xs.tolist(), ys.tolist())
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    expected = np.exp(mixture_of(COMPONENTS, error).log_density(points))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("error", ERRORS)
def test_density_and_width_along_x_are_those_of_the_marginal_distribution(javascript, error):
    xs = np.linspace(-4.0, 4.0, 41)
    mixture = mixture_of(COMPONENTS, error)
    expected = (mixture.weights * norm.pdf(xs[:, None], mixture.means[:, 0], mixture.covariances[:, 0, 0] ** 0.5)).sum(
        1
    )
    np.testing.assert_allclose(javascript(FILES, "densityAlongX", COMPONENTS, error, xs.tolist()), expected, rtol=1e-10)
    width = javascript(FILES, "widthAlongX", COMPONENTS, error)
    assert width == pytest.approx(mixture.covariance[0, 0] ** 0.5, rel=1e-10)


def test_the_error_adds_in_quadrature_to_the_width(javascript):
    intrinsic, observed = (javascript(FILES, "widthAlongX", COMPONENTS, error) for error in (0.0, 0.7))
    assert observed == pytest.approx(np.hypot(intrinsic, 0.7), rel=1e-12)


def test_the_principal_axes_of_a_covariance_make_it_again(javascript):
    for component in COMPONENTS:
        axes = javascript(FILES, "(component) => principalAxes(covariance(component))", component)
        again = javascript(FILES, "(component) => covariance(component)", axes)
        np.testing.assert_allclose(again, javascript(FILES, "(each) => covariance(each)", component), atol=1e-12)
        eigenvalues = np.linalg.eigvalsh(mixture_of([component | {"weight": 1.0}]).covariances[0])
        np.testing.assert_allclose([axes["second"] ** 2, axes["first"] ** 2], eigenvalues, rtol=1e-10)


def test_a_nearly_singular_covariance_keeps_the_digits_of_its_smaller_width(javascript):
    component = {"weight": 1.0, "x": 0.0, "y": 0.0, "first": 1.0, "second": 1e-4, "angle": 0.0}
    axes = javascript(FILES, "(component) => principalAxes(covariance(component))", component)
    assert axes["second"] == pytest.approx(1e-4, rel=1e-10)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("radius", [1.0, 2.0])
def test_every_point_of_an_ellipse_has_the_same_mahalanobis_distance(javascript, radius, error):
    for component in COMPONENTS:
        points = javascript(FILES, "ellipse", component, error, radius)
        residuals = np.stack([points["xs"], points["ys"]], axis=-1) - [component["x"], component["y"]]
        precision = np.linalg.inv(mixture_of([component | {"weight": 1.0}], error).covariances[0])
        distances = np.sqrt(np.einsum("ni,ij,nj->n", residuals, precision, residuals))
        np.testing.assert_allclose(distances, radius, rtol=1e-10)


def test_a_handle_that_is_dragged_onto_itself_changes_nothing(javascript):
    for component in COMPONENTS:
        for handle in javascript(FILES, "handles", component):
            same = javascript(FILES, "dragged", component, handle["part"], handle["x"], handle["y"])
            for name in ("x", "y", "first", "second"):
                assert same[name] == pytest.approx(component[name], abs=1e-12)
            turned = (same["angle"] - component["angle"]) % (2 * np.pi)
            assert min(turned, 2 * np.pi - turned) < 1e-12


@pytest.mark.parametrize("part", ["mean", "first", "second"])
def test_a_dragged_handle_lies_where_it_was_dragged_to(javascript, part):
    there = (0.9, 1.7)
    changed = javascript(FILES, "dragged", COMPONENTS[0], part, *there)
    handles = {handle["part"]: handle for handle in javascript(FILES, "handles", changed)}
    assert (handles[part]["x"], handles[part]["y"]) == pytest.approx(there, abs=1e-12)
    kept = {"mean": ("first", "second", "angle"), "first": ("x", "y", "second"), "second": ("x", "y", "first")}[part]
    assert {name: changed[name] for name in kept} == {name: COMPONENTS[0][name] for name in kept}


def test_a_handle_that_is_dragged_onto_the_mean_leaves_a_width(javascript):
    changed = javascript(FILES, "dragged", COMPONENTS[0], "second", COMPONENTS[0]["x"], COMPONENTS[0]["y"])
    assert 0.0 < changed["second"] < 0.1


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_weights_add_up_to_one_whichever_is_set(javascript, value):
    weights = javascript(FILES, "withWeight", [0.5, 0.3, 0.2], 1, value)
    assert weights[1] == value
    assert sum(weights) == pytest.approx(1.0, abs=1e-15)
    assert weights[0] * 0.2 == pytest.approx(weights[2] * 0.5, abs=1e-15)  # the others keep their ratio


def test_weights_that_are_all_zero_but_one_share_what_it_leaves(javascript):
    assert javascript(FILES, "withWeight", [0.0, 1.0, 0.0], 1, 0.4) == [0.3, 0.4, 0.3]
    assert javascript(FILES, "withWeight", [1.0], 0, 0.3) == [1]


DRAW = "(components, error, n) => draws(components, error, randomNumbers(new RandomState(3), n))"


def test_draws_are_distributed_as_the_mixture_and_observed_with_the_error(javascript):
    n, error = 20_000, 0.7
    made = javascript(FILES, DRAW, COMPONENTS, error, n)
    for names, mixture in (
        (("true_x", "true_y"), mixture_of(COMPONENTS)),
        (("x", "y"), mixture_of(COMPONENTS, error)),
    ):
        points = np.stack([made[name] for name in names], axis=-1)
        # Four standard errors of means, and of covariances, which are at most those of the squares.
        tolerance = 4.0 / n**0.5
        np.testing.assert_allclose(points.mean(axis=0), mixture.mean, atol=tolerance * mixture.covariance.max() ** 0.5)
        np.testing.assert_allclose(np.cov(points.T), mixture.covariance, atol=2 * tolerance * mixture.covariance.max())
    shares = np.bincount(np.array(made["component"], dtype=int)) / n
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=4 * 0.5 / n**0.5)


def test_draws_move_with_their_component_and_the_others_stay(javascript):
    moved = [COMPONENTS[0] | {"x": 4.0, "y": -3.0}, *COMPONENTS[1:]]
    before, after = (javascript(FILES, DRAW, components, 0.7, 300) for components in (COMPONENTS, moved))
    assert before["component"] == after["component"]
    of_first = np.array(before["component"]) == 0
    for name, shift in (("true_x", 5.0), ("x", 5.0), ("true_y", -3.4), ("y", -3.4)):
        np.testing.assert_allclose(np.subtract(after[name], before[name]), np.where(of_first, shift, 0.0), atol=1e-12)


def test_draws_are_those_of_a_recipe_that_numpy_repeats(javascript):
    made = javascript(FILES, DRAW, COMPONENTS, 0.7, 50)
    random = np.random.RandomState(3)
    for i in range(50):
        uniform, normal = random.random_sample(), random.standard_normal(4)
        k = int(np.searchsorted(np.cumsum([0.5, 0.3, 0.2]), uniform, side="right"))
        assert made["component"][i] == k
        angle = COMPONENTS[k]["angle"]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        scales = np.array([COMPONENTS[k]["first"], COMPONENTS[k]["second"]])
        true = [COMPONENTS[k]["x"], COMPONENTS[k]["y"]] + turn @ (scales * normal[:2])
        np.testing.assert_allclose([made["true_x"][i], made["true_y"][i]], true, atol=1e-10)
        np.testing.assert_allclose([made["x"][i], made["y"][i]], true + 0.7 * normal[2:], atol=1e-10)


def test_a_histogram_has_the_heights_of_numpy_and_counts_what_lies_outside(javascript):
    values = np.random.default_rng(0).normal(size=400)
    edges = np.linspace(-2.0, 2.0, 21)
    heights = javascript(FILES, "histogram", values.tolist(), edges.tolist())
    np.testing.assert_allclose(heights, np.histogram(values, edges)[0] / (400 * 0.2), rtol=1e-10)
    assert javascript(FILES, "histogram", [], edges.tolist()) == [0] * 20


def test_the_dashes_of_a_component_are_its_draws_with_gaps_between_them(javascript):
    line = javascript(FILES, "dashes", [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0, 1, 0], 0, 0.5)
    assert line == {"x": [0.75, 1.25, "NaN", 2.75, 3.25, "NaN"], "y": [4.0, 4.0, "NaN", 6.0, 6.0, "NaN"]}
    assert javascript(FILES, "dashes", [1.0], [4.0], [0], 1, 0.5) == {"x": [], "y": []}
