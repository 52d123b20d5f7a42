"""The profile likelihood of one width: intervals that need not be symmetric, and that respect V >= 0.

With m the maximum of the log-likelihood and p(s) its maximum with one intrinsic sigma held at s, the interval is that
of all s with ``2 (m - p(s))`` below the quantile of chi-squared with one degree of freedom (Wilks 1938, Ann. Math.
Stat. 9, 60).
"""

import warnings

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import Model, solvers
from xdgmm.fitting.standardisation import Standardisation
from xdgmm.fitting.statistics import Likelihood, responsibilities

from .estimates import ONE_SIGMA, Estimate

TOLERANCE = 1e-7  # nats to which each point of the profile is maximised
PASSES = 2000
HIGHER = 1e-3  # nats above the fit that show a local maximum rather than rounding
WIDEST = 30  # doublings of the step before an end is called infinite
CAPPED = 1e3  # deviance that stands for an impossible one while a root is sought
SAME = 0.5  # members in common, over all members, of a component that is still the same
DOWNWARDS = (0.8, 0.6, 0.4, 0.2)  # steps to zero, so that a component is followed rather than replaced


class LostError(Exception):
    """The component has exchanged its objects for others: the profile is no longer its own."""


def profile_interval(mixture, observations, component, axis, level=0.6827, model=None):
    """Interval of one intrinsic sigma of a maximum-likelihood mixture from its profile likelihood.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
    component, axis : int
        Which sigma.
    level : float
        Probability of the interval.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default full covariances, nothing fixed.

    Returns
    -------
    Estimate
        Of sigma, in the caller's units.  The lower end is exactly 0 where zero is not excluded.

    Raises
    ------
    InputError
        If `level` is not between 0 and 1, there is no such sigma, there is a prior, or the covariance was fixed.

    Warns
    -----
    XdgmmWarning
        If the component trades its objects for others before the profile has fallen far enough: that end is 0, or
        infinite.  If the fit turns out to be a local maximum.

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.fitting import fit
    >>> from xdgmm.uncertainty import profile_interval
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> sigma = profile_interval(fit(stars).mixture, stars, 0, 0)
    >>> print(f"{sigma.value:.2f}, from {sigma.low:.2f} to {sigma.high:.2f} km/s")
    2.73, from 2.33 to 3.20 km/s
    """
    check_level(level)
    model = checked_model(mixture, component, axis, model)
    profile = Profile(mixture, observations.in_units(mixture.units), component, axis, model)
    ends = _Ends(profile)
    low, high = ends.at(level)
    one = (low, high) if abs(level - ONE_SIGMA) < 1e-4 else ends.at(ONE_SIGMA)
    ends.warn()
    warn_of_local_maximum(profile)
    return Estimate(float(mixture.sigmas[component, axis]), 0.5 * (one[1] - one[0]), low, high)


def checked_model(mixture, component, axis, model):
    """The model of a width that has a profile; InputError where it has none."""
    model = Model(background=mixture.background) if model is None else model
    for name, index, size in (("component", component, mixture.n_components), ("axis", axis, mixture.n_dimensions)):
        if not isinstance(index, (int, np.integer)) or not 0 <= index < size:
            raise InputError(f"`{name}` is {index!r}, but the mixture has those from 0 to {size - 1}")
    if model.prior is not None:
        raise InputError("with a prior there is no limit from the likelihood; fit without it, or sample the posterior")
    if component in model.fixed.covariances:
        raise InputError(f"the covariance of component {component} was fixed, so its width has no limit")
    return model


def warn_of_local_maximum(profile):
    """Tell if a point of the profile lies above the fit."""
    rise = max(profile.seen) - profile.maximum
    if rise > HIGHER:
        warnings.warn(
            f"with the sigma of component {profile.component} held elsewhere the log-likelihood is {rise:.3g} nats "
            "higher than the fit's: the fit is a local maximum; raise `n_init`",
            XdgmmWarning,
            stacklevel=3,
        )


class Profile:
    """Log-likelihood maximised over everything but one sigma, in standardised coordinates.

    Each point starts from the nearest one known.  In a mixture a component whose sigma is held can trade its objects
    for those of another, which then takes its part; such points say nothing about its width: `LostError`.
    """

    def __init__(self, mixture, observations, component, axis, model):
        self.type = model.covariance_type
        scaling = Standardisation.of(observations, isotropic=self.type == "spherical")
        self.unit = scaling.scale[axis]
        self.blocks = scaling.pack(observations, mixture.background)
        self.constraints = model.constraints(*mixture.means.shape).standardised(scaling)
        mixture = scaling.mixture(mixture)
        self.component, self.axis = component, axis
        statistics = Likelihood(self.blocks, 1, constraints=self.constraints).expect(mixture)
        self.maximum = statistics.log_likelihood
        self.members = self._members(mixture)
        self.sigma = float(mixture.sigmas[component, axis])
        self.known = {self.sigma: (self.maximum, mixture)}
        self.seen = [self.maximum]
        information = statistics.A[component, axis, axis] / max(statistics.q[component], 1e-300)
        self.step = 0.25 / np.sqrt(information) if information > 0 else 1.0
        self.error = self._labelled_error(information, statistics.q[component])

    def _labelled_error(self, information, count):
        """Standard error of sigma if all labels were known, at most a quarter of the whole width."""
        of_variance = np.sqrt(2.0 / max(count, 1.0)) * (4.0 * self.step) ** 2
        return of_variance / max(2.0 * self.sigma, of_variance / self.step) if information > 0 else self.step

    def down_to_zero(self):
        """Maximum with the sigma at zero; minus infinity where this component cannot be followed there."""
        steps = DOWNWARDS if self.known[self.sigma][1].shares.size > 1 else ()
        try:
            for fraction in (*steps, 0.0):
                reached = self.at(fraction * self.sigma)
        except LostError:
            return -np.inf
        return reached

    def at(self, sigma):
        """Maximum with the sigma held at this value; minus infinity where that is impossible.

        Raises
        ------
        LostError
            If the component has traded its members for others.
        """
        sigma = float(sigma)
        if sigma not in self.known:
            nearest = min(self.known, key=lambda other: abs(other - sigma))
            self.known[sigma] = self._solve(sigma, self.known[nearest][1])
        return self.known[sigma][0]

    def _solve(self, sigma, near):
        constraints = self.constraints.pin(self.component, self.axis, sigma**2)
        try:
            start = self._rescaled(near, sigma)
            solution = solvers.run("auto", start, Likelihood(self.blocks, PASSES, None, constraints), TOLERANCE)
        except solvers.CollapseError:
            return -np.inf, near
        self.seen.append(solution.statistics.log_likelihood)
        members = self._members(solution.mixture)
        if np.minimum(members, self.members).sum() < SAME * np.maximum(members, self.members).sum():
            raise LostError
        return solution.statistics.log_likelihood, solution.mixture

    def _members(self, mixture):
        return self.blocks.weights * responsibilities(mixture, self.blocks)[:, self.component]

    def _rescaled(self, mixture, sigma):
        """A mixture with one row and column rescaled to this sigma, in all covariances that go with it."""
        covariances = mixture.covariances.copy()
        if self.type == "spherical":
            covariances[self.component] = sigma**2 * np.eye(mixture.n_dimensions)
            return mixture.with_parameters(mixture.shares, mixture.means, covariances)
        which = slice(None) if self.type == "tied" else self.component
        old = np.sqrt(max(covariances[self.component, self.axis, self.axis], 0.0))
        ratio = sigma / old if old > 0 else 0.0
        covariances[which, self.axis] *= ratio
        covariances[which, :, self.axis] *= ratio
        covariances[which, self.axis, self.axis] = sigma**2
        return mixture.with_parameters(mixture.shares, mixture.means, covariances)


class _Ends:
    """Both ends of the intervals of one profile, and what was in the way of them."""

    def __init__(self, profile):
        self.profile = profile
        self.lost = []
        self.at_zero = profile.down_to_zero()
        self.top, self.sigma = max((profile.maximum, profile.sigma), (self.at_zero, 0.0))

    def at(self, level):
        """Lower and upper end at a level, in the caller's units."""
        quantile = chi2.ppf(level, 1)

        def fallen(sigma):
            return min(2.0 * (self.top - self.profile.at(sigma)), CAPPED + quantile) - quantile

        step = max(np.sqrt(quantile) * self.profile.error, 1e-9 * self.profile.step)
        low = 0.0 if 2.0 * (self.top - self.at_zero) < quantile else self._lower(fallen, step)
        high, lost = crossing(fallen, self.sigma, step)
        if lost:
            self.lost.append("has no upper end")
        return float(low * self.profile.unit), float(high * self.profile.unit)

    def _lower(self, fallen, step):
        end, lost = crossing(fallen, self.sigma, -step)
        if lost:
            self.lost.append("ends at 0")
        return 0.0 if lost else end

    def warn(self):
        """Tell which ends were not reached."""
        for sentence in dict.fromkeys(self.lost):
            warnings.warn(
                f"component {self.profile.component} trades its objects for those of others before its profile has "
                f"fallen far enough, so the interval of its sigma {sentence}",
                XdgmmWarning,
                stacklevel=3,
            )


def crossing(function, start, step):
    """Where a function of sigma >= 0 that is negative at `start` first becomes positive on the way up, or down.

    Returns
    -------
    end : float
        Infinite where it does not on the way up, 0 on the way down.
    lost : bool
        Was the component lost before?
    """
    near = start
    try:
        for _ in range(WIDEST):
            far = max(near + step, 0.0)
            if function(far) > 0:
                return brentq(function, near, far, rtol=1e-9), False
            if far == 0.0:
                return 0.0, False
            near, step = far, 2 * step
    except LostError:
        return (np.inf if step > 0 else 0.0), True
    return np.inf, False
