"""A user's table with other numbers in the columns that were fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import read_column
from .table_types import named_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]


def with_values(table: Any, observations: Observations, values: Floats) -> Any:
    """A copy of a table in which the values that were fitted are replaced by others (N, D).

    Parameters
    ----------
    table : astropy Table, or data frame of pandas, polars, ...
    observations : Observations
        What was made of the table, in the units of its columns.
    values : ndarray (N, D)
        In the same units.  Where a value was moved when it was read, since its upper and lower errors differ, the new
        one is moved back.  Cells that were not used keep their contents.
    """
    columns = named_columns(table)
    used = observations.present
    replaced = {}
    for j, name in enumerate(observations.names):
        read = read_column(columns, name)[0]
        replaced[name] = np.where(used[:, j], values[:, j] - (observations.values[:, j] - read), read)
    return _in_table(table, replaced) if hasattr(table, "colnames") else _in_frame(table, replaced)


def _in_table(table: Any, columns: dict[str, Floats]) -> Any:
    from astropy.table import Column, MaskedColumn

    result = table.copy()
    for name, numbers in columns.items():
        old = table[name]
        unit, missing = getattr(old, "unit", None), np.isnan(numbers)
        if unit is not None and hasattr(old, "to_value"):  # a Quantity, or a masked one
            new = old.astype(float)
            new[~missing] = numbers[~missing] * unit
            result[name] = new
            continue
        kind = MaskedColumn if hasattr(old, "mask") else Column
        more = {"mask": missing} if kind is MaskedColumn else {}
        result[name] = kind(numbers, unit=unit, description=old.description, meta=old.meta, **more)
    return result


def _in_frame(frame: Any, columns: dict[str, Floats]) -> Any:
    import narwhals

    wrapped = narwhals.from_native(frame, eager_only=True)
    names = {str(name): name for name in wrapped.columns}
    backend = wrapped.implementation
    new = [narwhals.new_series(names[name], numbers, backend=backend) for name, numbers in columns.items()]
    if hasattr(frame, "index"):
        return frame.assign(**{names[name]: numbers for name, numbers in columns.items()})
    return narwhals.to_native(wrapped.with_columns(*new))
