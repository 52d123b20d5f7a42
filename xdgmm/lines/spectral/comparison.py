"""Is another group of lines needed, as a broad component?  The likelihood ratio, with its p-value from simulations.

A further component has no place and width where it has no flux, so that the likelihood ratio has no chi-squared
distribution (Protassov et al. 2002, ApJ 571, 545).  It is simulated: measurements drawn from the simpler fit are fitted
with both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.parameters import as_generator, check_jobs
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import InputError

from .scoring import Problem
from .solution import Solved
from .starts import best_fit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .line_fit import LineFit

Array = NDArray[np.float64]

FEWEST = 19  # simulations with which p can be as small as 5%
TOLERANCE = 1e-4  # gain in lnL that a step promises, at which a simulated fit has converged
SAME = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class LineComparison:
    """Two fits of the same data, of which one has more groups or parameters.

    Attributes
    ----------
    likelihood_ratio : float
        Twice the difference of the log-likelihoods.
    simulated : ndarray (n,)
        The same of measurements drawn from the simpler fit.
    """

    likelihood_ratio: float
    simulated: Array

    @property
    def p_value(self) -> float:
        """Probability of a likelihood ratio at least as large, if the simpler model is true: (1 + larger) / (1 + n)."""
        return float((1 + np.count_nonzero(self.simulated >= self.likelihood_ratio)) / (1 + self.simulated.size))

    def __repr__(self) -> str:
        """In a line."""
        return (
            f"likelihood ratio {self.likelihood_ratio:.4g}, p-value {self.p_value:.3g} from {self.simulated.size} "
            "simulations of the simpler fit"
        )


def compare(
    simpler: LineFit, fuller: LineFit, n_simulations: int, random_state: Any, n_jobs: int, progress: str
) -> LineComparison:
    """Does the fuller of two fits describe the data better than chance?

    Raises
    ------
    InputError
        If the fits are of other data, or a number is not possible.
    """
    check_progress(progress)
    check_jobs(n_jobs)
    if not isinstance(n_simulations, (int, np.integer)) or isinstance(n_simulations, bool) or n_simulations < FEWEST:
        raise InputError(f"`n_simulations` is {n_simulations!r}, but it must be a whole number, at least {FEWEST}")
    if not isinstance(simpler, type(fuller)):
        raise InputError(f"`simpler` is of type {type(simpler).__name__}, but it must be another fit of the same data")
    pair = simpler.solved("compared"), fuller.solved("compared")
    _check_same_data(*pair)
    ratio = 2.0 * (fuller.log_likelihood - simpler.log_likelihood)
    seeds = as_generator(random_state, "random_state").integers(2**63, size=n_simulations)
    found = []
    with progress_bar(progress, "simulations", n_simulations) as bar:
        for simulated in _ratios(pair, seeds, n_jobs):
            found.append(simulated)
            if bar is not None:
                bar.update()
    return LineComparison(ratio, np.array(found))


def _check_same_data(simpler: Solved, fuller: Solved) -> None:
    """Both are fits of the same measurements, and the second has more parameters."""
    one, other = (_measurements(each.problem) for each in (simpler, fuller))
    if one.shape != other.shape or not np.allclose(one, other, rtol=SAME, atol=SAME):
        raise InputError("the two fits are of other data; fit both to the same spectrum, windows and errors")
    sizes = [each.coefficients.size + each.theta.size for each in (simpler, fuller)]
    if sizes[0] >= sizes[1]:
        raise InputError(
            f"the simpler fit has {sizes[0]} parameters and this one {sizes[1]}; call `compare` of the fuller one"
        )


def _measurements(problem: Problem) -> Array:
    return np.asarray(problem.likelihood.values)


def _ratios(pair: tuple[Solved, Solved], seeds: NDArray[np.int64], n_jobs: int) -> Iterable[float]:
    if n_jobs == 1:
        return (simulated_ratio(*pair, seed) for seed in seeds)
    from joblib import Parallel, delayed

    call = delayed(simulated_ratio)
    ratios: Iterable[float] = Parallel(n_jobs=n_jobs, return_as="generator")(call(*pair, seed) for seed in seeds)
    return ratios


def simulated_ratio(simpler: Solved, fuller: Solved, seed: int | np.integer[Any]) -> float:
    """Likelihood ratio of measurements drawn from the simpler fit."""
    drawn = simpler.problem.drawn(simpler.maximum.point, np.random.default_rng(seed))
    measurements = drawn.likelihood.values
    values = []
    for solution in (simpler, fuller):
        problem = solution.problem.with_values(measurements)
        found = best_fit(problem, solution.table.n_groups, solution.sizes, TOLERANCE)
        values.append(found.point.value)
    return float(max(2.0 * (values[1] - values[0]), 0.0))
