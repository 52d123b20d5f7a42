import emcee
import numpy as np
import pytest
from scipy import stats

from xdgmm.uncertainty.mcmc.chain import autocorrelation_times
from xdgmm.uncertainty.mcmc.moves import SnookerMove, default_moves


def autoregressive(tau, n_steps=4000, n_walkers=50, seed=0):
    """Independent walkers ``x' = a x + noise``, whose autocorrelation time is (1 + a) / (1 - a)."""
    a = (tau - 1.0) / (tau + 1.0)
    rng = np.random.default_rng(seed)
    chain = np.empty((n_steps, n_walkers, 1))
    chain[0] = rng.standard_normal((n_walkers, 1))
    for t in range(1, n_steps):
        chain[t] = a * chain[t - 1] + np.sqrt(1 - a * a) * rng.standard_normal((n_walkers, 1))
    return chain


@pytest.mark.parametrize("tau", [1.0, 5.0, 40.0])
def test_the_autocorrelation_time_is_that_of_an_autoregression(tau):
    # the error is sqrt(2 (2 * 5 + 1) tau / samples) of tau: 7% at 40; e^-5 of the sum lies beyond the window
    assert autocorrelation_times(autoregressive(tau))[0] == pytest.approx(tau, rel=0.15)


def test_a_long_chain_is_thinned_and_has_the_same_autocorrelation_time():
    assert autocorrelation_times(autoregressive(40.0, 13_000))[0] == pytest.approx(40.0, rel=0.1)


def test_a_walker_that_is_stuck_counts():
    chain = autoregressive(3.0, 1000, 10)
    before = autocorrelation_times(chain)[0]
    chain[:, 0] = 4.0
    assert autocorrelation_times(chain)[0] > 10 * before


def test_what_never_moves_has_an_infinite_autocorrelation_time():
    assert autocorrelation_times(np.ones((100, 8, 2))).tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("moves", [SnookerMove(), default_moves()], ids=["snooker", "default"])
@pytest.mark.parametrize(("d", "scale"), [(1, 0.1), (3, 5.0)])
def test_moves_leave_a_normal_distribution_as_it_is(d, moves, scale):
    rng = np.random.default_rng(2)
    sampler = emcee.EnsembleSampler(40, d, lambda z: -0.5 * (z**2).sum(axis=1) / scale**2, moves=moves, vectorize=True)
    sampler.random_state = np.random.RandomState(4).get_state()
    sampler.run_mcmc(scale * rng.standard_normal((40, d)), 3000)
    samples = sampler.get_chain(discard=200, thin=20, flat=True)[:, 0] / scale
    # 5600 samples, autocorrelation times of 7 to 30 steps: at least 3000 independent ones, variance to 2.6%
    assert samples.var() == pytest.approx(1.0, abs=0.1)
    assert stats.kstest(samples, "norm").statistic < 2.0 / np.sqrt(3000)
