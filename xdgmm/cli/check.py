"""`xdgmm check`: does a fitted model describe its table?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .fit_report import observations_of_model
from .json_results import finite, table_as_json
from .options import (
    Correlations,
    CorrelationsChoice,
    Errors,
    Hdu,
    Json,
    OnBad,
    OnBadChoice,
    OnLimit,
    OnLimitChoice,
    Quiet,
    Readme,
    Weights,
)
from .printing import Printer, escaped


def check(
    model: Annotated[Path, typer.Argument(help="Model that `xdgmm fit` wrote (.fits or .ecsv).")],
    table: Annotated[Path, typer.Argument(help="The table it was fitted to.")],
    columns: Annotated[
        str | None,
        typer.Option(help="Its columns, if their names differ from those in the model.", metavar="NAME[,NAME...]"),
    ] = None,
    errors: Errors = "auto",
    correlations: CorrelationsChoice = Correlations.AUTO,
    weights: Weights = None,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    hdu: Hdu = None,
    readme: Readme = None,
    simulations: Annotated[int, typer.Option(help="Samples of the model that are drawn and fitted.", min=19)] = 199,
    seed: Annotated[int, typer.Option(help="Seed of the samples.", min=0)] = 0,
    *,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Test whether a fitted model describes its table: exit code 0 if nothing speaks against it, otherwise 1.

    Example: xdgmm check model.fits stars.fits
    """
    printer = Printer(json, quiet)
    from xdgmm import diagnostics
    from xdgmm.mixture import GaussianMixture

    mixture = GaussianMixture.read(model)
    observations = observations_of_model(
        mixture,
        table,
        columns,
        errors=errors,
        correlations=correlations,
        weights=weights,
        on_bad=on_bad,
        on_limit=on_limit,
        hdu=hdu,
        readme=readme,
    )
    found = diagnostics.check(mixture, observations, n_simulations=simulations, rng=seed, progress=printer.progress)
    printer.print(found.rich_table())
    printer.print(escaped(found.verdict))
    printer.print_json(
        {
            "passed": found.passed,
            "p_value": found.p_value,
            "n_simulations": found.n_simulations,
            "tests": {**table_as_json(found.table), "meta": finite(dict(found.table.meta))},
        }
    )
    raise typer.Exit(0 if found.passed else 1)
