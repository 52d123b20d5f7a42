"""A hash that identifies a set of observations."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .joining import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .observations import Observations

CHUNK = 65_536  # rows hashed at a time; another number would change the hash
PARTITIONS = "partitions-"  # begins the hash of a catalogue in partitions


class Fingerprint:
    """The hash of `fingerprint`, of observations that come in parts."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._waiting: list[Observations] = []
        self._n_waiting = 0

    def update(self, observations: Observations) -> None:
        """Add the rows of the next part."""
        every, rows = bool(observations.counts.all()), np.flatnonzero(observations.counts)
        start = 0
        while start < rows.size:
            end = min(start + CHUNK - self._n_waiting, rows.size)
            self._waiting.append(observations.select(slice(start, end) if every else rows[start:end]))
            self._n_waiting += end - start
            if self._n_waiting == CHUNK:
                self._hash(self._waiting)
                self._waiting, self._n_waiting = [], 0
            start = end

    def hexdigest(self) -> str:
        """The hash of all parts so far: 32 hexadecimal digits."""
        complete = self._digest
        if self._waiting:
            self._digest = complete.copy()
            self._hash(self._waiting)
        found, self._digest = self._digest.hexdigest(), complete
        return found

    def _hash(self, parts: list[Observations]) -> None:
        for array in _canonical(join(parts)):
            self._digest.update(repr(array.shape[1:]).encode())
            self._digest.update(np.ascontiguousarray(array, dtype="<f8").data)


class FingerprintOfPartitions:
    """A hash of the hashes of partitions, which can be found side by side.

    It depends on the order of the partitions and on where each of them ends.  Those without objects do not count.  It
    begins with the word "partitions", so that it is not taken for the hash of all rows.
    """

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)

    def update(self, observations: Observations) -> None:
        """Add the next partition."""
        self.add(fingerprint(observations) if observations.n_objects else "")

    def add(self, fingerprint_of_partition: str) -> None:
        """Add the next partition, of which `fingerprint` gives this; an empty text if it has no objects."""
        self._digest.update(bytes.fromhex(fingerprint_of_partition))

    def hexdigest(self) -> str:
        """The hash of all partitions so far: "partitions-" and 32 hexadecimal digits."""
        return f"{PARTITIONS}{self._digest.hexdigest()}"


def fingerprint(observations: Observations) -> str:
    """Hash of values, noise, projections, weights and memberships of the rows used in a fit: 32 hexadecimal digits.

    The rows count in their order.  The hash is the same on every machine.  It does not depend on names, units, rows
    without any value, and the noise of missing values; observations without weights have the same hash as with weights
    of 1.

    Examples
    --------
    >>> from xdgmm import Observations
    >>> from xdgmm.observations import fingerprint
    >>> fingerprint(Observations.with_standard_errors([1.0, 2.0], [0.1, 0.2]))
    'd2b0198040868bdece17f1564b4caaaa'
    """
    digest = Fingerprint()
    digest.update(observations)
    return digest.hexdigest()


def _canonical(observations: Observations) -> Iterator[NDArray[Any]]:
    """The arrays of some rows, with the same bits for equivalent observations."""
    present = observations.constrained
    yield np.where(present, observations.values, np.nan) + 0.0  # no negative zeros
    yield from (array + 0.0 for array in observations.noise_model.arrays_where_present(present))
    if observations.projections is not None:
        yield np.broadcast_to(observations.projections, (len(observations), *observations.projections.shape[-2:]))
    yield observations.object_weights
    if observations.limits is not None and observations.limits.any():
        yield observations.limits
    if observations.memberships is not None:
        yield observations.memberships
