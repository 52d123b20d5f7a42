"""`xdgmm check`: does a fitted model describe its table?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import InputError

from .fit_report import observations_and_table
from .interrupts import interrupts
from .json_results import finite, table_as_json
from .options import (
    Asymmetric,
    AsymmetricChoice,
    Correlations,
    CorrelationsChoice,
    DeviceChoice,
    Errors,
    FittedTable,
    Hdu,
    Json,
    Memberships,
    Memory,
    Model,
    ModelColumns,
    OnBad,
    OnBadChoice,
    OnLimit,
    OnLimitChoice,
    Overwrite,
    Quiet,
    Readme,
    Weights,
    make_passes_on,
    parse_names,
)
from .output_files import check_written
from .printing import Printer, escaped

if TYPE_CHECKING:
    from xdgmm.diagnostics import Check, ErrorScale


class Changes(StrEnum):
    """How errors may be wrong."""

    FACTOR = "factor"
    JITTER = "jitter"


def check(
    model: Model,
    table: FittedTable,
    columns: ModelColumns = None,
    errors: Errors = "auto",
    correlations: CorrelationsChoice = Correlations.AUTO,
    weights: Weights = None,
    memberships: Memberships = None,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    asymmetric: AsymmetricChoice = Asymmetric.MOMENTS,
    hdu: Hdu = None,
    readme: Readme = None,
    memory: Memory = None,
    simulations: Annotated[int, typer.Option(help="Samples of the model that are drawn and fitted.", min=19)] = 199,
    seed: Annotated[int, typer.Option(help="Seed of the samples.", min=0)] = 0,
    against: Annotated[
        str | None,
        typer.Option(help="Columns along which residuals may change, such as a magnitude.", metavar="NAME[,NAME...]"),
    ] = None,
    object_names: Annotated[
        str | None, typer.Option(help="Column of the names of the objects.", metavar="NAME")
    ] = None,
    error_scale: Annotated[
        Changes | None,
        typer.Option(help="Fit a factor on the errors too, or a floor (jitter) beneath those of groups."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Column of the groups, such as the instrument, for --error-scale.", metavar="NAME"),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the check here: .html, or the table of the tests, .ecsv or .fits.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write a picture of residuals and tests here (.png, .pdf, .svg).")
    ] = None,
    device: DeviceChoice = None,
    *,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Test whether a fitted model describes its table: exit code 0 if nothing speaks against it, otherwise 1.

    Example: xdgmm check model.fits stars.fits
    """
    printer = Printer(json, quiet)
    make_passes_on(device)
    from xdgmm import diagnostics
    from xdgmm.diagnostics.inputs import columns_of_table, names_of_objects
    from xdgmm.mixture import GaussianMixture
    from xdgmm.tables.columns import find_column
    from xdgmm.tables.table_types import named_columns

    if by is not None and error_scale is None:
        raise InputError(
            "--by names groups for --error-scale, which was not given; add --error-scale factor, or jitter"
        )
    read = (model, "the model"), (table, "the table")
    _check_outputs(report, plot, *read, overwrite=overwrite)
    mixture = GaussianMixture.read(model)
    observations, contents = observations_and_table(
        mixture,
        table,
        columns,
        errors=errors,
        correlations=correlations,
        weights=weights,
        memberships=memberships,
        on_bad=on_bad,
        on_limit=on_limit,
        asymmetric=asymmetric,
        hdu=hdu,
        readme=readme,
        memory=memory,
        progress=printer.progress,
    )
    columns_along, names, labels = None, None, None
    if contents is None:
        _refuse_columns(against=against, object_names=object_names, by=by)
    else:
        columns_along = columns_of_table(None if against is None else parse_names(against), contents)
        names = names_of_objects(object_names, contents)
        labels = None if by is None else contents[find_column(named_columns(contents), by)]
    del contents
    scale = None
    if error_scale is not None:  # first, since what is refused is refused before a longer check
        scale = diagnostics.error_scale(
            mixture, observations.sample, by=labels, kind=error_scale.value, progress=printer.progress
        )
    options: dict[str, Any] = {"against": columns_along, "object_names": names, "progress": printer.progress}
    found = diagnostics.check(mixture, observations, n_simulations=simulations, rng=seed, **options)
    for part in [*found.report(), *([] if scale is None else scale.report())]:
        for line in part.split("\n") if isinstance(part, str) else [part]:
            printer.print(escaped(line) if isinstance(line, str) else line)
    written = _write(found, report, plot, mixture.names, overwrite=overwrite)
    for path in written:
        printer.print(f"wrote {escaped(path)}")
    printer.print_json(_as_json(found, written) | ({} if scale is None else {"error_scale": _scale_as_json(scale)}))
    raise typer.Exit(0 if found.passed else 1)


def _refuse_columns(**given: str | None) -> None:
    """Refuse names of columns of a table that is read in parts."""
    for name, column in given.items():
        if column is not None:
            raise InputError(
                f"`{name}` names column '{column}', but the catalogue is read in parts, of which a random sample is "
                "checked; check a table that fits into memory with it"
            )


def _check_outputs(report: Path | None, plot: Path | None, *read: tuple[Path, str], overwrite: bool) -> None:
    """Refuse paths that cannot be written, or are read."""
    from xdgmm.diagnostics.verdict import CHECK_SUFFIXES
    from xdgmm.plotting import PLOT_SUFFIXES

    for output, suffixes in ((report, CHECK_SUFFIXES), (plot, PLOT_SUFFIXES)):
        if output is not None:
            check_written(output, suffixes, *read, overwrite=overwrite)


def _write(
    found: Check, report: Path | None, plot: Path | None, names: tuple[str, ...], *, overwrite: bool
) -> list[Path]:
    """Write what is asked for; returns the files."""
    from xdgmm.plotting import new_figure, plot_check, save

    written = []
    if report is not None:
        found.write(report, overwrite=overwrite)
        written.append(report)
        interrupts.written.append(report)
    if plot is not None:
        save(plot_check(found, ", ".join(names), figure=new_figure()), plot, overwrite=overwrite)
        written.append(plot)
        interrupts.written.append(plot)
    return written


def _scale_as_json(scale: ErrorScale) -> dict[str, Any]:
    """The factors or floors, and the widths with them."""
    tables = {"errors": scale.table, "widths": scale.widths}
    return {
        "kind": scale.kind,
        "gain": scale.gain,
        "p_value": scale.p_value,
        "verdict": scale.verdict.splitlines(),
        **{name: {**table_as_json(table), "meta": finite(dict(table.meta))} for name, table in tables.items()},
    }


def _as_json(found: Check, written: list[Path]) -> dict[str, Any]:
    """All tables of a check."""
    tables = {"tests": found.table, "unusual": found.unusual, "influence": found.influence, "remedies": found.remedies}
    return {
        "passed": found.passed,
        "p_value": found.p_value,
        "n_simulations": found.n_simulations,
        "n_objects": found.n_objects,
        "sampled_from": found.sampled_from,
        "verdict": found.verdict.splitlines(),
        **{
            name: None if table is None else {**table_as_json(table), "meta": finite(dict(table.meta))}
            for name, table in tables.items()
        },
        "written": [str(path) for path in written],
    }
