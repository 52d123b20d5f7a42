"""A short text that tells one set of observations from all others."""

import hashlib

import numpy as np

CHUNK = 65_536  # rows hashed at a time; a part of what the hash is


def fingerprint(observations):
    """Hash of values, noise, projections and weights of the rows that count, in their order: 32 hexadecimal digits.

    It is the same on every machine.  Rows without any value, names and units play no part, nor does the noise of a
    value that is missing; no weights are weights of 1.

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
            digest.update(np.ascontiguousarray(array, dtype="<f8"))
    return digest.hexdigest()


def _canonical(observations):
    """The arrays of some rows, the same bits for what means the same."""
    present = observations.present
    yield np.where(present, observations.values, np.nan) + 0.0  # no negative zeros
    yield from (array + 0.0 for array in observations.noise_model.arrays_where_present(present))
    if observations.projections is not None:
        yield np.broadcast_to(observations.projections, (len(observations), *observations.projections.shape[-2:]))
    yield observations.object_weights
