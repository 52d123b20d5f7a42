"""The width report as people read it: rich tables for the terminal, and the same as text."""

import numpy as np

LONGEST_UNIT = 14  # a longer one stands below the table
ASYMMETRIC = 0.02  # difference of the two errors, relative to their sum, from which both are printed
TEXT_WIDTH = 120
ONE_SIGMA = 0.6827
LEAST_DECIMALS, MOST_DECIMALS = -5, 6  # between which numbers are printed without powers of ten
LARGEST_IN_FULL = 1e6


def rich_table(report, title=None):
    """A `rich.table.Table` of a width report: value and error side by side, limits as limits, each with its unit.

    Columns: component, axis, effective number of objects, weight, mean, intrinsic sigma and FWHM.
    """
    headings = ("\nmean", "intrinsic\nσ", "intrinsic\nFWHM")
    table, captions, one_unit = _table(report, headings, title, ("\nN", "\nweight"))
    table.caption = "\n".join([*captions, *_errors_from(report.meta), *report.meta.get("remarks", ())]) or None
    for row in report:
        numbers, label = _numbers(row), _label(row, one_unit=one_unit)
        table.add_row(
            *label,
            f"{numbers['n_effective']:.4g}",
            _interval(numbers, "weight"),
            _interval(numbers, "mean"),
            _width(numbers, "sigma", report.meta["limit_level"]),
            _width(numbers, "fwhm", report.meta["limit_level"]),
        )
    return table


def _errors_from(meta):
    """Where the errors come from, if that is not the usual, and what they stand for."""
    methods = {"profile": "profile likelihood (of the sigmas)", "bootstrap": "bootstrap", "sandwich": "sandwich"}
    level, method = meta.get("level", ONE_SIGMA), meta.get("method", "information")
    if method in methods or abs(level - ONE_SIGMA) > 1e-3:
        source = f", from the {methods[method]}" if method in methods else ""
        yield f"errors stand for {100 * level:.4g}%{source}"


def comparison_table(report, title=None):
    """A `rich.table.Table` of what the widths are without deconvolution, and how far off that is.

    Columns: component, axis, median error of measurement, standard deviation s as measured, naive
    ``sqrt(s^2 - mean squared error)``; the last two with their distance from the intrinsic sigma in standard errors.
    """
    headings = ("median\nerror", "observed\ns", "naive\nσ")
    table, captions, one_unit = _table(report, headings, title, ())
    table.add_column("s off by\n\\[errors]", justify="right", no_wrap=True)
    table.add_column("naive off by\n\\[errors]", justify="right", no_wrap=True)
    table.caption = "\n".join(captions) or None
    for row in report:
        numbers = _numbers(row)
        widths = (f"{name}_sigma" for name in ("instrumental", "observed", "naive"))
        off = (f"{numbers[name]:+.1f}" if np.isfinite(numbers[name]) else "" for name in ("observed_off", "naive_off"))
        shown = (
            with_error(numbers[name], numbers[f"{name}_error"]) if np.isfinite(numbers[name]) else "none"
            for name in widths
        )
        table.add_row(*_label(row, one_unit=one_unit), *shown, *off)
    return table


def relations_table(relations):
    """A `rich.table.Table` of what `relations` returned."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("comp.", "quantity", "of", "value"):
        table.add_column(heading, justify="right" if heading in ("comp.", "value") else "left", no_wrap=True)
    for row in relations:
        unit = f" {_compact(row['unit'])}" if row["unit"] else ""
        value = with_error(_number(row["value"]), _number(row["error"]))
        table.add_row(str(row["component"]), row["quantity"], escape(row["of"]), escape(value + unit))
    return table


def as_text(report):
    """Both tables as text."""
    import io

    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=TEXT_WIDTH, highlight=False, emoji=False, color_system=None)
    console.print(rich_table(report), comparison_table(report))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def _table(report, headings, title, between):
    """An empty table with its headings, captions below it, and whether all rows have one unit."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    one_unit = "unit" not in report.colnames
    unit = getattr(report["sigma"], "unit", None)
    label, captions = f"\n\\[{_compact(unit)}]" if one_unit and unit is not None else "", []
    if len(label) > LONGEST_UNIT:
        label = ""
        captions.append(f"means and widths in {_compact(unit)}")
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in ("\ncomp.", "\naxis", *between):
        table.add_column(heading, justify="left" if heading == "\naxis" else "right", no_wrap=True)
    for heading in headings:
        table.add_column(heading + label, justify="right", no_wrap=True)
    return table, captions, one_unit


def _label(row, *, one_unit):
    from rich.markup import escape

    own_unit = "" if one_unit or not row["unit"] else f" \\[{_compact(row['unit'])}]"
    return str(row["component"]), escape(str(row["axis"])) + own_unit


def _numbers(row):
    return {name: _number(row[name]) for name in row.colnames if name not in ("axis", "unit")}


def _compact(unit):
    """'km/s' rather than 'km / s'."""
    return str(unit).replace(" / ", "/")


def _number(value):
    """A float; NaN where masked."""
    if np.any(getattr(value, "mask", False)):
        return np.nan
    return float(getattr(value, "value", value))


def _width(numbers, name, limit_level):
    if not numbers["is_limit"]:
        return _interval(numbers, name)
    limit = numbers[f"{name}_limit"]
    if not np.isfinite(limit):
        return "no limit"
    return f"<{brief(limit)} ({100 * limit_level:g}%)"


def _interval(numbers, name):
    """Value and error; both errors where they differ; nothing where there is no value."""
    value, error = numbers[name], numbers[f"{name}_error"]
    if not np.isfinite(value):
        return ""
    up, down = numbers[f"{name}_high"] - value, value - numbers[f"{name}_low"]
    if not np.isfinite(error) or abs(up - down) <= ASYMMETRIC * (up + down):
        return with_error(value, error)
    decimals = 1 - int(np.floor(np.log10(max(min(up, down), 0.1 * max(up, down)))))
    if not LEAST_DECIMALS <= decimals <= MOST_DECIMALS or abs(value) >= LARGEST_IN_FULL:
        return f"{value:.3g}+{up:.2g}-{down:.2g}"
    return f"{_rounded(value, decimals)}+{_rounded(up, decimals)}-{_rounded(down, decimals)}"


def with_error(value, error):
    """'80.53±0.57': two digits of the error decide how many of the value are shown; no error, no sign."""
    if not np.isfinite(error) or error <= 0:
        return f"{value:.6g}"
    decimals = 1 - int(np.floor(np.log10(error)))
    largest = max(abs(value), error)
    if LEAST_DECIMALS <= decimals <= MOST_DECIMALS and largest < LARGEST_IN_FULL:
        return f"{_rounded(value, decimals)}±{_rounded(error, decimals)}"
    digits = max(2, int(np.floor(np.log10(largest))) + decimals + 1)
    return f"{value:.{min(digits, 16)}g}±{error:.2g}"


def _rounded(value, decimals):
    """A number to so many decimals; negative ones are zeros before the point."""
    return f"{round(float(value), decimals):.{max(decimals, 0)}f}"


def brief(number):
    """Three digits, and no power of ten before a million."""
    return f"{float(f'{number:.3g}'):g}"


def plain(value):
    """Four digits; 'none' where there is no number."""
    return f"{value:.4g}" if np.isfinite(value) else "none"
