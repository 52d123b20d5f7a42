"""`Observations`: values with their errors, as a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from xdgmm import kernels
from xdgmm.basics.arrays import in_any_column, read_only
from xdgmm.basics.units import check_units, list_columns, unit_factors
from xdgmm.errors import DeprecatedAlias, InputError, KindError
from xdgmm.kernels import Correlated, Exact, Independent, Noise, NoiseMixture

from . import checks, error_functions, location, noise_mixtures, posterior_samples
from .affine import AffineMap
from .fingerprint import fingerprint
from .identification import unmeasured_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Signs = NDArray[np.int8]
    Names: TypeAlias = str | Iterable[str] | None
    Units: TypeAlias = str | UnitBase | Iterable[str | UnitBase | None] | None
    Rows: TypeAlias = Any  # indices, a boolean mask, or a slice


@dataclass(frozen=True, eq=False, repr=False)
class Observations:
    """Measurements of N objects: M values of each, and their noise.

    Make one with `exact`, `with_standard_errors`, `with_covariances`, `with_limits` or `from_table`, or, where noise is
    not Gaussian, with `with_asymmetric_errors`, `with_noise_mixtures`, `from_samples` or `with_error_function`; these
    check their arguments.  NaN and masked values are missing, and so is a value whose error is infinite.  Arrays are
    read-only; contiguous float64 input is viewed, not copied.

    Attributes
    ----------
    values : ndarray (N, M)
        Measured values; NaN where missing.  Without projections they are the D coordinates themselves, M = D.  The
        mean of the noise is taken out of values whose noise is a mixture, so that it is zero for all noise models
        (not where errors follow the true value, of which only the likelihood is known).
    noise_model : Exact, Independent, Correlated or NoiseMixture
        Noise of the values; `noise` is the array that it holds.
    weights : None or ndarray (N,)
        Frequency weights: an object of weight 2 counts as two such objects.
    names : tuple of str
        One name per coordinate (D).
    units : tuple of astropy units or None
        One unit per coordinate (D).
    remarks : tuple of str
        Decisions made while reading, one sentence each.
    projections : None, ndarray (M, D) or (N, M, D)
        The linear combinations of the coordinates that were measured, the same for all objects or different for each;
        None where the values are the coordinates.  The row of a missing value is not used.
    limits : None or ndarray of int8 (N, M)
        -1 where the true value lies below the value, which is then an upper limit, 1 where above (a lower limit), and 0
        elsewhere; None without any limit.
    memberships : None or ndarray (N, S)
        Probability that each object belongs to each component, known beforehand; with a background its own is the last.
    memo : dict
        Results computed from these observations, kept for reuse; neither copied nor pickled.

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

    Velocities along the line of sight, which differs between objects:

    >>> lines_of_sight = [[[1.0, 0.0]], [[0.6, 0.8]], [[0.0, 1.0]]]
    >>> Observations.with_standard_errors([3.1, 2.6, -0.4], 0.2, names=["vx", "vy"], projections=lines_of_sight)
    <Observations: 3 objects, vx, vy, 1-sigma errors, through projections of 2 coordinates onto 1>
    """

    values: Floats
    noise_model: Noise
    weights: Floats | None
    names: tuple[str, ...]
    units: tuple[UnitBase | None, ...]
    remarks: tuple[str, ...] = ()
    projections: Floats | None = None
    limits: Signs | None = None
    memberships: Floats | None = None
    memo: dict[str, Any] = field(default_factory=dict, init=False)

    remarking = DeprecatedAlias("with_remarks")
    seen_weights = DeprecatedAlias("column_weights")

    def __post_init__(self) -> None:
        """Make the arrays read-only.

        Raises
        ------
        KindError
            If `noise_model` is an array: the constructors that are named after the kind of errors check it.
        """
        if not isinstance(self.noise_model, Noise):
            raise KindError(
                f"`noise_model` is of type {type(self.noise_model).__name__}, but it must be Exact, Independent or "
                "Correlated; use Observations.with_standard_errors or with_covariances"
            )
        if isinstance(self.noise_model, NoiseMixture) and (self.projections is not None or self.limits is not None):
            raise InputError(
                "noise that is a mixture cannot be combined with projections or limits; give Gaussian errors there"
            )
        if isinstance(self.noise_model, NoiseMixture) and not self.noise_model.centred:
            object.__setattr__(self, "values", self.values - self.noise_model.means)
            object.__setattr__(self, "noise_model", self.noise_model.about_means())
        if self.limits is not None and not self.limits.any():  # of rows that have none
            object.__setattr__(self, "limits", None)
        for name in ("values", "weights", "projections", "limits", "memberships"):
            array = getattr(self, name)
            if array is not None and array.flags.writeable:
                object.__setattr__(self, name, read_only(array))

    def __getstate__(self) -> dict[str, Any]:
        """The fields, without what was computed from them."""
        return {each.name: {} if each.name == "memo" else getattr(self, each.name) for each in fields(self)}

    @classmethod
    def exact(
        cls, values: ArrayLike, weights: ArrayLike | None = None, names: Names = None, units: Units = None
    ) -> Observations:
        """Values (N,) or (N, D) without measurement errors.

        Raises
        ------
        InputError
            If an array has the wrong shape, holds no numbers, is infinite, or if all values are missing.
        """
        values, names, units, _ = checks.as_values(values, names, units)
        return cls(**checks.complete(values, Exact(values.shape), weights, names, units))

    @classmethod
    def with_standard_errors(
        cls,
        values: ArrayLike,
        standard_errors: ArrayLike,
        weights: ArrayLike | None = None,
        names: Names = None,
        units: Units = None,
        *,
        projections: ArrayLike | None = None,
    ) -> Observations:
        """Values (N,) or (N, M) with independent 1-sigma errors of the same shape, or one for all.

        An error of 0 means exact; an infinite error means that the value is missing.  Projections (M, D) or
        (N, M, D) are plain numbers; names and units are those of the D coordinates.

        Raises
        ------
        InputError
            If shapes differ, an error is negative or NaN for a value that is present, or a projection of one is not
            finite, or all those of an object are zero (the message lists rows).
        """
        values, names, units, projections = checks.as_values(values, names, units, projections)
        standard_errors = checks.as_standard_errors(standard_errors, values, units)
        return cls(**checks.complete(values, Independent(standard_errors), weights, names, units, projections))

    @classmethod
    def with_covariances(
        cls,
        values: ArrayLike,
        covariances: ArrayLike,
        projections: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        names: Names = None,
        units: Units = None,
    ) -> Observations:
        """Values (N, M) with noise covariances (N, M, M), in the units of the values squared.

        Projections (M, D) or (N, M, D) are plain numbers; names and units are those of the D coordinates.

        Raises
        ------
        InputError
            If shapes do not match, a covariance is not finite, not symmetric or not positive semi-definite, or a
            projection of a value that is present is not finite, or all those of an object are zero (the message
            lists rows).
        """
        values, names, units, projections = checks.as_values(values, names, units, projections)
        covariances = checks.as_covariances(covariances, values, units)
        return cls(**checks.complete(values, Correlated(covariances), weights, names, units, projections))

    @classmethod
    def with_limits(
        cls,
        values: ArrayLike,
        standard_errors: ArrayLike | None = None,
        *,
        upper: ArrayLike | None = None,
        lower: ArrayLike | None = None,
        covariances: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        names: Names = None,
        units: Units = None,
    ) -> Observations:
        """Values (N,) or (N, M) of which some are limits: the true value is known only to lie below or above them.

        Parameters
        ----------
        values : array (N,) or (N, M)
            Measured values, and the limits in their places; NaN where nothing is known.
        standard_errors : array (N,) or (N, M), or one number for all
            1-sigma errors.  That of a limit is how well the threshold itself is known, 0 for a sharp one: the
            probability that an object of true value v has the upper limit L with error e is ``Phi((L - v) / e)``.
        upper, lower : boolean array of the same shape, optional
            Where a value is an upper limit, or a lower one: at most one in each row.
        covariances : array (N, M, M), optional
            Noise covariances, instead of standard errors; those of a limit with other values must be zero.
        weights, names, units : optional

        Raises
        ------
        InputError
            As `with_standard_errors` or `with_covariances`; if both kinds of errors or none are given, a mask is not
            boolean or has another shape, a limit has no value, is both upper and lower, or stands beside another one in
            its row, its error is correlated with others, or every value is a limit (the message lists rows).

        Notes
        -----
        An object contributes the normal density of its measured values times the probability of its limit given these,
        ``Phi((L - m) / sqrt(V + e^2))`` for a single value: the likelihood of Tobin (1958, Econometrica 26, 24) with
        errors; see `docs/limits.md`.

        Examples
        --------
        >>> from xdgmm import Observations
        >>> Observations.with_limits([-7.1, -8.3, -9.0], [0.2, 0.3, 0.0], upper=[False, False, True], names="log_rate")
        <Observations: 3 objects, log_rate, 1-sigma errors, 1 upper limit>
        """
        values, names, units, _ = checks.as_values(values, names, units)
        limits = checks.as_limits(upper, lower, values)
        noise_model: Noise
        if standard_errors is not None and covariances is None:
            checks.check_errors_of_limits(standard_errors, limits)
            noise_model = Independent(checks.as_standard_errors(standard_errors, values, units))
        elif covariances is not None and standard_errors is None:
            noise_model = Correlated(checks.as_covariances(covariances, values, units))
            checks.check_no_correlated_limits(noise_model.covariances(), limits)
        else:
            raise InputError("give either `standard_errors` or `covariances`; an error of 0 is that of an exact value")
        return cls(**checks.complete(values, noise_model, weights, names, units, limits=limits))

    @classmethod
    def with_noise_mixtures(
        cls,
        values: ArrayLike,
        weights: ArrayLike,
        shifts: ArrayLike,
        covariances: ArrayLike | None = None,
        *,
        standard_errors: ArrayLike | None = None,
        object_weights: ArrayLike | None = None,
        names: Names = None,
        units: Units = None,
    ) -> Observations:
        """Values (N,) or (N, M) whose noise is a mixture of Q Gaussians: ``w = v + noise``.

        Parameters
        ----------
        values : array (N,) or (N, M)
        weights : array (Q,) or (N, Q)
            Of the Gaussians: those of an object sum to 1.
        shifts : array (N, Q, M), or what broadcasts to it
            Means of the noise: a positive one says that the measured value is too large.
        covariances : array (N, Q, M, M), or what broadcasts to it
            Of the noise about these means, in the units of the values squared.
        standard_errors : array (N, Q, M), or what broadcasts to it
            1-sigma errors in the place of covariances.
        object_weights : array (N,), optional
            Frequency weights of the objects.
        names, units : optional

        Returns
        -------
        Observations
            Its values are those given less the mean of their noise.

        Raises
        ------
        InputError
            If shapes do not match, weights are negative or do not sum to 1, or shifts, errors or covariances cannot be
            used for a value that is present (the message lists rows).

        Notes
        -----
        With one column (M = 1) the last axis, or the last two of covariances, may be left out.

        Examples
        --------
        One measurement in ten has an error of 5, which a pilot run found to be shifted by 2:

        >>> from xdgmm import Observations
        >>> Observations.with_noise_mixtures([3.1, 8.0], [0.9, 0.1], [0.0, 2.0], standard_errors=[1.0, 5.0])
        <Observations: 2 objects, x1, errors as mixtures of 2 Gaussians>
        """
        values, names, units, _ = checks.as_values(values, names, units)
        noise = noise_mixtures.from_mixtures(values, weights, shifts, covariances, standard_errors, units)
        return cls(**checks.complete(values, noise, object_weights, names, units))

    @classmethod
    def with_asymmetric_errors(
        cls,
        values: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        weights: ArrayLike | None = None,
        names: Names = None,
        units: Units = None,
    ) -> Observations:
        """Values (N,) or (N, M) with unequal errors downwards and upwards: ``10 (+1.5, -0.5)``.

        What is known of the true value is a split normal: its mode is the value, its density that of a Gaussian of
        standard deviation `upper` above, and of `lower` below.  Three Gaussians represent it, with its mean and
        variance; the probabilities of intervals are wrong by up to 0.004 where the errors differ by a factor of 2, 0.01
        for 3, 0.03 for 5 and 0.05 for 10.  Errors of different columns are independent.

        Parameters
        ----------
        values : array (N,) or (N, M)
        lower, upper : array (N,) or (N, M), or number
            Errors, all positive; or both 0 for an exact value.
        weights : array (N,), optional
            Frequency weights.
        names, units : optional

        Returns
        -------
        Observations
            Its values are the means of the split normals.  An object has 3 Gaussians for each value with unequal
            errors, 27 for three such values.

        Raises
        ------
        InputError
            If shapes differ, an error is negative or NaN for a value that is present, one of two is zero, or more than
            three columns have unequal errors.

        Examples
        --------
        >>> from xdgmm import Observations
        >>> ages = Observations.with_asymmetric_errors([10.0, 4.0], [0.5, 1.0], [1.5, 1.0], names="age", units="Gyr")
        >>> ages
        <Observations: 2 objects, age [Gyr], errors as mixtures of 1 to 3 Gaussians>
        >>> ages.values.round(3).ravel()
        array([10.798,  4.   ])
        """
        values, names, units, _ = checks.as_values(values, names, units)
        values, noise, remarks = noise_mixtures.from_asymmetric_errors(values, lower, upper, units, names)
        return cls(**checks.complete(values, noise, weights, names, units)).with_remarks(*remarks)

    @classmethod
    def from_samples(
        cls,
        samples: Iterable[ArrayLike],
        prior_log_density: Callable[[Floats], ArrayLike] | None = None,
        *,
        smoothing: float | str = 0.0,
        weights: ArrayLike | None = None,
        names: Names = None,
        units: Units = None,
    ) -> Observations:
        """Objects of which samples of a posterior are known, as MCMC gives them, each with the same prior.

        The likelihood of an object is the mean of ``p(s) / prior(s)`` over its samples s, p being the mixture.

        Parameters
        ----------
        samples : iterable of arrays (n_i,) or (n_i, D)
            Equally probable samples of the true values of each object, some hundreds or more.  Those with a unit are
            converted to `units`, or else to the unit of the first object; then all need one.
        prior_log_density : callable, optional
            Natural logarithm of the density of the prior with which the samples were drawn, up to a constant, at all of
            them (n, D), plain numbers in the units of the result: (n,).  Flat by default.
        smoothing : float or "auto"
            Each sample becomes a Gaussian, whose covariance is this number, squared, times that of the samples of the
            object; they are moved towards their mean, so that mean and covariance stay the same (West 1993, J. R.
            Stat. Soc. B 55, 409).  "auto": ``n^(-1 / (D + 4))`` with the effective number n of samples, which is right
            for posteriors close to Gaussians, and smooths others.
        weights : array (N,), optional
            Frequency weights of the objects.
        names, units : optional

        Returns
        -------
        Observations
            Its values are the means of the likelihoods.

        Raises
        ------
        InputError
            If samples are not finite, fewer than two of an object, of different numbers of columns, or with a unit for
            some objects only, or the prior is not finite at a sample.

        Warns
        -----
        XdgmmWarning
            If the effective number of samples of an object, ``(sum of 1/prior)^2 / sum of 1/prior^2``, is below 50.

        Notes
        -----
        Log-likelihoods lack the constant ``ln mean(1 / prior(s))`` of each object.  A fit warns where its
        log-likelihood is noisy, since the samples are few beside the widths, and, without smoothing, of widths below
        their spacing.

        Examples
        --------
        >>> import numpy as np
        >>> from xdgmm import Observations
        >>> rng = np.random.default_rng(0)
        >>> Observations.from_samples([rng.normal(v, 0.5, 400) for v in (1.0, 3.0, 2.0)])
        <Observations: 3 objects, x1, 400 posterior samples of each>
        """
        given = samples, prior_log_density, smoothing, units
        values, noise, remarks, unit = posterior_samples.from_posterior_samples(*given)
        values, names, units, _ = checks.as_values(values, names, unit if units is None else units)
        return cls(**checks.complete(values, noise, weights, names, units)).with_remarks(*remarks)

    @classmethod
    def with_error_function(
        cls,
        values: ArrayLike,
        errors: Any,
        *,
        between: Any = None,
        weights: ArrayLike | None = None,
        names: Names = None,
        units: Units = None,
    ) -> Observations:
        """Values (N,) or (N, M) whose 1-sigma errors are a function of the *true* value: ``w = v + e(v) noise``.

        A catalogue of such values often reports ``e(w)``, the function at the measured value.  Values that are too
        small by chance then get small errors, and pull the mean down.

        Parameters
        ----------
        values : array (N,) or (N, M)
        errors : callable or float; with several columns a list with one entry for each
            ``errors(v)`` with true values (n,): errors (n,), positive and finite, in the units of the values.  A number
            is a fraction of the true value.  With several columns one or two have such errors, those of the others are
            arrays (N,) of 1-sigma errors.
        between : (low, high), optional; with several columns a list of pairs or None
            Range of true values that are possible.  By default all from which some value is fewer than six errors away.
        weights : array (N,), optional
            Frequency weights.
        names, units : optional

        Raises
        ------
        InputError
            If shapes differ, an error function is not positive and finite at a true value, or changes too much within
            one error.

        Notes
        -----
        The likelihood ``N(w | v, e(v)^2)`` of each object is represented by about thirty Gaussians (sixty for errors of
        25%), to 1e-6 of its largest value in most cases, and always to 1e-4.  Log-likelihoods lack the logarithm of its
        integral over v, which depends on the value only.  What might have been measured cannot be simulated from
        likelihoods: see the page on errors that are not Gaussian.

        Examples
        --------
        >>> from xdgmm import Observations
        >>> Observations.with_error_function([8.0, 11.0, 14.0], 0.1, names="flux")
        <Observations: 3 objects, flux, errors as mixtures of 34 to 36 Gaussians>
        """
        values, names, units, _ = checks.as_values(values, names, units)
        values, noise, remarks = error_functions.from_error_functions(values, errors, between, names, units)
        return cls(**checks.complete(values, noise, weights, names, units)).with_remarks(*remarks)

    @classmethod
    def from_table(
        cls,
        table: Any,
        columns: str | Iterable[str] | None = None,
        *,
        errors: str | Sequence[str | None] | None = "auto",
        correlations: str | Mapping[tuple[str, str], str] | None = "auto",
        weights: str | None = None,
        memberships: str | Sequence[str] | None = None,
        on_bad: str = "raise",
        on_limit: str = "missing",
        asymmetric: str = "moments",
    ) -> Observations:
        """Columns of a table, whose errors and correlations are found; see `xdgmm.tables.observations_from_table`."""
        from xdgmm.tables import observations_from_table

        return observations_from_table(
            table,
            columns,
            errors=errors,
            correlations=correlations,
            weights=weights,
            memberships=memberships,
            on_bad=on_bad,
            on_limit=on_limit,
            asymmetric=asymmetric,
        )

    def __len__(self) -> int:
        """Number of rows, including those without any value."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of values in each: (N, M)."""
        return len(self), self.n_measured

    def __getitem__(self, rows: Rows) -> Observations:
        """Some of the rows: `select`, also of a slice or of one index, as tools that split data into folds need it."""
        rows = rows[0] if isinstance(rows, tuple) else rows
        return self.select(rows if isinstance(rows, slice) else np.atleast_1d(rows))

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Raise: an array would have lost the errors."""
        raise InputError("Observations are more than an array, they hold errors too; ask for their `values` or `noise`")

    def __repr__(self) -> str:
        """One line: number of objects, coordinates, kind of errors."""
        columns = list_columns(self.names, self.units)
        kind = self.noise_model.kind
        weighted = "" if self.weights is None else ", weighted"
        known = "" if self.memberships is None else f", memberships in {self.memberships.shape[1]} components known"
        through = f", through projections of {self.n_dimensions} coordinates onto {self.n_measured}"
        projected = "" if self.projections is None else through
        limited = "".join(f", {sentence}" for sentence in self._limits_in_words())
        plural = "" if self.n_objects == 1 else "s"
        return (
            f"<Observations: {self.n_objects} object{plural}, {columns}, {kind}{limited}{weighted}{known}{projected}>"
        )

    def _limits_in_words(self) -> Iterable[str]:
        """Number of upper limits and of lower ones, where there are some."""
        if self.limits is None:
            return
        for sign, kind in ((-1, "upper"), (1, "lower")):
            number = int(np.count_nonzero(self.limits[self.counts] == sign))
            if number:
                yield f"{number} {kind} limit{'' if number == 1 else 's'}"

    @property
    def noise(self) -> Floats | Any:  # Any stands for None, which callers who gave errors need not exclude
        """1-sigma errors (N, M) or noise covariances (N, M, M), in the units of the values (squared); None if exact.

        Of noise that is a mixture, the covariances of the whole mixtures.
        """
        return self.noise_covariances if isinstance(self.noise_model, NoiseMixture) else self.noise_model.array

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates D."""
        return int((self.values if self.projections is None else self.projections).shape[-1])

    @property
    def n_measured(self) -> int:
        """Number of values M of each object: D without projections."""
        return int(self.values.shape[1])

    @property
    def present(self) -> Bools:
        """Where there is a measured value, which a limit is not: boolean (N, M)."""
        present = np.isfinite(self.values)
        return present if self.limits is None else present & (self.limits == 0)

    @property
    def constrained(self) -> Bools:
        """Where there is a measured value or a limit: boolean (N, M)."""
        return np.isfinite(self.values)

    @property
    def object_weights(self) -> Floats:
        """Frequency weight of each row (N,): ones where none were given."""
        return np.ones(len(self)) if self.weights is None else self.weights

    @cached_property
    def counts(self) -> Bools:
        """Which rows are used in a fit: at least one value or limit, weight above zero; boolean (N,)."""
        counts = in_any_column(self.constrained)
        if self.weights is not None:
            counts &= self.weights > 0
        return read_only(counts)

    @cached_property
    def n_objects(self) -> int:
        """Number of rows that are used in a fit."""
        return int(np.count_nonzero(self.counts))

    @cached_property
    def total_weight(self) -> float:
        """Sum of the weights of the rows that are used in a fit: their number where no weights were given."""
        return float(self.n_objects if self.weights is None else self.weights[self.counts].sum())

    @property
    def sample(self) -> Observations:
        """The observations themselves: all are in memory, of `StreamedObservations` a sample."""
        return self

    @property
    def data_hash(self) -> str:
        """What `fingerprint` gives."""
        return fingerprint(self)

    def unmeasured_pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of names whose intrinsic covariance does not enter the likelihood."""
        return unmeasured_pairs(self)

    def parts(self) -> Iterator[Observations]:
        """The observations themselves, as one part: `StreamedObservations` have several."""
        yield self

    def each(self, ask: Callable[[Observations], Any]) -> Iterator[Any]:
        """What a function finds of each part, of which there is one."""
        yield ask(self)

    def release(self) -> None:
        """Do nothing: other machines hold no part of them."""

    def packed(self, packing: Callable[[Observations], kernels.Data]) -> kernels.Data:
        """`Data` of all objects, packed by this function."""
        return packing(self)

    @property
    def variances(self) -> Floats:
        """Noise variance of each value (N, M): zero where the values are exact."""
        return self.noise_model.variances

    def variances_of(self, i: int) -> Floats:
        """Noise variance of measured column i of each row (N,)."""
        return self.noise_model.variances_of(i)

    @property
    def rows(self) -> Observations:
        """Observations of each Gaussian of a noise mixture as an object of its own (R rows, without weights)."""
        noise = self.noise_model
        if not isinstance(noise, NoiseMixture):
            return replace(self, weights=None)
        values, known = noise.values_of_rows(self.values), self.memberships
        known = None if known is None else known[noise.owners]
        return replace(self, values=values, noise_model=noise.parts, weights=None, memberships=known)

    @property
    def noise_covariances(self) -> Floats:
        """Noise covariance of each row (N, M, M), for any noise model."""
        return self.noise_model.covariances()

    def in_units(self, units: Units) -> Observations:
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
        # multiplied, as a mixture is: a value at the edge of the box of a background then stays inside
        return replace(self, values=self.values * factors, noise_model=self.noise_model.scaled(factors), units=units)

    def with_memberships(self, memberships: ArrayLike | None) -> Observations:
        """The same observations, with memberships known beforehand: from another survey, or other columns.

        The density of an object is then ``sum_k p_ik N_k``: its own probabilities take the place of the weights of the
        mixture, which are no longer fitted.

        Parameters
        ----------
        memberships : array (N, S), (N,) or None
            Probability that each object belongs to each component, those of an object summing to 1; with a background
            its own is the last column.  Of one column, it is that of the first of two components.  None takes known
            memberships away.

        Raises
        ------
        InputError
            If the shape is wrong, a probability is missing or does not lie from 0 to 1, those of an object do not sum
            to 1 (rows are listed), a component has no object, or the values are projections.

        Examples
        --------
        >>> from xdgmm import Observations
        >>> stars = Observations.with_standard_errors([83.1, 76.0, 140.2], 1.5, names="v", units="km/s")
        >>> stars.with_memberships([0.98, 0.95, 0.02])
        <Observations: 3 objects, v [km / s], 1-sigma errors, memberships in 2 components known>
        """
        if memberships is None:
            return replace(self, memberships=None)
        return replace(self, memberships=checks.as_memberships(memberships, self))

    def with_remarks(self, *sentences: str) -> Observations:
        """The same observations with more remarks."""
        return replace(self, remarks=(*self.remarks, *sentences))

    def select(self, rows: Rows) -> Observations:
        """Some of the rows (indices, a boolean mask, or a slice)."""
        weights = None if self.weights is None else self.weights[rows]
        memberships = None if self.memberships is None else self.memberships[rows]
        projections = self.projections
        if projections is not None and projections.ndim == 3:
            projections = projections[rows]
        return replace(
            self,
            values=self.values[rows],
            noise_model=self.noise_model.select(rows),
            weights=weights,
            projections=projections,
            limits=None if self.limits is None else self.limits[rows],
            memberships=memberships,
        )

    def rescaled(
        self, location: Floats | float, scale: Floats | float, measured_scale: Floats | float = 1.0
    ) -> Observations:
        """The observations of (v - location) / scale, location and scale (D,), without units.

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

    def location_and_spread(self) -> tuple[Floats, Floats]:
        """Robust location and spread of each coordinate, noise included: (D,) each.

        The median and the median absolute deviation, scaled to the standard deviation of a Gaussian.  With projections
        the location by least absolute deviations, and spreads by non-negative least squares on the squared residuals.
        """
        return location.location_and_spread(self)

    def measured_spread(self, spread: Floats) -> Floats:
        """Expected spread of each measured column (M,), without noise, if the coordinates have this spread (D,)."""
        return location.measured_spread(self, spread)

    def column_weights(self) -> Floats:
        """Sum of the weights of the objects that have a value, not a limit, in each measured column (M,)."""
        if self.weights is None:
            return np.asarray(self.present.sum(axis=0), dtype=float)
        return np.asarray(self.weights @ self.present)

    def transform(
        self, matrix: ArrayLike, offset: ArrayLike | None = None, names: Names = None, units: Units = None
    ) -> Observations:
        """The observations of ``A v + b``, with correlated noise: colours of magnitudes, for example.

        Without projections the values become ``A w + b`` with the noise covariance ``A S A'``; a result to which a
        missing value contributes is missing.  Projections become ``R A^-1`` and their values ``w + R A^-1 b``.  A limit
        remains one in a result to which only its coordinate contributes, and other results that need it are missing.

        Parameters
        ----------
        matrix : array (D2, D)
            A, plain numbers without a row of zeros: square and invertible for observations through projections.
        offset : array (D2,) or float, optional
            b.
        names, units : optional
            Names and units of the results; by default they follow from the matrix (see `AffineMap.of`).

        Raises
        ------
        InputError
            If the matrix or the offset has the wrong shape or is not finite, if with projections the matrix is not
            invertible, if no object has all the values that a result needs, or if two results are limits.

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
        named = replace(self, names=affine.names, units=affine.units)
        if self.projections is not None:
            R = self.projections @ affine.inverse()
            return replace(named, values=self.values + R @ affine.offset, projections=R)
        noise_model, limits = self.noise_model.transformed(affine.matrix, self.constrained), None
        values = affine.values(self.values)
        if self.limits is not None:
            values, limits = checks.transformed_limits(affine.matrix, values, self.limits)
        return _with_remark_on_lost(replace(named, values=values, noise_model=noise_model, limits=limits), self)

    def pack(
        self,
        location: Floats | float = 0.0,
        scale: Floats | float = 1.0,
        *,
        measured_scale: Floats | float = 1.0,
        background: Floats | None = None,
        memberships: Floats | None = None,
    ) -> kernels.Data:
        """`Data` of (v - location) / scale, location and scale (D,), for the solvers.

        Parameters
        ----------
        location, scale : ndarray (D,) or float
        measured_scale : ndarray (M,) or float
            With projections, the divisor of the values.
        background : None or ndarray (N,)
            Natural logarithm of the density of a background at each object, per ``values / scale``.
        memberships : None or ndarray (N, K)
            Probability that each object belongs to each Gaussian, in the place of the weights of the mixture.
        """
        return kernels.pack(
            self.values,
            self.noise_model,
            self.weights,
            location,
            scale,
            projections=self.projections,
            measured_scale=measured_scale,
            background=background,
            memberships=memberships,
            limits=self.limits,
        )


def _with_remark_on_lost(result: Observations, before: Observations) -> Observations:
    """The transformed observations, with remarks on limits and objects that have no transformed value."""
    n_limits = [0 if each.limits is None else int(np.count_nonzero(each.limits)) for each in (before, result)]
    if n_limits[0] > n_limits[1]:
        lost = n_limits[0] - n_limits[1]
        result = result.with_remarks(f"{lost} limit{'s' if lost > 1 else ''} lost: other columns contribute too")
    lost = int((before.counts & ~result.counts).sum())
    if lost == 0:
        return result
    if not result.counts.any():
        raise InputError("every row of `matrix` needs a value that is missing, for every object; choose other rows")
    return result.with_remarks(f"{lost} object{'s' if lost > 1 else ''} without any transformed value left out")
