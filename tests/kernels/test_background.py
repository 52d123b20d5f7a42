"""A background with a given density at each object: the pass equals its twin, and gives it what no Gaussian made."""

from dataclasses import replace

import numpy as np
import pytest

import xdgmm
from xdgmm import kernels
from xdgmm.kernels import reference
from xdgmm.kernels.compiled import UNROLLED

NOISES = ("none", "one for all", "standard errors", "covariances")
# Kernels take a second or more to compile: one form of noise in several dimensions, the others with the slow tests.
FORMS = [
    pytest.param(noise, D, marks=() if D <= 2 or noise == "covariances" else pytest.mark.slow)
    for noise in NOISES
    for D in (1, 2, 6, UNROLLED + 1)
    if D <= UNROLLED or noise != "covariances"
]


@pytest.fixture
def threads_afterwards():
    yield
    xdgmm.set_num_threads(None)


def random_covariances(rng, count, D, smallest=0.5, largest=2.0):
    axes = np.linalg.qr(rng.standard_normal((count, D, D)))[0]
    covariances = (axes * rng.uniform(smallest, largest, (count, 1, D))) @ axes.transpose(0, 2, 1)
    return 0.5 * (covariances + covariances.transpose(0, 2, 1))


def random_noise(rng, kind, N, D):
    """The noise in the form that `pack` takes, and as covariances (N, D, D)."""
    if kind == "none":
        return None, np.zeros((N, D, D))
    if kind == "standard errors":
        errors = rng.uniform(0.0, 1.5, (N, D))
        return errors, errors[:, :, None] ** 2 * np.eye(D)
    covariances = random_covariances(rng, 1 if kind == "one for all" else N, D, 0.0, 2.0)
    covariances = np.repeat(covariances, N // len(covariances), axis=0)
    return covariances, covariances


def random_mixture(rng, K, D):
    """Weights of K Gaussians and of a background, means and covariances."""
    return rng.dirichlet(np.full(K + 1, 5.0)), rng.standard_normal((K, D)), random_covariances(rng, K, D)


def uniform(values, low, high):
    """Log-density (N,) of a uniform component in the box from low (D,) to high (D,): minus infinity outside."""
    present = np.isfinite(values)
    outside = (present & ((values < low) | (values > high))).any(axis=1)
    return np.where(outside, -np.inf, -(present @ np.log(high - low)))


def random_problem(seed, N, D, *, noise="covariances", missing=False, K=3):
    """Arguments of `pack` as a dictionary, the noise covariances, and a mixture: some objects are outside the box."""
    rng = np.random.default_rng(seed)
    values = 1.5 * rng.standard_normal((N, D))
    if missing:
        values[rng.random((N, D)) < 0.3] = np.nan
        values[0, : D - 1] = np.nan
        values[0, D - 1] = 0.7
        if N > 2:
            values[1] = np.nan
    noise, covariances = random_noise(rng, noise, N, D)
    box = -rng.uniform(2.0, 4.0, D), rng.uniform(2.0, 4.0, D)
    given = {"values": values, "noise": noise, "weights": rng.uniform(0.1, 3.0, N), "background": uniform(values, *box)}
    return given, covariances, random_mixture(rng, K, D)


def accumulate(given, mixture):
    return kernels.accumulate_with_information(kernels.pack(**given), *mixture)


def accumulate_all(data, mixture):
    return kernels.accumulate_with_information(data, *mixture)


def log_joint(given, covariances, mixture, rows):
    """Of the Gaussians and the background (K + 1, n), from the twin."""
    weights, means, V = mixture
    parts = [reference.component(given["values"], covariances, m, S)[0] for m, S in zip(means, V, strict=True)]
    parts.append(given["background"])
    with np.errstate(divide="ignore"):
        return (np.log(weights)[:, None] + np.array(parts))[:, rows]


def assert_same(found, expected, relative):
    """Each sum agrees to a fraction of the largest element of its kind: sums of mixed sign cancel."""
    for name, wanted in vars(expected).items():
        if wanted is None:
            assert getattr(found, name) is None
            continue
        atol = relative * (1 + np.abs(wanted).max())
        np.testing.assert_allclose(getattr(found, name), wanted, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize(("noise", "D"), FORMS)
def test_the_compiled_pass_with_a_background_equals_its_numpy_twin(noise, missing, D):
    for N in (1, 8, 9, 300):
        given, covariances, mixture = random_problem([61, D, N], N, D, noise=noise, missing=missing)
        seen = np.isfinite(given["values"]).any(axis=1)
        arguments = given["values"][seen], covariances[seen], given["weights"][seen]
        expected = reference.accumulate(*arguments, *mixture, background=given["background"][seen])
        assert expected.n_members.shape == (4,)
        assert_same(accumulate(given, mixture), expected, 1e-11)  # as in the test without a background


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize(("noise", "D"), FORMS)
def test_densities_and_responsibilities_are_those_of_the_twin(noise, missing, D):
    given, covariances, mixture = random_problem([62, D], 150, D, noise=noise, missing=missing)
    blocks = kernels.pack(**given)
    joint = log_joint(given, covariances, mixture, blocks.rows)
    expected = np.logaddexp.reduce(joint, axis=0)
    # condition below 10, log-densities below 200 in size: 10 * 200 * 1e-16
    np.testing.assert_allclose(kernels.log_likelihoods(blocks, *mixture), expected, rtol=0, atol=1e-12)
    found = kernels.responsibilities(blocks, *mixture)
    np.testing.assert_allclose(found, np.exp(joint - expected).T, rtol=0, atol=1e-12)
    for k in (0, 3):
        np.testing.assert_array_equal(kernels.responsibilities(blocks, *mixture, component=k)[:, 0], found[:, k])


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("missing", [False, True])
def test_many_mixtures_at_once_have_the_likelihoods_of_each(missing, noise):
    given, _, _ = random_problem(63, 700, 2, noise=noise, missing=missing)
    given["background"] = uniform(given["values"], np.full(2, -20.0), np.full(2, 20.0))
    rng, blocks = np.random.default_rng(64), kernels.pack(**given)
    mixtures = [random_mixture(rng, 3, 2) for _ in range(7)]
    mixtures[2][0][:] = 1.0, 0.0, 0.0, 0.0
    mixtures[3][0][:] = 0.0, 0.0, 0.0, 1.0
    mixtures[4][2][1] = -10.0 * np.eye(2)
    mixtures[5][1][0, 0] = np.nan
    stacked = [np.stack(arrays) for arrays in zip(*mixtures, strict=True)]
    expected = [kernels.accumulate(blocks, *mixture).log_likelihood for mixture in mixtures]
    assert np.isinf(expected).tolist() == [False] * 4 + [True] * 2 + [False]
    np.testing.assert_allclose(kernels.total_log_likelihoods(blocks, *stacked), expected, rtol=1e-13)


@pytest.mark.parametrize("noise", NOISES)
def test_a_background_of_weight_zero_is_none(noise):
    given, _, (weights, means, V) = random_problem(65, 130, 3, noise=noise, missing=True)
    weights = np.append(weights[:3] / weights[:3].sum(), 0.0)
    without = kernels.accumulate_with_information(kernels.pack(**{**given, "background": None}), weights[:3], means, V)
    found = accumulate(given, (weights, means, V))
    assert found.n_members[3] == 0.0
    assert_same(replace(found, n_members=found.n_members[:3]), without, 0.0)


@pytest.mark.parametrize("noise", NOISES)
def test_a_background_alone_is_a_uniform_density(noise):
    given, _, (_, means, V) = random_problem(66, 130, 2, noise=noise, missing=True)
    given["background"] = uniform(given["values"], np.full(2, -8.0), np.array([8.0, 24.0]))
    mixture = np.array([0.0, 0.0, 0.0, 1.0]), means, np.zeros_like(V)
    sums = accumulate(given, mixture)
    seen = np.isfinite(given["values"])
    expected = -given["weights"] @ (seen * np.log([16.0, 32.0])).sum(axis=1)
    assert sums.log_likelihood == pytest.approx(expected, rel=1e-13)
    assert sums.n_members[3] == pytest.approx(given["weights"][seen.any(axis=1)].sum(), rel=1e-13)
    assert not sums.n_members[:3].any()
    assert not any(each.any() for each in (sums.grad_mean, sums.grad_covariance, sums.information))


@pytest.mark.parametrize("noise", NOISES)
def test_the_density_is_that_of_the_packed_values(noise):
    given, _, (weights, means, V) = random_problem(67, 90, 2, noise=noise, missing=True)
    location, scale = np.array([1.0, -2.0]), np.array([16.0, 0.25])
    jacobian = np.isfinite(given["values"]) @ np.log(scale)
    packed = {**given, "background": given["background"] + jacobian}
    blocks = kernels.pack(**packed, location=location, scale=scale)
    scaled = weights, (means - location) / scale, V / scale / scale[:, None]
    plain = kernels.pack(**given)
    found = kernels.log_likelihoods(blocks, *scaled)
    expected = kernels.log_likelihoods(plain, weights, means, V) + jacobian[plain.rows]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-12)  # twice that of the comparison with the twin
    shares = kernels.responsibilities(plain, weights, means, V)
    np.testing.assert_allclose(kernels.responsibilities(blocks, *scaled), shares, rtol=0, atol=2e-12)


def test_where_the_density_is_zero_the_background_has_no_part():
    values = np.array([-1.0, 2.0, 3.0, 4.0])[:, None]
    densities = np.array([-np.log(4.0), -np.inf, -1e4, -np.inf])
    blocks = kernels.pack(values, None, None, background=densities)
    alone = np.array([0.0, 1.0]), np.zeros((1, 1)), np.ones((1, 1, 1))
    found = kernels.log_likelihoods(blocks, *alone)
    np.testing.assert_allclose(found, densities, rtol=1e-15)
    np.testing.assert_array_equal(kernels.responsibilities(blocks, *alone)[:, 1], [1.0, np.nan, 1.0, np.nan])
    sums = kernels.accumulate_with_information(blocks, *alone)
    assert sums.log_likelihood == -np.inf
    assert sums.n_members.tolist() == [0.0, 0.0]
    assert sums.grad_mean.shape == (1, 1)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("far", [1e6, 1e100, 1e160])
def test_an_object_that_no_gaussian_can_have_made_belongs_to_the_background(far, noise):
    given, _, (weights, means, V) = random_problem(68, 40, 2, noise=noise)
    given["values"][7] = far
    given["background"] = uniform(given["values"], np.full(2, -2.0 * far), np.full(2, 2.0 * far))
    blocks = kernels.pack(**given)
    sums = kernels.accumulate_with_information(blocks, weights, means, V)
    expected = np.log(weights[3]) - 2 * np.log(4.0 * far)
    assert kernels.log_likelihoods(blocks, weights, means, V)[7] == pytest.approx(expected, rel=1e-14)
    assert kernels.responsibilities(blocks, weights, means, V)[7].tolist() == [0.0, 0.0, 0.0, 1.0]
    many = kernels.total_log_likelihoods(blocks, *(array[None] for array in (weights, means, V)))
    assert many[0] == pytest.approx(sums.log_likelihood, rel=1e-14)
    left = np.arange(40) != 7
    few = {name: None if array is None else array[left] for name, array in given.items()}
    others = accumulate(few, (weights, means, V))
    gaussian, expected_gaussian = (
        replace(each, log_likelihood=0.0, n_members=each.n_members[:3]) for each in (sums, others)
    )
    assert_same(gaussian, expected_gaussian, 1e-13)  # another order of adding 40 terms
    assert sums.log_likelihood == pytest.approx(others.log_likelihood + given["weights"][7] * expected, rel=1e-13)


def test_an_object_outside_the_box_belongs_to_the_gaussians():
    given, _, mixture = random_problem(69, 60, 2)
    outside = np.isinf(given["background"])
    found = kernels.responsibilities(kernels.pack(**given), *mixture)[:, 3]
    assert outside.any()
    np.testing.assert_array_equal(found > 0, ~outside)


@pytest.mark.parametrize("noise", NOISES)
def test_the_sums_are_derivatives_of_the_log_likelihood(noise):
    given, _, (weights, means, V) = random_problem(70, 60, 2, noise=noise, missing=True)
    blocks = kernels.pack(**given)
    sums = kernels.accumulate(blocks, weights, means, V)
    rng, h = np.random.default_rng(71), 1e-5
    for _ in range(6):
        a, b, c = rng.standard_normal(4), rng.standard_normal((3, 2)), rng.standard_normal((3, 2, 2))
        c = 0.5 * (c + c.transpose(0, 2, 1))
        ends = [
            kernels.accumulate(blocks, weights * np.exp(s * a), means + s * b, V + s * c).log_likelihood
            for s in (h, -h)
        ]
        # Rounding 1e-13 of lnL over h is 1e-8, truncation h^2 times a third derivative of some thousands 1e-7.
        expected = a @ sums.n_members + (b * sums.grad_mean).sum() + (c * sums.grad_covariance).sum()
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(expected, abs=3e-6)


@pytest.mark.parametrize("noise", NOISES)
def test_results_have_the_same_bits_for_any_number_of_threads(threads_afterwards, noise):  # noqa: ARG001
    given, _, mixture = random_problem(72, 60_000, 2, noise=noise, missing=noise == "covariances")
    blocks, found = kernels.pack(**given), []
    for n in (1, 2):
        xdgmm.set_num_threads(n)
        sums = kernels.accumulate_with_information(blocks, *mixture)
        arrays = [
            *vars(sums).values(),
            kernels.log_likelihoods(blocks, *mixture),
            kernels.responsibilities(blocks, *mixture),
        ]
        found.append([np.asarray(array).tobytes() for array in arrays if array is not None])
    assert found[0] == found[1]


def test_a_sample_keeps_the_background_of_its_objects():
    given, _, mixture = random_problem(73, 1003, 2, missing=True)
    sample = kernels.pack(**given).subsample(300)
    few = {name: array[sample.rows] for name, array in given.items()}
    again = kernels.pack(**few)
    np.testing.assert_array_equal(kernels.log_likelihoods(sample, *mixture), kernels.log_likelihoods(again, *mixture))
    # another order of adding 300 terms
    assert_same(kernels.accumulate(sample, *mixture), kernels.accumulate(again, *mixture), 1e-13)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("n_objects", [300, 1003])
def test_other_densities_are_those_of_packing_again(missing, n_objects):
    given, _, mixture = random_problem(74, 1003, 2, missing=missing)
    data = kernels.pack(**given).subsample(n_objects)
    other = np.random.default_rng(75).normal(-3.0, 2.0, 1003)
    found = data.with_background(other[data.rows])
    again = kernels.pack(**{**given, "background": other}).subsample(n_objects)
    np.testing.assert_array_equal(kernels.log_likelihoods(found, *mixture), kernels.log_likelihoods(again, *mixture))
    assert_same(accumulate_all(found, mixture), accumulate_all(again, mixture), 1e-13)  # another order of adding
    before = kernels.pack(**given).subsample(n_objects)
    np.testing.assert_array_equal(kernels.log_likelihoods(data, *mixture), kernels.log_likelihoods(before, *mixture))


def test_a_background_goes_with_no_projections():
    with pytest.raises(ValueError, match="cannot be combined with projections"):
        kernels.pack(np.zeros((4, 2)), None, None, projections=np.ones((2, 3)), background=np.zeros(4))
