"""Student-t components: SciPy's density, quadrature under noise, exact laws of the expansion, a value like others."""

from itertools import pairwise

import numpy as np
import pytest
from astropy.table import Table
from scipy.integrate import quad
from scipy.stats import chi2, f, kstest, multivariate_normal, multivariate_t
from scipy.stats import t as student

from xdgmm import Background, GaussianMixture, InputError, Observations
from xdgmm.fitting.objective import log_likelihoods
from xdgmm.mixture import Expansion
from xdgmm.mixture.families import HIGHEST_DOF, information_on_dof, nodes

SCALES = {
    1: np.array([[2.25]]),
    2: np.array([[2.0, 0.7], [0.7, 0.5]]),
    3: np.array([[2.0, 0.7, -0.3], [0.7, 0.5, 0.1], [-0.3, 0.1, 1.5]]),
}
DOFS = [2.0, 3.0, 7.5, 40.0, 300.0, HIGHEST_DOF]


def of_one(D, dof):
    return GaussianMixture([1.0], [np.arange(D, dtype=float)], [SCALES[D]], dof=dof)


def points(D, distances):
    """Points at these Mahalanobis distances from the mean of `of_one`, in directions all around."""
    directions = np.random.default_rng(D).normal(size=(distances.size, D))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.arange(D) + distances[:, None] * directions @ np.linalg.cholesky(SCALES[D]).T


@pytest.mark.parametrize("D", [1, 2, 3])
@pytest.mark.parametrize("dof", [1.0, *DOFS])
def test_the_density_is_that_of_scipy(D, dof):
    x = points(D, np.linspace(0.0, 30.0, 40))
    expected = multivariate_t(np.arange(D), SCALES[D], dof).logpdf(x)
    np.testing.assert_allclose(of_one(D, dof).log_density(x), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("D", [1, 2, 3])
@pytest.mark.parametrize("dof", DOFS)
def test_the_gaussians_have_the_density_to_1e_4_out_to_thirty_scales(D, dof):
    x = points(D, np.linspace(0.0, 30.0, 301))
    expected = multivariate_t(np.arange(D), SCALES[D], dof).pdf(x)
    np.testing.assert_allclose(np.exp(of_one(D, dof).expanded().log_density(x)), expected, rtol=1e-4)


@pytest.mark.parametrize("dof", [2.0, 3.0, 8.0, 60.0])
@pytest.mark.parametrize("error", [0.1, 1.0, 10.0])
def test_the_density_under_noise_is_that_of_quadrature(dof, error):
    mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]], dof=dof)
    values = np.array([0.0, 0.7, 3.0, 10.0, 25.0])
    data = Observations.with_standard_errors(values[:, None], error).pack()

    def density(w):
        def integrand(v):
            return student.pdf(v, dof) * np.exp(-0.5 * ((w - v) / error) ** 2) / (np.sqrt(2 * np.pi) * error)

        ends = w - 12 * error, w, w + 12 * error
        borders = sorted({*ends, *(core for core in (-3.0, 0.0, 3.0) if ends[0] < core < ends[2])})
        return sum(quad(integrand, a, b, epsabs=0, epsrel=1e-9)[0] for a, b in pairwise(borders))

    expected = np.log([density(w) for w in values])
    np.testing.assert_allclose(log_likelihoods(mixture, data), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("D", [2, 3])
def test_the_density_under_correlated_noise_is_that_of_quadrature_over_the_scale(D):
    dof, mean, V = 3.0, np.arange(D, dtype=float), SCALES[D]
    S = 0.5 * np.eye(D) + 0.3
    values = points(D, np.array([0.0, 1.0, 6.0, 20.0]))
    data = Observations.with_covariances(values, np.broadcast_to(S, (4, D, D))).pack()

    def density(w):  # the mean over u = chi2(dof) / dof, by its quantiles
        def integrand(p):
            return multivariate_normal.pdf(w, mean, V * dof / chi2.ppf(p, dof) + S)

        edges = [0.0, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 1.0]
        return sum(quad(integrand, a, b, epsabs=0, epsrel=1e-8)[0] for a, b in pairwise(edges))

    expected = np.log([density(w) for w in values])
    np.testing.assert_allclose(log_likelihoods(of_one(D, dof), data), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("D", [1, 3, 6])
def test_derivatives_of_the_nodes_are_those_of_finite_differences(D):
    dof, step = np.array([1.5, 3.0, 20.0, 500.0]), 1e-6
    found, above, below = nodes(dof, D), nodes(dof * np.exp(step), D), nodes(dof * np.exp(-step), D)
    np.testing.assert_allclose(found.log_u_slopes, np.log(above.u / below.u) / (2 * step), atol=1e-8)
    slopes = np.log(above.fractions / below.fractions) / (2 * step)
    np.testing.assert_allclose(found.log_fraction_slopes, slopes, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.fractions.sum(axis=-1), 1.0, rtol=1e-14)


def test_the_information_on_dof_is_that_of_quadrature():
    def score(x, dof):
        step = 1e-5
        above, below = student.logpdf(x, dof * np.exp(step)), student.logpdf(x, dof * np.exp(-step))
        return (above - below) / (2 * step)

    for dof in (1.5, 4.0, 30.0):
        expected = 2 * quad(lambda x, dof=dof: score(x, dof) ** 2 * student.pdf(x, dof), 0, np.inf, limit=200)[0]
        assert information_on_dof(dof, 1) == pytest.approx(expected, rel=1e-5)


def test_an_infinite_dof_is_a_gaussian_of_its_own():
    expansion = Expansion.of(np.array([3.0, np.inf, 5.0]), 2)
    np.testing.assert_array_equal(np.bincount(expansion.owners), [24, 1, 24])
    gaussian = GaussianMixture([0.4, 0.6], [[0.0], [2.0]], [[[1.0]], [[3.0]]])
    same = GaussianMixture([0.4, 0.6], [[0.0], [2.0]], [[[1.0]], [[3.0]]], dof=np.inf)
    np.testing.assert_array_equal(same.expanded().covariances, gaussian.covariances)
    np.testing.assert_allclose(same.log_density([[0.3], [9.0]]), gaussian.log_density([[0.3], [9.0]]), rtol=1e-15)


MIXTURE = GaussianMixture(
    [0.3, 0.5],
    [[0.0, 1.0], [3.0, -1.0]],
    [SCALES[2], 0.5 * np.eye(2)],
    names=["a", "b"],
    units=["km/s", None],
    background=Background([-20, -20], [20, 20]).with_fraction(0.2),
    dof=[3.0, 9.0],
)


def test_samples_have_the_distribution():
    x = of_one(1, 3.0).sample(20_000, rng=3)[0][:, 0]
    assert kstest(x / 1.5, student(3.0).cdf).pvalue > 0.01
    x = of_one(3, 3.0).sample(20_000, rng=4)[0] - np.arange(3)
    squares = (np.linalg.solve(np.linalg.cholesky(SCALES[3]), x.T) ** 2).sum(axis=0)
    assert kstest(squares / 3, f(3, 3.0).cdf).pvalue > 0.01


def test_the_covariance_is_the_scale_matrix_times_a_factor():
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [0.0]], [[[1.0]], [[2.0]]], dof=[4.0, np.inf])
    assert mixture.covariance == pytest.approx(0.5 * 2.0 + 0.5 * 2.0)
    assert np.isinf(of_one(1, 2.0).covariance[0, 0])
    x = of_one(2, 6.0).sample(400_000, rng=1)[0]
    np.testing.assert_allclose(np.cov(x.T), of_one(2, 6.0).covariance, rtol=0.03)


@pytest.mark.parametrize(
    "changed",
    [
        lambda m: m.rescaled(np.zeros(2), np.ones(2), m.names, m.units),
        lambda m: m.affine(np.eye(2)),
        lambda m: m.in_units([None, None]),
        lambda m: m.with_record(None),
        lambda m: m.ordered([1, 0]).ordered([1, 0]),
        lambda m: m.with_parameters(m.all_weights, m.means, m.covariances),
    ],
)
def test_dof_stays_with_its_component(changed):
    np.testing.assert_array_equal(changed(MIXTURE).dof, [3.0, 9.0])
    x = np.array([[0.0, 0.0], [2.0, 5.0]])
    np.testing.assert_allclose(changed(MIXTURE).log_density(x), MIXTURE.log_density(x), rtol=1e-13)


def test_components_in_another_order_take_their_dof_along():
    np.testing.assert_array_equal(MIXTURE.ordered([1, 0]).dof, [9.0, 3.0])
    np.testing.assert_array_equal(MIXTURE.gaussians.dof, [3.0, 9.0])


def test_the_marginal_distribution_is_that_of_scipy():
    marginal = of_one(2, 3.0).marginal("x2")
    x = np.linspace(-5, 5, 9)
    expected = student.logpdf(x, 3.0, loc=1.0, scale=np.sqrt(0.5))
    np.testing.assert_allclose(marginal.log_density(x[:, None]), expected, rtol=0, atol=1e-12)


def test_the_conditional_distribution_is_that_of_its_closed_form():
    """Given one coordinate, a t distribution has another scale and one degree of freedom more (Ding 2016)."""
    mean, V, dof, given = np.arange(2.0), SCALES[2], 3.0, 2.5
    conditional = of_one(2, dof).condition({"x2": given})
    centre = mean[0] + V[0, 1] / V[1, 1] * (given - mean[1])
    factor = (dof + (given - mean[1]) ** 2 / V[1, 1]) / (dof + 1)
    scale = np.sqrt(factor * (V[0, 0] - V[0, 1] ** 2 / V[1, 1]))
    x = centre + scale * np.linspace(-10, 10, 21)
    expected = student.logpdf(x, dof + 1, loc=centre, scale=scale)
    np.testing.assert_allclose(conditional.log_density(x[:, None]), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
def test_a_file_keeps_the_degrees_of_freedom(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    mixture = GaussianMixture([0.4, 0.6], [[0.0], [2.0]], [[[1.0]], [[3.0]]], dof=[3.3, np.inf])
    mixture.write(path)
    np.testing.assert_array_equal(GaussianMixture.read(path).dof, [3.3, np.inf])


def test_a_version_that_knows_no_degrees_of_freedom_refuses_the_file(tmp_path):
    path = tmp_path / "model.ecsv"
    of_one(1, 3.0).write(path)
    assert Table.read(path, format="ascii.ecsv").meta["XDGMMFMT"] > 5  # the newest format without them


@pytest.mark.parametrize(
    ("dof", "message"),
    [
        (0.5, r"`dof` holds 0.5, but degrees of freedom must be 1 or more"),
        ([3.0, np.nan], r"`dof` holds nan"),
        ([3.0], r"`dof` has shape \(1,\), but \(2,\) is needed"),
        ("many", r"`dof` is 'many', but it must be numbers"),
        (True, "`dof` is True, but it must be numbers"),
        ([True, 4.0], r"`dof` is \[True, 4.0\], but it must be numbers"),
    ],
)
def test_bad_degrees_of_freedom_are_refused(dof, message):
    with pytest.raises(InputError, match=message):
        GaussianMixture([0.4, 0.6], [[0.0], [2.0]], [[[1.0]], [[3.0]]], dof=dof)


def test_a_mixture_that_version_0_1_pickled_has_gaussian_components():
    mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    old = object.__new__(GaussianMixture)
    vars(old).update({name: value for name, value in vars(mixture).items() if name != "dof"})
    assert old.dof is None
    assert old.log_density([0.0]) == mixture.log_density([0.0])


def test_it_says_what_it_is():
    assert "2 Student-t components and a background" in repr(MIXTURE)
