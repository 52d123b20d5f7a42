"""Information criteria: the number of free parameters of a mixture, and the penalty for them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from xdgmm import prediction
from xdgmm.fitting import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

# Differences of BIC, and what they are as evidence: Kass & Raftery 1995, J. Am. Stat. Assoc. 90, 773, sec. 3.2.
EVIDENCE = ((10.0, "very strong"), (6.0, "strong"), (2.0, "positive"), (0.0, "not worth more than a bare mention"))


def n_parameters(n_components: int, n_dimensions: int, model: Model | None = None) -> int:
    """Number of free parameters: K - 1 weights, means and covariances, without those that the model fixes or ties."""
    return (Model() if model is None else model).n_parameters(n_components, n_dimensions)


def aic(log_likelihood: float, n_free: int) -> float:
    """Akaike's information criterion ``2 p - 2 lnL`` (Akaike 1974, IEEE Trans. Autom. Control 19, 716)."""
    return 2.0 * n_free - 2.0 * log_likelihood


def aicc(log_likelihood: float, n_free: int, total_weight: float) -> float:
    """AIC for few objects: ``AIC + 2 p (p + 1) / (N - p - 1)``; infinite where N is p + 1 or less.

    Hurvich & Tsai 1989, Biometrika 76, 297.  N is the sum of the weights.
    """
    left = total_weight - n_free - 1.0
    return aic(log_likelihood, n_free) + (2.0 * n_free * (n_free + 1.0) / left if left > 0 else np.inf)


def bic(log_likelihood: float, n_free: int, total_weight: float) -> float:
    """Bayesian information criterion ``p ln(sum of weights) - 2 lnL`` (Schwarz 1978, Ann. Stat. 6, 461)."""
    return float(n_free * np.log(total_weight) - 2.0 * log_likelihood)


def icl(log_likelihood: float, n_free: int, total_weight: float, membership_entropy: float) -> float:
    """Integrated completed likelihood: BIC plus twice the entropy of the memberships.

    Components that overlap are punished: it counts clusters, where BIC counts the Gaussians that a density needs.
    Biernacki, Celeux & Govaert 2000, IEEE Trans. Pattern Anal. Mach. Intell. 22, 719; with the entropy, as in McLachlan
    & Peel 2000, *Finite Mixture Models*, sec. 6.10.3.
    """
    return bic(log_likelihood, n_free, total_weight) + 2.0 * membership_entropy


def membership_entropy(mixture: GaussianMixture, observations: AnyObservations) -> float:
    """``- sum_i omega_i sum_k r_ik ln r_ik`` in nats, r the memberships, a background's too; zero for one component."""
    if mixture.all_weights.size == 1:
        return 0.0
    return sum(observations.each(partial(_entropy_of_part, mixture)), 0.0)


def _entropy_of_part(mixture: GaussianMixture, observations: Observations) -> float:
    counted = observations.select(observations.counts)
    r = prediction.memberships(mixture, counted)
    return -float(counted.object_weights @ (r * np.log(np.where(r > 0, r, 1.0))).sum(axis=1))


def evidence_weights(criteria: Floats) -> Floats:
    """``exp(- BIC / 2)`` of each candidate over their sum: zero where the criterion is NaN.

    The probability of each candidate if all are equally likely beforehand (Kass & Raftery 1995, sec. 4).
    """
    if np.isnan(criteria).all():
        return np.zeros(criteria.size)
    relative = np.exp(-0.5 * (np.where(np.isnan(criteria), np.inf, criteria) - np.nanmin(criteria)))
    return np.asarray(relative / relative.sum())


def strength_of_evidence(difference: float) -> str:
    """What a difference of BIC is as evidence, in the words of Kass & Raftery 1995."""
    return next(words for least, words in EVIDENCE if difference >= least)
