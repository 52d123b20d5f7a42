"""Is another component needed?  The likelihood ratio of K against K + 1 components, with p-values from simulations.

The likelihood ratio of mixtures has no chi-squared distribution, since under the null hypothesis the further component
has no determined place.  Its distribution is therefore simulated: samples of the fit with K components, with the noise
and the gaps of the observations, are fitted with K and with K + 1 (McLachlan 1987, Appl. Stat. 36, 318).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import DegenerateError
from xdgmm.prediction import draw_observations
from xdgmm.uncertainty.refitted import in_single_objects

from .candidates import Candidate, Fits, fit_candidates, run_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import Settings
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

LEVEL = 0.05  # a larger p-value ends the search: no further component is needed
FEWEST_SIMULATIONS = 19  # the fewest with which p can be as small as the level
SIMULATED = 10_000  # the stage of the seeds: apart from those of all fits


def p_values(
    observations: Observations,
    fits: Fits,
    settings: Settings,
    seed: int,
    n_simulations: int,
    n_jobs: int = 1,
    tick: Callable[[], Any] = lambda: None,
) -> dict[Candidate, float]:
    """p-values of each candidate against the next larger one, from the smallest on until one exceeds .05.

    Parameters
    ----------
    observations : Observations
    fits : Fits
        Of candidates of one covariance type.
    settings : Settings
    seed : int
    n_simulations : int
        Samples for each pair.
    n_jobs : int
        Processes (joblib); the result does not depend on it.
    tick : callable
        Is called after every sample.

    Raises
    ------
    DegenerateError
        If fewer than 19 samples could be fitted.
    InputError
        If weights count as too many objects.
    KeyboardInterrupt
        If the user ends it.
    """
    single = in_single_objects(observations.select(observations.counts))
    found: dict[Candidate, float] = {}
    for smaller, larger in pairwise(sorted(fits.results)):
        ratio = likelihood_ratio(fits, smaller, larger)
        seeds = [[seed, SIMULATED, smaller.n_components, i] for i in range(n_simulations)]
        mixture = fits.results[smaller].mixture
        jobs = [(single, mixture, (smaller, larger), settings, each) for each in seeds]
        simulated = _collected(run_all(simulated_ratio, jobs, n_jobs), tick)
        found[smaller] = (1.0 + np.count_nonzero(simulated >= ratio)) / (1.0 + simulated.size)
        if found[smaller] > LEVEL:
            break
    return found


def likelihood_ratio(fits: Fits, smaller: Candidate, larger: Candidate) -> float:
    """Twice the difference of the log-likelihoods of two candidates; NaN where one is degenerate."""
    if not {smaller, larger} <= fits.results.keys():
        return np.nan
    return 2.0 * (fits.results[larger].log_likelihood - fits.results[smaller].log_likelihood)


def simulated_ratio(
    observations: Observations,
    mixture: GaussianMixture,
    pair: Sequence[Candidate],
    settings: Settings,
    seed: list[int],
) -> float:
    """The likelihood ratio of one sample of a mixture, in the place of the observations."""
    rng = np.random.default_rng(seed)
    drawn = draw_observations(mixture, observations, 1, rng)
    fits = fit_candidates(drawn, pair, settings, int(rng.integers(2**63)))
    if fits.ended is not None:
        raise KeyboardInterrupt
    return likelihood_ratio(fits, *pair)


def _collected(ratios: Any, tick: Callable[[], Any]) -> NDArray[np.float64]:
    """The ratios of those samples that could be fitted."""
    found = []
    for ratio in ratios:
        found.append(ratio)
        tick()
    simulated: NDArray[np.float64] = np.array([ratio for ratio in found if not np.isnan(ratio)])
    if simulated.size < FEWEST_SIMULATIONS:
        raise DegenerateError(
            "the likelihood has no maximum in most of the simulated samples, since a component collapses there; fit "
            "fewer components, or give a prior on the covariances"
        )
    return simulated
