"""How wide may a component be in the direction in which it is narrowest, and may it have no width there at all?

A principal axis is consistent with zero where the likelihood, maximised over covariances that are singular, is below
its maximum by less than the quantile of `limits` allows.  The upper limit is the largest s for which the likelihood,
maximised over all covariances ``V >= s^2 I`` of that component, has fallen no further than that: whatever direction the
narrow axis then takes.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError
from xdgmm.fitting import model_of, solvers
from xdgmm.fitting.standardisation import Standardisation
from xdgmm.fitting.statistics import Likelihood

from .limits import WidthLimit

TOLERANCE = 1e-6  # nats to which each point is maximised
PASSES = 2000
WIDEST = 30  # doublings of the step before the limit is called infinite


def principal_limit(mixture, observations, component, level=0.95, model=None):
    """Is the narrowest principal axis of a component consistent with zero width, and how wide may it be?

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood mixture of these observations.
    observations : Observations
    component : int
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.

    Returns
    -------
    WidthLimit
        In the units of the observations, which should be the same for all coordinates.

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, there is no such component, or the fit had a prior.
    """
    model = model_of(mixture) if model is None else model
    _check(mixture, component, level, model)
    quantile = chi2.ppf(2 * level - 1, 1)
    floored = _Floored(mixture, observations, component, model)
    deviance = 2 * (floored.maximum - floored.at_zero())
    if deviance >= quantile:
        return WidthLimit(deviance, consistent_with_zero=False, upper=np.nan)
    return WidthLimit(deviance, consistent_with_zero=True, upper=_upper(floored, quantile))


def _upper(floored, quantile):
    low, step = 0.0, floored.step
    for _ in range(WIDEST):
        high = low + step
        if 2 * (floored.maximum - floored.at(high)) > quantile:
            return brentq(lambda s: 2 * (floored.maximum - floored.at(s)) - quantile, low, high, rtol=1e-6)
        low, step = high, 2 * step
    return np.inf


def _check(mixture, component, level, model):
    check_level(level, least=0.5)
    if not 0 <= component < mixture.n_components:
        raise InputError(f"there is no component {component}; the mixture has {mixture.n_components}, from 0 on")
    if model.prior is not None:
        raise InputError("with a prior there is no limit from the likelihood; fit without it, or sample the posterior")


class _Floored:
    """Log-likelihood maximised over all covariances of one component above ``s^2 I``."""

    def __init__(self, mixture, observations, component, model):
        scaling = Standardisation.of(observations, isotropic=model.covariance_type == "spherical")
        self.blocks = scaling.pack(observations, mixture.background)
        self.constraints = model.constraints(*mixture.means.shape).standardised(scaling)
        self.mixture, self.which, self.component = scaling.mixture(mixture), component, component
        self.round = not model.type.turned  # axes are those of the columns, and have limits of their own
        if model.covariance_type == "tied":
            self.which = slice(None)
        self.unit = np.diag(1.0 / scaling.scale**2)  # the identity of the caller's coordinates
        self.maximum = Likelihood(self.blocks, 1, None, self.constraints).expect(self.mixture).objective
        self.known = {0.0: self.mixture}
        self.step = 0.1 * float(np.sqrt(np.trace(mixture.covariances[component]))) or float(scaling.scale.min())

    def at_zero(self):
        """The maximum over covariances that are singular; minus infinity where there is none."""
        V = self.mixture.covariances.copy()
        values, vectors = np.linalg.eigh(V[self.which])
        narrowest = vectors[..., 0]
        V[self.which] -= values[..., 0, None, None] * narrowest[..., :, None] * narrowest[..., None, :]
        start = self.mixture.with_parameters(self.mixture.shares, self.mixture.means, V)
        if self.round:
            return self.maximum if values.min() <= 0 else -np.inf
        constraints = self.constraints.flattened(self.component)
        try:
            solution = solvers.run("auto", start, Likelihood(self.blocks, PASSES, None, constraints), TOLERANCE)
        except solvers.CollapseError:
            return -np.inf
        return min(solution.statistics.objective, self.maximum)

    def at(self, sigma):
        """The maximum; minus infinity where there is none."""
        near = max(s for s in self.known if s <= sigma)
        rise = np.zeros_like(self.mixture.covariances)
        rise[self.which] = (sigma**2 - near**2) * self.unit
        floor = np.zeros_like(rise)
        floor[self.which] = sigma**2 * self.unit
        start = self.known[near]
        start = start.with_parameters(start.shares, start.means, start.covariances + rise)
        likelihood = Likelihood(self.blocks, PASSES, None, self.constraints.above(floor))
        try:
            solution = solvers.run("auto", start, likelihood, TOLERANCE)
        except solvers.CollapseError:
            return -np.inf
        self.known[sigma] = solution.mixture
        return solution.statistics.objective
