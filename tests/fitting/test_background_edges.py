"""The edges of a background by maximum likelihood: the maximum over everything that is fitted, found in another way."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit, log_ndtr, logit, ndtr

from xdgmm import XDGMM, Background, Fixed, GaussianMixture, Observations
from xdgmm.fitting import Model, Outcome, Settings, StoppingRule, fit
from xdgmm.prediction import total_log_likelihood

SIGMA, HALF = 0.03, 0.4
EDGES = Settings(model=Model(background=Background(fraction=0.3)))


def line_on_continuum(seed, N=1000, fraction=0.5, errors=(0.03, 0.06)):
    """A line at zero on a flat continuum of true values, with per-event errors."""
    rng = np.random.default_rng(seed)
    true = np.where(rng.random(N) < fraction, rng.uniform(-HALF, HALF, N), SIGMA * rng.standard_normal(N))
    e = rng.uniform(*errors, N)
    return true + e * rng.standard_normal(N), e


def log_likelihood(x, e, fraction, mean, variance, low, high):
    """One Gaussian and one background, in plain NumPy."""
    t = variance + e**2
    line = np.log1p(-fraction) - 0.5 * (x - mean) ** 2 / t - 0.5 * np.log(2 * np.pi * t)
    return np.logaddexp(line, np.log(fraction / (high - low)) + log_in_box(x, e, low, high)).sum()


def log_in_box(x, e, low, high):
    a, b = (low - x) / e, (high - x) / e
    flipped = a > 0
    a, b = np.where(flipped, -b, a), np.where(flipped, -a, b)
    return log_ndtr(b) + np.log1p(-np.exp(log_ndtr(a) - log_ndtr(b)))


@pytest.mark.parametrize("seed", range(3))
def test_a_general_optimiser_over_all_parameters_finds_the_same_edges(seed):
    x, e = line_on_continuum(seed)
    result = fit(Observations.with_standard_errors(x, e), 1, EDGES)
    found = result.mixture
    low, high = (edge[0] for edge in found.background.box)
    assert result.converged
    assert result.predicted_gain < 1e-6
    assert total_log_likelihood(found, Observations.with_standard_errors(x, e)) == pytest.approx(result.log_likelihood)

    def fallen(p):
        return -log_likelihood(x, e, expit(p[0]), p[1], np.exp(p[2]), p[3], p[4])

    start = [0.0, 0.01, np.log(0.04**2), x.min(), x.max()]
    options = {"xatol": 1e-10, "fatol": 1e-11, "maxiter": 20_000, "maxfev": 20_000, "adaptive": True}
    best = minimize(fallen, start, method="Nelder-Mead", options=options)
    best = minimize(fallen, best.x, method="Nelder-Mead", options=options)
    assert result.log_likelihood == pytest.approx(-best.fun, abs=1e-7)
    here = [logit(found.background.fraction), found.means[0, 0], np.log(found.covariances[0, 0, 0]), low, high]
    # a gain of 1e-7 nats is 4e-4 standard errors, of about .01 in the edges and .3 in ln V
    assert (np.abs(here - best.x) < [1e-4, 1e-5, 2e-4, 1e-5, 1e-5]).all()


def test_no_parameter_has_a_slope_at_the_maximum_in_two_columns_with_correlated_noise():
    """Missing values and weights too; the slopes are differences of the likelihood at the fitted mixture."""
    rng = np.random.default_rng(5)
    N, low, high = 400, np.array([-3.0, 0.0]), np.array([3.0, 5.0])
    true = np.where(rng.random(N)[:, None] < 0.4, rng.uniform(low, high, (N, 2)), rng.normal([1.0, 2.0], 0.4, (N, 2)))
    sigmas, rho = rng.uniform(0.1, 0.5, (N, 2)), rng.uniform(-0.8, 0.8, N)
    S = sigmas[:, :, None] * sigmas[:, None]
    S[:, 0, 1] *= rho
    S[:, 1, 0] *= rho
    x = true + np.einsum("nij,nj->ni", np.linalg.cholesky(S), rng.standard_normal((N, 2)))
    x[:40, 0], x[40:60, 1] = np.nan, np.nan
    observations = Observations.with_covariances(x, S, weights=rng.uniform(0.5, 2.0, N))
    result = fit(observations, 1, EDGES)
    mixture, background = result.mixture, result.mixture.background
    edges, curvatures = np.concatenate(background.box), []

    def height(moved):
        box = background.with_edges(moved[:2], moved[2:])
        other = GaussianMixture(mixture.weights, mixture.means, mixture.covariances, background=box)
        return total_log_likelihood(other, observations)

    for step in 1e-4 * np.eye(4):
        above, here, below = height(edges + step), height(edges), height(edges - step)
        slope, curvature = (above - below) / 2e-4, (above - 2 * here + below) / 1e-8
        assert curvature < 0
        assert slope**2 / -curvature < 1e-7  # nats
        curvatures.append(curvature)
    assert result.converged
    # within four standard errors
    assert (np.abs(edges - np.concatenate([low, high])) < 4 / np.sqrt(-np.array(curvatures)) + 0.05).all()


def test_edges_of_exact_values_are_the_outermost_ones():
    x = np.r_[np.random.default_rng(6).uniform(-5.0, 7.0, 80), np.random.default_rng(7).normal(0.0, 0.1, 80)]
    result = fit(Observations.exact(x), 1, EDGES)
    assert [edge[0] for edge in result.mixture.background.box] == [x.min(), x.max()]
    assert result.converged
    measured = Settings(model=Model(background=Background(fraction=0.3, of="measured values")))
    assert result.log_likelihood == pytest.approx(fit(Observations.exact(x), 1, measured).log_likelihood, abs=1e-9)


def test_a_box_that_is_a_few_errors_wide_is_found():
    """From the outermost values alone the fit would end where the line takes the place of the continuum."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        true = np.where(rng.random(2000) < 0.5, rng.uniform(-0.2, 0.2, 2000), SIGMA * rng.standard_normal(2000))
        e = rng.uniform(0.02, 0.06, 2000)
        observations = Observations.with_standard_errors(true + e * rng.standard_normal(2000), e)
        stated = fit(observations, 1, Settings(model=Model(background=Background(-0.2, 0.2, fraction=0.3))))
        result = fit(observations, 1, EDGES)
        assert result.log_likelihood > stated.log_likelihood
        assert result.mixture.sigmas[0, 0] == pytest.approx(stated.mixture.sigmas[0, 0], abs=0.005)


def test_an_edge_does_not_leave_out_an_exact_value_among_noisy_ones():
    x, e = line_on_continuum(8, N=500)
    x[0], e[0] = 1.2 * HALF, 0.0
    result = fit(Observations.with_standard_errors(x, e), 1, EDGES)
    low, high = (edge[0] for edge in result.mixture.background.box)
    assert high == x[0]
    assert -1.2 * HALF < low < -0.8 * HALF
    assert result.converged


def test_without_noise_at_the_edges_the_fit_of_noisy_values_goes_over_into_that_of_exact_ones():
    x, _ = line_on_continuum(9, N=300)
    result = fit(Observations.with_standard_errors(x, 1e-6), 1, EDGES)
    low, high = (edge[0] for edge in result.mixture.background.box)
    assert_allclose([low, high], [x.min(), x.max()], rtol=0, atol=1e-5)


def test_fitted_edges_count_as_parameters_and_stated_ones_do_not():
    assert Model(background=Background()).n_parameters(2, 3) == Model().n_parameters(2, 3) + 1 + 6
    for box in (Background(0.0, 1.0), Background(of="measured values")):
        assert Model(background=box).n_parameters(2, 3) == Model().n_parameters(2, 3) + 1
    x, e = line_on_continuum(10, N=200)
    assert fit(Observations.with_standard_errors(x, e), 1, EDGES).mixture.record.n_parameters == 5


def test_fitted_edges_follow_the_units_and_the_origin():
    x, e = line_on_continuum(11, N=400)
    one, other = (
        fit(Observations.with_standard_errors(a * x + b, a * e), 1, EDGES) for a, b in ((1.0, 0.0), (300.0, 1e4))
    )
    moved = [300.0 * edge + 1e4 for edge in one.mixture.background.box]
    assert_allclose(np.ravel(other.mixture.background.box), np.ravel(moved), rtol=0, atol=300 * 1e-5)
    assert other.mixture.background.fitted_edges
    assert one.log_likelihood == pytest.approx(other.log_likelihood + 400 * np.log(300.0), abs=1e-6)


def test_a_row_of_weight_two_is_the_row_twice_and_one_of_weight_zero_is_left_out():
    x, e = line_on_continuum(12, N=300)
    weights = np.random.default_rng(13).integers(0, 3, 300)
    x[weights == 0] = 50.0
    weighted = fit(Observations.with_standard_errors(x, e, weights=weights), 1, EDGES)
    repeated = np.repeat(np.arange(300), weights)
    rows = fit(Observations.with_standard_errors(x[repeated], e[repeated]), 1, EDGES)
    assert weighted.log_likelihood == pytest.approx(rows.log_likelihood, abs=1e-6)
    assert_allclose(np.ravel(weighted.mixture.background.box), np.ravel(rows.mixture.background.box), atol=1e-5)


def test_a_background_that_is_not_needed_ends_without_objects():
    rng = np.random.default_rng(19)
    e = rng.uniform(0.2, 0.5, 300)
    x = rng.normal(0.0, 1.0, 300) + e * rng.standard_normal(300)
    model = XDGMM(1, background=Background()).fit(x, Xerr=e)
    assert model.converged_
    assert model.background_fraction_ == 0.0
    assert [edge[0] for edge in model.mixture_.background.box] == [x.min(), x.max()]
    stated = XDGMM(1, background=Background(x.min(), x.max())).fit(x, Xerr=e)
    limits = [each.widths(x, Xerr=e).meta["background"]["fraction_limit"] for each in (model, stated)]
    assert limits[0] == pytest.approx(limits[1], rel=1e-6)


def test_other_parts_of_the_model_are_kept():
    x, e = line_on_continuum(15, N=400)
    start = GaussianMixture([1.0], [[0.01]], [[[0.002]]])
    model = XDGMM(1, init=start, fixed=Fixed(means=(0,), weights=(1,)), background=Background(fraction=0.4))
    model.fit(x, Xerr=e)
    assert model.means_[0, 0] == 0.01
    assert model.background_fraction_ == pytest.approx(0.4, rel=1e-12)
    assert model.mixture_.background.fitted_edges


def test_a_sample_finds_the_edges_of_many_objects_first():
    x, e = line_on_continuum(16, N=60_000)
    result = fit(Observations.with_standard_errors(x, e), 1, EDGES)
    assert result.converged
    # of some thousand objects within an error of an edge: about .05 / sqrt(3000)
    assert_allclose(np.ravel(result.mixture.background.box), [-HALF, HALF], rtol=0, atol=0.004)
    assert result.mixture.sigmas[0, 0] == pytest.approx(SIGMA, abs=0.002)


def test_a_fit_that_is_stopped_among_the_edges_gives_the_best_so_far():
    x, e = line_on_continuum(17, N=300)
    observations = Observations.with_standard_errors(x, e)
    seen = []

    def stop_at_third(progress):
        seen.append(progress.phase)
        return seen.count("edges") > 60

    stopped = fit(observations, 1, Settings(model=EDGES.model, callback=stop_at_third))
    assert stopped.outcome is Outcome.STOPPED
    assert "edges" in seen
    low, high = Background().resolved(observations).box
    start = fit(observations, 1, Settings(model=Model(background=Background(low, high, fraction=0.3))))
    assert start.log_likelihood < stopped.log_likelihood < fit(observations, 1, EDGES).log_likelihood


def test_a_number_of_passes_asked_for_is_told():
    x, e = line_on_continuum(18, N=200)
    settings = Settings(model=EDGES.model, stopping=StoppingRule(tolerance=0.0, max_passes=50))
    assert fit(Observations.with_standard_errors(x, e), 1, settings).outcome is Outcome.ALL_PASSES


def test_the_width_beside_a_background_is_that_of_the_true_values():
    """A box of measured values makes it too wide by several errors, on every seed."""
    widths = {"measured": [], "stated": [], "fitted": []}
    for seed in range(4):
        x, e = line_on_continuum(20 + seed, N=4000)
        boxes = Background(of="measured values"), Background(-HALF, HALF), Background()
        for name, box in zip(widths, boxes, strict=True):
            model = XDGMM(1, background=box).fit(x, Xerr=e)
            report = model.widths(x, Xerr=e)
            widths[name].append((report["sigma"][0] - SIGMA) / report["sigma_error"][0])
    assert min(widths["measured"]) > 2.0
    for name in ("stated", "fitted"):
        assert np.abs(np.mean(widths[name])) < 3 / np.sqrt(4)
        assert np.max(np.abs(widths[name])) < 3.0


def test_the_probability_of_the_plain_likelihood_is_right():
    assert_allclose(np.exp(log_in_box(0.3, 0.5, -1.0, 1.0)), ndtr(1.4) - ndtr(-2.6), rtol=1e-14)
