"""Information criteria: how many parameters a mixture has, and what they cost."""

import numpy as np

from xdgmm.fitting import Model


def n_parameters(n_components, n_dimensions, model=None):
    """Free parameters of a mixture: weights but one, means and covariances, less what the model fixes or ties."""
    return (Model() if model is None else model).n_parameters(n_components, n_dimensions)


def aic(log_likelihood, n_free):
    """Akaike's criterion ``2 p - 2 lnL`` (Akaike 1974, IEEE Trans. Autom. Control 19, 716)."""
    return 2.0 * n_free - 2.0 * log_likelihood


def bic(log_likelihood, n_free, total_weight):
    """Bayesian information criterion ``p ln(sum of weights) - 2 lnL`` (Schwarz 1978, Ann. Stat. 6, 461)."""
    return n_free * np.log(total_weight) - 2.0 * log_likelihood
