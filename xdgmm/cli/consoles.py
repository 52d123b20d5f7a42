"""Where text goes: results to standard output, progress and complaints to standard error."""

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """How a command speaks.

    Attributes
    ----------
    as_json : bool
        Results are one JSON object on standard output, and nothing else is there.
    quiet : bool
        No progress, and no results as text.
    """

    as_json: bool = False
    quiet: bool = False

    @property
    def progress(self):
        """What `Settings.progress` should be."""
        return "never" if self.quiet else "auto"

    def say(self, *printed):
        """Print results for people: text with markup, or rich tables."""
        if not (self.as_json or self.quiet):
            results().print(*printed, soft_wrap=all(isinstance(each, str) for each in printed))

    def status(self, text):
        """Context in which something is said to be under way, on a terminal."""
        return nullcontext() if self.quiet else asides().status(text)

    def tell(self, document):
        """Print the results for machines, where they are wanted so."""
        if self.as_json:
            try:
                sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                _fall_silent()


def _fall_silent():
    """Go on without words where nobody reads any more (`| head`): the files are still wanted."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def results():
    """The console of results: standard output, at least 120 columns wide where it is no terminal."""
    from rich.console import Console

    class Results(Console):
        def on_broken_pipe(self):
            _fall_silent()

    console = Results(highlight=False, emoji=False)
    return console if console.is_terminal else Results(highlight=False, emoji=False, width=max(console.width, 120))


def asides():
    """The console of progress, warnings and errors: standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def escaped(text):
    """The text with what a console would take for markup made harmless."""
    from rich.markup import escape

    return escape(str(text))
