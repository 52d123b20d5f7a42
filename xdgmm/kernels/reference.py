"""The pass in plain NumPy: the same as `compiled.py` computes, easy to read, and the standard of its tests.

The equations are for one object, the arrays hold all objects.  A missing value has row and column of the identity in T
and a row of zeros in R, so that it contributes nothing to u and P.  `ReferenceData` implements `Data` with these
functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .blocks import LOG_2PI
from .conditioning import condition_gaussian
from .noise import as_noise
from .packed import MemberValues
from .posteriors import Posteriors
from .statistics import Gradients, Statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .noise import Noise

    Floats = NDArray[np.float64]
    Signs = NDArray[np.int8]


def accumulate(
    values: Floats,
    noise: Floats,
    object_weights: Floats,
    weights: Floats,
    means: Floats,
    covariances: Floats,
    projections: Floats | None = None,
    background: Floats | None = None,
    memberships: Floats | None = None,
    limits: Signs | None = None,
) -> Statistics:
    """`Statistics` of one pass over values (N, M; NaN missing), noise covariances (N, M, M), object weights (N,).

    The background is a last component of which each object's log-density is given (N,); its weight is then the last.
    Memberships (N, K) are probabilities that each object belongs to each Gaussian; they take the place of the weights.
    """
    parts = [component(values, noise, m, V, projections, limits) for m, V in zip(means, covariances, strict=True)]
    log_densities, u, P = (np.array(of_all) for of_all in zip(*parts, strict=True))  # (K, N), (K, N, D), (K, N, D, D)
    with np.errstate(divide="ignore"):
        log_densities = log_densities if memberships is None else log_densities + np.log(memberships.T)
        weights = weights if memberships is None else np.ones(weights.shape)
    if background is not None:
        log_densities = np.vstack([log_densities, background])
    with np.errstate(divide="ignore"):
        log_joint = np.log(weights)[:, None] + log_densities
    log_likelihoods = np.logaddexp.reduce(log_joint, axis=0)
    q = object_weights * np.exp(log_joint - log_likelihoods)
    r = q[: len(means)]
    A = np.einsum("kn,knij->kij", r, P)
    return Statistics(
        float(object_weights @ log_likelihoods),
        q.sum(axis=1),
        np.einsum("kn,kni->ki", r, u),
        0.5 * (np.einsum("kn,kni,knj->kij", r, u, u) - A),
        A,
        np.einsum("kn,kn->k", r, P[:, :, 0, 0] ** 2) if means.shape[1] == 1 else None,
    )


def component(
    values: Floats,
    noise: Floats,
    mean: Floats,
    covariance: Floats,
    projections: Floats | None = None,
    limits: Signs | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Log-density of one Gaussian at each object, and its derivatives.

    Parameters
    ----------
    values : ndarray (N, M)
        What is not finite is missing.
    noise : ndarray (N, M, M) or (M, M)
        Covariances S.
    mean, covariance : ndarray (D,), (D, D)
    projections : None, ndarray (M, D) or (N, M, D)
        R; None is the identity.
    limits : None or ndarray of int8 (N, M)
        1 where the value is a lower limit, -1 where an upper one, one at most of an object; without projections.

    Returns
    -------
    log_density : ndarray (N,)
        ``ln N(w | R m, T)`` of the values present, with ``T = R V R' + S``.
    u : ndarray (N, D)
        ``R' T^-1 (w - R m)``, the derivative with respect to m.
    P : ndarray (N, D, D)
        ``R' T^-1 R``: ``(u u' - P) / 2`` is the derivative with respect to V.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a T is singular.
    """
    present = np.isfinite(values)
    both = present[:, :, None] & present[:, None, :]
    R = np.where(present[:, :, None], np.eye(len(mean)) if projections is None else projections, 0.0)
    T = np.where(both, R @ covariance @ R.swapaxes(1, 2) + noise, np.eye(values.shape[1]))
    d = np.where(present, values - R @ mean, 0.0)
    inverse = np.linalg.inv(T)
    solved = np.einsum("nab,nb->na", inverse, d)
    quadratic = np.einsum("na,na->n", solved, d)
    log_density = -0.5 * (quadratic + np.linalg.slogdet(T)[1] + present.sum(axis=1) * LOG_2PI)
    if limits is not None and limits.any():
        log_density, solved, inverse = _censored(limits, log_density, solved, inverse)
    return log_density, np.einsum("nai,na->ni", R, solved), R.swapaxes(1, 2) @ inverse @ R


def _censored(limits: Signs, log_density: Floats, solved: Floats, inverse: Floats) -> tuple[Floats, Floats, Floats]:
    """Log-density, u and P of objects with a limit, from those with the limit as a value: ``Q = T^-1``, ``Q d``.

    The noisy value of coordinate c has variance ``1 / Q_cc`` given the others, and the limit lies ``(Q d)_c / Q_cc``
    above its mean, so that the mean and the variance of a truncated normal distribution replace the value.
    """
    from scipy.special import erfcx, log_ndtr

    objects, place, sign = np.arange(len(limits)), np.abs(limits).argmax(axis=1), -limits.sum(axis=1)
    column, residual = inverse[objects, :, place], solved[objects, place]
    root = np.sqrt(column[objects, place])
    x = sign * residual / root
    hazard = np.sqrt(2.0 / np.pi) / erfcx(-x / np.sqrt(2.0))  # phi(x) / Phi(x)
    of_value = -0.5 * (residual / root) ** 2 + np.log(root) - 0.5 * LOG_2PI
    change = residual / root + sign * hazard
    kept = 1.0 - hazard * (hazard + x)  # variance of the truncated distribution, relative
    u = solved - column * (change / root)[:, None]
    P = inverse - kept[:, None, None] * column[:, :, None] * column[:, None, :] / root[:, None, None] ** 2
    of_limit = np.asarray(limits.any(axis=1))
    return (
        np.where(of_limit, log_density - of_value + log_ndtr(x), log_density),
        np.where(of_limit[:, None], u, solved),
        np.where(of_limit[:, None, None], P, inverse),
    )


@dataclass(frozen=True, eq=False)
class ReferenceData:
    """`Data` in plain NumPy: slow, but easy to read.

    Attributes
    ----------
    values : ndarray (n_objects, M)
        Standardised; NaN where missing.
    noise : ndarray (n_objects, M, M)
        Covariances.
    object_weights : ndarray (n_objects,)
    rows : ndarray of int (n_objects,)
    n_dimensions : int
    projections : None or ndarray (n_objects, M, D)
    background : None or ndarray (n_objects,)
        Log-density of the background at each object, standardised.
    memberships : None or ndarray (n_objects, K)
        Probability that each object belongs to each Gaussian, in the place of the weights.
    limits : None or ndarray of int8 (n_objects, M)
        1 where the value is a lower limit, -1 where an upper one; posteriors do not know them.
    """

    values: Floats
    noise: Floats
    object_weights: Floats
    rows: NDArray[np.intp]
    n_dimensions: int
    projections: Floats | None = None
    background: Floats | None = None
    memberships: Floats | None = None
    limits: Signs | None = None

    @classmethod
    def pack(
        cls,
        values: Floats,
        noise: Noise | Floats | None,
        weights: Floats | None,
        location: Floats | float = 0.0,
        scale: Floats | float = 1.0,
        *,
        projections: Floats | None = None,
        measured_scale: Floats | float = 1.0,
        background: Floats | None = None,
        memberships: Floats | None = None,
        limits: Signs | None = None,
    ) -> ReferenceData:
        """The objects that count, standardised; the arguments are those of `kernels.pack`."""
        M = values.shape[1]
        object_weights = np.ones(len(values)) if weights is None else weights
        rows = np.flatnonzero(np.isfinite(values).any(axis=1) & (object_weights > 0))
        divisor = np.broadcast_to(scale if projections is None else measured_scale, M)
        covariances = as_noise(noise, values.shape).select(rows).divided(divisor).covariances()
        if projections is None:
            own, factors = (None if each is None else each[rows] for each in (background, memberships))
            signs, standardised = None if limits is None else limits[rows], (values[rows] - location) / divisor
            return cls(standardised, covariances, object_weights[rows], rows, M, None, own, factors, signs)
        D = projections.shape[-1]
        R = np.broadcast_to(projections, (len(values), M, D))[rows]
        standardised = (values[rows] - R @ np.broadcast_to(location, D)) / divisor
        R = R * np.broadcast_to(scale, D) / divisor[:, None]
        return cls(standardised, covariances, object_weights[rows], rows, D, R)

    @property
    def n_objects(self) -> int:
        """Number of objects that count."""
        return len(self.values)

    @property
    def total_weight(self) -> float:
        """Sum of the object weights."""
        return float(self.object_weights.sum())

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?"""
        return self.projections is not None

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        whole = self.accumulate_with_information(weights, means, covariances)
        return replace(whole, information=None, squared_information=None)

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        K, D = means.shape
        try:
            with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                result = accumulate(
                    self.values,
                    self.noise,
                    self.object_weights,
                    weights,
                    means,
                    covariances,
                    self.projections,
                    self.background,
                    self.memberships,
                    self.limits,
                )
        except np.linalg.LinAlgError:
            result = None
        if result is None or not np.isfinite(result.log_likelihood):
            zero = np.zeros((K, D, D))
            return Statistics(
                -np.inf, np.zeros(len(weights)), np.zeros((K, D)), zero, zero, np.zeros(K) if D == 1 else None
            )
        return result

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return Gradients.of(map(self.accumulate, weights, means, covariances))

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,)."""
        return np.asarray(np.logaddexp.reduce(self._log_joint(weights, means, covariances), axis=0))

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        log_joint = self._log_joint(weights, means, covariances)
        with np.errstate(invalid="ignore"):
            result: Floats = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=0)).T
        return result if component is None else result[:, [component]]

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood under each of W mixtures (W,)."""
        mixtures = zip(weights, means, covariances, strict=True)
        return np.array([self.object_weights @ self.log_likelihoods(*mixture) for mixture in mixtures])

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each Gaussian too."""
        K = len(means)
        log_joint = self._log_joint(weights, means, covariances)
        impossible = (log_joint == -np.inf).all(axis=0)
        r = self.responsibilities(weights, means, covariances)
        r[impossible] = weights
        with np.errstate(invalid="ignore"):
            among = np.exp(log_joint[:K] - np.logaddexp.reduce(log_joint[:K], axis=0)).T
        among[(log_joint[:K] == -np.inf).all(axis=0)] = weights[:K] / weights[:K].sum()
        parts = [
            condition_gaussian(m, V, self.values, self.noise, self.projections)
            for m, V in zip(means, covariances, strict=True)
        ]
        m, V = (np.stack(each, axis=1) for each in ([p.means for p in parts], [p.covariances for p in parts]))
        mean = np.einsum("nk,nki->ni", among, m)
        offsets = m - mean[:, None]
        covariance = np.einsum("nk,nkij->nij", among, V + offsets[..., :, None] * offsets[..., None, :])
        distances = np.stack([part.distances for part in parts], axis=1)
        nearest = distances[np.arange(self.n_objects), among.argmax(axis=1)]
        log_likelihoods = np.asarray(np.logaddexp.reduce(log_joint, axis=0))
        return Posteriors(log_likelihoods, r, nearest, mean, covariance, *((m, V) if of_each else ()))

    def subsample(self, n_objects: int) -> ReferenceData:
        """About so many of the objects: one of every few."""
        every = -(-self.n_objects // n_objects)
        if every == 1:
            return self
        arrays = {name: getattr(self, name)[::every] for name in ("values", "noise", "object_weights", "rows")}
        for name in ("projections", "background", "memberships", "limits"):
            array = getattr(self, name)
            arrays[name] = None if array is None else array[::every]
        return replace(self, **arrays)

    def with_background(self, log_densities: Floats) -> ReferenceData:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        return replace(self, background=log_densities)

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,)."""
        members = self._members(weights, means, covariances)
        return np.asarray(members.sum(axis=0) ** 2 / np.maximum((members**2).sum(axis=0), 1e-300))

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each Gaussian component in each coordinate (K, D)."""
        members, errors = self._members(weights, means, covariances), self._errors()
        result = np.zeros(means.shape)
        for i, column in enumerate(errors.T):
            known = ~np.isnan(column)
            order = np.argsort(column[known])
            reached = np.cumsum(members[known][order], axis=0)
            for k in np.flatnonzero(members[known].any(axis=0)):
                result[k, i] = column[known][order][np.searchsorted(reached[:, k], 0.5 * reached[-1, k])]
        return result

    @property
    def has_sigma_profile(self) -> bool:
        """Does `sigma_profile` hold for all objects?"""
        return not self.projected and self.limits is None

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> MemberValues | None:
        """Profile likelihood of the sigma of a component (D = 1); None if it has no members."""
        members = self._members(weights, means, covariances)[:, component]
        used = members > 0
        return MemberValues.of(self.values[used, 0], self.noise[used, 0, 0], members[used]) if used.any() else None

    def _members(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        r = np.nan_to_num(self.responsibilities(weights, means, covariances))[:, : len(means)]
        return self.object_weights[:, None] * r

    def _errors(self) -> Floats:
        """Smallest error of the values that depend on each coordinate (n_objects, D); NaN where none does."""
        errors = np.sqrt(np.diagonal(self.noise, axis1=1, axis2=2))
        errors = np.where(np.isfinite(self.values), errors, np.nan)
        if self.limits is not None:
            errors = np.where(self.limits == 0, errors, np.nan)
        if self.projections is None:
            return errors
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(self.projections != 0, errors[:, :, None] / np.abs(self.projections), np.nan)
        return np.where(np.isnan(each).all(axis=1), np.nan, np.fmin.reduce(each, axis=1))

    def _log_joint(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log of weight times density of each component at each object (K, n_objects)."""
        parts = [
            component(self.values, self.noise, m, V, self.projections, self.limits)[0]
            for m, V in zip(means, covariances, strict=True)
        ]
        if self.memberships is not None:
            with np.errstate(divide="ignore"):
                parts = [part + np.log(p) for part, p in zip(parts, self.memberships.T, strict=True)]
            weights = np.ones(weights.shape)
        if self.background is not None:
            parts.append(self.background)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(weights)[:, None] + np.array(parts))
