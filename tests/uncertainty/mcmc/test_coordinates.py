import numpy as np
import pytest

from xdgmm import Background, Fixed, GaussianMixture
from xdgmm.fitting import Model
from xdgmm.uncertainty.mcmc.coordinates import Coordinates

TYPES = ["full", "tied", "diag", "spherical"]
SETTINGS = {
    "everything": {},
    "fixed": {"fixed": Fixed(weights=(0,), means=(1,), covariances=(2,))},
    "background": {"background": Background([-9.0] * 3, [9.0] * 3)},
}


def a_mixture(K=3, D=3, background=None, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((K, D, D + 2))
    weights = rng.dirichlet(np.full(K, 5.0))
    if background is not None:
        weights = 0.9 * weights
    return GaussianMixture(weights, rng.standard_normal((K, D)), A @ A.transpose(0, 2, 1) / D, background=background)


def make(covariance_type, setting, D=3):
    settings = dict(SETTINGS[setting])
    if covariance_type == "tied" and "fixed" in settings:
        settings["fixed"] = Fixed(weights=(0,), means=(1,))
    model = Model(covariance_type, **settings)
    mixture = a_mixture(D=D, background=settings.get("background") and Background([-9.0] * D, [9.0] * D, fraction=0.1))
    constraints = model.constraints(*mixture.means.shape)
    mixture = constraints.impose_type(mixture)
    if not settings.get("fixed"):
        return mixture, constraints
    return mixture, constraints


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_there_and_back_is_the_same_mixture(covariance_type, setting):
    mixture, constraints = make(covariance_type, setting)
    coordinates = Coordinates(mixture, constraints)
    found = coordinates.at(coordinates.of(mixture)[None])
    np.testing.assert_allclose(found.all_weights[0], mixture.all_weights, rtol=1e-12)
    np.testing.assert_allclose(found.means[0], mixture.means, rtol=1e-12)
    np.testing.assert_allclose(found.covariances[0], mixture.covariances, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_there_are_as_many_coordinates_as_free_parameters(covariance_type, setting):
    mixture, constraints = make(covariance_type, setting)
    assert Coordinates(mixture, constraints).size == constraints.n_parameters(mixture.n_dimensions)


def parameters_of(coordinates, z):
    """The free parameters, as the Jacobian counts them: fractions but the last, means, sigmas, correlations."""
    found = coordinates.at(z[None])
    correlations = []
    sigmas = np.sqrt(np.diagonal(found.covariances[0], axis1=1, axis2=2))
    R = found.covariances[0] / sigmas[:, :, None] / sigmas[:, None, :]
    for owner in range(coordinates.ends[3] - coordinates.ends[2]):
        k, m = np.argwhere(coordinates.correlation_of == owner)[0]
        correlations.append(R[k, coordinates.below[0][m], coordinates.below[1][m]])
    within = np.exp(found.log_within[0])[:-1]
    means = found.means[0][coordinates.free_means].ravel()
    return np.concatenate([within, means, np.exp(found.log_sigmas[0]), correlations])


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_jacobian_is_that_of_differences(covariance_type, setting):
    mixture, constraints = make(covariance_type, setting)
    coordinates = Coordinates(mixture, constraints)
    z = coordinates.of(mixture)
    h = 1e-5  # central differences: errors of about h^2
    columns = [
        (parameters_of(coordinates, z + h * e) - parameters_of(coordinates, z - h * e)) / (2 * h)
        for e in np.eye(z.size)
    ]
    sign, expected = np.linalg.slogdet(np.array(columns).T)
    assert sign != 0
    assert coordinates.at(z[None]).log_jacobian[0] == pytest.approx(expected, abs=1e-7)


def test_many_at_once_are_the_same_as_one_after_the_other():
    mixture, constraints = make("full", "background")
    coordinates = Coordinates(mixture, constraints)
    z = coordinates.of(mixture) + np.random.default_rng(0).standard_normal((7, coordinates.size))
    together = coordinates.at(z)
    for i in range(7):
        alone = coordinates.at(z[i : i + 1])
        np.testing.assert_allclose(together.covariances[i], alone.covariances[0], rtol=1e-13)
        np.testing.assert_allclose(together.all_weights[i], alone.all_weights[0], rtol=1e-13)
        assert together.log_jacobian[i] == pytest.approx(alone.log_jacobian[0], rel=1e-13)


def test_every_point_is_a_valid_mixture_and_the_determinant_is_that_of_the_correlations():
    mixture, constraints = make("full", "everything")
    coordinates = Coordinates(mixture, constraints)
    z = 2.0 * np.random.default_rng(3).standard_normal((50, coordinates.size))
    found = coordinates.at(z)
    for weights, means, covariances in zip(found.all_weights, found.means, found.covariances, strict=True):
        GaussianMixture(weights, means, covariances)  # refuses what is no mixture
    sigmas = np.sqrt(np.diagonal(found.covariances, axis1=2, axis2=3))
    R = found.covariances / sigmas[..., None] / sigmas[..., None, :]
    expected = np.linalg.slogdet(R)[1].sum(axis=1)
    np.testing.assert_allclose(found.log_determinants, expected, rtol=1e-6, atol=1e-6)


def test_points_too_far_out_are_impossible_and_raise_no_warning():
    mixture, constraints = make("full", "everything")
    coordinates = Coordinates(mixture, constraints)
    z = np.full((2, coordinates.size), 1e6)
    z[1] *= -1
    assert (coordinates.at(z).log_jacobian == -np.inf).all()


@pytest.mark.parametrize("setting", ["everything", "background"])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_exchanged_coordinates_are_those_of_the_exchanged_mixture(covariance_type, setting):
    mixture, constraints = make(covariance_type, setting)
    coordinates = Coordinates(mixture, constraints)
    rng = np.random.default_rng(1)
    z = coordinates.of(mixture) + rng.standard_normal((9, coordinates.size))
    order = np.array([rng.permutation(3) for _ in z])
    before, after = coordinates.at(z), coordinates.at(coordinates.exchanged(z, order))
    rows = np.arange(9)[:, None]
    with_background = np.column_stack([order, np.tile(np.arange(3, mixture.all_weights.size), (9, 1))])
    np.testing.assert_allclose(after.all_weights, before.all_weights[rows, with_background], rtol=1e-12)
    np.testing.assert_array_equal(after.means, before.means[rows, order])
    np.testing.assert_allclose(after.covariances, before.covariances[rows, order], rtol=1e-12)
    np.testing.assert_allclose(after.log_jacobian, before.log_jacobian, rtol=1e-12)


def test_exchanging_leaves_what_is_fixed():
    mixture, constraints = make("full", "fixed", D=2)
    coordinates = Coordinates(mixture, constraints)
    z = coordinates.of(mixture)[None]
    np.testing.assert_array_equal(coordinates.exchanged(z, np.arange(3)[None]), z)
