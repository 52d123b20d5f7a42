"""What follows from the intrinsic covariances: correlations, linear relations, and how far components are apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError
from xdgmm.fitting import FitResult
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations
from xdgmm.tables.report import Column, build_table, metadata
from xdgmm.uncertainty import Estimate, SampledMixtures, laplace

from .inputs import check_samples, mixture_and_model

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase

COLUMNS = (
    Column("component", "component of the mixture, from 0; the first of the two of a separation"),
    Column("quantity", "what is given: meta['meaning'] explains each"),
    Column("of", "of which columns, or components"),
    Column("value", "at the maximum; of a posterior the median"),
    Column("error", "half the 68.27% interval"),
    Column("low", "lower end of the interval at the level"),
    Column("high", "upper end of it"),
    Column("unit", "of value, error, low and high"),
)
QUANTITIES = {
    "correlation": "correlation of the two columns within the component",
    "slope": "of the major axis",
    "zero point": "of the major axis, at the pivot",
    "scatter": "intrinsic standard deviation across the major axis",
    "slope of y given x": "of the mean of y at given x",
    "zero point of y given x": "of the mean of y at the pivot",
    "scatter of y given x": "intrinsic standard deviation of y at given x",
    "separation": "distance of the means in units of the mean sigma between them",
}


class Relation(NamedTuple):
    """One row: which component, what, of what, its unit, and the function of the mixture that it is."""

    component: int
    quantity: str
    of: str
    unit: str
    function: Callable[[GaussianMixture], float]


def relations(
    fitted: FitResult | GaussianMixture,
    observations: Observations,
    *,
    pivot: float = 0.0,
    kind: str = "information",
    level: float = 0.6827,
    samples: SampledMixtures | None = None,
) -> QTable:
    """Correlations, and with two columns x and y the linear relation with errors in both, for every component.

    Parameters
    ----------
    fitted : FitResult or GaussianMixture
    observations : Observations
    pivot : float
        The x at which zero points are given, in the unit of x.
    kind : {"information", "sandwich"}
        Where the errors come from.
    level : float
        Probability that an error bar and the interval from low to high stand for.
    samples : optional
        What `bootstrap` or `sample_posterior` returned: errors and intervals are then theirs.

    Returns
    -------
    QTable
        Columns component, quantity, of (which columns or components), value, error, low, high, unit; what quantities
        mean stands in ``meta["meaning"]``.

    Raises
    ------
    InputError
        If there is nothing to relate: one component in one coordinate.

    Notes
    -----
    With V the intrinsic covariance, the major axis is its first eigenvector, the scatter across it the root of the
    second eigenvalue (Hogg, Bovy & Lang 2010, arXiv:1008.4686, sec. 7); y given x has slope ``V_xy / V_xx`` and
    variance ``V_yy - V_xy^2 / V_xx``.  Two components are ``sqrt(d' W^-1 d)`` apart, d the difference of their means
    and W the mean of their covariances: in one dimension Ashman's D (Ashman, Bird & Zepf 1994, AJ 108, 2348).
    """
    mixture, asked = mixture_and_model(fitted)
    if samples is not None:
        check_samples(samples, mixture, SampledMixtures)
    if not np.isscalar(pivot) or isinstance(pivot, (str, bool)) or not np.isfinite(pivot):
        raise InputError(f"`pivot` is {pivot!r}, but it must be one number, in the unit of the first column")
    K, D = mixture.means.shape
    if K == 1 and D == 1:
        raise InputError("one component in one column has nothing to relate; fit several columns or components")
    rows = list(_every_relation(mixture, pivot))
    source = laplace(mixture, observations, kind=kind, model=asked) if samples is None else samples
    estimate = source.propagate(lambda m: np.array([row.function(m) for row in rows]), level)
    meta = metadata(mixture.record, level=float(level), pivot=float(pivot), meaning=QUANTITIES)
    return build_table(COLUMNS, _values(rows, estimate), meta=meta)


def _every_relation(mixture: GaussianMixture, pivot: float) -> Iterator[Relation]:
    """Everything that exists for this mixture."""
    K, D = mixture.means.shape
    names = mixture.names
    for k in range(K):
        for i, j in combinations(range(D), 2):
            yield Relation(k, "correlation", f"{names[j]}, {names[i]}", "", _correlation(k, i, j))
        if D == 2:
            yield from _lines(mixture, k, pivot)
    for i, j in combinations(range(K), 2):
        yield Relation(i, "separation", f"components {i} and {j}", "", _separation(i, j))


def _lines(mixture: GaussianMixture, k: int, pivot: float) -> Iterator[Relation]:
    """The linear relation of two columns, as the major axis and as y given x."""
    (x_unit, y_unit), of = mixture.units, f"{mixture.names[1]} on {mixture.names[0]}"
    y, ratio = _unit(y_unit), _ratio(mixture.units)
    units = ratio, y, _unit(x_unit) if x_unit == y_unit else ""
    names = "slope", "zero point", "scatter"
    for column, (name, unit) in enumerate(zip(names, units, strict=True)):
        yield Relation(k, name, of, unit, _major_axis(k, pivot, column))
    for column, (name, unit) in enumerate(zip(names, (ratio, y, y), strict=True)):
        yield Relation(k, f"{name} of y given x", of, unit, _given_x(k, pivot, column))


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
        return V[i, j] / max(np.sqrt(V[i, i] * V[j, j]), 1e-300)

    return function


def _major_axis(k: int, pivot: float, column: int) -> Callable[[GaussianMixture], float]:
    def function(mixture: GaussianMixture) -> tuple[float, float, float]:
        V, (x, y) = mixture.covariances[k], mixture.means[k]
        half, off = 0.5 * (V[1, 1] - V[0, 0]), V[0, 1]
        root = np.hypot(half, off)
        slope = (half + root) / off if off != 0 else (np.inf if half > 0 else 0.0)
        narrow = 0.5 * (V[0, 0] + V[1, 1]) - root
        return slope, y + slope * (pivot - x), np.sqrt(max(narrow, 0.0))

    return lambda mixture: function(mixture)[column]


def _given_x(k: int, pivot: float, column: int) -> Callable[[GaussianMixture], float]:
    def function(mixture: GaussianMixture) -> tuple[float, float, float]:
        V, (x, y) = mixture.covariances[k], mixture.means[k]
        slope = V[0, 1] / max(V[0, 0], 1e-300)
        return slope, y + slope * (pivot - x), np.sqrt(max(V[1, 1] - slope * V[0, 1], 0.0))

    return lambda mixture: function(mixture)[column]


def _separation(i: int, j: int) -> Callable[[GaussianMixture], float]:
    def function(mixture: GaussianMixture) -> float:
        d = mixture.means[i] - mixture.means[j]
        W = 0.5 * (mixture.covariances[i] + mixture.covariances[j])
        size = np.sqrt(np.maximum(np.diag(W), 1e-300))
        values, vectors = np.linalg.eigh(W / size[:, None] / size)
        along = (d / size) @ vectors
        return np.sqrt((along**2 / np.maximum(values, 1e-300)).sum())

    return function


def _values(rows: Sequence[Relation], estimate: Estimate) -> dict[str, NDArray[Any]]:
    """The numbers of each column."""
    result = {name: np.array([getattr(row, name) for row in rows]) for name in ("component", "quantity", "of", "unit")}
    result |= {name: np.asarray(getattr(estimate, name), dtype=float) for name in ("value", "error", "low", "high")}
    positive = np.array([row.quantity.startswith(("scatter", "separation")) for row in rows])
    result["low"] = np.where(positive, np.maximum(result["low"], 0.0), result["low"])
    return result
