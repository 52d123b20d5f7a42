"""`Observations` from what users pass: Observations, tables, data frames, Quantity or arrays, and their errors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_numpy
from xdgmm.basics.parameters import check_names
from xdgmm.errors import InputError, KindError, XdgmmWarning

from .observations import Observations
from .streamed import ObservationSource, StreamedObservations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from astropy.table import Table
    from narwhals.typing import IntoDataFrame
    from numpy.typing import ArrayLike

    Catalogue: TypeAlias = Observations | StreamedObservations | ObservationSource
    Measurements: TypeAlias = ArrayLike | Catalogue | Table | IntoDataFrame


def as_observations(
    X: Any,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: Sequence[str] | None = None,
) -> Observations:
    """`Observations` of values X with errors and weights; Observations and tables hold their own.

    Of a table, every column for which an error column is found, or those in `columns` if it has all of these.

    Raises
    ------
    InputError
        If an argument cannot be used, errors or weights are given together with an X that holds its own, or X is a
        catalogue that is read in parts.
    """
    if holds_errors(X):
        for name, argument in (("Xerr", Xerr), ("sample_weight", sample_weight)):
            if argument is not None:
                kind = type(X).__name__
                raise InputError(
                    f"`{name}` was given beside a {kind}, which holds its own; make Observations with all of them"
                )
        if isinstance(X, (ObservationSource, StreamedObservations)):
            raise InputError(
                "this needs all objects in memory, but X is a catalogue that is read in parts; give a random sample of "
                "it, `source.observations().sample`"
            )
        if isinstance(X, Observations):
            return X
        has_all = columns is not None and set(columns) <= set(X.colnames)
        return Observations.from_table(X, columns if has_all else None)
    X, Xerr = as_numpy(X, "X"), as_numpy(Xerr, "Xerr")
    names = frame_names(X)
    _check_order_of_columns(X, Xerr)
    _check_order_of_rows(X, Xerr)
    _refuse_variances(X, Xerr)
    X, Xerr = _with_nan(X), _with_nan(Xerr)
    if Xerr is None:
        _warn_of_errors(names)
        return Observations.exact(X, sample_weight, names)
    if _shape(Xerr)[2:]:
        return Observations.with_covariances(X, Xerr, weights=sample_weight, names=names)
    return Observations.with_standard_errors(X, Xerr, sample_weight, names)


def as_any_observations(
    X: Any, Xerr: ArrayLike | None = None, sample_weight: ArrayLike | None = None, executor: Any = None
) -> Observations | StreamedObservations:
    """As `as_observations`; of a catalogue that is read in parts, what it holds, for passes that an executor runs.

    Raises
    ------
    InputError
        As `as_observations`, or if errors or weights are given beside such a catalogue, or an executor beside data that
        it cannot read.
    """
    if executor is not None and not isinstance(X, ObservationSource):
        raise InputError(
            f"`executor` runs a fit on the workers of a Dask cluster, but X is a {type(X).__name__}; give a DaskSource"
        )
    if not isinstance(X, (ObservationSource, StreamedObservations)):
        return as_observations(X, Xerr, sample_weight)
    for name, argument in (("Xerr", Xerr), ("sample_weight", sample_weight)):
        if argument is not None:
            raise InputError(f"`{name}` was given beside a {type(X).__name__}; name columns of the catalogue instead")
    if isinstance(X, StreamedObservations):
        return X
    return X.observations() if executor is None else X.on(executor)


def holds_errors(X: Any) -> bool:
    """Does X hold its errors, as Observations, astropy tables and sources of streams do?"""
    return isinstance(X, (Observations, StreamedObservations, ObservationSource)) or (
        hasattr(X, "colnames") and hasattr(X, "columns")
    )


def column_names(X: Any, observations: Observations | StreamedObservations) -> tuple[str, ...] | None:
    """Names (D,) that the user gave to the columns of X, or None; `observations` are those made of X."""
    if not holds_errors(X):
        return frame_names(X)
    default = check_names(None, observations.n_dimensions)
    return None if observations.names == default else observations.names


def frame_names(X: Any) -> tuple[str, ...] | None:
    """Column names of a data frame (pandas, polars, ...), or None where there are none, or not all are strings.

    Raises
    ------
    KindError
        If some names are strings and others are not.
    """
    if not _is_frame(X):
        return None
    names = tuple(X.columns)
    strings = [isinstance(name, str) for name in names]
    if any(strings) and not all(strings):
        raise KindError(f"only some column names are strings: {', '.join(map(repr, names))}; make all of them strings")
    return names if names and all(strings) else None


def refuse_errors_as_labels(X: Any, y: Any) -> None:
    """Errors passed by position would become `y`, which is ignored: refuse a y that looks like errors.

    Raises
    ------
    KindError
        If y is a number or has several columns, if X holds its errors or is a single row, or if X is a single column
        and y holds fractions.
    """
    if y is None:
        return
    y = as_numpy(y, "y")
    shape = _shape(y)
    looks_like = shape == () or len(shape) > 1 or holds_errors(X)
    if not looks_like:
        columns = _shape(X)
        fractions = np.asarray(y).dtype.kind == "f"
        looks_like = len(columns) == 1 or (columns[1:] == (1,) and fractions)
    if looks_like:
        raise KindError("the second argument is y, which is ignored: pass errors as Xerr=")


def _shape(array: Any) -> tuple[int, ...]:
    """Shape of an array, or of a list that can become one."""
    shape = getattr(array, "shape", None)
    return np.asarray(array).shape if shape is None else tuple(shape)


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "to_numpy")


def _with_nan(X: Any) -> Any:
    """A data frame whose nulls are objects (pandas' NA, None) as an array with NaN for them; all else unchanged."""
    if not (_is_frame(X) and hasattr(X, "isna")):
        return X
    values = X.to_numpy()
    return np.where(X.isna().to_numpy(), np.nan, values) if values.dtype.kind == "O" else values


def _warn_of_errors(names: Sequence[str] | None) -> None:
    """Warn of columns of errors: all columns of a data frame are coordinates."""
    from xdgmm.tables.conventions import errors_among

    found = errors_among(names or ())
    if found:
        error, value = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        warnings.warn(
            f"column '{error}' is named like the errors of '{value}'{more}, but every column of a data frame counts as "
            "a coordinate; pass errors as Xerr=, or Observations.from_table(frame), which finds them",
            XdgmmWarning,
            stacklevel=4,
        )


def _refuse_variances(X: Any, Xerr: Any) -> None:
    """Columns of a frame of errors must not be named as variances or inverse variances."""
    from xdgmm.tables.conventions import kind_by_name
    from xdgmm.tables.table_types import NamedColumns

    names, error_names = _own_names(X), _own_names(Xerr)
    for name, error in zip(names or [""] * len(error_names), error_names, strict=False):
        kind = kind_by_name(NamedColumns((name, error), 0, str), error, name)
        if kind in ("var", "ivar"):
            what, root = ("variances", "sqrt") if kind == "var" else ("inverse variances", "1 / sqrt")
            raise InputError(
                f"by its name, '{error}' in Xerr holds {what}, but Xerr holds 1-sigma errors: pass {root} of it, or "
                "Observations.from_table(frame, ...), which converts; if the name is wrong, pass Xerr.to_numpy()"
            )


def _own_names(X: Any) -> Sequence[str]:
    """Names of the columns of a frame, or of the single one of a series, that are text; empty if there are none."""
    names = frame_names(X) if _is_frame(X) else (getattr(X, "name", None),)
    return [name for name in names or () if isinstance(name, str)]


def _check_order_of_rows(X: Any, Xerr: Any) -> None:
    """Values and errors of pandas with the same row labels must have them in the same order."""
    labels: Any = getattr(X, "index", None)
    error_labels: Any = getattr(Xerr, "index", None)
    if not (hasattr(labels, "equals") and hasattr(error_labels, "equals")) or labels.equals(error_labels):
        return
    if len(labels) == len(error_labels) and set(labels) == set(error_labels):
        raise InputError(
            "the rows of X and Xerr have the same labels in another order, but rows are matched by position; put both "
            "in the same order: Xerr.loc[X.index]"
        )


def _check_order_of_columns(X: Any, Xerr: Any) -> None:
    """Frames of values and of errors with the same column names must have them in the same order."""
    names, error_names = frame_names(X), frame_names(Xerr)
    if names and error_names and names != error_names and set(names) == set(error_names):
        raise InputError(
            f"the columns of X are {', '.join(names)}, but those of Xerr are {', '.join(error_names)}; put both in the "
            "same order"
        )
