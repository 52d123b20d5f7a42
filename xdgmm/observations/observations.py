"""`Observations`: values with their errors, as a frozen value."""

from dataclasses import dataclass, replace

import numpy as np

from xdgmm import kernels
from xdgmm.basics.arrays import as_columns, as_dimensionless, as_floats, check_values, read_only
from xdgmm.basics.parameters import check_names
from xdgmm.basics.units import check_units, difference_unit, unit_factors
from xdgmm.errors import InputError
from xdgmm.kernels import Correlated, Exact, Independent, Noise

from . import checks, location
from .affine import AffineMap


@dataclass(frozen=True, eq=False, repr=False)
class Observations:
    """What was measured: N objects, M values of each, and how well each is known.

    Make one with `exact`, `with_standard_errors`, `with_covariances` or `from_table`; these check what they are
    given.  NaN and masked values are missing, and so is a value whose error is infinite.  Arrays are read-only;
    contiguous float64 input is viewed, not copied.

    Attributes
    ----------
    values : ndarray (N, M)
        Measured values; NaN where missing.  Without projections they are the D coordinates themselves, M = D.
    noise_model : Exact, Independent or Correlated
        How well the values are known; `noise` is the array that it holds.
    weights : None or ndarray (N,)
        Frequency weights: an object of weight 2 counts as two such objects.
    names : tuple of str
        One name per coordinate (D).
    units : tuple of astropy units or None
        One unit per coordinate (D).
    remarks : tuple of str
        What was decided while reading, one sentence each.
    projections : None, ndarray (M, D) or (N, M, D)
        What the values are of the coordinates: the coordinates themselves, or linear combinations of them, the same
        for all objects or of each its own.  The row of a missing value is not used.
    memo : dict
        What others computed from these observations and keep with them; neither copied nor pickled.

    Notes
    -----
    ``w_i = R_i v_i + noise_i``, where w_i are the values, R_i the projections and v_i the true coordinates of
    object i (Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657, eq. 1).

    Examples
    --------
    >>> from xdgmm import Observations
    >>> obs = Observations.with_standard_errors([83.1, 76.0, 81.3], [1.7, 1.4, 0.6], names="v", units="km/s")
    >>> obs
    <Observations: 3 objects, v [km / s], 1-sigma errors>

    Velocities along lines of sight, of which each object has its own:

    >>> lines_of_sight = [[[1.0, 0.0]], [[0.6, 0.8]], [[0.0, 1.0]]]
    >>> Observations.with_standard_errors([3.1, 2.6, -0.4], 0.2, names=["vx", "vy"], projections=lines_of_sight)
    <Observations: 3 objects, vx, vy, 1-sigma errors, through projections of 2 coordinates onto 1>
    """

    values: np.ndarray
    noise_model: Noise
    weights: np.ndarray | None
    names: tuple
    units: tuple
    remarks: tuple = ()
    projections: np.ndarray | None = None

    def __post_init__(self):
        """Freeze the arrays; a bare array of noise becomes its model."""
        object.__setattr__(self, "memo", {})
        object.__setattr__(self, "noise_model", kernels.as_noise(self.noise_model, self.values.shape))
        for name in ("values", "weights", "projections"):
            array = getattr(self, name)
            if array is not None and array.flags.writeable:
                object.__setattr__(self, name, read_only(array))

    def __getstate__(self):
        """What is pickled: everything but the memo."""
        return {**vars(self), "memo": {}}

    @classmethod
    def exact(cls, values, weights=None, names=None, units=None):
        """Values (N,) or (N, D) without measurement errors.

        Raises
        ------
        InputError
            If an array has the wrong shape, holds no numbers, is infinite, or if nothing is present.
        """
        values, units = _values(values, units, names)
        return _build(cls, values, Exact(values.shape), weights, names, units)

    @classmethod
    def with_standard_errors(cls, values, standard_errors, weights=None, names=None, units=None, *, projections=None):
        """Values (N,) or (N, M) with independent 1-sigma errors of the same shape, or one for all.

        An error of 0 means exact; an infinite error means that the value is missing.  Projections (M, D) or
        (N, M, D) are plain numbers; names and units are those of the D coordinates.

        Raises
        ------
        InputError
            If shapes differ, an error is negative or NaN for a value that is present, or a projection of one is not
            finite, or all those of an object are zero (the message lists rows).
        """
        projections = _plain_projections(projections)
        values, units = _values(values, units, names, projections)
        standard_errors, _ = as_floats(standard_errors, "standard_errors", _common(units, standard_errors))
        standard_errors, checked = checks.check_standard_errors(standard_errors, values)
        remarks = _infinite(values, checked)
        return _build(cls, checked, Independent(standard_errors), weights, names, units, remarks, projections)

    @classmethod
    def with_covariances(cls, values, covariances, projections=None, weights=None, names=None, units=None):
        """Values (N, M) with noise covariances (N, M, M), in the units of the values squared.

        Projections (M, D) or (N, M, D) are plain numbers; names and units are those of the D coordinates.

        Raises
        ------
        InputError
            If shapes do not match, a covariance is not finite, not symmetric or not positive semi-definite, or a
            projection of a value that is present is not finite, or all those of an object are zero (the message
            lists rows).
        """
        projections = _plain_projections(projections)
        values, units = _values(values, units, names, projections)
        common = _common(units, covariances)
        covariances, _ = as_floats(covariances, "covariances", None if common is None else common**2)
        covariances, checked = checks.check_covariances(covariances, values)
        remarks = _infinite(values, checked)
        return _build(cls, checked, Correlated(covariances), weights, names, units, remarks, projections)

    @classmethod
    def from_table(cls, table, columns=None, *, errors="auto", correlations="auto", weights=None, on_bad="raise"):
        """Columns of a table, whose errors and correlations are found; see `xdgmm.tables.observations_from_table`."""
        from xdgmm.tables import observations_from_table

        return observations_from_table(
            table, columns, errors=errors, correlations=correlations, weights=weights, on_bad=on_bad
        )

    def __len__(self):
        """Number of rows, those without any value included."""
        return self.values.shape[0]

    @property
    def shape(self):
        """Rows and values measured in each: (N, M)."""
        return self.values.shape

    def __getitem__(self, rows):
        """Some of the rows: `select`, also of a slice, or of one index; tools that split data into folds ask so."""
        rows = rows[0] if isinstance(rows, tuple) else rows
        return self.select(rows if isinstance(rows, slice) else np.atleast_1d(rows))

    def __array__(self, *_, **__):
        """Refuse to lose the errors."""
        raise InputError("Observations are more than an array, they hold errors too; ask for their `values` or `noise`")

    def __repr__(self):
        """One line: how many objects, which coordinates, which errors."""
        columns = ", ".join(n if u is None else f"{n} [{u}]" for n, u in zip(self.names, self.units, strict=True))
        kind = self.noise_model.kind
        weighted = "" if self.weights is None else ", weighted"
        through = f", through projections of {self.n_dimensions} coordinates onto {self.n_measured}"
        projected = "" if self.projections is None else through
        plural = "" if self.n_objects == 1 else "s"
        return f"<Observations: {self.n_objects} object{plural}, {columns}, {kind}{weighted}{projected}>"

    @property
    def noise(self):
        """1-sigma errors (N, M) or noise covariances (N, M, M), in the units of the values (squared); None if exact."""
        return self.noise_model.array

    @property
    def n_dimensions(self):
        """Number of coordinates D."""
        return (self.values if self.projections is None else self.projections).shape[-1]

    @property
    def n_measured(self):
        """Number of values M of each object: D without projections."""
        return self.values.shape[1]

    @property
    def present(self):
        """Where there is a value: boolean (N, M)."""
        return np.isfinite(self.values)

    @property
    def object_weights(self):
        """Frequency weight of each row (N,): ones where none were given."""
        return np.ones(len(self)) if self.weights is None else self.weights

    @property
    def counts(self):
        """Which rows take part in a fit: at least one value, weight above zero; boolean (N,)."""
        return self.present.any(axis=1) & (self.object_weights > 0)

    @property
    def n_objects(self):
        """Number of rows that take part in a fit."""
        return int(self.counts.sum())

    @property
    def total_weight(self):
        """Sum of the weights of the rows that take part: their number where no weights were given."""
        return float(self.object_weights[self.counts].sum())

    @property
    def variances(self):
        """Noise variance of each value (N, M): zero where the values are exact."""
        return self.noise_model.variances

    def variances_of(self, i):
        """Noise variance of measured column i of each row (N,)."""
        return self.noise_model.variances_of(i)

    @property
    def noise_covariances(self):
        """Noise covariance of each row (N, M, M), whatever way it is held."""
        return self.noise_model.covariances()

    def in_units(self, units):
        """The observations in other units (D; None leaves a coordinate as it is).

        Raises
        ------
        InputError
            If there is not one unit for each coordinate, or one does not convert.
        """
        units = check_units(units, self.n_dimensions, "coordinates")
        factors = unit_factors(self.units, units, self.names)
        if (factors == 1.0).all():
            return self
        units = tuple(new or old for old, new in zip(self.units, units, strict=True))
        if self.projections is not None:
            return replace(self, projections=self.projections / factors, units=units)
        # multiplied, as the mixture's are: what lies at the edge of a box stays inside
        return replace(self, values=self.values * factors, noise_model=self.noise_model.scaled(factors), units=units)

    def remarking(self, *sentences):
        """The same observations with more remarks."""
        return replace(self, remarks=(*self.remarks, *sentences))

    def select(self, rows):
        """The given rows only (indices or a boolean mask)."""
        weights = None if self.weights is None else self.weights[rows]
        own = self.projections is not None and self.projections.ndim == 3
        projections = self.projections[rows] if own else self.projections
        return replace(
            self,
            values=self.values[rows],
            noise_model=self.noise_model.select(rows),
            weights=weights,
            projections=projections,
        )

    def rescaled(self, location, scale, measured_scale=1.0):
        """The observations of (v - location) / scale, location and scale (D,); units are given up.

        With projections the values become (w - R location) / measured_scale (M,), R becomes R scale / measured_scale;
        without them `measured_scale` is not used: it is the scale.
        """
        units = (None,) * self.n_dimensions
        if self.projections is None:
            values, noise_model = (self.values - location) / scale, self.noise_model.divided(scale)
            return replace(self, values=values, noise_model=noise_model, units=units)
        measured_scale = np.broadcast_to(measured_scale, self.n_measured)
        values = (self.values - self.projections @ location) / measured_scale
        projections = self.projections * scale / measured_scale[:, None]
        noise_model = self.noise_model.divided(measured_scale)
        return replace(self, values=values, noise_model=noise_model, projections=projections, units=units)

    def location_and_spread(self):
        """Robust location and spread of each coordinate, noise included: (D,) each.

        The median and the median absolute deviation, scaled to the standard deviation of a Gaussian.  Behind
        projections the location by least absolute deviations, and spreads by non-negative least squares on the squared
        residuals.
        """
        return location.location_and_spread(self)

    def measured_spread(self, spread):
        """Spread to be expected of each measured column (M,), noise apart, where the coordinates have this one (D,)."""
        return location.measured_spread(self, spread)

    def seen_weights(self):
        """Sum of the weights of the objects that have measured each column (M,)."""
        return location.seen_weights(self)

    def transform(self, matrix, offset=None, names=None, units=None):
        """The observations of ``A v + b``: colours of magnitudes, say, with the correlations they then have.

        Without projections the values become ``A w + b`` with the noise covariance ``A S A'``; a result to which a
        missing value contributes is missing.  Projections become ``R A^-1`` and their values ``w + R A^-1 b``.

        Parameters
        ----------
        matrix : array (D2, D)
            A, plain numbers without a row of zeros: square and invertible for observations through projections.
        offset : array (D2,) or float, optional
            b.
        names, units : optional
            Those of the results; they follow from the matrix where they are not given (see `AffineMap.of`).

        Raises
        ------
        InputError
            If the matrix or the offset has the wrong shape, is not finite, or is one for which there is no result.

        Examples
        --------
        >>> from xdgmm import Observations
        >>> magnitudes = Observations.with_standard_errors(
        ...     [[20.2, 19.6, 19.4]], [[0.03, 0.02, 0.04]], names=["g", "r", "i"], units="mag"
        ... )
        >>> colours = magnitudes.transform([[1, -1, 0], [0, 1, -1], [0, 1, 0]], names=["g-r", "r-i", "r"])
        >>> colours
        <Observations: 1 object, g-r [mag], r-i [mag], r [mag], full error covariances>
        >>> colours.values.round(3), (1e4 * colours.noise).round(3)
        (array([[ 0.6,  0.2, 19.6]]), array([[[13., -4., -4.],
                [-4., 20.,  4.],
                [-4.,  4.,  4.]]]))
        """
        affine = AffineMap.of(self, matrix, offset, names, units)
        called = {"names": affine.names, "units": affine.units}
        if self.projections is not None:
            R = self.projections @ affine.inverse()
            return replace(self, values=self.values + R @ affine.offset, projections=R, **called)
        values, noise_model = (
            _transformed(self.values, affine),
            self.noise_model.transformed(affine.matrix, self.present),
        )
        return _without_lost(replace(self, values=values, noise_model=noise_model, **called), self)

    def pack(self, location=0.0, scale=1.0, *, measured_scale=1.0, background=None):
        """`Data` of (v - location) / scale, location and scale (D,): what the solvers see.

        Parameters
        ----------
        location, scale : ndarray (D,) or float
        measured_scale : ndarray (M,) or float
            With projections, what the values are divided by.
        background : None or tuple of two ndarrays (D,)
            Lowest and highest corner of the box of a uniform background, in the units of the values.
        """
        projected = {"projections": self.projections, "measured_scale": measured_scale}
        settings = {} if self.projections is None else projected
        if background is not None:
            settings["background"] = background
        return kernels.pack(self.values, self.noise_model, self.weights, location, scale, **settings)


def _transformed(values, affine):
    """``A w + b``; missing where a missing value contributes."""
    seen = np.isfinite(values)
    if seen.all():
        return affine.points(values)
    lost = ~seen @ (affine.matrix != 0).T
    return np.where(lost, np.nan, affine.points(np.where(seen, values, 0.0)))


def _without_lost(result, before):
    """The transformed observations, with a remark on objects of which nothing is left."""
    lost = int((before.counts & ~result.counts).sum())
    if lost == 0:
        return result
    if not result.counts.any():
        raise InputError("every row of `matrix` needs a value that is missing, for every object, so nothing is left")
    return result.remarking(f"{lost} object{'s' if lost > 1 else ''} without any transformed value left out")


def _plain_projections(projections):
    return None if projections is None else as_dimensionless(projections, "projections")


def _values(values, units, names, projections=None):
    values, own_unit = as_floats(values, "values", _target(values, units))
    values = as_columns(values)
    named = names is not None and projections is None
    check_values(values, check_names(names, values.shape[1]) if named else None)
    units = own_unit if units is None else units
    if projections is None:
        return values, check_units(units, values.shape[1])
    checks.check_projection_shape(projections, values.shape)
    return values, check_units(units, projections.shape[-1], "coordinates")


def _target(values, units):
    """The one unit that values with a unit of their own are converted to; None to keep their own."""
    if getattr(values, "unit", None) is None or units is None:
        return None
    units = list(units) if isinstance(units, (list, tuple)) else [units]
    if len(set(units)) > 1:
        raise InputError("values with a unit have that one unit in every column; give one for all in `units`, or none")
    return units[0]


def _common(units, errors):
    """The one unit that errors with a unit are converted to."""
    if getattr(errors, "unit", None) is None:
        return None
    if len(set(units)) > 1 or units[0] is None:
        raise InputError(f"errors have the unit {errors.unit}, but the values have none in common; give both alike")
    return difference_unit(units[0])


def _infinite(before, after):
    count = int((np.isfinite(before) & ~np.isfinite(after)).sum())
    if count == 0:
        return ()
    return (
        f"{count} value{'s' if count > 1 else ''} with an infinite error count{'' if count > 1 else 's'} as missing",
    )


def _build(cls, values, noise_model, weights, names, units, remarks=(), projections=None):
    names = check_names(names, len(units), "columns" if projections is None else "coordinates")
    if weights is not None:
        weights = checks.check_weights(as_floats(weights, "weights")[0], values.shape[0])
    checks.check_something_seen(values)
    if projections is not None:
        projections = checks.check_projections(projections, values)
    result = cls(values, noise_model, weights, names, units, remarks, projections)
    counted = result.counts
    if not counted.any():
        raise InputError("no object has both a value and a weight above zero, so there is nothing to fit")
    if counted.all():
        return result
    empty = int((~result.present.any(axis=1)).sum())
    if empty == 0:
        return result
    in_all = " in all" if remarks else ""
    return result.remarking(f"{empty} row{'s' if empty > 1 else ''}{in_all} without any value left out")
