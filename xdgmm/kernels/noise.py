"""The noise of the values of each object: a small closed family of noise models.

`Exact` (no noise), `Independent` (1-sigma errors) and `Correlated` (covariances).  To add one, write a class here that
has the methods of `Noise`.  If its `form` is a new one, tell `compiled.py` how to load its rows (`load_full` is an
example, `value_row` counts the rows) and `blocks.py` which elements a block holds (`_noise_rows`).  No other code
depends on the kind of noise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import read_only
from xdgmm.basics.linalg import square_roots, symmetric

from .compiled import DIAGONAL, FULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Rows = Any  # indices, a boolean mask, or a slice

CHUNK = 100_000  # objects transformed at a time


class Noise(ABC):
    """The noise covariances S (M, M) of N objects, however they are stored.

    Attributes
    ----------
    form : int
        How blocks store it and kernels load it: DIAGONAL or FULL.
    kind : str
        Its name in a summary of observations.
    can_be_drawn : bool
        Is it known how the noise is distributed, whatever the true values?
    """

    form: int
    kind: str
    can_be_drawn = True

    @property
    @abstractmethod
    def array(self) -> Floats | None:
        """None, 1-sigma errors (N, M), or covariances (N, M, M), as the user gave them."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of objects N."""

    @abstractmethod
    def select(self, rows: Rows) -> Noise:
        """The noise of some of the objects."""

    @abstractmethod
    def scaled(self, factors: Floats | float) -> Noise:
        """The noise of values that are multiplied by these factors (M,)."""

    @abstractmethod
    def divided(self, scale: Floats | float) -> Noise:
        """The noise of values that are divided by a scale (M,)."""

    @abstractmethod
    def transformed(self, matrix: Floats, present: Bools) -> Noise:
        """The noise of ``A w``, with A a matrix (M2, M), for values of which some are present (N, M)."""

    @abstractmethod
    def columns(self, places: list[int]) -> Noise:
        """The noise of some of the values, by their places."""

    @abstractmethod
    def adjusted(self, factors: Floats, floors: Floats) -> Noise:
        """The noise with all errors of an object multiplied by a factor (N,), and floors (N, M) added in quadrature."""

    @abstractmethod
    def variances_of(self, i: int) -> Floats:
        """Variances of measured column i (N,)."""

    @abstractmethod
    def covariances(self) -> Floats:
        """Covariances (N, M, M)."""

    @abstractmethod
    def variance_along(self, direction: Floats) -> Floats:
        """Variance (N,) of the linear combination ``direction @ w`` of the values, direction (M,)."""

    @abstractmethod
    def draw(self, n_draws: int, present: Bools, rng: np.random.Generator) -> Floats:
        """Draws (N, n_draws, M) of the noise; arbitrary numbers where a value is not present (N, M)."""

    @abstractmethod
    def element(self, i: int, j: int, scale: Floats) -> Floats | float:
        """Element (i, j) of each covariance (N,), of values divided by a scale (M,)."""

    @abstractmethod
    def common(self, parts: Iterable[Rows], scale: Floats) -> Floats | None:
        """Covariance (M, M) of all objects in these parts, of values divided by a scale (M,); None if they differ."""

    @classmethod
    @abstractmethod
    def joined(cls, noises: Sequence[Any]) -> Noise:
        """The noise of several sets of objects, all of this class, in their order."""

    @property
    def variances(self) -> Floats:
        """Variance of each value (N, M)."""
        return np.asarray(np.diagonal(self.covariances(), axis1=1, axis2=2))

    def arrays_where_present(self, present: Bools) -> list[Floats]:
        """The arrays that define it, with zeros where a value is not present (N, M)."""
        return [] if self.array is None else [np.where(self._both(present), self.array, 0.0)]

    def _both(self, present: Bools) -> Bools:
        return present


@dataclass(frozen=True, eq=False)
class Exact(Noise):
    """No noise.

    Attributes
    ----------
    shape : tuple of int
        (N, M).
    """

    shape: tuple[int, int]

    form = DIAGONAL
    kind = "no errors"
    array = None

    def __len__(self) -> int:
        return self.shape[0]

    @classmethod
    def joined(cls, noises: Sequence[Exact]) -> Exact:
        """The noise of several sets of objects."""
        return cls((sum(map(len, noises)), noises[0].shape[1]))

    def select(self, rows: Rows) -> Exact:
        """The noise of some of the objects."""
        return Exact((len(np.empty(self.shape[0], bool)[rows]), self.shape[1]))

    def scaled(self, factors: Floats | float) -> Exact:  # noqa: ARG002 - zero at any scale
        """The noise of values that are multiplied by these factors (M,)."""
        return self

    def divided(self, scale: Floats | float) -> Exact:  # noqa: ARG002
        """The noise of values that are divided by a scale (M,)."""
        return self

    def transformed(self, matrix: Floats, present: Bools) -> Exact:  # noqa: ARG002
        """The noise of ``A w``."""
        return Exact((self.shape[0], len(matrix)))

    def columns(self, places: list[int]) -> Exact:
        """The noise of some of the values."""
        return Exact((self.shape[0], len(places)))

    def adjusted(self, factors: Floats, floors: Floats) -> Noise:  # noqa: ARG002
        """The floors (N, M) alone."""
        return Independent(floors) if floors.any() else self

    def variances_of(self, i: int) -> Floats:  # noqa: ARG002
        """Zeros (N,)."""
        return np.zeros(self.shape[0])

    def covariances(self) -> Floats:
        """Zeros (N, M, M)."""
        return np.zeros((*self.shape, self.shape[1]))

    @property
    def variances(self) -> Floats:
        """Zeros (N, M)."""
        return np.zeros(self.shape)

    def variance_along(self, direction: Floats) -> Floats:  # noqa: ARG002
        """Zeros (N,)."""
        return np.zeros(self.shape[0])

    def draw(self, n_draws: int, present: Bools, rng: np.random.Generator) -> Floats:  # noqa: ARG002
        """Zeros (N, n_draws, M)."""
        return np.zeros((self.shape[0], n_draws, self.shape[1]))

    def element(self, i: int, j: int, scale: Floats) -> float:  # noqa: ARG002
        """Zero."""
        return 0.0

    def common(self, parts: Iterable[Rows], scale: Floats) -> Floats:  # noqa: ARG002
        """Zeros (M, M)."""
        return np.zeros((self.shape[1],) * 2)


@dataclass(frozen=True, eq=False)
class Independent(Noise):
    """Independent noise of each value.

    Attributes
    ----------
    standard_errors : ndarray (N, M)
        1-sigma errors, in the units of the values.
    """

    standard_errors: Floats

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "standard_errors", read_only(self.standard_errors))

    form = DIAGONAL
    kind = "1-sigma errors"

    @property
    def array(self) -> Floats:
        """The 1-sigma errors (N, M)."""
        return self.standard_errors

    def __len__(self) -> int:
        return len(self.standard_errors)

    @classmethod
    def joined(cls, noises: Sequence[Independent]) -> Independent:
        """The noise of several sets of objects."""
        return cls(np.concatenate([each.array for each in noises]))

    def select(self, rows: Rows) -> Independent:
        """The noise of some of the objects."""
        return Independent(self.standard_errors[rows])

    def scaled(self, factors: Floats | float) -> Independent:
        """The noise of values that are multiplied by these factors (M,)."""
        return Independent(self.standard_errors * factors)

    def divided(self, scale: Floats | float) -> Independent:
        """The noise of values that are divided by a scale (M,)."""
        return Independent(self.standard_errors / scale)

    def transformed(self, matrix: Floats, present: Bools) -> Correlated:
        """The noise of ``A w``: ``A S A'``."""
        errors = np.where(present, self.standard_errors, 0.0)
        AF = (matrix * part[:, None] for part in _chunks(errors))
        return Correlated(np.concatenate([symmetric(each @ np.swapaxes(each, -1, -2)) for each in AF]))

    def columns(self, places: list[int]) -> Independent:
        """The noise of some of the values."""
        return Independent(self.standard_errors[:, places])

    def adjusted(self, factors: Floats, floors: Floats) -> Independent:
        """The noise with all errors of an object multiplied by a factor (N,), and floors (N, M) added in quadrature."""
        errors = self.standard_errors
        missing = np.isinf(errors)
        return Independent(
            np.hypot(np.where(missing, 0.0, errors) * factors[:, None], np.where(missing, errors, floors))
        )

    def variances_of(self, i: int) -> Floats:
        """Variances of measured column i (N,)."""
        return self.standard_errors[:, i] ** 2

    def covariances(self) -> Floats:
        """Covariances (N, M, M)."""
        N, M = self.standard_errors.shape
        result = np.zeros((N, M, M))
        result[:, range(M), range(M)] = self.variances
        return result

    @property
    def variances(self) -> Floats:
        """Variance of each value (N, M)."""
        return self.standard_errors**2

    def variance_along(self, direction: Floats) -> Floats:
        """Variance (N,) of a linear combination of the values."""
        used = np.flatnonzero(direction)  # an error of a value that is missing may be infinite
        return self.standard_errors[:, used] ** 2 @ direction[used] ** 2

    def draw(self, n_draws: int, present: Bools, rng: np.random.Generator) -> Floats:
        """Draws (N, n_draws, M)."""
        N, M = self.standard_errors.shape
        return rng.standard_normal((N, n_draws, M)) * np.where(present, self.standard_errors, 0.0)[:, None]

    def element(self, i: int, j: int, scale: Floats) -> Floats | float:
        """Element (i, j) of each covariance (N,), of values divided by a scale (M,)."""
        return (self.standard_errors[:, i] / scale[i]) ** 2 if i == j else 0.0

    def common(self, parts: Iterable[Rows], scale: Floats) -> Floats | None:
        """The covariance (M, M) of all objects if it is the same."""
        errors = _same(self.standard_errors, parts)
        return None if errors is None else np.diag((errors / scale) ** 2)


@dataclass(frozen=True, eq=False)
class Correlated(Noise):
    """Noise that is correlated between the values of an object.

    Attributes
    ----------
    covariance_matrices : ndarray (N, M, M)
        In the units of the values squared.
    """

    covariance_matrices: Floats

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "covariance_matrices", read_only(self.covariance_matrices))

    form = FULL
    kind = "full error covariances"

    @property
    def array(self) -> Floats:
        """The covariances (N, M, M)."""
        return self.covariance_matrices

    def __len__(self) -> int:
        return len(self.covariance_matrices)

    @classmethod
    def joined(cls, noises: Sequence[Correlated]) -> Correlated:
        """The noise of several sets of objects."""
        return cls(np.concatenate([each.array for each in noises]))

    def select(self, rows: Rows) -> Correlated:
        """The noise of some of the objects."""
        return Correlated(self.covariance_matrices[rows])

    def scaled(self, factors: Floats | float) -> Correlated:
        """The noise of values that are multiplied by these factors (M,)."""
        factors = np.broadcast_to(factors, self.covariance_matrices.shape[1])
        return Correlated(self.covariance_matrices * factors[:, None] * factors)

    def divided(self, scale: Floats | float) -> Correlated:
        """The noise of values that are divided by a scale (M,)."""
        scale = np.broadcast_to(scale, self.covariance_matrices.shape[1])
        return Correlated(self.covariance_matrices / scale[:, None] / scale)

    def transformed(self, matrix: Floats, present: Bools) -> Correlated:
        """The noise of ``A w``: ``A S A'``."""
        chunks = zip(_chunks(self.covariance_matrices), _chunks(self._both(present)), strict=True)
        parts = (symmetric(matrix @ np.where(both, part, 0.0) @ matrix.T) for part, both in chunks)
        return Correlated(np.concatenate(list(parts)))

    def columns(self, places: list[int]) -> Correlated:
        """The noise of some of the values."""
        return Correlated(self.covariance_matrices[:, places][:, :, places])

    def adjusted(self, factors: Floats, floors: Floats) -> Correlated:
        """The noise with all errors of an object multiplied by a factor (N,), and floors (N, M) added in quadrature."""
        matrices = self.covariance_matrices * factors[:, None, None] ** 2
        diagonal = np.arange(matrices.shape[1])
        matrices[:, diagonal, diagonal] += floors**2
        return Correlated(matrices)

    def variances_of(self, i: int) -> Floats:
        """Variances of measured column i (N,)."""
        return self.covariance_matrices[:, i, i]

    def covariances(self) -> Floats:
        """Covariances (N, M, M)."""
        return self.covariance_matrices

    def variance_along(self, direction: Floats) -> Floats:
        """Variance (N,) of a linear combination of the values."""
        used = np.flatnonzero(direction)
        matrices = self.covariance_matrices[:, used[:, None], used]
        return np.asarray(np.einsum("i,nij,j->n", direction[used], matrices, direction[used]))

    def draw(self, n_draws: int, present: Bools, rng: np.random.Generator) -> Floats:
        """Draws (N, n_draws, M)."""
        N, M = present.shape
        roots = square_roots(np.where(self._both(present), self.covariance_matrices, 0.0))
        return rng.standard_normal((N, n_draws, M)) @ roots

    def element(self, i: int, j: int, scale: Floats) -> Floats:
        """Element (i, j) of each covariance (N,), of values divided by a scale (M,)."""
        return np.asarray(self.covariance_matrices[:, i, j] / scale[i] / scale[j])

    def common(self, parts: Iterable[Rows], scale: Floats) -> Floats | None:
        """The covariance (M, M) of all objects if it is the same."""
        covariance = _same(self.covariance_matrices, parts)
        return None if covariance is None else covariance / scale / scale[:, None]

    def _both(self, present: Bools) -> Bools:
        """Where both values of an element of the covariance are present (N, M, M)."""
        return present[:, :, None] & present[:, None, :]


def as_noise(noise: Noise | Floats | None, shape: tuple[int, int]) -> Noise:
    """The noise model of None, 1-sigma errors (N, M), or covariances (N, M, M)."""
    if isinstance(noise, Noise):
        return noise
    if noise is None:
        return Exact(shape)
    return Independent(noise) if noise.ndim == 2 else Correlated(noise)


def _chunks(array: Any) -> Iterable[Any]:
    return (array[start : start + CHUNK] for start in range(0, len(array), CHUNK))


def _same(array: Floats, parts: Iterable[Rows]) -> Floats | None:
    """The entry that is the same for all objects in these parts; None if they differ."""
    first = None
    for part in parts:
        rows = array[part]
        if not len(rows):
            continue
        first = rows[0] if first is None else first
        if not (rows[-1] == first).all() or not (rows == first).all():  # most often the last one tells
            return None
    return first


def join_noises(noises: Sequence[Noise]) -> Noise:
    """The noise of several sets of objects as one, in their order.

    Raises
    ------
    ValueError
        If a mixture is to be joined with noise of another kind.
    """
    kinds = {type(each) for each in noises}
    if len(noises) == 1:
        return noises[0]
    if len(kinds) == 1:
        return next(iter(kinds)).joined(noises)
    if not kinds <= {Exact, Independent, Correlated}:
        raise ValueError("a noise mixture cannot be joined with noise of another kind")
    return Correlated(np.concatenate([each.covariances() for each in noises]))
