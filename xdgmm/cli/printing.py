"""Printing: results to standard output; progress, warnings and errors to standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xdgmm.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType
    from rich.segment import Segment


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
    console = _console()
    return console if console.is_terminal else _console(width=max(console.width, 120))


def error_console() -> Console:
    """Standard error."""
    return _console(stderr=True)


def _console(**options: Any) -> Console:
    """A console that obeys no control characters in what it prints."""
    from rich.console import Console

    class SafeConsole(Console):
        def on_broken_pipe(self) -> None:
            _discard_output()

        def render(self, *arguments: Any, **options: Any) -> Iterable[Segment]:
            for segment in super().render(*arguments, **options):
                yield segment if segment.control else segment._replace(text=printable(segment.text, keep="\n"))

    return SafeConsole(highlight=False, emoji=False, **options)


def escaped(text: object) -> str:
    """The text with square brackets and control characters escaped, so that it is printed as it is, not as markup."""
    from rich.markup import escape

    return escape(printable(text))
