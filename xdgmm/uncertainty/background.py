"""How large may a background be that the fit does not find?  From the profile likelihood of its fraction."""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError
from xdgmm.fitting import Model, solvers
from xdgmm.fitting.standardisation import Standardisation
from xdgmm.fitting.statistics import Likelihood

TOLERANCE = 1e-7  # nats to which each point of the profile is maximised
PASSES = 2000
LARGEST = 1.0 - 1e-6


def background_limit(mixture, observations, level=0.95, model=None):
    """Upper limit on the fraction of a background whose best fraction is zero.

    The fraction at which the log-likelihood, maximised over everything else, has fallen by half the quantile of the
    half-half mixture of chi-squared with zero and one degree of freedom (2.7055 at 95%): as for widths.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood mixture of these observations, with a background.
    observations : Observations
    level : float
        Between 0.5 and 1.
    model : Model, optional
        What was fitted: the `model` of the fit's result.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If `level` is not between 0.5 and 1, or the mixture has no background.
    """
    check_level(level, least=0.5)
    if mixture.background is None:
        raise InputError("the mixture has no background, so it has no limit; fit with `background=Background()`")
    quantile = chi2.ppf(2 * level - 1, 1)
    model = Model(background=mixture.background) if model is None else model
    scaling = Standardisation.of(observations, isotropic=model.covariance_type == "spherical")
    blocks = scaling.pack(observations, mixture.background)
    free = model.constraints(*mixture.means.shape, observations.units).standardised(scaling)
    held = replace(free, fixed_shares=np.append(free.fixed_shares[:-1], True))
    start = scaling.mixture(mixture)
    maximum = Likelihood(blocks, 1, None, free).expect(start).objective
    known = [start]

    def excess(fraction):
        near = known[-1]
        weights = near.weights * (1.0 - fraction) / near.weights.sum()
        moved = near.with_parameters(np.append(weights, fraction), near.means, near.covariances)
        solution = solvers.run("auto", moved, Likelihood(blocks, PASSES, None, held), TOLERANCE)
        known.append(solution.mixture)
        return 2 * (maximum - solution.statistics.objective) - quantile

    first = min(1.0 / observations.total_weight, 0.5)
    while excess(first) < 0:
        if first >= LARGEST:
            return 1.0
        first = min(2 * first, LARGEST)
    return float(brentq(excess, mixture.background.fraction, first, rtol=1e-6))
