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
from xdgmm.fitting import solvers
from xdgmm.fitting.coordinates import Pinned
from xdgmm.fitting.standardisation import Standardisation
from xdgmm.fitting.statistics import Likelihood

TOLERANCE = 1e-7  # nats to which each point of the profile is maximised
PASSES = 2000
HIGHER = 1e-3  # nats above the fit that show a local maximum rather than rounding
WIDEST = 60  # doublings of sigma before the limit is called infinite


@dataclass(frozen=True)
class WidthLimit:
    """What the data say about one intrinsic width being zero.

    Attributes
    ----------
    deviance : float
        ``2 (m - p(0))``; infinite where a width of zero is impossible.
    consistent_with_zero : bool
    upper : float
        Upper limit on sigma at the level asked for, in the caller's units; infinite where there is none.
    """

    deviance: float
    consistent_with_zero: bool
    upper: float


def width_limit(mixture, observations, component, axis, level=0.95):
    """Upper limit on one intrinsic sigma of a maximum-likelihood mixture.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
    component, axis : int
        Which sigma.
    level : float
        Between 0.5 and 1.

    Returns
    -------
    WidthLimit

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1.
    """
    if not 0.5 < level < 1:
        raise InputError(f"`limit_level` is {level!r}, but it must be between 0.5 and 1")
    profile = _Profile(mixture, observations, component, axis)
    quantile = chi2.ppf(2 * level - 1, 1)
    at_zero = profile.at(0.0)
    if at_zero > profile.maximum + HIGHER:
        warnings.warn(
            f"with the sigma of component {component} held at zero the log-likelihood is "
            f"{at_zero - profile.maximum:.3g} nats higher than the fit's: the fit is a local maximum; raise n_init",
            XdgmmWarning,
            stacklevel=2,
        )
        profile.maximum = at_zero
    deviance = max(2 * (profile.maximum - at_zero), 0.0)
    if deviance >= quantile:
        return WidthLimit(deviance, consistent_with_zero=False, upper=np.nan)
    upper = _crossing(lambda sigma: 2 * (profile.maximum - profile.at(sigma)) - quantile, *profile.bracket)
    return WidthLimit(deviance, consistent_with_zero=True, upper=upper * profile.unit)


class _Profile:
    """Log-likelihood maximised over everything but one sigma, in standardised coordinates."""

    def __init__(self, mixture, observations, component, axis):
        scaling = Standardisation.of(observations)
        self.unit = scaling.scale[axis]
        self.mixture = scaling.mixture(mixture)
        self.component, self.axis = component, axis
        self.blocks = scaling.observations(observations).pack()
        statistics = Likelihood(self.blocks, 1).expect(self.mixture)
        self.maximum = statistics.log_likelihood
        information = statistics.A[component, axis, axis] / max(statistics.q[component], 1e-300)
        sigma = self.mixture.sigmas[component, axis]
        step = 0.25 / np.sqrt(information) if information > 0 else 1.0
        self.bracket = sigma, step

    def at(self, sigma):
        """Maximum with the sigma held at this value; minus infinity where that is impossible."""
        pinned = Pinned(self.component, self.axis, float(sigma) ** 2)
        likelihood = Likelihood(self.blocks, PASSES)
        try:
            solution = solvers.run("auto", self._start(float(sigma)), likelihood, TOLERANCE, pinned)
        except solvers.CollapseError:
            return -np.inf
        return solution.statistics.log_likelihood

    def _start(self, sigma):
        """The maximum with one row and column of one covariance rescaled."""
        covariances = self.mixture.covariances.copy()
        V = covariances[self.component]
        old = np.sqrt(max(V[self.axis, self.axis], 0.0))
        ratio = sigma / old if old > 0 else 0.0
        V[self.axis] *= ratio
        V[:, self.axis] *= ratio
        V[self.axis, self.axis] = sigma**2
        return self.mixture.with_parameters(self.mixture.weights, self.mixture.means, covariances)


def _crossing(function, low, step):
    """Where a function that is negative at `low` becomes positive, looked for in doubling steps."""
    for _ in range(WIDEST):
        high = low + step
        if function(high) > 0:
            return brentq(function, low, high, rtol=1e-9)
        low, step = high, 2 * step
    return np.inf
