"""`GaussianMixture`, a frozen value with names and units, and `ConditionalMixtures`, many of them with a row each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np
from astropy.io.registry import UnifiedReadWriteMethod

from xdgmm.basics.arrays import list_rows, read_only
from xdgmm.basics.linalg import square_roots
from xdgmm.basics.parameters import as_generator, check_count, check_names
from xdgmm.basics.units import check_units, list_columns, unit_factors
from xdgmm.errors import DeprecatedAlias, InputError
from xdgmm.observations.affine import AffineMap

from .background import Background, Of
from .conditioning import condition_components
from .conditioning_inputs import coordinate_places, known_coordinates
from .families import Expansion, check_dof, half_width_factors, student_log_density
from .flat import Flat
from .io import MixtureRead, MixtureWrite
from .parameters import (
    ROUNDING,
    check_shapes,
    check_weights,
    finite_floats,
    lowest_eigenvalues,
    symmetric_covariances,
)
from .quantiles import UNIFORM_WIDTH, check_levels, quantiles
from .record import FitRecord
from .sampling import sample_each, sample_mixture
from .truncated import TruncatedNormals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from os import PathLike
    from typing import Any, Literal, Self

    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False, repr=False, init=False)
class GaussianMixture:
    """Intrinsic density ``sum_k weights[k] N(means[k], covariances[k])`` in D named coordinates.

    With a background, its uniform density is one more summand, and its fraction one more weight.  With degrees of
    freedom the components are multivariate Student-t distributions instead of Gaussians.

    Parameters
    ----------
    weights : array (K,)
        Mixing proportions: not negative, summing to 1 together with the fraction of a background.
    means : array (K, D)
        Component means, in `units`.
    covariances : array (K, D, D)
        Intrinsic covariances, in `units` squared: symmetric, positive semi-definite (a singular one is allowed: it
        is the result of a fit where the noise explains all the scatter in some direction).
    names : sequence of str, optional
        Names of the coordinates; x1, x2, ... by default.
    units : sequence of units, optional
        Units of the coordinates, or one for all.
    background : Background, optional
        A uniform density over a box, for objects that belong to no component.
    dof : array (K,) or float, optional
        Degrees of freedom, 1 or more, of components that are Student-t distributions: `covariances` then holds their
        scale matrices, and the covariance of one is that times ``dof / (dof - 2)``.  Infinity is a Gaussian.
    flat : Flat, optional
        Says that the last components are uniform in some of the coordinates; their means and covariances there become
        those of the box.

    Attributes
    ----------
    record : FitRecord or None
        The fit that gave this mixture; a mixture made from another one has no record.

    Raises
    ------
    InputError
        If shapes do not match, or weights, covariances, degrees of freedom or the background are not valid.

    Examples
    --------
    >>> from xdgmm import GaussianMixture
    >>> mixture = GaussianMixture([0.3, 0.7], [[0.0], [5.0]], [[[1.0]], [[4.0]]], names=["v"], units=["km/s"])
    >>> mixture.log_density([[5.0]]).round(3)
    array([-1.969])
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    names: tuple[str, ...]
    units: tuple[UnitBase | None, ...]
    background: Background | None
    dof: NDArray[np.float64] | None = None  # results that version 0.1 pickled have neither
    flat: Flat | None = None
    record: FitRecord | None = field(init=False)

    def __init__(
        self,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        names: str | Iterable[str] | None = None,
        units: str | UnitBase | Iterable[str | UnitBase | None] | None = None,
        background: Background | None = None,
        dof: ArrayLike | None = None,
        flat: Flat | None = None,
    ) -> None:
        weights = finite_floats(weights, "weights", 1)
        means = finite_floats(means, "means", 2)
        covariances = finite_floats(covariances, "covariances", 3)
        check_shapes(weights, means, covariances)
        _check_background(background)
        check_weights(weights, None if background is None else background.fraction)
        covariances = symmetric_covariances(covariances)
        names, units = check_names(names, means.shape[1]), check_units(units, means.shape[1])
        if background is not None:
            background = background.in_coordinates(names, units)
        dof = check_dof(dof, len(weights))
        if flat is not None:
            flat = _checked_flat(flat, len(weights), dof).in_coordinates(names, units)
            means, covariances = flat.imposed(means, covariances)
        self._freeze(weights, means, covariances, names, units, background, dof, flat)

    def _freeze(
        self,
        weights: NDArray[np.float64],
        means: NDArray[np.float64],
        covariances: NDArray[np.float64],
        names: tuple[str, ...],
        units: tuple[UnitBase | None, ...],
        background: Background | None,
        dof: NDArray[np.float64] | None,
        flat: Flat | None,
        record: FitRecord | None = None,
    ) -> None:
        """Set the fields, whose values are checked."""
        values = {
            "weights": read_only(weights),
            "means": read_only(means),
            "covariances": read_only(covariances),
            "names": names,
            "units": units,
            "background": background,
            "dof": None if dof is None else read_only(dof),
            "flat": flat,
            "record": record,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        """One line: how many components in which coordinates."""
        columns = list_columns(self.names, self.units)
        plural = "s" if self.n_components > 1 else ""
        background = "" if self.background is None else " and a background"
        family = "" if self.dof is None else "Student-t "
        flat = "" if self.flat is None else self._flat_in_words()
        return f"<GaussianMixture: {self.n_components} {family}component{plural}{background}{flat} in {columns}>"

    def _flat_in_words(self) -> str:
        assert self.flat is not None
        n = self.flat.n_components
        return f", the last{f' {n}' if n > 1 else ''} flat in {', '.join(self.flat.columns)},"

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.weights.size

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D."""
        return int(self.means.shape[1])

    @property
    def all_weights(self) -> NDArray[np.float64]:
        """Weight of each component (K,), then the fraction of the background where there is one: (K + 1,)."""
        if self.background is None:
            return self.weights
        return read_only(np.append(self.weights, self.background.fraction))

    shares = DeprecatedAlias("all_weights")

    @property
    def gaussians(self) -> GaussianMixture:
        """The same components without the background, their weights rescaled to sum to 1.

        Raises
        ------
        InputError
            If the background has all the weight.
        """
        if self.background is None:
            return self
        total = self.weights.sum()
        if total == 0:
            raise InputError("all the weight is in the background, so there is no mixture without it")
        coordinates = self.names, self.units
        arrays = self.weights / total, self.means, self.covariances
        return GaussianMixture(*arrays, *coordinates, None, self.dof, self.flat)

    def only(self, k: int) -> GaussianMixture:
        """Component k alone, with all the weight."""
        dof = None if self.dof is None else self.dof[[k]]
        flat = self.flat if self.is_flat[k].any() else None
        flat = None if flat is None else flat.with_components(1)
        return GaussianMixture([1.0], self.means[[k]], self.covariances[[k]], self.names, self.units, None, dof, flat)

    @property
    def flat_components(self) -> NDArray[np.bool_]:
        """Which components are flat in some coordinates: boolean (K,), the last ones."""
        return np.asarray(self.is_flat.any(axis=1))

    def seen_by(self, k: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (n, M) for component k as a Gaussian: NaN in columns in which it is flat."""
        flat = self.is_flat[k]
        return np.where(flat, np.nan, values) if flat.any() else values

    @property
    def is_flat(self) -> NDArray[np.bool_]:
        """Where a component (K,) is flat in a coordinate (D,): boolean (K, D)."""
        if self.flat is None:
            return np.zeros(self.means.shape, bool)
        return self.flat.mask(*self.means.shape)

    @cached_property
    def expansion(self) -> Expansion | None:
        """How its Student-t components become Gaussians; None without any."""
        return None if self.dof is None else Expansion.of(self.dof, self.n_dimensions)

    def expanded(self) -> GaussianMixture:
        """The same density as a mixture of Gaussians: 24 in the place of each Student-t component.

        Examples
        --------
        >>> from xdgmm import GaussianMixture
        >>> mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]], dof=3)
        >>> mixture.expanded()
        <GaussianMixture: 24 components in x1>
        """
        if self.expansion is None:
            return self
        weights, means, covariances = self.expansion.parameters(self.all_weights, self.means, self.covariances)
        return replace(self, dof=None).with_parameters(weights, means, covariances)

    @property
    def sigmas(self) -> NDArray[np.float64]:
        """Intrinsic standard deviation, or scale of a Student-t component, along each coordinate (K, D)."""
        return np.sqrt(np.maximum(np.diagonal(self.covariances, axis1=1, axis2=2), 0.0))

    @property
    def half_widths(self) -> NDArray[np.float64]:
        """Half-width of the central 68.27% of each component along each coordinate (K, D): sigma itself of a Gaussian.

        Examples
        --------
        >>> from xdgmm import GaussianMixture
        >>> GaussianMixture([1.0], [[0.0]], [[[1.0]]], dof=3).half_widths.round(3)
        array([[1.197]])
        """
        return self.sigmas if self.dof is None else self.sigmas * half_width_factors(self.dof)[:, None]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the whole mixture (D,), including the background."""
        return np.asarray(self.all_weights @ self._all_means())

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of the whole mixture (D, D), including the background: within components and of their means.

        Infinite with a Student-t component of 2 degrees of freedom or fewer.
        """
        offsets = self._all_means() - self.mean
        used = self.weights > 0
        within = np.tensordot(self.weights[used], self._component_covariances()[used], 1)
        if self.background is not None:
            within = within + self.background.fraction * np.diag(self.background.variances)
        return np.asarray(within + (self.all_weights * offsets.T) @ offsets)

    @property
    def standard_deviation(self) -> NDArray[np.float64]:
        """Standard deviation of the whole mixture along each coordinate (D,)."""
        return np.sqrt(np.diagonal(self.covariance))

    def _component_covariances(self) -> NDArray[np.float64]:
        """Covariance of each component (K, D, D): of a t distribution its scale matrix times a factor."""
        if self.dof is None:
            return self.covariances
        factors = 1.0 / np.maximum(1.0 - 2.0 / self.dof, 1e-300)
        covariances: NDArray[np.float64] = factors[:, None, None] * self.covariances
        return np.where((self.dof <= 2.0)[:, None, None] & (self.covariances != 0), np.inf, covariances)

    def _all_means(self) -> NDArray[np.float64]:
        return self.means if self.background is None else np.vstack([self.means, self.background.mean])

    def log_density(self, x: ArrayLike) -> NDArray[np.float64]:
        """Natural logarithm of the noise-free density at points x (N, D), or (D,) for one: shape (N,).

        Raises
        ------
        InputError
            If x has another number of coordinates, or a covariance is singular (there is no density then).
        """
        points = np.asarray(x, dtype=float)
        single = points.ndim == 1 and points.size == self.n_dimensions
        points = points[None, :] if single else points
        if points.ndim != 2 or points.shape[1] != self.n_dimensions:
            raise InputError(f"`x` has shape {points.shape}, but (N, {self.n_dimensions}) is needed")
        used = np.flatnonzero(self.weights).tolist()
        columns = [np.log(self.weights[k]) + self._component_log_density(k, points) for k in used]
        if self.background is not None and self.background.fraction > 0:
            inside = np.log(self.background.fraction) + self.background.log_density
            columns.append(np.where(self.background.contains(points), inside, -np.inf))
        result: NDArray[np.float64] = np.logaddexp.reduce(columns, axis=0)
        return result[0] if single else result

    def _component_log_density(self, k: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.is_flat[k].any():
            return self._flat_log_density(k, x)
        scale = np.where(self.sigmas[k] > 0, self.sigmas[k], 1.0)  # what is singular must not depend on units
        scaled = self.covariances[k] / scale[:, None] / scale
        values, vectors = np.linalg.eigh(scaled)
        if values[0] <= ROUNDING * values[-1]:
            raise InputError(
                f"component {k} has a singular covariance, so it has no density; marginal distributions and `sample` "
                "still work"
            )
        white = ((x - self.means[k]) / scale) @ (vectors / np.sqrt(values))
        log_determinant = np.log(values).sum() + 2 * np.log(scale).sum()
        squares = (white**2).sum(axis=1)
        if self.dof is None or np.isinf(self.dof[k]):
            return np.asarray(-0.5 * (squares + log_determinant + self.n_dimensions * np.log(2 * np.pi)))
        result = student_log_density(squares, float(self.dof[k]), self.n_dimensions) - 0.5 * log_determinant
        return np.asarray(result)

    def _flat_log_density(self, k: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.flat is not None
        others = self.flat.others(self.n_dimensions)
        arrays = self.means[[k]][:, others], self.covariances[[k]][:, others][:, :, others]
        of_others = GaussianMixture([1.0], *arrays).log_density(x[:, others])
        low, high = self.flat.box
        return np.where(self.flat.contains(x), of_others - np.log(high - low).sum(), -np.inf)

    def sample(
        self, n_samples: int, rng: np.random.Generator | int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw noise-free points.

        Parameters
        ----------
        n_samples : int
        rng : numpy Generator, int or None
            Source of randomness; an int is a seed.

        Returns
        -------
        points : ndarray (n_samples, D)
        labels : ndarray of int (n_samples,)
            Which component each point comes from; K is the background.

        Raises
        ------
        InputError
            If `n_samples` is not a whole number, or negative.
        """
        return sample_mixture(self, check_count(n_samples), as_generator(rng))

    def with_parameters(
        self,
        weights: NDArray[np.float64],
        means: NDArray[np.float64],
        covariances: NDArray[np.float64],
        dof: NDArray[np.float64] | None = None,
    ) -> GaussianMixture:
        """The same names and units with other parameters, which are not checked.

        Beside weights (K,) a background keeps its fraction; weights (K + 1,) end with that fraction.  Without `dof` the
        components keep their degrees of freedom.
        """
        background = self.background
        if background is not None and len(weights) > len(means):
            background, weights = background.with_fraction(weights[-1]), weights[:-1]
        new, dof = object.__new__(GaussianMixture), self.dof if dof is None else dof
        new._freeze(weights, means, covariances, self.names, self.units, background, dof, self.flat)
        return new

    def ordered(self, order: NDArray[np.intp] | Sequence[int]) -> GaussianMixture:
        """The same components in another order (K,), in which flat ones must come last; a background stays the last."""
        dof = None if self.dof is None else self.dof[order]
        return self.with_parameters(self.weights[order], self.means[order], self.covariances[order], dof)

    def rescaled(
        self,
        location: NDArray[np.float64],
        scale: NDArray[np.float64],
        names: Iterable[str] | None = None,
        units: Iterable[str | UnitBase | None] | None = None,
    ) -> GaussianMixture:
        """The mixture of ``scale * v + location``, location and scale (D,): an affine map along the axes."""
        background = self.background and self.background.rescaled(location, scale)
        covariances = self.covariances * scale[:, None] * scale
        means = self.means * scale + location
        names = None if names is None else tuple(names)
        flat = self.flat and self.flat.rescaled(np.asarray(location), np.asarray(scale), names or self.names)
        if flat is not None and names is None:
            names = self.names
        return GaussianMixture(self.weights, means, covariances, names, units, background, self.dof, flat)

    def affine(
        self,
        matrix: ArrayLike,
        offset: ArrayLike | None = None,
        names: str | Iterable[str] | None = None,
        units: str | UnitBase | Iterable[str | UnitBase | None] | None = None,
    ) -> GaussianMixture:
        """The mixture of ``A v + b``: means ``A m + b`` and covariances ``A V A'``, exactly symmetric.

        Parameters
        ----------
        matrix : array (D2, D)
            A, plain numbers without a row of zeros.  With a background each row must have one element, and each
            column at most one.
        offset : array (D2,) or float, optional
            b.
        names, units : optional
            Of the new coordinates; derived from the matrix where they are not given (see `AffineMap.of`).

        Raises
        ------
        InputError
            If the matrix or the offset has the wrong shape or is not finite, or the result would not be a mixture.

        Examples
        --------
        >>> from xdgmm import GaussianMixture
        >>> mixture = GaussianMixture([1.0], [[20.2, 19.6]], [[[0.5, 0.4], [0.4, 0.5]]], names=["g", "r"], units="mag")
        >>> colour = mixture.affine([[1, -1]], names="g-r")
        >>> colour, colour.means.round(3), colour.covariances.round(3)
        (<GaussianMixture: 1 component in g-r [mag]>, array([[0.6]]), array([[[0.2]]]))
        """
        affine = AffineMap.of(self, matrix, offset, names, units)
        background = self.background and self.background.affine(affine)
        covariances = np.array([_transformed(V, affine) for V in self.covariances])
        means = affine.points(self.means)
        flat = self.flat and self.flat.affine(affine)
        arrays = self.weights, means, covariances
        return GaussianMixture(*arrays, affine.names, affine.units, background, self.dof, flat)

    def marginal(self, names: str | Iterable[str]) -> GaussianMixture:
        """The mixture of some of the coordinates, in the order of these names (one, or several).

        Raises
        ------
        InputError
            If a name is not one of a coordinate, or is repeated.

        Examples
        --------
        >>> from xdgmm import GaussianMixture
        >>> mixture = GaussianMixture([1.0], [[0.0, 1.0]], [[[4.0, 1.0], [1.0, 9.0]]], names=["a", "b"])
        >>> mixture.marginal("b").covariances
        array([[[9.]]])
        """
        places = coordinate_places(self.names, names)
        background = self.background and self.background.marginal(places)
        covariances = self.covariances[:, places][:, :, places]
        of_places = [self.names[i] for i in places], [self.units[i] for i in places]
        flat = self.flat and self.flat.marginal(places, of_places[0])
        return GaussianMixture(self.weights, self.means[:, places], covariances, *of_places, background, self.dof, flat)

    @overload
    def condition(self, given: Mapping[str, float | tuple[float, float]]) -> GaussianMixture: ...

    @overload
    def condition(
        self, given: Mapping[str, list[float] | NDArray[Any] | tuple[list[float] | NDArray[Any], Any]]
    ) -> ConditionalMixtures: ...

    @overload
    def condition(self, given: Mapping[str, Any]) -> Any: ...

    def condition(self, given: Mapping[str, Any]) -> Any:
        """The mixture of the other coordinates, where some are given, exactly or with an error.

        The Gaussians of a Student-t component (`expanded`) are components of the result.

        Parameters
        ----------
        given : dict
            Name of each known coordinate, and its value or a tuple of its value and 1-sigma error: numbers in `units`,
            or Quantities.  Arrays (N,) are values of N objects; NaN, or an infinite error, means not known.

        Returns
        -------
        GaussianMixture, or ConditionalMixtures where arrays are given

        Raises
        ------
        InputError
            If a name is not one of a coordinate, all coordinates are given, a value or error cannot be used, or the
            values have no density in any component (rows are listed).

        Notes
        -----
        A Student-t component is conditioned as its Gaussians (`expanded`), which are components of the result.
        With b given, of component k: weight ``alpha_k N(b | m_b, V_bb + S)``, mean ``m_a + V_ab T^-1 (b - m_b)`` and
        covariance ``V_aa - V_ab T^-1 V_ba`` with ``T = V_bb + S`` and S the squared errors.  A background stays uniform
        over the other sides of its box; its weight has the probability that the true b lies in the box (for a
        background of measured values: whether b does).  If components without width have an exact value, they alone
        keep a weight.

        Examples
        --------
        >>> from xdgmm import GaussianMixture
        >>> mixture = GaussianMixture([1.0], [[0.8, 0.5]], [[[0.05, 0.03], [0.03, 0.04]]], names=["g_r", "redshift"])
        >>> mixture.condition({"redshift": 0.7}).means.round(3)
        array([[0.95]])
        >>> mixture.condition({"redshift": (0.7, 0.2)}).means.round(3)
        array([[0.875]])
        """
        known = known_coordinates(self.names, self.units, given)
        if self.flat is not None and not set(self.flat.in_columns) <= set(known.places):
            raise InputError(
                f"the mixture has components that are flat in {', '.join(self.flat.columns)}, which its conditional "
                "distribution cannot keep; give these columns too, or take a marginal without them first"
            )
        weights, means, covariances = condition_components(self.expanded(), known)
        others = [i for i in range(self.n_dimensions) if i not in known.places]
        names, units = tuple(self.names[i] for i in others), tuple(self.units[i] for i in others)
        uniform = None if self.background is None else np.ones((len(weights), len(others)), bool)
        of = None if self.background is None else self.background.of
        mixtures = ConditionalMixtures(weights, means, covariances, names, units, uniform, of=of)
        return mixtures if known.is_array else mixtures[0]

    def in_units(self, units: Sequence[UnitBase | None]) -> GaussianMixture:
        """The mixture in other units (D; None leaves a coordinate as it is); InputError if one does not convert."""
        units = check_units(units, self.n_dimensions, "coordinates")
        factors = unit_factors(self.units, units, self.names)
        targets = tuple(new or old for old, new in zip(self.units, units, strict=True))
        return self.rescaled(np.zeros_like(factors), factors, self.names, targets)

    def with_record(self, record: FitRecord | None) -> GaussianMixture:
        """The same mixture with the `FitRecord` of its fit."""
        new = object.__new__(GaussianMixture)
        arrays = self.weights, self.means, self.covariances, self.names, self.units
        new._freeze(*arrays, self.background, self.dof, self.flat, record)
        return new

    if TYPE_CHECKING:

        @classmethod
        def read(cls, path: str | PathLike[str], *, format: Literal["fits", "ascii.ecsv"] | None = None) -> Self:  # noqa: A002
            """See `MixtureRead`."""

        def write(
            self,
            path: str | PathLike[str],
            *,
            format: Literal["fits", "ascii.ecsv"] | None = None,  # noqa: A002
            overwrite: bool = False,
        ) -> None:
            """See `MixtureWrite`."""

    else:
        read = UnifiedReadWriteMethod(MixtureRead)
        write = UnifiedReadWriteMethod(MixtureWrite)


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalMixtures:
    """N mixtures of the same D coordinates, one for each object; ``mixtures[i]`` is a `GaussianMixture`.

    Made by `GaussianMixture.condition` and by `xdgmm.objects.Denoised.posteriors`.

    Attributes
    ----------
    weights : ndarray (N, K)
        Of the components; a background's is the last column.
    means : ndarray (N, K, D)
        In `units`.
    covariances : ndarray (N, K, D, D)
        In `units` squared; one array in memory where they are the same for all objects.
    names, units : tuple
        Of the coordinates (D).
    uniform : ndarray of bool (N, D), optional
        Coordinates along which the last component is uniform instead of Gaussian, with this mean and variance and
        without correlations.
    truncated : TruncatedNormals, optional
        What the last component is along the other coordinates where a box cuts it.
    of : str, optional
        Of what a background is uniform (`Background`).

    Examples
    --------
    >>> from xdgmm import GaussianMixture
    >>> mixture = GaussianMixture([1.0], [[0.0, 1.0]], [[[1.0, 0.8], [0.8, 1.0]]], names=["a", "b"])
    >>> colours = mixture.condition({"b": [1.0, 2.0, 3.0]})
    >>> colours
    <ConditionalMixtures: 3 mixtures of 1 component in a>
    >>> colours.mean[:, 0].round(3), colours.standard_deviation[:, 0].round(3), colours[2].means
    (array([0. , 0.8, 1.6]), array([0.6, 0.6, 0.6]), array([[1.6]]))
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    names: tuple[str, ...]
    units: tuple[UnitBase | None, ...]
    uniform: NDArray[np.bool_] | None = None
    truncated: TruncatedNormals | None = None
    of: Of | None = None

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("weights", "means", "covariances", "uniform"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __repr__(self) -> str:
        """One line: how many, of how many components in which coordinates."""
        columns = list_columns(self.names, self.units)
        N, K = self.weights.shape
        return f"<ConditionalMixtures: {N} mixture{'s'[: N > 1]} of {K} component{'s'[: K > 1]} in {columns}>"

    def __len__(self) -> int:
        """Number of mixtures N."""
        return len(self.weights)

    def __iter__(self) -> Iterator[GaussianMixture]:
        """One mixture after the other."""
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> GaussianMixture: ...

    @overload
    def __getitem__(
        self, rows: slice | Sequence[int] | NDArray[np.integer[Any]] | NDArray[np.bool_]
    ) -> ConditionalMixtures: ...

    def __getitem__(self, rows: Any) -> GaussianMixture | ConditionalMixtures:
        """One mixture for an integer, some of them for a slice, indices or a mask.

        Raises
        ------
        InputError
            For an integer, if the last component is uniform along some coordinates and Gaussian along others, or a
            Gaussian that a box cuts.
        """
        if isinstance(rows, (int, np.integer)):
            return self._one(range(len(self))[rows])
        uniform = None if self.uniform is None else self.uniform[rows]
        arrays = {name: getattr(self, name)[rows] for name in ("weights", "means", "covariances")}
        truncated = None if self.truncated is None else self.truncated[rows]
        return replace(self, **arrays, uniform=uniform, truncated=truncated)

    def _one(self, i: int) -> GaussianMixture:
        weights, means, covariances = self.weights[i], self.means[i], self.covariances[i]
        if self.truncated is not None and self.truncated.is_cut[i] and weights[-1] > 0:
            raise InputError(
                f"the background of {list_rows([i])} is a Gaussian cut by its box, which a GaussianMixture cannot be; "
                "use `mean`, `covariance`, `sample` or `quantiles`"
            )
        if self.uniform is None or not self.uniform[i].any():
            return GaussianMixture(weights, means, covariances, self.names, self.units)
        if not self.uniform[i].all():
            raise InputError(
                f"the background of {list_rows([i])} is uniform along some coordinates and Gaussian along others, "
                "which a GaussianMixture cannot be; use `mean`, `covariance`, `sample` or `quantiles`"
            )
        half = 0.5 * UNIFORM_WIDTH * np.sqrt(np.diagonal(covariances[-1]))
        background = Background(means[-1] - half, means[-1] + half, of=self.of or "true values").with_fraction(
            weights[-1]
        )
        return GaussianMixture(weights[:-1], means[:-1], covariances[:-1], self.names, self.units, background)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each mixture (N, D)."""
        return np.asarray(np.einsum("nk,nki->ni", self.weights, self.means))

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of each mixture (N, D, D): within its components, and of their means."""
        offsets = self.means - self.mean[:, None]
        within = np.einsum("nk,nkij->nij", self.weights, self.covariances)
        return np.asarray(within + np.einsum("nk,nki,nkj->nij", self.weights, offsets, offsets))

    @property
    def standard_deviation(self) -> NDArray[np.float64]:
        """Standard deviation of each mixture along each coordinate (N, D)."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def sample(self, n_samples: int, rng: np.random.Generator | int | None = None) -> NDArray[np.float64]:
        """Draw from each mixture: points (N, n_samples, D); `rng` is a Generator, or a seed."""
        return sample_each(self, check_count(n_samples), as_generator(rng))

    def quantiles(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles of each coordinate by itself: (N, D) for a number, (Q, N, D) for an array of Q probabilities.

        Raises
        ------
        InputError
            If a probability does not lie between 0 and 1.
        """
        sigmas = np.sqrt(np.maximum(np.diagonal(self.covariances, axis1=2, axis2=3), 0.0))
        uniform = np.zeros(self.means[:, 0].shape, bool) if self.uniform is None else self.uniform
        return quantiles(check_levels(q), self.weights, self.means, sigmas, uniform, self.truncated)


def _transformed(covariance: NDArray[np.float64], affine: AffineMap) -> NDArray[np.float64]:
    """``A V A'``; by way of a root of V where rounding would leave a negative eigenvalue."""
    result: NDArray[np.float64] = affine.covariances(covariance)
    if (np.diagonal(result) >= 0).all() and lowest_eigenvalues(result[None])[0] >= -ROUNDING:
        return result
    from_root: NDArray[np.float64] = affine.covariances_of_factors(square_roots(covariance))
    return from_root


def _checked_flat(flat: object, n_components: int, dof: NDArray[np.float64] | None) -> Flat:
    """A `Flat` that leaves a component which is not flat, beside Gaussians."""
    if not isinstance(flat, Flat):
        raise InputError(f"`flat` is {flat!r}, but a `Flat` belongs there")
    if n_components < flat.n_components:
        raise InputError(
            f"`flat` has {flat.n_components} components, but the mixture has {n_components}; these count all of them"
        )
    if dof is not None:
        raise InputError("flat components cannot be combined with Student-t components; leave one of the two out")
    return flat


def _check_background(background: object) -> None:
    if not (background is None or isinstance(background, Background)):
        raise InputError(f"`background` is {background!r}, but a `Background` belongs there")
