"""`GroupedData`: objects whose density is a sum over several rows, each a Gaussian measurement.

``p_i = sum_q factor_q p(row_q)`` over the rows q of object i.  With the share ``rho_q`` of a row in this sum, the
derivatives of ``ln p_i`` are those of ``ln p(row_q)`` averaged with the shares: one pass finds the density of each row,
and a second one adds the sums of the rows, their weights being omega times rho.  One log-sum over rows and components
together is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import passes
from .grouping import shares_in_groups
from .packed import OF_TYPICAL_ERRORS, MemberValues, PackedData, weighted_median
from .posteriors import Posteriors
from .statistics import Gradients, Statistics
from .threads import run_in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .noise_mixture import NoiseMixture

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

NANOSECONDS = 20.0  # or so, for the share of each row


@dataclass(frozen=True, eq=False)
class GroupedData:
    """`Data` of objects that consist of several rows.

    Attributes
    ----------
    rows_data : PackedData
        All R rows, those of an object one after the other.  What each counts is not read.
    factors : ndarray (R,)
        Of each row, positive or zero.
    starts : ndarray of int (n_objects + 1,)
        Rows ``starts[i] .. starts[i + 1] - 1`` are those of object i.
    object_weights : ndarray (n_objects,)
    rows : ndarray of int (n_objects,)
        Which of the caller's rows the objects are.
    variances : ndarray (n_objects, D)
        Noise variance of each value, all rows of an object together; infinite where it is missing.
    """

    rows_data: PackedData
    factors: Floats
    starts: Indices
    object_weights: Floats
    rows: Indices
    variances: Floats

    @classmethod
    def pack(
        cls,
        values: Floats,
        noise: NoiseMixture,
        weights: Floats | None,
        location: Floats | float = 0.0,
        scale: Floats | float = 1.0,
        *,
        background: Floats | None = None,
        memberships: Floats | None = None,
    ) -> GroupedData:
        """Pack ``(values - location) / scale`` of the objects that count; the arguments are those of `kernels.pack`.

        The density of the background is that of each object.
        """
        object_weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
        present = np.isfinite(values)
        kept = np.flatnonzero(present.any(axis=1) & (object_weights > 0))
        noise = noise.select(kept)
        rows, owners = noise.values_of_rows(values[kept]), kept[noise.owners]
        packed = PackedData.pack(
            rows,
            noise.parts,
            None,
            location,
            scale,
            background=None if background is None else background[owners],
            memberships=None if memberships is None else memberships[owners],
        )
        variances = np.where(present[kept], noise.divided(scale).variances, np.inf)
        return cls(packed, noise.weights, noise.starts, object_weights[kept], kept, variances)

    @property
    def n_objects(self) -> int:
        """Number of objects that count."""
        return len(self.rows)

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D of the mixture."""
        return self.rows_data.n_dimensions

    @cached_property
    def total_weight(self) -> float:
        """Sum of the object weights."""
        return float(self.object_weights.sum())

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?  They are not."""
        return self.rows_data.projected

    @property
    def has_sigma_profile(self) -> bool:
        """Does `sigma_profile` hold for all objects?"""
        return not self.projected

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        return self._accumulate(weights, means, covariances, with_information=False)

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        return self._accumulate(weights, means, covariances, with_information=True)

    def _accumulate(self, weights: Floats, means: Floats, covariances: Floats, *, with_information: bool) -> Statistics:
        totals, shares = self._totals_and_shares(weights, means, covariances)
        make_pass = passes.accumulate_with_information if with_information else passes.accumulate
        possible = totals.min(initial=0.0) > -np.inf
        found = make_pass(self.rows_data, weights, means, covariances, shares if possible else np.zeros_like(shares))
        if not possible or found.log_likelihood == -np.inf:
            return replace(found, log_likelihood=-np.inf)
        return replace(found, log_likelihood=float(self.object_weights @ totals))

    def _totals_and_shares(
        self, weights: Floats, means: Floats, covariances: Floats, object_weights: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """``ln p_i`` of each object (n_objects,), and the share of each row in it times a weight of the object (R,)."""
        log_densities = passes.log_likelihoods(self.rows_data, weights, means, covariances)
        totals, shares = np.empty(self.n_objects), np.empty(len(self.factors))
        omega = self.object_weights if object_weights is None else object_weights
        given = log_densities, self.factors, self.starts, omega

        def task(first: int, last: int) -> None:
            shares_in_groups(first, last, *given, totals, shares)

        run_in_threads(task, self.n_objects, NANOSECONDS * len(shares))
        return totals, shares

    def _shares(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
        """``ln p_i`` of each object, and the share of each row in it: those of an object sum to 1."""
        return self._totals_and_shares(weights, means, covariances, np.ones(self.n_objects))

    def _sums(self, numbers: Floats) -> Floats:
        """Sums over the rows of each object (n_objects, ...) of numbers of the rows (R, ...)."""
        return np.asarray(np.add.reduceat(numbers, self.starts[:-1], axis=0))

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return Gradients.of(map(self.accumulate, weights, means, covariances))

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,)."""
        return self._shares(weights, means, covariances)[0]

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        totals, shares = self._shares(weights, means, covariances)
        of_rows = passes.responsibilities(self.rows_data, weights, means, covariances, component)
        result = self._sums(shares[:, None] * np.nan_to_num(of_rows, copy=False))
        result[totals == -np.inf] = np.nan
        return result

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood of all objects under each of W mixtures (W,)."""
        mixtures = zip(weights, means, covariances, strict=True)
        return np.array([float(self.object_weights @ self.log_likelihoods(*mixture)) for mixture in mixtures])

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each Gaussian too.

        Mean and covariance are those of a sum over the rows.
        """
        K = len(means)
        totals, shares = self._shares(weights, means, covariances)
        shares = np.where(self._of_rows(totals == -np.inf), self._given_shares, shares)
        rows = passes.posteriors(self.rows_data, weights, means, covariances, of_each=of_each)
        r = self._sums(shares[:, None] * rows.responsibilities)
        among = rows.responsibilities[:, :K].sum(axis=1) * shares
        among = self._positive(among, shares)
        nearest = self._of_rows(r[:, :K].argmax(axis=1)) == rows.responsibilities[:, :K].argmax(axis=1)
        smallest = np.minimum.reduceat(np.where(nearest, rows.distances, np.inf), self.starts[:-1])
        smallest = np.where(self._sums(nearest) > 0, smallest, np.minimum.reduceat(rows.distances, self.starts[:-1]))
        mean, covariance = self._moments(among, rows.means, rows.covariances)
        each: tuple[Floats, ...] = ()
        if of_each:
            assert rows.means_of_each is not None
            assert rows.covariances_of_each is not None
            of_components = [
                self._moments(
                    self._positive(shares * rows.responsibilities[:, k], shares),
                    rows.means_of_each[:, k],
                    rows.covariances_of_each[:, k],
                )
                for k in range(K)
            ]
            each = tuple(np.stack(arrays, axis=1) for arrays in zip(*of_components, strict=True))
        return Posteriors(totals, r, smallest, mean, covariance, *each)

    @property
    def _given_shares(self) -> Floats:
        """A share of each row (R,) from its factor alone."""
        return np.asarray(self.factors / self._of_rows(self._sums(self.factors)))

    def _positive(self, shares: Floats, otherwise: Floats) -> Floats:
        """Shares (R,), or others for objects whose shares are all zero."""
        return np.where(self._of_rows(self._sums(shares)) > 0, shares, otherwise)

    def _of_rows(self, numbers: Any) -> Any:
        """Numbers of the objects (n_objects,), repeated for their rows (R,)."""
        return np.repeat(numbers, np.diff(self.starts), axis=0)

    def _moments(self, shares: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
        """Mean (n_objects, D) and covariance (n_objects, D, D) of mixtures of the rows."""
        shares = shares / self._of_rows(self._sums(shares))
        mean = self._sums(shares[:, None] * means)
        offsets = means - self._of_rows(mean)
        spread = covariances + offsets[:, :, None] * offsets[:, None]
        return mean, self._sums(shares[:, None, None] * spread)

    def subsample(self, n_objects: int) -> GroupedData:
        """About so many of the objects, always the same ones; the data themselves if they hold no more objects."""
        every = -(-self.n_objects // n_objects)
        return self if every == 1 else self.take(np.arange(0, self.n_objects, every))

    def take(self, members: Indices) -> GroupedData:
        """Some of the objects (indices below n_objects), copied."""
        sizes = np.diff(self.starts)[members]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        of_rows = np.arange(starts[-1]) + np.repeat(self.starts[:-1][members] - starts[:-1], sizes)
        return GroupedData(
            self.rows_data.take(of_rows),
            self.factors[of_rows],
            starts,
            self.object_weights[members],
            self.rows[members],
            self.variances[members],
        )

    def with_background(self, log_densities: Floats) -> GroupedData:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        return replace(self, rows_data=self.rows_data.with_background(self._of_rows(log_densities)))

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,)."""
        members = self._members(weights, means, covariances)
        return np.asarray(members.sum(axis=0) ** 2 / np.maximum((members**2).sum(axis=0), 1e-300))

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each Gaussian component in each coordinate (K, D)."""
        sample = self.subsample(OF_TYPICAL_ERRORS)
        members, errors = sample._members(weights, means, covariances), np.sqrt(sample.variances)  # noqa: SLF001
        result = np.empty(means.shape)
        for i, column in enumerate(errors.T):
            order, measured = np.argsort(column), np.isfinite(column)
            result[:, i] = [weighted_median(column, order, of_component * measured) for of_component in members.T]
        return result

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> MemberValues | None:
        """Profile likelihood of the sigma of a component (D = 1); None if it has no members.

        The shares of the rows are held fixed, as responsibilities are.
        """
        totals, shares = self._totals_and_shares(weights, means, covariances)
        r = passes.responsibilities(self.rows_data, weights, means, covariances, component)[:, 0]
        members = np.where(self._of_rows(totals == -np.inf), 0.0, shares * np.nan_to_num(r))
        used = members > 0
        of_rows = self.rows_data.values(0)[used], self.rows_data.variances(0)[used], members[used]
        return MemberValues.of(*of_rows) if used.any() else None

    def _members(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        r = np.nan_to_num(self.responsibilities(weights, means, covariances))[:, : len(means)]
        return np.asarray(self.object_weights[:, None] * r)
