"""Chains that version 0.1 sampled, in `data/`, are read and continued: 12 steps of each of these posteriors."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xdgmm import Background, GaussianMixture, Observations
from xdgmm.errors import ConvergenceWarning, XdgmmWarning
from xdgmm.fitting import Dirichlet, Model, Normal, Settings, StoppingRule, fit
from xdgmm.objects import log_likelihoods
from xdgmm.uncertainty.mcmc import LKJ, HalfCauchy, PosteriorPrior, sample_posterior
from xdgmm.uncertainty.mcmc.posterior import Posterior

pytest.importorskip("h5py")
CHAINS = Path(__file__).parent / "data"

VELOCITIES = [80.1, 83.4, 77.9, 81.0, 79.2, 82.7, 80.8, 78.5]
ERRORS = [1.0, 2.0, 1.5, 0.5, 1.0, 1.25, 0.75, 2.0]
POINTS = [[0.1, 0.4], [1.2, -0.3], [-0.7, 0.9], [6.2, 5.1], [5.4, 6.3], [6.6, 5.9], [-3.0, 9.0], [0.5, 0.2]]


def runs():
    """Result, observations and prior of each chain, by the name of its file: all in numbers that are exact."""
    return {"independent": _independent(), "correlated": _correlated()}


def _independent():
    observations = Observations.with_standard_errors(VELOCITIES, ERRORS, names="v", units="km/s")
    mixture = GaussianMixture([1.0], [[80.5]], [[[2.25]]], ["v"], ["km/s"])
    return _result(mixture, observations, Model()), observations, None


def _correlated():
    """Two components, a background, and one value missing."""
    values = np.array(POINTS)
    values[7, 1] = np.nan
    noise = np.tile([[0.25, 0.125], [0.125, 0.5]], (len(values), 1, 1))
    background = Background([-10.0, -10.0], [10.0, 10.0], fraction=0.125, of="measured values")
    observations = Observations.with_covariances(values, noise, weights=[1, 1, 1, 2, 1, 1, 1, 1], names=["x", "y"])
    covariances = [[[0.5, 0.25], [0.25, 1.0]], [[0.25, 0.0], [0.0, 0.25]]]
    mixture = GaussianMixture([0.5, 0.375], [[0.25, 0.5], [6.0, 5.5]], covariances, ["x", "y"], background=background)
    means = Normal([2.0, 2.0], [[100.0, 0.0], [0.0, 100.0]])
    prior = PosteriorPrior(Dirichlet(2.0), means, HalfCauchy(3.0), LKJ(2.0))
    return _result(mixture, observations, Model(background=background)), observations, prior


def _result(mixture, observations, model):
    """The result of a fit with another mixture: a fit has digits that differ between machines."""
    settings = Settings(start=mixture, model=model, stopping=StoppingRule(0.0, 1))
    result = fit(observations, mixture.n_components, settings)
    total = float(observations.object_weights @ log_likelihoods(mixture, observations))
    return replace(result, mixture=mixture, log_likelihood=total)


@pytest.mark.parametrize("name", list(runs()))
def test_a_chain_of_version_0_1_is_read_and_continued(name, tmp_path):
    result, observations, prior = runs()[name]
    path = shutil.copy(CHAINS / f"version_0_1_{name}.h5", tmp_path / "chain.h5")
    with pytest.warns(ConvergenceWarning), pytest.warns(XdgmmWarning, match="have no digest"):
        old = sample_posterior(result, observations, prior=prior, n_steps=12, backend=path, existing="resume")
    assert old.n_steps == 12
    with pytest.warns(ConvergenceWarning), pytest.warns(XdgmmWarning, match="have no digest"):
        more = sample_posterior(result, observations, prior=prior, n_steps=15, backend=path, existing="resume")
    np.testing.assert_array_equal(more.chain.coordinates[:12], old.chain.coordinates)
    assert np.isfinite(more.chain.log_posterior).all()
    with pytest.warns(ConvergenceWarning):  # it has a digest now
        sample_posterior(result, observations, prior=prior, n_steps=16, backend=path, existing="resume")


@pytest.mark.parametrize("name", list(runs()))
def test_the_posterior_density_is_that_of_version_0_1(name):
    result, observations, prior = runs()[name]
    resolved = (prior or PosteriorPrior()).resolved(observations, result.mixture.n_components, result.model)
    density = Posterior(result, observations, resolved)
    old = stored(name)
    for z, expected in zip(old["chain"], old["log_prob"], strict=True):
        assert density(z) == pytest.approx(expected, rel=1e-11)


def stored(name):
    import h5py

    with h5py.File(CHAINS / f"version_0_1_{name}.h5") as file:
        return {key: file["mcmc"][key][...] for key in ("chain", "log_prob")}
