"""What a fit returns: the mixture, how it was reached, and how sure it is that this is the maximum."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from xdgmm.mixture import GaussianMixture


class Outcome(Enum):
    """Why the fit ended; the value is the sentence for the user."""

    CONVERGED = "a maximum was reached: less is predicted to remain than the tolerance in nats"
    ROUNDING = "a maximum was reached, to rounding"
    OUT_OF_PASSES = "max_iter passes came first; raise max_iter, or loosen tol"
    STALLED = "no step raises the likelihood any more, but more than tol nats are predicted to remain; loosen tol"
    ALL_PASSES = "max_iter passes were made, as tol=0 asks"

    @property
    def converged(self):
        """Is this a maximum?"""
        return self in (Outcome.CONVERGED, Outcome.ROUNDING)


@dataclass(frozen=True)
class StoppingRule:
    """When to stop.

    Attributes
    ----------
    tolerance : float
        Total nats that may still be predicted to gain; 0 makes exactly `max_passes` passes.
    max_passes : int
        Passes over the data allowed from one start.
    """

    tolerance: float = 1e-8
    max_passes: int = 2000


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted mixture and how it was reached.

    Attributes
    ----------
    mixture : GaussianMixture
        In the caller's coordinates.
    log_likelihood : float
        Total, in nats, weights counted as frequencies.
    n_objects : int
        Rows that took part.
    total_weight : float
        Sum of their weights.
    outcome : Outcome
    predicted_gain : float
        Nats predicted still to gain, by a quadratic model restricted to covariances that stay valid; at least that many
        where the passes ran out.
    residual : float
        Largest component of the gradient in units of one over the standard error: zero at the maximum.
    singular : ndarray of int (K,)
        In how many directions each component's covariance is exactly singular (a boundary optimum: there the
        noise explains all the scatter).
    history : ndarray
        Log-likelihood of every pass from the winning start.
    n_passes : int
        Passes over all objects from the winning start.
    n_starts : int
        How many starts were tried.
    """

    mixture: GaussianMixture
    log_likelihood: float
    n_objects: int
    total_weight: float
    outcome: Outcome
    predicted_gain: float
    residual: float
    singular: np.ndarray
    history: np.ndarray
    n_passes: int
    n_starts: int

    @property
    def converged(self):
        """Was a maximum reached?"""
        return self.outcome.converged
