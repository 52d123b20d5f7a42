"""Is a width consistent with zero, and how large may it be?  From the profile likelihood, which respects V >= 0.

With m the maximum of the log-likelihood and p(s) its maximum with one intrinsic sigma held at s: the width is
consistent with zero where ``2 (m - p(0))`` is below the quantile of the half-half mixture of chi-squared with zero and
one degree of freedom (Self & Liang 1987, J. Am. Stat. Assoc. 82, 605; 2.7055 at 95%), and its upper limit is where the
profile has fallen by half that quantile.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import Model, solvers
from xdgmm.fitting.standardisation import Standardisation
from xdgmm.fitting.statistics import Likelihood, responsibilities

TOLERANCE = 1e-7  # nats to which each point of the profile is maximised
PASSES = 2000
HIGHER = 1e-3  # nats above the fit that show a local maximum rather than rounding
WIDEST = 30  # doublings of the step before the limit is called infinite
SAME = 0.5  # members in common, over all members, of a component that is still the same
DOWNWARDS = (0.8, 0.6, 0.4, 0.2)  # steps to zero, so that a component is followed rather than replaced


@dataclass(frozen=True)
class WidthLimit:
    """What the data say about one intrinsic width being zero.

    Attributes
    ----------
    deviance : float
        ``2 (m - p(0))``; infinite where a width of zero is impossible, or where the component trades its members for
        those of another on the way to zero.
    consistent_with_zero : bool
    upper : float
        Upper limit on sigma at the level asked for, in the caller's units; infinite where there is none.
    """

    deviance: float
    consistent_with_zero: bool
    upper: float


def width_limit(mixture, observations, component, axis, level=0.95, model=None):
    """Upper limit on one intrinsic sigma of a maximum-likelihood mixture.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
    component, axis : int
        Which sigma.
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default full covariances, nothing fixed.

    Returns
    -------
    WidthLimit

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, if there is a prior (one on the covariances keeps them from zero, and any
        makes the profile one of the posterior, for which the quantile does not hold), or if the covariance was fixed.
    """
    if not 0.5 < level < 1:
        raise InputError(f"`limit_level` is {level!r}, but it must be between 0.5 and 1")
    model = Model(background=mixture.background) if model is None else model
    if model.prior is not None:
        raise InputError("with a prior there is no limit from the likelihood; fit without it, or sample the posterior")
    if component in model.fixed.covariances:
        raise InputError(f"the covariance of component {component} was fixed, so its width has no limit")
    profile = _Profile(mixture, observations, component, axis, model)
    quantile = chi2.ppf(2 * level - 1, 1)
    at_zero = profile.down_to_zero()
    top, highest = max((profile.maximum, profile.sigma), (at_zero, 0.0))
    _warn_of_local_maximum(profile, component)
    deviance = 2 * (top - at_zero)
    if deviance >= quantile:
        return WidthLimit(deviance, consistent_with_zero=False, upper=np.nan)
    upper = _crossing(lambda sigma: 2 * (top - profile.at(sigma)) - quantile, highest, profile.step)
    return WidthLimit(deviance, consistent_with_zero=True, upper=upper * profile.unit)


def _warn_of_local_maximum(profile, component):
    rise = max(profile.seen) - profile.maximum
    if rise > HIGHER:
        warnings.warn(
            f"with the sigma of component {component} held elsewhere the log-likelihood is {rise:.3g} nats higher "
            "than the fit's: the fit is a local maximum; raise n_init (--starts)",
            XdgmmWarning,
            stacklevel=3,
        )


class LostError(Exception):
    """The component has exchanged its objects for others: the profile is no longer its own."""


class _Profile:
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


def _crossing(function, low, step):
    """Where a function that is negative at `low` becomes positive; infinite where it cannot be followed so far."""
    try:
        for _ in range(WIDEST):
            high = low + step
            if function(high) > 0:
                return brentq(function, low, high, rtol=1e-9)
            low, step = high, 2 * step
    except LostError:
        pass
    return np.inf
