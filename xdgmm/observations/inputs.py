"""What users pass becomes `Observations`: Observations, tables, data frames, Quantity or arrays, with their errors."""

import warnings

import numpy as np

from xdgmm.errors import InputError, KindError, XdgmmWarning

from .observations import Observations


def as_observations(X, Xerr=None, sample_weight=None):
    """`Observations` from whatever holds values, with errors and weights where it does not hold its own.

    Raises
    ------
    InputError
        If something cannot be used, or errors or weights stand beside an X that holds its own.
    """
    if holds_errors(X):
        for name, given in (("Xerr", Xerr), ("sample_weight", sample_weight)):
            if given is not None:
                kind = type(X).__name__
                raise InputError(
                    f"`{name}` was given beside a {kind}, which holds its own; make Observations with all of them"
                )
        return X if isinstance(X, Observations) else Observations.from_table(X)
    names = frame_names(X)
    _check_order(names, frame_names(Xerr))
    _check_rows(X, Xerr)
    X, Xerr = _without_nulls(X), _without_nulls(Xerr)
    if Xerr is None:
        _warn_of_errors(names)
        return Observations.exact(X, sample_weight, names)
    if _shape(Xerr)[2:]:
        return Observations.with_covariances(X, Xerr, weights=sample_weight, names=names)
    return Observations.with_standard_errors(X, Xerr, sample_weight, names)


def holds_errors(X):
    """Does X come with its errors, as Observations and astropy tables do?"""
    return isinstance(X, Observations) or (hasattr(X, "colnames") and hasattr(X, "columns"))


def column_names(X, observations):
    """Names that somebody gave to the columns of X (D,), or None; `observations` is what became of it."""
    if not holds_errors(X):
        return frame_names(X)
    made_up = tuple(f"x{i + 1}" for i in range(observations.n_dimensions))
    return None if observations.names == made_up else observations.names


def frame_names(X):
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


def refuse_errors_as_labels(X, y):
    """Errors passed by position would land in `y`, which is ignored: refuse whatever looks like them.

    Raises
    ------
    KindError
        If y is a number, has several columns, stands beside what holds its errors or one row of values, or holds
        fractions beside one column.
    """
    if y is None:
        return
    shape = _shape(y)
    looks_like = shape == () or len(shape) > 1 or holds_errors(X)
    if not looks_like:
        columns = _shape(X)
        fractions = np.asarray(y).dtype.kind == "f"
        looks_like = len(columns) == 1 or (columns[1:] == (1,) and fractions)
    if looks_like:
        raise KindError("the second argument is y, which is ignored: pass errors as Xerr=")


def _shape(array):
    """Shape of an array, or of what becomes one."""
    shape = getattr(array, "shape", None)
    return np.asarray(array).shape if shape is None else tuple(shape)


def _is_frame(X):
    return hasattr(X, "columns") and hasattr(X, "to_numpy")


def _without_nulls(X):
    """A data frame whose nulls are objects (pandas' NA, None) as an array with NaN for them; anything else as it is."""
    if not (_is_frame(X) and hasattr(X, "isna")):
        return X
    values = X.to_numpy()
    return np.where(X.isna().to_numpy(), np.nan, values) if values.dtype.kind == "O" else values


def _warn_of_errors(names):
    """A data frame is an array with names: all its columns are fitted, those of errors too."""
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


def _check_rows(X, Xerr):
    """Pandas' objects of values and of errors with the same labels of rows must have them in the same order."""
    labels, error_labels = (getattr(each, "index", None) for each in (X, Xerr))
    if not (hasattr(labels, "equals") and hasattr(error_labels, "equals")) or labels.equals(error_labels):
        return
    if len(labels) == len(error_labels) and set(labels) == set(error_labels):
        raise InputError(
            "the rows of X and Xerr have the same labels in another order, but rows are taken as they stand; put both "
            "in the same order: Xerr.loc[X.index]"
        )


def _check_order(names, error_names):
    """Frames of values and of errors with the same column names must have them in the same order."""
    if names and error_names and names != error_names and set(names) == set(error_names):
        raise InputError(
            f"the columns of X are {', '.join(names)}, but those of Xerr are {', '.join(error_names)}; put both in the "
            "same order"
        )
