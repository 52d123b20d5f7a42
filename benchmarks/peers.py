"""xdgmm beside the packages it is to replace: same data, same start, one process, one run.

The peers are called as their documentation says, or step by step where they take no start of the caller's.
"""

import logging
import warnings

import numpy as np

import xdgmm
from xdgmm import GaussianMixture, Observations, kernels
from xdgmm.fitting import Settings, StoppingRule, fit

from .measuring import timed
from .problems import make
from .report import Table

ITERATIONS = 5
NOISY = [(10_000, 1, 3, "noisy"), (10_000, 2, 5, "mild"), (10_000, 6, 10, "noisy")]
TO_THE_END = [(10_000, 2, 5, "mild")]
EXACT = [(100_000, 1, 3), (100_000, 2, 5), (100_000, 6, 10), (100_000, 2, 30)]
AT_MOST = 100  # iterations of astroML's, its default


def measure(*, quick):
    """Tables of one EM iteration, of fits to the end, and of fits without noise."""
    import astroML  # noqa: F401 - say at once that the peers are not there
    import pygmmis  # noqa: F401

    warnings.simplefilter("ignore")  # the peers' own
    xdgmm.set_num_threads(1)
    small = [(500, 2, 2, "mild")]
    yield iterations(small if quick else NOISY)
    yield to_the_end(small if quick else TO_THE_END)
    yield without_noise([(2000, 2, 3)] if quick else EXACT)
    xdgmm.set_num_threads(None)


def iterations(problems):
    """How long one EM iteration takes, and whether all engines walk the same path."""
    table = Table(
        f"One EM iteration with noise, mean of {ITERATIONS} from a common start, one thread",
        "ns: per object and component, all that the engine does included; difference: of the log-likelihood per "
        "object to xdgmm's after these iterations",
    )
    for N, D, K, variant in problems:
        problem = make(N, D, K, variant)
        engines = {"xdgmm": _em, "astroML": _astroml, "pygmmis": _pygmmis}
        table.rows.extend(_iterated(f"{N}, {D}, {K}, {variant}", problem, engines))
    return table


def to_the_end(problems):
    """How long a fit takes by the engine's own rule to stop, and how good the answer is."""
    table = Table(
        "A fit from a common start until the engine stops by itself, one thread",
        "gap: log-likelihood per object below the best of all; 'xdgmm, own': its default starts instead",
    )
    for N, D, K, variant in problems:
        problem = make(N, D, K, variant)
        blocks = kernels.pack(problem.values, problem.noise, None)
        engines = {
            "xdgmm": _given_start,
            "astroML": _astroml_to_the_end,
            "pygmmis": _pygmmis,
            "xdgmm, own": _own_starts,
        }
        results = {}
        for name, engine in engines.items():
            seconds, (mixture, done) = timed(lambda: engine(problem, None))  # noqa: B023
            results[name] = seconds, done, _per_object(blocks, mixture)
        best = max(reached for _, _, reached in results.values())
        for name, (seconds, done, reached) in results.items():
            table.rows.append(
                {
                    "problem": f"{N}, {D}, {K}, {variant}",
                    "engine": name,
                    "seconds": seconds,
                    "iterations": done,
                    "gap": best - reached,
                }
            )
    return table


def without_noise(problems):
    """Exact values: scikit-learn's own case."""
    table = Table(
        f"One EM iteration without noise, mean of {ITERATIONS} from a common start, one thread for xdgmm",
        "ns: per object and component, all that the engine does included; difference: of the log-likelihood per "
        "object to xdgmm's after these iterations; scikit-learn may use more threads",
    )
    for N, D, K in problems:
        problem = make(N, D, K, "mild")._replace(noise=None)
        engines = {"xdgmm": _em, "scikit-learn": _scikit_learn}
        table.rows.extend(_iterated(f"{N}, {D}, {K}", problem, engines))
    return table


def _iterated(name, problem, engines):
    """A row for each engine: some iterations from the common start, and where they lead."""
    blocks = kernels.pack(problem.values, problem.noise, None)
    per_component = len(problem.values) * len(problem.start[0])
    found = {}
    for engine_name, engine in engines.items():
        engine(problem, 1)
        seconds, (mixture, done) = timed(lambda: engine(problem, ITERATIONS))  # noqa: B023
        found[engine_name] = seconds / done, _per_object(blocks, mixture)
    own_seconds, own_reached = found["xdgmm"]
    for engine_name, (seconds, reached) in found.items():
        yield {
            "problem": name,
            "engine": engine_name,
            "ms": seconds * 1e3,
            "ns": seconds / per_component * 1e9,
            "times xdgmm": seconds / own_seconds,
            "difference": reached - own_reached,
        }


def _per_object(blocks, mixture):
    return kernels.accumulate(blocks, *mixture).log_likelihood / blocks.n_objects


def _observations(problem):
    if problem.noise is None:
        return Observations.exact(problem.values)
    return Observations.with_covariances(problem.values, problem.noise)


def _parameters(result):
    mixture = result.mixture
    return (mixture.weights, mixture.means, mixture.covariances), result.history.size


def _em(problem, n):
    rule = StoppingRule(tolerance=0, max_passes=n + 1)
    settings = Settings(solver="em", stopping=rule, start=GaussianMixture(*problem.start))
    mixture, passes = _parameters(fit(_observations(problem), len(problem.start[0]), settings))
    return mixture, passes - 1


def _given_start(problem, _):
    settings = Settings(start=GaussianMixture(*problem.start))
    return _parameters(fit(_observations(problem), len(problem.start[0]), settings))


def _own_starts(problem, _):
    return _parameters(fit(_observations(problem), len(problem.start[0]), rng=0))


def _astroml_at_start(problem):
    from astroML.density_estimation import XDGMM

    weights, means, covariances = problem.start
    engine = XDGMM(len(weights))
    engine.alpha, engine.mu, engine.V = weights.copy(), means.copy(), covariances.copy()
    return engine


def _astroml(problem, n):
    engine = _astroml_at_start(problem)
    for _ in range(n):
        engine._EMstep(problem.values, problem.noise)  # noqa: SLF001 - its fit takes no start
    return (engine.alpha, engine.mu, engine.V), n


def _astroml_to_the_end(problem, _):
    """Its rule: stop where an iteration gains less than 1e-5 in all, or after 100."""
    engine = _astroml_at_start(problem)
    before = engine.logL(problem.values, problem.noise)
    for done in range(1, AT_MOST + 1):  # noqa: B007
        engine._EMstep(problem.values, problem.noise)  # noqa: SLF001
        reached = engine.logL(problem.values, problem.noise)
        if reached < before + 1e-5:
            break
        before = reached
    return (engine.alpha, engine.mu, engine.V), done


class _Counted(logging.Handler):
    """Counts the iterations that pygmmis writes to its log, one line each."""

    count = 0

    def emit(self, record):
        self.count += record.getMessage()[:1].isdigit()


def _pygmmis(problem, n):
    import pygmmis

    weights, means, covariances = problem.start
    engine = pygmmis.GMM(K=len(weights), D=means.shape[1])
    engine.amp[:], engine.mean[:], engine.covar[:] = weights, means, covariances
    done, log = _Counted(), logging.getLogger("pygmmis")
    log.setLevel(logging.INFO)
    log.addHandler(done)
    limits = {} if n is None else {"maxiter": n, "tol": 0.0}
    rng = np.random.RandomState(0)  # the kind that it takes
    pygmmis.fit(engine, problem.values, covar=problem.noise, init_method="none", rng=rng, **limits)
    log.removeHandler(done)
    return (engine.amp, engine.mean, engine.covar), max(done.count, 1)


def _scikit_learn(problem, n):
    from sklearn.mixture import GaussianMixture as Peer

    weights, means, covariances = problem.start
    engine = Peer(
        len(weights), tol=0.0, reg_covar=0.0, max_iter=n, weights_init=weights, means_init=means,
        precisions_init=np.linalg.inv(covariances),
    ).fit(problem.values)  # fmt: skip
    return (engine.weights_, engine.means_, engine.covariances_), engine.n_iter_
