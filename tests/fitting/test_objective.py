"""The objective: one pass over the data, with the derivatives of a prior."""

import numpy as np
import pytest

from xdgmm import Dirichlet, GaussianMixture, InverseWishart, Normal, Observations, Prior
from xdgmm.fitting import Model
from xdgmm.fitting.objective import Objective, information_of, prior_of

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
