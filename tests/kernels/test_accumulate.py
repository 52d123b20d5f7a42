"""The compiled pass equals its NumPy twin, and what it returns are the derivatives it says they are."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from xdgmm import kernels
from xdgmm.kernels import compiled, reference
from xdgmm.kernels.blocks import SMALLEST_CHUNK
from xdgmm.kernels.compiled import LANES, UNROLLED

NOISES = ("none", "one for all", "standard errors", "covariances")
CHUNK = SMALLEST_CHUNK * LANES
COUNTS = (1, LANES - 1, LANES, LANES + 1, 300)
# Loops are written out up to `UNROLLED` dimensions.  Each number of dimensions compiles kernels for seconds, with each
# form of noise, so that others are for the slow tests.  Tiles leave blocks of one to four rows over, in both kinds of
# code; noise is only added to what they factorise.
DIMENSIONS = (1, 2, 3)
MORE_DIMENSIONS = (6, UNROLLED + 1)  # these every time with one form of noise
SLOW_DIMENSIONS = {
    4: ("one for all", "covariances"),
    5: ("none",),
    7: ("standard errors", "covariances"),
    8: ("standard errors",),
    9: ("covariances",),
    UNROLLED: NOISES,
    UNROLLED + 2: ("covariances",),
    UNROLLED + 3: ("standard errors",),
    UNROLLED + 4: ("covariances",),
}
OTHER_DIMENSIONS = (4, 5, *MORE_DIMENSIONS, 7, 8, 9, UNROLLED, UNROLLED + 2, UNROLLED + 3, UNROLLED + 4, 16, 20, 30)
SLOW, EXHAUSTIVE = pytest.mark.slow, pytest.mark.exhaustive
FORMS = [(noise, D) for noise in NOISES for D in DIMENSIONS] + [
    pytest.param(noise, D, marks=SLOW if noise in SLOW_DIMENSIONS.get(D, ()) else EXHAUSTIVE)
    for noise in NOISES
    for D in OTHER_DIMENSIONS
]


def random_covariances(rng, count, D, smallest=0.5, largest=2.0):
    """Covariances (count, D, D) whose eigenvalues lie between two bounds, so that the condition is known."""
    axes = np.linalg.qr(rng.standard_normal((count, D, D)))[0]
    return (axes * rng.uniform(smallest, largest, (count, 1, D))) @ axes.transpose(0, 2, 1)


def random_mixture(rng, K, D):
    weights = rng.dirichlet(np.full(K, 5.0))
    return weights, rng.standard_normal((K, D)), random_covariances(rng, K, D)


def random_noise(rng, kind, N, D):
    """The noise in the form that `pack` takes, and as covariances (N, D, D)."""
    if kind == "none":
        return None, np.zeros((N, D, D))
    if kind == "one for all":
        covariances = np.repeat(random_noise(rng, "covariances", 1, D)[0], N, axis=0)
        return covariances, covariances
    if kind == "standard errors":
        errors = rng.uniform(0.0, 1.5, (N, D))
        return errors, errors[:, :, None] ** 2 * np.eye(D)
    covariances = random_covariances(rng, N, D, 0.0, 2.0)
    covariances = 0.5 * (covariances + covariances.transpose(0, 2, 1))
    return covariances, covariances


def random_values(rng, N, D, missing):
    values = 1.5 * rng.standard_normal((N, D))
    if missing:
        values[rng.random((N, D)) < 0.3] = np.nan
        values[0, : D - 1] = np.nan  # an object with a single value, whatever chance says
        values[0, D - 1] = 0.7
        if N > 2:
            values[1] = np.nan  # and one with none
    return values


def accumulate(values, noise, object_weights, mixture):
    return kernels.accumulate_with_information(kernels.pack(values, noise, object_weights), *mixture)


def assert_same(sums, expected, relative):
    """Each sum agrees to a fraction of the largest element of its kind: sums of mixed sign cancel."""
    for name in vars(sums):
        if getattr(expected, name) is None:
            assert getattr(sums, name) is None
            continue
        found, wanted = np.asarray(getattr(sums, name)), np.asarray(getattr(expected, name))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=relative * (1 + np.abs(wanted).max()), err_msg=name)


@pytest.mark.parametrize("weighted", ["unweighted", "weighted"])
@pytest.mark.parametrize("missing", ["complete", "missing"])
@pytest.mark.parametrize(("noise_kind", "D"), FORMS)
def test_the_compiled_pass_equals_its_numpy_twin(noise_kind, D, missing, weighted):
    compare_with_twin(noise_kind, missing, weighted, D)


@pytest.mark.parametrize("D", MORE_DIMENSIONS)
def test_a_pass_with_several_tiles_equals_its_numpy_twin(D):
    compare_with_twin("covariances", "missing", "weighted", D)


def compare_with_twin(noise_kind, missing, weighted, D):
    rng = np.random.default_rng([20, D, NOISES.index(noise_kind), missing == "missing", weighted == "weighted"])
    for N in COUNTS:
        values = random_values(rng, N, D, missing == "missing")
        noise, covariances = random_noise(rng, noise_kind, N, D)
        object_weights = rng.uniform(0.1, 3.0, N) if weighted == "weighted" else np.ones(N)
        mixture = random_mixture(rng, 3, D)
        sums = accumulate(values, noise, object_weights if weighted == "weighted" else None, mixture)
        seen = np.isfinite(values).any(axis=1)
        expected = reference.accumulate(values[seen], covariances[seen], object_weights[seen], *mixture)
        # Eigenvalues of T lie in 0.5 ... 4.25: condition below 10.  The log-density of an object is below 200 in
        # size and a responsibility inherits its absolute error, about 10 * 200 * 1e-16 = 2e-13 at worst; g, which
        # cancels, is up to 30 times smaller than the sum of its terms.
        assert_same(sums, expected, 1e-11)


@pytest.mark.parametrize("noise_kind", NOISES)
@pytest.mark.parametrize("D", [1, 2, 3])
def test_the_sums_are_derivatives_of_the_log_likelihood(D, noise_kind):
    rng = np.random.default_rng([3, D, NOISES.index(noise_kind)])
    N, K = 60, 2
    values = random_values(rng, N, D, missing=True)
    noise, _ = random_noise(rng, noise_kind, N, D)
    blocks = kernels.pack(values, noise, rng.uniform(0.5, 2.0, N))
    weights, means, covariances = random_mixture(rng, K, D)
    sums = kernels.accumulate(blocks, weights, means, covariances)

    def slope(direction):
        h = 1e-5
        ends = [
            kernels.accumulate(
                blocks, weights * np.exp(s * direction[0]), means + s * direction[1], covariances + s * direction[2]
            ).log_likelihood
            for s in (h, -h)
        ]
        return (ends[0] - ends[1]) / (2 * h)

    # Central differences: rounding 1e-16 * |lnL| ~ 1e-13 over h = 1e-5 gives 1e-8; truncation h^2 times a third
    # derivative of at most a few thousand is 1e-7.
    for k in range(K):
        zero = [np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))]
        zero[0][k] = 1.0
        assert slope(zero) == pytest.approx(sums.n_members[k], abs=1e-6)
        for i in range(D):
            zero = [np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))]
            zero[1][k, i] = 1.0
            assert slope(zero) == pytest.approx(sums.grad_mean[k, i], abs=1e-6)
            for j in range(i + 1):
                zero = [np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))]
                zero[2][k, i, j] = zero[2][k, j, i] = 1.0
                half = sums.grad_covariance[k]
                expected = half[i, j] + half[j, i] if i != j else half[i, i]
                assert slope(zero) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("missing", [False, True])
def test_the_sums_of_parts_add_to_those_of_the_whole(missing):
    rng = np.random.default_rng(4)
    N, D = 400, 3
    values, (noise, _) = random_values(rng, N, D, missing), random_noise(rng, "covariances", N, D)
    object_weights, mixture = rng.uniform(0.1, 3.0, N), random_mixture(rng, 4, D)
    whole = accumulate(values, noise, object_weights, mixture)
    for cut in (1, 57, 128, 399):
        parts = [
            accumulate(values[part], noise[part], object_weights[part], mixture)
            for part in (slice(cut), slice(cut, None))
        ]
        together = parts[0] + parts[1]
        assert_same(together, whole, 1e-13)  # another order of adding 400 terms: 400 * 1e-16


@pytest.mark.parametrize(
    ("D", "missing"),
    [(2, False), (2, True), (6, True), *(pytest.param(UNROLLED + 3, m, marks=SLOW) for m in (False, True))],
)
def test_likelihoods_responsibilities_and_posteriors_equal_their_numpy_twins(D, missing):
    rng = np.random.default_rng([24, D, missing])
    values, (noise, _) = random_values(rng, 43, D, missing), random_noise(rng, "covariances", 43, D)
    noise = noise + 0.1 * np.eye(D)
    mixture = random_mixture(rng, 3, D)
    packed, twin = (pack(values, noise, None) for pack in (kernels.pack, reference.ReferenceData.pack))
    # log-densities below 400 in size, condition below 30: 400 * 30 * 1e-16
    np.testing.assert_allclose(packed.log_likelihoods(*mixture), twin.log_likelihoods(*mixture), rtol=0, atol=2e-12)
    np.testing.assert_allclose(packed.responsibilities(*mixture), twin.responsibilities(*mixture), rtol=0, atol=2e-12)
    for found, expected in zip(packed.posteriors(*mixture), twin.posteriors(*mixture), strict=True):
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=0, atol=4e-11)  # a product of inverses: times D


@pytest.mark.parametrize("K", [30, 128])
@pytest.mark.parametrize("scale", [0.02, 1.0])
def test_a_pass_over_many_separated_components_equals_its_numpy_twin(K, scale):
    # with far outliers, an object beside the grid, components without weight, and a background
    rng = np.random.default_rng([25, K])
    means = 10.0 * np.stack(np.divmod(np.arange(K), 12), axis=1)
    weights, V = rng.dirichlet(np.full(K + 1, 5.0)), 0.1 * random_covariances(rng, K, 2)
    weights[[3, K - 1]] = 0.0
    weights /= weights.sum()
    values = np.vstack([means[rng.integers(K, size=200)] + rng.standard_normal((200, 2)), [[1e4, 0.0], [-1e5, 1e5]]])
    noise, omega = scale**2 * random_covariances(rng, 202, 2), rng.uniform(0.5, 2.0, 202)
    for background in (None, rng.normal(-8.0, 1.0, 202)):
        own = weights if background is not None else weights[:K] / weights[:K].sum()
        packed, twin = (
            pack(values, noise, omega, background=background) for pack in (kernels.pack, reference.ReferenceData.pack)
        )
        mixture = own, means, V
        found, expected = (data.accumulate_with_information(*mixture) for data in (packed, twin))
        # without a background an outlier has Q of 1e11: the rounding of its differences of exponents is 1e-5
        assert_same(found, expected, 1e-11 if background is not None else 1e-9)
        assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-13)


def test_a_sample_is_some_of_the_objects_and_nothing_else():
    rng = np.random.default_rng(23)
    N, D = 1003, 2
    values, (noise, _) = random_values(rng, N, D, missing=True), random_noise(rng, "covariances", N, D)
    object_weights, mixture = rng.uniform(0.1, 3.0, N), random_mixture(rng, 3, D)
    blocks = kernels.pack(values, noise, object_weights)
    for wanted in (24, 100, 333, 700):
        sample = blocks.subsample(wanted)
        again = kernels.pack(values[sample.rows], noise[sample.rows], object_weights[sample.rows])
        assert sample.n_objects == sample.rows.size == np.unique(sample.rows).size
        assert wanted / 2 - 16 < sample.n_objects <= wanted + 8
        assert sample.total_weight == pytest.approx(again.total_weight, rel=1e-14)
        assert_same(
            kernels.accumulate_with_information(sample, *mixture),
            kernels.accumulate_with_information(again, *mixture),
            1e-14,
        )
        np.testing.assert_array_equal(
            kernels.log_likelihoods(sample, *mixture), kernels.log_likelihoods(again, *mixture)
        )
        np.testing.assert_array_equal(sample.n_present, again.n_present)
        twice, directly = sample.subsample(sample.n_objects // 2), again.subsample(sample.n_objects // 2)
        np.testing.assert_array_equal(twice.rows, sample.rows[directly.rows])
        assert_same(kernels.accumulate(twice, *mixture), kernels.accumulate(directly, *mixture), 1e-14)
    assert blocks.subsample(2000) is blocks


@pytest.mark.parametrize("missing", [False, True])
def test_the_order_of_the_objects_is_irrelevant(missing):
    rng = np.random.default_rng(5)
    N, D = 257, 2
    values, (noise, _) = random_values(rng, N, D, missing), random_noise(rng, "standard errors", N, D)
    object_weights, mixture = rng.uniform(0.1, 3.0, N), random_mixture(rng, 3, D)
    order = rng.permutation(N)
    shuffled = accumulate(values[order], noise[order], object_weights[order], mixture)
    assert_same(shuffled, accumulate(values, noise, object_weights, mixture), 1e-13)  # N * 1e-16, and some


def test_padding_changes_nothing():
    # Each object alone fills a block with seven lanes of padding; together they share one without.
    rng = np.random.default_rng(6)
    D = 3
    values, (noise, _) = random_values(rng, LANES, D, missing=False), random_noise(rng, "covariances", LANES, D)
    mixture = random_mixture(rng, 2, D)
    alone = [accumulate(values[[i]], noise[[i]], None, mixture) for i in range(LANES)]
    summed = reduce(add, alone)
    assert_same(accumulate(values, noise, None, mixture), summed, 1e-13)


def test_padding_far_from_every_component_changes_nothing():
    # Padded lanes hold the value 0; components at 1e6 sigma from it must not let them in.
    values = np.array([[1e6], [1e6 + 1.0], [1e6 + 3.0]])
    mixture = np.array([0.5, 0.5]), np.array([[1e6], [1e6 + 2.0]]), np.ones((2, 1, 1))
    near = np.array([0.5, 0.5]), np.array([[0.0], [2.0]]), np.ones((2, 1, 1))
    assert_same(accumulate(values, None, None, mixture), accumulate(values - 1e6, None, None, near), 1e-14)


@pytest.mark.parametrize("noise_kind", NOISES)
def test_how_the_parameters_lie_in_memory_is_irrelevant(noise_kind):
    rng = np.random.default_rng(21)
    values, (noise, _) = random_values(rng, 40, 2, missing=False), random_noise(rng, noise_kind, 40, 2)
    blocks = kernels.pack(values, noise, None)
    weights, means, V = (
        np.array([0.25, 0.75]),
        np.array([[1.0, 0.0], [2.0, -1.0]]),
        np.array([np.eye(2), 2 * np.eye(2)]),
    )
    expected = kernels.accumulate(blocks, weights, means, V)
    for change in (np.asfortranarray, lambda a: a.astype("f4"), lambda a: a.astype(">f8")):
        found = kernels.accumulate(blocks, change(weights), change(means), change(V))
        assert_same(found, expected, 0.0)
    assert_same(kernels.accumulate(blocks, weights, means.astype(int), V.astype(int)), expected, 0.0)


@pytest.mark.parametrize("noise_kind", NOISES)
def test_an_object_beyond_all_numbers_is_impossible_and_no_sum_is_nan(noise_kind):
    rng = np.random.default_rng(22)
    values, (noise, _) = random_values(rng, 3, 2, missing=False), random_noise(rng, noise_kind, 3, 2)
    values[2, 0] = 1e160
    blocks, mixture = kernels.pack(values, noise, None), random_mixture(rng, 2, 2)
    sums = kernels.accumulate_with_information(blocks, *mixture)
    assert sums.log_likelihood == -np.inf
    assert all(np.isfinite(each).all() for each in vars(sums).values() if each is not None and np.ndim(each))
    assert kernels.log_likelihoods(blocks, *mixture)[2] == -np.inf
    assert kernels.total_log_likelihoods(blocks, *(a[None] for a in mixture)) == [-np.inf]


def test_a_mixture_without_any_weight_is_impossible():
    blocks = kernels.pack(np.zeros((3, 1)), np.ones((3, 1)), None)
    nothing = np.zeros(2), np.zeros((2, 1)), np.ones((2, 1, 1))
    assert kernels.accumulate(blocks, *nothing).log_likelihood == -np.inf
    assert (kernels.log_likelihoods(blocks, *nothing) == -np.inf).all()


def test_padding_does_not_spoil_objects_far_from_zero():
    values, far = np.array([[0.0], [1.0], [3.0]]), 2.0**500
    near = np.ones(1), np.ones((1, 1)), np.ones((1, 1, 1))
    sums = accumulate(values * far, None, None, (np.ones(1), np.full((1, 1), far), np.full((1, 1, 1), far**2)))
    assert sums.log_likelihood == pytest.approx(
        accumulate(values, None, None, near).log_likelihood - 3 * np.log(far), rel=1e-14
    )
    assert sums.n_members == [3.0]


def test_common_errors_are_scaled_before_they_are_squared():
    blocks = kernels.pack(np.full((3, 2), 1e-170), np.full((3, 2), 1e-170), None, 0.0, np.full(2, 1e-170))
    np.testing.assert_allclose(blocks.common, np.eye(2), rtol=1e-15)


def test_an_object_without_weight_or_without_value_is_left_out():
    rng = np.random.default_rng(7)
    N, D = 130, 2
    values, (noise, _) = random_values(rng, N, D, missing=False), random_noise(rng, "standard errors", N, D)
    object_weights, mixture = rng.uniform(0.1, 3.0, N), random_mixture(rng, 2, D)
    values[3], object_weights[[5, 129]] = np.nan, 0.0
    left = np.delete(np.arange(N), [3, 5, 129])
    blocks = kernels.pack(values, noise, object_weights)
    np.testing.assert_array_equal(blocks.rows, left)
    assert blocks.n_objects == left.size
    assert blocks.total_weight == pytest.approx(object_weights[left].sum(), rel=1e-14)
    expected = accumulate(values[left], noise[left], object_weights[left], mixture)
    assert_same(kernels.accumulate_with_information(blocks, *mixture), expected, 0.0)


def test_a_huge_value_of_an_object_without_weight_cannot_spoil_the_sums():
    values = np.array([[0.0], [1e300], [1.0]])
    mixture = np.array([1.0]), np.zeros((1, 1)), np.ones((1, 1, 1))
    sums = accumulate(values, None, np.array([1.0, 0.0, 1.0]), mixture)
    assert sums.log_likelihood == pytest.approx(-np.log(2 * np.pi) - 0.5, rel=1e-15)


@pytest.mark.parametrize("D", [1, 3])
def test_an_outlier_at_a_million_sigma_has_a_finite_likelihood(D):
    rng = np.random.default_rng(8)
    values = rng.standard_normal((50, D))
    values[7] = 1e6
    mixture = random_mixture(rng, 3, D)
    sums = accumulate(values, None, None, mixture)
    expected = reference.accumulate(values, np.zeros((50, D, D)), np.ones(50), *mixture)
    assert np.isfinite(sums.log_likelihood)
    assert_same(sums, expected, 1e-12)  # one term of 1e12 rules every sum: a few units of rounding of it


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_a_determinant_beyond_the_range_of_numbers_is_no_obstacle(scale):
    # Variances of 1e-60 and 1e60 in D = 11: determinants of 1e-660 and 1e660, and their roots are beyond it too.
    rng = np.random.default_rng(9)
    N, D = 130, 11
    values, (noise, covariances) = random_values(rng, N, D, missing=True), random_noise(rng, "covariances", N, D)
    weights, means, V = random_mixture(rng, 3, D)
    sums = accumulate(values * scale, noise * scale**2, None, (weights, means * scale, V * scale**2))
    seen = np.isfinite(values).any(axis=1)
    twin = reference.accumulate(values[seen], covariances[seen], np.ones(seen.sum()), weights, means, V)
    jacobian = np.isfinite(values).sum() * np.log(scale)
    expected = kernels.Statistics(
        twin.log_likelihood - jacobian,
        twin.n_members,
        twin.grad_mean / scale,
        twin.grad_covariance / scale**2,
        twin.information / scale**2,
    )
    for name in ("log_likelihood", "n_members", "grad_mean", "grad_covariance", "information"):
        found, wanted = getattr(sums, name), getattr(expected, name)
        # relative to the largest element, as in the comparison with the twin above
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * np.abs(wanted).max(), err_msg=name)


def test_a_determinant_of_mixed_scales_is_no_obstacle():
    # Two variances of 1e-200 and one of 1e200, independent: the log-density is a plain sum.
    D = 3
    sigma = np.array([1e-100, 1e-100, 1e100])
    rng = np.random.default_rng(10)
    white = rng.standard_normal((5, D))
    sums = accumulate(white * sigma, None, None, (np.ones(1), np.zeros((1, D)), np.diag(sigma**2)[None]))
    expected = -0.5 * (white**2).sum() - 5 * np.log(sigma).sum() - 2.5 * D * np.log(2 * np.pi)
    assert sums.log_likelihood == pytest.approx(expected, rel=1e-13)  # 15 terms of order one to 230


@pytest.mark.parametrize("missing", [False, True])
def test_a_component_of_weight_zero_is_ignored(missing):
    rng = np.random.default_rng(11)
    N, D = 140, 3
    values, (noise, _) = random_values(rng, N, D, missing), random_noise(rng, "covariances", N, D)
    weights, means, V = random_mixture(rng, 2, D)
    means_3, V_3 = np.vstack([means, values[:1]]), np.concatenate([V, 1e-6 * np.eye(D)[None]])
    means_3[2] = np.where(np.isfinite(means_3[2]), means_3[2], 0.0)
    three = accumulate(values, noise, None, (np.append(weights, 0.0), means_3, V_3))
    two = accumulate(values, noise, None, (weights, means, V))
    assert three.log_likelihood == two.log_likelihood
    for name in ("n_members", "grad_mean", "grad_covariance", "information"):
        np.testing.assert_array_equal(getattr(three, name)[:2], getattr(two, name))
        assert not getattr(three, name)[2].any()


def test_a_singular_component_of_weight_zero_is_ignored():
    # A component that has died has nothing to say, whatever its covariance has become.
    rng = np.random.default_rng(12)
    values = rng.standard_normal((10, 2))
    two = accumulate(values, None, None, (np.ones(1), np.zeros((1, 2)), np.eye(2)[None]))
    dead = np.array([1.0, 0.0]), np.zeros((2, 2)), np.array([np.eye(2), np.zeros((2, 2))])
    three = accumulate(values, None, None, dead)
    assert three.log_likelihood == two.log_likelihood
    np.testing.assert_array_equal(three.grad_mean[0], two.grad_mean[0])
    np.testing.assert_array_equal(three.information[1], 0.0)


@pytest.mark.parametrize(
    "covariance",
    [
        np.zeros((2, 2)),
        np.diag([1.0, 0.0]),
        np.ones((2, 2)),
        np.diag([1.0, -1.0]),
        -np.eye(2),
        np.array([[1.0, 2.0], [2.0, 1.0]]),
        np.diag([1.0, 1e-310]),  # its reciprocal overflows
        np.full((2, 2), np.nan),
    ],
    ids=["zero", "flat", "collinear", "negative", "all negative", "indefinite", "subnormal", "NaN"],
)
@pytest.mark.parametrize("missing", [False, True])
def test_a_singular_covariance_without_noise_gives_minus_infinity_and_never_nan(covariance, missing):
    values = np.array([[0.5, 1.0], [0.0, 0.3], [1.0, -2.0]])
    if missing:
        values[0, 0] = np.nan
    sums = accumulate(values, None, None, (np.ones(1), np.zeros((1, 2)), covariance[None]))
    assert sums.log_likelihood == -np.inf


def test_a_singular_covariance_with_noise_is_an_ordinary_one():
    rng = np.random.default_rng(13)
    values = rng.standard_normal((129, 3))
    noise, covariances = random_noise(rng, "covariances", 129, 3)
    noise, covariances = noise + 0.1 * np.eye(3), covariances + 0.1 * np.eye(3)
    mixture = np.array([0.4, 0.6]), rng.standard_normal((2, 3)), np.array([np.zeros((3, 3)), np.ones((3, 3))])
    expected = reference.accumulate(values, covariances, np.ones(129), *mixture)
    # T has a condition of up to 50, five times that of the comparison above
    assert_same(accumulate(values, noise, None, mixture), expected, 5e-11)


@pytest.mark.parametrize("noise_kind", NOISES)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("D", [1, 2, 3])
def test_the_log_density_of_an_object_equals_that_of_scipy(D, missing, noise_kind):
    rng = np.random.default_rng([14, D])
    N, K = 131, 3
    values, (noise, covariances) = random_values(rng, N, D, missing), random_noise(rng, noise_kind, N, D)
    weights, means, V = random_mixture(rng, K, D)
    blocks = kernels.pack(values, noise, None)
    expected = []
    for row in blocks.rows:
        seen = np.isfinite(values[row])
        logs = [
            multivariate_normal(means[k][seen], (V[k] + covariances[row])[np.ix_(seen, seen)]).logpdf(values[row][seen])
            for k in range(K)
        ]
        expected.append(logsumexp(logs, b=weights))
    found = kernels.log_likelihoods(blocks, weights, means, V)
    # condition below 10, log-densities below 200 in size: 10 * 200 * 1e-16
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_log_density_of_an_object_without_density_is_minus_infinity_there_alone():
    blocks = kernels.pack(np.array([[0.5], [0.5]]), np.array([[0.0], [1.0]]), None)
    found = kernels.log_likelihoods(blocks, np.ones(1), np.zeros((1, 1)), np.zeros((1, 1, 1)))
    assert found[0] == -np.inf
    assert found[1] == pytest.approx(-0.125 - 0.5 * np.log(2 * np.pi), rel=1e-15)


def test_an_object_that_one_component_cannot_have_made_has_the_density_of_the_others():
    blocks = kernels.pack(np.array([[0.5], [0.5]]), np.array([[0.0], [1.0]]), None)
    found = kernels.log_likelihoods(blocks, np.array([0.25, 0.75]), np.zeros((2, 1)), np.array([[[0.0]], [[1.0]]]))
    assert found[0] == pytest.approx(np.log(0.75) - 0.125 - 0.5 * np.log(2 * np.pi), rel=1e-15)


@pytest.mark.parametrize("noise_kind", NOISES)
@pytest.mark.parametrize("missing", [False, True])
def test_many_mixtures_at_once_have_the_likelihoods_of_each(missing, noise_kind):
    rng = np.random.default_rng(17)
    N, D, K, W = 700, 2, 3, 9
    values, (noise, _) = random_values(rng, N, D, missing), random_noise(rng, noise_kind, N, D)
    blocks = kernels.pack(values, noise, rng.uniform(0.5, 2.0, N))
    mixtures = [random_mixture(rng, K, D) for _ in range(W)]
    mixtures[3][0][:] = 1.0, 0.0, 0.0  # two components without weight,
    mixtures[3][2][1] = -np.eye(D)  # one of them impossible
    stacked = [np.stack(arrays) for arrays in zip(*mixtures, strict=True)]
    expected = [kernels.accumulate(blocks, *mixture).log_likelihood for mixture in mixtures]
    # the same sums, block by block, in the same order
    np.testing.assert_allclose(kernels.total_log_likelihoods(blocks, *stacked), expected, rtol=1e-14)


@pytest.mark.parametrize("noise_kind", NOISES)
def test_an_impossible_mixture_among_many_is_minus_infinity_alone(noise_kind):
    rng = np.random.default_rng(18)
    values, (noise, _) = random_values(rng, 90, 2, missing=False), random_noise(rng, noise_kind, 90, 2)
    blocks = kernels.pack(values, noise, None)
    weights, means, V = (np.stack([a] * 3) for a in random_mixture(rng, 2, 2))
    V[1, 0], means[2, 1, 0] = -10.0 * np.eye(2), np.nan
    found = kernels.total_log_likelihoods(blocks, weights, means, V)
    assert np.isfinite(found[0])
    assert found[1] == found[2] == -np.inf


def test_the_implicit_profile_is_the_likelihood_at_the_best_mean():
    rng = np.random.default_rng(15)
    values, variances, weights = rng.standard_normal(40), rng.uniform(0.0, 2.0, 40), rng.uniform(0.1, 2.0, 40)
    for variance in (1e-3, 0.7, 50.0):
        mean, precision, squares, log_density = compiled.implicit_profile(values, variances, weights, variance)
        T = variance + variances
        best = np.sum(weights * values / T) / np.sum(weights / T)
        # sums of 40 terms in another order: 40 * 1e-16
        assert mean == pytest.approx(best, rel=1e-13)
        assert precision == pytest.approx(np.sum(weights / T), rel=1e-13)
        assert squares == pytest.approx(np.sum(weights * (values - best) ** 2 / T**2), rel=1e-13)
        assert log_density == pytest.approx(-0.5 * np.sum(weights * (np.log(T) + (values - best) ** 2 / T)), rel=1e-13)


def test_packing_keeps_what_was_measured():
    rng = np.random.default_rng(16)
    values, (noise, _) = random_values(rng, 200, 3, missing=True), random_noise(rng, "covariances", 200, 3)
    blocks = kernels.pack(values, noise, None)
    seen = np.isfinite(values)
    np.testing.assert_array_equal(blocks.n_present, seen[blocks.rows].sum(axis=1))
    lanes = blocks.data.transpose(1, 0, 2).reshape(blocks.data.shape[1], -1)
    for i in range(3):
        np.testing.assert_array_equal(lanes[6 + i, : blocks.n_objects], np.nan_to_num(values[blocks.rows, i]))
    assert not lanes[9, blocks.n_objects :].any()
    np.testing.assert_array_equal(
        kernels.unpack(lanes[:6, 5], 3)[seen[blocks.rows[5]]][:, seen[blocks.rows[5]]],
        noise[blocks.rows[5]][np.ix_(seen[blocks.rows[5]], seen[blocks.rows[5]])],
    )
