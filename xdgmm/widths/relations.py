"""What follows from the intrinsic covariances: correlations, linear relations, and how far components are apart."""

from itertools import combinations

import numpy as np

from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError
from xdgmm.uncertainty import SampledMixtures, laplace

from .fitted import check_samples, parts

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


def relations(fitted, observations, *, pivot=0.0, kind="information", level=0.6827, samples=None):
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
        What `bootstrap` or `refine` returned: errors and intervals are then theirs.

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
    mixture, model = parts(fitted)
    if samples is not None:
        check_samples(samples, mixture, SampledMixtures)
    if not np.isscalar(pivot) or isinstance(pivot, (str, bool)) or not np.isfinite(pivot):
        raise InputError(f"`pivot` is {pivot!r}, but it must be one number, in the unit of the first column")
    observations = observations.in_units(mixture.units)
    K, D = mixture.means.shape
    if K == 1 and D == 1:
        raise InputError("one component in one column has nothing to relate; fit several columns or components")
    wanted = _wanted(mixture, pivot)
    source = laplace(mixture, observations, kind=kind, model=model) if samples is None else samples
    estimate = source.propagate(lambda m: np.array([function(m) for *_, function in wanted]), level)
    return _table(wanted, estimate, level, pivot)


def _wanted(mixture, pivot):
    """(component, quantity, of, unit, function) of everything that exists."""
    K, D = mixture.means.shape
    names, units = mixture.names, mixture.units
    wanted = []
    for k in range(K):
        for i, j in combinations(range(D), 2):
            wanted.append((k, "correlation", f"{names[j]}, {names[i]}", "", _correlation(k, i, j)))
        if D == 2:
            y, ratio = _unit(units[1]), _ratio(units)
            of = f"{names[1]} on {names[0]}"
            line = (ratio, y, _unit(units[0]) if units[0] == units[1] else "")
            for column, (name, unit) in enumerate(zip(("slope", "zero point", "scatter"), line, strict=True)):
                wanted.append((k, name, of, unit, _major_axis(k, pivot, column)))
            for column, (name, unit) in enumerate(zip(("slope", "zero point", "scatter"), (ratio, y, y), strict=True)):
                wanted.append((k, f"{name} of y given x", of, unit, _given_x(k, pivot, column)))
    for i, j in combinations(range(K), 2):
        wanted.append((i, "separation", f"components {i} and {j}", "", _separation(i, j)))
    return wanted


def _unit(unit):
    return "" if unit is None else str(difference_unit(unit))


def _ratio(units):
    if None in units or units[0] == units[1]:
        return "" if units[0] == units[1] else _unit(units[1]) if units[0] is None else f"1 / ({_unit(units[0])})"
    return str(difference_unit(units[1]) / difference_unit(units[0]))


def _correlation(k, i, j):
    def function(mixture):
        V = mixture.covariances[k]
        return V[i, j] / max(np.sqrt(V[i, i] * V[j, j]), 1e-300)

    return function


def _major_axis(k, pivot, column):
    def function(mixture):
        V, (x, y) = mixture.covariances[k], mixture.means[k]
        half, off = 0.5 * (V[1, 1] - V[0, 0]), V[0, 1]
        root = np.hypot(half, off)
        slope = (half + root) / off if off != 0 else (np.inf if half > 0 else 0.0)
        narrow = 0.5 * (V[0, 0] + V[1, 1]) - root
        return slope, y + slope * (pivot - x), np.sqrt(max(narrow, 0.0))

    return lambda mixture: function(mixture)[column]


def _given_x(k, pivot, column):
    def function(mixture):
        V, (x, y) = mixture.covariances[k], mixture.means[k]
        slope = V[0, 1] / max(V[0, 0], 1e-300)
        return slope, y + slope * (pivot - x), np.sqrt(max(V[1, 1] - slope * V[0, 1], 0.0))

    return lambda mixture: function(mixture)[column]


def _separation(i, j):
    def function(mixture):
        d = mixture.means[i] - mixture.means[j]
        W = 0.5 * (mixture.covariances[i] + mixture.covariances[j])
        size = np.sqrt(np.maximum(np.diag(W), 1e-300))
        values, vectors = np.linalg.eigh(W / size[:, None] / size)
        along = (d / size) @ vectors
        return np.sqrt((along**2 / np.maximum(values, 1e-300)).sum())

    return function


def _table(wanted, estimate, level, pivot):
    from astropy.table import MaskedColumn, QTable

    table = QTable(meta={"level": float(level), "pivot": float(pivot), "meaning": QUANTITIES})
    table["component"] = [row[0] for row in wanted]
    table["quantity"] = [row[1] for row in wanted]
    table["of"] = [row[2] for row in wanted]
    positive = np.array([row[1].startswith(("scatter", "separation")) for row in wanted])
    for name in ("value", "error", "low", "high"):
        column = np.asarray(getattr(estimate, name), dtype=float)
        column = np.where(positive, np.maximum(column, 0.0), column) if name == "low" else column
        table[name] = MaskedColumn(column, mask=~np.isfinite(column))
    table["unit"] = [row[3] for row in wanted]
    return table
