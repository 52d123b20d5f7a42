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
from xdgmm.fitting import fit
from xdgmm.observations import Observations
from xdgmm.widths.columns import FWHM

from .deconvolution import LEVEL, LIMIT_LEVEL, IntrinsicWidths
from .joint_likelihood import JointLikelihood, Point, falls_to
from .profile_likelihood import SignedRoot

if TYPE_CHECKING:
    from astropy.table import QTable

Array = NDArray[np.float64]

FEWEST = 3
ERRORS = "relative", "absolute"
ROUNDS = 3  # of sizes that the likelihood does not follow itself
LARGEST_ERROR = 3.0  # of a width; log-normal noise of more has no finite square in floating point from 27 on
MOST_SKEWED = 1.0  # squared relative error above which the noise of a square has no more skewness
ROUNDS_OF_LSF = 3
SMALLEST = 0.25  # of the squared width given for the instrument: what is taken for it at least


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
        If there are fewer than three widths, something else than widths is given, or `errors` is none of the two.

    Notes
    -----
    One joint likelihood of all lines.  True variances V_i are drawn from ``N(mean, scatter^2)``, and each observed
    ``s_i^2 = V_i + L_i^2`` with noise.  A line that comes out too wide comes out with too large an error, so errors as
    reported would give the narrow ones too much weight, and the mean would be too small.  The relative error r_i of a
    fitted width does not depend on its fluctuation; so the noise is log-normal, ``s = w z`` with ``ln z`` of standard
    deviation r_i and a mean of z of 1, at the pooled width ``w^2 = mean + L_i^2`` that is fitted.  Absolute errors are
    those of a normal width at the pooled one.  Relative errors above 3 count as 3: such a line says next to nothing.
    The integrals over V_i are exact to 1e-9.  Where each line has an error of its own in L, its size is that at the
    weighted mean of L^2 and ``s_i^2 - mean``, which does not depend on the fluctuation of their difference.

    Mean and scatter are right for any distribution of V as long as errors are small.  Where all errors exceed about
    15% of the widths, they are those of the normal distribution of V: skewed ones come out too narrow.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> rng = np.random.default_rng(1)
    >>> observed = np.hypot(25.0, 60.0) * (1 + 0.05 * rng.normal(size=400))
    >>> every = lines.population(lines.deconvolve(observed, 0.05 * observed, lsf=60.0))
    >>> print(f"{every.intrinsic_sigma:.1f}, from {every.interval()[0]:.1f} to {every.interval()[1]:.1f}")
    24.3, from 23.9 to 24.8
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
    likelihood, best = lines.fit()
    mean_shift = scatter_shift = 0.0
    if lines.shared:
        above, below = (lines.with_instrument(1.0 + sign * lines.shared).fit()[1] for sign in (1.0, -1.0))
        mean_shift = 0.5 * abs(above.mean - below.mean)
        scatter_shift = 0.5 * abs(above.scatter - below.scatter)
    return Population(widths, errors, mean_shift, scatter_shift, likelihood, best)


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

    def fit(self) -> tuple[JointLikelihood, Point]:
        """The likelihood and its maximum; sizes that it does not follow itself are those of an earlier fit."""
        likelihood = self._likelihood(max(float(np.median(self.width**2 - self.lsf**2)), 0.0), self.lsf**2)
        best = likelihood.highest(self._starts)
        for _ in range(0 if self.relative and not self.own.any() else ROUNDS):
            mean = max(best.mean, 0.0)
            likelihood = self._likelihood(mean, self._squared_lsf(mean, best.scatter))
            best = likelihood.highest([(best.mean, best.scatter2), *self._starts])
        return likelihood, best

    @property
    def _starts(self) -> list[tuple[float, float]]:
        """Mean and squared scatter: none, and about all there is."""
        variances = self.width**2 - self.lsf**2
        mean = max(float(np.median(variances)), 0.0)
        return [(mean, 0.0), (mean, float(np.mean((variances - mean) ** 2)))]

    def _likelihood(self, mean: float, squared_lsf: Array) -> JointLikelihood:
        """The likelihood, where the squares of the instrument's widths, as sizes, are these."""
        own2, spread2 = self.own**2, self.spread**2
        squares = self.width**2 - self.lsf**2 + (own2 - spread2) * squared_lsf
        of_lsf = (_noise_of_square(own2) + _noise_of_square(spread2)) * squared_lsf**2
        lsf = squared_lsf * (1.0 + spread2)
        if self.relative:
            r = np.minimum(self.error / self.width, LARGEST_ERROR)
            return JointLikelihood(squares, r, -0.5 * r**2, lsf, of_lsf)
        pooled = mean + lsf
        r2 = self.error**2 / pooled
        # The square of a width with a normal error has about half the skewness of that with a log-normal one; size and
        # centre give it the right mean and variance.
        noise2 = 0.25 * np.minimum(r2, MOST_SKEWED)
        sizes = pooled * np.sqrt(_noise_of_square(r2) / np.expm1(4.0 * noise2))
        return JointLikelihood(squares - r2 * pooled, np.sqrt(noise2), -noise2, lsf, of_lsf, sizes)

    def observations(self, mean: float, scatter: float) -> Observations:
        """The signed variances V with the errors that they have at this mean and scatter."""
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


@dataclass(frozen=True, eq=False, repr=False)
class Population:
    """Mean and intrinsic scatter of the intrinsic variances V of many lines; made by `population`.

    Numbers have the unit of the widths (squared for variances) where they have one.  An error of the instrument's width
    that all lines share does not average out: it is part of every error and interval.

    Attributes
    ----------
    widths : IntrinsicWidths
    errors : {"relative", "absolute"}
        What the errors of the widths were taken for.
    mean_shift, scatter_shift : float
        What an instrument wrong by its (shared) 1-sigma error changes, in plain numbers.
    """

    widths: IntrinsicWidths
    errors: str
    mean_shift: float
    scatter_shift: float
    _likelihood: JointLikelihood
    _best: Point

    result = DeprecatedAlias("observations, to which it was fitted", lambda self: fit(self.observations, 1))
    mean_variance_err = DeprecatedAlias("mean_variance_error")
    sigma = DeprecatedAlias("intrinsic_sigma")
    fwhm = DeprecatedAlias("intrinsic_fwhm")
    sigma_scatter = DeprecatedAlias("intrinsic_sigma_scatter")
    sigma_scatter_limit = DeprecatedAlias("intrinsic_sigma_scatter_limit")

    def __len__(self) -> int:
        """Number of lines that were fitted."""
        return self._likelihood.squares.size

    @property
    def log_likelihood(self) -> float:
        """Log-likelihood of the fit: of the squares of the widths."""
        return self._best.value

    @cached_property
    def observations(self) -> Observations:
        """The signed variances V of the lines (plain numbers), with their errors at the pooled width: to draw, say."""
        return _Lines.of(self.widths, relative=self.errors == "relative").observations(self._mean, self._scatter)

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
        quantile = normal_quantile(0.5 + 0.5 * level)
        below, above = self._scatter_ends(0.5 * quantile**2)
        low = self._scatter - np.hypot(self._scatter - below, quantile * self.scatter_shift)
        high = self._scatter + np.hypot(above - self._scatter, quantile * self.scatter_shift)
        return self._with_unit(max(low, 0.0), 2), self._with_unit(high, 2)

    def scatter_limit(self, level: float = LIMIT_LEVEL) -> Any:
        """Upper limit on `scatter`, one-sided.

        Raises
        ------
        InputError
            If the level is not between 0.5 and 1.
        """
        check_level(level, least=0.5)
        quantile = normal_quantile(level)
        above = np.hypot(self._scatter_ends(0.5 * quantile**2)[1] - self._scatter, quantile * self.scatter_shift)
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
        return self._best.mean

    @property
    def _scatter(self) -> float:
        return self._best.scatter

    @cached_property
    def _root(self) -> SignedRoot:
        """Profile of the mean variance, the common error of the instrument put in."""
        return SignedRoot(
            lambda mean: self._likelihood.highest_at_mean(mean, self._best).value,
            self._mean,
            self._best.mean_error,
            self.mean_shift,
        )

    def _scatter_ends(self, fall: float) -> Array:
        """Where the profile likelihood of the scatter has fallen by a number of nats."""
        return falls_to(
            lambda scatter: self._likelihood.highest_at_scatter2(scatter**2, self._best).value,
            self._scatter,
            self._best.scatter_error,
            fall,
        )

    def _with_unit(self, number: float, power: int = 1) -> Any:
        if self.widths.unit is None:
            return number
        from astropy.units import Quantity

        return Quantity(number, self.widths.unit**power)
