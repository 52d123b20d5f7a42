import astropy.units as u
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from xdgmm import XDGMM, Dirichlet, Fixed, GaussianMixture, InputError, InverseWishart, Normal, Observations
from xdgmm.uncertainty.mcmc import LKJ, HalfCauchy, LogUniform, PosteriorPrior, Uniform
from xdgmm.uncertainty.mcmc.moves import default_moves
from xdgmm.uncertainty.mcmc.posterior import Posterior

RANGES = {"half-Cauchy": HalfCauchy(2.0), "uniform": Uniform(5.0), "log-uniform": LogUniform(0.1, 9.0)}


def a_posterior(prior=None, D=1, K=1, covariance_type="full", **fixed):
    """The posterior of some fit: of interest is only its prior."""
    rng = np.random.default_rng(0)
    obs = Observations.with_standard_errors(3.0 * rng.standard_normal((40, D)), np.ones((40, D)))
    start = GaussianMixture(np.full(K, 1 / K), rng.standard_normal((K, D)), np.tile(np.eye(D), (K, 1, 1)))
    settings = {"covariance_type": covariance_type, "init": start, "max_iter": 3, "tol": 0}
    result = XDGMM(K, fixed=Fixed(**fixed), **settings).fit(obs).result_
    prior = (prior or PosteriorPrior()).resolved(obs, K, result.model)
    return Posterior(result, obs, prior)


@pytest.mark.parametrize("name", RANGES)
def test_densities_of_sigmas_are_those_of_scipy(name):
    independent = {
        "half-Cauchy": stats.halfcauchy(scale=2.0),
        "uniform": stats.uniform(0.0, 5.0),
        "log-uniform": stats.loguniform(0.1, 9.0),
    }[name]
    prior = RANGES[name].resolved(("v",), (None,), np.ones(1))
    sigmas = np.array([[0.05, 0.1001, 1.0, 4.999, 5.001, 8.9, 20.0]]).T
    with np.errstate(divide="ignore"):
        expected = independent.logpdf(sigmas)
    np.testing.assert_allclose(prior.log_density(np.log(sigmas), np.zeros(1, int)), expected, rtol=1e-12)


@pytest.mark.parametrize("name", RANGES)
def test_the_density_over_one_log_sigma_integrates_to_one(name):
    posterior = a_posterior(PosteriorPrior(sigmas=RANGES[name]), means=(0,))
    assert posterior.coordinates.size == 1
    assert integral(posterior) == pytest.approx(1.0, abs=1e-6)


def test_the_density_over_one_mean_integrates_to_one():
    posterior = a_posterior(covariances=(0,))
    assert integral(posterior) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("concentration", [1.0, 3.5])
def test_the_density_over_one_log_ratio_integrates_to_one(concentration):
    prior = PosteriorPrior(weights=Dirichlet(concentration))
    posterior = a_posterior(prior, K=2, means=(0, 1), covariances=(0, 1))
    assert integral(posterior) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("eta", [0.7, 1.0, 4.0])
def test_the_density_over_one_correlation_integrates_to_one(eta):
    posterior = a_posterior(PosteriorPrior(correlations=LKJ(eta)), D=2, means=(0,))
    log_sigmas = np.array([0.3, -0.4])
    found = integral(posterior, *log_sigmas)
    of_sigmas = posterior.prior.sigmas.log_density(log_sigmas[None], np.arange(2)).sum() + log_sigmas.sum()
    assert found == pytest.approx(np.exp(of_sigmas), rel=1e-6)


def integral(posterior, *others):
    """Of the prior over its last coordinate, the others held."""
    return sum(
        quad(lambda z: np.exp(posterior.log_prior(np.array([[*others, z]]))[0]), *ends, limit=400, epsabs=1e-10)[0]
        for ends in [(-95.0, -5.0), (-5.0, 0.0), (0.0, 5.0), (5.0, 95.0)]
    )


def test_lkj_with_eta_one_has_the_volume_of_all_correlation_matrices():
    assert LKJ(1.0).log_constant(2) == pytest.approx(-np.log(2.0))
    assert LKJ(1.0).log_constant(3) == pytest.approx(-np.log(np.pi**2 / 2))  # Rousseeuw & Molenberghs 1994


def test_parts_add_up_to_the_densities_of_scipy():
    prior = PosteriorPrior(Dirichlet(2.5), Normal([0.5], [[4.0]]), HalfCauchy(1.7))
    posterior = a_posterior(prior, K=3)
    coordinates, scale = posterior.coordinates, posterior.scaling.scale[0]
    z = coordinates.of(posterior.mixture)
    found = coordinates.at(z[None])
    means = found.means[0, :, 0] * scale + posterior.scaling.location[0]
    sigmas = np.sqrt(found.covariances[0, :, 0, 0]) * scale
    expected = stats.dirichlet.logpdf(found.all_weights[0], np.full(3, 2.5))
    expected += (stats.norm.logpdf(means, 0.5, 2.0) + np.log(scale)).sum()
    expected += (stats.halfcauchy.logpdf(sigmas, scale=1.7) + np.log(scale)).sum() + found.log_jacobian[0]
    assert posterior.log_prior(z[None])[0] == pytest.approx(expected, rel=1e-12)


def test_prior_only_sampling_reproduces_the_quantiles_of_the_priors():
    import emcee

    posterior = a_posterior(PosteriorPrior(sigmas=HalfCauchy(2.0)), D=2, K=2)
    size = posterior.coordinates.size
    rng = np.random.default_rng(1)
    sampler = emcee.EnsembleSampler(80, size, posterior.log_prior, moves=default_moves(), vectorize=True)
    sampler.random_state = np.random.RandomState(3).get_state()
    sampler.run_mcmc(rng.standard_normal((80, size)), 5000)
    found = posterior.coordinates.at(sampler.get_chain(discard=1000, thin=20, flat=True))
    rho = found.covariances[:, 0, 0, 1] / np.sqrt(found.covariances[:, 0, 0, 0] * found.covariances[:, 0, 1, 1])
    sigmas = np.exp(found.log_sigmas[:, 0]) * posterior.scaling.scale[0]
    spread = np.sqrt(posterior.prior.covariance[1, 0, 0])
    means = (found.means[:, 1, 0] - posterior.prior.centre[1, 0]) / spread
    uniform = {
        "weight": found.all_weights[:, 0],
        "mean": stats.norm.cdf(means),
        "sigma": stats.halfcauchy.cdf(sigmas, scale=2.0),
        "correlation": 0.5 * (rho + 1.0),
    }
    # 80 walkers x 4000 steps; autocorrelation times of 60 to 100: 3000 independent samples, so 1% and 4 of them
    for name, samples in uniform.items():
        below = [(samples < q).mean() for q in (0.1, 0.25, 0.5, 0.75, 0.9)]
        np.testing.assert_allclose(below, (0.1, 0.25, 0.5, 0.75, 0.9), atol=0.04, err_msg=name)


def test_a_prior_is_printed_in_words_with_units():
    obs = Observations.with_standard_errors([[1.0, 2.0], [4.0, 2.5]], 0.1, names=["v", "w"], units=["km/s", "mag"])
    model = XDGMM().fit(obs).result_.model
    prior = PosteriorPrior(sigmas=Uniform([5000 * u.m / u.s, 2 * u.mag]), means=Normal([3.0, 2.0], np.diag([4.0, 9.0])))
    assert str(prior.resolved(obs, 1, model)).splitlines() == [
        "mean of v: normal, centre 3 km / s, sigma 2 km / s",
        "mean of w: normal, centre 2 mag, sigma 3 mag",
        "sigma of v: uniform from 0 to 5 km / s",
        "sigma of w: uniform from 0 to 2 mag",
        "correlations: LKJ with eta 1, uniform over all correlation matrices",
    ]
    assert "half-Cauchy, the observed spread of each column" in str(PosteriorPrior())


def test_priors_that_differ_between_components_say_so():
    posterior = a_posterior(K=2)
    prior = PosteriorPrior(Dirichlet([1.0, 4.0]), Normal([[0.0], [5.0]], [[1.0]]))
    obs = Observations.exact(np.arange(9.0))
    text = str(prior.resolved(obs, 2, XDGMM().fit(obs).result_.model))
    assert "weights: Dirichlet with concentration 1, 4" in text
    assert "mean of x1 of component 1: normal, centre 5, sigma 1" in text
    assert posterior.prior.exchangeable(0, 1)


WRONG = {
    "negative scale": (lambda: HalfCauchy(-1.0), "positive"),
    "scale of zero": (lambda: HalfCauchy(0.0), "positive"),
    "infinite": (lambda: Uniform(np.inf), "positive"),
    "too many": (lambda: Uniform([1.0, 2.0]), "has 2 entries"),
    "unit": (lambda: Uniform(3 * u.s), "convert to km / s"),
    "order": (lambda: LogUniform(3.0, 2.0), "below"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_prior_on_sigmas_that_is_none_is_refused(name):
    make, message = WRONG[name]
    obs = Observations.exact(np.arange(9.0), names="v", units="km/s")
    with pytest.raises(InputError, match=message):
        PosteriorPrior(sigmas=make()).resolved(obs, 1, XDGMM().fit(obs).result_.model)


def test_a_unit_where_the_data_have_none_is_refused():
    obs = Observations.exact(np.arange(9.0))
    with pytest.raises(InputError, match="'x1'"):
        PosteriorPrior(sigmas=Uniform(3 * u.s)).resolved(obs, 1, XDGMM().fit(obs).result_.model)


def test_parts_of_another_kind_are_refused():
    with pytest.raises(InputError, match="HalfCauchy or Uniform or LogUniform"):
        PosteriorPrior(sigmas=InverseWishart(1.0))
    with pytest.raises(InputError, match="Normal or None"):
        PosteriorPrior(means=3.0)
    with pytest.raises(InputError, match="`eta`"):
        LKJ(0.0)


def test_a_sigma_that_all_axes_share_has_one_prior():
    obs = Observations.exact(np.random.default_rng(0).standard_normal((9, 2)))
    model = XDGMM(covariance_type="spherical").fit(obs).result_.model
    assert "sigma: uniform from 0 to 3" in str(PosteriorPrior(sigmas=Uniform(3.0)).resolved(obs, 1, model))
    with pytest.raises(InputError, match="share"):
        PosteriorPrior(sigmas=Uniform([3.0, 4.0])).resolved(obs, 1, model)
