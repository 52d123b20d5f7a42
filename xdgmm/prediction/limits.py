"""Objects with limits: their noisy and true values drawn from what is known of them.

A limit says on which side of it the noisy value of its coordinate lies.  Given the measured values this is a normal
variable under each Gaussian, so that draws come from truncated normals; the true values follow from a drawn noisy value
as they would from a measured one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from xdgmm.basics.linalg import square_roots
from xdgmm.kernels import Exact, condition_gaussian
from xdgmm.mixture import TruncatedNormals

from .memberships import memberships

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import Background, GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]


def has_limits(observations: Observations) -> NDArray[np.bool_]:
    """Which rows have a limit (N,)."""
    if observations.limits is None:
        return np.zeros(len(observations), bool)
    return np.asarray(observations.limits.any(axis=1))


def completed(mixture: GaussianMixture, observations: Observations, rng: np.random.Generator) -> Observations:
    """The observations with noisy values drawn in the places of limits, given these and everything else.

    If the mixture is right, these are what would have been measured: draws of what is missing from a catalogue of the
    mixture make it complete (Tanner & Wong 1987, J. Am. Stat. Assoc. 82, 528).  Observations are in the units of the
    mixture.
    """
    if observations.limits is None:
        return observations
    rows = np.flatnonzero(has_limits(observations))
    values = observations.values.copy()
    if rows.size:
        part = observations.select(rows)
        values[rows, _columns(part)] = _draw(mixture, part, rng)[1]
    return replace(observations, values=values, limits=None)


def draw_true_values(
    mixture: GaussianMixture, observations: Observations, n_samples: int, rng: np.random.Generator
) -> Floats:
    """True values (N, n_samples, D) of objects that all have a limit, from their posteriors."""
    repeated = observations.select(np.repeat(np.arange(len(observations)), n_samples))
    return _draw(mixture, repeated, rng)[0].reshape(len(observations), n_samples, -1)


def _columns(observations: Observations) -> NDArray[np.intp]:
    """Which coordinate is the limit of each object (n,)."""
    assert observations.limits is not None
    return np.asarray(np.abs(observations.limits).argmax(axis=1))


def _draw(mixture: GaussianMixture, observations: Observations, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """True values (n, D) and noisy values of the censored coordinate (n,), of one draw for each object."""
    mixture = mixture.expanded()
    shares = np.cumsum(memberships(mixture, replace(observations, weights=None)), axis=1)
    labels = (rng.random((len(observations), 1)) * shares[:, -1:] >= shares[:, :-1]).sum(axis=1)
    true, noisy = np.empty((len(observations), mixture.n_dimensions)), np.empty(len(observations))
    for k in range(mixture.all_weights.size):
        own = np.flatnonzero(labels == k)
        if own.size == 0:
            continue
        part = observations.select(own)
        if k == mixture.n_components:
            assert mixture.background is not None
            true[own], noisy[own] = _draw_background(mixture.background, part, rng)
        else:
            true[own], noisy[own] = _draw_gaussian(mixture.means[k], mixture.covariances[k], part, rng)
    return true, noisy


def _draw_gaussian(
    mean: Floats, covariance: Floats, observations: Observations, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Of one Gaussian: a draw without the limit, corrected for what the limit makes of the noisy value."""
    rows, columns = np.arange(len(observations)), _columns(observations)
    measured = np.where(observations.present, observations.values, np.nan)
    given = condition_gaussian(mean, covariance, measured, observations.noise_covariances)
    C = np.broadcast_to(given.covariances, (rows.size, *covariance.shape))
    errors = np.sqrt(observations.variances[rows, columns])
    column = C[rows, :, columns]
    total = column[rows, columns] + errors**2
    tau = np.sqrt(total)
    true = given.means + np.einsum("ni,nij->nj", rng.standard_normal(given.means.shape), square_roots(C))
    before = true[rows, columns] + errors * rng.standard_normal(rows.size)
    noisy = _truncated_normal(given.means[rows, columns], tau, observations, columns, rng)
    gain = np.divide(column, total[:, None], out=np.zeros_like(column), where=total[:, None] > 0)
    return true + gain * (noisy - before)[:, None], noisy


def _truncated_normal(
    mean: Floats, tau: Floats, observations: Observations, columns: NDArray[np.intp], rng: np.random.Generator
) -> Floats:
    """Draws (n,) of normal variables on the right sides of the limits; the mean where there is no width."""
    assert observations.limits is not None
    rows = np.arange(len(mean))
    sign = -observations.limits[rows, columns]
    scale = np.where(tau > 0, tau, 1.0)
    x = sign * (observations.values[rows, columns] - mean) / scale
    z = ndtri_exp(np.log(1.0 - rng.random(len(mean))) + log_ndtr(x))
    return np.asarray(mean + np.where(tau > 0, sign * np.minimum(z, x) * scale, 0.0))


def _draw_background(
    background: Background, observations: Observations, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Of a uniform background: the coordinate of the limit is independent of the others."""
    assert observations.limits is not None
    rows, columns = np.arange(len(observations)), _columns(observations)
    measured = np.where(observations.present, observations.values, np.nan)
    errors = np.sqrt(observations.variances[rows, columns])
    is_true = background.of == "true values"
    noise: Any = observations.noise_model if is_true else Exact(observations.shape)
    true = TruncatedNormals(measured, noise, *background.box).draw(1, rng)[:, 0]
    _, of_limits = background.limits_in_box(observations.values, noise, observations.limits)
    drawn = of_limits.draw(rng)
    if is_true:
        true[rows, columns] = drawn
        return true, _truncated_normal(drawn, errors, observations, columns, rng)
    true += observations.noise_model.draw(1, observations.constrained, rng)[:, 0] * observations.present
    true[rows, columns] = drawn + errors * rng.standard_normal(rows.size)
    return true, drawn
