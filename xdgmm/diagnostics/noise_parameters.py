"""Parameters of the noise, and what the objects say about them with the mixture held, and with it free.

The noise covariance of an object of group g is ``phi_g S`` (phi is the square of a factor on the errors), or
``S + sum_m phi_gm E_mm`` (phi is the square of a floor in measured column m).  Both are linear in phi.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import InputError
from xdgmm.fitting import responsibilities
from xdgmm.kernels import triangle
from xdgmm.prediction import in_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xdgmm.fitting import Problem
    from xdgmm.kernels import Data
    from xdgmm.mixture import Background, GaussianMixture
    from xdgmm.observations import Observations

    from .groups import Groups

    Floats = NDArray[np.float64]

RIDGE = 1e-14  # of the variances: T of a component without width beside exact values is singular
STEP = 1e-3  # of the differences of the density of a background, relative to phi


@dataclass(frozen=True, eq=False)
class NoiseParameters:
    """A factor on the errors of each group, or a floor in each of its measured columns.

    Attributes
    ----------
    problem : Problem
    groups : Groups
    kind : {"factor", "jitter"}
        Squares of floors are in the units of the solvers.
    """

    problem: Problem
    groups: Groups
    kind: str

    def __post_init__(self) -> None:
        """Refuse flat components, whose slopes with the noise are not known here."""
        if self.problem.model.flat is not None:
            raise InputError(
                "whether the errors are right cannot be fitted beside flat components; leave the flat columns out, and "
                "fit a mixture of Gaussians to the others"
            )

    @property
    def n_parts(self) -> int:
        """Parameters of one group: one factor, or a floor for each measured column."""
        return 1 if self.kind == "factor" else self.problem.observations.n_measured

    @property
    def size(self) -> int:
        """Number of parameters, those of the first free group first."""
        return len(self.groups.free) * self.n_parts

    @property
    def unchanged(self) -> Floats:
        """The parameters of the noise as it was given."""
        return np.full(self.size, 1.0 if self.kind == "factor" else 0.0)

    @property
    def of_rows(self) -> NDArray[np.intp]:
        """Place of the free group of each row (N,); -1 for the reference, and for rows that do not count."""
        places = np.full(len(self.groups.labels) + 1, -1)
        places[list(self.groups.free)] = np.arange(len(self.groups.free))
        return np.asarray(places[self.groups.members])

    @property
    def farthest(self) -> Floats:
        """Factors, or floors, at which errors are as large as the range of the values: beyond, the likelihood falls."""
        observations, scaling = self.problem.observations, self.problem.scaling
        values = np.where(observations.counts[:, None], observations.values, np.nan)
        ranges = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
        if self.kind == "jitter":
            return np.tile(ranges / scaling.measured_scale, len(self.groups.free))
        errors = np.sqrt(np.where(np.isfinite(values), observations.variances, 0.0))
        with np.errstate(divide="ignore"):
            ratios = np.where(errors > 0, ranges / errors, 0.0).max(axis=1)
        return np.array([ratios[self.groups.members == place].max() for place in self.groups.free])

    def observations(self, phi: Floats) -> Observations:
        """The observations with this noise, in the user's units."""
        observations, rows = self.problem.observations, self.of_rows
        factors, floors = np.ones(len(observations)), np.zeros(observations.values.shape)
        roots = np.sqrt(phi).reshape(-1, self.n_parts)
        if self.kind == "factor":
            factors[rows >= 0] = roots[rows[rows >= 0], 0]
        else:
            floors[rows >= 0] = roots[rows[rows >= 0]] * self.problem.scaling.measured_scale
        noise = observations.noise_model.adjusted(factors, floors)
        return replace(observations, noise_model=noise)

    def pack(self, observations: Observations) -> Data:
        """Observations with changed noise, for the solvers."""
        return self.problem.pack(observations)

    def slopes(self, mixture: GaussianMixture, phi: Floats) -> Floats:
        """Derivatives of the log-likelihood with respect to phi, the mixture (of the solvers) held: (size,).

        ``sum omega r (u' D u - tr(T^-1 D)) / 2`` with D the derivative of the noise covariance and
        ``u = T^-1 (w - R m)``; by the envelope theorem also those of its maximum over all mixtures.
        """
        rows = self.of_rows
        used = np.flatnonzero(rows >= 0)
        each = np.zeros((used.size, self.n_parts))
        gaussians = mixture.expanded()
        r = self._memberships(gaussians, phi)[used]
        for block, part, D in self._in_blocks(phi, used):
            for k in range(gaussians.n_components):
                each[block] += 0.5 * r[block, k, None] * _scores(gaussians, part, k, D)
        background = self.problem.model.background
        if background is not None and background.of == "true values":
            each += r[:, -1, None] * self._background_slopes(background, phi)[used]
        omega = self.problem.observations.object_weights[used]
        result = np.zeros((len(self.groups.free), self.n_parts))
        np.add.at(result, rows[used], omega[:, None] * each)
        return result.ravel()

    def information(self, mixture: GaussianMixture, phi: Floats) -> tuple[Floats, Floats]:
        """Expected information on phi were all labels known, with the widths free and held: (size, size) each.

        ``sum omega r tr(T^-1 D_a T^-1 D_b) / 2`` over derivatives D_a of T with respect to phi and to the free elements
        of the intrinsic covariances; the latter are then eliminated (Schur complement).  The means are not correlated
        with either.  Noise cannot be told from the widths where the first matrix is singular and the second is not.
        """
        tri = triangle(mixture.n_dimensions)
        indices = self.problem.constraints.parameter_indices(*tri)
        size, p = self.size, self.n_parts
        nothing = size + int(indices.max(initial=-1)) + 1  # of elements of T that no parameter changes
        of_widths = np.where(indices < 0, nothing, size + indices)
        total = np.zeros((nothing + 1, nothing + 1))
        used = np.flatnonzero(self.problem.observations.counts)
        gaussians, expansion = mixture.expanded(), mixture.expansion
        owners = np.arange(mixture.n_components) if expansion is None else expansion.owners
        scales = np.ones(owners.size) if expansion is None else 1.0 / expansion.u
        groups, r = self.of_rows[used], self._memberships(gaussians, phi)[used]
        r = r * self.problem.observations.object_weights[used, None]
        for block, part, D in self._in_blocks(phi, used):
            elements = _elements(part, tri)
            elements = np.broadcast_to(elements, (len(D), *elements.shape[1:]))
            for j, k in enumerate(owners):
                changes = np.concatenate([D, scales[j] * elements], axis=1)
                products = _products(gaussians, part, j, changes) * (0.5 * r[block, j])[:, None, None]
                for g in np.unique(groups[block]):
                    of_noise = np.full(p, nothing) if g < 0 else g * p + np.arange(p)
                    index = np.concatenate([of_noise, of_widths[k]])
                    np.add.at(total, (index[:, None], index), products[groups[block] == g].sum(axis=0))
        held = total[:size, :size]
        return _eliminated(held, total[:size, size:nothing], total[size:nothing, size:nothing]), held

    def _in_blocks(self, phi: Floats, used: NDArray[np.intp]) -> Iterator[tuple[slice, Observations, Floats]]:
        """Standardised observations of these rows, and the derivatives of their noise, in blocks."""
        scaling = self.problem.scaling
        original = scaling.observations(self.problem.observations.select(used))
        for block, part in in_blocks(scaling.observations(self.observations(phi).select(used))):
            yield block, part, self._derivatives(original.select(block))

    def _memberships(self, mixture: GaussianMixture, phi: Floats) -> Floats:
        """Responsibilities (N, K) or (N, K + 1); zeros in rows that do not count."""
        data = self.pack(self.observations(phi))
        result = np.zeros((len(self.problem.observations), mixture.all_weights.size))
        result[data.rows] = np.nan_to_num(responsibilities(mixture, data))
        return result

    def _derivatives(self, original: Observations) -> Floats:
        """Derivatives of the noise covariances with respect to the parameters of the group: (n, n_parts, M, M)."""
        M, present = original.n_measured, original.present
        both = present[:, :, None] & present[:, None]
        if self.kind == "factor":
            return np.where(both, original.noise_covariances, 0.0)[:, None]
        each = np.zeros((M, M, M))
        each[range(M), range(M), range(M)] = 1.0
        return np.where(both[:, None], each, 0.0)

    def _background_slopes(self, background: Background, phi: Floats) -> Floats:
        """Derivatives of the log-density of a background at each object (N, n_parts), by differences."""
        values = self.problem.observations.values
        result = np.zeros((len(values), self.n_parts))
        for part in range(self.n_parts):
            change = np.where(np.arange(self.size) % self.n_parts == part, STEP * np.maximum(phi, STEP), 0.0)
            low, high = np.maximum(phi - change, 0.0), phi + change
            above, below = (background.log_densities(values, self.observations(at).noise_model) for at in (high, low))
            widths = np.append((high - low).reshape(-1, self.n_parts)[:, part], 1.0)[self.of_rows]
            with np.errstate(invalid="ignore"):
                result[:, part] = np.nan_to_num((above - below) / widths)
        return result


def _roots(mixture: GaussianMixture, observations: Observations, k: int) -> tuple[Floats, Floats]:
    """Cholesky factors (n, M, M) of T, and residuals (n, M) from the mean; those of a missing value are 1 and 0."""
    present, R = observations.present, observations.projections
    both = present[:, :, None] & present[:, None]
    mean, V = mixture.means[k], mixture.covariances[k]
    seen = mean if R is None else R @ mean
    spread = V if R is None else R @ V @ np.swapaxes(R, -1, -2)
    unit = np.eye(observations.n_measured)
    T = np.where(both, spread + np.where(both, observations.noise_covariances, 0.0), unit)
    T = T + RIDGE * unit * (T + (T == 0))
    return np.linalg.cholesky(T), np.where(present, observations.values - seen, 0.0)


def _scores(mixture: GaussianMixture, observations: Observations, k: int, D: Floats) -> Floats:
    """``u' D u - tr(T^-1 D)`` of each object and derivative (n, n_parts)."""
    L, d = _roots(mixture, observations, k)
    inverse = np.linalg.inv(L)
    P = np.swapaxes(inverse, 1, 2) @ inverse
    u = (P @ d[:, :, None])[:, :, 0]
    result: Floats = np.einsum("ni,npij,nj->np", u, D, u) - np.einsum("nij,npij->np", P, D)
    return result


def _products(mixture: GaussianMixture, observations: Observations, k: int, changes: Floats) -> Floats:
    """``tr(T^-1 D_a T^-1 D_b)`` of each object, for changes D (n, q, M, M) of T: (n, q, q)."""
    inverse = np.linalg.inv(_roots(mixture, observations, k)[0])[:, None]
    white = (inverse @ changes @ np.swapaxes(inverse, 2, 3)).reshape(*changes.shape[:2], -1)
    result: Floats = white @ np.swapaxes(white, 1, 2)
    return result


def _elements(observations: Observations, tri: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Floats:
    """Derivatives of T with respect to each element of the triangle of V: (n, elements, M, M)."""
    D, present, R = observations.n_dimensions, observations.present, observations.projections
    each = np.zeros((len(tri[0]), D, D))
    each[range(len(tri[0])), tri[0], tri[1]] = each[range(len(tri[0])), tri[1], tri[0]] = 1.0
    if R is not None:
        R = R if R.ndim == 2 else R[:, None]
        each = R @ each @ np.swapaxes(R, -1, -2)
    both = present[:, :, None] & present[:, None]
    return np.where(both[:, None], each, 0.0)


def _eliminated(of_noise: Floats, crossed: Floats, of_widths: Floats) -> Floats:
    """Information on the noise with the widths free."""
    scale = np.sqrt(np.where(np.diag(of_widths) > 0, np.diag(of_widths), 1.0))
    of_widths, crossed = of_widths / scale[:, None] / scale, crossed / scale
    taken = crossed @ np.linalg.pinv(of_widths, rcond=1e-12, hermitian=True) @ crossed.T
    result: Floats = of_noise - taken
    return 0.5 * (result + result.T)
