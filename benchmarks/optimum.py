"""How good is the optimum, and what does it cost?  The fourteen standard problems."""

from xdgmm import GaussianMixture, Observations, kernels
from xdgmm.fitting import Settings, StoppingRule, fit

from .measuring import timed
from .problems import make
from .report import Table

SIZES = [(10_000, 2, 5), (100_000, 1, 3), (100_000, 2, 5), (100_000, 3, 10), (100_000, 6, 10), (100_000, 2, 30)]
LARGE = (1_000_000, 2, 5)
EM_PASSES = 500
# Mean log-likelihood of the best optimum known, from this and other programs and many starts, to about 1e-5.
BEST = {
    (10_000, 2, 5, "mild"): -4.27651,
    (10_000, 2, 5, "noisy"): -4.85665,
    (100_000, 1, 3, "mild"): -1.67391,
    (100_000, 1, 3, "noisy"): -2.25860,
    (100_000, 2, 5, "mild"): -3.98277,
    (100_000, 2, 5, "noisy"): -4.66021,
    (100_000, 3, 10, "mild"): -6.09873,
    (100_000, 3, 10, "noisy"): -7.48259,
    (100_000, 6, 10, "mild"): -9.69866,
    (100_000, 6, 10, "noisy"): -13.79461,
    (100_000, 2, 30, "mild"): -5.58833,
    (100_000, 2, 30, "noisy"): -6.07914,
}


def measure(*, quick):
    """One table: default settings, beside closed-form EM from the common start."""
    table = Table(
        "Fits of the standard problems with default settings, all processors",
        "log-likelihoods in nats per object; truth: above the generating mixture; best: above the best known; passes "
        f"over all objects; EM: closed-form, {EM_PASSES} passes from the common start, how far above the truth it ends",
    )
    problems = [(500, 2, 2)] if quick else [*SIZES, LARGE]
    for size in problems:
        for variant in ("mild", "noisy"):
            table.rows.append(_row(*size, variant))
    yield table


def _row(N, D, K, variant):
    problem = make(N, D, K, variant)
    observations = Observations.with_covariances(problem.values, problem.noise)
    truth = kernels.accumulate(observations.pack(), *problem.truth).log_likelihood / N
    seconds, result = timed(lambda: fit(observations, K, rng=0))
    rule = StoppingRule(tolerance=0, max_passes=EM_PASSES)
    settings = Settings(solver="em", stopping=rule, start=GaussianMixture(*problem.start))
    em_seconds, em = timed(lambda: fit(observations, K, settings))
    reached = result.log_likelihood / N
    best = BEST.get((N, D, K, variant))
    return {
        "problem": f"{N:.0e}, {D}, {K}, {variant}".replace("e+0", "e"),
        "lnL": f"{reached:.6f}",
        "truth": _signed(reached - truth),
        "best": None if best is None else _signed(reached - best),
        "passes": result.history.size,
        "s": seconds,
        "outcome": result.outcome.name.lower(),
        "EM": _signed(em.log_likelihood / N - truth),
        "EM s": em_seconds,
    }


def _signed(difference):
    return f"{difference:+.1e}"
