"""Further columns and names of objects, from arrays, or from the table that the observations came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats
from xdgmm.errors import InputError, KindError, NotFittedError
from xdgmm.fitting import FitResult
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations, ObservationSource, StreamedObservations
from xdgmm.tables.columns import find_column, read_column
from xdgmm.tables.identifiers import identifiers
from xdgmm.tables.table_types import NamedColumns, named_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xdgmm.fitting import Model

    Floats = NDArray[np.float64]


def mixture_and_model(fitted: Any, model: Model | None = None) -> tuple[GaussianMixture, Model | None]:
    """Mixture and model of an estimator, of a fit's result, or of a bare mixture, whose model may be given.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    KindError
        If it is none of these.
    """
    found = getattr(fitted, "result_", fitted)
    if isinstance(found, FitResult):
        return found.mixture, found.model
    if isinstance(found, GaussianMixture):
        return found, model
    if hasattr(fitted, "fit"):
        raise NotFittedError("`model` is not fitted yet; call fit(X, Xerr=...) first")
    raise KindError(
        f"`model` is of type {type(fitted).__name__}, but it must be a fitted XDGMM, a FitResult or a mixture"
    )


def check_observations(observations: Any) -> None:
    """Refuse anything but Observations in memory.

    Raises
    ------
    InputError
        If these are observations that are read in parts.
    KindError
        If they are something else.
    """
    if isinstance(observations, (StreamedObservations, ObservationSource)):
        raise InputError(
            "this needs all objects in memory, but the catalogue is read in parts; give a random sample of it, "
            "`source.observations().sample`"
        )
    if not isinstance(observations, Observations):
        raise KindError(
            f"`observations` is of type {type(observations).__name__}, but Observations belong there; make them with "
            "Observations.from_table(table, columns) or Observations.with_standard_errors(values, errors)"
        )


def further_columns(against: Mapping[str, Any] | None, observations: Observations) -> dict[str, Floats]:
    """Arrays (N,) by their names, NaN where missing.

    Raises
    ------
    InputError
        If there are no names, an array has the wrong shape, holds no numbers, or only one of them, or it is a column of
        the observations themselves, of which the residuals are made.
    """
    n_rows = len(observations)
    if against is None:
        return {}
    if not isinstance(against, Mapping):
        raise InputError(f"`against` is a {type(against).__name__}, but it must hold columns by their names, as a dict")
    result = {}
    for name, column in against.items():
        values, _ = as_floats(column, f"column '{name}' of `against`")
        if values.shape != (n_rows,):
            raise InputError(
                f"column '{name}' of `against` has shape {values.shape}, but ({n_rows},) is needed: one number for "
                "each row"
            )
        known = values[~np.isnan(values)]
        if known.size == 0 or known.min() == known.max():
            what = "no number" if known.size == 0 else "the same number in every row"
            raise InputError(f"column '{name}' of `against` holds {what}, so that nothing can change along it")
        if any(np.array_equal(values, measured, equal_nan=True) for measured in observations.values.T):
            raise InputError(
                f"column '{name}' of `against` holds values that were fitted, with which their residuals rise in any "
                "model; name other columns"
            )
        result[str(name)] = values
    return result


def columns_of_table(against: Any, X: Any) -> dict[str, Any] | None:
    """What `against` names in the table X, or holds itself: columns by their names.

    Raises
    ------
    InputError
        If X has no such column, or is no table.
    """
    if against is None or isinstance(against, Mapping):
        return None if against is None else dict(against)
    if isinstance(against, (list, tuple)) and not against:
        return None
    if isinstance(against, str):
        return _named([against], X)
    if isinstance(against, (list, tuple)) and against and all(isinstance(each, str) for each in against):
        return _named(against, X)
    arrays = list(against) if isinstance(against, (list, tuple)) and np.ndim(against[0]) == 1 else [against]
    names = [getattr(each, "name", None) for each in arrays]
    if len(arrays) == 1:
        return {str(names[0] or "the column"): arrays[0]}
    return {str(name or f"column {i + 1}"): each for i, (name, each) in enumerate(zip(names, arrays, strict=True))}


def _named(names: Iterable[str], X: Any) -> dict[str, Any]:
    if not _is_table(X):
        raise InputError(
            "`against` names a column, but X is no table that has it; give the numbers: against={'magnitude': m}"
        )
    table = named_columns(X)
    found = [find_column(table, name) for name in names]
    return {name: read_column(table, name)[0] for name in found}


def in_rows(names: Sequence[Any] | None, n_rows: int, argument: str = "object_names") -> list[Any] | None:
    """One name for each row, in the order of the rows (a pandas Series is indexed by its labels otherwise).

    Raises
    ------
    InputError
        If they are not one for each row.
    """
    if names is None:
        return None
    if isinstance(names, str) or not hasattr(names, "__len__") or len(names) != n_rows:
        shown = repr(names) if isinstance(names, str) else f"{len(names)} long" if hasattr(names, "__len__") else names
        raise InputError(f"`{argument}` is {shown}, but one name for each of {n_rows} rows is needed")
    return list(names)


def names_of_objects(names: Any, X: Any) -> Any:
    """Names of the objects: a column of the table X, arrays as they are, or (None) a column that holds names.

    Raises
    ------
    InputError
        If X has no such column, or is no table.
    """
    if names is None:
        return identifiers(named_columns(X)) if _is_table(X) else None
    if not isinstance(names, str):
        return names
    if not _is_table(X):
        raise InputError("`object_names` names a column, but X is no table; give the names themselves")
    table: NamedColumns = named_columns(X)
    return identifiers(table, find_column(table, names))


def _is_table(X: Any) -> bool:
    return hasattr(X, "columns") and (hasattr(X, "colnames") or hasattr(X, "to_numpy"))
