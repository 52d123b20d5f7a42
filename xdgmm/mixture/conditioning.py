"""How does a mixture change when something of an object is measured?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import InputError
from xdgmm.kernels import Independent, condition_gaussian

from .background import Background

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .conditioning_inputs import KnownCoordinates
    from .flat import Flat
    from .mixture import GaussianMixture


def condition_components(
    mixture: GaussianMixture, known: KnownCoordinates
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Weights, means and covariances of the other coordinates where some are known, a background's last.

    Shapes (N, K), (N, K, D) and (N, K, D, D), the covariances one array in memory where all errors are the same.

    Raises
    ------
    InputError
        If no component can have the values of an object (rows are listed).
    """
    places, values, errors, _ = known
    others = [i for i in range(mixture.n_dimensions) if i not in places]
    errors = errors[:1] if (errors == errors[:1]).all() else errors
    noise = np.eye(len(places)) * errors[:, :, None] ** 2
    R = np.eye(mixture.n_dimensions)[places]
    seen = [np.where(mixture.is_flat[k, places], np.nan, values) for k in range(mixture.n_components)]
    parts = [
        condition_gaussian(m, V, own, noise, R)
        for m, V, own in zip(mixture.means, mixture.covariances, seen, strict=True)
    ]
    means = [part.means[:, others] for part in parts]
    covariances = [part.covariances[:, others][:, :, others] for part in parts]
    log_densities, n_degenerate = [part.log_densities for part in parts], [part.n_degenerate for part in parts]
    if mixture.flat is not None:
        of_flat = _of_flat(mixture.flat, places, values, errors)
        log_densities = [
            each + of_flat if is_flat else each
            for each, is_flat in zip(log_densities, mixture.flat_components, strict=True)
        ]
    if mixture.background is not None:
        rest = mixture.background.marginal(others)
        means.append(np.broadcast_to(rest.mean, means[0].shape))
        covariances.append(np.diag(rest.variances)[None])
        known_noise = Independent(np.broadcast_to(errors, values.shape))
        log_densities.append(mixture.background.marginal(places).log_densities(values, known_noise))
        n_degenerate.append(np.zeros(1, int))
    with np.errstate(divide="ignore"):
        log_weights = np.log(mixture.all_weights) + np.stack(log_densities, axis=1)
    weights = _weights(log_weights, np.stack(np.broadcast_arrays(*n_degenerate), axis=1))
    stacked = np.stack(np.broadcast_arrays(*covariances), axis=1)
    return weights, np.stack(means, axis=1), np.broadcast_to(stacked, (len(values), *stacked.shape[1:]))


def _of_flat(
    flat: Flat, places: list[int], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log-density (N,) of flat components in their columns, all of which are known."""
    order = [places.index(i) for i in flat.in_columns]
    known = Independent(np.broadcast_to(errors, values.shape)[:, order])
    low, high = flat.box
    return Background(low, high).log_densities(values[:, order], known)


def _weights(log_weights: NDArray[np.float64], n_degenerate: NDArray[np.intp]) -> NDArray[np.float64]:
    """Weights (N, K) from logarithms of joint densities and the number of degenerate directions of each component.

    A density along fewer directions is infinitely higher: of the components that can have the values, only those with
    the most degenerate directions have a weight.
    """
    possible = log_weights > -np.inf
    impossible = np.flatnonzero(~possible.any(axis=1))
    if impossible.size:
        raise InputError(
            f"no component can have the given values in {list_rows(impossible)}: its width there is zero, or they lie "
            "too far outside the box of the background; give them an error, as (value, sigma)"
        )
    most = np.where(possible, n_degenerate, -1).max(axis=1, keepdims=True)
    log_weights = np.where(n_degenerate == most, log_weights, -np.inf)
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
