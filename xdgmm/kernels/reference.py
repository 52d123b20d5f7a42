"""The pass in plain NumPy: what `compiled.py` computes, to be read and to be tested against.

One object after the other in the mathematics, all objects at once in the arrays.  A missing coordinate has row and
column of the identity in T, and nothing in u and in the inverse.
"""

import numpy as np

from .blocks import LOG_2PI
from .passes import Sums


def accumulate(values, noise, object_weights, weights, means, covariances):
    """`Sums` of one pass over values (N, D; NaN missing), noise covariances (N, D, D), object weights (N,)."""
    log_joint, u, inverse = zip(
        *(_component(values, noise, w, m, V) for w, m, V in zip(weights, means, covariances, strict=True)),
        strict=True,
    )
    log_joint, u, inverse = np.array(log_joint), np.array(u), np.array(inverse)  # (K, N), (K, N, D), (K, N, D, D)
    log_likelihoods = np.logaddexp.reduce(log_joint, axis=0)
    r = object_weights * np.exp(log_joint - log_likelihoods)
    A = np.einsum("kn,knij->kij", r, inverse)
    return Sums(
        float(object_weights @ log_likelihoods),
        r.sum(axis=1),
        np.einsum("kn,kni->ki", r, u),
        np.einsum("kn,kni,knj->kij", r, u, u) - A,
        A,
        np.einsum("kn,kn->k", r, inverse[:, :, 0, 0] ** 2) if values.shape[1] == 1 else None,
    )


def _component(values, noise, weight, mean, covariance):
    """Log joint density (N,), u = T^-1 d (N, D) and T^-1 (N, D, D) of one component."""
    seen = np.isfinite(values)
    both = seen[:, :, None] & seen[:, None, :]
    T = np.where(both, covariance + noise, np.eye(values.shape[1]))
    d = np.where(seen, values - mean, 0.0)
    inverse = np.linalg.inv(T)
    u = np.einsum("nij,nj->ni", inverse, d)
    quadratic = np.einsum("ni,ni->n", u, d)
    log_density = -0.5 * (quadratic + np.linalg.slogdet(T)[1] + seen.sum(axis=1) * LOG_2PI)
    with np.errstate(divide="ignore"):
        log_weight = np.log(weight)
    return log_weight + log_density, u, np.where(both, inverse, 0.0)
