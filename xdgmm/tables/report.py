"""One builder for all tables that are reported: widths, relations, lines, summaries of posteriors.

A `Column` is declared once: its name, its unit, its description, which of its cells are masked, and its heading where
it is printed.  `build_table` makes the table from the declarations and the numbers, `metadata` what it says about the
fit.  To add a column to a report, add a `Column` to its declarations and its numbers to those that it is built from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.arrays import as_floats

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase

    from xdgmm.mixture import FitRecord

T = TypeVar("T", bound="QTable")


@dataclass(frozen=True)
class Column:
    """A column of a report, or of a catalogue that is made longer.

    Attributes
    ----------
    name, description : str
    unit : astropy unit, str or None
        A text stands for a unit that depends on the data, as "width": `build_table` is given these.
    whole : bool
        In a catalogue: whole numbers (int16), negative where masked; otherwise float64, NaN where masked.
    keeps_infinity : bool
        Missing numbers (NaN) are masked in every column; so are infinite ones, unless they mean something.
    keeps_nan : bool
        Of a column without unit: missing numbers stay NaN, and no cell is masked.
    heading : str
        What stands above the column where a report is printed.
    format : str, optional
        Of the numbers where astropy prints the table.
    """

    name: str
    description: str
    unit: UnitBase | str | None = None
    whole: bool = False
    keeps_infinity: bool = False
    keeps_nan: bool = False
    heading: str = ""
    format: str | None = None

    def in_units(self, units: Mapping[str, UnitBase | None]) -> Column:
        """The same column with the unit that its name of a unit stands for."""
        return replace(self, unit=units[self.unit]) if isinstance(self.unit, str) else self

    def cells(self, values: Any) -> Any:
        """The numbers as a column of astropy, in the unit of this column (not a text), masked where they are missing.

        Texts, whole numbers and truth values keep their own mask.
        """
        if np.asanyarray(values).dtype.kind != "f":
            return _as_column(np.ma.getdata(values), np.ma.getmaskarray(values))
        numbers, _ = as_floats(values, self.name, self.unit)
        if self.keeps_nan:
            return _as_column(numbers, np.zeros(numbers.shape, bool))
        mask = np.isnan(numbers) if self.keeps_infinity else ~np.isfinite(numbers)
        numbers = np.where(mask, 0.0, numbers) if mask.any() else numbers
        if self.unit is None:
            return _as_column(numbers, mask)
        from astropy.units import Quantity
        from astropy.utils.masked import Masked

        quantity = Quantity(numbers, self.unit)
        return Masked(quantity, mask=mask) if mask.any() else quantity


def _as_column(values: NDArray[Any], mask: NDArray[np.bool_]) -> Any:
    from astropy.table import Column as TableColumn
    from astropy.table import MaskedColumn

    return MaskedColumn(values, mask=mask) if mask.any() else TableColumn(values)


def build_table(
    columns: Iterable[Column],
    values: Mapping[str, Any],
    *,
    units: Mapping[str, UnitBase | None] | None = None,
    meta: Mapping[str, Any] | None = None,
    kind: type[T] | None = None,
) -> T | QTable:
    """A table of the columns, in their order.

    Parameters
    ----------
    columns : iterable of Column
    values : mapping
        Of the name of each column to its numbers (n,): arrays or Quantity, NaN or masked where missing.
    units : mapping, optional
        The units that columns name by a text.
    meta : mapping, optional
        Metadata of the table.
    kind : type, optional
        `astropy.table.QTable` or a class made from it.
    """
    from astropy.table import QTable

    table: Any = (QTable if kind is None else kind)(meta=dict(meta or {}))
    for column in (declared.in_units(units or {}) for declared in columns):
        table[column.name] = column.cells(values[column.name])
        table[column.name].info.description = column.description
        table[column.name].info.format = column.format
    return table


def metadata(record: FitRecord | None, **options: Any) -> dict[str, Any]:
    """What a report says of itself: its own options, and of the fit what the record of the mixture holds.

    Parameters
    ----------
    record : FitRecord or None
        ``mixture.record``; None for a mixture that comes from no fit.
    **options
        How the report was made; those that are None are left out.
    """
    meta = {name: value for name, value in options.items() if value is not None}
    if record is None:
        return meta
    fit = {
        "log_likelihood": record.log_likelihood,
        "log_priors": dict(record.log_priors),
        "outcome": record.outcome,
        "recipe": record.recipe,
        "selection": record.selection or {},
    }
    return meta | {name: value for name, value in fit.items() if value not in ({}, "")}
