"""Errors that are a function of the true value: the likelihood of each object, as a mixture of Gaussians.

As a function of the true value v, ``N(w | v, e(v)^2)`` is no Gaussian.  It is interpolated by Gaussians on a grid whose
spacing follows e(v), each as wide as the spacing: sums of such Gaussians represent a constant to 1e-8, and what is
smooth over some spacings nearly as well (Maz'ya & Schmidt 2007, *Approximate Approximations*, ch. 2).  The grid is the
same for all objects; each keeps the Gaussians that matter to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats, list_rows
from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError
from xdgmm.kernels import Independent, LikelihoodMixture

from . import checks
from .rows_of_columns import RowsOfColumn, product

if TYPE_CHECKING:
    from typing import TypeAlias

    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    ErrorFunction: TypeAlias = Callable[[Floats], ArrayLike]

FAR = 6.0  # errors between a value and a true value, beyond which these do not belong together
BEYOND, FALL = 6.0, 2.5  # errors within which, and by which, likelihoods that do not end there fall to zero
JUMP = 3.0  # factor between errors at neighbouring points of the widest grid, above which no grid serves
HOPELESS = 100.0  # least accuracies: worse likelihoods that two finer grids do not halve are given up
NEAR_ZERO = 0.1  # of the median value
SPACINGS = (0.4, 0.33, 0.27, 0.22, 0.18, 0.14, 0.1, 0.07)  # of the grid, in errors: the first that is accurate serves
ACCURATE, LEAST_ACCURATE = 1e-6, 1e-4  # error of a likelihood, relative to its largest value
SMALLEST = 1e-9  # of the largest weight of an object: smaller ones are left out
MOST_POINTS = 5000
NEEDED = "give a callable, or a fraction such as 0.25"
CHECKED = 200  # objects whose likelihoods are compared
AT_ONCE = 20_000  # objects
MOST_COLUMNS = 2


def from_error_functions(
    values: Floats, errors: Any, between: Any, names: tuple[str, ...], units: tuple[UnitBase | None, ...]
) -> tuple[Floats, LikelihoodMixture, list[str]]:
    """Values, noise and remarks from the arguments of `Observations.with_error_function`."""
    M = values.shape[1]
    _check_kind(errors, M)
    given = [errors] if M == 1 and not isinstance(errors, (list, tuple)) else errors
    if not isinstance(given, (list, tuple)) or len(given) != M:
        raise InputError(
            f"`errors` must be a list with a function, a fraction or an array of errors for each of the {M} columns"
        )
    following = [callable(each) or isinstance(each, Real) for each in given]
    if not 0 < sum(following) <= MOST_COLUMNS:
        raise InputError(
            f"`errors` holds functions or fractions for {sum(following)} columns, but one or two are needed; give the "
            "others their 1-sigma errors as arrays, or use `with_standard_errors`"
        )
    ranges = _ranges(between, M)
    columns, remarks, own = [], [], np.zeros(values.shape)
    for i, each in enumerate(given):
        column = values[:, i]
        if not following[i]:
            unit = (units[i],)
            own[:, i] = _plain_errors(each, column, unit)
            columns.append(RowsOfColumn.gaussian(own[:, i]))
            continue
        function = _in_unit(each, names[i], units[i]) if callable(each) else _proportional(float(each))
        if not callable(each) and ranges[i] is None:
            _check_signs(column, names[i], float(each))
        try:
            likelihoods = Likelihoods.on_grid(column[np.isfinite(column)], function, names[i], ranges[i])
        except InputError:
            if not callable(each) and ranges[i] is None:
                _check_near_zero(column, names[i], float(each))
            raise
        columns.append(likelihoods.rows(column))
        own[:, i] = likelihoods.errors(column)
        remarks.append(likelihoods.remark)
    starts, weights, shifts, standard_errors = product(columns)
    noise = LikelihoodMixture(starts, weights, shifts, Independent(standard_errors), errors=Independent(own))
    return values, noise, remarks


def _check_kind(errors: Any, M: int) -> None:
    """Refuse what is neither a function, a fraction nor an array of errors."""
    for each in errors if isinstance(errors, (list, tuple)) else [errors]:
        if callable(each) or (isinstance(each, Real) and not isinstance(each, (bool, np.bool_))):
            continue
        if M == 1 or isinstance(each, (str, bool, np.bool_, dict, type(None))) or np.ndim(each) == 0:
            arrays = "" if M == 1 else " (an array of 1-sigma errors for other columns)"
            fixed = "; errors that are known for each object belong to `with_standard_errors`" if np.ndim(each) else ""
            raise InputError(f"`errors` is {_shown(each)}; {NEEDED}{arrays}{fixed}")


def _shown(given: Any) -> str:
    return f"an array of shape {np.shape(given)}" if np.ndim(given) else repr(given)


def _check_signs(column: Floats, name: str, fraction: float) -> None:
    """Refuse values on the other side of zero than most: an error that is a fraction is zero there."""
    sign = np.sign(np.nanmedian(column))
    wrong = np.isfinite(column) & ((sign * column <= 0) if sign else True)
    if wrong.any():
        raise _at_zero(
            f"{'zero or below' if sign >= 0 else 'zero or above'} in {list_rows(np.flatnonzero(wrong))}", name, fraction
        )


def _check_near_zero(column: Floats, name: str, fraction: float) -> None:
    """Say that a value near zero is the cause, if there is one."""
    row = int(np.nanargmin(np.abs(column)))
    if abs(column[row]) < NEAR_ZERO * np.nanmedian(np.abs(column)):
        raise _at_zero(f"{column[row]:.4g}, near zero, in row {row}", name, fraction) from None


def _at_zero(where: str, name: str, fraction: float) -> InputError:
    return InputError(
        f"the value of {name} is {where}, but an error that is a fraction of the true value is zero at zero; give the "
        "range of possible true values, `between=(low, high)`, or a function with a least error, such as "
        f"`lambda v: np.hypot(floor, {fraction:g} * v)`"
    )


def _plain_errors(given: ArrayLike, column: Floats, units: tuple[UnitBase | None]) -> Floats:
    if isinstance(given, (str, type(None))) or np.ndim(given) == 0:
        raise InputError("`errors` of a column must be a function, a fraction, or an array with one error per object")
    errors = checks.as_standard_errors(given, column[:, None], units)[:, 0]
    if np.isinf(errors[np.isfinite(column)]).any():
        raise InputError("`errors` of a column beside one with a function is infinite; give NaN as its value")
    return np.where(np.isfinite(column), errors, 0.0)


def _ranges(between: Any, M: int) -> list[Any]:
    """The range of true values of each column; None where it follows from the values."""
    if between is None:
        return [None] * M
    listed = isinstance(between, (list, tuple, np.ndarray))
    pairs = [between] if M == 1 and listed and len(between) == 2 and np.ndim(between[0]) == 0 else between
    if not listed or len(pairs) != M:
        raise InputError(f"`between` must hold a pair (low, high), or None, for each of the {M} columns")
    for pair in pairs:
        if pair is not None and not _is_range(pair):
            raise InputError(f"`between` is {pair!r}, but a pair (low, high) of finite numbers is needed")
    return pairs


def _is_range(pair: Any) -> bool:
    try:
        low, high = (float(end) for end in pair)
    except (TypeError, ValueError):
        return False
    return -np.inf < low < high < np.inf


def _in_unit(function: ErrorFunction, name: str, unit: UnitBase | None) -> ErrorFunction:
    """The function with plain numbers, also where it returns a Quantity."""
    own = difference_unit(unit)

    def errors(v: Floats) -> Floats:
        try:
            given = function(v.copy())
        except Exception as error:
            raise InputError(f"the error function of {name} raised {type(error).__name__}: {error}") from error
        return as_floats(given, f"the error of {name} at true values", own)[0]

    return errors


def _proportional(fraction: float) -> ErrorFunction:
    if not 0.0 < fraction < 1.0:
        raise InputError(f"`errors` is {fraction:g}, but a fraction of the true value lies between 0 and 1")
    return lambda v: fraction * np.abs(v)


@dataclass(frozen=True, eq=False)
class _Checked:
    """An error function whose results are checked."""

    function: ErrorFunction
    name: str

    def __call__(self, v: Floats) -> Floats:
        errors = np.asarray(self.function(v), dtype=float)
        if errors.shape != v.shape:
            raise InputError(
                f"the error function of {self.name} returned shape {errors.shape} for true values of shape {v.shape}; "
                "it must return one error for each"
            )
        bad = ~(np.isfinite(errors) & (errors > 0))
        if bad.any():
            raise InputError(
                f"the error function of {self.name} is {errors[bad][0]:.3g} at the true value {v[bad][0]:.6g}, but it "
                "must be positive and finite; give the range of possible true values: `between=(low, high)`"
            )
        return errors


@dataclass(frozen=True, eq=False)
class Likelihoods:
    """Likelihoods of one column on a grid of true values.

    Attributes
    ----------
    function : callable
        Error at true values (n,): (n,).
    name : str
        Of the column.
    low, high : float
        Range of the true values; beyond it likelihoods fall to zero.
    grid, sigmas : ndarray (G,)
        Means and standard deviations of the Gaussians.
    """

    function: _Checked
    name: str
    low: float
    high: float
    grid: Floats
    sigmas: Floats

    @classmethod
    def on_grid(cls, values: Floats, function: ErrorFunction, name: str, between: Any) -> Likelihoods:
        """On the widest grid that is accurate.

        Raises
        ------
        InputError
            If the function is not positive, or changes too much within one error.
        """
        checked = _Checked(function, name)
        some = np.quantile(values, np.linspace(0.0, 1.0, min(CHECKED, values.size)))
        history: list[float] = []
        for spacing, finer in zip(SPACINGS, (*SPACINGS[1:], 0.0), strict=True):
            found = cls._with_spacing(values, checked, between, spacing)
            if not history:
                found.check_jumps()
            error = found.error(some)
            if error < ACCURATE:
                return found
            history.append(error)
            stuck = len(history) > 2 and error > max(0.5 * history[-3], HOPELESS * LEAST_ACCURATE)
            if stuck or found.grid.size * spacing > MOST_POINTS * finer:
                break
        if error > LEAST_ACCURATE:
            raise InputError(
                f"the error function of {name} changes too much within one error (its likelihoods are wrong by "
                f"{error:.1e} of their largest value); give a smoother function, or a narrower range `between`"
            )
        return found

    @classmethod
    def _with_spacing(cls, values: Floats, function: _Checked, between: Any, spacing: float) -> Likelihoods:
        lowest, highest = (values.min(), values.max()) if between is None else between
        middle = float(np.clip(np.median(values), lowest, highest))
        ends, beyond = [], int(BEYOND / spacing)
        grid = [np.array([middle])]
        for sign, farthest in ((-1.0, float(lowest)), (1.0, float(highest))):
            points, n_inside = _walk(function, middle, sign * spacing, farthest, beyond, given=between is not None)
            ends.append(farthest if between is not None else points[n_inside - 1])
            grid.append(points)
        below, above = grid[1][::-1], grid[2]
        points = np.concatenate([below, grid[0], above])
        if points.size > MOST_POINTS:
            raise _too_many(function.name)
        return cls(function, function.name, ends[0], ends[1], points, np.gradient(points))

    def check_jumps(self) -> None:
        """Refuse a function that jumps between neighbouring points of a grid in the range."""
        inside = self.grid[(self.grid >= self.low) & (self.grid <= self.high)]
        errors = self.function(inside)
        steps = np.abs(np.diff(np.log(errors)))
        if steps.size and steps.max() > np.log(JUMP):
            i = int(np.argmax(steps))
            raise InputError(
                f"the error function of {self.name} changes too much within one error: it is {errors[i]:.3g} at the "
                f"true value {inside[i]:.6g} and {errors[i + 1]:.3g} at {inside[i + 1]:.6g}; give a smoother function, "
                "or a narrower range `between`"
            )

    def at(self, v: Floats, values: Floats) -> Floats:
        """Likelihoods (n, G) of values (n,) at true values (G,), falling to zero outside the range."""
        errors = self.function(v)
        outside = np.maximum(np.maximum(v - self.high, self.low - v), 0.0) / errors
        z = (values[:, None] - v) / errors
        return np.asarray(np.exp(-0.5 * z**2 - (outside / FALL) ** 4) / (errors * np.sqrt(2.0 * np.pi)))

    def weights(self, values: Floats) -> Floats:
        """Weights (n, G) of the Gaussians, whose sum is the likelihood of each value (n,)."""
        weights = np.linalg.solve(self._gaussians(self.grid), self.at(self.grid, values).T).T
        return np.asarray(np.where(weights > SMALLEST * weights.max(axis=1, keepdims=True), weights, 0.0))

    def _gaussians(self, v: Floats) -> Floats:
        z = (v[:, None] - self.grid) / self.sigmas
        return np.asarray(np.exp(-0.5 * z**2) / (self.sigmas * np.sqrt(2.0 * np.pi)))

    def error(self, values: Floats) -> float:
        """Largest error of the likelihoods of some values (n,) in the range, relative to the largest of each."""
        between = np.linspace(self.low, self.high, 4 * self.grid.size)
        exact = self.at(between, values)
        found = self.weights(values) @ self._gaussians(between).T
        return float((np.abs(found - exact).max(axis=1) / exact.max(axis=1)).max())

    def rows(self, column: Floats) -> RowsOfColumn:
        """The Gaussians of each value of a column (N,); one of a missing value."""
        self.check_range(column)
        sizes, arrays = np.ones(column.size, int), []
        for start in range(0, column.size, AT_ONCE):
            part = column[start : start + AT_ONCE]
            present = np.isfinite(part)
            weights = np.zeros((part.size, self.grid.size))
            weights[present] = self.weights(part[present])
            weights[~present, 0] = 1.0
            owners, places = np.nonzero(weights)
            sizes[start : start + AT_ONCE] = np.bincount(owners, minlength=part.size)
            of_rows = weights[owners, places] / weights.sum(axis=1)[owners]
            shifts = np.where(present[owners], np.nan_to_num(part)[owners] - self.grid[places], 0.0)
            arrays.append((of_rows, shifts, np.where(present[owners], self.sigmas[places], 0.0)))
        return RowsOfColumn(sizes, *map(np.concatenate, zip(*arrays, strict=True)))

    def check_range(self, column: Floats) -> None:
        """Refuse values too far from all true values, and a range outside which most likelihoods have their peaks.

        Those of a few values near zero or below may have none in the range: their true values lie at its end or far in.
        """
        beyond = np.maximum(self.low - column, column - self.high) / np.maximum(self.errors(column), 1e-300)
        possible = self.grid[(self.grid >= self.low) & (self.grid <= self.high)]
        errors, outside = self.function(possible), np.flatnonzero(beyond > FALL)
        if 2 * outside.size > np.isfinite(column).sum():
            self._refuse_rows(outside, FALL)
        nearest = np.array([(np.abs(column[i] - possible) / errors).min() for i in outside])
        if (nearest > FAR).any():
            self._refuse_rows(outside[nearest > FAR], FAR)

    def _refuse_rows(self, rows: NDArray[np.intp], n_errors: float) -> None:
        raise InputError(
            f"the value of {self.name} is more than {n_errors:g} errors outside the range `between` of true values in "
            f"{list_rows(rows)}, so that its likelihood has no peak in the range; widen it, or leave it out"
        )

    def errors(self, column: Floats) -> Floats:
        """Errors of the values of a column (N,) themselves, or of the nearest possible true ones; 0 where missing."""
        present, result = np.isfinite(column), np.zeros(column.size)
        result[present] = self.function(np.clip(column[present], self.low, self.high))
        return result

    @property
    def remark(self) -> str:
        """What was assumed."""
        return (
            f"errors of {self.name} follow its true value, which lies between {self.low:.4g} and {self.high:.4g}; "
            "likelihoods have a factor that depends on the value only"
        )


def _walk(
    function: _Checked, middle: float, step: float, farthest: float, n_beyond: int, *, given: bool
) -> tuple[Floats, int]:
    """Points of the grid on one side of its middle, and how many of them lie in the range of the true values."""
    at_farthest = float(function(np.array([farthest]))[0])
    sign, points, place, n_inside = np.sign(step), [], middle, None
    while n_inside is None or len(points) < n_inside + n_beyond:
        half = place + 0.5 * step * float(function(np.array([place]))[0])
        place = place + step * float(function(np.array([half]))[0])
        points.append(place)
        if n_inside is None:
            outside = sign * (place - farthest)
            error = float(function(np.array([place]))[0])
            if outside > 0 and (given or outside > FAR * min(error, at_farthest)):
                n_inside = len(points)
        if len(points) > MOST_POINTS:
            raise _too_many(function.name)
    return np.array(points), n_inside


def _too_many(name: str) -> InputError:
    return InputError(
        f"the likelihoods of {name} need more than {MOST_POINTS} points on a grid, since the error function is small "
        "beside the range of the values; give a range `between`, or take the errors as fixed"
    )
