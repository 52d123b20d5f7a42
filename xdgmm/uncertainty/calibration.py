"""Likelihood ratios calibrated by simulation: limits and intervals that cover for few objects too.

The quantiles of chi-squared are those of many objects.  Where few objects carry the information, the distribution of
the likelihood ratio is simulated instead: a value v of the quantity is tested by the signed root ``r(v) = sign(v_hat -
v) sqrt(2 (m - p(v)))``, m the maximum of the log-likelihood and p(v) its maximum with the quantity at v, and its
distribution is that over samples drawn from the mixture which has p(v), with the noise, the gaps and the weights of the
objects.  The upper end of an interval is the v at which samples have an r at most as large as the observed one with the
probability of the upper tail; the lower end mirrors it.  For one component in one column the test is exact, since the
distribution does not depend on the mean (for the mean: hardly on the width); otherwise its error falls as N^-3/2 (Lee
& Young 2005, Stat. Prob. Lett. 71, 143).

The ends are found by stochastic root finding: samples are drawn at values near the end, and a probit regression of the
outcomes on the value gives the end and its Monte Carlo error, which decides when to stop.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import log_ndtr

from xdgmm.basics.quantiles import normal_log_density, normal_quantile
from xdgmm.errors import XdgmmWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PRECISION = 0.015  # Monte Carlo standard error of the end of a sigma, relative to it; of a mean, to its distance
LARGEST_ERROR = 0.02  # of an end, from which there is a warning
CLEAR = 2.0  # standard errors that separate a tail from the probability sought
FARTHEST = 40  # steps before an end is called infinite
LOCAL = 0.5  # probits from the end within which samples take part in the regression
SAME = 1e-6  # signed roots closer than this are equal


class SignedRoots(ABC):
    """The signed root of one quantity, observed and simulated.

    Attributes
    ----------
    pilot, batch, most : int
        Samples drawn at each value on the way to an end, at a time near it, and for one end at most.
    """

    pilot: int
    batch: int
    most: int

    @abstractmethod
    def observed(self, value: float) -> float:
        """The signed root of the observations."""

    @abstractmethod
    def draw(self, value: float, n_samples: int, rng: np.random.Generator) -> Floats:
        """Signed roots of samples in which the quantity has this value: at most n_samples, without failed fits."""

    def tail(self, value: float, n_samples: int, rng: np.random.Generator, direction: int) -> tuple[int, int]:
        """Number of samples at least as far from the value as the observations, towards the fit, and of samples."""
        observed, drawn = self.observed(value), self.draw(value, n_samples, rng)
        beyond = direction * drawn <= direction * observed + SAME
        return int(np.count_nonzero(beyond)), drawn.size


class End(NamedTuple):
    """An end of a calibrated interval on the scale of the search, the logarithm, and its Monte Carlo error."""

    place: float
    error: float


@dataclass
class _Outcomes:
    """Samples at places of the search: how many there were, and how many lay in the tail."""

    tail: Callable[[float, int], tuple[int, int]]
    pilot: int
    places: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def add(self, place: float, n_samples: int) -> tuple[int, int]:
        count, size = self.tail(place, n_samples)
        self.places.append(place)
        self.counts.append(count)
        self.sizes.append(size)
        return count, size

    def walk(self, place: float, step: float, probability: float, *, below: bool) -> bool:
        """Step until the tail is clearly below the probability, or above it; False if it never is."""
        for _ in range(FARTHEST):
            count, size = self.add(place, self.pilot)
            margin = CLEAR * np.sqrt(count + 1.0)
            if (count + margin < probability * size) if below else (count - margin > probability * size):
                return True
            place += step
        return False

    def end(self, probability: float) -> End:
        """Where a probit regression on the places has this probability, and the standard error of that place."""
        x, k, n = (np.array(each, dtype=float) for each in (self.places, self.counts, self.sizes))
        z = normal_quantile(probability)
        used = _near(k, n, probability)
        found = _probit_end(x[used], k[used], n[used], z)
        return End(float(np.clip(found.place, x.min(), x.max())), found.error)


def _near(k: Floats, n: Floats, probability: float) -> NDArray[np.bool_]:
    """The places near the end, and the nearest clearly on either side, without which the slope may be that of noise."""
    off = np.abs(normal_quantile((k + 0.5) / (n + 1.0)) - normal_quantile(probability))
    near: NDArray[np.bool_] = off <= max(LOCAL, np.sort(off)[min(2, off.size - 1)])
    margin = CLEAR * np.sqrt(k + 1.0)
    for clear in (k + margin < probability * n, k - margin > probability * n):
        near |= clear & (off <= off[clear].min(initial=np.inf))
    return near


def calibrated_end(
    roots: SignedRoots,
    value_at: Callable[[float], float],
    start: float,
    step: float,
    probability: float,
    rng: np.random.Generator,
    *,
    upper: bool = True,
) -> End:
    """The outermost place at which the tail of the signed root has a probability.

    Parameters
    ----------
    roots : SignedRoots
    value_at : callable
        The value of the quantity at a place of the search: the logarithm of the value, or of its distance.
    start, step : float
        Where the search begins, and its first step: away from the fit.
    probability : float
        Of the tail at the end.
    rng : numpy Generator
    upper : bool
        Is it the upper end?

    Returns
    -------
    End
        At infinity, of the sign of the step, where the tail stays above the probability; where it is never above it
        from the start inwards, at the place of the innermost step.
    """
    outcomes = _Outcomes(lambda place, n: roots.tail(value_at(place), n, rng, 1 if upper else -1), roots.pilot)
    if not outcomes.walk(start, step, probability, below=True):
        return End(float(np.copysign(np.inf, step)), 0.0)
    if not outcomes.walk(start - step, -step, probability, below=False):
        return End(outcomes.places[-1], 0.0)
    end = outcomes.end(probability)
    while end.error > PRECISION and sum(outcomes.sizes) < roots.most:
        outcomes.add(end.place, roots.batch)
        end = outcomes.end(probability)
    return end


def _probit_end(x: Floats, k: Floats, n: Floats, z: float) -> End:
    """Fit ``P = Phi(a + b x)`` to k of n, and solve it for the probit z; its error by the delta method."""
    centre, spread = np.average(x, weights=n), max(float(np.ptp(x)), 1e-12)
    design = np.column_stack([np.ones_like(x), (x - centre) / spread])
    beta = np.array([z, 0.0])
    information = np.eye(2)
    for _ in range(50):
        eta = design @ beta
        log_density = normal_log_density(eta)
        low, high = np.exp(log_density - log_ndtr(eta)), np.exp(log_density - log_ndtr(-eta))
        score = design.T @ (k * low - (n - k) * high)
        information = (design * (n * low * high)[:, None]).T @ design
        change = np.linalg.lstsq(information, score, rcond=None)[0]
        beta = beta + change * min(1.0, 2.0 / max(float(np.abs(change).max()), 1e-300))
        if np.abs(change).max() < 1e-8:
            break
    if beta[1] == 0 or np.linalg.matrix_rank(information) < 2:
        return End(float(centre), np.inf)
    at = (z - beta[0]) / beta[1]
    gradient = np.array([1.0, at]) / beta[1]
    error = float(np.sqrt(gradient @ np.linalg.inv(information) @ gradient))
    return End(float(centre + spread * at), spread * error)


def warn_of_error(what: str, end: End) -> None:
    """Tell if the samples allowed did not suffice."""
    if np.isfinite(end.place) and end.error > LARGEST_ERROR:
        warnings.warn(
            f"the simulated end of {what} has a relative Monte Carlo error of {end.error:.2g}, although as many "
            "samples were drawn as are allowed",
            XdgmmWarning,
            stacklevel=5,
        )
