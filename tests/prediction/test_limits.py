"""What a mixture predicts for objects with limits: true values, draws, distances, residuals."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, kstest, norm

from xdgmm import Background, GaussianMixture, Observations
from xdgmm.diagnostics import check, error_scale, quick_checks, residuals, simulate, unusual_objects
from xdgmm.errors import InputError
from xdgmm.fitting import fit
from xdgmm.objects import ObjectColumns, denoise, distances, outlyingness
from xdgmm.prediction import completed, draw_observations

ONE = GaussianMixture([1.0], [[0.0, 1.0]], [[[1.0, 0.5], [0.5, 2.0]]])
TWO = GaussianMixture([0.4, 0.6], [[-1.0, 0.0], [1.0, 2.0]], [[[0.5, 0.2], [0.2, 0.8]], [[1.5, -0.6], [-0.6, 0.9]]])
BOXED = GaussianMixture(
    [0.3, 0.4], TWO.means, TWO.covariances, background=Background([-6.0, -5.0], [6.0, 7.0], fraction=0.3)
)
T = GaussianMixture([1.0], ONE.means, ONE.covariances, dof=4.0)
MIXTURES = {"one": ONE, "two": TWO, "background": BOXED, "t": T}


def catalogue(mixture, rng, n=4000):
    """Noisy points of a mixture with thresholds in both columns, one limit at most in each row; and all of them."""
    v = mixture.sample(n, rng)[0]
    errors = rng.uniform(0.1, 0.6, v.shape)
    w = v + errors * rng.standard_normal(v.shape)
    place = rng.integers(2, size=n)  # which column has a threshold
    has = np.arange(2) == place[:, None]
    upper, lower = has & (w < -0.5) & (place == 0)[:, None], has & (w > 2.0) & (place == 1)[:, None]
    values = np.where(upper, -0.5, np.where(lower, 2.0, w))
    return Observations.with_limits(values, errors, upper=upper, lower=lower), w, v


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_a_completed_catalogue_is_one_of_the_mixture(mixture):
    observations, w, _ = catalogue(mixture, np.random.default_rng(1))
    complete = completed(mixture, observations, np.random.default_rng(2))
    limited = observations.limits != 0
    assert complete.limits is None
    np.testing.assert_array_equal(complete.values[~limited], w[~limited])
    beyond = (complete.values - observations.values) * observations.limits
    assert (beyond[limited] > 0).all()
    z = residuals(mixture, observations)
    assert np.isfinite(z).all()
    for column in z.T:
        assert kstest(column, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z.T)[0, 1]) < 4 / np.sqrt(len(z))
    values_alone = Observations.with_standard_errors(np.where(limited, np.nan, observations.values), observations.noise)
    biased = residuals(mixture, values_alone)[:, 0]
    assert kstest(biased[np.isfinite(biased)], "norm").pvalue < 1e-6


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_samples_have_the_moments_of_the_posterior(mixture):
    observations, *_ = catalogue(mixture, np.random.default_rng(3), n=60)
    found = denoise(mixture, observations)
    samples = found.sample(4000, rng=0)
    error = found.standard_deviations / np.sqrt(4000)
    assert (np.abs(samples.mean(axis=1) - found.means) < 5 * error).all()
    for i, cloud in enumerate(samples):
        ratio = np.var(cloud, axis=0) / np.diag(found.covariances[i])
        np.testing.assert_allclose(ratio, 1.0, atol=0.25)  # five errors of a variance, with tails


@pytest.mark.parametrize("of", ["true values", "measured values"])
def test_true_values_beside_a_background_are_those_of_quadrature(of):
    background = Background(-4.0, 5.0, fraction=0.4, of=of)
    mixture = GaussianMixture([0.6], [[1.0]], [[[0.8]]], background=background)
    observations = Observations.with_limits([0.3, 1.0], 0.4, upper=[True, False])
    found = denoise(mixture, observations.select([0]))

    def moments(density, low, high):
        powers = [quad(lambda v, p=p: v**p * density(v), low, high, points=[0.3])[0] for p in range(3)]
        mean = powers[1] / powers[0]
        return powers[0], mean, powers[2] / powers[0] - mean**2

    b = moments(lambda v: norm.cdf((0.3 - v) / 0.4) / 9.0, -4.0, 5.0)
    if of == "measured values":  # the true value has no prior: the noisy value is uniform below the limit
        b = 4.3 / 9.0, -1.85, 4.3**2 / 12 + 0.4**2
    g = moments(lambda v: norm.cdf((0.3 - v) / 0.4) * norm.pdf(v, 1.0, np.sqrt(0.8)), -9.0, 9.0)
    share = 0.4 * b[0] / (0.4 * b[0] + 0.6 * g[0])
    mean = share * b[1] + (1 - share) * g[1]
    assert found.means[0, 0] == pytest.approx(mean, abs=1e-7)
    variance = share * (b[2] + b[1] ** 2) + (1 - share) * (g[2] + g[1] ** 2) - mean**2
    assert found.covariances[0, 0, 0] == pytest.approx(variance, abs=1e-7)
    drawn = denoise(mixture, observations.select([0] * 3000)).sample(1, rng=1)
    assert drawn.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / 3000))


def test_posteriors_and_quantiles_are_refused_in_one_sentence():
    observations, *_ = catalogue(TWO, np.random.default_rng(3), n=60)
    found = denoise(TWO, observations)
    for ask in (found.posteriors, lambda: found.quantiles(0.5)):
        with pytest.raises(InputError, match="posterior of an object with a limit is no mixture of Gaussians"):
            ask()
    measured = ~observations.limits.any(axis=1)
    assert len(found.posteriors(measured)) == measured.sum()


def test_a_limit_alone_is_as_outlying_as_it_is_improbable():
    mixture = GaussianMixture([1.0], [[1.0]], [[[0.75]]])
    values = np.array([-1.0, 0.5, 3.0, 0.2])
    observations = Observations.with_limits(values, 0.5, upper=[True, True, True, False])
    np.testing.assert_allclose(distances(mixture, observations), [2.0, 0.5, 0.0, 0.8], atol=1e-12)
    expected = [norm.cdf(-2.0), norm.cdf(-0.5), 1.0, chi2.sf(0.64, 1)]
    np.testing.assert_allclose(outlyingness(mixture, observations), expected, rtol=1e-10)
    twice = GaussianMixture([0.5, 0.5], [[1.0], [1.0]], [[[0.75]], [[0.75]]])
    drawn = outlyingness(twice, observations.select([0, 1, 2]), n_samples=20_000, rng=0)
    np.testing.assert_allclose(drawn, expected[:3], atol=0.02)  # five errors of a fraction
    columns = {column.name: i for i, column in enumerate(ObjectColumns(mixture, observations).columns)}
    (block,) = ObjectColumns(mixture, observations).blocks("never")
    np.testing.assert_allclose(block[columns["xd_outlyingness"]], expected, rtol=1e-10)


def test_beside_values_it_is_that_of_chi_bar_squared():
    observations = Observations.with_limits([[1.5, -1.0]], [[0.5, 0.5]], upper=[[False, True]])
    d = distances(ONE, observations)[0]
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((2, 400_000))
    drawn = np.mean(z**2 + np.minimum(y, 0.0) ** 2 >= d**2)
    found = outlyingness(ONE, observations)[0]
    assert found == pytest.approx(drawn, abs=5e-3)
    assert unusual_objects(ONE, observations, n_largest=1)["p_value"][0] == pytest.approx(found)


def test_a_limit_is_the_threshold_of_what_is_drawn():
    observations = Observations.with_limits(
        [[0.0, 1.0], [0.5, 1.0], [0.5, 1.0]],
        [[0.2, 0.3], [0.2, 0.0], [0.2, 0.3]],
        upper=[[False, True], [False, True], [False, False]],
    )
    drawn = draw_observations(ONE, observations, 4000, np.random.default_rng(0))
    values, limits = drawn.values.reshape(3, 4000, 2), drawn.limits.reshape(3, 4000, 2)
    assert not limits[:, :, 0].any()
    assert not limits[2].any()
    assert np.mean(limits[0, :, 1] == -1) == pytest.approx(0.5, abs=0.04)
    assert set(limits[0, :, 1]) == {-1, 0}
    assert (values[0, limits[0, :, 1] == 0, 1] > 1.0).all()
    assert set(limits[1, :, 1]) == {-1, 1}  # nothing says with which error a value would be measured
    sides = draw_observations(ONE, observations, 100, np.random.default_rng(0), only_sides=True)
    assert set(sides.limits[:100, 1]) == {-1, 1}
    (simulated,) = simulate(ONE, observations, 1, rng=0, parameters="fixed")
    assert simulated.shape == (3, 2)


def test_checks_of_a_right_model_find_nothing_and_of_limits_as_values_something():
    rng = np.random.default_rng(5)
    v = rng.normal(0.0, 1.0, 1500)
    w = v + 0.3 * rng.standard_normal(1500)
    upper = w < -0.3
    values = np.maximum(w, -0.3)
    observations = Observations.with_limits(values, 0.3, upper=upper)
    assert quick_checks(fit(observations), observations) == []
    as_values = Observations.with_standard_errors(values, 0.3)
    assert {"skewness"} <= {finding.name for finding in quick_checks(fit(as_values), as_values)}
    few = observations.select(slice(150))
    assert check(fit(few), few, n_simulations=19, progress="never").p_value > 0.04


def test_the_size_of_errors_is_refused():
    observations, *_ = catalogue(ONE, np.random.default_rng(3), n=60)
    with pytest.raises(InputError, match="cannot be found beside limits"):
        error_scale(fit(observations), observations)
