"""`xdgmm plot`: pictures of a fitted model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import OutputError

from .fit_report import observations_and_table
from .interrupts import interrupts
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
    Overwrite,
    Quiet,
    Readme,
    Weights,
    parse_names,
)
from .printing import Printer, escaped

if TYPE_CHECKING:
    from xdgmm.mixture import GaussianMixture


def plot(
    model: Annotated[Path, typer.Argument(help="Model that `xdgmm fit` wrote (.fits or .ecsv).")],
    table: Annotated[Path, typer.Argument(help="The table it was fitted to.")],
    output: Annotated[Path, typer.Option(help="Write the picture here (.png, .pdf, .svg).")],
    kind: Annotated[
        str,
        typer.Option(
            help="fit, density, error_bars, ellipses, corner, memberships, denoising, relation, residuals, quantiles, "
            "pit, widths, check or candidates.",
            metavar="KIND",
        ),
    ] = "fit",
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
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    hdu: Hdu = None,
    readme: Readme = None,
    title: Annotated[str | None, typer.Option(help="Title of the picture.", metavar="TEXT")] = None,
    *,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a fitted model and its table.

    Example: xdgmm plot model.fits stars.fits --kind corner --columns pmra,pmdec --output corner.pdf
    """
    printer = Printer(json, quiet)
    from xdgmm.mixture import GaussianMixture
    from xdgmm.plotting import check_kind, save

    check_kind(kind)
    _check_output(output, (model, "the model"), (table, "the table"), overwrite=overwrite)
    shown = None if columns is None else parse_names(columns)
    mixture = GaussianMixture.read(model)
    observations = observations_and_table(
        mixture,
        table,
        fitted_columns,
        errors=errors,
        correlations=correlations,
        weights=weights,
        on_bad=on_bad,
        on_limit=on_limit,
        hdu=hdu,
        readme=readme,
    )[0]
    with printer.status("drawing"):
        picture = _drawn(mixture, observations, kind, shown, title)
        save(picture, output, overwrite=overwrite)
    interrupts.written.append(output)
    printer.print(f"wrote {escaped(output)}")
    names = list(mixture.names) if shown is None else shown
    printer.print_json({"kind": kind, "columns": names, "n_objects": observations.n_objects, "written": [str(output)]})


def _drawn(mixture: GaussianMixture, observations: Any, kind: str, columns: list[str] | None, title: str | None) -> Any:
    """The picture, in a figure of its own."""
    from xdgmm.plotting import new_figure, plot
    from xdgmm.text import printable

    figure = new_figure()
    plot(mixture, observations, kind=kind, columns=columns, figure=figure)
    if title is not None:
        figure.suptitle(printable(title), parse_math=False)
    return figure


def _check_output(output: Path, *read: tuple[Path, str], overwrite: bool) -> None:
    """Refuse a path that cannot be written, or is read."""
    from xdgmm.files import check_output
    from xdgmm.plotting import PLOT_SUFFIXES

    check_output(output, overwrite=overwrite, suffixes=PLOT_SUFFIXES)
    for path, what in read:
        if output.resolve() == path.resolve():
            raise OutputError(f"'{path}' is {what} that is read; write to another file")
