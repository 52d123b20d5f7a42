"""`xdgmm apply`: what a model says of each object, as new columns of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .fit_report import in_units_of
from .options import (
    Asymmetric,
    AsymmetricChoice,
    Correlations,
    CorrelationsChoice,
    Errors,
    Hdu,
    Json,
    Memberships,
    Model,
    ModelColumns,
    OnBad,
    OnBadChoice,
    OnLimit,
    OnLimitChoice,
    Overwrite,
    OverwriteColumns,
    Prefix,
    Quiet,
    Readme,
    parse_errors,
    parse_names,
)
from .output_files import AppendedTable
from .printing import Printer, escaped

if TYPE_CHECKING:
    from xdgmm.objects import ObjectColumns


def apply(
    model: Model,
    table: Annotated[Path, typer.Argument(help="Table of objects: FITS, ECSV, CSV, anything astropy reads.")],
    output: Annotated[Path, typer.Option(help="Write the table with the new columns here (.fits or .ecsv).")],
    columns: ModelColumns = None,
    errors: Errors = "auto",
    memberships: Memberships = None,
    correlations: CorrelationsChoice = Correlations.AUTO,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    asymmetric: AsymmetricChoice = Asymmetric.MOMENTS,
    hdu: Hdu = None,
    readme: Readme = None,
    prefix: Prefix = "xd_",
    outlyingness: Annotated[
        int | None,
        typer.Option(
            help="Find the outlyingness for several components too, with this number of draws per object.",
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
) -> None:
    """Append memberships, likelihoods and denoised values to a table.

    Example: xdgmm apply model.fits stars.fits --output members.fits
    """
    printer = Printer(json, quiet)
    appended = AppendedTable(table, output, hdu, readme, overwrite=overwrite, overwrite_columns=overwrite_columns)
    appended.check((model, "the model"))
    from xdgmm.mixture import GaussianMixture
    from xdgmm.objects import ObjectColumns
    from xdgmm.observations import Observations
    from xdgmm.tables import read_table

    mixture = GaussianMixture.read(model)
    contents = read_table(table, hdu, readme)
    names = list(mixture.names) if columns is None else parse_names(columns)
    read = Observations.from_table(
        contents,
        names,
        errors=parse_errors(errors),
        correlations=correlations.value,
        memberships=memberships and parse_names(memberships),
        on_bad=on_bad.value,
        on_limit=on_limit.value,
        asymmetric=asymmetric.value,
    )
    observations = in_units_of(mixture, read)
    new = ObjectColumns(mixture, observations, prefix, outlyingness, seed)
    appended.check_names(contents.colnames, new.columns)
    del contents  # it may be large, and is read again in parts
    _print_summary(new, table, printer)
    document = appended.write(new.columns, new.blocks(printer.progress), printer)
    counts = {"n_rows": len(observations), "n_masked": new.n_masked, "data": list(observations.remarks)}
    printer.print_json({"title": table.name, **counts, **document})


def _print_summary(new: ObjectColumns, table: Path, printer: Printer) -> None:
    """Print what was read, and how many objects get masked columns."""
    n_rows = len(new.observations)
    remarks = "; ".join(new.observations.remarks)
    printer.print(f"[b]{escaped(table.name)}[/b]: {n_rows} row{'s'[: n_rows != 1]}; {escaped(remarks)}")
    if new.n_masked:
        printer.print(f"{new.n_masked} without any usable value: their new columns are masked")
