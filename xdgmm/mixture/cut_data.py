"""`CutData`: objects whose true values lie in a box, in plain NumPy.

The density of an object under a Gaussian is ``N(w | m, T) P``, with P the probability that its true value, which is
N(mu, Q) given w, lies in the box: ``mu = m + V u`` and ``Q = V - V T^-1 V``.  With a and b of `selected_boxes` for mu
and Q in the columns C that are cut, and ``H = 1 - T^-1 V``, its derivatives are ``u + H_C a`` by the mean and, by the
covariance, ``((u + H_C a)(u + H_C a)' - T^-1 + H_C b H_C') / 2``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.kernels import Gradients, Statistics
from xdgmm.kernels.reference import component

from .selected_boxes import in_box

if TYPE_CHECKING:
    from typing import Any, NoReturn

    from numpy.typing import NDArray

    from xdgmm.kernels import Data
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class CutData:
    """`Data` of objects whose true values lie in a box.

    Attributes
    ----------
    values : ndarray (n, D)
        Standardised; NaN where missing.
    noise : ndarray (n, D, D)
        Covariances.
    object_weights : ndarray (n,)
    rows : ndarray of int (n,)
    columns : ndarray of int (C,)
        Those that are cut.
    low, high : ndarray (C,)
        Edges, standardised.
    uncut : Data
        The same objects without the box.
    background : ndarray (n,) or None
        Log-density of the background with its true values in the box.
    """

    values: Floats
    noise: Floats
    object_weights: Floats
    rows: Indices
    columns: Indices
    low: Floats
    high: Floats
    uncut: Data
    background: Floats | None = None

    @classmethod
    def of(
        cls,
        observations: Observations,
        uncut: Data,
        columns: Indices,
        low: Floats,
        high: Floats,
        background: Floats | None,
    ) -> CutData:
        """Standardised observations, row for row the objects of the data without the box."""
        arrays = observations.values, observations.noise_covariances, uncut.object_weights, uncut.rows
        return cls(*arrays, columns, low, high, uncut, background)

    @property
    def n_objects(self) -> int:
        """Number of objects that count."""
        return len(self.values)

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D of the mixture."""
        return int(self.values.shape[1])

    @property
    def total_weight(self) -> float:
        """Sum of the object weights."""
        return float(self.object_weights.sum())

    @property
    def projected(self) -> bool:
        """Are the values projections of the coordinates?  They are not."""
        return False

    @property
    def has_sigma_profile(self) -> bool:
        """No: the box depends on every sigma."""
        return False

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        whole = self.accumulate_with_information(weights, means, covariances)
        return replace(whole, information=None, squared_information=None)

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        (K, D), zero = means.shape, np.zeros_like(covariances)
        try:
            with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                found = [self._component(m, V) for m, V in zip(means, covariances, strict=True)]
                log_joint = self._log_joint(weights, [each[0] for each in found])
            totals = np.logaddexp.reduce(log_joint, axis=0)
            possible = np.isfinite(totals).all()
        except np.linalg.LinAlgError:
            possible = False
        if not possible:
            squares = np.zeros(K) if D == 1 else None
            return Statistics(-np.inf, np.zeros(weights.size), np.zeros((K, D)), zero, zero, squares)
        r = self.object_weights * np.exp(log_joint - totals)
        information = np.stack([np.einsum("n,nij->ij", r[k], P) for k, (*_, P) in enumerate(found)])
        squares = np.array([r[k] @ P[:, 0, 0] ** 2 for k, (*_, P) in enumerate(found)]) if D == 1 else None
        return Statistics(
            float(self.object_weights @ totals),
            r.sum(axis=1),
            np.stack([r[k] @ u for k, (_, u, _, _) in enumerate(found)]),
            np.stack([np.einsum("n,nij->ij", r[k], half) for k, (_, _, half, _) in enumerate(found)]),
            information,
            squares,
        )

    def _component(self, mean: Floats, V: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Log-density of one Gaussian in the box, its derivatives by mean and covariance, and ``T^-1``."""
        log_density, u, P = component(self.values, self.noise, mean, V)
        C = self.columns
        mu = mean[C] + u @ V[:, C]
        Q = V[np.ix_(C, C)] - np.einsum("ic,nij,jd->ncd", V[:, C], P, V[:, C])
        smallest = 1e-14 * np.diagonal(V)[C]
        diagonal = np.diagonal(Q, axis1=1, axis2=2)
        narrow = diagonal <= smallest
        Q = np.where(narrow[:, :, None] | narrow[:, None, :], 0.0, Q)
        n = len(mu)
        edges = (np.broadcast_to(edge, (n, C.size)) for edge in (self.low, self.high))
        log_p, a, b = in_box(mu, Q, *edges)
        H = np.eye(len(mean))[:, C] - P @ V[:, C]
        slope = u + np.einsum("nic,nc->ni", H, a)
        half = 0.5 * (slope[:, :, None] * slope[:, None, :] - P + H @ b @ np.swapaxes(H, 1, 2))
        return log_density + log_p, slope, half, P

    def _log_joint(self, weights: Floats, log_densities: list[Floats]) -> Floats:
        """Log of weight times density of each component at each object (S, n)."""
        terms = log_densities if self.background is None else [*log_densities, self.background]
        with np.errstate(divide="ignore"):
            return np.log(weights)[:, None] + np.array(terms)

    def _joint_of(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            found = [self._component(m, V)[0] for m, V in zip(means, covariances, strict=True)]
            return self._log_joint(weights, found)

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return Gradients.of(map(self.accumulate, weights, means, covariances))

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i, true value in the box)`` of each object (n,)."""
        return np.asarray(np.logaddexp.reduce(self._joint_of(weights, means, covariances), axis=0))

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood under each of W mixtures (W,)."""
        mixtures = zip(weights, means, covariances, strict=True)
        return np.array([self.object_weights @ self.log_likelihoods(*mixture) for mixture in mixtures])

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n, S), or to one of them (n, 1)."""
        log_joint = self._joint_of(weights, means, covariances)
        with np.errstate(invalid="ignore"):
            result: Floats = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=0)).T
        return result if component is None else result[:, [component]]

    def posteriors(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: true values are cut Gaussians."""
        raise NotImplementedError("the true values of objects in a box are no Gaussians")

    def subsample(self, n_objects: int) -> CutData:
        """About so many of the objects, always the same ones; the data themselves if they hold no more objects."""
        uncut = self.uncut.subsample(n_objects)
        if uncut is self.uncut:
            return self
        own = np.searchsorted(self.rows, uncut.rows)
        arrays = {name: getattr(self, name)[own] for name in ("values", "noise", "object_weights", "rows")}
        background = None if self.background is None else self.background[own]
        return replace(self, **arrays, uncut=uncut, background=background)

    def with_background(self, log_densities: Floats) -> CutData:
        """The same objects with other log-densities (n,) of the background."""
        return replace(self, background=log_densities)

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,)."""
        r = np.nan_to_num(self.responsibilities(weights, means, covariances))[:, : len(means)]
        members = self.object_weights[:, None] * r
        return np.asarray(members.sum(axis=0) ** 2 / np.maximum((members**2).sum(axis=0), 1e-300))

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members, found without the box, in each coordinate (K, D)."""
        return self.uncut.typical_errors(weights, means, covariances)

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> None:  # noqa: ARG002
        """None: see `has_sigma_profile`."""
        return
