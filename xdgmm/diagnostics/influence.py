"""`influence`: what becomes of each width without one object?  Case deletion, by one Newton step or by a fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm import kernels
from xdgmm.basics.parameters import check_count
from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError
from xdgmm.fitting import Problem, responsibilities, solvers
from xdgmm.kernels.reference import component
from xdgmm.mixture import refuse_selection
from xdgmm.tables.report import Column, build_table
from xdgmm.uncertainty import laplace, parameter_errors
from xdgmm.uncertainty.information import object_scores

from .inputs import check_observations, in_rows, mixture_and_model
from .refitting import refitted
from .residuals import residuals, residuals_of_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.fitting import Model
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.uncertainty import ParameterErrors

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

CANDIDATES, FEWEST = (
    5000,
    200,
)  # objects of the largest scores whose own information is used: with few and many parameters
FEW = 40  # parameters
AT_ONCE = 2_000_000  # elements of their matrices
LARGE, HEAVY = 0.2, 0.2  # change in standard errors, and leverage, from which an object is left out of a new fit
MOST_REFITS = 30
TOLERANCE = 1e-8  # nats of these fits
COLUMNS = (
    Column("row", "row of the table, from 0"),
    Column("name", "name of the object"),
    Column("component", "component whose width it is"),
    Column("axis", "column"),
    Column("sigma", "intrinsic sigma", "width", format=".4g"),
    Column("sigma_without", "intrinsic sigma without this object", "width", format=".4g"),
    Column("change_in_errors", "change over the standard error of sigma", format="+.3g"),
    Column("leverage", "part of the information that is the object's, summed over the parameters", format=".2g"),
    Column("refitted", "whether the mixture was fitted again without it; otherwise one step of Newton"),
)
LEAST_LEFT = 0.05  # of the information in any direction, with less of which there is no Newton step


def influence(
    fitted: Any,
    observations: Observations,
    *,
    model: Model | None = None,
    n_largest: int = 10,
    names: Sequence[Any] | None = None,
) -> QTable:
    """Which objects move a width most: each width with and without a single object, the largest changes first.

    Parameters
    ----------
    fitted : XDGMM, FitResult or GaussianMixture
        The maximum for these observations.
    observations : Observations
    model : Model, optional
        Of a bare mixture: what was fitted.
    n_largest : int
        How many changes.
    names : sequence (N,), optional
        A name for each row.

    Returns
    -------
    QTable
        row, name (where names are given), component, axis, sigma, sigma_without, change_in_errors (the change in
        standard errors of the width), leverage, refitted.  Widths of zero, and fixed ones, are left out.

    Raises
    ------
    InputError
        If mixture and observations do not fit.
    KindError
        If one of the arguments is something else.

    Notes
    -----
    Without object i, of weight omega, score s and expected information J in the coordinates of the fit, the maximum
    moves by ``-(B - omega J)^-1 omega s``, B being the information of all objects: one step of Newton (Cook & Weisberg
    1982, *Residuals and Influence in Regression*, ch. 5).  Objects that move a width by more than a fifth of its error,
    or whose leverage ``tr(B^-1 omega J)`` exceeds a fifth, are left out of a new fit, which starts at the old one: up
    to 30 of them.  Steps of the others are within a fiftieth of an error of such fits.  A row of weight 2 counts as two
    objects, which are left out together.  The edges of a background stay.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import Observations
    >>> from xdgmm.diagnostics import influence
    >>> from xdgmm.fitting import fit
    >>> observations = Observations.with_standard_errors(np.r_[np.linspace(-2.0, 2.0, 40), 9.0], 0.5)
    >>> found = influence(fit(observations), observations, n_largest=1)
    >>> print(f"row {found['row'][0]}: sigma {found['sigma'][0]:.2f}, without it {found['sigma_without'][0]:.2f}")
    row 40: sigma 1.74, without it 1.07
    """
    check_count(n_largest, "n_largest")
    check_observations(observations)
    mixture, model = mixture_and_model(fitted, model)
    refuse_selection(mixture, "influence")
    return influence_table_of(
        Deletions.of(mixture, observations, model), n_largest, in_rows(names, len(observations), "names")
    )


def leave_one_out_residuals(fitted: Any, observations: Observations, *, model: Model | None = None) -> Floats:
    """`residuals` (N, M), in which objects of large leverage or influence have those under a fit without them.

    An object that carries much weight draws the fit towards itself, so that its residual is small whatever it is.

    Parameters
    ----------
    fitted, observations, model
        As in `influence`, which tells which objects these are.

    Raises
    ------
    InputError
        As `residuals`.
    """
    check_observations(observations)
    mixture, model = mixture_and_model(fitted, model)
    result = residuals(mixture, observations)
    for row, without in Deletions.of(mixture, observations, model).refits.items():
        result[row] = residuals_of_row(without, observations, row)
    return result


@dataclass(frozen=True, eq=False)
class Deletions:
    """The fit without each of its objects.

    Attributes
    ----------
    mixture : GaussianMixture
    rows : ndarray of int (n,)
        Rows of the objects, those of the largest scores where there are many.
    leverages : ndarray (n,)
        Part of the information that is the object's, summed over the parameters.
    changes : ndarray (n, K, D)
        Of the sigmas in the user's units; NaN where a sigma is zero or fixed, or if nothing could be fitted.
    parameters : ParameterErrors
        Standard errors of the parameters.
    refits : dict
        By row, the mixtures of the new fits.
    n_rows : int
        Objects in all.
    """

    mixture: GaussianMixture
    rows: Indices
    leverages: Floats
    changes: Floats
    parameters: ParameterErrors
    refits: dict[int, GaussianMixture] = field(default_factory=dict)
    n_rows: int = 0

    @classmethod
    def of(cls, mixture: GaussianMixture, observations: Observations, model: Model | None) -> Deletions:
        """By one step for all, and by a new fit where that is large."""
        problem = Problem.of(mixture, observations, model)
        rows, leverages, steps = _steps(mixture, observations, model)
        changes = _changes_of_sigmas(mixture, observations, model, steps)
        errors = parameter_errors(mixture, observations, model=model)
        found = cls(mixture, rows, leverages, changes, errors, {}, problem.observations.n_objects)
        found._refit(problem)
        return found

    @property
    def in_errors(self) -> Floats:
        """Changes in standard errors (n, K, D)."""
        errors = self.parameters.sigmas
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(np.isfinite(errors) & (errors > 0), self.changes / errors, np.nan)

    def _refit(self, problem: Problem) -> None:
        """Fit without the objects of large influence, and put in what they change."""
        if problem.observations.n_objects <= problem.n_components + 1:
            return
        model = replace(problem.model, background=self.mixture.background)
        largest = np.nan_to_num(np.abs(self.in_errors), nan=0.0, posinf=np.inf).max(axis=(1, 2), initial=0.0)
        wanted = np.flatnonzero((largest > LARGE) | (self.leverages > HEAVY))
        order = np.argsort(-np.maximum(largest[wanted] / LARGE, self.leverages[wanted] / HEAVY), kind="stable")
        for i in wanted[order][:MOST_REFITS]:
            without = problem.observations.select(np.delete(np.arange(len(problem.observations)), self.rows[i]))
            try:
                mixture = refitted(model, without, self.mixture, TOLERANCE)
            except (solvers.CollapseError, InputError):
                self.changes[i] = np.nan
                continue
            self.refits[int(self.rows[i])] = mixture
            self.changes[i] = np.where(np.isnan(self.changes[i]), np.nan, mixture.sigmas - self.mixture.sigmas)


def _steps(mixture: GaussianMixture, observations: Observations, model: Model | None) -> tuple[Indices, Floats, Floats]:
    """Rows (n,), leverages (n,), and steps (n, P) without each object in standard deviations of the parameters."""
    problem = Problem.of(mixture, observations, model)
    iterate, deviations = problem.at(mixture).iterate, laplace(mixture, observations, model=model).deviations
    chunks = [omega[:, None] * (s @ deviations[iterate.free]) for omega, s in object_scores(iterate, problem)]
    scores = np.concatenate(chunks)
    P = scores.shape[1]
    most = max(int(CANDIDATES * min((FEW / max(P, 1)) ** 3, 1.0)), FEWEST)
    largest = np.sort(np.argsort(-(scores**2).sum(axis=1), kind="stable")[:most])
    rows, scores = np.asarray(problem.data.rows)[largest], scores[largest]
    steps, leverages = np.empty(scores.shape), np.empty(rows.size)
    along = iterate.coordinates.jacobian() @ deviations
    members = responsibilities(iterate.mixture, problem.data)[largest]
    at_once = max(AT_ONCE // max(P, 1) ** 2, 1)
    for start in range(0, rows.size, at_once):
        chunk = slice(start, start + at_once)
        J = _own_information(problem, iterate.mixture, rows[chunk], members[chunk], along)
        leverages[chunk] = np.trace(J, axis1=1, axis2=2)
        values, vectors = np.linalg.eigh(J)
        left = np.maximum(1.0 - values, LEAST_LEFT)
        along_axes = np.einsum("npa,np->na", vectors, scores[chunk]) / left
        steps[chunk] = -np.einsum("npa,na->np", vectors, along_axes)
    return rows, leverages, steps


def _own_information(
    problem: Problem, mixture: GaussianMixture, rows: Indices, members: Floats, along: Floats
) -> Floats:
    """Expected information of each object, its memberships known, in units of that of all (n, P, P)."""
    K, D = mixture.means.shape
    S, P = mixture.all_weights.size, along.shape[1]
    packed_rows, packed_columns = kernels.triangle(D)
    n_packed = K * packed_rows.size
    of_weights, of_means, of_covariances, _ = np.split(along, np.cumsum([S, K * D, n_packed]))  # the last is of dof
    dV = np.zeros((K, P, D, D))
    dV[:, :, packed_rows, packed_columns] = np.swapaxes(of_covariances.reshape(K, packed_rows.size, P), 1, 2)
    dV[:, :, packed_columns, packed_rows] = np.swapaxes(of_covariances.reshape(K, packed_rows.size, P), 1, 2)
    part = problem.scaling.observations(problem.observations.select(rows))
    result = np.zeros((rows.size, P, P))
    for k in range(S):
        r = members[:, k] * part.object_weights
        if mixture.all_weights[k] > 0:
            relative = of_weights[k] / mixture.all_weights[k]
            result += r[:, None, None] * np.outer(relative, relative)
        if k == K:
            continue
        for share, scale, precision in _precisions(mixture, part, k):
            dm = of_means.reshape(K, D, P)[k]
            weight = (r * share)[:, None, None]
            result += weight * np.einsum("ip,nij,jq->npq", dm, precision, dm, optimize=True)
            half = np.einsum("nij,pjk->npik", precision, scale * dV[k], optimize=True)
            result += 0.5 * weight * np.einsum("npik,nqki->npq", half, half, optimize=True)
    return result


def _precisions(
    mixture: GaussianMixture, observations: Observations, k: int
) -> Iterator[tuple[Floats | float, float, Floats]]:
    """Of each Gaussian of a component: its share of the objects (n,), its covariance over V, R' T^-1 R (n, D, D)."""
    alone, of_noise = mixture.only(k), observations.noise_covariances
    values = mixture.seen_by(k, observations.values)
    gaussians = alone.expanded()
    found = [
        component(values, of_noise, alone.means[0], V, observations.projections, observations.limits)
        for V in gaussians.covariances
    ]
    if alone.expansion is None:
        yield 1.0, 1.0, found[0][2]
        return
    shares = np.log(gaussians.weights)[:, None] + np.stack([each[0] for each in found])
    shares = np.exp(shares - np.logaddexp.reduce(shares, axis=0))
    for share, u, (_, _, precision) in zip(shares, alone.expansion.u, found, strict=True):
        yield share, float(1.0 / u), precision


def _changes_of_sigmas(
    mixture: GaussianMixture, observations: Observations, model: Model | None, steps: Floats
) -> Floats:
    """Changes of the sigmas (n, K, D), to first order in the steps; NaN of those that are zero or fixed."""
    approximation = laplace(mixture, observations, model=model)
    K, D = mixture.means.shape
    rows, columns = kernels.triangle(D)
    along = approximation.iterate.coordinates.jacobian() @ approximation.deviations
    first = mixture.all_weights.size + K * D
    of_covariances = along[first : first + K * rows.size].reshape(K, rows.size, along.shape[1])
    of_variances = of_covariances[:, rows == columns]
    variances = np.einsum("kdp,np->nkd", of_variances, steps) * approximation.scaling.scale**2
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = variances / (2.0 * mixture.sigmas)
    fixed = ~(np.abs(of_variances) > 0).any(axis=2)
    return np.where((mixture.sigmas > 0) & ~fixed, changes, np.nan)


def influence_table_of(deletions: Deletions, n_largest: int, names: Sequence[Any] | None) -> QTable:
    """The largest changes as a table."""
    mixture, in_errors = deletions.mixture, np.abs(deletions.in_errors)
    order = np.argsort(-np.where(np.isfinite(in_errors), in_errors, -1.0), axis=None, kind="stable")
    order = order[np.isfinite(in_errors.ravel()[order])][:n_largest]
    which, components, axes = np.unravel_index(order, in_errors.shape)
    rows, sigma = deletions.rows[which], mixture.sigmas[components, axes]
    change = deletions.changes[which, components, axes]
    units = set(mixture.units)
    unit = difference_unit(mixture.units[0]) if len(units) == 1 and mixture.units[0] is not None else None
    values: dict[str, Any] = {
        "row": rows,
        "component": components,
        "axis": np.array([mixture.names[axis] for axis in axes], dtype=str),
        "sigma": sigma,
        "sigma_without": np.maximum(sigma + change, 0.0),
        "change_in_errors": change / deletions.parameters.sigmas[components, axes],
        "leverage": deletions.leverages[which],
        "refitted": np.array([int(row) in deletions.refits for row in rows], dtype=bool),
    }
    if names is not None:
        values["name"] = np.array([str(names[row]) for row in rows], dtype=str)
    meta = {"n_objects": deletions.n_rows, "n_refitted": len(deletions.refits)}
    columns = [column for column in COLUMNS if column.name in values]
    return build_table(columns, values, units={"width": unit}, meta=meta)
