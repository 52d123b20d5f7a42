"""Which limits and intervals are calibrated by simulation, and these limits and intervals.

With one component each column is simulated by itself, thousands of samples at a time (`OneColumn`).  Samples of other
models are fitted again one by one (`RefittedRoots`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.basics.parameters import as_generator, check_jobs
from xdgmm.basics.quantiles import chi_squared_quantile
from xdgmm.errors import InputError
from xdgmm.kernels import NoiseMixture
from xdgmm.observations import all_in_memory

from .calibration import CLEAR, End, SignedRoots, calibrated_end, warn_of_error
from .function_profile import FunctionProfile
from .informative import informative_objects
from .likelihood_ratio import WidthLimit, one_sided_quantile
from .one_column import MeanRoots, OneColumn, WidthRoots
from .refitted import FunctionOfSample, RefittedRoots, WidthOfSample, in_single_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import Problem
    from xdgmm.mixture import GaussianMixture

    from .profile import WidthProfile

    Floats = NDArray[np.float64]

RULES = ("auto", "likelihood", "simulated")
FEW = 10.0  # objects that determine a width: with fewer, "auto" simulates its limit
FEW_FOR_INTERVALS = 20.0  # with fewer, or as many, "auto" simulates intervals
STEP = 0.25  # of the search for an end, in the logarithm of a sigma or of a distance
SEED = 0  # of the samples where none is given, so that a limit is the same every time
AT_ZERO = 4000  # samples of width zero
REFITTED_AT_ZERO = 1000


class Simulation(NamedTuple):
    """How to simulate.

    rule: one of `RULES`; seed: of the samples; n_jobs: processes for fits of samples.
    """

    rule: str
    seed: int
    n_jobs: int = 1

    @classmethod
    def of(cls, rule: str, rng: np.random.Generator | int | None, n_jobs: int = 1, name: str = "limit") -> Simulation:
        """From the arguments of a function.

        Raises
        ------
        InputError
            If the rule is none of `RULES`, `rng` is no source of randomness, or `n_jobs` no number of processes.
        """
        if rule not in RULES:
            raise InputError(f"`{name}` is {rule!r}, but it must be one of {', '.join(RULES)}")
        check_jobs(n_jobs)
        source = as_generator(rng)
        if isinstance(rng, np.random.Generator):
            rng = int(source.integers(2**31))
        return cls(rule, SEED if rng is None else int(rng), n_jobs)

    def generator(self, *which: int) -> np.random.Generator:
        """Source of randomness of one question, the same in whatever order questions are asked."""
        return np.random.default_rng([self.seed, *which])

    def applies(self, problem: Problem, mixture: GaussianMixture, component: int, *, intervals: bool = False) -> bool:
        """Are the limits of this component, or its intervals, simulated?  All rows in a report follow one rule.

        "auto" simulates what takes a fraction of a second, and does not where samples are fitted one by one, nor where
        not all objects are in memory.

        Raises
        ------
        InputError
            If "simulated" is asked for where not all objects are in memory.
        """
        if not problem.holds_all:
            if self.rule == "simulated":
                all_in_memory(problem.all_observations, "simulations are of all objects")
            return False
        if self.rule != "auto" or not stands_alone(problem):
            return self.rule == "simulated"
        memo = problem.at(mixture).memo
        if "informative" not in memo:
            memo["informative"] = informative_objects(problem, mixture)
        sizes = [memo["informative"][component].size_along(axis) for axis in np.eye(mixture.n_dimensions)]
        fewest = np.nanmin([*sizes, np.inf])
        return bool(fewest < FEW or (intervals and fewest <= FEW_FOR_INTERVALS))


@dataclass(frozen=True)
class SimulatedLimit(WidthLimit):
    """A limit from simulations.

    Attributes
    ----------
    error : float
        Monte Carlo standard error of the upper limit.
    quantile : float
        Deviance of the upper limit: what stands in the place of the quantile of chi-squared.
    quantile_at_zero : float
        Deviance of a width of zero that is exceeded with the probability of the tail.
    """

    error: float
    quantile: float
    quantile_at_zero: float


def stands_alone(problem: Problem) -> bool:
    """Do the values of a column follow one Gaussian, of which its mean and its width are all that is free?

    The column alone then tests its width: a correlated column would make the test sharper, but not more correct.  With
    gaps it would: which values are missing may depend on the other column.
    """
    observations, model = problem.observations, problem.model
    free = model.prior is None and not model.fixed.anything and model.family == "gaussian"
    beside = model.background is not None or model.selection_function is not None
    if problem.n_components > 1 or beside or not free:
        return False
    if observations.projections is not None or observations.limits is not None:
        return False
    if isinstance(observations.noise_model, NoiseMixture):
        return False
    if observations.n_dimensions == 1:
        return True
    gaps = not observations.present[observations.counts].all()
    return model.covariance_type != "spherical" and not (model.type.rotated and gaps)


def simulated_limit(
    profile: WidthProfile, mixture: GaussianMixture, level: float, simulation: Simulation
) -> SimulatedLimit:
    """The limit of one sigma, kept with the evaluation of the fit."""
    memo = profile.problem.at(mixture).memo
    key = "simulated limit", profile.component, profile.axis, level, simulation.seed
    if key not in memo:
        memo[key] = _limit(profile, level, simulation)
    limit: SimulatedLimit = memo[key]
    return limit


def _limit(profile: WidthProfile, level: float, simulation: Simulation) -> SimulatedLimit:
    roots = width_roots(profile, simulation)
    rng = simulation.generator(profile.component, profile.axis)
    at_zero, quantile_at_zero = roots.observed(0.0) ** 2, 0.0
    if np.isfinite(at_zero):
        quantile_at_zero = float(np.quantile(roots.draw(0.0, _n_at_zero(roots), rng) ** 2, level))
    end = _upper_end(profile, roots, one_sided_quantile(level), 1.0 - level, rng)
    warn_of_error(f"the limit on the sigma of component {profile.component}", end)
    upper = float(np.exp(end.place))
    return SimulatedLimit(
        deviance=at_zero,
        consistent_with_zero=bool(at_zero <= quantile_at_zero),
        upper=upper * profile.unit,
        error=upper * profile.unit * end.error if np.isfinite(upper) else 0.0,
        quantile=2.0 * (profile.highest()[0] - profile.at(upper)) if np.isfinite(upper) else np.inf,
        quantile_at_zero=quantile_at_zero,
    )


def _n_at_zero(roots: SignedRoots) -> int:
    return REFITTED_AT_ZERO if isinstance(roots, RefittedRoots) else AT_ZERO


def simulated_width_interval(profile: WidthProfile, level: float, simulation: Simulation) -> tuple[float, float]:
    """Ends with equal tails of the interval of one sigma, in the user's units."""
    roots, tail = width_roots(profile, simulation), 0.5 * (1.0 - level)
    rng = simulation.generator(profile.component, profile.axis, 1)
    high = _upper_end(profile, roots, float(chi_squared_quantile(level)), tail, rng)
    warn_of_error(f"the interval of the sigma of component {profile.component}", high)
    low = _lower_width(roots, profile.value, tail, rng)
    warn_of_error(f"the interval of the sigma of component {profile.component}", low)
    return float(np.exp(low.place)) * profile.unit, float(np.exp(high.place)) * profile.unit


def _upper_end(
    profile: WidthProfile, roots: SignedRoots, quantile: float, tail: float, rng: np.random.Generator
) -> End:
    """The upper end, on the scale of the logarithm, at least that of the quantile of chi-squared.

    Values that scatter less than their errors would exclude every width with the probability of the tail.
    """
    least = float(np.log(profile.outermost(quantile)))
    count, size = roots.tail(float(np.exp(least)), roots.pilot, rng, 1)
    if count + CLEAR * np.sqrt(count + 1.0) < tail * size:
        return End(least, 0.0)
    end = calibrated_end(roots, np.exp, least, STEP, tail, rng)
    return End(max(end.place, least), end.error)


def _lower_width(roots: SignedRoots, value: float, tail: float, rng: np.random.Generator) -> End:
    """The lower end, on the scale of the logarithm: minus infinity where zero is not excluded."""
    if value == 0:
        return End(-np.inf, 0.0)
    if np.isfinite(roots.observed(0.0)):
        count, size = roots.tail(0.0, _n_at_zero(roots), rng, -1)
        if count > tail * size:
            return End(-np.inf, 0.0)
    return calibrated_end(roots, np.exp, float(np.log(0.7 * value)), -STEP, tail, rng, upper=False)


def simulated_mean_interval(
    profile: FunctionProfile, axis: int, ends: tuple[float, float], level: float, simulation: Simulation
) -> tuple[float, float]:
    """Ends with equal tails of the interval of one mean in the user's units; `ends` are those of its profile."""
    roots, tail = mean_roots(profile, axis, simulation), 0.5 * (1.0 - level)
    rng = simulation.generator(profile.component, axis, 2)
    found = []
    for sign, end in zip((-1, 1), ends, strict=True):
        start = abs(end - profile.value) if np.isfinite(end) else 2.0 * profile.error

        def value_at(place: float, sign: int = sign) -> float:
            return profile.value + sign * float(np.exp(place))

        place = calibrated_end(roots, value_at, float(np.log(start)), STEP, tail, rng, upper=sign > 0)
        warn_of_error(f"the interval of the mean of component {profile.component}", place)
        found.append(value_at(place.place))
    return found[0], found[1]


def width_roots(profile: WidthProfile, simulation: Simulation) -> SignedRoots:
    """What simulates the signed root of a sigma, in the coordinates of the solvers."""
    if stands_alone(profile.problem):
        return WidthRoots(_column(profile.problem, profile.axis))
    return RefittedRoots(profile, WidthOfSample(profile), simulation.n_jobs)


def mean_roots(profile: FunctionProfile, axis: int, simulation: Simulation) -> SignedRoots:
    """What simulates the signed root of a mean, in the user's coordinates."""
    if stands_alone(profile.problem):
        return MeanRoots(_column(profile.problem, axis), float(profile.problem.scaling.scale[axis]))
    return RefittedRoots(profile, FunctionOfSample(profile), simulation.n_jobs)


def _column(problem: Problem, axis: int) -> OneColumn:
    """One column, divided by the scale of the solvers' coordinates."""
    observations = in_single_objects(problem.observations)
    rows = observations.counts & observations.present[:, axis]
    scale = float(problem.scaling.scale[axis])
    values = observations.values[rows, axis] / scale
    variances = observations.noise_model.variances_of(axis)[rows] / scale**2
    weights = observations.object_weights[rows]
    order = np.lexsort((weights, values, variances))  # samples are drawn row by row
    return OneColumn(values[order], variances[order], weights[order])
