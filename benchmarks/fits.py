"""What does a whole default fit cost, and where does the time go?  CPU seconds, because machines are shared."""

import time
from contextlib import contextmanager

import numpy as np
from numba.core.dispatcher import Dispatcher

from xdgmm import XDGMM, Observations, get_num_threads, kernels, set_num_threads
from xdgmm.fitting import chain_rule, clusters, fit, lbfgs
from xdgmm.kernels import blocks, passes, small_matrices
from xdgmm.widths import widths

from .measuring import timed
from .problems import make
from .report import Table

SIZES = [(10_000, 2, 5), (100_000, 1, 3), (100_000, 2, 5), (100_000, 6, 10), (1_000_000, 2, 5), (10_000_000, 2, 5)]
MOST_FOR_WIDTHS = 100_000
EXACT = [3, 5, 8]
SEEDS = 5


def measure(*, quick):
    """Default fits of the standard problems on one thread; small exact data beside scikit-learn."""
    before = get_num_threads()
    set_num_threads(1)
    try:
        yield _whole_fits([(500, 2, 2)] if quick else SIZES)
        yield _small_exact([2] if quick else EXACT, 1 if quick else SEEDS)
    finally:
        set_num_threads(before)


def _whole_fits(sizes):
    table = Table(
        "Whole default fits, one thread",
        "CPU seconds from arrays to the result; inside: in compiled code; passes: all, in full-data "
        "equivalents; rest: seconds outside compiled code; widths: CPU seconds of the default report of the fit",
    )
    for size in sizes:
        for variant in ("mild", "noisy"):
            table.rows.append(_row(*size, variant))
    return table


def _row(N, D, K, variant):
    problem = make(N, D, K, variant)
    first = slice(min(N, 2000))
    fit(Observations.with_covariances(problem.values[first], problem.noise[first]), K, rng=0)  # compiles
    with _counting() as inside:
        start = time.process_time()
        observations = Observations.with_covariances(problem.values, problem.noise)
        result = fit(observations, K, rng=0)
        seconds = time.process_time() - start
    data = observations.pack()
    one_pass = min(timed(lambda: kernels.accumulate(data, *problem.truth))[0] for _ in range(3))
    report = None
    if N <= MOST_FOR_WIDTHS:
        start = time.process_time()
        widths(result, observations)
        report = time.process_time() - start
    return {
        "problem": f"{N:.0e}, {D}, {K}, {variant}".replace("e+0", "e"),
        "CPU s": seconds,
        "inside %": 100.0 * inside["seconds"] / seconds,
        "rest s": seconds - inside["seconds"],
        "passes": result.n_passes,
        "in passes of": one_pass,
        "fit / pass": seconds / one_pass,
        "widths s": report,
    }


@contextmanager
def _counting():
    """CPU seconds that compiled code takes, on one thread: passes, packing, and what stands between passes."""
    inside = {"seconds": 0.0}
    modules = blocks, passes, chain_rule, clusters, lbfgs, small_matrices
    originals = [
        (module, name, function)
        for module in modules
        for name, function in vars(module).items()
        if name == "run_in_threads" or isinstance(function, Dispatcher)
    ]

    def counted(function):
        def run(*arguments):
            start = time.process_time()
            try:
                return function(*arguments)
            finally:
                inside["seconds"] += time.process_time() - start

        return run

    try:
        for module, name, function in originals:
            setattr(module, name, counted(function))
        yield inside
    finally:
        for module, name, function in originals:
            setattr(module, name, function)


def _small_exact(numbers, n_seeds):
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    table = Table(
        "Small exact data: 1000 objects, 2 dimensions, beside scikit-learn",
        f"CPU seconds, mean of {n_seeds} data sets; lnL: nats by which xdgmm ends higher; default: one start, "
        "tol 1e-3; careful: ten starts, tol 1e-8",
    )
    for K in numbers:
        sums = np.zeros(5)
        for seed in range(n_seeds):
            rng = np.random.default_rng([seed, K])
            values = rng.uniform(-4.0, 4.0, (K, 2))[rng.integers(K, size=1000)] + rng.standard_normal((1000, 2))
            with threadpool_limits(1):
                own, ours = _cpu(lambda: XDGMM(K, random_state=0).fit(values, Xerr=0))  # noqa: B023 - called at once
                sums[0] += own
                for i, options in enumerate(({}, {"n_init": 10, "tol": 1e-8, "max_iter": 10_000})):
                    other = GaussianMixture(K, random_state=0, reg_covar=0.0, **options)
                    theirs, _ = _cpu(lambda: other.fit(values))  # noqa: B023
                    sums[1 + 2 * i] += theirs
                    sums[2 + 2 * i] += 1000 * (ours.score(values, Xerr=0) - other.score(values))
        mean = sums / n_seeds
        table.rows.append(
            {
                "K": K,
                "xdgmm": mean[0],
                "default": mean[1],
                "ratio": mean[0] / mean[1],
                "lnL": mean[2],
                "careful": mean[3],
                "ratio of these": mean[0] / mean[3],
                "lnL of these": mean[4],
            }
        )
    return table


def _cpu(function):
    start = time.process_time()
    result = function()
    return time.process_time() - start, result
