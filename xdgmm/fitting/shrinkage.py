"""One Gaussian for exact values without scatter in some direction: the prior that gives it a little width there."""

import numpy as np

from .model import Model
from .priors import InverseWishart, Prior

SHARE = 1e-6  # of the covariance that comes from the prior


def shrinkage_prior(observations, n_components, model):
    """The prior under which one Gaussian gets the covariance ``(1 - SHARE) S + SHARE diag(S)``; None where that fails.

    S is the scatter of exact values.  One Gaussian follows it whatever its rank, so the answer does not depend on
    where a component collapses, as it does for several.  None where there are several, where values are noisy, missing
    or the same in all of a column, or where the model holds something else than a covariance type.

    Notes
    -----
    The maximum of the posterior is ``(N S + Psi) / (N + nu + D + 1)``: `Prior` has the density.  With a fixed share
    this is linear shrinkage to the diagonal (Schaefer & Strimmer 2005, Stat. Appl. Genet. Mol. Biol. 4, 32).
    """
    counted = observations.select(observations.counts)
    alone = n_components == 1 and model == Model(model.covariance_type) and counted.projections is None
    if not alone or counted.variances.any() or not counted.present.all():
        return None
    weights, total = counted.weights, counted.total_weight
    about = counted.values - np.average(counted.values, axis=0, weights=weights)
    scatter = np.average(about**2, axis=0, weights=weights)
    if (scatter <= np.finfo(float).eps ** 2 * (counted.values**2).max(axis=0)).any():
        return None
    strength = total * SHARE / (1.0 - SHARE)
    return Prior(covariances=InverseWishart(np.diag(strength * scatter), strength - observations.n_dimensions - 1))
