"""`RecordedData`: `Data` whose sums over all objects are kept in a log, for a fit that is run again."""

from __future__ import annotations

import io
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from xdgmm.basics.digests import digest

from .statistics import Gradients, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .data import Data, SigmaProfile
    from .posteriors import Posteriors

    Floats = NDArray[np.float64]

ABSENT, PRESENT = b"\0", b"\1"  # before each array


class PassLog(Protocol):
    """Results of passes as bytes, by the digest of what was asked."""

    def get(self, key: bytes) -> bytes | None:
        """The result of a pass, or None if it was not made yet."""

    def add(self, key: bytes, result: bytes) -> None:
        """Keep the result of a pass."""


class RecordedData:
    """`Data` that asks a log before it makes a pass over all objects, and adds to it what it had to compute.

    Parameters
    ----------
    data : Data
    log : PassLog
    label : bytes
        Tells these data from others whose passes are in the same log.

    Notes
    -----
    Sums over all objects are recorded.  Samples are not: they have few objects.  Neither are numbers of each object.
    """

    def __init__(self, data: Data, log: PassLog, label: bytes) -> None:
        self.data, self.log, self.label = data, log, label

    @property
    def n_objects(self) -> int:
        """Number of objects."""
        return self.data.n_objects

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D of the mixture."""
        return self.data.n_dimensions

    @property
    def total_weight(self) -> float:
        """Sum of the object weights."""
        return self.data.total_weight

    @property
    def object_weights(self) -> Floats:
        """Weight of each object (n_objects,)."""
        return self.data.object_weights

    @property
    def rows(self) -> NDArray[np.intp]:
        """Which of the caller's rows the objects are (n_objects,)."""
        return self.data.rows

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?"""
        return self.data.projected

    @property
    def has_sigma_profile(self) -> bool:
        """Does `sigma_profile` hold for all objects?"""
        return self.data.has_sigma_profile

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        return _statistics(self._recorded("accumulate", weights, means, covariances))

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        return _statistics(self._recorded("accumulate_with_information", weights, means, covariances))

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return Gradients(*_arrays(self._recorded("gradients", weights, means, covariances)))  # type: ignore[arg-type]

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood under each of W mixtures (W,)."""
        return _array(self._recorded("total_log_likelihoods", weights, means, covariances))

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,)."""
        return _array(self._recorded("effective_sizes", weights, means, covariances))

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each Gaussian component in each coordinate (K, D)."""
        return _array(self._recorded("typical_errors", weights, means, covariances))

    def _recorded(self, method: str, *parameters: Floats) -> bytes:
        """The result of a method as bytes; a new one goes through bytes too, so that no array differs in its layout."""
        key = digest(self.label, method, parameters)
        result = self.log.get(key)
        if result is None:
            result = _as_bytes(getattr(self.data, method)(*parameters))
            self.log.add(key, result)
        return result

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,)."""
        return self.data.log_likelihoods(weights, means, covariances)

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        return self.data.responsibilities(weights, means, covariances, component)

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each Gaussian too."""
        return self.data.posteriors(weights, means, covariances, of_each=of_each)

    def subsample(self, n_objects: int) -> Data:
        """About so many of the objects, whose passes are not recorded; the data themselves if they hold no more."""
        return self if n_objects >= self.n_objects else self.data.subsample(n_objects)

    def with_background(self, log_densities: Floats) -> RecordedData:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        return RecordedData(self.data.with_background(log_densities), self.log, digest(self.label, log_densities))

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> SigmaProfile | None:
        """Profile likelihood of the sigma of a component (D = 1)."""
        return self.data.sigma_profile(weights, means, covariances, component)


def _as_bytes(result: Statistics | Gradients | Floats) -> bytes:
    """The arrays of the result of a pass in the format of ``numpy.save``, one after the other."""
    arrays: Sequence[Any] = [result]
    if isinstance(result, Statistics):
        arrays = [getattr(result, each.name) for each in fields(result)]
    elif isinstance(result, Gradients):
        arrays = result
    stream = io.BytesIO()
    for array in arrays:
        stream.write(ABSENT if array is None else PRESENT)
        if array is not None:
            np.save(stream, np.asarray(array, dtype="<f8"), allow_pickle=False)
    return stream.getvalue()


def _arrays(result: bytes) -> list[Floats | None]:
    stream, arrays = io.BytesIO(result), []
    while mark := stream.read(1):
        arrays.append(None if mark == ABSENT else np.load(stream, allow_pickle=False))
    return arrays


def _array(result: bytes) -> Floats:
    (array,) = _arrays(result)
    return np.asarray(array)


def _statistics(result: bytes) -> Statistics:
    log_likelihood, *arrays = _arrays(result)
    return Statistics(float(np.asarray(log_likelihood)), *arrays)  # type: ignore[arg-type]
