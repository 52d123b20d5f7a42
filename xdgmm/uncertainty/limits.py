"""Is a width consistent with zero, and how large may it be?  From the profile likelihood, which respects V >= 0.

With m the maximum of the log-likelihood and p(s) its maximum with one intrinsic sigma held at s: the width is
consistent with zero where ``2 (m - p(0))`` is below the quantile of the half-half mixture of chi-squared with zero and
one degree of freedom (Self & Liang 1987, J. Am. Stat. Assoc. 82, 605; 2.7055 at 95%), and its upper limit is where the
profile has fallen by half that quantile.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from xdgmm.basics.parameters import check_level

from .profile import Profile, checked_model, crossing, warn_of_local_maximum


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
        If `level` is not between 0.5 and 1, there is no such sigma, there is a prior (one on the covariances keeps them
        from zero, and any makes the profile one of the posterior, for which the quantile does not hold), or the
        covariance was fixed.
    """
    check_level(level, least=0.5)
    model = checked_model(mixture, component, axis, model)
    profile = Profile(mixture, observations, component, axis, model)
    quantile = chi2.ppf(2 * level - 1, 1)
    at_zero = profile.down_to_zero()
    top, highest = max((profile.maximum, profile.sigma), (at_zero, 0.0))
    warn_of_local_maximum(profile)
    deviance = 2 * (top - at_zero)
    if deviance >= quantile:
        return WidthLimit(deviance, consistent_with_zero=False, upper=np.nan)
    upper, _ = crossing(lambda sigma: 2 * (top - profile.at(sigma)) - quantile, highest, profile.step)
    return WidthLimit(deviance, consistent_with_zero=True, upper=upper * profile.unit)
