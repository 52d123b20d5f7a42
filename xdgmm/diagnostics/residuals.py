"""Residuals: each value as the normal score of its probability under the mixture, seen with its own noise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc, log_ndtr, ndtri

from xdgmm.errors import InputError
from xdgmm.kernels import Exact, NoiseMixture
from xdgmm.mixture import refuse_selection
from xdgmm.mixture.measured_in_boxes import measured_distributions, tails_of_objects
from xdgmm.prediction import checked_observations, completed, in_blocks

from .inputs import check_observations, mixture_and_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import Background, Flat, GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))
SEED = 0  # of what is drawn in the places of limits
RIDGE = 1e-14  # of the variance of a column: components without width beside exact values have a density all the same


def residuals(mixture: Any, observations: Observations) -> Floats:
    """Residuals (N, M): independent and standard normal where the mixture and the errors are right.

    Parameters
    ----------
    mixture : XDGMM, FitResult or GaussianMixture
    observations : Observations
        Converted to the units of the mixture.

    Returns
    -------
    ndarray (N, M)
        One for each measured value and each limit, NaN where it is missing.  Signs are those of the values.

    Raises
    ------
    InputError
        If mixture and observations do not fit, there is a background beside projections, or errors follow the true
        values (`Observations.with_error_function`).
    KindError
        If one of the arguments is something else.

    Notes
    -----
    In one column ``z = Phi^-1(F(w))``, F being the distribution function of the mixture convolved with the noise of the
    object; in several, the transform of Rosenblatt (1952, Ann. Math. Stat. 23, 470): each value given the ones in the
    columns before it.  For one component the sum of the squares is the squared Mahalanobis distance, whatever the order
    of the columns.

    The residual of a limit is randomised (Dunn & Smyth 1996, J. Comput. Graph. Stat. 5, 236): that of a value which is
    drawn, with a fixed seed, from what the mixture says about it, given its limit and the other values.

    Examples
    --------
    >>> from xdgmm import GaussianMixture, Observations
    >>> from xdgmm.diagnostics import residuals
    >>> mixture = GaussianMixture([1.0], [[0.0]], [[[3.0]]])
    >>> residuals(mixture, Observations.with_standard_errors([2.0, -4.0], [1.0, 1.0])).ravel()
    array([ 1., -2.])
    """
    check_observations(observations)
    mixture, _ = mixture_and_model(mixture)
    refuse_selection(mixture, "residuals")
    observations = without_limits(mixture, checked_observations(mixture, observations))
    if not observations.noise_model.can_be_drawn:
        raise InputError(
            "errors that follow the true values have no residuals here: what else might have been measured is not "
            "known from the likelihoods of the objects; compare the fit with a histogram of what was measured"
        )
    result = np.empty(observations.values.shape)
    gaussians = mixture.expanded()
    for rows, block in in_blocks(observations):
        result[rows] = _of_block(gaussians, block)
    return result


def residuals_of_row(mixture: GaussianMixture, observations: Observations, row: int) -> Floats:
    """Those of one row (M,): of a limit with the draw that it has among all rows."""
    if observations.limits is None:
        return np.asarray(residuals(mixture, observations.select([row]))[0])
    return np.asarray(residuals(mixture, observations)[row])


def chi_squared(mixture: Any, observations: Observations) -> tuple[Floats, Floats]:
    """Chi-squared of each object and its p-value, both (N,): the sum of the squares of its residuals.

    Parameters
    ----------
    mixture : XDGMM, FitResult or GaussianMixture
    observations : Observations
        Converted to the units of the mixture.

    Returns
    -------
    chi_squared : ndarray (N,)
        0 for a row without any value.
    p_value : ndarray (N,)
        Probability of a greater one, for as many degrees of freedom as the object has values; 1 without any.

    Raises
    ------
    InputError
        As `residuals`.

    Notes
    -----
    For one component without a background it is the squared Mahalanobis distance ``d' T^-1 d``, T = R V R' + S.  For
    several it has the same distribution, chi-squared with M degrees of freedom, if the model is right.

    Examples
    --------
    >>> from xdgmm import GaussianMixture, Observations
    >>> from xdgmm.diagnostics import chi_squared
    >>> mixture = GaussianMixture([1.0], [[0.0]], [[[3.0]]])
    >>> found = chi_squared(mixture, Observations.with_standard_errors([2.0, -4.0], [1.0, 1.0]))
    >>> found[0].round(6), found[1].round(4)
    (array([1., 4.]), array([0.3173, 0.0455]))
    """
    return chi_squared_of(residuals(mixture, observations))


def chi_squared_of(scores: Floats) -> tuple[Floats, Floats]:
    """Sums of squares of residuals (N, M), NaN where missing, and their p-values (N,)."""
    present = np.isfinite(scores)
    freedom = present.sum(axis=1)
    squares = np.where(present, scores, 0.0) ** 2
    total = squares.sum(axis=1)
    return total, np.where(freedom > 0, chdtrc(np.maximum(freedom, 1), total), 1.0)


def component_residuals(mixture: GaussianMixture, observations: Observations) -> Floats:
    """Whitened residuals (K, N, M) of each object under each component, its noise taken into account; NaN if missing.

    Weighted with the memberships, those of a component are standard normal where the mixture is right.  Of a Student-t
    component, or beside errors that are not Gaussian, they are the `residuals` under it alone.
    """
    if mixture.dof is not None or isinstance(observations.noise_model, NoiseMixture):
        every, alone = (mixture.only(k) for k in range(mixture.n_components)), replace(observations, memberships=None)
        return np.stack([residuals(component, alone) for component in every])
    observations = without_limits(mixture, checked_observations(mixture, observations))
    result = np.empty((mixture.n_components, *observations.values.shape))
    for rows, block in in_blocks(observations):
        present = block.present if mixture.flat is None else block.present & ~mixture.is_flat[:, None]
        result[:, rows] = np.where(present, _of_components(mixture, block)[0], np.nan)
    return result


def without_limits(mixture: GaussianMixture, observations: Observations) -> Observations:
    """Observations in the mixture's units with values drawn in the places of limits, the same in each call."""
    return completed(mixture, observations, np.random.default_rng(SEED))


def _of_block(mixture: GaussianMixture, observations: Observations) -> Floats:
    scores, steps = _of_components(mixture, observations.rows)
    log_below, log_above = log_ndtr(scores), log_ndtr(-scores)
    if mixture.flat is not None:
        for whole, part in zip((log_below, log_above, steps), _of_flat(mixture.flat, observations), strict=True):
            for k in range(mixture.n_components - mixture.flat.n_components, mixture.n_components):
                whole[k][:, mixture.flat.in_columns] = part
    if isinstance(observations.noise_model, NoiseMixture):
        of_each = zip(log_below, log_above, steps, strict=True)
        tails = [tails_of_objects(observations.noise_model, *each) for each in of_each]
        log_below, log_above, steps = (np.array(each) for each in zip(*tails, strict=True))
    if mixture.background is not None:
        of_background = _of_background(mixture.background, observations)
        joined = zip((log_below, log_above, steps), of_background, strict=True)
        log_below, log_above, steps = (np.concatenate([own, other[None]]) for own, other in joined)
    known = observations.memberships
    with np.errstate(divide="ignore"):
        weights = np.log(mixture.all_weights)[:, None, None] if known is None else np.log(known.T)[:, :, None]
    before = np.zeros_like(steps) + weights  # ln of weight times density of the columns before each one
    before[:, :, 1:] += np.cumsum(steps[:, :, :-1], axis=2)
    result = _normal_scores(_log_mean(log_below, before), _log_mean(log_above, before))
    return np.where(observations.present, result, np.nan)


def _of_components(mixture: GaussianMixture, observations: Observations) -> tuple[Floats, Floats]:
    """Whitened residuals (K, n, M) of each component, and the log-density that each column adds."""
    R, M = observations.projections, observations.n_measured
    scores, steps = [], []
    for k, (mean, covariance) in enumerate(zip(mixture.means, mixture.covariances, strict=True)):
        present = observations.present & ~mixture.is_flat[k] if R is None else observations.present
        both = present[:, :, None] & present[:, None]
        seen = mean if R is None else R @ mean
        spread = covariance if R is None else R @ covariance @ np.swapaxes(R, -1, -2)
        T = np.where(both, spread + observations.noise_covariances, np.eye(M))
        T = T + RIDGE * np.where(np.eye(M, dtype=bool), T + (T == 0), 0.0)
        L = np.linalg.cholesky(T)
        d = np.where(present, observations.values - seen, 0.0)
        u = np.linalg.solve(L, d[:, :, None])[:, :, 0]
        scores.append(u)
        log_width = np.log(np.diagonal(L, axis1=1, axis2=2))
        steps.append(np.where(present, -0.5 * u**2 - log_width - LOG_ROOT_2PI, 0.0))
    return np.array(scores), np.array(steps)


def _of_flat(flat: Flat, observations: Observations) -> tuple[Floats, Floats, Floats]:
    """Logarithms of both tails and of the density of each value (n, F) in flat columns, given the flat ones before."""
    places = flat.in_columns
    return measured_distributions(observations.values[:, places], observations.noise_model.columns(places), *flat.box)


def _of_background(background: Background, observations: Observations) -> tuple[Floats, Floats, Floats]:
    """Logarithms of both tails and of the density of each value (n, M), given the columns before."""
    values, noise = observations.values, observations.noise_model
    if background.of == "measured values":
        noise = Exact(values.shape)
    return measured_distributions(values, noise, *background.box)


def _log_mean(log_values: Floats, log_weights: Floats) -> Floats:
    """Logarithm of the weighted mean over components (K, n, M)."""
    highest = log_weights.max(axis=0)
    weights = np.exp(log_weights - np.where(np.isfinite(highest), highest, 0.0))
    weights = np.where(np.isfinite(highest), weights, 1.0)
    top = log_values.max(axis=0)
    finite = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(finite + np.log((weights * np.exp(log_values - finite)).sum(axis=0) / weights.sum(axis=0)))


def _normal_scores(log_below: Floats, log_above: Floats) -> Floats:
    """Normal score of a probability, from the smaller of its two tails."""
    lower = log_below < log_above
    score = _score_of_tail(np.minimum(log_below, log_above))
    return np.where(lower, score, -score)


def _score_of_tail(log_tail: Floats) -> Floats:
    """Z with ``ln Phi(z)`` as given: Newton's steps on log_ndtr where the tail underflows."""
    with np.errstate(under="ignore"):
        z = ndtri(np.exp(np.maximum(log_tail, -700.0)))
    far = log_tail < -600.0
    z = np.where(far, -np.sqrt(-2.0 * np.maximum(log_tail, -1e300)), z)
    for _ in range(6 if far.any() else 0):
        slope = np.exp(-0.5 * z**2 - LOG_ROOT_2PI - log_ndtr(z))
        z = np.where(far & np.isfinite(slope) & (slope > 0), z - (log_ndtr(z) - log_tail) / slope, z)
    return z
