"""The sums of one pass: additive sufficient statistics, which are also the gradient of the log-likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from .block_sums import total

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROUNDING = 1e-13  # of the log-likelihood: error of a sum in double precision


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over objects for each component, from which all estimates are computed.

    With omega the weight of an object, r its responsibility, R its projection (the identity without projections),
    ``T = R V R' + S``, ``u = R' T^-1 (w - R m)`` and ``P = R' T^-1 R`` (symbols as in `docs/architecture.md`).
    Statistics of disjoint sets of objects add.

    Attributes
    ----------
    log_likelihood : float
        ``sum omega ln p(w_i)``, in nats.  Minus infinity, with sums of zero, where a T is singular or every component
        has density zero at an object.
    n_members : ndarray (K,) or (K + 1,)
        ``q = sum omega r``: weighted number of objects in each component, and the derivative of the log-likelihood with
        respect to ln weight.  The background's, where there is one, comes last.
    grad_mean : ndarray (K, D)
        ``g = sum omega r u``: derivative with respect to the mean m.
    grad_covariance : ndarray (K, D, D)
        ``H / 2 = (C - A) / 2 = sum omega r (u u' - P) / 2``: derivative with respect to the covariance V.
    information : ndarray (K, D, D) or None
        ``A = sum omega r P``: information on the mean if the labels were known; only if requested.
    squared_information : ndarray (K,) or None
        In one dimension ``B = sum omega r P^2``: twice the information on V if the labels were known.
    scaled_members : ndarray (K,) or None
        Of Student-t components: ``sum omega r E[u]``, u being what divides the covariance of an object.
    grad_dof : ndarray (K,) or None
        Of Student-t components: derivative of the log-likelihood with respect to the logarithm of their degrees of
        freedom.
    """

    log_likelihood: float
    n_members: Floats
    grad_mean: Floats
    grad_covariance: Floats
    information: Floats | None = None
    squared_information: Floats | None = None
    scaled_members: Floats | None = None
    grad_dof: Floats | None = None

    def __add__(self, other: Statistics) -> Statistics:
        """Statistics of both sets of objects together."""
        return Statistics(
            self.log_likelihood + other.log_likelihood,
            self.n_members + other.n_members,
            self.grad_mean + other.grad_mean,
            self.grad_covariance + other.grad_covariance,
            _sum(self.information, other.information),
            _sum(self.squared_information, other.squared_information),
            _sum(self.scaled_members, other.scaled_members),
            _sum(self.grad_dof, other.grad_dof),
        )

    @classmethod
    def total(cls, parts: Iterable[Statistics]) -> Statistics:
        """Statistics of several sets of objects together, added as `block_sums` does: zeros if one is impossible."""
        statistics: Statistics = total(parts)
        return statistics.completed()

    def completed(self) -> Statistics:
        """Statistics of all objects, from their sum: zeros if some object is impossible."""
        if self.log_likelihood > -np.inf:
            return self
        arrays = {name: array for name, array in vars(self).items() if isinstance(array, np.ndarray)}
        return replace(self, log_likelihood=-np.inf, **{name: np.zeros_like(each) for name, each in arrays.items()})

    def ordered(self, order: NDArray[np.intp]) -> Self:
        """The same statistics with the components in another order (K,)."""
        return replace(
            self,
            n_members=np.concatenate([self.n_members[order], self.n_members[len(order) :]]),
            grad_mean=self.grad_mean[order],
            grad_covariance=self.grad_covariance[order],
            information=None if self.information is None else self.information[order],
            squared_information=None if self.squared_information is None else self.squared_information[order],
            scaled_members=None if self.scaled_members is None else self.scaled_members[order],
            grad_dof=None if self.grad_dof is None else self.grad_dof[order],
        )

    @property
    def objective(self) -> float:
        """What is maximised, in nats."""
        return self.log_likelihood

    @property
    def weight_counts(self) -> Floats:
        """Derivative of the objective with respect to ln weight (K,) or (K + 1,)."""
        return self.n_members

    @property
    def covariance_counts(self) -> Floats:
        """Number of objects that determine each covariance (K,)."""
        return self.n_members[: len(self.grad_mean)]

    @property
    def mean_counts(self) -> Floats:
        """Number of objects that determine each mean (K,), those in the tails of a t distribution counting less."""
        return self.n_members[: len(self.grad_mean)] if self.scaled_members is None else self.scaled_members

    @property
    def total_weight(self) -> float:
        """Sum of the object weights: responsibilities sum to one for every object."""
        return float(self.n_members.sum())

    @property
    def rounding(self) -> float:
        """Size of the rounding error of the objective, in nats."""
        return ROUNDING * (abs(self.log_likelihood) + self.total_weight)


class Gradients(NamedTuple):
    """Log-likelihood and gradient under each of W mixtures; arrays as in `Statistics`, with one axis more in front.

    log_likelihoods: (W,); n_members: (W, K) or (W, K + 1); grad_means: (W, K, D); grad_covariances: (W, K, D, D).
    """

    log_likelihoods: Floats
    n_members: Floats
    grad_means: Floats
    grad_covariances: Floats

    @classmethod
    def of(cls, statistics: Iterable[Statistics]) -> Gradients:
        """Those of single passes, one after the other."""
        columns = zip(
            *((s.log_likelihood, s.n_members, s.grad_mean, s.grad_covariance) for s in statistics), strict=True
        )
        return cls(*(np.array(column) for column in columns))

    @classmethod
    def total(cls, parts: Iterable[Gradients]) -> Gradients:
        """Those of several sets together, added as `block_sums` does: zeros where one set is impossible."""
        gradients: Gradients = total(parts, cls.plus)
        return gradients.completed()

    def plus(self, other: Gradients) -> Gradients:
        """Those of both sets of objects together."""
        return Gradients(*(a + b for a, b in zip(self, other, strict=True)))

    def completed(self) -> Gradients:
        """Those of all objects, from their sum: zeros where some object is impossible."""
        impossible = self.log_likelihoods == -np.inf
        if not impossible.any():
            return self
        others = [np.where(impossible.reshape(-1, *[1] * (each.ndim - 1)), 0.0, each) for each in self[1:]]
        return Gradients(self.log_likelihoods, *others)


def _sum(array: Floats | None, other: Floats | None) -> Floats | None:
    return None if array is None or other is None else array + other
