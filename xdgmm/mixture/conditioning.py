"""How does a Gaussian change when something of it is measured?

Objects stand along the last axis of the arrays inside, so that each step runs over all of them at once.
"""

from typing import NamedTuple

import numpy as np

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import InputError

ROUNDING = 1e-13  # relative: a pivot below it is zero
OFF = 1e-6  # sigmas that a value may lie beside a covariance without width there: the root of ROUNDING, with room
LOG_2PI = np.log(2.0 * np.pi)


class Conditioned(NamedTuple):
    """One Gaussian given what was measured of each of N objects; n is N, or 1 where it is the same for all.

    Attributes
    ----------
    means : ndarray (N, D)
    covariances : ndarray (n, D, D)
        Symmetric, and without negative eigenvalues but by rounding.
    log_densities : ndarray (N,)
        Of what was measured; minus infinity where the Gaussian has no width and the value lies beside it.
    distances : ndarray (N,)
        Mahalanobis distance of what was measured, the noise taken in; infinite likewise.
    n_flat : ndarray (n,)
        Directions without any width, along which no density exists: `log_densities` is of the others.
    """

    means: np.ndarray
    covariances: np.ndarray
    log_densities: np.ndarray
    distances: np.ndarray
    n_flat: np.ndarray


def conditioned(mean, covariance, values, noise, projections=None):
    """One Gaussian given measurements ``w = R v + noise`` of each object: `Conditioned`.

    Parameters
    ----------
    mean, covariance : ndarray (D,), (D, D)
    values : ndarray (N, M)
        NaN where missing.
    noise : ndarray (N, M, M) or (1, M, M)
        Covariances S.
    projections : None, ndarray (M, D) or (N, M, D)
        R; None is the identity.

    Notes
    -----
    With ``T = R V R' + S`` and the gain ``G = V R' T^-1`` the mean is ``m + G (w - R m)`` and the covariance
    ``(1 - G R) V (1 - G R)' + G S G'``, which equals ``V - G R V`` and, being a sum of squares, keeps its sign and its
    digits where the noise is small (Bucy & Joseph 1968, *Filtering for Stochastic Processes with Applications to
    Guidance*).  Directions in which T has no width are left out of its inverse.
    """
    D = mean.size
    seen = np.isfinite(values.T)
    known = seen[:, :1] | True if seen.all() else seen
    R = np.where(known[:, None], _along_objects(D, projections), 0.0)
    S = np.where(known[:, None] & known, np.moveaxis(noise, 0, -1), 0.0)
    RV = np.einsum("ain,ij->ajn", R, covariance)
    T = np.einsum("ain,bin->abn", RV, R) + S + np.eye(len(known))[:, :, None] * ~known
    inverse, pivots = _inverted(T)
    d = np.where(seen, values.T - np.einsum("ain,i->an", R, mean), 0.0)
    G = np.einsum("abn,bin->ian", inverse, RV)
    rest = np.eye(D)[:, :, None] - np.einsum("ian,ajn->ijn", G, R)
    covariances = _congruent(rest, covariance[:, :, None]) + _congruent(G, S)
    white = np.einsum("abn,bn->an", inverse, d)
    flat = pivots == 0.0
    left = np.abs(d - np.einsum("abn,bn->an", T, white))
    size = OFF * np.sqrt(np.einsum("aan->an", T)) + ROUNDING * np.abs(np.where(seen, values.T, 0.0))
    squares = np.where((flat & (left > size)).any(axis=0), np.inf, np.einsum("an,an->n", d, white))
    logarithms = np.log(pivots, where=~flat, out=np.zeros_like(pivots)).sum(axis=0)
    return Conditioned(
        mean + np.einsum("ian,an->ni", G, d),
        np.moveaxis(covariances, -1, 0),
        -0.5 * (squares + logarithms + (known & ~flat).sum(axis=0) * LOG_2PI),
        np.sqrt(np.maximum(squares, 0.0)),
        flat.sum(axis=0),
    )


def _along_objects(D, projections):
    """R with the objects, or one for all of them, along the last axis."""
    if projections is None:
        return np.eye(D)[:, :, None]
    return projections[:, :, None] if projections.ndim == 2 else np.moveaxis(projections, 0, -1)


def _congruent(A, X):
    """``A X A'`` of (I, J, n) and symmetric (J, J, n): exactly symmetric."""
    product = np.einsum("iln,jln->ijn", np.einsum("ikn,kln->iln", A, X), A)
    return 0.5 * (product + product.swapaxes(0, 1))


def _inverted(T):
    """Inverses (M, M, n) of positive semi-definite T, and their pivots (M, n), by sweeps.

    A pivot without width is 0, and its row and column of the inverse are: the inverse is that of the others.
    """
    A, pivots = T.copy(), np.empty(T.shape[1:])
    for j in range(len(T)):
        usable = A[j, j] > ROUNDING * T[j, j]
        pivots[j] = np.where(usable, A[j, j], 0.0)
        inverse = np.divide(1.0, A[j, j], where=usable, out=np.zeros(T.shape[2]))
        column = A[:, j].copy()
        A -= column[:, None] * (column * inverse)
        A[:, j] = A[j, :] = column * inverse
        A[j, j] = -inverse
    return -A, pivots


def component_weights(log_weights, n_flat):
    """Weights (N, K) from logarithms of joint densities, beside directions without width of each component (N, K).

    A density along fewer directions is infinitely higher: where components without width can be, they alone are.

    Raises
    ------
    InputError
        If an object can belong to no component (rows are listed).
    """
    possible = log_weights > -np.inf
    impossible = np.flatnonzero(~possible.any(axis=1))
    if impossible.size:
        raise InputError(
            f"no component can have the given values in {list_rows(impossible)}: its width there is zero, or they lie "
            "outside the box of the background; give them an error, as (value, sigma)"
        )
    flattest = np.where(possible, n_flat, -1).max(axis=1, keepdims=True)
    log_weights = np.where(n_flat == flattest, log_weights, -np.inf)
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
