"""`SelectedData`: objects that are in the sample with a probability that depends on what was measured.

The density of an object in the sample is ``p(w_i) / Z_i`` times a constant, with ``Z_i = int p(w | S_i) S(w) dw``: the
probability that an object with its noise is in the sample.  The statistics are those of the objects less those of a
normaliser, which knows every ``ln Z_i`` and its derivatives.

For each object in the sample there are ``(1 - Z_i) / Z_i`` objects which are not, and ``w_k (1 - Z_ik) / Z_i`` of them
belong to component k.  The members of a component count these too: ``q = sum omega r - sum omega s + w sum omega / Z``,
with s the responsibilities of the normaliser.  A multiple of the weights changes no derivative with respect to the
coordinates of weights that sum to one, and by Fisher's identity (Louis 1982, J. R. Stat. Soc. B 44, 226) a step of EM
with these members is the one in which the objects that were not seen are latent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from . import passes
from .blocks import triangle
from .grouping import shares_in_groups
from .statistics import Gradients, Statistics
from .threads import run_in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .data import Data
    from .packed import PackedData
    from .posteriors import Posteriors

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

NANOSECONDS = 20.0  # or so, for the share of each row
LARGEST = 500.0  # of minus the logarithm of a probability, whose inverse is still a number


class Selection(NamedTuple):
    """Probabilities that objects are in the sample, and weighted sums of their derivatives.

    Attributes
    ----------
    log_probabilities : ndarray (G,)
        ``ln Z`` of each group.
    sums : Statistics
        ``sum omega ln Z`` with its derivatives, as a pass gives them.
    """

    log_probabilities: Floats
    sums: Statistics


class Normaliser(Protocol):
    """``Z_g`` of groups of objects that have the same noise, under a mixture of weights, means and covariances."""

    def accumulate(self, group_weights: Floats, weights: Floats, means: Floats, covariances: Floats) -> Selection:
        """Each ``ln Z_g``, and the sums over groups of these weights (G,)."""

    def log_probabilities(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln Z_g`` (G,)."""

    def slopes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Derivatives of each ``ln Z_g`` by all parameters (G, S + K D + K n): weights, means, packed covariances."""

    def take(self, groups: Indices) -> Normaliser:
        """Some of the groups."""


@dataclass(frozen=True, eq=False)
class SampledNormaliser:
    """A `Normaliser` of importance samples: ``Z_g = sum_q factor_q p(w_q)``, w_q being values with the noise of g.

    Attributes
    ----------
    rows_data : PackedData
        The samples of all groups, one after the other.
    factors : ndarray (R,)
        Of each sample, above zero.
    starts : ndarray of int (G + 1,)
        Samples ``starts[g] .. starts[g + 1] - 1`` are those of group g.
    """

    rows_data: PackedData
    factors: Floats
    starts: Indices

    def accumulate(self, group_weights: Floats, weights: Floats, means: Floats, covariances: Floats) -> Selection:
        """Each ``ln Z_g``, and the sums over groups of these weights (G,)."""
        totals, shares = self._totals_and_shares(group_weights, weights, means, covariances)
        if not totals.min(initial=0.0) > -np.inf:
            shares = np.zeros_like(shares)
        sums = passes.accumulate(self.rows_data, weights, means, covariances, shares)
        return Selection(totals, replace(sums, log_likelihood=float(group_weights @ totals)))

    def log_probabilities(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln Z_g`` (G,)."""
        return self._totals_and_shares(np.ones(len(self.starts) - 1), weights, means, covariances)[0]

    def _totals_and_shares(
        self, group_weights: Floats, weights: Floats, means: Floats, covariances: Floats
    ) -> tuple[Floats, Floats]:
        log_densities = passes.log_likelihoods(self.rows_data, weights, means, covariances)
        totals, shares = np.empty(len(self.starts) - 1), np.empty(len(self.factors))

        def task(first: int, last: int) -> None:
            shares_in_groups(first, last, log_densities, self.factors, self.starts, group_weights, totals, shares)

        run_in_threads(task, len(totals), NANOSECONDS * len(shares))
        return totals, shares

    def slopes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Derivatives of each ``ln Z_g`` by all parameters (G, S + K D + K n)."""
        groups = (self.take(np.array([g])) for g in range(len(self.starts) - 1))
        found = (each.accumulate(np.ones(1), weights, means, covariances).sums for each in groups)
        return np.array([packed_slopes(sums, weights) for sums in found])

    def take(self, groups: Indices) -> SampledNormaliser:
        """Some of the groups."""
        sizes = np.diff(self.starts)[groups]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        own = np.arange(starts[-1]) + np.repeat(self.starts[:-1][groups] - starts[:-1], sizes)
        return SampledNormaliser(self.rows_data.take(own), self.factors[own], starts)


def packed_slopes(statistics: Statistics, weights: Floats) -> Floats:
    """The derivatives in statistics by all parameters (S + K D + K n): weights, means, packed covariances."""
    members, G = statistics.n_members, statistics.grad_covariance
    rows, columns = triangle(G.shape[1])
    of_weights = np.divide(members, weights, out=np.zeros_like(members), where=weights > 0)
    packed = np.where(rows == columns, 1.0, 2.0) * G[:, rows, columns]
    return np.concatenate([of_weights, statistics.grad_mean.ravel(), packed.ravel()])


@dataclass(frozen=True, eq=False)
class SelectedData:
    """`Data` of objects with the probability that each is in the sample.

    Attributes
    ----------
    objects : Data
    normaliser : Normaliser
    groups : ndarray of int (n_objects,)
        The group of the normaliser that each object belongs to.
    """

    objects: Data
    normaliser: Normaliser
    groups: Indices

    @property
    def n_objects(self) -> int:
        """Number of objects that count."""
        return self.objects.n_objects

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D of the mixture."""
        return self.objects.n_dimensions

    @property
    def total_weight(self) -> float:
        """Sum of the object weights."""
        return self.objects.total_weight

    @property
    def object_weights(self) -> Floats:
        """Weights (n_objects,)."""
        return self.objects.object_weights

    @property
    def rows(self) -> Indices:
        """Which of the caller's rows the objects are (n_objects,)."""
        return self.objects.rows

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?"""
        return self.objects.projected

    @property
    def has_sigma_profile(self) -> bool:
        """No: the probability of being in the sample depends on every sigma."""
        return False

    @cached_property
    def group_weights(self) -> Floats:
        """Sum of the object weights of each group (G,)."""
        size = int(self.groups.max(initial=-1)) + 1
        return np.asarray(np.bincount(self.groups, self.object_weights, size), dtype=float)

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        return self._less_normaliser(self.objects.accumulate(weights, means, covariances), weights, means, covariances)

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient, and information that counts the objects which were not seen too."""
        found = self.objects.accumulate_with_information(weights, means, covariances)
        return self._less_normaliser(found, weights, means, covariances)

    def _less_normaliser(self, found: Statistics, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        if found.log_likelihood == -np.inf:
            return found
        selection = self.normaliser.accumulate(self.group_weights, weights, means, covariances)
        log_probabilities, sums = selection
        n_all = float(self.group_weights @ np.exp(np.minimum(-log_probabilities, LARGEST)))
        if not np.isfinite(sums.log_likelihood):
            return _impossible(found)
        members = np.maximum(found.n_members - sums.n_members, -n_all * weights) + n_all * weights
        K = len(means)
        seen = np.maximum(found.n_members[:K], 1e-300)
        grown = members[:K] / seen
        information, squares = found.information, found.squared_information
        return replace(
            found,
            log_likelihood=found.log_likelihood - sums.log_likelihood,
            n_members=members,
            grad_mean=found.grad_mean - sums.grad_mean,
            grad_covariance=found.grad_covariance - sums.grad_covariance,
            information=None if information is None else information * grown[:, None, None],
            squared_information=None if squares is None else squares * grown,
        )

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return Gradients.of(map(self.accumulate, weights, means, covariances))

    def log_probabilities(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln Z_i`` of each object (n_objects,): of the probability that one with its noise is in the sample."""
        return self.normaliser.log_probabilities(weights, means, covariances)[self.groups]

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i) - ln Z_i`` of each object (n_objects,)."""
        own = self.objects.log_likelihoods(weights, means, covariances)
        return np.asarray(own - self.log_probabilities(weights, means, covariances))

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        return self.objects.responsibilities(weights, means, covariances, component)

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood under each of W mixtures (W,)."""
        mixtures = list(zip(weights, means, covariances, strict=True))
        lost = [float(self.group_weights @ self.normaliser.log_probabilities(*mixture)) for mixture in mixtures]
        return np.asarray(self.objects.total_log_likelihoods(weights, means, covariances) - lost)

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each Gaussian too."""
        found = self.objects.posteriors(weights, means, covariances, of_each=of_each)
        lost = self.log_probabilities(weights, means, covariances)
        return found._replace(log_likelihoods=found.log_likelihoods - lost)

    def subsample(self, n_objects: int) -> SelectedData:
        """About so many of the objects, always the same ones; the data themselves if they hold no more objects."""
        objects = self.objects.subsample(n_objects)
        if objects is self.objects:
            return self
        used, groups = np.unique(self.groups[np.searchsorted(self.rows, objects.rows)], return_inverse=True)
        return SelectedData(objects, self.normaliser.take(used), groups)

    def with_background(self, log_densities: Floats) -> SelectedData:
        """Refused: the probability of being in the sample changes with the background too."""
        raise NotImplementedError("the edges of a background cannot change beside a selection function")

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,), of the objects that were seen."""
        return self.objects.effective_sizes(weights, means, covariances)

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each Gaussian component in each coordinate (K, D)."""
        return self.objects.typical_errors(weights, means, covariances)

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> None:  # noqa: ARG002
        """None: see `has_sigma_profile`."""
        return


def _impossible(found: Statistics) -> Statistics:
    """Statistics of objects that cannot be in the sample."""
    arrays = {name: array for name, array in vars(found).items() if name != "log_likelihood"}
    zeros: dict[str, Any] = {name: None if a is None else np.zeros_like(a) for name, a in arrays.items()}
    return replace(found, log_likelihood=-np.inf, **zeros)
