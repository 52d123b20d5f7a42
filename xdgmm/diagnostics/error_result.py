"""`ErrorScale`: what `error_scale` found, as numbers, tables and text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.units import difference_unit
from xdgmm.tables.printing import as_html, as_text, brief, compact, empty_table, plain, upper_limit
from xdgmm.tables.report import Column, build_table
from xdgmm.text import printable

from .error_verdict import ends_in_words, value_and_ends, verdict

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase
    from rich.table import Table

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .noise_parameters import NoiseParameters


@dataclass(frozen=True, eq=False)
class ErrorScale:
    """What `error_scale` found; ``print(result)`` shows it.

    Attributes
    ----------
    kind : {"factor", "jitter"}
    gain : float
        Rise of the maximum of the log-likelihood, in nats, over that with the errors as they are.
    p_value : float
        Probability of a larger gain, were the errors right.
    table : QTable
        One row for each group (with ``kind="jitter"`` for each group and column): group, n_objects, the factor or the
        floor with both ends of its interval, and the gain that it brings beside the others.
    widths : QTable
        Intrinsic sigma of each component and column, with the errors as they are and with the changed ones.
    observations : Observations
        With the changed errors, in the units of the mixture.
    mixture : GaussianMixture
        Fitted to these.
    reference : object
        Label of the group whose errors are taken to be right; None without groups.
    level : float
        Probability of the intervals.
    limit_level : float
        Probability of the upper limits.
    remarks : tuple of str
        What else to know, one sentence each.
    """

    kind: str
    gain: float
    p_value: float
    table: QTable
    widths: QTable
    observations: Observations
    mixture: GaussianMixture
    reference: Any
    level: float
    limit_level: float
    remarks: tuple[str, ...] = ()

    @property
    def factor(self) -> Any:
        """Errors times this are right: a number, or one for each row of the table."""
        return self._column("factor")

    @property
    def factor_low(self) -> Any:
        """Lower end of its interval; 0 where zero is not excluded."""
        return self._column("factor_low")

    @property
    def factor_high(self) -> Any:
        """Upper end of its interval."""
        return self._column("factor_high")

    @property
    def jitter(self) -> Any:
        """Floor to add in quadrature: one for each row of the table, in the units of the values."""
        return self._column("jitter")

    @property
    def jitter_low(self) -> Any:
        """Lower end of its interval; 0 where zero is not excluded."""
        return self._column("jitter_low")

    @property
    def jitter_high(self) -> Any:
        """Upper end of its interval."""
        return self._column("jitter_high")

    def _column(self, name: str) -> Any:
        if name not in self.table.colnames:
            raise AttributeError(f"this result has no `{name}`, since it was made with kind='{self.kind}'")
        column = self.table[name]
        values = column if hasattr(column, "unit") and column.unit is not None else np.asarray(column)
        return values if self.reference is not None or len(values) > 1 else values[0]

    def __str__(self) -> str:
        """The factors or floors, the verdict, and the widths."""
        from rich.markup import escape

        return as_text(*(escape(part) if isinstance(part, str) else part for part in self.report()))

    __repr__ = __str__

    def report(self) -> list[Table | str]:
        """What is printed: tables of rich, and text."""
        return [self.rich_table(), self.verdict, "", self.rich_widths()]

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return as_html(*self.report())

    @property
    def verdict(self) -> str:
        """What was found, what to do about it, and what the widths become; remarks follow, one in a line."""
        return verdict(self)

    def rich_table(self) -> Table:
        """The factors or floors as a `rich.table.Table`."""
        from rich.markup import escape

        unit = getattr(self.table[self.kind], "unit", None)
        name = self.kind if unit is None else f"{self.kind} [{compact(unit)}]"
        columns = [column for column in ("group", "column") if column in self.table.colnames]
        limited = "jitter_limit" in self.table.colnames and np.isfinite([plain(x) for x in self.table["jitter_limit"]])
        headings = (*columns, "N", name, "interval", *(("limit",) if np.any(limited) else ()), "gain")
        table = empty_table(headings, left=columns)
        for row in self.table:
            value, low, high = value_and_ends(row, self.kind)
            own = f" {compact(row['unit'])}" if "unit" in self.table.colnames else ""
            numbers = [f"{brief(value)}{own}", ends_in_words(low, high)]
            if np.any(limited):
                limit = plain(row["jitter_limit"])
                numbers.append(upper_limit(limit, self.limit_level) if np.isfinite(limit) else "")
            numbers.append(f"{plain(row['gain']):.2f}")
            if self.reference is not None and row["group"] == str(self.reference):
                numbers = ["reference", *[""] * (len(numbers) - 1)]
            labels = (escape(printable(row[each])) for each in columns)
            table.add_row(*labels, str(row["n_objects"]), *numbers)
        return table

    def rich_widths(self) -> Table:
        """The widths as a `rich.table.Table`."""
        from rich.markup import escape

        unit = getattr(self.widths["sigma"], "unit", None)
        name = "sigma" if unit is None else f"sigma [{compact(unit)}]"
        table = empty_table(("component", "column", name, "with changed errors"), left=("component", "column"))
        for row in self.widths:
            numbers = (brief(plain(row[each])) for each in ("sigma", "changed_sigma"))
            table.add_row(str(row["component"]), escape(printable(row["column"])), *numbers)
        return table


def table_of(parameters: NoiseParameters, found: list[dict[str, float]], meta: dict[str, Any]) -> QTable:
    """The table of the factors or floors: one row for each group, or for each group and column."""
    groups, kind, n_parts = parameters.groups, parameters.kind, parameters.n_parts
    held = float(kind == "factor")
    of_cells = {(groups.free[i // n_parts], i % n_parts): each for i, each in enumerate(found)}
    of_reference = {"value": held, "low": held, "high": held, "gain": 0.0, "limit": np.nan}
    cells = [(place, part) for place in range(len(groups.labels)) for part in range(n_parts)]
    names = {"value": kind, "low": f"{kind}_low", "high": f"{kind}_high", "limit": f"{kind}_limit", "gain": "gain"}
    scale = np.ones(len(cells))
    if kind == "jitter":
        scale = np.array([parameters.problem.scaling.measured_scale[part] for _, part in cells])
    values: dict[str, Any] = {
        name: np.array([of_cells.get(cell, of_reference)[key] for cell in cells]) * (1.0 if key == "gain" else scale)
        for key, name in names.items()
    }
    units, measured = _measured_units(parameters), names_of_measured(parameters)
    values["group"] = np.array([str(groups.labels[place]) for place, _ in cells])
    values["n_objects"] = np.array([int(groups.sizes[place]) for place, _ in cells])
    values["column"] = np.array([measured[part] for _, part in cells])
    values["unit"] = np.array([str(units[part] or "") for _, part in cells])
    return build_table(_columns(kind, n_parts, units), values, meta=meta)


def _columns(kind: str, n_parts: int, units: list[UnitBase | None]) -> Iterator[Column]:
    """The columns of the table of factors or floors."""
    same = len(set(units)) == 1
    unit = units[0] if kind == "jitter" and same else None
    yield Column("group", "label of the objects")
    if n_parts > 1:
        yield Column("column", "to whose errors the floor is added")
    yield Column("n_objects", "objects that count")
    of = "errors times this are right" if kind == "factor" else "floor to be added to the errors in quadrature"
    yield Column(kind, of, unit)
    yield Column(f"{kind}_low", "lower end of its interval, 0 where zero is not excluded", unit)
    yield Column(f"{kind}_high", "upper end of its interval", unit, keeps_infinity=True)
    if kind == "jitter":
        yield Column("jitter_limit", "one-sided upper limit, where it is consistent with zero", unit)
    yield Column("gain", "rise of the maximum of the log-likelihood over that without it, in nats")
    if kind == "jitter" and not same:
        yield Column("unit", "unit of the floor")


def _measured_units(parameters: NoiseParameters) -> list[UnitBase | None]:
    """Units of the measured columns; none of projections, whose factors may have units."""
    observations = parameters.problem.observations
    if observations.projections is not None:
        return [None] * observations.n_measured
    return [None if unit is None else difference_unit(unit) for unit in observations.units]


def widths_of(before: GaussianMixture, after: GaussianMixture) -> QTable:
    """The table of the widths: sigma of each component and column, with both errors."""
    K, D = before.means.shape
    units = [None if unit is None else difference_unit(unit) for unit in before.units]
    common = units[0] if len(set(units)) == 1 else None
    values: dict[str, Any] = {
        "component": np.repeat(np.arange(K), D),
        "column": np.array(list(before.names) * K),
        "sigma": before.sigmas.ravel(),
        "changed_sigma": after.sigmas.ravel(),
    }
    columns = [
        Column("component", "component of the mixture, from 0"),
        Column("column", "coordinate"),
        Column("sigma", "intrinsic standard deviation with the errors as they are", common),
        Column("changed_sigma", "intrinsic standard deviation with the changed errors", common),
    ]
    if len(set(units)) > 1:
        values["unit"] = np.array([str(unit or "") for unit in units] * K)
        columns.append(Column("unit", "unit of both"))
    return build_table(columns, values)


def names_of_measured(parameters: NoiseParameters) -> list[str]:
    """Names of the measured columns; through projections these are not the coordinates."""
    observations = parameters.problem.observations
    if observations.projections is None:
        return list(observations.names)
    return [f"measured value {i + 1}" for i in range(observations.n_measured)]
