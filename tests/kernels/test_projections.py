"""Measurements that are projections of the coordinates: the pass equals its twin, and its sums are derivatives."""

from dataclasses import replace

import numpy as np
import pytest

import xdgmm
from xdgmm import kernels
from xdgmm.kernels import reference
from xdgmm.kernels.compiled import LANES

NOISES = ("none", "standard errors", "covariances")
SHAPES = [(1, 1), (3, 1), (3, 2), (6, 3), (2, 3), (11, 2), (1, 2)]  # D, M
COUNTS = (1, LANES - 1, LANES, LANES + 1, 300)


@pytest.fixture
def threads_afterwards():
    yield
    xdgmm.set_num_threads(None)


def random_covariances(rng, count, D, smallest=0.5, largest=2.0):
    axes = np.linalg.qr(rng.standard_normal((count, D, D)))[0]
    covariances = (axes * rng.uniform(smallest, largest, (count, 1, D))) @ axes.transpose(0, 2, 1)
    return 0.5 * (covariances + covariances.transpose(0, 2, 1))


def random_mixture(rng, K, D):
    return rng.dirichlet(np.full(K, 5.0)), rng.standard_normal((K, D)), random_covariances(rng, K, D)


def random_projections(rng, N, M, D):
    """Singular values between 0.5 and 1.5, for an R of each object."""
    left, right = (np.linalg.qr(rng.standard_normal((N, size, size)))[0] for size in (M, D))
    rank = min(M, D)
    return (left[:, :, :rank] * rng.uniform(0.5, 1.5, (N, 1, rank))) @ right[:, :rank]


def random_noise(rng, kind, N, M):
    """The noise in the form that `pack` takes, and as covariances (N, M, M): eigenvalues of 0.3 to 2."""
    if kind == "none":
        return None, np.zeros((N, M, M))
    if kind == "standard errors":
        errors = np.sqrt(rng.uniform(0.3, 2.0, (N, M)))
        return errors, errors[:, :, None] ** 2 * np.eye(M)
    covariances = random_covariances(rng, N, M, 0.3, 2.0)
    return covariances, covariances


def random_values(rng, N, M, missing):
    values = 1.5 * rng.standard_normal((N, M))
    if missing and M > 1:
        values[rng.random((N, M)) < 0.3] = np.nan
        values[0, : M - 1] = np.nan
        values[0, M - 1] = 0.7
    if missing and N > 2:
        values[1] = np.nan
    return values


def random_problem(seed, N, D, M, *, noise="covariances", common=False, missing=False, K=3):
    """Arguments of `pack` as a dictionary, the noise covariances, and a mixture."""
    rng = np.random.default_rng(seed)
    values = random_values(rng, N, M, missing)
    noise, covariances = random_noise(rng, noise, N, M)
    projections = random_projections(rng, 1 if common else N, M, D)
    projections = projections[0] if common else projections
    given = {"values": values, "noise": noise, "weights": rng.uniform(0.1, 3.0, N), "projections": projections}
    return given, covariances, random_mixture(rng, K, D)


def accumulate(given, mixture):
    return kernels.accumulate_with_information(kernels.pack(**given), *mixture)


def twin(given, covariances, mixture):
    seen = np.isfinite(given["values"]).any(axis=1)
    R = given["projections"]
    R = R[seen] if R is not None and R.ndim == 3 else R
    return reference.accumulate(
        given["values"][seen], covariances[seen], given["weights"][seen], *mixture, projections=R
    )


def assert_same(found, expected, relative):
    """Each sum agrees to a fraction of the largest element of its kind: sums of mixed sign cancel."""
    for name, wanted in vars(expected).items():
        if wanted is None:
            assert getattr(found, name) is None
            continue
        atol = relative * (1 + np.abs(wanted).max())
        np.testing.assert_allclose(getattr(found, name), wanted, rtol=0, atol=atol, err_msg=name)


# More exact values than coordinates have no density.
@pytest.mark.parametrize(
    ("noise", "D", "M"), [(noise, D, M) for noise in NOISES for D, M in SHAPES if noise != "none" or M <= D]
)
@pytest.mark.parametrize("common", [False, True], ids=["each its own", "one for all"])
@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
def test_the_compiled_pass_over_projections_equals_its_numpy_twin(missing, common, noise, D, M):
    for N in COUNTS:
        given, covariances, mixture = random_problem(
            [31, D, M, N], N, D, M, noise=noise, common=common, missing=missing
        )
        # Eigenvalues of T lie in 0.125 ... 6.5, condition below 52, five times that of the test without
        # projections, and its tolerance is 1e-11.
        assert_same(accumulate(given, mixture), twin(given, covariances, mixture), 5e-11)


@pytest.mark.parametrize("common", [False, True], ids=["each its own", "one for all"])
@pytest.mark.parametrize("scaled", [False, True], ids=["units", "scaled"])
def test_what_is_packed_is_in_units_of_the_scales(scaled, common):
    D, M, N = 3, 2, 50
    given, covariances, (weights, means, V) = random_problem([32, scaled], N, D, M, common=common, missing=True)
    location, scale = (np.array([1.0, -2.0, 0.5]), np.array([2.0, 0.5, 4.0])) if scaled else (np.zeros(D), np.ones(D))
    measured_scale = np.array([8.0, 0.25]) if scaled else np.ones(M)
    blocks = kernels.pack(**given, location=location, scale=scale, measured_scale=measured_scale)
    sums = kernels.accumulate_with_information(blocks, weights, (means - location) / scale, V / scale / scale[:, None])
    expected = twin(given, covariances, (weights, means, V))
    seen = np.isfinite(given["values"])
    jacobian = (given["weights"][:, None] * seen * np.log(measured_scale)).sum()
    both = scale * scale[:, None]
    expected = replace(
        expected,
        log_likelihood=expected.log_likelihood + jacobian,
        grad_mean=expected.grad_mean * scale,
        grad_covariance=expected.grad_covariance * both,
        information=expected.information * both,
    )
    assert_same(sums, expected, 5e-11)  # as above


@pytest.mark.parametrize("noise", NOISES)
def test_rows_of_the_identity_are_missing_values(noise):
    rng = np.random.default_rng(33)
    N, D, M = 200, 3, 2
    values, mixture = rng.standard_normal((N, D)), random_mixture(rng, 3, D)
    errors, covariances = random_noise(rng, noise, N, D)
    columns = np.sort(np.argsort(rng.random((N, D)), axis=1)[:, :M], axis=1)
    holes = np.full((N, D), np.nan)
    np.put_along_axis(holes, columns, np.take_along_axis(values, columns, axis=1), axis=1)
    object_weights = rng.uniform(0.5, 2.0, N)
    expected = kernels.accumulate_with_information(kernels.pack(holes, errors, object_weights), *mixture)
    rows = np.arange(N)[:, None, None]
    few = covariances[rows, columns[:, :, None], columns[:, None, :]]
    picked = {"values": np.take_along_axis(values, columns, axis=1), "noise": few, "weights": object_weights}
    sums = accumulate({**picked, "projections": np.eye(D)[columns]}, mixture)
    assert_same(sums, expected, 1e-11)  # condition below 10


@pytest.mark.parametrize("missing", [False, True])
def test_the_identity_for_all_is_no_projection(missing):
    given, _, mixture = random_problem(34, 130, 3, 3, missing=missing)
    direct = accumulate({**given, "projections": None}, mixture)
    for projections in (np.eye(3), np.broadcast_to(np.eye(3), (130, 3, 3))):
        assert_same(accumulate({**given, "projections": projections}, mixture), direct, 1e-11)  # condition below 10


@pytest.mark.parametrize("noise", NOISES)
def test_an_invertible_projection_is_a_change_of_variables(noise):
    D = 3
    given, covariances, mixture = random_problem(35, 90, D, D, noise=noise, common=True)
    R = given["projections"]
    inverse = np.linalg.inv(R)
    back = inverse @ covariances @ inverse.T
    solved = {
        "values": given["values"] @ inverse.T,
        "noise": 0.5 * (back + back.transpose(0, 2, 1)),
        "weights": given["weights"],
    }
    direct = kernels.accumulate_with_information(kernels.pack(**solved), *mixture)
    jacobian = given["weights"].sum() * np.log(abs(np.linalg.det(R)))
    expected = replace(direct, log_likelihood=direct.log_likelihood - jacobian)
    # R has a condition of 3, R R' of 9: nine times the tolerance of the twin's comparison without projections
    assert_same(accumulate(given, mixture), expected, 1e-10)


@pytest.mark.parametrize("common", [False, True], ids=["each its own", "one for all"])
@pytest.mark.parametrize(("D", "M"), [(1, 2), (3, 1), (3, 2), (2, 3)])
def test_the_sums_are_derivatives_of_the_log_likelihood(D, M, common):
    K, N = 2, 60
    given, _, (weights, means, V) = random_problem([36, D, M], N, D, M, common=common, missing=True, K=K)
    blocks = kernels.pack(**given)
    sums = kernels.accumulate(blocks, weights, means, V)

    def slope(a, b, c):
        h = 1e-5
        ends = [
            kernels.accumulate(blocks, weights * np.exp(s * a), means + s * b, V + s * c).log_likelihood
            for s in (h, -h)
        ]
        return (ends[0] - ends[1]) / (2 * h)

    # Rounding 1e-13 of lnL over h is 1e-8, truncation h^2 times a third derivative of some thousands 1e-7.
    rng = np.random.default_rng(37)
    for _ in range(6):
        a, b, c = rng.standard_normal(K), rng.standard_normal((K, D)), rng.standard_normal((K, D, D)) / D
        c = 0.5 * (c + c.transpose(0, 2, 1))
        expected = a @ sums.n_members + (b * sums.grad_mean).sum() + (c * sums.grad_covariance).sum()
        assert slope(a, b, c) == pytest.approx(expected, abs=3e-6)


@pytest.mark.parametrize("common", [False, True], ids=["each its own", "one for all"])
@pytest.mark.parametrize("missing", [False, True])
def test_densities_and_responsibilities_are_those_of_the_twin(missing, common):
    D, M, N = 3, 2, 150
    given, covariances, (weights, means, V) = random_problem(38, N, D, M, common=common, missing=missing)
    blocks = kernels.pack(**given)
    arguments, R = (given["values"], covariances), given["projections"]
    parts = [reference.component(*arguments, m, S, R)[0] for m, S in zip(means, V, strict=True)]
    joint = (np.log(weights)[:, None] + np.array(parts))[:, blocks.rows]
    expected = np.logaddexp.reduce(joint, axis=0)
    # condition below 52, log-densities below 200 in size: 52 * 200 * 1e-16
    np.testing.assert_allclose(kernels.log_likelihoods(blocks, weights, means, V), expected, rtol=0, atol=2e-12)
    shares = np.exp(joint - expected).T
    np.testing.assert_allclose(kernels.responsibilities(blocks, weights, means, V), shares, rtol=0, atol=2e-12)
    one = kernels.responsibilities(blocks, weights, means, V, component=1)
    np.testing.assert_allclose(one[:, 0], shares[:, 1], rtol=0, atol=2e-12)


@pytest.mark.parametrize("noise", ["none", "covariances"])
@pytest.mark.parametrize("common", [False, True], ids=["each its own", "one for all"])
def test_many_mixtures_at_once_have_the_likelihoods_of_each(common, noise):
    given, _, _ = random_problem(39, 300, 3, 2, noise=noise, common=common)
    rng, blocks = np.random.default_rng(40), kernels.pack(**given)
    mixtures = [random_mixture(rng, 3, 3) for _ in range(7)]
    mixtures[2][0][:] = 1.0, 0.0, 0.0
    mixtures[2][2][1] = -np.eye(3)
    stacked = [np.stack(arrays) for arrays in zip(*mixtures, strict=True)]
    expected = [kernels.accumulate(blocks, *mixture).log_likelihood for mixture in mixtures]
    np.testing.assert_allclose(kernels.total_log_likelihoods(blocks, *stacked), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("D", "M", "common"),
    [(3, 1, False), (3, 2, False), pytest.param(11, 2, False, marks=pytest.mark.slow), (3, 2, True)],
)
def test_results_have_the_same_bits_for_any_number_of_threads(threads_afterwards, D, M, common):  # noqa: ARG001
    given, _, mixture = random_problem(41, 30_001, D, M, common=common, missing=True)
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


def test_a_sample_is_some_of_the_objects_and_nothing_else():
    given, _, mixture = random_problem(42, 1003, 3, 2, missing=True)
    blocks = kernels.pack(**given)
    for wanted in (24, 100, 333):
        sample = blocks.subsample(wanted).subsample(wanted // 2)
        again = kernels.pack(**{name: array[sample.rows] for name, array in given.items()})
        np.testing.assert_array_equal(sample.n_present, again.n_present)
        assert_same(
            kernels.accumulate_with_information(sample, *mixture),
            kernels.accumulate_with_information(again, *mixture),
            1e-13,  # another order of adding up to 333 terms
        )
        np.testing.assert_array_equal(
            kernels.log_likelihoods(sample, *mixture), kernels.log_likelihoods(again, *mixture)
        )


@pytest.mark.parametrize("common", [False, True], ids=["each its own", "one for all"])
@pytest.mark.parametrize("noise", NOISES)
def test_packing_keeps_what_was_measured(noise, common):
    D, M, N = 3, 2, 100
    given, covariances, _ = random_problem(43, N, D, M, noise=noise, common=common, missing=True)
    R = given["projections"]
    R[..., 0, 1] = 0.0
    blocks = kernels.pack(**given)
    seen = np.isfinite(given["values"])[blocks.rows]
    R = np.broadcast_to(R, (N, M, D))[blocks.rows]
    variances = np.diagonal(covariances[blocks.rows], axis1=1, axis2=2)
    assert blocks.projected
    assert (blocks.n_dimensions, blocks.n_measured) == (D, M)
    np.testing.assert_array_equal(blocks.n_present, seen.sum(axis=1))
    assert blocks.n_values == pytest.approx(given["weights"][blocks.rows] @ seen.sum(axis=1), rel=1e-14)
    for a in range(M):
        np.testing.assert_array_equal(blocks.present(a), seen[:, a])
        np.testing.assert_array_equal(blocks.values(a), np.nan_to_num(given["values"][blocks.rows, a]))
        np.testing.assert_allclose(blocks.variances(a), variances[:, a] * seen[:, a], rtol=1e-15)
    for i in range(D):
        tells = seen & (R[:, :, i] != 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(tells, variances / R[:, :, i] ** 2, np.inf)
        np.testing.assert_allclose(blocks.coordinate_variances(i), each.min(axis=1), rtol=1e-14)
        np.testing.assert_array_equal(blocks.measures(i), tells.any(axis=1))
    assert np.isinf(blocks.coordinate_variances(1)).any()


def test_without_projections_a_coordinate_is_what_was_measured():
    given, _, _ = random_problem(44, 60, 2, 2, missing=True)
    blocks = kernels.pack(**{**given, "projections": None})
    assert not blocks.projected
    assert blocks.n_measured == blocks.n_dimensions == 2
    for i in range(2):
        np.testing.assert_array_equal(blocks.coordinate_variances(i), blocks.variances(i))
        np.testing.assert_array_equal(blocks.measures(i), blocks.present(i))


def test_the_projection_of_a_missing_value_is_irrelevant():
    given, covariances, mixture = random_problem(45, 80, 3, 2, missing=True)
    unknown = np.where(np.isnan(given["values"])[:, :, None], np.nan, given["projections"])
    spoilt = {**given, "projections": unknown, "noise": np.where(np.isnan(unknown[:, :, :1]), np.nan, covariances)}
    assert_same(accumulate(spoilt, mixture), accumulate(given, mixture), 0.0)


def test_a_projection_for_all_makes_exactly_symmetric_covariances():
    given, _, (weights, means, V) = random_problem(46, 10, 6, 3, common=True)
    assert (kernels.pack(**given).projection == given["projections"]).all()
    sums = accumulate(given, (weights, means, V))
    for matrices in (sums.grad_covariance, sums.information):
        np.testing.assert_array_equal(matrices, matrices.transpose(0, 2, 1))


@pytest.mark.parametrize("common", [False, True], ids=["each its own", "one for all"])
def test_more_exact_values_than_coordinates_are_impossible(common):
    given, _, mixture = random_problem(47, 20, 2, 3, noise="none", common=common)
    given["projections"][..., 2, :] = 0.0  # a value that is exactly zero whatever the coordinates, and is not
    sums = accumulate(given, mixture)
    assert sums.log_likelihood == -np.inf
    assert sums.grad_mean.shape == (3, 2)
    assert not sums.grad_covariance.any()


@pytest.mark.parametrize("common", [False, True], ids=["each its own", "one for all"])
def test_a_component_of_weight_zero_is_ignored(common):
    given, _, (weights, means, V) = random_problem(48, 60, 3, 2, common=common)
    two = accumulate(given, (weights[:2] / weights[:2].sum(), means[:2], V[:2]))
    V[2], means[2] = np.inf, np.nan
    three = accumulate(given, (np.append(weights[:2] / weights[:2].sum(), 0.0), means, V))
    assert three.log_likelihood == two.log_likelihood
    np.testing.assert_array_equal(three.grad_covariance[:2], two.grad_covariance)
    np.testing.assert_array_equal(three.grad_covariance[2], 0.0)


def test_parts_of_the_twin_are_derivatives_of_each_log_density():
    given, covariances, (_, means, V) = random_problem(49, 30, 3, 2, missing=True)
    arguments = given["values"], covariances

    def log_density(mean, covariance):
        return reference.component(*arguments, mean, covariance, given["projections"])[0]

    _, u, P = reference.component(*arguments, means[0], V[0], given["projections"])
    rng, h = np.random.default_rng(50), 1e-5
    b, c = rng.standard_normal(3), rng.standard_normal((3, 3))
    c = 0.5 * (c + c.T)
    # Rounding 1e-14 over h is 1e-9, truncation h^2 times a third derivative of some hundreds 1e-8.
    slope = (log_density(means[0] + h * b, V[0]) - log_density(means[0] - h * b, V[0])) / (2 * h)
    np.testing.assert_allclose(slope, u @ b, rtol=0, atol=1e-7)
    slope = (log_density(means[0], V[0] + h * c) - log_density(means[0], V[0] - h * c)) / (2 * h)
    H = u[:, :, None] * u[:, None, :] - P
    np.testing.assert_allclose(slope, 0.5 * (H * c).sum(axis=(1, 2)), rtol=0, atol=1e-7)


def test_a_value_that_sees_no_coordinate_only_adds_its_own_density():
    given, covariances, mixture = random_problem(51, 40, 3, 2)
    errors = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    given["projections"][:, 1] = 0.0
    both = accumulate({**given, "noise": errors}, mixture)
    alone = {**given, "values": given["values"][:, :1], "noise": errors[:, :1]}
    one = accumulate({**alone, "projections": given["projections"][:, :1]}, mixture)
    w, e = given["values"][:, 1], errors[:, 1]
    own = -0.5 * (w / e) ** 2 - np.log(e) - 0.5 * np.log(2 * np.pi)
    assert_same(both, replace(one, log_likelihood=one.log_likelihood + given["weights"] @ own), 1e-11)
