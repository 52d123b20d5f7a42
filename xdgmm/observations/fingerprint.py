"""A hash that identifies a set of observations."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .observations import Observations

CHUNK = 65_536  # rows hashed at a time; another number would change the hash


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
    digest = hashlib.blake2b(digest_size=16)
    rows = np.flatnonzero(observations.counts)
    for start in range(0, rows.size, CHUNK):
        for array in _canonical(observations.select(rows[start : start + CHUNK])):
            digest.update(repr(array.shape[1:]).encode())
            digest.update(np.ascontiguousarray(array, dtype="<f8").data)
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
