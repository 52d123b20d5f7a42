"""What residuals and errors are measured by: shape, size of errors, values beside errors; and what each means."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr

from xdgmm.prediction import memberships

from .residuals import residuals
from .weighted_tests import effective_size, kurtosis_p_value, rank_correlation, skewness_p_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

FEWEST = 20  # values, with fewer of which nothing is measured
CLEAR = {"kurtosis": 0.2, "skewness": 0.2, "error size": 0.1, "values and errors": 0.1}  # less changes no width much


class Measure(NamedTuple):
    """One number of a fit that is about zero where model and errors are right.

    name: a key of `CLEAR`; column: its name, empty for all of them; effect: excess kurtosis, skewness or correlation;
    p_value: two-sided, times the number of columns, for many values.
    """

    name: str
    column: str
    effect: float
    p_value: float

    def sentence(self, p_value: float) -> str:
        """What it does to the widths, and what to try."""
        measured = f"{NAMES[self.name]} {self.effect:.2g}, {shown(p_value)}"
        if self.name == "kurtosis" and self.effect > 0:
            return (
                f"residuals ({measured}) have heavier tails than the model: outliers make components too wide; try "
                "`background=Background()`, or more components"
            )
        if self.name == "kurtosis":
            return (
                f"residuals ({measured}) are too evenly spread: one component may stand for several clumps; try more "
                "components"
            )
        if self.name == "skewness":
            return f"residuals are lopsided ({measured}): try more components, or a background"
        if self.name == "error size":
            change, size, width = ("grow", "small", "large") if self.effect > 0 else ("shrink", "large", "small")
            return (
                f"residuals {change} with the errors of {self.column} ({measured}): these may be too {size}, and its "
                f"width too {width}"
            )
        return (
            f"the errors of {self.column} follow its values ({measured}): means and widths are biased where errors "
            "depend on the measured value"
        )


NAMES = {
    "kurtosis": "excess kurtosis",
    "skewness": "skewness",
    "error size": "correlation",
    "values and errors": "rank correlation",
}


def shown(p_value: float) -> str:
    """A p-value with one digit."""
    return f"p = {p_value:.1g}" if p_value >= 1e-9 else "p < 1e-9"


def measure(mixture: GaussianMixture, observations: Observations) -> tuple[Floats, Floats, list[Measure]]:
    """Residuals that exist (n,), their weights (n,), and all measures, of observations that count.

    Raises
    ------
    InputError
        If there are no residuals.
    """
    observations = observations.in_units(mixture.units)
    scores = residuals(mixture, observations)
    weights = np.broadcast_to(observations.object_weights[:, None], scores.shape)
    used = np.isfinite(scores) & (weights > 0)
    found = [*_of_shape(scores[used], weights[used]), *_of_errors(scores, weights, mixture, observations)]
    return scores[used], weights[used], found


def _of_shape(z: Floats, weights: Floats) -> Iterator[Measure]:
    if z.size == 0 or (n := effective_size(weights)) < FEWEST or np.ptp(z) == 0:
        return
    z = z - weights @ z / weights.sum()
    second, third, fourth = (float(weights @ z**power / weights.sum()) for power in (2, 3, 4))
    skewness, excess = third / second**1.5, fourth / second**2 - 3.0
    yield Measure("kurtosis", "", excess, kurtosis_p_value(excess + 3.0, n))
    yield Measure("skewness", "", skewness, skewness_p_value(skewness, n))


def _of_errors(
    scores: Floats, weights: Floats, mixture: GaussianMixture, observations: Observations
) -> Iterator[Measure]:
    variances = observations.noise_model.variances
    shares = _noise_shares(mixture, observations)
    M = scores.shape[1]
    names = observations.names if len(observations.names) == M else tuple(f"value {j + 1}" for j in range(M))
    for j, name in enumerate(names):
        used = np.isfinite(scores[:, j]) & np.isfinite(variances[:, j]) & (weights[:, j] > 0)
        e, w = variances[used, j], weights[used, j]
        if e.size == 0 or np.ptp(e) == 0 or effective_size(w) < FEWEST:
            continue
        effect, p = _of_size(scores[used, j], shares[used, j], w)
        yield Measure("error size", name, effect, min(p * M, 1.0))
        rho, p = rank_correlation(observations.values[used, j], e, w)
        yield Measure("values and errors", name, rho, min(p * M, 1.0))


def _of_size(z: Floats, shares: Floats, weights: Floats) -> tuple[float, float]:
    """Do the squares of residuals change with the share of the noise in the scatter expected of each value?

    The score of a common factor on the noise variances, less what the fitted width takes up of it.
    """
    of_width = 1.0 - shares
    taken = weights @ (shares * of_width) / max(float(weights @ of_width**2), 1e-300)
    score = shares - taken * of_width
    excess = z**2 - 1.0
    scale = float(np.sqrt((weights @ score**2) * (weights @ excess**2)))
    if not scale > 0:
        return 0.0, 1.0
    error = np.sqrt(2.0 * (weights @ score**2))  # of squares of normal residuals
    total = float(weights @ (score * excess))
    return total / scale, float(2.0 * ndtr(-abs(total) / error))


def _noise_shares(mixture: GaussianMixture, observations: Observations) -> Floats:
    """Part of the noise in the variance that the mixture expects of each value (N, M), by its memberships."""
    R = observations.projections
    spread = mixture.covariances if R is None else (R[..., None, :, :] @ mixture.covariances @ R[..., None, :, :].mT)
    intrinsic = np.diagonal(spread, axis1=-2, axis2=-1)  # (K, M) or (N, K, M)
    members = memberships(mixture, observations)[:, : mixture.n_components]
    members = members / np.maximum(members.sum(axis=1, keepdims=True), 1e-300)
    expected = np.einsum("nk,km->nm" if intrinsic.ndim == 2 else "nk,nkm->nm", members, intrinsic)
    noise = observations.noise_model.variances
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(noise > 0, noise / (noise + expected), 0.0))
