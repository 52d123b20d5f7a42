"""`LineFit`: what was found of groups of lines in a spectrum, in counts or in events."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.constants import FWHM
from xdgmm.basics.parameters import check_level
from xdgmm.errors import ConvergenceWarning, InputError

from .kms import in_kms
from .solution import Goodness, Measured, Solution, Solved, observed_sigmas
from .variance_profile import VarianceProfile

if TYPE_CHECKING:
    from astropy.table import QTable

    from xdgmm.lines.deconvolution import IntrinsicWidths

    from .comparison import LineComparison
    from .curves import Curves, VelocityProfile
    from .fit_report import LineReport
    from .samples import LineSamples

Array = NDArray[np.float64]

LEVEL, LIMIT_LEVEL = 0.6827, 0.95


@dataclass(frozen=True)
class Header:
    """What a fit assumes and what it left out, for its report.

    Attributes
    ----------
    title : str
    instrument : str
        What was assumed of the instrument, in a line.
    remarks : tuple of str
        Pixels left out, errors estimated, ...
    """

    title: str
    instrument: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class LineFit:
    """Groups of lines in a spectrum, counts or events: velocities, intrinsic widths, fluxes; ``print`` shows a report.

    Velocities and widths of groups are in km/s (plain numbers where the spectrum has no unit), those of lines in the
    unit of the spectrum too.

    Attributes
    ----------
    solution : Solution
        The numbers that were fitted.
    header : Header
        What was assumed.
    data : object
        What was fitted, for pictures.
    flux_unit : astropy unit or None
        Of the fluxes of lines.
    """

    solution: Solution
    header: Header
    data: Any = field(default=None, kw_only=True)
    flux_unit: Any = field(default=None, kw_only=True)

    @property
    def groups(self) -> list[str]:
        """Names of the groups."""
        return [group.name for group in self.solution.table.groups]

    @property
    def converged(self) -> bool:
        """Did the fit reach a maximum?"""
        return self.solution.converged

    @property
    def goodness(self) -> Goodness:
        """How well the model describes the data: statistic, degrees of freedom, and probability."""
        return self.solution.goodness

    @property
    def log_likelihood(self) -> float:
        """At the maximum; priors of the instrument's width included."""
        return self.solution.log_likelihood

    @property
    def velocity(self) -> Any:
        """Velocities of the groups relative to their redshift (G,), in km/s."""
        return self._in_kms(self.solution.velocities.values)

    @property
    def velocity_error(self) -> Any:
        """Their 1-sigma errors."""
        return self._in_kms(self.solution.velocities.errors)

    @property
    def intrinsic_variance(self) -> Any:
        """Intrinsic variances of the groups (G,), in (km/s)^2: signed, this is what to average."""
        return self._in_kms(self.solution.variances.values, 2)

    @property
    def intrinsic_variance_error(self) -> Any:
        """Their 1-sigma errors, from the expected information."""
        return self._in_kms(self.solution.variances.errors, 2)

    @property
    def intrinsic_sigma(self) -> Any:
        """Intrinsic sigma of the groups (G,) in km/s; 0 where the variance is not positive (see `upper_limit`)."""
        return self._in_kms(self._sigmas)

    @property
    def intrinsic_fwhm(self) -> Any:
        """Its full width at half maximum."""
        return self._in_kms(FWHM * self._sigmas)

    @property
    def resolved_pvalue(self) -> Array:
        """Probability of widths at least as large as found, if a group had none of its own (one-sided), (G,)."""
        return np.array([profile.probability_of_zero for profile in self.profiles])

    @property
    def is_limit(self) -> NDArray[np.bool_]:
        """Is each group consistent with having no width of its own: is `resolved_pvalue` above 5%?"""
        return self.resolved_pvalue > 1.0 - LIMIT_LEVEL

    def interval(self, level: float = LEVEL) -> tuple[Any, Any]:
        """Ends (low, high) of the profile-likelihood intervals of the intrinsic sigmas (G,).

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        check_level(level)
        ends = np.array([profile.interval(level) for profile in self.profiles]).T
        low, high = np.sqrt(ends)
        return self._in_kms(low), self._in_kms(high)

    def upper_limit(self, level: float = LIMIT_LEVEL) -> Any:
        """Upper limits on the intrinsic sigmas (G,), one-sided: also for groups that are resolved.

        Infinite where the data exclude no width.

        Raises
        ------
        InputError
            If the level is not between 0.5 and 1.
        """
        check_level(level, least=0.5)
        return self._in_kms(np.sqrt([profile.upper_limit(level) for profile in self.profiles]))

    @cached_property
    def profiles(self) -> tuple[VarianceProfile, ...]:
        """Profile likelihoods of the intrinsic variances, which may be asked at any variance in (km/s)^2."""
        return tuple(self._profile(group) for group in range(len(self.groups)))

    def _profile(self, group: int) -> VarianceProfile:
        solution = self.solution
        variance, error = (float(each[group]) for each in solution.variances)
        highest = float(solution.highest_variances[group])
        if not np.isfinite(error):
            error = abs(variance) or 1e-6 * highest  # to begin a search with
        return VarianceProfile(partial(solution.profile, group), variance, error, highest)

    @property
    def flags(self) -> list[str]:
        """What to look at of each line, in words; an empty text where there is nothing."""
        return self._flags.copy()

    @cached_property
    def _flags(self) -> list[str]:
        from .flags import flags_of

        return flags_of(self.solution, self.observed_sigmas().values, self.data.ranges, self.data.centres)

    def group(self, name: str | int) -> int:
        """Number of a group by its name.

        Raises
        ------
        InputError
            If there is no such group.
        """
        if isinstance(name, (int, np.integer)) and -len(self.groups) <= name < len(self.groups):
            return int(name) % len(self.groups)
        if name in self.groups:
            return self.groups.index(str(name))
        raise InputError(f"there is no group {name!r}; the groups are {', '.join(self.groups)}")

    @property
    def table(self) -> QTable:
        """A QTable with a row for each group: velocity, variance and sigma, with errors, interval and limit."""
        from .fit_report import group_table

        return group_table(self, LEVEL, LIMIT_LEVEL)

    @property
    def lines(self) -> QTable:
        """A QTable with a row for each line: position, flux, equivalent width, observed and instrumental sigma."""
        from .fit_report import line_table

        return line_table(self)

    def report(self, level: float = LEVEL, limit_level: float = LIMIT_LEVEL) -> LineReport:
        """Everything that was found, to be printed or written.

        Raises
        ------
        InputError
            If a level is not a probability.
        """
        from .fit_report import LineReport

        check_level(level)
        check_level(limit_level, "limit_level", least=0.5)
        return LineReport(self, level, limit_level)

    def to_widths(self) -> IntrinsicWidths:
        """Widths of the groups in km/s, as `deconvolve` returns them: what `population` takes.

        The observed width of a group is that of its first line: intrinsic, thermal and instrumental variance together.
        """
        from .conversion import widths_of

        return widths_of(self)

    def curves(self, margin: float = 0.0) -> tuple[Curves, ...]:
        """What was measured in each window and what is expected there, as arrays: for pictures of your own.

        Parameters
        ----------
        margin : float
            How much beside each window is shown too, as a fraction of its length: data alone, which were not fitted.

        Returns
        -------
        tuple of Curves
            One for each window of each spectrum.

        Raises
        ------
        InputError
            If the margin is no such number.

        Examples
        --------
        >>> import numpy as np
        >>> from xdgmm import lines
        >>> x = np.arange(6550.0, 6580.0)
        >>> lsf = lines.LSF(sigma=1.5, includes_pixel=True)
        >>> flux = 3.0 + 20.0 * np.exp(-0.5 * ((x - 6564.0) / 2.0) ** 2)
        >>> fit = lines.fit_lines(x, flux, np.ones(x.size), groups=lines.Group("Ha", [6564.61]), lsf=lsf)
        >>> (curves,) = fit.curves()
        >>> bool(abs(curves.data - curves.total).max() < 0.1)
        True
        >>> smooth = np.linspace(6560.0, 6570.0, 501)
        >>> total, of_lines, continuum = curves.at(smooth)
        """
        from .curves import Curves

        if not isinstance(margin, (int, float, np.number)) or not 0.0 <= margin < np.inf:
            raise InputError(f"`margin` is {margin!r}, but it must be a fraction of the window of 0 or more")
        return tuple(Curves.of(view, margin) for view in self.data.views(self.solution))

    def velocity_profile(self, group: str | int = 0, line: str | int = 0) -> VelocityProfile:
        """One line on an axis of velocities, as observed, as the instrument shows a line without width, and intrinsic.

        Parameters
        ----------
        group : str or int
            Name of the group, or its number.
        line : str or int
            Label of the line, or its number in the group.

        Returns
        -------
        VelocityProfile

        Raises
        ------
        InputError
            If there is no such group or line, or it is in no window.
        """
        from .curves import velocity_profile

        return velocity_profile(self, group, line)

    def plot(self, kind: str = "spectrum", **options: Any) -> Any:
        """Draw a picture.

        Parameters
        ----------
        kind : {"spectrum", "profile", "likelihood"}
            Spectrum with components and residuals; one line as observed beside its intrinsic profile; profile
            likelihood of an intrinsic variance.
        **options
            Of `xdgmm.plotting.plot_line_spectrum`, `plot_line_profile` or `plot_line_likelihood`.

        Returns
        -------
        matplotlib.figure.Figure or matplotlib.axes.Axes
            A Figure for "spectrum", which has several panels.

        Raises
        ------
        InputError
            If there is no such kind.
        """
        from xdgmm.plotting import plot_line_fit

        return plot_line_fit(self, kind, **options)

    def bootstrap(
        self, n_resamples: int = 200, *, random_state: Any = None, n_jobs: int = 1, progress: str = "auto"
    ) -> LineSamples:
        """Fits to measurements drawn from this one, the instrument's width within its error included.

        Parameters
        ----------
        n_resamples : int
        random_state : int, Generator or None
        n_jobs : int
            Processes (joblib), -1 for all processors; the result does not depend on it.
        progress : {"auto", "always", "never"}

        Raises
        ------
        InputError
            If a number is not possible, or the fit is one of events.
        """
        from .samples import bootstrap

        return bootstrap(self.solved("resampled"), n_resamples, random_state, n_jobs, progress)

    def sample_posterior(
        self,
        *,
        n_steps: int | None = None,
        max_steps: int = 50_000,
        random_state: Any = None,
        progress: str = "auto",
    ) -> LineSamples:
        """Samples of the posterior with emcee, fluxes and continuum integrated out.

        Priors are flat: in velocity, in intrinsic sigma (from 0), in bounded ratios, in fluxes and continua; that of
        the instrument's width is its error.

        Parameters
        ----------
        n_steps : int, optional
            Exactly so many steps, instead of until the chain is 50 autocorrelation times long.
        max_steps : int
            Stop here in any case.
        random_state : int, Generator or None
        progress : {"auto", "always", "never"}

        Raises
        ------
        InputError
            If a number is not possible, or the fit is one of events.
        """
        from .posterior import sample

        return sample(self.solved("sampled"), n_steps, max_steps, random_state, progress)

    def compare(
        self,
        simpler: LineFit,
        n_simulations: int = 199,
        *,
        random_state: Any = None,
        n_jobs: int = 1,
        progress: str = "auto",
    ) -> LineComparison:
        """Is this fit better than a simpler one of the same data by more than chance, as for a broad component?

        Measurements drawn from the simpler fit are fitted with both, since the likelihood ratio has no chi-squared
        distribution (Protassov et al. 2002, ApJ 571, 545).

        Parameters
        ----------
        simpler : LineFit
        n_simulations : int
            At least 19.
        random_state : int, Generator or None
        n_jobs : int
            Processes (joblib), -1 for all processors; the result does not depend on it.
        progress : {"auto", "always", "never"}

        Raises
        ------
        InputError
            If the fits are of other data, or a number is not possible.
        """
        from .comparison import compare

        return compare(simpler, self, n_simulations, random_state, n_jobs, progress)

    def solved(self, what: str) -> Solved:
        """The solution, if it is one of a spectrum or of counts.

        Raises
        ------
        InputError
            If the fit is one of events, which cannot be `what`.
        """
        if not isinstance(self.solution, Solved):
            raise InputError(f"only fits of spectra and counts can be {what}")
        return self.solution

    def __repr__(self) -> str:
        """The report."""
        return repr(self.report())

    @property
    def _sigmas(self) -> Array:
        return np.sqrt(np.maximum(self.solution.variances.values, 0.0))

    def _in_kms(self, numbers: Any, power: int = 1) -> Any:
        return in_kms(numbers, power, with_unit=self.solution.table.axis.unit is not None)

    def observed_sigmas(self) -> Measured:
        """Sigmas of the lines as observed (L,), instrument and heat included, in the unit of the axis, with errors."""
        return observed_sigmas(self.solution)


def warned(fit: LineFit, stacklevel: int = 3) -> LineFit:
    """The fit, after a warning if it did not reach a maximum.

    Warns
    -----
    ConvergenceWarning
        If so.
    """
    if not fit.converged:
        warnings.warn(
            "the fit of lines did not reach a maximum, so that errors and limits may be wrong; look at `fit.plot()`, "
            "and give bounds (`velocity`, `sigma`) or fewer groups",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
    return fit


def check_groups(groups: Any) -> Sequence[Any]:
    """A sequence of groups with different names."""
    from .groups import Group

    if isinstance(groups, Group):
        groups = [groups]
    try:
        found = list(groups)
    except TypeError:
        found = []
    if not found or not all(isinstance(group, Group) for group in found):
        raise InputError(f"`groups` is {groups!r}, but it must be a list of lines.Group(name, positions, z=...)")
    names = [group.name for group in found]
    if len(set(names)) < len(names):
        raise InputError(f"groups must have different names, but these are {', '.join(names)}")
    return found
