"""`xdgmm plot`: pictures of a fitted model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xdgmm.errors import InputError

from .catalogues import sampled
from .fit_report import observations_and_table
from .interrupts import interrupts
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
    Kind,
    Memberships,
    Memory,
    Model,
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

OF_ALL = (Kind.WIDTHS, Kind.CHECK)  # pictures of reports


def plot(
    model: Model,
    table: FittedTable,
    output: Annotated[Path, typer.Option(help="Write the picture here (.png, .pdf, .svg).")],
    kind: Annotated[
        Kind,
        typer.Option(help=f"Which picture: {', '.join(Kind)}.", metavar="KIND"),
    ] = Kind.FIT,
    columns: Annotated[
        str | None, typer.Option(help="Which columns of the model to show; all by default.", metavar="NAME[,NAME...]")
    ] = None,
    fitted_columns: Annotated[
        str | None,
        typer.Option(
            help="Columns of the table that were fitted, if their names differ from those in the model.",
            metavar="NAME[,NAME...]",
        ),
    ] = None,
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
    title: Annotated[str | None, typer.Option(help="Title of the picture.", metavar="TEXT")] = None,
    device: DeviceChoice = None,
    *,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a fitted model and its table.

    Example: xdgmm plot model.fits stars.fits --kind corner --columns pmra,pmdec --output corner.pdf
    """
    printer = Printer(json, quiet)
    make_passes_on(device)
    from xdgmm import plotting
    from xdgmm.mixture import GaussianMixture
    from xdgmm.plotting.figures import set_title

    check_written(output, plotting.PLOT_SUFFIXES, (model, "the model"), (table, "the table"), overwrite=overwrite)
    shown = None if columns is None else parse_names(columns)
    mixture = GaussianMixture.read(model)
    observations = observations_and_table(
        mixture,
        table,
        fitted_columns,
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
    )[0]
    if kind in OF_ALL and observations.sample.n_objects < observations.n_objects:
        raise InputError(
            f"--kind {kind.value} shows what all objects say, but the catalogue is read in parts; `xdgmm widths` and "
            "`xdgmm check --plot` report on it"
        )
    drawn, title = sampled(observations, title or "")
    with printer.status("drawing"):
        figure = plotting.new_figure()
        plotting.plot(mixture, drawn, kind=kind.value, columns=shown, figure=figure)
        set_title(figure, title or None)
        plotting.save(figure, output, overwrite=overwrite)
    interrupts.written.append(output)
    printer.print(f"wrote {escaped(output)}")
    names = list(mixture.names) if shown is None else shown
    document = {"kind": kind.value, "columns": names, "n_objects": drawn.n_objects}
    printer.print_json({**document, "written": [str(output)]})
