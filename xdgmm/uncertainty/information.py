"""Normal approximations: from the information matrix, observed or expected, and from the sandwich.

Everything is computed in the factor coordinates of the fit, where the constraints hold (weights sum to one, covariances
are positive semi-definite, parameters are fixed or tied), and propagated from there: to weights, means and covariances
by the Jacobian, to any function of the mixture by differences.  With B the observed information and s_i the score of
object i, of weight omega_i, the covariance of the coordinates is ``B^-1``, or, robust to a wrong model
(Huber 1967, Proc. 5th Berkeley Symp. 1, 221; White 1982, Econometrica 50, 1), ``B^-1 (sum omega_i^2 s_i s_i') B^-1``.

Where a covariance is singular at the maximum, the variances at the boundary are fixed at zero: the errors are
conditional on them, and such a variance has a limit (`limits`) instead of an error.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm import kernels
from xdgmm.basics.parameters import check_level
from xdgmm.errors import DeprecatedAlias, InputError, XdgmmWarning
from xdgmm.fitting import Problem, log_likelihoods, responsibilities
from xdgmm.fitting.objective import parameters
from xdgmm.kernels import NoiseMixture
from xdgmm.kernels.reference import component
from xdgmm.mixture import Expansion
from xdgmm.mixture.cut_data import CutData

from .estimates import Estimate, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from xdgmm.fitting import FitResult, Model
    from xdgmm.fitting.optimality import Iterate
    from xdgmm.fitting.problem import Evaluation, Packing
    from xdgmm.fitting.standardisation import Standardisation
    from xdgmm.kernels import Data
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Catalogue

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Function = Callable[[GaussianMixture], Any]  # a number, an array, or a Quantity

CHUNK = 20_000  # objects whose expected information or scores are computed at a time
FLAT = 1e-10  # a direction with less information, relative to that with known labels, is undetermined
VISIBLE = 1e-6  # a derivative below this fraction of the largest one is rounding
STEP = 1e-3  # of the differences, in standard errors
THROUGH_ROOT = 0.1  # a function of a root changes by at least this fraction of STEP times its change over a long step
NOT_A_MAXIMUM = 0.05  # gradient, per standard error, above which a mixture is not the maximum for these data
KINDS = ("information", "sandwich")
INFORMATIONS = ("observed", "expected")


@dataclass(frozen=True, eq=False)
class ParameterErrors:
    """Covariance of the estimated parameters of a mixture, in the user's units.

    Attributes
    ----------
    weights : ndarray (K,)
        Standard errors of the weights.
    background : float or None
        Standard error of the background's fraction, where there is one.
    means : ndarray (K, D)
        Standard errors of the means.
    variances : ndarray (K, D)
        Standard errors of the intrinsic variances along the named axes.
    sigmas : ndarray (K, D)
        Standard errors of the intrinsic sigmas, ``SE(V) / (2 sigma)``; infinite where sigma is zero.
    covariance : ndarray (P, P)
        Of all parameters, in the order weights, background's fraction if there is one, means, packed lower triangles of
        the covariances, degrees of freedom if there are any; zero for fixed parameters.  It holds fourth powers of the
        scale of the values: infinite where these are too large for a float, zero where they are too small.  The
        standard errors are neither.
    singular : ndarray of int (K,)
        In how many directions the variance of each component was fixed at zero.
    residual : float
        Largest component of the gradient per standard error: zero if the mixture is the maximum for these data.
    dof : ndarray (K,) or None
        Standard errors of the degrees of freedom of Student-t components; zero where they are fixed or infinite.
    """

    weights: Floats
    background: float | None
    means: Floats
    variances: Floats
    sigmas: Floats
    covariance: Floats
    singular: NDArray[np.intp]
    residual: float
    dof: Floats | None = None

    @classmethod
    def of(
        cls,
        mixture: GaussianMixture,
        covariance: Floats,
        singular: NDArray[np.intp],
        residual: float,
        standard_errors: Floats | None = None,
    ) -> ParameterErrors:
        """The errors in a covariance (P, P) of all parameters.

        `standard_errors` (P,) are those of the parameters, where elements of the covariance can be too large or too
        small for a float: the variance of a variance is a fourth power.
        """
        K, D = mixture.means.shape
        rows, columns = kernels.triangle(D)
        S = mixture.all_weights.size
        if standard_errors is None:
            standard_errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        n_packed = K * rows.size
        weights, means, packed, of_dof = np.split(standard_errors, np.cumsum([S, K * D, n_packed]))
        variances = packed.reshape(K, -1)[:, rows == columns]
        with np.errstate(divide="ignore", invalid="ignore"):
            sigmas = np.where(mixture.sigmas > 0, variances / (2 * mixture.sigmas), np.inf)
        background, dof = float(weights[K]) if S > K else None, None if mixture.dof is None else of_dof
        means = means.reshape(K, D)
        return cls(weights[:K], background, means, variances, sigmas, covariance, singular, residual, dof)


@dataclass(frozen=True, eq=False)
class Laplace:
    """A normal approximation around a fitted mixture.

    Attributes
    ----------
    mixture : GaussianMixture
        In the user's units.
    kind, information : str
        What it was made from.
    iterate : Iterate
        The fit in the coordinates z of the solvers.
    scaling : Standardisation
        From these to the user's units.
    deviations : ndarray (size, n)
        Steps in z of one standard deviation each, independent of each other: ``deviations @ deviations.T`` is the
        covariance of z.
    undetermined : ndarray (size, m)
        Directions of z about which the data have no information.
    """

    mixture: GaussianMixture
    kind: str
    information: str
    iterate: Iterate
    scaling: Standardisation
    deviations: Floats
    undetermined: Floats

    point = DeprecatedAlias("iterate")

    @property
    def covariance(self) -> Floats:
        """Of all parameters (P, P), as in `ParameterErrors`; infinite variance for undetermined parameters."""
        units = self._units
        with np.errstate(over="ignore"):
            return self._standardised_covariance * units[:, None] * units

    @property
    def standard_errors(self) -> Floats:
        """Of all parameters (P,), in the order of the covariance; infinite for undetermined parameters."""
        return np.sqrt(np.maximum(np.diag(self._standardised_covariance), 0.0)) * self._units

    @property
    def _units(self) -> Floats:
        return _units(self.iterate.mixture, self.scaling.scale)

    @property
    def _standardised_covariance(self) -> Floats:
        jacobian = self.iterate.coordinates.jacobian()
        along = jacobian @ self.deviations
        covariance = along @ along.T
        largest = np.abs(jacobian).max(initial=0.0)
        undetermined = np.flatnonzero(_visible(jacobian @ self.undetermined, largest))
        covariance[undetermined, undetermined] = np.inf
        return covariance

    @property
    def singular(self) -> NDArray[np.intp]:
        """In how many directions the variance of each component was fixed at zero (K,)."""
        return np.asarray(self.iterate.singular.sum(axis=1))

    @property
    def residual(self) -> float:
        """Largest component of the gradient per standard error: zero if the mixture is the maximum for these data."""
        return self.iterate.residual

    def propagate(self, function: Function, level: float = 0.6827) -> Estimate:
        """`Estimate` of any function of the mixture, to first order: a symmetric interval.

        Parameters
        ----------
        function : callable
            Takes a `GaussianMixture`, returns a number or an array.
        level : float
            Probability of the interval.

        Returns
        -------
        Estimate
            The error is infinite where the function depends on undetermined directions, or, as a sigma does, on the
            square root of a variance that is zero in the fit.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.

        Notes
        -----
        ``SE^2 = sum_j (f(z_j) - f(-z_j))^2 / (2 h)^2``, where z_j runs over the `deviations` times h = 0.001.
        """
        check_level(level)
        unit = getattr(numbers(function(self.mixture)), "unit", None)

        def plain(mixture: GaussianMixture) -> Floats:
            found = numbers(function(mixture))
            return np.asarray(found if unit is None else found.to_value(unit))

        value = plain(self.mixture)
        slopes = self._slopes(plain, self.deviations)
        error = np.sqrt(np.sum(np.square(slopes), axis=0)) if slopes else np.zeros(np.shape(value))
        undetermined = self._undetermined(plain, value, slopes) | self._through_roots(plain, value)
        error = np.where(undetermined, np.inf, error)[()]
        estimate = Estimate.symmetric(value[()], error, level)
        return estimate if unit is None else Estimate(*(part * unit for part in vars(estimate).values()))

    def mixtures(self, n: int, rng: np.random.Generator) -> Iterator[GaussianMixture]:
        """Draw mixtures: n normal steps from the fit in the coordinates of the solvers."""
        for steps in rng.normal(size=(n, self.deviations.shape[1])):
            yield self._at(self.deviations @ steps)

    def _at(self, z: Floats) -> GaussianMixture:
        """The mixture at coordinates z, in the user's units; its background keeps its box to the last bit."""
        moved = self.scaling.original(self.iterate.coordinates.at(z), self.mixture.names, self.mixture.units)
        return self.mixture.with_parameters(moved.all_weights, moved.means, moved.covariances, moved.dof)

    def _slopes(self, function: Callable[[GaussianMixture], Floats], directions: Floats) -> list[Floats]:
        """Derivatives of a function along columns (size, n) of z."""
        return [(function(self._at(STEP * z)) - function(self._at(-STEP * z))) / (2.0 * STEP) for z in directions.T]

    def _undetermined(self, function: Callable[[GaussianMixture], Floats], value: Floats, slopes: list[Floats]) -> Mask:
        """Where the function depends on undetermined directions."""
        along_undetermined = self._slopes(function, self.undetermined)
        if not along_undetermined:
            return np.zeros(np.shape(value), bool)
        largest = np.max(np.abs([*slopes, *along_undetermined]), axis=0)
        rounding = 1e-15 * np.abs(value) / STEP
        return np.asarray(np.max(np.abs(along_undetermined), axis=0) > VISIBLE * largest + rounding)

    def _through_roots(self, function: Callable[[GaussianMixture], Floats], value: Floats) -> Mask:
        """Where the function depends on the square root of a variance that is zero: it has no derivative there."""
        at_boundary = np.flatnonzero(~self.iterate.free)
        result = np.zeros(np.shape(value), bool)
        for z in np.eye(self.iterate.coordinates.size)[at_boundary]:
            short, long = (np.abs(function(self._at(step * z)) - value) for step in (STEP, 1.0))
            result |= short > THROUGH_ROOT * STEP * long + 1e-13 * np.abs(value)
        return result


def laplace(
    mixture: GaussianMixture,
    observations: Catalogue,
    *,
    kind: str = "information",
    information: str = "observed",
    model: Model | None = None,
) -> Laplace:
    """Normal approximation around a fitted mixture.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood (or, with a prior, maximum-posterior) mixture of these observations.
    observations : Observations, StreamedObservations or a source of them
    kind : {"information", "sandwich"}
        Information: valid if the model is.  Sandwich: valid for any distribution of the data, the parameters then being
        those of the nearest mixture; every row counts as one independent object, for any weight.
    information : {"observed", "expected"}
        Observed: minus the Hessian of the log-likelihood (with a prior, of the log-posterior), by central differences
        of its exact gradient.
        Expected (one component only): ``sum T^-1`` for the mean and ``sum tr(T^-1 E_a T^-1 E_b) / 2`` for the
        covariance, with T = V + S_i.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default that of the mixture's record.

    Returns
    -------
    Laplace

    Raises
    ------
    InputError
        If `kind` or `information` is none of these, or "expected" is asked for with more than one component, a
        background, a prior or the sandwich.

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.fitting import fit
    >>> from xdgmm.uncertainty import laplace
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> uncertainty = laplace(fit(stars).mixture, stars)
    >>> sigma = uncertainty.propagate(lambda mixture: mixture.sigmas[0, 0])
    >>> print(f"{sigma.value:.2f} +- {sigma.error:.2f} km/s")
    2.73 +- 0.43 km/s
    """
    problem = Problem.of(mixture, observations, model)
    _check(mixture, kind, information, problem)
    evaluation = problem.at(mixture)
    if (kind, information) not in evaluation.memo:
        evaluation.memo[kind, information] = _laplace(evaluation, kind, information)
    found: Laplace = evaluation.memo[kind, information]
    return found


def _laplace(evaluation: Evaluation, kind: str, information: str) -> Laplace:
    iterate, problem = evaluation.iterate, evaluation.problem
    if information == "observed":
        bread = -evaluation.hessian
    else:
        jacobian = iterate.coordinates.jacobian()[:, iterate.free]
        bread = jacobian.T @ _expected(iterate.mixture, problem) @ jacobian
    meat = _meat(iterate, problem) if kind == "sandwich" else None
    directions = _directions(bread, meat, iterate.free)
    return Laplace(evaluation.mixture, kind, information, iterate, problem.scaling, *directions)


def parameter_errors(
    mixture: GaussianMixture,
    observations: Catalogue,
    information: str = "observed",
    model: Model | None = None,
    *,
    kind: str = "information",
) -> ParameterErrors:
    """Standard errors of a fitted mixture's parameters, from `laplace`, which has the same arguments.

    Returns
    -------
    ParameterErrors

    Raises
    ------
    InputError
        As `laplace`.
    """
    return errors_of(laplace(mixture, observations, kind=kind, information=information, model=model))


def with_errors(result: FitResult, observations: Catalogue) -> GaussianMixture:
    """The mixture of a fit with the covariance of its parameters in its record, to be written with it.

    Parameters
    ----------
    result : FitResult
    observations : Observations, StreamedObservations or a source of them
        Those that were fitted.

    Returns
    -------
    GaussianMixture
        Its ``record.covariance`` is the one of `ParameterErrors`.

    Examples
    --------
    >>> from xdgmm import XDGMM, Observations, datasets, uncertainty
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> mixture = uncertainty.with_errors(XDGMM().fit(stars).result_, stars)
    >>> mixture.record.covariance.shape  # of weight, mean and variance
    (3, 3)
    """
    errors = parameter_errors(result.mixture, observations, model=result.model)
    record = result.mixture.record
    return result.mixture.with_record(record and record.with_covariance(errors.covariance))


def warn_unless_maximum(errors: ParameterErrors, model: Model | None) -> None:
    """XdgmmWarning where the likelihood rises away from a mixture: it was fitted to other data, or not to the end."""
    if errors.residual > NOT_A_MAXIMUM:
        objective = "log-likelihood" if model is None or model.prior is None else "log-posterior"
        warnings.warn(
            f"the {objective} still changes by {errors.residual:.2g} nats per standard error, so the mixture is not "
            "the maximum for these data: pass the data it was fitted to, or fit until it converges",
            XdgmmWarning,
            stacklevel=4,
        )


def errors_of(approximation: Laplace) -> ParameterErrors:
    """The `ParameterErrors` of a `Laplace`."""
    singular, residual = approximation.singular, approximation.residual
    covariance, standard_errors = approximation.covariance, approximation.standard_errors
    return ParameterErrors.of(approximation.mixture, covariance, singular, residual, standard_errors)


def _check(mixture: GaussianMixture, kind: str, information: str, problem: Problem) -> None:
    for name, choice, possible in (("kind", kind, KINDS), ("information", information, INFORMATIONS)):
        if choice not in possible:
            raise InputError(f"`{name}` is {choice!r}, but it must be '{possible[0]}' or '{possible[1]}'")
    if information == "observed":
        return
    if mixture.all_weights.size > 1 or problem.model.prior is not None or mixture.dof is not None:
        raise InputError(
            "`information='expected'` needs one component, a Gaussian, no background and no prior; use 'observed' for "
            "anything else"
        )
    if isinstance(problem.observations.noise_model, NoiseMixture):
        raise InputError(
            "`information='expected'` needs Gaussian errors, and these are mixtures; leave `information` at 'observed'"
        )
    if problem.model.selection_function is not None:
        raise InputError("`information='expected'` knows no selection function; use 'observed' with one")
    _check_no_limits(problem.observations)
    if kind == "sandwich":
        raise InputError("the sandwich is made with the observed information; leave `information` at 'observed'")


def _check_no_limits(observations: Observations) -> None:
    if observations.limits is not None:
        raise InputError(
            "`information='expected'` needs measured values, and some of these are limits; use 'observed' with limits"
        )


def _expected(mixture: GaussianMixture, problem: Problem) -> Floats:
    """Expected information (P, P) about weight, mean and packed covariance of a single standardised Gaussian."""
    parts = problem.all_observations.each(partial(_expected_of_part, mixture, problem.scaling))
    return sum(parts, np.zeros(()))


def _expected_of_part(mixture: GaussianMixture, scaling: Standardisation, observations: Observations) -> Floats:
    """The part of some observations in it."""
    _check_no_limits(observations)
    D = mixture.n_dimensions
    rows, columns = kernels.triangle(D)
    counted = np.flatnonzero(observations.counts)
    mean, covariance = np.zeros((D, D)), np.zeros((rows.size, rows.size))
    for start in range(0, len(counted), CHUNK):
        part = scaling.observations(observations.select(counted[start : start + CHUNK]))
        noise, weights = part.noise_covariances, part.object_weights
        _, _, P = component(part.values, noise, mixture.means[0], mixture.covariances[0], part.projections)
        mean += np.einsum("n,nij->ij", weights, P)
        # tr(P E_a P E_b), E_a symmetric with ones at (i, j) and (j, i)
        products = np.einsum("n,nai,njb->abij", weights, P, P, optimize=True)
        first, second = rows[:, None], columns[:, None]
        pair = products[first, second, columns, rows] + products[first, second, rows, columns]
        double = np.where(rows == columns, 1.0, 2.0)
        covariance += 0.25 * np.outer(double, double) * pair
    result = np.zeros((1 + D + rows.size,) * 2)
    result[1 : 1 + D, 1 : 1 + D] = mean
    result[1 + D :, 1 + D :] = covariance
    return result


def _meat(iterate: Iterate, problem: Problem) -> Floats:
    """``sum omega^2 s s'`` over all objects, s their scores in the free coordinates; over each part where that is."""
    scores = _Scores.of(iterate, problem)
    if problem.all_observations is problem.observations:
        return scores.products(problem.observations, problem.data)
    return sum(problem.all_observations.each(scores), np.zeros((int(np.count_nonzero(iterate.free)),) * 2))


def object_scores(iterate: Iterate, problem: Problem) -> Iterator[tuple[Floats, Floats]]:
    """Weights (n,) and scores (n, free) of the objects in memory, chunk by chunk: derivatives of each ``ln p(w_i)``."""
    return _Scores.of(iterate, problem).of_objects(problem.observations, problem.sample)


@dataclass(frozen=True, eq=False)
class _Scores:
    """Scores of objects; called, the sum of their products over a part.  Small, so that it can be sent elsewhere.

    With respect to weights ``r / alpha``, to means ``r u``, to covariances ``r (u u' - P) / 2``; the Jacobian converts
    these to derivatives with respect to the free coordinates.
    """

    mixture: GaussianMixture
    jacobian: Floats
    packing: Packing

    @classmethod
    def of(cls, iterate: Iterate, problem: Problem) -> _Scores:
        return cls(iterate.mixture, iterate.coordinates.jacobian()[:, iterate.free], problem.packing)

    def __call__(self, observations: Observations) -> Floats:
        if not observations.n_objects:
            return np.zeros((self.jacobian.shape[1],) * 2)
        return self.products(observations, self.packing(observations))

    def products(self, observations: Observations, data: Data) -> Floats:
        """``sum omega^2 s s'`` over objects."""
        weighted = (omega[:, None] * s for omega, s in self.of_objects(observations, data))
        return sum((s.T @ s for s in weighted), np.zeros((self.jacobian.shape[1],) * 2))

    def of_objects(self, observations: Observations, data: Data) -> Iterator[tuple[Floats, Floats]]:
        """Weights (n,) of the objects and their scores (n, free), chunk by chunk."""
        mixture = self.mixture
        lost = _of_selection(mixture, data)
        members = responsibilities(mixture, data)
        bare = replace(observations, weights=None)
        for start in range(0, data.n_objects, CHUNK):
            chunk = slice(start, start + CHUNK)
            part = self.packing.scaling.observations(bare.select(data.rows[chunk]))
            r = members[chunk]
            weights = np.divide(r, mixture.all_weights, out=np.zeros_like(r), where=mixture.all_weights > 0)
            of_each = [_of_rows(part, mixture, k, r[:, k]) for k in range(mixture.n_components)]
            means, covariances, of_dof = zip(*of_each, strict=True)
            slopes = np.hstack([weights, *means, *covariances, *of_dof]) - lost[chunk]
            yield data.object_weights[chunk], slopes @ self.jacobian


def _of_selection(mixture: GaussianMixture, data: Data) -> Floats:
    """Derivatives of ``ln Z_i`` by all parameters (n_objects, P); zeros (n_objects, 1) without a selection function.

    Raises
    ------
    InputError
        If true values were selected, whose objects have other derivatives too.
    """
    if not isinstance(data, kernels.SelectedData):
        return np.zeros((data.n_objects, 1))
    if isinstance(data.objects, CutData):
        raise InputError("the sandwich of objects whose true values were selected cannot be computed yet")
    return np.asarray(data.normaliser.slopes(*parameters(mixture))[data.groups])


def _of_rows(part: Observations, mixture: GaussianMixture, k: int, r: Floats) -> tuple[Floats, Floats, Floats]:
    """As `_of_component`; of objects whose noise is a mixture, sums over their rows, each with its share in r (n,)."""
    noise = part.noise_model
    if not isinstance(noise, NoiseMixture):
        return _of_component(part, mixture, k, r)
    rows = replace(part.rows, memberships=None)
    shares = noise.shares(log_likelihoods(mixture.only(k), rows.pack()))[1]
    of_mean, of_packed, of_dof = _of_component(rows, mixture, k, shares * r[noise.owners])
    return noise.sums(of_mean), noise.sums(of_packed), noise.sums(of_dof)


def _of_component(part: Observations, mixture: GaussianMixture, k: int, r: Floats) -> tuple[Floats, Floats, Floats]:
    """Derivatives of ln p of standardised objects by the mean (n, D), the packed covariance (n, M) and dof (n, 1).

    The last has no column with Gaussian components.
    """
    rows, columns = kernels.triangle(mixture.n_dimensions)
    mean, V, double = mixture.means[k], mixture.covariances[k], np.where(rows == columns, 0.5, 1.0)
    if mixture.dof is None:
        values = mixture.seen_by(k, part.values)
        _, u, P = component(values, part.noise_covariances, mean, V, part.projections, part.limits)
        H = u[:, rows] * u[:, columns] - P[:, rows, columns]
        return r[:, None] * u, r[:, None] * double * H, np.zeros((len(r), 0))
    expansion = Expansion.of(mixture.dof[[k]], mixture.n_dimensions)
    found = [
        component(part.values, part.noise_covariances, mean, V / u, part.projections, part.limits) for u in expansion.u
    ]
    shares = np.log(expansion.fractions) + np.stack([each[0] for each in found], axis=1)
    shares = r[:, None] * np.exp(shares - np.logaddexp.reduce(shares, axis=1, keepdims=True))
    of_mean, of_packed, of_dof = np.zeros((len(r), mean.size)), np.zeros((len(r), rows.size)), np.zeros((len(r), 1))
    for j, (_, u, P) in enumerate(found):
        H = u[:, rows] * u[:, columns] - P[:, rows, columns]
        of_packed_covariance = shares[:, [j]] * double * H / expansion.u[j]
        of_mean += shares[:, [j]] * u
        of_packed += of_packed_covariance
        of_log_dof = shares[:, j] * expansion.log_fraction_slopes[j]
        of_log_dof -= expansion.log_u_slopes[j] * (of_packed_covariance @ V[rows, columns])
        of_dof[:, 0] += of_log_dof / mixture.dof[k]
    return of_mean, of_packed, of_dof


class _Directions(NamedTuple):
    """Standard deviations (size, n) of z, and directions (size, m) about which the data have no information."""

    deviations: Floats
    undetermined: Floats


def _directions(bread: Floats, meat: Floats | None, free: Mask) -> _Directions:
    """The directions of a covariance ``bread^-1``, or of a sandwich."""
    values, vectors = np.linalg.eigh(0.5 * (bread + bread.T))
    flat = values <= FLAT * values.max(initial=1.0)
    roots = vectors[:, ~flat] / np.sqrt(values[~flat])
    if meat is not None:
        inverse = vectors[:, ~flat] / values[~flat]
        sizes, rotation = np.linalg.eigh(inverse.T @ meat @ inverse)
        roots = vectors[:, ~flat] @ (rotation * np.sqrt(np.maximum(sizes, 0.0)))
    return _Directions(_of_all(roots, free), _of_all(vectors[:, flat], free))


def _of_all(directions: Floats, free: Mask) -> Floats:
    """Directions of all coordinates (size, n) from those of the free ones."""
    result = np.zeros((free.size, directions.shape[1]))
    result[free] = directions
    return result


def _visible(along: Floats, largest: float) -> Mask:
    """Which rows (P,) of derivatives (P, m) are more than rounding."""
    return np.asarray((np.abs(along) > VISIBLE * max(largest, 1e-300)).any(axis=1))


def _units(mixture: GaussianMixture, scale: Floats) -> Floats:
    """Factors (P,) from the parameters of the standardised mixture to the user's units."""
    K, D = mixture.means.shape
    rows, columns = kernels.triangle(D)
    of_dof = np.ones(0 if mixture.dof is None else K)
    return np.concatenate(
        [np.ones(mixture.all_weights.size), np.tile(scale, K), np.tile(scale[rows] * scale[columns], K), of_dof]
    )
