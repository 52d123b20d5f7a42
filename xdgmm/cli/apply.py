"""`xdgmm apply`: what a model says of each object, as new columns of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import InputError

from .catalogues import is_read_in_parts, opened
from .fit_report import in_units_of
from .interrupts import interrupts
from .options import (
    Asymmetric,
    AsymmetricChoice,
    Correlations,
    CorrelationsChoice,
    DeviceChoice,
    Errors,
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
    OverwriteColumns,
    Prefix,
    Quiet,
    Readme,
    make_passes_on,
    parse_names,
    reading_options,
)
from .output_files import AppendedTable, column_as_json
from .printing import Printer, escaped

if TYPE_CHECKING:
    from xdgmm.objects import ObjectColumns


def apply(
    model: Model,
    table: Annotated[
        Path,
        typer.Argument(
            help="Table of objects: FITS, ECSV, CSV, anything astropy reads; or a folder or pattern of Parquet or FITS "
            "files."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            help="Write the table with the new columns here (.fits or .ecsv); of files that are read in parts a folder "
            "with one for each, or one .parquet."
        ),
    ],
    columns: ModelColumns = None,
    errors: Errors = "auto",
    memberships: Memberships = None,
    correlations: CorrelationsChoice = Correlations.AUTO,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    asymmetric: AsymmetricChoice = Asymmetric.MOMENTS,
    hdu: Hdu = None,
    readme: Readme = None,
    memory: Memory = None,
    keep: Annotated[
        str | None,
        typer.Option(help="Columns of Parquet files that are kept; all by default.", metavar="NAME[,NAME...]"),
    ] = None,
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
    device: DeviceChoice = None,
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
    make_passes_on(device)
    options = reading_options(errors, correlations, None, memberships, on_bad, on_limit, asymmetric)
    if is_read_in_parts(table, memory) or output.suffix == ".parquet":
        written: dict[str, Any] = {
            "keep": keep and parse_names(keep),
            "prefix": prefix,
            "n_samples": outlyingness,
            "rng": seed,
            "overwrite": overwrite,
            "overwrite_columns": overwrite_columns,
        }
        _apply_in_parts(model, table, output, columns, memory, hdu, readme, printer, options, written)
        return
    if keep is not None:
        raise InputError("--keep chooses columns of Parquet files; end the name of --output in .parquet")
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
        **options,
    )
    observations = in_units_of(mixture, read)
    new = ObjectColumns(mixture, observations, prefix, outlyingness, seed)
    appended.check_names(contents.colnames, new.columns)
    del contents  # it may be large, and is read again in parts
    _print_summary(new, table, printer)
    document = appended.write(new.columns, new.blocks(printer.progress), printer)
    counts = {"n_rows": len(observations), "n_masked": new.n_masked, "data": list(observations.remarks)}
    printer.print_json({"title": table.name, **counts, **document})


def _apply_in_parts(
    model: Path,
    table: Path,
    output: Path,
    columns: str | None,
    memory: str | None,
    hdu: str | None,
    readme: Path | None,
    printer: Printer,
    options: dict[str, Any],
    written: dict[str, Any],
) -> None:
    """Append the columns to files that are read in parts."""
    from xdgmm.mixture import GaussianMixture
    from xdgmm.objects import apply

    mixture = GaussianMixture.read(model)
    names = list(mixture.names) if columns is None else parse_names(columns)
    source = opened(table, names, memory, hdu=hdu, readme=readme, **options)
    progress: dict[str, Any] = {
        "progress": printer.progress,
        "started": interrupts.check,
        "finished": interrupts.written.append,
    }
    found = apply(mixture, source, output, **progress, **written)
    n_files = len(found.files)
    printer.print(f"[b]{escaped(table.name)}[/b]: {found.n_rows} row{'s'[: found.n_rows != 1]}")
    if found.n_masked:
        printer.print(f"{found.n_masked} without any usable value: their new columns are masked")
    printer.print(f"appended {escaped(', '.join(column.name for column in found.columns))}")
    printer.print(f"wrote {escaped(output)}" + (f" ({n_files} files)" if n_files > 1 else ""))
    counts = {"n_rows": found.n_rows, "n_masked": found.n_masked, "data": []}
    files = [str(path) for path in found.files]
    described = [column_as_json(column) for column in found.columns]
    printer.print_json({"title": table.name, **counts, "appended": described, "written": files})


def _print_summary(new: ObjectColumns, table: Path, printer: Printer) -> None:
    """Print what was read, and how many objects get masked columns."""
    n_rows = len(new.observations)
    remarks = "; ".join(new.observations.remarks)
    printer.print(f"[b]{escaped(table.name)}[/b]: {n_rows} row{'s'[: n_rows != 1]}; {escaped(remarks)}")
    if new.n_masked:
        printer.print(f"{new.n_masked} without any usable value: their new columns are masked")
