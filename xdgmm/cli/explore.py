"""`xdgmm explore`: see a mixture move, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xdgmm.errors import InputError

from .options import (
    Asymmetric,
    AsymmetricChoice,
    Correlations,
    CorrelationsChoice,
    Errors,
    Hdu,
    OnBad,
    OnBadChoice,
    OnLimit,
    OnLimitChoice,
    Overwrite,
    Quiet,
    Readme,
    Weights,
    flag,
    parse_names,
    reading_options,
)
from .printing import Printer, escaped


def explore(
    table: Annotated[
        Path | None, typer.Argument(help="A table of any format; blobs as in textbooks by default.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns to fit; by default the first two with errors.", metavar="NAME[,NAME...]"),
    ] = None,
    errors: Errors = "auto",
    correlations: CorrelationsChoice = Correlations.AUTO,
    weights: Weights = None,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    asymmetric: AsymmetricChoice = Asymmetric.MOMENTS,
    hdu: Hdu = None,
    readme: Readme = None,
    port: Annotated[int, typer.Option(help="Port of the server; 0 takes a free one.")] = 0,
    export: Annotated[
        Path | None,
        typer.Option(help="Write a lesson that needs no server into this file (HTML), and end.", metavar="FILE"),
    ] = None,
    *,
    overwrite: Overwrite = False,
    no_browser: Annotated[bool, flag("--no-browser", help="Print the address only, and open no browser.")] = False,
    quiet: Quiet = False,
) -> None:
    """Move, fit and judge mixtures in the browser, with your own table or a bundled one; Ctrl-C ends it.

    Example: xdgmm explore stars.fits --columns pmra,pmdec
    """
    printer = Printer(quiet=quiet)
    from xdgmm import explore as room

    data = None
    if table is None and (columns is not None or errors != "auto"):
        raise InputError("`columns` and `errors` are those of a table, but none was given; name a file before them")
    if export is not None:
        if table is not None:
            raise InputError("`export` writes a lesson without a table, but one was given; leave one of the two out")
        printer.print(f"wrote {escaped(room.export_lesson(export, overwrite=overwrite))}")
        return
    if table is not None:
        options = reading_options(errors, correlations, weights, None, on_bad, on_limit, asymmetric)
        del options["errors"], options["memberships"]
        names = None if columns is None else parse_names(columns)
        data = room.read_file(table, names, errors, hdu=hdu, readme=readme, **options)
        printer.print(escaped(data.in_words))
    room.explore(
        data,
        port=port,
        browser=not no_browser,
        when_ready=lambda url: printer.print(f"{url} (Ctrl-C ends the server)"),
    )
