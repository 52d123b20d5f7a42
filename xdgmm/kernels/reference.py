"""The pass in plain NumPy: what `compiled.py` computes, to be read and to be tested against.

One object after the other in the mathematics, all objects at once in the arrays.  A missing value has row and column of
the identity in T and a row of zeros in R: nothing in u and in P.
"""

import numpy as np

from .blocks import LOG_2PI
from .passes import Sums


def accumulate(values, noise, object_weights, weights, means, covariances, projections=None, background=None):
    """`Sums` of one pass over values (N, M; NaN missing), noise covariances (N, M, M), object weights (N,).

    The background is a uniform component in the box (low (D,), high (D,)); its weight is then the last of the weights.
    """
    parts = [component(values, noise, m, V, projections) for m, V in zip(means, covariances, strict=True)]
    log_densities, u, P = (np.array(of_all) for of_all in zip(*parts, strict=True))  # (K, N), (K, N, D), (K, N, D, D)
    if background is not None:
        log_densities = np.vstack([log_densities, uniform(values, *background)])
    with np.errstate(divide="ignore"):
        log_joint = np.log(weights)[:, None] + log_densities
    log_likelihoods = np.logaddexp.reduce(log_joint, axis=0)
    q = object_weights * np.exp(log_joint - log_likelihoods)
    r = q[: len(means)]
    A = np.einsum("kn,knij->kij", r, P)
    return Sums(
        float(object_weights @ log_likelihoods),
        q.sum(axis=1),
        np.einsum("kn,kni->ki", r, u),
        np.einsum("kn,kni,knj->kij", r, u, u) - A,
        A,
        np.einsum("kn,kn->k", r, P[:, :, 0, 0] ** 2) if means.shape[1] == 1 else None,
    )


def component(values, noise, mean, covariance, projections=None):
    """What one Gaussian says of each object: log-density, and its derivatives.

    Parameters
    ----------
    values : ndarray (N, M)
        What is not finite is missing.
    noise : ndarray (N, M, M) or (M, M)
        Covariances S.
    mean, covariance : ndarray (D,), (D, D)
    projections : None, ndarray (M, D) or (N, M, D)
        R; None is the identity.

    Returns
    -------
    log_density : ndarray (N,)
        ``ln N(w | R m, T)`` of the values seen, with ``T = R V R' + S``.
    u : ndarray (N, D)
        ``R' T^-1 (w - R m)``, the derivative with respect to m.
    P : ndarray (N, D, D)
        ``R' T^-1 R``: ``(u u' - P) / 2`` is the derivative with respect to V.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a T is singular.
    """
    seen = np.isfinite(values)
    both = seen[:, :, None] & seen[:, None, :]
    R = np.where(seen[:, :, None], np.eye(len(mean)) if projections is None else projections, 0.0)
    T = np.where(both, R @ covariance @ R.swapaxes(1, 2) + noise, np.eye(values.shape[1]))
    d = np.where(seen, values - R @ mean, 0.0)
    inverse = np.linalg.inv(T)
    solved = np.einsum("nab,nb->na", inverse, d)
    quadratic = np.einsum("na,na->n", solved, d)
    log_density = -0.5 * (quadratic + np.linalg.slogdet(T)[1] + seen.sum(axis=1) * LOG_2PI)
    return log_density, np.einsum("nai,na->ni", R, solved), R.swapaxes(1, 2) @ inverse @ R


def uniform(values, low, high):
    """Log-density (N,) of a uniform component in the box from low (D,) to high (D,): minus infinity outside."""
    seen = np.isfinite(values)
    outside = (seen & ((values < low) | (values > high))).any(axis=1)
    return np.where(outside, -np.inf, -(seen * np.log(np.subtract(high, low))).sum(axis=1))
