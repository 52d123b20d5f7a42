"""The width report as people read it: a rich table for the terminal."""

import numpy as np

LONGEST_UNIT = 14  # a longer one stands below the table
HEADINGS = ("\nmean", "intrinsic\nσ", "intrinsic\nFWHM", "observed\ns", "naive\nσ")


def rich_table(report, title=None):
    """A `rich.table.Table` of a width report: value and error side by side, limits as limits, each with its unit.

    Columns: component, axis, effective number of objects, weight, mean, intrinsic sigma and FWHM, then the standard
    deviation s of the values as measured, and the naive sqrt(s^2 - mean squared error).
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    one_unit = "unit" not in report.colnames
    unit = getattr(report["mean"], "unit", None)
    label = f"\n\\[{_compact(unit)}]" if one_unit and unit is not None else ""
    captions = list(report.meta.get("remarks", ()))
    if len(label) > LONGEST_UNIT:
        label = ""
        captions.insert(0, f"means and widths in {_compact(unit)}")
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption="\n".join(captions) or None,
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in ("\ncomp.", "\naxis", "\nN", "\nweight"):
        table.add_column(heading, justify="left" if heading == "\naxis" else "right", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading + label, justify="right", no_wrap=True)
    for row in report:
        own_unit = "" if one_unit or not row["unit"] else f" \\[{_compact(row['unit'])}]"
        table.add_row(*_cells(row, report.meta["limit_level"], own_unit))
    return table


def _compact(unit):
    """'km/s' rather than 'km / s'."""
    return str(unit).replace(" / ", "/")


def _cells(row, limit_level, own_unit):
    from rich.markup import escape

    numbers = {name: _number(row[name]) for name in row.colnames if name not in ("axis", "unit")}
    return [
        str(row["component"]),
        escape(str(row["axis"])) + own_unit,
        f"{numbers['n_effective']:.4g}",
        with_error(numbers["weight"], numbers["weight_error"]),
        with_error(numbers["mean"], numbers["mean_error"]),
        _width(numbers, "sigma", limit_level),
        _width(numbers, "fwhm", limit_level),
        plain(numbers["observed_sigma"]),
        plain(numbers["naive_sigma"]),
    ]


def _number(value):
    """A float; NaN where masked."""
    if np.any(getattr(value, "mask", False)):
        return np.nan
    return float(getattr(value, "value", value))


def _width(numbers, name, limit_level):
    if not numbers["is_limit"]:
        return with_error(numbers[name], numbers[f"{name}_error"])
    limit = numbers[f"{name}_limit"]
    if not np.isfinite(limit):
        return "no limit"
    return f"<{limit:.3g} ({100 * limit_level:g}%)"


def with_error(value, error):
    """'80.53±0.57': two digits of the error decide how many of the value are shown; no error, no sign."""
    if not np.isfinite(error) or error <= 0:
        return f"{value:.6g}"
    decimals = 1 - int(np.floor(np.log10(error)))
    if 0 <= decimals <= 6:
        return f"{value:.{decimals}f}±{error:.{decimals}f}"
    largest = max(abs(value), error)
    digits = max(2, int(np.floor(np.log10(largest))) + decimals + 1)
    return f"{value:.{min(digits, 16)}g}±{error:.2g}"


def plain(value):
    """Four digits; 'none' where there is no number."""
    return f"{value:.4g}" if np.isfinite(value) else "none"
