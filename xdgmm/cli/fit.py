"""`xdgmm fit`: fit a table and report widths."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .fit_report import FitReport
from .options import (
    Correlations,
    CorrelationsChoice,
    CovarianceType,
    Errors,
    Full,
    Hdu,
    Json,
    OnBad,
    OnBadChoice,
    OnLimit,
    OnLimitChoice,
    Overwrite,
    Quiet,
    Readme,
    Report,
    Weights,
    flag,
    parse_components,
    parse_errors,
    parse_names,
)
from .output_files import FitFiles
from .printing import Printer


def fit(
    table: Annotated[Path, typer.Argument(help="Table to fit: FITS, ECSV, CSV, anything astropy reads.")],
    columns: Annotated[str, typer.Option(help="Columns to fit, separated by commas.", metavar="NAME[,NAME...]")],
    errors: Errors = "auto",
    correlations: CorrelationsChoice = Correlations.AUTO,
    weights: Weights = None,
    components: Annotated[str, typer.Option(help="How many: 2, or 1:4 to let BIC choose.", metavar="K|K:K")] = "1",
    covariance_type: Annotated[
        CovarianceType, typer.Option(help="Covariances: one for each component, one for all, diagonal, or spherical.")
    ] = CovarianceType.FULL,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    hdu: Hdu = None,
    readme: Readme = None,
    output: Annotated[Path | None, typer.Option(help="Write the model here (.fits or .ecsv).")] = None,
    report: Report = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture here (.png, .pdf, .svg).")] = None,
    starts: Annotated[int, typer.Option(help="Number of random starts that are compared.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the random starts.", min=0)] = 0,
    *,
    background: Annotated[
        bool, flag("--background", help="Add a uniform component for outliers, over a box whose edges are fitted.")
    ] = False,
    mcmc: Annotated[
        bool, flag("--mcmc", help="Find errors from samples of the posterior (emcee), not from the curvature.")
    ] = False,
    full: Full = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit a table's columns and report their intrinsic widths.

    Example: xdgmm fit stars.fits --columns v --errors e_v --components 1:3 --report widths.ecsv
    """
    printer = Printer(json, quiet)
    files = FitFiles(output, report, plot, overwrite=overwrite)
    files.check(table)
    candidates = parse_components(components)
    from xdgmm.fitting import Model, Settings
    from xdgmm.mixture import Background
    from xdgmm.observations import Observations
    from xdgmm.tables import read_table

    names = parse_names(columns)
    observations = Observations.from_table(
        read_table(table, hdu, readme),
        names,
        errors=parse_errors(errors),
        correlations=correlations.value,
        weights=weights,
        on_bad=on_bad.value,
        on_limit=on_limit.value,
    )
    files.check_dimensions(observations)
    model = Model(covariance_type.value, background=Background() if background else None)
    settings = Settings(model=model, n_init=starts, progress=printer.progress)
    options = {"method": "mcmc", "rng": seed} if mcmc else {}
    document = FitReport(table.name, observations, files, printer, options, full=full).fit(candidates, settings, seed)
    printer.print_json(document)
    raise typer.Exit(0 if document["converged"] else 1)
