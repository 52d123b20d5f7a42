"""Checks of fits of Student-t components: their residuals are normal, and each test knows the heavier tails."""

import numpy as np
import pytest
from scipy.stats import kstest, norm
from scipy.stats import t as student

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.diagnostics import check, error_scale, influence, leave_one_out_residuals, residuals, unusual_objects
from xdgmm.diagnostics.groups import one_group
from xdgmm.diagnostics.noise_parameters import NoiseParameters
from xdgmm.fitting import Problem
from xdgmm.fitting.objective import log_likelihoods
from xdgmm.prediction import component_distances, draw_observations, nearest_tail

ONE = GaussianMixture([1.0], [[1.0]], [[[4.0]]], names=["v"], dof=3.0)
TWO = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [6.0, 2.0]], [np.eye(2), 0.5 * np.eye(2)], dof=[3.0, 6.0])


def observed(mixture, n, seed, factor=1.0):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.2, 2.0, (n, mixture.n_dimensions))
    values = mixture.sample(n, rng)[0] + factor * errors * rng.normal(size=errors.shape)
    return Observations.with_standard_errors(values, errors, names=mixture.names)


def test_residuals_of_exact_values_are_normal_scores_of_scipys_distribution():
    x = np.linspace(-40.0, 40.0, 21)
    expected = norm.ppf(student.cdf(x, 3.0, loc=1.0, scale=2.0))
    np.testing.assert_allclose(residuals(ONE, Observations.exact(x))[:, 0], expected, atol=1e-4)


def test_residuals_under_noise_are_normal():
    for mixture in (ONE, TWO):
        found = residuals(mixture, observed(mixture, 4000, 1))
        for column in found.T:
            assert kstest(column, norm.cdf).pvalue > 0.01


def test_a_right_fit_passes_and_gaussians_for_heavy_tails_do_not():
    observations = observed(ONE, 400, 2)
    right, wrong = XDGMM(family="t").fit(observations), XDGMM().fit(observations)
    assert check(right, observations, n_simulations=39, progress="never").passed
    assert not check(wrong, observations, n_simulations=39, progress="never").passed


def test_a_step_without_an_object_is_near_the_fit_without_it():
    observations = observed(ONE, 200, 3)
    fitted = XDGMM(family="t").fit(observations)
    found = influence(fitted, observations, n_largest=1)
    row = int(found["row"][0])
    without = XDGMM(family="t").fit(observations.select(np.delete(np.arange(200), row)))
    error = float(abs(found["sigma_without"][0] - found["sigma"][0]))
    assert abs(float(found["sigma_without"][0]) - without.mixture_.sigmas[0, 0]) < 0.2 * error
    assert leave_one_out_residuals(fitted, observations).shape == (200, 1)


def test_no_object_of_heavy_tails_is_unusual_under_them():
    far = Observations.with_standard_errors([*np.linspace(-3.0, 5.0, 99), 40.0], 1.0, names="v")
    found = unusual_objects(ONE, far, n_largest=1, rng=1)
    assert found["row"][0] == 99
    # 17 to 20 scales away; SciPy's tail without noise is an estimate of it
    assert found["p_value"][0] == pytest.approx(2 * student.sf(39.0 / np.hypot(2.0, 0.3), 3.0), rel=0.5)
    gaussian = GaussianMixture([1.0], [[1.0]], [[[4.0]]], names=["v"])
    assert unusual_objects(gaussian, far, n_largest=1)["p_value"][0] < 1e-50


def test_the_tail_beyond_the_nearest_component_is_an_upper_bound():
    observations = observed(TWO, 3, 5)
    bound = nearest_tail(TWO, observations)
    drawn = draw_observations(TWO, observations, 20_000, np.random.default_rng(1))
    nearest = component_distances(TWO, drawn).min(axis=1).reshape(3, -1)
    farther = (nearest > component_distances(TWO, observations).min(axis=1)[:, None]).mean(axis=1)
    assert (farther <= bound + 3 * np.sqrt(bound * (1 - bound) / 20_000)).all()


def test_a_factor_on_the_errors_is_found_beside_heavy_tails():
    observations = observed(ONE, 3000, 6, factor=2.0)
    found = error_scale(XDGMM(family="t").fit(observations), observations, progress="never")
    assert found.factor_low < 2.0 < found.factor_high


@pytest.mark.parametrize("kind", ["factor", "jitter"])
def test_slopes_along_the_noise_are_those_of_finite_differences(kind):
    observations = observed(ONE, 60, 7)
    problem = Problem.of(ONE, observations)
    parameters = NoiseParameters(problem, one_group(observations.counts), kind)
    phi, step = parameters.unchanged + 0.3, 1e-5
    mixture = problem.standardised(ONE)

    def height(phi):
        return log_likelihoods(mixture, parameters.pack(parameters.observations(phi))).sum()

    slope = (height(phi + step) - height(phi - step)) / (2 * step)
    assert parameters.slopes(mixture, phi)[0] == pytest.approx(slope, rel=1e-5)


def test_a_check_that_finds_heavy_tails_tries_them():
    observations = observed(ONE, 400, 8)
    found = check(XDGMM().fit(observations), observations, n_simulations=19, progress="never")
    (row,) = (each for each in found.remedies if each["remedy"] == "Student-t components")
    heavy = XDGMM(family="t").fit(observations)
    assert row["sigma"] == pytest.approx(heavy.mixture_.half_widths[0, 0], rel=1e-4)
    assert row["sigma_error"] == pytest.approx(heavy.widths(observations)["half_width_error"][0], rel=1e-3)
    assert row["bic_change"] < 0
    assert any("Student-t components: the half-width" in each for each in found.remedies.meta["sentences"])
