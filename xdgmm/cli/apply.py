"""`xdgmm apply`."""

from pathlib import Path
from typing import Annotated

import typer

from xdgmm.errors import InputError, OutputError
from xdgmm.files import check_output

from .consoles import escaped, results
from .options import Correlations, CorrelationsChoice, Errors, Hdu, OnBad, OnBadChoice, Overwrite, errors_of, names_of


def apply(
    model: Annotated[Path, typer.Argument(help="Model that `xdgmm fit` wrote (.fits).")],
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
    prefix: Annotated[str, typer.Option(help="What the names of the new columns begin with.")] = "xd_",
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
    overwrite_columns: Annotated[
        bool, typer.Option("--overwrite-columns", help="Replace columns of the table that have the new names.")
    ] = False,
    overwrite: Overwrite = False,
):
    """Append memberships, likelihoods and denoised values to a table.

    Example: xdgmm apply model.fits stars.fits --output judged.fits
    """
    from xdgmm.mixture import GaussianMixture
    from xdgmm.objects import Answers
    from xdgmm.observations import Observations
    from xdgmm.tables import REPORT_SUFFIXES, append_columns, check_new_names, read_table

    check_output(output, overwrite=overwrite, suffixes=REPORT_SUFFIXES)
    for path, what in ((table, "the table"), (model, "the model")):
        if output.resolve() == path.resolve():
            raise OutputError(f"'{path}' is {what} that is read; write to another file")
    if table.exists() and not (table.is_file() or table.is_dir()):
        raise InputError(f"'{table}' can be read only once, but is needed twice; save it to a file first")
    mixture = GaussianMixture.read(model)
    catalogue = read_table(table, hdu)
    names = list(mixture.names) if columns is None else names_of(columns)
    how = {"errors": errors_of(errors), "correlations": correlations.value, "on_bad": on_bad.value}
    observations = Observations.from_table(catalogue, names, **how)
    answers = Answers(mixture, observations, prefix, outlyingness, seed)
    check_new_names(catalogue.colnames, answers.columns, replace=overwrite_columns)
    del catalogue  # a large one is not needed again
    append_columns(table, output, answers.columns, answers.blocks(), hdu=hdu, overwrite=overwrite)
    _report(answers, table, output)


def _report(answers, table, output):
    """Say what was appended, and what could not be judged."""
    out = results()
    n_rows = len(answers.observations)
    said = "; ".join(answers.observations.remarks)
    out.print(f"[b]{escaped(table.name)}[/b]: {n_rows} row{'s'[: n_rows != 1]}; {escaped(said)}", soft_wrap=True)
    if answers.n_masked:
        out.print(f"{answers.n_masked} without any usable value: their new columns are masked", soft_wrap=True)
    appended = ", ".join(column.name for column in answers.columns)
    out.print(f"appended {escaped(appended)}", soft_wrap=True)
    out.print(f"wrote {escaped(output)}", soft_wrap=True)
