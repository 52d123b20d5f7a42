"""`xdgmm lines fit`: lines fitted to spectra in files, the instrument in the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import InputError, OutputError

from .json_results import finite, table_as_json
from .line_files import LineFile, read_line_file
from .options import Hdu, Json, Overwrite, Quiet, parse_quantity
from .output_files import check_written, written_together
from .printing import Printer, escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from xdgmm.lines import LineFit, LineFits, Spectrum

MOST_PANELS = 100
WIDTHS = {"--lsf": "sigma", "--lsf-fwhm": "fwhm", "--resolving-power": "R"}


def fit(
    spectra: Annotated[
        list[Path],
        typer.Argument(
            help="Spectra: of SDSS or DESI, or tables with a row for each pixel. Several are sources of their own.",
            metavar="SPECTRUM...",
        ),
    ],
    lines: Annotated[
        Path,
        typer.Option(
            help="What to fit: a file of YAML with groups of lines, and windows, continuum, instrument if wanted.",
            metavar="FILE",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="Write the groups here (.ecsv or .fits), and the lines beside it (NAME_lines)."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw spectrum, components and residuals (.png, .pdf, .svg); several as a grid.")
    ] = None,
    lsf: Annotated[
        str | None,
        typer.Option(
            help="Width of the instrument, as sigma: 1.1 (in the unit of the spectrum), '1.1 AA', '60 km/s'.",
            metavar="WIDTH",
        ),
    ] = None,
    lsf_fwhm: Annotated[
        str | None, typer.Option("--lsf-fwhm", help="Or as full width at half maximum.", metavar="WIDTH")
    ] = None,
    resolving_power: Annotated[
        float | None, typer.Option("--resolving-power", help="Or as wavelength over FWHM.", metavar="R")
    ] = None,
    lsf_error: Annotated[
        float | None, typer.Option("--lsf-error", help="Fractional error of that width.", metavar="FRACTION")
    ] = None,
    includes_pixel: Annotated[
        bool | None,
        typer.Option(
            "--includes-pixel/--no-includes-pixel",
            help="Is the integration over pixels part of that width (a Gaussian through the pixels of arc lines)?",
            show_default=False,
        ),
    ] = None,
    z: Annotated[
        str | None,
        typer.Option(
            "--z", help="Redshift of all groups; of several spectra one, or one for each.", metavar="Z[,Z...]"
        ),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option(
            help="Observed range to fit: 6520:6615, or '652 nm:661.5 nm'; may be repeated.", metavar="LOW:HIGH"
        ),
    ] = None,
    rest_window: Annotated[
        list[str] | None,
        typer.Option(
            "--rest-window", help="Range at rest, moved by the redshift; may be repeated.", metavar="LOW:HIGH"
        ),
    ] = None,
    continuum: Annotated[
        str | None,
        typer.Option(help="Degree of the polynomial in each window, exponential, or none.", metavar="DEGREE"),
    ] = None,
    thermal: Annotated[
        str | None, typer.Option(help="Temperature or k T of the ions, whose width is taken out: '1e4 K'.")
    ] = None,
    medium: Annotated[
        str | None, typer.Option(help="Where wavelengths are measured: air or vacuum; nothing is converted.")
    ] = None,
    noise: Annotated[
        str | None, typer.Option(help="For spectra without errors: estimate, from the residuals.", metavar="estimate")
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the option
        str | None, typer.Option(help="Format of the spectra: sdss, desi or table; recognised if not given.")
    ] = None,
    hdu: Hdu = None,
    row: Annotated[int | None, typer.Option(help="Row of the spectrum in a file of DESI, from 0.", metavar="N")] = None,
    target: Annotated[int | None, typer.Option(help="Or its TARGETID.", metavar="ID")] = None,
    jobs: Annotated[int, typer.Option(help="Processes for several spectra; -1 for all processors.")] = 1,
    *,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit lines to spectra: velocities, intrinsic widths without the instrument, and fluxes.

    Example: xdgmm lines fit spectrum.fits --lines halpha.yaml --output widths.ecsv --plot fit.png

    The file of --lines, in YAML (null or a missing key is the default of lines.fit_lines):

    z: 0.00386                    # and medium: vacuum; windows: [[6520, 6615]] or rest_windows;
    continuum: 1                  # or exponential, none; thermal: 1e4 K; noise: estimate; convention: optical
    lsf: {R: 2000, includes_pixel: true, error: 0.05}        # or sigma, fwhm, sigma_kms
    groups:
      - name: ionised             # and z, element, velocity: [-300, 300], sigma: [0, 500], natural_width
        lines: [6564.61, [6585.27, NII], {rest: 6549.86, label: NII, ratio: 1/3.05}]
    """
    printer = Printer(json, quiet)
    if plot is not None and len(spectra) > MOST_PANELS:
        raise InputError(f"a picture shows at most {MOST_PANELS} spectra; give fewer, or leave --plot out")
    _check_outputs(output, plot, [(path, "a spectrum") for path in spectra] + [(lines, "the file of lines")], overwrite)
    asked = read_line_file(lines)
    settings = {**asked.settings, **_settings(window, rest_window, continuum, thermal, medium, noise)}
    from xdgmm import lines as spectral
    from xdgmm.tables import read_spectrum

    kind: Any = format
    read = [read_spectrum(path, kind, hdu, row=row, target=target) for path in spectra]
    width = _width({"--lsf": lsf, "--lsf-fwhm": lsf_fwhm, "--resolving-power": resolving_power})
    others = {"error": lsf_error, "includes_pixel": includes_pixel}
    sources = [_with_instrument(each if isinstance(each, list) else [each], asked, width, others) for each in read]
    redshifts = _redshifts(z, len(sources))
    found: Any
    if len(sources) == 1:
        with printer.status("fitting"):
            found = spectral.fit_lines(
                sources[0], groups=asked.groups, z=None if redshifts is None else redshifts[0], **settings
            )
        document, good = _single(found, printer), found.converged
    else:
        settings |= {"n_jobs": jobs, "progress": printer.progress}
        found = spectral.fit_many(sources, groups=asked.groups, z=redshifts, **settings)
        document, good = _several(found, printer), bool((found.status == "fitted").all())
    written = _write(found, output, plot, printer, overwrite=overwrite)
    printer.print_json({**document, "written": [str(path) for path in written]})
    raise typer.Exit(0 if good else 1)


def _check_outputs(output: Path | None, plot: Path | None, read: list[tuple[Path, str]], overwrite: bool) -> None:  # noqa: FBT001
    """Refuse paths that cannot be written, or that are read."""
    from xdgmm.lines.spectral.fit_report import lines_path
    from xdgmm.plotting import PLOT_SUFFIXES
    from xdgmm.tables import REPORT_SUFFIXES

    wanted = [] if output is None else [(output, REPORT_SUFFIXES), (lines_path(output), REPORT_SUFFIXES)]
    wanted += [] if plot is None else [(plot, PLOT_SUFFIXES)]
    for path, suffixes in wanted:
        check_written(path, tuple(suffixes), *read, overwrite=overwrite)
    if len({path.resolve() for path, _ in wanted}) < len(wanted):
        raise OutputError("two outputs have the same name; give each its own")


def _settings(
    window: list[str] | None,
    rest_window: list[str] | None,
    continuum: str | None,
    thermal: str | None,
    medium: str | None,
    noise: str | None,
) -> dict[str, Any]:
    """Arguments of `fit_lines` that options give, which take the place of those in the file."""
    found: dict[str, Any] = {}
    if window or rest_window:
        found["windows"] = [_range(text, "--window") for text in window] if window else None
        found["rest_windows"] = [_range(text, "--rest-window") for text in rest_window] if rest_window else None
    if continuum is not None:
        found["continuum"] = _continuum(continuum)
    given = {"thermal": parse_quantity(thermal, "--thermal", "1e4 K"), "medium": medium, "noise": noise}
    return found | {name: value for name, value in given.items() if value is not None}


def _range(text: str, option: str) -> tuple[Any, Any]:
    """A pair from 'LOW:HIGH'."""
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"{option} is '{text}', but it must be LOW:HIGH, as 6520:6615")
    return _number(low, option, "6520:6615"), _number(high, option, "6520:6615")


def _number(text: str, option: str, example: str) -> Any:
    """A number with or without a unit."""
    try:
        return float(text)
    except ValueError:
        return parse_quantity(text, option, example)


def _continuum(text: str) -> Any:
    if text in ("none", "exponential"):
        return None if text == "none" else text
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"--continuum is '{text}', but it must be the degree of a polynomial, exponential or none"
        ) from None


def _width(options: dict[str, Any]) -> dict[str, Any]:
    """The width of the instrument that options give, as an argument of `LSF`."""
    given = {name: value for name, value in options.items() if value is not None}
    if len(given) > 1:
        raise InputError(f"the instrument's width is given twice: {' and '.join(given)}; leave one of them out")
    return {
        WIDTHS[name]: _number(value, name, "60 km/s") if isinstance(value, str) else value
        for name, value in given.items()
    }


def _with_instrument(
    spectra: list[Spectrum], asked: LineFile, width: dict[str, Any], others: dict[str, Any]
) -> list[Spectrum]:
    """Spectra of a source with the instrument of the options, else that of the file, else their own."""
    from xdgmm.lines import LSF

    given = {name: value for name, value in others.items() if value is not None}
    of_file = {name: value for name, value in asked.lsf.items() if name in ("includes_pixel", "error", "scatter")}
    width = width or {name: value for name, value in asked.lsf.items() if name not in of_file}
    if width:
        instrument = LSF(**{**width, **of_file, **given})
        return [spectrum.with_lsf(instrument) for spectrum in spectra]
    return [_with_error(spectrum, {**of_file, **given}) for spectrum in spectra]


def _with_error(spectrum: Spectrum, given: dict[str, Any]) -> Spectrum:
    """The spectrum, whose own instrument has the error that was given."""
    if spectrum.lsf is None:
        raise InputError(
            f"'{spectrum.name}' does not say how wide its instrument is: give --lsf (sigma), --lsf-fwhm or "
            "--resolving-power, or 'lsf' in the file of lines; 0 for widths as observed"
        )
    if "includes_pixel" in given and given["includes_pixel"] != spectrum.lsf.includes_pixel:
        raise InputError(
            f"the instrument of '{spectrum.name}' {spectrum.lsf.describe()}: leave `includes_pixel` out, or give its "
            "width too"
        )
    error, scatter = given.get("error", spectrum.lsf.error), given.get("scatter", spectrum.lsf.scatter)
    return spectrum.with_lsf(spectrum.lsf.with_error(error, scatter))


def _redshifts(text: str | None, number: int) -> list[float] | None:
    """One redshift for each source."""
    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--z is '{text}', but it must be a redshift, or one for each spectrum: 0.01,0.02") from None
    if len(found) not in (1, number):
        raise InputError(f"--z has {len(found)} redshifts, but there are {number} spectra; give one, or one for each")
    return found * number if len(found) == 1 else found


def _single(found: LineFit, printer: Printer) -> dict[str, Any]:
    """Print the report of one fit; returns it for JSON."""
    from xdgmm.lines.spectral.fit_report import header_lines

    report = found.report()
    for line in header_lines(found):
        printer.print(escaped(line))
    printer.print(*report.rich_tables())
    return {
        **finite(dict(report.groups.meta)),
        "groups": table_as_json(report.groups),
        "lines": table_as_json(report.lines),
    }


def _several(found: LineFits, printer: Printer) -> dict[str, Any]:
    """Print the summary of many fits; returns their tables for JSON."""
    from xdgmm.lines.spectral.stack_report import summary_lines, summary_table

    for line in summary_lines(found):
        printer.print(escaped(line))
    printer.print(summary_table(found))
    return {
        **finite(dict(found.table.meta)),
        "n_fitted": found.n_fitted,
        "n_failed": found.n_failed,
        "failures": found.failures,
        "groups": table_as_json(found.table),
        "lines": table_as_json(found.lines),
    }


def _write(found: Any, output: Path | None, plot: Path | None, printer: Printer, *, overwrite: bool) -> list[Path]:
    """Write tables and picture, all or none of them; returns the paths."""
    from xdgmm.lines import LineFits
    from xdgmm.lines.spectral.fit_report import lines_path
    from xdgmm.plotting import new_figure, plot_line_grid, save
    from xdgmm.tables import write_table

    writers: list[tuple[Path, Callable[[Path], Any]]] = []
    if output is not None:
        groups, of_lines = found.table, found.lines
        writers.append((output, lambda path: write_table(groups, path, overwrite=True)))
        writers.append((lines_path(output), lambda path: write_table(of_lines, path, overwrite=True)))
    if plot is not None:
        figure = new_figure()
        with printer.status("drawing"):
            if isinstance(found, LineFits):
                plot_line_grid(found, figure=figure)
            else:
                found.plot(figure=figure)
        writers.append((plot, lambda path: save(figure, path, overwrite=True)))
    written = written_together(writers, overwrite=overwrite)
    for path in written:
        printer.print(f"wrote {escaped(path)}")
    return written
