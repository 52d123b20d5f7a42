"""`Flat`: components that are uniform in some coordinates, within a box, and Gaussian in the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import read_only
from xdgmm.errors import InputError
from xdgmm.kernels import NoiseMixture

from .background import BEYOND, corner, is_plain, plain_corner
from .noisy_boxes import log_probabilities, standard_errors_outside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.units import UnitBase
    from numpy.typing import NDArray

    from xdgmm.kernels import Noise
    from xdgmm.observations import Observations
    from xdgmm.observations.affine import AffineMap

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Flat:
    """Components of a mixture that are flat in some columns: a field of stars, uniform on the sky.

    Their density is uniform over a box in these columns, and Gaussian in the others, in which they are components like
    all others.  In the flat columns they have neither mean nor width to be fitted.

    Parameters
    ----------
    columns : str or sequence of str
        Names of the columns in which the components are flat; at least one other column must remain.
    low, high : array (F,) or number
        Corners of the box in these columns: the field of view.  In the units of the columns, or as Quantities; a number
        serves for every column.
    n_components : int
        How many of the components of the mixture are flat: the last ones.

    Raises
    ------
    InputError
        If a column is named twice, a corner is missing, not finite or not below the other, or `n_components` is no
        whole number above zero.

    Notes
    -----
    Of an object with values (f, o) and noise covariance S the density is the probability that N(f, S_ff) lies in the
    box, over its volume, times ``N(o | m, V + S_oo)``: exact where errors of flat and other columns are not correlated,
    and with correlated errors where the box is some errors away.  At its edges the correlation between the errors of
    flat and of other columns is left out.

    Examples
    --------
    >>> from xdgmm import Flat, GaussianMixture
    >>> field = Flat("ra", 128.0, 132.0)
    >>> mixture = GaussianMixture(
    ...     [0.2, 0.8], [[130.0, -36.0], [0.0, -5.0]], [[[0.1, 0.0], [0.0, 0.5]], [[0.0, 0.0], [0.0, 90.0]]],
    ...     names=["ra", "pmra"], flat=field,
    ... )
    >>> mixture
    <GaussianMixture: 2 components, the last flat in ra, in ra, pmra>
    >>> mixture.means[1], mixture.sigmas[1].round(3)  # moments of the box: its width is 4
    (array([130.,  -5.]), array([1.155, 9.487]))
    """

    columns: tuple[str, ...]
    low: Any
    high: Any
    n_components: int
    places: tuple[int, ...] | None = None  # of the columns among the coordinates, once they are known

    def __init__(self, columns: str | Iterable[str], low: Any, high: Any, n_components: int = 1) -> None:
        names = (columns,) if isinstance(columns, str) else tuple(columns)
        if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise InputError(f"`columns` of Flat is {columns!r}, but different names of columns are needed")
        if low is None or high is None:
            raise InputError(
                "Flat needs `low` and `high`, the edges of the field: they are known, and no fit finds them here"
            )
        if isinstance(n_components, bool) or not isinstance(n_components, (int, np.integer)) or n_components < 1:
            raise InputError(f"`n_components` of Flat is {n_components!r}, but a whole number above zero is needed")
        first, second = corner(low, "low", "Flat"), corner(high, "high", "Flat")
        self._freeze(names, first, second, int(n_components), None)
        if is_plain(first) and is_plain(second):
            _check_box(first, second)

    def _freeze(
        self, columns: tuple[str, ...], low: Any, high: Any, n_components: int, places: tuple[int, ...] | None
    ) -> None:
        """Set the fields, whose values are checked."""
        values = {"columns": columns, "low": low, "high": high, "n_components": n_components, "places": places}
        for name, value in values.items():
            object.__setattr__(self, name, read_only(value) if is_plain(value) else value)

    def _with(
        self, low: Any, high: Any, places: tuple[int, ...] | None, columns: tuple[str, ...] | None = None
    ) -> Flat:
        new = object.__new__(Flat)
        new._freeze(self.columns if columns is None else columns, low, high, self.n_components, places)
        return new

    def __repr__(self) -> str:
        """One line: which columns, which box, how many components."""
        several = "" if self.n_components == 1 else f" of {self.n_components} components"
        return f"<Flat: {', '.join(self.columns)} from {self.low} to {self.high}{several}>"

    @property
    def box(self) -> tuple[Floats, Floats]:
        """Corners (F,) as plain numbers.

        Raises
        ------
        InputError
            If the coordinates are not known yet (see `in_coordinates`).
        """
        if self.places is None:
            raise InputError("Flat has no box in plain coordinates yet; `in_coordinates` gives it one")
        return self.low, self.high

    @property
    def centre(self) -> Floats:
        """Centre of the box (F,)."""
        low, high = self.box
        return np.asarray(0.5 * (low + high))

    @property
    def variances(self) -> Floats:
        """Variance along each flat column (F,)."""
        low, high = self.box
        return np.asarray((high - low) ** 2 / 12.0)

    @property
    def in_columns(self) -> list[int]:
        """Places of the flat columns among the coordinates."""
        assert self.places is not None, "the places of the columns are not known yet"
        return list(self.places)

    def others(self, n_dimensions: int) -> list[int]:
        """Places of the other columns."""
        return [i for i in range(n_dimensions) if i not in self.in_columns]

    def mask(self, n_components: int, n_dimensions: int) -> NDArray[np.bool_]:
        """Where a component (K,) is flat in a coordinate (D,): boolean (K, D).

        As long as the places of the columns are not known, they are taken to be the first ones.
        """
        result = np.zeros((n_components, n_dimensions), bool)
        places = range(len(self.columns)) if self.places is None else self.places
        result[n_components - self.n_components :, list(places)] = True
        return result

    def with_components(self, n_components: int) -> Flat:
        """The same with another number of flat components, which is not checked."""
        new = object.__new__(Flat)
        new._freeze(self.columns, self.low, self.high, n_components, self.places)
        return new

    def imposed(self, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
        """Means (K, D) and covariances (K, D, D) with those of the box where the components are flat."""
        means, covariances = means.copy(), covariances.copy()
        for k in range(len(means) - self.n_components, len(means)):
            means[k, self.in_columns] = self.centre
            covariances[k, self.in_columns] = covariances[k, :, self.in_columns] = 0.0
            covariances[k, self.in_columns, self.in_columns] = self.variances
        return means, covariances

    def log_densities(self, values: Floats, noise: Noise) -> Floats:
        """Log-density of each object (N,) in the flat columns, from all its values (N, D) and their noise."""
        low, high = self.box
        own = values[:, self.in_columns]
        log_volumes = np.isfinite(own) @ np.log(high - low)
        return np.asarray(log_probabilities(own, noise.columns(self.in_columns), low, high) - log_volumes)

    def contains(self, x: Floats) -> NDArray[np.bool_]:
        """Which points (N, D) lie in the box, edges included: boolean (N,)."""
        low, high = self.box
        own = x[:, self.in_columns]
        return np.asarray(((own >= low) & (own <= high)).all(axis=1))

    def rows_beyond(self, observations: Observations) -> NDArray[np.intp]:
        """Rows that count and lie more than 8 standard errors outside: flat components hardly give them a density."""
        own = np.where(observations.present, observations.values, np.nan)[:, self.in_columns]
        noise = observations.noise_model.columns(self.in_columns)
        return np.flatnonzero((standard_errors_outside(own, noise, *self.box) > BEYOND) & observations.counts)

    def in_coordinates(self, names: Sequence[str], units: Sequence[UnitBase | None]) -> Flat:
        """The same with plain corners (F,) and places among these coordinates.

        Raises
        ------
        InputError
            If a column is none of these, all of them are flat, or a corner does not fit.
        """
        missing = [name for name in self.columns if name not in names]
        if missing:
            raise InputError(
                f"`columns` of Flat names '{missing[0]}', but the columns are {', '.join(names)}; give names of these"
            )
        if len(self.columns) == len(names):
            raise InputError(
                "Flat leaves no column in which its components are Gaussian; use a Background for objects that are "
                "uniform in all columns"
            )
        places = tuple(names.index(name) for name in self.columns)
        own = [units[i] for i in places]
        low, high = (
            plain_corner(edge, which, self.columns, own, "Flat")
            for edge, which in ((self.low, "low"), (self.high, "high"))
        )
        _check_box(low, high)
        return self._with(low, high, places)

    def check_measured(self, observations: Observations) -> None:
        """Refuse observations with which flat components cannot be combined.

        Raises
        ------
        InputError
            If these are projections, limits, or have noise that is not Gaussian.
        """
        kinds = {
            "projections": observations.projections is not None,
            "limits": observations.limits is not None,
            "noise that is not Gaussian": isinstance(observations.noise_model, NoiseMixture),
        }
        for kind, has in kinds.items():
            if has:
                raise InputError(
                    f"flat components cannot be combined with {kind}; leave one of the two out, or use a wide Gaussian "
                    "in the place of the flat component"
                )

    def rescaled(self, location: Floats, scale: Floats, names: Iterable[str] | None) -> Flat:
        """That of ``scale * v + location``, location and scale (D,), in coordinates with these names."""
        low, high = (edge * scale[self.in_columns] + location[self.in_columns] for edge in self.box)
        columns = self.columns if names is None else tuple(tuple(names)[i] for i in self.in_columns)
        return self._with(np.minimum(low, high), np.maximum(low, high), self.places, columns)

    def marginal(self, places: Sequence[int], names: Sequence[str]) -> Flat | None:
        """That of some of the coordinates, given by their places, and the names of these; None without a flat one.

        Raises
        ------
        InputError
            If all of the coordinates are flat ones.
        """
        kept = [i for i, place in enumerate(places) if place in self.in_columns]
        if not kept:
            return None
        if len(kept) == len(places):
            raise InputError(
                f"a marginal of {', '.join(names)} alone has components that are uniform in all columns, which a "
                "GaussianMixture cannot be; keep one of the other columns"
            )
        order = [self.in_columns.index(places[i]) for i in kept]
        low, high = self.box
        return self._with(low[order], high[order], tuple(kept), tuple(names[i] for i in kept))

    def affine(self, affine: AffineMap) -> Flat:
        """That of an `AffineMap`, which must map the axes onto axes: a box has to stay one."""
        if not affine.along_axes:
            raise InputError(
                "a mixture with flat components can only be mapped along its axes, since its box must stay a box; take "
                "a matrix with one element in each row and column"
            )
        origins = [int(np.flatnonzero(row)[0]) for row in affine.matrix]
        kept = [i for i, origin in enumerate(origins) if origin in self.in_columns]
        order = [self.in_columns.index(origins[i]) for i in kept]
        scale = np.array([affine.matrix[i, origins[i]] for i in kept])
        low, high = (edge[order] * scale + np.asarray(affine.offset)[kept] for edge in self.box)
        if len(kept) != len(self.columns):
            raise InputError("a map of a mixture with flat components must keep their columns; take a marginal first")
        names = tuple(affine.names[i] for i in kept)
        return self._with(np.minimum(low, high), np.maximum(low, high), tuple(kept), names)


def _check_box(low: Floats, high: Floats) -> None:
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise InputError("`low` and `high` of Flat must be finite; give the edges of a box")
    if not np.all(low < high):
        raise InputError(f"`low` of Flat must lie below `high`, but they are {low.tolist()} and {high.tolist()}")
