"""`xdgmm lines`: widths of spectral lines without the instrument."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import InputError

from .json_results import table_as_json
from .messages import Command
from .options import (
    Convention,
    Hdu,
    Json,
    OnBad,
    OnBadChoice,
    OnLimit,
    OnLimitChoice,
    Overwrite,
    OverwriteColumns,
    Prefix,
    Quiet,
    Readme,
    flag,
    parse_quantity,
)
from .output_files import AppendedTable
from .printing import Printer, escaped

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.tables import Column

lines = typer.Typer(no_args_is_help=True, help="Widths of spectral lines: is a line resolved, and how wide is it?")


@lines.callback()
def group() -> None:
    """Widths of spectral lines."""


@lines.command(cls=Command)
def deconvolve(
    table: Annotated[Path, typer.Argument(help="Table of lines: FITS, ECSV, CSV, anything astropy reads.")],
    sigma: Annotated[str | None, typer.Option(help="Column of the observed widths, as sigma.", metavar="NAME")] = None,
    fwhm: Annotated[str | None, typer.Option(help="Or as full width at half maximum.", metavar="NAME")] = None,
    error: Annotated[
        str,
        typer.Option(
            "--error",
            "--errors",
            help="Column of their 1-sigma errors; found by its name if not given.",
            metavar="NAME",
        ),
    ] = "auto",
    lsf: Annotated[
        str | None,
        typer.Option(
            help="Width of the instrument, as sigma: 60 (in the unit of the widths), '60 km/s', or a column.",
            metavar="WIDTH",
        ),
    ] = None,
    lsf_fwhm: Annotated[
        str | None, typer.Option("--lsf-fwhm", help="Or as full width at half maximum.", metavar="WIDTH")
    ] = None,
    resolving_power: Annotated[
        str | None, typer.Option("--resolving-power", help="Or as wavelength over FWHM.", metavar="R")
    ] = None,
    lsf_error: Annotated[
        str,
        typer.Option(
            "--lsf-error",
            help="Fractional error of the instrument's width: 0.03 (for all lines), or a column.",
            metavar="FRACTION",
        ),
    ] = "0",
    lsf_scatter: Annotated[
        str,
        typer.Option(
            "--lsf-scatter", help="Fractional scatter of the instrument's width from line to line.", metavar="FRACTION"
        ),
    ] = "0",
    rest: Annotated[
        str | None,
        typer.Option(help="Wavelength or energy of the lines, for km/s: '6562.8 AA', or a column.", metavar="VALUE"),
    ] = None,
    convention: Annotated[Convention, typer.Option(help="Doppler convention of km/s.")] = Convention.OPTICAL,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    hdu: Hdu = None,
    readme: Readme = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the table with the new columns here (.fits or .ecsv).")
    ] = None,
    prefix: Prefix = "xd_",
    level: Annotated[float, typer.Option(help="Probability of an interval.")] = 0.6827,
    limit_level: Annotated[float, typer.Option(help="Level of upper limits.")] = 0.95,
    *,
    population: Annotated[bool, flag("--population", help="Fit the mean and scatter of all lines too.")] = False,
    overwrite_columns: OverwriteColumns = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove the instrumental width from observed line widths; append intrinsic widths and limits to the table.

    Example: xdgmm lines deconvolve galaxies.fits --sigma s --error e_s --lsf 60 --lsf-error 0.03 --output out.fits
    """
    printer = Printer(json, quiet)
    appended = AppendedTable(table, output, hdu, readme, overwrite=overwrite, overwrite_columns=overwrite_columns)
    appended.check()
    from xdgmm import lines as spectral
    from xdgmm.tables import read_table

    if (sigma is None) == (fwhm is None):
        raise InputError("name the column of the observed widths once: --sigma NAME, or --fwhm NAME")
    _check_instrument({"--lsf": lsf, "--lsf-fwhm": lsf_fwhm, "--resolving-power": resolving_power})
    contents = read_table(table, hdu, readme)
    observed, errors, remarks = _measured(contents, sigma or fwhm or "", error, on_bad.value, on_limit.value)
    widths = spectral.deconvolve(
        observed,
        errors,
        lsf=_value(contents, lsf, "--lsf"),
        fwhm=_value(contents, lsf_fwhm, "--lsf-fwhm"),
        R=_value(contents, resolving_power, "--resolving-power"),
        lsf_error=_value(contents, lsf_error, "--lsf-error"),
        lsf_scatter=_value(contents, lsf_scatter, "--lsf-scatter"),
        rest=_value(contents, rest, "--rest"),
        convention=convention.value,
        measure="sigma" if fwhm is None else "fwhm",
    )
    report = widths.table(level, limit_level)
    new = _new_columns(report, prefix)
    appended.check_names(contents.colnames, new)
    printer.print(f"[b]{escaped(table.name)}[/b]: {len(contents)} rows; {escaped('; '.join(remarks))}")
    printer.print(spectral.rich_table(widths))
    all_lines = spectral.population(widths) if population else None
    if all_lines is not None:
        for line in repr(all_lines).splitlines():
            printer.print(escaped(line))
    written = appended.write(new, [[_plain(report[name]) for name in report.colnames]], printer)
    printer.print_json(
        {
            "title": table.name,
            "n_rows": len(contents),
            "n_resolved": widths.n_resolved,
            "data": list(remarks),
            "lines": {**table_as_json(report), "meta": dict(report.meta)},
            "population": None if all_lines is None else table_as_json(all_lines.table(level, limit_level)),
            **written,
        }
    )


def _check_instrument(options: dict[str, str | None]) -> None:
    """Refuse a command that gives the instrument's width in no option, or in several."""
    named = [name for name, value in options.items() if value is not None]
    if len(named) != 1:
        came = f"{' and '.join(named)} were given" if named else "none was given"
        raise InputError(f"give the instrument's width once, as --lsf (sigma), --lsf-fwhm or --resolving-power; {came}")


def _measured(table: QTable, name: str, error: str, on_bad: str, on_limit: str) -> tuple[Any, Any, tuple[str, ...]]:
    """Widths, as a column of their name, and errors, both with the unit of the column, and remarks on them."""
    import numpy as np
    from astropy.table import Column

    from xdgmm.observations import Observations

    errors = error if error == "auto" else [error]
    observations = Observations.from_table(table, [name], errors=errors, on_bad=on_bad, on_limit=on_limit)
    unit = observations.units[0]
    widths = Column(observations.values[:, 0], name=name, unit=unit)
    return widths, np.sqrt(observations.variances[:, 0]) * (1 if unit is None else unit), observations.remarks


def _value(table: QTable, text: str | None, option: str) -> Any:
    """A column of this name if there is one, otherwise a number with or without a unit."""
    if text is None:
        return None
    if text in table.colnames:
        return table[text]
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse_quantity(text, option, "60 km/s")
    except InputError as error:
        raise InputError(f"{error}, or a column of the table") from None


def _new_columns(report: QTable, prefix: str) -> list[Column]:
    """The columns to append, with units and descriptions."""
    from xdgmm.tables import Column

    return [
        Column(
            prefix + name,
            report[name].info.description,
            getattr(report[name], "unit", None),
            whole=report[name].dtype.kind == "b",
        )
        for name in report.colnames
    ]


def _plain(column: Any) -> NDArray[Any]:
    """Numbers as `append_columns` takes them: NaN, or a negative whole number, where masked."""
    import numpy as np

    from xdgmm.tables import MISSING

    mask = np.broadcast_to(getattr(column, "mask", False), column.shape)
    numbers = getattr(column, "unmasked", getattr(column, "data", column))
    numbers = np.ma.getdata(getattr(numbers, "value", numbers))
    if numbers.dtype.kind == "b":
        return np.where(mask, MISSING, numbers).astype(np.int16)
    return np.where(mask, np.nan, numbers)
