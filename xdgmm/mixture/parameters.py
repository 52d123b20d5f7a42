"""Checks of the weights, means and covariances of a mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-10  # relative: eigenvalues above -ROUNDING times the largest, weights summing to 1 within ROUNDING


def finite_floats(array: ArrayLike, name: str, n_axes: int) -> NDArray[np.float64]:
    """A copy with finite elements and this number of axes.

    Raises
    ------
    InputError
        If it is something else.
    """
    numbers = np.array(as_floats(array, name)[0])
    if numbers.ndim != n_axes:
        raise InputError(f"`{name}` has {numbers.ndim} axes (shape {numbers.shape}), but {n_axes} are needed")
    if not np.isfinite(numbers).all():
        raise InputError(f"`{name}` holds NaN or infinity; every element must be finite")
    return numbers


def check_shapes(weights: NDArray[np.float64], means: NDArray[np.float64], covariances: NDArray[np.float64]) -> None:
    """Refuse shapes that are not (K,), (K, D) and (K, D, D)."""
    n_components, n_dimensions = means.shape
    if n_components == 0 or n_dimensions == 0:
        raise InputError("a mixture needs at least one component and one coordinate")
    expected = {"weights": (n_components,), "covariances": (n_components, n_dimensions, n_dimensions)}
    for name, array in (("weights", weights), ("covariances", covariances)):
        if array.shape != expected[name]:
            raise InputError(
                f"`{name}` has shape {array.shape}, but `means` has shape {means.shape}, so {expected[name]} is needed"
            )


def check_weights(weights: NDArray[np.float64], fraction: float | None) -> None:
    """Refuse weights (K,) that are negative, or do not sum to 1 with the fraction of a background."""
    total = weights.sum() + (fraction or 0.0)
    if min(weights.min(), fraction or 0.0) < 0 or not abs(total - 1) <= ROUNDING * weights.size:
        beside = "" if fraction is None else f" together with the fraction {fraction} of the background"
        raise InputError(f"`weights` must not be negative and must sum to 1{beside}, but they are {weights.tolist()}")


def symmetric_covariances(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The covariances (K, D, D), symmetric to the last bit.

    Raises
    ------
    InputError
        If one is not symmetric, or has a negative eigenvalue, beyond rounding.
    """
    scaled = _scaled(covariances)
    if (np.abs(scaled - scaled.transpose(0, 2, 1)) > ROUNDING).any():
        raise InputError("`covariances` must be symmetric; average each with its transpose")
    for k, lowest in enumerate(lowest_eigenvalues(covariances)):
        if lowest < -ROUNDING:
            raise InputError(f"the covariance of component {k} has a negative eigenvalue; it must be a covariance")
    transposed = covariances.transpose(0, 2, 1)
    mean = np.where(covariances == transposed, covariances, 0.5 * covariances + 0.5 * transposed)
    return np.where(np.tri(covariances.shape[1], dtype=bool), mean, mean.transpose(0, 2, 1))


def lowest_eigenvalues(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lowest eigenvalue of each covariance (K,), in units of its standard deviations."""
    return np.asarray(np.linalg.eigvalsh(_scaled(covariances))[:, 0])


def _scaled(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariances in units of their standard deviations, where these are not zero."""
    size = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
    size = np.where(size > 0, size, 1.0)
    return np.asarray(covariances / size[:, :, None] / size[:, None, :])
