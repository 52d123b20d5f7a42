"""The simulated test of K against K + 1 components."""

import numpy as np
import pytest
from scipy.stats import kstest

from xdgmm import DegenerateError, Observations
from xdgmm.fitting import Settings
from xdgmm.selection import select
from xdgmm.selection.bootstrap_test import likelihood_ratio, p_values, simulated_ratio
from xdgmm.selection.candidates import Candidate, fit_candidates

PAIR = Candidate(1, "full"), Candidate(2, "full")


def of_one_gaussian(seed, N=40):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.2, 1.0, N)
    return Observations.with_standard_errors(rng.normal(0, 1, N) + errors * rng.normal(size=N), errors)


def p_value(observations, seed=0, n_simulations=19):
    fits = fit_candidates(observations, PAIR, Settings(n_init=2), seed)
    return p_values(observations, fits, Settings(n_init=2), seed, n_simulations)[PAIR[0]]


def test_p_is_the_fraction_of_samples_with_as_large_a_ratio():
    observations, chosen = of_one_gaussian(0), Settings(n_init=2)
    fits = fit_candidates(observations, PAIR, chosen, 5)
    ratio = likelihood_ratio(fits, *PAIR)
    assert ratio == 2 * (fits.results[PAIR[1]].log_likelihood - fits.results[PAIR[0]].log_likelihood)
    mixture = fits.results[PAIR[0]].mixture
    seeds = [[5, 10_000, 1, i] for i in range(19)]
    simulated = np.array([simulated_ratio(observations, mixture, PAIR, chosen, seed) for seed in seeds])
    found = p_values(observations, fits, chosen, 5, 19)
    assert found == {PAIR[0]: (1 + (simulated >= ratio).sum()) / 20}


def test_two_clumps_are_not_one_gaussian():
    rng = np.random.default_rng(1)
    found = select(
        Observations.with_standard_errors(rng.normal(6.0 * rng.integers(2, size=40), 1.0), 0.3),
        [1, 2],
        criterion="bootstrap",
        n_simulations=19,
        rng=0,
    )
    assert found.n_components == 2
    assert found.table["p_value"][0] == 0.05
    assert np.isnan(found.table["p_value"][1])
    assert "2 components are the most that were tried, and they may not suffice" in found.remarks[0]


def test_weights_of_more_than_one_are_so_many_objects():
    observations = of_one_gaussian(2, 20)
    weighted = Observations.with_standard_errors(observations.values, observations.noise, weights=np.full(20, 3.0))
    assert 0.05 <= p_value(weighted) <= 1.0


def test_samples_that_cannot_be_fitted_are_said(monkeypatch):
    monkeypatch.setattr("xdgmm.selection.bootstrap_test.simulated_ratio", lambda *_: np.nan)
    with pytest.raises(DegenerateError, match="simulated samples"):
        p_value(of_one_gaussian(3))


@pytest.mark.slow
def test_p_is_uniform_where_the_smaller_number_is_right():
    found = [p_value(of_one_gaussian(seed), seed) for seed in range(30)]
    jittered = np.array(found) - np.random.default_rng(0).uniform(0, 1 / 20, 30)  # of a discrete distribution
    assert kstest(jittered, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.1) < 0.25
