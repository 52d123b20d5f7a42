"""`xdgmm apply`."""

from pathlib import Path
from typing import Annotated

import typer

from .appending import Appended
from .consoles import Voice, escaped
from .options import (
    Correlations,
    CorrelationsChoice,
    Errors,
    Hdu,
    Json,
    OnBad,
    OnBadChoice,
    Overwrite,
    OverwriteColumns,
    Prefix,
    Quiet,
    errors_of,
    names_of,
)
from .reporting import in_units_of


def apply(
    model: Annotated[Path, typer.Argument(help="Model that `xdgmm fit` wrote (.fits or .ecsv).")],
    table: Annotated[Path, typer.Argument(help="Table of objects: FITS, ECSV, CSV, anything astropy reads.")],
    output: Annotated[Path, typer.Option(help="Write the table with the new columns here (.fits or .ecsv).")],
    columns: Annotated[
        str | None,
        typer.Option(help="Its columns, where they are not called as in the model.", metavar="NAME[,NAME...]"),
    ] = None,
    errors: Errors = "auto",
    correlations: CorrelationsChoice = Correlations.AUTO,
    on_bad: OnBadChoice = OnBad.RAISE,
    hdu: Hdu = None,
    prefix: Prefix = "xd_",
    outlyingness: Annotated[
        int | None,
        typer.Option(
            help="Find outlyingness of several components too, by so many draws for each object.",
            min=1,
            metavar="DRAWS",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of these draws.", min=0)] = 0,
    *,
    overwrite_columns: OverwriteColumns = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
):
    """Append memberships, likelihoods and denoised values to a table.

    Example: xdgmm apply model.fits stars.fits --output judged.fits
    """
    voice = Voice(json, quiet)
    appended = Appended(table, output, hdu, overwrite=overwrite, overwrite_columns=overwrite_columns)
    appended.check((model, "the model"))
    from xdgmm.mixture import GaussianMixture
    from xdgmm.objects import ObjectColumns
    from xdgmm.observations import Observations
    from xdgmm.tables import read_table

    mixture = GaussianMixture.read(model)
    catalogue = read_table(table, hdu)
    names = list(mixture.names) if columns is None else names_of(columns)
    how = {"errors": errors_of(errors), "correlations": correlations.value, "on_bad": on_bad.value}
    observations = in_units_of(mixture, Observations.from_table(catalogue, names, **how))
    answers = ObjectColumns(mixture, observations, prefix, outlyingness, seed)
    appended.check_names(catalogue.colnames, answers.columns)
    del catalogue  # a large one is not needed again
    _introduce(answers, table, voice)
    document = appended.write(answers.columns, answers.blocks(voice.progress), voice)
    counts = {"n_rows": len(observations), "n_masked": answers.n_masked, "data": list(observations.remarks)}
    voice.tell({"title": table.name, **counts, **document})


def _introduce(answers, table, voice):
    """Say what was read, and what cannot be judged."""
    n_rows = len(answers.observations)
    said = "; ".join(answers.observations.remarks)
    voice.say(f"[b]{escaped(table.name)}[/b]: {n_rows} row{'s'[: n_rows != 1]}; {escaped(said)}")
    if answers.n_masked:
        voice.say(f"{answers.n_masked} without any usable value: their new columns are masked")
