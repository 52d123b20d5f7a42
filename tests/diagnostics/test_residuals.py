"""Residuals against numerical integration, and their distribution where the model is right."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from xdgmm import Background, GaussianMixture, Observations
from xdgmm.diagnostics import chi_squared, residuals
from xdgmm.diagnostics.residuals import component_residuals
from xdgmm.objects import distances
from xdgmm.prediction import draw_observations, memberships

TWO = GaussianMixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.25]], [[4.0]]])
PLANE = GaussianMixture([0.4, 0.6], [[0.0, 1.0], [3.0, -1.0]], [[[1.0, 0.6], [0.6, 2.0]], [[0.5, -0.2], [-0.2, 0.3]]])


def test_one_column_is_the_integral_of_the_density_with_noise():
    values, errors = np.array([-3.0, -0.5, 0.7, 6.0]), np.array([0.5, 1.0, 2.0, 0.1])
    found = residuals(TWO, Observations.with_standard_errors(values, errors))[:, 0]
    for value, error, z in zip(values, errors, found, strict=True):

        def density(x, error=error):
            spreads = np.sqrt(TWO.covariances[:, 0, 0] + error**2)
            return float(TWO.weights @ stats.norm.pdf(x, TWO.means[:, 0], spreads))

        below = quad(density, -60, value, epsabs=1e-13, limit=300, points=[-1.0, min(value, 2.0)])[0]
        assert stats.norm.cdf(z) == pytest.approx(below, abs=1e-9)


@pytest.mark.parametrize("of", ["true values", "measured values"])
def test_a_background_takes_part(of):
    mixture = GaussianMixture([0.7], [[0.0]], [[[1.0]]], background=Background([-3.0], [5.0], 0.3, of=of))
    values, errors = np.array([-2.9, 0.3, 4.8]), np.array([0.7, 0.0, 1.5])
    found = residuals(mixture, Observations.with_standard_errors(values, errors))[:, 0]
    for value, error, z in zip(values, errors, found, strict=True):
        below = 0.7 * stats.norm.cdf(value, 0.0, np.hypot(1.0, error))
        if of == "measured values" or error == 0:
            below += 0.3 * (value + 3.0) / 8.0
        else:
            below += 0.3 / 8.0 * quad(lambda v, w=value, e=error: stats.norm.cdf(w, v, e), -3, 5, epsabs=1e-12)[0]
        assert stats.norm.cdf(z) == pytest.approx(below, abs=1e-9)


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_values_far_outside_the_box_of_a_background_are_those_of_the_gaussians(error):
    box = Background([-3.0] * 2, [5.0] * 2, 0.3)
    mixture = GaussianMixture([0.7], [[0.0, 0.0]], [np.eye(2)], background=box)
    alone = GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)])
    observations = Observations.with_standard_errors([[-20.0, 1.0], [30.0, -30.0]], error)
    found, gaussian = residuals(mixture, observations), residuals(alone, observations)
    np.testing.assert_allclose(found[:, 1], gaussian[:, 1], rtol=1e-9)
    tails = np.log(0.7) + stats.norm.logsf(np.abs(gaussian[:, 0]))
    np.testing.assert_allclose(stats.norm.logsf(np.abs(found[:, 0])), tails, rtol=1e-6)
    assert (np.sign(found[:, 0]) == [-1, 1]).all()


def test_the_second_column_is_its_distribution_given_the_first():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 2)) * 2
    factors = rng.normal(size=(5, 2, 2))
    S = factors @ np.swapaxes(factors, 1, 2)
    found = residuals(PLANE, Observations.with_covariances(values, S))
    for i, (x, y) in enumerate(values):
        T = PLANE.covariances + S[i]

        def joint(v, T=T, x=x):
            return sum(
                w * stats.multivariate_normal.pdf([x, v], m, t)
                for w, m, t in zip(PLANE.weights, PLANE.means, T, strict=True)
            )

        below, whole = (quad(joint, -40, end, epsabs=1e-14, limit=400, points=[-1, 1])[0] for end in (y, 40))
        assert stats.norm.cdf(found[i, 1]) == pytest.approx(below / whole, abs=1e-7)


def test_squares_of_one_component_sum_to_the_distance_whatever_the_gaps():
    rng = np.random.default_rng(1)
    mixture = GaussianMixture([1.0], [[1.0, 2.0]], [[[2.0, 0.5], [0.5, 1.0]]])
    values, errors = rng.normal(size=(20, 2)), rng.uniform(0.1, 2.0, (20, 2))
    values[3, 0] = values[7, 1] = np.nan
    observations = Observations.with_standard_errors(values, errors)
    found = residuals(mixture, observations)
    assert np.isnan(found[3, 0])
    assert np.isnan(found[7, 1])
    np.testing.assert_allclose(np.nansum(found**2, axis=1), distances(mixture, observations) ** 2, rtol=1e-10)


@pytest.mark.parametrize("projected", [False, True])
def test_samples_of_the_model_have_normal_residuals(projected):
    rng = np.random.default_rng(2)
    N = 3000
    values = rng.normal(size=(N, 2))
    values[rng.random((N, 2)) < 0.2] = np.nan
    projections = rng.normal(size=(N, 2, 2)) if projected else None
    template = Observations.with_standard_errors(values, rng.uniform(0.2, 2.0, (N, 2)), projections=projections)
    drawn = draw_observations(PLANE, template, 1, rng)
    z = residuals(PLANE, drawn)
    assert (np.isnan(z) == np.isnan(drawn.values)).all()
    for column in z.T:
        assert stats.kstest(column[np.isfinite(column)], "norm").pvalue > 1e-3
    both = z[np.isfinite(z).all(axis=1)]
    assert abs(np.corrcoef(both.T)[0, 1]) < 4 / np.sqrt(len(both))


def test_values_far_out_keep_finite_and_ordered_residuals():
    values = np.array([-1e3, -60.0, -39.0, 39.0, 60.0, 1e3])
    mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    found = residuals(mixture, Observations.exact(values))[:, 0]
    np.testing.assert_allclose(found, values, rtol=1e-6)


def test_the_second_column_of_a_background_is_given_the_first_although_errors_are_correlated():
    """At the edges, where the first true value must lie inside, and so shifts the second one."""
    low, high = np.array([-3.0, -1.0]), np.array([2.0, 4.0])
    mixture = GaussianMixture([1e-9], [[0.0, 0.0]], [np.eye(2)], background=Background(low, high, 1 - 1e-9))
    S = np.array([[1.0, 0.7], [0.7, 0.8]])
    values = np.array([[-4.5, -0.5], [-3.0, 4.2], [0.0, 1.0], [2.5, -1.5], [4.0, 3.0]])
    found = residuals(mixture, Observations.with_covariances(values, np.tile(S, (5, 1, 1))))
    slope, left = S[0, 1] / S[0, 0], np.sqrt(S[1, 1] - S[0, 1] ** 2 / S[0, 0])
    for (x, y), z in zip(values, found[:, 1], strict=True):

        def of_first(v, y, x=x):
            inner = quad(lambda t: stats.norm.cdf((y - t - slope * (x - v)) / left), low[1], high[1], epsabs=1e-13)[0]
            return stats.norm.pdf(x, v, np.sqrt(S[0, 0])) * inner

        below, whole = (quad(of_first, low[0], high[0], args=(end,), epsabs=1e-13)[0] for end in (y, 60.0))
        assert stats.norm.cdf(z) == pytest.approx(below / whole, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("D", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_samples_of_a_background_with_correlated_errors_have_normal_residuals(D):
    rng = np.random.default_rng(6)
    N = 2000 if D == 2 else 1000
    box = Background([-2.0] * D, [2.0] * D, 0.6)  # narrow for the errors, so that many objects lie near its edges
    mixture = GaussianMixture([0.4], [[0.5] * D], [0.2 * np.eye(D)], background=box)
    factors = rng.normal(size=(N, D, D)) * 0.7
    values = np.zeros((N, D))
    values[rng.random((N, D)) < 0.1] = np.nan
    values[np.isnan(values).all(axis=1), 0] = 0.0
    drawn = draw_observations(
        mixture, Observations.with_covariances(values, factors @ np.swapaxes(factors, 1, 2)), 1, rng
    )
    z = residuals(mixture, drawn)
    for column in z.T:
        assert stats.kstest(column[np.isfinite(column)], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z[np.isfinite(z).all(axis=1)].T)[0, 1]) < 4 / np.sqrt(N)
    p = chi_squared(mixture, drawn)[1]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_correlations_of_zero_change_no_residual_beside_a_background():
    rng = np.random.default_rng(7)
    mixture = GaussianMixture([0.4], [[0.5] * 2], [0.2 * np.eye(2)], background=Background([-2.0] * 2, [2.0] * 2, 0.6))
    values, errors = 2.0 * rng.normal(size=(50, 2)), rng.uniform(0.1, 1.0, (50, 2))
    independent = residuals(mixture, Observations.with_standard_errors(values, errors))
    diagonal = Observations.with_covariances(values, errors[:, :, None] ** 2 * np.eye(2))
    np.testing.assert_allclose(residuals(mixture, diagonal), independent, rtol=1e-9, atol=1e-12)


def test_chi_squared_of_one_component_is_the_squared_distance_with_its_textbook_p_value():
    rng = np.random.default_rng(3)
    mixture = GaussianMixture([1.0], [[1.0, 2.0]], [[[2.0, 0.5], [0.5, 1.0]]])
    values, errors = rng.normal(size=(20, 2)), rng.uniform(0.1, 2.0, (20, 2))
    values[4, 1] = np.nan
    values[5] = np.nan
    observations = Observations.with_standard_errors(values, errors)
    found, p = chi_squared(mixture, observations)
    for i in range(20):
        seen = np.isfinite(values[i])
        d = (values[i] - mixture.means[0])[seen]
        T = (mixture.covariances[0] + np.diag(errors[i] ** 2))[np.ix_(seen, seen)]
        expected = d @ np.linalg.solve(T, d) if seen.any() else 0.0
        assert found[i] == pytest.approx(expected, rel=1e-9)
        assert p[i] == pytest.approx(stats.chi2.sf(expected, seen.sum()) if seen.any() else 1.0, rel=1e-9)


def test_chi_squared_of_samples_of_a_mixture_has_its_distribution():
    rng = np.random.default_rng(4)
    template = Observations.with_standard_errors(np.zeros((2000, 2)), rng.uniform(0.2, 2.0, (2000, 2)))
    p = chi_squared(PLANE, draw_observations(PLANE, template, 1, rng))[1]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_residuals_of_components_are_normal_with_the_memberships_as_weights():
    rng = np.random.default_rng(5)
    N = 40_000
    template = Observations.with_standard_errors(np.zeros((N, 2)), rng.uniform(0.2, 2.0, (N, 2)))
    drawn = draw_observations(PLANE, template, 1, rng)
    members = memberships(PLANE, drawn)
    for k, u in enumerate(component_residuals(PLANE, drawn)):
        w = members[:, k]
        effective = w.sum() ** 2 / (w**2).sum()
        for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
            spread = np.sqrt((105.0, 96.0, 15.0, 3.0)[4 - power])  # of z^4, z^3, z^2, z, or a little more
            assert np.average(u[:, 0] ** power, weights=w) == pytest.approx(moment, abs=5 * spread / np.sqrt(effective))
