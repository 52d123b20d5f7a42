"""How long does it take to sample a posterior?  CPU seconds of chains until they have converged, for several seeds."""

import time
import warnings

import numpy as np

from xdgmm import Observations, datasets, get_num_threads, set_num_threads
from xdgmm.errors import ConvergenceWarning, XdgmmWarning
from xdgmm.fitting import fit
from xdgmm.uncertainty.mcmc import sample_posterior

from .problems import make
from .report import Table

SIMULATED = [(1000, 2, 2, "mild", 3), (10_000, 1, 3, "mild", 1)]
SEEDS = 10


def measure(*, quick):
    """Default chains, on one thread: neutron-star masses, and simulated data."""
    before = get_num_threads()
    set_num_threads(1)
    try:
        yield _table(quick=quick)
    finally:
        set_num_threads(before)


def _table(*, quick):
    table = Table(
        "Samples of the posterior, default settings, one thread",
        "Mean over the seeds, except for the slowest: CPU seconds, steps, and longest autocorrelation time; effective "
        "samples, the fewest of all parameters; scatter: of the medians among the seeds, in units of what these "
        "samples let expect (root mean square over the parameters)",
    )
    masses = Observations.from_table(datasets.load("neutron_stars"), "m", on_bad="drop")
    table.rows.append(_row("57 neutron stars, K = 2", masses, 2, 2 if quick else SEEDS))
    for *size, variant, n_seeds in [] if quick else SIMULATED:
        problem = make(*size, variant)
        observations = Observations.with_covariances(problem.values, problem.noise)
        name = ", ".join(str(number) for number in (*size, variant))
        table.rows.append(_row(name, observations, size[2], n_seeds))
    return table


def _row(name, observations, K, n_seeds):
    result = fit(observations, K, rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        sample_posterior(result, observations, n_steps=1, rng=0)  # compiles
    warnings.filterwarnings("ignore", category=XdgmmWarning)
    seconds, chains = [], []
    for seed in range(n_seeds):
        start = time.process_time()
        chains.append(sample_posterior(result, observations, rng=seed))
        seconds.append(time.process_time() - start)
    tables = [samples.summary() for samples in chains]
    return {
        "data": name,
        "seeds": n_seeds,
        "converged": sum(samples.converged for samples in chains),
        "CPU s": np.mean(seconds),
        "slowest": max(seconds),
        "steps": np.mean([samples.n_steps for samples in chains]),
        "walkers": chains[0].n_walkers,
        "tau": np.mean([samples.chain.tau.max() for samples in chains]),
        "effective": np.mean([table["ess"].min() for table in tables]),
        "scatter": _scatter(tables) if n_seeds > 2 else None,
    }


def _scatter(tables):
    """Of medians, whose error is sqrt(pi / 2) of that of a mean where the posterior is normal."""
    medians, low, high, ess = (np.array([table[name] for table in tables]) for name in ("median", "low", "high", "ess"))
    expected = np.sqrt(0.5 * np.pi) * 0.5 * (high - low) / np.sqrt(ess)
    return float(np.sqrt((medians.var(axis=0, ddof=1) / (expected**2).mean(axis=0)).mean()))
