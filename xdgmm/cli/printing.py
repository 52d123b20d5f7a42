"""Printing: results to standard output; progress, warnings and errors to standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@dataclass(frozen=True)
class Printer:
    """What a command prints.

    Attributes
    ----------
    as_json : bool
        Results are printed as one JSON object, and nothing else goes to standard output.
    quiet : bool
        Neither progress nor results as text are printed.
    """

    as_json: bool = False
    quiet: bool = False

    @property
    def progress(self) -> str:
        """What `Settings.progress` should be."""
        return "never" if self.quiet else "auto"

    def print(self, *results: RenderableType) -> None:
        """Print results as text: strings with markup, or rich tables."""
        if not (self.as_json or self.quiet):
            output_console().print(*results, soft_wrap=all(isinstance(each, str) for each in results))

    def print_json(self, document: dict[str, Any]) -> None:
        """Print the results as JSON, if they are wanted as JSON: in ASCII, which no encoding of the output changes."""
        if self.as_json:
            try:
                sys.stdout.write(json.dumps(document, allow_nan=False, indent=1) + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                _discard_output()

    def status(self, text: str) -> AbstractContextManager[Any]:
        """Context in which a terminal shows a spinner with this text."""
        return nullcontext() if self.quiet else error_console().status(text)


def _discard_output() -> None:
    """Print nothing more after the reader of standard output has closed it (`| head`): files are still written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output_console() -> Console:
    """Standard output, at least 120 columns wide if it is not a terminal."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            _discard_output()

    console = Output(highlight=False, emoji=False)
    return console if console.is_terminal else Output(highlight=False, emoji=False, width=max(console.width, 120))


def error_console() -> Console:
    """Standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def escaped(text: object) -> str:
    """The text with its square brackets escaped, so that it is printed as it is, not as markup."""
    from rich.markup import escape

    return escape(str(text))
