"""Denoised values: against integrals, in their limits, and as a whole catalogue."""

import sys
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from xdgmm import XDGMM, Background, GaussianMixture, Observations
from xdgmm.errors import InputError
from xdgmm.objects import denoise, log_likelihoods, memberships

ONE = GaussianMixture([0.3, 0.7], [[0.0], [4.0]], [[[1.0]], [[0.25]]])
TWO = GaussianMixture(
    [0.4, 0.6], [[0.0, 1.0], [2.0, -1.0]], [[[1.0, 0.6], [0.6, 1.0]], [[0.5, -0.3], [-0.3, 0.8]]], ["a", "b"]
)
LINES = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [3.0, 0.0]], [[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]])


def measured(mixture, N, rng, missing=0.0):
    """True values, and observations of them with errors of every kind of size."""
    truth, _ = mixture.sample(N, rng)
    errors = rng.uniform(0.1, 2.0, truth.shape)
    values = truth + errors * rng.standard_normal(truth.shape)
    values[rng.random(values.shape) < missing] = np.nan
    return truth, Observations.with_standard_errors(values, errors, names=mixture.names)


def test_moments_and_quantiles_in_one_dimension_are_those_of_the_integral():
    x, e = np.array([0.5, 2.0, 9.0, -30.0]), np.array([0.3, 1.5, 2.0, 0.5])
    truth = np.linspace(-60, 60, 400_001)
    prior = np.exp(ONE.log_density(truth[:, None]))
    result = denoise(ONE, Observations.with_standard_errors(x, e))
    quantiles = result.quantiles([0.05, 0.5, 0.95])
    for i in range(4):
        density = prior * np.exp(-0.5 * ((x[i] - truth) / e[i]) ** 2)
        density /= np.trapezoid(density, truth)
        mean = np.trapezoid(truth * density, truth)
        assert result.means[i, 0] == pytest.approx(mean, abs=1e-7)
        variance = np.trapezoid((truth - mean) ** 2 * density, truth)
        assert result.covariances[i, 0, 0] == pytest.approx(variance, rel=1e-6)
        below = np.cumsum(density) * (truth[1] - truth[0])
        assert np.interp(quantiles[:, i, 0], truth, below) == pytest.approx([0.05, 0.5, 0.95], abs=1e-3)


@pytest.mark.parametrize("gap", [None, 0, 1])
def test_moments_in_two_dimensions_are_those_of_weighted_draws(gap):
    rng = np.random.default_rng(3)
    w, S = np.array([0.7, -0.4]), np.array([[0.8, 0.5], [0.5, 0.6]])
    if gap is not None:
        w[gap] = np.nan
    result = denoise(TWO, Observations.with_covariances(w[None], S[None], names=["a", "b"]))
    draws, _ = TWO.sample(400_000, rng)
    seen = np.isfinite(w)
    weights = multivariate_normal(w[seen], S[np.ix_(seen, seen)]).pdf(draws[:, seen])
    weights /= weights.sum()
    effective = 1.0 / (weights**2).sum()
    mean = weights @ draws
    assert result.means[0] == pytest.approx(mean, abs=5 * 1.5 / np.sqrt(effective))  # sigmas are below 1.5
    covariance = (draws - mean).T @ (weights[:, None] * (draws - mean))
    assert result.covariances[0] == pytest.approx(covariance, abs=5 * 3 * 1.5**2 / np.sqrt(effective))


def test_projections_are_inverted_as_bayes_theorem_has_it():
    rng = np.random.default_rng(4)
    N, R = 30, rng.normal(size=(30, 1, 2))
    w, e = rng.normal(size=(N, 1)), rng.uniform(0.1, 1.0, (N, 1))
    result = denoise(TWO, Observations.with_standard_errors(w, e, names=["a", "b"], projections=R))
    grid = np.stack(np.meshgrid(*[np.linspace(-7, 8, 301)] * 2, indexing="ij"), -1).reshape(-1, 2)
    prior = np.exp(TWO.log_density(grid))
    for i in range(N):
        weights = prior * norm.pdf(w[i, 0], grid @ R[i, 0], e[i, 0])
        assert result.means[i] == pytest.approx(weights @ grid / weights.sum(), abs=1e-5)


def test_without_noise_it_is_the_value_and_with_nothing_but_noise_the_mixture():
    values = np.array([[0.3, 1.2], [5.0, -3.0]])
    exact = denoise(TWO, Observations.exact(values, names=["a", "b"]))
    assert exact.means == pytest.approx(values, rel=1e-14)
    assert exact.standard_deviations.max() < 1e-14
    draws = TWO.condition({"a": np.nan}), TWO.condition({"b": np.nan})
    noisy = denoise(TWO, Observations.with_standard_errors(values, 1e9, names=["a", "b"]))
    for i, marginal in enumerate(reversed(draws)):
        mean = marginal.weights @ marginal.means[:, 0]
        assert noisy.means[:, i] == pytest.approx(mean, abs=1e-7)
        spread = marginal.weights @ (marginal.covariances[:, 0, 0] + (marginal.means[:, 0] - mean) ** 2)
        assert noisy.covariances[:, i, i] == pytest.approx(spread, rel=1e-7)


def test_a_row_without_any_value_has_the_mixture_as_its_posterior():
    result = denoise(TWO, Observations.exact([[np.nan, np.nan], [1.0, 0.0]], names=["a", "b"]))
    one = result.posteriors(0)[0]
    assert one.weights == pytest.approx(TWO.weights)
    assert one.means == pytest.approx(TWO.means)
    assert one.covariances == pytest.approx(TWO.covariances)


@pytest.mark.parametrize("errors", [0.0, 1e-12, 1.0, 1e12])
def test_components_without_width_give_numbers_at_any_error(errors):
    values = np.array([[1.0, 1.0], [3.0, 7.0], [2.0, -5.0], [np.nan, 1.0]])
    result = denoise(LINES, Observations.with_standard_errors(values, errors))
    assert np.isfinite(result.means).all()
    assert np.isfinite(result.sample(3, 0)).all()
    assert np.isfinite(result.quantiles(0.3)).all()
    assert np.linalg.eigvalsh(result.covariances).min() > -1e-12


def test_all_posteriors_together_are_the_fitted_mixture():
    # at the maximum one step of EM changes nothing: each parameter is the average of the posteriors' own
    _, observations = measured(TWO, 600, np.random.default_rng(5), missing=0.1)
    fitted = XDGMM(2, random_state=0).fit(observations).mixture_
    posteriors = denoise(fitted, observations).posteriors()
    counted = observations.counts
    r, m, V = posteriors.weights[counted], posteriors.means[counted], posteriors.covariances[counted]
    q = r.sum(axis=0)
    means = np.einsum("nk,nki->ki", r, m) / q[:, None]
    offsets = m - means
    covariances = (np.einsum("nk,nkij->kij", r, V) + np.einsum("nk,nki,nkj->kij", r, offsets, offsets)) / q[
        :, None, None
    ]
    # within 1e-8 nats of the maximum a parameter lies within 1.5e-4 of its standard error
    assert q / counted.sum() == pytest.approx(fitted.weights, abs=1e-4)
    assert means == pytest.approx(fitted.means, abs=1e-4)
    assert covariances == pytest.approx(fitted.covariances, abs=1e-4)
    values = observations.values[np.isfinite(observations.values).all(axis=1)]
    assert np.cov(values.T) != pytest.approx(covariances.mean(axis=0), abs=0.1)  # of measurements it would not hold


def test_true_values_lie_below_a_quantile_as_often_as_it_says():
    truth, observations = measured(TWO, 20_000, np.random.default_rng(6), missing=0.2)
    result = denoise(TWO, observations)
    for q in (0.1, 0.5, 0.84):
        below = (truth < result.quantiles(q)).mean(axis=0)
        assert below == pytest.approx(q, abs=5 * np.sqrt(q * (1 - q) / 20_000))
    raw = norm.ppf(0.1) * observations.noise + observations.values  # what the error bars alone would say
    at_the_edge = observations.values > 3.0
    assert (truth < raw)[at_the_edge].mean() > 0.15


def test_a_value_with_an_infinite_error_is_imputed():
    endless = Observations.with_standard_errors([[1.0, 5.0], [0.5, 1.0]], [[0.2, np.inf], [np.inf, 0.3]])
    missing = Observations.with_standard_errors([[1.0, np.nan], [np.nan, 1.0]], [[0.2, 1.0], [1.0, 0.3]])
    mixture = GaussianMixture([1.0], [[0.0, 1.0]], [[[1.0, 0.5], [0.5, 2.0]]])
    assert (denoise(mixture, endless).means == denoise(mixture, missing).means).all()


def test_samples_have_the_moments_of_the_posterior():
    _, observations = measured(TWO, 5, np.random.default_rng(7), missing=0.3)
    result, n = denoise(TWO, observations), 100_000
    points = result.sample(n, 1)
    assert points.mean(axis=1) == pytest.approx(result.means, abs=5 * result.standard_deviations.max() / np.sqrt(n))
    assert (points == result.sample(n, 1)).all()
    for i in range(5):
        assert np.cov(points[i].T) == pytest.approx(result.covariances[i], abs=5 * 3 * 2.5 / np.sqrt(n))


def test_blocks_and_the_order_of_rows_do_not_matter(monkeypatch):
    _, observations = measured(TWO, 50, np.random.default_rng(8), missing=0.2)
    whole = denoise(TWO, observations)
    quantiles = whole.quantiles(0.2)
    order = np.random.default_rng(0).permutation(50)
    monkeypatch.setattr(sys.modules["xdgmm.prediction.memberships"], "AT_ONCE", 7)
    parts = denoise(TWO, observations.select(order))
    assert parts.means == pytest.approx(whole.means[order], rel=1e-12)
    assert parts.covariances == pytest.approx(whole.covariances[order], rel=1e-12, abs=1e-15)
    assert parts.quantiles(0.2) == pytest.approx(quantiles[order], rel=1e-10)
    assert parts.posteriors([3, 4]).means == pytest.approx(whole.posteriors(order[3:5]).means, rel=1e-12)
    assert len(parts.posteriors(slice(2, 9))) == 7
    assert len(parts.posteriors(slice(0, 0))) == len(parts.posteriors([])) == 0


def test_weights_of_objects_change_nothing():
    _, observations = measured(TWO, 9, np.random.default_rng(9))
    weighted = replace(observations, weights=np.arange(9.0))
    assert (denoise(TWO, weighted).means == denoise(TWO, observations).means).all()


def test_an_object_of_the_background_keeps_its_value_and_its_error():
    box = Background([-50.0, -50.0], [50.0, 50.0], fraction=0.2)
    mixture = replace(TWO, weights=0.8 * TWO.weights, background=box)
    values = np.array([[40.0, -30.0], [40.0, np.nan], [1.0, 0.0]])
    observations = Observations.with_standard_errors(values, 0.5, names=["a", "b"])
    result = denoise(mixture, observations)
    assert memberships(mixture, observations)[:2, 2] == pytest.approx(1.0)
    assert result.means == pytest.approx(np.array([[40.0, -30.0], [40.0, 0.0], result.means[2]]))
    sigmas = np.array([[0.5, 0.5], [0.5, 100 / np.sqrt(12)]])
    assert result.standard_deviations[:2] == pytest.approx(sigmas)
    assert result.quantiles(0.9)[1] == pytest.approx([40 + 0.5 * norm.ppf(0.9), 40.0])
    draws = result.sample(20_000, 0)[1, :, 1]
    assert np.abs(draws).max() <= 50.0
    assert np.abs(draws).mean() == pytest.approx(25.0, abs=5 * 50 / np.sqrt(12 * 20_000))
    assert result.posteriors(0)[0].n_components == 3
    with pytest.raises(InputError, match="uniform"):
        result.posteriors(1)[0]


@pytest.mark.parametrize("value", [0.9, 1.0, 1.4, 0.0, -3.0])
def test_at_an_edge_the_truth_of_an_object_of_the_background_is_cut(value):
    """The posterior by numerical integration over the true value; the line and the continuum overlap."""
    background = Background(-1.0, 1.0, fraction=0.6)
    mixture = GaussianMixture([0.4], [[0.8]], [[[0.04]]], background=background)
    observations = Observations.with_standard_errors([value], [0.5])
    x = np.linspace(-1.0, 1.0, 200_001)
    wide = np.linspace(-3.0, 5.0, 200_001)
    line = 0.4 * norm.pdf(wide, 0.8, 0.2) * norm.pdf(value, wide, 0.5)
    continuum = 0.3 * norm.pdf(value, x, 0.5)
    total = np.trapezoid(line, wide) + np.trapezoid(continuum, x)
    mean = (np.trapezoid(wide * line, wide) + np.trapezoid(x * continuum, x)) / total
    squares = (np.trapezoid((wide - mean) ** 2 * line, wide) + np.trapezoid((x - mean) ** 2 * continuum, x)) / total
    result = denoise(mixture, observations)
    assert log_likelihoods(mixture, observations)[0] == pytest.approx(np.log(total), abs=1e-9)
    assert memberships(mixture, observations)[0, 1] == pytest.approx(np.trapezoid(continuum, x) / total, rel=1e-8)
    assert result.means[0, 0] == pytest.approx(mean, abs=1e-8)
    assert result.standard_deviations[0, 0] == pytest.approx(np.sqrt(squares), rel=1e-7)
    for level in (0.05, 0.5, 0.9):
        q = result.quantiles(level)[0, 0]
        below = np.trapezoid(line * (wide < q), wide) + np.trapezoid(continuum * (x < q), x)
        assert below / total == pytest.approx(level, abs=1e-4)  # one step of the grid
    draws = result.sample(20_000, 3)[0, :, 0]
    assert draws.mean() == pytest.approx(mean, abs=5 * np.sqrt(squares / 20_000))
    with pytest.raises(InputError, match="cut by its box"):
        result.posteriors(0)[0]


def test_correlated_errors_and_gaps_beside_a_background_have_the_posterior_of_a_grid():
    background = Background([-1.0, 0.0], [1.0, 3.0], fraction=0.7)
    mixture = GaussianMixture([0.3], [[0.5, 1.0]], [[[0.3, 0.1], [0.1, 0.2]]], background=background)
    values = np.array([[0.9, 2.9], [1.3, -0.2], [0.2, 1.5], [np.nan, 3.1]])
    S = np.tile([[0.09, 0.06], [0.06, 0.16]], (4, 1, 1))
    observations = Observations.with_covariances(values, S)
    result = denoise(mixture, observations)
    x, y = np.linspace(-3, 4, 1401), np.linspace(-3, 5, 1601)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    prior = 0.3 * multivariate_normal([0.5, 1.0], mixture.covariances[0]).pdf(grid)
    edges = np.where(np.abs(x) < 1, 1.0, np.where(np.isclose(np.abs(x), 1), 0.5, 0.0))[:, None]
    sides = np.where((y > 0) & (y < 3), 1.0, np.where(np.isclose(y, 0) | np.isclose(y, 3), 0.5, 0.0))
    prior = prior + 0.7 / 6.0 * edges * sides
    for i, w in enumerate(values):
        seen = np.isfinite(w)
        density = prior * multivariate_normal(w[seen], S[i][np.ix_(seen, seen)]).pdf(grid[..., seen])
        total = density.sum()
        mean = np.einsum("xy,xyi->i", density, grid) / total
        d = grid - mean
        # trapezoids at the edges of the box: the step squared over twelve, times slopes of about ten
        assert log_likelihoods(mixture, observations)[i] == pytest.approx(np.log(total * 0.005**2), abs=1e-4)
        assert result.means[i] == pytest.approx(mean, abs=1e-4)
        assert result.covariances[i] == pytest.approx(np.einsum("xy,xyi,xyj->ij", density, d, d) / total, abs=1e-4)


def test_a_background_of_measured_values_does_not_cut_the_truth():
    background = Background(-1.0, 1.0, fraction=0.6, of="measured values")
    mixture = GaussianMixture([0.4], [[30.0]], [[[0.04]]], background=background)
    result = denoise(mixture, Observations.with_standard_errors([0.9], [0.5]))
    assert (result.means[0, 0], result.standard_deviations[0, 0]) == pytest.approx((0.9, 0.5))


def test_units_are_those_of_the_mixture():
    mixture = GaussianMixture([1.0], [[80.0]], [[[9.0]]], ["v"], ["km/s"])
    result = denoise(mixture, Observations.with_standard_errors([83_000.0] * u.m / u.s, 3_000.0 * u.m / u.s, names="v"))
    assert result.means == pytest.approx(np.array([[81.5]]))
    assert result.units == (u.km / u.s,)
    assert (result.names, len(result)) == (("v",), 1)


def test_a_block_without_any_value_is_answered_too():
    observations = Observations.exact([[np.nan, np.nan], [1.0, 0.0]], names=["a", "b"]).select([0])
    assert memberships(TWO, observations) == pytest.approx(TWO.weights[None])
    assert log_likelihoods(TWO, observations).tolist() == [0.0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"1 coordinates.*mixture has 2"):
        denoise(TWO, Observations.exact([1.0]))
    beside = replace(ONE, weights=0.9 * ONE.weights, background=Background(-9.0, 9.0))
    through = Observations.with_standard_errors([[1.0]], 0.1, projections=[[1.0]])
    for question in (denoise, memberships, log_likelihoods):
        with pytest.raises(InputError, match="projections"):
            question(beside, through)


def test_progress_is_shown_where_it_is_asked_for(capsys):
    denoise(ONE, Observations.exact([1.0]), progress="always")
    assert "objects" in capsys.readouterr().err
    denoise(ONE, Observations.exact([1.0]))
    assert capsys.readouterr().err == ""
