"""A mixture of linear combinations of the coordinates is a mixture."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st

from xdgmm import GaussianMixture, InputError, Observations, kernels
from xdgmm.mixture import Background

A = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, 1.0], [0.0, 2.0, -1.0]])
B = np.array([1.0, -2.0, 3.0])
COLOURS = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [0.0, 1.0, 0.0]])


def random_mixture(**named):
    rng = np.random.default_rng(31)
    F = rng.standard_normal((2, 3, 5))
    return GaussianMixture([0.3, 0.7], rng.standard_normal((2, 3)), F @ F.transpose(0, 2, 1), **named)


def log_densities(observations, mixture):
    parameters = mixture.weights, mixture.means, mixture.covariances
    return kernels.log_likelihoods(observations.pack(), *parameters)


def observed(N=20):
    rng = np.random.default_rng(32)
    values, F = rng.standard_normal((N, 3)), rng.standard_normal((N, 3, 3))
    yield Observations.exact(values)
    yield Observations.with_standard_errors(values, rng.uniform(0.1, 1.0, (N, 3)))
    S = F @ F.transpose(0, 2, 1)
    yield Observations.with_covariances(values, (S + S.transpose(0, 2, 1)) / 2)


def test_observations_and_mixture_move_together():
    for obs in observed():
        found = log_densities(obs.transform(A, B), random_mixture().affine(A, B))
        expected = log_densities(obs, random_mixture()) - np.linalg.slogdet(A)[1]
        # conditions below 1e3 and densities of order ten
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_projected_observations_and_mixture_move_together():
    rng = np.random.default_rng(33)
    R = rng.standard_normal((20, 2, 3))
    obs = Observations.with_standard_errors(rng.standard_normal((20, 2)), 0.3, projections=R)
    found = log_densities(obs.transform(A, B), random_mixture().affine(A, B))
    # the values are the same, and so is their density
    np.testing.assert_allclose(found, log_densities(obs, random_mixture()), rtol=0, atol=1e-11)


def test_projections_common_to_all_are_a_map_of_the_mixture():
    rng = np.random.default_rng(34)
    values, R = rng.standard_normal((20, 2)), rng.standard_normal((2, 3))
    projected = Observations.with_standard_errors(values, 0.3, projections=R)
    direct = log_densities(Observations.with_standard_errors(values, 0.3), random_mixture().affine(R))
    np.testing.assert_allclose(log_densities(projected, random_mixture()), direct, rtol=0, atol=1e-12)


def test_a_map_to_fewer_coordinates_sees_what_the_transformed_observations_see():
    # Only the first two values are there: their difference is all that is left of them.
    values = np.where([True, True, False], next(observed()).values, np.nan)
    mixture = random_mixture()
    colour = Observations.exact(values).transform(COLOURS)
    alone = Observations.exact(values[:, :2]).transform([[1, -1]])
    expected = log_densities(alone, mixture.affine(COLOURS[:1]))
    obs = Observations.exact(np.where([True, False, False], colour.values, np.nan))
    np.testing.assert_allclose(log_densities(obs, mixture.affine(COLOURS)), expected, rtol=1e-13)


def test_the_density_of_the_results_is_that_of_the_points():
    x = np.random.default_rng(35).standard_normal((10, 3))
    expected = random_mixture().log_density(x) - np.linalg.slogdet(A)[1]
    np.testing.assert_allclose(random_mixture().affine(A, B).log_density(x @ A.T + B), expected, rtol=0, atol=1e-11)


def test_magnitudes_become_colours():
    # by hand: var(g - r) = 2 + 1 - 2 * 0.5, cov(g - r, r - i) = 0.5 - 0.25 - 1 + 0.75
    V = [[2.0, 0.5, 0.25], [0.5, 1.0, 0.75], [0.25, 0.75, 3.0]]
    colours = GaussianMixture([1.0], [[20.25, 19.5, 19.25]], [V], ["g", "r", "i"], u.ABmag).affine(COLOURS)
    assert colours.means.tolist() == [[0.75, 0.25, 19.5]]
    assert colours.covariances[0].tolist() == [[2.0, 0.0, -0.5], [0.0, 2.5, 0.25], [-0.5, 0.25, 1.0]]
    assert colours.names == ("x1", "x2", "r")
    assert colours.units == (u.mag, u.mag, u.ABmag)


def test_names_and_units_that_are_given_are_taken():
    model = random_mixture(units="km").affine(A, names=["p", "q", "r"], units=["km", None, "s"])
    assert (model.names, model.units) == (("p", "q", "r"), (u.km, None, u.s))


def test_two_maps_one_after_the_other_are_their_product():
    C = np.random.default_rng(36).standard_normal((2, 3))
    one, both = random_mixture().affine(A, B).affine(C, 1.0), random_mixture().affine(C @ A, C @ B + 1.0)
    np.testing.assert_allclose(one.means, both.means, rtol=0, atol=1e-13)
    np.testing.assert_allclose(one.covariances, both.covariances, rtol=0, atol=1e-13)


def test_the_inverse_map_leads_back():
    back = np.linalg.inv(A)
    model = random_mixture(names=["a", "b", "c"], units=["km", None, "s"])
    again = model.affine(A, B).affine(back, -back @ B, model.names, model.units)
    np.testing.assert_allclose(again.means, model.means, rtol=0, atol=1e-14)
    np.testing.assert_allclose(again.covariances, model.covariances, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(again.weights, model.weights)
    assert (again.names, again.units) == (model.names, model.units)


def test_the_identity_changes_no_bit():
    model = random_mixture(names=["a", "b", "c"], units=["km", None, "s"])
    model = model.affine(np.eye(3))  # symmetric now
    same = model.affine(np.eye(3))
    np.testing.assert_array_equal(same.means, model.means)
    np.testing.assert_array_equal(same.covariances, model.covariances)
    assert (same.names, same.units) == (model.names, model.units)


@given(st.integers(0, 1000), st.sampled_from([1e-40, 1.0, 1e40]))
def test_covariances_stay_covariances_where_all_but_rounding_cancels(seed, size):
    rng = np.random.default_rng(seed)
    line = rng.standard_normal(3)  # points on a line, looked at from right angles to it
    matrix = np.vstack([np.linalg.svd(line[None])[2][1:], rng.standard_normal((2, 3))])
    model = GaussianMixture([1.0], [[0.0] * 3], [size * np.outer(line, line)]).affine(matrix)
    V = model.covariances[0]
    np.testing.assert_array_equal(V, V.T)
    assert (np.diag(V) >= 0).all()
    # what should be zero is rounding of the line's variance
    assert V[:2, :2].max() <= 1e-14 * size * line @ line


def test_a_zero_row_is_refused():
    with pytest.raises(InputError, match="`matrix` is zero in row 1"):
        random_mixture().affine([[1, 0, 0], [0, 0, 0]])


def with_background():
    model = random_mixture()
    background = Background([-3.0, -2.0, 0.0], [3.0, 5.0, 1.0], 0.25)
    return GaussianMixture(0.75 * model.weights, model.means, model.covariances, background=background)


@pytest.mark.parametrize("matrix", [A, COLOURS, np.ones((1, 3)), [[1, 0, 0], [2, 0, 0], [0, 0, 1]]])
def test_a_box_that_would_not_stay_one_is_refused(matrix):
    with pytest.raises(InputError, match=r"background.*axes"):
        with_background().affine(matrix)
    with_background().gaussians.affine(matrix)


def test_a_box_is_mapped_along_the_axes():
    matrix = np.array([[0.0, -2.0, 0.0], [0.0, 0.0, 10.0], [1.0, 0.0, 0.0]])
    model = with_background().affine(matrix, B)
    low, high = model.background.box
    assert low.tolist() == [-2 * 5 + 1, 0 - 2, -3 + 3]
    assert high.tolist() == [2 * 2 + 1, 10 - 2, 3 + 3]
    x = np.random.default_rng(37).uniform(-4, 6, (50, 3))
    expected = with_background().log_density(x) - np.log(20.0)
    np.testing.assert_allclose(model.log_density(x @ matrix.T + B), expected, rtol=0, atol=1e-12)


def test_some_of_the_axes_have_the_marginal_box():
    model = with_background().affine([[0, 0, 1], [1, 0, 0]])
    assert [edge.tolist() for edge in model.background.box] == [[0.0, -3.0], [1.0, 3.0]]
    assert model.background.fraction == 0.25


def test_values_at_the_edge_of_the_box_stay_inside():
    values = np.random.default_rng(38).standard_normal((1000, 2)) / 3.0
    obs = Observations.exact(values)
    matrix, offset = np.array([[0.0, 0.1], [-1 / 3, 0.0]]), [0.7, 1 / 7]
    background = Background().resolved(obs)
    model = GaussianMixture([0.9], [[0.0, 0.0]], [np.eye(2)], background=background).affine(matrix, offset)
    model.background.resolved(obs.transform(matrix, offset))  # raises where one lies outside
