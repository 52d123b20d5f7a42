"""`StreamedData`: `Data` whose objects come in parts, which are read anew for each pass; their sums add in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.basics.progress import watched

from .block_sums import total
from .posteriors import Posteriors
from .statistics import Gradients, Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from .data import Data

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


class PackedPart(NamedTuple):
    """Some of the objects.

    Attributes
    ----------
    first : int
        Which of the caller's rows is the first of the part.
    data : Data
        With at least one object; its `rows` count from there.
    """

    first: int
    data: Data


@dataclass(frozen=True)
class Pass:
    """A question to a part: a method of its data, at a mixture.  Small, so that it can be sent elsewhere.

    Attributes
    ----------
    method : str
        Of `Data`.
    weights, means, covariances : ndarray
    options : dict
        Further arguments of the method.
    """

    method: str
    weights: Floats
    means: Floats
    covariances: Floats
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, part: PackedPart) -> Any:
        """What the method finds."""
        return getattr(part.data, self.method)(self.weights, self.means, self.covariances, **self.options)


class StreamedData:
    """`Data` of all objects of a sequence of parts that need not be in memory together.

    Parameters
    ----------
    read : callable
        Returns the parts, the same ones in the same order each time.  A pass calls it once, and holds one part at a
        time.
    sample : Data
        A random sample of the objects, in memory; all of them where there are no more.
    n_objects : int
    total_weight : float

    Notes
    -----
    Samples for starts and the first iterations come from `sample`: a pass over few objects must not read them all.
    Methods that return a number for each object hold these numbers of all objects.
    """

    has_sigma_profile = False

    def __init__(
        self, read: Callable[[], Iterable[PackedPart]], sample: Data, n_objects: int, total_weight: float
    ) -> None:
        self.read, self.sample = read, sample
        self.n_objects, self.total_weight = n_objects, total_weight

    def parts(self) -> Iterator[Data]:
        """The data of the parts, in their order."""
        return self.each(_data)

    def each(self, ask: Callable[[PackedPart], Any]) -> Iterator[Any]:
        """What a function finds of each part, in their order."""
        return map(ask, watched(self.read(), self.n_objects, _length))

    def total(self, ask: Callable[[PackedPart], Any], plus: Callable[[Any, Any], Any] = add) -> Any:
        """The sum of what a function finds of each part, added as `block_sums` does."""
        return total(self.each(ask), plus)

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D of the mixture."""
        return self.sample.n_dimensions

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?"""
        return self.sample.projected

    @property
    def object_weights(self) -> Floats:
        """Weight of each object (n_objects,)."""
        return np.concatenate(list(self.each(_object_weights)))

    @property
    def rows(self) -> Indices:
        """Which of the caller's rows the objects are (n_objects,)."""
        return np.concatenate(list(self.each(_rows)))

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        statistics: Statistics = self.total(Pass("accumulate", weights, means, covariances))
        return statistics.completed()

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        statistics: Statistics = self.total(Pass("accumulate_with_information", weights, means, covariances))
        return statistics.completed()

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures: the parts are read once for all of these."""
        gradients: Gradients = self.total(Pass("gradients", weights, means, covariances), Gradients.plus)
        return gradients.completed()

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,)."""
        return np.concatenate(list(self.each(Pass("log_likelihoods", weights, means, covariances))))

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        ask = Pass("responsibilities", weights, means, covariances, {"component": component})
        return np.concatenate(list(self.each(ask)))

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood under each of W mixtures (W,)."""
        return np.asarray(self.total(Pass("total_log_likelihoods", weights, means, covariances)))

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each Gaussian too."""
        found = self.each(Pass("posteriors", weights, means, covariances, {"of_each": of_each}))
        return Posteriors(*(np.concatenate(each) for each in zip(*found, strict=True) if each[0] is not None))

    def subsample(self, n_objects: int) -> Data:
        """About so many of the objects, at most those of the sample; the data themselves if they hold no more."""
        return self if n_objects >= self.n_objects else self.sample.subsample(n_objects)

    def with_background(self, log_densities: Floats) -> StreamedData:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        places = np.searchsorted(self.rows, self.sample.rows)

        def read() -> Iterator[PackedPart]:
            start = 0
            for first, data in self.read():
                end = start + data.n_objects
                yield PackedPart(first, data.with_background(log_densities[start:end]))
                start = end

        sample = self.sample.with_background(log_densities[places])
        return StreamedData(read, sample, self.n_objects, self.total_weight)

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,)."""
        sums, squares = self.total(partial(_sums_of_members, weights, means, covariances))
        return np.asarray(np.divide(sums**2, squares, out=np.zeros_like(sums), where=squares > 0))

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each Gaussian component in each coordinate (K, D), of the sample."""
        return self.sample.typical_errors(weights, means, covariances)

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> None:  # noqa: ARG002
        """None: it would need the values of all members in memory."""
        return


def _data(part: PackedPart) -> Data:
    return part.data


def _length(part: PackedPart) -> int:
    return part.data.n_objects


def _object_weights(part: PackedPart) -> Floats:
    return part.data.object_weights


def _rows(part: PackedPart) -> Indices:
    return part.first + part.data.rows


def _sums_of_members(weights: Floats, means: Floats, covariances: Floats, part: PackedPart) -> Floats:
    """``sum omega r`` and ``sum (omega r)^2`` of each Gaussian component (2, K)."""
    sums = part.data.accumulate(weights, means, covariances).n_members[: len(means)]
    sizes = part.data.effective_sizes(weights, means, covariances)
    return np.stack([sums, np.divide(sums**2, sizes, out=np.zeros_like(sizes), where=sizes > 0)])
