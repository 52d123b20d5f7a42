"""`GaussianMixture`: a mixture of Gaussians with names and units, as a frozen value."""

from dataclasses import dataclass, field

import numpy as np
from astropy.io.registry import UnifiedReadWriteMethod

from xdgmm.basics.arrays import as_floats, read_only
from xdgmm.basics.parameters import as_generator, check_count, check_names
from xdgmm.basics.units import check_units, unit_factors
from xdgmm.errors import InputError
from xdgmm.observations.affine import AffineMap

from .background import Background
from .connecting import MixtureRead, MixtureWrite
from .record import FitRecord

ROUNDING = 1e-10  # relative: eigenvalues above -ROUNDING times the largest, weights summing to 1 within ROUNDING


@dataclass(frozen=True, eq=False, repr=False)
class GaussianMixture:
    """Intrinsic density ``sum_k weights[k] N(means[k], covariances[k])`` in D named coordinates.

    With a background, its uniform density is one more summand, and its fraction one more weight.

    Parameters
    ----------
    weights : array (K,)
        Mixing proportions: not negative, summing to 1 together with the fraction of a background.
    means : array (K, D)
        Component means, in `units`.
    covariances : array (K, D, D)
        Intrinsic covariances, in `units` squared: symmetric, positive semi-definite (a singular one is allowed: it
        is what the fit finds where the noise explains all the scatter in some direction).
    names : sequence of str, optional
        Names of the coordinates; x1, x2, ... by default.
    units : sequence of units, optional
        Units of the coordinates, or one for all.
    background : Background, optional
        A uniform density over a box, for objects that belong to no component.

    Attributes
    ----------
    record : FitRecord or None
        What the mixture was fitted to, and how; what is made from a mixture has none.

    Raises
    ------
    InputError
        If shapes do not match, or weights, covariances or the background are not what they must be.

    Examples
    --------
    >>> from xdgmm import GaussianMixture
    >>> mixture = GaussianMixture([0.3, 0.7], [[0.0], [5.0]], [[[1.0]], [[4.0]]], names=["v"], units=["km/s"])
    >>> mixture.log_density([[5.0]]).round(3)
    array([-1.969])
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    names: tuple | None = None
    units: tuple | None = None
    background: Background | None = None
    record: FitRecord | None = field(default=None, init=False)

    def __post_init__(self):
        """Check, and freeze the arrays."""
        weights = _numbers(self.weights, "weights", 1)
        means = _numbers(self.means, "means", 2)
        covariances = _numbers(self.covariances, "covariances", 3)
        _check_shapes(weights, means, covariances)
        _check_background(self.background)
        _check_weights(weights, self.background)
        covariances = _checked_covariances(covariances)
        n_dimensions = means.shape[1]
        for name, array in (("weights", weights), ("means", means), ("covariances", covariances)):
            object.__setattr__(self, name, read_only(array))
        object.__setattr__(self, "names", check_names(self.names, n_dimensions))
        object.__setattr__(self, "units", check_units(self.units, n_dimensions))
        if self.background is not None:
            object.__setattr__(self, "background", self.background.in_coordinates(self.names, self.units))

    def __repr__(self):
        """One line: how many components in which coordinates."""
        columns = ", ".join(n if u is None else f"{n} [{u}]" for n, u in zip(self.names, self.units, strict=True))
        plural = "s" if self.n_components > 1 else ""
        background = "" if self.background is None else " and a background"
        return f"<GaussianMixture: {self.n_components} component{plural}{background} in {columns}>"

    @property
    def n_components(self):
        """Number of components K."""
        return self.weights.size

    @property
    def n_dimensions(self):
        """Number of coordinates D."""
        return self.means.shape[1]

    @property
    def shares(self):
        """Share of the objects of each component (K,), and of the background where there is one: (K + 1,)."""
        if self.background is None:
            return self.weights
        return read_only(np.append(self.weights, self.background.fraction))

    @property
    def gaussians(self):
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
            raise InputError("every component has the weight zero beside the background, so none can be taken alone")
        return GaussianMixture(self.weights / total, self.means, self.covariances, self.names, self.units)

    @property
    def sigmas(self):
        """Intrinsic standard deviation of each component along each coordinate (K, D)."""
        return np.sqrt(np.maximum(np.diagonal(self.covariances, axis1=1, axis2=2), 0.0))

    @property
    def mean(self):
        """Mean of the whole mixture (D,), the background in it."""
        return self.shares @ self._all_means()

    @property
    def covariance(self):
        """Covariance of the whole mixture (D, D): within its components, and of their means; the background in it."""
        offsets = self._all_means() - self.mean
        within = np.tensordot(self.weights, self.covariances, 1)
        if self.background is not None:
            within = within + self.background.fraction * np.diag(self.background.variances)
        return within + (self.shares * offsets.T) @ offsets

    @property
    def standard_deviation(self):
        """Standard deviation of the whole mixture along each coordinate (D,)."""
        return np.sqrt(np.diagonal(self.covariance))

    def _all_means(self):
        return self.means if self.background is None else np.vstack([self.means, self.background.mean])

    def log_density(self, x):
        """Natural logarithm of the noise-free density at points x (N, D), or (D,) for one: shape (N,).

        Raises
        ------
        InputError
            If x has another number of coordinates, or a covariance is singular (there is no density then).
        """
        x = np.asarray(x, dtype=float)
        single = x.ndim == 1 and x.size == self.n_dimensions
        x = x[None, :] if single else x
        if x.ndim != 2 or x.shape[1] != self.n_dimensions:
            raise InputError(f"`x` has shape {x.shape}, but (N, {self.n_dimensions}) is needed")
        used = np.flatnonzero(self.weights)
        columns = [np.log(self.weights[k]) + self._component_log_density(k, x) for k in used]
        if self.background is not None and self.background.fraction > 0:
            inside = np.log(self.background.fraction) + self.background.log_density
            columns.append(np.where(self.background.contains(x), inside, -np.inf))
        result = np.logaddexp.reduce(columns, axis=0)
        return result[0] if single else result

    def _component_log_density(self, k, x):
        scale = np.where(self.sigmas[k] > 0, self.sigmas[k], 1.0)  # units must not decide what is singular
        scaled = self.covariances[k] / scale[:, None] / scale
        values, vectors = np.linalg.eigh(scaled)
        if values[0] <= ROUNDING * values[-1]:
            raise InputError(
                f"component {k} has a singular covariance, so it has no density; marginal distributions and `sample` "
                "still work"
            )
        white = ((x - self.means[k]) / scale) @ (vectors / np.sqrt(values))
        log_determinant = np.log(values).sum() + 2 * np.log(scale).sum()
        return -0.5 * ((white**2).sum(axis=1) + log_determinant + self.n_dimensions * np.log(2 * np.pi))

    def sample(self, n_samples, rng=None):
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
            If `n_samples` is no whole number, or negative.
        """
        rng = as_generator(rng)
        n_samples = check_count(n_samples)
        labels = rng.choice(self.shares.size, n_samples, p=self.shares / self.shares.sum())
        white = rng.standard_normal((n_samples, self.n_dimensions))
        roots = square_roots(self.covariances)
        component = np.minimum(labels, self.n_components - 1)
        points = self.means[component] + np.einsum("nij,nj->ni", roots[component], white)
        if self.background is not None:
            uniform = labels == self.n_components
            points[uniform] = rng.uniform(*self.background.box, (uniform.sum(), self.n_dimensions))
        return points, labels

    def with_parameters(self, shares, means, covariances):
        """The same names and units with other parameters, unchecked: the caller made them, and made them right.

        Shares (K,) are weights, beside which a background keeps its fraction; shares (K + 1,) end with that fraction.
        """
        background = self.background
        if background is not None and len(shares) > len(means):
            background, shares = background.with_fraction(shares[-1]), shares[:-1]
        new = object.__new__(GaussianMixture)
        arrays = {"weights": shares, "means": means, "covariances": covariances}
        for name, array in arrays.items():
            object.__setattr__(new, name, read_only(array))
        object.__setattr__(new, "names", self.names)
        object.__setattr__(new, "units", self.units)
        object.__setattr__(new, "background", background)
        object.__setattr__(new, "record", None)
        return new

    def ordered(self, order):
        """The same components in another order (K,); a background stays the last."""
        return self.with_parameters(self.weights[order], self.means[order], self.covariances[order])

    def rescaled(self, location, scale, names=None, units=None):
        """The mixture of ``scale * v + location``, location and scale (D,): an affine map along the axes."""
        background = self.background and self.background.rescaled(location, scale)
        covariances = self.covariances * scale[:, None] * scale
        return GaussianMixture(self.weights, self.means * scale + location, covariances, names, units, background)

    def affine(self, matrix, offset=None, names=None, units=None):
        """The mixture of ``A v + b``: means ``A m + b`` and covariances ``A V A'``, exactly symmetric.

        Parameters
        ----------
        matrix : array (D2, D)
            A, plain numbers without a row of zeros.  With a background each row must have one element, and each
            column at most one.
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
        >>> from xdgmm import GaussianMixture
        >>> mixture = GaussianMixture([1.0], [[20.2, 19.6]], [[[0.5, 0.4], [0.4, 0.5]]], names=["g", "r"], units="mag")
        >>> colour = mixture.affine([[1, -1]], names="g-r")
        >>> colour, colour.means.round(3), colour.covariances.round(3)
        (<GaussianMixture: 1 component in g-r [mag]>, array([[0.6]]), array([[[0.2]]]))
        """
        affine = AffineMap.of(self, matrix, offset, names, units)
        background = self.background and self.background.affine(affine)
        covariances = [_transformed(V, affine) for V in self.covariances]
        means = affine.points(self.means)
        return GaussianMixture(self.weights, means, covariances, affine.names, affine.units, background)

    def marginal(self, names):
        """The mixture of some of the coordinates, in the order of these names (one, or several).

        Raises
        ------
        InputError
            If a name is not one of a coordinate, or stands there twice.

        Examples
        --------
        >>> from xdgmm import GaussianMixture
        >>> mixture = GaussianMixture([1.0], [[0.0, 1.0]], [[[4.0, 1.0], [1.0, 9.0]]], names=["a", "b"])
        >>> mixture.marginal("b").covariances
        array([[[9.]]])
        """
        from .given import chosen

        places = chosen(self.names, names)
        background = self.background and self.background.marginal(places)
        covariances = self.covariances[:, places][:, :, places]
        called = (tuple(of[i] for i in places) for of in (self.names, self.units))
        return GaussianMixture(self.weights, self.means[:, places], covariances, *called, background)

    def condition(self, given):
        """The mixture of the other coordinates, where some are given, exactly or with an error.

        Parameters
        ----------
        given : dict
            Of each coordinate that is known its value, or a tuple of its value and its 1-sigma error: numbers, in
            `units`, or Quantities.  Arrays (N,) are those of N objects; NaN or an infinite error: not known.

        Returns
        -------
        GaussianMixture, or ConditionalMixtures where arrays are given

        Raises
        ------
        InputError
            If a name is not one of a coordinate, no coordinate is left, a value or error cannot be used, or no
            component can have the values exactly as given (rows are listed).

        Notes
        -----
        With b given, of component k: weight ``alpha_k N(b | m_b, V_bb + S)``, mean ``m_a + V_ab T^-1 (b - m_b)`` and
        covariance ``V_aa - V_ab T^-1 V_ba`` with ``T = V_bb + S`` and S the squared errors.  A background keeps the
        rest of its box, where b lies inside, whatever its error.  A value given exactly decides for the components
        that have no width there, if one can have it.

        Examples
        --------
        >>> from xdgmm import GaussianMixture
        >>> mixture = GaussianMixture([1.0], [[0.8, 0.5]], [[[0.05, 0.03], [0.03, 0.04]]], names=["g_r", "redshift"])
        >>> mixture.condition({"redshift": 0.7}).means.round(3)
        array([[0.95]])
        >>> mixture.condition({"redshift": (0.7, 0.2)}).means.round(3)
        array([[0.875]])
        """
        from .given import condition

        return condition(self, given)

    def in_units(self, units):
        """The mixture in other units (D; None leaves a coordinate as it is); InputError if one does not convert."""
        factors = unit_factors(self.units, units, self.names)
        targets = tuple(new or old for old, new in zip(self.units, units, strict=True))
        return self.rescaled(np.zeros_like(factors), factors, self.names, targets)

    def with_record(self, record):
        """The same mixture with the `FitRecord` of its fit."""
        new = self.with_parameters(self.shares, self.means, self.covariances)
        object.__setattr__(new, "record", record)
        return new

    read = UnifiedReadWriteMethod(MixtureRead)
    write = UnifiedReadWriteMethod(MixtureWrite)


def square_roots(covariances):
    """Symmetric square roots of covariances (..., D, D); singular ones are allowed."""
    values, vectors = np.linalg.eigh(covariances)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def _transformed(covariance, affine):
    """``A V A'``; by way of a root of V where rounding would leave a negative eigenvalue."""
    result = affine.covariances(covariance)
    if (np.diagonal(result) >= 0).all() and _lowest_eigenvalues(result[None])[0] >= -ROUNDING:
        return result
    return affine.covariances_of_factors(square_roots(covariance))


def _numbers(array, name, n_axes):
    array = np.array(as_floats(array, name)[0])  # a copy: the mixture is a value of its own
    if array.ndim != n_axes:
        raise InputError(f"`{name}` has {array.ndim} axes (shape {array.shape}), but {n_axes} are needed")
    if not np.isfinite(array).all():
        raise InputError(f"`{name}` holds NaN or infinity; every element must be finite")
    return array


def _check_shapes(weights, means, covariances):
    n_components, n_dimensions = means.shape
    if n_components == 0 or n_dimensions == 0:
        raise InputError("a mixture needs at least one component and one coordinate")
    expected = {"weights": (n_components,), "covariances": (n_components, n_dimensions, n_dimensions)}
    for name, array in (("weights", weights), ("covariances", covariances)):
        if array.shape != expected[name]:
            raise InputError(
                f"`{name}` has shape {array.shape}, but `means` has shape {means.shape}, so {expected[name]} is needed"
            )


def _check_background(background):
    if not (background is None or isinstance(background, Background)):
        raise InputError(f"`background` is {background!r}, but a `Background` belongs there")


def _check_weights(weights, background):
    fraction = 0.0 if background is None else background.fraction
    if min(weights.min(), fraction) < 0 or not abs(weights.sum() + fraction - 1) <= ROUNDING * weights.size:
        beside = "" if background is None else f" together with the fraction {fraction} of the background"
        raise InputError(f"`weights` must not be negative and must sum to 1{beside}, but they are {weights.tolist()}")


def _scaled(covariances):
    """Covariances in units of their standard deviations, where these are not zero."""
    size = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
    size = np.where(size > 0, size, 1.0)
    return covariances / size[:, :, None] / size[:, None, :]


def _lowest_eigenvalues(covariances):
    """Lowest eigenvalue of each (K,), in units of its standard deviations."""
    return np.linalg.eigvalsh(_scaled(covariances))[:, 0]


def _checked_covariances(covariances):
    """The covariances, symmetric to the last bit."""
    scaled = _scaled(covariances)
    if (np.abs(scaled - scaled.transpose(0, 2, 1)) > ROUNDING).any():
        raise InputError("`covariances` must be symmetric; average each with its transpose")
    for k, lowest in enumerate(_lowest_eigenvalues(covariances)):
        if lowest < -ROUNDING:
            raise InputError(f"the covariance of component {k} has a negative eigenvalue; it must be a covariance")
    transposed = covariances.transpose(0, 2, 1)
    mean = np.where(covariances == transposed, covariances, 0.5 * covariances + 0.5 * transposed)
    return np.where(np.tri(covariances.shape[1], dtype=bool), mean, mean.transpose(0, 2, 1))
