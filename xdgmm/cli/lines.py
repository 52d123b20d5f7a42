"""`xdgmm lines`: widths of spectral lines without the instrument."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import InputError, XdgmmDeprecationWarning

from .interrupts import interrupts
from .json_results import finite, table_as_json
from .line_fits import fit
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
from .output_files import AppendedTable, check_written
from .printing import Printer, escaped

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.lines import InstrumentWidth, IntrinsicWidths
    from xdgmm.tables import Column


class LinesCommand(Command):
    """A command of `xdgmm lines`."""

    group = "lines"


lines = typer.Typer(no_args_is_help=True, help="Widths of spectral lines: is a line resolved, and how wide is it?")


@lines.callback()
def group() -> None:
    """Widths of spectral lines."""


lines.command(cls=LinesCommand)(fit)


class ErrorKind(StrEnum):
    """What a line that noise made wider would have kept."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"


Lines = Annotated[Path, typer.Argument(help="Table of lines: FITS, ECSV, CSV, anything astropy reads.")]
Sigma = Annotated[str | None, typer.Option(help="Column of the observed widths, as sigma.", metavar="NAME")]
Fwhm = Annotated[str | None, typer.Option(help="Or as full width at half maximum.", metavar="NAME")]
Error = Annotated[
    str, typer.Option(help="Column of their 1-sigma errors; found by its name if not given.", metavar="NAME")
]
Lsf = Annotated[
    str | None,
    typer.Option(
        help="Width of the instrument, as sigma: 60 (in the unit of the widths), '60 km/s', or a column.",
        metavar="WIDTH",
    ),
]
LsfFwhm = Annotated[str | None, typer.Option("--lsf-fwhm", help="Or as full width at half maximum.", metavar="WIDTH")]
ResolvingPower = Annotated[
    str | None, typer.Option("--resolving-power", help="Or as wavelength over FWHM.", metavar="R")
]
LsfError = Annotated[
    str,
    typer.Option(
        "--lsf-error",
        help="Fractional error of the instrument's width: 0.03 (for all lines), or a column.",
        metavar="FRACTION",
    ),
]
LsfScatter = Annotated[
    str,
    typer.Option(
        "--lsf-scatter", help="Fractional scatter of the instrument's width from line to line.", metavar="FRACTION"
    ),
]
Rest = Annotated[
    str | None,
    typer.Option(help="Wavelength or energy of the lines, for km/s: '6562.8 AA', or a column.", metavar="VALUE"),
]
ConventionChoice = Annotated[Convention, typer.Option(help="Doppler convention of km/s.")]
Level = Annotated[float, typer.Option(help="Probability of an interval.")]
LimitLevel = Annotated[float, typer.Option(help="Level of upper limits.")]
KINDS_HELP = "Fits of lines have relative errors; repeated measurements, and one error for all, absolute ones."


@lines.command(cls=LinesCommand)
def deconvolve(
    table: Lines,
    sigma: Sigma = None,
    fwhm: Fwhm = None,
    error: Error = "auto",
    lsf: Lsf = None,
    lsf_fwhm: LsfFwhm = None,
    resolving_power: ResolvingPower = None,
    lsf_error: LsfError = "0",
    lsf_scatter: LsfScatter = "0",
    rest: Rest = None,
    convention: ConventionChoice = Convention.OPTICAL,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    hdu: Hdu = None,
    readme: Readme = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the table with the new columns here (.fits or .ecsv).")
    ] = None,
    prefix: Prefix = "xd_",
    level: Level = 0.6827,
    limit_level: LimitLevel = 0.95,
    *,
    population: Annotated[bool, flag("--population", help="Fit the mean and scatter of all lines too.")] = False,
    errors: Annotated[str, typer.Option(help=f"With --population: relative or absolute. {KINDS_HELP}")] = "relative",
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

    kind, error = _kind_of_errors(errors, error)
    given = _Given(
        table, sigma, fwhm, error, lsf, lsf_fwhm, resolving_power, lsf_error, lsf_scatter, rest, convention.value
    )
    contents, widths, remarks = given.widths(on_bad.value, on_limit.value, hdu, readme)
    report = widths.table(level, limit_level)
    new = _new_columns(report, prefix)
    appended.check_names(contents.colnames, new)
    printer.print(f"[b]{escaped(table.name)}[/b]: {len(contents)} rows; {escaped('; '.join(remarks))}")
    printer.print(spectral.rich_table(widths))
    all_lines = spectral.population(widths, kind) if population else None
    if all_lines is not None:
        _print_lines(printer, all_lines)
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


@lines.command(cls=LinesCommand)
def population(
    table: Lines,
    sigma: Sigma = None,
    fwhm: Fwhm = None,
    error: Error = "auto",
    errors: Annotated[ErrorKind, typer.Option(help=KINDS_HELP)] = ErrorKind.RELATIVE,
    lsf: Lsf = None,
    lsf_fwhm: LsfFwhm = None,
    resolving_power: ResolvingPower = None,
    lsf_error: LsfError = "0",
    lsf_scatter: LsfScatter = "0",
    rest: Rest = None,
    convention: ConventionChoice = Convention.OPTICAL,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    hdu: Hdu = None,
    readme: Readme = None,
    output: Annotated[Path | None, typer.Option(help="Write the result, a table of one row (.fits or .ecsv).")] = None,
    level: Level = 0.6827,
    limit_level: LimitLevel = 0.95,
    *,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit mean and scatter of the intrinsic widths of many lines together, those that are not resolved included.

    Example: xdgmm lines population galaxies.fits --sigma s --error e_s --lsf 60 --lsf-error 0.03
    """
    printer = Printer(json, quiet)
    from xdgmm import lines as spectral
    from xdgmm.tables import REPORT_SUFFIXES, write_table

    if output is not None:
        check_written(output, REPORT_SUFFIXES, (table, "the table"), overwrite=overwrite)
    given = _Given(
        table, sigma, fwhm, error, lsf, lsf_fwhm, resolving_power, lsf_error, lsf_scatter, rest, convention.value
    )
    contents, widths, remarks = given.widths(on_bad.value, on_limit.value, hdu, readme)
    found = spectral.population(widths, errors.value)
    report = found.table(level, limit_level)
    printer.print(f"[b]{escaped(table.name)}[/b]: {len(contents)} rows; {escaped('; '.join(remarks))}")
    _print_lines(printer, found)
    if output is not None:
        write_table(report, output, overwrite=overwrite)
        interrupts.written.append(output)
        printer.print(f"wrote {escaped(output)}")
    printer.print_json(
        {
            "title": table.name,
            "n_rows": len(contents),
            "data": list(remarks),
            "errors": errors.value,
            "population": {**table_as_json(report), "meta": dict(report.meta)},
            "written": [] if output is None else [str(output)],
        }
    )


@lines.command("measure-lsf", cls=LinesCommand)
def measure_lsf(
    table: Annotated[Path, typer.Argument(help="Table of arc or sky lines, which have no width of their own.")],
    position: Annotated[str, typer.Option(help="Column of their positions: pixels, wavelengths.", metavar="NAME")],
    width: Annotated[str, typer.Option(help="Column of their widths.", metavar="NAME")],
    error: Error = "auto",
    order: Annotated[int, typer.Option(help="Degree of the polynomial in position; 0: one width everywhere.")] = 1,
    hdu: Hdu = None,
    readme: Readme = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Write the table with the instrument's width at each line here (.fits or .ecsv)."),
    ] = None,
    prefix: Prefix = "xd_",
    *,
    overwrite_columns: OverwriteColumns = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure the instrument's width along the spectrum on lines that have no width of their own, apart from blends.

    Example: xdgmm lines measure-lsf arcs.fits --position x --width s --error e_s --output with_lsf.fits
    """
    printer = Printer(json, quiet)
    appended = AppendedTable(table, output, hdu, readme, overwrite=overwrite, overwrite_columns=overwrite_columns)
    appended.check()
    from xdgmm import lines as spectral
    from xdgmm.tables import read_table

    contents = read_table(table, hdu, readme)
    if position not in contents.colnames:
        raise InputError(f"the table has no column '{position}' (--position); it has {', '.join(contents.colnames)}")
    widths, errors, remarks = _measured(contents, width, error, "raise", "missing")
    lsf = spectral.measure_lsf(contents[position], widths, errors, order)
    at_lines = _instrument_at(lsf, contents[position])
    new = _instrument_columns(lsf, prefix)
    appended.check_names(contents.colnames, new)
    printer.print(f"[b]{escaped(table.name)}[/b]: {len(contents)} rows; {escaped('; '.join(remarks))}")
    _print_lines(printer, lsf)
    written = appended.write(new, [at_lines], printer)
    blends = lsf.blends
    printer.print_json(
        finite(
            {
                "title": table.name,
                "n_rows": len(contents),
                "data": list(remarks),
                "order": lsf.order,
                "span": list(lsf.span),
                "position_unit": None if lsf.position_unit is None else str(lsf.position_unit),
                "unit": None if lsf.unit is None else str(lsf.unit),
                "legendre_coefficients": lsf.coefficients.tolist(),
                "covariance": lsf.covariance.tolist(),
                "scatter": _number(lsf.scatter),
                "blends": {name: _number(getattr(blends, name)) for name in ("fraction", "excess", "scatter")},
                "lines": [dict(zip(INSTRUMENT, map(float, row), strict=True)) for row in zip(*at_lines, strict=True)],
                **written,
            }
        )
    )


INSTRUMENT = {
    "lsf": "instrument's width at the line",
    "lsf_error": "its fractional 1-sigma error, shared by lines",
    "lsf_scatter": "fractional scatter of single lines about it",
    "blend_probability": "probability that the line is a blend",
}


def _instrument_at(lsf: InstrumentWidth, positions: Any) -> list[NDArray[Any]]:
    """What the columns of INSTRUMENT hold for each line; NaN where it has no width."""
    import numpy as np

    seen = ~np.isnan(lsf.blend_probabilities)
    every = [lsf.blend_probabilities]
    for value in (lsf.fractional_scatter, lsf.fractional_error, lsf):
        numbers = np.full(seen.shape, np.nan)
        found = value(positions[seen])
        numbers[seen] = getattr(found, "value", found)
        every.insert(0, numbers)
    return every


def _instrument_columns(lsf: InstrumentWidth, prefix: str) -> list[Column]:
    from xdgmm.tables import Column

    return [Column(prefix + name, words, lsf.unit if name == "lsf" else None) for name, words in INSTRUMENT.items()]


def _number(value: Any) -> float:
    return float(getattr(value, "value", value))


def _print_lines(printer: Printer, result: object) -> None:
    """A result as its text, line by line."""
    for line in repr(result).splitlines():
        printer.print(escaped(line))


def _kind_of_errors(errors: str, error: str) -> tuple[str, str]:
    """Relative or absolute, and the column of errors: earlier versions took its name as --errors too."""
    if errors in list(ErrorKind):
        return errors, error
    if error != "auto":
        raise InputError(f"--errors is '{errors}', but it must be relative or absolute")
    warnings.warn(
        f"--errors {errors}: a column of errors is given as --error; --errors will be relative or absolute only",
        XdgmmDeprecationWarning,
        stacklevel=2,
    )
    return ErrorKind.RELATIVE.value, errors


@dataclass(frozen=True)
class _Given:
    """What a command says about the widths and the instrument, as it was written."""

    table: Path
    sigma: str | None
    fwhm: str | None
    error: str
    lsf: str | None
    lsf_fwhm: str | None
    resolving_power: str | None
    lsf_error: str
    lsf_scatter: str
    rest: str | None
    convention: str

    def widths(
        self, on_bad: str, on_limit: str, hdu: str | None, readme: Path | None
    ) -> tuple[QTable, IntrinsicWidths, tuple[str, ...]]:
        """The table, its widths without the instrument's, and remarks on them."""
        from xdgmm.lines import deconvolve
        from xdgmm.tables import read_table

        if (self.sigma is None) == (self.fwhm is None):
            raise InputError("name the column of the observed widths once: --sigma NAME, or --fwhm NAME")
        _check_instrument({"--lsf": self.lsf, "--lsf-fwhm": self.lsf_fwhm, "--resolving-power": self.resolving_power})
        contents = read_table(self.table, hdu, readme)
        observed, errors, remarks = _measured(contents, self.sigma or self.fwhm or "", self.error, on_bad, on_limit)
        widths = deconvolve(
            observed,
            errors,
            lsf=_value(contents, self.lsf, "--lsf"),
            fwhm=_value(contents, self.lsf_fwhm, "--lsf-fwhm"),
            R=_value(contents, self.resolving_power, "--resolving-power"),
            lsf_error=_value(contents, self.lsf_error, "--lsf-error"),
            lsf_scatter=_value(contents, self.lsf_scatter, "--lsf-scatter"),
            rest=_value(contents, self.rest, "--rest"),
            convention=self.convention,
            measure="sigma" if self.fwhm is None else "fwhm",
        )
        return contents, widths, remarks


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

    if on_limit == "use":
        raise InputError("limits of widths of lines cannot be used as such; set `on_limit` to 'missing' or 'drop'")
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
