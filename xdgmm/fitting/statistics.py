"""The expectation step: sufficient statistics that add, and that are the gradient of the log-likelihood."""

from dataclasses import dataclass, fields

import numpy as np

from xdgmm import kernels


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over objects that everything else is made from (per component, omega the object weight, r responsibility).

    Statistics of disjoint sets of objects add: ``expect(m, a) + expect(m, b)`` equals those of a and b together.

    Attributes
    ----------
    log_likelihood : float
        ``sum omega ln sum_k alpha_k N(w_i | m_k, V_k + S_i)``, in nats.
    q : ndarray (K,)
        ``sum omega r``: derivative with respect to ln alpha_k.
    g : ndarray (K, D)
        ``sum omega r T^-1 (w - m)``: derivative with respect to m_k.
    H : ndarray (K, D, D)
        ``C - A = sum omega r (u u' - T^-1)``: twice the derivative with respect to V_k.
    A : ndarray (K, D, D) or None
        ``sum omega r T^-1``, the information on m_k when labels are known; only where it was asked for.
    B : ndarray (K,) or None
        In one dimension ``sum omega r T^-2``, twice the information on V_k when labels are known.
    """

    log_likelihood: float
    q: np.ndarray
    g: np.ndarray
    H: np.ndarray
    A: np.ndarray | None = None
    B: np.ndarray | None = None

    def __add__(self, other):
        """Statistics of both sets of objects together."""
        sums = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Statistics(*(None if mine is None or its is None else mine + its for mine, its in sums))

    def ordered(self, order):
        """The same statistics with the components in another order (K,)."""
        sums = (self.q, self.g, self.H, self.A, self.B)
        return Statistics(self.log_likelihood, *(None if each is None else each[order] for each in sums))

    @property
    def total_weight(self):
        """Sum of the object weights: responsibilities sum to one for every object."""
        return float(self.q.sum())

    @property
    def rounding(self):
        """Size of the rounding error of `log_likelihood`, in nats."""
        return 1e-13 * (abs(self.log_likelihood) + self.total_weight)


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

    An object that no component can have made (an exact value beside components without width) gets the weights.
    """
    result = kernels.responsibilities(blocks, *_parameters(mixture))
    impossible = np.isnan(result).any(axis=1)
    result[impossible] = mixture.weights
    return result


def _parameters(mixture):
    return mixture.weights, mixture.means, mixture.covariances


class OutOfPasses(Exception):  # noqa: N818 - a signal between solver and driver, not an error
    """The number of passes allowed has been used."""


class Likelihood:
    """The log-likelihood of one set of packed observations, counting the passes made over it.

    Parameters
    ----------
    blocks : Blocks
    max_passes : int
        How many passes may be made; one more raises `OutOfPasses`.
    watch : Watch, optional
        Is told of every pass.
    """

    def __init__(self, blocks, max_passes, watch=None):
        self.blocks = blocks
        self.max_passes = max_passes
        self.watch = watch
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

    def expect(self, mixture):
        """`Statistics` under the mixture; remembers the best pair of mixture and statistics."""
        if self.left <= 0:
            raise OutOfPasses
        statistics = self._counted(mixture, expect(mixture, self.blocks))
        if self.best is None or statistics.log_likelihood >= self.best[1].log_likelihood:
            self.best = mixture, statistics
        return statistics

    def differentiate(self, mixture):
        """`Statistics` without A and B, and not remembered: for steps on the way."""
        if self.left <= 0:
            raise OutOfPasses
        return self._counted(mixture, differentiate(mixture, self.blocks))

    def predict(self, gain):
        """Tell whoever watches how many nats are predicted still to gain."""
        if self.watch is not None:
            self.watch.gain = gain

    def _counted(self, mixture, statistics):
        self.history.append(statistics.log_likelihood)
        if self.watch is not None:
            self.watch.passed(mixture, statistics.log_likelihood, self.blocks)
        return statistics
