"""The program: all commands, and what they have in common."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from xdgmm.basics.installation import warn_of_foreign_files

from .apply import apply
from .check import check
from .demo import demo
from .explore import explore
from .fit import fit
from .info import info
from .lines import lines
from .messages import Command, Group, show_warnings_as_sentences
from .options import flag
from .plot import plot
from .widths import widths

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for command in (fit, widths, check, plot, apply, info, explore, demo):
    app.command(cls=Command)(command)
app.add_typer(lines, name="lines")


def _show_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        import xdgmm

        typer.echo(f"xdgmm {xdgmm.__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, flag("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Extreme deconvolution: the intrinsic widths behind measurements that each have their own error."""


def main() -> None:
    """Entry point: exit code 0; 1 if the fit did not converge; 2 and one sentence if the input cannot be used."""
    show_warnings_as_sentences()
    warn_of_foreign_files()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no Greek gets question marks, not a failure
    app(prog_name="xdgmm")  # also when started in another way, so that completion uses the name of the command
