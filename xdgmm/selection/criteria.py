"""Information criteria: how many parameters a mixture has, and what they cost."""

import numpy as np


def n_parameters(n_components, n_dimensions):
    """Free parameters of a mixture: K - 1 weights, K means, K full covariances."""
    return n_components - 1 + n_components * n_dimensions * (n_dimensions + 3) // 2


def aic(log_likelihood, n_free):
    """Akaike's criterion ``2 p - 2 lnL`` (Akaike 1974, IEEE Trans. Autom. Control 19, 716)."""
    return 2.0 * n_free - 2.0 * log_likelihood


def bic(log_likelihood, n_free, total_weight):
    """Bayesian information criterion ``p ln(sum of weights) - 2 lnL`` (Schwarz 1978, Ann. Stat. 6, 461)."""
    return n_free * np.log(total_weight) - 2.0 * log_likelihood
