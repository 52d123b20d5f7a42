"""The numbers behind curves and histograms of one column: no matplotlib here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.kernels import Independent
from xdgmm.mixture import Background

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture

    Floats = NDArray[np.float64]

POINTS = 600  # of a curve, beside those around each component
AROUND = np.array([-6, -5, -4, -3.5, *np.linspace(-3.0, 3.0, 25), 3.5, 4, 5, 6])  # sigmas from a component
GROUPS = 200  # of objects with nearly the same error, over which a density is averaged
SHARP = 1e-5  # of the view: a narrower component is drawn as a line
FEWEST_BINS, MOST_BINS = 12, 60
LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))
REACH, FAR = 4.0, 2.5  # sigmas of a component that a view holds; how much longer it may be to hold all values


def typical_variance(variances: Floats) -> float:
    """The median of noise variances; 0 where nothing was measured."""
    return float(np.median(variances)) if variances.size else 0.0


def view(mixture: GaussianMixture, place: int, values: Floats, variances: Floats) -> tuple[float, float]:
    """The range of one column that a picture shows.

    It holds all components, convolved with the typical noise variance, and all values, or 99% of them where few far
    outliers would make the rest invisible.
    """
    variance = typical_variance(variances)
    sigmas, means = np.sqrt(mixture.sigmas[:, place] ** 2 + variance), mixture.means[:, place]
    ends = [(means - REACH * sigmas).min(), (means + REACH * sigmas).max()]
    if mixture.background is not None:
        ends += [float(edge[place]) for edge in mixture.background.box]
    if values.size:
        inner = [*ends, *np.percentile(values, [0.5, 99.5])]
        ends += [values.min(), values.max()]
        if np.ptp(ends) > FAR * np.ptp(inner) > 0:
            ends = inner
    low, high = float(min(ends)), float(max(ends))
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin


def grid(mixture: GaussianMixture, place: int, ends: tuple[float, float], variances: Floats) -> Floats:
    """Points of a curve, close together around each component as it is and convolved with noise variances."""
    even = np.linspace(*ends, POINTS)
    noises = np.unique([0.0, *np.quantile(variances, [0.0, 0.25, 0.5, 0.75, 1.0])] if variances.size else [0.0])
    sigmas = np.sqrt(mixture.sigmas[:, place, None] ** 2 + noises)
    around = (mixture.means[:, place, None, None] + sigmas[:, :, None] * AROUND).ravel()
    x = np.unique(np.r_[even, around])
    return np.asarray(x[(x >= ends[0]) & (x <= ends[1])])


def sharp_components(mixture: GaussianMixture, place: int, ends: tuple[float, float]) -> NDArray[np.bool_]:
    """Which components are too narrow for a curve (K,)."""
    return np.asarray(mixture.sigmas[:, place] < SHARP * (ends[1] - ends[0]))


def component_densities(mixture: GaussianMixture, place: int, x: Floats, variance: float = 0.0) -> Floats:
    """Weight times density of each component at x, convolved with a noise variance: (K, n), zero without any width.

    With a background there is one row more, its own.
    """
    result: Floats = np.exp(_log_densities(mixture, place, x, variance))
    return result


def class_probabilities(mixture: GaussianMixture, place: int, x: Floats, variance: float = 0.0) -> Floats:
    """Probability of each component for a value x that was measured with a noise variance (K, n).

    With a background there is one row more, its own.
    """
    logs = _log_densities(mixture, place, x, variance)
    with np.errstate(invalid="ignore"):
        relative = np.exp(logs - logs.max(axis=0))
    total = relative.sum(axis=0)
    return np.where(np.isfinite(total), relative / total, 0.0)


def convolved_density(mixture: GaussianMixture, place: int, x: Floats, variances: Floats, weights: Floats) -> Floats:
    """Density of what is measured, at x (n,): the mixture convolved with the noise, averaged over all objects.

    Objects with nearly the same variances (N,) are taken together, in at most `GROUPS` groups.
    """
    groups = zip(*_noise_groups(variances, weights), strict=True)
    total = sum(weight * component_densities(mixture, place, x, variance).sum(axis=0) for variance, weight in groups)
    return np.asarray(total / weights.sum())


def density_of_rows(
    mixture: GaussianMixture, place: int, x: Floats, shifts: Floats, variances: Floats, weights: Floats
) -> Floats:
    """The same where noise is a mixture, of Gaussians with means and variances (R,), neighbours taken together."""
    order = np.argsort(shifts, kind="stable")
    groups = [group for group in np.array_split(order, GROUPS) if weights[group].sum() > 0]
    total = np.zeros(x.size)
    for group in groups:
        weight = weights[group].sum()
        shift = weights[group] @ shifts[group] / weight
        variance = weights[group] @ (variances[group] + (shifts[group] - shift) ** 2) / weight
        total += weight * component_densities(mixture, place, x - shift, float(variance)).sum(axis=0)
    return np.asarray(total / weights.sum())


def _noise_groups(variances: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean variance and sum of weights of groups of objects: of each variance where they are few."""
    distinct, which = np.unique(variances, return_inverse=True)
    sums: Floats = np.bincount(which.ravel(), weights).astype(float)
    if distinct.size <= GROUPS:
        return distinct, sums
    group = np.minimum((np.cumsum(sums) / sums.sum() * GROUPS).astype(int), GROUPS - 1)
    total: Floats = np.bincount(group, sums, minlength=GROUPS).astype(float)
    means = np.bincount(group, sums * distinct, minlength=GROUPS)
    return means[total > 0] / total[total > 0], total[total > 0]


def _log_densities(mixture: GaussianMixture, place: int, x: Floats, variance: float) -> Floats:
    if mixture.expansion is not None:
        logs, size = _log_densities(mixture.expanded(), place, x, variance), mixture.expansion.owners.size
        of_components = np.logaddexp.reduceat(logs[:size], mixture.expansion.starts, axis=0)
        return np.concatenate([of_components, logs[size:]])
    variances = mixture.sigmas[:, place, None] ** 2 + variance
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = (
            np.log(mixture.weights)[:, None]
            - LOG_ROOT_2PI
            - 0.5 * np.log(variances)
            - 0.5 * (x - mixture.means[:, place, None]) ** 2 / variances
        )
        logs = np.where(variances > 0, logs, -np.inf)
        flat = mixture.is_flat[:, place]
        if flat.any():
            logs[flat] = np.log(mixture.weights[flat])[:, None] + _of_box(mixture, place, x, variance)
        if mixture.background is None:
            return np.asarray(logs)
        one = mixture.background.marginal([place])
        errors = Independent(np.full((x.size, 1), np.sqrt(variance)))
        return np.vstack([logs, np.log(one.fraction) + one.log_densities(x[:, None], errors)])


def _of_box(mixture: GaussianMixture, place: int, x: Floats, variance: float) -> Floats:
    """Log-density (n,) of a uniform distribution over the sides of the box of flat components, convolved with noise."""
    assert mixture.flat is not None
    i = mixture.flat.in_columns.index(place)
    low, high = (edge[[i]] for edge in mixture.flat.box)
    errors = Independent(np.full((x.size, 1), np.sqrt(variance)))
    return np.asarray(Background(low, high).log_densities(x[:, None], errors))


def bin_edges(values: Floats, ends: tuple[float, float]) -> Floats:
    """Edges of the bins of a histogram between two ends.

    Their width follows Freedman & Diaconis (1981, Z. Wahrscheinlichkeitstheorie 57, 453), but for the number of bins,
    which lies between `FEWEST_BINS` and `MOST_BINS`.  Bins of rounded values hold the same number of steps each, and
    begin half a step below a value: otherwise some would have one step more than their neighbours.
    """
    shown = values[(values >= ends[0]) & (values <= ends[1])]
    length = ends[1] - ends[0]
    spread = np.subtract(*np.percentile(shown, [75, 25])) if shown.size else 0.0
    width = 2.0 * spread / max(shown.size, 1) ** (1 / 3)
    width = float(np.clip(width, length / MOST_BINS, length / FEWEST_BINS))
    step = _rounding_step(shown)
    if step > 0.05 * width:
        width = step * max(1, round(width / step))
        first = shown.min() - 0.5 * step
        first -= width * np.ceil((first - ends[0]) / width)
        return np.asarray(first + width * np.arange(int(np.ceil((ends[1] - first) / width)) + 1))
    return np.linspace(*ends, max(round(length / width), 1) + 1)


def _rounding_step(values: Floats) -> float:
    """The step of values that were rounded; 0 where they were not."""
    distinct = np.unique(values)
    if distinct.size < 2 or distinct.size > 0.5 * values.size:
        return 0.0
    gaps = np.diff(distinct)
    step = float(gaps.min())
    whole = np.abs(gaps / step - np.round(gaps / step)) < 0.01
    return step if whole.all() else 0.0
