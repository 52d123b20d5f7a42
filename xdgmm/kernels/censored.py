"""`CensoredData`: objects of which one coordinate is known only to lie below or above a limit.

The other values w_o of the object are measured, or missing.  With ``T = V + S``, over the coordinates present, the
noisy value of the censored coordinate c is normal given w_o, with mean mu and variance tau^2, so that a component has

    p = N(w_o | m_o, T_oo) Phi(x),     x = s (L - mu) / tau,

L being the limit and s = 1 for an upper limit, s = -1 for a lower one.  By Fisher's identity the derivatives are means
over the distribution of the noisy value, which is a truncated normal with (Johnson, Kotz & Balakrishnan 1994,
*Continuous Univariate Distributions*, vol. 1, sec. 13.10.1)

    mean  mu - s tau lambda,   variance  tau^2 (1 - kappa),   lambda = phi(x) / Phi(x),   kappa = lambda (lambda + x).

In the coordinates of the Cholesky factor of T, c being the last one, this is no more than a last element ``-s lambda``
of the white residuals and a last element kappa of the white identity:

    u = L'^-1 (z_o, -s lambda),     P = L'^-1 diag(1, ..., 1, kappa) L^-1.

``u`` is the derivative of ln p with respect to m, P minus its second one, and ``(u u' - P) / 2`` its derivative with
respect to V: the same sums as those of measured objects, with 0 < kappa < 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .blocks import LOG_2PI
from .compiled import BESIDE, SMALLEST_PIVOT
from .compiling import inlined, kernel
from .conditioning import condition_gaussian
from .noise import Correlated, as_noise
from .passes import weights_among_members
from .posteriors import Posteriors
from .statistics import Gradients, Statistics
from .threads import run_in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .noise import Noise

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Signs = NDArray[np.int8]

ROOT_HALF = math.sqrt(0.5)
ROOT_TWO_OVER_PI = math.sqrt(2.0 / math.pi)
HALF_LOG_2PI = 0.5 * LOG_2PI
FAR = 6.0  # standard deviations beyond a limit from which on a continued fraction converges fast
TERMS, FEWER = 6, 132.0  # of it: so many, and so many over the distance, leave less than a rounding error
LARGEST = 1e30  # beyond, all terms but the first vanish
VANISHED = 1e-13  # of a variance: what is left of it after conditioning is rounding
CHUNKS, SMALLEST_CHUNK = 128, 256  # at most so many chunks, of at least so many objects
NANOSECONDS = 60.0  # or so, for each object and component, and half as much for each element of its covariance


@inlined
def truncation(x: float) -> tuple[float, float, float, float]:
    """``ln Phi(x)``, ``lambda = phi / Phi``, ``kappa = lambda (lambda + x)`` and ``1 - kappa``, for any x.

    Far below zero ``lambda = t + 1 / (t + 2 / (t + 3 / ...))`` with t = -x (Laplace's continued fraction; Abramowitz &
    Stegun 1964, eq. 26.2.14), from which nothing is lost by subtraction.
    """
    if x > -FAR:
        if x > 0.0:
            upper = 0.5 * math.erfc(x * ROOT_HALF)
            log_probability, probability = math.log1p(-upper), 1.0 - upper
        else:
            probability = 0.5 * math.erfc(-x * ROOT_HALF)
            log_probability = math.log(probability)
        hazard = 0.5 * ROOT_TWO_OVER_PI * math.exp(-0.5 * x * x) / probability
        kappa = hazard * (hazard + x) if hazard > 0.0 else 0.0
        return log_probability, hazard, kappa, 1.0 - kappa
    t = -x
    bounded = min(t, LARGEST)
    above, below = bounded, 1.0  # t + 3 / (t + 4 / ...) as a quotient, without a division in each step
    for n in range(TERMS + int(FEWER / t), 2, -1):
        above, below = bounded * above + n * below, above
    tail = 2.0 * below / above
    excess = 1.0 / (t + tail)
    hazard = t + excess
    return -0.5 * t * t - HALF_LOG_2PI - math.log(hazard), hazard, hazard * excess, excess * (tail - excess)


@kernel
def truncations(x: Floats, found: Floats) -> None:
    """`truncation` of each element of x (n,): found (n, 4)."""
    for i in range(len(x)):
        found[i, 0], found[i, 1], found[i, 2], found[i, 3] = truncation(x[i])


@inlined
def _factorise(
    i: int,
    k: int,
    values: Floats,
    variances: Floats,
    covariances: Floats,
    order: Indices,
    n_present: Indices,
    signs: Signs,
    means: Floats,
    V: Floats,
    L: Floats,
    z: Floats,
) -> tuple[float, float, bool]:
    """Log-density of object i under Gaussian k, kappa, and whether T is regular.

    Fills the Cholesky factor L[k] of T, whose last row is that of the limit, and the mean z[k] of the white residuals.
    """
    p = n_present[i]
    last = p - 1
    log_density = 0.0
    for a in range(p):
        place = order[i, a]
        rest_of_residual = values[i, place] - means[k, place]
        for b in range(a + 1):
            other = order[i, b]
            rest = V[k, place, other]
            if covariances.shape[0] > 0:
                rest += covariances[i, place, other]
            elif a == b:
                rest += variances[i, place]
            total = rest
            for c in range(b):
                rest -= L[k, a, c] * L[k, b, c]
            if a > b:
                L[k, a, b] = rest / L[k, b, b]
                rest_of_residual -= L[k, a, b] * z[k, b]
            elif a < last:
                if not rest > SMALLEST_PIVOT:
                    return -math.inf, 0.0, False
                L[k, a, a] = math.sqrt(rest)
                z[k, a] = rest_of_residual / L[k, a, a]
                log_density -= 0.5 * z[k, a] * z[k, a] + math.log(L[k, a, a]) + HALF_LOG_2PI
            elif rest > VANISHED * total and rest > SMALLEST_PIVOT:
                L[k, a, a] = math.sqrt(rest)
                log_probability, hazard, kappa, _ = truncation(signs[i] * (rest_of_residual / L[k, a, a]))
                z[k, a] = -signs[i] * hazard
                return log_density + log_probability, kappa, True
            elif not total >= 0.0:
                return -math.inf, 0.0, False
            else:  # the noisy value is certain: it lies on the right side of the limit, or not
                L[k, a, a], z[k, a] = 1.0, 0.0
                beyond = signs[i] * rest_of_residual < -BESIDE * math.sqrt(total)
                return -math.inf if beyond else log_density, 0.0, True
    return log_density, 0.0, True


@kernel
def _log_joint(
    values: Floats,
    variances: Floats,
    covariances: Floats,
    order: Indices,
    n_present: Indices,
    signs: Signs,
    background: Floats,
    factors: Floats,
    log_weights: Floats,
    means: Floats,
    V: Floats,
    first: int,
    last: int,
    joint: Floats,
) -> None:
    """Fill the log of weight times density of each component at objects first to last: joint (n_objects, S)."""
    K, D = means.shape
    L, z = np.empty((K, D, D)), np.empty((K, D))
    for i in range(first, last):
        for k in range(K):
            joint[i, k] = -math.inf
            if log_weights[k] > -math.inf:
                density, _, _ = _factorise(
                    i, k, values, variances, covariances, order, n_present, signs, means, V, L, z
                )
                joint[i, k] = log_weights[k] + density
                if factors.shape[1] > 0:
                    joint[i, k] += factors[i, k * factors.shape[1] // K]
        if len(log_weights) > K:
            joint[i, K] = log_weights[K] + background[i]


@kernel
def _accumulate(
    values: Floats,
    variances: Floats,
    covariances: Floats,
    order: Indices,
    n_present: Indices,
    signs: Signs,
    object_weights: Floats,
    background: Floats,
    factors: Floats,
    log_weights: Floats,
    means: Floats,
    V: Floats,
    first_chunk: int,
    last_chunk: int,
    chunk_size: int,
    likelihoods: Floats,
    members: Floats,
    grad_means: Floats,
    grad_covariances: Floats,
    information: Floats,
    squares: Floats,
) -> None:
    """Sums over the objects of some chunks, each in its own row of the arrays (n_chunks, ...)."""
    K, D = means.shape
    S = len(log_weights)
    L, z, kappa, joint = np.empty((K, D, D)), np.empty((K, D)), np.empty(K), np.empty(S)
    W, u = np.empty((D, D)), np.empty(D)
    for chunk in range(first_chunk, last_chunk):
        for i in range(chunk * chunk_size, min((chunk + 1) * chunk_size, len(values))):
            p, highest = n_present[i], -math.inf
            for k in range(S):
                joint[k] = -math.inf
                if log_weights[k] > -math.inf and k < K:
                    density, kappa[k], is_regular = _factorise(
                        i, k, values, variances, covariances, order, n_present, signs, means, V, L, z
                    )
                    joint[k] = log_weights[k] + density
                    if factors.shape[1] > 0:
                        joint[k] += factors[i, k * factors.shape[1] // K]
                    if not is_regular:
                        likelihoods[chunk] = -math.inf
                elif k >= K:
                    joint[k] = log_weights[k] + background[i]
                highest = max(highest, joint[k])
            if not highest > -math.inf:
                likelihoods[chunk] = -math.inf
                continue
            total = 0.0
            for k in range(S):
                total += math.exp(joint[k] - highest)
            log_density = highest + math.log(total)
            likelihoods[chunk] += object_weights[i] * log_density
            for k in range(S):
                omega = object_weights[i] * math.exp(joint[k] - log_density)
                members[chunk, k] += omega
                if k >= K or not omega > 0.0:
                    continue
                for a in range(p):  # W = L^-1
                    W[a, a] = 1.0 / L[k, a, a]
                    for b in range(a):
                        rest = 0.0
                        for c in range(b, a):
                            rest -= L[k, a, c] * W[c, b]
                        W[a, b] = rest * W[a, a]
                for a in range(p):
                    u[a] = 0.0
                    for c in range(a, p):
                        u[a] += W[c, a] * z[k, c]
                    grad_means[chunk, k, order[i, a]] += omega * u[a]
                for a in range(p):
                    for b in range(a + 1):
                        P = kappa[k] * W[p - 1, a] * W[p - 1, b]
                        for c in range(a, p - 1):
                            P += W[c, a] * W[c, b]
                        one, other = order[i, a], order[i, b]
                        half = 0.5 * omega * (u[a] * u[b] - P)
                        grad_covariances[chunk, k, one, other] += half
                        information[chunk, k, one, other] += omega * P
                        if a != b:
                            grad_covariances[chunk, k, other, one] += half
                            information[chunk, k, other, one] += omega * P
                        elif D == 1:
                            squares[chunk, k] += omega * P * P


@dataclass(frozen=True, eq=False)
class CensoredData:
    """`Data` of objects of which one coordinate is a limit.

    Attributes
    ----------
    values : ndarray (n_objects, D)
        Standardised: measured values, the limit, and zero where a value is missing.
    variances : ndarray (n_objects, D)
        Of their noise; that of a limit is the variance of the threshold.
    covariances : ndarray (n_objects, D, D) or (0, D, D)
        Of their noise, where it is correlated.
    order : ndarray of int (n_objects, D)
        Places of the measured values, then that of the limit, then those of missing values.
    n_present : ndarray of int (n_objects,)
        Number of measured values, and the limit.
    signs : ndarray of int8 (n_objects,)
        1 for an upper limit, -1 for a lower one.
    object_weights : ndarray (n_objects,)
    rows : ndarray of int (n_objects,)
    background : ndarray (n_objects,) or (0,)
        Log-density of the background at each object, standardised.
    factors : ndarray (n_objects, G) or (n_objects, 0)
        Logarithms of the probabilities that each object belongs to each Gaussian, as in `Blocks.pack`.
    """

    values: Floats
    variances: Floats
    covariances: Floats
    order: Indices
    n_present: Indices
    signs: Signs
    object_weights: Floats
    rows: Indices
    background: Floats
    factors: Floats

    projected = False
    has_sigma_profile = False

    @classmethod
    def pack(
        cls,
        values: Floats,
        noise: Noise | Floats | None,
        weights: Floats | None,
        location: Floats | float = 0.0,
        scale: Floats | float = 1.0,
        *,
        limits: Signs,
        background: Floats | None = None,
        memberships: Floats | None = None,
    ) -> CensoredData:
        """The objects that have a limit, standardised; the other arguments are those of `kernels.pack`.

        Parameters
        ----------
        limits : ndarray of int8 (N, D)
            1 where the true value lies above the value, which is a lower limit, -1 where below, and 0 where the value
            is measured; one limit in each row at most.
        """
        D = values.shape[1]
        object_weights = np.ones(len(values)) if weights is None else weights
        rows = np.flatnonzero(limits.any(axis=1) & (object_weights > 0))
        limits, noise = limits[rows], as_noise(noise, values.shape).select(rows).divided(scale)
        standardised = (values[rows] - location) / scale
        present = np.isfinite(standardised)
        rank = np.where(present, np.abs(limits), 2)  # of measured values, the limit, and missing values
        own = np.zeros(0) if background is None else background[rows]
        with np.errstate(divide="ignore"):
            factors = np.zeros((rows.size, 0)) if memberships is None else np.log(memberships[rows])
        correlated = isinstance(noise, Correlated)
        return cls(
            np.where(present, standardised, 0.0),
            np.where(present, noise.variances, 0.0),
            np.ascontiguousarray(noise.covariances()) if correlated else np.zeros((0, D, D)),
            np.argsort(rank, axis=1, kind="stable"),
            present.sum(axis=1),
            (-limits.sum(axis=1)).astype(np.int8),
            np.array(object_weights[rows], dtype=float),
            rows,
            np.array(own, dtype=float),
            np.array(factors, dtype=float, order="C"),
        )

    @property
    def n_objects(self) -> int:
        """Number of objects."""
        return len(self.values)

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D."""
        return int(self.values.shape[1])

    @property
    def total_weight(self) -> float:
        """Sum of the object weights."""
        return float(self.object_weights.sum())

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""
        whole = self.accumulate_with_information(weights, means, covariances)
        return replace(whole, information=None, squared_information=None)

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""
        (K, D), size = means.shape, self._chunk_size
        n_chunks = -(-self.n_objects // size)
        shapes = (), (weights.size,), (K, D), (K, D, D), (K, D, D), (K,)
        sums = [np.zeros((n_chunks, *shape)) for shape in shapes]
        mixture = self._mixture(weights, means, covariances)

        def task(first: int, last: int) -> None:
            arrays = self.values, self.variances, self.covariances, self.order, self.n_present, self.signs
            _accumulate(*arrays, self.object_weights, self.background, self.factors, *mixture, first, last, size, *sums)

        self._run(task, n_chunks, weights.size)
        added = [_added(each) for each in sums]
        log_likelihood = float(added[0])
        if not log_likelihood > -np.inf:
            log_likelihood, added = -np.inf, [np.zeros_like(each) for each in added]
        _, members, grad_means, grad_covariances, information, squares = added
        squared = squares if D == 1 else None
        return Statistics(log_likelihood, members, grad_means, grad_covariances, information, squared)

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures."""
        return Gradients.of(map(self.accumulate, weights, means, covariances))

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,)."""
        return np.asarray(np.logaddexp.reduce(self._log_joint(weights, means, covariances), axis=1))

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1)."""
        result = _shares(self._log_joint(weights, means, covariances))
        return result if component is None else result[:, [component]]

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood under each of W mixtures (W,)."""
        mixtures = zip(weights, means, covariances, strict=True)
        return np.array([self.accumulate(*mixture).log_likelihood for mixture in mixtures])

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object; `of_each`: under each Gaussian too.

        The distance of an object is the smallest from the Gaussian of what its limit allows.
        """
        K, joint = len(means), self._log_joint(weights, means, covariances)
        log_likelihoods = np.asarray(np.logaddexp.reduce(joint, axis=1))
        r = _shares(joint)
        r[log_likelihoods == -np.inf] = weights
        among = _shares(joint[:, :K])
        whole = weights[:K].sum()
        among[(joint[:, :K] == -np.inf).all(axis=1)] = weights[:K] / whole if whole > 0.0 else 1.0 / K
        parts = [self._truncated(m, V) for m, V in zip(means, covariances, strict=True)]
        m, V, distances = (np.stack(each, axis=1) for each in zip(*parts, strict=True))
        mean = np.einsum("nk,nki->ni", among, m)
        offsets = m - mean[:, None]
        covariance = np.einsum("nk,nkij->nij", among, V + offsets[..., :, None] * offsets[..., None, :])
        nearest = distances[np.arange(self.n_objects), among.argmax(axis=1)]
        return Posteriors(log_likelihoods, r, nearest, mean, covariance, *((m, V) if of_each else ()))

    def subsample(self, n_objects: int) -> CensoredData:
        """About so many of the objects: one of every few."""
        every = -(-self.n_objects // n_objects)
        return self if every == 1 else self._select(slice(None, None, every))

    def with_background(self, log_densities: Floats) -> CensoredData:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""
        return replace(self, background=np.array(log_densities, dtype=float))

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,)."""
        r = np.nan_to_num(self.responsibilities(weights, means, covariances))[:, : len(means)]
        members = self.object_weights[:, None] * r
        return np.asarray(members.sum(axis=0) ** 2 / np.maximum((members**2).sum(axis=0), 1e-300))

    def coordinate_variances(self, i: int) -> Floats:
        """Noise variances of coordinate i (n_objects,); where it is not measured they mean nothing."""
        return self.variances[:, i]

    def measures(self, i: int) -> Floats:
        """Where coordinate i is measured, which a limit is not: 1 or 0 (n_objects,)."""
        measured = np.arange(self.n_dimensions) < self.n_present[:, None] - 1
        return np.asarray((measured & (self.order == i)).any(axis=1), dtype=float)

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the measured values of each Gaussian component in each coordinate (K, D)."""
        r = np.nan_to_num(self.responsibilities(weights, means, covariances))[:, : len(means)]
        measures = np.stack([self.measures(i) for i in range(self.n_dimensions)], axis=1)
        return median_errors(self.variances, measures, self.object_weights[:, None] * r)

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> None:  # noqa: ARG002
        """None: the maximum over the mean has no closed form beside limits."""
        return

    @property
    def _chunk_size(self) -> int:
        return max(SMALLEST_CHUNK, -(-self.n_objects // CHUNKS))

    def _run(self, task: Callable[[int, int], None], n_chunks: int, n_components: int) -> None:
        each = NANOSECONDS * (1.0 + 0.5 * self.n_dimensions**2)
        run_in_threads(task, n_chunks, self.n_objects * n_components * each)

    def _mixture(self, weights: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats, Floats]:
        """What the kernels read: logarithms of weights, and contiguous arrays."""
        with np.errstate(divide="ignore"):
            if self.factors.shape[1] > 0:
                weights = weights_among_members(weights[None], len(means), self.factors.shape[1])[0]
            log_weights = np.log(weights)
        return log_weights, np.array(means, dtype=float, order="C"), np.array(covariances, dtype=float, order="C")

    def _log_joint(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log of weight times density of each component at each object (n_objects, K)."""
        size, joint = self._chunk_size, np.empty((self.n_objects, weights.size))
        mixture = self._mixture(weights, means, covariances)

        def task(first: int, last: int) -> None:
            arrays = self.values, self.variances, self.covariances, self.order, self.n_present, self.signs
            _log_joint(
                *arrays, self.background, self.factors, *mixture, first * size, min(last * size, self.n_objects), joint
            )

        self._run(task, -(-self.n_objects // size), weights.size)
        return joint

    def _truncated(self, mean: Floats, covariance: Floats) -> tuple[Floats, Floats, Floats]:
        """Mean (n, D) and covariance (n, D, D) of the true values given one Gaussian, and distances (n,)."""
        objects, D = np.arange(self.n_objects), self.n_dimensions
        place = self.order[objects, self.n_present - 1]
        noise = self.covariances if len(self.covariances) else np.eye(D) * self.variances[:, None]
        measured = np.arange(D) < self.n_present[:, None] - 1
        values = np.full(self.values.shape, np.nan)
        where = objects[:, None].repeat(D, axis=1)[measured], self.order[measured]
        values[where] = self.values[where]
        given = condition_gaussian(mean, covariance, values, noise)
        C = np.broadcast_to(given.covariances, (self.n_objects, D, D))
        column, limits = C[objects, :, place], self.values[objects, place]
        total = column[objects, place] + self.variances[objects, place]
        certain = total <= VANISHED * (covariance[place, place] + self.variances[objects, place])
        tau = np.sqrt(np.where(certain, 1.0, total))
        x = np.where(certain, np.inf, self.signs * (limits - given.means[objects, place]) / tau)
        found = np.empty((self.n_objects, 4))
        truncations(x, found)
        gain = column / tau[:, None]
        means = given.means - gain * (self.signs * found[:, 1])[:, None]
        # that of a measured value (a sum of squares), and the variance that the truncated one keeps
        rest = np.broadcast_to(np.eye(D), (self.n_objects, D, D)).copy()
        rest[objects, :, place] -= gain / tau[:, None]
        noise_of_limit = found[:, 3] + self.variances[objects, place] / tau**2
        measured_too = rest @ C @ np.swapaxes(rest, 1, 2)
        covariances = measured_too + noise_of_limit[:, None, None] * gain[:, :, None] * gain[:, None, :]
        covariances = np.where(certain[:, None, None], C, covariances)
        distances = np.hypot(given.distances, np.minimum(x, 0.0))
        return means, 0.5 * (covariances + np.swapaxes(covariances, 1, 2)), distances

    def _select(self, rows: slice) -> CensoredData:
        arrays = {name: array[rows] for name, array in vars(self).items() if len(array)}
        return replace(self, **arrays)


def median_errors(variances: Floats, measures: Floats, members: Floats) -> Floats:
    """Median errors (K, D) from noise variances (n, D), where they are measured (n, D), and members (n, K)."""
    result = np.zeros((members.shape[1], variances.shape[1]))
    for i, column in enumerate(np.sqrt(variances).T):
        order = np.argsort(column)
        reached = np.cumsum((members * measures[:, i, None])[order], axis=0)
        for k in np.flatnonzero(reached[-1] > 0):
            result[k, i] = column[order][np.searchsorted(reached[:, k], 0.5 * reached[-1, k])]
    return result


def _added(chunks: Floats) -> Floats:
    """Sum of the rows, one after the other."""
    total: Floats = np.zeros(chunks.shape[1:])
    for each in chunks:
        total = total + each
    return total


def _shares(log_joint: Floats) -> Floats:
    """Rows of ``exp(log_joint)`` divided by their sums; not a number where all are zero."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1)[:, None]))
