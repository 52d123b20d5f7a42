"""What residuals and errors are measured by: shape, size of errors, values beside errors, trends along columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr

from xdgmm.prediction import memberships

from .residuals import component_residuals, residuals, without_limits
from .sentences import sentence_of
from .weighted_tests import effective_size, kurtosis_p_value, rank_correlation, skewness_p_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

FEWEST = 20  # values, with fewer of which nothing is measured
CLEAR = {"kurtosis": 0.2, "skewness": 0.2, "error size": 0.1, "values and errors": 0.1}  # less changes no width much


class Measure(NamedTuple):
    """One number of a fit that is about zero where model and errors are right.

    kind: "kurtosis", "skewness", "error size", "values and errors", "trend" or "scatter"; column: the name of the
    measured column, empty for all of them; effect: excess kurtosis, skewness or correlation; p_value: two-sided, times
    the number of columns, for many values; component: whose residuals these are, None for all; against: name of the
    column beside which the residuals are laid; background: whether the model has one already.
    """

    kind: str
    column: str
    effect: float
    p_value: float
    component: int | None = None
    against: str = ""
    background: bool = False

    @property
    def name(self) -> str:
        """Name of the test."""
        of = self.column if self.component is None else f"component {self.component}"
        beside = f" with {self.against}" if self.against else ""
        return (f"{self.kind} of {of}" if of else self.kind) + beside

    def sentence(self, p_value: float) -> str:
        """What it does to the widths, and what to try."""
        known = self.kind, self.effect, p_value, self.column, self.component, self.against
        return sentence_of(*known, background=self.background)


class Measured(NamedTuple):
    """Residuals (N, M), NaN where missing; those that exist (n,), their weights (n,), and the measures of a fit."""

    residuals: Floats
    scores: Floats
    weights: Floats
    measures: list[Measure]


def measure(mixture: GaussianMixture, observations: Observations) -> Measured:
    """Residuals and the measures of `quick_checks`, of observations that count.

    Raises
    ------
    InputError
        If there are no residuals.
    """
    limits = observations.limits
    observations = without_limits(mixture, observations.in_units(mixture.units))
    scores = residuals(mixture, observations)
    weights = np.broadcast_to(observations.object_weights[:, None], scores.shape)
    used = np.isfinite(scores) & (weights > 0)
    background = mixture.background is not None
    shape = of_shape(scores[used], weights[used], background=background)
    # the error of a limit is that of its threshold: it is no measure of how the errors of values depend on these
    tested = np.ones(scores.shape[1], bool) if limits is None else ~limits.any(axis=0)
    found = [*shape, *_of_errors(scores, weights * tested, mixture, observations)]
    return Measured(scores, scores[used], weights[used], found)


def of_shape(
    z: Floats, weights: Floats, component: int | None = None, *, background: bool = False
) -> Iterator[Measure]:
    """Excess kurtosis and skewness of residuals (n,) with weights (n,); none of few or equal ones."""
    if z.size == 0 or (n := effective_size(weights)) < FEWEST or np.ptp(z) == 0:
        return
    z = z - weights @ z / weights.sum()
    second, third, fourth = (float(weights @ z**power / weights.sum()) for power in (2, 3, 4))
    if not second > 0:
        return
    skewness, excess = third / second**1.5, fourth / second**2 - 3.0
    yield Measure("kurtosis", "", excess, kurtosis_p_value(excess + 3.0, n), component, background=background)
    yield Measure("skewness", "", skewness, skewness_p_value(skewness, n), component, background=background)


def of_components(mixture: GaussianMixture, observations: Observations) -> Iterator[Measure]:
    """Shape of the whitened residuals of each of several components, weighted with the memberships."""
    if mixture.n_components < 2:
        return
    observations = without_limits(mixture, observations.in_units(mixture.units))
    members = memberships(mixture, observations) * observations.object_weights[:, None]
    for k, scores in enumerate(component_residuals(mixture, observations)):
        weights = np.broadcast_to(members[:, k, None], scores.shape)
        used = np.isfinite(scores) & (weights > 0)
        yield from of_shape(scores[used], weights[used], k, background=mixture.background is not None)


def of_columns(
    scores: Floats, weights: Floats, names: tuple[str, ...], against: Mapping[str, Floats]
) -> Iterator[Measure]:
    """Rank correlations of residuals (N, M), and of their squares, with further columns (N,), NaN where missing."""
    names = column_names(names, scores.shape[1])
    n_tests = scores.shape[1] * len(against)
    for label, values in against.items():
        for j, name in enumerate(names):
            used = np.isfinite(scores[:, j]) & np.isfinite(values) & (weights > 0)
            z, x, w = scores[used, j], values[used], weights[used]
            if z.size == 0 or effective_size(w) < FEWEST or np.ptp(x) == 0:
                continue
            for kind, of_residual in (("trend", z), ("scatter", z**2)):
                rho, p = rank_correlation(of_residual, x, w)
                yield Measure(kind, name, rho, min(p * n_tests, 1.0), against=label)


def column_names(names: tuple[str, ...], n_measured: int) -> tuple[str, ...]:
    """Names of the M measured columns: those of the coordinates, if these were measured themselves."""
    return names if len(names) == n_measured else tuple(f"value {j + 1}" for j in range(n_measured))


def _of_errors(
    scores: Floats, weights: Floats, mixture: GaussianMixture, observations: Observations
) -> Iterator[Measure]:
    variances = observations.noise_model.variances
    shares = _noise_shares(mixture, observations)
    members = memberships(mixture, observations)[:, : mixture.n_components].T
    single = mixture.all_weights.size == 1
    of_components = scores[None] if single else np.nan_to_num(component_residuals(mixture, observations))
    M = scores.shape[1]
    for j, name in enumerate(column_names(observations.names, M)):
        used = np.isfinite(scores[:, j]) & np.isfinite(variances[:, j]) & (weights[:, j] > 0)
        e, w = variances[used, j], weights[used, j]
        if e.size == 0 or np.ptp(e) == 0 or effective_size(w) < FEWEST:
            continue
        own = members[:, used] * ~mixture.is_flat[:, j, None]
        effect, p = _of_size(of_components[:, used, j], shares[:, used, j], own * w)
        yield Measure("error size", name, effect, min(p * M, 1.0))
        rho, p = rank_correlation(observations.values[used, j], e, w)
        yield Measure("values and errors", name, rho, min(p * M, 1.0))


def _of_size(u: Floats, shares: Floats, weights: Floats) -> tuple[float, float]:
    """Do the squares of residuals (K, n) change with the share of the noise in the scatter expected of each value?

    The score of a common factor on the noise variances, less what the fitted widths take up of it.  Residuals are those
    under each component, weighted with the memberships: these have a variance of one whatever the shares, which the
    residuals under the mixture, laid beside its mean shares, do not have where wide and narrow components overlap.
    """
    of_width = 1.0 - shares
    taken = (weights * shares * of_width).sum(axis=1) / np.maximum((weights * of_width**2).sum(axis=1), 1e-300)
    score = shares - taken[:, None] * of_width
    excess = u**2 - 1.0
    information = float((weights * score**2).sum())
    scale = float(np.sqrt(information * (weights * excess**2).sum()))
    if not scale > 0:
        return 0.0, 1.0
    error = np.sqrt(2.0 * information)  # of squares of normal residuals; less where memberships are uncertain
    total = float((weights * score * excess).sum())
    return total / scale, float(2.0 * ndtr(-abs(total) / error))


def _noise_shares(mixture: GaussianMixture, observations: Observations) -> Floats:
    """Part of the noise in the variance that each component expects of each value (K, N, M)."""
    R = observations.projections
    spread = mixture.covariances if R is None else (R[..., None, :, :] @ mixture.covariances @ R[..., None, :, :].mT)
    intrinsic = np.diagonal(spread, axis1=-2, axis2=-1)  # (K, M) or (N, K, M)
    expected = intrinsic[:, None] if intrinsic.ndim == 2 else np.swapaxes(intrinsic, 0, 1)
    noise = observations.noise_model.variances
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(noise > 0, noise / (noise + expected), 0.0))
