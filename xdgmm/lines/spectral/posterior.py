"""The posterior of a fit of lines, sampled with emcee; fluxes and continua are integrated out.

Priors are flat in velocity, in intrinsic sigma from 0 on, in bounded ratios, fluxes and continua, and the one of the
instrument's width.  For normal errors the integral over fluxes and continua is exact; for counts it is Laplace's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.parameters import as_generator
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import InputError
from xdgmm.uncertainty.mcmc.chain import Plan, run_chain
from xdgmm.uncertainty.mcmc.moves import default_moves

from .samples import LineSamples, collected, numbers_at
from .scoring import Point
from .solution import Solved

Array = NDArray[np.float64]

WALKERS_PER_DIMENSION, USUAL_WALKERS = 4, 32
MAX_STEPS = 50_000


class LinePosterior:
    """Log-posterior of points: velocities, intrinsic sigmas, and the other nonlinear parameters as they are."""

    def __init__(self, solution: Solved) -> None:
        self.solution, self.problem = solution, solution.problem
        self.variances = solution.model.layout.variances
        self.low, self.high = self.problem.low.copy(), self.problem.high.copy()
        self.low[self.variances] = np.sqrt(np.maximum(self.low[self.variances], 0.0))
        self.high[self.variances] = np.sqrt(self.high[self.variances])

    def theta(self, z: Array) -> Array:
        """Parameters of the fit at a point."""
        theta = z.copy()
        theta[self.variances] **= 2
        return theta

    def __call__(self, z: Array) -> float:
        """Log-posterior density at a point (P,); minus infinity outside the bounds."""
        if not ((z >= self.low) & (z <= self.high)).all():
            return -np.inf
        point = self.problem.at(self.theta(z), self.solution.coefficients)
        if point is None:
            return -np.inf
        return point.value - 0.5 * float(np.linalg.slogdet(self.information(point))[1])

    def information(self, point: Point) -> Array:
        """Minus the second derivatives by the coefficients, at a point (C, C)."""
        curvature = self.problem.likelihood.curvature(point.expected)
        columns = point.columns / self.scale[:, None]
        return np.asarray(columns @ (columns.T if curvature is None else (columns * curvature).T))

    @property
    def scale(self) -> Array:
        """Units of the coefficients in which their information is near one (C,)."""
        information = np.diagonal(self.solution.maximum.information)[: self.solution.coefficients.size]
        return np.sqrt(np.where(information > 0, information, 1.0))

    def starts(self, n_walkers: int, rng: np.random.Generator) -> Array:
        """Points near the fit (n_walkers, P), all different, all possible."""
        n = self.solution.coefficients.size
        covariance = self.solution.covariance[n:, n:]
        values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        z = self.solution.theta + rng.standard_normal((n_walkers, values.size)) @ root.T
        z[:, self.variances] = np.sqrt(np.abs(z[:, self.variances]))
        outside = (z < self.low) | (z > self.high)
        ends = np.where(np.isfinite(self.low) & np.isfinite(self.high), self.high - self.low, 0.0)
        inside = np.where(np.isfinite(self.low), self.low, 0.0) + rng.uniform(size=z.shape) * ends
        return np.asarray(np.where(outside, inside, z))

    def coefficients(self, z: Array, rng: np.random.Generator) -> Array:
        """Fluxes and continua drawn at a point."""
        point = self.problem.at(self.theta(z), self.solution.coefficients)
        assert point is not None, "a sample has a posterior density"
        factor = np.linalg.cholesky(self.information(point))
        drawn = np.linalg.solve(factor.T, rng.standard_normal(point.coefficients.size))
        return np.asarray(point.coefficients + drawn / self.scale)


def sample(solution: Solved, n_steps: int | None, max_steps: int, random_state: Any, progress: str) -> LineSamples:
    """Samples of the posterior, until the chain is 50 autocorrelation times long, or of so many steps.

    Raises
    ------
    InputError
        If a number is not possible, or emcee is not installed.
    """
    from emcee import EnsembleSampler, State

    check_progress(progress)
    for name, value in (("n_steps", n_steps), ("max_steps", max_steps)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1
        if not (whole or (value is None and name == "n_steps")):
            raise InputError(f"`{name}` is {value!r}, but it must be a whole number of at least 1")
    rng = as_generator(random_state, "random_state")
    posterior = LinePosterior(solution)
    n_parameters = solution.theta.size
    n_walkers = max(WALKERS_PER_DIMENSION * n_parameters, USUAL_WALKERS)
    sampler = EnsembleSampler(n_walkers, n_parameters, posterior, moves=default_moves())
    state = State(posterior.starts(n_walkers, rng), random_state=_legacy(rng))
    plan = Plan(max_steps) if n_steps is None else Plan(n_steps, exactly=True)
    with progress_bar(progress, "steps") as bar:
        chain = run_chain(sampler, state, plan, lambda z: z, lambda _: None, _Steps(bar))
    points = chain.kept.reshape(-1, n_parameters)
    found = [numbers_at(solution, posterior.theta(z), posterior.coefficients(z, rng)) for z in points]
    return collected(found, solution, "posterior", chain)


class _Steps:
    """Tells a progress bar how many steps were made."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def __call__(self, n_steps: int, *_: Any) -> None:
        if self._bar is not None:
            self._bar.update(n_steps - self._bar.n)


def _legacy(rng: np.random.Generator) -> Any:
    """The state of a generator of the kind that emcee uses."""
    return np.random.RandomState(rng.integers(2**32)).get_state()
