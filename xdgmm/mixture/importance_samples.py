"""Importance samples of the values that objects with some noise might have.

``Z = int p(w | S) q(w) dw`` is estimated by the mean of ``q(w) p(w | S) / g(w | S)`` over w from g, which stays the
same while p changes: value and derivatives then belong to one function of the parameters.  g is a mixture of Gaussians,
convolved with the noise S as p is, some of them wider, so that no ratio p / g becomes large.

The points are those of Sobol's sequence (Joe & Kuo 2008, SIAM J. Sci. Comput. 30, 2635), moved by a random shift of
each noise (Cranley & Patterson 1976, SIAM J. Numer. Anal. 13, 904), which is made from the noise itself: an object has
the same samples in every selection of rows.  Each component of g has its share of the points.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.basics.linalg import square_roots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.observations import Observations

    from .background import Background
    from .mixture import GaussianMixture

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

OF_FIT, OF_WIDE, OF_VALUES = 0.5, 0.25, 0.25  # shares of the samples: around the fit, wider, around what was seen
WIDE = 4.0  # factor on the covariances of the wider ones, noise included
WIDEST = 9.0  # before the first fit
NARROWEST = 1e-4  # least sigma, relative to the spread of the values
LOG_2PI = float(np.log(2.0 * np.pi))
AT_ONCE = 1_000_000  # samples whose densities are computed at a time
LEAST, MOST = 6, 15  # binary logarithms of the default numbers of samples for each noise
ALTOGETHER = 500_000  # samples of all noises together, by default
COSTLY = 16  # so many times fewer where a joint integral finds the density of a background at each
INSIDE = 1e-15  # distance of a point of the unit cube from its faces


class Groups(NamedTuple):
    """Objects with the same noise, and with values in the same columns.

    Attributes
    ----------
    first : ndarray of int (G,)
        A row of each group.
    of_rows : ndarray of int (N,)
        The group of each row.
    keys : list of bytes
        What is the same in each group, as bytes.
    """

    first: Indices
    of_rows: Indices
    keys: list[bytes]

    @classmethod
    def of(cls, observations: Observations) -> Groups:
        """The groups of all rows of observations."""
        present, projections = observations.present, observations.projections
        arrays = [present.astype(float), *observations.noise_model.arrays_where_present(present)]
        if projections is not None and projections.ndim == 3:
            arrays.append(np.where(present[:, :, None], projections, 0.0))
        rows = np.hstack([array.reshape(len(present), -1) for array in arrays]) + 0.0  # no negative zeros
        unique, first, of_rows = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        return cls(first, of_rows.ravel(), [row.tobytes() for row in unique])


@dataclass(frozen=True, eq=False)
class Proposal:
    """The density from which samples are drawn, before it is convolved with noise.

    Attributes
    ----------
    shares : ndarray (J,) or (J + 1,)
        Fractions of the samples; the last one that of a background.
    means, covariances : ndarray (J, D), (J, D, D)
    widenings : ndarray (J,)
        Factors on the covariances, noise included.
    background : Background or None
    """

    shares: Floats
    means: Floats
    covariances: Floats
    widenings: Floats
    background: Background | None = None

    @classmethod
    def of(cls, observations: Observations, mixture: GaussianMixture | None, background: Background | None) -> Proposal:
        """Around a fitted mixture and the measured values; before the first fit around these alone."""
        location, spread = observations.location_and_spread()
        spread = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
        seen = np.diag(spread**2)
        if mixture is None:
            shares, widenings = np.array([0.5, 0.5]), np.array([1.0, WIDEST])
            means, covariances = np.stack([location] * 2), np.stack([seen] * 2)
        else:
            weights = np.maximum(mixture.weights, 1e-300)
            weights = weights / weights.sum()
            K = mixture.n_components
            shares = np.concatenate([OF_FIT * weights, OF_WIDE * weights, [OF_VALUES]])
            widenings = np.concatenate([np.ones(K), np.full(K, WIDE), [1.0]])
            narrowest = np.diag((NARROWEST * spread) ** 2)
            means = np.concatenate([mixture.means, mixture.means, location[None]])
            covariances = np.concatenate([mixture.covariances, mixture.covariances, seen[None]]) + narrowest
        if background is not None:
            shares = np.append(0.8 * shares, 0.2)
        return cls(shares, means, covariances, widenings, background)


class Samples(NamedTuple):
    """Samples of the values of each of G groups.

    Attributes
    ----------
    values : ndarray (G, n, M)
        NaN where an object of the group has no value.
    log_densities : ndarray (G, n)
        ``ln g`` at each.
    """

    values: Floats
    log_densities: Floats


def default_number(n_groups: int, *, costly: bool) -> int:
    """How many samples each group has by default; `costly`: beside a background, with correlated noise."""
    altogether, most = (ALTOGETHER // COSTLY, MOST - 2) if costly else (ALTOGETHER, MOST)
    return 1 << int(np.clip(np.floor(np.log2(altogether / max(n_groups, 1))), LEAST, most))


def draw(proposal: Proposal, observations: Observations, keys: list[bytes], n: int, seed: int) -> Samples:
    """N samples for the noise of each row of observations, which are known by their keys."""
    size = max(AT_ONCE // n, 1)
    parts = [slice(start, start + size) for start in range(0, len(keys), size)]
    found = [_draw(proposal, observations.select(part), keys[part], n, seed) for part in parts]
    return Samples(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))


def _draw(proposal: Proposal, observations: Observations, keys: list[bytes], n: int, seed: int) -> Samples:
    D, (N, M) = observations.n_dimensions, observations.values.shape
    numbers = allotted(proposal.shares, n)
    u = _points(n, M + (D if proposal.background is not None else 0), keys, seed)
    gaussians = _Convolved.of(proposal, observations)
    values, ends = np.empty((N, n, M)), np.cumsum(numbers)
    for j, end in enumerate(ends[: len(proposal.means)]):
        part = slice(end - numbers[j], end)
        values[:, part] = gaussians.points(j, u[:, part, :M])
    if proposal.background is not None:
        part = slice(ends[-1] - numbers[-1], ends[-1])
        values[:, part] = _of_background(proposal.background, observations, u[:, part])
    values = np.where(observations.present[:, None], values, np.nan)
    with np.errstate(divide="ignore"):
        log_shares = np.log(numbers / n)
    terms = [log_shares[j] + gaussians.log_densities(j, values) for j in range(len(proposal.means)) if numbers[j]]
    if proposal.background is not None and numbers[-1]:
        noise = observations.noise_model.select(np.repeat(np.arange(N), n))
        of_background = proposal.background.log_densities(values.reshape(-1, M), noise).reshape(N, n)
        terms.append(log_shares[-1] + of_background)
    return Samples(values, np.asarray(np.logaddexp.reduce(terms, axis=0)))


def allotted(shares: Floats, n: int) -> Indices:
    """Whole numbers that sum to n, in these shares: rounded ends of their cumulative sums."""
    ends = np.rint(n * np.cumsum(shares) / shares.sum()).astype(np.intp)
    return np.asarray(np.diff(ends, prepend=0))


def _points(n: int, n_dimensions: int, keys: list[bytes], seed: int) -> Floats:
    """Points of the unit cube for each key (G, n, d)."""
    from scipy.stats import qmc

    base = qmc.Sobol(n_dimensions, scramble=False).random_base2(int(np.ceil(np.log2(n))))[:n]
    salt, size = seed.to_bytes(8, "little"), 8 * n_dimensions
    digests = b"".join(hashlib.shake_128(salt + key).digest(size) for key in keys)
    shifts = np.frombuffer(digests, dtype="<u8").reshape(len(keys), 1, n_dimensions) / 2.0**64
    return np.asarray(np.clip((base + shifts) % 1.0, INSIDE, 1.0 - INSIDE))


@dataclass(frozen=True, eq=False)
class _Convolved:
    """The Gaussians of a proposal, convolved with the noise of each object.

    Attributes
    ----------
    present : ndarray of bool (N, M)
    means : ndarray (N, J, M)
    roots : ndarray (N, J, M, M)
        Lower triangular factors of the covariances; missing values have those of the identity.
    """

    present: NDArray[np.bool_]
    means: Floats
    roots: Floats

    @classmethod
    def of(cls, proposal: Proposal, observations: Observations) -> _Convolved:
        present = observations.present
        (N, M), R = present.shape, observations.projections
        means, V = proposal.means, proposal.covariances
        if R is not None:
            R = np.broadcast_to(R, (N, M, observations.n_dimensions))[:, None]
            means, V = np.einsum("nqmd,jd->njm", R, means), R @ V @ R.mT
        both = (present[:, :, None] & present[:, None, :])[:, None]
        S = np.where(both[:, 0], observations.noise_covariances, 0.0)
        T = proposal.widenings[:, None, None] * (V + S[:, None])
        roots = np.linalg.cholesky(np.where(both, T, np.eye(M)))
        return cls(present, np.broadcast_to(means, (N, len(V) if R is None else V.shape[1], M)), roots)

    def points(self, j: int, u: Floats) -> Floats:
        """Points of Gaussian j (N, n, M) from those of the unit cube."""
        from scipy.special import ndtri

        result: Floats = self.means[:, None, j] + ndtri(u) @ self.roots[:, j].mT
        return result

    def log_densities(self, j: int, values: Floats) -> Floats:
        """Log-density of Gaussian j (N, n) at values (N, n, M)."""
        offsets = np.where(self.present[:, None], values - self.means[:, None, j], 0.0)
        z = offsets @ np.linalg.inv(self.roots[:, j]).mT
        log_root = np.log(np.diagonal(self.roots[:, j], axis1=1, axis2=2)).sum(axis=1)
        constant = log_root + 0.5 * LOG_2PI * self.present.sum(axis=1)
        return np.asarray(-0.5 * np.einsum("nqm,nqm->nq", z, z) - constant[:, None])


def _of_background(background: Background, observations: Observations, u: Floats) -> Floats:
    """Values of objects of a background (N, n, M): uniform in its box, with the noise of each object."""
    from scipy.special import ndtri

    low, high = background.box
    D = low.size
    points = low + (high - low) * u[:, :, :D]
    if background.of == "measured values":
        return np.asarray(points)
    present = observations.present
    S = np.where(present[:, :, None] & present[:, None, :], observations.noise_covariances, 0.0)
    return np.asarray(points + ndtri(u[:, :, D:]) @ square_roots(S))
