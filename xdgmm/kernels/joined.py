"""`JoinedData`: several `Data` of disjoint objects as one; their sums add, and rows keep their order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .censored import CensoredData, median_errors
from .data import Data
from .packed import MemberValues, PackedData
from .posteriors import Posteriors
from .statistics import Gradients, Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .noise import Noise

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Signs = NDArray[np.int8]


class Part(Data, Protocol):
    """What `JoinedData` asks of its parts: the methods of `Data`, and two more."""

    def subsample(self, n_objects: int) -> Part:
        """About so many of the objects."""

    def with_background(self, log_densities: Floats) -> Part:
        """The same objects with other log-densities (n_objects,) of the background."""

    def coordinate_variances(self, i: int) -> Floats:
        """Noise variances of coordinate i (n_objects,)."""

    def measures(self, i: int) -> Floats:
        """Where coordinate i is measured: 1 or 0 (n_objects,)."""


@dataclass(frozen=True, eq=False)
class JoinedData:
    """`Data` of all objects of several parts, in the order of their rows.

    Attributes
    ----------
    parts : tuple of Part
        Of the same coordinates, and of different rows.
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> JoinedData:
        """Join some parts."""
        return cls(tuple(parts))

    @cached_property
    def _order(self) -> Indices:
        """Place in the parts, one after the other, of each object in the order of rows (n_objects,)."""
        return np.argsort(np.concatenate([part.rows for part in self.parts]), kind="stable")

    @property
    def n_objects(self) -> int:
        """Number of objects."""
        return sum(part.n_objects for part in self.parts)

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D of the mixture."""
        return self.parts[0].n_dimensions

    @property
    def total_weight(self) -> float:
        """Sum of the object weights."""
        return sum(part.total_weight for part in self.parts)

    @property
    def object_weights(self) -> Floats:
        """Weight of each object (n_objects,)."""
        return self._in_order([part.object_weights for part in self.parts])

    @property
    def rows(self) -> Indices:
        """Which of the caller's rows the objects are (n_objects,), ascending."""
        return np.concatenate([part.rows for part in self.parts])[self._order]

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?"""
        return any(part.projected for part in self.parts)

    @property
    def has_sigma_profile(self) -> bool:
        """Does `sigma_profile` hold for all objects?"""
        return all(part.has_sigma_profile for part in self.parts)

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        return Statistics.total(part.accumulate(weights, means, covariances) for part in self.parts)

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        return Statistics.total(part.accumulate_with_information(weights, means, covariances) for part in self.parts)

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return Gradients.total(part.gradients(weights, means, covariances) for part in self.parts)

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,)."""
        return self._of_each(lambda part: part.log_likelihoods(weights, means, covariances))

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        return self._of_each(lambda part: part.responsibilities(weights, means, covariances, component))

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood under each of W mixtures (W,)."""
        found = [part.total_log_likelihoods(weights, means, covariances) for part in self.parts]
        return np.asarray(reduce(add, found))

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each Gaussian too."""
        found = [part.posteriors(weights, means, covariances, of_each=of_each) for part in self.parts]
        fields = [self._in_order(each) for each in zip(*found, strict=True) if each[0] is not None]
        return Posteriors(*fields)

    def subsample(self, n_objects: int) -> JoinedData:
        """About so many of the objects: of each part its share."""
        whole = self.n_objects
        if n_objects >= whole:
            return self
        return JoinedData.of([part.subsample(max(n_objects * part.n_objects // whole, 1)) for part in self.parts])

    def with_background(self, log_densities: Floats) -> JoinedData:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        by_part = np.empty(len(log_densities))
        by_part[self._order] = log_densities
        ends = np.cumsum([part.n_objects for part in self.parts])
        own = zip(self.parts, np.split(by_part, ends[:-1]), strict=True)
        return JoinedData.of([part.with_background(densities) for part, densities in own])

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,)."""
        members = self._members(weights, means, covariances)
        members = members / max(float(members.max(initial=0.0)), 1e-300)  # so that no square overflows
        return np.asarray(members.sum(axis=0) ** 2 / np.maximum((members**2).sum(axis=0), 1e-300))

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each Gaussian component in each coordinate (K, D)."""
        columns = range(self.n_dimensions)
        variances = [self._in_order([part.coordinate_variances(i) for part in self.parts]) for i in columns]
        measures = [self._in_order([part.measures(i) for part in self.parts]) for i in columns]
        members = self._members(weights, means, covariances)
        return median_errors(np.stack(variances, axis=1), np.stack(measures, axis=1), members)

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> MemberValues | None:
        """Profile likelihood of the sigma of a component (D = 1); None if it has no members, or objects have none."""
        if not self.has_sigma_profile:
            return None
        found = [part.sigma_profile(weights, means, covariances, component) for part in self.parts]
        profiles = [each for each in found if isinstance(each, MemberValues)]
        arrays = zip(*((each.values, each.variances, each.weights) for each in profiles), strict=True)
        return MemberValues.of(*map(np.concatenate, arrays)) if profiles else None

    def _members(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        r = np.nan_to_num(self.responsibilities(weights, means, covariances))[:, : len(means)]
        return np.asarray(self.object_weights[:, None] * r)

    def _of_each(self, function: Callable[[Part], Floats]) -> Floats:
        return self._in_order([function(part) for part in self.parts])

    def _in_order(self, arrays: Sequence[Floats]) -> Floats:
        return np.concatenate(arrays)[self._order]


def pack_with_limits(
    values: Floats,
    noise: Noise,
    weights: Floats | None,
    location: Floats | float = 0.0,
    scale: Floats | float = 1.0,
    *,
    limits: Signs,
    background: Floats | None = None,
    memberships: Floats | None = None,
) -> CensoredData | JoinedData | PackedData:
    """Pack ``(values - location) / scale``, some of which are limits; arguments as those of `pack`.

    Parameters
    ----------
    limits : ndarray of int8 (N, M)
        As in `CensoredData.pack`; only zeros give what `pack` does.
    """
    limits = np.where(np.isfinite(values), limits, np.int8(0))
    is_limit = limits.any(axis=1)
    omega = np.ones(len(values)) if weights is None else weights
    counts = np.isfinite(values).any(axis=1) & (omega > 0)
    beside: dict[str, Any] = {"background": background, "memberships": memberships}
    if not (counts & is_limit).any():
        return PackedData.pack(values, noise, weights, location, scale, **beside)
    censored = CensoredData.pack(values, noise, weights, location, scale, limits=limits, **beside)
    if (counts <= is_limit).all():
        return censored
    measured = PackedData.pack(values, noise, np.where(is_limit, 0.0, omega), location, scale, **beside)
    return JoinedData.of([measured, censored])
