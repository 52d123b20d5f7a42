"""What follows from the intrinsic covariances: correlations, linear relations, and how far components are apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError, deprecated_arguments
from xdgmm.fitting import FitResult, Model, Problem
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import discovered
from xdgmm.tables.report import Column, build_table, metadata
from xdgmm.uncertainty import (
    Estimate,
    SampledMixtures,
    WidthLimit,
    conditional_limit,
    function_interval,
    laplace,
    principal_limit,
)

from .inputs import check_samples, mixture_and_model
from .rows import CLEARLY_RESOLVED

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase

    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.observations.inputs import Catalogue

ENDS = ("error", "low", "high")
NO_WIDTH = 1e-12  # fraction of a variance that is rounding
COLUMNS = (
    Column("component", "component of the mixture, from 0; the first of the two of a separation"),
    Column("quantity", "what is given: meta['meaning'] explains each"),
    Column("of", "of which columns, or components"),
    Column("value", "at the maximum; of a posterior the median"),
    Column("error", "half the 68.27% interval"),
    Column("low", "lower end of the interval at the level"),
    Column("high", "upper end of it"),
    Column("limit", "upper limit, where the value is consistent with zero"),
    Column("is_limit", "is the value consistent with zero?"),
    Column("unit", "of value, error, low, high and limit"),
)
QUANTITIES = {
    "correlation": "correlation of the two columns within the component",
    "slope of y given x": "of the mean of y at given x",
    "zero point of y given x": "of the mean of y at the pivot",
    "scatter of y given x": "intrinsic standard deviation of y at given x",
    "slope of x given y": "dy / dx of the mean of x at given y",
    "zero point of x given y": "y at which the mean of x at given y is the pivot",
    "scatter of x given y": "intrinsic standard deviation of x at given y",
    "slope of the major axis": "of the first eigenvector of the covariance, in the units of the columns",
    "zero point of the major axis": "y of that axis at the pivot",
    "scatter across the major axis": "intrinsic standard deviation across it: root of the second eigenvalue",
    "separation": "distance of the means in units of the mean sigma between them",
}


class Relation(NamedTuple):
    """One row: which component, what, of what, its unit, the function of the mixture that it is, and its limit."""

    component: int
    quantity: str
    of: str
    unit: str
    function: Callable[[GaussianMixture], float]
    limit: Callable[..., WidthLimit] | None = None


@deprecated_arguments(kind="method")
def relations(
    fitted: FitResult | GaussianMixture,
    observations: Catalogue,
    *,
    pivot: float = 0.0,
    method: str = "information",
    level: float = 0.6827,
    limit_level: float = 0.95,
    samples: SampledMixtures | None = None,
) -> QTable:
    """Correlations, and with two columns x and y the linear relation with errors in both, for every component.

    Parameters
    ----------
    fitted : FitResult or GaussianMixture
    observations : Observations, StreamedObservations or a source of them
    pivot : float
        The x at which zero points are given, in the unit of x.
    method : {"information", "sandwich", "profile"}
        Where the errors come from: the curvature of the likelihood; the same, robust against a wrong model; the profile
        likelihood of each quantity, whose intervals stay in its range and need not be symmetric.
    level : float
        Probability that an error bar and the interval from low to high stand for.
    limit_level : float
        Probability of upper limits, between 0.5 and 1.
    samples : optional
        What `bootstrap` or `sample_posterior` returned: errors and intervals are then theirs.

    Returns
    -------
    QTable
        Columns component, quantity, of (which columns or components), value, error, low, high, limit, is_limit, unit;
        what quantities mean stands in ``meta["meaning"]``, what a reader should know in ``meta["remarks"]``.

    Raises
    ------
    InputError
        If there is nothing to relate (one component in one coordinate), the method is unknown, or the profile is that
        of a fit with a prior.

    Notes
    -----
    With V the intrinsic covariance, y given x has slope ``V_xy / V_xx`` and variance ``V_yy - V_xy^2 / V_xx``, and x
    given y likewise: neither depends on the unit of the other column.  The major axis is the first eigenvector of V,
    the scatter across it the root of the second eigenvalue (Hogg, Bovy & Lang 2010, arXiv:1008.4686, sec. 7): they
    depend on the units of both, and are one convention among several.  A scatter that is consistent with zero has an
    upper limit instead of an error (`xdgmm.uncertainty.conditional_limit`, `principal_limit`).  Intervals of
    correlations are symmetric in Fisher's ``z = artanh r``, and stay between -1 and 1.  Two components are
    ``sqrt(d' W^-1 d)`` apart, d the difference of their means and W the mean of their covariances: in one dimension
    Ashman's D (Ashman, Bird & Zepf 1994, AJ 108, 2348).
    """
    observations = discovered(observations)
    mixture, given_model = mixture_and_model(fitted)
    if samples is not None:
        check_samples(samples, mixture, SampledMixtures)
    if not np.isscalar(pivot) or isinstance(pivot, (str, bool)) or not np.isfinite(pivot):
        raise InputError(f"`pivot` is {pivot!r}, but it must be one number, in the unit of the first column")
    K, D = mixture.means.shape
    if K == 1 and D == 1:
        raise InputError("one component in one column has nothing to relate; fit several columns or components")
    rows = list(_every_relation(mixture, pivot))
    kind = "information" if method == "profile" else method
    source = laplace(mixture, observations, kind=kind, model=given_model) if samples is None else samples
    estimate = source.propagate(lambda m: np.array([row.function(m) for row in rows]), level)
    if method == "profile" and samples is None:
        estimate = _profiled(rows, estimate, mixture, observations, level, given_model)
    has_limits = samples is None and Problem.of(mixture, observations, given_model).model.prior is None
    question = (mixture, observations, limit_level, given_model) if has_limits else None
    values = _values(rows, estimate, question, in_fisher_z=method != "profile")
    meta = metadata(
        mixture.record,
        method=method,
        level=float(level),
        limit_level=float(limit_level),
        pivot=float(pivot),
        meaning=QUANTITIES,
    )
    meta["remarks"] = list(_remarks(rows, values, mixture))
    return build_table(COLUMNS, values, meta=meta)


def _every_relation(mixture: GaussianMixture, pivot: float) -> Iterator[Relation]:
    """Everything that exists for this mixture."""
    D = mixture.n_dimensions
    names, own = mixture.names, np.flatnonzero(~mixture.flat_components).tolist()
    for k in own:
        for i, j in combinations(range(D), 2):
            yield Relation(k, "correlation", f"{names[j]}, {names[i]}", "", _correlation(k, i, j))
        if D == 2:
            yield from _lines(mixture, k, pivot)
    for i, j in combinations(own, 2):
        yield Relation(i, "separation", f"components {i} and {j}", "", _separation(i, j))


def _lines(mixture: GaussianMixture, k: int, pivot: float) -> Iterator[Relation]:
    """The linear relation of two columns: y given x, x given y, and the major axis."""
    (x_unit, y_unit), of = mixture.units, f"{mixture.names[1]} on {mixture.names[0]}"
    x, y, ratio = _unit(x_unit), _unit(y_unit), _ratio(mixture.units)
    y_given_x, x_given_y = partial(_conditional_limit, k, 1), partial(_conditional_limit, k, 0)
    across = partial(_principal_limit, k)
    kinds = (
        ("of y given x", "of y given x", _given_x, y, y_given_x),
        ("of x given y", "of x given y", _given_y, x, x_given_y),
        ("of the major axis", "across the major axis", _major_axis, x if x_unit == y_unit else "", across),
    )
    for of_line, of_scatter, line, scatter_unit, limit in kinds:
        yield Relation(k, f"slope {of_line}", of, ratio, line(k, pivot, 0))
        yield Relation(k, f"zero point {of_line}", of, y, line(k, pivot, 1))
        yield Relation(k, f"scatter {of_scatter}", of, scatter_unit, line(k, pivot, 2), limit)


def _conditional_limit(k: int, axis: int, *question: Any) -> WidthLimit:
    mixture, observations, level, model = question
    return conditional_limit(mixture, observations, k, axis, level, model)


def _principal_limit(k: int, *question: Any) -> WidthLimit:
    mixture, observations, level, model = question
    return principal_limit(mixture, observations, k, level, model)


def _unit(unit: UnitBase | None) -> str:
    return "" if unit is None else str(difference_unit(unit))


def _ratio(units: Sequence[UnitBase | None]) -> str:
    x, y = units
    if x == y:
        return ""
    if x is None or y is None:
        return _unit(y) if x is None else f"1 / ({_unit(x)})"
    return str(difference_unit(y) / difference_unit(x))


def _correlation(k: int, i: int, j: int) -> Callable[[GaussianMixture], float]:
    def function(mixture: GaussianMixture) -> float:
        V = mixture.covariances[k]
        return float(V[i, j] / np.sqrt(V[i, i]) / np.sqrt(V[j, j])) if min(V[i, i], V[j, j]) > 0 else np.nan

    return function


def _major_axis(k: int, pivot: float, column: int) -> Callable[[GaussianMixture], float]:
    def function(mixture: GaussianMixture) -> tuple[float, float, float]:
        V, (x, y) = mixture.covariances[k], mixture.means[k]
        half, off = 0.5 * (V[1, 1] - V[0, 0]), V[0, 1]
        root = np.hypot(half, off)
        slope = (half + root) / off if off != 0 else (0.0 if half < 0 else np.nan)  # none is defined for a circle
        narrow = 0.5 * (V[0, 0] + V[1, 1]) - root
        return slope, y + slope * (pivot - x), np.sqrt(max(narrow, 0.0))

    return lambda mixture: function(mixture)[column]


def _given_x(k: int, pivot: float, column: int) -> Callable[[GaussianMixture], float]:
    def function(mixture: GaussianMixture) -> tuple[float, float, float]:
        V, (x, y) = mixture.covariances[k], mixture.means[k]
        slope = V[0, 1] / V[0, 0] if V[0, 0] > 0 else np.nan
        explained = slope * V[0, 1] if V[0, 0] > 0 else 0.0
        return slope, y + slope * (pivot - x), np.sqrt(max(V[1, 1] - explained, 0.0))

    return lambda mixture: function(mixture)[column]


def _given_y(k: int, pivot: float, column: int) -> Callable[[GaussianMixture], float]:
    def function(mixture: GaussianMixture) -> tuple[float, float, float]:
        V, (x, y) = mixture.covariances[k], mixture.means[k]
        inverse = V[0, 1] / V[1, 1] if V[1, 1] > 0 else 0.0
        slope = 1.0 / inverse if inverse != 0 else np.nan
        return slope, y + slope * (pivot - x), np.sqrt(max(V[0, 0] - inverse * V[0, 1], 0.0))

    return lambda mixture: function(mixture)[column]


def _separation(i: int, j: int) -> Callable[[GaussianMixture], float]:
    """NaN where the components have no width along the line between their means."""

    def function(mixture: GaussianMixture) -> float:
        d = mixture.means[i] - mixture.means[j]
        W = 0.5 * (mixture.covariances[i] + mixture.covariances[j])
        size = np.sqrt(np.where(np.diag(W) > 0, np.diag(W), d**2 + (d == 0)))
        values, vectors = np.linalg.eigh(W / size[:, None] / size)
        along = ((d / size) @ vectors) ** 2
        if (along[values <= NO_WIDTH] > NO_WIDTH).any():
            return np.nan
        return float(np.sqrt((along / np.maximum(values, NO_WIDTH)).sum()))

    return function


def _profiled(
    rows: Sequence[Relation],
    estimate: Estimate,
    mixture: GaussianMixture,
    observations: AnyObservations,
    level: float,
    model: Model | None,
) -> Estimate:
    """The estimate of all rows with the intervals of their profile likelihoods."""
    found = [
        function_interval(
            row.function, mixture, observations, level, model, within=_range(row.quantity), component=row.component
        )
        for row in rows
    ]
    return Estimate(estimate.value, *(np.array([getattr(each, name) for each in found]) for name in ENDS))


def _range(quantity: str) -> tuple[float, float]:
    if quantity == "correlation":
        return -1.0, 1.0
    return (0.0, np.inf) if quantity.startswith(("scatter", "separation")) else (-np.inf, np.inf)


def _values(
    rows: Sequence[Relation], estimate: Estimate, question: tuple[Any, ...] | None, *, in_fisher_z: bool
) -> dict[str, NDArray[Any]]:
    """The numbers of each column; `question` is what the functions of limits take, None where there are no limits."""
    result = {name: np.array([getattr(row, name) for row in rows]) for name in ("component", "quantity", "of", "unit")}
    result |= {name: np.array(getattr(estimate, name), dtype=float) for name in ("value", "error", "low", "high")}
    result["limit"] = np.full(len(rows), np.nan)
    for place, row in enumerate(rows):
        if row.quantity == "correlation" and in_fisher_z:
            _in_fisher_z(result, place)
        elif row.quantity.startswith(("scatter", "separation")):
            result["low"][place] = max(result["low"][place], 0.0)
        unresolved = not 2 * result["value"][place] > CLEARLY_RESOLVED * result["error"][place]
        if row.limit is not None and question is not None and unresolved:
            limit = row.limit(*question)
            if limit.consistent_with_zero:
                result["limit"][place] = limit.upper
                for name in ENDS:
                    result[name][place] = np.nan
    result["is_limit"] = ~np.isnan(result["limit"])
    return result


def _in_fisher_z(result: dict[str, NDArray[Any]], place: int) -> None:
    """Make the interval of a correlation symmetric in ``artanh r``; a correlation of -1 or 1 has none."""
    r, error = result["value"][place], result["error"][place]
    if 1.0 - abs(r) <= NO_WIDTH:
        for name in ENDS:
            result[name][place] = np.nan
        return
    half = 0.5 * (result["high"][place] - result["low"][place]) / (1.0 - r**2)
    if np.isfinite(error):
        result["low"][place], result["high"][place] = np.tanh(np.arctanh(r) + np.array([-half, half]))


def _remarks(rows: Sequence[Relation], values: Mapping[str, NDArray[Any]], mixture: GaussianMixture) -> Iterator[str]:
    """What a reader of the relations should know, one sentence each."""
    if mixture.dof is not None and np.isfinite(mixture.dof).any():
        yield "components are Student-t distributions: scatters are scales, and so is what separations are measured in"
    if mixture.n_dimensions == 2:
        yield (
            "the major axis and the scatter across it depend on the units of both columns, and are meaningful only "
            "where these are comparable; y given x and x given y do not"
        )
    missing = np.isnan(values["value"])
    for place, row in enumerate(rows):
        if row.quantity == "separation" and missing[place]:
            yield (
                f"{row.of} have no width along the line between their means, so their separation in units of it is not "
                "finite"
            )
        if row.quantity == "correlation" and missing[place]:
            yield (
                f"component {row.component} has no width in one of {row.of}: their correlation, and slopes that need "
                "this width, are not defined"
            )
        if row.quantity == "correlation" and 1.0 - abs(values["value"][place]) <= NO_WIDTH:
            yield (
                f"component {row.component} has no scatter about the line of {row.of}: their correlation is at the end "
                "of its range, and has no interval"
            )
