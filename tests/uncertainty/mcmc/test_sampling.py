"""Posteriors against numerical integration, the laws they obey, and what is refused."""

import warnings

import numpy as np
import pytest
from astropy.units import Unit
from scipy import stats
from scipy.special import logsumexp

from xdgmm import (
    XDGMM,
    Background,
    Dirichlet,
    Fixed,
    GaussianMixture,
    InputError,
    InverseWishart,
    Normal,
    Observations,
    Prior,
    datasets,
)
from xdgmm.errors import ConvergenceWarning, XdgmmWarning
from xdgmm.uncertainty.mcmc import (
    LKJ,
    HalfCauchy,
    LogUniform,
    PosteriorPrior,
    SamplingOutcome,
    Uniform,
    sample_posterior,
    sampling,
)
from xdgmm.uncertainty.mcmc.chain import autocorrelation_times
from xdgmm.uncertainty.mcmc.posterior import Posterior
from xdgmm.uncertainty.mcmc.walkers import starting_points

QUANTILES = np.array([0.025, 0.16, 0.5, 0.84, 0.975])


def fitted(observations, n_components=1, **settings):
    return XDGMM(n_components, **{"random_state": 0, **settings}).fit(observations).result_


def quietly(*arguments, **settings):
    """A chain that may be too short."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return sample_posterior(*arguments, **settings)


def two_groups(n=60, seed=5):
    """One column with two groups of objects that overlap a little."""
    rng = np.random.default_rng(seed)
    near = rng.random(n) < 0.6
    errors = rng.uniform(0.2, 0.5, n)
    values = np.where(near, rng.normal(0.0, 0.7, n), rng.normal(5.0, 1.0, n)) + errors * rng.standard_normal(n)
    return values, errors


def plane(n=40, seed=6):
    """Two columns, one group."""
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.2, 0.8, (n, 2))
    values = rng.multivariate_normal([1.0, -2.0], [[1.0, 0.6], [0.6, 0.8]], n) + errors * rng.standard_normal((n, 2))
    return values, errors


# one dimension: the whole posterior on a grid

TRIALS = {"eight_schools": ("y", 15.0), "bcg": ("y", 1.0)}
SIGMA_PRIORS = {
    "half-Cauchy": (HalfCauchy, lambda s, scale: stats.halfcauchy.logpdf(s, scale=scale)),
    "uniform": (lambda scale: Uniform(3 * scale), lambda s, scale: np.where(s < 3 * scale, 0.0, -np.inf)),
    "log-uniform": (
        lambda scale: LogUniform(0.05 * scale, 5 * scale),
        lambda s, scale: np.where((s > 0.05 * scale) & (s < 5 * scale), -np.log(s), -np.inf),
    ),
}


def on_a_grid(values, errors, log_prior, scale):
    """Grids of mu and sigma, and their posterior probabilities, from nothing but the normal density."""
    mu = np.linspace(-6.0 * scale, 6.0 * scale, 401)
    edges = np.geomspace(1e-4 * scale, 50 * scale, 1601)
    sigma, width = np.sqrt(edges[1:] * edges[:-1]), np.diff(edges)
    variances = sigma[:, None] ** 2 + errors**2
    with np.errstate(divide="ignore"):
        log_p = log_prior(sigma, scale) + np.log(width)
    # the exponent is a quadratic of mu
    w = 1.0 / variances
    log_l = -0.5 * np.log(variances).sum(axis=1) - 0.5 * (w @ values**2)
    log_l = log_l[:, None] + np.outer(w @ values, mu) - 0.5 * np.outer(w.sum(axis=1), mu**2)
    spread = 1.482602218505602 * np.median(np.abs(values - lower_median(values)))
    log_p = log_p[:, None] + log_l + stats.norm.logpdf(mu, lower_median(values), 10 * spread)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    return (mu, p.sum(axis=0)), (sigma, p.sum(axis=1))


def lower_median(values):
    return np.percentile(values, 50, method="lower")


def check_marginal(samples, ess, grid, p):
    """Mean, variance and quantiles of samples, each to four of its Monte Carlo errors."""
    mean = grid @ p
    variance = (grid - mean) ** 2 @ p
    assert abs(samples.mean() - mean) < 4 * np.sqrt(variance / ess)
    fourth = (grid - mean) ** 4 @ p
    assert abs(samples.var() - variance) < 4 * np.sqrt((fourth - variance**2) / ess)
    cumulated = np.interp(np.quantile(samples, QUANTILES), grid, np.cumsum(p) - 0.5 * p)
    assert (np.abs(cumulated - QUANTILES) < 4 * np.sqrt(QUANTILES * (1 - QUANTILES) / ess)).all()


@pytest.mark.parametrize(
    ("trials", "prior"),
    [
        ("eight_schools", "half-Cauchy"),
        ("bcg", "log-uniform"),
        pytest.param("eight_schools", "uniform", marks=pytest.mark.slow),
        pytest.param("eight_schools", "log-uniform", marks=pytest.mark.slow),
        pytest.param("bcg", "half-Cauchy", marks=pytest.mark.slow),
        pytest.param("bcg", "uniform", marks=pytest.mark.slow),
    ],
)
def test_posteriors_of_trials_are_those_of_numerical_integration(trials, prior):
    column, scale = TRIALS[trials]
    table = datasets.load(trials)
    observations = Observations.from_table(table, column)
    values, errors = observations.values[:, 0], np.sqrt(observations.variances[:, 0])
    make, log_prior = SIGMA_PRIORS[prior]
    settings = {"prior": PosteriorPrior(sigmas=make(scale)), "n_steps": 5000, "rng": 11}
    samples = sample_posterior(fitted(observations), observations, **settings)
    assert samples.outcome is SamplingOutcome.CONVERGED
    summary = samples.summary()
    for row, marginal in zip(summary, on_a_grid(values, errors, log_prior, scale), strict=True):
        check_marginal(np.asarray(samples.parameters[row["parameter"]]), row["ess"], *marginal)


# more dimensions: importance sampling with an independent density


def weighted_means(proposal, log_density, rng, n=60_000):
    """Expectations of points and their squares under a density, from a wide Student t around other samples."""
    mean, covariance = proposal.mean(axis=0), 1.5 * np.cov(proposal.T)
    t = stats.multivariate_t(mean, covariance, df=5, seed=rng)
    points = t.rvs(n)
    log_weights = log_density(points) - t.logpdf(points)
    weights = np.exp(log_weights - logsumexp(log_weights))
    return points, weights, 1.0 / (weights**2).sum()


def compare(samples, ess, log_density, seed=0):
    """Means and second moments of samples (n, P) of posteriors, against importance sampling, to four errors of both."""
    points, weights, worth = weighted_means(samples, log_density, np.random.default_rng(seed))
    assert worth > 3000  # or the proposal is not wide enough
    centre = samples.mean(axis=0)
    for power in (1, 2):
        mine, theirs = (samples - centre) ** power, (points - centre) ** power
        expected = weights @ theirs
        error = theirs.std(axis=0) * np.sqrt(1.0 / ess.min() + 1.0 / worth)
        assert (np.abs(mine.mean(axis=0) - expected) < 4 * error).all()


def test_the_posterior_of_two_components_is_that_of_an_independent_density():
    values, errors = two_groups()
    observations = Observations.with_standard_errors(values, errors)
    prior = PosteriorPrior(Dirichlet(2.0), Normal([2.0], [[16.0]]), HalfCauchy(1.5))
    samples = sample_posterior(fitted(observations, 2), observations, prior=prior, n_steps=8000, rng=2)
    assert samples.label_switching < 0.01

    def log_density(points):
        logit, m, log_s = points[:, 0], points[:, 1:3], points[:, 3:5]
        a = 1 / (1 + np.exp(-logit))
        variances = np.exp(2 * log_s)[:, :, None] + errors**2
        logs = stats.norm.logpdf(values, m[:, :, None], np.sqrt(variances))
        result = np.logaddexp(np.log(a)[:, None] + logs[:, 0], np.log1p(-a)[:, None] + logs[:, 1]).sum(axis=1)
        result += stats.beta.logpdf(a, 2.0, 2.0) + np.log(a * (1 - a))
        result += stats.norm.logpdf(m, 2.0, 4.0).sum(axis=1)
        return result + (stats.halfcauchy.logpdf(np.exp(log_s), scale=1.5) + log_s).sum(axis=1)

    logit = np.log(samples.weights[:, :1] / samples.weights[:, 1:])
    mine = np.concatenate([logit, samples.means[:, :, 0], np.log(samples.sigmas[:, :, 0])], axis=1)
    compare(mine, np.array(samples.summary()["ess"]), log_density)


def test_the_posterior_in_two_dimensions_is_that_of_an_independent_density():
    values, errors = plane()
    observations = Observations.with_standard_errors(values, errors)
    prior = PosteriorPrior(
        means=Normal([0.0, 0.0], [[9.0, 2.0], [2.0, 9.0]]), sigmas=Uniform(4.0), correlations=LKJ(2.0)
    )
    samples = sample_posterior(fitted(observations), observations, prior=prior, n_steps=8000, rng=2)

    def log_density(points):
        m, log_s, y = points[:, :2], points[:, 2:4], points[:, 4]
        s, rho = np.exp(log_s), np.tanh(y)
        a, b = (s[:, i, None] ** 2 + errors[:, i] ** 2 for i in range(2))
        c = (rho * s[:, 0] * s[:, 1])[:, None]
        d = values - m[:, None]
        determinant = a * b - c**2
        squares = (b * d[..., 0] ** 2 - 2 * c * d[..., 0] * d[..., 1] + a * d[..., 1] ** 2) / determinant
        result = -0.5 * (squares + np.log(determinant)).sum(axis=1)
        result += stats.multivariate_normal.logpdf(m, [0.0, 0.0], [[9.0, 2.0], [2.0, 9.0]])
        result += np.where((s < 4.0).all(axis=1), log_s.sum(axis=1), -np.inf)
        # LKJ(2) in two dimensions is 1 - rho^2, and so is the derivative of tanh
        return result - 4.0 * np.log(np.cosh(y))

    rho = samples.covariances[:, 0, 0, 1] / samples.sigmas[:, 0].prod(axis=1)
    mine = np.column_stack([samples.means[:, 0], np.log(samples.sigmas[:, 0]), np.arctanh(rho)])
    compare(mine, np.array(samples.summary()["ess"]), log_density)


def test_the_log_posterior_is_likelihood_in_the_callers_units_and_prior(line):
    result, observations = line
    samples = quietly(*line, n_steps=30, rng=1)
    prior = PosteriorPrior().resolved(observations, 1, result.model)
    z = samples.chain.kept.reshape(-1, 2)
    log_prior = Posterior(result, observations, prior).log_prior(z)
    widths = np.sqrt(samples.covariances[:, 0, 0, 0] + observations.noise**2)  # (30, n)
    log_likelihood = stats.norm.logpdf(observations.values, samples.means[:, 0, 0], widths).sum(axis=0)
    np.testing.assert_allclose(samples.log_posterior, log_likelihood + log_prior, rtol=1e-11)


# laws


def test_shifting_and_scaling_the_data_moves_the_posterior_along():
    values, errors = plane()
    scale, shift = np.array([4.0, 0.125]), np.array([64.0, -32.0])  # exact in floating point
    here = Observations.with_standard_errors(np.round(values * 2**20) / 2**20, errors)
    there = Observations.with_standard_errors(here.values * scale + shift, errors * scale)
    # few steps: rounding of the fits grows with each of them
    one, other = (quietly(fitted(obs), obs, n_steps=30, rng=4) for obs in (here, there))
    np.testing.assert_allclose(other.means, one.means * scale + shift, rtol=1e-6)
    np.testing.assert_allclose(other.covariances, one.covariances * np.outer(scale, scale), rtol=1e-6)


def test_the_same_seed_gives_the_same_samples(line):
    one, same, other = (quietly(*line, n_steps=40, rng=seed) for seed in (5, np.random.default_rng(5), 6))
    np.testing.assert_array_equal(one.means, same.means)
    assert (one.chain.coordinates != other.chain.coordinates).all()


def test_weights_are_repeated_rows(line):
    result, observations = line
    counts = np.arange(30) % 3 + 1
    values, errors = observations.values[:, 0], observations.noise[:, 0]
    weighted = Observations.with_standard_errors(values, errors, weights=counts)
    repeated = Observations.with_standard_errors(np.repeat(values, counts), np.repeat(errors, counts))
    settings = {"prior": PosteriorPrior(means=Normal([80.0], [[100.0]]), sigmas=HalfCauchy(3.0))}
    z = np.random.default_rng(0).standard_normal((5, 2))
    found = []
    for obs in (weighted, repeated):
        result = fitted(obs)
        prior = settings["prior"].resolved(obs, 1, result.model)
        posterior = Posterior(result, obs, prior)
        points = (80.0 + z[:, 0] - posterior.scaling.location[0]) / posterior.scaling.scale[0]
        log_sigmas = z[:, 1] - np.log(posterior.scaling.scale[0])
        density = posterior(np.column_stack([points, log_sigmas]))
        found.append(density - np.log(posterior.scaling.scale[0]))  # a density over means in the caller's units
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)


def test_what_is_fixed_stays_and_the_background_is_sampled():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 60), rng.normal(6, 0.5, 40), rng.uniform(-20, 20, 15)])
    obs = Observations.with_standard_errors(values, np.full(115, 0.3))
    start = GaussianMixture([0.5, 0.5], [[0.0], [6.0]], [[[1.0]], [[0.25]]])
    settings = {"background": Background([-20.0], [20.0]), "init": start, "fixed": Fixed(means=(1,), covariances=(1,))}
    result = fitted(obs, 2, **settings)
    samples = quietly(result, obs, n_steps=200, rng=1)
    assert list(samples.parameters) == ["weight[0]", "weight[1]", "background", "mean[0, x1]", "sigma[0, x1]"]
    assert (samples.means[:, 1] == 6.0).all()
    assert (samples.covariances[:, 1] == 0.25).all()
    np.testing.assert_allclose(samples.weights.sum(axis=1) + samples.background, 1.0, rtol=1e-12)
    assert samples.background.std() > 0.01
    mixture = next(samples.mixtures())
    assert mixture.background.fraction == samples.background[0]


def test_a_fixed_weight_keeps_its_value_and_the_others_share_the_rest():
    values, errors = two_groups()
    obs = Observations.with_standard_errors(values, errors)
    start = GaussianMixture([0.3, 0.3, 0.4], [[0.0], [1.0], [5.0]], np.full((3, 1, 1), 0.5))
    result = fitted(obs, 3, init=start, fixed=Fixed(weights=(0,)), max_iter=50)
    samples = quietly(result, obs, n_steps=60, rng=1)
    np.testing.assert_allclose(samples.weights[:, 0], 0.3, rtol=1e-12)
    np.testing.assert_allclose(samples.weights.sum(axis=1), 1.0, rtol=1e-12)
    assert "weight[0]" not in samples.parameters


def test_the_prior_of_a_maximum_posterior_fit_is_replaced():
    values, errors = two_groups()
    obs = Observations.with_standard_errors(values, errors)
    result = fitted(obs, prior=Prior(covariances=InverseWishart(30.0)))
    samples = quietly(result, obs, n_steps=60, rng=1)
    assert "half-Cauchy" in samples.prior
    assert "Wishart" not in samples.prior


@pytest.mark.parametrize("n", [0, 1, 5])
def test_walkers_start_everywhere_and_are_all_different(n, line):
    """From a regular fit, and from fits at the boundary, with every prior."""
    observations = line[1] if n == 0 else Observations.from_table(datasets.load("eight_schools"), "y")
    sigmas = {0: HalfCauchy(), 1: LogUniform(0.5, 30.0), 5: Uniform(0.5)}[n]
    samples = quietly(fitted(observations), observations, n_steps=1, rng=1, prior=PosteriorPrior(sigmas=sigmas))
    first = samples.chain.coordinates[0]
    assert len(np.unique(first, axis=0)) == samples.n_walkers
    assert np.isfinite(samples.chain.log_posterior).all()
    assert first[:, 1].std() > 0.05  # of log-sigma: 13% with 30 objects


def test_a_singular_covariance_is_left_behind():
    rng = np.random.default_rng(2)
    true_values = rng.standard_normal((25, 1)) * [1.0, 0.5]  # on a line
    obs = Observations.with_standard_errors(true_values + 0.3 * rng.standard_normal((25, 2)), 0.5)
    result = fitted(obs)
    assert result.singular[0] > 0
    samples = quietly(result, obs, n_steps=100, rng=1)
    assert np.isfinite(samples.log_posterior).all()
    assert (np.linalg.eigvalsh(samples.covariances)[..., 0] > 0).all()


def test_overlapping_components_exchange_and_there_is_a_warning():
    rng = np.random.default_rng(0)
    obs = Observations.with_standard_errors(rng.standard_normal(25), 0.3)
    result = fitted(obs, 2, max_iter=200)
    with pytest.warns(ConvergenceWarning), pytest.warns(XdgmmWarning, match="matched"):
        samples = sample_posterior(result, obs, n_steps=600, rng=1, relabel="ordering")
    assert samples.label_switching > 0.1
    first = samples.mixture.means[:, 0].argsort()
    assert (np.diff(samples.means[:, first, 0], axis=1) >= 0).all()


def neutron_stars():
    masses = Observations.from_table(datasets.load("neutron_stars"), "m", on_bad="drop")
    return fitted(masses, 2), masses


def test_exchanges_of_components_do_not_make_a_chain_longer():
    """Where labels switch, autocorrelation times are ten times as long (300 to 900 steps) as those of the numbers."""
    samples = sample_posterior(*neutron_stars(), rng=0)
    assert samples.converged
    assert samples.chain.tau.max() < 50
    assert samples.n_steps < 4000


@pytest.mark.slow
def test_the_posterior_of_components_that_overlap_is_that_of_an_independent_density():
    rng = np.random.default_rng(8)
    values, errors = np.append(rng.normal(0.0, 0.5, 30), rng.normal(2.2, 0.6, 30)), np.full(60, 0.3)
    observations = Observations.with_standard_errors(values, errors)
    prior = PosteriorPrior(Dirichlet(2.0), Normal([1.0], [[4.0]]), HalfCauchy(0.5))
    settings = {"prior": prior, "n_steps": 8000, "rng": 2, "relabel": "ordering"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)
        samples = sample_posterior(fitted(observations, 2), observations, **settings)
    assert samples.converged
    first, second = samples.mixture.means[:, 0].argsort()

    def log_density(points):
        logit, m, log_s = points[:, 0], points[:, 1:3], points[:, 3:5]
        a = 1 / (1 + np.exp(-logit))
        variances = np.exp(2 * log_s)[:, :, None] + errors**2
        logs = stats.norm.logpdf(values, m[:, :, None], np.sqrt(variances))
        result = np.logaddexp(np.log(a)[:, None] + logs[:, 0], np.log1p(-a)[:, None] + logs[:, 1]).sum(axis=1)
        result += stats.beta.logpdf(a, 2.0, 2.0) + np.log(a * (1 - a))
        result += stats.norm.logpdf(m, 1.0, 2.0).sum(axis=1)
        result += (stats.halfcauchy.logpdf(np.exp(log_s), scale=0.5) + log_s).sum(axis=1)
        return np.where(m[:, 0] < m[:, 1], result, -np.inf)

    order = [first, second]
    logit = np.log(samples.weights[:, [first]] / samples.weights[:, [second]])
    mine = np.concatenate([logit, samples.means[:, order, 0], np.log(samples.sigmas[:, order, 0])], axis=1)
    compare(mine, np.array(samples.summary()["ess"]), log_density)


def test_two_solutions_that_are_no_exchange_have_not_converged(monkeypatch):
    """Two components for three equal groups: one of them takes the middle one, and walkers start at both solutions."""
    rng = np.random.default_rng(4)
    right, middle = rng.normal(12.0, 1.0, 20), rng.standard_normal(10)
    observations = Observations.with_standard_errors(np.concatenate([-right, -middle, middle, right]), 0.3)
    solutions = []
    for means, variances in ([[-6.0], [12.0]], [[37.0], [1.0]]), ([[-12.0], [6.0]], [[1.0], [37.0]]):
        start = GaussianMixture([0.5, 0.5], means, np.array(variances)[..., None])
        solutions.append(fitted(observations, 2, init=start))
    assert solutions[0].log_likelihood == pytest.approx(solutions[1].log_likelihood)  # the data are symmetric
    prior = PosteriorPrior().resolved(observations, 2, solutions[0].model)
    half = [starting_points(Posterior(each, observations, prior), 16, rng) for each in solutions]
    monkeypatch.setattr(sampling, "starting_points", lambda *_: np.concatenate(half))
    samples = quietly(solutions[0], observations, max_steps=3000, rng=1)
    assert samples.outcome is SamplingOutcome.OUT_OF_STEPS
    assert samples.chain.tau.max() > 200


def test_autocorrelation_times_are_those_of_the_parameters(line):
    samples = quietly(*line, n_steps=400, rng=1)
    assert len(samples.chain.tau) == len(samples.parameters) + 1
    z = samples.chain.coordinates[80:]  # the first fifth is left out
    sigma = autocorrelation_times(np.exp(z[..., 1:]))[0]
    np.testing.assert_allclose(samples.chain.tau[:2], [autocorrelation_times(z)[0], sigma], rtol=1e-9)
    np.testing.assert_allclose(samples.summary()["tau"], samples.chain.tau[:2])


def test_a_chain_that_is_too_short_is_a_result_with_a_warning(line):
    with pytest.warns(ConvergenceWarning, match="max_steps"):
        samples = sample_posterior(*line, max_steps=60, rng=1)
    assert samples.outcome is SamplingOutcome.OUT_OF_STEPS
    assert not samples.converged
    assert samples.n_steps == 60


def test_one_step_is_enough_for_a_result(line):
    samples = quietly(*line, n_steps=1, rng=1)
    assert len(samples) == samples.n_walkers
    assert len(samples.summary()) == 2


def test_moves_of_emcee_can_be_given(line):
    from emcee.moves import StretchMove

    samples = quietly(*line, n_steps=30, rng=1, moves=[(StretchMove(), 1.0)])
    assert samples.chain.acceptance.mean() > 0.4


def test_observations_in_other_units_are_converted(line):
    result, observations = line
    other = observations.in_units([Unit("m/s")])
    one, same = (quietly(result, obs, n_steps=20, rng=1) for obs in (observations, other))
    np.testing.assert_allclose(one.means, same.means, rtol=1e-9)


def test_always_showing_a_bar_shows_one(line, capfd):
    quietly(*line, n_steps=20, rng=1, progress="always")
    assert "20" in capfd.readouterr().err


# what is refused


def test_a_fit_of_other_data_is_refused(line):
    result, observations = line
    moved = Observations.with_standard_errors(observations.values + 0.01, observations.noise, names="v", units="km/s")
    for other in (moved, observations.select(slice(0, 29))):
        with pytest.raises(InputError, match=r"other data: .*30 objects"):
            sample_posterior(result, other)
    renamed = Observations.with_standard_errors(observations.values, observations.noise, names="w", units="km/s")
    with pytest.raises(InputError, match=r"fit is of v, .*observations are of w"):
        sample_posterior(result, renamed)
    with pytest.raises(InputError, match=r"FitResult.* `result_`"):
        sample_posterior(result.mixture, observations)


def test_a_prior_of_zero_density_at_the_start_is_refused(line):
    for sigmas in (Uniform(0.5), LogUniform(9.0, 20.0)):
        with pytest.raises(InputError, match=r"zero density .*sigma of v .* km / s"):
            sample_posterior(*line, prior=PosteriorPrior(sigmas=sigmas))


WRONG = {
    "few walkers": ({"n_walkers": 5}, "`n_walkers` is 5,.* at least 8, for 2 "),
    "no walkers": ({"n_walkers": 0}, "`n_walkers` is 0"),
    "no steps": ({"n_steps": 0}, "`n_steps` is 0,.* at least 1"),
    "half a step": ({"n_steps": 0.5}, "`n_steps` is 0.5"),
    "no maximum": ({"max_steps": None}, "`max_steps` is None"),
    "until": ({"until": "bored"}, "`until` is 'bored',.* 'converged'"),
    "prior": ({"prior": Prior(covariances=InverseWishart(1.0))}, "`prior` is a Prior,.* PosteriorPrior"),
    "relabel": ({"relabel": "names"}, "`relabel` is 'names',.* assignment, ordering"),
    "progress": ({"progress": True}, "`progress` is True"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_argument_that_is_wrong_is_named(line, what):
    settings, message = WRONG[what]
    with pytest.raises(InputError, match=message):
        sample_posterior(*line, **settings)


def test_walkers_are_at_least_two_more_than_twice_the_dimensions():
    values, errors = plane()
    obs = Observations.with_standard_errors(values, errors)
    result = fitted(obs)
    with pytest.raises(InputError, match="at least 12, for 5 "):
        sample_posterior(result, obs, n_walkers=11)
    assert quietly(result, obs, n_walkers=12, n_steps=5, rng=1).n_walkers == 12


def test_with_everything_fixed_there_is_nothing_to_sample(line):
    result, obs = line
    start = GaussianMixture([1.0], result.mixture.means, result.mixture.covariances)
    with pytest.raises(InputError, match="nothing"):
        sample_posterior(fitted(obs, init=start, fixed=Fixed(means=(0,), covariances=(0,))), obs)
