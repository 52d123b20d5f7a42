"""Noise that is not Gaussian: of each object a small mixture of Gaussians, or of exact points.

``w = v + noise`` with the noise of object i drawn from ``sum_q weights[q] N(shifts[q], S_q)``.  The Gaussians of all
objects stand one after the other, as *rows*; objects may have different numbers of them.  A row is a measurement of the
value ``w - shift`` with Gaussian noise, so that everything known of Gaussian noise serves here (`grouped.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.arrays import read_only
from xdgmm.errors import InputError

from .noise import Noise, join_noises

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .noise import Bools, Floats, Rows

    Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class NoiseMixture(Noise):
    """The noise of N objects, each a mixture of Gaussians with means that need not be zero.

    Attributes
    ----------
    starts : ndarray of int (N + 1,)
        Rows ``starts[i] .. starts[i + 1] - 1`` are the Gaussians of object i: at least one.
    weights : ndarray (R,)
        Of each row; those of an object sum to 1.
    shifts : ndarray (R, M)
        Mean of the noise of each row, in the units of the values.
    parts : Noise
        Noise of the R rows about their means: Exact, Independent or Correlated.
    centred : bool
        Is the mean of the noise of each object known to be zero?

    Notes
    -----
    Where one covariance, or one variance, is asked for, it is that of the whole mixture about its mean.
    """

    starts: Indices
    weights: Floats
    shifts: Floats
    parts: Noise
    centred: bool = False

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("starts", "weights", "shifts"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    array = None

    @property
    def form(self) -> int:  # type: ignore[override]
        """That of the noise of the rows."""
        return self.parts.form

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Its name in a summary of observations."""
        return f"errors as mixtures of {self._numbers} {self._members}"

    @property
    def _numbers(self) -> str:
        sizes = np.diff(self.starts)
        low, high = (int(sizes.min()), int(sizes.max())) if sizes.size else (0, 0)
        return str(low) if low == high else f"{low} to {high}"

    @property
    def _members(self) -> str:
        return "Gaussians" if self.parts.array is not None else "points"

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> Indices:
        """The object that each row belongs to (R,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def rows_of(self, objects: Rows) -> tuple[Indices, Indices]:
        """The rows of some objects (indices, a mask or a slice), and where those of each start (n + 1,)."""
        chosen = np.arange(len(self))[objects]
        sizes = np.diff(self.starts)[chosen]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
        return np.repeat(self.starts[:-1][chosen], sizes) + within, starts

    def select(self, rows: Rows) -> NoiseMixture:
        """The noise of some of the objects."""
        own, starts = self.rows_of(rows)
        weights, shifts, parts = self.weights[own], self.shifts[own], self.parts.select(own)
        return replace(self, starts=starts, weights=weights, shifts=shifts, parts=parts)

    @classmethod
    def joined(cls, noises: Sequence[NoiseMixture]) -> NoiseMixture:
        """The noise of several sets of objects."""
        ends = np.cumsum([each.starts[-1] for each in noises])
        later = [each.starts[1:] + end - each.starts[-1] for each, end in zip(noises, ends, strict=True)]
        return cls(
            np.concatenate([[0], *later]),
            np.concatenate([each.weights for each in noises]),
            np.concatenate([each.shifts for each in noises]),
            join_noises([each.parts for each in noises]),
            all(each.centred for each in noises),
        )

    def scaled(self, factors: Floats | float) -> NoiseMixture:
        """The noise of values that are multiplied by these factors (M,)."""
        return replace(self, shifts=self.shifts * factors, parts=self.parts.scaled(factors))

    def divided(self, scale: Floats | float) -> NoiseMixture:
        """The noise of values that are divided by a scale (M,)."""
        return replace(self, shifts=self.shifts / scale, parts=self.parts.divided(scale))

    def transformed(self, matrix: Floats, present: Bools) -> NoiseMixture:
        """The noise of ``A w``."""
        present = present[self.owners]
        shifts = np.where(present, self.shifts, 0.0) @ matrix.T
        return replace(self, shifts=shifts, parts=self.parts.transformed(matrix, present))

    def columns(self, places: list[int]) -> NoiseMixture:
        """The noise of some of the values."""
        return replace(self, shifts=self.shifts[:, places], parts=self.parts.columns(places))

    def adjusted(self, factors: Floats, floors: Floats) -> NoiseMixture:
        """The noise with all errors of an object multiplied by a factor (N,), and floors (N, M) added in quadrature."""
        owners = self.owners
        of_rows = factors[owners]
        return replace(self, shifts=self.shifts * of_rows[:, None], parts=self.parts.adjusted(of_rows, floors[owners]))

    def values_of_rows(self, values: Floats) -> Floats:
        """What each row measures (R, M): ``w - shift``, NaN where the value of the object (N, M) is missing."""
        return np.asarray(np.repeat(values, np.diff(self.starts), axis=0) - self.shifts)

    @property
    def means(self) -> Floats:
        """Mean of the noise of each object (N, M)."""
        return self.averages(self.shifts)

    def about_means(self) -> NoiseMixture:
        """The noise of the values less the mean of their noise."""
        return replace(self, shifts=self.shifts - self.means[self.owners], centred=True)

    def averages(self, numbers: Floats) -> Floats:
        """Weighted averages over the rows of each object (N, ...) of numbers of each row (R, ...)."""
        return self.sums(self.weights.reshape((-1,) + (1,) * (numbers.ndim - 1)) * numbers)

    def sums(self, numbers: Floats) -> Floats:
        """Sums over the rows of each object (N, ...) of numbers of each row (R, ...)."""
        if not len(self):
            return np.zeros((0, *numbers.shape[1:]))
        return np.asarray(np.add.reduceat(numbers, self.starts[:-1], axis=0))

    def shares(self, log_densities: Floats) -> tuple[Floats, Floats]:
        """``ln sum_q weight_q p_q`` (N, ...), and the share of each row in the sum (R, ...), from ``ln p_q`` (R, ...).

        Where all densities of an object are zero, the shares are the weights.
        """
        weights = self.weights.reshape((-1,) + (1,) * (log_densities.ndim - 1))
        if not len(self):
            return np.zeros((0, *log_densities.shape[1:])), np.zeros(log_densities.shape)
        owners = self.owners
        highest = np.maximum.reduceat(np.where(weights > 0, log_densities, -np.inf), self.starts[:-1], axis=0)
        none = highest == -np.inf
        parts = weights * np.exp(np.where(none[owners], 0.0, log_densities - np.where(none, 0.0, highest)[owners]))
        whole = self.sums(parts)
        return np.where(none, -np.inf, highest + np.log(whole)), parts / whole[owners]

    def variances_of(self, i: int) -> Floats:
        """Variances of measured column i (N,)."""
        within, shifts = self.averages(self.parts.variances_of(i)), self.shifts[:, i]
        return np.asarray(within + self.averages((shifts - self.averages(shifts)[self.owners]) ** 2))

    @property
    def variances(self) -> Floats:
        """Variance of each value (N, M)."""
        return np.stack([self.variances_of(i) for i in range(self.shifts.shape[1])], axis=1)

    def covariances(self) -> Floats:
        """Covariances (N, M, M)."""
        offsets = self.shifts - self.means[self.owners]
        return self.averages(self.parts.covariances() + offsets[:, :, None] * offsets[:, None])

    def variance_along(self, direction: Floats) -> Floats:
        """Variance (N,) of a linear combination of the values."""
        used = np.flatnonzero(direction)
        along = self.shifts[:, used] @ direction[used]
        between = self.averages((along - self.averages(along)[self.owners]) ** 2)
        return np.asarray(self.averages(self.parts.variance_along(direction)) + between)

    def draw(self, n_draws: int, present: Bools, rng: np.random.Generator) -> Floats:
        """Draws (N, n_draws, M)."""
        chosen = self.chosen(self.weights, n_draws, rng).ravel()
        repeated = np.repeat(present, n_draws, axis=0)
        noise = self.parts.select(chosen).draw(1, repeated, rng)[:, 0] + self.shifts[chosen]
        return noise.reshape(len(self), n_draws, -1)

    def chosen(self, shares: Floats, n_draws: int, rng: np.random.Generator) -> Indices:
        """Rows of each object drawn with these probabilities (R,): indices (N, n_draws)."""
        ends = np.cumsum(shares)
        before = np.concatenate([[0.0], ends])[self.starts]
        places = before[:-1, None] + rng.random((len(self), n_draws)) * np.diff(before)[:, None]
        return np.clip(np.searchsorted(ends, places), self.starts[:-1, None], self.starts[1:, None] - 1)

    def element(self, i: int, j: int, scale: Floats) -> Floats:
        """Element (i, j) of each covariance (N,), of values divided by a scale (M,)."""
        return np.asarray(self.covariances()[:, i, j] / scale[i] / scale[j])

    def common(self, parts: Iterable[Rows], scale: Floats) -> None:  # noqa: ARG002
        """None: shifts differ between the rows, if nothing else does."""
        return

    def arrays_where_present(self, present: Bools) -> list[Floats]:
        """The arrays that define it, with zeros where a value is not present (N, M)."""
        present = present[self.owners]
        shifts = np.where(present, self.shifts, 0.0)
        return [np.diff(self.starts), self.weights, shifts, *self.parts.arrays_where_present(present)]


@dataclass(frozen=True, eq=False)
class SampledNoise(NoiseMixture):
    """Noise as samples show it: of posteriors, each a point, or a Gaussian around it."""

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Its name in a summary of observations."""
        return f"{self._numbers} posterior samples of each"


@dataclass(frozen=True, eq=False)
class LikelihoodMixture(NoiseMixture):
    """Likelihoods of the true values of N objects as mixtures, where the noise is another one at other values.

    The mean of such a likelihood is no better estimate than the value itself.

    Attributes
    ----------
    errors : Noise
        Gaussian noise of the N objects, which stands for the likelihoods where only variances are asked for.

    Raises
    ------
    InputError
        When noise is to be drawn: what might have been measured is not known from the likelihood of what was.
    """

    errors: Noise = field(kw_only=True)
    centred: bool = True

    can_be_drawn = False

    def draw(self, n_draws: int, present: Bools, rng: np.random.Generator) -> Floats:  # noqa: ARG002
        """Refuse."""
        raise InputError(
            "errors that follow the true values cannot be simulated from the likelihoods of the objects, so that "
            "simulated limits, `check`, `simulate` and outlyingness by draws are not available; use limits of the "
            "likelihood, and the bootstrap of objects"
        )

    def select(self, rows: Rows) -> LikelihoodMixture:
        """The noise of some of the objects."""
        return replace(super().select(rows), errors=self.errors.select(rows))  # type: ignore[call-arg, return-value]

    @classmethod
    def joined(cls, noises: Sequence[LikelihoodMixture]) -> LikelihoodMixture:  # type: ignore[override]
        """The noise of several sets of objects."""
        together = NoiseMixture.joined(noises)
        own = {name: getattr(together, name) for name in ("starts", "weights", "shifts", "parts", "centred")}
        return cls(**own, errors=join_noises([each.errors for each in noises]))

    def scaled(self, factors: Floats | float) -> LikelihoodMixture:
        """The noise of values that are multiplied by these factors (M,)."""
        return replace(super().scaled(factors), errors=self.errors.scaled(factors))  # type: ignore[call-arg, return-value]

    def divided(self, scale: Floats | float) -> LikelihoodMixture:
        """The noise of values that are divided by a scale (M,)."""
        return replace(super().divided(scale), errors=self.errors.divided(scale))  # type: ignore[call-arg, return-value]

    def transformed(self, matrix: Floats, present: Bools) -> LikelihoodMixture:
        """The noise of ``A w``."""
        errors = self.errors.transformed(matrix, present)
        return replace(super().transformed(matrix, present), errors=errors)  # type: ignore[call-arg, return-value]

    def variances_of(self, i: int) -> Floats:
        """Variances of measured column i (N,)."""
        return self.errors.variances_of(i)

    def covariances(self) -> Floats:
        """Covariances (N, M, M)."""
        return self.errors.covariances()

    def variance_along(self, direction: Floats) -> Floats:
        """Variance (N,) of a linear combination of the values."""
        return self.errors.variance_along(direction)
