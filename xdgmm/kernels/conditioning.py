"""One Gaussian given what was measured of each object, in plain NumPy: what the compiled posteriors are tested against.

In the functions below objects stand along the last axis of the arrays, so that each step runs over all of them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.errors import DeprecatedAlias

from .blocks import LOG_2PI
from .compiled import BESIDE, ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ConditionedGaussian(NamedTuple):
    """One Gaussian given what was measured of each of N objects; n is N, or 1 where it is the same for all.

    Attributes
    ----------
    means : ndarray (N, D)
    covariances : ndarray (n, D, D)
        Symmetric, and without negative eigenvalues but by rounding.
    log_densities : ndarray (N,)
        Of what was measured; minus infinity where the Gaussian has no width and the value lies beside it.
    distances : ndarray (N,)
        Mahalanobis distance of what was measured, with the noise; infinite likewise.
    n_degenerate : ndarray (n,)
        Directions without any width, along which no density exists: `log_densities` is that of the other directions.
    """

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    log_densities: NDArray[np.float64]
    distances: NDArray[np.float64]
    n_degenerate: NDArray[np.intp]


ConditionedGaussian.n_flat = DeprecatedAlias("n_degenerate")  # type: ignore[attr-defined]


def condition_gaussian(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    projections: NDArray[np.float64] | None = None,
) -> ConditionedGaussian:
    """One Gaussian given measurements ``w = R v + noise`` of each object: `ConditionedGaussian`.

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
    present = np.isfinite(values.T)
    used = present[:, :1] | True if present.all() else present  # one column where it is the same for all objects
    R = np.where(used[:, None], _along_objects(D, projections), 0.0)
    S = np.where(used[:, None] & used, np.moveaxis(noise, 0, -1), 0.0)
    RV = np.einsum("ain,ij->ajn", R, covariance)
    T = np.einsum("ain,bin->abn", RV, R) + S + np.eye(len(used))[:, :, None] * ~used
    inverse, pivots = invert(T)
    d = np.where(present, values.T - np.einsum("ain,i->an", R, mean), 0.0)
    G = np.einsum("abn,bin->ian", inverse, RV)
    rest = np.eye(D)[:, :, None] - np.einsum("ian,ajn->ijn", G, R)
    covariances = congruent(rest, covariance[:, :, None]) + congruent(G, S)
    for i in range(D):  # V itself may be negative by rounding, along a direction without width
        np.maximum(covariances[i, i], 0.0, out=covariances[i, i])
    white = np.einsum("abn,bn->an", inverse, d)
    degenerate = pivots == 0.0
    unexplained = np.abs(d - np.einsum("abn,bn->an", T, white))
    tolerance = BESIDE * np.sqrt(np.einsum("aan->an", T)) + ROUNDING * np.abs(np.where(present, values.T, 0.0))
    impossible = (degenerate & (unexplained > tolerance)).any(axis=0)
    squares = np.where(impossible, np.inf, np.einsum("an,an->n", d, white))
    logarithms = np.log(pivots, where=~degenerate, out=np.zeros_like(pivots)).sum(axis=0)
    return ConditionedGaussian(
        mean + np.einsum("ian,an->ni", G, d),
        np.moveaxis(covariances, -1, 0),
        -0.5 * (squares + logarithms + (used & ~degenerate).sum(axis=0) * LOG_2PI),
        np.sqrt(np.maximum(squares, 0.0)),
        degenerate.sum(axis=0),
    )


def _along_objects(D: int, projections: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """R with the objects, or one for all of them, along the last axis."""
    if projections is None:
        return np.eye(D)[:, :, None]
    return projections[:, :, None] if projections.ndim == 2 else np.moveaxis(projections, 0, -1)


def congruent(A: NDArray[np.float64], X: NDArray[np.float64]) -> NDArray[np.float64]:
    """``A X A'`` of (I, J, n) and symmetric (J, J, n): exactly symmetric."""
    product = np.einsum("iln,jln->ijn", np.einsum("ikn,kln->iln", A, X), A)
    return np.asarray(0.5 * (product + product.swapaxes(0, 1)))


def invert(T: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
