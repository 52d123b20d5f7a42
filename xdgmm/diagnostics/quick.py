"""Quick checks: do the residuals show that the model or the errors are wrong?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr

from xdgmm.errors import InputError
from xdgmm.prediction import memberships

from .residuals import residuals
from .weighted_tests import effective_size, kurtosis_p_value, rank_correlation, skewness_p_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

FEWEST = 20  # values, with fewer of which nothing is said
MOST = 20_000  # objects that are looked at, evenly over the rows
SPOKEN = 1e-3  # a finding has a smaller p-value
CLEAR_SHAPE, CLEAR_CORRELATION = 0.2, 0.1  # skewness or excess kurtosis, rank correlation: less changes no width much


class Finding(NamedTuple):
    """What a check found.

    name: of the check; effect: skewness, excess kurtosis or rank correlation; p_value: two-sided, times the number of
    columns tried; sentence: for a reader, with what it does to the widths and what to try.
    """

    name: str
    effect: float
    p_value: float
    sentence: str


def quick_checks(mixture: GaussianMixture, observations: Observations, level: float = SPOKEN) -> list[Finding]:
    """Signs that widths may be wrong, in the residuals of a fit and in its errors.

    Parameters
    ----------
    mixture : GaussianMixture
        Fitted to these observations.
    observations : Observations
    level : float
        p-value below which something is a finding.

    Returns
    -------
    list of Finding
        Empty where nothing was found, or there are fewer than 20 values.

    Notes
    -----
    Skewness and excess kurtosis of all residuals are compared with those of normal samples (D'Agostino 1970, Biometrika
    57, 679; Anscombe & Glynn 1983, Biometrika 70, 227).  In each column the score test of a common factor on the errors
    tells whether they are too small or too large, and Spearman's rank correlation whether they follow the values.
    Weights count as numbers of objects.  Up to 20,000 objects are looked at.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import XDGMM, Observations
    >>> from xdgmm.diagnostics import quick_checks
    >>> rng = np.random.default_rng(0)
    >>> clumps = np.concatenate([rng.normal(-6, 1, 100), rng.normal(6, 1, 100)])
    >>> measured = Observations.with_standard_errors(clumps, 0.5)
    >>> [finding.name for finding in quick_checks(XDGMM(1).fit(measured).mixture_, measured)]
    ['kurtosis']
    """
    rows = np.flatnonzero(observations.counts)
    observations = observations.select(rows[:: -(-rows.size // MOST)])
    try:
        scores = residuals(mixture, observations)
    except InputError:  # residuals do not exist beside a background with correlated errors
        return []
    weights = np.broadcast_to(observations.object_weights[:, None], scores.shape)
    found = [*_of_shape(scores, weights), *_of_errors(scores, weights, mixture, observations)]
    return [finding for finding in found if finding.p_value < level]


def _of_shape(scores: Floats, weights: Floats) -> Iterator[Finding]:
    used = np.isfinite(scores) & (weights > 0)
    z, w = scores[used], weights[used]
    if z.size == 0 or (n := effective_size(w)) < FEWEST or np.ptp(z) == 0:
        return
    z = z - w @ z / w.sum()
    second, third, fourth = (w @ z**power / w.sum() for power in (2, 3, 4))
    skewness, excess = third / second**1.5, fourth / second**2 - 3.0
    if abs(excess) > CLEAR_SHAPE:
        p = kurtosis_p_value(excess + 3.0, n)
        if excess > 0:
            does = (
                "have heavier tails than the model: outliers make components too wide; try `background=Background()`, "
                "or more components"
            )
        else:
            does = "are too evenly spread: one component may stand for several clumps; try more components"
        yield Finding("kurtosis", excess, p, f"residuals (excess kurtosis {excess:.2g}, {_shown(p)}) {does}")
    if abs(skewness) > CLEAR_SHAPE:
        p = skewness_p_value(skewness, n)
        sentence = (
            f"residuals are lopsided (skewness {skewness:.2g}, {_shown(p)}): try more components, or a background"
        )
        yield Finding("skewness", skewness, p, sentence)


def _of_errors(
    scores: Floats, weights: Floats, mixture: GaussianMixture, observations: Observations
) -> Iterator[Finding]:
    variances = observations.noise_model.variances
    shares = _noise_shares(mixture, observations)
    M = scores.shape[1]
    names = observations.names if len(observations.names) == M else tuple(f"value {j + 1}" for j in range(M))
    for j, name in enumerate(names):
        used = np.isfinite(scores[:, j]) & np.isfinite(variances[:, j]) & (weights[:, j] > 0)
        e, w = variances[used, j], weights[used, j]
        if e.size == 0 or np.ptp(e) == 0 or effective_size(w) < FEWEST:
            continue
        yield from _of_sizes(name, scores[used, j], shares[used, j], w, M)
        yield from _of_values(name, observations.values[used, j], e, w, M)


def _of_sizes(name: str, z: Floats, shares: Floats, weights: Floats, n_columns: int) -> Iterator[Finding]:
    """Do the squares of residuals change with the share of the noise in the scatter expected of each value?

    The score of a common factor on the noise variances, less what the fitted width takes up of it.
    """
    of_width = 1.0 - shares
    taken = weights @ (shares * of_width) / max(float(weights @ of_width**2), 1e-300)
    score = shares - taken * of_width
    excess = z**2 - 1.0
    scale = np.sqrt((weights @ score**2) * (weights @ excess**2))
    error = np.sqrt(2.0 * (weights @ score**2))  # of squares of normal residuals
    if not scale > 0:
        return
    effect, statistic = float(weights @ (score * excess) / scale), float(weights @ (score * excess) / error)
    p = min(float(2.0 * ndtr(-abs(statistic))) * n_columns, 1.0)
    if abs(effect) <= CLEAR_CORRELATION:
        return
    change, size = ("grow", "small") if effect > 0 else ("shrink", "large")
    sentence = (
        f"residuals {change} with the errors of {name} (correlation {effect:.2g}, {_shown(p)}): these may be too "
        f"{size}, and its width too {'large' if size == 'small' else 'small'}"
    )
    yield Finding("error size", effect, p, sentence)


def _of_values(name: str, values: Floats, variances: Floats, weights: Floats, n_columns: int) -> Iterator[Finding]:
    rho, p = rank_correlation(values, variances, weights)
    p = min(p * n_columns, 1.0)
    if abs(rho) > CLEAR_CORRELATION:
        sentence = (
            f"the errors of {name} follow its values (rank correlation {rho:.2g}, {_shown(p)}): means and widths are "
            "biased where errors depend on the measured value"
        )
        yield Finding("values and errors", rho, p, sentence)


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


def _shown(p: float) -> str:
    return f"p = {p:.1g}" if p >= 1e-9 else "p < 1e-9"
