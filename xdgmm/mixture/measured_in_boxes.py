"""How are measured values distributed, column after column, if the true values are uniform in a box?

Given the measured values of the columns before, the true values of these are Gaussian in the box.  The mean over them
of ``E[clip(x - low, 0, length)] / length`` is the probability that the measured value of a column is below w: there x
is the true value of the column that the noise leaves possible if w was measured, a normal variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from xdgmm.kernels import Correlated, NoiseMixture

from .noisy_boxes import (
    LATTICE,
    LOG_ROOT_2PI,
    LOWEST,
    MOMENT_NODES,
    RESOLVED,
    Part,
    factors,
    groups,
    lattice_points,
    legendre,
    log_interval,
    log_probabilities,
    truncated,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Noise

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

AT_ONCE = 1000  # objects with points of a lattice


def measured_distributions(values: Floats, noise: Noise, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Logarithms of the probability below and above each value, and of its density, given the columns before (N, M).

    Parameters
    ----------
    values : ndarray (N, M)
        NaN where missing; there all three are zero.
    noise : Noise
        An exact value lies in the box or has no density.
    low, high : ndarray (M,)
        Corners of the box.

    Notes
    -----
    Relative errors are those of rounding without correlations, about 1e-9 with one column before that the edges cut,
    and 1e-4 with several.
    """
    if isinstance(noise, NoiseMixture):
        return tails_of_objects(noise, *measured_distributions(noise.values_of_rows(values), noise.parts, low, high))
    below, above, density = _one_by_one(values, np.sqrt(noise.variances), low, high)
    with np.errstate(divide="ignore"):
        log_density = np.log(density)
    present = np.isfinite(values)
    if isinstance(noise, Correlated):
        S = noise.covariances()
        before = np.zeros(len(values))
        for j in range(values.shape[1]):
            up_to = Correlated(S[:, : j + 1, : j + 1])
            if j > 0:
                _given_columns_before(below, above, values[:, : j + 1], up_to, low, high)
            whole = log_probabilities(values[:, : j + 1], up_to, low[: j + 1], high[: j + 1])
            with np.errstate(invalid="ignore"):
                step = np.where(np.isfinite(before), whole - before, -np.inf)
            log_density[:, j] = step - np.log(high[j] - low[j])
            before = whole
    with np.errstate(divide="ignore"):
        log_below, log_above = np.log(np.maximum(below, 0.0)), np.log(np.maximum(above, 0.0))
    of_below, of_above, of_density = (np.where(present, each, 0.0) for each in (log_below, log_above, log_density))
    return of_below, of_above, of_density


def tails_of_objects(
    noise: NoiseMixture, log_below: Floats, log_above: Floats, log_density: Floats
) -> tuple[Floats, Floats, Floats]:
    """The same three of the objects (N, M) from those of each row of their noise (R, M).

    Each row counts with its share in the density of the columns before.
    """
    before = np.zeros(len(log_below))
    results = np.empty((3, len(noise), log_below.shape[1]))
    for j, of_column in enumerate(zip(log_below.T, log_above.T, log_density.T, strict=True)):
        given = noise.shares(before)[0]
        results[:, :, j] = [noise.shares(before + each)[0] - given for each in of_column]
        before = before + log_density[:, j]
    below, above, density = results
    return below, above, density


def _one_by_one(values: Floats, errors: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Both tails and the density of each value by itself (N, M)."""
    length = high - low
    below = np.clip((values - low) / length, 0.0, 1.0)
    density = np.where((values >= low) & (values <= high), 1.0 / length, 0.0)
    noisy = np.isfinite(errors) & (errors > 0)
    e = np.where(noisy, errors, 1.0)
    a, b = (values - low) / e, (values - high) / e
    above = np.where(noisy, e / length * (_ramp(-b) - _ramp(-a)), 1.0 - below)
    below = np.where(noisy, e / length * (_ramp(a) - _ramp(b)), below)
    return below, above, np.where(noisy, (ndtr(a) - ndtr(b)) / length, density)


def _given_columns_before(
    below: Floats, above: Floats, values: Floats, noise: Correlated, low: Floats, high: Floats
) -> None:
    """Put in both tails of the last column where edges cut the columns before that are correlated with it."""
    j = values.shape[1] - 1
    S = noise.covariances()
    part = Part(values[:, :j], Correlated(S[:, :j, :j]), low[:j], high[:j])
    last = np.isfinite(values[:, j]) & (S[:, j, j] > 0)
    linked = part.cut & (part.sigmas > 0) & last[:, None]
    linked &= (linked & (S[:, j, :j] != 0)).any(axis=1)[:, None]
    length = high[j] - low[j]
    for every, columns in groups(linked):
        for start in range(0, every.size, AT_ONCE):
            rows = every[start : start + AT_ONCE]
            a, b, R = part.standardised(rows, columns)
            points, weights = _points_in_box(a, b, R)
            of_columns = S[rows][:, columns[:, None], columns]
            slopes = np.einsum("ni,nij->nj", S[rows][:, j, columns], np.linalg.pinv(of_columns, hermitian=True))
            variance = S[rows, j, j]
            left = variance - np.einsum("ni,ni->n", slopes, S[rows][:, j, columns])
            sigma = np.sqrt(np.maximum(left, RESOLVED**2 * variance))[:, None]
            shifts = points * part.sigmas[rows[:, None], columns][:, None, :]
            mean = values[rows, j, None] + np.einsum("nqi,ni->nq", shifts, slopes)
            to_low, to_high = (mean - low[j]) / sigma, (mean - high[j]) / sigma
            scale = sigma / length
            below[rows, j] = (weights * scale * (_ramp(to_low) - _ramp(to_high))).sum(axis=1)
            above[rows, j] = (weights * scale * (_ramp(-to_high) - _ramp(-to_low))).sum(axis=1)


def _points_in_box(a: Floats, b: Floats, R: Floats) -> tuple[Floats, Floats]:
    """Points (n, q, d) and weights (n, q) of correlated standard normals in a box; the weights sum to one."""
    if a.shape[1] == 1:
        mode = np.clip(0.0, a, b)
        reach = np.sqrt(mode**2 + LOWEST)
        first, last = np.maximum(a, -reach), np.minimum(b, reach)
        u, weights = legendre(MOMENT_NODES)
        offset = (first - mode) + (last - first) * u
        density = weights * np.exp(-0.5 * offset * (offset + 2.0 * mode))
        return (mode + offset)[:, :, None], density / density.sum(axis=1, keepdims=True)
    n, d = a.shape
    L, u = factors(R), lattice_points(d)
    z, log_weights = np.empty((n, LATTICE, d)), np.zeros((n, LATTICE))
    for i in range(d):
        mean, pivot = np.einsum("nqj,nj->nq", z[:, :, :i], L[:, i, :i]), L[:, i, i, None]
        lower, upper = (a[:, i, None] - mean) / pivot, (b[:, i, None] - mean) / pivot
        log_weights += log_interval(lower, upper)
        z[:, :, i] = truncated(u[:, i], lower, upper)
    density = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return np.einsum("nqj,nij->nqi", z, L), density / density.sum(axis=1, keepdims=True)


def _ramp(x: Floats) -> Floats:
    """The integral of Phi up to x."""
    density = np.exp(-0.5 * x**2 - LOG_ROOT_2PI)
    result: Floats = x * ndtr(x) + density
    return result
