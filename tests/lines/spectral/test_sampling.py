"""Resamples, posterior samples, and the test of a further group."""

import numpy as np
import pytest
from scipy.special import erf

from xdgmm import lines
from xdgmm.errors import InputError

LIGHT = 299792.458
REST = 6564.61


def spectrum(seed, *, sigma=80.0, broad=0.0, error=0.5, n=80, step=1.0):
    rng = np.random.default_rng(seed)
    x = REST + step * (np.arange(n) - n / 2)
    edges = np.append(x - step / 2, x[-1] + step / 2)
    flux = np.full(n, 5.0)
    for amount, own in ((100.0, sigma), (broad, 400.0)):
        width = np.hypot(own / LIGHT * REST, 1.2)
        flux = flux + amount * np.diff(0.5 * erf((edges - REST) / (width * np.sqrt(2)))) / step
    return x, flux + error * rng.normal(size=n), np.full(n, error)


LSF = lines.LSF(sigma=1.2, includes_pixel=False, error=0.03)
NARROW = lines.Group("narrow", [REST])
BROAD = lines.Group("broad", [REST], sigma=(200.0, 1000.0))


@pytest.fixture(scope="module")
def fit():
    return lines.fit_lines(*spectrum(1), groups=NARROW, lsf=LSF, continuum=0)


def test_resamples_scatter_by_the_errors_of_the_fit(fit):
    samples = fit.bootstrap(300, random_state=1)
    assert len(samples) == 300
    for name, values in (("variances", samples.variances), ("velocities", samples.velocities)):
        error = getattr(fit.solution, name).errors[0]
        assert values[:, 0].std() == pytest.approx(error, rel=0.15)
        assert values[:, 0].mean() == pytest.approx(getattr(fit.solution, name).values[0], abs=0.3 * error)
    assert samples.fluxes.std(axis=0) == pytest.approx(fit.solution.fluxes.errors, rel=0.15)
    np.testing.assert_allclose(samples.interval(), fit.interval(), rtol=0.03)


def test_resamples_do_not_depend_on_processes(fit):
    one, two = (fit.bootstrap(4, random_state=3, n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(one.variances, two.variances)


def test_the_posterior_agrees_with_the_profile_where_data_decide(fit):
    samples = fit.sample_posterior(n_steps=400, random_state=1)
    np.testing.assert_allclose(samples.interval(), fit.interval(), rtol=0.03)
    assert samples.fluxes.std() == pytest.approx(fit.solution.fluxes.errors[0], rel=0.15)
    assert "posterior" in repr(samples)


@pytest.mark.slow
def test_the_posterior_is_that_of_numerical_integration():
    """sigma of an unresolved line: flat priors, everything else integrated out on a grid of (v, sigma)."""
    x, flux, err = spectrum(5, sigma=25.0, error=2.0)
    lsf = lines.LSF(sigma=1.2, includes_pixel=False)
    fit = lines.fit_lines(x, flux, err, groups=NARROW, lsf=lsf, continuum=0)
    samples = fit.sample_posterior(random_state=2)
    assert samples.chain.outcome.converged
    edges = np.append(x - 0.5, x[-1] + 0.5)
    sigmas, velocities = np.linspace(0.0, 150.0, 301), np.linspace(-80.0, 80.0, 81)
    log = np.empty((sigmas.size, velocities.size))
    for i, sigma in enumerate(sigmas):
        width = np.hypot(sigma / LIGHT * REST, 1.2)
        for j, velocity in enumerate(velocities):
            mean = REST * (1 + velocity / LIGHT)
            shape = np.diff(0.5 * erf((edges - mean) / (width * np.sqrt(2))))
            design = np.array([shape, np.ones(x.size)]).T / err[:, None]
            _, residual, *_ = np.linalg.lstsq(design, flux / err, rcond=None)
            log[i, j] = -0.5 * residual[0] - 0.5 * np.linalg.slogdet(design.T @ design)[1]
    density = np.exp(log - log.max()).sum(axis=1)
    cumulative = np.cumsum(density) / density.sum()
    for level in (0.16, 0.5, 0.84, 0.95):
        expected = np.interp(level, cumulative, sigmas)
        assert np.quantile(samples.sigmas[:, 0], level) == pytest.approx(expected, abs=2.0)


def test_a_broad_component_is_found_where_there_is_one():
    x, flux, err = spectrum(2, broad=40.0)
    one = lines.fit_lines(x, flux, err, groups=NARROW, lsf=LSF, continuum=0)
    both = lines.fit_lines(x, flux, err, groups=[NARROW, BROAD], lsf=LSF, continuum=0)
    assert 300 < both.intrinsic_sigma[1] < 500
    assert abs(both.lines["flux"][1] - 40.0) < 4 * both.lines["flux_error"][1]
    found = both.compare(one, 19, random_state=1)
    assert found.p_value == pytest.approx(1 / 20)
    assert found.likelihood_ratio > 5 * found.simulated.max()


@pytest.mark.slow
def test_p_values_are_uniform_where_there_is_none():
    """Kolmogorov-Smirnov distance of 20 p-values."""
    values = []
    for seed in range(20):
        x, flux, err = spectrum(100 + seed)
        one = lines.fit_lines(x, flux, err, groups=NARROW, lsf=LSF, continuum=0)
        both = lines.fit_lines(x, flux, err, groups=[NARROW, BROAD], lsf=LSF, continuum=0)
        values.append(both.compare(one, 19, random_state=seed).p_value)
    ordered = np.sort(values)
    distance = np.max(np.abs(ordered - (np.arange(20) + 0.5) / 24))
    assert distance < 0.36  # 1% of uniform samples are further


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: fit.bootstrap(1), "`n_resamples`"),
        (lambda fit: fit.sample_posterior(n_steps=0), "`n_steps`"),
        (lambda fit: fit.compare(fit), "parameters"),
        (lambda fit: fit.compare(fit, 5), "`n_simulations`"),
    ],
)
def test_bad_input_is_one_sentence(fit, call, message):
    with pytest.raises(InputError, match=message):
        call(fit)


def test_fits_of_other_data_are_not_compared(fit):
    both = lines.fit_lines(*spectrum(3), groups=[NARROW, BROAD], lsf=LSF, continuum=0)
    with pytest.raises(InputError, match="other data"):
        both.compare(fit)
