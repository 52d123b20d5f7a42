"""How probable is it that the true values of an object lie in a box, when they were measured with Gaussian noise?

The true values of an object are N(w, S), w being its values and S the covariance of its noise.  The functions here give
the probability that they lie in a box, its slopes with respect to the edges, and mean and covariance of the true values
in the box.  All of them follow the same rules:

- A missing value has probability 1.  An exact one has 1 in the box, edges included, and 0 outside.
- A column whose edges are farther than `FAR` standard errors away is not cut (`_cut_columns`).
- Columns that are cut, and correlated with no other one that is, have univariate probabilities.
- Other columns need a joint integral: of two columns by Gauss and Legendre's rule over the first one, of more by a
  lattice rule (`_quadrature`).  Both are deterministic.

Everything is computed in logarithms, so that objects far outside do not underflow.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.basics.linalg import symmetric
from xdgmm.kernels import Correlated, NoiseMixture
from xdgmm.kernels.small_matrices import positive_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xdgmm.kernels import Noise

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Indices = NDArray[np.intp]

FAR = 8.3  # standard errors: the probability beyond is 5e-17
AT_ONCE = 100_000  # objects
JOINT_AT_ONCE = 2_000  # objects with a joint integral
NARROW = 1e-3  # intervals below this many standard errors have the density of their middle
LOG_ROOT_2PI, ROOT_2, ROOT_HALF_PI = 0.5 * float(np.log(2.0 * np.pi)), float(np.sqrt(2.0)), float(np.sqrt(np.pi / 2))
NODES = 10  # of Gauss and Legendre's rule on each panel
ENDS = np.array([2.0, 6.0, 14.0, 40.0])  # of the panels, in units of the scale on which the integrand falls
AT_CROSSINGS = (-6.0, -2.0, 0.0, 2.0, 6.0)  # ends of panels, in units of the scale on which the second one is cut
SUPPORT = 10.0  # standard deviations from the mode: the integrand is below exp(-50) there
RESOLVED = 1e-8  # least conditional standard deviation, relative to the whole
LATTICE = 2039  # points of the lattice rule
MOMENT_NODES = 48  # on the one panel of an interval
MOST_IN_FORMULA, LEAST_IN_FORMULA = 5.0, 0.3  # mode and length of an interval whose moments the formulae give exactly
LOWEST = 90.0  # twice the nats below the mode that count
STEEPEST = 100.0  # logarithm of a slope: what exceeds it, 1e8 standard errors outside, is rounding
TRIES, SWEEPS = 100, 200  # draws by rejection, and sweeps of Gibbs' sampler where none of them is kept


def log_probabilities(values: Floats, noise: Noise, low: Floats, high: Floats) -> Floats:
    """Natural logarithm of the probability that the true values of each object lie in the box (N,).

    Parameters
    ----------
    values : ndarray (N, M)
        NaN where missing.
    noise : Noise
    low, high : ndarray (M,) or (N, M)
        Corners of the box of all objects, or of each.

    Notes
    -----
    Relative errors of the probabilities are about 1e-9 where two correlated columns are cut, 1e-4 where three or more
    are, and those of rounding otherwise.
    """
    if isinstance(noise, NoiseMixture):
        return noise.shares(log_probabilities(*_rows(values, noise, low, high)))[0]
    result = np.empty(len(values))
    for rows, part in _parts(values, noise, low, high):
        result[rows] = part.log_probabilities()
    return result


def slopes(values: Floats, noise: Noise, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Derivatives of `log_probabilities` with respect to each edge: of the lower corner (N, M), and of the higher one.

    They are zero for missing and exact values.
    """
    if isinstance(noise, NoiseMixture):
        of_rows = _rows(values, noise, low, high)
        shares = _shares(noise, of_rows)
        by_low, by_high = (noise.sums(shares[:, None] * each) for each in slopes(*of_rows))
        return by_low, by_high
    result = np.empty((2, *values.shape))
    for rows, part in _parts(values, noise, low, high):
        result[:, rows] = part.slopes()
    return result[0], result[1]


def moments(values: Floats, noise: Noise, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Means (N, M) and covariances (N, M, M) of the true values that lie in the box: of a truncated Gaussian.

    Missing values have mean and variance of a uniform density.  An exact value keeps its place.
    """
    if isinstance(noise, NoiseMixture):
        of_rows = _rows(values, noise, low, high)
        shares = _shares(noise, of_rows)
        of_each, spread = moments(*of_rows)
        means = noise.sums(shares[:, None] * of_each)
        offsets = of_each - means[noise.owners]
        return means, noise.sums(shares[:, None, None] * (spread + offsets[:, :, None] * offsets[:, None]))
    N, M = values.shape
    means, covariances = np.empty((N, M)), np.empty((N, M, M))
    for rows, part in _parts(values, noise, low, high):
        means[rows], covariances[rows] = part.moments()
    return means, covariances


def is_cut(values: Floats, noise: Noise, low: Floats, high: Floats) -> Bools:
    """Which objects have a column whose edges the noise reaches (N,): the others are Gaussian in the box."""
    if isinstance(noise, NoiseMixture):
        return noise.sums(is_cut(*_rows(values, noise, low, high)).astype(np.float64)) > 0
    result = np.empty(len(values), bool)
    for rows, part in _parts(values, noise, low, high):
        result[rows] = part.cut.any(axis=1)
    return result


def standard_errors_outside(values: Floats, noise: Noise, low: Floats, high: Floats) -> Floats:
    """How many standard errors each object lies outside, in its farthest column (N,): infinite for an exact value."""
    if isinstance(noise, NoiseMixture):
        of_rows = standard_errors_outside(*_rows(values, noise, low, high))
        return np.asarray(np.minimum.reduceat(of_rows, noise.starts[:-1]))
    result = np.empty(len(values))
    for rows, part in _parts(values, noise, low, high):
        outside = np.where(part.possible, np.maximum(part.a, -part.b), np.inf)
        result[rows] = np.maximum(np.where(part.present, outside, 0.0).max(axis=1), 0.0)
    return result


def draw(values: Floats, noise: Noise, low: Floats, high: Floats, n_samples: int, rng: np.random.Generator) -> Floats:
    """Draws (N, n_samples, M) of the true values that lie in the box; missing values are uniform in it."""
    if isinstance(noise, NoiseMixture):
        return _drawn_of_rows(noise, _rows(values, noise, low, high), n_samples, rng)
    result = np.empty((len(values), n_samples, values.shape[1]))
    for rows, part in _parts(values, noise, low, high):
        result[rows] = part.draw(n_samples, rng)
    return result


def _rows(values: Floats, noise: NoiseMixture, low: Floats, high: Floats) -> tuple[Floats, Noise, Floats, Floats]:
    """The same arguments of each row of a noise mixture."""
    owners = noise.owners
    low, high = (np.broadcast_to(edge, values.shape)[owners] for edge in (low, high))
    return noise.values_of_rows(values), noise.parts, low, high


def _shares(noise: NoiseMixture, of_rows: tuple[Floats, Noise, Floats, Floats]) -> Floats:
    return noise.shares(log_probabilities(*of_rows))[1]


def _drawn_of_rows(
    noise: NoiseMixture, of_rows: tuple[Floats, Noise, Floats, Floats], n_samples: int, rng: np.random.Generator
) -> Floats:
    """Draws, each from a row of its object that is chosen with its share."""
    chosen = noise.chosen(_shares(noise, of_rows), n_samples, rng).ravel()
    values, parts, low, high = of_rows
    drawn = draw(values[chosen], parts.select(chosen), low[chosen], high[chosen], 1, rng)
    return drawn.reshape(len(noise), n_samples, -1)


def _parts(values: Floats, noise: Noise, low: Floats, high: Floats) -> Iterator[tuple[slice, Part]]:
    """Objects that are computed at once."""
    low, high = np.broadcast_to(low, values.shape), np.broadcast_to(high, values.shape)
    for start in range(0, len(values), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        yield rows, Part(values[rows], noise.select(rows), low[rows], high[rows])


class Part:
    """Some objects with their box, in units of their standard errors.

    Attributes
    ----------
    a, b : ndarray (n, M)
        Edges less the value, over the standard error; infinite for missing and exact values.
    possible : ndarray of bool (n, M)
        False for an exact value outside the box.
    cut : ndarray of bool (n, M)
        Columns in which the noise reaches an edge.
    """

    def __init__(self, values: Floats, noise: Noise, low: Floats, high: Floats) -> None:
        self.values, self.noise, self.low, self.high = values, noise, low, high
        self.present = np.isfinite(values)
        variances = np.where(self.present, noise.variances, 0.0)
        self.sigmas = np.sqrt(variances)
        noisy = variances > 0
        with np.errstate(invalid="ignore"):
            self.possible = ~self.present | noisy | ((values >= low) & (values <= high))
        self.a = np.divide(low - values, self.sigmas, where=noisy, out=np.full(values.shape, -np.inf))
        self.b = np.divide(high - values, self.sigmas, where=noisy, out=np.full(values.shape, np.inf))
        self.cut = _cut_columns(self.a, self.b, correlated=isinstance(noise, Correlated))

    def log_probabilities(self) -> Floats:
        """``ln P`` (n,)."""
        return np.asarray(self._of_single().sum(axis=1) + self._of_linked())

    def _of_single(self) -> Floats:
        """``ln P`` of each column that is integrated by itself (n, M)."""
        result = np.where(self.possible, 0.0, -np.inf)
        single = self.cut & ~self.linked
        result[single] = log_interval(self.a[single], self.b[single])
        return result

    def _of_linked(self) -> Floats:
        """``ln P`` of the columns that are integrated together (n,)."""
        result = np.zeros(len(self.values))
        for rows, columns in groups(self.linked):
            result[rows] = _joint(*self.standardised(rows, columns))
        return result

    @property
    def linked(self) -> Bools:
        """Columns that are cut and correlated with another one that is (n, M)."""
        result = np.zeros_like(self.cut)
        if isinstance(self.noise, Correlated):
            several = np.flatnonzero(self.cut.sum(axis=1) > 1)
            cut = self.cut[several]
            S = self.noise.select(several).covariances()
            both = cut[:, :, None] & cut[:, None, :] & ~np.eye(cut.shape[1], dtype=bool)
            result[several] = (both & (S != 0)).any(axis=2)
        return result

    def _covariances(self, rows: Indices, columns: Indices) -> Floats:
        """Noise covariances of some columns of some objects."""
        return np.asarray(self.noise.select(rows).covariances()[:, columns[:, None], columns])

    def standardised(self, rows: Indices, columns: Indices) -> tuple[Floats, Floats, Floats]:
        """Edges in standard errors, and correlations, of some columns of some objects."""
        each = rows[:, None], columns
        sigmas = self.sigmas[each]
        correlations = self._covariances(rows, columns) / sigmas[:, :, None] / sigmas[:, None, :]
        return self.a[each], self.b[each], np.asarray(correlations)

    def slopes(self) -> Floats:
        """Derivatives of ``ln P`` with respect to the edges (2, n, M)."""
        result = np.zeros((2, *self.values.shape))
        linked = self.linked
        single = self.cut & ~linked
        a, b, sigmas = self.a[single], self.b[single], self.sigmas[single]
        interval = _Interval.of(a, b)
        for side, (edge, sign) in enumerate(((a, -1.0), (b, 1.0))):
            result[side][single] = sign * interval.density_at(edge) / sigmas
        for rows, columns in groups(linked):
            joint = _joint_slopes(*self.standardised(rows, columns))
            each = rows[:, None], columns
            result[:, each[0], each[1]] = joint / self.sigmas[each]
        return result

    def moments(self) -> tuple[Floats, Floats]:
        """Means (n, M) and covariances (n, M, M) in the box."""
        present, width = self.present, self.high - self.low
        means = np.where(present, self.values, 0.5 * (self.low + self.high))
        both = present[:, :, None] & present[:, None, :]
        uniform = np.eye(width.shape[1]) * (width**2 / 12.0 * ~present)[:, :, None]
        covariances = np.where(both, self.noise.covariances(), uniform)
        linked = self.linked
        for rows, columns in groups(self.cut):
            mean, covariance = self._in_box(rows, columns, linked[rows][:, columns])
            S = np.where(both[rows], self.noise.select(rows).covariances(), 0.0)
            B = _regression(S, columns)
            means[rows] += np.einsum("nij,nj->ni", B, mean - self.values[rows[:, None], columns])
            means[rows[:, None], columns] = mean
            # of the other columns what the cut ones leave, and what they bring along
            rest = covariances[rows] - B @ S[:, columns]
            rest[:, columns], rest[:, :, columns] = 0.0, 0.0
            covariances[rows] = positive_parts(rest) + symmetric(B @ covariance @ np.swapaxes(B, 1, 2))
        return means, covariances

    def _in_box(self, rows: Indices, columns: Indices, linked: Bools) -> tuple[Floats, Floats]:
        """Mean and covariance in the box of the columns that are cut."""
        a, b, R = self.standardised(rows, columns)
        mean, variance = interval_moments(a, b)
        covariance = variance[:, :, None] * np.eye(columns.size)
        for some, together in groups(linked):
            block = some[:, None, None], together[:, None], together
            of_linked = a[some[:, None], together], b[some[:, None], together], R[block]
            mean[some[:, None], together], covariance[block] = _joint_moments(*of_linked)
        each = rows[:, None], columns
        sigmas = self.sigmas[each]
        inside = np.clip(self.values[each] + mean * sigmas, self.low[each], self.high[each])
        return inside, covariance * sigmas[:, :, None] * sigmas[:, None, :]

    def draw(self, n_samples: int, rng: np.random.Generator) -> Floats:
        """Draws (n, n_samples, M)."""
        noise = np.where(self.present[:, None], self.noise.draw(n_samples, self.present, rng), 0.0)
        result = np.where(self.present, self.values, 0.0)[:, None] + noise
        linked = self.linked
        for rows, columns in groups(self.cut):
            a, b, R = self.standardised(rows, columns)
            together = linked[rows][:, columns]
            z = truncated(rng.random((n_samples, *a.shape)), a, b).swapaxes(0, 1)
            for some, which in groups(together):
                z[some[:, None, None], np.arange(n_samples)[:, None], which] = _joint_draws(
                    a[some[:, None], which], b[some[:, None], which], R[some[:, None, None], which[:, None], which],
                    n_samples, rng,
                )  # fmt: skip
            both = self.present[rows][:, :, None] & self.present[rows][:, None, :]
            B = _regression(np.where(both, self.noise.select(rows).covariances(), 0.0), columns)
            shift = z * self.sigmas[rows[:, None], columns][:, None] - noise[rows][:, :, columns]
            result[rows] += np.einsum("nij,nsj->nsi", B, shift)
        uniform = self.low[:, None] + (self.high - self.low)[:, None] * rng.random(result.shape)
        result = np.where(self.present[:, None], result, uniform)
        inside = np.clip(result, self.low[:, None], self.high[:, None])  # by rounding, or beyond `FAR`
        return np.where((self.sigmas > 0)[:, None], inside, result)


def _cut_columns(a: Floats, b: Floats, *, correlated: bool) -> Bools:
    """Columns in which an edge is near: in standard errors, more by those that an object is outside in another column.

    Where an object lies outside in one column, what is left of it in the box may lie as far from its value in every
    column that is correlated with this one.
    """
    reach: Floats | float = FAR
    if correlated:
        reach = FAR + np.maximum(np.maximum(a, -b).max(axis=1, initial=0.0), 0.0)[:, None]
    return np.asarray((a > -reach) | (b < reach))


def groups(marked: Bools) -> Iterator[tuple[Indices, Indices]]:
    """Rows (n,) that have the same columns (d,) marked, some at a time; rows without any are left out."""
    some = np.flatnonzero(marked.any(axis=1))
    if not some.size:
        return
    patterns, which = np.unique(marked[some], axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        rows = some[which.ravel() == k]
        for start in range(0, rows.size, JOINT_AT_ONCE):
            yield rows[start : start + JOINT_AT_ONCE], np.flatnonzero(pattern)


def _regression(S: Floats, columns: Indices) -> Floats:
    """``S_.c S_cc^-1`` (n, M, d) of some columns c; the identity there."""
    M = S.shape[1]
    result = np.zeros((len(S), M, columns.size))
    others = np.setdiff1d(np.arange(M), columns)
    S_cc = S[:, columns[:, None], columns]
    result[:, others] = S[:, others[:, None], columns] @ np.linalg.pinv(S_cc, hermitian=True)
    result[:, columns, np.arange(columns.size)] = 1.0
    return result


# A standard normal in an interval.


def _log_normal(x: Floats) -> Floats:
    return np.asarray(-0.5 * x * x - LOG_ROOT_2PI)


class _Interval(NamedTuple):
    """Intervals of a standard normal: its most probable place in each, and ``ln P`` less ``ln phi`` there.

    Both are of the size of the interval, however far out it lies.
    """

    mode: Floats
    log_ratio: Floats

    @classmethod
    def of(cls, a: Floats, b: Floats) -> _Interval:
        """Of intervals from a to b; the ratio is zero where they are equal."""
        from scipy.special import erfcx, ndtr

        flipped = a > 0
        a, b = np.where(flipped, -b, a), np.where(flipped, -a, b)
        mode = np.minimum(b, 0.0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            width = b - a
            rest = np.where(np.isinf(a), 0.0, erfcx(-a / ROOT_2) * np.exp(-0.5 * width * (np.abs(a) - b)))
            in_tail = np.log(ROOT_HALF_PI * (erfcx(-b / ROOT_2) - rest))
            about_zero = np.log1p(-ndtr(a) - ndtr(-b)) + LOG_ROOT_2PI
            middle = 0.5 * (a + b)
            steepness = middle * width
            of_middle = -0.5 * (middle - mode) * (middle + mode) + np.log(width)
            of_middle += np.log1p((steepness**2 - width**2) / 24.0)
            narrow = width * np.maximum(1.0, np.abs(middle)) < NARROW
        log_ratio = np.where(narrow, of_middle, np.where(b <= 0, in_tail, about_zero))
        return cls(np.where(flipped, -mode, mode), log_ratio)

    @property
    def log_probability(self) -> Floats:
        """``ln P``."""
        return _log_normal(self.mode) + self.log_ratio

    def density_at(self, x: Floats) -> Floats:
        """Density at x, at or beyond the ends, of the normal in the interval."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(-0.5 * (x - self.mode) * (x + self.mode) - self.log_ratio))


def log_interval(a: Floats, b: Floats) -> Floats:
    """``ln(Phi(b) - Phi(a))`` for ``a < b``, accurate in both tails and for narrow intervals; -inf if a is b."""
    return _Interval.of(a, b).log_probability


@cache
def legendre(n: int) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Legendre's rule on (0, 1)."""
    x, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (x + 1.0), 0.5 * w


def interval_moments(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of a standard normal between a and b."""
    a, b = np.broadcast_arrays(a, b)
    mode = np.clip(0.0, a, b)
    plain = (np.abs(mode) < MOST_IN_FORMULA) & (b - a > LEAST_IN_FORMULA)
    mean, variance = np.empty(a.shape), np.empty(a.shape)
    mean[plain], variance[plain] = _moments_by_formula(a[plain], b[plain])
    mean[~plain], variance[~plain] = _moments_by_quadrature(a[~plain], b[~plain], mode[~plain])
    return mean, variance


def _moments_by_formula(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Johnson, Kotz & Balakrishnan 1994, *Continuous Univariate Distributions* 1, sec. 13.10.1."""
    interval = _Interval.of(a, b)
    of_a, of_b = interval.density_at(a), interval.density_at(b)
    mean = of_a - of_b
    first, last = (np.where(np.isfinite(x), x, 0.0) for x in (a, b))
    return mean, 1.0 + first * of_a - last * of_b - mean**2


def _moments_by_quadrature(a: Floats, b: Floats, mode: Floats) -> tuple[Floats, Floats]:
    """One panel of Gauss and Legendre's rule: its terms are positive, so that no digits cancel far out."""
    reach = np.sqrt(mode**2 + LOWEST)
    first, last = np.maximum(a, -reach), np.minimum(b, reach)
    u, weights = legendre(MOMENT_NODES)
    offset = (first - mode)[..., None] + (last - first)[..., None] * u  # from the mode
    density = weights * np.exp(-0.5 * offset * (offset + 2.0 * mode[..., None]))
    total = density.sum(axis=-1)
    mean = (density * offset).sum(axis=-1) / total
    variance = (density * (offset - mean[..., None]) ** 2).sum(axis=-1) / total
    return mode + mean, variance


def truncated(u: Floats, a: Floats, b: Floats) -> Floats:
    """Quantiles at u of a standard normal between a and b."""
    from scipy.special import log_ndtr, ndtri_exp

    flipped = a > 0
    lower, upper = np.where(flipped, -b, a), np.where(flipped, -a, b)
    u = np.where(flipped, 1.0 - u, u)
    with np.errstate(divide="ignore"):
        level = np.logaddexp(log_ndtr(lower) + np.log1p(-u), log_ndtr(upper) + np.log(u))
    x = ndtri_exp(level)
    return np.asarray(np.clip(np.where(flipped, -x, x), a, b))


# Correlated normals of unit variance in a box.


class _Quadrature(NamedTuple):
    """Points (n, q, d - 1) of all coordinates but the last with log-weights (n, q), and what the last one is there.

    `mean` (n, q) and `sigma` (n, 1) are those of the last coordinate given the others, without the box; the log-weights
    hold its probability.
    """

    points: Floats
    log_weights: Floats
    mean: Floats
    sigma: Floats


def _joint(a: Floats, b: Floats, R: Floats) -> Floats:
    """``ln P`` of correlated standard normals (n, d) between a and b, R being their correlations (n, d, d)."""
    if a.shape[1] == 1:
        return log_interval(a[:, 0], b[:, 0])
    return _log_sum(_quadrature(a, b, R)[1].log_weights)


def _log_sum(log_weights: Floats) -> Floats:
    highest = log_weights.max(axis=1)
    base = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(base + np.log(np.exp(log_weights - base[:, None]).sum(axis=1)))


def _quadrature(a: Floats, b: Floats, R: Floats) -> tuple[Indices, _Quadrature]:
    """Order (n, d) in which the coordinates are taken, and the rule for them in this order."""
    # the coordinate that the box cuts most comes first (Genz & Bretz 2009, sec. 4.1.3)
    order = np.argsort(log_interval(a, b), axis=1, kind="stable")
    a, b = np.take_along_axis(a, order, 1), np.take_along_axis(b, order, 1)
    rows = np.arange(len(a))[:, None, None]
    R = R[rows, order[:, :, None], order[:, None, :]]
    return order, (_panels(a, b, R[:, 0, 1]) if a.shape[1] == 2 else _lattice(a, b, R))


def _panels(a: Floats, b: Floats, rho: Floats) -> _Quadrature:
    """Two coordinates: the first by Gauss and Legendre's rule on panels, the second exactly.

    The marginal density of the first one in the box falls from its mode at least as fast as a normal of variance 1
    (Brascamp & Lieb 1976, J. Funct. Anal. 22, 366), and faster at an edge.  Where the mean of the second one crosses
    an edge, it changes on a scale of ``sqrt(1 - rho^2) / rho``.  The ends of the panels follow from these scales.
    """
    rho = np.clip(rho, -1.0, 1.0)[:, None]
    sigma = np.maximum(np.sqrt((1.0 - rho) * (1.0 + rho)), RESOLVED)
    mode, second = _nearest_point(a, b, rho)
    steepness = np.abs(mode - rho * second) / sigma**2
    scale = 1.0 / np.maximum(1.0, np.minimum(steepness, 1.0 / RESOLVED))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        crossings = np.column_stack([a[:, 1:], b[:, 1:]]) / rho
        widths = sigma / np.abs(rho)
        about_mode = [mode + k * each for k in (-ENDS, 0.0, ENDS) for each in (scale, sigma)]
        about_crossings = [crossings + k * widths for k in AT_CROSSINGS]
    first, last = np.maximum(a[:, :1], mode - SUPPORT), np.minimum(b[:, :1], mode + SUPPORT)
    places = np.nan_to_num(np.column_stack([first, last, *about_mode, *about_crossings]), nan=0.0)
    ends = np.sort(np.clip(places, first, last), axis=1)
    u, weights = legendre(NODES)
    lengths = np.diff(ends, axis=1)
    x = ends[:, :-1, None] + lengths[:, :, None] * u
    log_weights = np.full(x.shape, -np.inf)
    objects, panels = np.nonzero(lengths)  # most panels of most objects are empty
    inside = x[objects, panels]
    second = log_interval(*(((edge[objects, 1:] - rho[objects] * inside) / sigma[objects]) for edge in (a, b)))
    log_weights[objects, panels] = _log_normal(inside) + second + np.log(lengths[objects, panels, None] * weights)
    points = np.asarray(x.reshape(len(a), -1))
    return _Quadrature(points[:, :, None], np.asarray(log_weights.reshape(len(a), -1)), rho * points, sigma)


def _nearest_point(a: Floats, b: Floats, rho: Floats) -> tuple[Floats, Floats]:
    """Both coordinates (n, 1) of the most probable point of the box."""
    c = np.clip(0.0, a, b)
    one = c[:, :1], np.clip(rho * c[:, :1], a[:, 1:], b[:, 1:])
    other = np.clip(rho * c[:, 1:], a[:, :1], b[:, :1]), c[:, 1:]
    squares = [x * x - 2.0 * rho * x * y + y * y for x, y in (one, other)]
    first_is_nearer = squares[0] <= squares[1]
    return np.where(first_is_nearer, one[0], other[0]), np.where(first_is_nearer, one[1], other[1])


@cache
def lattice_points(n_dimensions: int) -> Floats:
    """Points (q, d) of a rank-1 lattice in the unit cube, folded, so that smooth integrands become periodic.

    Its generator is built coordinate by coordinate, each with the least worst-case error for periodic functions with
    one derivative along each coordinate (Sloan & Reztsov 2002, Math. Comput. 71, 263).
    """
    i = np.arange(LATTICE)
    fractions = i / LATTICE
    kernel = 2.0 * np.pi**2 * (fractions**2 - fractions + 1.0 / 6.0)
    of_candidates = kernel[np.outer(i[1 : LATTICE // 2], i) % LATTICE]
    generator: list[int] = []
    product = np.ones(LATTICE)
    for _ in range(n_dimensions):
        best = int(np.argmin(of_candidates @ product))
        generator.append(best + 1)
        product = product * (1.0 + of_candidates[best])
    points = (np.outer(i, generator) / LATTICE + 0.5 / LATTICE) % 1.0
    return np.asarray(np.abs(2.0 * points - 1.0))


def _lattice(a: Floats, b: Floats, R: Floats) -> _Quadrature:
    """Any number of coordinates, one after the other given those before (Genz 1992, J. Comput. Graph. Stat. 1, 141)."""
    n, d = a.shape
    L = factors(R)
    z, points, log_weights = np.empty((n, LATTICE, d - 1)), np.empty((n, LATTICE, d - 1)), np.zeros((n, LATTICE))
    u = lattice_points(d - 1)
    for i in range(d):
        mean = np.einsum("nqj,nj->nq", z[:, :, :i], L[:, i, :i])
        pivot = L[:, i, i, None]
        lower, upper = (a[:, i, None] - mean) / pivot, (b[:, i, None] - mean) / pivot
        log_weights += log_interval(lower, upper)
        if i < d - 1:
            z[:, :, i] = truncated(u[:, i], lower, upper)
            points[:, :, i] = mean + pivot * z[:, :, i]
    return _Quadrature(points, log_weights - np.log(LATTICE), mean, pivot)


def factors(R: Floats) -> Floats:
    """Cholesky factors (n, d, d) of correlations, with pivots of at least `RESOLVED`."""
    L = np.zeros_like(R)
    for i in range(R.shape[1]):
        for j in range(i):
            L[:, i, j] = (R[:, i, j] - (L[:, i, :j] * L[:, j, :j]).sum(axis=1)) / L[:, j, j]
        L[:, i, i] = np.sqrt(np.maximum(R[:, i, i] - (L[:, i, :i] ** 2).sum(axis=1), RESOLVED**2))
    return L


def _joint_slopes(a: Floats, b: Floats, R: Floats) -> Floats:
    """Derivatives (2, n, d) of `_joint` with respect to a and b: the others in the box, given one at its edge."""
    d = a.shape[1]
    whole, result = _joint(a, b, R), np.zeros((2, *a.shape))
    for j in range(d):
        others = np.delete(np.arange(d), j)
        rho = R[:, others, j]
        sigmas = np.sqrt(np.maximum((1.0 - rho) * (1.0 + rho), RESOLVED**2))
        rest = R[:, others[:, None], others] - rho[:, :, None] * rho[:, None, :]
        rest = rest / sigmas[:, :, None] / sigmas[:, None, :]
        for side, (edges, sign) in enumerate(((a, -1.0), (b, 1.0))):
            edge = edges[:, j]
            finite = np.isfinite(edge)
            mean = rho[finite] * edge[finite, None]
            lower, upper = ((x[finite][:, others] - mean) / sigmas[finite] for x in (a, b))
            log_density = _log_normal(edge[finite]) + _joint(lower, upper, rest[finite]) - whole[finite]
            result[side, finite, j] = sign * np.exp(np.minimum(log_density, STEEPEST))
    return result


def _joint_moments(a: Floats, b: Floats, R: Floats) -> tuple[Floats, Floats]:
    """Means (n, d) and covariances (n, d, d) in the box."""
    order, rule = _quadrature(a, b, R)
    last = order[:, -1:]
    lower, upper = np.take_along_axis(a, last, 1), np.take_along_axis(b, last, 1)
    z, variance = interval_moments((lower - rule.mean) / rule.sigma, (upper - rule.mean) / rule.sigma)
    points = np.concatenate([rule.points, (rule.mean + rule.sigma * z)[:, :, None]], axis=2)
    weights = np.exp(rule.log_weights - _log_sum(rule.log_weights)[:, None])
    mean = np.einsum("nq,nqi->ni", weights, points)
    points -= mean[:, None]
    covariance = np.einsum("nq,nqi,nqj->nij", weights, points, points)
    covariance[:, -1, -1] += (weights * variance).sum(axis=1) * rule.sigma[:, 0] ** 2
    back = np.argsort(order, axis=1)
    rows = np.arange(len(a))[:, None, None]
    return np.take_along_axis(mean, back, 1), covariance[rows, back[:, :, None], back[:, None, :]]


def _joint_draws(a: Floats, b: Floats, R: Floats, n_samples: int, rng: np.random.Generator) -> Floats:
    """Draws (n, n_samples, d): by rejection, and where too few are kept by Gibbs' sampler from the last ones."""
    n, d = a.shape
    lower, upper, L = (np.repeat(x, n_samples, axis=0) for x in (a, b, factors(R)))
    result, left = np.empty((n * n_samples, d)), np.arange(n * n_samples)
    for _ in range(TRIES):
        points, log_accepted = _one_after_the_other(lower[left], upper[left], L[left], rng)
        result[left] = points
        left = left[np.log(rng.random(left.size)) >= log_accepted]
        if not left.size:
            break
    if left.size:
        inverse = np.linalg.pinv(R, hermitian=True)[left // n_samples]
        result[left] = _gibbs(result[left], lower[left], upper[left], inverse, rng)
    return result.reshape(n, n_samples, d)


def _one_after_the_other(a: Floats, b: Floats, L: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draws (n, d) of each coordinate given those before, and the logarithm of the probability to keep each (n,).

    A draw has too high a density by the probability that the later coordinates, given it, lie in the box.
    """
    z, log_accepted = np.empty_like(a), np.zeros(len(a))
    for i in range(a.shape[1]):
        mean, pivot = (z[:, :i] * L[:, i, :i]).sum(axis=1), L[:, i, i]
        lower, upper = (a[:, i] - mean) / pivot, (b[:, i] - mean) / pivot
        if i > 0:
            log_accepted += log_interval(lower, upper)
        z[:, i] = truncated(rng.random(len(a)), lower, upper)
    return np.einsum("nij,nj->ni", L, z), log_accepted


def _gibbs(points: Floats, a: Floats, b: Floats, precision: Floats, rng: np.random.Generator) -> Floats:
    """Each coordinate in turn drawn given the others."""
    for _ in range(SWEEPS):
        for i in range(points.shape[1]):
            sigma = 1.0 / np.sqrt(precision[:, i, i])
            mean = points[:, i] - sigma**2 * (precision[:, i] * points).sum(axis=1)
            u = rng.random(len(points))
            points[:, i] = mean + sigma * truncated(u, (a[:, i] - mean) / sigma, (b[:, i] - mean) / sigma)
    return points
