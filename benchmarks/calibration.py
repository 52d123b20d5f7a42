"""Simulation-based calibration: are true parameters anywhere among the samples of their posterior, equally often?

Parameters are drawn from the prior, data from the parameters, and samples from the posterior of these data: then the
rank of the true value among the samples is uniform (Talts et al. 2018, arXiv:1804.06788).
"""

import warnings

import numpy as np
from scipy import stats

from xdgmm import XDGMM, GaussianMixture, Normal, Observations
from xdgmm.errors import ConvergenceWarning
from xdgmm.uncertainty.mcmc import LKJ, HalfCauchy, PosteriorPrior, sample_posterior

from .report import Table

SEED = 4096
SAMPLES, BINS = 99, 10  # of each posterior, of which true values have one of a hundred ranks; and bins of these
SIMULATIONS = 300
PROBLEMS = {"1 coordinate, 10 objects": (1, 10), "2 coordinates, 20 objects": (2, 20)}


def measure(*, quick):
    """A table of the ranks for each problem."""
    for name, problem in list(PROBLEMS.items())[: 1 if quick else None]:
        yield ranks_of(name, *problem, 20 if quick else SIMULATIONS)


def ranks_of(name, D, N, n_simulations):
    """Histogram of the ranks of every parameter, and its chi-squared."""
    ranks, not_converged = {}, 0
    for i in range(n_simulations):
        truth, samples = simulated(D, N, np.random.default_rng([SEED, D, N, i]))
        not_converged += not samples.converged
        for parameter, values in samples.parameters.items():
            chosen = values[np.linspace(0, len(values) - 1, SAMPLES).astype(int)]
            ranks.setdefault(parameter, []).append(int((chosen < truth[parameter]).sum()))
    about = (
        f"{n_simulations} simulations, {not_converged} of them not converged: how often the rank of the true value "
        f"among {SAMPLES} samples was in each of {BINS} equal bins; p is the probability of a larger chi-squared"
    )
    return Table(f"Ranks of true values, {name}", about, [_row(*entry) for entry in ranks.items()])


def _row(parameter, ranks):
    counts = np.histogram(ranks, bins=BINS, range=(-0.5, SAMPLES + 0.5))[0]
    found = stats.chisquare(counts)
    figures = {str(i): int(count) for i, count in enumerate(counts)}
    return {"parameter": parameter, **figures, "chi2": float(found.statistic), "p": float(found.pvalue)}


def simulated(D, N, rng):
    """True parameters drawn from the prior, by name, and samples of the posterior of data made from them."""
    sigmas = np.abs(rng.standard_cauchy(D))
    means = rng.standard_normal(D)
    rho = rng.uniform(-1.0, 1.0)  # LKJ(1) in two dimensions
    R = np.eye(D) if D == 1 else np.array([[1.0, rho], [rho, 1.0]])
    mixture = GaussianMixture([1.0], means[None], [R * sigmas[:, None] * sigmas])
    errors = np.exp(rng.uniform(np.log(0.3), np.log(3.0), (N, D)))
    values = mixture.sample(N, rng)[0] + errors * rng.standard_normal((N, D))
    observations = Observations.with_standard_errors(values, errors)
    prior = PosteriorPrior(means=Normal(np.zeros(D), np.eye(D)), sigmas=HalfCauchy(1.0), correlations=LKJ(1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        samples = sample_posterior(
            XDGMM().fit(observations).result_, observations, prior=prior, rng=rng, progress="never"
        )
    truth = {f"{kind}[0, x{i + 1}]": value[i] for kind, value in (("mean", means), ("sigma", sigmas)) for i in range(D)}
    return truth | {"correlation[0, x1, x2]": rho}, samples
