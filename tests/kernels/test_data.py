"""The contract of `Data`: what every source of data and every backend must do, on each device.

Add a new one to IMPLEMENTATIONS.
"""

from itertools import product

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from xdgmm import kernels
from xdgmm.kernels.reference import ReferenceData
from xdgmm.mixture.selected_boxes import BoxNormaliser


def pack_in_rows(values, noise, weights, location=0.0, scale=1.0, **given):
    """The same measurements as objects of one to three equal rows, whose factors sum to one."""
    owners = np.repeat(np.arange(len(values)), 1 + np.arange(len(values)) % 3)
    sizes = np.bincount(owners, minlength=len(values))
    factors = np.random.default_rng(3).uniform(0.2, 1.0, owners.size)
    factors /= np.bincount(owners, factors)[owners]
    rows = kernels.as_noise(noise, values.shape).select(owners)
    shifts = np.zeros((owners.size, values.shape[1]))
    mixture = kernels.NoiseMixture(np.concatenate([[0], np.cumsum(sizes)]), factors, shifts, rows)
    return kernels.pack(values, mixture, weights, location, scale, **given)


def joined(values, noise, weights, **given):
    """Two parts, every third object in the second one."""
    omega = np.ones(len(values)) if weights is None else weights
    first = np.arange(len(values)) % 3 > 0
    parts = [kernels.pack(values, noise, np.where(own, omega, 0.0), **given) for own in (first, ~first)]
    return kernels.JoinedData.of([part for part in parts if part.n_objects])


def all_selected(values, noise, weights, location=0.0, scale=1.0, **given):
    """The same measurements, of which a selection function lets in every object: a box without edges."""
    objects = kernels.pack(values, noise, weights, location, scale, **given)
    R = np.eye(objects.n_dimensions)[None, :1]
    edge = np.full((1, 1), np.inf)
    every = BoxNormaliser(-edge, edge, np.ones((1, 1, 1)), R, np.ones(1))
    return kernels.SelectedData(objects, every, np.zeros(objects.n_objects, int))


def streamed(values, noise, weights, **given):
    """Parts of nine rows, which are packed anew for each pass."""
    each = {name: given.pop(name) for name in ("background", "memberships") if name in given}
    if np.ndim(given.get("projections")) == 3:
        each["projections"] = given.pop("projections")
    noise = kernels.as_noise(noise, values.shape)

    def read():
        for first in range(0, len(values), 9):
            rows = slice(first, first + 9)
            own = {name: array[rows] for name, array in each.items()}
            omega = None if weights is None else weights[rows]
            yield kernels.PackedPart(first, kernels.pack(values[rows], noise.select(rows), omega, **given, **own))

    whole = kernels.pack(values, noise, weights, **given, **each)
    return kernels.StreamedData(read, whole, whole.n_objects, whole.total_weight)


class Log(dict):
    """Results of passes in memory."""

    add = dict.__setitem__


def recorded(*arguments, **given):
    return kernels.RecordedData(kernels.pack(*arguments, **given), Log(), b"")


IMPLEMENTATIONS = {
    "packed": kernels.pack,
    "reference": ReferenceData.pack,
    "grouped": pack_in_rows,
    "joined": joined,
    "selected": all_selected,
    "streamed": streamed,
    "recorded": recorded,
}
NOISES = ("none", "standard errors", "covariances")
SHAPES = ("complete", "missing", "one projection", "projections", "background", "memberships")
N, K, D = 61, 3, 2


def covariances(rng, n, size):
    factor = 0.4 * rng.standard_normal((n, size, size))
    return factor @ np.swapaxes(factor, 1, 2) + 0.05 * np.eye(size)


def measurements(noise, shape, n_dimensions=D):
    """Arguments of `pack`, and the weights, means and covariances of a mixture."""
    rng = np.random.default_rng(7)
    M = n_dimensions
    values = 1.5 * rng.standard_normal((N, M))
    given = {"values": values, "weights": rng.uniform(0.5, 2.0, N)}
    given["noise"] = {
        "none": None,
        "standard errors": rng.uniform(0.3, 1.0, (N, M)),
        "covariances": covariances(rng, N, M),
    }[noise]
    given["weights"][5] = 0.0
    values[9] = np.nan
    if shape == "missing":
        values[rng.random((N, M)) < 0.3] = np.nan
    if shape == "one projection":
        given["projections"] = np.eye(M) + 0.3 * rng.standard_normal((M, n_dimensions))
    if shape == "projections":
        given["projections"] = np.eye(M) + 0.2 * rng.uniform(-1, 1, (N, M, n_dimensions))
    if shape == "background":
        given["background"] = rng.normal(-5.0, 2.0, N)
    if shape == "memberships":
        given["memberships"] = rng.dirichlet(np.ones(K), N)
        given["memberships"][3] = [0.0, 1.0, 0.0]
    weights = rng.dirichlet(np.full(K + (shape == "background"), 4.0))
    return given, (
        weights,
        rng.standard_normal((K, n_dimensions)),
        covariances(rng, K, n_dimensions) + 0.3 * np.eye(n_dimensions),
    )


def by_definition(given, mixture):
    """Log of weight times density of every component at every object that counts, by SciPy; and which objects."""
    weights, means, V = mixture
    values = given["values"]
    kept = np.flatnonzero(np.isfinite(values).any(axis=1) & (given["weights"] > 0))
    joint = np.empty((kept.size, weights.size))
    for row, i in enumerate(kept):
        seen = np.isfinite(values[i])
        S = kernels.as_noise(given["noise"], values.shape).covariances()[i]
        R = np.broadcast_to(given.get("projections", np.eye(means.shape[1])), (N, *S.shape[:1], means.shape[1]))[i][
            seen
        ]
        for k in range(len(means)):
            T = R @ V[k] @ R.T + S[np.ix_(seen, seen)]
            joint[row, k] = np.log(weights[k]) + multivariate_normal(R @ means[k], T).logpdf(values[i, seen])
        if "memberships" in given:
            with np.errstate(divide="ignore"):
                joint[row, :K] += np.log(given["memberships"][i]) - np.log(weights[:K])
        if "background" in given:
            joint[row, -1] = np.log(weights[-1]) + given["background"][i]
    return joint, kept


# Each combination of noise and shape compiles kernels for seconds: these hold every noise and every shape.
CASES = [
    *(("covariances", shape) for shape in SHAPES),
    *(("standard errors", shape) for shape in ("missing", "memberships")),
    *(("none", shape) for shape in ("complete", "background")),
]
COMBINATIONS = [
    (name, *case)
    for name, case in product(IMPLEMENTATIONS, CASES)
    if name != "grouped" or "projection" not in case[1]  # noise mixtures are not combined with projections
]


# A card is emulated, which takes longer; all other implementations consist of packed data.
ON_CARD = [
    pytest.param(("card", *each), marks=[] if each[0] == "packed" or each[1:] == CASES[-1] else pytest.mark.slow)
    for each in COMBINATIONS
    if each[0] != "reference"
]
ON_GPU = [
    pytest.param(("gpu", *each), marks=pytest.mark.gpu)
    for each in COMBINATIONS
    if each[0] == "packed" or (each[0] != "reference" and each[1:] == CASES[-1])
]
CARDS = {"card": "on_card", "gpu": "on_gpu"}  # the fixtures that make passes there
PACKS = [
    *(("cpu", name) for name in IMPLEMENTATIONS),
    ("card", "packed"),
    pytest.param(("gpu", "packed"), marks=pytest.mark.gpu),
]


@pytest.fixture(params=PACKS, ids=" on ".join)
def pack(request):
    device, name = request.param
    if device in CARDS:
        request.getfixturevalue(CARDS[device])
    return IMPLEMENTATIONS[name]


@pytest.fixture(params=[*(("cpu", *each) for each in COMBINATIONS), *ON_CARD, *ON_GPU], ids=" and ".join)
def combination(request):
    device, name, *each = request.param
    if device in CARDS:
        request.getfixturevalue(CARDS[device])
    return IMPLEMENTATIONS[name], *measurements(*each)


def test_it_has_the_methods_and_the_totals(combination):
    pack, given, mixture = combination
    data = pack(**given)
    assert isinstance(data, kernels.Data)
    kept = by_definition(given, mixture)[1]
    np.testing.assert_array_equal(data.rows, kept)
    assert (data.n_objects, data.n_dimensions) == (kept.size, D)
    np.testing.assert_array_equal(data.object_weights, given["weights"][kept])
    assert data.total_weight == pytest.approx(given["weights"][kept].sum(), rel=1e-13)
    assert data.projected == ("projections" in given)


@pytest.mark.parametrize("noise", NOISES)
def test_a_background_can_have_other_densities(pack, noise):
    given, mixture = measurements(noise, "background")
    if pack is all_selected:
        pytest.skip("a background beside a selection function has no other edges")
    data, other = pack(**given), np.random.default_rng(8).normal(-4.0, 1.0, N)
    again = pack(**{**given, "background": other})
    changed = data.with_background(other[data.rows])
    np.testing.assert_allclose(changed.log_likelihoods(*mixture), again.log_likelihoods(*mixture), rtol=1e-14)
    before = pack(**given).log_likelihoods(*mixture)
    np.testing.assert_array_equal(data.log_likelihoods(*mixture), before)


def test_densities_are_those_of_the_definition(combination):
    pack, given, mixture = combination
    data, (joint, kept) = pack(**given), by_definition(given, mixture)
    expected = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(data.log_likelihoods(*mixture), expected, rtol=0, atol=1e-11)
    r = np.exp(joint - expected[:, None])
    np.testing.assert_allclose(data.responsibilities(*mixture), r, rtol=0, atol=1e-11)
    np.testing.assert_allclose(data.responsibilities(*mixture, component=1), r[:, [1]], rtol=0, atol=1e-11)
    statistics = data.accumulate(*mixture)
    assert statistics.log_likelihood == pytest.approx(given["weights"][kept] @ expected, rel=1e-12)
    np.testing.assert_allclose(statistics.n_members, given["weights"][kept] @ r, rtol=1e-11)


def test_the_gradient_is_that_of_the_log_likelihood(combination):
    pack, given, (weights, means, V) = combination
    data, step = pack(**given), 1e-5
    statistics = data.accumulate(weights, means, V)
    for k, i in product(range(K), range(D)):
        shift = np.zeros_like(means)
        shift[k, i] = step
        rise = data.log_likelihoods(weights, means + shift, V) - data.log_likelihoods(weights, means - shift, V)
        assert data.object_weights @ rise / (2 * step) == pytest.approx(statistics.grad_mean[k, i], abs=1e-6, rel=1e-6)
    for k, i, j in product(range(K), range(D), range(D)):
        shift = np.zeros_like(V)
        shift[k, i, j] = shift[k, j, i] = step
        rise = data.log_likelihoods(weights, means, V + shift) - data.log_likelihoods(weights, means, V - shift)
        expected = (2.0 if i != j else 1.0) * statistics.grad_covariance[k, i, j]
        assert data.object_weights @ rise / (2 * step) == pytest.approx(expected, abs=1e-6, rel=1e-6)


def test_the_information_is_that_of_known_labels(combination):
    # with known labels it is minus the second derivative of ln N(w | R m, T) with respect to m
    pack, given, mixture = combination
    data = pack(**given)
    found = data.accumulate_with_information(*mixture)
    r, values, expected = data.responsibilities(*mixture), given["values"], np.zeros((K, D, D))
    S = kernels.as_noise(given["noise"], values.shape).covariances()
    R = np.broadcast_to(given.get("projections", np.eye(D)), (N, *S.shape[1:2], D))
    for row, i in enumerate(data.rows):
        seen = np.isfinite(values[i])
        for k in range(K):
            T = R[i][seen] @ mixture[2][k] @ R[i][seen].T + S[i][np.ix_(seen, seen)]
            expected[k] += given["weights"][i] * r[row, k] * R[i][seen].T @ np.linalg.solve(T, R[i][seen])
    np.testing.assert_allclose(found.information, expected, rtol=1e-9, atol=1e-9)
    without = data.accumulate(*mixture)
    assert without.information is None
    np.testing.assert_allclose(without.grad_covariance, found.grad_covariance, rtol=0, atol=1e-11)


def test_statistics_add(combination):
    pack, given, mixture = combination
    parts = [
        {
            name: array[rows] if name != "projections" or np.ndim(array) == 3 else array
            for name, array in given.items()
            if array is not None
        }
        | ({"noise": None} if given["noise"] is None else {})
        for rows in (slice(23), slice(23, None))
    ]
    one, other = (pack(**part).accumulate_with_information(*mixture) for part in parts)
    for name, whole in vars(pack(**given).accumulate_with_information(*mixture)).items():
        if whole is not None:
            np.testing.assert_allclose(getattr(one + other, name), whole, rtol=1e-11, atol=1e-11, err_msg=name)


def test_many_mixtures_are_each_of_them(combination):
    pack, given, mixture = combination
    data, moved = pack(**given), (mixture[0], mixture[1] + 0.3, mixture[2])
    found = data.total_log_likelihoods(*(np.stack(pair) for pair in zip(mixture, moved, strict=True)))
    expected = [data.accumulate(*each).log_likelihood for each in (mixture, moved)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_posteriors_are_those_of_the_joint_gaussian(combination):
    # true and measured values are jointly Gaussian under each component
    pack, given, mixture = combination
    data, (joint, kept) = pack(**given), by_definition(given, mixture)
    r = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
    found = data.posteriors(*mixture, of_each=True)
    np.testing.assert_allclose(found.log_likelihoods, np.logaddexp.reduce(joint, axis=1), rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.responsibilities, r, rtol=0, atol=1e-11)
    means, covariances, distances = np.empty((kept.size, K, D)), np.empty((kept.size, K, D, D)), np.empty(r.shape)
    for row, k in product(range(kept.size), range(K)):
        R, S, seen = projected_noise(given, kept[row])
        m, V, w = mixture[1][k], mixture[2][k], given["values"][kept[row], seen]
        T = R @ V @ R.T + S
        means[row, k] = m + V @ R.T @ np.linalg.solve(T, w - R @ m)
        covariances[row, k] = V - V @ R.T @ np.linalg.solve(T, R @ V)
        distances[row, k] = np.sqrt((w - R @ m) @ np.linalg.solve(T, w - R @ m))
    np.testing.assert_allclose(found.means_of_each, means, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.covariances_of_each, covariances, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.distances, distances[np.arange(kept.size), r[:, :K].argmax(axis=1)], rtol=1e-10)
    among = r[:, :K] / r[:, :K].sum(axis=1, keepdims=True)
    mean = np.einsum("nk,nki->ni", among, means)
    squares = np.einsum("nk,nkij->nij", among, covariances + means[..., :, None] * means[..., None, :])
    np.testing.assert_allclose(found.means, mean, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.covariances, squares - mean[:, :, None] * mean[:, None], rtol=0, atol=1e-10)
    alone = data.posteriors(*mixture)
    assert alone.means_of_each is None
    np.testing.assert_allclose(alone.covariances, found.covariances, rtol=0, atol=1e-14)


def projected_noise(given, i):
    """R and S of the values that an object has, and which these are."""
    seen = np.isfinite(given["values"][i])
    S = kernels.as_noise(given["noise"], given["values"].shape).covariances()[i]
    R = np.broadcast_to(given.get("projections", np.eye(D)), (N, len(S), D))[i]
    return R[seen], S[np.ix_(seen, seen)], seen


def test_gradients_under_many_mixtures_have_the_bits_of_each(combination):
    pack, given, mixture = combination
    singular = mixture[0], mixture[1], np.full_like(mixture[2], np.nan)  # as steps beyond what is possible
    data, mixtures = pack(**given), [mixture, (mixture[0], mixture[1] + 0.3, mixture[2]), mixture]
    if isinstance(data, kernels.PackedData):
        mixtures.append(singular)
    found = data.gradients(*(np.stack(part) for part in zip(*mixtures, strict=True)))
    for w, each in enumerate(mixtures):
        one = data.accumulate(*each)
        assert found.log_likelihoods[w] == one.log_likelihood
        np.testing.assert_array_equal(found.n_members[w], one.n_members)
        np.testing.assert_array_equal(found.grad_means[w], one.grad_mean)
        np.testing.assert_array_equal(found.grad_covariances[w], one.grad_covariance)


def test_a_subsample_is_some_of_the_objects_always_the_same(combination):
    pack, given, mixture = combination
    data = pack(**given)
    sample, again = data.subsample(20), data.subsample(20)
    assert 5 <= sample.n_objects <= 40
    np.testing.assert_array_equal(sample.rows, again.rows)
    assert set(sample.rows) < set(data.rows)
    whole = dict(zip(data.rows, data.log_likelihoods(*mixture), strict=True))
    expected = [whole[row] for row in sample.rows]
    np.testing.assert_allclose(sample.log_likelihoods(*mixture), expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(sample.object_weights, given["weights"][sample.rows])
    assert sample.accumulate(*mixture).log_likelihood == pytest.approx(sample.object_weights @ expected, rel=1e-12)
    assert data.subsample(10 * N).n_objects == data.n_objects


def test_effective_sizes_and_typical_errors_are_those_of_the_members(combination):
    pack, given, mixture = combination
    data = pack(**given)
    members = data.object_weights[:, None] * data.responsibilities(*mixture)[:, :K]
    np.testing.assert_allclose(
        data.effective_sizes(*mixture), members.sum(axis=0) ** 2 / (members**2).sum(axis=0), rtol=1e-10
    )
    errors = data.typical_errors(*mixture)
    assert errors.shape == (K, D)
    if "projections" in given:
        return
    variances = kernels.as_noise(given["noise"], given["values"].shape).variances[data.rows]
    seen = np.isfinite(given["values"][data.rows])
    for k, i in product(range(K), range(D)):
        below = (np.sqrt(variances[:, i]) < errors[k, i] - 1e-12) & seen[:, i]
        above = (np.sqrt(variances[:, i]) > errors[k, i] + 1e-12) & seen[:, i]
        half = 0.5 * members[seen[:, i], k].sum()
        assert members[below, k].sum() <= half * (1 + 1e-12)
        assert members[above, k].sum() <= half * (1 + 1e-12)


@pytest.mark.parametrize("noise", NOISES)
def test_the_profile_of_one_sigma_is_that_of_its_members(pack, noise):
    given, mixture = measurements(noise, "complete", 1)
    data = pack(**given)
    if not data.has_sigma_profile:
        assert data.sigma_profile(*mixture, 0) is None
        return
    for k in range(K):
        profile = data.sigma_profile(*mixture, k)
        w = data.object_weights * data.responsibilities(*mixture, component=k)[:, 0]
        x = given["values"][data.rows, 0]
        e2 = kernels.as_noise(given["noise"], given["values"].shape).variances[data.rows, 0]
        assert (profile.span, profile.lowest) == (np.ptp(x), x.min())
        assert profile.any_exact == (noise == "none")
        t = 0.7 + e2
        mean = (w * x / t).sum() / (w / t).sum()
        expected = (
            mean,
            (w / t).sum(),
            (w * (x - mean) ** 2 / t**2).sum(),
            -0.5 * (w * (np.log(t) + (x - mean) ** 2 / t)).sum(),
        )
        np.testing.assert_allclose(profile(0.7), expected, rtol=1e-12)
    no_members = np.array([1.0, 0.0, 0.0])
    assert data.sigma_profile(no_members, *mixture[1:], 2) is None


@pytest.mark.parametrize("pack", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
@pytest.mark.parametrize("dead", range(K))
def test_one_component_beside_one_of_weight_zero_has_its_column(pack, dead):
    given, (weights, means, V) = measurements("standard errors", "complete")
    data = pack(**given)
    weights = np.where(np.arange(K) == dead, 0.0, weights)
    weights /= weights.sum()
    whole = data.responsibilities(weights, means, V)
    assert (whole[:, dead] == 0).all()
    for k in range(K):
        np.testing.assert_array_equal(data.responsibilities(weights, means, V, k)[:, 0], whole[:, k])


@pytest.mark.parametrize("information", [True, False])
def test_impossible_objects_give_minus_infinity_and_no_nan(pack, information):
    data = pack(np.array([[0.5], [0.5]]), np.array([[0.0], [1.0]]), None)
    mixture = np.ones(1), np.zeros((1, 1)), np.zeros((1, 1, 1))
    statistics = (data.accumulate_with_information if information else data.accumulate)(*mixture)
    assert statistics.log_likelihood == -np.inf
    assert not any(
        np.any(each) for name, each in vars(statistics).items() if name != "log_likelihood" and each is not None
    )


def test_in_one_dimension_the_squared_information_is_known(pack):
    given, mixture = measurements("standard errors", "complete", 1)
    data = pack(**given)
    r, e2 = data.responsibilities(*mixture), given["noise"][data.rows, 0] ** 2
    expected = [data.object_weights @ (r[:, k] / (mixture[2][k, 0, 0] + e2) ** 2) for k in range(K)]
    np.testing.assert_allclose(data.accumulate_with_information(*mixture).squared_information, expected, rtol=1e-12)
