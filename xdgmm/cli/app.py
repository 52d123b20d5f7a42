"""The commands gathered, and what happens to an error: one sentence and the exit code 2."""

import sys
import warnings
from typing import Annotated

import typer

from xdgmm.basics.installation import warn_of_foreign_files
from xdgmm.errors import XdgmmError

from .apply import apply
from .consoles import asides, escaped, show_warning
from .demo import demo
from .fit import fit
from .info import info
from .lines import lines
from .options import flag
from .widths import widths

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for command in (fit, widths, apply, info, demo):
    app.command()(command)
app.add_typer(lines, name="lines")


def _show_version(asked: bool):  # noqa: FBT001 - as typer calls it
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
):
    """Extreme deconvolution: the intrinsic widths behind measurements that each have their own error."""


def main():
    """Entry point: exit code 0; 1 if the fit did not converge; 2 and one sentence if the input cannot be used."""
    warnings.showwarning = show_warning
    warn_of_foreign_files()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal that knows no Greek gets question marks, not a failure
    try:
        app(prog_name="xdgmm")  # however it was started, so that completion names the command itself
    except (XdgmmError, OSError) as error:
        asides().print(f"[red]error:[/red] {escaped(error)}", soft_wrap=True)
        sys.exit(2)
