"""Posteriors of true values by the compiled pass: against NumPy, where digits are easily lost, and as laws."""

import numpy as np
import pytest

from xdgmm import kernels
from xdgmm.kernels.reference import ReferenceData

NAMES = kernels.Posteriors._fields
SINGULAR = {
    "no width at all": np.zeros((2, 2)),
    "no width along one axis": np.diag([0.0, 2.0]),
    "no width along a diagonal": np.ones((2, 2)),
    "no width along a diagonal but for rounding": np.array([[1.0, 1.0 / 3.0], [1.0 / 3.0, 1.0 / 9.0]]),
    "a width everywhere": np.array([[1.0, 0.6], [0.6, 2.0]]),
}
MIXTURE = np.array([0.5, 0.3, 0.2]), np.array([[0.0, 0.0], [3.0, 1.0], [-2.0, 4.0]])

FORMS = ("one for all", "standard errors", "covariances", "missing", "projections")
SLOW_TO_COMPILE = [
    pytest.param(form, D, marks=pytest.mark.slow if D == 11 or form == "missing" else pytest.mark.exhaustive)
    for form in FORMS
    for D in (6, 11)
]
ONE_DIMENSION = [(form, 1) for form in ("one for all", "standard errors")]
DIMENSIONS = [*ONE_DIMENSION, *((form, 3) for form in FORMS), *SLOW_TO_COMPILE]


def values_and_noise(noise, scale=1.0, N=37, D=2):
    rng = np.random.default_rng(3)
    values = scale * rng.normal(0.0, 2.0, (N, D))
    if noise == "none":
        return values, None
    errors = scale * rng.uniform(0.1, 1.0, (N, D))
    if noise == "standard errors":
        errors[::5, 0] = 0.0
        return values, errors
    factors = scale * rng.normal(0.0, 0.5, (N, D, D))
    factors[::4, :, 1:] = 0.0  # no noise but along one line
    return values, factors @ factors.swapaxes(1, 2)


def mixture_of(covariance, scale=1.0):
    weights, means = MIXTURE
    other = np.array([[0.5, -0.2], [-0.2, 0.3]])
    return weights, scale * means, scale**2 * np.stack([covariance, other, covariance + other])


@pytest.mark.parametrize("noise", ["none", "standard errors", "covariances"])
@pytest.mark.parametrize("covariance", SINGULAR.values(), ids=SINGULAR)
@pytest.mark.parametrize("shrunk", [1.0, 1e-9])
def test_singular_covariances_and_exact_values_have_the_posteriors_of_plain_numpy(noise, covariance, shrunk):
    values, errors = values_and_noise(noise)
    values[:4] = [[0.0, 0.0], [0.0, 5.0], [1.0, 1.0], [3.0, 1.0]]  # some of them lie where a width is zero
    errors = None if errors is None else errors * shrunk ** (3 - errors.ndim)
    mixture = mixture_of(covariance)
    packed = kernels.pack(values, errors, None)
    found = packed.posteriors(*mixture, of_each=True)
    assert not any(np.isnan(array).any() for array in found)
    parts = [
        kernels.condition_gaussian(m, V, values, kernels.as_noise(errors, values.shape).covariances())
        for m, V in zip(*mixture[1:], strict=True)
    ]
    np.testing.assert_allclose(found.means_of_each, np.stack([p.means for p in parts], 1), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(
        found.covariances_of_each, np.stack([p.covariances for p in parts], 1), rtol=1e-9, atol=1e-11
    )
    probable = found.responsibilities.argmax(axis=1)
    distances = np.stack([p.distances for p in parts], 1)[np.arange(len(values)), probable]
    np.testing.assert_allclose(found.distances, distances, rtol=1e-8, atol=1e-8)
    expected = packed.responsibilities(*mixture)
    expected = np.where(np.isnan(expected), mixture[0], expected)
    np.testing.assert_allclose(found.responsibilities, expected, rtol=1e-14, atol=1e-300)
    np.testing.assert_array_equal(found.log_likelihoods, packed.log_likelihoods(*mixture))


@pytest.mark.parametrize("noise", ["none", "standard errors", "covariances"])
@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_any_unit_will_do(noise, scale):
    # a power of two multiplies every number exactly, but the logarithm of a large density has fewer digits left
    scale = 2.0 ** np.round(np.log2(scale))
    values, errors = values_and_noise(noise)
    scaled = None if errors is None else errors * scale ** (errors.ndim - 1)
    one = kernels.pack(values, errors, None).posteriors(*mixture_of(SINGULAR["a width everywhere"]), of_each=True)
    other = kernels.pack(values * scale, scaled, None)
    other = other.posteriors(*mixture_of(SINGULAR["a width everywhere"], scale), of_each=True)
    shifted = other.log_likelihoods + 2 * np.log(scale)
    np.testing.assert_allclose(shifted, one.log_likelihoods, rtol=0, atol=1e-14 * np.log(1e60))
    np.testing.assert_allclose(other.responsibilities, one.responsibilities, rtol=1e-14 * np.log(1e60))
    np.testing.assert_allclose(other.means / scale, one.means, rtol=0, atol=1e-14 * np.log(1e60))
    np.testing.assert_allclose(other.covariances / scale**2, one.covariances, rtol=0, atol=1e-13 * np.log(1e60))
    np.testing.assert_array_equal(other.distances, one.distances)
    np.testing.assert_array_equal(other.means_of_each / scale, one.means_of_each)
    np.testing.assert_array_equal(other.covariances_of_each / scale**2, one.covariances_of_each)


@pytest.mark.parametrize("noise", ["standard errors", "covariances"])
@pytest.mark.parametrize("smallness", [1e-4, 1e-9, 1e-14])
def test_small_noise_keeps_its_digits(noise, smallness):
    # with both covariances regular the posterior covariance is (V^-1 + S^-1)^-1, which does not cancel for small S
    values, errors = values_and_noise(noise)
    errors = np.maximum(errors, 0.1) if errors.ndim == 2 else errors + 0.1 * np.eye(2)
    errors = errors * smallness ** (errors.ndim - 1)
    V = SINGULAR["a width everywhere"]
    found = kernels.pack(values, errors, None).posteriors(np.ones(1), np.zeros((1, 2)), V[None])
    S = kernels.as_noise(errors, values.shape).covariances()
    expected = np.linalg.inv(np.linalg.inv(V) + np.linalg.inv(S))
    np.testing.assert_allclose(found.covariances, expected, rtol=1e-9, atol=1e-9 * smallness**2)
    np.testing.assert_allclose(found.means, values, rtol=0, atol=50 * smallness**2 + 1e-14)


@pytest.mark.parametrize(("noise", "D"), DIMENSIONS)
def test_any_number_of_dimensions_has_the_posteriors_of_plain_numpy(noise, D):
    rng = np.random.default_rng(D)
    N, K, factors = 29, 2, rng.normal(0.0, 0.5, (29, D, D))
    S = factors @ factors.swapaxes(1, 2) + 0.05 * np.eye(D)
    given = {"values": rng.normal(0.0, 2.0, (N, D)), "weights": None, "noise": S}
    if noise == "one for all":
        given["noise"] = np.tile(S[0], (N, 1, 1))
    if noise == "standard errors":
        given["noise"] = np.sqrt(np.diagonal(S, axis1=1, axis2=2))
    if noise == "missing":
        given["values"][rng.random((N, D)) < 0.3] = np.nan
    if noise == "projections":
        given |= {"values": given["values"][:, :1], "noise": S[:, :1, :1], "projections": rng.normal(size=(N, 1, D))}
    factors = rng.normal(size=(K, D, D))
    mixture = np.array([0.4, 0.6]), rng.normal(size=(K, D)), factors @ factors.swapaxes(1, 2) / D + 0.1 * np.eye(D)
    packed, reference = kernels.pack(**given), ReferenceData.pack(**given)
    for name, x, y in zip(
        NAMES, packed.posteriors(*mixture, of_each=True), reference.posteriors(*mixture, of_each=True), strict=True
    ):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("noise", ["none", "covariances"])
def test_order_and_number_of_threads_change_no_bit(noise, monkeypatch):
    values, errors = values_and_noise(noise, N=24 * 1024)
    mixture = mixture_of(SINGULAR["a width everywhere"])
    monkeypatch.setattr("xdgmm.kernels.threads.LEAST_WORK", 1.0)
    found = {}
    for n_threads in (1, 2, 5):
        kernels.set_num_threads(n_threads)
        found[n_threads] = kernels.pack(values, errors, None).posteriors(*mixture)
    kernels.set_num_threads(None)
    order = np.random.default_rng(1).permutation(len(values))
    moved = kernels.pack(values[order], None if errors is None else errors[order], None).posteriors(*mixture)
    for name, one, two, five, permuted in zip(NAMES, *found.values(), moved, strict=False):
        if one is not None:
            assert (one == two).all(), name
            assert (one == five).all(), name
            assert (one[order] == permuted).all(), name


def test_a_component_of_weight_zero_has_a_posterior_and_changes_nothing():
    values, errors = values_and_noise("standard errors")
    weights, means, V = mixture_of(SINGULAR["a width everywhere"])
    dead = np.array([0.625, 0.375, 0.0])
    packed = kernels.pack(values, errors, None)
    with_it, without = packed.posteriors(dead, means, V, of_each=True), packed.posteriors(dead[:2], means[:2], V[:2])
    assert (with_it.responsibilities[:, 2] == 0.0).all()
    np.testing.assert_array_equal(with_it.means, without.means)
    np.testing.assert_array_equal(with_it.covariances, without.covariances)
    whole = packed.posteriors(weights, means, V, of_each=True)
    np.testing.assert_array_equal(with_it.means_of_each, whole.means_of_each)


def test_objects_that_no_component_can_have_made_keep_the_weights():
    mixture = np.array([0.25, 0.75]), np.array([[0.0], [4.0]]), np.zeros((2, 1, 1))
    found = kernels.pack(np.array([[1.0], [3.0]]), None, None).posteriors(*mixture)
    np.testing.assert_array_equal(found.responsibilities, [[0.25, 0.75]] * 2)
    np.testing.assert_array_equal(found.means, [[3.0]] * 2)
    np.testing.assert_array_equal(found.covariances, [[[3.0]]] * 2)  # 4^2 times 0.25 times 0.75
    assert (found.log_likelihoods == -np.inf).all()
    assert (found.distances == np.inf).all()


def test_far_from_all_gaussians_the_background_leaves_numbers():
    values = np.array([[0.5], [1e8]])
    packed = kernels.pack(values, np.full((2, 1), 0.1), None, background=np.zeros(2))
    found = packed.posteriors(np.array([0.3, 0.3, 0.4]), np.array([[0.0], [1.0]]), np.ones((2, 1, 1)))
    np.testing.assert_array_equal(found.responsibilities[1], [0.0, 0.0, 1.0])
    assert np.isfinite(np.concatenate([array.ravel() for array in found if array is not None])).all()


@pytest.mark.parametrize("noise", ["none", "standard errors", "covariances"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_one_projection_for_all_is_the_projection_of_each(noise, missing):
    rng = np.random.default_rng(5)
    values, errors = values_and_noise(noise)
    values[rng.random(values.shape) < missing] = np.nan
    R = rng.normal(size=(2, 3))
    factors = rng.normal(size=(2, 3, 3))
    mixture = np.array([0.4, 0.6]), rng.normal(size=(2, 3)), factors @ factors.swapaxes(1, 2)
    one = kernels.pack(values, errors, None, projections=R, location=1.5, scale=2.0)
    each = np.broadcast_to(R, (len(values), 2, 3))
    each = kernels.pack(values, errors, None, projections=each, location=1.5, scale=2.0)
    pairs = zip(NAMES, one.posteriors(*mixture, of_each=True), each.posteriors(*mixture, of_each=True), strict=True)
    for name, x, y in pairs:
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11, err_msg=name)
    sample = one.subsample(9)
    np.testing.assert_array_equal(sample.posteriors(*mixture).means, one.posteriors(*mixture).means[sample.rows])
