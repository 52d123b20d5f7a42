"""Errors and warnings on the command line, with the options that belong to the arguments they name.

The library knows arguments (`n_init`), not options (--starts).  `Command` is the one place where errors of the library
are caught and its warnings are shown: a message that names an argument in backquotes gets the option of this command
beside it, as in "raise `n_init` (--starts)".
"""

from __future__ import annotations

import re
import warnings
from ast import literal_eval
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Exit
from typer.core import TyperCommand, TyperGroup

from xdgmm.errors import XdgmmError, XdgmmWarning
from xdgmm.text import printable

from .given_command import given_command
from .interrupts import interrupts
from .printing import error_console, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_WIDTHS = {
    "R": "resolving_power",
    "fwhm": "lsf_fwhm",
    "observed_error": "error",
    "measure='sigma'": "sigma",
    "measure='fwhm'": "fwhm",
}
# Arguments whose option does not have their name, for each command with its group, and values that are options of their
# own.  All others are found by their names.
OTHER_NAMES = {
    "fit": {
        "n_components": "components",
        "n_init": "starts",
        "n_jobs": "jobs",
        "covariance_types": "covariance_type",
        "backend": "chain",
        "random_state": "seed",
        "means_init": "means",
        "max_iter": "passes",
    },
    "apply": {"replace": "overwrite_columns"},
    "lines fit": {
        "n_jobs": "jobs",
        "R": "resolving_power",
        "fwhm": "lsf_fwhm",
        "windows": "window",
        "rest_windows": "rest_window",
    },
    "lines deconvolve": {**OF_WIDTHS, "errors": "error", "replace": "overwrite_columns"},
    "lines population": OF_WIDTHS,
    "lines measure-lsf": {
        "positions": "position",
        "widths": "width",
        "width_errors": "error",
        "errors": "error",
        "replace": "overwrite_columns",
    },
}
OF_PATTERNS = ("fit", "apply", "widths", "check", "plot")  # commands that read catalogues in parts
EXTRA = re.compile(r"unexpected extra argument\S* \((.+)\)")  # in the words of typer
WRONG_INPUT = 2  # exit code
# `name` or `name=value`.
ARGUMENT = re.compile(r"`(\w+)(?:=([^`]*))?`")


class Group(TyperGroup):
    """All commands: what typer says of words that it does not know shows no control characters."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the options of the program."""
        with _printable_usage_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Read the options of a command and run it."""
        with interrupts.noted(), _printable_usage_errors():
            try:
                return super().invoke(ctx)
            except Exit as end:
                if interrupts.received is None or end.exit_code != WRONG_INPUT:
                    raise
            except BaseException as error:  # also what an import or another package has made of the signal
                if interrupts.received is None and not isinstance(error, KeyboardInterrupt | SystemExit):
                    raise
            _print_sentence(f"[red]{interrupts.kind}:[/red]", interrupts.sentence())
            raise Exit(interrupts.exit_code)


@contextmanager
def _printable_usage_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "message"):  # typer prints it
            error.message = printable(f"{error.message}{_advice_on_patterns(error)}")
        raise


def _advice_on_patterns(error: Any) -> str:
    """What to do where the shell has made several files of a pattern."""
    extra = EXTRA.search(error.message)
    command = getattr(getattr(error, "ctx", None), "info_name", None)
    suffix = Path(extra[1].split()[-1]).suffix if extra and command in OF_PATTERNS else ""
    if not suffix:
        return ""
    return f". Is this a pattern, which the shell has replaced by its files? Put it in quotes: '*{suffix}'"


class Command(TyperCommand):
    """A command that ends with exit code 2 and one sentence where the library raises an error."""

    group = ""

    @property
    def full_name(self) -> str:
        """The name behind that of its group."""
        return f"{self.group} {self.name}".strip()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, and keep them as they were given."""
        given_command.note(ctx.command_path, args)
        return list(super().parse_args(ctx, args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command, showing warnings and errors of the library with its options."""
        show_warnings_as_sentences(self)
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader of standard output has closed it; typer ends the program
        except (XdgmmError, OSError) as error:
            _print_sentence("[red]error:[/red]", with_options(str(error), self))
            raise Exit(WRONG_INPUT) from None
        except MemoryError as error:
            _print_sentence("[red]error:[/red]", f"the memory is not enough ({str(error) or 'no details'})")
            raise Exit(WRONG_INPUT) from None


def with_options(message: str, command: TyperCommand) -> str:
    """The message, with the option of the command behind each argument that it names and the command has."""
    options = {parameter.name: parameter for parameter in command.params if parameter.param_type_name == "option"}
    other_names = OTHER_NAMES.get(getattr(command, "full_name", ""), {})
    shown = set()

    def extended(found: re.Match[str]) -> str:
        name, value = found.groups()
        own_option = other_names.get(f"{name}={value}")
        option = options.get(own_option or other_names.get(name, name))
        text = None if option is None else _option_text(option, None if own_option else value)
        if text is None or text in shown:
            return found[0]
        shown.add(text)
        return f"{found[0]} ({text})"

    return ARGUMENT.sub(extended, message)


def _option_text(option: Any, value: str | None) -> str | None:
    """How the option is written, with its value where one is given; None if the value is not one for an option."""
    flag = max(option.opts, key=len)
    if value is None or option.is_flag:
        return str(flag)
    try:
        plain = literal_eval(value)
    except (ValueError, SyntaxError):
        return None
    if plain is None:
        return f"{flag} none"
    return f"{flag} {plain}" if isinstance(plain, str | int | float) else None


def show_warnings_as_sentences(command: TyperCommand | None = None) -> None:
    """Print each warning as one sentence from now on, with the options of the command."""
    warnings.showwarning = partial(_show_warning, command)


def _show_warning(command: TyperCommand | None, message: Warning | str, category: type[Warning], *_rest: Any) -> None:
    kind = "warning" if issubclass(category, XdgmmWarning) else category.__name__
    _print_sentence(
        f"[yellow]{kind}:[/yellow]", str(message) if command is None else with_options(str(message), command)
    )


def _print_sentence(kind: str, sentence: str) -> None:
    error_console().print(f"{kind} {escaped(sentence)}", soft_wrap=True)
