"""`population`: the mean intrinsic width of many lines and its scatter, lines that are not resolved included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.parameters import check_level
from xdgmm.basics.quantiles import normal_cdf, normal_quantile
from xdgmm.errors import DeprecatedAlias, InputError
from xdgmm.fitting import FitResult, Fixed, Model, Settings, fit
from xdgmm.observations import Observations
from xdgmm.uncertainty import profile_interval, width_limit
from xdgmm.widths.columns import FWHM

from .deconvolution import LEVEL, LIMIT_LEVEL, IntrinsicWidths
from .profile_likelihood import SignedRoot

if TYPE_CHECKING:
    from astropy.table import QTable

Array = NDArray[np.float64]

FEWEST = 3
ERRORS = "relative", "absolute"
ROUNDS_OF_LSF = 3
SMALLEST = 0.25  # of the squared width given for the instrument: what is taken for it at least
MOST_ROUNDS = 100
CONVERGED = 1e-6  # changes of mean and squared scatter, in their own errors, below which the iteration has converged
LEAST_STEP = 1 / 16  # fraction of a change that is applied where changes alternate in sign


def population(widths: IntrinsicWidths, errors: str = "relative") -> Population:
    """Fit the mean and the intrinsic scatter of the intrinsic variances of many lines.

    Parameters
    ----------
    widths : IntrinsicWidths
        What `deconvolve` returned for at least three lines; those without a width are left out.
    errors : {"relative", "absolute"}
        What a line that noise made wider would have kept: its relative error, as from fits of lines (a wider line has a
        larger error), or its error, as from repeated measurements and where one error was given for all.

    Returns
    -------
    Population

    Raises
    ------
    InputError
        If there are fewer than three widths, something else than widths is given, `errors` is none of the two, or
        errors nearly as large as the widths leave no answer.

    Notes
    -----
    Extreme deconvolution of the signed variances ``V_i = s_i^2 - L_i^2 - e_i^2`` with their errors ``E_i``
    (one Gaussian, Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657).  A line that comes out too wide comes out with
    too large an error, so errors as reported give the narrow ones too much weight, and the mean is too small.  The
    relative error ``r_i`` of a fitted width does not depend on its fluctuation; so ``e_i = r_i s`` and
    ``E_i = 2 r_i s^2`` are computed at the pooled width s of the fit, ``s^2 = mean + L_i^2``, again and again until
    nothing changes; ``e_i^2`` is the bias of the square of a noisy width.  Where each line has an error of its
    own in L, squares and errors of L are those of the weighted mean of L^2 and ``s_i^2 - mean``, for the same reason.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> rng = np.random.default_rng(1)
    >>> observed = np.hypot(25.0, 60.0) * (1 + 0.05 * rng.normal(size=400))
    >>> every = lines.population(lines.deconvolve(observed, 0.05 * observed, lsf=60.0))
    >>> print(f"{every.intrinsic_sigma:.1f}, from {every.interval()[0]:.1f} to {every.interval()[1]:.1f}")
    24.3, from 23.8 to 24.7
    """
    if not isinstance(widths, IntrinsicWidths):
        raise InputError(
            f"`widths` is a {type(widths).__name__}, but what lines.deconvolve(...) returns is needed, which contains "
            "the instrument's width"
        )
    if errors not in ERRORS:
        raise InputError(f"`errors` is {errors!r}, but it must be 'relative' or 'absolute'")
    number = int(widths.seen.sum())
    if number < FEWEST:
        raise InputError(
            f"a population needs at least {FEWEST} widths, but there {'is' if number == 1 else 'are'} {number}"
        )
    lines = _Lines.of(widths, relative=errors == "relative")
    observations, result = lines.fit_iteratively()
    shift = np.zeros(2)
    if lines.shared:
        ends = [lines.with_instrument(1.0 + sign * lines.shared).fit_iteratively()[1] for sign in (1.0, -1.0)]
        shift = 0.5 * np.abs(np.subtract(*(_mean_and_scatter(end) for end in ends)))
    return Population(widths, observations, result, *shift)


@dataclass(frozen=True, eq=False)
class _Lines:
    """Numbers of the lines that have a width.

    Fractions of the instrument's width: `shared` is an error common to all lines, `own` one of each number that was
    given, `spread` how much lines differ from these.
    """

    width: Array
    error: Array
    relative: bool
    lsf: Array
    shared: float
    own: Array
    spread: Array

    @classmethod
    def of(cls, widths: IntrinsicWidths, *, relative: bool) -> _Lines:
        lines = widths.lines.select(widths.seen.ravel())
        of_lsf = lines.lsf_error
        shared, own = (of_lsf[0], np.zeros_like(of_lsf)) if widths.shared else (0.0, of_lsf)
        return cls(lines.observed, lines.observed_error, relative, lines.lsf, shared, own, lines.lsf_scatter)

    def with_instrument(self, factor: float) -> _Lines:
        return replace(self, lsf=self.lsf * factor)

    def fit_iteratively(self) -> tuple[Observations, FitResult]:
        """Observations of V with errors at the pooled width of their own fit, and that fit."""
        state, result = np.array([max(np.median(self.width**2 - self.lsf**2), 0.0), 0.0]), None
        step, before = 1.0, np.zeros(2)
        for _ in range(MOST_ROUNDS):
            observations = self._observations(state[0], np.sqrt(state[1]))
            result = fit(observations, 1, Settings(start=None if result is None else result.mixture))
            change = _mean_and_scatter(result) ** (1, 2) - state
            in_errors = change / _errors(observations, state[1] + step * change[1])
            if np.max(np.abs(in_errors)) < CONVERGED:
                return observations, result
            # Large errors overshoot: more scatter makes more error, and this less scatter.
            step = max(0.5 * step, LEAST_STEP) if in_errors @ before < 0 else min(1.5 * step, 1.0)
            before, state = in_errors, state + step * change
        largest = np.max(self.error / self.width)
        raise InputError(
            f"errors at the width of the population do not converge: they reach {largest:.0%} of the widths; leave out "
            "lines whose errors are above 30% of their widths"
        )

    def _observations(self, mean: float, scatter: float) -> Observations:
        of_lsf2, spread2 = self.own**2, self.spread**2
        lsf2 = self._squared_lsf(max(mean, 0.0), scatter)
        pooled = max(mean, 0.0) + lsf2 * (1.0 + spread2)
        r2 = self._relative_error2(pooled)
        variances = self.width**2 - self.lsf**2 - r2 * pooled + (of_lsf2 - spread2) * lsf2
        # Mean square over lines of true variance V ~ N(mean, scatter^2) of the noise of their squared widths.
        noise = _noise_of_square(r2) * (pooled**2 + (scatter**2 if self.relative else 0.0))
        noise += (_noise_of_square(of_lsf2) + _noise_of_square(spread2)) * lsf2**2
        return Observations.with_standard_errors(variances, np.sqrt(noise), names=["variance"])

    def _relative_error2(self, pooled: Array) -> Array:
        """Squared relative errors of the widths, at the pooled squared width."""
        return self.error**2 / (self.width**2 if self.relative else pooled)

    def _squared_lsf(self, mean: float, scatter: float) -> Array:
        """Squares of the instrument's widths: the mean of what was given and of ``s^2 - mean``, weighted by errors.

        This mean is uncorrelated with the difference of the two, V, as a size that errors are computed from must be.
        """
        given, seen = self.lsf**2, self.width**2 - mean
        squared = given
        for _ in range(ROUNDS_OF_LSF):
            error2 = 4.0 * (self.own * squared) ** 2
            pooled = mean + squared
            error2_seen = 4.0 * (self._relative_error2(pooled) * pooled**2 + (self.spread * squared) ** 2) + scatter**2
            squared = np.maximum(given + (seen - given) * error2 / (error2 + error2_seen), SMALLEST * given)
        return squared


def _noise_of_square(fraction2: Array) -> Array:
    """Relative variance of the square of a number with a normal relative error."""
    return 4.0 * fraction2 * (1.0 + 0.5 * fraction2)


def _errors(observations: Observations, scatter2: float) -> Array:
    """Errors of a mean and of the square of a scatter."""
    precision = 1.0 / (observations.variances[:, 0] + scatter2)
    return 1.0 / np.sqrt([precision.sum(), 0.5 * (precision**2).sum()])


def _mean_and_scatter(result: FitResult) -> Array:
    return np.array([result.mixture.means[0, 0], result.mixture.sigmas[0, 0]])


@dataclass(frozen=True, eq=False, repr=False)
class Population:
    """Mean and intrinsic scatter of the intrinsic variances V of many lines; made by `population`.

    Numbers have the unit of the widths (squared for variances) where they have one.  An error of the instrument's width
    that all lines share does not average out: it is part of every error and interval.

    Attributes
    ----------
    widths : IntrinsicWidths
    observations : Observations
        The V that were fitted, with their errors at the pooled width.
    result : FitResult
    mean_shift, scatter_shift : float
        What an instrument wrong by its (shared) 1-sigma error changes.
    """

    widths: IntrinsicWidths
    observations: Observations
    result: FitResult
    mean_shift: float = 0.0
    scatter_shift: float = 0.0

    mean_variance_err = DeprecatedAlias("mean_variance_error")
    sigma = DeprecatedAlias("intrinsic_sigma")
    fwhm = DeprecatedAlias("intrinsic_fwhm")
    sigma_scatter = DeprecatedAlias("intrinsic_sigma_scatter")
    sigma_scatter_limit = DeprecatedAlias("intrinsic_sigma_scatter_limit")

    def __len__(self) -> int:
        """Number of lines that were fitted."""
        return self.observations.n_objects

    @property
    def mean_variance(self) -> Any:
        """Mean of the signed intrinsic variances: negative where the lines are, by chance or mistake, too narrow."""
        return self._with_unit(self._mean, 2)

    @property
    def mean_variance_error(self) -> Any:
        """Half its 68.27% interval."""
        low, high = self._root.interval(LEVEL)
        return self._with_unit(0.5 * (high - low), 2)

    @property
    def intrinsic_sigma(self) -> Any:
        """Intrinsic sigma of the mean variance; 0 where that is negative (see `upper_limit`)."""
        return self._with_unit(np.sqrt(max(self._mean, 0.0)))

    @property
    def intrinsic_fwhm(self) -> Any:
        """Its full width at half maximum."""
        return FWHM * self.intrinsic_sigma

    @property
    def resolved_pvalue(self) -> float:
        """Probability of widths at least as large as these, if the mean intrinsic variance were zero (one-sided)."""
        return float(normal_cdf(self._root.at(0.0)))

    @property
    def is_limit(self) -> bool:
        """Are the lines together consistent with no width of their own: is `resolved_pvalue` above 5%?"""
        return self.resolved_pvalue >= 1.0 - LIMIT_LEVEL

    def interval(self, level: float = LEVEL) -> tuple[Any, Any]:
        """Ends (low, high) of the profile-likelihood interval of `intrinsic_sigma`.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        check_level(level)
        low, high = self._root.interval(level, 0.0)
        return self._with_unit(np.sqrt(low)), self._with_unit(np.sqrt(high))

    def upper_limit(self, level: float = LIMIT_LEVEL) -> Any:
        """Upper limit on `intrinsic_sigma`, one-sided.

        Raises
        ------
        InputError
            If the level is not between 0.5 and 1.
        """
        check_level(level, least=0.5)
        return self._with_unit(np.sqrt(self._root.upper_limit(level, 0.0)))

    @property
    def scatter(self) -> Any:
        """Intrinsic standard deviation of the variances V; 0 where the errors explain all of it."""
        return self._with_unit(self._scatter, 2)

    def scatter_interval(self, level: float = LEVEL) -> tuple[Any, Any]:
        """Ends of its profile-likelihood interval; low is 0 where zero cannot be excluded.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        found = profile_interval(self.result.mixture, self.observations, 0, 0, level)
        shift = normal_quantile(0.5 + 0.5 * level) * self.scatter_shift
        low = self._scatter - np.hypot(self._scatter - found.low, shift)
        high = self._scatter + np.hypot(found.high - self._scatter, shift)
        return self._with_unit(max(low, 0.0), 2), self._with_unit(high, 2)

    def scatter_limit(self, level: float = LIMIT_LEVEL) -> Any:
        """Upper limit on `scatter`, one-sided.

        Raises
        ------
        InputError
            If the level is not between 0.5 and 1.
        """
        limit = width_limit(self.result.mixture, self.observations, 0, 0, level)
        if not limit.consistent_with_zero:
            return self.scatter_interval(2.0 * level - 1.0)[1]
        above = np.hypot(limit.upper - self._scatter, normal_quantile(level) * self.scatter_shift)
        return self._with_unit(self._scatter + above, 2)

    @property
    def intrinsic_sigma_scatter(self) -> Any:
        """The scatter in sigma: half the range between the sigmas of V one `scatter` above and below the mean.

        A negative mean counts as 0, so that scatter is never hidden below it.
        """
        return self._in_sigma(self._scatter)

    def intrinsic_sigma_scatter_limit(self, level: float = LIMIT_LEVEL) -> Any:
        """Upper limit on `intrinsic_sigma_scatter`, one-sided.

        Raises
        ------
        InputError
            If the level is not between 0.5 and 1.
        """
        limit = self.scatter_limit(level)
        return self._in_sigma(getattr(limit, "value", limit))

    def _in_sigma(self, scatter: float) -> Any:
        mean = max(self._mean, 0.0)
        ends = np.sqrt(np.maximum([mean - scatter, mean + scatter], 0.0))
        return self._with_unit(0.5 * (ends[1] - ends[0]))

    def table(self, level: float = LEVEL, limit_level: float = LIMIT_LEVEL) -> QTable:
        """A QTable of one row: observed, instrumental and intrinsic sigma and FWHM, mean and scatter of the variances.

        With one `rest` for all lines, widths are there in km/s too.

        Raises
        ------
        InputError
            If a level is not a probability.
        """
        from .report import population_table

        check_level(level)
        check_level(limit_level, "limit_level", least=0.5)
        return population_table(self, level, limit_level)

    def __repr__(self) -> str:
        """What was found, in a few lines."""
        from .report import population_text

        return population_text(self)

    @property
    def _mean(self) -> float:
        return float(self.result.mixture.means[0, 0])

    @property
    def _scatter(self) -> float:
        return float(self.result.mixture.sigmas[0, 0])

    @cached_property
    def _root(self) -> SignedRoot:
        """Profile of the mean variance, the common error of the instrument put in."""
        variances = self.observations.variances[:, 0] + self._scatter**2
        return SignedRoot(self._profile, self._mean, np.sqrt(1.0 / np.sum(1.0 / variances)), self.mean_shift)

    def _profile(self, mean: float) -> float:
        held = self.result.mixture.with_parameters(np.ones(1), np.full((1, 1), mean), self._start(mean))
        settings = Settings(start=held, model=Model(fixed=Fixed(means=(0,))))
        return fit(self.observations, 1, settings).log_likelihood

    def _start(self, mean: float) -> Array:
        """A covariance that is not zero, so that the fit does not start at the boundary."""
        return np.full((1, 1, 1), self._scatter**2 + (mean - self._mean) ** 2)

    def _with_unit(self, number: float, power: int = 1) -> Any:
        if self.widths.unit is None:
            return number
        from astropy.units import Quantity

        return Quantity(number, self.widths.unit**power)
