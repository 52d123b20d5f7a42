"""Pictures of Student-t components show their densities."""

import numpy as np
import pytest

from xdgmm import Background, GaussianMixture, Observations
from xdgmm.plotting import densities, plot_corner, plot_density, plot_ellipses, plot_memberships
from xdgmm.prediction import log_likelihoods, memberships

MIXTURE = GaussianMixture(
    [0.5, 0.4],
    [[0.0, 1.0], [4.0, -1.0]],
    [np.eye(2), [[1.0, 0.3], [0.3, 2.0]]],
    background=Background([-20.0, -20.0], [20.0, 20.0]).with_fraction(0.1),
    dof=[3.0, np.inf],
)
ERROR = 0.7
POINTS = np.linspace(-15.0, 15.0, 31)


def test_densities_of_components_are_those_of_the_marginal_distribution():
    each = densities.component_densities(MIXTURE, 0, POINTS)
    assert each.shape == (3, 31)
    expected = np.exp(MIXTURE.marginal("x1").log_density(POINTS[:, None]))
    np.testing.assert_allclose(each.sum(axis=0), expected, rtol=1e-4)


def test_densities_with_noise_and_probabilities_are_those_of_the_objects():
    observations = Observations.with_standard_errors(POINTS, ERROR, names="x1")
    marginal = MIXTURE.marginal("x1")  # its nodes are those of one dimension, and good to 1e-4 too
    each = densities.component_densities(MIXTURE, 0, POINTS, ERROR**2)
    np.testing.assert_allclose(np.log(each.sum(axis=0)), log_likelihoods(marginal, observations), atol=1e-4)
    found = densities.class_probabilities(MIXTURE, 0, POINTS, ERROR**2)
    np.testing.assert_allclose(found.T, memberships(marginal, observations), atol=1e-4)


@pytest.mark.parametrize("plot", [plot_density, plot_ellipses, plot_corner, plot_memberships])
def test_pictures_are_drawn(plot):
    values = MIXTURE.sample(50, rng=1)[0]
    observations = Observations.with_standard_errors(values, ERROR)
    options = {} if plot in (plot_ellipses, plot_corner) else {"columns": "x1"}
    assert plot(MIXTURE, observations, **options) is not None
