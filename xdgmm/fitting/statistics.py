"""The expectation step: sufficient statistics that add, and that are the gradient of the log-likelihood."""

from dataclasses import dataclass, replace

import numpy as np

from xdgmm import kernels

from .model import Constraints
from .priors import Terms


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over objects that everything else is made from (per component, omega the object weight, r responsibility).

    Statistics of disjoint sets of objects add: ``expect(m, a) + expect(m, b)`` equals those of a and b together.
    R is the projection of an object, the identity unless it has one.

    Attributes
    ----------
    log_likelihood : float
        ``sum omega ln p(w_i)``, in nats.
    q : ndarray (K,) or (K + 1,)
        ``sum omega r``: derivative with respect to ln alpha_k; the background's comes last.
    g : ndarray (K, D)
        ``sum omega r R' T^-1 (w - R m)``: derivative with respect to m_k.
    H : ndarray (K, D, D)
        ``C - A = sum omega r (u u' - R' T^-1 R)``: twice the derivative with respect to V_k.
    A : ndarray (K, D, D) or None
        ``sum omega r R' T^-1 R``, the information on m_k when labels are known; only where it was asked for.
    B : ndarray (K,) or None
        In one dimension ``sum omega r (R' T^-1 R)^2``, twice the information on V_k when labels are known.
    log_prior : float
        What a prior adds to the objective.
    prior : Terms or None
        The prior whose derivatives are in g and in H.
    """

    log_likelihood: float
    q: np.ndarray
    g: np.ndarray
    H: np.ndarray
    A: np.ndarray | None = None
    B: np.ndarray | None = None
    log_prior: float = 0.0
    prior: Terms | None = None

    def __add__(self, other):
        """Statistics of both sets of objects together, of neither of which a prior is part."""
        sums = ((getattr(self, name), getattr(other, name)) for name in ("log_likelihood", "q", "g", "H", "A", "B"))
        return Statistics(*(None if mine is None or its is None else mine + its for mine, its in sums))

    def ordered(self, order):
        """The same statistics with the components in another order (K,)."""
        q = np.concatenate([self.q[order], self.q[len(order) :]])
        sums = (None if each is None else each[order] for each in (self.g, self.H, self.A, self.B))
        prior = self.prior and self.prior.ordered(order)
        return Statistics(self.log_likelihood, q, *sums, self.log_prior, prior)

    def with_prior(self, prior, mixture):
        """The statistics of the posterior, the mixture being that of this pass."""
        log_prior, g, H = prior.derivatives(mixture)
        return replace(self, g=self.g + g, H=self.H + H, log_prior=log_prior, prior=prior)

    @property
    def objective(self):
        """What is maximised: the log-likelihood, and the log-density of the prior where there is one."""
        return self.log_likelihood + self.log_prior

    @property
    def share_counts(self):
        """Derivative of the objective with respect to ln alpha (K,) or (K + 1,)."""
        return self.q if self.prior is None else self.q + self.prior.concentration - 1.0

    @property
    def covariance_counts(self):
        """Objects that determine each covariance (K,), those that its prior counts for included."""
        q = self.q[: len(self.g)]
        return q if self.prior is None else q + self.prior.component_counts

    @property
    def total_weight(self):
        """Sum of the object weights: responsibilities sum to one for every object."""
        return float(self.q.sum())

    @property
    def rounding(self):
        """Size of the rounding error of the objective, in nats."""
        return 1e-13 * (abs(self.log_likelihood) + self.total_weight + abs(self.log_prior))


def expect(mixture, blocks):
    """`Statistics` of packed observations under a mixture: one pass over the data."""
    return Statistics(*kernels.accumulate_with_information(blocks, *_parameters(mixture)))


def differentiate(mixture, blocks):
    """`Statistics` without A and B, in a slightly faster pass: log-likelihood and gradient."""
    return Statistics(*kernels.accumulate(blocks, *_parameters(mixture)))


def log_likelihoods(mixture, blocks):
    """``ln p(w_i)`` of every packed object (n_objects,)."""
    return kernels.log_densities(blocks, *_parameters(mixture))


def responsibilities(mixture, blocks):
    """Probability that each packed object belongs to each component (n_objects, K); rows sum to one.

    With a background there is one column more, the background's.  An object that no component can have made (an exact
    value beside components without width) gets the weights.
    """
    result = kernels.responsibilities(blocks, *_parameters(mixture))
    impossible = np.isnan(result).any(axis=1)
    result[impossible] = mixture.shares
    result /= result.sum(axis=1, keepdims=True)
    return result


def _parameters(mixture):
    return mixture.shares, mixture.means, mixture.covariances


UNLIMITED = 10**9


class OutOfPasses(Exception):  # noqa: N818 - a signal between solver and driver, not an error
    """The number of passes allowed has been used."""


class Likelihood:
    """What is maximised over one set of packed observations, counting the passes made over it.

    Parameters
    ----------
    blocks : Blocks
    max_passes : int
        How many passes may be made; one more raises `OutOfPasses`.
    watch : Watch, optional
        Is told of every pass.
    constraints : Constraints, optional
        What is free, and the prior; everything, and none, by default.
    """

    def __init__(self, blocks, max_passes, watch=None, constraints=None):
        self.blocks = blocks
        self.max_passes = max_passes
        self.watch = watch
        self.constraints = self._given = constraints
        self.history = []
        self.best = None

    @property
    def passes(self):
        """Number of passes made so far."""
        return len(self.history)

    @property
    def left(self):
        """Number of passes that may still be made."""
        return self.max_passes - self.passes

    def thinned(self, n_objects):
        """The likelihood of about so many of the objects, with as much of the prior, passes unlimited."""
        blocks = self.blocks.thinned(n_objects)
        fraction = blocks.total_weight / self.blocks.total_weight
        return Likelihood(blocks, UNLIMITED, constraints=self.constraints and self.constraints.tempered(fraction))

    def expect(self, mixture):
        """`Statistics` under the mixture; remembers the best pair of mixture and statistics."""
        statistics = self._counted(mixture, expect)
        if self.best is None or statistics.objective >= self.best[1].objective:
            self.best = mixture, statistics
        return statistics

    def differentiate(self, mixture):
        """`Statistics` without A and B, and not remembered: for steps on the way."""
        return self._counted(mixture, differentiate)

    def predict(self, gain):
        """Tell whoever watches how many nats are predicted still to gain."""
        if self.watch is not None:
            self.watch.gain = gain

    def _counted(self, mixture, make_pass):
        if self.left <= 0:
            raise OutOfPasses
        if self._given is None:
            self.constraints = Constraints.none(mixture)
        statistics = make_pass(mixture, self.blocks)
        if self.constraints.prior is not None:
            statistics = statistics.with_prior(self.constraints.prior, mixture)
        self.history.append(statistics.objective)
        if self.watch is not None:
            self.watch.passed(mixture, statistics, self.blocks)
        return statistics
