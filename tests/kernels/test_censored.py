"""Objects with a limit: densities, derivatives and posteriors against integrals, laws and the NumPy twin."""

from itertools import product

import numpy as np
import pytest
from scipy.integrate import dblquad, quad_vec
from scipy.special import erfcx, log_ndtr
from scipy.stats import multivariate_normal, norm

from xdgmm import kernels
from xdgmm.kernels.censored import truncations
from xdgmm.kernels.reference import ReferenceData
from xdgmm.kernels.threads import set_num_threads

N, K, D = 40, 3, 3
NOISES = ("none", "standard errors", "covariances")
SHAPES = ("complete", "missing", "background", "memberships")
# Each combination compiles kernels for seconds: these hold every noise and every shape.
CASES = [
    *(("covariances", shape) for shape in SHAPES),
    ("standard errors", "missing"),
    ("none", "complete"),
]


def covariances(rng, n, size):
    factor = 0.4 * rng.standard_normal((n, size, size))
    return factor @ np.swapaxes(factor, 1, 2) + 0.05 * np.eye(size)


def measurements(noise, shape, n_dimensions=D, n_objects=N, share=0.6):
    """Arguments of `pack`, and a mixture."""
    rng = np.random.default_rng(11)
    values = 1.5 * rng.standard_normal((n_objects, n_dimensions))
    if shape == "missing":
        values[rng.random(values.shape) < 0.3] = np.nan
    limits = np.zeros(values.shape, np.int8)
    place = rng.integers(n_dimensions, size=n_objects)
    chosen = np.flatnonzero(rng.random(n_objects) < share)
    limits[chosen, place[chosen]] = rng.choice([-1, 1], chosen.size)
    values[chosen, place[chosen]] = rng.standard_normal(chosen.size)
    S = covariances(rng, n_objects, n_dimensions)
    free = limits == 0  # the error of a limit is independent of the others
    S = np.where((free[:, :, None] & free[:, None, :]) | np.eye(n_dimensions, dtype=bool), S, 0.0)
    errors = rng.uniform(0.3, 1.0, values.shape)
    errors[chosen[::3], place[chosen[::3]]] = 0.0
    given = {"none": None, "standard errors": errors, "covariances": S}[noise]
    given = {"values": values, "noise": kernels.as_noise(given, values.shape), "limits": limits}
    given["weights"] = rng.uniform(0.5, 2.0, n_objects)
    given["weights"][5] = 0.0
    if shape == "background":
        given["background"] = rng.normal(-5.0, 2.0, n_objects)
    if shape == "memberships":
        given["memberships"] = rng.dirichlet(np.ones(K), n_objects)
        given["memberships"][3] = [0.0, 1.0, 0.0]
    weights = rng.dirichlet(np.full(K + (shape == "background"), 4.0))
    V = covariances(rng, K, n_dimensions) + 0.3 * np.eye(n_dimensions)
    return given, (weights, rng.standard_normal((K, n_dimensions)), V)


def integrals(w, S, limits, m, V):
    """Density, mean and covariance of the true values of one object under one Gaussian.

    By integrating over the noisy value of the censored coordinate what holds if it were measured.
    """
    seen = np.isfinite(w)
    T = (V + S)[np.ix_(seen, seen)]
    inverse, root = np.linalg.inv(T), np.sqrt(np.linalg.det(2 * np.pi * T))
    G = V[:, seen] @ inverse
    C = V - G @ V[seen]
    if not limits.any():
        d = w[seen] - m[seen]
        return multivariate_normal(m[seen], T).pdf(w[seen]), m + G @ d, C
    c = int(np.flatnonzero(limits)[0])
    width = np.sqrt(V[c, c] + S[c, c])

    def integrand(y):
        d = np.where(np.arange(len(w)) == c, y, w)[seen] - m[seen]
        mean = m + G @ d
        p = np.exp(-0.5 * d @ inverse @ d) / root
        return p * np.concatenate([[1.0], mean, (C + np.outer(mean, mean)).ravel()])

    far = limits[c] * 12 * width
    ends = sorted([w[c], max(w[c], m[c]) + far if far > 0 else min(w[c], m[c]) + far])
    total = quad_vec(integrand, *ends, epsabs=0, epsrel=1e-11, points=[m[c]])[0]
    mean = total[1 : 1 + len(w)] / total[0]
    return total[0], mean, total[1 + len(w) :].reshape(C.shape) / total[0] - np.outer(mean, mean)


def by_integration(given, mixture):
    """Log of weight times density (n, S), and moments of the true values under each Gaussian (n, K, ...)."""
    weights, means, V = mixture
    kept = np.flatnonzero(np.isfinite(given["values"]).any(axis=1) & (given["weights"] > 0))
    S = given["noise"].covariances()
    joint = np.empty((kept.size, weights.size))
    m, C = np.empty((kept.size, K, D)), np.empty((kept.size, K, D, D))
    for (row, i), k in product(enumerate(kept), range(K)):
        p, m[row, k], C[row, k] = integrals(given["values"][i], S[i], given["limits"][i], means[k], V[k])
        weight = given["memberships"][i, k] if "memberships" in given else weights[k]  # in the place of the weights
        with np.errstate(divide="ignore"):
            joint[row, k] = np.log(weight * p)
    if "background" in given:
        joint[:, -1] = np.log(weights[-1]) + given["background"][kept]
    return joint, kept, m, C


@pytest.mark.parametrize(("noise", "shape"), CASES)
def test_densities_and_posteriors_are_integrals(noise, shape):
    given, mixture = measurements(noise, shape, n_objects=12)
    data, (joint, kept, m, C) = kernels.pack(**given), by_integration(given, mixture)
    assert isinstance(data, kernels.Data)
    np.testing.assert_array_equal(data.rows, kept)
    np.testing.assert_array_equal(data.object_weights, given["weights"][kept])
    assert (data.n_objects, data.n_dimensions, data.projected) == (kept.size, D, False)
    expected = np.logaddexp.reduce(joint, axis=1)
    r = np.exp(joint - expected[:, None])
    np.testing.assert_allclose(data.log_likelihoods(*mixture), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(data.responsibilities(*mixture), r, rtol=0, atol=1e-9)
    np.testing.assert_allclose(data.responsibilities(*mixture, component=1), r[:, [1]], rtol=0, atol=1e-9)
    found = data.posteriors(*mixture, of_each=True)
    np.testing.assert_allclose(found.means_of_each, m, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.covariances_of_each, C, rtol=0, atol=1e-8)
    among = r[:, :K] / r[:, :K].sum(axis=1, keepdims=True)
    mean = np.einsum("nk,nki->ni", among, m)
    squares = np.einsum("nk,nkij->nij", among, C + m[..., :, None] * m[..., None, :])
    np.testing.assert_allclose(found.means, mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.covariances, squares - mean[:, :, None] * mean[:, None], rtol=0, atol=1e-8)


def test_the_density_is_the_integral_over_true_values():
    # int N(v | m, V) N(w_1 | v_1, e_1^2) Phi((L - v_2) / e_2) dv
    m, V, w, L, e = np.array([0.2, -0.4]), np.array([[1.0, 0.6], [0.6, 0.8]]), 1.1, -0.7, (0.5, 0.3)
    prior = multivariate_normal(m, V)

    def integrand(second, first):
        return prior.pdf([first, second]) * norm.pdf(w, first, e[0]) * norm.cdf((L - second) / e[1])

    expected = dblquad(integrand, -7, 7, -7, 7, epsabs=1e-10, epsrel=1e-9)[0]
    data = kernels.pack(
        np.array([[w, L]]), kernels.as_noise(np.array([e]), (1, 2)), None, limits=np.array([[0, -1]], np.int8)
    )
    assert data.log_likelihoods(np.ones(1), m[None], V[None])[0] == pytest.approx(np.log(expected), abs=1e-7)


@pytest.mark.parametrize(("noise", "shape"), CASES)
def test_sums_are_those_of_the_plain_reference(noise, shape):
    given, mixture = measurements(noise, shape)
    data, twin = kernels.pack(**given), ReferenceData.pack(**given)
    assert not data.has_sigma_profile
    assert not twin.has_sigma_profile
    found, expected = (each.accumulate_with_information(*mixture) for each in (data, twin))
    for name, array in vars(expected).items():
        if array is not None:
            np.testing.assert_allclose(getattr(found, name), array, rtol=1e-10, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(data.effective_sizes(*mixture), twin.effective_sizes(*mixture), rtol=1e-10)
    np.testing.assert_allclose(data.typical_errors(*mixture), twin.typical_errors(*mixture), rtol=1e-10)
    moved = mixture[0], mixture[1] + 0.3, mixture[2]
    several = [np.stack(pair) for pair in zip(mixture, moved, strict=True)]
    gradients = data.gradients(*several)
    for w, each in enumerate((mixture, moved)):
        one = data.accumulate(*each)
        assert gradients.log_likelihoods[w] == one.log_likelihood
        np.testing.assert_array_equal(gradients.grad_covariances[w], one.grad_covariance)
    np.testing.assert_allclose(data.total_log_likelihoods(*several), gradients.log_likelihoods, rtol=1e-12)


@pytest.mark.parametrize(("noise", "shape"), CASES)
def test_derivatives_are_those_of_the_log_likelihood(noise, shape):
    given, (weights, means, V) = measurements(noise, shape)
    data, step = kernels.pack(**given), 1e-5
    found = data.accumulate_with_information(weights, means, V)

    def total(weights, means, V):
        return data.object_weights @ data.log_likelihoods(weights, means, V)

    for k, i in product(range(K), range(D)):
        shift = np.zeros_like(means)
        shift[k, i] = step
        rise = total(weights, means + shift, V) - total(weights, means - shift, V)
        assert rise / (2 * step) == pytest.approx(found.grad_mean[k, i], abs=1e-6, rel=1e-6)
    for k, i, j in product(range(K), range(D), range(D)):
        shift = np.zeros_like(V)
        shift[k, i, j] = shift[k, j, i] = step
        rise = total(weights, means, V + shift) - total(weights, means, V - shift)
        expected = (2.0 if i != j else 1.0) * found.grad_covariance[k, i, j]
        assert rise / (2 * step) == pytest.approx(expected, abs=1e-6, rel=1e-6)


@pytest.mark.parametrize("noise", NOISES)
def test_the_information_is_minus_the_second_derivative(noise):
    given, (_, means, V) = measurements(noise, "missing")
    data, step = kernels.pack(**given), 1e-4
    alone = np.ones(1), means[:1], V[:1]
    found = data.accumulate_with_information(*alone)
    for i in range(D):
        shift = np.zeros((1, D))
        shift[0, i] = step
        ends = [data.accumulate(np.ones(1), means[:1] + s * shift, V[:1]).grad_mean[0] for s in (-1, 1)]
        np.testing.assert_allclose(found.information[0, i], (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-6)
    assert (np.linalg.eigvalsh(found.information[0]) > 0).all()


def test_below_and_above_together_are_no_limit():
    rng = np.random.default_rng(3)
    w = rng.standard_normal((30, D))
    noise = kernels.as_noise(rng.uniform(0.2, 0.6, w.shape), w.shape)
    _, mixture = measurements("none", "complete")
    limits = np.zeros(w.shape, np.int8)
    densities = []
    for sign in (-1, 1):
        limits[:, 1] = sign
        data = kernels.pack(w, noise, None, limits=limits)
        densities.append(data.log_likelihoods(*mixture))
    missing = kernels.pack(np.where(limits == 0, w, np.nan), noise, None).log_likelihoods(*mixture)
    np.testing.assert_allclose(np.logaddexp(*densities), missing, rtol=1e-12, atol=1e-12)


def test_a_limit_that_excludes_nothing_is_a_missing_value():
    given, mixture = measurements("standard errors", "missing")
    free = given["limits"] == 0
    given["values"] = np.where(free, given["values"], -1e6 * given["limits"])
    data = kernels.pack(**given)
    values = np.where(free, given["values"], np.nan)
    missing = kernels.pack(values, given["noise"], given["weights"])
    found, expected = (each.accumulate_with_information(*mixture) for each in (data, missing))
    for name in ("grad_mean", "grad_covariance", "information"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("sigmas", [0.5, 4.0, 40.0, 1e4, 1e8])
def test_far_beyond_a_limit_derivatives_stay_right(sigmas):
    # ln Phi(-t) = -t^2 / 2 - ln(t sqrt(2 pi)) + ln(1 - 1 / t^2 + 3 / t^4 - ...), and its derivatives by the mean
    T = 1.0 + 0.5**2
    L = -sigmas * np.sqrt(T)
    data = kernels.pack(
        np.array([[L]]), kernels.as_noise(np.array([[0.5]]), (1, 1)), None, limits=np.array([[-1]], np.int8)
    )
    found = data.accumulate_with_information(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    assert found.log_likelihood == pytest.approx(log_ndtr(-sigmas), rel=1e-13)
    hazard = np.sqrt(2 / np.pi) / erfcx(sigmas / np.sqrt(2))
    assert found.grad_mean[0, 0] == pytest.approx(-hazard / np.sqrt(T), rel=1e-13)
    assert 2 * found.grad_covariance[0, 0, 0] == pytest.approx(hazard * sigmas / T, rel=1e-12)
    series = 1 / sigmas**2 - 6 / sigmas**4 + 50 / sigmas**6 - 518 / sigmas**8
    kept = 1.0 - hazard * (hazard - sigmas) if sigmas < 10 else series
    assert found.information[0, 0, 0] == pytest.approx((1 - kept) / T, rel=1e-12)
    posterior = data.posteriors(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    expected = 0.5**2 / T + kept / T  # the noise leaves V S / T; the limit V^2 / T^2 of the truncated variance T kept
    assert posterior.covariances[0, 0, 0] == pytest.approx(expected, rel=1e-7)
    assert posterior.distances[0] == pytest.approx(sigmas, rel=1e-13)


def test_truncated_moments_are_continuous_where_the_formula_changes():
    x = np.array([-4.0 - 1e-9, -4.0 + 1e-9, 0.0, 5.0, 40.0, np.inf, -1e160])
    found = np.empty((x.size, 4))
    truncations(x, found)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-7)
    np.testing.assert_allclose(found[2], [np.log(0.5), np.sqrt(2 / np.pi), 2 / np.pi, 1 - 2 / np.pi], rtol=1e-14)
    np.testing.assert_allclose(found[:5, 0], log_ndtr(x[:5]), rtol=1e-13)
    np.testing.assert_allclose(found[:5, 1], np.sqrt(2 / np.pi) / erfcx(-x[:5] / np.sqrt(2)), rtol=1e-12)
    np.testing.assert_array_equal(found[5], [0.0, 0.0, 0.0, 1.0])
    assert np.isfinite(found[6, 1:]).all()


def test_a_certain_value_lies_on_one_side_of_its_limit():
    limits = np.array([[0, -1], [0, -1], [0, 1]], np.int8)
    values = np.array([[0.5, 1.0], [0.5, -1.0], [0.5, -1.0]])  # the component has no width in the second coordinate
    noise = kernels.as_noise(np.array([[0.5, 0.0]] * 3), values.shape)
    mixture = np.ones(1), np.zeros((1, 2)), np.diag([1.0, 0.0])[None]
    found = kernels.pack(values, noise, None, limits=limits).log_likelihoods(*mixture)
    density = norm.logpdf(0.5, 0.0, np.sqrt(1.25))
    np.testing.assert_allclose(found, [density, -np.inf, density], rtol=1e-13)
    data = kernels.pack(values, noise, None, limits=limits)
    statistics = data.accumulate_with_information(*mixture)
    assert statistics.log_likelihood == -np.inf
    assert not any(np.any(each) for name, each in vars(statistics).items() if name != "log_likelihood")
    possible = kernels.pack(values[::2], noise.select([0, 2]), None, limits=limits[::2])
    statistics = possible.accumulate_with_information(*mixture)
    np.testing.assert_allclose(statistics.information, np.diag([2 / 1.25, 0.0])[None], rtol=1e-13)
    posteriors = possible.posteriors(*mixture)
    np.testing.assert_allclose(posteriors.means, [[0.4, 0.0]] * 2, rtol=1e-13)
    np.testing.assert_allclose(posteriors.covariances, [np.diag([0.2, 0.0])] * 2, rtol=1e-12)


def test_singular_values_beside_a_limit_are_impossible():
    values, limits = np.array([[0.5, 1.0]]), np.array([[0, -1]], np.int8)
    data = kernels.pack(values, kernels.as_noise(None, (1, 2)), None, limits=limits)
    mixture = np.ones(1), np.zeros((1, 2)), np.diag([0.0, 1.0])[None]
    assert data.accumulate(*mixture).log_likelihood == -np.inf
    assert data.log_likelihoods(*mixture)[0] == -np.inf


def test_the_number_of_threads_changes_no_bit():
    given, mixture = measurements("standard errors", "missing", n_objects=5000)
    data, found = kernels.pack(**given), []
    for n in (1, 2, 3):
        set_num_threads(n)
        try:
            found.append((data.accumulate_with_information(*mixture), data.log_likelihoods(*mixture)))
        finally:
            set_num_threads(None)
    for statistics, densities in found[1:]:
        for name, array in vars(found[0][0]).items():
            np.testing.assert_array_equal(getattr(statistics, name), array)
        np.testing.assert_array_equal(densities, found[0][1])


def test_standardised_limits_are_the_same_limits():
    given, (weights, means, V) = measurements("covariances", "missing")
    location, scale = np.array([0.5, -1.0, 2.0]), np.array([2.0, 0.5, 4.0])
    data = kernels.pack(**given, location=location, scale=scale)
    found = data.log_likelihoods(weights, (means - location) / scale, V / scale[:, None] / scale)
    measured = np.isfinite(given["values"]) & (given["limits"] == 0)
    expected = kernels.pack(**given).log_likelihoods(weights, means, V)
    np.testing.assert_allclose(found - (measured @ np.log(scale))[data.rows], expected, rtol=0, atol=1e-12)


def test_other_densities_of_the_background_and_subsamples_keep_the_rows():
    given, mixture = measurements("standard errors", "background", n_objects=200)
    data, other = kernels.pack(**given), np.random.default_rng(5).normal(-4.0, 1.0, 200)
    again = kernels.pack(**{**given, "background": other})
    changed = data.with_background(other[data.rows])
    np.testing.assert_allclose(changed.log_likelihoods(*mixture), again.log_likelihoods(*mixture), rtol=1e-13)
    sample = data.subsample(50)
    assert 30 <= sample.n_objects <= 75
    whole = dict(zip(data.rows, data.log_likelihoods(*mixture), strict=True))
    np.testing.assert_allclose(sample.log_likelihoods(*mixture), [whole[row] for row in sample.rows], rtol=1e-12)
    np.testing.assert_array_equal(sample.object_weights, given["weights"][sample.rows])
    assert data.subsample(1000) is data
    kinds = given["limits"][sample.rows].any(axis=1).mean(), given["limits"][data.rows].any(axis=1).mean()
    assert abs(kinds[0] - kinds[1]) < 0.15
