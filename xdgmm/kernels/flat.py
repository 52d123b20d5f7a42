"""`FlatData`: objects beside components that are uniform in some columns and Gaussian in the others.

``p_i = sum_k a_k N_k(all columns) + f_i sum_l a_l N_l(other columns)``: the second sum goes over the flat components,
the last ones, and f_i is the density of the flat columns, a number of each object.  Both sums are those of an ordinary
pass, over all columns and over the others.  With the share of each in p_i the derivatives of ``ln p_i`` are those of
the two sums averaged: one pass over each finds the densities, and a second one adds the sums of the objects, weighted
with omega times their share.  Parameters of flat components in the flat columns have no derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import passes
from .censored import median_errors
from .grouping import shares_of_two
from .noise import as_noise
from .packed import PackedData
from .posteriors import Posteriors
from .statistics import Gradients, Statistics
from .threads import run_in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .noise import Noise

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Indices = NDArray[np.intp]

NANOSECONDS = 10.0  # or so, for the shares of each object


@dataclass(frozen=True, eq=False)
class FlatData:
    """`Data` of objects beside flat components.

    Attributes
    ----------
    everything : PackedData
        All columns of all objects, for the components that are not flat, and a background.
    others : PackedData or None
        The other columns of the objects that have a value there; None where no object has.
    places : ndarray of int (D',)
        Which of the D coordinates the other columns are.
    n_flat : int
        Number of flat components: the last of the mixture, before a background.
    log_densities : ndarray (n_objects,)
        Of the flat columns.
    memberships : ndarray (n_objects, n_flat) or None
        Known beforehand, in the flat components.
    """

    everything: PackedData
    others: PackedData | None
    places: Indices
    n_flat: int
    log_densities: Floats
    memberships: Floats | None = None

    @classmethod
    def pack(
        cls,
        values: Floats,
        noise: Noise | Floats | None,
        weights: Floats | None,
        location: Floats | float = 0.0,
        scale: Floats | float = 1.0,
        *,
        places: Indices,
        n_flat: int,
        log_densities: Floats,
        background: Floats | None = None,
        memberships: Floats | None = None,
    ) -> FlatData:
        """Pack ``(values - location) / scale`` of the objects that count; the arguments are those of `kernels.pack`.

        Parameters
        ----------
        places : ndarray of int (D',)
            The columns in which no component is flat.
        n_flat : int
        log_densities : ndarray (N,)
            Log-density of each object in the flat columns, as packed: per ``values / scale``.
        """
        places, noise = np.asarray(places), as_noise(noise, values.shape)
        location, scale = (np.broadcast_to(each, values.shape[1]) for each in (location, scale))
        n_gaussians = None if memberships is None else memberships.shape[1] - n_flat
        everything = PackedData.pack(
            values,
            noise,
            weights,
            location,
            scale,
            background=background,
            memberships=None if memberships is None else memberships[:, :n_gaussians],
        )
        rows = everything.rows
        of_flat = None if memberships is None else memberships[rows, n_gaussians:]
        own, others = values[rows][:, places], None
        if np.isfinite(own).any():
            columns = list(map(int, places))
            own_weights = None if weights is None else weights[rows]
            given = own, noise.select(rows).columns(columns), own_weights, location[places], scale[places]
            others = PackedData.pack(*given, memberships=of_flat)
        return cls(everything, others, places, n_flat, log_densities[rows], of_flat)

    @property
    def n_objects(self) -> int:
        """Number of objects that count."""
        return self.everything.n_objects

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D of the mixture."""
        return self.everything.n_dimensions

    @property
    def total_weight(self) -> float:
        """Sum of the object weights."""
        return self.everything.total_weight

    @cached_property
    def object_weights(self) -> Floats:
        """Frequency weight of each object (n_objects,)."""
        return self.everything.object_weights

    @property
    def rows(self) -> Indices:
        """Which of the caller's rows the objects are (n_objects,)."""
        return self.everything.rows

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?  They are not."""
        return False

    @property
    def has_sigma_profile(self) -> bool:
        """Does `sigma_profile` hold for all objects?  There are several dimensions."""
        return False

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        return self._accumulate(weights, means, covariances, with_information=False)

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        return self._accumulate(weights, means, covariances, with_information=True)

    def _accumulate(self, weights: Floats, means: Floats, covariances: Floats, *, with_information: bool) -> Statistics:
        make_pass = passes.accumulate_with_information if with_information else passes.accumulate
        n, (K, D) = self._n_gaussians(means), means.shape
        totals, of_gaussians, of_flat = self._totals_and_shares(weights, means, covariances)
        possible = bool(totals.min(initial=0.0) > -np.inf)
        omega = self.object_weights if possible else np.zeros(self.n_objects)
        first = make_pass(self.everything, *self._gaussians(weights, means, covariances), omega * of_gaussians)
        members, grad_mean = np.zeros(len(weights)), np.zeros((K, D))
        grad_covariance, information = np.zeros((K, D, D)), np.zeros((K, D, D))
        members[:n], members[K:] = first.n_members[:n], first.n_members[n:]
        grad_mean[:n], grad_covariance[:n] = first.grad_mean, first.grad_covariance
        if first.information is not None:
            information[:n] = first.information
        own = omega * of_flat
        if not self._all_in_others:
            alone = self._with_flat_columns_only
            members[n:K] = own[alone] @ self._shares_without_values(weights, K)[alone]
        possible = possible and first.log_likelihood > -np.inf
        if self.others is not None:
            own = own if self._all_in_others else own[self._in_others]
            second = make_pass(self.others, *self._flat(weights, means, covariances), own)
            square = np.ix_(np.arange(n, K), self.places, self.places)
            members[n:K] += second.n_members
            grad_mean[np.ix_(np.arange(n, K), self.places)] = second.grad_mean
            grad_covariance[square] = second.grad_covariance
            if second.information is not None:
                information[square] = second.information
            possible = possible and second.log_likelihood > -np.inf
        log_likelihood = float(self.object_weights @ totals) if possible else -np.inf
        return Statistics(
            log_likelihood, members, grad_mean, grad_covariance, information if with_information else None
        )

    def _n_gaussians(self, means: Floats) -> int:
        return len(means) - self.n_flat

    def _gaussians(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats, Floats]:
        """The components that are not flat, and a background's weight."""
        n = self._n_gaussians(means)
        return np.concatenate([weights[:n], weights[len(means) :]]), means[:n], covariances[:n]

    def _flat(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats, Floats]:
        """The flat components in the other columns."""
        n, K = self._n_gaussians(means), len(means)
        return weights[n:K], means[n:, self.places], covariances[n:][:, self.places][:, :, self.places]

    @cached_property
    def _in_others(self) -> Indices:
        """Which objects have a value in the other columns."""
        return np.zeros(0, np.intp) if self.others is None else self.others.rows

    @cached_property
    def _all_in_others(self) -> bool:
        return self._in_others.size == self.n_objects

    @cached_property
    def _with_flat_columns_only(self) -> Bools:
        """Which objects have none (n_objects,)."""
        result = np.ones(self.n_objects, bool)
        result[self._in_others] = False
        return result

    def _shares_without_values(self, weights: Floats, n_components: int) -> Floats:
        """Of objects without a value in the other columns, the share of each flat component in these (n_objects, L)."""
        own = weights[n_components - self.n_flat : n_components]
        own = np.broadcast_to(own, (self.n_objects, self.n_flat)) if self.memberships is None else self.memberships
        return _normalised(own)

    def _log_sums(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
        """Logarithms of the two sums of each object (n_objects,): of the components that are not flat, and of those."""
        first = np.full(self.n_objects, -np.inf)
        if len(weights) > self.n_flat:
            first = passes.log_likelihoods(self.everything, *self._gaussians(weights, means, covariances))
        second = np.zeros(0)
        if self.others is not None:
            second = passes.log_likelihoods(self.others, *self._flat(weights, means, covariances))
        if self._all_in_others:
            return first, second + self.log_densities
        own = weights[self._n_gaussians(means) : len(means)]
        whole = np.full(self.n_objects, own.sum()) if self.memberships is None else self.memberships.sum(axis=1)
        with np.errstate(divide="ignore"):
            everywhere = np.log(whole)
        everywhere[self._in_others] = second
        return first, everywhere + self.log_densities

    def _totals_and_shares(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats, Floats]:
        """``ln p_i`` of each object, and the shares of the other and of the flat components in it (n_objects,)."""
        given = self._log_sums(weights, means, covariances)
        totals, shares = np.empty(self.n_objects), np.empty((2, self.n_objects))

        def task(first: int, last: int) -> None:
            shares_of_two(first, last, *given, totals, shares)

        run_in_threads(task, self.n_objects, NANOSECONDS * self.n_objects)
        return totals, shares[0], shares[1]

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return Gradients.of(map(self.accumulate, weights, means, covariances))

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,)."""
        return np.asarray(np.logaddexp(*self._log_sums(weights, means, covariances)))

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        n, K = self._n_gaussians(means), len(means)
        totals, of_gaussians, of_flat = self._totals_and_shares(weights, means, covariances)
        first = np.zeros((self.n_objects, 0))
        if len(weights) > self.n_flat:
            first = passes.responsibilities(self.everything, *self._gaussians(weights, means, covariances))
        first = np.nan_to_num(first) * of_gaussians[:, None]
        second = np.array(self._shares_without_values(weights, K))
        if self.others is not None:
            of_others = passes.responsibilities(self.others, *self._flat(weights, means, covariances))
            second[self._in_others] = np.nan_to_num(of_others)
        second *= of_flat[:, None]
        result = np.concatenate([first[:, :n], second, first[:, n:]], axis=1)
        result[totals == -np.inf] = np.nan
        return result if component is None else result[:, [component]]

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood of all objects under each of W mixtures (W,)."""
        mixtures = zip(weights, means, covariances, strict=True)
        return np.array([float(self.object_weights @ self.log_likelihoods(*mixture)) for mixture in mixtures])

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each component too.

        The flat coordinates of an object that belongs to a flat component have the mean and the covariance that the
        mixture has there: what is known of them depends on the box, which these data do not know
        (`xdgmm.prediction.posteriors`).
        """
        n, K = self._n_gaussians(means), len(means)
        totals = self.log_likelihoods(weights, means, covariances)
        r = self.responsibilities(weights, means, covariances)
        r[totals == -np.inf] = weights
        mean = np.empty((self.n_objects, *means.shape))
        covariance, distances = np.empty((*mean.shape, means.shape[1])), np.zeros((self.n_objects, 2))
        mean[:, n:], covariance[:, n:] = means[n:], covariances[n:]
        if len(weights) > self.n_flat:
            first = passes.posteriors(self.everything, *self._gaussians(weights, means, covariances), of_each=True)
            mean[:, :n], covariance[:, :n] = first.means_of_each, first.covariances_of_each
            distances[:, 0] = first.distances
        if self.others is not None:
            second = passes.posteriors(self.others, *self._flat(weights, means, covariances), of_each=True)
            mean[np.ix_(self._in_others, np.arange(n, K), self.places)] = second.means_of_each
            square = np.ix_(self._in_others, np.arange(n, K), self.places, self.places)
            covariance[square] = second.covariances_of_each
            distances[self._in_others, 1] = second.distances
        nearest = np.where(r[:, :K].argmax(axis=1) < n, distances[:, 0], distances[:, 1])
        among = _normalised(r[:, :K])
        overall = np.einsum("nk,nki->ni", among, mean)
        offsets = mean - overall[:, None]
        spread = np.einsum("nk,nkij->nij", among, covariance + offsets[..., :, None] * offsets[..., None, :])
        each: tuple[Any, ...] = (mean, covariance) if of_each else ()
        return Posteriors(totals, r, nearest, overall, spread, *each)

    def subsample(self, n_objects: int) -> FlatData:
        """About so many of the objects, always the same ones; the data themselves if they hold no more objects."""
        every = -(-self.n_objects // n_objects)
        return self if every == 1 else self.take(np.arange(0, self.n_objects, every))

    def take(self, members: Indices) -> FlatData:
        """Some of the objects (indices below n_objects), copied."""
        others = self.others
        if others is not None:
            place = np.full(self.n_objects, -1)
            place[self._in_others] = np.arange(self._in_others.size)
            own = np.flatnonzero(place[members] >= 0)
            taken = others.take(place[members[own]])
            others = replace(taken, kept=own) if own.size else None
        memberships = None if self.memberships is None else self.memberships[members]
        everything = self.everything.take(members)
        return replace(
            self,
            everything=everything,
            others=others,
            log_densities=self.log_densities[members],
            memberships=memberships,
        )

    def with_background(self, log_densities: Floats) -> FlatData:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        return replace(self, everything=self.everything.with_background(log_densities))

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each component (K,), flat ones among them."""
        members = self._members(weights, means, covariances)
        return np.asarray(members.sum(axis=0) ** 2 / np.maximum((members**2).sum(axis=0), 1e-300))

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each component in each coordinate (K, D)."""
        members = self._members(weights, means, covariances)
        variances = np.stack([self.everything.coordinate_variances(i) for i in range(self.n_dimensions)], axis=1)
        measures = np.stack([self.everything.measures(i) for i in range(self.n_dimensions)], axis=1)
        return median_errors(variances, measures, members)

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> None:  # noqa: ARG002
        """None: there are several dimensions."""
        return

    def _members(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        r = np.nan_to_num(self.responsibilities(weights, means, covariances))[:, : len(means)]
        return np.asarray(self.object_weights[:, None] * r)


def _normalised(shares: Floats) -> Floats:
    """Shares (n, K) that sum to 1; equal ones where all are zero."""
    total = shares.sum(axis=1, keepdims=True)
    equal = np.full(shares.shape, 1.0 / shares.shape[1])
    return np.asarray(np.divide(shares, total, out=equal, where=total > 0))
