"""`Background`: a uniform density over a box, for objects that belong to no Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeGuard, get_args

import numpy as np

from xdgmm.basics.arrays import as_floats, list_rows, read_only
from xdgmm.errors import DeprecatedAlias, InputError
from xdgmm.kernels import Exact, NoiseMixture

from . import noisy_boxes
from .limits_in_boxes import LimitsInBoxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.units import Quantity, UnitBase
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.kernels import Noise
    from xdgmm.observations import Observations
    from xdgmm.observations.affine import AffineMap


Of: TypeAlias = Literal["true values", "measured values"]
OF = get_args(Of)
BEYOND_EDGE, MOST_BEYOND = 2.0, 0.25  # errors by which measured values exceed an edge, and fraction of the box at most
BEYOND = 8.0  # standard errors outside the box, where the density is below 1e-15 of that inside


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Background:
    """A uniform density over a box, for a fraction of the objects.

    Parameters
    ----------
    low, high : array (D,) or number, optional
        Corners of the box, in the units of the coordinates or as Quantities; a number serves for every coordinate.
        Without them a fit finds the edges, by maximum likelihood (for measured values: the box of the data).
    fraction : float
        Fraction of the objects, from 0 up to but not including 1; for a fit, where it starts.
    of : {"true values", "measured values"}
        What is uniform.  True values are measured with the noise of each object, so that measured values lie outside
        the box too.  "measured values" is the meaning of version 0.1: errors play no part, and no value lies outside.

    Attributes
    ----------
    fitted_edges : bool
        Are the edges fitted?  They are then free parameters, two for each coordinate.

    Raises
    ------
    InputError
        If one corner is given alone, is not finite or not below the other, the fraction is not a number from 0 up
        to below 1, or `of` is none of these.

    Notes
    -----
    The density of the true values is ``p(v) = 1 / prod_i (high_i - low_i)`` inside the box, edges included, and 0
    outside.  Of an object with values w and noise covariance S it is the probability that N(w, S) lies in the box, over
    its volume; of one with missing values, that of the values it has.

    Examples
    --------
    >>> from xdgmm.mixture import Background, GaussianMixture
    >>> background = Background(0.0, 10.0, fraction=0.2)
    >>> mixture = GaussianMixture([0.8], [[5.0]], [[[0.01]]], names=["v"], background=background)
    >>> mixture
    <GaussianMixture: 1 component and a background in v>
    >>> mixture.log_density([[0.0]]).round(3)  # ln(0.2 / 10)
    array([-3.912])
    """

    low: NDArray[np.float64] | Quantity | tuple[Any, ...] | None
    high: NDArray[np.float64] | Quantity | tuple[Any, ...] | None
    fraction: float
    of: Of = "measured values"  # of pickles of version 0.1, which have no such attributes
    fitted_edges: bool = False

    def __init__(
        self,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        fraction: float = 0.1,
        *,
        of: Of = "true values",
    ) -> None:
        if (low is None) != (high is None):
            raise InputError("a background needs both `low` and `high`, or neither for the box of the data")
        if of not in OF:
            raise InputError(f"`of` of the background is {of!r}, but it must be one of {', '.join(OF)}")
        fraction = _checked_fraction(fraction)
        first, second = corner(low, "low"), corner(high, "high")
        if is_plain(first) and is_plain(second):
            _check_box(first, second)
        self._freeze(first, second, fraction, of, fitted_edges=low is None and of == "true values")

    def _freeze(self, low: Any, high: Any, fraction: float, of: Of, *, fitted_edges: bool) -> None:
        """Set the fields, whose values are checked."""
        object.__setattr__(self, "low", read_only(low) if is_plain(low) else low)
        object.__setattr__(self, "high", read_only(high) if is_plain(high) else high)
        object.__setattr__(self, "fraction", fraction)
        object.__setattr__(self, "of", of)
        object.__setattr__(self, "fitted_edges", fitted_edges)

    def _with(self, low: Any, high: Any, fraction: float | None = None) -> Background:
        """The same background with other corners, and maybe another fraction, which are not checked."""
        new = object.__new__(Background)
        fraction = self.fraction if fraction is None else fraction
        new._freeze(low, high, fraction, self.of, fitted_edges=self.fitted_edges)
        return new

    def __repr__(self) -> str:
        """One line: which fraction, in which box."""
        unknown = "a box whose edges are fitted" if self.fitted_edges else "the box of the data"
        box = unknown if self.low is None else f"the box from {self.low} to {self.high}"
        of = "measured values " if self.of == "measured values" else ""
        return f"<Background: a fraction of {self.fraction:.4g}, {of}uniform in {box}>"

    @property
    def box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest corner (D,), plain numbers.

        Raises
        ------
        InputError
            If the corners are not known yet, or not as numbers in known coordinates (see `resolved`).
        """
        low, high = self.low, self.high
        if not (is_plain(low) and is_plain(high) and low.ndim == high.ndim == 1):
            raise InputError("the background has no box in plain coordinates yet; `resolved` gives it one")
        return low, high

    @property
    def log_density(self) -> float:
        """Natural logarithm of the density inside the box; InputError as for `box`."""
        low, high = self.box
        return -float(np.log(high - low).sum())

    @property
    def mean(self) -> NDArray[np.float64]:
        """Centre of the box (D,)."""
        low, high = self.box
        return np.asarray(0.5 * (low + high))

    @property
    def variances(self) -> NDArray[np.float64]:
        """Variance along each coordinate (D,)."""
        low, high = self.box
        return np.asarray((high - low) ** 2 / 12.0)

    def log_densities(
        self, values: NDArray[np.float64], noise: Noise | None = None, limits: NDArray[np.int8] | None = None
    ) -> NDArray[np.float64]:
        """Log-density of each object (N,), with the noise of its values; minus infinity where it is zero.

        Parameters
        ----------
        values : ndarray (N, D)
            NaN where missing.
        noise : Noise, optional
            Exact values by default.  A background of measured values ignores it.
        limits : ndarray of int8 (N, D), optional
            -1 where a value is an upper limit, 1 where a lower one: the density is then that of the other values, times
            the probability of the limit.
        """
        low, high = self.box
        of_measured = noise is None or self.of == "measured values"
        noise = Exact((len(values), low.size)) if of_measured or noise is None else noise
        log_volumes = np.isfinite(values) @ np.log(high - low)
        measured = values if limits is None else np.where(limits == 0, values, np.nan)
        result = np.asarray(noisy_boxes.log_probabilities(measured, noise, low, high) - log_volumes)
        if limits is not None:
            rows, of_limits = self.limits_in_box(values, noise, limits)
            result[rows[0]] += of_limits.log_integrals()
        return result

    def limits_in_box(
        self, values: NDArray[np.float64], noise: Noise, limits: NDArray[np.int8]
    ) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], LimitsInBoxes]:
        """Rows and columns of limits, and what is asked of them, which have errors independent of those of values."""
        rows, columns = np.nonzero(limits)
        errors = np.sqrt(noise.variances[rows, columns])
        low, high = self.box
        of_limits = values[rows, columns], errors, limits[rows, columns], low[columns], high[columns]
        return (rows, columns), LimitsInBoxes(*of_limits)

    log_density_of_seen = DeprecatedAlias("log_densities")

    def edge_slopes(
        self, values: NDArray[np.float64], noise: Noise, limits: NDArray[np.int8] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Derivatives of the log-density of each object with respect to `low` and to `high` (N, D) each."""
        low, high = self.box
        measured = values if limits is None else np.where(limits == 0, values, np.nan)
        by_low, by_high = noisy_boxes.slopes(measured, noise, low, high)
        if limits is not None:
            places, of_limits = self.limits_in_box(values, noise, limits)
            by_low[places], by_high[places] = of_limits.edge_slopes()
        of_volume = np.isfinite(values) / (high - low)
        return by_low + of_volume, by_high - of_volume

    def rows_beyond(self, observations: Observations) -> NDArray[np.intp]:
        """Rows that count and lie more than 8 standard errors outside: the background hardly gives them a density."""
        noise = observations.noise_model if self.of == "true values" else Exact(observations.values.shape)
        measured = np.where(observations.present, observations.values, np.nan)
        outside = noisy_boxes.standard_errors_outside(measured, noise, *self.box)
        return np.flatnonzero((outside > BEYOND) & observations.counts)

    def marginal(self, places: Sequence[int]) -> Background:
        """The background of some coordinates, given by their places."""
        low, high = self.box
        places = list(places)
        return self._with(low[places], high[places])

    def contains(self, x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points (N, D) lie in the box, edges included: boolean (N,)."""
        low, high = self.box
        return np.asarray(((x >= low) & (x <= high)).all(axis=1))

    def resolved(self, observations: Observations) -> Background:
        """The background with plain corners (D,) in the units of observations.

        The box of the data is the smallest one around the present values of all objects that count.  The fit of edges
        starts from one that is smaller by some errors.

        Raises
        ------
        InputError
            If the observations are projections, the corners do not fit their coordinates, the data have no width to
            make a box of, or a value lies outside a background of measured values (rows are listed).
        """
        self.check_no_projections(observations)
        if self.low is None:
            box = box_of(observations)
            return self._with(*(_without_noise(box, observations) if self.fitted_edges else box))
        background = self.in_coordinates(observations.names, observations.units)
        if self.of == "true values":
            return background
        outside = background.rows_beyond(observations)
        if outside.size:
            raise InputError(
                f"the box of the background leaves out values of {list_rows(outside)}; widen `low` and `high`, or "
                "leave these objects out"
            )
        return background

    def check_no_projections(self, observations: Observations) -> None:
        """Refuse observations that are projections, of which a background has no density."""
        if observations.projections is not None:
            raise InputError(
                "a background is uniform in the measured coordinates, which projections do not give; use a wide "
                "component with fixed mean and covariance instead"
            )
        if self.of == "measured values" and isinstance(observations.noise_model, NoiseMixture):
            raise InputError(
                "a background of measured values cannot stand beside errors that are not Gaussian; take one of true "
                "values: Background(...)"
            )

    check_measured = DeprecatedAlias("check_no_projections")

    def in_coordinates(self, names: Sequence[str], units: Sequence[UnitBase | None]) -> Background:
        """The background with plain corners (D,) in these coordinates.

        Raises
        ------
        InputError
            If there are no corners, or they do not fit the coordinates and their units.
        """
        if self.low is None:
            raise InputError("the background of a mixture needs a box; give it `low` and `high`")
        low, high = plain_corner(self.low, "low", names, units), plain_corner(self.high, "high", names, units)
        _check_box(low, high)
        return self._with(low, high)

    def with_fraction(self, fraction: float) -> Background:
        """The same box with another fraction, which is not checked."""
        return self._with(self.low, self.high, float(fraction))

    def with_edges(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Background:
        """The same background in another box (D,), which is not checked."""
        return self._with(low, high)

    def with_fitted_edges(self) -> Background:
        """The same background, with edges that count as fitted."""
        new = object.__new__(Background)
        new._freeze(self.low, self.high, self.fraction, self.of, fitted_edges=True)
        return new

    def rescaled(self, location: NDArray[np.float64], scale: NDArray[np.float64]) -> Background:
        """The background of ``scale * v + location``, location and scale (D,)."""
        low, high = (edge * scale + location for edge in self.box)
        return self._with(np.minimum(low, high), np.maximum(low, high))

    def affine(self, affine: AffineMap) -> Background:
        """The background of an `AffineMap`, which must map the axes onto axes: a box has to stay one."""
        if not affine.along_axes:
            raise InputError(
                "a mixture with a background can only be mapped along its axes, since its box must stay a box; take "
                "its `gaussians`, or a matrix with one element in each row and column"
            )
        low, high = (affine.points(edge) for edge in self.box)
        return self._with(np.minimum(low, high), np.maximum(low, high))


def _checked_fraction(fraction: ArrayLike) -> float:
    value = as_floats(fraction, "fraction")[0]
    if value.shape != () or not 0.0 <= value < 1.0:
        raise InputError(f"`fraction` of the background is {fraction}, but a number from 0 up to below 1 is needed")
    return float(value)


def corner(edge: Any, which: str, of: str = "the background") -> Any:
    """A corner (of a box of what `of` says) as it is where it has units or is None, or else as plain numbers."""
    if edge is None or getattr(edge, "unit", None) is not None:
        return edge
    if isinstance(edge, (list, tuple)) and any(getattr(entry, "unit", None) is not None for entry in edge):
        return tuple(edge)
    edge = np.array(as_floats(edge, which)[0])
    if edge.ndim > 1:
        raise InputError(f"`{which}` of {of} has shape {edge.shape}, but one number per coordinate is needed")
    return read_only(edge)


def is_plain(edge: object) -> TypeGuard[NDArray[np.float64]]:
    """Whether a corner is an array of numbers (mapped from a file, maybe), and none with units."""
    return isinstance(edge, np.ndarray) and getattr(edge, "unit", None) is None


def plain_corner(
    edge: Any, which: str, names: Sequence[str], units: Sequence[UnitBase | None], of: str = "the background"
) -> NDArray[np.float64]:
    """A corner as plain numbers (D,) in these units."""
    entries = [edge] * len(names) if getattr(edge, "shape", None) == () else list(edge)
    if len(entries) != len(names):
        raise InputError(
            f"`{which}` of {of} has {len(entries)} entries, but there are {len(names)} coordinates; give one "
            "for each, or one for all"
        )
    numbers = [_number(e, which, name, unit, of) for e, name, unit in zip(entries, names, units, strict=True)]
    return np.array(numbers)


def _number(entry: Any, which: str, name: str, unit: UnitBase | None, of: str) -> float:
    own = getattr(entry, "unit", None)
    if own is not None and unit is None:
        raise InputError(f"`{which}` of {of} has the unit {own}, but '{name}' has none; give a plain number")
    number = as_floats(entry, which, unit)[0]
    if number.shape != ():
        raise InputError(f"`{which}` of {of} holds an array for '{name}'; give one number per coordinate")
    return float(number)


def _check_box(low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    if low.ndim == high.ndim == 1 and low.shape != high.shape:
        raise InputError(
            f"`low` of the background has {low.size} entries, but `high` has {high.size}; give one for each coordinate"
        )
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise InputError("`low` and `high` of the background must be finite; give the edges of a box")
    if not (low < high).all():
        raise InputError(
            f"`low` of the background must lie below `high`, but they are {low.tolist()} and {high.tolist()}"
        )


def box_of(observations: Observations) -> NDArray[np.float64]:
    """Smallest box (2, D) around the present values of the objects that count.

    Raises
    ------
    InputError
        If the values of some coordinate are all equal.
    """
    edges = np.empty((2, observations.n_dimensions))
    constant = []
    counts = observations.counts
    for i, name in enumerate(observations.names):
        column = observations.values[:, i]
        column = column[counts & observations.present[:, i]]
        edges[:, i] = (column.min(), column.max()) if column.size else 0.0
        if edges[0, i] == edges[1, i]:
            constant.append(name)
    if constant:
        raise InputError(
            f"the values of {', '.join(constant)} are all equal, which makes no box; give the background `low` and "
            "`high`, or leave it out"
        )
    return edges


def _without_noise(box: NDArray[np.float64], observations: Observations) -> NDArray[np.float64]:
    """The box (2, D) of the data, smaller by some median errors on each side; with all exact values inside."""
    result = box.copy()
    for i in range(box.shape[1]):
        seen = observations.counts & observations.present[:, i]
        values, variances = observations.values[seen, i], observations.variances_of(i)[seen]
        shift = min(BEYOND_EDGE * float(np.sqrt(np.median(variances))), MOST_BEYOND * float(box[1, i] - box[0, i]))
        exact = values[variances == 0]
        result[0, i] = min(box[0, i] + shift, exact.min(initial=np.inf))
        result[1, i] = max(box[1, i] - shift, exact.max(initial=-np.inf))
    return result
