"""Do the intervals of sigma cover?  Simulated samples of one Gaussian behind errors of a known law.

An interval of the profile likelihood holds the truth where ``2 (m - p(truth))`` is below its quantile, so that its ends
need not be found; an upper limit, where the truth is below the fit or that difference below 2.7055.
"""

import warnings

import numpy as np
from scipy.stats import chi2

from xdgmm import Observations
from xdgmm.errors import XdgmmWarning
from xdgmm.fitting import Model, Problem, fit
from xdgmm.uncertainty import bootstrap, laplace
from xdgmm.uncertainty.profile import WidthProfile

from .report import Table

RATIOS = (0.2, 0.5, 1.0, 2.0, 5.0)  # sigma over the median error, which is one
SIZES = (20, 50, 200, 1000)
WIDE = 3.0  # largest error over smallest
LEVELS = {"68": 0.6827, "95": 0.95}
LIMIT = 2.7055  # of the one-sided 95% limit
SAMPLES, RESAMPLED_SIZES, RESAMPLED_SAMPLES, RESAMPLES = 400, (20, 200), 50, 100
SEED = 68_95


def measure(*, quick):
    """One table of the methods that are cheap, one of the bootstrap."""
    tries, resampled, resamples = (5, 2, 10) if quick else (SAMPLES, RESAMPLED_SAMPLES, RESAMPLES)
    cells = [(ratio, N) for ratio in RATIOS for N in SIZES]
    resampled_cells = [(ratio, N) for ratio in RATIOS for N in RESAMPLED_SIZES]
    if quick:
        cells, resampled_cells = [(0.5, 20), (2.0, 50)], [(2.0, 20)]
    yield Table(
        f"Coverage in percent of intervals of sigma, {tries} samples each",
        f"errors log-uniform over a factor of {WIDE:g}, with the median e; columns end in the level; at 0: samples "
        "whose width is zero, where information and sandwich have infinite errors, which cover; limit: one-sided, 95%",
        [_row(ratio, N, tries, _covered_cheaply) for ratio, N in cells],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of the percentile bootstrap, {resampled} samples, {resamples} resamples each",
        "the same samples as far as they go",
        [
            _row(ratio, N, resampled, lambda *sample: _covered_by_bootstrap(*sample, resamples))
            for ratio, N in resampled_cells
        ],
        markdown=True,
    )


def _row(ratio, n_objects, tries, covered):
    """Fractions of samples in percent, with their binomial errors."""
    rng = np.random.default_rng([SEED, n_objects, round(10 * ratio)])
    each = []
    for _ in range(tries):
        e = np.exp(rng.uniform(-0.5, 0.5, n_objects) * np.log(WIDE))
        values = ratio * rng.normal(size=n_objects) + e * rng.normal(size=n_objects)
        each.append(covered(Observations.with_standard_errors(values, e), ratio))
    counts = {name: sum(one[name] for one in each) for name in each[0]}
    return {"sigma/e": ratio, "N": n_objects, **{name: percent(count, tries) for name, count in counts.items()}}


def percent(count, tries):
    """A fraction in percent, with its binomial error."""
    middle = (count + 1) / (tries + 2)  # keeps the error of all or none from being zero
    return f"{100 * count / tries:.0f}±{100 * np.sqrt(middle * (1 - middle) / tries):.0f}"


def _covered_cheaply(observations, truth):
    """Which intervals of one sample hold the truth."""
    result = fit(observations)
    found = {"at 0": result.mixture.sigmas[0, 0] == 0}
    for name in ("information", "sandwich"):
        uncertainty = laplace(result.mixture, observations, kind=name)
        for label, level in LEVELS.items():
            estimate = uncertainty.propagate(_sigma, level)
            found[f"{name[:4]} {label}"] = not abs(truth - estimate.value) > estimate.high - estimate.value
    profile = WidthProfile(Problem.of(result.mixture, observations, Model()), result.mixture, 0, 0)
    deviance = 2 * (profile.maximum - profile.at(truth / profile.unit))
    for label, level in LEVELS.items():
        found[f"prof {label}"] = deviance < chi2.ppf(level, 1)
    found["limit"] = truth < result.mixture.sigmas[0, 0] or deviance < LIMIT
    return found


def _covered_by_bootstrap(observations, truth, n_resamples):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)  # that it is inconsistent at the boundary is what is shown
        samples = bootstrap(fit(observations), observations, n_resamples=n_resamples, rng=0, progress="never")
    ends = {label: samples.propagate(_sigma, level) for label, level in LEVELS.items()}
    return {f"boot {label}": bool(estimate.low <= truth <= estimate.high) for label, estimate in ends.items()}


def _sigma(mixture):
    return mixture.sigmas[0, 0]
