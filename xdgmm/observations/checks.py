"""Checks of the arrays that make up observations: once, when these are made.

The constructors of `Observations` convert what users pass with `as_values` and, for errors, `as_standard_errors` or
`as_covariances`; `complete` then checks the parts together.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import (
    CHUNK,
    LARGEST,
    SMALLEST,
    as_dimensionless,
    as_floats,
    as_fractions,
    as_numpy,
    in_any_column,
    label,
    list_rows,
    too_large,
)
from xdgmm.basics.linalg import ROUNDING, rounded_correlations, with_scaled_correlations
from xdgmm.basics.parameters import check_names
from xdgmm.basics.units import check_units, common_unit, difference_unit
from xdgmm.errors import InputError
from xdgmm.kernels.threads import run_in_threads

from .spectra import warn_of_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.kernels import Noise

    from .observations import Observations

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Signs = NDArray[np.int8]
    Units = tuple[UnitBase | None, ...]

IN_ALL, LEFT_OUT = "in all, ", "without any value left out"  # beginning and end of the remark on empty rows
MEMBERSHIPS_ROUNDED = 1e-6  # by which those of an object may differ from 1: single precision, or six digits
CLEARLY_POSITIVE = 1e-12  # pivot of a correlation matrix; rounding of ten columns is smaller

_is_part = ContextVar("is_part", default=False)  # are observations made of a part of a catalogue?


def as_values(
    values: ArrayLike,
    names: str | Iterable[str] | None,
    units: str | UnitBase | Iterable[str | UnitBase | None] | None,
    projections: ArrayLike | None = None,
) -> tuple[Floats, tuple[str, ...], Units, Floats | None]:
    """Values (N, M), names and units of the coordinates (D), and projections, from what the user passed."""
    if projections is not None:
        projections = as_dimensionless(projections, "projections")
    values, own_unit = as_floats(values, "values", single_unit(values, units))
    values = _as_columns(values)
    if projections is None:
        n_dimensions, what = values.shape[1], "columns"
    else:
        _check_projection_shape(projections, values.shape)
        n_dimensions, what = projections.shape[-1], "coordinates"
    checked_names = check_names(names, n_dimensions, what)
    column_names = checked_names if names is not None and projections is None else None
    _check_finite(values, column_names)
    _check_spreads(values, column_names)
    return values, checked_names, check_units(own_unit if units is None else units, n_dimensions, what), projections


def as_standard_errors(standard_errors: ArrayLike, values: Floats, units: Units) -> Floats:
    """1-sigma errors (N, M) of the values; those that cannot be squared are infinite."""
    unit = difference_unit(common_unit(standard_errors, "standard_errors", units, "values"))
    errors, _ = as_floats(standard_errors, "standard_errors", unit)
    if errors.ndim == 1 and values.shape == (errors.size, 1):
        errors = errors[:, None]
    if errors.ndim == 0:
        errors = np.full(values.shape, float(errors))
    if errors.shape != values.shape:
        raise InputError(
            f"`standard_errors` has shape {errors.shape}, but `values` has shape {values.shape}; they must be equal"
        )
    invalid = invalid_errors(errors, np.isfinite(values))
    if invalid.any():
        raise InputError(
            f"`standard_errors` is negative or NaN for a value that is present in "
            f"{list_rows(np.flatnonzero(invalid.any(axis=1)))}; give its 1-sigma error, or NaN as its value"
            f"{question_if_exchanged(values, errors)}"
        )
    check_squares(errors, np.isfinite(values), "`standard_errors`")
    return too_large_as_infinite(errors)


def as_covariances(covariances: ArrayLike, values: Floats, units: Units) -> Floats:
    """Noise covariances (N, M, M) of the values (N, M); a variance may be infinite.

    Where only rounding to single precision makes a covariance indefinite, its correlations are corrected by that much.
    """
    unit = difference_unit(common_unit(covariances, "covariances", units, "values"))
    covariances, _ = as_floats(covariances, "covariances", None if unit is None else unit**2)
    N, M = values.shape
    if covariances.shape != (N, M, M):
        raise InputError(
            f"`covariances` has shape {covariances.shape}, but `values` has shape {values.shape}; "
            f"({N}, {M}, {M}) is needed"
        )
    original = covariances
    for start in _chunks_in_doubt(original, values):
        part = slice(start, start + CHUNK)
        factors = check_covariances(original[part], np.isfinite(values[part]), start)
        if (factors != 1.0).any():
            covariances = original.copy() if covariances is original else covariances
            covariances[part] = with_scaled_correlations(original[part], factors)
    return covariances


def as_limits(upper: ArrayLike | None, lower: ArrayLike | None, values: Floats) -> Signs | None:
    """-1 for upper limits, 1 for lower ones, 0 elsewhere (N, M), from masks; None without any limit."""
    if upper is None and lower is None:
        raise InputError("`upper` and `lower` are both missing; give a mask that is True where a value is a limit")
    masks = [_as_mask(mask, name, values.shape) for mask, name in ((upper, "upper"), (lower, "lower"))]
    both = masks[0] & masks[1]
    if both.any():
        raise InputError(
            f"`upper` and `lower` are both True in {_rows(both)}; a limit is one of the two, and a value between two "
            "limits is best given with an error"
        )
    any_limit = masks[0] | masks[1]
    empty = any_limit & ~np.isfinite(values)
    if empty.any():
        raise InputError(f"a limit has no value in {_rows(empty)}; give the limit in `values`, or no mask there")
    several = any_limit.sum(axis=1) > 1
    if several.any():
        raise InputError(
            f"two values or more are limits in {list_rows(np.flatnonzero(several))}, but one in each row is possible; "
            "make the less informative one NaN"
        )
    if not any_limit.any():
        return None
    return masks[1].astype(np.int8) - masks[0].astype(np.int8)


def _as_mask(mask: ArrayLike | None, name: str, shape: tuple[int, ...]) -> Bools:
    """A boolean mask (N, M)."""
    if mask is None:
        return np.zeros(shape, bool)
    array = np.asarray(as_numpy(mask, name))
    if array.dtype != bool:
        raise InputError(f"`{name}` is of type {array.dtype}, but a mask is boolean: True where a value is a limit")
    if isinstance(mask, np.ma.MaskedArray):
        array = array & ~np.ma.getmaskarray(mask)
    array = array[:, None] if array.ndim == 1 and shape == (array.size, 1) else array
    if array.shape != shape:
        raise InputError(f"`{name}` has shape {array.shape}, but `values` has shape {shape}; they must be equal")
    return array


def _rows(flags: Bools) -> str:
    return list_rows(np.flatnonzero(flags.any(axis=1)))


def check_errors_of_limits(standard_errors: Any, limits: Signs | None) -> None:
    """Refuse limits whose errors are negative or NaN, as tables often have them, with the way out."""
    given = as_numpy(getattr(standard_errors, "value", standard_errors), "standard_errors")
    errors = np.ma.filled(np.ma.asarray(given), np.nan)
    errors = errors[:, None] if errors.ndim == 1 and limits is not None and limits.shape[1] == 1 else errors
    if limits is None or errors.dtype.kind not in "fiu" or errors.shape not in ((), limits.shape):
        return
    invalid = (limits != 0) & ~(errors >= 0)
    if invalid.any():
        raise InputError(
            f"`standard_errors` is negative or NaN for a limit in {_rows(invalid)}; give 0 for a sharp limit, or how "
            "well the threshold is known"
        )


def check_no_correlated_limits(covariances: Floats, limits: Signs | None) -> None:
    """Refuse noise covariances (N, M, M) of a limit with the values beside it."""
    if limits is None:
        return
    beside = (limits != 0)[:, :, None] & ~np.eye(limits.shape[1], dtype=bool)
    correlated = (beside & (np.nan_to_num(covariances) != 0)).any(axis=1)
    if correlated.any():
        raise InputError(
            f"`covariances` relates a limit to the noise of another value in {_rows(correlated)}; a threshold has an "
            "error of its own: make these elements 0"
        )


def transformed_limits(matrix: Floats, values: Floats, limits: Signs) -> tuple[Floats, Signs | None]:
    """Values and limits of ``A w + b``: a result that needs a limit and another column is missing."""
    used = matrix != 0
    alone = used & (used.sum(axis=1) == 1)[:, None]
    needs = (limits != 0).astype(int) @ used.T.astype(int) > 0
    result = (limits @ (np.sign(matrix) * alone).T).astype(np.int8)
    values = np.where(needs & (result == 0), np.nan, values)
    several = (result != 0).sum(axis=1) > 1
    if several.any():
        raise InputError(
            f"`matrix` makes two limits of the one in {list_rows(np.flatnonzero(several))}, but one in each row is "
            "possible; let one row of `matrix` use that column"
        )
    return values, result if result.any() else None


def as_memberships(memberships: ArrayLike, observations: Observations) -> Floats:
    """Probabilities (N, S) that the objects belong to the components, from those or from one column (N,)."""
    if observations.projections is not None:
        raise InputError("`memberships` cannot be combined with projections; leave one of the two out")
    given = as_fractions(memberships, "memberships")
    if given.ndim == 1:
        given = np.column_stack([given, 1.0 - given])
    if given.ndim != 2 or len(given) != len(observations) or given.shape[1] == 0:
        raise InputError(
            f"`memberships` has shape {np.shape(memberships)}, but ({len(observations)}, K) is needed: a probability "
            "for each object and component"
        )
    used = observations.counts
    _check_probabilities(given, used)
    empty = np.flatnonzero(~(given[used] > 0).any(axis=0))
    if empty.size:
        raise InputError(
            f"`memberships` gives no object to component {empty[0]}; leave out this column, and fit a component less"
        )
    with np.errstate(invalid="ignore"):
        sums = given.sum(axis=1, keepdims=True)
        possible = ((given >= 0) & (given <= 1)).all(axis=1, keepdims=True) & (sums > 0)
    return np.where(possible, given / np.where(possible, sums, 1.0), 1.0 / given.shape[1])


def _check_probabilities(memberships: Floats, used: Bools) -> None:
    """Refuse what are no probabilities, or do not sum to 1, of rows that are used."""
    missing = np.flatnonzero(used & ~np.isfinite(memberships).all(axis=1))
    if missing.size:
        raise InputError(
            f"`memberships` is NaN or infinite in {list_rows(missing)}; give what is known of these objects without "
            "them (the fraction of each component), or leave these objects out"
        )
    wrong = np.flatnonzero(used & ((memberships < 0) | (memberships > 1)).any(axis=1))
    if wrong.size:
        raise InputError(
            f"`memberships` lies outside 0 to 1 in {list_rows(wrong)}; give probabilities (percentages divided by 100)"
        )
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(used & (np.abs(memberships.sum(axis=1) - 1.0) > MEMBERSHIPS_ROUNDED))
    if wrong.size:
        raise InputError(
            f"`memberships` of an object must sum to 1, but those of {list_rows(wrong)} do not; add a column for the "
            "objects that belong to no other component"
        )


def complete(
    values: Floats,
    noise_model: Noise,
    weights: ArrayLike | None,
    names: tuple[str, ...],
    units: Units,
    projections: Floats | None = None,
    limits: Signs | None = None,
) -> dict[str, Any]:
    """The fields of `Observations`: values of infinite error are missing, rows without any value are counted.

    Raises
    ------
    InputError
        If weights or projections cannot be used, or no object has a value and a weight.
    """
    infinite_columns = [np.isposinf(noise_model.variances_of(i)) for i in range(values.shape[1])]
    infinite = np.stack(infinite_columns, axis=1) & np.isfinite(values)
    if infinite.any():
        values = np.where(infinite, np.nan, values)
    if weights is not None:
        weights = check_weights(as_floats(weights, "weights")[0], len(values))
    present = np.isfinite(values)
    if not present.any() and infinite.any():
        refuse_nothing("each value that is present has an infinite error, so there is nothing to fit; check the errors")
    if not present.any():
        refuse_nothing("every value is missing (NaN or masked), so there is nothing to fit; check the columns")
    if projections is not None:
        projections = _without_unused(projections, present)
    empty = ~in_any_column(present)
    if weights is not None and not (~empty & (weights > 0)).any():
        refuse_nothing("no object has both a value and a weight above zero, so there is nothing to fit")
    if weights is not None and projections is None:
        warn_of_spectrum(values, weights, names)
    return {
        "values": values,
        "noise_model": noise_model,
        "weights": weights,
        "names": names,
        "units": units,
        "remarks": _remarks(int(infinite.sum()), int(empty.sum())),
        "projections": projections,
        "limits": None if limits is None else np.where(present, limits, np.int8(0)),
    }


def refuse_nothing(sentence: str) -> None:
    """Refuse observations of which none can be used, unless they are a part of a catalogue.

    Raises
    ------
    InputError
        The sentence.
    """
    if not _is_part.get():
        raise InputError(sentence)


@contextmanager
def part_of_catalogue() -> Iterator[None]:
    """Observations that are made meanwhile in this thread may be without any value: other parts have some."""
    before = _is_part.set(True)
    try:
        yield
    finally:
        _is_part.reset(before)


def check_columns_present(values: Floats, names: Sequence[str]) -> None:
    """Every column must have a value somewhere, or nothing can be inferred about it."""
    present = np.zeros(values.shape[1:], bool)
    for start in range(0, len(values), CHUNK):
        present |= np.isfinite(values[start : start + CHUNK]).any(axis=0)
        if present.all():
            break
    present = np.atleast_1d(present)
    if not present.all():
        empty = ", ".join(name for name, any_present in zip(names, present, strict=True) if not any_present)
        raise InputError(
            f"every value of {empty} is missing (NaN or masked) or has an infinite error; leave that column out"
        )


def check_weights(weights: Floats, n_objects: int, name: str = "weights") -> Floats:
    """Object weights (N,): finite, not negative, not all zero; `name` is what messages call them."""
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    name = label(name)
    if weights.shape != (n_objects,):
        raise InputError(f"{name} has shape {weights.shape}, but one weight per object is needed: ({n_objects},)")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        raise InputError(
            f"{name} is negative or not finite in {list_rows(np.flatnonzero(bad))}; use 0 to leave an object out"
        )
    if not weights.any():
        refuse_nothing(f"{name} is zero for every object, so there is nothing to fit; give some a weight")
        return weights
    if not SMALLEST <= weights.max() <= LARGEST:
        raise InputError(
            f"the largest of {name} is {weights.max():.3g}, but it must lie between {SMALLEST:g} and {LARGEST:g}; "
            "divide all by it"
        )
    return weights


def check_squares(standard_errors: Floats, present: Bools, name: str) -> None:
    """Refuse errors of values that are present whose squares are too small for a float; zero is an exact value."""
    lost = present & (standard_errors > 0) & (standard_errors < SMALLEST)
    if lost.any():
        rows = np.flatnonzero(lost.reshape(len(lost), -1).any(axis=1))
        raise InputError(
            f"{name} is below {SMALLEST:g} in {list_rows(rows)}, so that its square is lost; give values and errors in "
            "a smaller unit, or 0 for values without error"
        )


def invalid_errors(standard_errors: Floats, present: Bools) -> Bools:
    """Where a value that is present has an error that is negative or NaN."""
    return present & ~(standard_errors >= 0)


def question_if_exchanged(values: Floats, errors: Floats) -> str:
    """A question for the message on negative errors of values that are all positive; otherwise nothing."""
    exchanged = (values[np.isfinite(values)] > 0).all() and (errors < 0).any()
    return "; all values are positive and some errors negative: are the two exchanged?" if exchanged else ""


def too_large_as_infinite(standard_errors: Floats) -> Floats:
    """The errors, with infinity for those that cannot be squared."""
    beyond = standard_errors > LARGEST
    return np.where(beyond, np.inf, standard_errors) if beyond.any() else standard_errors


def single_unit(values: Any, units: Any) -> Any:
    """The one unit to which values that have a unit are converted; None to keep their own."""
    if getattr(values, "unit", None) is None or units is None:
        return None
    units = list(units) if isinstance(units, (list, tuple)) else [units]
    if len(set(units)) > 1:
        raise InputError("values with a unit have that one unit in every column; give one for all in `units`, or none")
    return units[0]


def _as_columns(values: Floats) -> Floats:
    """Values as (N, M); a one-dimensional array is one column."""
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise InputError(f"`values` has shape {values.shape}, but one row per object is needed: (N,) or (N, D)")
    if values.shape[1] == 0 < values.shape[0]:
        raise InputError(f"`values` is empty: 0 feature(s) (shape={values.shape}) while a minimum of 1 is required.")
    if values.shape[0] == 0:
        raise InputError(f"`values` is empty (shape {values.shape}); give at least one row and one column")
    return values


def _check_finite(values: Floats, names: Sequence[str] | None) -> None:
    """Refuse infinite values, and values that cannot be squared, of the first such column where columns have names."""
    large = np.abs(values) > LARGEST
    if not large.any():
        return
    name, rows = "`values`", large.any(axis=1)
    if names is not None:
        i = np.flatnonzero(large.any(axis=0))[0]
        name, rows, values = f"column '{names[i]}'", large[:, i], values[:, i]
    what = f"{name} is {too_large(values)} in {list_rows(np.flatnonzero(rows))}"
    raise InputError(f"{what}; use NaN or a mask for missing values")


def _check_spreads(values: Floats, names: Sequence[str] | None) -> None:
    """Refuse columns whose values differ, but by so little that the square of it is too small for a float."""
    with np.errstate(invalid="ignore"):
        first = values[:CHUNK]
        if (np.fmax.reduce(first, axis=0) - np.fmin.reduce(first, axis=0) >= SMALLEST).all():
            return
        spreads = np.fmax.reduce(values, axis=0, initial=-np.inf) - np.fmin.reduce(values, axis=0, initial=np.inf)
    lost = np.flatnonzero((spreads > 0) & (spreads < SMALLEST))
    if lost.size:
        name = "a column of `values`" if names is None else f"column '{names[lost[0]]}'"
        raise InputError(
            f"the values of {name} differ by less than {SMALLEST:g}, so that their variance is lost; give them in a "
            "smaller unit"
        )


def _chunks_in_doubt(covariances: Floats, values: Floats) -> Iterator[int]:
    """First rows of the chunks whose covariances are not plainly valid; all chunks are examined in threads."""
    starts = range(0, len(values), CHUNK)
    plain = np.zeros(len(starts), bool)

    def task(first: int, last: int) -> None:
        for i in range(first, last):
            part = slice(starts[i], starts[i] + CHUNK)
            plain[i] = plainly_valid(covariances[part], np.isfinite(values[part]))

    run_in_threads(task, len(starts), 10.0 * covariances.size)
    yield from (start for start, is_plain in zip(starts, plain, strict=True) if not is_plain)


def plainly_valid(covariances: Floats, present: Bools) -> bool:
    """Are all covariances finite, symmetric and clearly positive definite?  Their correlations are eliminated.

    Several times as fast as `check_covariances`, which finds the rows where something is wrong.
    """
    M = present.shape[1]
    if not present.all():
        covariances = np.where(present[:, :, None] & present[:, None, :], covariances, np.eye(M))
    C = np.ascontiguousarray(covariances.transpose(1, 2, 0))  # arithmetic on contiguous elements of all objects
    variances = C[range(M), range(M)]
    if not (variances > SMALLEST**2).all():
        return False
    with np.errstate(all="ignore"):
        to_unity = 1.0 / np.sqrt(variances)
        L = np.zeros_like(C)
        for i in range(M):
            for j in range(i):
                scale = to_unity[i] * to_unity[j]
                if not (np.abs(C[i, j] - C[j, i]) * scale <= ROUNDING).all():
                    return False
                L[i, j] = (C[i, j] * scale - (L[i, :j] * L[j, :j]).sum(axis=0)) / L[j, j]
            pivots = 1.0 - (L[i, :i] ** 2).sum(axis=0)
            if not (pivots > CLEARLY_POSITIVE).all():
                return False
            L[i, i] = np.sqrt(pivots)
    return True


def check_covariances(covariances: Floats, present: Bools, first_row: int) -> Floats:
    """Covariances of values that are present, with finite variances, must be symmetric and positive semi-definite.

    Returns the factors (N,) by which `rounded_correlations` corrects rounding.
    """
    present = present & ~np.isposinf(np.diagonal(covariances, axis1=1, axis2=2))
    both = present[:, :, None] & present[:, None, :]
    C = np.where(both, covariances, np.eye(present.shape[1]))
    _raise_where(~np.isfinite(C).all(axis=(1, 2)), "NaN or infinite for a value that is present", first_row)
    variances = np.diagonal(C, axis1=1, axis2=2)
    lost = ((variances > 0) & (variances < SMALLEST**2)).any(axis=1)
    if lost.any():
        raise InputError(
            f"`covariances` has a variance below {SMALLEST**2:g} in {list_rows(first_row + np.flatnonzero(lost))}; "
            "give values and covariances in a smaller unit, or 0 for values without error"
        )
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))
    exact = (variances == 0)[:, :, None] & ~np.eye(C.shape[1], dtype=bool)
    _raise_where((exact & (C != 0)).any(axis=(1, 2)), "not positive semi-definite", first_row)
    C = C / scale[:, :, None] / scale[:, None, :]
    _raise_where((np.abs(C - C.transpose(0, 2, 1)) > ROUNDING).any(axis=(1, 2)), "not symmetric", first_row)
    factors, indefinite = rounded_correlations(C)
    _raise_where(indefinite, "not positive semi-definite", first_row)
    return factors


def _raise_where(bad: Any, what: str, first_row: int) -> None:
    if bad.any():
        raise InputError(
            f"`covariances` is {what} in {list_rows(first_row + np.flatnonzero(bad))}; "
            "give a symmetric matrix without negative eigenvalues (variances, not 1-sigma errors, on its diagonal)"
        )


def _check_projection_shape(projections: Floats, shape: tuple[int, ...]) -> None:
    """Projections (M, D) or (N, M, D) of values of shape (N, M)."""
    axes = projections.ndim
    if axes not in (2, 3) or projections.shape[:-1] != shape[3 - axes :] or projections.shape[-1] == 0:
        raise InputError(
            f"`projections` has shape {projections.shape}, but `values` has shape {shape}; ({shape[1]}, D) for all "
            f"objects or ({shape[0]}, {shape[1]}, D) is needed"
        )


def _without_unused(projections: Floats, present: Bools) -> Floats:
    """The projections, with zeros for rows of missing values that are not finite.

    Raises
    ------
    InputError
        If the row of a value that is present is not finite, or all rows of an object are zero (objects are listed).
    """
    flags = []
    for start in range(0, len(present), CHUNK):
        part = slice(start, start + CHUNK)
        flags.append(_projection_flags(projections if projections.ndim == 2 else projections[part], present[part]))
    unknown, zero, unused = np.concatenate(flags, axis=1)
    if unknown.any():
        raise InputError(
            f"`projections` is NaN or infinite for a value that is present in {list_rows(np.flatnonzero(unknown))}; "
            "give finite numbers, or NaN as its value"
        )
    if zero.any():
        raise InputError(
            f"`projections` is zero for every value that is present in {list_rows(np.flatnonzero(zero))}, so that "
            "nothing is measured there; leave such objects out"
        )
    return np.nan_to_num(projections, nan=0.0, posinf=0.0, neginf=0.0) if unused.any() else projections


def _projection_flags(R: Floats, present: Bools) -> Bools:
    """Of each object (3, N): a present value's row is not finite; all those rows are zero; any row is not finite."""
    finite = np.broadcast_to(np.isfinite(R).all(axis=-1), present.shape)
    measures = present & (R != 0).any(axis=-1)
    return np.array(
        [(present & ~finite).any(axis=1), present.any(axis=1) & ~measures.any(axis=1), ~finite.all(axis=1)],
    )


def _remarks(n_infinite: int, n_empty: int) -> tuple[str, ...]:
    """One sentence on values of infinite error, and one on rows without any value, where there are some."""
    sentences = []
    if n_infinite:
        values, count = ("value", "counts") if n_infinite == 1 else ("values", "count")
        sentences.append(f"{n_infinite} {values} with an infinite error {count} as missing")
    if n_empty:
        in_all = IN_ALL if n_infinite else ""
        sentences.append(f"{in_all}{n_empty} row{'s' if n_empty > 1 else ''} {LEFT_OUT}")
    return tuple(sentences)
