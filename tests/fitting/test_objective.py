"""The objective: one pass over the data, with the derivatives of a prior."""

import numpy as np
import pytest

from xdgmm import Background, Dirichlet, Fixed, GaussianMixture, InverseWishart, Normal, Observations, Prior
from xdgmm.fitting import Model, Problem
from xdgmm.fitting.coordinates import FactorCoordinates
from xdgmm.fitting.model import with_background
from xdgmm.fitting.objective import Objective, OutOfPasses, information_of, prior_of

PRIOR = Prior(Dirichlet([2.0, 3.0]), Normal([[0.0], [4.0]], [[2.0]]), InverseWishart([[[0.5]], [[0.7]]], 4.0))
MIXTURE = GaussianMixture([0.3, 0.7], [[0.5], [3.0]], [[[1.0]], [[2.0]]])


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    return Observations.with_standard_errors(rng.normal(2.0, 2.0, 40), rng.uniform(0.1, 1.0, 40)).pack()


def test_statistics_of_a_posterior_do_not_add(data):
    # in a sum over parts of the data the prior would count twice
    statistics = Objective(data, constraints=Model(prior=PRIOR).constraints(2, 1)).expect(MIXTURE)
    with pytest.raises(TypeError, match="prior"):
        statistics + statistics


@pytest.mark.parametrize("prior", [None, PRIOR])
def test_ordered_statistics_are_those_of_the_ordered_components(data, prior):
    order, constraints = np.array([1, 0]), Model(prior=prior).constraints(2, 1)
    ordered = Objective(data, constraints=constraints).expect(MIXTURE).ordered(order)
    expected = Objective(data, constraints=constraints.ordered(order)).expect(MIXTURE.ordered(order))
    assert ordered.objective == pytest.approx(expected.objective, rel=1e-13)
    for name in ("n_members", "grad_mean", "grad_covariance", "information", "weight_counts", "covariance_counts"):
        np.testing.assert_allclose(getattr(ordered, name), getattr(expected, name), rtol=1e-12, atol=1e-12)
    if prior is not None:
        np.testing.assert_array_equal(prior_of(ordered).scale, prior_of(expected).scale)


def test_only_passes_that_ask_for_the_information_have_it(data):
    objective = Objective(data)
    assert information_of(objective.expect(MIXTURE)).shape == (2, 1, 1)
    with pytest.raises(AssertionError, match="information"):
        information_of(objective.differentiate(MIXTURE))


MODELS = {
    **{kind: Model(kind) for kind in ("full", "diag", "spherical", "tied")},
    "fixed": Model(fixed=Fixed(means=(0,), covariances=(1,), weights=(1,))),
    "prior": Model(prior=Prior(Dirichlet(2.0), Normal([0.0, 0.0], np.eye(2)), InverseWishart(np.eye(2), 5.0))),
    "background": Model(background=Background([-9.0, -9.0], [9.0, 9.0])),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_gradients_at_many_points_are_those_of_each(model):
    rng = np.random.default_rng(11)
    observations = Observations.with_standard_errors(rng.standard_normal((90, 2)) * 2.0, rng.uniform(0.2, 1.0, (90, 2)))
    problem = Problem(observations, 3, model)
    start = with_background(
        GaussianMixture([0.5, 0.3, 0.2], rng.standard_normal((3, 2)), [np.eye(2)] * 3), problem.model.background
    )
    mixture = problem.constraints.impose_type(problem.standardised(start))
    objective = problem.objective()
    coordinates = FactorCoordinates(mixture, objective.expect(mixture), problem.constraints)
    z = 0.5 * rng.standard_normal((5, coordinates.size))
    found = objective.gradients(coordinates, z)
    assert objective.passes == 6
    for w, each in enumerate(z):
        at = coordinates.at(each)
        one = coordinates.gradient(each, at, objective.differentiate(at))
        np.testing.assert_allclose(found[w], one, rtol=1e-12, atol=1e-12)
        along = rng.standard_normal(coordinates.size)
        rise = [objective.differentiate(coordinates.at(each + step * along)).objective for step in (1e-5, -1e-5)]
        assert (rise[0] - rise[1]) / 2e-5 == pytest.approx(one @ along, abs=1e-5)
    assert objective.history[1:6] == pytest.approx([objective.history[i] for i in (6, 9, 12, 15, 18)], rel=1e-14)


def test_gradients_stop_after_exactly_the_passes_that_are_allowed():
    observations = Observations.with_standard_errors(np.arange(30.0), 0.5)
    problem = Problem(observations, 1, Model())
    mixture = problem.standardised(GaussianMixture([1.0], [[10.0]], [[[40.0]]]))
    objective = problem.objective(4)
    coordinates = FactorCoordinates(mixture, objective.expect(mixture), problem.constraints)
    with pytest.raises(OutOfPasses):
        objective.gradients(coordinates, np.zeros((5, coordinates.size)))
    assert objective.passes == 4


@pytest.mark.parametrize("weight", [1e-9, 1e-20, 1e-60])
def test_a_component_that_vanishes_is_moved_by_a_small_part_of_its_width(weight):
    rng = np.random.default_rng(5)
    observations = Observations.with_standard_errors(rng.standard_normal((60, 2)), 0.3)
    mixture = GaussianMixture([1.0 - weight, weight], [[0.0, 0.0], [0.5, 0.2]], [np.eye(2), 0.5 * np.eye(2)])
    objective = Problem(observations, 2, Model()).objective()
    coordinates = FactorCoordinates(mixture, objective.expect(mixture))
    z = np.zeros(coordinates.size)
    z[1:] = 1e-5  # a step of differences
    assert np.abs(coordinates.at(z).means - mixture.means).max() < 0.01
    assert np.abs(coordinates.at(z).covariances - mixture.covariances).max() < 0.01
