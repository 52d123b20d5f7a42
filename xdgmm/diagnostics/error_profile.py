"""The likelihood as a function of parameters of the noise, maximised over the mixture at each of their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from xdgmm.basics.quantiles import chi_squared_quantile
from xdgmm.errors import DegenerateError
from xdgmm.fitting import solvers
from xdgmm.fitting.objective import effective_sizes
from xdgmm.uncertainty.likelihood_ratio import crossings, one_sided_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.mixture import GaussianMixture

    from .noise_parameters import NoiseParameters

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

TOLERANCE, PASSES = 1e-7, 200  # nats to which the mixture is maximised at each point, and passes for that
SLOPE, SLOPE_OF_PROFILE = 1e-5, 1e-3  # per standard error, at which the maximum, or a point of a profile, is found
FAR = 1e-3  # predicted gain in nats of a fit that has not come near its maximum
MOST_FAILURES = 60  # fits that collapse, or have not come near
ROUNDS, STEPS = 8, 60  # of that search, and steps of each
HIGHER = 1e-5  # nats by which a point of a profile must exceed the maximum to take its place
LOWER = 5.0  # nats by which a point of the coarse grid may lie below the maximum known, and lead to a higher one
RESTARTS = 5
CAPPED = 1e3  # deviance that stands for an impossible one while a root is sought
LIFT = 1e-3  # variance, in the units of the solvers, from which a mixture starts where errors are zero
LARGEST, DOUBLINGS = 1e3, 14  # factor, and number of places, up to which the whole range is scanned for other maxima
FARTHEST = 20.0  # times the value: further crossings are looked for up to there, and up to other maxima
FALLEN = 50.0  # deviance: from there on the likelihood is not followed, unless there is another maximum


@dataclass(frozen=True, eq=False)
class Point:
    """The maximum over all mixtures at some noise.

    Attributes
    ----------
    phi : ndarray
        Parameters of the noise.
    height : float
        Log-likelihood (with a prior: log-posterior) of the standardised values.
    mixture : GaussianMixture
        In the coordinates of the solvers.
    """

    phi: Floats
    height: float
    mixture: GaussianMixture


def _height(point: Point) -> float:
    return point.height


class HigherPointError(Exception):
    """A point of a profile is higher than what was taken for the maximum."""

    def __init__(self, point: Point) -> None:
        super().__init__()
        self.point = point


class ErrorProfile:
    """Profile likelihoods of parameters of the noise.

    Parameters
    ----------
    parameters : NoiseParameters
    mixture : GaussianMixture
        The fit to the observations as they were given, in the coordinates of the solvers.
    report : callable
        Called after every fit of a mixture.

    Attributes
    ----------
    unchanged, best : Point
        With the noise as it was given, and at the maximum.
    collapses : bool
        Is there no maximum at some of the points, since a component collapses?
    errors : ndarray
        Standard errors of phi by the information with known labels, at the maximum: steps of the search.
    """

    best: Point
    errors: Floats

    def __init__(self, parameters: NoiseParameters, mixture: GaussianMixture, report: Callable[[], object]) -> None:
        self.parameters, self.report = parameters, report
        self.fitted = mixture
        self.farthest = np.minimum(parameters.farthest, LARGEST if parameters.kind == "factor" else np.inf)
        self.collapses, self.failures = False, 0
        self.scanned: dict[int, list[tuple[float, float]]] = {}
        self.sizes = effective_sizes(mixture, parameters.problem.data)
        self.unchanged = self.solve(parameters.unchanged, [mixture])

    @property
    def is_simple(self) -> bool:
        """Is there one Gaussian in one coordinate alone, for which the solvers find the highest of several maxima?"""
        size = self.fitted.all_weights.size * self.fitted.n_dimensions
        return size == 1 and self.parameters.problem.constraints.separable

    def solve(self, phi: Floats, starts: list[GaussianMixture]) -> Point:
        """The highest mixture at some noise, from some starts; minus infinity where a component collapses."""
        problem = self.parameters.problem
        data = self.parameters.pack(self.parameters.observations(phi))
        best = Point(phi, -np.inf, starts[0])
        for start in starts:
            lifted = self._lifted(start) if not phi.all() and self.parameters.kind == "factor" else start
            try:
                solution = problem.maximise(lifted, TOLERANCE, PASSES, data=data)
            except solvers.CollapseError:
                self._count_failure()
                continue
            height, mixture = solution.statistics.objective, solution.mixture
            if np.isfinite(height) and height > best.height and not self._follows_chance(mixture, data):
                best = Point(phi, float(height), mixture)
            if not solution.outcome.converged:  # other starts would take as long
                if solution.predicted_gain > FAR:
                    self._count_failure()
                break
        self.collapses |= not np.isfinite(best.height)
        self.report()
        return best

    def _count_failure(self) -> None:
        """Raise if there are too many."""
        self.failures += 1
        if self.failures > MOST_FAILURES:
            raise DegenerateError(
                "with many of the errors that were tried the likelihood has no maximum, or is hardly maximised: "
                "values are equal, or there are too many components for these data; fit fewer"
            )

    def _follows_chance(self, mixture: GaussianMixture, data: Data) -> bool:
        """Has a component shrunk to fewer objects than its covariance needs?

        With small errors the likelihood of several components has no bound: a component that holds one object is as
        narrow as its error (McLachlan & Peel 2000, *Finite Mixture Models*, sec. 3.10).
        """
        if mixture.n_components == 1:
            return False
        needed = mixture.n_dimensions + 1
        lost = effective_sizes(mixture, data) < needed
        return bool((lost & (self.sizes >= needed)).any())

    def _lifted(self, mixture: GaussianMixture) -> GaussianMixture:
        """A mixture with some width in every direction: without errors its likelihood exists there."""
        covariances = mixture.covariances + LIFT * np.eye(mixture.n_dimensions)
        covariances = self.parameters.problem.constraints.covariances(
            mixture.covariances, covariances, np.maximum(mixture.weights, 0.0)
        )
        return mixture.with_parameters(mixture.all_weights, mixture.means, covariances)

    def maximise(self, start: Point, free: Bools, slope: float = SLOPE) -> Point:
        """The maximum over some of the parameters, the others kept as they are at the start."""
        if not free.any():
            return start
        best = start
        for _ in range(ROUNDS):
            before = best.height
            best = self._climbed(best, free, slope)
            if not best.height > before + slope**2:
                break
        return best

    def _climbed(self, start: Point, free: Bools, slope: float) -> Point:
        information, _ = self.parameters.information(start.mixture, start.phi)
        unit = 1.0 / np.sqrt(np.maximum(np.diag(information)[free], 1e-300))
        unit = np.minimum(unit, np.maximum(start.phi[free], 1.0))
        best = start

        def fall(x: Floats) -> tuple[float, Floats]:
            nonlocal best
            phi = start.phi.copy()
            phi[free] = x * unit
            found = start if np.array_equal(phi, start.phi) else self.solve(phi, [best.mixture])
            if not np.isfinite(found.height):
                return CAPPED, np.zeros(x.size)
            if found.height > best.height:
                best = found
            slopes = self.parameters.slopes(found.mixture, phi)[free]
            return start.height - found.height, -slopes * unit

        options = {"maxiter": STEPS, "ftol": 1e-14, "gtol": slope}
        minimize(
            fall, start.phi[free] / unit, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * unit.size, options=options
        )
        return best

    def find_maximum(self, start: Point | None = None) -> None:
        """Find the maximum over all parameters and the mixture, from the noise as it was given or from a point."""
        everything = np.ones(self.parameters.size, dtype=bool)
        self.best = self.maximise(self.unchanged if start is None else start, everything)
        for _ in range(RESTARTS):
            others = [point for place in range(self.parameters.size) for point in self._scan(place)]
            highest = max((self.maximise(point, everything) for point in others), default=self.best, key=_height)
            if not highest.height > self.best.height + HIGHER:
                break
            self.best = highest
        information, _ = self.parameters.information(self.best.mixture, self.best.phi)
        inverse = np.linalg.pinv(information, rcond=1e-10, hermitian=True)
        self.errors = np.sqrt(np.maximum(np.diag(inverse), 1e-300))

    def _scan(self, place: int) -> list[Point]:
        """Other maxima on a coarse grid of one parameter, the rest of them kept: some may be higher."""
        own = float(np.sqrt(self.best.phi[place]))
        values = np.append(self.farthest[place] * 0.5 ** np.arange(DOUBLINGS), 0.0)
        found = {own: self.best}
        for side in (np.sort(values[values > own]), values[values < own]):
            mixture = self.best.mixture
            for value in map(float, side):
                phi = self.best.phi.copy()
                phi[place] = value**2
                found[value] = self.solve(phi, [mixture])
                mixture = found[value].mixture
        self.scanned[place] = [(value, point.height) for value, point in found.items()]
        points = [found[value] for value in sorted(found)]
        heights = np.array([-np.inf, *map(_height, points), -np.inf])
        highest = (heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])
        near = heights[1:-1] > self.best.height - LOWER
        return [points[i] for i in np.flatnonzero(highest & near) if points[i] is not self.best]

    def of_one(self, place: int) -> OneParameter:
        """The profile of one parameter."""
        return OneParameter(self, place)


class OneParameter:
    """The profile of the square root of one parameter: a factor, or a floor."""

    def __init__(self, profile: ErrorProfile, place: int) -> None:
        self.profile, self.place = profile, place
        self.others = np.ones(profile.parameters.size, dtype=bool)
        self.others[place] = False
        self.value = float(np.sqrt(profile.best.phi[place]))
        self.known = {self.value: profile.best}
        if not self.others.any():
            self.known[float(np.sqrt(profile.unchanged.phi[place]))] = profile.unchanged

    def at(self, value: float) -> float:
        """The maximum over everything else.

        Raises
        ------
        HigherPointError
            If it exceeds the maximum over everything.
        """
        value = float(value)
        if value not in self.known:
            self.known[value] = self._solved(value)
        found = self.known[value]
        if found.height > self.profile.best.height + HIGHER:
            raise HigherPointError(found)
        return found.height

    def _solved(self, value: float) -> Point:
        """From the neighbours on both sides, and from the fit."""
        below = max((known for known in self.known if known < value), default=None)
        above = min((known for known in self.known if known > value), default=None)
        neighbours = [self.known[known] for known in (below, above) if known is not None]
        neighbours.sort(key=lambda point: abs(np.sqrt(point.phi[self.place]) - value))
        phi = neighbours[0].phi.copy()
        phi[self.place] = value**2
        starts = [*(point.mixture for point in neighbours), self.profile.fitted]
        if self.profile.is_simple:
            starts = starts[:1]
        return self.profile.maximise(self.profile.solve(phi, starts), self.others, SLOPE_OF_PROFILE)

    def interval(self, level: float) -> tuple[float, float]:
        """The outermost ends at a level; 0 where zero is not excluded."""
        fallen = self._fallen(float(chi_squared_quantile(level)))
        step = self._step(level)
        lower, _ = crossings(fallen, self.value, -step, 0.0) if self.value > 0 else ([0.0], False)
        return float(lower[-1]), self._upper(fallen, step)

    def limit(self, level: float) -> float:
        """The one-sided upper limit; NaN where zero is excluded."""
        fallen = self._fallen(one_sided_quantile(level))
        if fallen(0.0) > 0:
            return np.nan
        return self._upper(fallen, self._step(level))

    def _upper(self, fallen: Callable[[float], float], step: float) -> float:
        near = min(float(self.profile.farthest[self.place]), FARTHEST * (self.value + step))
        upper, _ = crossings(fallen, self.value, step, max(near, *self._high_places()))
        return float(upper[-1])

    def _fallen(self, quantile: float) -> Callable[[float], float]:
        top = self.profile.best.height

        def fallen(value: float) -> float:
            if self._is_beyond(value):
                return CAPPED
            return float(min(2.0 * (top - self.at(value)), CAPPED + quantile) - quantile)

        return fallen

    def _high_places(self) -> tuple[float, float]:
        """The first and last value of the scan at which the likelihood is not very much lower than at the maximum."""
        lowest = self.profile.best.height - 0.5 * FALLEN
        high = [value for value, height in self.profile.scanned[self.place] if height > lowest]
        return min((*high, self.value)), max((*high, self.value))

    def _is_beyond(self, value: float) -> bool:
        """Lies a place where the likelihood has fallen very far between all high ones and this value?"""
        lowest = self.profile.best.height - 0.5 * FALLEN
        first, last = self._high_places()
        fallen = [known for known, point in self.known.items() if point.height < lowest]
        return any(value < known < first or last < known < value for known in fallen)

    def _step(self, level: float) -> float:
        """About the distance to an end of the interval."""
        error = float(self.profile.errors[self.place] * np.sqrt(chi_squared_quantile(level)))
        return min(float(np.sqrt(self.value**2 + error) - self.value), 1.0 + self.value)
