"""Information criteria: the number of free parameters of a mixture, and the penalty for them."""

from __future__ import annotations

import numpy as np

from xdgmm.fitting import Model


def n_parameters(n_components: int, n_dimensions: int, model: Model | None = None) -> int:
    """Number of free parameters: K - 1 weights, means and covariances, without those that the model fixes or ties."""
    return (Model() if model is None else model).n_parameters(n_components, n_dimensions)


def aic(log_likelihood: float, n_free: int) -> float:
    """Akaike's information criterion ``2 p - 2 lnL`` (Akaike 1974, IEEE Trans. Autom. Control 19, 716)."""
    return 2.0 * n_free - 2.0 * log_likelihood


def bic(log_likelihood: float, n_free: int, total_weight: float) -> float:
    """Bayesian information criterion ``p ln(sum of weights) - 2 lnL`` (Schwarz 1978, Ann. Stat. 6, 461)."""
    return float(n_free * np.log(total_weight) - 2.0 * log_likelihood)
