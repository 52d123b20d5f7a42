"""What else a fit of lines might have found: resamples and posterior samples of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.parameters import as_generator, check_jobs, check_level
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import InputError

from .kms import in_kms
from .scoring import maximise
from .solution import Solved

if TYPE_CHECKING:
    from collections.abc import Iterable

Array = NDArray[np.float64]

FEWEST = 2
TOLERANCE = 1e-6  # gain in lnL that a step promises, at which a refit has converged


@dataclass(frozen=True, eq=False, repr=False)
class LineSamples:
    """Samples of velocities, intrinsic variances and fluxes.

    Attributes
    ----------
    velocities, variances : ndarray (n, G)
        Of the groups, in km/s and (km/s)^2, plain numbers.
    fluxes : ndarray (n, L)
        Of the lines.
    with_unit : bool
        Do `sigma`, `interval` and `upper_limit` return a Quantity?
    source : str
        What they are: "resamples", or "posterior".
    chain : Chain or None
        Of posterior samples.
    """

    velocities: Array
    variances: Array
    fluxes: Array
    with_unit: bool
    source: str
    chain: Any = None

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.variances)

    @property
    def sigmas(self) -> Any:
        """Intrinsic sigmas (n, G); 0 where the variance is negative."""
        return self._in_kms(np.sqrt(np.maximum(self.variances, 0.0)))

    def interval(self, level: float = 0.6827) -> tuple[Any, Any]:
        """Ends (low, high) of intervals of the intrinsic sigmas (G,) with equal tails.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        check_level(level)
        ends = np.quantile(self.variances, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=0)
        low, high = np.sqrt(np.maximum(ends, 0.0))
        return self._in_kms(low), self._in_kms(high)

    def upper_limit(self, level: float = 0.95) -> Any:
        """Quantiles of the intrinsic sigmas (G,).

        Raises
        ------
        InputError
            If the level is not between 0.5 and 1.
        """
        check_level(level, least=0.5)
        return self._in_kms(np.sqrt(np.maximum(np.quantile(self.variances, level, axis=0), 0.0)))

    def __repr__(self) -> str:
        """How many there are, and of what."""
        return f"<LineSamples: {len(self)} {self.source} of {self.variances.shape[1]} groups>"

    def _in_kms(self, numbers: Any) -> Any:
        return in_kms(numbers, with_unit=self.with_unit)


def bootstrap(solution: Solved, n_resamples: int, random_state: Any, n_jobs: int, progress: str) -> LineSamples:
    """Fits to measurements drawn from the fit (parametric bootstrap, Efron & Tibshirani 1993, ch. 6).

    Raises
    ------
    InputError
        If a number is not possible.
    """
    check_progress(progress)
    check_jobs(n_jobs)
    if not isinstance(n_resamples, (int, np.integer)) or isinstance(n_resamples, bool) or n_resamples < FEWEST:
        raise InputError(f"`n_resamples` is {n_resamples!r}, but it must be a whole number, at least {FEWEST}")
    seeds = as_generator(random_state).integers(2**63, size=n_resamples)
    found = []
    with progress_bar(progress, "resamples", n_resamples) as bar:
        for numbers in _results(solution, seeds, n_jobs):
            found.append(numbers)
            if bar is not None:
                bar.update()
    return collected(found, solution, "resamples")


def collected(found: list[tuple[Array, Array, Array]], solution: Solved, source: str, chain: Any = None) -> LineSamples:
    """Samples from velocities, variances and fluxes of each."""
    velocities, variances, fluxes = (np.array(numbers) for numbers in zip(*found, strict=True))
    return LineSamples(velocities, variances, fluxes, has_unit(solution), source, chain)


def has_unit(solution: Solved) -> bool:
    """Does the spectrum have a unit?"""
    return solution.table.axis.unit is not None


def _results(solution: Solved, seeds: NDArray[np.int64], n_jobs: int) -> Iterable[tuple[Array, Array, Array]]:
    if n_jobs == 1:
        return (refitted(solution, seed) for seed in seeds)
    from joblib import Parallel, delayed

    call = delayed(refitted)
    results: Iterable[tuple[Array, Array, Array]] = Parallel(n_jobs=n_jobs, return_as="generator")(
        call(solution, seed) for seed in seeds
    )
    return results


def refitted(solution: Solved, seed: int | np.integer[Any]) -> tuple[Array, Array, Array]:
    """Velocities, variances and fluxes of a fit to measurements drawn from another, which it starts from."""
    problem = solution.problem.drawn(solution.maximum.point, np.random.default_rng(seed))
    point = maximise(problem, solution.theta, TOLERANCE).point
    return numbers_at(solution, point.theta, point.coefficients)


def numbers_at(solution: Solved, theta: Array, coefficients: Array) -> tuple[Array, Array, Array]:
    """Velocities (G,), variances (G,) and fluxes of lines (L,) at a point."""
    layout = solution.model.layout
    return theta[layout.velocities], theta[layout.variances], solution.model.line_fluxes(theta, coefficients)
