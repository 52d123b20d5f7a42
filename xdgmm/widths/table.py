"""`WidthReport`: the table of a report, with its columns, units and descriptions."""

import numpy as np
from astropy.table import Column, MaskedColumn, QTable
from astropy.units import Quantity, Unit
from astropy.utils.masked import Masked

from xdgmm.basics.units import difference_unit

FWHM = np.sqrt(8.0 * np.log(2.0))
INTERVALS = {
    "weight": "mixing proportion",
    "mean": "intrinsic mean",
    "sigma": "intrinsic standard deviation, errors of measurement taken out",
    "fwhm": "intrinsic full width at half maximum",
}
DESCRIPTIONS = {
    "component": "component of the mixture, from 0",
    "axis": "named column, or principal axis (1 is the widest)",
    "n_effective": "weighted number of objects belonging to the component",
    **{
        name + ending: (description, "half its interval at the level", "lower end of it", "upper end of it")[i]
        for name, description in INTERVALS.items()
        for i, ending in enumerate(("", "_error", "_low", "_high"))
    },
    "sigma_limit": "upper limit on sigma, where it is consistent with zero",
    "fwhm_limit": "upper limit on the full width, where it is consistent with zero",
    "is_limit": "is sigma consistent with zero?",
    "observed_sigma": "standard deviation of the values as measured (ddof 1), members weighted",
    "observed_sigma_error": "its standard error, s / sqrt(2 (n - 1))",
    "observed_off": "observed less intrinsic sigma, in standard errors of the observed one",
    "instrumental_sigma": "median 1-sigma error of the members",
    "instrumental_sigma_error": "its standard error",
    "naive_sigma": "sqrt(observed_sigma^2 - mean squared error); none where that is negative",
    "naive_sigma_error": "its standard error, if one believes it",
    "naive_off": "naive less intrinsic sigma, in standard errors of the naive one",
}
WITHOUT_UNIT = {"component", "axis", "n_effective", "is_limit", "observed_off", "naive_off"}
WITHOUT_UNIT |= {name for name in DESCRIPTIONS if name.startswith("weight")}


class WidthReport(QTable):
    """A QTable of widths; ``print(report)`` shows values with their errors, and limits as limits."""

    def __str__(self):
        """The report as text, or the plain table where columns were taken away."""
        return self._text() if set(DESCRIPTIONS) <= set(self.colnames) else super().__str__()

    def _repr_html_(self):
        """The same for notebooks."""
        if not set(DESCRIPTIONS) <= set(self.colnames):
            return super()._repr_html_()
        from html import escape

        return f"<pre>{escape(self._text())}</pre>"

    def _text(self):
        from .rendering import as_text

        return as_text(self)


def assembled(rows, mixture, meta, velocity):
    """A `WidthReport` of rows; in km/s where a velocity conversion is given."""
    if velocity is not None:
        rows = [_in_velocity(row, velocity, mixture) for row in rows]
    flat = [_flat(row) for row in rows]
    units = set(mixture.units)
    unit = Unit("km/s") if velocity is not None else mixture.units[0] if len(units) == 1 else None
    table = WidthReport(meta=meta)
    for name, description in DESCRIPTIONS.items():
        _add(table, name, np.array([row[name] for row in flat]), None if name in WITHOUT_UNIT else unit, description)
    if mixture.n_dimensions > 1:
        for i, name in enumerate(mixture.names):
            along = np.array([row["direction"][i] for row in rows])
            _add(table, f"along_{name}", along, None, f"direction of the axis: its part along {name}")
    if len(units) > 1:
        named = dict(zip(mixture.names, mixture.units, strict=True))
        texts = [str(named.get(row["axis"]) or "") for row in rows]
        _add(table, "unit", np.array(texts), None, "unit of the mean and of every width in the row")
    return table


def _flat(row):
    """The numbers of one row by the names of their columns."""
    result = {name: row[name] for name in ("component", "axis", "n_effective", "sigma_limit", "is_limit")}
    value, low, high = row["sigma"]
    intervals = {
        "weight": row["weight"],
        "mean": (np.nan,) * 3 if row["mean"] is None else row["mean"],
        "sigma": row["sigma"],
        "fwhm": (FWHM * value, FWHM * low, FWHM * high),
    }
    for name, (middle, lower, upper) in intervals.items():
        error = 0.5 * (upper - lower)
        known = np.isfinite(error) and error > 0
        if name != "mean":  # intervals that assume a normal distribution may leave what is possible
            lower, upper = max(lower, 0.0), min(upper, 1.0 if name == "weight" else np.inf)
        ends = (error, lower, upper) if known else (np.nan,) * 3
        result |= dict(zip((name, f"{name}_error", f"{name}_low", f"{name}_high"), (middle, *ends), strict=True))
    result["fwhm_limit"] = FWHM * row["sigma_limit"]
    seen = row["observed"]
    for name in ("observed", "instrumental", "naive"):
        width, error = getattr(seen, name), getattr(seen, f"{name}_error")
        result[f"{name}_sigma"], result[f"{name}_sigma_error"] = width, error
        result[f"{name}_off"] = (width - value) / error if error > 0 else np.nan
    return result


def _in_velocity(row, velocity, mixture):
    about = float(mixture.means[row["component"]] @ row["direction"] ** 2)  # of a principal axis: between the columns
    scale = velocity.scale(about)
    return {
        **row,
        "mean": None if row["mean"] is None else velocity.mean(*row["mean"]),
        "sigma": velocity.width(*row["sigma"], about),
        "sigma_limit": row["sigma_limit"] * scale,
        "observed": type(row["observed"])(*(scale * number for number in row["observed"])),
    }


def _add(table, name, column, unit, description):
    """Add a column in which what is not finite is masked; fully masked ones keep their type."""
    missing = ~np.isfinite(column) if column.dtype.kind == "f" else np.zeros(column.shape, bool)
    column = np.where(missing, 0.0, column) if missing.any() else column
    if unit is not None:
        quantity = Quantity(column, difference_unit(unit))
        table[name] = Masked(quantity, mask=missing) if missing.any() else quantity
    else:
        table[name] = MaskedColumn(column, mask=missing) if missing.any() else Column(column)
    table[name].info.description = description
